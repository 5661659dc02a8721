"""Row-level security, asked of PostgreSQL itself: as each role, past SQLAlchemy and past the guards of the scope.

What hangs on `world` and `clinic` here are the tests of the guards, once more on a database that four roles share.
"""

# ruff: noqa: S608 - its SQL is put together from our own words
import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from clinic.persistence import row_security, schema, scope
from clinic.persistence.engine import _TELL as TELL
from clinic.persistence.engine import make_engine
from clinic.persistence.models import Account, Base, Case, Grant
from clinic.persistence.row_security import BY_REASON, KEYHOLDER, OWNER, ROLES, WEB
from clinic.persistence.scope import REASONS, Scope, telling, unscoped
from tests.persistence.databases import server
from tests.persistence.making import Clinic
from tests.persistence.roles import Shared, SharedClinic, again, make, psql, shared_database
from tests.security import test_scope as scopes
from tests.security.test_scope import (
    AGENDA,
    OF_THEIR_OWN,
    READS,
    TODAY,
    WRITES,
    World,
    agenda,
    new_world,
    outcome,
    state,
)

__all__ = [name for name in dir() if name.startswith("test_")]
pytestmark = pytest.mark.everything
OF_CASES = sorted(one.__tablename__ for one in scope.TABLES)
OWNERS = {"restore", "verify"}  # reasons that the pages' role never has
WORKERS = ("clinic_worker_one",)


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """A server of its own: roles belong to all databases of one."""
    with server() as folder:
        yield folder


@pytest.fixture(scope="module")
def seeded(cluster: str) -> tuple[Shared, World]:
    """A database with the world in it, to copy."""
    shared = shared_database(cluster, WORKERS)
    owner = make_engine(shared.owner)
    made = new_world(owner)
    with made.raw.begin() as connection:
        row_security.create(connection)
    owner.dispose()
    return shared, made


@pytest.fixture(scope="module")
def copies() -> list[Shared]:
    """The copy that is as it was, if there is one: most tests leave no trace."""
    return []


@pytest.fixture
def shared(seeded: tuple[Shared, World], copies: list[Shared]) -> Iterator[Shared]:
    if not copies:
        copies.append(shared_database(seeded[0].folder, like=seeded[0].name))
    yield copies[0]
    if contents(copies[0]) != contents(seeded[0]):
        used = copies.pop()
        psql(used.folder, f"DROP DATABASE {used.name} WITH (FORCE);")


def contents(shared: Shared) -> list[Any]:
    """All rows of accounts and cases."""
    asked = " UNION ALL ".join(f"SELECT '{one}', md5(string_agg(t::text, ',' ORDER BY t::text)) FROM \"{one}\" t"
                               for one in (*OF_CASES, "account"))  # fmt: skip
    with psycopg.connect(shared.conninfo(OWNER)) as connection:
        return connection.execute(asked).fetchall()


@pytest.fixture
def world(seeded: tuple[Shared, World], shared: Shared) -> Iterator[World]:
    """The pages' role behind the guards; what is planted and looked up comes from the owner."""
    web, owner = scope.guard(make_engine(shared.web)), make_engine(shared.owner)
    yield dataclasses.replace(seeded[1], engine=web, raw=unscoped(owner, scopes.RAW))
    web.dispose()
    owner.dispose()


@pytest.fixture(scope="module")
def template(cluster: str, tmp_path_factory: pytest.TempPathFactory) -> SharedClinic:
    made = make(tmp_path_factory.mktemp("shared") / "i", shared_database(cluster, WORKERS))
    made.store.close()
    return made


@pytest.fixture
def clinic(template: SharedClinic, tmp_path: Path) -> Iterator[Clinic]:
    made = again(template, tmp_path / "i")
    yield made
    made.store.close()
    made.owner.dispose()
    assert made.shared is not None
    psql(made.shared.folder, f"DROP DATABASE {made.shared.name} WITH (FORCE);")


