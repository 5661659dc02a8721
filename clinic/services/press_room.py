"""The press room of a process: threads that claim sheets, ask for their keys, draw them, seal them, and finish them.

Whatever dies at whatever moment, the process or the machine: a lease ends, somebody else claims the sheet, and only
the last claim finishes it. A thread holds one reader's sheets at a time; the child that drew them ends with them.
"""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Final
from weakref import WeakSet

from sqlalchemy.exc import SQLAlchemyError

from clinic.domain.errors import ClinicError, VaultLocked
from clinic.logs import frame
from clinic.persistence import press_jobs, press_queue, press_sealing
from clinic.persistence.press_queue import Claimed, writing
from clinic.persistence.press_sealing import Work
from clinic.persistence.scope import unscoped
from clinic.persistence.sealing import Damaged
from clinic.persistence.store import Store
from clinic.press.limits import cores
from clinic.press.press import Child, Press, PressError
from clinic.services import bells

LOOK: Final = 2.0  # s between two looks for what other processes submitted
TIDY: Final = 20.0  # s between two looks for what is over
TOGETHER: Final = 3  # sheets of one reader in one child
ALIKE: Final = 50  # given sheets of one page at once

log = logging.getLogger("clinic")
_rooms: "WeakSet[PressRoom]" = WeakSet()


@dataclass
class _Held:
    """A sheet that we claimed and opened; `since`: when its lease began, on our own clock."""

    claimed: Claimed
    key: bytes = field(repr=False)
    work: Work = field(repr=False)
    since: float = field(default_factory=monotonic)


