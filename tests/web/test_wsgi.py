"""Several web processes and one keyholder: whoever answers, it is one clinic; and none of them writes to a disk."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from clinic import config, resources, wsgi
from clinic.domain.errors import Usage
from clinic.persistence import keyholder_client, keyholder_place
from clinic.persistence.store import Store
from clinic.services import accounts, cases
from clinic.services.cases import PartnerCard
from clinic.services.instance import init_instance
from tests.persistence.databases import server as postgres
from tests.persistence.roles import Shared, shared_database
from tests.security.edge_server import CANARY
from tests.security.test_edges import FIELDS, Server, csrf_of, half_sent, on_disk, slowly
from tests.web.conftest import PASSWORD

ROOT = resources.checkout() or Path()
TWO = 2


# --------------------------------------------------------------------------- the daily work
def waited(true: Callable[[], object], seconds: float = 30) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.05)
    return bool(true())


def test_one_at_a_time_does_the_daily_work(tmp_path: Path) -> None:
    begun, ended = [], []

    def work(name: str) -> Callable[[], Callable[[], None]]:
        return lambda: (begun.append(name), lambda: ended.append(name))[1]

    one, two = (wsgi.Duty(tmp_path / "run" / "lock", work(name), every=0.01) for name in "ab")
    one.start()
    assert waited(lambda: begun)
    two.start()
    time.sleep(0.1)
    assert begun == ["a"]
    one.stop()
    assert ended == ["a"]
    assert waited(lambda: begun == ["a", "b"])
    two.stop()
    assert ended == ["a", "b"]


def test_without_gunicorn_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Usage, match=r"secure-base\[server\]"):
        wsgi.serve(config.load(tmp_path, {}), None, TWO)


def test_what_is_in_the_way_is_one_plain_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CLINIC_INSTANCE_PATH", str(tmp_path / "nothing"))
    monkeypatch.setattr("clinic.press.press.Press.start", lambda self: None)
    with pytest.raises(SystemExit) as stopped:
        wsgi.app()
    assert stopped.value.code == wsgi.NOT_TO_BE_TRIED
    said = capsys.readouterr().err
    assert said.startswith("clinic: ")
    assert said.count("\n") == 1


# --------------------------------------------------------------------------- real processes
@dataclass
class Many(Server):
    """Gunicorn with two processes, and the keyholder beside it."""

    lines: "list[Line]" = field(default_factory=list)
    keyholder: subprocess.Popen[bytes] = field(kw_only=True)
    environment: dict[str, str] = field(kw_only=True)
    settings: config.Settings = field(kw_only=True)

    def at(self, *not_these: str) -> "Line":
        """A connection to a process that is none of these."""
        for _ in range(200):
            line = Line(self)
            self.lines.append(line)
            line.get("/help")
            if line.process not in not_these:
                return line
            line.close()
            time.sleep(0.02)
        raise AssertionError("only one process answers")

    def two(self) -> "tuple[Line, Line]":
        first = self.at()
        return first, self.at(first.process)


class Line:
    """A browser that keeps its connection, and so its process; two of them may share the cookies."""

    def __init__(self, server: Server, cookies: dict[str, str] | None = None) -> None:
        self._wire = http.client.HTTPConnection("localhost", server.port, timeout=30)
        self._origin = f"http://localhost:{server.port}"
        self.cookies = {} if cookies is None else cookies
        self.process, self.status, self.body, self.location = "", 0, "", ""

    def get(self, path: str) -> "Line":
        return self._ask("GET", path)

    def post(self, path: str, token: str = "", **fields: str) -> "Line":
        """Send a form with the token of the last page, or of another one."""
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.body)
        return self._ask("POST", path, urlencode({"csrf_token": token or (found[1] if found else ""), **fields}))

    def token(self, path: str = "/help") -> str:
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.get(path).body)
        assert found
        return found[1]

    def close(self) -> None:
        self._wire.close()

    def _ask(self, verb: str, path: str, body: str | None = None) -> "Line":
        headers = {
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            "Origin": self._origin,
        }
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self._wire.request(verb, path, body, headers)
        reply = self._wire.getresponse()
        self.body, self.status = reply.read().decode("utf-8", "replace"), reply.status
        self.process = reply.headers.get("X-Process", self.process)
        self.location = reply.headers.get("Location", "")
        for one in reply.headers.get_all("Set-Cookie") or []:
            name, _, value = one.split(";")[0].partition("=")
            self.cookies[name] = value
        return self


@contextmanager
def running(folder: Path, environment: dict[str, str], token: str, case: str) -> Iterator[Many]:
    """The keyholder by its command, then gunicorn with our configuration."""
    temporary, log = folder / "tmp", folder / "log"
    temporary.mkdir()
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, **environment, "TMPDIR": str(temporary), "CLINIC_PORT": str(port)}
    environment |= {"CLINIC_WEB_PROCESSES": str(TWO), "PYTHONPATH": str(ROOT)}
    settings = config.load(folder / "i", environment)
    with ExitStack() as stack, log.open("wb") as stream:
        keyholder = stack.enter_context(program([sys.executable, "-m", "clinic.cli", "keyholder"], environment, stream))
        assert waited(lambda: keyholder_client.running(settings)), log.read_text()
        command = [sys.executable, "-m", "gunicorn", "--config", str(wsgi.CONFIGURATION), "tests.web.many_server:app()"]
        process = stack.enter_context(program(command, environment, stream))
        found = Many(process, port, temporary, settings.instance, log, token, case, keyholder=keyholder,
                     environment=environment, settings=settings)  # fmt: skip
        assert waited(lambda: process.poll() is not None or answers(found), 60), log.read_text()
        assert process.poll() is None, log.read_text()
        for line in found.two():
            line.close()
        yield found
        found.keyholder.terminate()  # the one that a test has started instead
        found.keyholder.wait(20)


@contextmanager
def program(command: list[str], environment: dict[str, str], stream: Any) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command, cwd="/", env=environment, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(server: Server) -> bool:
    try:
        server.page("/sign-in")
    except OSError:
        return False
    return True


def clinic_in(folder: Path, environment: dict[str, str], owner: str) -> tuple[str, str]:
    """An instance with two counsellors; ana's token, and her case."""
    settings = config.load(folder / "i", environment)
    init_instance(replace(settings, owner_database_url=owner), factors=False)
    store = Store.open(settings)
    for name in ("ana", "ben", "cem"):
        accounts.create_account(store, name, PASSWORD)
    token = accounts.sign_in(store, "ana", PASSWORD)
    case = cases.open_case(store, token, {"a": PartnerCard(), "b": PartnerCard()})
    store.close()
    return token, case


