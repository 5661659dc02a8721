"""Appointments."""

import sqlalchemy as sa
from alembic import op

from clinic.persistence.types import UTC

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One new table; it hangs on the case and nothing hangs on it."""
    op.create_table(
        "appointment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("start", UTC(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["case.id"], name=op.f("fk_appointment_case_id_case")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appointment")),
    )
    op.create_index(op.f("ix_appointment_case_id"), "appointment", ["case_id"], unique=False)
    op.create_index(op.f("ix_appointment_start"), "appointment", ["start"], unique=False)


def downgrade() -> None:
    """The appointments are lost."""
    op.drop_table("appointment")
