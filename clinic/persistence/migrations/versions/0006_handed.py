"""Which items were in the hands of which other machine."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One table; the items are gone long before its rows."""
    op.create_table(
        "press_handed",
        sa.Column("worker_id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(
            ["worker_id"], ["press_worker.id"], name=op.f("fk_press_handed_worker_id_press_worker")
        ),
        sa.PrimaryKeyConstraint("worker_id", "item_id", name=op.f("pk_press_handed")),
    )


def downgrade() -> None:
    """What was handed out is not known any more."""
    op.drop_table("press_handed")
