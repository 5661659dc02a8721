"""Translations made in the browser."""

import sqlalchemy as sa
from alembic import op

from clinic.persistence.types import UTC

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

MESSAGE = ("locale", "domain", "key")


def upgrade() -> None:
    """Seven tables; they hang on accounts alone, and no word of a client is in them."""
    _make(
        "translation",
        *_message(),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("forms", sa.String(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("rev", sa.Integer(), nullable=False),
        sa.Column("v", sa.Integer(), nullable=False),
        *_account("translation", "author_id", nullable=True),
        *_account("translation", nullable=True),
        _moment(),
        sa.Column("cleared", sa.Boolean(), nullable=False),
        key=MESSAGE,
    )
    op.create_index(op.f("ix_translation_locale_v"), "translation", ["locale", "v"], unique=False)
    _make("translation_version", _locale(), sa.Column("v", sa.Integer(), nullable=False), key=("locale",))
    _make(
        "translation_past",
        sa.Column("id", sa.Uuid(), nullable=False),
        *_message(),
        sa.Column("rev", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("forms", sa.String(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        *_account("translation_past", nullable=True),
        _moment(),
        sa.Column("why", sa.String(length=12), nullable=False),
        key=("id",),
    )
    op.create_index(op.f("ix_translation_past_locale_domain_key"), "translation_past", list(MESSAGE), unique=False)
    _make(
        "translation_comment",
        sa.Column("id", sa.Uuid(), nullable=False),
        *_message(),
        *_account("translation_comment"),
        _moment(),
        sa.Column("text", sa.String(length=1000), nullable=False),
        key=("id",),
    )
    op.create_index(
        op.f("ix_translation_comment_locale_domain_key"), "translation_comment", list(MESSAGE), unique=False
    )
    _make(
        "translation_waiver",
        *_message(),
        sa.Column("check", sa.String(length=24), nullable=False),
        sa.Column("forms_sha", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=1000), nullable=False),
        *_account("translation_waiver"),
        _moment(),
        key=(*MESSAGE, "check", "forms_sha"),
    )
    _make(
        "translation_right",
        *_account("translation_right"),
        _locale(),
        sa.Column("reviews", sa.Boolean(), nullable=False),
        key=("account_id", "locale"),
    )
    _make(
        "translation_proof",
        _locale(),
        sa.Column("definition", sa.String(length=48), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        *_account("translation_proof"),
        _moment(),
        key=("locale", "definition", "fingerprint", "account_id"),
    )


def downgrade() -> None:
    """What was translated in the browser and not exported is lost."""
    for table in ("proof", "right", "waiver", "comment", "past", "version"):
        op.drop_table(f"translation_{table}")
    op.drop_table("translation")


def _make(table: str, *columns: sa.Column[object] | sa.ForeignKeyConstraint, key: tuple[str, ...]) -> None:
    op.create_table(table, *columns, sa.PrimaryKeyConstraint(*key, name=op.f(f"pk_{table}")))


def _locale() -> sa.Column[object]:
    return sa.Column("locale", sa.String(length=12), nullable=False)


def _message() -> list[sa.Column[object]]:
    return [
        _locale(),
        sa.Column("domain", sa.String(length=8), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
    ]


def _moment() -> sa.Column[object]:
    return sa.Column("at", UTC(), nullable=False)


def _account(
    table: str, column: str = "account_id", nullable: bool = False
) -> list[sa.Column[object] | sa.ForeignKeyConstraint]:
    name = op.f(f"fk_{table}_{column}_account")
    return [
        sa.Column(column, sa.Uuid(), nullable=nullable),
        sa.ForeignKeyConstraint([column], ["account.id"], name=name),
    ]