# --------------------------------------------------------------------------- past SQLAlchemy
@contextmanager
def connected(shared: Shared, role: str = WEB) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(shared.conninfo(role)) as connection:
        yield connection
        connection.rollback()


def be(connection: psycopg.Connection[Any], account: UUID | str, role: str = "counsellor", reason: str = "") -> None:
    connection.execute(TELL, (str(account), role, TODAY.isoformat(), reason))


def number(connection: psycopg.Connection[Any], table: str) -> int:
    return int(connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()[0])


def tried(connection: psycopg.Connection[Any], statement: Any, *values: Any) -> str:
    """How many rows it met, or how it was refused; undone either way."""
    try:
        with connection.transaction(force_rollback=True):
            return str(connection.execute(statement, values or None).rowcount)
    except psycopg.Error as error:
        return type(error).__name__


REFUSED = {"InsufficientPrivilege", "RaiseException"}


@pytest.mark.parametrize("table", OF_CASES)
def test_nobody_is_told_nothing_is_seen(shared: Shared, table: str) -> None:
    with connected(shared) as connection:
        assert number(connection, table) == 0
        for words in (("", "", ""), ("", "counsellor", "verify"), ("", "", "own"), ("", "counsellor", "because")):
            connection.execute(TELL, (words[0], words[1], "", words[2]))
            assert number(connection, table) == 0, words
    with connected(shared, OWNER) as connection:
        assert number(connection, table) == 2


def test_what_was_told_ends_with_its_transaction(shared: Shared, world: World) -> None:
    with connected(shared) as connection:
        be(connection, world.people["anna"])
        assert number(connection, "case") == 1
        connection.commit()
        assert number(connection, "case") == 0
        be(connection, world.people["berta"])
        connection.rollback()
        assert number(connection, "case") == 0


def test_a_connection_of_the_pool_keeps_nobody(world: World) -> None:
    """Anna's unit, then anybody's: the same connection, and no row."""
    with world.session() as session:
        pid = session.connection().connection.driver_connection.info.backend_pid
        assert len(session.scalars(select(Case)).all()) == 1
    with Session(make_unguarded(world)) as session:
        assert session.connection().connection.driver_connection.info.backend_pid == pid
        assert session.scalars(select(Case)).all() == []


@pytest.mark.parametrize("table", OF_CASES)
def test_an_account_meets_its_own_rows_alone(shared: Shared, world: World, table: str) -> None:
    hers = {"case": "id", "part": "record_id", "autosave": "record_id"}.get(table, "case_id")
    key = {"part": world.record, "autosave": world.record}.get(table, world.case)
    with connected(shared) as connection:
        be(connection, world.people["anna"])
        found = connection.execute(sql.SQL("SELECT {} FROM {}").format(sql.Identifier(hers), sql.Identifier(table)))
        assert [row[0] for row in found] == [key["anna"]]
        for verb in ("UPDATE {0} SET {1} = {1}", "DELETE FROM {0}", "SELECT 1 FROM {0} FOR UPDATE"):
            statement = sql.SQL(verb + " WHERE {2} = %s" if "FOR" not in verb else verb).format(
                sql.Identifier(table), sql.Identifier(sealed(table)), sql.Identifier(hers)
            )
            got = tried(connection, statement, *([key["berta"]] if "FOR" not in verb else []))
            assert got in REFUSED | {"0"} | ({"1"} if "FOR" in verb else set()), verb


def sealed(table: str) -> str:
    return {"case": "card", "record": "head", "key_ring": "wrapped"}.get(table, "sealed")