class PressRoom:
    """Draws what waits, in `places` threads, by default one for each processor; with none it only clears up."""

    def __init__(self, store: Store, press: Press, places: int | None = None) -> None:
        self._store, self._press = store, press
        self._places = cores() if places is None else places
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._tidied = -TIDY

    @property
    def store(self) -> Store:
        """Whose sheets it draws."""
        return self._store

    def start(self) -> None:
        """Begin; returns at once. A locked keyholder is waited for."""
        self._over.clear()
        for number in range(max(self._places, 1)):
            thread = threading.Thread(target=self._work, args=(number == 0,), name=f"press-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()
        _rooms.add(self)

    def stop(self) -> None:
        """End after the sheets that are being drawn; what else was claimed goes back."""
        _rooms.discard(self)
        self._over.set()
        bells.SUBMITTED.ring()
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    # ------------------------------------------------------------------ threads
    def _work(self, looks: bool) -> None:
        """Draw until the end. One thread looks every two seconds, the others wait until something was found."""
        while not self._over.is_set():
            rung = bells.SUBMITTED.rung
            busy = False
            try:
                if looks:
                    self._tidy()
                busy = self.turn() if self._places else False
            except VaultLocked:
                pass  # nobody has typed the passphrase yet
            except Exception as error:  # whatever it was, the lease ends and the next sheet is another one
                where = frame(error.__traceback__)
                log.error("press", extra={"event": "error", "error": type(error).__name__, "at": where})
            if not busy and not self._over.is_set():
                bells.SUBMITTED.wait(rung, LOOK if looks else None)

    def turn(self) -> bool:
        """Claim and draw once; False: there was nothing."""
        with self._store.engine.connect() as connection:
            if press_queue.idle(connection, self._now()):
                return False
        claimed = self._claim(TOGETHER)
        if not claimed:
            return False
        bells.SUBMITTED.ring()  # there may be more: wake the other threads
        held = self._opened(claimed)
        given = [one for one in held if one.work.kind == "given"]
        if given and len(given) == len(claimed) == TOGETHER:
            given += self._opened(self._claim(ALIKE - TOGETHER, given[0]))
        self._draw_given([one for one in given if one.work.kind == "given"])
        self._draw_filled([one for one in held + given if one.work.kind == "filled"])
        bells.FINISHED.ring()
        return True

    # ------------------------------------------------------------------ claiming
    def _claim(self, most: int, like: _Held | None = None) -> list[Claimed]:
        with writing(self._store.engine).begin() as connection:
            mates = like.claimed.id if like else None
            return press_queue.claim(connection, self._now(), most=most, like=mates)

    def _opened(self, claimed: Sequence[Claimed]) -> list[_Held]:
        """The pages of what we claimed. What does not open has failed; what was cancelled meanwhile is left."""
        found, lost = list[_Held](), list[tuple[Claimed, None]]()
        keys = self._store.keyholder.claimed_keys([(one.id, one.token) for one in claimed]) if claimed else []
        for one, key in zip(claimed, keys, strict=True):
            if key is None:
                lost.append((one, None))
                continue
            try:
                found.append(_Held(one, key, press_sealing.open_work(key, one.id, one.sealed)))
            except Damaged:
                lost.append((one, None))
        self._finish(lost)
        return found

    # ------------------------------------------------------------------ drawing
    def _draw_filled(self, held: Sequence[_Held]) -> None:
        """One reader's sheets, in one fresh child."""
        if not held:
            return
        left = list(held)
        with self._press.child(later=True) as child:
            while left and not self._over.is_set():
                one = left.pop(0)
                if self._ours(one):
                    self._draw_one(one, child)
                    bells.FINISHED.ring()
        self._give_back(left)

    def _draw_one(self, one: _Held, child: Child) -> None:
        try:
            words, page = one.work.words, one.work.page  # without words there is no slot, whatever looks like one
            content = self._press.pdf(page.with_words(words) if words else page, child)
        except PressError as error:
            self._failed(one, error)
        except (ClinicError, ValueError):  # no font for it any more, or no word for a slot
            self._finish([(one.claimed, None)])
        else:
            self._finish([(one.claimed, press_sealing.seal_result(one.key, one.claimed.id, content))])

    def _draw_given(self, held: Sequence[_Held]) -> None:
        """Sheets without any answer, those of one page together."""
        pages: dict[bytes, list[_Held]] = {}
        for one in held:
            pages.setdefault(one.work.page.to_json(), []).append(one)
        for alike in pages.values():
            if self._over.is_set():
                self._give_back(alike)
                continue
            self._draw_alike([one for one in alike if self._ours(one)])

    def _draw_alike(self, alike: Sequence[_Held]) -> None:
        if not alike:
            return
        try:
            found = self._press.given_all(alike[0].work.page, [one.work.words for one in alike])
        except PressError as error:
            if len(alike) == 1:
                self._failed(alike[0], error)
                return
            for one in alike:  # one of them may be at fault
                self._draw_alike([one])
        except (ClinicError, ValueError):
            self._finish([(one.claimed, None) for one in alike])
        else:
            self._finish([
                (one.claimed, press_sealing.seal_result(one.key, one.claimed.id, content))
                for one, content in zip(alike, found, strict=True)
            ])  # fmt: skip

    # ------------------------------------------------------------------ finishing
    def _ours(self, one: _Held) -> bool:
        """Whether it is ours for long enough to draw it."""
        if monotonic() - one.since < press_queue.LEASE.total_seconds() / 3:
            return True
        with writing(self._store.engine).begin() as connection:
            ours = press_queue.renew(connection, one.claimed.id, one.claimed.token, self._now())
        one.since = monotonic()
        return ours

    def _failed(self, one: _Held, error: PressError) -> None:
        """A lost child is nobody's fault, so somebody may try again; a page that breaks a limit will always do."""
        if error.kind == "lost":
            self._give_back([one])
        else:
            self._finish([(one.claimed, None)])

    def _finish(self, results: Sequence[tuple[Claimed, bytes | None]]) -> None:
        if results:
            with writing(self._store.engine).begin() as connection:
                press_queue.finish_all(connection, [(one.id, one.token, sealed) for one, sealed in results])

    def _give_back(self, held: Sequence[_Held]) -> None:
        if held:
            with writing(self._store.engine).begin() as connection:
                for one in held:
                    press_queue.give_back(connection, one.claimed.id, one.claimed.token)

    # ------------------------------------------------------------------ clearing up
    def _tidy(self) -> None:
        """Away with batches that are over; what was claimed and never finished waits again."""
        if monotonic() - self._tidied < TIDY:
            return
        self._tidied, now = monotonic(), self._now()
        with writing(unscoped(self._store.engine, "press")).begin() as connection:
            press_queue.purge(connection, now)
            press_queue.sweep(connection, now)
            press_jobs.renew(connection, now)

    def _now(self) -> datetime:
        return self._store.clock()


def running(store: Store) -> bool:
    """Whether a press room of this process draws for this instance."""
    return any(one.store.engine is store.engine for one in list(_rooms))


@contextmanager
def drawing(store: Store, press: Press) -> Iterator[None]:
    """A press room for as long as it is needed, unless one is there."""
    if running(store):
        yield
        return
    room = PressRoom(store, press)
    room.start()
    try:
        yield
    finally:
        with suppress(SQLAlchemyError):
            room.stop()
