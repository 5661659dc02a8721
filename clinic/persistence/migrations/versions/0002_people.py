"""Factors, supervision, notices, requests, grants and the audit chain."""

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

from clinic.persistence.types import UTC

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """New tables, and the new columns of account and session with values for the rows that are there."""
    _account_up()
    _session_up()
    op.create_table(
        "account_key",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kid", sa.Integer(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_account_key_account_id_account")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_account_key")),
        sa.UniqueConstraint("id", name=op.f("uq_account_key_id")),
    )
    op.create_table(
        "passkey",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("added_on", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_passkey_account_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkey")),
    )
    op.create_index(op.f("ix_passkey_account_id"), "passkey", ["account_id"], unique=False)
    op.create_table(
        "recovery_code",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_recovery_code_account_id_account")),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_recovery_code")),
    )
    op.create_index(op.f("ix_recovery_code_account_id"), "recovery_code", ["account_id"], unique=False)
    op.create_table(
        "notice",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("seen", sa.Boolean(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_notice_account_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice")),
    )
    op.create_index(op.f("ix_notice_account_id"), "notice", ["account_id"], unique=False)
    op.create_table(
        "request",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=False),
        sa.Column("confirmed_by", sa.Uuid(), nullable=True),
        sa.Column("done", sa.Boolean(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["asked_by"], ["account.id"], name=op.f("fk_request_asked_by_account")),
        sa.ForeignKeyConstraint(["confirmed_by"], ["account.id"], name=op.f("fk_request_confirmed_by_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_request")),
    )
    op.create_index(op.f("ix_request_asked_by"), "request", ["asked_by"], unique=False)
    op.create_table(
        "audit",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit")),
    )
    op.create_table(
        "grant",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_grant_account_id_account")),
        sa.ForeignKeyConstraint(["case_id"], ["case.id"], name=op.f("fk_grant_case_id_case")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grant")),
    )
    op.create_index(op.f("ix_grant_account_id"), "grant", ["account_id"], unique=False)
    op.create_index(op.f("ix_grant_case_id"), "grant", ["case_id"], unique=False)


def downgrade() -> None:
    """Back to the first tables: factors, notices, requests, grants and the audit are lost."""
    for table in ("grant", "audit", "request", "notice", "recovery_code", "passkey", "account_key"):
        op.drop_table(table)
    with op.batch_alter_table("session") as batch:
        batch.drop_constraint(op.f("uq_session_id"), type_="unique")
        for column in ("id", "authed", "stage", "locked", "couple_tag", "kind", "agent"):
            batch.drop_column(column)
    op.drop_index(op.f("ix_account_supervisor_id"), table_name="account")
    with op.batch_alter_table("account") as batch:
        batch.drop_constraint(op.f("fk_account_supervisor_id_account"), type_="foreignkey")
        for column in ("supervisor_id", "totp", "totp_step", "temporary", "confirmed"):
            batch.drop_column(column)


def _account_up() -> None:
    with op.batch_alter_table("account") as batch:
        batch.add_column(sa.Column("supervisor_id", sa.Uuid(), nullable=True))
        batch.add_column(sa.Column("totp", sa.LargeBinary(), nullable=True))
        batch.add_column(sa.Column("totp_step", sa.Integer(), nullable=True))
        batch.add_column(sa.Column("temporary", sa.Boolean(), nullable=True))
        batch.add_column(sa.Column("confirmed", sa.Boolean(), nullable=True))
    account = sa.table("account", sa.column("totp_step"), sa.column("temporary"), sa.column("confirmed"))
    op.execute(account.update().values(totp_step=0, temporary=sa.false(), confirmed=sa.true()))
    with op.batch_alter_table("account") as batch:
        batch.alter_column("totp_step", existing_type=sa.Integer(), nullable=False)
        batch.alter_column("temporary", existing_type=sa.Boolean(), nullable=False)
        batch.alter_column("confirmed", existing_type=sa.Boolean(), nullable=False)
        batch.create_foreign_key(op.f("fk_account_supervisor_id_account"), "account", ["supervisor_id"], ["id"])
    op.create_index(op.f("ix_account_supervisor_id"), "account", ["supervisor_id"], unique=False)


def _session_up() -> None:
    """Sessions go on: proved when they began, on the web, full."""
    columns = {
        "id": sa.Uuid(),
        "authed": UTC(),
        "stage": sa.String(length=8),
        "locked": sa.Boolean(),
        "couple_tag": sa.LargeBinary(),
        "kind": sa.String(length=8),
        "agent": sa.String(length=60),
    }
    with op.batch_alter_table("session") as batch:
        for name, kind in columns.items():
            batch.add_column(sa.Column(name, kind, nullable=True))
    session = sa.table(
        "session",
        sa.column("token_hash", sa.LargeBinary()),
        sa.column("created", UTC()),
        *(sa.column(name, kind) for name, kind in columns.items()),
    )
    op.execute(session.update().values(authed=session.c.created, stage="full", locked=sa.false(), kind="web", agent=""))
    connection = op.get_bind()
    for token_hash in connection.scalars(sa.select(session.c.token_hash)).all():
        connection.execute(session.update().where(session.c.token_hash == token_hash).values(id=uuid4()))
    with op.batch_alter_table("session") as batch:
        for name, kind in columns.items():
            if name != "couple_tag":
                batch.alter_column(name, existing_type=kind, nullable=False)
        batch.create_unique_constraint(op.f("uq_session_id"), ["id"])
