"""The rules again, written from the mechanism's description with exact fractions and none of the program's code."""

import math
from fractions import Fraction

from app.domain.parameters import Parameters


def alpha_raw(p: Parameters, base_fee: int, deficit: int) -> int:
    """α·B + ν·D/(H·G) + P·B/G + base_fee, rounded up."""
    batch = Fraction(p.l2_gas_per_batch)
    data = p.alpha_data * base_fee
    healing = p.deficit_weight * deficit / (p.horizon_batches * batch)
    proof = p.proof_gas_per_batch * base_fee / batch
    return math.ceil(data + healing + proof + p.base_fee)


def batch_cost(p: Parameters, base_fee: int) -> int:
    """(α·G + P)·B, rounded up."""
    return math.ceil((p.alpha_data * p.l2_gas_per_batch + p.proof_gas_per_batch) * base_fee)


def smoothed_cost(p: Parameters, previous: int | None, cost: int) -> int:
    """⌈(1−λ)·Ĉ + λ·cost⌉; the first block's cost starts it."""
    return cost if previous is None else math.ceil((1 - p.legacy_smoothing) * previous + p.legacy_smoothing * cost)


def legacy_raw(p: Parameters, smoothed: int, deficit: int) -> int:
    """μ·Ĉ/G + ν·D/(H·G), rounded up."""
    batch = Fraction(p.l2_gas_per_batch)
    return math.ceil(p.legacy_mu * smoothed / batch + p.deficit_weight * deficit / (p.horizon_batches * batch))


def fee(p: Parameters, raw: int, previous: int | None) -> int:
    """Bounds, rate limit, bounds."""
    clipped = min(p.max_fee, max(p.min_fee, raw))
    if previous:
        if p.max_fee_increase is not None:
            clipped = min(clipped, max(previous + 1, math.floor(previous * (1 + p.max_fee_increase))))
        if p.max_fee_decrease is not None:
            clipped = max(clipped, min(previous - 1, math.ceil(previous * (1 - p.max_fee_decrease))))
    return min(p.max_fee, max(p.min_fee, clipped))


def eip1559_base_fee(parent_gas_limit: int, parent_gas_used: int, parent_base_fee_per_gas: int) -> int:
    """The base fee that a block must have, in the words of the EIP's specification."""
    parent_gas_target = parent_gas_limit // 2
    if parent_gas_used == parent_gas_target:
        return parent_base_fee_per_gas
    if parent_gas_used > parent_gas_target:
        gas_used_delta = parent_gas_used - parent_gas_target
        parent_fee_gas_delta = parent_base_fee_per_gas * gas_used_delta
        target_fee_gas_delta = parent_fee_gas_delta // parent_gas_target
        return parent_base_fee_per_gas + max(target_fee_gas_delta // 8, 1)
    gas_used_delta = parent_gas_target - parent_gas_used
    parent_fee_gas_delta = parent_base_fee_per_gas * gas_used_delta
    target_fee_gas_delta = parent_fee_gas_delta // parent_gas_target
    return parent_base_fee_per_gas - target_fee_gas_delta // 8
