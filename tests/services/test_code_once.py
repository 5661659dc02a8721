"""One code, two web processes at the same moment: it is taken exactly once.

Two real processes with connections and a keyholder of their own, on a database that the roles share. They cannot miss
each other: the test holds the row until the database says that both have looked, and both wait to take the code.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import psycopg
import pytest

from clinic.domain.errors import SignIn
from clinic.persistence import store as stores
from clinic.services import accounts, sessions
from tests.persistence.databases import server
from tests.persistence.making import OLD, PASSWORD, Clock, Shelf, open_store
from tests.persistence.roles import Shared, settings, shared_database
from tests.services.sign_in import WHERE, House

pytestmark = pytest.mark.everything
ROOT = Path(__file__).resolve().parents[2]
Process = subprocess.Popen[str]


@pytest.fixture(scope="module")
def shared() -> Iterator[Shared]:
    with server() as folder:
        yield shared_database(folder)


@pytest.fixture(scope="module")
def house(shared: Shared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Anna, with an app and recovery codes."""
    mine, clock = settings(tmp_path_factory.mktemp("once") / "i", shared), Clock()
    stores.create(replace(mine, owner_database_url=shared.owner), OLD.values(), factors=True)
    store = open_store(mine, clock, Shelf())
    made = House(store, clock, accounts.create_account(store, "anna", PASSWORD, "Anna"))
    made.enrol()
    yield made
    store.close()


def door(folder: str, database: str, keyholder: str) -> None:
    """A web process that asks for Anna's second factor: a time is said to it, then a code, and it says who got in."""
    shared = Shared("", "")
    mine = replace(settings(Path(folder), shared), database_url=database, keyholder_database_url=keyholder)
    clock = Clock()
    store = open_store(mine, clock, Shelf())
    for line in sys.stdin:
        clock.now = datetime.fromisoformat(line.strip())
        begun = sessions.begin(store, "anna", PASSWORD, WHERE, "Firefox · Linux")
        print("ready", flush=True)
        code = sys.stdin.readline().strip()
        try:
            sessions.prove_code(store, begun.token, code, WHERE)
            print("in", flush=True)
        except SignIn:
            print("out", flush=True)
    store.close()


@pytest.fixture(scope="module")
def two(house: House) -> Iterator[list[Process]]:
    mine = house.store.settings
    said = (str(mine.instance), mine.database_url, mine.keyholder_database_url)
    command = [sys.executable, "-c", f"from tests.services import test_code_once; test_code_once.door(*{said!r})"]
    with ExitStack() as stack:
        made = [
            stack.enter_context(
                subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            for _ in range(2)
        ]
        yield made
        for one in made:
            one.kill()


def tell(process: Process, line: str) -> None:
    assert process.stdin
    process.stdin.write(line + "\n")
    process.stdin.flush()


def heard(process: Process) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


WAITING = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'clinic_web' AND wait_event_type = 'Lock'"


def who_gets_in(house: House, shared: Shared, two: list[Process], code: str) -> list[str]:
    """Both send this code; neither goes on before both wait for the row that it is about."""
    for one in two:
        tell(one, house.clock().isoformat())
    assert [heard(one) for one in two] == ["ready", "ready"]
    looking = psycopg.connect(shared.conninfo("clinic"), autocommit=True)
    with looking, psycopg.connect(shared.conninfo("clinic_owner")) as holding:
        holding.execute("SELECT 1 FROM account FOR UPDATE")
        holding.execute("SELECT 1 FROM recovery_code FOR UPDATE")
        for one in two:
            tell(one, code)
        for _ in range(90):
            if looking.execute(WAITING).fetchone() == (2,):
                break
            time.sleep(0.1)
        else:
            pytest.fail("they did not come to the same row")
    return sorted(heard(one) for one in two)


@pytest.mark.parametrize("what", ["code of the app", "recovery code"])
def test_a_code_sent_to_two_processes_lets_one_in(house: House, shared: Shared, two: list[Process], what: str) -> None:
    house.clock.pass_(seconds=30)
    code = house.code() if what == "code of the app" else house.codes[0]
    assert who_gets_in(house, shared, two, code) == ["in", "out"]
    with pytest.raises(SignIn):  # and nobody after them
        sessions.prove_code(house.store, house.begin().token, code, WHERE)


def test_two_different_codes_let_both_in(house: House, two: list[Process]) -> None:
    """They do come through: what keeps one out above is the code."""
    first, second = house.codes[1:3]
    for one in two:
        tell(one, house.clock().isoformat())
    assert [heard(one) for one in two] == ["ready", "ready"]
    for one, code in zip(two, (first, second), strict=True):
        tell(one, code)
    assert [heard(one) for one in two] == ["in", "in"]
