"""What the workbench shows of a language: how far each group has come, and one message with all about it.

Everything here asks first whether the account has a right for the language; without one there is nothing (NotFound).
Writing words and marking them is the overlay's; comments are kept here.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Final, Literal
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from clinic.domain.definition import Text, hidden
from clinic.domain.errors import Invalid, NotFound
from clinic.i18n import plurals
from clinic.i18n.catalogue import NOTHING
from clinic.i18n.glossary import Term, hits
from clinic.i18n.locales import NAMES, SOURCE, translated
from clinic.i18n.message import DOMAINS, STATES, VARIANT, Domain, Entry, Source, State, neutral, state_now, variants
from clinic.persistence import audit
from clinic.persistence.keyholder import Who
from clinic.persistence.models import Account, TranslationComment
from clinic.persistence.store import Store
from clinic.services import overlay, translations, translators
from clinic.services.definitions import definitions
from clinic.services.message_groups import LISTS, Group, own_groups
from clinic.services.unit_of_work import ident, unit_of_work

Filter = Literal["all", "todo", "untranslated", "changed", "failing", "review", "mine"]
FILTERS: Final[tuple[Filter, ...]] = ("all", "todo", "untranslated", "changed", "failing", "review", "mine")
UNFINISHED: Final = frozenset({"untranslated", "changed"})
COMMENT: Final = 1000  # characters
LISTED: Final = 100  # rows of a list on one page


@dataclass(frozen=True, slots=True)
class Unit:
    """One message of a language. `state` is that beside the present English."""

    source: Source
    entry: Entry
    state: State

    @property
    def ref(self) -> str:
        return self.source.ref

    @property
    def open(self) -> bool:
        """Whether it waits for words that somebody can give it here. A variant may stay empty."""
        return self.state in UNFINISHED and not (self.source.guard or self.source.variant)

    @property
    def text(self) -> str:
        """The words, of a plural its `other` form."""
        return self.entry.text


@dataclass(frozen=True)
class Place:
    """Where a message is met: the sentences that lead there, and what it is there (`part`)."""

    trail: tuple[Text, ...]
    part: str


@dataclass(frozen=True)
class Comment:
    """A remark about one message, under its writer's name."""

    by: str
    at: datetime
    text: str


# --------------------------------------------------------------------------- who may
def languages(store: Store, token: str) -> Mapping[str, bool]:
    """The languages this account works on, and whether it reviews there."""
    return _known(overlay.rights(store, token))


def languages_of(session: Session, who: Who) -> Mapping[str, bool]:
    """The same in an open unit."""
    return _known(translators.held(session, who))


def _known(held: Mapping[str, bool]) -> dict[str, bool]:
    known = {one.tag for one in translated()} if held else frozenset[str]()
    return {tag: bool(may) for tag, may in held.items() if tag in known and tag != SOURCE}


def reviews(store: Store, token: str, tag: str) -> bool:
    """Whether this account reviews a language. NotFound for one that it has no right for."""
    held = overlay.rights(store, token)
    if tag not in NAMES or tag == SOURCE or tag not in held:
        raise NotFound
    return bool(held[tag])


# --------------------------------------------------------------------------- how far it has come
def units(store: Store, tag: str, within: Group) -> list[Unit]:
    """The messages of a group, in its order, and those variants that have words."""
    have = overlay.entries(store, tag, within.domain)
    spoken = {neutral(key) for key in have if VARIANT in key} if within.domain == "handouts" else set()
    found = []
    for source in within.sources:
        found.append(_unit(source, have))
        if source.key in spoken:
            found += [_unit(one, have) for one in variants(source) if one.key in have]
    return found


def _unit(source: Source, have: Mapping[str, Entry]) -> Unit:
    entry = have.get(source.key, NOTHING)
    return Unit(source, entry, state_now(entry, source.en))


def unit(store: Store, tag: str, source: Source) -> Unit:
    """One message of a language."""
    return _unit(source, overlay.entries(store, tag, source.domain))


def tally(store: Store, tag: str, within: Iterable[Source], domain: Domain) -> Counter[str]:
    """How many messages stand in each state."""
    have = overlay.entries(store, tag, domain)
    return Counter(state_now(have.get(one.key, NOTHING), one.en) for one in within)


def progress(store: Store, tag: str) -> Mapping[Domain, Counter[str]]:
    """How far a language has come, in each domain."""
    own = {one.key: one for each in own_groups(store).values() for one in each.sources}
    wanted: Mapping[Domain, Mapping[str, Source]] = {"handouts": own, "messages": {}}
    return {
        domain: tally(store, tag, {**wanted[domain], **translations.sources(domain)}.values(), domain)
        for domain in DOMAINS
    }


def share(counted: Mapping[str, int], least: State) -> int:
    """Per cent of the messages that stand at least so high, rounded down: 100 means all."""
    total = sum(counted.values())
    high = sum(number for state, number in counted.items() if STATES.index(state) >= STATES.index(least))
    return 100 * high // total if total else 100


def chosen(found: Sequence[Unit], which: Filter, me: str, print_when: str, fails: Callable[[Unit], bool]) -> list[Unit]:
    """The messages that a filter leaves; `fails` says which have a finding. Order as given."""
    if which == "all":
        return list(found)
    if which == "failing":
        return [one for one in found if fails(one)]
    return [one for one in found if which in filters(one, me, print_when)]


