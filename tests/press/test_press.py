"""Children: one for a recipient, killed at a limit, replaced once when lost."""

import io
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pikepdf
import pytest

from clinic.domain.page import SLOTS, Page
from clinic.press import limits as bounds
from clinic.press import pool, wire
from clinic.press.limits import Limits
from clinic.press.press import AT_ONCE, Child, Press, PressError
from tests import pdf
from tests.benchmarks import pages

from .conftest import MakePage

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
HANG = "<div style='display: flex'>" * 14 + "x" + "</div>" * 14


def pid_of(child: Child) -> int:
    assert child.pid
    return child.pid


def alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text("utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_hang_is_killed_and_the_next_sheet_prints(make_page: MakePage) -> None:
    machine = Press(limits=Limits(seconds=2))
    try:
        machine.blank(make_page("<p>awake</p>"))
        with machine.child() as child:
            machine.pdf(make_page("<p>awake</p>"), child)
            with pytest.raises(PressError) as caught:
                machine.pdf(make_page(HANG), child)
            assert caught.value.kind == "timeout"
            assert child.pid == 0, "tried again after a limit"
            assert machine.pdf(make_page("<p>next</p>"), child).startswith(b"%PDF")
    finally:
        machine.stop()


def test_memory_is_limited(make_page: MakePage) -> None:
    machine = Press(limits=Limits(seconds=120, memory=300_000_000))
    try:
        with machine.child() as child:
            assert machine.pdf(make_page("<p>x</p>"), child)
        with machine.child() as child, pytest.raises(PressError) as caught:
            machine.pdf(make_page("<p>x</p>" * 60_000), child)
        assert caught.value.kind == "memory"
    finally:
        machine.stop()


def test_large_answers_are_refused(make_page: MakePage) -> None:
    machine = Press(limits=Limits(answer=1000))
    page = make_page("<p>x</p>")
    try:
        with machine.child() as child:
            for draw in (machine.pdf, machine.images):
                with pytest.raises(PressError) as caught:
                    draw(page, child)
                assert caught.value.kind == "size"
    finally:
        machine.stop()


def test_large_pages_are_refused(press: Press, make_page: MakePage) -> None:
    with press.child() as child, pytest.raises(PressError) as caught:
        press.pdf(make_page("x" * 2_000_000), child)
    assert caught.value.kind == "size"


@linux
def test_a_child_ends_with_its_recipient(press: Press, make_page: MakePage) -> None:
    pids = []
    for _ in range(2):
        with press.child() as child:
            press.pdf(make_page("<p>one</p>"), child)
            press.pdf(make_page("<p>two</p>"), child)
            pids.append(pid_of(child))
            assert alive(pids[-1])
        until = time.monotonic() + 2
        while alive(pids[-1]) and time.monotonic() < until:
            time.sleep(0.01)
        assert not alive(pids[-1])
    assert pids[0] != pids[1]


def test_an_error_in_the_block_ends_the_child_too(press: Press, make_page: MakePage) -> None:
    children = []

    def spoil() -> None:
        with press.child() as child:
            children.append(child)
            press.pdf(make_page("<p>one</p>"), child)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        spoil()
    assert children[0]._process is None


def test_a_lost_child_is_replaced_once(press: Press, make_page: MakePage, monkeypatch: pytest.MonkeyPatch) -> None:
    page = make_page("<p>again</p>")
    with press.child() as child:
        press.pdf(page, child)
        os.kill(pid_of(child), signal.SIGKILL)
        assert press.pdf(page, child).startswith(b"%PDF")

    take, taken = press._makers.take, []

    def take_and_kill() -> object:
        process = take()
        taken.append(process.pid)
        os.kill(process.pid, signal.SIGKILL)
        return process

    monkeypatch.setattr(press._makers, "take", take_and_kill)
    with press.child() as child, pytest.raises(PressError) as caught:
        press.pdf(page, child)
    assert caught.value.kind == "lost"
    assert len(taken) == 2


def test_a_lost_zygote_is_started_again(make_page: MakePage) -> None:
    machine = Press()
    try:
        first = machine.blank(make_page("<p>x</p>"))
        program = machine._makers._program
        assert program is not None
        program.process.kill()
        program.process.wait()
        with machine.child() as child:
            assert machine.pdf(make_page("<p>x</p>"), child) == first
        assert machine._makers._program is not program
    finally:
        machine.stop()


@linux
def test_the_zygote_has_nothing_of_ours(make_page: MakePage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLINIC_KEY", "CANARY")
    with socket.socket() as listening:
        listening.set_inheritable(True)
        machine = Press()
        try:
            with machine.child() as child:
                machine.pdf(make_page("<p>x</p>"), child)
                assert machine._makers._program is not None
                for pid in (machine._makers._program.process.pid, pid_of(child)):
                    assert b"CANARY" not in Path(f"/proc/{pid}/environ").read_bytes()
                    held = [os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")]
                    assert set(held[:3]) == {"/dev/null"}
                    assert all(name.startswith("socket:") for name in held[3:])
                    assert len(held) - 3 <= 2  # its channel, and a zygote's end of the spare's
        finally:
            machine.stop()


@linux
def test_a_child_is_confined(press: Press, make_page: MakePage) -> None:
    with press.child() as child:
        press.pdf(make_page("<p>x</p>"), child)
        pid = pid_of(child)
        limits = Path(f"/proc/{pid}/limits").read_text("utf-8")
        assert limits.split("Max address space")[1].split()[:2] == [str(1 << 30)] * 2
        assert limits.split("Max file size")[1].split()[:2] == ["0", "0"]
        assert limits.split("Max core file size")[1].split()[:2] == ["0", "0"]
        assert os.getpriority(os.PRIO_PROCESS, pid) >= 10
        assert "Umask:\t0077" in Path(f"/proc/{pid}/status").read_text("utf-8")
        assert Path(f"/proc/{pid}/status").read_text("utf-8").split("Threads:")[1].split()[0] == "1"


@linux
def test_memory_of_the_press_is_closed_to_others() -> None:
    code = (
        "import ctypes; from clinic.hardening import harden; harden()\n"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"  # 3 is PR_GET_DUMPABLE
    )
    run = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    assert run.stdout.strip() == "0"


def test_the_engine_is_not_in_this_process() -> None:
    code = (
        "import sys; from clinic.domain.page import Page; from clinic.press.press import Press\n"
        "page = Page('<html lang=en><title>x</title>', (), 'en', 'x')\n"
        "press = Press(); press.start(); assert press.blank(page)\n"
        "print(sorted({'weasyprint', 'pypdfium2', 'fontTools', 'PIL'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
    assert run.stderr == ""


def test_starting_returns_at_once(make_page: MakePage) -> None:
    machine = Press([make_page("<p>x</p>" * 200)] * 3)
    started = time.monotonic()
    machine.start()
    assert time.monotonic() - started < 1  # seconds; warming up takes longer
    try:
        assert machine.blank(make_page("<p>x</p>")).startswith(b"%PDF")
    finally:
        machine.stop()


def test_two_recipients_at_once_have_two_children(press: Press, make_page: MakePage) -> None:
    def draw(number: int) -> tuple[int, bool]:
        with press.child() as child:
            file = press.pdf(make_page(f"<p>number {number}</p>"), child)
            return pid_of(child), f"number {number}" in pdf.text(file)

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(draw, range(8)))
    assert len({pid for pid, _ in answers}) == 8
    assert all(right for _, right in answers)


def test_pictures_are_made_in_the_child(press: Press, make_page: MakePage) -> None:
    page = make_page('<p>one</p><p style="break-before: page">two</p>')
    with press.child() as child:
        from_page = press.images(page, child)
        assert from_page == press.images(press.pdf(page, child), child)
        small = press.images(page, child, dpi=48)
    assert [picture[:4] for picture in from_page] == [b"\x89PNG"] * 2
    assert sum(map(len, small)) < sum(map(len, from_page))


def test_children_may_be_programs_of_their_own(press: Press, make_page: MakePage) -> None:
    """How systems without a safe fork print."""
    page = make_page("<h1>x</h1>")
    apart = Press(forking=False)
    try:
        with apart.child() as first, apart.child() as second, press.child() as forked:
            assert apart.pdf(page, first) == apart.pdf(page, second) == press.pdf(page, forked)
            assert pid_of(first) != pid_of(second)
    finally:
        apart.stop()


def busy(machine: Press, many: int) -> set[int]:
    """The processes of the children that draw now, once there are so many."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with machine._makers._lock:
            out = [one.pid for one in machine._makers._out]
        working = {
            pid for pid in out if Path(f"/proc/{pid}/stat").read_text("utf-8").rsplit(")", 1)[1].split()[0] == "R"
        }
        if len(working) == many:
            return working
        time.sleep(0.01)
    raise AssertionError("nobody draws")


def gone(pids: set[int]) -> bool:
    until = time.monotonic() + 5
    while any(map(alive, pids)) and time.monotonic() < until:
        time.sleep(0.01)
    return not any(map(alive, pids))


# --------------------------------------------------------------------------- children that are used again
def test_blanks_use_one_child_again_and_again(press: Press, make_page: MakePage) -> None:
    page = make_page("<p>x</p>")
    first = press.blank(page)
    pids = press.pids()
    assert len(pids) == 1
    assert all(press.blank(page) == first for _ in range(3))
    assert press.pids() == pids


def test_there_are_never_more_reused_children_than_processors(
    make_page: MakePage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds.os, "sched_getaffinity", lambda _: {0}, raising=False)
    monkeypatch.setattr(bounds.os, "cpu_count", lambda: 1)
    machine = Press()
    taken, take = [], machine._makers.take
    monkeypatch.setattr(machine._makers, "take", lambda: taken.append(take()) or taken[-1])
    page = make_page("<p>x</p>")
    try:
        with ThreadPoolExecutor(6) as threads:
            assert len(set(threads.map(lambda _: machine.blank(page), range(12)))) == 1
            assert len(taken) == 1
            given = list(
                threads.map(lambda number: machine.given(words_page(make_page), {"code": f"AB{number}"}), range(6))
            )
        assert len(taken) == 1
        assert [f"AB{number}" in pdf.text(one) for number, one in enumerate(given)] == [True] * 6
        assert machine._places._value == 2
    finally:
        machine.stop()


def test_who_waits_comes_before_a_pack(make_page: MakePage) -> None:
    machine = Press(places=1)
    page = make_page("<p>x</p>")
    try:
        with machine.child() as now, machine.child(later=True) as then, machine.child(later=True) as also:
            assert machine.pdf(page, now) == machine.pdf(page, then) == machine.pdf(page, also)
            nice = [os.getpriority(os.PRIO_PROCESS, one.pid) for one in (now, then, also)]
        assert 0 < nice[0] < nice[1] == nice[2]
    finally:
        machine.stop()


def test_a_press_with_no_free_place_says_so(make_page: MakePage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clinic.press.press.WAIT_SECONDS", 0.05)
    machine = Press(places=1)
    page = make_page("<p>x</p>")
    try:
        with machine.child() as child:
            with pytest.raises(PressError) as caught, machine.child():
                pass
            assert (caught.value.kind, caught.value.where) == ("lost", "no free place")
            assert machine.blank(page) == machine.pdf(page, child)  # blanks have children of their own
        with machine.child() as child:
            assert machine.pdf(page, child)
    finally:
        machine.stop()


def test_a_reused_child_is_replaced_after_so_many_pages(make_page: MakePage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "REUSE", 3)
    machine = Press()
    try:
        pids = []
        for _ in range(7):
            with machine._pool.one(9) as reused:
                reused.drawn += 1
                machine.pdf(make_page("<p>x</p>"), reused.child)
                pids.append(reused.child.pid)
        assert [len(set(pids[start : start + 3])) for start in (0, 3)] == [1, 1]
        assert len(set(pids)) == 3
        assert gone(set(pids[:6]))
    finally:
        machine.stop()


def test_a_reused_child_that_hangs_is_killed(make_page: MakePage) -> None:
    machine = Press(limits=Limits(seconds=2))
    try:
        good = machine.blank(make_page("<p>x</p>"))
        before = machine.pids()
        with pytest.raises(PressError) as caught:
            machine.blank(make_page(HANG))
        assert caught.value.kind == "timeout"
        assert gone(set(before))
        assert machine.blank(make_page("<p>x</p>")) == good
        assert machine.pids() != before
    finally:
        machine.stop()


@linux
def test_a_reused_child_that_was_killed_is_replaced(press: Press, make_page: MakePage) -> None:
    page = words_page(make_page)
    first = press.given(page, {"code": "ABC"})
    for pid in press.pids():
        os.kill(pid, signal.SIGKILL)
    assert press.given(page, {"code": "ABC"}) == first  # and it gets the page once more
    for pid in press.pids():
        os.kill(pid, signal.SIGKILL)
    assert press.blank(make_page("<p>x</p>"))


@linux
def test_stopping_ends_children_that_draw_and_nobody_brings_them_back(make_page: MakePage) -> None:
    machine = Press()
    try:
        with ThreadPoolExecutor(2) as threads:

            def alone() -> bytes:
                with machine.child() as child:
                    return machine.pdf(make_page(HANG), child)

            waiting = [threads.submit(alone), threads.submit(machine.blank, make_page(HANG))]
            pids = busy(machine, len(waiting))
            zygote = machine.pid
            machine.stop()
            for one in waiting:
                error = one.exception(timeout=5)
                assert isinstance(error, PressError)
                assert error.kind == "lost"
        assert gone(pids | {zygote})
        assert machine.pid == 0
        assert machine.blank(make_page("<p>x</p>")), "the next page starts it again"
    finally:
        machine.stop()


@linux
def test_a_child_outlives_its_zygote_and_is_killed_all_the_same(make_page: MakePage) -> None:
    machine = Press(limits=Limits(seconds=3))
    try:
        good = machine.blank(make_page("<p>x</p>"))
        with machine.child() as child:
            machine.pdf(make_page("<p>x</p>"), child)
            pid = pid_of(child)
            os.kill(machine.pid, signal.SIGKILL)
            assert machine.pdf(make_page("<p>x</p>"), child) == good
            assert pid_of(child) == pid
            with pytest.raises(PressError):
                machine.pdf(make_page(HANG), child)
            assert gone({pid})
        assert machine.blank(make_page("<p>x</p>")) == good
    finally:
        machine.stop()


def test_many_threads_and_deaths_at_any_point(make_page: MakePage) -> None:
    """Whatever is killed and whenever: an answer is right, or an error; nobody waits for ever, nobody stays."""
    machine = Press(places=3)
    page, given = make_page("<p>right</p>"), words_page(make_page)
    good = machine.blank(page)

    def work(number: int) -> bool:
        try:
            if number % 3 == 0:
                return machine.blank(page) == good
            if number % 3 == 1:
                return f"N{number}" in pdf.text(machine.given(given, {"code": f"N{number}"}))
            with machine.child() as child:
                return machine.pdf(page, child) == good
        except PressError as error:
            return error.kind == "lost"

    try:
        with ThreadPoolExecutor(6) as threads:
            answers = [threads.submit(work, number) for number in range(60)]
            for number in count():
                if all(one.done() for one in answers):
                    break
                with machine._makers._lock:
                    out = [one.pid for one in machine._makers._out]
                target = machine.pid if number % 4 == 3 else out[number % len(out)] if out else 0
                if target and number < 40 and alive(target):
                    os.kill(target, signal.SIGKILL)
                time.sleep(0.05)
            assert all(one.result(timeout=60) for one in answers)
        assert machine._places._value == 3
        assert machine.blank(page) == good
    finally:
        machine.stop()


# --------------------------------------------------------------------------- given pages
def words_page(make_page: MakePage, lang: str = "en") -> Page:
    style = "h1 { string-set: code attr(data-code) } @page { @bottom-left { content: string(code) } }"
    return make_page(f"<h1 data-code='{SLOTS['code']}'>Given</h1><p>to write on</p>", lang, (style,))


@pytest.mark.parametrize("code", ["K7QM2XTPA", "AB2345678", "\u05d0\u05d1", "\u0416\u0416"])
def test_a_given_page_says_what_a_drawn_one_says(press: Press, make_page: MakePage, code: str) -> None:
    page = words_page(make_page)
    given = press.given(page, {"code": code})
    assert pdf.text(given) == pdf.text(press.blank(page.with_words({"code": code})))
    assert not pdf.ua1(given)
    assert pdf.names(given) == set()


def test_many_given_pages_come_in_their_order(press: Press, make_page: MakePage) -> None:
    codes = [f"N{number:03}" for number in range(2 * AT_ONCE + 3)]
    codes[5] = "\u05d0\u05d1"  # right-to-left: this one is drawn
    found = press.given_all(words_page(make_page), [{"code": code} for code in codes])
    assert [codes[place] in pdf.text(found[place]) for place in (0, 4, 6, AT_ONCE, -1)] == [True] * 5
    assert found[5] == press.blank(words_page(make_page).with_words({"code": codes[5]}))
    assert len(set(found)) == len(codes)


def test_a_page_is_sent_once(press: Press, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes to the child for one more sheet is its words: a page may have two million bytes."""
    page = pages.page(code=SLOTS["code"])
    press.given(page, {"code": "FRST23456"})
    sent, send = [], wire.send

    def count_bytes(channel: object, header: object, body: bytes = b"", deadline: object = None) -> None:
        sent.append(len(body))
        send(channel, header, body, deadline)

    monkeypatch.setattr(wire, "send", count_bytes)
    press.given(page, {"code": "SCND23456"})
    assert len(sent) == 1
    assert sent[0] < 100


def test_a_child_keeps_no_more_pages_than_it_may() -> None:
    machine = Press(limits=Limits(kept=2))
    names = ("our_cycle", "five_steps", "the_wave", "two_beliefs")
    templates = [pages.page(name, code=SLOTS["code"]) for name in names]
    try:
        for _ in range(2):
            for page in templates:
                assert "K7QM2XTPA" in pdf.text(machine.given(page, {"code": "K7QM2XTPA"}))
        (reused,) = machine._pool._idle
        assert reused.drawn == 8  # each was learnt again, as only two are kept
    finally:
        machine.stop()


def test_a_bad_given_page_is_an_error_of_its_own(press: Press, make_page: MakePage) -> None:
    with pytest.raises(PressError) as caught:
        press.given(make_page(f"<p id='secret'>{SLOTS['code']}</p>"), {"code": "ABC"})
    assert caught.value.kind == "log"
    assert press.given(words_page(make_page), {"code": "ABC"})


# --------------------------------------------------------------------------- packs of finished sheets
def test_finished_sheets_are_joined_in_a_child_of_its_own(press: Press, make_page: MakePage) -> None:
    files = [press.blank(make_page(f"<h1>Sheet {name}</h1>")) for name in "abc"]
    reused = press.pids()
    made = press.joined([[files[0], files[1]], [], [files[2]]])
    assert [name in pdf.text(made) for name in ("Sheet a", "Sheet b", "Sheet c")] == [True] * 3
    assert press.check(made) == 3
    assert press.check(press.joined([[files[0]], [files[2]]])) == 3  # an empty back between two readers
    assert press.pids() == reused


def test_a_pack_is_bounded(make_page: MakePage) -> None:
    machine = Press(limits=Limits(pack=2, whole=40_000))
    try:
        one = machine.blank(make_page("<p>x</p>"))
        assert machine.joined([[one], [one]])
        for piles in ([[one, one], [one]], [[b"x" * 50_000]]):
            with pytest.raises(PressError) as caught:
                machine.joined(piles)
            assert (caught.value.kind, caught.value.where) == ("size", "pack")
    finally:
        machine.stop()


@pytest.mark.parametrize("content", [b"", b"no file", b"%PDF-1.7\n" + b"x" * 1000])
def test_what_is_no_file_of_ours_is_refused(press: Press, content: bytes) -> None:
    for act in (lambda: press.check(content), lambda: press.joined([[content]])):
        with pytest.raises(PressError) as caught:
            act()
        assert caught.value.kind == "log"


def test_a_file_from_elsewhere_that_does_something_is_refused(press: Press, make_page: MakePage) -> None:
    file = io.BytesIO()
    with pikepdf.open(io.BytesIO(press.blank(make_page("<p>x</p>")))) as opened:
        opened.Root.OpenAction = pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS="app.alert('CANARY')")
        opened.save(file)
    with pytest.raises(PressError) as caught:
        press.check(file.getvalue())
    assert caught.value.kind == "log"
    assert "CANARY" not in str(caught.value)
