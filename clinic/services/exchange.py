"""Files for translators: a handout or a language out as PO or XLIFF 1.2, and back in after a look at every difference.

Nothing of a file is believed but its words. Each message that comes back is laid beside what stands now and what stood
when the file was made; what somebody changed since is never overwritten without a choice. The state is always draft.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final, Literal

from clinic.domain.definition import Text
from clinic.domain.errors import ClinicError, Denied, Usage
from clinic.i18n import checks, extracting, merging, plurals, po, xliff
from clinic.i18n.catalogue import filed
from clinic.i18n.incoming import BYTES, DOMAIN, apart
from clinic.i18n.message import (
    CONTEXT,
    DOMAINS,
    VARIANT,
    VARIANTS,
    Domain,
    Entry,
    Source,
    neutral,
    state_now,
    variant_of,
)
from clinic.i18n.units import PROBLEMS, REFUSALS, BrokenUpload, Unit, base
from clinic.persistence.store import Store
from clinic.services import overlay, translations
from clinic.services.definitions import definitions

Format = Literal["po", "xliff"]
FORMATS: Final[Mapping[Format, tuple[str, str]]] = {
    "po": (".po", "text/x-gettext-translation; charset=utf-8"),
    "xliff": (".xlf", "application/xliff+xml; charset=utf-8"),
}
# new: nothing stood there · update: it stands as it stood when the file was made · conflict: somebody changed it since,
# or nobody knows · refused: not taken (`why`) · same: no difference · kept: only our side changed it.
Kind = Literal["new", "update", "conflict", "refused", "same", "kept"]


class BadUpload(ClinicError):
    """A file that is not taken; `problem` is a key of `units.PROBLEMS`."""

    http = 422

    def __init__(self, problem: str) -> None:
        super().__init__("upload")
        self.problem = problem

    @property
    def text(self) -> Text:
        """What it says."""
        return Text(f"upload.{self.problem}", PROBLEMS[self.problem])

    def __str__(self) -> str:
        return PROBLEMS[self.problem]


@dataclass(frozen=True)
class Change:
    """One message of a file.

    `ancestor` is what stood when the file was made (None: unknown), `theirs` what stands now, `mine` is the file's.
    """

    source: Source
    kind: Kind
    theirs: Entry
    mine: Mapping[str, str]
    ancestor: Entry | None = None
    english: str = ""  # what `mine` was made for, where that is not the present English
    why: str = ""  # of a refusal: a key of `units.REFUSALS`
    findings: tuple[checks.Finding, ...] = ()

    @property
    def refusal(self) -> Text:
        """Why it is not taken."""
        return Text(f"refusal.{self.why}", REFUSALS[self.why])


@dataclass(frozen=True)
class Incoming:
    """What a file would do: its messages in the order of the source, and how many of it nobody knows."""

    tag: str
    changes: tuple[Change, ...]
    unknown: int = 0

    def of(self, *kinds: Kind) -> tuple[Change, ...]:
        """The changes of these kinds."""
        return tuple(one for one in self.changes if one.kind in kinds)

    @property
    def fingerprint(self) -> str:
        """What was shown: to be sent back with the choices, so that nothing else is written."""
        seen = [self.tag]
        for one in self.changes:
            seen.append(f"{one.source.ref} {one.kind} {one.theirs.rev} {base(one.theirs)} {_mark(one.mine)}")
        return hashlib.sha256("\n".join(seen).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Written:
    """What an import did: messages written, and refs of those that somebody changed meanwhile."""

    count: int
    late: tuple[str, ...] = ()


# --------------------------------------------------------------------------- out
def outgoing(sources: Iterable[Source], entries: Mapping[str, Entry], tag: str, kind: Format, name: str) -> bytes:
    """A file of these messages, all of one domain, with what a language has for them (by key), variants too.

    `name` says what it is: a definition's id, or `all`.
    """
    wanted = list(_with_variants(sources, entries))
    if kind == "xliff":
        return xliff.write(wanted, entries, tag, name)
    domain = wanted[0].domain if wanted else "handouts"
    header = {**merging.header(tag), DOMAIN: domain}
    return po.document(header, (po.rendered(_message(one, entries, tag)) for one in wanted)).encode()


def file_name(tag: str, name: str, kind: Format) -> str:
    """`our_cycle.es.po`."""
    return f"{name}.{tag}{FORMATS[kind][0]}"


def _with_variants(sources: Iterable[Source], entries: Mapping[str, Entry]) -> Iterable[Source]:
    variants: dict[str, list[str]] = {}
    for key in entries:
        if variant_of(key):
            variants.setdefault(neutral(key), []).append(key)
    for source in sources:
        yield source
        if source.domain == "handouts":
            yield from (replace(source, key=key) for key in variants.get(source.key, ()))


def _message(source: Source, entries: Mapping[str, Entry], tag: str) -> po.Message:
    entry = entries.get(source.key, Entry())
    state = state_now(entry, source.en)
    context, _, _ = source.key.rpartition(CONTEXT)
    comments = [f"state: {state}"] if state in ("reviewed", "approved") else []
    flags = ["fuzzy"] if state == "changed" else []
    flags += ["python-format"] if source.domain == "messages" and "%" in source.en else []
    return po.Message(
        source.key if source.domain == "handouts" else context or None,
        source.en,
        _numbered(source, entry.forms, tag),
        source.plural,
        entry.source if state == "changed" else "",
        extracting.noted([source.note], source.limit, source.guard),
        (*comments, f"base: {base(entry)}"),
        flags=tuple(flags),
    )


def _numbered(source: Source, forms: Mapping[str, str], tag: str) -> tuple[str, ...]:
    names = plurals.categories(tag) if source.plural else ("",)
    return tuple(forms.get(name, "") for name in names)


# --------------------------------------------------------------------------- in
Ancestor = Callable[[Source, str], Entry | None]  # of a message: what stood there with this mark of old words


def plan(
    found: Iterable[Unit],
    tag: str,
    entries: Mapping[Domain, Mapping[str, Entry]],
    past: Ancestor,
    own: Iterable[Source] = (),
) -> Incoming:
    """What units of a file would do to a language. Pure but for the glossary and the fonts of the checks.

    `own`: the sentences of the clinic's own handouts.
    """
    known = {**_known(), **{one.ref: one for source in own for one in _with_all_variants(source)}}
    changes, unknown = [], 0
    for unit in found:
        source = known.get(unit.ref)
        if source is None:
            unknown += 1
        elif unit.forms:
            changes.append(_planned(unit, source, entries[source.domain].get(source.key, Entry()), tag, past))
    return Incoming(tag, tuple(changes), unknown)


@cache
def _known() -> Mapping[str, Source]:
    """Every message of both domains by its reference, with the variants that sentences of handouts may have."""
    found: dict[str, Source] = {}
    for domain in DOMAINS:
        for source in translations.sources(domain).values():
            found |= {one.ref: one for one in _with_all_variants(source)}
    return found


def _with_all_variants(source: Source) -> Iterable[Source]:
    """Also those that may not be written: a file that holds one is told so, where an unknown one is only counted."""
    yield source
    if source.domain == "handouts":
        yield from (replace(source, key=f"{source.key}{VARIANT}{one}") for one in VARIANTS)


def _planned(unit: Unit, source: Source, theirs: Entry, tag: str, past: Ancestor) -> Change:
    mine = {name: form.replace("\r\n", "\n") for name, form in unit.forms.items()}
    change = Change(source, "same", theirs, mine)
    if _mark(mine) == base(theirs) and not (unit.sure and state_now(theirs, source.en) == "changed"):
        return change
    if unit.base == _mark(mine) != base(theirs):  # the translator left it alone, somebody here did not
        return replace(change, kind="kept", ancestor=Entry(theirs.source, mine))
    if source.guard:
        return replace(change, kind="refused", why="guarded")
    if any(len(form) > overlay.LONGEST for form in mine.values()):  # not looked at any closer: that takes long
        return replace(change, kind="refused", why="checks")
    english = "" if unit.source in (source.en, source.plural) else unit.source
    if english and english != theirs.source:
        return replace(change, kind="refused", why="english")
    findings = tuple(translations.checked(replace(source, en=english or source.en), mine, tag))
    change = replace(change, english=english, findings=findings)
    if checks.blocked(findings):
        return replace(change, kind="refused", why="checks")
    if unit.base == base(theirs):
        return replace(change, kind="update" if any(theirs.forms.values()) else "new", ancestor=theirs)
    if not any(theirs.forms.values()) and not unit.base:
        return replace(change, kind="new", ancestor=Entry())
    return replace(change, kind="conflict", ancestor=past(source, unit.base) if unit.base else None)


def _mark(forms: Mapping[str, str]) -> str:
    return base(Entry("", forms))


def taken(data: bytes, tag: str) -> list[Unit]:
    """The units of an uploaded file. Raises BadUpload."""
    try:
        return apart(data, tag)
    except BrokenUpload as problem:
        raise BadUpload(problem.problem) from None


# --------------------------------------------------------------------------- the overlay
def compare(store: Store, token: str, tag: str, units: Iterable[Unit]) -> Incoming:
    """What the units of a file would do to a language as it is now. Writes nothing. Raises Denied."""
    if tag not in overlay.rights(store, token):
        raise Denied
    entries: dict[Domain, Mapping[str, Entry]] = {domain: overlay.entries(store, tag, domain) for domain in DOMAINS}

    @cache  # asked for with the first conflict, once for all
    def was() -> Mapping[overlay.Key, list[Entry]]:
        return overlay.said(store, token, tag)

    def past(source: Source, mark: str) -> Entry | None:
        found = (one for one in was().get((source.domain, source.key), ()) if base(one) == mark)
        return next(found, Entry() if mark == base(Entry()) else None)

    return plan(units, tag, entries, past, overlay.own_sources(store))


def write(store: Store, token: str, incoming: Incoming, choices: Mapping[str, Literal["mine", "theirs"]]) -> Written:
    """Write what a file brought, as drafts. `choices` by reference: without one, new and updated messages are written
    and conflicts are not. Raises Denied.
    """
    wanted = chosen(incoming, choices)
    changes = [
        overlay.Change(one.source.domain, one.source.key, one.mine, one.theirs.rev, one.english or None)
        for one in wanted
    ]
    made = overlay.propose_all(store, token, incoming.tag, changes, "import") if changes else {}
    late = [one for one in wanted if isinstance(made[one.source.domain, one.source.key], ClinicError)]
    return Written(len(wanted) - len(late), tuple(one.source.ref for one in late))


def chosen(incoming: Incoming, choices: Mapping[str, Literal["mine", "theirs"]]) -> list[Change]:
    """The changes that are to be written."""
    usual = {"new": "mine", "update": "mine", "conflict": "theirs"}
    found = incoming.of("new", "update", "conflict")
    return [one for one in found if choices.get(one.source.ref, usual[one.kind]) == "mine"]


# --------------------------------------------------------------------------- the files of a checkout
def file_out(tag: str, handout: str, domain: Domain, kind: Format) -> bytes:
    """A file of a language as its catalogues have it; `handout` is a definition's id, or empty for a whole domain."""
    translations.catalogue_path(tag, domain)
    known = translations.sources(domain)
    if not handout:
        return outgoing(known.values(), filed(tag, domain), tag, kind, "all")
    if handout not in definitions():
        raise Usage(f"there is no sheet {handout}")
    texts_ = definitions()[handout].texts()
    return outgoing([known[text.key] for text in texts_], filed(tag, "handouts"), tag, kind, handout)


