"""Migrations: the tables are the models', and no row, reference or trigger is lost on the way."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, delete, inspect, select
from sqlalchemy.orm import Session

from clinic.domain.answer import Checked
from clinic.domain.errors import Usage
from clinic.persistence import schema, triggers
from clinic.persistence.engine import make_engine
from clinic.persistence.models import (
    Account,
    Appointment,
    Base,
    Grant,
    Notice,
    Passkey,
    PressBatch,
    PressHanded,
    PressItem,
    PressKey,
    PressWorker,
    RecoveryCode,
    Request,
    SignedIn,
    Translation,
    TranslationComment,
    TranslationPast,
    TranslationProof,
    TranslationRight,
    TranslationVersion,
    TranslationWaiver,
)
from clinic.persistence.store import Store
from clinic.services import appointments, records
from tests.persistence.making import DB_KEY, Clinic, note_print

# A later revision that rebuilds the tables with foreign keys and triggers: what SQLite's batch mode is dangerous for.
REBUILD = """
import sqlalchemy as sa
from alembic import op
revision = "test"
down_revision = "0007"
def upgrade():
    for table in ("case", "record", "part"):
        lite = op.get_context().dialect.name == "sqlite"
        with op.batch_alter_table(table, recreate="always" if lite else "auto") as batch:
            batch.add_column(sa.Column("more", sa.Integer(), nullable=True))
def downgrade():
    for table in ("part", "record", "case"):
        with op.batch_alter_table(table) as batch:
            batch.drop_column("more")
