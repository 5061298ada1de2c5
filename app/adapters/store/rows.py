"""Entries, parameters and decisions as rows, and back. A row that holds what none can hold is refused by name."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, TypeVar

from app.adapters.store.tables import ENTRIES
from app.domain.advance import Observation
from app.domain.errors import OracleError, shown
from app.domain.formula import PathPoint
from app.domain.governance import ParameterChange, VaultReport
from app.domain.header import L1Header
from app.domain.network import Network
from app.domain.parameter_set import ParameterSet, ParameterSource, differences
from app.domain.parameters import Controller, Parameters, Preset
from app.domain.units import BlockNumber, Gas, UnixMillis, UnixSeconds, Wei, WeiPerGas
from app.domain.vault import VaultCondition, VaultLayer, VaultReading, VaultSource, VaultState
from app.engine.entries import Claim, Entry, Gap, StoredEntry, UndecodableEntry, claims_of
from app.engine.ports import UndecodableDecision

Cell = int | str | None
Row = Mapping[Any, object]
Decision = TypeVar("Decision", ParameterChange, VaultReport)


_DIGESTED: Final = tuple(column.name for column in ENTRIES.columns if column.name != "digest")
_CLAIMS: Final = _DIGESTED[_DIGESTED.index("quote_id") :]
_RATIOS: Final = frozenset(
    ("alpha_data", "deficit_weight", "max_fee_increase", "max_fee_decrease", "legacy_mu", "legacy_smoothing")
)
_RATIO: Final = re.compile(r"[0-9]{1,100}(?:/[1-9][0-9]{0,99})?")
_WHOLE: Final = re.compile(r"-?[0-9]{1,100}")


class UnreadableRowError(OracleError):
    """A row holds something that the program never writes."""

    def __init__(self, column: str, got: object, expected: str) -> None:
        super().__init__(f"{column}: got {shown(got)}, expected {expected}")
        self.column = column
        self.got = got
        self.expected = expected


_MOMENTS: Final = 253_402_300_800_000
"""Unix milliseconds of the year 10000, which no text of a time can show."""
UNREADABLE: Final = (OracleError, ValueError, RecursionError)
"""What comes of reading a row that the program did not write."""


def digest_of(previous_digest: str, cells: Mapping[str, Cell]) -> str:
    """A digest of an entry's columns and of everything before it.

    Columns without a value are left out, so a column that a later schema adds changes no digest of older rows.
    """
    held = {name: value for name, value in cells.items() if value is not None}
    text = json.dumps(held, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{previous_digest}\n{text}".encode()).hexdigest()


def network_cells(network: Network) -> dict[str, Cell]:
    """The columns that say of which network a row is."""
    return {"l1_chain_id": network.l1_chain_id, "l2_chain_id": network.l2_chain_id}


def entry_cells(entry: Entry, instance: str) -> dict[str, Cell]:
    """An entry's columns, but for its place in the order; `instance` tells which process wrote it."""
    quote = entry.quote
    header, vault = quote.header, quote.vault
    return {
        **network_cells(quote.network),
        "block_number": header.number,
        "block_hash": header.hash,
        "parent_hash": header.parent_hash,
        "timestamp": header.timestamp,
        "base_fee_per_gas": header.base_fee_per_gas,
        "gas_limit": header.gas_limit,
        "gas_used": header.gas_used,
        "block_interval_seconds": quote.block_interval_seconds,
        "vault_source": vault.source.value,
        "vault_balance": _wei_text(vault.balance),
        "vault_target": _wei_text(vault.target),
        "vault_surplus_discount": int(vault.surplus_discount),
        "vault_condition": vault.condition.value,
        "vault_observed_at": vault.observed_at,
        "vault_readings": _readings_text(vault.readings),
        "parameters_id": quote.parameters_id,
        "previous_fee": quote.previous.fee,
        "previous_smoothed_cost": _wei_text(quote.previous.smoothed_cost),
        "provider": entry.provider,
        "base_fee_verified": int(entry.base_fee_verified),
        "computed_at": entry.computed_at,
        "instance": instance,
        **claims_of(quote),
    }


def entry_of(row: Row) -> StoredEntry | UndecodableEntry:
    """The entry in a row of `entries`, with its parameters' `content` and the `previous_digest`."""
    try:
        return _readable_entry(row)
    except UNREADABLE as error:
        number = row["block_number"]
        return UndecodableEntry(
            sequence=_whole(row, "sequence"),
            block_number=BlockNumber(number) if isinstance(number, int) else None,
            why=str(error),
        )


def parameters_text(parameters: Parameters) -> str:
    """Every parameter exactly: ratios as fractions, prices in wei."""
    values = {field.name: getattr(parameters, field.name) for field in fields(parameters)}
    return json.dumps(
        {name: str(value) if name in _RATIOS and value is not None else value for name, value in values.items()}
    )