def file_in(tag: str, path: Path) -> Incoming:
    """What a file would do to the catalogues of a language. Raises BadUpload."""
    translations.catalogue_path(tag, "handouts")
    if path.stat().st_size > BYTES:
        raise BadUpload("size")
    data = path.read_bytes()
    entries: dict[Domain, Mapping[str, Entry]] = {domain: filed(tag, domain) for domain in DOMAINS}
    return plan(taken(data, tag), tag, entries, lambda source, mark: None)


def report(incoming: Incoming) -> Iterable[str]:
    """What a file would do, in lines: every message that is no new one, then the count of each kind."""
    for one in incoming.of("update", "conflict", "refused"):
        yield f"{one.kind}: {one.source.key.replace(CONTEXT, ': ')}"
        for name, said in (("was", one.ancestor), ("is", one.theirs)):
            yield from (f"  {name}: {form}" for form in (said.forms.values() if said else ()))
        yield from (f"  file: {form}" for form in one.mine.values())
        yield from ([f"  {one.refusal.en}"] if one.why else [])
        yield from (f"  {found.filled(found.text.en)}" for found in one.findings)
    counts = Counter(one.kind for one in incoming.changes)
    yield ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) or "nothing to take"
    if incoming.unknown:
        yield f"{incoming.unknown} unknown"


