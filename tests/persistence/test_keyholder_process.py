"""The keyholder as a process: what it tells whom, what it survives, and where the root key is not."""

import os
import pwd
import socket
import struct
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from clinic.domain.audience import CASE_SCOPES
from clinic.domain.errors import NotFound, SignIn, VaultLocked
from clinic.persistence import keyholder_client, keyholder_process, keyholder_server, sealing, slots, vault
from clinic.persistence import keyholder_place as place
from clinic.persistence import keyholder_wire as wire
from clinic.persistence.keyholder import NotYours, request
from clinic.persistence.keyholder_client import KeyholderClient
from clinic.persistence.keyholder_process import Holder, Opened
from clinic.persistence.models import KeyRing
from clinic.persistence.scope import unscoped
from clinic.persistence.store import Store
from clinic.persistence.store import create as create_instance
from clinic.services import accounts
from tests.persistence.listening import listening
from tests.persistence.making import OLD, PASSWORD, Clinic, Clock, again, settings

ROOT = Path(__file__).resolve().parents[2]
PASSPHRASE = "words that nobody would guess"


@pytest.fixture
def copied(template: Clinic, tmp_path: Path) -> Clinic:
    """A closed instance of its own."""
    made = again(template, tmp_path / "i")
    made.store.close()
    return made


@pytest.fixture
def attached(copied: Clinic) -> Iterator[Clinic]:
    """An instance whose keys another process holds, with a session of now."""
    store = Store.attach(copied.store.settings, shelf=copied.shelf, rule=copied.store.rule)
    try:
        yield replace(copied, store=store, token=accounts.sign_in(store, "anna", PASSWORD, "127.0.0.1"))
    finally:
        store.close()


def client(clinic: Clinic) -> keyholder_client.OwnKeyholder:
    assert isinstance(clinic.store.keyholder, keyholder_client.OwnKeyholder)
    return clinic.store.keyholder


# ------------------------------------------------------------------ what it answers
def test_the_process_opens_views_and_refuses_as_the_other_does(attached: Clinic) -> None:
    holder = attached.store.keyholder
    assert holder.facts["demo"] is False
    with request():
        view = holder.open(attached.token, attached.case_id, "staff")
        assert {view.scope_of(one) for one in view.key_ids} == {*CASE_SCOPES, "process"}
        with pytest.raises(NotYours):
            holder.open(attached.token, attached.case_id, "couple")
    assert not view.key_ids
    for case in (UUID(attached.foreign), uuid4()):
        with pytest.raises(NotFound):
            holder.open(attached.token, case, "case")
    with pytest.raises(SignIn):
        holder.who("made up")


def test_the_purpose_of_a_request_is_known_on_the_other_side_too(attached: Clinic) -> None:
    """A web process that forgets what it asked for is told."""
    ask = client(attached)._call
    common = (attached.token, attached.case_id)
    assert ask("give", "r1", *common, "case").purpose == "case"
    assert ask("give", "r2", *common, "staff").purpose == "staff"
    for purpose in ("staff", "couple"):
        with pytest.raises(NotYours):
            ask("give", "r1", *common, purpose)
    with pytest.raises(NotYours):
        ask("give", "r1", attached.token, UUID(attached.foreign), "case")
    with pytest.raises(NotYours):
        ask("give_list", "r1", attached.token, [attached.case_id])


def test_what_may_not_be_called(attached: Clinic) -> None:
    ask = client(attached)._call
    for name in ("audit_read", "dispose", "_keys", "_system", "open", "__class__", "_vault", "facts.get", "", None):
        with pytest.raises(wire.Failed, match="Broken"):
            ask(name)
    with pytest.raises(wire.Failed, match="TypeError"):
        ask("who")
    assert ask("opened") is True


def test_views_have_their_own_threads(attached: Clinic) -> None:
    failed: list[object] = []

    def work() -> None:
        try:
            for _ in range(30):
                with request():
                    view = attached.store.keyholder.open(attached.token, attached.case_id, "case")
                    assert view.key_of("joint")
                    assert attached.store.keyholder.code_tag("x") == tag
        except BaseException as error:
            failed.append(error)

    tag = attached.store.keyholder.code_tag("x")
    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


