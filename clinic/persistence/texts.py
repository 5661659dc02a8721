"""The texts that records were sealed under: written at install and upgrade, read for ever."""

import hashlib
from collections.abc import Iterable
from functools import lru_cache

from sqlalchemy import select
from sqlalchemy.orm import Session

from clinic.domain.definition import Definition, stored
from clinic.persistence.models import DefinitionText
from clinic.persistence.sealing import Damaged


def write(session: Session, definitions: Iterable[Definition]) -> None:
    """Store the texts that are not there yet; all at once, so that none tells what is in use."""
    there = set(session.scalars(select(DefinitionText.sha)))
    for one in definitions:
        if one.sha not in there:
            session.add(DefinitionText(sha=one.sha, id=one.id, version=one.version, json=one.data))


def read(session: Session, sha: str) -> Definition:
    """The definition with this hash. Raises Damaged when its text is missing or was changed."""
    text = session.scalar(select(DefinitionText.json).where(DefinitionText.sha == sha))
    if text is None or hashlib.sha256(text.encode()).hexdigest() != sha:
        raise Damaged
    return _built(text)


@lru_cache(maxsize=256)
def _built(text: str) -> Definition:
    return stored(text)
