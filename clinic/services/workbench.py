"""What the workbench shows of a language: groups of messages, how far each has come, and one message with all about it.

Everything here asks first whether the account has a right for the language; without one there is nothing (NotFound).
Writing words and marking them is the overlay's; comments, dismissed warnings and printed proofs are kept here.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from threading import Thread
from threading import enumerate as threads
from time import sleep
from typing import Final, Literal
from uuid import UUID, uuid4

from sqlalchemy import delete, select

from clinic.domain.definition import Definition, Text, hidden
from clinic.domain.errors import Denied, Invalid, NotFound
from clinic.i18n import checks, extracting, plurals
from clinic.i18n.catalogue import NOTHING
from clinic.i18n.glossary import Term, hits
from clinic.i18n.locales import NAMES, SOURCE, translated
from clinic.i18n.message import DOMAINS, STATES, VARIANT, VARIANTS, Domain, Entry, Source, State, neutral, state_now
from clinic.persistence import audit
from clinic.persistence.models import (
    Account,
    TranslationComment,
    TranslationProof,
    TranslationWaiver,
)
from clinic.persistence.store import Store
from clinic.services import overlay, translations
from clinic.services.definitions import definitions
from clinic.services.shelf import active
from clinic.services.unit_of_work import ident, unit_of_work

Kind = Literal["sheet", "form", "library", "words", "pages"]
Filter = Literal["all", "todo", "untranslated", "changed", "failing", "review", "mine"]
FILTERS: Final[tuple[Filter, ...]] = ("all", "todo", "untranslated", "changed", "failing", "review", "mine")
UNFINISHED: Final = frozenset({"untranslated", "changed"})
COMMENT, REASON = 1000, 300  # characters
LISTED: Final = 100  # rows of a list on one page
LISTS: Final = frozenset("signals mechanisms sources aims steps practices pitfalls strategies suggestion".split())
# Words of the interface by where they are met: folders of templates and modules of clinic/web.
AREAS: Final[Mapping[str, frozenset[str]]] = {
    "pages-every": frozenset("base macros problem closed help pages problems filters doors".split()),
    "pages-sign-in": frozenset("auth account lock session passkeys again".split()),
    "pages-cases": frozenset("cases course formulation appointments why diagram drawing".split()),
    "pages-records": frozenset("records entry forms".split()),
    "pages-print": frozenset("sheets packs homework".split()),
    "pages-desk": frozenset("desk team audit rights".split()),
    "pages-translate": frozenset({"workbench", "workbench_words"}),
}
ELSEWHERE: Final = "pages-other"


@dataclass(frozen=True)
class Group:
    """Messages that are worked on together. `id` stands in addresses; a sheet's or form's is its definition's."""

    id: str
    kind: Kind
    domain: Domain
    sources: tuple[Source, ...] = field(repr=False)
    title: Text | None = None
    own: Definition | None = field(default=None, repr=False)  # of the clinic's own

    @property
    def definition(self) -> Definition | None:
        """The definition of a sheet or a form."""
        return self.own or (definitions().get(self.id) if self.kind in ("sheet", "form") else None)


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


@dataclass(frozen=True)
class Finding:
    """What a check says of one message. `by` and `reason`: who dismissed it, and why."""

    said: checks.Finding
    by: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Proof:
    """A printed proof of a sheet: still good while no text of it has changed."""

    at: datetime
    good: bool


# --------------------------------------------------------------------------- what there is
@cache
def groups() -> Mapping[str, Group]:
    """All groups by id, in the order of the page: sheets, forms, the library, words on paper, the interface."""
    known = translations.sources("handouts")
    made = [_of_definition(one, known) for one in definitions().values()]
    made += _by_list(known, {source.key for group in made for source in group.sources})
    made += _by_area(translations.sources("messages"))
    return {group.id: group for group in made if group.sources}


def _of_definition(one: Definition, known: Mapping[str, Source]) -> Group:
    kind: Kind = "sheet" if one.recipients else "form"
    found = tuple(known[text.key] for text in one.texts() if text.key in known)
    return Group(one.id, kind, "handouts", found, one.title)


def _by_list(known: Mapping[str, Source], placed: set[str]) -> list[Group]:
    """The library by list, and what stands on every sheet and in every error."""
    found: dict[str, list[Source]] = {}
    for key, source in known.items():
        head = key.split(".")[0]
        if head in LISTS:
            found.setdefault(f"library-{head}", []).append(source)
        elif key not in placed and not source.variant:
            found.setdefault("words-sheet" if head in ("sheet", "calendar") else "words-errors", []).append(source)
    kinds: Mapping[str, Kind] = {"library": "library", "words": "words"}
    return [Group(id_, kinds[id_.split("-")[0]], "handouts", tuple(them)) for id_, them in sorted(found.items())]


def _by_area(known: Mapping[str, Source]) -> list[Group]:
    areas = {stem: area for area, stems in AREAS.items() for stem in stems}
    found: dict[str, list[Source]] = {area: [] for area in (*AREAS, ELSEWHERE)}
    places = translations.areas()
    for key, source in known.items():
        found[areas.get(places.get(key, ""), ELSEWHERE)].append(source)
    return [Group(area, "pages", "messages", tuple(them)) for area, them in found.items()]


def own_groups(store: Store) -> Mapping[str, Group]:
    """The handouts and forms that this clinic brought itself, by id."""
    return {id_: _own_group(one) for id_, one in active(store).items() if id_ not in definitions()}


_OWN: Final[MutableMapping[str, Group]] = {}  # by the hash of the definition's text


