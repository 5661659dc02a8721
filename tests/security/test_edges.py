"""Where content could get out at the edges: logs, temporary files, headers, limits, a full disk, a hostile page."""

import http.client
import json
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from threading import Barrier
from typing import Any
from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event, select, update

from clinic import logs, resources
from clinic.app import HEADERS, PDF_POLICY, create_app
from clinic.domain.page import Page
from clinic.persistence.models import Account, Autosave, Case
from clinic.press.limits import Limits
from clinic.press.press import Press
from clinic.services import print_sheet, records
from clinic.services.definitions import definitions
from clinic.services.unit_of_work import unit_of_work
from tests.security.edge_server import BIG, CANARY
from tests.web.conftest import Clinic, Made, ana, clinic, csrf, finished, made, post, press, print_

__all__ = ["ana", "clinic", "made", "press"]
PAPER = {"locale": "en", "beside": "", "paper": "a4", "size": "normal", "ink": "full", "goes": "stays"}
FIELDS = {"time", "level", "event", "endpoint", "status", "ms", "request", "error", "at"}


# --------------------------------------------------------------------------- a server seen from outside
@dataclass
class Server:
    """A running server: its process, port, own folder for temporary files, and where its log goes."""

    process: subprocess.Popen[bytes]
    port: int
    temporary: Path
    instance: Path
    log: Path
    token: str
    case: str

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("localhost", self.port, timeout=30)

    def headers(self) -> dict[str, str]:
        return {"Cookie": f"clinic_session={self.token}", "Host": f"localhost:{self.port}"}

    def page(self, path: str, **more: str) -> tuple[http.client.HTTPResponse, bytes]:
        connection = self.connect()
        connection.request("GET", path, headers=self.headers() | more)
        reply = connection.getresponse()
        body = reply.read()
        connection.close()
        return reply, body


def served(folder: Path, made: Made, mode: str) -> Iterator[Server]:
    temporary, instance = folder / "tmp", folder / "i"
    temporary.mkdir()
    shutil.copytree(made.folder, instance)
    shutil.copy2(made.folder.with_name("i.key"), folder / "i.key")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "log"
    command = [sys.executable, "-m", "tests.security.edge_server", str(instance), str(port), mode]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command,
            cwd=resources.checkout(),
            env={**os.environ, "TMPDIR": str(temporary)},
            stdout=subprocess.DEVNULL,
            stderr=stream,
        )
    found = Server(process, port, temporary, instance, log, made.tokens["ana"], made.ids[0])
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert process.poll() is None, log.read_text()
            try:
                found.page("/sign-in")
                break
            except OSError:
                time.sleep(0.2)
        yield found
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, made: Made) -> Iterator[Server]:
    yield from served(tmp_path_factory.mktemp("edge"), made, "ours")


@pytest.fixture(scope="module")
def careless(tmp_path_factory: pytest.TempPathFactory, made: Made) -> Iterator[Server]:
    yield from served(tmp_path_factory.mktemp("careless"), made, "default")


def on_disk(server: Server, words: bytes) -> list[str]:
    """Every file with these words in it: temporary ones, deleted ones still open, everything of the instance."""
    found = []
    for path in [*server.temporary.rglob("*"), *server.instance.rglob("*")]:
        if path.is_file() and words in path.read_bytes():
            found.append(str(path))
    for process in [server.process.pid, *children(server.process.pid)]:
        for descriptor in Path(f"/proc/{process}/fd").iterdir():
            try:
                target = os.readlink(descriptor)
                if target.startswith("/") and not target.startswith("/dev/") and words in descriptor.read_bytes():
                    found.append(target)
            except OSError:
                continue
    return found


def children(process: int) -> list[int]:
    listed = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [int(one) for one in listed]


def slowly(server: Server) -> list[str]:
    """A PDF of 20 MB goes to somebody who reads a little and stops; what is on the disk meanwhile."""
    token = csrf_of(server)
    body = urlencode({"csrf_token": token[0], "sheet": "the_wave", "to": "a", "do": "print", **PAPER})
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect(("localhost", server.port))
        line.sendall(request(server, f"/cases/{server.case}/print", len(body), token[1]) + body.encode())
        first = line.recv(1024)
        assert b"200 OK" in first
        found = []
        for _ in range(10):
            time.sleep(0.1)
            line.recv(1024)
            found += on_disk(server, CANARY.encode())
        got = 11 * 1024
        while got < BIG and (more := line.recv(1 << 16)):
            got += len(more)
        assert got >= BIG
    return found


