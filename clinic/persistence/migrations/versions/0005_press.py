"""Sheets that wait to be drawn, their keys, and the machines that may draw them."""

import sqlalchemy as sa
from alembic import op

from clinic.persistence.types import UTC

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Four tables. No case is named in any of them, and what goes with a batch goes with all that hangs on it."""
    op.create_table(
        "press_worker",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("role", sa.String(length=63), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("revoked", sa.Boolean(), nullable=False),
        sa.Column("seen", UTC(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_press_worker")),
        sa.UniqueConstraint("name", name=op.f("uq_press_worker_name")),
    )
    op.create_table(
        "press_batch",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("ends", UTC(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_press_batch_account_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_press_batch")),
    )
    op.create_index(op.f("ix_press_batch_account_id"), "press_batch", ["account_id"], unique=False)
    op.create_table(
        "press_item",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("pile", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("token", sa.Uuid(), nullable=True),
        sa.Column("until", UTC(), nullable=True),
        sa.Column("worker_id", sa.Uuid(), nullable=True),
        sa.Column("handed", sa.LargeBinary(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("result", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["press_batch.id"], name=op.f("fk_press_item_batch_id_press_batch"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["worker_id"], ["press_worker.id"], name=op.f("fk_press_item_worker_id_press_worker")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_press_item")),
        sa.UniqueConstraint("batch_id", "n", name=op.f("uq_press_item_batch_id_n")),
    )
    op.create_index(op.f("ix_press_item_state_n"), "press_item", ["state", "n"], unique=False)
    op.create_table(
        "press_key",
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("kid", sa.Integer(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["item_id"], ["press_item.id"], name=op.f("fk_press_key_item_id_press_item"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_press_key")),
    )


def downgrade() -> None:
    """Packs that were not collected are lost."""
    for table in ("press_key", "press_item", "press_batch", "press_worker"):
        op.drop_table(table)
