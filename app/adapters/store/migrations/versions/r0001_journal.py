"""The journal: entries and what they build on, decisions, gaps and divergences."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "r0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "parameter_sets",
        sa.Column("parameters_id", sa.Text, primary_key=True),
        sa.Column("content", sa.Text, nullable=False),
    )
    op.create_table(
        "entries",
        sa.Column(
            "sequence", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False
        ),
        *_priced_block(),
        sa.Column("digest", sa.Text, nullable=False),
    )
    op.create_index("entries_block", "entries", ["l1_chain_id", "l2_chain_id", "block_hash"], unique=True)
    op.create_index("entries_sequence", "entries", ["l1_chain_id", "l2_chain_id", "sequence"])
    op.create_index("entries_block_number", "entries", ["l1_chain_id", "l2_chain_id", "block_number"])
    op.create_index("entries_parameters", "entries", ["parameters_id"])
    _create_journal_ends()
    op.create_table(
        "divergences",
        *_priced_block(),
        sa.PrimaryKeyConstraint("l1_chain_id", "l2_chain_id", "block_hash", "quote_id"),
    )
    op.create_index("divergences_timestamp", "divergences", ["timestamp"])
    op.create_index("divergences_parameters", "divergences", ["parameters_id"])
    _create_decisions()
    op.create_table(
        "gaps",
        *_network(),
        _whole("first_block"),
        _whole("last_block"),
        _text("reason"),
        sa.PrimaryKeyConstraint("l1_chain_id", "l2_chain_id", "first_block", "last_block"),
    )


def _create_journal_ends() -> None:
    ends = op.create_table(
        "journal_ends",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        _whole("pruned_sequence"),
        _text("pruned_digest"),
        _whole("last_sequence"),
        _text("last_digest"),
    )
    before_the_first = "0" * 64
    op.bulk_insert(
        ends,
        [
            {
                "id": 1,
                "pruned_sequence": 0,
                "pruned_digest": before_the_first,
                "last_sequence": 0,
                "last_digest": before_the_first,
            }
        ],
    )


def _create_decisions() -> None:
    op.create_table(
        "parameter_changes",
        *_network(),
        _whole("number"),
        _parameters_id(),
        _text("preset"),
        _text("sources"),
        _text("environment_id"),
        _whole("from_block"),
        _whole("at"),
        _text("actor"),
        _text("reason", optional=True),
        sa.PrimaryKeyConstraint("l1_chain_id", "l2_chain_id", "number"),
    )
    op.create_table(
        "vault_reports",
        *_network(),
        _whole("sequence"),
        _text("balance"),
        _whole("from_block"),
        _whole("at"),
        _text("actor"),
        sa.PrimaryKeyConstraint("l1_chain_id", "l2_chain_id", "sequence"),
    )


def _priced_block() -> tuple[sa.Column[Any], ...]:
    return (
        *_network(),
        _whole("block_number"),
        _text("block_hash"),
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
        _text("quote_id"),
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


def _network() -> tuple[sa.Column[Any], ...]:
    return _whole("l1_chain_id"), _whole("l2_chain_id")


def _parameters_id() -> sa.Column[Any]:
    return sa.Column("parameters_id", sa.Text, sa.ForeignKey("parameter_sets.parameters_id"), nullable=False)


def _whole(name: str, *, optional: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger, nullable=optional, autoincrement=False)


def _text(name: str, *, optional: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text, nullable=optional)


def _flag(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.SmallInteger, nullable=False)
