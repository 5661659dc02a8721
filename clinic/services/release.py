"""The only way down (DECISIONS D1): one partner's answer, word for word, given to both with that partner's consent.

The counsellor picks an answer of a finished record, or the course of an aim, sees exactly what both would read, notes
the consent, and a copy is sealed as a joint record of its own. Only a partner's own part can be let go, and only as
theirs: what staff wrote, and what the other said, is not on offer. It can be taken back: from then on nobody reads it.
While no pages together are allowed (level hold or not decided, a rule that stops all of them, “not today”), nothing is
let go: a yes given in fear is none.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from clinic.domain import release
from clinic.domain import ruling as rulings
from clinic.domain.answer import Leaf, leaves, row_ids, shown, spread
from clinic.domain.course import Points, courses, rated
from clinic.domain.definition import Placed, Text
from clinic.domain.errors import Conflict, Invalid, NotFound, Refused
from clinic.domain.facts import PARTNERS, Partner
from clinic.domain.release import RELEASED, Released
from clinic.domain.rules import EVERY
from clinic.domain.ruling import Ruling
from clinic.i18n.catalogue import Catalogue
from clinic.i18n.locales import SOURCE
from clinic.persistence import audit
from clinic.persistence.keyholder import Head, KeyView
from clinic.persistence.models import Case, Part
from clinic.persistence.store import Store
from clinic.services import cases, records, spoken
from clinic.services import records_parts as parts
from clinic.services.definitions import library
from clinic.services.readiness import readiness
from clinic.services.records_parts import Opened
from clinic.services.rulings import opened as as_opened
from clinic.services.unit_of_work import current, ident, unit_of_work

TOGETHER: Final = frozenset({"light", "full"})  # levels at which something may be read by both
MOST_POINTS: Final = 60  # of one aim: what the table of a release holds; the newest count


@dataclass(frozen=True)
class Offer:
    """One thing that may be let go. `place` names it in its record; `text` is what both would read, word for word.

    An aim has its id and points instead of a text. `seen` stands for exactly this content: who agrees, agrees to that.
    `shared`: it stands released as it is.
    """

    place: str
    owner: Partner
    text: str = field(default="", repr=False)
    aim: str = ""
    points: Points = field(default=(), repr=False)
    shared: bool = False

    @property
    def seen(self) -> str:
        """A hash of what is shown."""
        points = ";".join(f"{day.isoformat()}={rating}" for day, rating in self.points)
        return hashlib.sha256("\0".join((self.owner, self.place, self.text, self.aim, points)).encode()).hexdigest()


@dataclass(frozen=True)
class Offers:
    """What may be let go of one record. `locale` is its owner's: the texts are in that language. `open`: today."""

    record: str
    case: str
    title: Text
    day: date
    locale: str
    offers: tuple[Offer, ...]
    open: bool


# --------------------------------------------------------------------------- what is on offer
def of_record(store: Store, token: str, record_id: str) -> Offers:
    """The answers of a finished record that belong to one partner alone. Raises NotFound (also: it has none)."""
    with unit_of_work(store, token) as session:
        source, view = parts.find(store, session, token, record_id)
        return _of_record(store, session, view, source)


def _of_record(store: Store, session: Session, view: KeyView, source: Opened) -> Offers:
    every = parts.all_opened(session, view)
    if not source.row.signed or any(one.head.supersedes == str(source.row.id) and one.row.signed for one in every):
        raise NotFound
    card = card_of(session, view)
    answers, _ = parts.opened_parts(view, source.head, source.parts.values())
    placed = [one for one in shown(source.definition, source.head.about, answers) if one.scope in PARTNERS]
    if not any(one.name in answers for one in placed):
        raise NotFound
    gone = {(one.of, one.place) for one in stands(view, every)}
    tongues = {one.scope: _printable(store, source, _language(card, one.scope)) for one in placed}
    offers = tuple(
        replace(offer, shared=(str(source.row.id), offer.place) in gone)
        for one in placed
        if one.name in answers
        for offer in _items(one, answers[one.name], spoken.book(store, tongues[one.scope]))
    )
    day = date.fromisoformat(source.head.held_on)
    title, tongue = source.definition.title, tongues[placed[0].scope]
    return Offers(str(source.row.id), str(view.case_id), title, day, tongue, offers, together(store, card))


def _printable(store: Store, source: Opened, tag: str) -> str:
    """A language whose questions may stand on paper; English while the sheet that they are from may not print in it."""
    book = spoken.book(store, tag)
    return tag if readiness(source.definition, tag, store.settings.print_when, book).printable else SOURCE


