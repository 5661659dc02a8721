"""Backup and restore where four roles share the database: what comes back is as closed as what was there.

The owner backs up on the command line and restores into an empty database of a server that has the roles. Then the
pages' role serves it, and what each role may do is compared, line by line, with the database that it came from.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from clinic import config
from clinic.app import create_app
from clinic.config import Settings
from clinic.domain.errors import ClinicError, Usage
from clinic.persistence import row_security, slots
from clinic.persistence import store as stores
from clinic.persistence.engine import make_engine
from clinic.persistence.models import Case, Record
from clinic.persistence.press_queue import MOST_TRIES
from clinic.persistence.row_security import KEYHOLDER, OWNER, ROLES, WEB, roles_sql
from clinic.persistence.scope import Scope, telling
from clinic.persistence.store import Store
from clinic.press.press import Press
from clinic.services import accounts, backup, batches, cases, machines, packs, restore, verify, worker_key
from clinic.services.cases import PartnerCard
from clinic.services.definitions import definitions
from clinic.services.instance import init_instance
from tests import pdf
from tests.filling import filled
from tests.persistence.databases import new_database, server
from tests.persistence.roles import Shared, psql, shared_database
from tests.persistence.test_row_security import OF_CASES, be, connected, contents, number, tried
from tests.security.test_scope import TODAY
from tests.services.rights import RECOVERY
from tests.services.test_terminal import clinic as on_terminal
from tests.web.conftest import PASSWORD, Clinic, finished, post, prepared, press, print_

__all__ = ["press"]
pytestmark = pytest.mark.everything
KEY = slots.by_recovery_key(RECOVERY)
ROOT = Path(__file__).resolve().parents[2]
WORD = "ZQbackQZ"
PAPER = {"locale": "en", "beside": "", "paper": "a4", "size": "normal", "ink": "full", "goes": "stays"}


@dataclass(frozen=True)
class Home:
    """A closed clinic in a database that the roles share. `settings` are what its pages are started with."""

    settings: Settings
    shared: Shared
    case: str
    foreign: str
    ana: str
    machine: str = ""  # the role of the accepted machine
    file: Path = Path()

    @property
    def owners(self) -> Settings:
        """What upkeep is started with: deploy/owner.env."""
        return replace(self.settings, owner_database_url=self.shared.owner)


def pages(folder: Path, shared: Shared) -> Settings:
    return replace(config.load(folder, {}), database_url=shared.web, keyholder_database_url=shared.keyholder)


def run(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line, with these settings in its environment and no terminal."""
    command = [sys.executable, "-m", "clinic", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment(settings), capture_output=True, text=True, check=False, timeout=120
    )


def environment(settings: Settings) -> dict[str, str]:
    names = ("database_url", "keyholder_database_url", "owner_database_url")
    said = {f"CLINIC_{name.upper()}": str(getattr(settings, name)) for name in names}
    return dict(os.environ) | said | {"CLINIC_INSTANCE_PATH": str(settings.instance)}


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """A server of its own: roles belong to all databases of one."""
    with server() as folder:
        yield folder


def make(settings: Settings, shared: Shared, machine: bool = True) -> Home:
    """Two counsellors, a case of each; in Ana's a sheet that may be printed. One machine was accepted."""
    store = Store.open(settings)
    ids = {name: accounts.create_account(store, name, PASSWORD) for name in ("ana", "ben")}
    accounts.create_account(store, "ada", PASSWORD, role="admin")
    tokens = {name: accounts.sign_in(store, name, PASSWORD) for name in ("ana", "ben", "ada")}
    both = {"a": PartnerCard(), "b": PartnerCard()}
    case, foreign = (cases.open_case(store, tokens[name], both) for name in ("ana", "ben"))
    for name, one in (("ana", case), ("ben", foreign)):
        answers = filled(definitions()["our_cycle"], "couple", lambda _: WORD)
        finished(store, tokens[name], one, "our_cycle", "couple", answers)
    answers = {"held": {"day": store.today().isoformat()}, "conditions": "yes", "fear": "no"}
    finished(store, tokens["ana"], case, "safety_screening", "a", answers)
    prepared(Clinic(None, store, tokens, case, "", "", foreign))  # type: ignore[arg-type]
    role = ""
    if machine:
        role = machines.accept(store, tokens["ada"], "One", worker_key.shown(os.urandom(32))).role
        psql(shared.folder, roles_sql(shared.name, (role,)))
    store.close()
    return Home(settings, shared, case, foreign, ids["ana"], role)


