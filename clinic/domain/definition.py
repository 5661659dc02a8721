"""The grammar of a definition: a form, worksheet, plan or handout as sections of blocks, from one TOML file.

Three steps, all pure: `parse` reads TOML and fills `from` lists out of the library (so that the result stands
on its own and renders for ever), `build` checks and freezes it, `canonical` is the text that is stored and hashed.
Every sentence is a `Text`: its stable key and its English. Errors name file, section, block and field.
"""

import hashlib
import json
import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Final, cast

from clinic.domain.audience import FLOWS, RECIPIENTS, About, Audience, Recipient, Scope, about_of, scope_of
from clinic.domain.errors import DefinitionError

Data = dict[str, Any]

FILE_BYTES: Final = 256_000
SECTIONS, BLOCKS, OPTIONS, ROWS, LINES, OPEN_ROWS = 60, 400, 200, 60, 40, 60
ANSWER_LENGTH: Final = 100_000  # characters an answer may have
TEXT_LENGTH: Final = 4_000  # characters one sentence of a definition may have

KINDS: Final = (
    "intake agreement session screening check_in map worksheet homework review handout note addendum release"
).split()
LEVELS: Final = ("open", "light", "full", "intimate")
SHAPES: Final = {"cycle": 7, "two": 4, "wave": 4, "circles": 3, "map": 0}  # shape -> nodes it needs (0: any)
COLUMN_TYPES: Final = ("text", "scale", "choice", "pick", "number", "tick", "date")
FIELD_TYPES: Final = ("date", "time", "text")
PREFILLS: Final[dict[str, Audience]] = {
    "map.cycle": "joint",
    "homework": "recipient",
    "released": "joint",
    "help_lines": "joint",  # the clinic's own words: config.toml
}
FEEDS: Final = (
    "observations pitfalls judgement links excluded sources asked today worried level policy screen cycle aims"
    " homework review supervision choice"
).split()
ASKED: Final = "fear consent suicide cause medical intimate loop stay worse".split()  # `what` of feeds = "asked"

ID = re.compile(r"[a-z][a-z0-9_]{0,47}\Z")
RESERVED: Final = frozenset({"a", "b", "joint", "staff", "couple"})  # they prefix field names
TAKEN: Final = frozenset({"csrf_token", "rev", "tab", "do"})  # fields that every form has beside its blocks


@dataclass(frozen=True)
class Text:
    """One sentence or paragraph: `key` is its gettext context, `en` its English, `note` speaks to translators."""

    key: str
    en: str
    note: str = ""

    def __bool__(self) -> bool:
        return bool(self.en)


@dataclass(frozen=True)
class Item:
    """An option, row, column, ask, point, field or node. Numbers: `lines` on paper, `min`/`max` of a scale column."""

    id: str
    label: Text
    hint: Text
    type: str = "text"
    options: tuple["Item", ...] = ()
    lines: int = 1
    min: int = 0
    max: int = 4
    width: int = 0  # share of the table, per cent; 0 = even
    required: bool = False
    red: bool = False  # choosing it lowers the level to hold (CLINICAL_RULES D2)


@dataclass(frozen=True)
class Condition:
    """Show a block only if an earlier answer fits: `op` is is, is_not, includes or at_least."""

    block: str
    op: str
    value: str | int

    def holds(self, answer: object) -> bool:
        """Whether an answer (None: not given) fulfils the condition."""
        if self.op == "includes":
            return isinstance(answer, list) and self.value in answer
        if self.op == "at_least":
            return isinstance(answer, int) and answer >= int(self.value)
        return (answer == self.value) is (self.op == "is")


@dataclass(frozen=True)
class Block:
    """One block. Lists are tuples of `Item`; `lines` counts writing lines on paper, `cols` columns of options."""

    id: str
    kind: str
    audience: Audience
    label: Text
    hint: Text
    text: Text
    stem: Text
    low: Text
    high: Text
    center: Text
    alt: Text
    options: tuple[Item, ...] = ()
    rows: tuple[Item, ...] = ()
    columns: tuple[Item, ...] = ()
    asks: tuple[Item, ...] = ()
    points: tuple[Item, ...] = ()
    fields: tuple[Item, ...] = ()
    nodes: tuple[Item, ...] = ()
    show_if: Condition | None = None
    about: About | None = None
    only: str = ""  # couple | partner: stands only in a record about them
    prefill: str = ""
    feeds: str = ""
    what: str = ""  # of feeds = "asked": fear, consent, suicide, …
    source: str = ""  # the library list its rows or options come from
    shape: str = ""
    tone: str = "note"  # callout: note | stop
    size: str = "mid"  # table row height on paper: low | mid | tall
    lines: int = 3
    cols: int = 1
    open: int = 0  # rows a person may add (table)
    min: int = 0
    max: int = 10
    required: bool = False
    other: bool = False
    short: bool = False
    new_page: bool = False