# ------------------------------------------------------------------ the process
def test_it_starts_lean() -> None:
    """No web framework, no layout engine, no migrations in the process that holds the key."""
    program = "import sys, clinic.persistence.keyholder_process; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert {"flask", "werkzeug", "jinja2", "weasyprint", "alembic", "click"}.isdisjoint(run.stdout.split())


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_process_is_closed(attached: Clinic) -> None:
    process = Path(f"/proc/{client(attached).pid}")
    assert client(attached).pid
    limits = (process / "limits").read_text()
    assert [line.split()[4:6] for line in limits.splitlines() if line.startswith("Max core")] == [["0", "0"]]
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    assert status["Umask"].strip() == "0077"
    assert status["Threads"].strip() == "1"
    assert (process / "mem").stat().st_uid == 0  # not dumpable: another process of the same user cannot read it
    settings = attached.store.settings
    secrets = [str(settings.key_file), str(settings.instance), settings.database_url]
    for name in ("cmdline", "environ"):
        assert not any(one.encode() in (process / name).read_bytes() for one in secrets)
    where = place.path(settings.instance)
    assert where.stat().st_mode & 0o777 == 0o600
    assert where.parent.stat().st_mode & 0o777 == 0o700


def test_it_ends_with_the_one_that_started_it(attached: Clinic) -> None:
    process, where = client(attached)._child._process, attached.store.settings
    assert process is not None
    attached.store.close()
    assert process.poll() == 0
    assert not keyholder_client.running(where)


def test_a_second_program_asks_the_one_that_runs(attached: Clinic) -> None:
    with_it = Store.attach(attached.store.settings)
    assert client(replace(attached, store=with_it)).pid is None
    assert with_it.keyholder.who(attached.token).name == "anna"
    with_it.close()
    assert attached.store.keyholder.who(attached.token).name == "anna"


def test_killed_it_comes_back(attached: Clinic) -> None:
    holder = client(attached)
    before = holder.pid
    assert before is not None
    os.kill(before, 9)
    assert holder.who(attached.token).name == "anna"
    assert holder.pid not in (None, before)
    os.kill(holder.pid, 9)  # type: ignore[arg-type]
    attached.store.settings.key_file.unlink()
    with pytest.raises(VaultLocked):
        holder.who(attached.token)
    with pytest.raises(VaultLocked):  # at once: it is not started for every request anew
        holder.who(attached.token)
    assert holder.opened() is False


def test_it_does_not_start_with_what_is_wrong(copied: Clinic) -> None:
    where = copied.store.settings
    where.key_file.chmod(0o644)
    with pytest.raises(VaultLocked, match="other people can read"):
        Store.attach(where)
    where.key_file.chmod(0o600)
    where.key_file.write_bytes(slots_file(where.key_file.with_name("another.key")))
    with pytest.raises(VaultLocked, match="is not the key of this instance"):
        Store.attach(where)
    assert not keyholder_client.running(where)


def slots_file(path: Path) -> bytes:
    slots.new_key_file(path)
    return path.read_bytes()


def test_a_path_longer_than_a_socket_may_have(template: Clinic, tmp_path: Path) -> None:
    folder = tmp_path / ("deep" * 20) / ("deeper" * 15) / "i"
    folder.parent.mkdir(parents=True)
    made = again(template, folder)
    made.store.close()
    store = Store.attach(made.store.settings)
    assert store.keyholder.opened()
    store.close()


# ------------------------------------------------------------------ locked, unlocked, forgotten
@pytest.fixture
def with_passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, str]:
    """Settings of an instance that a passphrase opens, and its recovery key."""
    monkeypatch.setattr(slots, "COST", slots.Cost(1, 64, 1))
    where, recovery = settings(tmp_path / "i"), slots.new_recovery_key()
    create_instance(where, list(OLD.values()), passphrase=PASSPHRASE, recovery=recovery)
    return where, recovery


def test_it_waits_for_the_passphrase(with_passphrase: tuple[Any, str]) -> None:
    where, recovery = with_passphrase
    store = Store.attach(where)
    holder = store.keyholder
    assert isinstance(holder, keyholder_client.OwnKeyholder)
    try:
        for call in (lambda: holder.who("x"), holder.db_key, lambda: holder.facts, holder.web_secret):
            with pytest.raises(VaultLocked, match="clinic unlock"):
                call()
        for wrong in ("", "not it", slots.new_recovery_key()):
            with pytest.raises(VaultLocked):
                holder.unlock(wrong)
        assert holder.opened() is False
        holder.unlock(PASSPHRASE)
        assert holder.facts["demo"] is False
        with Session(store.engine) as session:
            assert session.scalar(select(1)) == 1
        holder.unlock("anything: it is open")
        holder.lock()
        assert holder.opened() is False
        holder.unlock(recovery.lower())
        assert holder.opened()
    finally:
        store.close()


