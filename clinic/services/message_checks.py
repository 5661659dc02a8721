"""What the checks say of a language's messages, and the warnings that somebody dismissed.

One edit costs one check: what was found of an entry is kept. `look_ahead` checks a language beside the requests.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Thread
from threading import enumerate as threads
from time import sleep
from typing import Final

from sqlalchemy import delete, select

from clinic.domain.errors import NotFound
from clinic.i18n import checks
from clinic.i18n.message import DOMAINS, Entry, Source
from clinic.persistence import audit
from clinic.persistence.models import Account, TranslationWaiver
from clinic.persistence.store import Store
from clinic.services import overlay, translations
from clinic.services.message_groups import Group, on_desk
from clinic.services.unit_of_work import unit_of_work
from clinic.services.workbench import Unit, me, plain, reviews, sized, unit, units

REASON: Final = 300  # characters


@dataclass(frozen=True)
class Finding:
    """What a check says of one message. `by` and `reason`: who dismissed it, and why."""

    said: checks.Finding
    by: str = ""
    reason: str = ""


def findings(tag: str, source: Source, forms: Mapping[str, str]) -> tuple[checks.Finding, ...]:
    """What the checks say of words for a message."""
    return tuple(translations.checked(source, forms, tag)) if any(forms.values()) else ()


# What lists were told: language -> glossary and fonts of that moment, and by message its English, entry and findings.
# An entry is a new object as soon as somebody edits it, so one edit costs one check.
Told = dict[tuple[str, str], tuple[Source, Entry, tuple[checks.Finding, ...]]]
_TOLD: Final[dict[str, tuple[object, Told]]] = {}
_AHEAD: Final[dict[str, tuple[Mapping[str, Entry], ...]]] = {}  # what was looked at ahead
BITE, BREATH = 10, 0.01  # messages, seconds: between bites the requests have their turn


def _told(tag: str) -> tuple[Callable[[Unit], tuple[checks.Finding, ...]], Told]:
    stamp, check = translations.checker(tag)
    held = _TOLD.get(tag)
    if held is None or held[0] != stamp:
        held = _TOLD[tag] = (stamp, {})

    def run(one: Unit) -> tuple[checks.Finding, ...]:
        return tuple(check(one.source, one.entry.forms)) if any(one.entry.forms.values()) else ()

    return run, held[1]


def _of_unit(one: Unit, run: Callable[[Unit], tuple[checks.Finding, ...]], told: Told) -> tuple[checks.Finding, ...]:
    at = (one.source.domain, one.source.key)
    held = told.get(at)
    if held is None or held[1] is not one.entry or held[0] != one.source:
        held = told[at] = (one.source, one.entry, run(one))
    return held[2]


def look_ahead(store: Store, tag: str) -> Thread:
    """Check a whole language beside the requests, so that the first list of failing checks need not wait for it."""
    name = f"checks-{tag}"
    running = next((one for one in threads() if one.name == name), None)
    if running is not None:
        return running
    now = tuple(overlay.entries(store, tag, domain) for domain in DOMAINS)
    seen = _AHEAD.get(tag, ())
    same = len(seen) == len(now) and all(one is other for one, other in zip(seen, now, strict=True))
    found = [] if same else [one for within in on_desk(store).values() for one in units(store, tag, within)]
    _AHEAD[tag] = now
    thread = Thread(target=_ahead, args=(tag, found), name=name, daemon=True)
    thread.start()
    return thread


def _ahead(tag: str, found: Sequence[Unit]) -> None:
    run, told = _told(tag)
    for n, one in enumerate(found):
        _of_unit(one, run, told)
        if not n % BITE:
            sleep(BREATH)


def forms_sha(forms: Mapping[str, str]) -> str:
    """What a dismissed warning belongs to: it falls when the words change."""
    return hashlib.sha256(json.dumps(sorted(forms.items()), ensure_ascii=False).encode()).hexdigest()


def checked(store: Store, tag: str, source: Source, forms: Mapping[str, str]) -> list[Finding]:
    """The findings with what was dismissed, blocking ones first."""
    found = findings(tag, source, forms)
    held = _waivers(store, tag, source.domain, source.key).get((source.key, forms_sha(forms)), {}) if found else {}
    made = [Finding(one, *held.get(one.check, ("", ""))) for one in found]
    return sorted(made, key=lambda one: (one.said.tier, bool(one.by)))


def failing(store: Store, tag: str, within: Group) -> Callable[[Unit], bool]:
    """Whether a message has a finding that nobody dismissed."""
    held, told = _waivers(store, tag, within.domain), _told(tag)

    def fails(one: Unit) -> bool:
        found = _of_unit(one, *told)
        let = held.get((one.source.key, forms_sha(one.entry.forms)), {}) if found else {}
        return any(each.tier == "block" or each.check not in let for each in found)

    return fails


Let = dict[tuple[str, str], dict[str, tuple[str, str]]]


def _waivers(store: Store, tag: str, domain: str, key: str = "") -> Let:
    """By key and words: check -> who dismissed it, and why."""
    rows = TranslationWaiver
    wanted = select(rows, Account.display).join(Account, Account.id == rows.account_id)
    wanted = wanted.where(rows.locale == tag, rows.domain == domain)
    found: Let = {}
    with unit_of_work(store) as session:
        for row, name in session.execute(wanted.where(rows.key == key) if key else wanted):
            found.setdefault((row.key, row.forms_sha), {})[row.check] = (name, row.reason)
    return found


def dismiss(store: Store, token: str, tag: str, source: Source, check: str, reason: str) -> None:
    """Put a warning about the standing words aside, with a reason. A blocking check cannot be. Invalid, NotFound."""
    reviews(store, token, tag)
    forms = unit(store, tag, source).entry.forms
    if not any(one.check == check and one.tier == "warn" for one in findings(tag, source, forms)):
        raise NotFound
    sized("reason", reason, REASON)
    one = TranslationWaiver
    message = {"locale": tag, "domain": source.domain, "key": source.key, "check": check}
    who, when = me(store, token), store.clock()
    made = one(**message, forms_sha=forms_sha(forms), reason=plain(reason), account_id=who, at=when)
    with unit_of_work(store, token, write=True) as session:
        audit.note(session, "translation.dismissed", locale=tag, message=source.ref, check=check)
        session.execute(delete(one).where(*(getattr(one, name) == value for name, value in message.items())))
        session.add(made)