ROWS: dict[str, Any] = {
    "case": lambda w, of: {"id": uuid4(), "code": "NEW", "counsellor_id": w.people[of], "archived": False,
                           "touched_on": TODAY, "rev": 1, "card": b"x"},
    "record": lambda w, of: {"id": uuid4(), "case_id": w.case[of], "rev": 1, "touched_on": TODAY, "tag": b"x",
                             "signed": False, "head": b"x"},
    "part": lambda w, of: {"record_id": w.record[of], "key_id": w.key[other(of)], "sealed": b"x"},
    "autosave": lambda w, of: {"record_id": w.record[of], "account_id": w.people["anna"], "tab": "new",
                               "key_id": w.key["anna"], "base_rev": 1, "sealed": b"x"},
    "print": lambda w, of: {"id": uuid4(), "case_id": w.case[of], "code_tag": b"new", "key_id": w.key[of],
                            "sealed": b"x"},
    "key_ring": lambda w, of: {"id": uuid4(), "case_id": w.case[of], "tag": b"new", "kid": 1, "wrapped": b"x"},
    "grant": lambda w, of: {"id": uuid4(), "case_id": w.case[of], "account_id": w.people["anna"], "ends_on": TODAY,
                            "sealed": b"x"},
    "appointment": lambda w, of: {"id": uuid4(), "case_id": w.case[of], "start": scopes.NOON, "sealed": b"x"},
}  # fmt: skip


def other(name: str) -> str:
    return "berta" if name == "anna" else "anna"


def inserted(connection: psycopg.Connection[Any], table: str, row: dict[str, Any]) -> str:
    columns = sql.SQL(", ").join(map(sql.Identifier, row))
    places = sql.SQL(", ").join([sql.SQL("%s")] * len(row))
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(sql.Identifier(table), columns, places)
    return tried(connection, statement, *row.values())


@pytest.mark.parametrize("table", OF_CASES)
def test_a_row_goes_into_an_own_case_only(shared: Shared, world: World, table: str) -> None:
    with connected(shared) as connection:
        be(connection, world.people["anna"])
        assert inserted(connection, table, ROWS[table](world, "berta")) in REFUSED
        own = "1" if "insert" in scope.WRITES["own"].get(table, ()) else "InsufficientPrivilege"
        assert inserted(connection, table, ROWS[table](world, "anna")) == own


def test_nobody_types_in_anothers_name(shared: Shared, world: World) -> None:
    with connected(shared) as connection:
        be(connection, world.people["anna"])
        row = ROWS["autosave"](world, "anna") | {"account_id": world.people["vera"]}
        assert inserted(connection, "autosave", row) in REFUSED


BELONGS = [
    (table, column.name)
    for table in OF_CASES
    for column in Base.metadata.tables[table].columns
    if column.name in scope.FIXED and (table, column.name) != ("case", "counsellor_id")
]


@pytest.mark.parametrize(("table", "column"), BELONGS)
def test_a_row_stays_where_it_belongs(shared: Shared, world: World, table: str, column: str) -> None:
    with connected(shared) as connection:
        for reason in ("", *BY_REASON):
            be(connection, world.people["anna"], reason=reason)
            statement = sql.SQL("UPDATE {0} SET {1} = {1}").format(sql.Identifier(table), sql.Identifier(column))
            assert tried(connection, statement) == "InsufficientPrivilege"


def test_only_a_transfer_gives_a_case_away(shared: Shared, world: World) -> None:
    statement = 'UPDATE "case" SET counsellor_id = %s WHERE id = %s'
    with connected(shared, OWNER) as owner:  # the supervisor has both, and still may not shift a case
        owner.execute("UPDATE account SET supervisor_id = %s", [world.people["vera"]])
        owner.commit()
    with connected(shared) as connection:
        asked = {("anna", "counsellor", ""): False, ("vera", "supervisor", ""): False, ("ada", "admin", ""): False,
                 ("anna", "counsellor", "erase"): False, ("ada", "admin", "transfer"): True}  # fmt: skip
        for (name, role, reason), done in asked.items():
            be(connection, world.people[name], role, reason)
            got = tried(connection, statement, world.people["berta"], world.case["anna"])
            assert (got == "1") == done, (name, reason, got)
            assert done or got in REFUSED | {"0"}


