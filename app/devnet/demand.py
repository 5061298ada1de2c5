"""Demand for L1 gas, from a seed. Whole numbers only: the same seed makes the same chain on every machine."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from app.devnet.chain import BlockPlan
from app.domain.errors import InvalidValueError
from app.domain.header import ELASTICITY_MULTIPLIER, L1Header, next_base_fee
from app.domain.network import ETHEREUM_SLOT_SECONDS
from app.domain.simulation import SeriesBlock
from app.domain.units import BlockNumber, Gas, UnixSeconds, WeiPerGas

GAS_LIMIT: Final = Gas(60_000_000)
GAS_TARGET: Final = GAS_LIMIT // ELASTICITY_MULTIPLIER

SPIKE_PERIOD_BLOCKS: Final = 240
SPIKE_BEGINS_BLOCKS: Final = 32
SPIKE_FULL_BLOCKS: Final = 39
"""Full blocks in a row: 1.125^39 is 99 times the base fee."""

DRIFT_HALF_PERIOD_BLOCKS: Final = 1_800
DRIFT_TIMES: Final = 4
"""The level that the drift climbs to, as a multiple of the one it starts from and returns to."""

SCENARIO_BEGINS_AT: Final = 1_735_689_600
"""Unix seconds at which a scenario without a clock begins."""

_MILLION: Final = 1_000_000
_NOISE_PPM: Final = 300_000
_GREATEST_PULL_PPM: Final = 500_000


class Scenario(StrEnum):
    """How demand moves."""

    CALM = "calm"
    """Wanders around a level; most blocks within a fifth of it."""
    SPIKE = "spike"
    """Calm, then full blocks to about a hundredfold, then the way back; every 240 blocks."""
    DRIFT = "drift"
    """The level itself climbs fourfold over 1,800 blocks, and comes back."""


@dataclass(frozen=True, slots=True)
class Demand:
    """A block source without memory: a block's gas follows from the seed, its place and its base fee."""

    scenario: Scenario
    seed: int
    level: WeiPerGas
    """The base fee that demand goes back to, and that the chain starts at."""
    since: BlockNumber
    """The last block before the scenario begins; up to it demand is calm."""

    @property
    def first_number(self) -> BlockNumber:
        """The genesis block."""
        return BlockNumber(0)

    @property
    def first_base_fee(self) -> WeiPerGas:
        """The level."""
        return self.level

    def switched(self, scenario: Scenario, since: BlockNumber) -> "Demand":
        """This demand with another scenario after block `since`."""
        return replace(self, scenario=scenario, since=since)

    def plan(self, number: BlockNumber, base_fee: WeiPerGas, branch: int) -> BlockPlan:
        """A full block within a spike; else the target, plus noise, minus a pull toward the level."""
        age = max(0, number - self.since - 1)
        if self.scenario is Scenario.SPIKE and number > self.since and _within_spike(age):
            return BlockPlan(GAS_LIMIT, GAS_LIMIT)
        level = self.level * _drift_ppm(age) // _MILLION if self.scenario is Scenario.DRIFT else self.level
        excess_ppm = (base_fee - level) * _MILLION // level
        pull_ppm = max(-_GREATEST_PULL_PPM, min(_GREATEST_PULL_PPM, excess_ppm // 2))
        share_ppm = _MILLION + self._noise_ppm(number, branch) - pull_ppm
        return BlockPlan(GAS_LIMIT, Gas(GAS_TARGET * share_ppm // _MILLION))

    def _noise_ppm(self, number: BlockNumber, branch: int) -> int:
        digest = hashlib.sha256(f"demand|{self.seed}|{branch}|{number}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % (2 * _NOISE_PPM + 1) - _NOISE_PPM


def _within_spike(age: int) -> bool:
    return 0 <= age % SPIKE_PERIOD_BLOCKS - SPIKE_BEGINS_BLOCKS < SPIKE_FULL_BLOCKS


def _drift_ppm(age: int) -> int:
    phase = age % (2 * DRIFT_HALF_PERIOD_BLOCKS)
    climbed = min(phase, 2 * DRIFT_HALF_PERIOD_BLOCKS - phase)
    return _MILLION + (DRIFT_TIMES - 1) * _MILLION * climbed // DRIFT_HALF_PERIOD_BLOCKS


def scenario_blocks(scenario: str, seed: int, level: int, blocks: int) -> Iterator[SeriesBlock]:
    """So many blocks of a scenario around a base fee of `level` wei, a slot apart. Raises `InvalidValueError`."""
    if scenario not in tuple(Scenario):
        raise InvalidValueError("scenario", scenario, ", ".join(Scenario))
    if level < 1:
        raise InvalidValueError("base fee of the scenario", level, "at least 1 wei")
    return _blocks(Demand(Scenario(scenario), seed, WeiPerGas(level), BlockNumber(0)), blocks)


def _blocks(demand: Demand, blocks: int) -> Iterator[SeriesBlock]:
    base_fee = demand.first_base_fee
    for number in map(BlockNumber, range(1, blocks + 1)):
        at = UnixSeconds(SCENARIO_BEGINS_AT + number * ETHEREUM_SLOT_SECONDS)
        yield SeriesBlock(number, at, base_fee)
        plan = demand.plan(number, base_fee, branch=0)
        base_fee = next_base_fee(L1Header(number, "", "", at, base_fee, plan.gas_limit, plan.gas_used))