"""
LOSES = REBUILD.replace("def downgrade", "    op.execute('DELETE FROM autosave')\ndef downgrade")
NEW = {"account_key", "audit", "grant", "notice", "passkey", "recovery_code", "request"}  # of the second revision
TRANSLATED = {"translation"} | {
    f"translation_{one}" for one in ("comment", "past", "proof", "right", "version", "waiver")
}  # of the fourth
PRESS = {f"press_{one}" for one in ("batch", "handed", "item", "key", "worker")}  # of the fifth and sixth
LATER = {"appointment"} | TRANSLATED | PRESS  # of the third and after
ORPHANS = REBUILD.replace("def downgrade", "    op.execute('DELETE FROM key_ring')\ndef downgrade")


@pytest.fixture
def more(tmp_path: Path) -> Path:
    """A folder of further versions."""
    folder = tmp_path / "versions"
    folder.mkdir()
    return folder


def fill(clinic: Clinic) -> str:
    """At least one row in every table of a case; the signed record."""
    store, token = clinic.store, clinic.token
    id_ = records.start(store, token, clinic.case, "meeting", "couple")
    records.finish(store, token, id_, 1, Checked({"words": "kept", "only_a": "too"}, {}, {}))
    draft = records.start(store, token, clinic.case, "wishes", "a", answers={"wish": "x"})
    records.autosave(store, token, draft, "tab", 1, {"wish": ["typed"]})
    note_print(clinic, clinic.case, "CODE")
    appointments.add(store, token, clinic.case, date(2026, 3, 9), time(10, 30), 50, "a")
    with Session(clinic.raw.execution_options(write=True)) as session:
        one, other = session.scalars(select(Account.id).order_by(Account.name))
        session.get_one(Account, one).supervisor_id = other
        session.add_all([
            Passkey(id=b"p", account_id=one, public_key=b"k", name="Key", added_on=date(2026, 3, 2)),
            RecoveryCode(hash=b"h", account_id=one),
            Notice(account_id=one, sealed=b"n"),
            Request(asked_by=one, confirmed_by=other, ends_on=date(2026, 3, 2), sealed=b"r"),
            Grant(case_id=clinic.case_id, account_id=other, ends_on=date(2026, 3, 2), sealed=b"g"),
            *translated(one),
        ])  # fmt: skip
        waiting(session, one)
        session.commit()
    return id_


def waiting(session: Session, account: UUID) -> None:
    """A row in every table of the press."""
    for row in (
        PressWorker(id=UUID(int=1), name="Cellar", public_key=b"k", sealed=b"w"),
        PressBatch(id=UUID(int=2), account_id=account, ends=datetime(2026, 3, 3, tzinfo=UTC), sealed=b"s"),
        PressItem(id=UUID(int=3), batch_id=UUID(int=2), n=0, pile=0, worker_id=UUID(int=1), sealed=b"i"),
        PressKey(item_id=UUID(int=3), kid=1, wrapped=b"k"),
        PressHanded(item_id=UUID(int=3), worker_id=UUID(int=1), day=date(2026, 3, 2)),
    ):
        session.add(row)
        session.flush()


def translated(account: UUID) -> list[Base]:
    """A row in every table of translations."""
    at, message = datetime(2026, 3, 2, tzinfo=UTC), {"locale": "es", "domain": "handouts", "key": "one.title"}
    words = {"source": "One", "forms": '{"": "Uno"}', "state": "draft", "rev": 1, "at": at}
    return [
        Translation(**message, **words, v=1, author_id=account, account_id=account),
        TranslationVersion(locale="es", v=1),
        TranslationPast(**message, **words, account_id=account),
        TranslationComment(**message, account_id=account, at=at, text="Why?"),
        TranslationWaiver(**message, check="ending", forms_sha="0", reason="It is so", account_id=account, at=at),
        TranslationRight(account_id=account, locale="es", reviews=True),
        TranslationProof(locale="es", definition="one", fingerprint="0", account_id=account, at=at),
    ]


def counts(engine: Engine) -> dict[str, int]:
    """Rows of each of our tables that is there."""
    quote = engine.dialect.identifier_preparer.quote
    there = set(inspect(engine).get_table_names())
    with engine.connect() as connection:
        return {
            name: connection.exec_driver_sql(f"SELECT count(*) FROM {quote(name)}").scalar_one()  # noqa: S608
            for name in Base.metadata.tables
            if name in there
        }


def rows(engine: Engine, table: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    """What stands in these columns, sorted."""
    quote = engine.dialect.identifier_preparer.quote
    with engine.connect() as connection:
        found = connection.exec_driver_sql(f"SELECT {', '.join(columns)} FROM {quote(table)}")  # noqa: S608
        return sorted(map(tuple, found), key=repr)


def made_triggers(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return triggers.names(connection)


def test_the_tables_are_the_models(url: str, tmp_path: Path) -> None:
    (tmp_path / "i").mkdir(exist_ok=True)
    engine = make_engine(url, DB_KEY)
    schema.upgrade(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    assert made_triggers(engine) == triggers.expected(engine.dialect.name)
    engine.dispose()


def test_every_constraint_has_its_name(url: str, tmp_path: Path) -> None:
    (tmp_path / "i").mkdir(exist_ok=True)
    engine = make_engine(url, DB_KEY)
    schema.upgrade(engine)
    inspector = inspect(engine)
    names = []
    for table in Base.metadata.tables:
        names += [inspector.get_pk_constraint(table)["name"]]
        names += [one["name"] for one in inspector.get_foreign_keys(table)]
        names += [one["name"] for one in inspector.get_unique_constraints(table)]
        names += [one["name"] for one in inspector.get_check_constraints(table)]
    assert len(names) > 20
    assert all(name and re.match(r"(pk|fk|uq|ck)_", name) for name in names), names
    engine.dispose()


def test_up_and_down_and_up_with_nothing_in_it(url: str, tmp_path: Path) -> None:
    (tmp_path / "i").mkdir(exist_ok=True)
    engine = make_engine(url, DB_KEY)
    schema.upgrade(engine)
    schema.downgrade(engine, "base")
    assert set(inspect(engine).get_table_names()) == {"alembic_version"}
    assert made_triggers(engine) == []
    schema.upgrade(engine)
    assert schema.current(engine)
    engine.dispose()


def test_rebuilding_tables_keeps_every_row_and_trigger(clinic: Clinic, more: Path) -> None:
    (more / "later.py").write_text(REBUILD)
    id_, engine = fill(clinic), clinic.raw
    before = counts(engine)
    assert all(before[table] for table in before if table != "throttle"), before
    for step in (
        lambda: schema.upgrade(engine, "test", more),
        lambda: schema.downgrade(engine, "0007", more),
        lambda: schema.upgrade(engine, "test", more),
        lambda: schema.downgrade(engine, "0007", more),
    ):
        step()
        assert counts(engine) == before
        assert made_triggers(engine) == triggers.expected(engine.dialect.name)
    record = records.read(clinic.store, clinic.token, id_)
    assert record.answers == {"words": "kept", "only_a": "too"}
    with engine.connect() as connection, pytest.raises(Exception, match="a signed record cannot change"):
        connection.exec_driver_sql("DELETE FROM part")
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_the_second_tables_come_and_go_with_data(clinic: Clinic) -> None:
    """Down to the first tables and up again: what both know stays, sessions go on, triggers are there."""
    id_, engine = fill(clinic), clinic.raw
    before = counts(engine)
    old = {"account": ["id", "name", "password"], "session": ["account_id", "created", "seen"], "part": ["sealed"]}
    kept = {table: rows(engine, table, columns) for table, columns in old.items()}
    schema.downgrade(engine, "0001")
    first = counts(engine)
    assert set(before) - set(first) == NEW | LATER
    assert first == {table: before[table] for table in first}
    assert made_triggers(engine) == [one for one in triggers.expected(engine.dialect.name) if "audit" not in one]
    schema.upgrade(engine)
    assert counts(engine) == before | dict.fromkeys(NEW | LATER, 0)
    assert made_triggers(engine) == triggers.expected(engine.dialect.name)
    assert {table: rows(engine, table, columns) for table, columns in old.items()} == kept
    with Session(engine) as session:
        signed_in = session.scalars(select(SignedIn)).all()
        assert len({one.id for one in signed_in}) == len(signed_in) == 2
        for row in signed_in:
            assert (row.authed, row.stage, row.locked, row.kind) == (row.created, "full", False, "web")
        for one in session.scalars(select(Account)):
            assert (one.supervisor_id, one.totp_step, one.temporary, one.confirmed) == (None, 0, False, True)
    store = Store.open(clinic.store.settings, clock=clinic.clock)
    assert records.read(store, clinic.token, id_).answers == {"words": "kept", "only_a": "too"}
    store.close()


def test_appointments_come_and_go_with_data(clinic: Clinic) -> None:
    """Down to the second tables and up again: nothing else changes, and appointments can be made again."""
    fill(clinic)
    engine = clinic.raw
    before = counts(engine)
    with Session(engine) as session:
        row = session.scalars(select(Appointment)).one()
        assert row.start.isoformat() == "2026-03-09T10:30:00+00:00"
    schema.downgrade(engine, "0002")
    assert counts(engine) == {table: before[table] for table in before if table not in LATER}
    assert made_triggers(engine) == triggers.expected(engine.dialect.name)
    schema.upgrade(engine)
    assert counts(engine) == before | dict.fromkeys(LATER, 0)
    assert made_triggers(engine) == triggers.expected(engine.dialect.name)
    store = Store.open(clinic.store.settings, clock=clinic.clock)
    appointments.add(store, clinic.token, clinic.case, date(2026, 3, 9), time(10, 30), 50, "both")
    assert [one.who for one in appointments.of_case(store, clinic.token, clinic.case)] == ["both"]
    store.close()


def test_translations_come_and_go_with_data(clinic: Clinic) -> None:
    """Down to the third tables and up again: nothing else changes."""
    fill(clinic)
    engine = clinic.raw
    before = counts(engine)
    schema.downgrade(engine, "0003")
    assert counts(engine) == {table: before[table] for table in before if table not in TRANSLATED | PRESS}
    assert made_triggers(engine) == triggers.expected(engine.dialect.name)
    schema.upgrade(engine)
    assert counts(engine) == before | dict.fromkeys(TRANSLATED | PRESS, 0)
    assert made_triggers(engine) == triggers.expected(engine.dialect.name)
    with Session(engine.execution_options(write=True)) as session:
        session.add_all(translated(session.scalars(select(Account.id)).first()))
        session.commit()
    assert counts(engine)["translation"] == 1


def test_the_press_comes_and_goes_with_data(clinic: Clinic) -> None:
    """Down to the fourth tables and up again: what waited is gone, nothing else changes; keys go with a batch."""
    fill(clinic)
    engine = clinic.raw
    before = counts(engine)
    schema.downgrade(engine, "0004")
    assert counts(engine) == {table: before[table] for table in before if table not in PRESS}
    schema.upgrade(engine)
    assert counts(engine) == before | dict.fromkeys(PRESS, 0)
    with Session(engine.execution_options(write=True)) as session:
        waiting(session, session.scalars(select(Account.id)).first())
        session.commit()
    assert counts(engine) == before
    with engine.execution_options(write=True).begin() as connection:
        connection.execute(delete(PressBatch))
    assert counts(engine) == before | {"press_batch": 0, "press_item": 0, "press_key": 0}


@pytest.mark.parametrize("bad", [LOSES, ORPHANS])
def test_a_migration_that_loses_rows_changes_nothing(clinic: Clinic, more: Path, bad: str) -> None:
    (more / "later.py").write_text(bad)
    fill(clinic)
    engine = clinic.raw
    before = counts(engine)
    with pytest.raises(Exception, match="migration|foreign key"):
        schema.upgrade(engine, "test", more)
    assert counts(engine) == before
    assert schema.current(engine)
    assert made_triggers(engine) == triggers.expected(engine.dialect.name)
    assert "more" not in {column["name"] for column in inspect(engine).get_columns("part")}


def test_old_tables_are_not_opened(clinic: Clinic, more: Path) -> None:
    (more / "later.py").write_text(REBUILD)
    schema.upgrade(clinic.raw, "test", more)
    with pytest.raises(Usage, match="clinic upgrade"):
        Store.open(clinic.store.settings)