def test_a_supervisor_notes_the_day_and_no_more(shared: Shared, world: World) -> None:
    with connected(shared) as connection:
        be(connection, world.people["vera"], "supervisor")
        assert tried(connection, 'UPDATE "case" SET touched_on = touched_on - 1') == "1"
        for column, value in (("card", b"new"), ("archived", True), ("rev", 9)):
            statement = sql.SQL('UPDATE "case" SET {} = %s').format(sql.Identifier(column))
            assert tried(connection, statement, value) in REFUSED, column


# --------------------------------------------------------------------------- who is who
def test_each_reason_reaches_its_tables_and_no_other(shared: Shared, world: World) -> None:
    found: dict[str, set[str]] = {}
    with connected(shared) as connection:
        for reason in REASONS:
            be(connection, world.people["fritz"], "front_desk", reason)
            seen = {table for table in OF_CASES if number(connection, table)}
            assert all(number(connection, table) == 2 for table in seen)
            found[reason] = seen
    assert found == {reason: set(BY_REASON.get(reason, {})) for reason in REASONS}
    assert set(BY_REASON) | OWNERS == set(REASONS)
    assert {reason: set(tables) for reason, tables in scope.NARROW.items()} == {"agenda": set(BY_REASON["agenda"])}


def test_each_reason_writes_as_its_line_says(shared: Shared, world: World) -> None:
    with connected(shared) as connection:
        for reason in REASONS:
            be(connection, world.people["anna"], "counsellor", reason)
            for table in OF_CASES:
                verbs = BY_REASON.get(reason, {}).get(table, ()) if reason != "agenda" else ()
                name, column = sql.Identifier(table), sql.Identifier(sealed(table))
                met = tried(connection, sql.SQL("UPDATE {0} SET {1} = {1}").format(name, column))
                assert (met == "2") == ("update" in verbs), (reason, table, met)
                gone = tried(connection, sql.SQL("DELETE FROM {}").format(name))
                assert (gone not in REFUSED | {"0"}) == ("delete" in verbs), (reason, table, gone)
                put = inserted(connection, table, ROWS[table](world, "berta"))
                assert (put == "1") == ("insert" in verbs), (reason, table, put)


@pytest.mark.parametrize(
    ("change", "name", "role", "sees"),
    [
        ({}, "anna", "counsellor", 1),
        ({}, "vera", "supervisor", 1),
        ({}, "other", "supervisor", 0),
        ({}, "ada", "admin", 0),
        ({}, "fritz", "front_desk", 0),
        ({}, "fritz", "admin", 0),  # says a role that is not theirs
        ({}, "anna", "supervisor", 0),
        ({}, "anna", "own", 0),
        ({"active": False}, "anna", "counsellor", 0),
        ({"confirmed": False}, "anna", "counsellor", 0),
        ({"role": "admin"}, "anna", "counsellor", 0),
        ({"role": "admin"}, "fritz", "admin", 2),  # the grants that are there are theirs
    ],
)
def test_who_sees_how_many_cases(
    shared: Shared, world: World, change: dict[str, Any], name: str, role: str, sees: int
) -> None:
    with Session(world.raw.execution_options(write=True)) as session:
        row = session.get_one(Account, world.people[name])
        for column, value in change.items():
            setattr(row, column, value)
        session.commit()
    with connected(shared) as connection:
        be(connection, world.people[name], role)
        assert [number(connection, table) for table in OF_CASES] == [sees] * len(OF_CASES)