@dataclass(frozen=True)
class Section:
    """A step of the form; `numbered` sections carry a step number on paper."""

    id: str
    title: Text
    hint: Text
    blocks: tuple[Block, ...]
    show_if: Condition | None = None
    only: str = ""
    per_partner: bool = False
    new_page: bool = False
    numbered: bool = True


@dataclass(frozen=True)
class Placed:
    """A block as it stands in a record about somebody: with its scope and the prefix of its field names."""

    block: Block
    section: Section
    about: About
    scope: Scope
    prefix: str = ""

    @property
    def name(self) -> str:
        """Unique in the record: `observed`, or `a.observed` in a section that is there for each partner."""
        return self.prefix + self.block.id


@dataclass(frozen=True)
class Definition:
    """A checked definition. `data` is its canonical JSON text, `sha` the hash of that."""

    id: str
    version: int
    kind: str
    title: Text
    lead: Text
    who: Text
    sections: tuple[Section, ...]
    recipients: tuple[Recipient, ...]
    abouts: tuple[About, ...]
    level: Mapping[str, str]
    blank: bool
    private: bool
    careful: bool  # about sex or safety: an unreviewed translation must not print at all, not even as a draft
    minutes: int
    data: str

    @cached_property
    def sha(self) -> str:
        """SHA-256 of the canonical JSON, as hex."""
        return hashlib.sha256(self.data.encode()).hexdigest()

    @cached_property
    def blocks(self) -> dict[str, Block]:
        """All blocks by id."""
        return {block.id: block for section in self.sections for block in section.blocks}

    def placed(self, about: About) -> tuple[Placed, ...]:
        """The blocks of a record about `about`, in order; per-partner sections stand twice."""
        if about not in self._placed:
            self._placed[about] = self._place(about)
        return self._placed[about]

    @cached_property
    def _placed(self) -> dict[About, tuple[Placed, ...]]:
        return {}

    def _place(self, about: About) -> tuple[Placed, ...]:
        who = "couple" if about == "couple" else "partner"
        found: list[Placed] = []
        for section in self.sections:
            if section.only not in ("", who):
                continue
            partners: tuple[About, ...] = ("a", "b") if section.per_partner else (about,)
            for partner in partners:
                prefix = f"{partner}." if section.per_partner else ""
                for block in section.blocks:
                    if block.only in ("", who):
                        whom = block.about or partner
                        scope = scope_of(block.audience, whom, self.private)
                        found.append(Placed(block, section, whom, scope, prefix))
        return tuple(found)

    def scopes(self, about: About) -> tuple[Scope, ...]:
        """The scopes a record about `about` has a part for, answered or not, sorted."""
        return tuple(sorted({placed.scope for placed in self.placed(about) if placed.block.kind not in SILENT}))

    def texts(self) -> Iterator[Text]:
        """Every sentence that paper or screen shows, in reading order, each key once."""
        seen: set[str] = set()
        for text in _texts(self):
            if text.en and text.key not in seen:
                seen.add(text.key)
                yield text


SILENT: Final = frozenset({"prose", "callout", "signature", "shared"})  # kinds without an answer


def hidden(character: str) -> bool:
    """A control, surrogate, private, non- or bidi-embedding character, which may stand in no text and no answer.

    An override can make paper say another thing than the screen (U+202E). Code points that this Python does not
    know yet pass: they are mostly new emoji.
    """
    if character in "\n\t":
        return False
    code = ord(character)
    return (
        unicodedata.category(character) in ("Cc", "Cs", "Co")
        or 0x202A <= code <= 0x202E
        or 0xFDD0 <= code <= 0xFDEF
        or code & 0xFFFE == 0xFFFE
    )