def _own_group(one: Definition) -> Group:
    if one.sha not in _OWN:
        known, room = translations.sources("handouts"), extracting.limits([one])
        found = [
            known.get(text.key) or Source("handouts", text.key, text.en, "", text.note, room.get(text.key, 0))
            for text in one.texts()
            if text.en
        ]
        _OWN[one.sha] = Group(one.id, "sheet" if one.recipients else "form", "handouts", tuple(found), one.title, one)
    return _OWN[one.sha]


def on_desk(store: Store) -> Mapping[str, Group]:
    """All groups by id, with the clinic's own."""
    return {**groups(), **own_groups(store)}


def group(store: Store, id_: str) -> Group:
    """One group. NotFound."""
    found = groups().get(id_) or own_groups(store).get(id_)
    if found is None:
        raise NotFound
    return found


def source_of(within: Group, ref_: str) -> Source:
    """A message of a group by what stands for it in addresses, its variants too. NotFound."""
    found = _by_ref(within).get(ref_)
    if found is None:
        raise NotFound
    return found


def _by_ref(within: Group) -> Mapping[str, Source]:
    return _refs_of(within) if within.own else _refs(within.id)


@cache
def _refs(id_: str) -> Mapping[str, Source]:
    return _refs_of(groups()[id_])


def _refs_of(within: Group) -> Mapping[str, Source]:
    found = {one.ref: one for one in within.sources}
    for one in within.sources if within.domain == "handouts" else ():
        found |= {other.ref: other for other in variants(one)}
    return found


def variants(source: Source) -> tuple[Source, ...]:
    """The other forms of address that a sentence of a handout may have; none for the interface."""
    if source.domain != "handouts" or source.plural or source.guard:
        return ()
    key = neutral(source.key)
    return tuple(
        Source(source.domain, f"{key}{VARIANT}{one}", source.en, "", source.note, source.limit) for one in VARIANTS
    )


# --------------------------------------------------------------------------- who may
def languages(store: Store, token: str) -> Mapping[str, bool]:
    """The languages this account works on, and whether it reviews there."""
    known = {one.tag for one in translated()}
    return {tag: bool(may) for tag, may in overlay.rights(store, token).items() if tag in known and tag != SOURCE}


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


# --------------------------------------------------------------------------- checks
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
    _sized("reason", reason, REASON)
    one = TranslationWaiver
    message = {"locale": tag, "domain": source.domain, "key": source.key, "check": check}
    who, when = _me(store, token), store.clock()
    made = one(**message, forms_sha=forms_sha(forms), reason=_plain(reason), account_id=who, at=when)
    with unit_of_work(store, token, write=True) as session:
        audit.note(session, "translation.dismissed", locale=tag, message=source.ref, check=check)
        session.execute(delete(one).where(*(getattr(one, name) == value for name, value in message.items())))
        session.add(made)


def _plain(text: str) -> str:
    """A remark without hidden signs, which make it read as another."""
    return "".join(sign for sign in text.replace("\r\n", "\n") if not hidden(sign)).strip()


def _sized(name: str, text: str, most: int) -> None:
    if not _plain(text):
        raise Invalid({name: "required"})
    if len(text) > most:
        raise Invalid({name: "too_long"})


def _me(store: Store, token: str) -> UUID:
    return store.keyholder.who(token).account


# --------------------------------------------------------------------------- comments and names
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
    _sized("comment", text, COMMENT)
    said = _plain(text)
    rows, me = TranslationComment, _me(store, token)
    with unit_of_work(store, token, write=True) as session:
        audit.note(session, "translation.commented", locale=tag, message=source.ref)
        last = session.scalars(
            select(rows)
            .where(rows.locale == tag, rows.domain == source.domain, rows.key == source.key)
            .order_by(rows.at.desc())
            .limit(1)
        ).first()
        if last is None or last.account_id != me or last.text != said:
            place = {"id": uuid4(), "locale": tag, "domain": source.domain, "key": source.key}
            session.add(rows(**place, account_id=me, at=store.clock(), text=said))


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


# --------------------------------------------------------------------------- approve after a printed proof
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
    rows, me = TranslationProof, _me(store, token)
    with unit_of_work(store, token, write=True) as session:
        audit.note(session, "translation.proved", locale=tag, definition=within.id)
        session.execute(delete(rows).where(rows.locale == tag, rows.definition == within.id, rows.account_id == me))
        session.add(rows(locale=tag, definition=within.id, fingerprint=print_, account_id=me, at=store.clock()))


def proof(store: Store, token: str, tag: str, within: Group, print_: str) -> Proof | None:
    """The last proof that this reviewer printed of a sheet; None if there is none."""
    rows = TranslationProof
    mine = select(rows).where(rows.locale == tag, rows.definition == within.id, rows.account_id == _me(store, token))
    with unit_of_work(store, token) as session:
        found = session.scalars(mine.order_by(rows.at.desc()).limit(1)).first()
        return Proof(found.at, found.fingerprint == print_) if found else None


def provable(store: Store, token: str, tag: str, within: Group, keys: Iterable[str]) -> tuple[list[Unit], list[Unit]]:
    """Of the texts on a proof: those this reviewer may approve now, and their own, which somebody else must."""
    on = set(keys)
    waits = [one for one in units(store, tag, within) if one.source.key in on and one.state in ("draft", "reviewed")]
    me = str(_me(store, token))
    return [one for one in waits if one.entry.by != me], [one for one in waits if one.entry.by == me]


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