def half_sent(server: Server, multipart: bool = False, size: int = 3_900_000) -> list[str]:
    """A body comes in slowly; what is on the disk before its last byte."""
    token = csrf_of(server)
    words = (CANARY + " ") * 10
    if multipart:
        head = f'--x\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n{token[0]}\r\n'
        head += '--x\r\nContent-Disposition: form-data; name="words"; filename="w.txt"\r\n\r\n'
        body = (head + words * (size // len(words)) + "\r\n--x--\r\n").encode()
        kind = "multipart/form-data; boundary=x"
    else:
        body = (f"csrf_token={token[0]}&words=" + words.replace(" ", "+") * (size // len(words))).encode()
        kind = "application/x-www-form-urlencoded"
    with socket.socket() as line:
        line.connect(("localhost", server.port))
        line.sendall(request(server, "/language", len(body), token[1], kind) + body[:-1])
        time.sleep(0.5)
        found = on_disk(server, CANARY.encode())
        line.sendall(body[-1:])
        assert line.recv(1024).split()[1] in (b"303", b"413", b"400")
        return found + on_disk(server, CANARY.encode())


def request(
    server: Server, path: str, length: int, cookies: str, kind: str = "application/x-www-form-urlencoded"
) -> bytes:
    lines = [
        f"POST {path} HTTP/1.1", f"Host: localhost:{server.port}", f"Cookie: {cookies}", f"Content-Type: {kind}",
        f"Origin: http://localhost:{server.port}", f"Content-Length: {length}", "", "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode()


def csrf_of(server: Server) -> tuple[str, str]:
    """A form token and the cookies it belongs to."""
    reply, body = server.page("/help")
    found = re.search(rb'name="csrf_token" value="([^"]+)"', body)
    assert found, (reply.status, body[:500])
    cookies = [one.split(";")[0] for one in reply.headers.get_all("Set-Cookie") or []]
    return found[1].decode(), "; ".join([f"clinic_session={server.token}", *cookies])


def test_no_byte_of_a_sheet_is_on_a_disk_while_it_is_sent(server: Server) -> None:
    assert slowly(server) == []


@pytest.mark.parametrize("size", [3_900_000, 12_500_000])  # of a form; the most that the server takes in at all
@pytest.mark.parametrize("multipart", [False, True])
def test_no_byte_of_a_body_is_on_a_disk_while_it_comes(server: Server, multipart: bool, size: int) -> None:
    assert half_sent(server, multipart, size) == []


def test_with_the_usual_limits_both_would_be_seen(careless: Server) -> None:
    assert slowly(careless) != []
    assert half_sent(careless) != []


# --------------------------------------------------------------------------- logs
def test_a_log_line_has_fixed_fields_and_no_word_of_anybody(server: Server) -> None:
    """Words in path, query, every header, fields, and in exceptions of ours and of the server."""
    words = CANARY + "log"
    server.page(f"/{words}?q={words}", Referer=f"http://localhost/{words}", **{"User-Agent": words, "X-Words": words})
    reply, body = server.page("/", **{"X-Words": words, "Accept-Language": words})
    assert reply.status == 500
    assert words.encode() not in body
    server.page(f"/boom/{words}")
    token, cookies = csrf_of(server)
    connection = server.connect()
    fields = urlencode({"csrf_token": token, "name": words, "password": words})
    form = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookies + f"; other={words}"}
    connection.request("POST", "/sign-in", fields, form)
    connection.getresponse().read()
    connection.close()
    with socket.create_connection(("localhost", server.port)) as line:
        line.sendall(f"NONSENSE {words}\r\n\r\n".encode())
        line.recv(1000)
    text = server.log.read_text()
    assert words not in text
    lines = [json.loads(line) for line in text.splitlines()]
    assert all(set(line) <= FIELDS for line in lines)
    errors = {line.get("error") for line in lines}
    assert {"RuntimeError", "ValueError"} <= errors
    assert any(line["event"] == "waitress" for line in lines)
    own = next(line for line in lines if line.get("error") == "RuntimeError")
    assert re.fullmatch(r"edge_server\.py:\d+ broken", own["at"])
    assert own["request"].encode() in body  # the incident that the person was shown
    assert {"cases.caseload", "?"} <= {line.get("endpoint") for line in lines}


def test_any_librarys_message_stays_out() -> None:
    """Also where a logger, a field or an exception has been filled with words."""
    stream = StringIO()
    handler = logs.handler(stream)
    logger = logging.getLogger("weasyprint.some.part")
    logger.addHandler(handler)
    try:
        try:
            raise ValueError(CANARY)
        except ValueError:
            logger.exception("%s: %s", "drawing", CANARY, extra={"event": CANARY})
    finally:
        logger.removeHandler(handler)
    assert CANARY not in stream.getvalue()
    line = json.loads(stream.getvalue())
    assert (line["event"], line["error"]) == ("weasyprint", "ValueError")


def test_a_message_in_a_log_would_be_seen() -> None:
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    logging.getLogger("other").addHandler(handler)
    logging.getLogger("other").error(CANARY)
    logging.getLogger("other").removeHandler(handler)
    assert CANARY in stream.getvalue()


# --------------------------------------------------------------------------- headers
def test_every_reply_has_its_headers(clinic: Clinic, ana: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages, errors, redirects, a PDF, a picture of an error, other hosts, static files."""
    nobody = clinic.client()
    replies = {
        "page": ana.get("/"), "404": ana.get("/nothing"), "405": ana.get("/sign-out"), "redirect": nobody.get("/"),
        "401": nobody.post(f"/records/{clinic.draft}"), "400": ana.post("/language"),
        "413": ana.post(f"/records/{clinic.draft}", data={"ideas": "z" * 5_000_000}),
        "host": ana.get("/", headers={"Host": "evil.example"}), "static": ana.get("/static/app.css"),
        "pdf": print_(ana, clinic.case, sheet="whats_underneath", to="a", **PAPER),
    }  # fmt: skip
    monkeypatch.setattr("clinic.services.cases.caseload_page", lambda *_: 1 / 0)
    replies["500"] = ana.get("/")
    for name, reply in replies.items():
        for header, value in HEADERS.items():
            if header == "Cache-Control" and name == "static":
                continue
            policy = PDF_POLICY if header == "Content-Security-Policy" and name == "pdf" else value
            assert reply.headers.get(header) == policy, (name, header)
        assert "Server" not in reply.headers or "Werkzeug" not in reply.headers["Server"]
        reply.close()
    assert replies["pdf"].mimetype == "application/pdf"
    assert replies["500"].status_code == 500


# --------------------------------------------------------------------------- limits keep the text
LONG = "a long note " * 8_000  # 96,000 characters


def typed_again(reply: Any, text: str) -> bool:
    return text in reply.get_data(as_text=True)


def test_a_note_of_a_hundred_thousand_characters_fits(clinic: Clinic, ana: FlaskClient) -> None:
    form = {"rev": "1", "tab": "t", "do": "draft", "ideas": LONG, "a.risk": "x" * 100_000}
    assert post(ana, f"/records/{clinic.draft}", **form).status_code == 303
    answers = records.read(clinic.store, clinic.tokens["ana"], clinic.draft).answers
    assert (len(answers["ideas"]), len(answers["a.risk"])) == (len(LONG.strip()), 100_000)


def test_one_character_more_is_pointed_at_and_kept(clinic: Clinic, ana: FlaskClient) -> None:
    reply = post(ana, f"/records/{clinic.draft}", rev="1", tab="t", do="draft", ideas="y" * 100_001)
    assert reply.status_code == 422
    assert "100,000" in reply.get_data(as_text=True)
    assert typed_again(reply, "y" * 100_001)


def test_more_than_can_be_sent_comes_back_to_be_cut(clinic: Clinic, ana: FlaskClient) -> None:
    form = {f"field{number}": str(number) + "w" * 500_000 for number in range(10)}
    reply = post(ana, f"/records/{clinic.draft}", rev="1", tab="t", do="draft", **form)
    assert reply.status_code == 413
    assert "4 MB" in reply.get_data(as_text=True)
    for value in form.values():
        assert typed_again(reply, value)


def test_so_does_a_field_of_a_multipart_form(clinic: Clinic, ana: FlaskClient) -> None:
    """What a browser's script sends; a single field of it may be 500 kB by default."""
    token = csrf(ana.get("/help"))

    def part(name: str, value: str) -> str:
        return f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'

    for size, status in ((600_000, 422), (4_500_000, 413)):
        fields = {"csrf_token": token, "rev": "1", "tab": "t", "do": "draft", "ideas": "z" * size}
        body = "".join(part(name, value) for name, value in fields.items()) + "--x--\r\n"
        reply = ana.post(f"/records/{clinic.draft}", data=body, content_type="multipart/form-data; boundary=x")
        assert reply.status_code == status
        assert typed_again(reply, "z" * size)


def test_whatever_stops_a_form_its_text_comes_back(clinic: Clinic, ana: FlaskClient) -> None:
    """The case went to a colleague while the form was open."""
    reply = post(ana, "/records/00000000-0000-4000-8000-000000000000", rev="1", tab="t", do="draft", ideas="precious")
    assert reply.status_code == 404
    assert typed_again(reply, "precious")


def test_two_counsellors_on_one_form(clinic: Clinic, ana: FlaskClient) -> None:
    """Ben takes the case over while Ana's form is open: his save stands, hers is refused with her text in the page."""
    where = f"/records/{clinic.draft}"
    with unit_of_work(clinic.store, unscoped="transfer") as session:
        ben = session.scalar(select(Account.id).where(Account.name == "ben"))
    code = code_of(clinic)
    with unit_of_work(clinic.store, write=True, unscoped="transfer") as session:
        session.execute(update(Case).where(Case.code == code).values(counsellor_id=ben))
    saved = post(clinic.client("ben"), where, rev="1", tab="b", do="draft", ideas="from ben")
    late = post(ana, where, rev="1", tab="a", do="draft", ideas="from ana")
    assert saved.status_code == 303
    assert late.status_code == 404
    assert typed_again(late, "from ana")
    assert not typed_again(late, "from ben")


def code_of(clinic: Clinic) -> str:
    from clinic.services import cases

    return cases.name(clinic.store, clinic.tokens["ana"], clinic.case).code


# --------------------------------------------------------------------------- a full disk
@pytest.fixture
def full(clinic: Clinic) -> Iterator[list[bool]]:
    """While the list says so, the database file cannot grow by a page."""
    on = [False]

    def limit(connection: Any, *_: object) -> None:
        cursor = connection.cursor()
        pages = cursor.execute("PRAGMA page_count").fetchone()[0] if on[0] else 2**31 - 2
        cursor.execute(f"PRAGMA max_page_count = {pages}")
        cursor.close()

    event.listen(clinic.store.engine, "checkout", limit)
    yield on
    event.remove(clinic.store.engine, "checkout", limit)


def test_a_full_disk_says_so_and_keeps_the_draft_in_the_page(
    clinic: Clinic, ana: FlaskClient, full: list[bool]
) -> None:
    page = ana.get(f"/records/{clinic.draft}")
    fields = {"csrf_token": csrf(page), "rev": "1", "tab": "t", "do": "draft", "ideas": LONG}
    full[0] = True
    reply = ana.post(f"/records/{clinic.draft}", data=fields)
    text = reply.get_data(as_text=True)
    assert reply.status_code == 503
    assert "The disk is full. Nothing was stored." in text
    assert LONG in text
    full[0] = False
    assert records.read(clinic.store, clinic.tokens["ana"], clinic.draft).rev == 1
    again = {
        name: value.lstrip("\n")
        for name, value in re.findall(r'<textarea[^>]*name="([^"]+)"[^>]*>(.*?)</textarea>', text, re.S)
    }
    assert ana.post(f"/records/{clinic.draft}", data=again | {"csrf_token": csrf(reply)}).status_code == 303
    assert records.read(clinic.store, clinic.tokens["ana"], clinic.draft).answers["ideas"] == LONG.strip()


# --------------------------------------------------------------------------- eight at once
WRITERS = 8


def test_eight_writers_one_wins_and_no_text_is_lost(clinic: Clinic) -> None:
    where = f"/records/{clinic.draft}"
    clients = [clinic.client("ana") for _ in range(WRITERS)]
    tokens = [csrf(client.get(where)) for client in clients]
    barrier = Barrier(WRITERS)

    def write(number: int) -> Any:
        fields = {"rev": "1", "tab": f"t{number}", "do": "draft", "ideas": f"text of writer {number}"}
        barrier.wait()
        return clients[number].post(where, data=fields | {"csrf_token": tokens[number]})

    with ThreadPoolExecutor(WRITERS) as pool:
        replies = list(pool.map(write, range(WRITERS)))
    assert sorted(reply.status_code for reply in replies) == [303] + [409] * (WRITERS - 1)
    won = next(number for number, reply in enumerate(replies) if reply.status_code == 303)
    for number, reply in enumerate(replies):
        if number != won:
            text = reply.get_data(as_text=True)
            assert "Two versions" in text
            assert f"text of writer {number}" in text
            assert f"text of writer {won}" in text
    # Each settles in turn, on top of the others: their own text stays in the page until it is stored.
    rev = 2
    for number in (one for one in range(WRITERS) if one != won):
        fields = {"csrf_token": tokens[number], "tab": f"t{number}", "ideas": f"text of writer {number}"}
        stale = clients[number].post(f"{where}/merge", data=fields | {"rev": "1", "keep:ideas": "mine"})
        assert stale.status_code == 409
        assert f"text of writer {number}" in stale.get_data(as_text=True)
        settled = clients[number].post(f"{where}/merge", data=fields | {"rev": str(rev), "keep:ideas": "mine"})
        assert settled.status_code == 303
        rev += 1
        assert (
            records.read(clinic.store, clinic.tokens["ana"], clinic.draft).answers["ideas"]
            == f"text of writer {number}"
        )


# --------------------------------------------------------------------------- typed too late
NEEDED = {"held.day": "2026-03-03", "present": "partner_a", "format": "soap"}


def late_typing(clinic: Clinic, ana: FlaskClient) -> str:
    """A record that was finished in one tab while another one still typed."""
    where = f"/records/{clinic.draft}"
    assert post(ana, where, rev="1", tab="one", do="finish", **NEEDED, ideas="in time").status_code == 303
    reply = post(ana, where, rev="1", tab="two", do="draft", **NEEDED, ideas="came too late")
    assert reply.status_code == 409
    assert typed_again(reply, "came too late")
    return where


def typing_rows(clinic: Clinic) -> int:
    with unit_of_work(clinic.store, unscoped="verify") as session:
        return len(session.scalars(select(Autosave)).all())


def test_what_came_too_late_is_kept_until_it_is_added(clinic: Clinic, ana: FlaskClient) -> None:
    where = late_typing(clinic, ana)
    assert "came too late" in ana.get(where).get_data(as_text=True)
    added = post(ana, f"{where}/add")
    assert added.status_code == 303
    assert "came too late" in ana.get(added.location).get_data(as_text=True)
    assert typing_rows(clinic) == 0
    assert "came too late" not in ana.get(where).get_data(as_text=True)


def test_what_came_too_late_can_be_thrown_away(clinic: Clinic, ana: FlaskClient) -> None:
    where = late_typing(clinic, ana)
    assert typing_rows(clinic) > 0
    assert post(ana, f"{where}/late").status_code == 303
    assert typing_rows(clinic) == 0
    assert records.read(clinic.store, clinic.tokens["ana"], clinic.draft).answers["ideas"] == "in time"


# --------------------------------------------------------------------------- a newer text of a form
def test_a_draft_moves_to_the_new_version_and_says_what_has_no_place(
    clinic: Clinic, ana: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clinic.domain.definition import parse
    from clinic.services import shelf

    source = (resources.forms() / "session.toml").read_text()
    from clinic.services.definitions import library

    assert 'id = "ideas"' in source
    newer = parse(source.replace('id = "ideas"', 'id = "thoughts"').encode(), "session.toml", library().lists())
    where = f"/records/{clinic.draft}"
    assert "newer version" not in ana.get(where).get_data(as_text=True)
    clinic.store.remember([newer])
    monkeypatch.setitem(shelf.definitions(), "session", newer)
    assert "newer version" in ana.get(where).get_data(as_text=True)
    asked = post(ana, where, rev="1", tab="t", do="move", ideas="no place for this", **{"a.risk": "goes along"})
    assert asked.status_code == 200
    assert typed_again(asked, "no place for this")
    assert not typed_again(asked, "goes along")
    moved = post(ana, f"{where}/newest", rev="2")
    assert moved.status_code == 303
    record = records.read(clinic.store, clinic.tokens["ana"], clinic.draft)
    assert (record.definition.sha, record.answers["a.risk"]) == (newer.sha, "goes along")


# --------------------------------------------------------------------------- a hostile page
HANG = f"<p>{CANARY}</p>" + "<div style='display: flex'>" * 14 + "x" + "</div>" * 14  # doubles its time with each


def test_a_hostile_sheet_is_killed_and_reported_and_the_next_one_prints(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the browser: a plain sentence with the kind of limit; no word of the page; the worker is replaced."""
    press = Press(limits=replace(Limits(), seconds=3))
    press.start()
    try:
        app = create_app(clinic.store.settings, clinic.store, press)
        client = replace(clinic, app=app).client("ana")
        fields = {"sheet": "whats_underneath", "to": "a", **PAPER}
        assert print_(client, clinic.case, **fields).mimetype == "application/pdf"
        real = print_sheet.laid_out
        bad = Page(HANG, (), "en", "Worksheet")
        monkeypatch.setattr(print_sheet, "laid_out", lambda *_: bad)
        reply = post(client, f"/cases/{clinic.case}/print", do="pages", **fields)
        text = reply.get_data(as_text=True)
        assert reply.status_code in (422, 503)
        assert re.search(r"could not be drawn \((timeout|memory|size|lost|log)\)", text)
        assert CANARY not in text
        monkeypatch.setattr(print_sheet, "laid_out", real)
        assert print_(client, clinic.case, **fields).mimetype == "application/pdf"
    finally:
        press.stop()


# --------------------------------------------------------------------------- nothing of anybody in names
def test_no_page_title_address_or_error_page_holds_a_word_of_anybody(clinic: Clinic, ana: FlaskClient) -> None:
    answers = {
        "held": {"day": clinic.store.today().isoformat()},
        "present": ["partner_a"],
        "format": "dap",
        "ideas": CANARY,
    }
    finished(clinic.store, clinic.tokens["ana"], clinic.case, "session", "couple", answers)
    for where in (f"/cases/{clinic.case}/work", f"/cases/{clinic.case}/formulation", f"/records/{clinic.draft}"):
        text = ana.get(where).get_data(as_text=True)
        title = re.search(r"<title>(.*?)</title>", text, re.S)
        assert title
        assert CANARY not in title[1]
        assert not [one for one in re.findall(r'(?:href|action|src)="([^"]*)"', text) if CANARY in one]
    for reply in (
        post(ana, f"/cases/{clinic.case}/records", definition=CANARY, about=CANARY),
        post(ana, "/sheets", sheet=CANARY, do=CANARY),
        post(ana, f"/cases/{clinic.case}/print", sheet="the_wave", to="a", do="print", record=CANARY[:4]),
        ana.get("/nothing", headers={"X-Words": CANARY}),
    ):
        assert reply.status_code >= 400
        assert CANARY not in reply.get_data(as_text=True)
    assert definitions()


def test_a_crash_of_a_command_is_one_line_without_its_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from clinic import cli

    def broken(**_: object) -> None:
        raise RuntimeError(f"words of a couple {CANARY}")

    monkeypatch.setattr(cli, "clinic", broken)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    said = capsys.readouterr()
    assert stopped.value.code == 1
    assert re.fullmatch(r"clinic: stopped by RuntimeError at test_edges\.py:\d+ broken\n", said.err)
    assert CANARY not in said.out + said.err