def _texts(thing: object) -> Iterator[Text]:
    if isinstance(thing, Text):
        yield thing
    elif isinstance(thing, tuple):
        for part in thing:
            yield from _texts(part)
    elif isinstance(thing, Definition | Section | Block | Item):
        for field in fields(thing):
            yield from _texts(getattr(thing, field.name))


# --------------------------------------------------------------------------- grammar tables
TEXT_KEYS: Final = ("label", "hint", "text", "stem", "low", "high", "center", "alt")
COMMON: Final = set("id kind label hint note audience about only required show_if prefill feeds new_page".split())
LISTED: Final = {"from", "ids", "show", "source", "under"}
ALLOWED: Final[dict[str, set[str]]] = {
    "prose": {"text"},
    "callout": {"text", "tone"},
    "signature": set(),
    "prompt": {"lines", "asks", "short", "max"},
    "choice": {"options", "cols", "other", "what"} | LISTED,
    "checklist": {"options", "cols", "other", "max", "what"} | LISTED,
    "pick": {"options", "cols", "other", "max"} | LISTED,
    "date": {"fields"},
    "scale": {"min", "max", "low", "high", "points"},
    "matrix": {"stem", "rows", "points"} | LISTED,
    "table": {"stem", "rows", "columns", "open", "size"} | LISTED,
    "grid": {"stem", "rows"} | LISTED,
    "diagram": {"shape", "nodes", "center", "alt"},
    "shared": {"rows", "asks", "lines", "alt"} | LISTED,
}
NEEDS: Final[dict[str, tuple[str, ...]]] = {
    "prose": ("text",),
    "callout": ("text",),
    "prompt": ("label",),
    "choice": ("label", "options"),
    "checklist": ("label", "options"),
    "pick": ("label", "options"),
    "date": ("fields",),
    "scale": ("label",),
    "matrix": ("stem", "rows", "points"),
    "table": ("columns",),
    "grid": ("stem", "rows"),
    "diagram": ("shape", "nodes", "alt"),
    "shared": ("rows", "asks", "alt", "prefill"),
}
TOP: Final = set(
    "id version kind title lead who minutes note audience recipients about level blank private careful section".split()
)
SECTION: Final = set("id title hint note audience about only per_partner show_if feeds new_page numbered block".split())
ITEM: Final = set("id key label hint hint_key note type options from ids show lines min max width required red".split())


@dataclass(frozen=True)
class ListItem:
    """One entry of a library list as blocks use it: its texts by field, and whether only staff may see it."""

    id: str
    texts: Mapping[str, Text]
    staff_only: bool = False


Lists = Mapping[str, Sequence[ListItem]]


def parse(source: bytes, file: str, lists: Lists) -> Definition:
    """Read one TOML file. `file` is its name (the stem is the id), `lists` the library. Raises DefinitionError."""
    stem = file.rsplit("/", 1)[-1].removesuffix(".toml")
    if len(source) > FILE_BYTES:
        raise DefinitionError("is larger than 256 kB", file)
    try:
        data = tomllib.loads(source.decode("utf-8"))
    except UnicodeDecodeError:
        raise DefinitionError("is not UTF-8 text", file) from None
    except (ValueError, RecursionError) as error:  # ValueError: also numbers too long to read
        raise DefinitionError(f"is not valid TOML: {error}", file) from None
    if data.get("id") != stem:
        raise DefinitionError(f'id must be "{stem}", as the file is named', file)
    if not _plain(data):
        raise DefinitionError("may hold text, whole numbers, true and false, in tables not nested too deep", file)
    return build(_filled(data, lists, file), file)


def _plain(thing: object, depth: int = 9) -> bool:
    """Whether TOML data is of kinds that JSON keeps as they are: no dates, floats or endless nesting."""
    if isinstance(thing, dict | list):
        parts = thing.values() if isinstance(thing, dict) else thing
        return depth > 0 and all(_plain(part, depth - 1) for part in parts)
    return isinstance(thing, str) or (isinstance(thing, int) and abs(thing) < 2**53)


def canonical(data: Data) -> str:
    """The text of a definition that is stored and hashed: JSON with sorted keys."""
    return json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def stored(text: str) -> Definition:
    """A definition from its stored canonical text."""
    data = json.loads(text)
    return build(data, f"{data['id']}.toml")