def test_a_grant_that_ended_opens_nothing(shared: Shared, world: World) -> None:
    with Session(world.raw.execution_options(write=True)) as session:
        for whose, ends in (("anna", TODAY), ("berta", TODAY - timedelta(days=1))):
            session.add(Grant(case_id=world.case[whose], account_id=world.people["ada"], ends_on=ends, sealed=b"x"))
        session.commit()
    with connected(shared) as connection:
        be(connection, world.people["ada"], "admin")
        assert connection.execute('SELECT code FROM "case"').fetchall() == [("K-anna",)]
        assert tried(connection, "UPDATE record SET head = 'x'") == "0"


@pytest.mark.parametrize("change", [{"active": False}, {"confirmed": False}, {"temporary": True}, {"role": "admin"}])
def test_a_front_desk_that_may_not_now_reads_no_agenda(shared: Shared, world: World, change: dict[str, Any]) -> None:
    with connected(shared) as connection:
        be(connection, world.people["fritz"], "front_desk", "agenda")
        assert number(connection, "appointment") == 2
    with Session(world.raw.execution_options(write=True)) as session:
        for column, value in change.items():
            setattr(session.get_one(Account, world.people["fritz"]), column, value)
        session.commit()
    with connected(shared) as connection:
        be(connection, world.people["fritz"], "front_desk", "agenda")
        assert number(connection, "appointment") == 0


# --------------------------------------------------------------------------- without the guards
def make_unguarded(world: World) -> Any:
    """The same pool, and no guard on the engine."""
    from sqlalchemy import event

    if event.contains(world.engine, "before_cursor_execute", scope._check):
        event.remove(world.engine, "before_cursor_execute", scope._check)
    return world.engine.execution_options(write=True)


@contextmanager
def bare(world: World) -> Iterator[Any]:
    """A plain session that tells the database it is Anna's: no criteria, no checks, no guard."""
    with Session(telling(make_unguarded(world), Scope(world.people["anna"], "counsellor", TODAY), "")) as session:
        yield session


@pytest.mark.parametrize("name", sorted(READS.keys() - OF_THEIR_OWN))
def test_no_read_reaches_her_rows_with_all_guards_gone(world: World, name: str) -> None:
    with bare(world) as session:
        found = outcome(session, world, READS[name])
    assert "SECRET" not in found
    assert "LEAK" not in found


@pytest.mark.parametrize("name", WRITES)
def test_no_write_reaches_her_rows_with_all_guards_gone(world: World, name: str) -> None:
    before = state(world)
    with bare(world) as session:
        found = outcome(session, world, WRITES[name])
    assert state(world) == before, found
    assert world.outside(select(Case.counsellor_id).where(Case.code == "K-anna")) == [(world.people["anna"],)]


@pytest.mark.parametrize("name", sorted(READS.keys() - OF_THEIR_OWN - {"exists of a select"}))
def test_as_the_owner_the_same_reads_leak(world: World, name: str) -> None:
    """Each probe can fail: it is the role that holds."""
    with Session(world.raw.execution_options(write=True)) as session:
        found = outcome(session, world, READS[name])
    assert "SECRET" in found or "LEAK" in found, found


@pytest.mark.parametrize("name", AGENDA)
def test_the_front_desk_reads_nothing_else(world: World, name: str) -> None:
    with agenda(world) as session:
        assert outcome(session, world, AGENDA[name]).startswith("refused: Unscoped"), name