@pytest.fixture(scope="module")
def source(cluster: str, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The clinic, and a backup of it that its owner made on the command line."""
    folder = tmp_path_factory.mktemp("source")
    shared = shared_database(cluster)
    settings = pages(folder / "i", shared)
    init_instance(replace(settings, owner_database_url=shared.owner), factors=False, recovery=RECOVERY)
    made = replace(make(settings, shared), file=folder / "out" / "b.age")
    done = run(made.owners, "backup", str(made.file))
    assert done.returncode == 0, done.stderr
    assert made.file.stat().st_mode & 0o777 == 0o600
    return made


def restored(home: Home, file: Path) -> restore.Restored:
    return restore.restore(home.owners, file, KEY, restore.with_key_file(home.settings.key_file))


@pytest.fixture(scope="module")
def back(cluster: str, source: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The clinic on another machine: an empty folder, an empty database, the roles."""
    shared = shared_database(cluster)
    made = replace(source, settings=pages(tmp_path_factory.mktemp("back") / "i", shared), shared=shared)
    restored(made, source.file)
    return made


# --------------------------------------------------------------------------- it works again
def test_the_pages_sign_in_open_a_case_and_print(back: Home, press: Press) -> None:
    store = Store.attach(back.settings)
    try:
        client = create_app(back.settings, store, press).test_client()
        assert post(client, "/sign-in", name="ana", password=PASSWORD).status_code == 303
        page = client.get(f"/cases/{back.case}")
        assert page.status_code == 200
        assert client.get(f"/cases/{back.foreign}").status_code == 404
        reply = print_(client, back.case, sheet="our_cycle", to="joint", **PAPER)
        assert reply.mimetype == "application/pdf", reply.text
        assert WORD in pdf.text(reply.data)
        token = accounts.sign_in(store, "ana", PASSWORD)
        assert finished(store, token, back.case, "check_in", "a", {})
    finally:
        store.close()


def test_what_came_back_is_sound_and_row_security_stands(back: Home) -> None:
    with closing(Store.open(back.owners)) as store:
        assert verify.verify(store) == []
    web = make_engine(back.shared.web)
    with web.connect() as connection:
        assert row_security.active(connection)
        assert row_security.lacking(connection) == []
    web.dispose()


# --------------------------------------------------------------------------- who may what
# Every line that says what somebody may do, in our three schemas; compared as text.
RIGHTS = """
WITH here AS (SELECT oid AS space, nspname, nspowner, nspacl FROM pg_namespace
    WHERE nspname IN ('public', 'clinic_guard', 'procrastinate'))
SELECT 'policy', concat_ws(' | ', schemaname, tablename, policyname, roles, cmd, qual, with_check) FROM pg_policies
UNION ALL SELECT 'schema', concat_ws(' | ', nspname, nspowner::regrole, a.grantee::regrole, a.privilege_type)
    FROM here, aclexplode(coalesce(nspacl, acldefault('n', nspowner))) AS a
UNION ALL SELECT 'table', concat_ws(' | ', nspname, relname, relkind, relrowsecurity, relowner::regrole,
        a.grantee::regrole, a.privilege_type)
    FROM pg_class JOIN here ON space = relnamespace, aclexplode(coalesce(relacl, acldefault(
        CASE relkind WHEN 'S' THEN 's'::"char" ELSE 'r'::"char" END, relowner))) AS a WHERE relkind IN ('r', 'S', 'v')
UNION ALL SELECT 'column', concat_ws(' | ', nspname, relname, attname, a.grantee::regrole, a.privilege_type)
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid JOIN here ON space = relnamespace,
        aclexplode(attacl) AS a
UNION ALL SELECT 'trigger', concat_ws(' | ', nspname, tgname, tgenabled, pg_get_triggerdef(pg_trigger.oid))
    FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid JOIN here ON space = relnamespace WHERE NOT tgisinternal
UNION ALL SELECT 'function', concat_ws(' | ', nspname, proname, pronargs, proowner::regrole, prosecdef, proconfig,
        md5(prosrc), a.grantee, a.privilege_type)
    FROM pg_proc JOIN here ON space = pronamespace, aclexplode(coalesce(proacl, acldefault('f', proowner))) AS a
"""


def rights(shared: Shared) -> set[tuple[str, str]]:
    with psycopg.connect(shared.conninfo("clinic")) as connection:
        return {(str(kind), str(said)) for kind, said in connection.execute(RIGHTS)}


def assert_same_rights(one: Shared, two: Shared) -> None:
    before, after = rights(one), rights(two)
    assert {kind for kind, _ in before} == {"policy", "schema", "table", "column", "trigger", "function"}
    assert sorted(before - after) == [], "went missing"
    assert sorted(after - before) == [], "more than before"


def test_each_role_may_what_it_might_before_and_no_more(source: Home, back: Home) -> None:
    assert_same_rights(source.shared, back.shared)


def assert_own_rows_alone(home: Home) -> None:
    """The pages' role past SQLAlchemy, and with SQLAlchemy but without one of our guards."""
    with connected(home.shared) as connection:
        assert [number(connection, table) for table in OF_CASES] == [0] * len(OF_CASES)
        be(connection, home.ana)
        assert connection.execute('SELECT id FROM "case"').fetchall() == [(UUID(home.case),)]
        assert {row[0] for row in connection.execute("SELECT case_id FROM record")} == {UUID(home.case)}
        assert tried(connection, "UPDATE record SET head = 'x' WHERE case_id = %s", UUID(home.foreign)) == "0"
        assert tried(connection, "SELECT wrapped FROM press_key") == "InsufficientPrivilege"
    with connected(home.shared, OWNER) as connection:
        assert number(connection, "case") == 2
    engine = make_engine(home.shared.web).execution_options(write=True)
    with Session(telling(engine, Scope(UUID(home.ana), "counsellor", TODAY), "")) as session:
        assert session.scalars(select(Case.id)).all() == [UUID(home.case)]
        assert session.get(Case, UUID(home.foreign)) is None
        assert session.scalars(select(Record).where(Record.case_id == UUID(home.foreign))).all() == []
        rings = text("SELECT count(*) FROM key_ring WHERE case_id = :foreign")
        assert session.scalar(rings, {"foreign": UUID(home.foreign)}) == 0
    engine.dispose()


def test_without_any_guard_of_ours_the_pages_see_their_own_rows_alone(back: Home) -> None:
    assert_own_rows_alone(back)


def waiting(home: Home) -> UUID:
    """A sheet that waits for a machine; its item."""
    with closing(Store.attach(home.settings)) as store:
        token = accounts.sign_in(store, "ana", PASSWORD)
        item = packs.Item(1, home.case, "", "joint", "our_cycle")
        assert batches.submit(store, token, [item], packs.How(), "complete").failed == ()
    with psycopg.connect(home.shared.conninfo(OWNER)) as connection:
        found = connection.execute("SELECT id FROM press_item").fetchall()
    assert len(found) == 1
    return UUID(str(found[0][0]))


def test_a_print_machine_has_its_rights_and_its_bounds_again(back: Home) -> None:
    id_ = waiting(back)
    claim = "UPDATE press_item SET state = 'taken', tries = tries + {}, token = gen_random_uuid(), worker_id = {}"
    claim += ", until = clock_timestamp() + interval '30 seconds' WHERE id = %s"
    me = "(SELECT id FROM press_worker WHERE role = session_user)"
    with connected(back.shared, back.machine) as connection:
        assert connection.execute("SELECT id FROM press_item").fetchall() == [(id_,)]
        jobs = connection.execute("SELECT args ->> 'item_id' FROM procrastinate.procrastinate_jobs").fetchall()
        assert jobs == [(str(id_),)]
        for table in ("press_key", "press_batch", *OF_CASES):
            asked = sql.SQL("SELECT * FROM {}").format(sql.Identifier(table))
            assert tried(connection, asked) == "InsufficientPrivilege", table
        assert tried(connection, claim.format(1, me), id_) == "1"
        assert tried(connection, claim.format(0, me), id_) == "RaiseException", "it counts its tries"
        assert tried(connection, claim.format(MOST_TRIES, me), id_) == "RaiseException"
    with psycopg.connect(back.shared.conninfo(OWNER)) as connection:
        connection.execute("UPDATE press_worker SET revoked = true")
    with connected(back.shared, back.machine) as connection:
        assert number(connection, "press_item") == 0
    with psycopg.connect(back.shared.conninfo(OWNER)) as connection:
        connection.execute("UPDATE press_worker SET revoked = false")


# --------------------------------------------------------------------------- other ways back
@pytest.fixture
def copy(source: Home, tmp_path: Path) -> Iterator[Home]:
    """The clinic that the backup was made of, once more, to do things to."""
    made = replace(source, shared=shared_database(source.shared.folder, like=source.shared.name))
    made = replace(made, settings=pages(tmp_path / "i", made.shared))
    shutil.copytree(source.settings.instance, made.settings.instance, ignore=shutil.ignore_patterns("run"))
    shutil.copy2(source.settings.key_file, made.settings.key_file)
    yield made
    psql(made.shared.folder, f"DROP DATABASE {made.shared.name} WITH (FORCE);")


def test_in_the_place_of_the_old_one_which_no_other_role_can_read(copy: Home) -> None:
    with closing(Store.attach(copy.settings)) as store:
        token = accounts.sign_in(store, "ana", PASSWORD)
        later = finished(store, token, copy.case, "check_in", "a", {})
    assert restored(copy, copy.file).before is not None
    assert_own_rows_alone(copy)
    with connected(copy.shared, OWNER) as connection:
        assert connection.execute("SELECT 1 FROM record WHERE id = %s", (UUID(later),)).fetchall() == []
        aside = "SELECT count(*) FROM clinic_before_restore.record WHERE id = %s"
        assert connection.execute(aside, (UUID(later),)).fetchone() == (1,)
    for role in (WEB, KEYHOLDER, copy.machine):
        with connected(copy.shared, role) as connection:
            be(connection, copy.ana)
            assert tried(connection, "SELECT * FROM clinic_before_restore.record") == "InsufficientPrivilege", role


def test_out_of_a_database_without_roles_into_one_with(cluster: str, source: Home, tmp_path: Path) -> None:
    """The way from one role for all to the set-up of four: row security and the machines' bounds begin with it."""
    url = new_database(cluster)
    plain = replace(config.load(tmp_path / "plain", {}), database_url=url)
    init_instance(plain, factors=False, recovery=RECOVERY)
    home = make(plain, source.shared, machine=False)
    with closing(Store.open(plain)) as store:
        file = backup.make(store, tmp_path / "plain.age").path
    shared = shared_database(cluster)
    moved = replace(home, settings=pages(tmp_path / "moved", shared), shared=shared)
    restored(moved, file)
    assert_same_rights(source.shared, shared)
    assert_own_rows_alone(moved)


def test_whoever_has_the_database_open_is_named(copy: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A print machine on another computer is easily forgotten when the server was stopped."""
    monkeypatch.setattr(restore, "_PATIENCE", 0.0)
    before = state_of(copy)
    with connected(copy.shared, copy.machine), pytest.raises(ClinicError, match=f"open: {copy.machine}. Stop the serv"):
        restored(copy, copy.file)
    assert state_of(copy) == before


# --------------------------------------------------------------------------- the wrong role
def state_of(home: Home) -> Any:
    """All rows of the cases, and all files of the instance and beside it."""
    kept = home.settings.instance.parent
    files = {str(one.relative_to(kept)): one.read_bytes() for one in kept.rglob("*") if one.is_file()}
    return contents(home.shared), {name: one for name, one in files.items() if not name.endswith((".lock", ".sock"))}


@pytest.mark.parametrize("role", [*ROLES[1:3], "the machine's", "clinic"])
def test_no_other_role_restores_and_nothing_is_lost(copy: Home, role: str) -> None:
    """The pages', the keyholder's, a machine's; and PostgreSQL's administrator, who would own what comes back."""
    before = state_of(copy)
    url = copy.shared.url(copy.machine if role == "the machine's" else role)
    wrong = replace(copy.settings, owner_database_url="" if role == WEB else url)
    with pytest.raises(Usage, match="CLINIC_OWNER_DATABASE_URL") as said:
        restore.restore(wrong, copy.file, KEY, restore.with_key_file(wrong.key_file))
    assert "\n" not in str(said.value)
    assert state_of(copy) == before
    assert restored(copy, copy.file)  # and the right one still can


def test_on_the_command_line_nobody_is_asked_for_the_recovery_key_first(
    copy: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state_of(copy)
    for name, value in environment(copy.settings).items():
        monkeypatch.setenv(name, value)
    house: Any = SimpleNamespace(store=SimpleNamespace(settings=copy.settings))
    code, shown = on_terminal(house, "restore", str(copy.file))
    assert code == 2, shown
    assert shown.split() == ["clinic:", *stores.OWNER_NEEDED.split()]
    assert state_of(copy) == before


def test_no_other_role_makes_a_backup(copy: Home, tmp_path: Path) -> None:
    done = run(copy.settings, "backup", str(tmp_path / "x.age"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"clinic: {stores.OWNER_NEEDED}\n"
    assert not (tmp_path / "x.age").exists()