# --------------------------------------------------------------------------- library lists
def _filled(data: Data, lists: Lists, file: str) -> Data:
    """Replace every `from` by the library's entries, so that the definition stands on its own."""
    for section in _tables(data, "section", file, "", ""):
        for block in _tables(section, "block", file, str(section.get("id", "")), ""):
            place = (file, str(section.get("id", "")), str(block.get("id", "")))
            staff = (block.get("audience") or section.get("audience") or data.get("audience")) == "staff"
            if "from" in block:
                target = "rows" if block.get("kind") in ("matrix", "table", "grid", "shared") else "options"
                block[target] = _listed(block, lists, staff, place)
                block["source"] = block.pop("from")
            for column in _tables(block, "columns", *place):
                if "from" in column:
                    column["options"] = _listed(column, lists, staff, place)
                    del column["from"]
    return data


def _listed(holder: Data, lists: Lists, staff: bool, place: tuple[str, str, str]) -> list[Data]:
    name, show, wanted = holder["from"], holder.pop("show", "title"), holder.pop("ids", None)
    under = holder.pop("under", None)  # a second text of the entry, below the first
    if not isinstance(show, str) or not isinstance(under, str | None) or not isinstance(wanted, list | None):
        raise DefinitionError("show and under must be names of texts, ids a list", *place)
    if not isinstance(name, str) or name not in lists:
        raise DefinitionError(f'the library has no list "{name}"', *place)
    entries = {item.id: item for item in lists[name] if staff or not item.staff_only}
    ids = list(entries) if wanted is None else wanted
    found = []
    for id_ in ids:
        if not isinstance(id_, str) or id_ not in entries:
            raise DefinitionError(f'list "{name}" has no "{id_}" that may stand here', *place)
        texts = entries[id_].texts
        if lacking := next((one for one in (show, under) if one and one not in texts), None):
            raise DefinitionError(f'"{name}.{id_}" has no text "{lacking}"', *place)
        found.append({"id": id_, "key": texts[show].key, "label": texts[show].en})
        if under:
            found[-1] |= {"hint": texts[under].en, "hint_key": texts[under].key}
    return found


def _reader(audience: Audience, about: About | None) -> Audience:
    """Who reads a block: `recipient` with a fixed about is that partner's own answer in any record."""
    if audience != "recipient" or about is None:
        return audience
    return "joint" if about == "couple" else about


