"""One unit of work: one transaction, one purpose, and errors that a person can read."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from clinic.domain.definition import Definition
from clinic.domain.errors import ClinicError, NotFound
from clinic.persistence.keyholder import request
from clinic.persistence.store import Store
from clinic.services.shelf import on_shelf


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
def unit_of_work(store: Store, write: bool = False) -> Iterator[Session]:
    """A session for one service. With `write` it commits at the end, unless something was raised.

    Every view opened inside is for one purpose and closes with it. A writer locks from its first statement on,
    so what it has read still holds when it writes.
    """
    engine = store.engine.execution_options(write=True) if write else store.engine
    with request(), Session(engine, expire_on_commit=False) as session:
        try:
            yield session
            if write:
                session.commit()
        except OperationalError as error:
            session.rollback()
            raise _plain(error) from None


def _plain(error: OperationalError) -> Exception:
    text = str(error.orig).lower()
    if "locked" in text or "busy" in text or "lock timeout" in text or "deadlock" in text:
        return Busy()
    return StoreFull() if "full" in text or "no space" in text else error


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