@pytest.mark.skipif(sys.platform != "linux", reason="needs a terminal of its own")
def test_it_asks_on_the_terminal(with_passphrase: tuple[Any, str], tmp_path: Path) -> None:
    where, _ = with_passphrase
    program = tmp_path / "asks.py"
    program.write_text(
        textwrap.dedent(
            f"""
            from pathlib import Path
            from clinic.config import Settings
            from clinic.persistence.store import Store
            store = Store.attach(Settings(Path({str(where.instance)!r}), {where.database_url!r},
                                          Path({str(where.key_file)!r}), Path("/nowhere")), prompt=True)
            print("opened", store.keyholder.opened())
            store.close()
            """
        )
    )
    import pty

    pid, terminal = pty.fork()
    if not pid:
        os.execve(sys.executable, [sys.executable, str(program)], os.environ | {"PYTHONPATH": str(ROOT)})  # noqa: S606
    seen = _until(terminal, b"Passphrase of the records: ")
    os.write(terminal, b"not it\n")
    seen += _until(terminal, b"Passphrase of the records: ")
    os.write(terminal, PASSPHRASE.encode() + b"\n")
    seen += _until(terminal, b"opened True")
    os.close(terminal)
    os.waitpid(pid, 0)
    assert PASSPHRASE.encode() not in seen


def _until(terminal: int, text: bytes) -> bytes:
    seen = b""
    while text not in seen:
        seen += os.read(terminal, 1000)  # OSError when it ends without
    return seen


class Kept:
    """A keyholder of which only one thing is asked."""

    def __init__(self) -> None:
        self.seen: Any = None

    def last_seen(self) -> Any:
        return self.seen


@pytest.mark.parametrize("unattended", [False, True])
def test_it_forgets_when_nobody_was_there_for_twelve_hours(unattended: bool) -> None:
    clock, keyholder, closed = Clock(), Kept(), []
    opened = Opened(keyholder, b"", unattended, lambda: closed.append(1))  # type: ignore[arg-type]
    holder = Holder(opened, clock=clock)
    clock.pass_(hours=11, minutes=59)
    keyholder.seen = clock() - timedelta(hours=1)
    holder.tick()
    clock.pass_(hours=10, minutes=59)
    holder.tick()
    assert not holder.forgot
    clock.pass_(minutes=1)
    holder.tick()
    assert holder.forgot is bool(closed) is not unattended
    assert holder.answer({"do": "opened", "with": []}) == {"is": unattended}


# ------------------------------------------------------------------ memory
WEB = """
import sys
from pathlib import Path
from clinic.config import Settings
from clinic.persistence.store import Store
from clinic.services import accounts, cases
folder, url, key, password, case = sys.argv[1:]
store = Store.attach(Settings(Path(folder), url, Path(key), Path("/nowhere")))
token = accounts.sign_in(store, "anna", password, "127.0.0.1")
cases.caseload(store, token)
from uuid import UUID
view = store.keyholder.open(token, UUID(case), "staff")
print("ready", flush=True)
sys.stdin.readline()
store.close()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_web_process_holds_no_root_key(copied: Clinic, tmp_path: Path) -> None:
    """CONFIDENTIALITY: neither root key nor KEK nor the key file's secret is in the memory of what attaches."""
    where, helper = copied.store.settings, tmp_path / "web.py"
    helper.write_text(WEB)
    process = subprocess.Popen(
        [sys.executable, helper, where.instance, where.database_url, where.key_file, PASSWORD, copied.case],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)}, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == "ready\n"
        roots, keks, secret, data = _keys(copied)
        web = [key for key in (*roots, *keks, secret, data) if _in_memory(process.pid, key)]
        (keyholder,) = _children(process.pid, "keyholder_process")
        inside = [key for key in keks if os.geteuid() == 0 and _in_memory(keyholder, key)]
        process.stdin.write("\n")
        process.stdin.close()
    assert web == [data]  # the search finds what is there: the key of the view that is open
    if os.geteuid() == 0:
        assert inside == keks


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root reads the keyholder's memory")
def test_locked_it_has_none_of_it_in_its_memory(attached: Clinic) -> None:
    holder, (roots, keks, secret, _) = client(attached), _keys(attached)
    before = holder.pid
    assert before is not None
    assert all(_in_memory(before, key) for key in keks)
    holder.lock()
    assert holder.opened() is False
    assert holder.pid == before
    assert not any(_in_memory(before, key) for key in (*roots, *keks, secret))
    holder.unlock("")
    assert holder.who(attached.token).name == "anna"