def _items(placed: Placed, answer: Any, words: Catalogue) -> Iterator[Offer]:
    """Each row, question or single answer of a block by itself: nobody has to give more than they want."""
    block, values = placed.block, spread(placed.block, answer)
    question = words.text(next((one for one in (block.label, block.stem, placed.section.title) if one), block.label))
    rows: dict[str, list[Leaf]] = {}
    for leaf in leaves(block, row_ids(block, answer)):
        if leaf.path in values:
            whole = block.kind == "date" or leaf.path in ("", "other")
            rows.setdefault("" if whole else leaf.path.split(".")[0], []).append(leaf)
    for item, found in rows.items():
        row = next((words.text(leaf.row.label) for leaf in found if leaf.row), "")
        lines = [" – ".join(one for one in (question, row) if one)]
        lines += [_line(leaf, values[leaf.path], words) for leaf in found]
        owner: Partner = "a" if placed.scope == "a" else "b"
        yield Offer(f"{placed.name}.{item}" if item else placed.name, owner, "\n".join(one for one in lines if one))


def _line(leaf: Leaf, value: Any, words: Catalogue) -> str:
    """One value in words, after its own question if it has one."""
    options = {option.id: words.text(option.label) for option in leaf.options}
    chosen = value if isinstance(value, list) else [value]
    said = "✓" if value is True else ", ".join(options.get(one, str(one)) for one in chosen)
    label = words.text(leaf.label.label) if leaf.label and leaf.label is not leaf.row else ""
    return f"{label}: {said}" if label else said


def aims_of(view: KeyView, every: list[Opened]) -> tuple[Offer, ...]:
    """The course of every aim that a partner rated, each partner's own, from the records of a staff view."""
    found = courses(
        as_opened(one.definition, one.head, one.row.signed, parts.opened_parts(view, one.head, one.parts.values())[0])
        for one in in_force(every)
    )
    standing = {(one.owner, one.aim): one.points for one in stands(view, every) if one.aim}
    return tuple(
        Offer(f"aims.{aim}", who, aim=aim, points=points, shared=standing.get((who, aim)) == points)
        for who in PARTNERS
        for aim, course in found[who].items()
        if (points := rated(course)[-MOST_POINTS:])
    )


# --------------------------------------------------------------------------- letting go
def release_answer(
    store: Store, token: str, record_id: str, place: str, seen: str, agreed: bool, day: date | None
) -> str:
    """Give one answer to both; the id of the joint record. `day`: when its owner agreed, in private, to this text.

    Raises NotFound (no such answer, or not a partner's own), Invalid (agreed, day), Conflict (it is not what was
    shown, or shared already), Refused (the level).
    """
    with unit_of_work(store, token, write=True) as session:
        source, view = parts.find(store, session, token, record_id, lock=True, verb="release.made")
        found = _of_record(store, session, view, source)
        offer = next((one for one in found.offers if one.place == place), None)
        if offer is None:
            raise NotFound
        agreed_on = _consent(store, agreed, day, found.day)
        if not found.open:
            raise Refused
        if offer.seen != seen or offer.shared:
            raise Conflict
        return _seal(store, session, view, offer, agreed_on, found.record)


def release_aim(
    store: Store, token: str, case_id: str, owner: Partner, aim: str, seen: str, agreed: bool, day: date | None
) -> str:
    """Give the course of one partner's aim to both; it takes the place of an older course of the same. Raises alike."""
    with unit_of_work(store, token, write=True) as session:
        audit.note(session, "release.made", case=case_id)
        view = store.keyholder.open(token, ident(case_id), "staff")
        cases.locked(session, view.case_id)  # of two at one moment the second finds the first
        every = parts.all_opened(session, view)
        offer = next((one for one in aims_of(view, every) if (one.owner, one.aim) == (owner, aim)), None)
        if offer is None:
            raise NotFound
        agreed_on = _consent(store, agreed, day, offer.points[-1][0])
        if not together(store, card_of(session, view)):
            raise Refused
        if offer.seen != seen or offer.shared:
            raise Conflict
        old = next((one.record for one in stands(view, every) if (one.owner, one.aim) == (owner, aim)), "")
        days = {day for day, _ in offer.points}
        sources = [str(one.row.id) for one in in_force(every) if _rates(one, owner) and _day(one.head) in days]
        return _seal(store, session, view, offer, agreed_on, " ".join(sources), old)


def _rates(one: Opened, owner: Partner) -> bool:
    return any(one_.block.feeds == "aims" and one_.scope == owner for one_ in one.definition.placed(one.head.about))


def _consent(store: Store, agreed: bool, day: date | None, since: date) -> date:
    """The day of the yes: not before there was anything to agree to, and none to come."""
    wrong = {} if agreed else {"agreed": "required"}
    if day is None or not since <= day <= store.today():
        wrong["day"] = "required" if day is None else "not_a_date"
    if wrong or day is None:
        raise Invalid(wrong)
    return day


