"""How long a session lives, and when it locks by itself: the one place that says so, for services and keyholder."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, and_, or_

from clinic.persistence.models import SignedIn

IDLE: Final = timedelta(minutes=10)  # without a request; then it is locked, not over
ABSOLUTE: Final = timedelta(hours=12)
FRESH: Final = timedelta(minutes=5)  # how long a proof of identity holds for an act that needs one
FILE_DAYS: Final = 90
FILE: Final = "cli"  # the kind of a session whose token lies in a file for the command line
LIVES: Final = {"password": timedelta(minutes=5), "enrol": timedelta(minutes=15), "full": ABSOLUTE}


def over(row: SignedIn, now: datetime) -> bool:
    """Whether a session is too old for its stage."""
    return now - row.created >= (timedelta(days=FILE_DAYS) if row.kind == FILE else LIVES.get(row.stage, ABSOLUTE * 0))


def asleep(row: SignedIn, now: datetime) -> bool:
    """Whether it is locked: by its owner, or because nobody came for ten minutes. A token file does not fall asleep."""
    return row.locked or (row.kind != FILE and now - row.seen >= IDLE)


def all_over(now: datetime) -> ColumnElement[bool]:
    """The same as `over`, for a statement."""
    stages = [and_(SignedIn.stage == stage, SignedIn.created <= now - life) for stage, life in LIVES.items()]
    files = and_(SignedIn.kind == FILE, SignedIn.created <= now - timedelta(days=FILE_DAYS))
    return or_(files, and_(SignedIn.kind != FILE, or_(*stages)))