def _keys(clinic: Clinic) -> tuple[list[bytes], list[bytes], bytes, bytes]:
    """Root keys, KEKs, the secret in the key file, and one key of the case: what must or must not be somewhere."""
    where = clinic.store.settings
    kept, opener = vault.read(where.instance), slots.by_key_file(where.key_file)
    roots = list(vault.roots(kept, opener).values())
    keks = [sealing.derive(root, kept.instance.bytes, "clinic/kek/1") for root in roots]
    store = Store.open(where)
    found = None
    with Session(unscoped(store.engine, "verify")) as session:
        open_vault = vault.unlock(where.instance, opener)
        for row in session.scalars(select(KeyRing).where(KeyRing.case_id == clinic.case_id)):
            with suppress(sealing.Damaged):
                found = open_vault.unwrap_bytes(vault.Wrapped(row.id, row.kid, row.wrapped), "joint", row.case_id)
    store.close()
    assert found is not None
    return roots, keks, opener.secret, found


def _in_memory(pid: int, wanted: bytes) -> bool:
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            if not rights.startswith("rw") or "[v" in line:
                continue
            start, end = (int(one, 16) for one in span.split("-"))
            with suppress(OSError, ValueError, OverflowError):
                memory.seek(start)
                if wanted in memory.read(end - start):
                    return True
    return False


