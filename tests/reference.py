"""The default formula once more, written independently with fractions, for the tests that watch from outside."""

import math
from fractions import Fraction

WEI_PER_ETHER = 10**18


def alpha_fee(base_fee_wei: int, deficit_wei: int = 0) -> int:
    """The fee at the default parameters, in wei per L2 gas."""
    raw = (
        Fraction(18, 100) * base_fee_wei
        + Fraction(180_000 * base_fee_wei, 690_000)
        + Fraction(2, 10) * deficit_wei / (72 * 690_000)
        + 1_500_000_000
    )
    return min(1000 * 10**9, max(0, math.ceil(raw)))