def _tables(holder: Data, name: str, file: str, section: str, block: str) -> list[Data]:
    found = holder.get(name, [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise DefinitionError(f"{name} must be a list of tables", file, section, block)
    return found


# --------------------------------------------------------------------------- building
def build(data: Data, file: str) -> Definition:
    """Check data whose lists are filled and freeze it. Raises DefinitionError with the place of the first fault."""
    return _Builder(data, file).definition()


class _Builder:
    """Walks one definition; remembers the place for its errors and the blocks seen for `show_if`."""

    def __init__(self, data: Data, file: str) -> None:
        self.data, self.file, self.section, self.block = data, file, "", ""
        self.seen: dict[str, Block] = {}
        self.doubled: set[str] = set()  # blocks of per-partner sections

    def fail(self, problem: str) -> DefinitionError:
        return DefinitionError(problem, self.file, self.section, self.block)

    def known(self, holder: Data, allowed: set[str]) -> None:
        for name in holder:
            if name not in allowed:
                raise self.fail(f'does not know the field "{name}"')

    def ident(self, holder: Data) -> str:
        found = holder.get("id")
        if not isinstance(found, str) or not ID.match(found):
            raise self.fail(f"id must be small letters, digits and _ (48 at most), not {found!r:.60}")
        if found in RESERVED:
            raise self.fail(f'the id "{found}" is reserved')
        return found

    def word(self, holder: Data, name: str, choices: Sequence[str], default: str | None = None) -> str:
        found = holder.get(name, default)
        if found not in choices:
            raise self.fail(f"{name} must be one of {', '.join(choices)}, not {found!r:.60}")
        return str(found)

    def flag(self, holder: Data, name: str, default: bool = False) -> bool:
        found = holder.get(name, default)
        if not isinstance(found, bool):
            raise self.fail(f"{name} must be true or false")
        return found

    def number(self, holder: Data, name: str, default: int, most: int) -> int:
        found = holder.get(name, default)
        if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found <= most:
            raise self.fail(f"{name} must be a whole number from 0 to {most}")
        return found

    def text(self, holder: Data, name: str, key: str, needed: bool = False) -> Text:
        found = holder.get(name, "")
        if not isinstance(found, str) or len(found) > TEXT_LENGTH:
            raise self.fail(f"{name} must be text of at most {TEXT_LENGTH} characters")
        if needed and not found.strip():
            raise self.fail(f"{name} is missing")
        if any(hidden(character) for character in found):
            raise self.fail(f"{name} has a hidden control character")
        return Text(key, found.strip(), self.line(holder, "note"))

    def line(self, holder: Data, name: str, default: str = "") -> str:
        found = holder.get(name, default)
        if not isinstance(found, str) or len(found) > TEXT_LENGTH:
            raise self.fail(f"{name} must be text of at most {TEXT_LENGTH} characters")
        return found

    def items(self, holder: Data, name: str, key: str, most: int) -> tuple[Item, ...]:
        found = _tables(holder, name, self.file, self.section, self.block)
        if len(found) > most:
            raise self.fail(f"{name} has more than {most} entries")
        made = tuple(self.item(one, f"{key}.{name}", name) for one in found)
        ids = [one.id for one in made]
        for twice in {one for one in ids if ids.count(one) > 1}:
            raise self.fail(f'{name} has the id "{twice}" twice')
        return made

    def item(self, data: Data, key: str, name: str) -> Item:
        self.known(data, ITEM)
        id_ = self.ident(data)
        own = f"{key}.{id_}"
        if name == "columns" and id_ == "id":
            raise self.fail('the id "id" is reserved: rows have it')
        label = self.text(data, "label", self.line(data, "key", own), needed=name != "nodes")
        types = {"columns": COLUMN_TYPES, "fields": FIELD_TYPES, "rows": ("text", "tick", "number")}
        kind = self.word(data, "type", types.get(name, ("text",)), "tick" if name == "rows" else "text")
        options = self.items(data, "options", own, OPTIONS)
        if name == "columns" and kind in ("choice", "pick") and not options:
            raise self.fail(f'column "{id_}" needs options')
        if not label and not data.get("hint"):
            raise self.fail(f'node "{id_}" needs a label')
        low, high = self.number(data, "min", 0, 10), self.number(data, "max", 4, ANSWER_LENGTH)
        if kind == "scale" and not low < high <= 10:
            raise self.fail(f'column "{id_}" runs from min to max, 10 at most')
        return Item(
            id_,
            label,
            self.text(data, "hint", self.line(data, "hint_key", f"{own}.hint")),
            kind,
            options,
            self.number(data, "lines", 1, LINES),
            low,
            high,
            self.number(data, "width", 0, 90),
            self.flag(data, "required"),
            self.flag(data, "red"),
        )

    def condition(self, holder: Data, audience: Audience, per_partner: bool) -> Condition | None:
        data = holder.get("show_if")
        if data is None:
            return None
        ops = [op for op in ("is", "is_not", "includes", "at_least") if isinstance(data, dict) and op in data]
        if len(ops) != 1 or set(data) != {"block", ops[0]}:
            raise self.fail("show_if needs block and one of is, is_not, includes, at_least")
        op, name, value = ops[0], self.line(data, "block"), data[ops[0]]
        target = self.seen.get(name)
        if target is None:
            raise self.fail(f'show_if names "{name:.60}", which is no earlier block')
        if name in self.doubled and not per_partner:
            raise self.fail(f'show_if: "{name}" is there for each partner, this is not')
        fits = {
            "is": target.kind == "choice",
            "is_not": target.kind == "choice",
            "includes": target.kind in ("checklist", "pick"),
            "at_least": target.kind == "scale",
        }
        if not fits[op]:
            raise self.fail(f'show_if cannot use "{op}" with "{target.id}", a {target.kind}')
        if op != "at_least" and value not in [option.id for option in target.options]:
            raise self.fail(f'show_if: "{target.id}" has no option {value!r:.60}')
        if op == "at_least" and (type(value) is not int or not target.min <= value <= target.max):
            raise self.fail(f'show_if: {value!r:.60} is outside the scale of "{target.id}"')
        self.flow(_reader(target.audience, target.about), audience, f'show_if "{target.id}"')
        return Condition(target.id, op, value)

    def flow(self, source: Audience, target: Audience, what: str) -> None:
        """DECISIONS D1: a shown block tells the answer it hangs on, so it may only flow to who may know that."""
        if target not in FLOWS[source]:
            raise self.fail(f"{what}: an answer for {source} may not decide what {target} sees")

    def definition(self) -> Definition:
        data = self.data
        self.known(data, TOP)
        id_ = self.ident(data)
        said = data.get("recipients", [])
        known = isinstance(said, list) and all(one in RECIPIENTS for one in said)
        if not known or len(set(said)) < len(said) or ("a" in said) != ("b" in said):
            raise self.fail("recipients are of joint, a, b; a and b only together")
        recipients: tuple[Recipient, ...] = tuple(said)
        abouts = self.abouts(recipients)
        level = data.get("level", {})
        known = isinstance(level, dict) and all(one in LEVELS for one in level.values())
        if not known or not set(level) <= {"own", "joint"}:
            raise self.fail(f"level is {{ own = …, joint = … }} of {', '.join(LEVELS)}")
        private = self.flag(data, "private")
        audience = self.audience(data, None)
        if private and audience != "staff":
            raise self.fail("private needs audience staff")
        found = _tables(data, "section", self.file, "", "")
        if not found or len(found) > SECTIONS:
            raise self.fail(f"needs 1 to {SECTIONS} sections")
        sections = tuple(self.make_section(one, id_, audience, abouts) for one in found)
        self.section = self.block = ""
        ids = [section.id for section in sections]
        if len(set(ids)) < len(ids):
            raise self.fail("two sections have the same id")
        if len(self.seen) > BLOCKS:
            raise self.fail(f"has more than {BLOCKS} blocks")
        version = self.number(data, "version", 0, 100_000)
        if not version:
            raise self.fail("version must be 1 or more")
        return Definition(
            id_,
            version,
            self.word(data, "kind", KINDS),
            self.text(data, "title", f"{id_}.title", needed=True),
            self.text(data, "lead", f"{id_}.lead"),
            self.text(data, "who", f"{id_}.who"),
            sections,
            recipients,
            abouts,
            dict(level),
            self.flag(data, "blank", bool(recipients)),
            private,
            self.flag(data, "careful"),
            self.number(data, "minutes", 0, 240),
            canonical(data),
        )

    def abouts(self, recipients: tuple[Recipient, ...]) -> tuple[About, ...]:
        by_recipient = tuple(sorted({about_of(one) for one in recipients}, key=("couple", "a", "b").index))
        said = self.data.get("about")
        if said is None and by_recipient:
            return by_recipient
        kinds: dict[str, tuple[About, ...]] = {
            "couple": ("couple",),
            "partner": ("a", "b"),
            "any": ("couple", "a", "b"),
        }
        found = kinds[self.word(self.data, "about", tuple(kinds))]
        if not set(by_recipient) <= set(found):
            raise self.fail("recipients and about do not fit")
        return found

    def audience(self, holder: Data, default: Audience | None) -> Audience:
        return cast("Audience", self.word(holder, "audience", ("joint", "a", "b", "staff", "recipient"), default))

    def make_section(self, data: Data, top: str, audience: Audience, abouts: tuple[About, ...]) -> Section:
        self.section, self.block = str(data.get("id", "?")), ""
        self.known(data, SECTION)
        id_ = self.ident(data)
        audience = self.audience(data, audience)
        per_partner = self.flag(data, "per_partner")
        if per_partner and (abouts != ("couple",) or audience != "staff"):
            raise self.fail("per_partner needs a record about the couple and audience staff")
        if per_partner and "about" in data:
            raise self.fail("per_partner says already whom the section is about")
        found = _tables(data, "block", self.file, id_, "")
        if not found:
            raise self.fail("has no block")
        show_if = self.condition(data, audience, per_partner)
        blocks = tuple(self.make_block(one, f"{top}.{id_}", audience, data, abouts) for one in found)
        self.block = ""
        return Section(
            id_,
            self.text(data, "title", f"{top}.{id_}.title"),
            self.text(data, "hint", f"{top}.{id_}.hint"),
            blocks,
            show_if,
            self.word(data, "only", ("", "couple", "partner"), ""),
            per_partner,
            self.flag(data, "new_page"),
            self.flag(data, "numbered", True),
        )

    def make_block(self, data: Data, path: str, audience: Audience, section: Data, abouts: tuple[About, ...]) -> Block:
        self.block = str(data.get("id", "?"))
        id_ = self.ident(data)
        if id_ in self.seen:
            raise self.fail("is the second block with this id")
        if id_ in TAKEN:
            raise self.fail(f'the id "{id_}" is reserved')
        kind = self.word(data, "kind", tuple(ALLOWED))
        self.known(data, COMMON | ALLOWED[kind])
        for name in NEEDS.get(kind, ()):
            if not data.get(name):
                raise self.fail(f"a {kind} needs {name}")
        audience = self.audience(data, audience)
        only = self.word(data, "only", ("", "couple", "partner"), "")
        said = self.word(data, "about", ("", "couple", "a", "b"), str(section.get("about", "")))
        about = cast("About", said) if said else None
        partners = abouts != ("couple",) and "couple" not in (only, section.get("only"))
        if partners and (audience in ("a", "b", "joint") or about):
            raise self.fail("a record about one partner has only answers of that partner (recipient) and staff")
        per_partner = bool(section.get("per_partner"))
        if per_partner and (audience != "staff" or about):
            raise self.fail("a per_partner section has audience staff throughout, and no about of its own")
        reader = _reader(audience, about)
        self.condition(section, reader, per_partner)
        key = f"{path}.{id_}"
        points = self.items(data, "points", key, 11)
        limit = ANSWER_LENGTH if kind == "prompt" else OPTIONS
        default_max = {"scale": len(points) - 1 if points else 10, "prompt": ANSWER_LENGTH}.get(kind, 0)
        text = {name: self.text(data, name, f"{key}.{name}") for name in TEXT_KEYS}
        block = Block(
            id_,
            kind,
            audience,
            label=text["label"],
            hint=text["hint"],
            text=text["text"],
            stem=text["stem"],
            low=text["low"],
            high=text["high"],
            center=text["center"],
            alt=text["alt"],
            options=self.items(data, "options", key, OPTIONS),
            rows=self.items(data, "rows", key, ROWS),
            columns=self.items(data, "columns", key, 12),
            asks=self.items(data, "asks", key, 12),
            points=points,
            fields=self.items(data, "fields", key, 12),
            nodes=self.items(data, "nodes", key, 12),
            show_if=self.condition(data, reader, per_partner),
            about=about,
            only=only,
            prefill=self.word(data, "prefill", ("", *PREFILLS), ""),
            feeds=self.word(data, "feeds", ("", *FEEDS), str(section.get("feeds", ""))),
            what=self.word(data, "what", ("", *ASKED), ""),
            source=self.line(data, "source"),
            shape=self.word(data, "shape", ("", *SHAPES), ""),
            tone=self.word(data, "tone", ("note", "stop"), "note"),
            size=self.word(data, "size", ("low", "mid", "tall"), "mid"),
            lines=self.number(data, "lines", 3, LINES),
            cols=self.number(data, "cols", 1, 2) or 1,
            open=self.number(data, "open", 0, OPEN_ROWS),
            min=self.number(data, "min", 0, 10),
            max=self.number(data, "max", default_max, limit),
            required=self.flag(data, "required"),
            other=self.flag(data, "other"),
            short=self.flag(data, "short"),
            new_page=self.flag(data, "new_page"),
        )
        self.shaped(block)
        self.seen[id_] = block
        if per_partner:
            self.doubled.add(id_)
        return block

    def shaped(self, block: Block) -> None:
        """What single fields cannot say: combinations that make no sense."""
        if block.kind == "table" and bool(block.rows) == bool(block.open):
            raise self.fail("a table has either rows (or from) or open = n")
        if block.shape and SHAPES[block.shape] not in (0, len(block.nodes)):
            raise self.fail(f"a {block.shape} has {SHAPES[block.shape]} nodes")
        if block.kind == "scale" and block.points and len(block.points) != block.max - block.min + 1:
            raise self.fail("a scale has one point for each number, or none")
        if block.kind == "scale" and not block.min < block.max <= 10:
            raise self.fail("a scale runs from min to max, 10 at most")
        if (block.kind == "shared") is not (block.prefill == "released"):
            raise self.fail('a shared block has prefill = "released", and no other block has')
        if block.kind == "shared" and [ask.id for ask in block.asks] != ["from_a", "from_b"]:
            raise self.fail("a shared block has the asks from_a and from_b")
        if block.prefill:
            self.flow(PREFILLS[block.prefill], _reader(block.audience, block.about), f"prefill {block.prefill}")
        if block.feeds == "asked" and not block.what and block.kind != "table":
            raise self.fail('feeds = "asked" needs what = "…"')
