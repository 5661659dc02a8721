"""One unit of work: one transaction, one account, one purpose, its audit, and errors that a person can read."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import CursorResult
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from clinic.domain.definition import Definition
from clinic.domain.errors import ClinicError, Denied, NotFound, Refused, SecondPerson, StepUp
from clinic.persistence import audit
from clinic.persistence.keyholder import request
from clinic.persistence.keyview import forget_asked
from clinic.persistence.scope import Scope, ScopedSession
from clinic.persistence.store import Store
from clinic.services.shelf import on_shelf

audit.listen(ScopedSession)

_TOGETHER: Final[ContextVar[audit.Book | None]] = ContextVar("together", default=None)
REFUSALS = (NotFound, Denied, Refused, StepUp, SecondPerson)


class Busy(ClinicError):
    """Another writer held the store for more than ten seconds."""

    http = 503

    def __init__(self) -> None:
        super().__init__("busy")


class StoreFull(ClinicError):
    """The disk is full; nothing was stored."""

    http = 503

    def __init__(self) -> None:
        super().__init__("store_full")


@contextmanager
def unit_of_work(
    store: Store, token: str | None = None, *, write: bool = False, couple: UUID | None = None, unscoped: str = ""
) -> Iterator[Session]:
    """A session for one service: with `write` it commits at the end, unless something was raised.

    It sees the cases of the token's account; without a token it sees no case at all, and with `unscoped`, one of
    `scope.REASONS`, all of them. `couple`: the case of a session in couple view. Every view opened inside is for one
    purpose and closes with it. A writer locks from its first statement on, so what it has read still holds when it
    writes. What was noted is written before the result leaves, and so is a refusal. Raises SignIn, Locked.
    """
    with request():
        scope = _scope(store, token, couple)
        engine = store.engine.execution_options(write=True) if write else store.engine
        with ScopedSession(engine, scope, unscoped) as session:
            book = audit.open_book(session, scope.account if scope else None)
            held = _TOGETHER.get()
            if held is not None:
                book.seen |= held.seen
            try:
                yield session
                if write:
                    session.flush()
                    wrote = _append(store, session, held)
                    session.commit()
                    forget_asked()
                    if held is not None and wrote:
                        held.entries = []
            except REFUSALS as error:
                session.rollback()
                forget_asked()
                if scope is not None:
                    audit.denied(book, type(error).__name__)
                    _alone(store, book)
                raise
            except OperationalError as error:
                session.rollback()
                forget_asked()
                raise _plain(error) from None
        if not write:
            _alone(store, book)
        if write or _TOGETHER.get() is None:
            audit.remember(book)


def changed(session: Session, statement: Any) -> bool:
    """Run an UPDATE or DELETE; whether it met a row. Objects of such rows that were read before do not know of it."""
    done = session.execute(statement, execution_options={"synchronize_session": False})
    return cast("CursorResult[Any]", done).rowcount > 0


@contextmanager
def noted_together(store: Store) -> Iterator[None]:
    """What units inside note and do not write themselves is written when this ends, whatever ends it, in one go.

    For views one after the other: of a page before it is sent, or each in a request of its own. Nothing of what they
    opened may be handed over before the end: if it cannot be noted, this raises, and if the process dies, nothing
    left it. A unit that writes takes with it, in its transaction, what was noted before it.
    """
    if _TOGETHER.get() is not None:
        yield
        return
    book = audit.Book(None)
    mark = _TOGETHER.set(book)
    try:
        yield
    finally:
        _TOGETHER.reset(mark)
        _alone(store, book)
        audit.remember(book)


def _scope(store: Store, token: str | None, couple: UUID | None) -> Scope | None:
    if token is None:
        return None
    if couple is not None:  # only the keyholder knows whether this session may still see this case
        view = store.keyholder.open(token, couple, "couple")
        return Scope(view.account, "counsellor", store.today())
    who = store.keyholder.who(token)
    return Scope(who.account, who.role, store.today())


def _append(store: Store, session: Session, held: audit.Book | None = None) -> bool:
    """Write what was noted, after what was noted before it and not written yet. Whether there was anything."""
    before = held.entries if held is not None else ()
    if not (before or audit.pending(session)):
        return False
    audit.append(session, store.keyholder, store.clock(), store.today(), before)
    return True


def _alone(store: Store, book: audit.Book) -> None:
    """Write what a unit noted that wrote nothing itself. What cannot be noted does not happen."""
    if not book.entries:
        return
    if (together := _TOGETHER.get()) is not None:
        audit.take(together, book)
        return
    with ScopedSession(store.engine.execution_options(write=True), None) as session:
        audit.reopen(session, book)
        try:
            _append(store, session)
            session.commit()
        except OperationalError as error:
            session.rollback()
            raise _plain(error) from None


def _plain(error: OperationalError) -> Exception:
    text = str(error.orig).lower()
    if "locked" in text or "busy" in text or "lock timeout" in text or "deadlock" in text:
        return Busy()
    return StoreFull() if "full" in text or "no space" in text else error


def writes(session: Session) -> bool:
    """Whether this unit writes: then it reads what is there now, and nothing that was read before."""
    return bool(session.get_bind().get_execution_options().get("write"))


def ident(text: str | UUID) -> UUID:
    """An id from an address or a command line. NotFound if it is none: unknown, foreign and broken answer alike."""
    if isinstance(text, UUID):
        return text
    try:
        return UUID(text)
    except (ValueError, AttributeError, TypeError):
        raise NotFound from None


def current(store: Store, id_: str) -> Definition:
    """The definition that new records begin with. NotFound if there is none."""
    return store.shelf(id_) if store.shelf is not None else on_shelf(store, id_)
