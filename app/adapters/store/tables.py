"""The journal's tables as the queries see them. The migrations make them.

Numbers below 2^63 are integers; amounts of wei that may leave 64 bits are decimal texts.
"""

from typing import Any, Final

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, MetaData, SmallInteger, Table, Text

METADATA: Final = MetaData()
ENDS_ID: Final = 1
"""Key of the one row of `journal_ends`."""


def _whole(name: str, *, optional: bool = False, key: bool = False) -> Column[Any]:
    return Column(name, BigInteger, nullable=optional, primary_key=key, autoincrement=False)


def _text(name: str, *, optional: bool = False, key: bool = False) -> Column[Any]:
    return Column(name, Text, nullable=optional, primary_key=key)


def _flag(name: str) -> Column[Any]:
    return Column(name, SmallInteger, nullable=False)


def _parameters_id() -> Column[Any]:
    return Column("parameters_id", Text, ForeignKey("parameter_sets.parameters_id"), nullable=False)


def _network(*, key: bool = False) -> tuple[Column[Any], ...]:
    return _whole("l1_chain_id", key=key), _whole("l2_chain_id", key=key)


def _priced_block(*, key: bool) -> tuple[Column[Any], ...]:
    """The inputs of a quote, where they came from, and what was made of them; with `key`, that is unique."""
    return (
        *_network(key=key),
        _whole("block_number"),
        _text("block_hash", key=key),
        _text("parent_hash"),
        _whole("timestamp"),
        _whole("base_fee_per_gas"),
        _whole("gas_limit"),
        _whole("gas_used"),
        _whole("block_interval_seconds"),
        _text("vault_source"),
        _text("vault_balance", optional=True),
        _text("vault_target", optional=True),
        _flag("vault_surplus_discount"),
        _text("vault_condition"),
        _whole("vault_observed_at", optional=True),
        _text("vault_readings"),
        _parameters_id(),
        _whole("previous_fee", optional=True),
        _text("previous_smoothed_cost", optional=True),
        _text("provider"),
        _flag("base_fee_verified"),
        _whole("computed_at"),
        _text("instance"),
        _text("quote_id", key=key),
        _text("raw_fee_per_gas"),
        _whole("fee_per_gas"),
        _text("bound"),
        _text("smoothed_cost", optional=True),
        _text("da"),
        _text("proof"),
        _text("deficit"),
        _text("base"),
        _text("adjustment"),
        _whole("next_base_fee"),
        _whole("next_fee"),
        _text("batch_cost"),
        _text("batch_revenue"),
    )


PARAMETER_SETS: Final = Table(
    "parameter_sets",
    METADATA,
    _text("parameters_id", key=True),
    _text("content"),
)
"""Every parameter exactly, by its digest."""

ENTRIES: Final = Table(
    "entries",
    METADATA,
    Column("sequence", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    *_priced_block(key=False),
    _text("digest"),
    Index("entries_block", "l1_chain_id", "l2_chain_id", "block_hash", unique=True),
    Index("entries_sequence", "l1_chain_id", "l2_chain_id", "sequence"),
    Index("entries_height", "l1_chain_id", "l2_chain_id", "block_number", "sequence"),
    Index("entries_parameters", "parameters_id"),
)

JOURNAL_ENDS: Final = Table(
    "journal_ends",
    METADATA,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    _whole("pruned_sequence"),
    _text("pruned_digest"),
    _whole("last_sequence"),
    _text("last_digest"),
)
"""One row: the newest entry that was pruned and the newest of all, so that a missing first or last row is noticed."""

DIVERGENCES: Final = Table(
    "divergences",
    METADATA,
    *_priced_block(key=True),
    Index("divergences_timestamp", "timestamp"),
    Index("divergences_parameters", "parameters_id"),
)
"""Entries that lost against another's for the same block."""

PARAMETER_CHANGES: Final = Table(
    "parameter_changes",
    METADATA,
    *_network(key=True),
    _whole("number", key=True),
    _parameters_id(),
    _text("preset"),
    _text("sources"),
    _text("environment_id"),
    _whole("from_block"),
    _whole("at"),
    _text("actor"),
    _text("reason", optional=True),
)

VAULT_REPORTS: Final = Table(
    "vault_reports",
    METADATA,
    *_network(key=True),
    _whole("sequence", key=True),
    _text("balance"),
    _whole("from_block"),
    _whole("at"),
    _text("actor"),
)

GAPS: Final = Table(
    "gaps",
    METADATA,
    *_network(key=True),
    _whole("first_block", key=True),
    _whole("last_block", key=True),
    _text("reason"),
)