@lru_cache(maxsize=64)
def parameters_of(content: str) -> Parameters:
    """The parameters that `parameters_text` wrote. Raises `UnreadableRowError` or `InvalidValueError`."""
    values = _json_object("content", content)
    known = {field.name for field in fields(Parameters)}
    if set(values) != known:
        raise UnreadableRowError("content", sorted(values), f"the parameters {', '.join(sorted(known))}")
    return Parameters(**{name: _parameter(name, value) for name, value in values.items()})


def change_cells(network: Network, change: ParameterChange) -> dict[str, Cell]:
    """A parameter change's columns."""
    chosen = change.parameter_set
    return {
        **network_cells(network),
        "number": change.number,
        "parameters_id": chosen.parameters.parameters_id,
        "preset": chosen.preset.value,
        "sources": json.dumps({key: source.value for key, source in chosen.sources.items()}),
        "environment_id": change.environment_id,
        "from_block": change.from_block,
        "at": change.at,
        "actor": _storable(change.actor),
        "reason": None if change.reason is None else _storable(change.reason),
    }


def change_of(row: Row) -> ParameterChange:
    """The parameter change in a row with its parameters' `content`. Raises `OracleError` or `ValueError`."""
    chosen = ParameterSet(_intact_parameters(row), Preset(_text(row, "preset")), _sources(_text(row, "sources")))
    differences(ParameterSet(), chosen)  # raises where a value has no text, which nobody can have asked for
    return ParameterChange(
        number=_whole(row, "number"),
        parameter_set=chosen,
        environment_id=_text(row, "environment_id"),
        from_block=BlockNumber(_whole(row, "from_block")),
        at=_moment(row, "at"),
        actor=_text(row, "actor"),
        reason=None if row["reason"] is None else _text(row, "reason"),
    )


def decision_of(row: Row, number: str, read: Callable[[Row], Decision]) -> Decision | UndecodableDecision:
    """What `read` makes of a row of decisions, of which the column `number` is the key.

    Raises `UnreadableRowError` where not even that can be read: then it has no place in any order.
    """
    key = _whole(row, number)
    try:
        return read(row)
    except UNREADABLE as error:
        return UndecodableDecision(key, str(error))


def report_cells(network: Network, report: VaultReport) -> dict[str, Cell]:
    """A vault report's columns."""
    return {
        **network_cells(network),
        "sequence": report.sequence,
        "balance": str(report.balance),
        "from_block": report.from_block,
        "at": report.at,
        "actor": _storable(report.actor),
    }


def report_of(row: Row) -> VaultReport:
    """The vault report in a row. Raises `OracleError`."""
    return VaultReport(
        sequence=_whole(row, "sequence"),
        balance=Wei(_whole_text(row, "balance")),
        from_block=BlockNumber(_whole(row, "from_block")),
        at=_moment(row, "at"),
        actor=_text(row, "actor"),
    )


def gap_of(row: Row) -> Gap:
    """The gap in a row. Raises `UnreadableRowError`."""
    first, last = BlockNumber(_whole(row, "first_block")), BlockNumber(_whole(row, "last_block"))
    return Gap(first, last, _text(row, "reason"))


def _readable_entry(row: Row) -> StoredEntry:
    cells = {name: _cell(row, name) for name in _DIGESTED}
    previous_digest = row["previous_digest"]
    parameters = parameters_of(_text(row, "content"))
    holds = isinstance(previous_digest, str) and row["digest"] == digest_of(previous_digest, cells)
    return StoredEntry(
        sequence=_whole(row, "sequence"),
        observation=_observation(row),
        parameters=parameters,
        previous=_previous(row),
        claims=MappingProxyType({name: cells[name] for name in _CLAIMS}),
        computed_at=_moment(row, "computed_at"),
        provider=_text(row, "provider"),
        base_fee_verified=_flag(row, "base_fee_verified"),
        is_intact=holds and cells["parameters_id"] == parameters.parameters_id,
    )


def _observation(row: Row) -> Observation:
    return Observation(
        network=Network(_whole(row, "l1_chain_id"), _whole(row, "l2_chain_id")),
        header=L1Header(
            number=BlockNumber(_whole(row, "block_number")),
            hash=_text(row, "block_hash"),
            parent_hash=_text(row, "parent_hash"),
            timestamp=UnixSeconds(_whole(row, "timestamp")),
            base_fee_per_gas=WeiPerGas(_whole(row, "base_fee_per_gas")),
            gas_limit=_gas_limit(row),
            gas_used=Gas(_whole(row, "gas_used")),
        ),
        vault=_vault(row),
        block_interval_seconds=_whole(row, "block_interval_seconds"),
    )


