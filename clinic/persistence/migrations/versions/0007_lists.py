"""Indexes along which long lists are read: plain columns only, nothing new is written down."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

LISTED = ["counsellor_id", "archived", "touched_on", "id"]


def upgrade() -> None:
    """Each takes the place of a shorter one, but for the day of the audit."""
    op.create_index(op.f("ix_case_counsellor_id_archived_touched_on_id"), "case", LISTED, unique=False)
    op.drop_index(op.f("ix_case_counsellor_id"), table_name="case")
    op.create_index(op.f("ix_appointment_case_id_start"), "appointment", ["case_id", "start"], unique=False)
    op.drop_index(op.f("ix_appointment_case_id"), table_name="appointment")
    op.create_index(op.f("ix_audit_day"), "audit", ["day"], unique=False)


def downgrade() -> None:
    """The shorter ones again."""
    op.drop_index(op.f("ix_audit_day"), table_name="audit")
    op.create_index(op.f("ix_appointment_case_id"), "appointment", ["case_id"], unique=False)
    op.drop_index(op.f("ix_appointment_case_id_start"), table_name="appointment")
    op.create_index(op.f("ix_case_counsellor_id"), "case", ["counsellor_id"], unique=False)
    op.drop_index(op.f("ix_case_counsellor_id_archived_touched_on_id"), table_name="case")