def write_files(incoming: Incoming, choices: Mapping[str, Literal["mine", "theirs"]]) -> int:
    """Write what a file brought into the catalogues, as drafts; bytes of other messages stay. Returns how many."""
    wanted = chosen(incoming, choices)
    for domain in DOMAINS:
        mine = [one for one in wanted if one.source.domain == domain]
        if mine:
            path = translations.catalogue_path(incoming.tag, domain)
            po.replaced(path, _edited(po.File(path.read_bytes()), mine, incoming.tag))
    return len(wanted)


def _edited(file: po.File, changes: Sequence[Change], tag: str) -> bytes:
    there = {(one.context, one.source) for one in file.messages}
    edits: dict[tuple[str | None, str], po.Edit] = {}
    added: dict[tuple[str | None, str], list[po.Message]] = {}
    for one in changes:
        where = _where(one.source)
        state = "changed" if one.english else "draft"
        edit = po.Edit(_numbered(one.source, one.mine, tag), state, previous=one.english)
        if where in there:
            edits[where] = edit
        else:  # a variant that is new to the file
            stem = neutral(one.source.key), one.source.en
            added.setdefault(stem, []).append(po.applied(po.Message(one.source.key, one.source.en), edit))
    return file.edited(edits, added)


def _where(source: Source) -> tuple[str | None, str]:
    if source.domain == "handouts":
        return source.key, source.en
    context, _, text = source.key.rpartition(CONTEXT)
    return context or None, text