def _gas_limit(row: Row) -> Gas:
    """The base fee of the next block divides by half of it."""
    least = 2
    if _whole(row, "gas_limit") < least:
        raise UnreadableRowError("gas_limit", row["gas_limit"], "at least 2")
    return Gas(_whole(row, "gas_limit"))


def _vault(row: Row) -> VaultState:
    observed_at = row["vault_observed_at"]
    return VaultState(
        source=VaultSource(_text(row, "vault_source")),
        balance=_wei(row, "vault_balance"),
        target=_wei(row, "vault_target"),
        surplus_discount=_flag(row, "vault_surplus_discount"),
        condition=VaultCondition(_text(row, "vault_condition")),
        observed_at=None if observed_at is None else UnixSeconds(_whole(row, "vault_observed_at")),
        readings=_readings(_text(row, "vault_readings")),
    )


def _previous(row: Row) -> PathPoint:
    fee = row["previous_fee"]
    return PathPoint(
        fee=None if fee is None else WeiPerGas(_whole(row, "previous_fee")),
        smoothed_cost=_wei(row, "previous_smoothed_cost"),
    )


def _readings_text(readings: tuple[VaultReading, ...]) -> str:
    return json.dumps(
        [[reading.layer.value, reading.address, reading.block_number, str(reading.balance)] for reading in readings]
    )


def _readings(text: str) -> tuple[VaultReading, ...]:
    listed = json.loads(text)
    if not isinstance(listed, list):
        raise UnreadableRowError("vault_readings", text, "a list")
    return tuple(_reading(item) for item in listed)


def _reading(item: object) -> VaultReading:
    match item:
        case [str(layer), str(address), int(number), str(balance)] if _WHOLE.fullmatch(balance):
            return VaultReading(VaultLayer(layer), address, BlockNumber(number), Wei(int(balance)))
    raise UnreadableRowError("vault_readings", item, "layer, address, block number and balance")


def _sources(text: str) -> Mapping[str, ParameterSource]:
    held = _json_object("sources", text)
    known = ParameterSet().sources.keys()
    if held.keys() != known:
        raise UnreadableRowError("sources", sorted(held), f"the sources of {', '.join(known)}")
    return MappingProxyType({key: ParameterSource(str(source)) for key, source in held.items()})


def _intact_parameters(row: Row) -> Parameters:
    parameters = parameters_of(_text(row, "content"))
    if parameters.parameters_id != row["parameters_id"]:
        raise UnreadableRowError("content", parameters.parameters_id, f"parameters with the id {row['parameters_id']}")
    return parameters


def _parameter(name: str, value: object) -> Any:  # noqa: ANN401 - the fields differ
    match value:
        case str() if name == "controller":
            return Controller(value)
        case str() if name in _RATIOS and _RATIO.fullmatch(value):
            return Fraction(value)
        case None if name in ("max_fee_increase", "max_fee_decrease"):
            return None
        case int() if name not in _RATIOS and name != "controller" and not isinstance(value, bool):
            return value
    raise UnreadableRowError(name, value, "a fraction" if name in _RATIOS else "a whole number")


def _json_object(column: str, text: str) -> dict[str, object]:
    held = json.loads(text)
    if not isinstance(held, dict):
        raise UnreadableRowError(column, text, "an object")
    return held


def _cell(row: Row, column: str) -> Claim:
    value = row[column]
    if value is None or isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise UnreadableRowError(column, value, "a whole number, a text or nothing")


def _whole(row: Row, column: str) -> int:
    value = row[column]
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise UnreadableRowError(column, value, "a whole number")


def _moment(row: Row, column: str) -> UnixMillis:
    value = _whole(row, column)
    if 0 <= value < _MOMENTS:
        return UnixMillis(value)
    raise UnreadableRowError(column, value, "Unix milliseconds before the year 10000")


def _flag(row: Row, column: str) -> bool:
    value = _whole(row, column)
    if value in (0, 1):
        return value == 1
    raise UnreadableRowError(column, value, "0 or 1")


def _text(row: Row, column: str) -> str:
    value = row[column]
    if isinstance(value, str):
        return value
    raise UnreadableRowError(column, value, "a text")


def _whole_text(row: Row, column: str) -> int:
    text = _text(row, column)
    if _WHOLE.fullmatch(text):
        return int(text)
    raise UnreadableRowError(column, text, "a whole number as a text")


def _wei(row: Row, column: str) -> Wei | None:
    return None if row[column] is None else Wei(_whole_text(row, column))


def _storable(text: str) -> str:
    """What people wrote, without what no database takes: half characters, and PostgreSQL's end of a text."""
    return text.encode(errors="replace").decode().replace("\0", "?")


def _wei_text(amount: Wei | None) -> str | None:
    return None if amount is None else str(amount)