def filters(one: Unit, me: str, print_when: str) -> list[Filter]:
    """The filters that leave a message, besides all and failing.

    To review are drafts of others; where only approved sheets print, also what is reviewed.
    """
    state, by = one.state, one.entry.by
    found: list[Filter] = []
    if state in UNFINISHED:
        if one.open:
            found += ["todo", "untranslated"] if state == "untranslated" else ["todo"]
        if state == "changed":
            found.append("changed")
    elif (state == "draft" or (state == "reviewed" and print_when == "approved")) and by != me and not one.source.guard:
        found.append("review")
    if by and by == me:
        found.append("mine")
    return found


def counts(found: Sequence[Unit], me: str, print_when: str) -> Counter[str]:
    """How many messages each filter leaves; of failing checks nothing is said."""
    counted = Counter[str](name for one in found for name in filters(one, me, print_when))
    counted["all"] = len(found)
    return counted


# --------------------------------------------------------------------------- comments and names
def plain(text: str) -> str:
    """A remark without hidden signs, which make it read as another."""
    return "".join(sign for sign in text.replace("\r\n", "\n") if not hidden(sign)).strip()


def sized(name: str, text: str, most: int) -> None:
    """Raises Invalid for a remark that is empty or too long."""
    if not plain(text):
        raise Invalid({name: "required"})
    if len(text) > most:
        raise Invalid({name: "too_long"})


def me(store: Store, token: str) -> UUID:
    """The account of a session."""
    return store.keyholder.who(token).account


def comments(store: Store, token: str, tag: str, source: Source) -> list[Comment]:
    """What was said about a message, the first first."""
    reviews(store, token, tag)
    rows = TranslationComment
    wanted = select(rows, Account.display).join(Account, Account.id == rows.account_id)
    wanted = wanted.where(rows.locale == tag, rows.domain == source.domain, rows.key == source.key)
    with unit_of_work(store, token) as session:
        found = session.execute(wanted.order_by(rows.at)).all()
        return [Comment(name, row.at, row.text) for row, name in found]


def comment(store: Store, token: str, tag: str, source: Source, text: str) -> None:
    """Say something about a message; the same twice in a row is said once. Invalid, NotFound."""
    reviews(store, token, tag)
    sized("comment", text, COMMENT)
    said = plain(text)
    rows, who = TranslationComment, me(store, token)
    with unit_of_work(store, token, write=True) as session:
        audit.note(session, "translation.commented", locale=tag, message=source.ref)
        last = session.scalars(
            select(rows)
            .where(rows.locale == tag, rows.domain == source.domain, rows.key == source.key)
            .order_by(rows.at.desc())
            .limit(1)
        ).first()
        if last is None or last.account_id != who or last.text != said:
            place = {"id": uuid4(), "locale": tag, "domain": source.domain, "key": source.key}
            session.add(rows(**place, account_id=who, at=store.clock(), text=said))


def names(store: Store, token: str, ids: Iterable[str]) -> Mapping[str, str]:
    """Accounts by id under the names that colleagues see; of these only."""
    wanted = {ident(one) for one in ids if one}
    if not wanted:
        return {}
    with unit_of_work(store, token) as session:
        found = session.execute(select(Account.id, Account.display).where(Account.id.in_(wanted)))
        return {str(id_): name for id_, name in found}


# --------------------------------------------------------------------------- context
def place(source: Source, within: Group) -> Place:
    """Where a message of a handout is met; without a trail for words that stand nowhere in particular."""
    if source.domain != "handouts":
        return Place((), "interface")
    head, *rest = neutral(source.key).split(".")
    one = within.own if within.own and within.id == head else definitions().get(head)
    if one is None:
        return Place((), head if head in LISTS else "word")
    trail = [one.title]
    section = next((each for each in one.sections if rest and each.id == rest[0]), None)
    if section is None:
        return Place(tuple(trail), rest[0] if rest else "text")
    block = next((each for each in section.blocks if len(rest) > 1 and each.id == rest[1]), None)
    trail += [text for text in (section.title, block.label if block else None) if text and text.key != source.key]
    if block is None:
        return Place(tuple(trail), f"step_{rest[1]}" if len(rest) > 1 else "text")
    return Place(tuple(trail), rest[2] if len(rest) > 2 else "text")


def also_on(source: Source, within: Group) -> list[Text]:
    """The titles of other definitions where the same sentence stands."""
    ids = _holders().get(neutral(source.key), ())
    return [definitions()[id_].title for id_ in ids if id_ != within.id]


def homes(source: Source) -> tuple[str, ...]:
    """The ids of the definitions that hold a sentence."""
    return _holders().get(neutral(source.key), ())


@cache
def _holders() -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for one in definitions().values():
        for text in one.texts():
            found.setdefault(text.key, []).append(one.id)
    return {key: tuple(ids) for key, ids in found.items()}


def terms(tag: str, source: Source) -> list[Term]:
    """The glossary's terms that the English uses."""
    return list(hits(translations.terms(tag), f"{source.en} {source.plural}"))


def categories(tag: str, source: Source) -> tuple[str, ...]:
    """The forms a message needs: one without a name, or each category of the language's plural."""
    return plurals.categories(tag) if source.plural else ("",)
