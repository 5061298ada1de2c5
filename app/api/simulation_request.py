"""What `POST /v1/simulate` is asked, read strictly: what is not allowed is named, to the element of a list."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any, Final

from app.api.bodies import JsonObject
from app.api.problems import invalid_values
from app.api.what_if import is_whole_number
from app.domain.errors import InvalidValueError
from app.domain.formula import FeeFormula
from app.domain.network import ETHEREUM_SLOT_SECONDS
from app.domain.parameter_set import ParameterSet
from app.domain.simulation import SeriesBlock, SimulatedVault, SimulationPlan
from app.domain.units import (
    SAFE_INTEGER_LIMIT,
    BlockNumber,
    UnixSeconds,
    Wei,
    WeiPerGas,
    exact_ratio,
    wei_from_gwei,
)

MOST_BLOCKS: Final = 7_200
"""A day of L1."""
MOST_STORED_BLOCKS: Final = 2_000
"""Of the journal, whose entries are read and checked one by one."""
MOST_ROWS: Final = 2_500
"""Blocks that an answer may list: half a megabyte."""
GREATEST_AMOUNT: Final = 10**30
"""In wei; far above all the ether there is."""
GREATEST_LEVEL: Final = 10**13
"""Of a scenario, in wei: ten thousand gwei, from where it climbs a hundredfold."""
GREATEST_INTERVAL_SECONDS: Final = 86_400
GREATEST_NUMBER: Final = 10**15
"""Of a block."""

_KEYS: Final = (
    "series",
    "parameters",
    "vault",
    "blocksPerBatch",
    "previousFeePerGas",
    "costAlphaData",
    "includeBlocks",
)
_POSTED: Final = ("l1BaseFeesPerGas", "timestamps", "blockIntervalSeconds", "firstBlockNumber")
_SCENARIO: Final = ("scenario", "blocks", "seed", "levelGwei")
_STORED: Final = ("storedBlocks",)
_VAULT: Final = ("balanceWei", "targetWei", "surplusDiscount")
_KINDS: Final = {_POSTED[0]: _POSTED, _SCENARIO[0]: _SCENARIO, _STORED[0]: _STORED}
_MOST_NAMED: Final = 10
_PRICE: Final = "a whole number of wei, at least 0 and below 2^53"
_TIME: Final = "Unix seconds, a whole number, at least 0 and below 2^53"
_AMOUNT: Final = 'a whole number of wei, such as "1000000000000000000", at least 0 and below 10^30'


@dataclass(frozen=True, slots=True)
class PostedSeries:
    """Base fees that came with the request, checked."""

    first: int
    timestamps: Sequence[int]
    base_fees: Sequence[int]

    def blocks(self) -> Iterator[SeriesBlock]:
        """Its blocks."""
        for number, (at, base_fee) in enumerate(zip(self.timestamps, self.base_fees, strict=True), start=self.first):
            yield SeriesBlock(BlockNumber(number), UnixSeconds(at), WeiPerGas(base_fee))


@dataclass(frozen=True, slots=True)
class ScenarioSeries:
    """Demand as the embedded L1 makes it."""

    scenario: str
    seed: int
    level: WeiPerGas
    blocks: int


@dataclass(frozen=True, slots=True)
class StoredSeries:
    """The newest blocks of the journal."""

    blocks: int


Series = PostedSeries | ScenarioSeries | StoredSeries


@dataclass(frozen=True, slots=True)
class SimulationRequest:
    """What is to be simulated, and whether its blocks are to be listed."""

    series: Series
    plan: SimulationPlan
    include_blocks: bool


def simulation_request_of(
    document: JsonObject, present: ParameterSet, environment: ParameterSet, blocks_per_batch: int
) -> SimulationRequest:
    """The request's body; what it leaves out of the parameters keeps its present value.

    A parameter that is null goes back to the one of `environment`, as it would by a change.

    Raises a `ProblemError` that names every value that is not allowed, up to ten of a list.
    """
    reading = _Reading()
    reading.refuse_unknown(document, _KEYS)
    series = _series(reading, document.get("series"))
    changes = reading.of(_object, "parameters", document.get("parameters")) or {}
    for problem in present.problems(changes, environment):
        reading.refuse(f"parameters.{problem.name}", problem.value, problem.allowed)
    vault = _vault(reading, document.get("vault"))
    share = reading.of(_optional(_whole(1)), "blocksPerBatch", document.get("blocksPerBatch"))
    previous = reading.of(_optional(_whole(0)), "previousFeePerGas", document.get("previousFeePerGas"))
    cost_alpha = reading.of(_optional(_ratio), "costAlphaData", document.get("costAlphaData"))
    include_blocks = bool(reading.of(_optional(_flag), "includeBlocks", document.get("includeBlocks")))
    if include_blocks and series is not None and (length := _length(series)) > MOST_ROWS:
        reading.refuse("includeBlocks", True, f"false for more than {MOST_ROWS} blocks: the series has {length}")  # noqa: FBT003 - the value it is about
    if reading.errors or series is None:
        raise invalid_values(*reading.errors)
    plan = SimulationPlan(
        formula=FeeFormula.of(present.changed(changes, fallback=environment).parameters),
        vault=vault,
        blocks_per_batch=blocks_per_batch if share is None else share,
        cost_alpha=cost_alpha,
        previous_fee=None if previous is None else WeiPerGas(previous),
    )
    return SimulationRequest(series, plan, include_blocks)


Reader = Callable[[str, object], Any]


class _Reading:
    """A body being read: goes on past what is wrong, to name it all."""

    def __init__(self) -> None:
        self.errors: Final[list[InvalidValueError]] = []

    def of(self, read: Reader, name: str, value: object) -> Any:  # noqa: ANN401 - whatever the reader gives
        """What `read` makes of a value; None where it refuses it."""
        try:
            return read(name, value)
        except InvalidValueError as error:
            self.errors.append(error)
            return None

    def refuse(self, name: str, value: object, allowed: str) -> None:
        """Note that a value is not allowed."""
        self.errors.append(InvalidValueError(name, value, allowed))

    def refuse_unknown(self, document: Mapping[str, object], known: Sequence[str], within: str = "") -> None:
        """Note every key that is none: a misspelt one would be left out in silence."""
        for name, value in document.items():
            if name not in known:
                self.refuse(f"{within}{name}", value, f"one of {', '.join(known)}")


def _series(reading: _Reading, value: object) -> Series | None:
    document = reading.of(_object, "series", value)
    chosen = [] if document is None else [key for key in _KINDS if key in document]
    if document is None or len(chosen) != 1:
        if value is None or document is not None:
            reading.refuse("series", value, f"an object with exactly one of {', '.join(_KINDS)}")
        return None
    reading.refuse_unknown(document, _KINDS[chosen[0]], "series.")
    read = {_POSTED[0]: _posted, _SCENARIO[0]: _scenario, _STORED[0]: _stored}[chosen[0]]
    return read(reading, document)


def _posted(reading: _Reading, document: JsonObject) -> PostedSeries | None:
    errors_before = len(reading.errors)
    base_fees = reading.of(_list, "series.l1BaseFeesPerGas", document["l1BaseFeesPerGas"]) or []
    _check_each(reading, "series.l1BaseFeesPerGas", base_fees, _PRICE)
    first = (
        reading.of(_optional(_whole(0, GREATEST_NUMBER)), "series.firstBlockNumber", document.get("firstBlockNumber"))
        or 0
    )
    step = reading.of(
        _optional(_whole(1, GREATEST_INTERVAL_SECONDS)),
        "series.blockIntervalSeconds",
        document.get("blockIntervalSeconds"),
    )
    given = document.get("timestamps")
    if given is None:
        step = ETHEREUM_SLOT_SECONDS if step is None else step
        timestamps: Sequence[int] = range(0, step * len(base_fees), step)
    else:
        timestamps = reading.of(_list, "series.timestamps", given) or []
        _check_times(reading, timestamps, len(base_fees))
        if step is not None:
            reading.refuse("series.blockIntervalSeconds", step, "nothing beside timestamps")
    return PostedSeries(first, timestamps, base_fees) if len(reading.errors) == errors_before else None


def _check_each(reading: _Reading, name: str, values: Sequence[object], allowed: str) -> bool:
    """Note the first few elements that are no whole number in range; whether there are none."""
    wrong = [
        index for index, value in enumerate(values) if type(value) is not int or not 0 <= value < SAFE_INTEGER_LIMIT
    ]
    for index in wrong[:_MOST_NAMED]:
        reading.refuse(f"{name}[{index}]", values[index], allowed)
    return not wrong


def _check_times(reading: _Reading, timestamps: Sequence[int], length: int) -> None:
    if not _check_each(reading, "series.timestamps", timestamps, _TIME):
        return
    back = (index for index, (before, at) in enumerate(pairwise(timestamps), start=1) if at < before)
    for index in list(back)[:_MOST_NAMED]:
        reading.refuse(
            f"series.timestamps[{index}]",
            timestamps[index],
            f"no earlier than the one before ({timestamps[index - 1]})",
        )
    if len(timestamps) != length:
        reading.refuse("series.timestamps", f"{len(timestamps)} elements", f"as many as l1BaseFeesPerGas ({length})")


def _scenario(reading: _Reading, document: JsonObject) -> ScenarioSeries | None:
    errors_before = len(reading.errors)
    blocks = reading.of(_whole(1, MOST_BLOCKS), "series.blocks", document.get("blocks"))
    seed = reading.of(_optional(_whole(0)), "series.seed", document.get("seed"))
    level = reading.of(_level, "series.levelGwei", document.get("levelGwei"))
    scenario = reading.of(_text, "series.scenario", document["scenario"])
    if len(reading.errors) != errors_before:
        return None
    return ScenarioSeries(scenario, 1 if seed is None else seed, level, blocks)


def _stored(reading: _Reading, document: JsonObject) -> StoredSeries | None:
    blocks = reading.of(_whole(1, MOST_STORED_BLOCKS), "series.storedBlocks", document["storedBlocks"])
    return None if blocks is None else StoredSeries(blocks)


def _length(series: Series) -> int:
    return len(series.base_fees) if isinstance(series, PostedSeries) else series.blocks


def _vault(reading: _Reading, value: object) -> SimulatedVault | None:
    document = reading.of(_optional(_object), "vault", value)
    if document is None:
        return None
    reading.refuse_unknown(document, _VAULT, "vault.")
    balance = reading.of(_amount, "vault.balanceWei", document.get("balanceWei"))
    target = reading.of(_amount, "vault.targetWei", document.get("targetWei"))
    discount = reading.of(_optional(_flag), "vault.surplusDiscount", document.get("surplusDiscount"))
    if balance is None or target is None:
        return None
    return SimulatedVault(balance=balance, target=target, surplus_discount=bool(discount))


def _optional(read: Reader) -> Reader:
    return lambda name, value: None if value is None else read(name, value)


def _whole(least: int, greatest: int = SAFE_INTEGER_LIMIT - 1) -> Reader:
    limit = "below 2^53" if greatest == SAFE_INTEGER_LIMIT - 1 else f"at most {greatest}"

    def read(name: str, value: object) -> int:
        if type(value) is not int or not least <= value <= greatest:
            raise InvalidValueError(name, value, f"a whole number, at least {least} and {limit}")
        return value

    return read


def _object(name: str, value: object) -> JsonObject | None:
    if value is not None and not isinstance(value, dict):
        raise InvalidValueError(name, value, "an object")
    return value


def _list(name: str, value: object) -> list[Any]:
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_BLOCKS:
        found = f"{len(value)} elements" if isinstance(value, list) else value
        raise InvalidValueError(name, found, f"a list of 1 to {MOST_BLOCKS} numbers")
    return value


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidValueError(name, value, "a scenario's name")
    return value


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidValueError(name, value, "true or false")
    return value


def _ratio(name: str, value: object) -> Fraction:
    ratio = exact_ratio(value, name) if isinstance(value, str) else None
    if ratio is None or ratio < 0:
        raise InvalidValueError(name, value, 'a decimal string, at least 0, such as "0.18"')
    return ratio


def _level(name: str, value: object) -> WeiPerGas:
    level = wei_from_gwei(value, name) if isinstance(value, str) else 0
    if not 1 <= level <= GREATEST_LEVEL:
        raise InvalidValueError(name, value, 'a decimal string in gwei, above 0 and at most 10000, such as "25"')
    return WeiPerGas(level)


def _amount(name: str, value: object) -> Wei:
    amount = int(value) if isinstance(value, str) and is_whole_number(value) else value
    if type(amount) is not int or not 0 <= amount < GREATEST_AMOUNT:
        raise InvalidValueError(name, value, _AMOUNT)
    return Wei(amount)
