"""The first tables."""

import sqlalchemy as sa
from alembic import op

from clinic.persistence.types import UTC

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make all tables. Triggers are made by env.py."""
    op.create_table(
        "account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("display", sa.String(length=120), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("password", sa.String(length=255), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("name", name=op.f("uq_account_name")),
    )
    op.create_table(
        "definition_text",
        sa.Column("sha", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=48), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("json", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("sha", name=op.f("pk_definition_text")),
    )
    op.create_index(op.f("ix_definition_text_id_version"), "definition_text", ["id", "version"], unique=False)
    op.create_table(
        "instance",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_instance")),
    )
    op.create_table(
        "system_key",
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kid", sa.Integer(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_system_key")),
        sa.UniqueConstraint("id", name=op.f("uq_system_key_id")),
    )
    op.create_table(
        "throttle",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("fails", sa.Integer(), nullable=False),
        sa.Column("until", UTC(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_throttle")),
    )
    op.create_table(
        "case",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(length=12), nullable=False),
        sa.Column("counsellor_id", sa.Uuid(), nullable=False),
        sa.Column("archived", sa.Boolean(), nullable=False),
        sa.Column("touched_on", sa.Date(), nullable=False),
        sa.Column("rev", sa.Integer(), nullable=False),
        sa.Column("card", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["counsellor_id"], ["account.id"], name=op.f("fk_case_counsellor_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case")),
        sa.UniqueConstraint("code", name=op.f("uq_case_code")),
    )
    op.create_index(op.f("ix_case_counsellor_id"), "case", ["counsellor_id"], unique=False)
    op.create_table(
        "session",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("created", UTC(), nullable=False),
        sa.Column("seen", UTC(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_session_account_id_account")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_session")),
    )
    op.create_index(op.f("ix_session_account_id"), "session", ["account_id"], unique=False)
    op.create_table(
        "key_ring",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("tag", sa.LargeBinary(), nullable=False),
        sa.Column("kid", sa.Integer(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["case.id"], name=op.f("fk_key_ring_case_id_case")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_key_ring")),
        sa.UniqueConstraint("tag", name=op.f("uq_key_ring_tag")),
    )
    op.create_index(op.f("ix_key_ring_case_id"), "key_ring", ["case_id"], unique=False)
    op.create_table(
        "record",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("rev", sa.Integer(), nullable=False),
        sa.Column("touched_on", sa.Date(), nullable=False),
        sa.Column("tag", sa.LargeBinary(), nullable=False),
        sa.Column("signed", sa.Boolean(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("rev >= 1", name=op.f("ck_record_rev")),
        sa.ForeignKeyConstraint(["case_id"], ["case.id"], name=op.f("fk_record_case_id_case")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_record")),
    )
    op.create_index(op.f("ix_record_case_id_tag"), "record", ["case_id", "tag"], unique=False)
    op.create_table(
        "autosave",
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("tab", sa.String(length=40), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("base_rev", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_autosave_account_id_account")),
        sa.ForeignKeyConstraint(["key_id"], ["key_ring.id"], name=op.f("fk_autosave_key_id_key_ring")),
        sa.ForeignKeyConstraint(["record_id"], ["record.id"], name=op.f("fk_autosave_record_id_record")),
        sa.PrimaryKeyConstraint("record_id", "account_id", "tab", "key_id", name=op.f("pk_autosave")),
    )
    op.create_table(
        "part",
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["key_ring.id"], name=op.f("fk_part_key_id_key_ring")),
        sa.ForeignKeyConstraint(["record_id"], ["record.id"], name=op.f("fk_part_record_id_record")),
        sa.PrimaryKeyConstraint("record_id", "key_id", name=op.f("pk_part")),
    )
    op.create_index(op.f("ix_part_key_id"), "part", ["key_id"], unique=False)
    op.create_table(
        "print",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("code_tag", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["case.id"], name=op.f("fk_print_case_id_case")),
        sa.ForeignKeyConstraint(["key_id"], ["key_ring.id"], name=op.f("fk_print_key_id_key_ring")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_print")),
        sa.UniqueConstraint("code_tag", name=op.f("uq_print_code_tag")),
    )
    op.create_index(op.f("ix_print_case_id"), "print", ["case_id"], unique=False)


def downgrade() -> None:
    """Drop all tables."""
    op.drop_index(op.f("ix_print_case_id"), table_name=op.f("print"))
    op.drop_table("print")
    op.drop_index(op.f("ix_part_key_id"), table_name=op.f("part"))
    op.drop_table("part")
    op.drop_table("autosave")
    op.drop_index(op.f("ix_record_case_id_tag"), table_name=op.f("record"))
    op.drop_table("record")
    op.drop_index(op.f("ix_key_ring_case_id"), table_name=op.f("key_ring"))
    op.drop_table("key_ring")
    op.drop_index(op.f("ix_session_account_id"), table_name=op.f("session"))
    op.drop_table("session")
    op.drop_index(op.f("ix_case_counsellor_id"), table_name=op.f("case"))
    op.drop_table("case")
    op.drop_table("throttle")
    op.drop_table("system_key")
    op.drop_table("instance")
    op.drop_index(op.f("ix_definition_text_id_version"), table_name=op.f("definition_text"))
    op.drop_table("definition_text")
    op.drop_table("account")
