"""Children: one for a recipient, killed at a limit, replaced once when lost."""

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clinic.press.limits import Limits
from clinic.press.press import Child, Press, PressError
from tests import pdf

from .conftest import MakePage

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
HANG = "<div style='display: flex'>" * 14 + "x" + "</div>" * 14


def pid_of(child: Child) -> int:
    assert child._process is not None
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
        started = time.monotonic()
        with machine.child() as child:
            with pytest.raises(PressError) as caught:
                machine.pdf(make_page(HANG), child)
            assert caught.value.kind == "timeout"
            assert time.monotonic() - started < 4, "tried again after a limit"
            assert machine.pdf(make_page("<p>next</p>"), child).startswith(b"%PDF")
    finally:
        machine.stop()


def test_memory_is_limited(make_page: MakePage) -> None:
    machine = Press(limits=Limits(seconds=120, memory=300_000_000))
    try:
        with machine.child() as child, pytest.raises(PressError) as caught:
            machine.pdf(make_page("<p>" + "<b>x</b> " * 20_000 + "</p>"), child)
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
