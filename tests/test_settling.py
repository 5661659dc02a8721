"""What a server keeps is set aside a few times after its start, and waiting for that holds nobody up."""

import gc
import threading

import pytest

from clinic.settling import Settling

LONG = 30.0  # s: a test that waits so long has failed


def test_it_collects_first_then_sets_aside_as_often_as_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    did, twice = list[str](), threading.Event()

    def freeze() -> None:
        did.append("freeze")
        if did.count("freeze") == 2:
            twice.set()

    monkeypatch.setattr(gc, "unfreeze", lambda: did.append("unfreeze"))
    monkeypatch.setattr(gc, "collect", lambda *_: did.append("collect"))
    monkeypatch.setattr(gc, "freeze", freeze)
    settling = Settling((0.0, 0.0))
    settling.start()
    assert twice.wait(LONG)
    settling.stop()
    assert did == ["collect", "freeze", "unfreeze", "collect", "freeze"]  # the last time everything is looked through


def test_it_ends_while_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc, "freeze", lambda: pytest.fail("set aside"))
    settling = Settling((LONG * 100,))
    settling.start()
    settling.stop()
    assert "settling" not in {one.name for one in threading.enumerate()}


def test_one_that_never_began_ends_too() -> None:
    Settling().stop()
