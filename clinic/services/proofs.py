"""Approving a whole handout after reading a printed proof of it: the proof falls with every word that changes."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select

from clinic.domain.errors import Denied, Invalid
from clinic.i18n.catalogue import NOTHING
from clinic.persistence import audit
from clinic.persistence.models import TranslationProof
from clinic.persistence.store import Store
from clinic.services import overlay, translations
from clinic.services.message_groups import Group
from clinic.services.unit_of_work import unit_of_work
from clinic.services.workbench import Unit, me, reviews, units


@dataclass(frozen=True)
class Proof:
    """A printed proof of a sheet: still good while no text of it has changed."""

    at: datetime
    good: bool


def fingerprint(store: Store, tag: str, within: Group, keys: Iterable[str]) -> str:
    """Changes with every English and every word of the texts on a proof."""
    have = overlay.entries(store, tag, within.domain)
    known = {**translations.sources(within.domain), **{one.key: one for one in within.sources}}
    on = [(known[key], have.get(key, NOTHING)) for key in sorted(keys) if key in known]
    texts = [(source.key, source.en, sorted(entry.forms.items())) for source, entry in on]
    return hashlib.sha256(json.dumps(texts, ensure_ascii=False).encode()).hexdigest()


def prove(store: Store, token: str, tag: str, within: Group, print_: str) -> None:
    """Note that this reviewer was handed a printed proof with this fingerprint. Denied for others."""
    if not reviews(store, token, tag):
        raise Denied
    rows, who = TranslationProof, me(store, token)
    with unit_of_work(store, token, write=True) as session:
        audit.note(session, "translation.proved", locale=tag, definition=within.id)
        session.execute(delete(rows).where(rows.locale == tag, rows.definition == within.id, rows.account_id == who))
        session.add(rows(locale=tag, definition=within.id, fingerprint=print_, account_id=who, at=store.clock()))


def proof(store: Store, token: str, tag: str, within: Group, print_: str) -> Proof | None:
    """The last proof that this reviewer printed of a sheet; None if there is none."""
    rows = TranslationProof
    mine = select(rows).where(rows.locale == tag, rows.definition == within.id, rows.account_id == me(store, token))
    with unit_of_work(store, token) as session:
        found = session.scalars(mine.order_by(rows.at.desc()).limit(1)).first()
        return Proof(found.at, found.fingerprint == print_) if found else None


def provable(store: Store, token: str, tag: str, within: Group, keys: Iterable[str]) -> tuple[list[Unit], list[Unit]]:
    """Of the texts on a proof: those this reviewer may approve now, and their own, which somebody else must."""
    on = set(keys)
    waits = [one for one in units(store, tag, within) if one.source.key in on and one.state in ("draft", "reviewed")]
    mine = str(me(store, token))
    return [one for one in waits if one.entry.by != mine], [one for one in waits if one.entry.by == mine]


def approve_all(store: Store, token: str, tag: str, within: Group, keys: Iterable[str]) -> int:
    """Approve what stands on this reviewer's printed proof. Invalid if a text has changed since; how many it were."""
    on = tuple(keys)
    if not reviews(store, token, tag):
        raise Denied
    held = proof(store, token, tag, within, fingerprint(store, tag, within, on))
    if held is None or not held.good:
        raise Invalid({"proof": "required"})
    ready, _own = provable(store, token, tag, within, on)
    wanted = [(one.source.domain, one.source.key, one.entry.rev) for one in ready]
    made = overlay.mark_all(store, token, tag, wanted, "approved")
    return sum(isinstance(one, int) for one in made.values())
