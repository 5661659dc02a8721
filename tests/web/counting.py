"""What one request asks of database and keyholder: counted, not timed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.engine.cursor import CursorFetchStrategy

from clinic.persistence.keyholder import Keyholder

BEGINS = ("BEGIN", "BEGIN IMMEDIATE")
OF_POSTGRESQL = ("pg_advisory_xact_lock", "set_config")  # who asks, and one writer at a time: no look at a table


@dataclass
class Counted:
    """SQL of the web process and of the keyholder, rows that came out of both, and the keyholder's methods asked."""

    statements: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    rows: int = 0
    parameters: list[Any] = field(default_factory=list, repr=False)

    @property
    def figures(self) -> tuple[int, int, int]:
        """Statements, rows, calls of the keyholder."""
        return len(self.statements), self.rows, len(self.asked)


class Watched:
    """A keyholder whose calls are counted; `now` is the list they go to, or None."""

    def __init__(self, keyholder: Keyholder) -> None:
        self.keyholder = keyholder
        self.now: Counted | None = None
        ask, give = keyholder._who, keyholder.give  # what `who` and `open` ask once a request
        keyholder._who = lambda token: self._noted("who") or ask(token)  # type: ignore[method-assign]
        keyholder.give = lambda *asked: self._noted("give") or give(*asked)  # type: ignore[method-assign]

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.keyholder, name)
        if callable(found) and name not in ("who", "open"):
            self._noted(name)
        return found

    def _noted(self, name: str) -> None:
        if self.now is not None:
            self.now.asked.append(name)


@contextmanager
def counted(watched: Watched, engines: tuple[Engine, ...]) -> Iterator[Counted]:
    """Count until the end of the block."""
    found = Counted()

    def sent(_c: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        if statement not in BEGINS and not any(word in statement for word in OF_POSTGRESQL):
            found.statements.append(statement)
            found.parameters.append(parameters)

    patch = pytest.MonkeyPatch()
    for name in ("fetchall", "fetchmany", "fetchone"):
        patch.setattr(CursorFetchStrategy, name, _fetching(getattr(CursorFetchStrategy, name), found))
    for engine in engines:
        event.listen(engine, "before_cursor_execute", sent)
    watched.now = found
    try:
        yield found
    finally:
        watched.now = None
        for engine in engines:
            event.remove(engine, "before_cursor_execute", sent)
        patch.undo()


def _fetching(method: Any, found: Counted) -> Any:
    def fetch(*arguments: Any, **named: Any) -> Any:
        rows = method(*arguments, **named)
        found.rows += len(rows) if isinstance(rows, list) else rows is not None
        return rows

    return fetch