# --------------------------------------------------------------------------- what no page may do
NEVER = {
    "switch it off": 'ALTER TABLE "case" DISABLE ROW LEVEL SECURITY',
    "look past it": "SET LOCAL row_security = off; SELECT * FROM record",
    "drop a policy": "DROP POLICY web_select ON record",
    "add a policy": "CREATE POLICY mine ON record USING (true)",
    "change a policy": "ALTER POLICY web_select ON record USING (true)",
    "drop a trigger": 'DROP TRIGGER case_changes ON "case"',
    "triggers aside": "SET LOCAL session_replication_role = replica",
    "change a function": "CREATE OR REPLACE FUNCTION clinic_guard.kind() RETURNS text LANGUAGE sql AS 'SELECT $$own$$'",
    "a function in between": "CREATE FUNCTION public.kind() RETURNS text LANGUAGE sql AS 'SELECT $$own$$'",
    "make a table": "CREATE TABLE public.mine (a int)",
    "make a schema": "CREATE SCHEMA mine",
    "a temporary table": "CREATE TEMPORARY TABLE account (id uuid)",
    "drop a table": "DROP TABLE part",
    "empty a table": "TRUNCATE part, autosave",
    "add a column": "ALTER TABLE part ADD COLUMN plain text",
    "become the owner": "SET ROLE clinic_owner",
    "become the keyholder": "SET ROLE clinic_keyholder",
    "be somebody else": "SET SESSION AUTHORIZATION clinic_owner",
    "give itself leave": "GRANT SELECT ON system_key TO clinic_web",
    "change a role": "ALTER ROLE clinic_web BYPASSRLS",
    "make a role": "CREATE ROLE mine",
    "passwords": "SELECT * FROM pg_authid",
    "a file of the server": "SELECT pg_read_file('/etc/passwd')",
    "a program of the server": "COPY (SELECT 1) TO PROGRAM 'true'",
    "wrapped keys of the instance": "SELECT * FROM system_key",
    "the instance": "SELECT * FROM instance",
    "keys of sheets": "SELECT wrapped FROM press_key",
    "rewrite the audit": "UPDATE audit SET day = day",
    "cut the audit": "DELETE FROM audit",
    "delete an account": "DELETE FROM account",
    "another text of a form": "UPDATE definition_text SET json = ''",
    "what else is written anew": "SELECT clinic_guard.rewrite('audit')",
}


@pytest.mark.parametrize("name", NEVER)
def test_the_pages_role_never_may(shared: Shared, world: World, name: str) -> None:
    with connected(shared) as connection:
        be(connection, world.people["anna"])
        assert tried(connection, NEVER[name]) in REFUSED


KEPT_FROM_KEYHOLDER = ("appointment", "autosave", "print", "audit", "passkey", "recovery_code", "translation")


def test_the_keyholder_reads_and_never_writes(shared: Shared) -> None:
    with connected(shared, KEYHOLDER) as connection:
        for table in row_security.KEYHOLDER_TABLES:
            assert number(connection, table) == (
                0 if table not in {*OF_CASES, "account"} else number(connection, table)
            )
        assert number(connection, "case") == 2
        connection.rollback()
        for table in KEPT_FROM_KEYHOLDER:
            assert tried(connection, sql.SQL("SELECT * FROM {}").format(sql.Identifier(table))) in REFUSED
        connection.execute("SET default_transaction_read_only = off")
        connection.commit()
        for table in Base.metadata.tables:
            name = sql.Identifier(table)
            assert tried(connection, sql.SQL("DELETE FROM {}").format(name)) in REFUSED, table
            assert tried(connection, sql.SQL("INSERT INTO {} DEFAULT VALUES").format(name)) in REFUSED, table
        assert tried(connection, "SET ROLE clinic_web") in REFUSED


def test_a_print_machine_sees_no_case(shared: Shared) -> None:
    with connected(shared, WORKERS[0]) as connection:
        for table in Base.metadata.tables:
            if table not in row_security.WORKER_TABLES:
                assert tried(connection, sql.SQL("SELECT * FROM {}").format(sql.Identifier(table))) in REFUSED, table


# --------------------------------------------------------------------------- nothing is forgotten
def test_each_table_that_hangs_on_a_case_is_held() -> None:
    hang = {
        name
        for name, table in Base.metadata.tables.items()
        if {"case_id", "record_id"} & set(table.columns.keys()) or name == "case"
    }
    assert hang == set(OF_CASES)


