"""Pages take turns: a few at a time, the others wait, and nobody waits for ever."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from clinic.app import create_app
from clinic.press.press import Press
from clinic.web import turns
from clinic.web.clinic import press as asked_for
from clinic.web.turns import Turns, in_turns
from tests.web.conftest import Clinic

LONG = 30.0  # s: a test that waits so long has failed


class House:
    """Pages that begin when they may and end when they are told to."""

    def __init__(self, at_once: int, patience: float = LONG) -> None:
        self.began, self.end, self.answered = threading.Semaphore(0), threading.Event(), threading.Semaphore(0)
        self.does: Callable[[], None] = lambda: None
        self.page = in_turns(self._work, Turns(at_once, patience))
        self.threads: list[threading.Thread] = []

    def _work(self, environ: dict[str, object], start_response: object) -> list[bytes]:
        self.began.release()
        self.does()
        assert self.end.wait(LONG)
        return [b""]

    def ask(self, count: int) -> None:
        """So many people ask for a page."""
        for _ in range(count):
            self.threads.append(threading.Thread(target=self._one))
            self.threads[-1].start()

    def _one(self) -> None:
        self.page({}, None)
        self.answered.release()

    def begun(self, count: int) -> bool:
        """Whether so many pages began, and in the next tenth of a second no more."""
        return all(self.began.acquire(timeout=LONG) for _ in range(count)) and not self.began.acquire(timeout=0.1)


@contextmanager
def house(at_once: int, patience: float = LONG) -> Iterator[House]:
    made = House(at_once, patience)
    try:
        yield made
    finally:
        made.end.set()
        for one in made.threads:
            one.join(LONG)


def test_no_more_than_so_many_pages_are_worked_on_and_all_are_answered() -> None:
    with house(2) as made:
        made.ask(5)
        assert made.begun(2)
        made.end.set()
        assert all(made.answered.acquire(timeout=LONG) for _ in range(5))


def test_who_waits_for_paper_lets_another_one_begin() -> None:
    with house(1) as made:
        made.does = turns.leave
        made.ask(3)
        assert made.begun(3)


def test_a_place_that_was_left_is_not_given_back_twice() -> None:
    with house(1) as made:
        made.end.set()
        made.does = turns.leave
        made.ask(4)
        assert made.begun(4)
        assert all(made.answered.acquire(timeout=LONG) for _ in range(4))
        made.end.clear()
        made.does = lambda: None
        made.ask(3)
        assert made.begun(1)


def test_slow_pages_do_not_stop_the_house() -> None:
    with house(1, patience=0.01) as made:
        made.ask(3)
        assert made.begun(3)  # whoever waited long enough goes on
        made.end.set()
        assert all(made.answered.acquire(timeout=LONG) for _ in range(3))
    with house(1, patience=0.01) as made:
        made.ask(1)
        assert made.begun(1)  # and gave back no place that it had not taken


def test_a_page_that_breaks_gives_its_place_back() -> None:
    def broken(environ: dict[str, object], start_response: object) -> None:
        raise RuntimeError

    page = in_turns(broken, Turns(1, LONG))
    for _ in range(3):
        with pytest.raises(RuntimeError):
            page({}, None)


@pytest.mark.parametrize(("asks", "count"), [(lambda: None, 1), (asked_for, 3)])
def test_the_application_takes_turns_until_it_asks_for_the_press(
    clinic: Clinic, press: Press, monkeypatch: pytest.MonkeyPatch, asks: Callable[[], object], count: int
) -> None:
    monkeypatch.setattr(turns, "Turns", lambda: Turns(1, LONG))
    app = create_app(clinic.store.settings, clinic.store, press)
    began, end = threading.Semaphore(0), threading.Event()

    @app.before_request
    def held() -> None:
        asks()
        began.release()
        assert end.wait(LONG)

    threads = [threading.Thread(target=app.test_client().get, args=("/sign-in",)) for _ in range(3)]
    for one in threads:
        one.start()
    try:
        assert all(began.acquire(timeout=LONG) for _ in range(count))
        assert not began.acquire(timeout=0.1)
    finally:
        end.set()
        for one in threads:
            one.join(LONG)
