"""Failed tries are counted in the database, by account and address and by address alone, and make the next one wait.

By account alone would let anybody lock a counsellor out; only who has the password already is counted that way too.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from clinic.domain.errors import TooMany
from clinic.persistence.models import Throttle
from clinic.persistence.store import Store

# Failures before waiting begins, by what is counted.
FREE_TRIES: Final = {"account": 5, "address": 20, "codes": 30}
LONGEST_WAIT: Final = 900  # s
FORGIVEN: Final = timedelta(hours=1)

Tags = Mapping[str, bytes]


def tags(store: Store, what: str, account: str, address: str, alone: bool = False) -> Tags:
    """What a try is counted under. `what`: password or code; `alone`: also by account, wherever it comes from."""
    of = store.keyholder.throttle_tag
    first = of(account, address) if what == "password" else of(what, account, address)
    found = {"account": first, "address": of(address)}
    return found | {"codes": of(what, account)} if alone else found


def count(session: Session, found: Tags, now: datetime) -> None:
    """Count a try before it is looked at, so that many at once do not pass for one. Raises TooMany."""
    for kind, tag in found.items():
        _count(session, tag, FREE_TRIES[kind], now)


def forgive(session: Session, found: Tags) -> None:
    """It was right: the account's count goes, the address has one failure less."""
    for kind, tag in found.items():
        if kind == "address":
            session.execute(update(Throttle).where(Throttle.key == tag).values(fails=Throttle.fails - 1))
        else:
            session.execute(delete(Throttle).where(Throttle.key == tag))


def _count(session: Session, tag: bytes, free: int, now: datetime) -> None:
    # Made if it is not there, and locked if it is: two at once count in one row, and nobody takes it away meanwhile.
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    made = insert(Throttle).values(key=tag, fails=0, until=now)
    session.execute(made.on_conflict_do_update(index_elements=[Throttle.key], set_={"key": tag}))
    row = session.get_one(Throttle, tag, populate_existing=True)
    if now < row.until:
        raise TooMany
    if now - row.until > FORGIVEN:
        row.fails = 0
    row.fails += 1
    row.until = now
    if row.fails >= free:
        row.until = now + timedelta(seconds=min(LONGEST_WAIT, 2 ** min(row.fails - free + 3, 20)))
