"""Templates (.pot) from sentences, and catalogues (.po) brought up to their template, matched by key.

Babel and msgmerge match by text, so a reworded source loses its translation. Here the key (gettext context)
decides: the old target stays, marked fuzzy, with the English it was made for. The interface has no keys; there the
most similar sentence that went hands its translation on. What does not change keeps its bytes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from pathlib import Path
from typing import Final

from clinic.i18n import plurals
from clinic.i18n.checks import placeholders
from clinic.i18n.message import Domain, neutral, variant_of
from clinic.i18n.po import File, Message, document, headed, noted, rendered, replaced

HEADER: Final = {
    "Project-Id-Version": "secure-base",
    "Language": "",
    "MIME-Version": "1.0",
    "Content-Type": "text/plain; charset=UTF-8",
    "Content-Transfer-Encoding": "8bit",
}
SIMILAR: Final = 0.72  # of two sentences of the interface: share of equal letters for one to be the other reworded
Counts = dict[str, int]


def template(wanted: Iterable[Message]) -> str:
    """A .pot of these messages."""
    return document(HEADER, map(rendered, wanted))


def header(tag: str) -> dict[str, str]:
    """The header of a catalogue that is begun."""
    return {**HEADER, "Language": tag.replace("-", "_"), "Plural-Forms": plurals.header(tag)}


def merged(old: bytes | None, wanted: Sequence[Message], tag: str, domain: Domain) -> tuple[bytes, Counts]:
    """A catalogue brought up to its template; how many messages were kept, changed, new and dropped.

    `old` None begins one. Raises po.BrokenFile.
    """
    if old is None:
        entries = [rendered(_empty(message, tag)) for message in wanted]
        return document(header(tag), entries).encode(), {"kept": 0, "changed": 0, "new": len(wanted), "dropped": 0}
    return _Merge(File(old), tag, domain).into(wanted)


def merge_file(path: Path, wanted: Sequence[Message], tag: str, domain: Domain) -> Counts:
    """Bring the catalogue at `path` up to date, or begin it."""
    was = path.read_bytes() if path.exists() else None
    now, counts = merged(was, wanted, tag, domain)
    if now != was:
        path.parent.mkdir(parents=True, exist_ok=True)
        replaced(path, now)
    return counts


def _empty(message: Message, tag: str) -> Message:
    return replace(message, forms=("",) * (len(plurals.categories(tag)) if message.plural else 1))


class _Merge:
    """One catalogue on its way to a template."""

    def __init__(self, old: File, tag: str, domain: Domain) -> None:
        self.old, self.tag, self.domain = old, tag, domain
        self.rule = old.header.get("Plural-Forms", "")
        self.known: dict[str, tuple[Message, str]] = {}
        for one in old.placed:
            self.known.setdefault(self.key(one.message), (one.message, old.raw(one).replace("\r", "")))

    def key(self, message: Message) -> str:
        return message.key if self.domain == "handouts" else message.lookup

    def into(self, wanted: Sequence[Message]) -> tuple[bytes, Counts]:
        keys = {self.key(message) for message in wanted}
        counts = {"kept": 0, "changed": 0, "new": 0, "dropped": 0}
        variants = self.variants()
        heirs = self.heirs(wanted, keys)
        entries: list[str] = []
        for message in wanted:
            key = self.key(message)
            found = self.known.get(key) or heirs.get(key)
            counts["new" if found is None else "kept" if found[0].source == message.source else "changed"] += 1
            entries.append(self.entry(found, message))
            for name, variant in variants.get(key, ()) if self.domain == "handouts" else ():
                entries.append(self.entry(variant, replace(message, context=f"{key}@{name}")))
        gone = [key for key in self.known if key not in keys and neutral(key) not in keys]
        counts["dropped"] = len(gone) - len(heirs)
        return "\n\n".join([self.header(), *entries, ""])[:-1].encode(), counts

    def variants(self) -> Mapping[str, list[tuple[str, tuple[Message, str]]]]:
        """Those that are there, by the key they are a variant of; each travels with it."""
        found: dict[str, list[tuple[str, tuple[Message, str]]]] = {}
        for key, entry in self.known.items():
            if variant := variant_of(key):
                found.setdefault(neutral(key), []).append((variant, entry))
        return found

    def heirs(self, wanted: Sequence[Message], keys: set[str]) -> dict[str, tuple[Message, str]]:
        """For new sentences of the interface, the translated one that went and is most like them. Each serves once."""
        if self.domain == "handouts":
            return {}
        gone = [entry for key, entry in self.known.items() if key not in keys and any(entry[0].forms)]
        pairs = []
        for message in wanted:
            if self.key(message) not in self.known:
                for place, (old, _) in enumerate(gone):
                    if like := _likeness(old, message):
                        pairs.append((like, self.key(message), place))
        found: dict[str, tuple[Message, str]] = {}
        taken: set[int] = set()
        for _, key, place in sorted(pairs, reverse=True):
            if key not in found and place not in taken:
                found[key] = gone[place]
                taken.add(place)
        return found

    def entry(self, found: tuple[Message, str] | None, wanted: Message) -> str:
        """The lines of a wanted message with what the catalogue had for it."""
        if found is None:
            return rendered(_empty(wanted, self.tag))
        old, raw = found
        now = self.carried(old, wanted)
        return raw if now == replace(old, places=now.places) else rendered(now)

    def carried(self, old: Message, wanted: Message) -> Message:
        """The wanted message with the words, comments and state of the old one."""
        forms = self.forms(old, wanted)
        same = old.source == wanted.source
        back = "fuzzy" in old.flags and old.previous == wanted.source  # the English is again what it was
        fuzzy = any(forms) and not back and ("fuzzy" in old.flags or not same)
        comments = old.comments
        if not same:
            comments = tuple(line for line in old.comments if not line.startswith("state:"))
        return replace(
            wanted,
            forms=forms,
            previous=(old.previous or ("" if same else old.source)) if fuzzy else "",
            notes=noted(wanted.notes),
            comments=comments,
            flags=("fuzzy", *wanted.flags) if fuzzy else wanted.flags,
        )

    def forms(self, old: Message, wanted: Message) -> tuple[str, ...]:
        """The old forms, numbered as the language counts now."""
        count = len(plurals.categories(self.tag))
        if not wanted.plural:
            return old.forms[-1:]
        if not old.plural:
            return ("",) * (count - 1) + old.forms
        if self.rule == plurals.header(self.tag) and len(old.forms) == count:
            return old.forms
        try:
            return tuple(plurals.moved(list(old.forms), self.rule, self.tag))
        except ValueError:  # no rule that can be read: the last form is the most general one
            return (*old.forms[: count - 1], *[""] * (count - 1 - len(old.forms)), old.forms[-1])

    def header(self) -> str:
        """The header as it is, with the plural rule of now."""
        place = self.old.header_lines
        if place is None:
            return headed(header(self.tag))
        if self.rule == plurals.header(self.tag):
            return self.old.raw(place).replace("\r", "").removeprefix("\ufeff")
        lines = [line for line in place.message.forms[0].split("\n") if line and not line.startswith("Plural-Forms:")]
        said = [*lines, f"Plural-Forms: {plurals.header(self.tag)}"]
        values = dict(line.split(": ", 1) for line in said if ": " in line)
        comments = [f"# {line}".rstrip() for line in place.message.comments]
        return "\n".join([*comments, *headed(values).split("\n")[1:]])


def _likeness(old: Message, new: Message) -> float:
    """How like two sentences are, 0–1; 0 for too little, or where other things are filled in."""
    if bool(old.plural) != bool(new.plural) or placeholders(old.source, True) != placeholders(new.source, True):
        return 0.0
    matcher = SequenceMatcher(None, old.source, new.source, autojunk=False)
    if matcher.real_quick_ratio() < SIMILAR or matcher.quick_ratio() < SIMILAR:
        return 0.0
    ratio = matcher.ratio()
    return ratio if ratio >= SIMILAR else 0.0