def test_it_is_made_with_the_tables_again_and_again(cluster: str) -> None:
    made = shared_database(cluster)
    owner, web = make_engine(made.owner), make_engine(made.web)

    def lacking() -> list[str]:
        with web.connect() as connection:
            return row_security.lacking(connection)

    schema.upgrade(owner)
    assert lacking() == []
    schema.upgrade(owner)
    schema.downgrade(owner, "0003")
    schema.upgrade(owner)
    assert lacking() == []
    with owner.begin() as connection:
        connection.exec_driver_sql("DROP POLICY web_select ON part")
    assert "clinic upgrade" in lacking()[0]
    schema.upgrade(owner)
    with owner.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE part DISABLE ROW LEVEL SECURITY")
    assert "clinic upgrade" in lacking()[0]
    with owner.connect() as connection:
        assert "no policy holds" in row_security.lacking(connection)[0]
    owner.dispose()
    web.dispose()


def test_the_roles_are_made_twice_without_harm(cluster: str, shared: Shared) -> None:
    psql(cluster, row_security.roles_sql(shared.name))
    rows = psql(cluster, "\\t\nSELECT rolname FROM pg_roles WHERE rolname LIKE 'clinic\\_%' AND rolsuper ORDER BY 1;")
    assert rows.split() == []
    assert "password" not in row_security.roles_sql("clinic").replace("\\password", "").replace("by password", "")
    for role in ROLES:
        assert f"CREATE ROLE {role} " in row_security.roles_sql("clinic")


# --------------------------------------------------------------------------- what it costs
def touched(connection: Any, statement: str, values: dict[str, Any]) -> int:
    """Pages of the database that a statement looks at."""
    plan = connection.execute(text("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + statement), values).scalar_one()
    found = plan if isinstance(plan, list) else json.loads(plan)
    return int(found[0]["Plan"]["Shared Hit Blocks"] + found[0]["Plan"]["Shared Read Blocks"])


USUAL = {
    "a case": 'SELECT * FROM "case" WHERE id = :case AND counsellor_id = :me',
    "its records": "SELECT * FROM record WHERE case_id = :case",
    "its parts": "SELECT part.* FROM part JOIN record ON record.id = part.record_id WHERE record.case_id = :case",
    "a page of the caseload": 'SELECT * FROM "case" WHERE counsellor_id = :me ORDER BY code LIMIT 50',
}


def test_a_page_looks_at_little_more_than_without(world: World) -> None:
    """Of 3,000 cases, each with two records: never at all of them because of a policy."""
    with world.raw.execution_options(write=True).begin() as connection:
        me, her = world.people["anna"], world.people["berta"]
        connection.exec_driver_sql(
            'INSERT INTO "case" (id, code, counsellor_id, archived, touched_on, rev, card) SELECT gen_random_uuid(),'
            f" 'N' || n, CASE n %% 20 WHEN 0 THEN '{me}'::uuid ELSE '{her}'::uuid END, false, now(), 1, ''"
            " FROM generate_series(1, 3000) n"
        )
        connection.exec_driver_sql(
            "INSERT INTO record (id, case_id, rev, touched_on, tag, signed, head)"
            " SELECT gen_random_uuid(), c.id, 1, now(), '', false, '' FROM \"case\" c, generate_series(1, 2)"
        )
        connection.exec_driver_sql(
            "INSERT INTO part SELECT r.id, k.id, '' FROM record r, key_ring k ON CONFLICT DO NOTHING"
        )
        connection.exec_driver_sql("ANALYZE")
    values = {"me": world.people["anna"], "case": world.case["anna"]}
    owner, web = world.raw, telling(make_unguarded(world), Scope(me, "counsellor", TODAY), "")
    counts = {}
    for name, statement in USUAL.items():
        with owner.connect() as plain, web.connect() as held:
            touched(plain, statement, values)
            touched(held, statement, values)
            counts[name] = touched(plain, statement, values), touched(held, statement, values)
    print(counts)
    assert all(held <= 4 * plain + 60 for plain, held in counts.values()), counts
