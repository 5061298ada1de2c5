"""An index by which the journal is read from the greatest height down, a page at a time."""

from alembic import op

revision = "r0002"
down_revision = "r0001"


def upgrade() -> None:
    op.create_index("entries_height", "entries", ["l1_chain_id", "l2_chain_id", "block_number", "sequence"])
    op.drop_index("entries_block_number", "entries")


def downgrade() -> None:
    op.create_index("entries_block_number", "entries", ["l1_chain_id", "l2_chain_id", "block_number"])
    op.drop_index("entries_height", "entries")