def _seal(
    store: Store, session: Session, view: KeyView, offer: Offer, agreed_on: date, source: str, old: str = ""
) -> str:
    """The copy, with where it comes from in the staff part."""
    copy = Released("", offer.owner, agreed_on, offer.text, offer.aim, offer.points)
    answers = {**release.answers(copy), "origin": {"record": source, "place": offer.place}}
    return records.at_once(store, session, view, current(store, RELEASED), "couple", answers, old)


# --------------------------------------------------------------------------- taking back
def take_back(store: Store, token: str, record_id: str) -> str:
    """Nobody reads a release any more: its place is taken by an empty one. The case's id.

    No reason is asked. Raises NotFound (it is none), Conflict (it is gone already).
    """
    with unit_of_work(store, token, write=True) as session:
        found, view = parts.find(store, session, token, record_id, lock=True, verb="release.taken_back")
        if found.head.definition != RELEASED:
            raise NotFound
        if not any(one.record == str(found.row.id) for one in stands(view, parts.all_opened(session, view))):
            raise Conflict
        end(store, session, view, str(found.row.id))
        return str(view.case_id)


def end(store: Store, session: Session, view: KeyView, record_id: str) -> None:
    """Put an empty release in the place of one, inside a unit of work."""
    answers = {"gone": {"day": store.today().isoformat()}}
    records.at_once(store, session, view, current(store, RELEASED), "couple", answers, record_id)


# --------------------------------------------------------------------------- what stands
@dataclass(frozen=True)
class Stands(Released):
    """A release that nobody took back, with where it came from. For the staff layer."""

    of: str = ""
    place: str = ""


def stands(view: KeyView, every: list[Opened]) -> list[Stands]:
    """Releases in force, the oldest first, from the records of a staff view."""
    found = []
    for one in in_force(every):
        if one.head.definition == RELEASED and one.row.signed:
            answers, _ = parts.opened_parts(view, one.head, one.parts.values())
            copy, origin = release.read(answers, str(one.row.id), _day(one.head)), answers.get("origin", {})
            if copy is not None:
                whole = (copy.record, copy.owner, copy.day, copy.text, copy.aim, copy.points)
                found.append(Stands(*whole, origin.get("record", ""), origin.get("place", "")))
    return found


def for_both(store: Store, token: str, case_id: str, sheet: str) -> dict[str, str | int]:
    """What stands released, as the leaves of a `shared` block, for a page that both get. Raises Refused (the gate).

    Opened with the joint key alone: the answers that it was copied from are out of reach here.
    """
    with unit_of_work(store, token) as session:
        audit.note(session, "print.view", case=case_id, recipient="joint")
        view = store.keyholder.open(token, ident(case_id), "sheet:joint", sheet, "joint")
        return release.values(read(session, view))


def read(session: Session, view: KeyView) -> tuple[Released, ...]:
    """The releases that a view of the joint key finds standing, the oldest first."""
    found = []
    for head in sorted(records.standing(view.heads), key=lambda one: (one.held_on, one.created)):
        if head.definition == RELEASED:
            mine = select(Part).where(Part.record_id == head.record, Part.key_id.in_(view.key_ids))
            answers, _ = parts.opened_parts(view, head, session.scalars(mine).all())
            one = release.read(answers, str(head.record), _day(head))
            found += [one] if one else []
    return tuple(found)


# --------------------------------------------------------------------------- inside
def in_force(every: list[Opened]) -> list[Opened]:
    """Records that no signed correction has taken the place of."""
    old = {one.head.supersedes for one in every if one.row.signed}
    return [one for one in every if str(one.row.id) not in old]


def card_of(session: Session, view: KeyView) -> Mapping[str, Any]:
    """The case card of a staff view."""
    return view.open_card(session.get_one(Case, view.case_id))


def _language(card: Mapping[str, Any], owner: str) -> str:
    return str(card.get("partners", {}).get(owner, {}).get("language") or "en")


def together(store: Store, card: Mapping[str, Any]) -> bool:
    """Whether level and rules allow today that both read something new of each other."""
    ruling, today = Ruling.from_data(card.get("ruling") or {}), store.today()
    stopped = EVERY in ruling.closed.get("joint", (EVERY,)) or ruling.not_today == today.isoformat()
    return not stopped and rulings.level_on(ruling, today) in TOGETHER


def _day(head: Head) -> date:
    return date.fromisoformat(head.held_on)


def aim_text(aim: str) -> Text:
    """The sentence of an aim that people rate."""
    try:
        return library().get("aims", aim).texts["people"]
    except KeyError:
        return Text("", aim)  # an aim of an older library