@pytest.fixture(scope="module", params=["sqlite", "roles"])
def many(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Many]:
    folder = tmp_path_factory.mktemp("many")
    with ExitStack() as stack:
        environment, owner = {"CLINIC_INSTANCE_PATH": str(folder / "i")}, ""
        if request.param == "roles":
            shared: Shared = shared_database(stack.enter_context(postgres()))
            owner = shared.owner
            environment |= {"CLINIC_DATABASE_URL": shared.web, "CLINIC_KEYHOLDER_DATABASE_URL": shared.keyholder}
        token, case = clinic_in(folder, environment, owner)
        yield stack.enter_context(running(folder, environment, token, case))


@pytest.fixture(autouse=True)
def _hung_up(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    for line in request.getfixturevalue("many").lines if "many" in request.fixturenames else ():
        line.close()


@pytest.mark.everything
class TestTwoProcesses:
    """Everything that has to hold whichever process answers."""

    def test_they_are_two_and_neither_has_a_keyholder_of_its_own(self, many: Many) -> None:
        first, second = many.two()
        assert first.process != second.process
        listed = subprocess.run(
            ["ps", "-e", "-ww", "-o", "ppid=,args="], capture_output=True, text=True, check=True
        ).stdout
        parents = [
            row.split()[0] for row in listed.splitlines() if "keyholder_process.main" in row and ROOT.name in row
        ]
        assert str(many.keyholder.pid) in parents
        assert not {first.process, second.process} & set(parents)

    def test_signed_in_at_one_one_is_signed_in_at_the_other(self, many: Many) -> None:
        first, second = many.two()
        second.cookies = first.cookies
        first.get("/sign-in")
        assert first.post("/sign-in", name="ben", password=PASSWORD).status == 303
        assert second.get("/").status == 200
        assert 'action="/sign-out"' in second.body
        token = second.token()
        assert first.post("/language", token=token, language="es").status == 303  # a form of one, sent to the other
        assert second.get("/").status == 200
        assert 'lang="es"' in second.body
        second.token()
        assert second.post("/sign-out").status == 303
        assert first.get("/").status in (302, 303)
        assert "sign-in" in first.location

    def test_tries_are_counted_together(self, many: Many) -> None:
        """Five tries are free: three at one and two at the other are five."""
        lines = many.two()
        statuses = []
        for number in range(8):
            line = lines[number % TWO]
            line.get("/sign-in")
            statuses.append(line.post("/sign-in", name="cem", password="not this one").status)
        assert 429 in statuses
        assert statuses.index(429) <= 6
        for line in lines:
            line.get("/sign-in")
            assert line.post("/sign-in", name="cem", password=PASSWORD).status == 429

    def test_locked_at_one_is_locked_at_the_other(self, many: Many) -> None:
        first, second = many.two()
        second.cookies = first.cookies
        first.get("/sign-in")
        first.post("/sign-in", name="ben", password=PASSWORD)
        first.token()
        assert first.post("/lock").status in (200, 204, 303)
        assert second.get("/").status == 423

    def test_a_process_that_is_killed_takes_nothing_along(self, many: Many) -> None:
        first = many.at()
        first.get("/sign-in")
        assert first.post("/sign-in", name="ben", password=PASSWORD).status == 303
        gone = first.process
        os.kill(int(gone), signal.SIGKILL)
        second = many.at(gone)
        second.cookies = first.cookies
        assert second.get("/").status == 200
        assert 'action="/sign-out"' in second.body
        third = many.at(gone, second.process)  # gunicorn has made another one
        third.cookies = first.cookies
        assert third.get("/").status == 200

    def test_without_the_keyholder_they_are_closed_and_open_again_with_it(self, many: Many) -> None:
        first, second = many.two()
        many.keyholder.terminate()
        many.keyholder.wait(20)
        for line in (first, second):
            assert line.get("/sign-in").status == 503
        with (
            many.log.open("ab") as stream,
            program([sys.executable, "-m", "clinic.cli", "keyholder"], many.environment, stream) as again,
        ):
            assert waited(lambda: keyholder_client.running(many.settings))
            assert again.poll() is None
            for line in (first, second):
                assert waited(lambda line=line: line.get("/sign-in").status == 200)
        many.keyholder = subprocess.Popen([sys.executable, "-m", "clinic.cli", "keyholder"], cwd="/",
                                          env=many.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                          stderr=subprocess.DEVNULL)  # fmt: skip
        assert waited(lambda: keyholder_client.running(many.settings))
        assert waited(lambda: many.at().get("/sign-in").status == 200)

    def test_a_second_keyholder_is_refused(self, many: Many) -> None:
        done = subprocess.run([sys.executable, "-m", "clinic.cli", "keyholder"], cwd="/", env=many.environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # fmt: skip
        assert done.returncode == 2
        assert done.stderr == "clinic: A keyholder of these records runs already.\n"

    def test_no_byte_of_a_reply_is_on_a_disk(self, many: Many) -> None:
        assert slowly(many) == []

    @pytest.mark.parametrize("multipart", [False, True])
    def test_no_byte_of_a_body_is_on_a_disk(self, many: Many, multipart: bool) -> None:
        assert half_sent(many, multipart) == []

    def test_a_file_would_be_seen(self, many: Many) -> None:
        (many.temporary / "left").write_text(CANARY)
        assert on_disk(many, CANARY.encode()) != []
        (many.temporary / "left").unlink()

    def test_a_body_that_is_too_large_gets_a_page(self, many: Many) -> None:
        token, cookies = csrf_of(many)
        body = urlencode({"csrf_token": token, "words": "z" * 5_000_000})
        connection = many.connect()
        head = {"Cookie": cookies, "Content-Type": "application/x-www-form-urlencoded",
                "Origin": f"http://localhost:{many.port}"}  # fmt: skip
        connection.request("POST", "/language", body, head)
        reply = connection.getresponse()
        assert reply.status == 413
        assert b"</html>" in reply.read()
        connection.close()

    def test_log_lines_have_fixed_fields_and_no_words(self, many: Many) -> None:
        words = CANARY + "log"
        many.page("/", **{"X-Words": words})
        many.page(f"/{words}?q={words}", Referer=f"http://localhost/{words}", **{"User-Agent": words})
        with socket.create_connection(("localhost", many.port)) as line:
            line.sendall(f"NONSENSE {words}\r\n\r\n".encode())
            line.recv(1000)
        with socket.create_connection(("localhost", many.port)) as line:
            line.sendall(f"GET / HTTP/1.1\r\n{words}\x00: x\r\n\r\n".encode())
            line.recv(1000)
        text = many.log.read_text()
        assert words not in text
        lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        assert all(set(line) <= FIELDS for line in lines)
        assert "RuntimeError" in {line.get("error") for line in lines}
        plain = {line for line in text.splitlines() if not line.startswith("{")}
        assert all(
            line.startswith(("The keyholder runs.", "Secure Base: ", "clinic: The keyholder")) for line in plain
        ), plain

    def test_files_of_the_processes_are_their_owners(self, many: Many) -> None:
        run = keyholder_place.path(many.settings.instance).parent
        assert waited(lambda: (run / "daily.lock").exists())
        assert all(one.stat().st_mode & 0o077 == 0 for one in run.iterdir())


def test_threads_end_with_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one process begins it ends: no thread, no child and no hold of the instance stays."""
    monkeypatch.setenv("CLINIC_INSTANCE_PATH", str(tmp_path / "i"))
    init_instance(config.load(tmp_path / "i"), factors=False)
    with closing(Ended(tmp_path / "i")):
        before = set(threading.enumerate())
        made = wsgi.Process(config.load(tmp_path / "i"))
        assert made.app.test_client().get("/sign-in").status_code == 200
        assert {one.name.split("-")[0] for one in set(threading.enumerate()) - before} >= {"duty", "press"}
        made.close()
        assert waited(lambda: set(threading.enumerate()) <= before)
    shutil.rmtree(tmp_path / "i")


class Ended:
    """A keyholder for a test in this process."""

    def __init__(self, folder: Path) -> None:
        self._child = keyholder_client.attach(config.load(folder))

    def close(self) -> None:
        self._child.stop()
