"""Builders of domain values with defaults, and random ones."""

import hashlib
from dataclasses import replace
from fractions import Fraction
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from app.domain.advance import Observation
from app.domain.formula import NO_PATH, FeeFormula, PathPoint
from app.domain.header import L1Header, next_base_fee
from app.domain.network import Network
from app.domain.parameters import Controller, Parameters
from app.domain.quote import Quote, make_quote
from app.domain.units import BlockNumber, Gas, UnixSeconds, Wei, WeiDelta, WeiPerGas
from app.domain.vault import NO_VAULT, VaultSource, VaultState

GWEI = 10**9
ETHER = 10**18
MAINNET = Network(l1_chain_id=1, l2_chain_id=167000)
DEFAULTS = Parameters()
GENESIS_TIME = 1_764_157_403

a_third_of_the_examples = settings(max_examples=settings().max_examples // 3)
"""For laws whose every example is a dozen blocks, or one of a dozen parameters."""


def adjusted(parameters: Parameters, **values: Any) -> Parameters:  # noqa: ANN401 - fields of Parameters, by name
    """`parameters` with other values; plain numbers serve as wei and gas."""
    return replace(parameters, **values)


def a_hash(name: str) -> str:
    """A block hash that stands for `name`."""
    return "0x" + hashlib.sha256(name.encode()).hexdigest()


def a_header(
    *,
    base_fee: int = 25 * GWEI,
    number: int = 100,
    name: str = "",
    parent: str = "",
    gas_limit: int = 36_000_000,
    gas_used: int = 18_000_000,
    timestamp: int | None = None,
) -> L1Header:
    """A header of its own; `name` and `parent` stand for its hashes."""
    return L1Header(
        number=BlockNumber(number),
        hash=a_hash(name or f"block {number}"),
        parent_hash=a_hash(parent or f"block {number - 1}"),
        timestamp=UnixSeconds(GENESIS_TIME + 12 * number if timestamp is None else timestamp),
        base_fee_per_gas=WeiPerGas(base_fee),
        gas_limit=Gas(gas_limit),
        gas_used=Gas(gas_used),
    )


def a_child(
    parent: L1Header, *, branch: str = "a", gas_limit: int | None = None, gas_used: int = 18_000_000
) -> L1Header:
    """The block after `parent` on `branch`, as EIP-1559 has it."""
    number = parent.number + 1
    return L1Header(
        number=BlockNumber(number),
        hash=a_hash(f"{branch} {number}"),
        parent_hash=parent.hash,
        timestamp=UnixSeconds(parent.timestamp + 12),
        base_fee_per_gas=next_base_fee(parent),
        gas_limit=parent.gas_limit if gas_limit is None else Gas(gas_limit),
        gas_used=Gas(gas_used),
    )


def a_vault(deficit: int, *, surplus_discount: bool = True) -> VaultState:
    """A static vault with this deficit; negative is a surplus, which gives a discount unless told otherwise."""
    return VaultState(
        VaultSource.STATIC,
        balance=Wei(max(0, -deficit)),
        target=Wei(max(0, deficit)),
        surplus_discount=surplus_discount,
    )


def a_quote(
    header: L1Header,
    *,
    parameters: Parameters = DEFAULTS,
    vault: VaultState = NO_VAULT,
    previous: PathPoint = NO_PATH,
    network: Network = MAINNET,
) -> Quote:
    """The quote at `header`."""
    return make_quote(
        network=network,
        header=header,
        vault=vault,
        formula=FeeFormula.of(parameters),
        previous=previous,
        block_interval_seconds=12,
    )


def an_observation(header: L1Header, vault: VaultState = NO_VAULT) -> Observation:
    """`header` as seen on mainnet."""
    return Observation(MAINNET, header, vault, block_interval_seconds=12)


def ratios(least: str, greatest: str) -> st.SearchStrategy[Fraction]:
    """Exact ratios with at most six decimals, in a closed range."""
    scale = 10**6
    return st.integers(int(Fraction(least) * scale), int(Fraction(greatest) * scale)).map(
        lambda scaled: Fraction(scaled, scale)
    )


base_fees = st.integers(0, 10**12).map(WeiPerGas)
deficits = st.integers(-(10**22), 10**22).map(WeiDelta)
fees = st.integers(1, 10**12).map(WeiPerGas)

_shares = ratios("0", "2")
_rate_limits = st.integers(0, 3_000_000)
"""In millionths; 0 stands for none."""


@st.composite
def parameter_sets(draw: st.DrawFn, /, **fixed: Any) -> Parameters:  # noqa: ANN401 - fields of Parameters, by name
    """Allowed parameters, tiny ones and edges included; `fixed` fields stay as given."""
    controller = fixed.get("controller") or draw(st.sampled_from(Controller))
    bounds = sorted((draw(base_fees), draw(fees)))
    rise, fall = draw(_rate_limits), draw(_rate_limits)
    values: dict[str, Any] = {
        "controller": controller,
        "alpha_data": draw(_shares),
        "deficit_weight": draw(_shares) / 2,
        "horizon_batches": draw(st.integers(1, 3000)),
        "base_fee": draw(st.integers(0, 10 * GWEI)),
        "l2_gas_per_batch": draw(st.integers(1, 60_000_000)),
        "proof_gas_per_batch": draw(st.integers(0, 2_000_000)),
        "min_fee": bounds[0],
        "max_fee": bounds[1],
        "max_fee_increase": Fraction(rise, 10**6) if rise else None,
        "max_fee_decrease": Fraction(-(-fall // 3), 10**6) if fall else None,
    }
    if controller is Controller.LEGACY:
        values |= {"legacy_mu": draw(_shares), "legacy_smoothing": draw(ratios("0.000001", "1"))}
    return Parameters(**values | fixed)


@st.composite
def headers(draw: st.DrawFn) -> L1Header:
    """A header with any base fee and gas, odd gas limits included."""
    gas_limit = draw(st.integers(300_000, 100_000_000))
    return a_header(base_fee=draw(base_fees), gas_limit=gas_limit, gas_used=draw(st.integers(0, gas_limit)))


@st.composite
def descendants(draw: st.DrawFn, parent: L1Header, blocks: int) -> tuple[L1Header, ...]:
    """Blocks that may follow `parent`: the gas limit moves by less than 1/1024, the gas used is anything.

    Full and empty blocks are as likely as all others together: extremes are where a bound breaks.
    """
    path: list[L1Header] = []
    for _ in range(blocks):
        step = parent.gas_limit // 1024 - 1
        gas_limit = parent.gas_limit + draw(st.integers(-step, step))
        share = min(1000, max(0, draw(st.integers(-500, 1500))))
        parent = a_child(parent, gas_limit=gas_limit, gas_used=gas_limit * share // 1000)
        path.append(parent)
    return tuple(path)
