"""The texts that records were sealed under: written at install and upgrade, read for ever."""

import hashlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from clinic.domain.definition import Definition, stored
from clinic.persistence.models import DefinitionText
from clinic.persistence.sealing import Damaged

_READ: Final = "clinic_texts"  # in `Session.info`


def write(session: Session, definitions: Iterable[Definition]) -> None:
    """Store the texts that are not there yet; all at once, so that none tells what is in use."""
    there = set(session.scalars(select(DefinitionText.sha)))
    for one in definitions:
        if one.sha not in there:
            session.add(DefinitionText(sha=one.sha, id=one.id, version=one.version, json=one.data))


def read(session: Session, sha: str) -> Definition:
    """The definition with this hash. Raises Damaged when its text is missing or was changed."""
    return read_all(session, [sha])[sha]


def read_all(session: Session, shas: Iterable[str]) -> Mapping[str, Definition]:
    """The same for many, in one statement; what this session has read it does not read again."""
    known: dict[str, Definition] = session.info.setdefault(_READ, {})
    if wanted := {sha for sha in shas if sha not in known}:
        rows = session.execute(select(DefinitionText.sha, DefinitionText.json).where(DefinitionText.sha.in_(wanted)))
        found = {sha: text for sha, text in rows if hashlib.sha256(text.encode()).hexdigest() == sha}
        if found.keys() != wanted:
            raise Damaged
        known |= {sha: _built(text) for sha, text in found.items()}
    return known


@lru_cache(maxsize=256)
def _built(text: str) -> Definition:
    return stored(text)