def _children(pid: int, word: str) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = int((process / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if parent == pid and word.encode() in (process / "cmdline").read_bytes():
                found.append(int(process.name))
    return found


# ------------------------------------------------------------------ bad clients
@pytest.fixture
def door(clinic: Clinic, tmp_path: Path) -> Iterator[Path]:
    """A served socket."""
    where = tmp_path / "s"
    with listening(Holder(Opened(clinic.store.keyholder, b"", unattended=True)), where):  # type: ignore[arg-type]
        yield where


def _frame(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


HOSTILE = {
    "no json": _frame(b"\x80\x04\x95 pickle"),
    "not utf-8": _frame(b'"\xff\xfe"'),
    "nothing": _frame(b""),
    "too long": struct.pack(">I", 8 * 1024 * 1024 + 1) + b"x",
    "four billion": b"\xff\xff\xff\xff",
    "deep": _frame(b"[" * 100_000 + b"]" * 100_000),
    "deep objects": _frame(b'{"m":[["do",' * 20_000),
    "unknown letter": _frame(b'{"z":1}'),
    "two letters": _frame(b'{"b":"","u":""}'),
    "class": _frame(b'{"o":["Vault",{}]}'),
    "row": _frame(b'{"r":["account",{}]}'),
    "id": _frame(b'{"u":"x"}'),
    "a list as a key": _frame(b'{"m":[[[1],2]]}'),
    "a huge number": _frame(b"9" * 5000),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_frame_costs_its_sender_the_connection(door: Path, name: str) -> None:
    with place.connect(door, 5) as bad:
        bad.sendall(HOSTILE[name])
        with suppress(ConnectionResetError):
            assert bad.recv(10) == b""
    good = KeyholderClient(door)
    assert good.opened()
    good.dispose()


@pytest.mark.parametrize(
    "value", [None, 7, [], {"do": "who"}, {"with": []}, {"do": "who", "with": "x"}, {"do": ["who"], "with": [[]]}]
)
def test_a_frame_that_asks_for_nothing_is_told_so(door: Path, value: Any) -> None:
    with place.connect(door, 5) as channel:
        channel.sendall(wire.pack(value))
        with pytest.raises(wire.Failed):
            wire.result(wire.receive(channel))
        channel.sendall(wire.pack({"do": "opened", "with": []}))
        assert wire.result(wire.receive(channel)) is True


def test_errors_travel_by_class_alone(clinic: Clinic) -> None:
    assert wire.failure(RuntimeError("CANARY")) == {"failed": "RuntimeError"}
    assert wire.failure(VaultLocked("it is")) == {"error": "VaultLocked", "with": "it is"}

    class NotFound(Exception):
        """Of the same name, and not ours."""

    assert wire.failure(NotFound("CANARY")) == {"failed": "NotFound"}


def test_a_slow_client_stops_nobody(clinic: Clinic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyholder_server, "SLOW", 0.3)
    where = tmp_path / "s"
    with listening(Holder(Opened(clinic.store.keyholder, b"", unattended=True)), where):  # type: ignore[arg-type]
        with place.connect(where, 10) as slow:
            slow.sendall(b"\x00\x00")
            good = KeyholderClient(where)
            assert good.opened()
            assert slow.recv(1) == b""  # it had its time
            assert good.opened()
            good.dispose()
        with place.connect(where, 10) as deaf:  # asks for more than the system keeps for it, and never reads
            large = wire.pack({"do": "office_open", "with": [uuid4(), b"x" * 4_000_000]})
            with suppress(OSError):
                deaf.sendall(large)
            again = KeyholderClient(where)
            assert again.opened()
            again.dispose()


def test_too_many_connections_cost_the_oldest(door: Path) -> None:
    many = [place.connect(door, 5) for _ in range(keyholder_server.CONNECTIONS + 10)]
    good = KeyholderClient(door)
    assert good.opened()
    assert many[0].recv(1) == b""
    for one in many:
        one.close()
    assert good.opened()
    good.dispose()


def test_a_client_finds_a_keyholder_that_was_started_anew(clinic: Clinic, tmp_path: Path) -> None:
    holder = Holder(Opened(clinic.store.keyholder, b"", unattended=True))  # type: ignore[arg-type]
    client = KeyholderClient(tmp_path / "s")
    for _ in range(2):
        with listening(holder, tmp_path / "s"):
            assert client.opened()
    with pytest.raises(VaultLocked, match="does not answer"):
        client.code_tag("x")
    client.dispose()


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root can be somebody else")
def test_another_user_is_not_answered(clinic: Clinic) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder) / "run" / "s"
        with listening(Holder(Opened(clinic.store.keyholder, b"", unattended=True)), where):  # type: ignore[arg-type]
            for one, mode in ((where.parent.parent, 0o755), (where.parent, 0o755), (where, 0o666)):
                one.chmod(mode)  # as if somebody had loosened them
            program = (
                "import socket, sys; s = socket.socket(socket.AF_UNIX); s.settimeout(5); s.connect(sys.argv[1])\n"
                "try: s.sendall(bytes.fromhex(sys.argv[2])); print(len(s.recv(100)))\n"
                "except OSError: print(0)"
            )
            frame = wire.pack({"do": "opened", "with": []}).hex()
            command = ["/usr/bin/env", "python3", "-c", program, str(where), frame]
            for user, answered in (("nobody", False), ("root", True)):
                who = pwd.getpwnam(user)
                run = subprocess.run(command, capture_output=True, text=True, user=who.pw_uid, cwd="/", check=True)
                assert (int(run.stdout) > 0) is answered


def test_values_come_back_as_they_went() -> None:
    row = KeyRing(id=uuid4(), case_id=uuid4(), tag=b"\x00\xff", kid=3, wrapped=b"")
    value = {"a": [1, None, True, 1.5, "ü\ud800"], uuid4(): b"\x00", "d": Clock().now.date(), "t": Clock().now, "$": {}}
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(wire.pack([value, row, frozenset({"x"})]))
        back, copied, letters = wire.receive(theirs)
    assert back == value
    assert {name: getattr(copied, name) for name in ("id", "case_id", "tag", "kid", "wrapped")} == {
        name: getattr(row, name) for name in ("id", "case_id", "tag", "kid", "wrapped")
    }
    assert letters == {"x"}
    for never in (object(), vault.Vault(uuid4(), {}), {1, 2}, float("nan")):
        with pytest.raises(wire.Broken):
            wire.pack(never)
    with pytest.raises(wire.Broken):
        wire.pack("x" * wire.LIMIT)


def test_calls_are_what_the_other_side_has() -> None:
    """Each call is a public method of the keyholder, and each method of the client calls one."""
    assert all(callable(getattr(keyholder_process.Keyholder, name)) for name in keyholder_process.CALLS)
    assert not any(name.startswith("_") for name in keyholder_process.CALLS)
    missing = {
        name
        for name, method in vars(keyholder_process.Keyholder).items()
        if callable(method) and not name.startswith("_") and not hasattr(KeyholderClient, name)
    }
    here_only = {"audit_read", "last_seen", "whole"}  # for maintenance, and for the process itself
    assert missing <= here_only | {"give", "give_list", "give_new", "give_paper"}


def test_time_is_not_lost_on_a_keyholder_that_is_gone(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(VaultLocked):
        KeyholderClient(tmp_path / "nowhere").who("x")
    assert time.monotonic() - began < 1
