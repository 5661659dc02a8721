"""Weights, levels and rules of `forms/suggestion.toml`, checked and frozen.

All numbers are judgement (CLINICAL_RULES B to E), so a clinic may change them. They are kept as exact fractions: ties
are real ties, and the order of observations cannot change a sum.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from typing import Any, Final

from clinic.domain.definition import LEVELS, TEXT_LENGTH, Text
from clinic.domain.errors import DefinitionError
from clinic.domain.library import Library

FILE: Final = "suggestion.toml"
DECISIONS: Final = ("not_decided", "hold", "light", "full")  # D2, lowest first
SIDES: Final = ("own", "joint")
ASKS: Final = ("self", "other", "both", "couple")
FLAGS: Final = ("worried", "worse", "one_voice", "today")
SPECIAL_LANES: Final = ("giving", "sex")
NOTHING: Final = "–"

Data = Mapping[str, Any]


@dataclass(frozen=True)
class Fit:
    """A sheet that fits a lane (3 to 5), and when it does not."""

    sheet: str
    fit: int
    not_when: Text


@dataclass(frozen=True)
class Trigger:
    """What fires a rule: raw intensities in one partner, also in the same or the other one, a source, or a flag."""

    any: Mapping[str, int]
    with_: Mapping[str, int]
    other: Mapping[str, int]
    source: str = ""
    flag: str = ""  # worried | worse | one_voice | today
    ask: str = ""  # self | other | both | couple


@dataclass(frozen=True)
class Effect:
    """What a rule does while it is open: `level` is the highest that stays, `own` and `joint` are closed sheets."""

    level: str = ""
    own: tuple[str, ...] = ()
    joint: tuple[str, ...] = ()
    opens: tuple[str, ...] = ()
    zero: tuple[str, ...] = ()
    intimate: bool = False
    together: bool = False  # no joint sheet
    all: bool = False  # no sheet for anybody


@dataclass(frozen=True)
class Rule:
    """One of R1 to R10. `clears` empty: any answer that is not red. `on`: further effects by answer."""

    id: str
    when: tuple[Trigger, ...]
    what: str
    clears: tuple[str, ...]
    latch: bool
    effect: Effect
    on: Mapping[str, Effect]
    title: Text
    reason: Text
    clear: Text


@dataclass(frozen=True)
class Limits:
    """Points, counts and days."""

    least: int
    shown: int
    observation_days: int
    screen_days: int
    yes_days: int
    sessions: int


@dataclass(frozen=True)
class Even:
    """From which difference on the load of the two is uneven (`fairness`)."""

    steps: int
    minutes: int
    times: Fraction
    sheets: int
    sheet_days: int
    habits: int
    words: int
    habit_sheets: tuple[str, ...]


@dataclass(frozen=True)
class Tables:
    """The whole file, with what the library adds: links, sexual signals and rule-outs by signal."""

    limits: Limits
    seen_by: Mapping[str, Fraction]
    confidence: Mapping[str, Fraction]
    factors: Mapping[str, Fraction]
    history: Mapping[str, Fraction]
    fixed: Mapping[str, tuple[str, ...]]
    red: Mapping[str, tuple[str, ...]]
    sheets: Mapping[str, Mapping[str, str]]  # sheet -> {own, joint: level}, in table order
    lanes: Mapping[str, Mapping[str, tuple[Fit, ...]]]  # mechanism | giving | sex | source -> {own, joint}
    mechanisms: tuple[str, ...]
    sources: tuple[str, ...]
    holding: tuple[str, ...]  # sources that mean hold
    rules: tuple[Rule, ...]
    unranked: tuple[str, ...]
    always: tuple[str, ...]
    forms: tuple[str, ...]
    one_of: tuple[str, ...]
    own_yes: tuple[str, ...]
    screen_again: tuple[str, ...]  # rules after which both are screened again
    check_in: str
    explorer: str
    signals: tuple[str, ...]  # in library order
    links: Mapping[tuple[str, str], tuple[int, Text]]  # (signal, mechanism) -> strength 0–3 and reason
    sexual: frozenset[str]
    rule_outs: Mapping[str, Text]
    purposes: Mapping[str, Text]  # what a ranked sheet is for, in one line
    even: Even

    def level(self, sheet: str, recipient: str) -> str:
        """The level a sheet needs for a recipient; empty: it never goes there."""
        return self.sheets.get(sheet, {}).get("joint" if recipient == "joint" else "own", "")

    def plus(self, levels: Mapping[str, Mapping[str, str]]) -> "Tables":
        """These tables with further sheets, such as a clinic's own definitions; table E itself is never changed."""
        return replace(
            self,
            sheets={
                **self.sheets,
                **{id_: dict(one) for id_, one in levels.items() if id_ not in self.sheets},
            },
        )

    def is_red(self, what: str, answer: str) -> bool:
        """Whether an answer lowers the level to hold."""
        return answer in self.red.get(what, ())

    def texts(self) -> Iterator[Text]:
        """Every staff sentence, in file order, for the catalogue."""
        yield from self.purposes.values()
        for sides in self.lanes.values():
            yield from (fit.not_when for fits in sides.values() for fit in fits if fit.not_when)
        for rule in self.rules:
            yield from (text for text in (rule.title, rule.reason, rule.clear) if text)


def parse_tables(source: bytes, library: Library) -> Tables:
    """Read the file against the library. Raises DefinitionError that names the table and the field."""
    try:
        data = tomllib.loads(source.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DefinitionError(f"is not valid TOML: {error}", FILE) from None
    return _Reader(data, library).tables()


def as_day(value: object) -> date | None:
    """A date from a date or ISO text, else None."""
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


TOP: Final = (
    "unranked always forms one_of own_yes screen_again check_in explorer limits seen_by confidence factors history"
    " fixed red sheets purposes even lanes sources rules"
).split()
RULE: Final = set("when what clears latch effect on title reason clear".split())


class _Reader:
    """Walks the file and remembers the place for its errors."""

    def __init__(self, data: Data, library: Library) -> None:
        self.data, self.library, self.place = data, library, ""
        self.ids = {name: [entry.id for entry in entries] for name, entries in library.entries.items()}
        self.sheets: dict[str, Mapping[str, str]] = {}

    def fail(self, problem: str) -> DefinitionError:
        return DefinitionError(problem, FILE, self.place)

    def table(self, holder: Data, name: str, known: Sequence[str] | None = None, needed: bool = True) -> Data:
        found = holder.get(name, None if needed else {})
        if not isinstance(found, dict):
            raise self.fail(f"{name} must be a table")
        if known is not None:
            self.known(found, known)
        return found

    def known(self, holder: Data, names: Sequence[str] | set[str]) -> None:
        for name in holder:
            if name not in names:
                raise self.fail(f'does not know "{name}"; known: {", ".join(sorted(names))}')

    def number(self, holder: Data, name: str, least: int = 0, most: int = 3_650) -> int:
        found = holder.get(name)
        if not isinstance(found, int) or isinstance(found, bool) or not least <= found <= most:
            raise self.fail(f"{name} must be a whole number from {least} to {most}")
        return found

    def fractions(self, name: str, keys: Sequence[str], most: int) -> dict[str, Fraction]:
        self.place = name
        holder = self.table(self.data, name, keys)
        return {key: self.fraction(holder, key, most) for key in keys}

    def fraction(self, holder: Data, key: str, most: int) -> Fraction:
        value = holder.get(key)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= most:
            raise self.fail(f"{key} must be a number from 0 to {most}")
        return Fraction(str(value))

    def words(self, holder: Data, name: str, among: Sequence[str] | None = None) -> tuple[str, ...]:
        found = holder.get(name, [])
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise self.fail(f"{name} must be a list of ids")
        for one in found:
            if among is not None and one not in among:
                raise self.fail(f'{name}: there is no "{one}" here')
        return tuple(found)

    def text(self, holder: Data, name: str, key: str) -> Text:
        found = holder.get(name, "")
        if not isinstance(found, str) or not found.strip() or len(found) > TEXT_LENGTH:
            raise self.fail(f"{name} must be a sentence")
        return Text(key, found.strip())

    def tables(self) -> Tables:
        self.known(self.data, TOP)
        self.sheets = self.levels()
        sheets = list(self.sheets)
        self.place = ""
        named = {name: self.words(self.data, name, sheets) for name in ("unranked", "always", "one_of", "own_yes")}
        check_in, explorer = (
            self.words({name: [self.data.get(name)]}, name, sheets)[0] for name in ("check_in", "explorer")
        )
        lanes, holding = self.lanes()
        signals = self.library.entries.get("signals", ())
        return Tables(
            limits=self.limits(),
            seen_by=self.fractions("seen_by", ("self", "counsellor", "partner"), 1),
            confidence=self.fractions("confidence", ("ruled_out", "unset", "tentative", "likely", "supported"), 1),
            factors=self.fractions("factors", ("giving", "sex", "source"), 10),
            history=self.fractions("history", ("given", "did_not_help", "kept", "worse", "declined"), 1),
            fixed=self.fixed(),
            red=self.reds(),
            sheets=self.sheets,
            lanes=lanes,
            mechanisms=tuple(self.ids.get("mechanisms", ())),
            sources=tuple(self.data.get("sources", {})),
            holding=holding,
            rules=self.rules(),
            screen_again=self.words(self.data, "screen_again", list(self.data.get("rules", {}))),
            check_in=check_in,
            explorer=explorer,
            signals=tuple(entry.id for entry in signals),
            links={(one.id, link.to): (link.strength, link.reason) for one in signals for link in one.links},
            sexual=frozenset(one.id for one in signals if one.tags.get("sexual")),
            rule_outs={one.id: one.texts["rule_outs"] for one in signals if "rule_outs" in one.texts},
            purposes=self.purposes(),
            even=self.even(),
            forms=self.words(self.data, "forms"),
            **named,
        )

    def limits(self) -> Limits:
        self.place = "limits"
        names = tuple(Limits.__dataclass_fields__)
        holder = self.table(self.data, "limits", names)
        return Limits(**{name: self.number(holder, name, 1) for name in names})

    def levels(self) -> dict[str, Mapping[str, str]]:
        self.place = "sheets"
        found: dict[str, Mapping[str, str]] = {}
        for sheet in self.table(self.data, "sheets"):
            self.place = f"sheets.{sheet}"
            levels = self.table(self.data["sheets"], sheet, SIDES)
            for side, level in levels.items():
                if level not in LEVELS:
                    raise self.fail(f"{side} must be one of {', '.join(LEVELS)}, not {level!r}")
            found[sheet] = dict(levels)
        return found

    def fixed(self) -> dict[str, tuple[str, ...]]:
        self.place = "fixed"
        holder = self.table(self.data, "fixed", ("not_decided", "hold"))
        found = {level: self.words(holder, level, list(self.sheets)) for level in ("not_decided", "hold")}
        for level, sheets in found.items():
            for sheet in sheets:
                if self.sheets[sheet].get("own") != "open":
                    raise self.fail(f'{level}: "{sheet}" is not open as an own sheet')
        return found

    def even(self) -> Even:
        self.place = "even"
        counts = ("steps", "minutes", "sheets", "sheet_days", "habits", "words")
        holder = self.table(self.data, "even", (*counts, "times", "habit_sheets"))
        numbers = {name: self.number(holder, name, 1) for name in counts}
        sheets = self.words(holder, "habit_sheets", list(self.sheets))
        return Even(**numbers, times=self.fraction(holder, "times", 10), habit_sheets=sheets)

    def purposes(self) -> dict[str, Text]:
        self.place = "purposes"
        holder = self.table(self.data, "purposes", list(self.sheets), needed=False)
        return {sheet: self.text(holder, sheet, f"suggestion.purposes.{sheet}") for sheet in holder}

    def reds(self) -> dict[str, tuple[str, ...]]:
        self.place = "red"
        holder = self.table(self.data, "red", needed=False)
        return {what: self.words(holder, what) for what in holder}

    def lanes(self) -> tuple[dict[str, Mapping[str, tuple[Fit, ...]]], tuple[str, ...]]:
        self.place = "lanes"
        mechanisms = self.ids.get("mechanisms", [])
        holder = self.table(self.data, "lanes", [*mechanisms, *SPECIAL_LANES])
        found: dict[str, Mapping[str, tuple[Fit, ...]]] = {}
        for lane in (*mechanisms, *SPECIAL_LANES):
            self.place = f"lanes.{lane}"
            sides = self.table(holder, lane, SIDES, needed=False)
            found[lane] = {side: self.fits(sides, side, f"lanes.{lane}.{side}") for side in SIDES}
        holding = []
        self.place = "sources"
        for source in self.table(self.data, "sources", self.ids.get("sources", [])):
            self.place = f"sources.{source}"
            one = self.table(self.data["sources"], source, (*SIDES, "hold"))
            holding += [source] if one.get("hold") is True else []
            found[source] = {side: self.source_fits(one, side) for side in SIDES}
        return found, tuple(holding)

    def fits(self, sides: Data, side: str, place: str) -> tuple[Fit, ...]:
        found = []
        for number, one in enumerate(sides.get(side, []), 1):
            self.place = f"{place} {number}"
            if not isinstance(one, dict):
                raise self.fail("must be a table with sheet, fit and not_when")
            self.known(one, ("sheet", "fit", "not_when"))
            sheet = self.words({"sheet": [one.get("sheet")]}, "sheet", list(self.sheets))[0]
            self.fitting(sheet, side)
            found.append(
                Fit(
                    sheet,
                    self.number(one, "fit", 1, 5),
                    self.text(one, "not_when", f"suggestion.{place}.{sheet}"),
                )
            )
        return tuple(found)

    def source_fits(self, one: Data, side: str) -> tuple[Fit, ...]:
        sheets = self.words(one, side, list(self.sheets))
        for sheet in sheets:
            self.fitting(sheet, side)
        return tuple(Fit(sheet, max(5 - place, 1), Text("", "")) for place, sheet in enumerate(sheets))

    def fitting(self, sheet: str, side: str) -> None:
        if side not in self.sheets[sheet]:
            raise self.fail(f'"{sheet}" has no {side} level, so it cannot be suggested there')
        if sheet in self.data.get("unranked", ()):
            raise self.fail(f'"{sheet}" is never ranked')

    def rules(self) -> tuple[Rule, ...]:
        self.place = "rules"
        return tuple(self.rule(id_) for id_ in self.table(self.data, "rules"))

    def rule(self, id_: str) -> Rule:
        self.place = f"rules.{id_}"
        data = self.table(self.data["rules"], id_, list(RULE))
        key, what = f"suggestion.rules.{id_}", data.get("what", "")
        when = data.get("when")
        if not isinstance(when, list) or not when or not isinstance(what, str):
            raise self.fail("needs when, a list of tables, and what as text")
        on = self.table(data, "on", needed=False)
        return Rule(
            id_,
            tuple(self.trigger(one) for one in when),
            what,
            self.words(data, "clears"),
            data.get("latch") is True,
            self.effect(self.table(data, "effect", needed=False)),
            {answer: self.effect(self.table(on, answer)) for answer in on},
            self.text(data, "title", f"{key}.title"),
            self.text(data, "reason", f"{key}.reason"),
            self.text(data, "clear", f"{key}.clear"),
        )

    def trigger(self, data: object) -> Trigger:
        if not isinstance(data, dict):
            raise self.fail("when must be a list of tables")
        self.known(data, ("any", "with", "other", "source", "ask", *FLAGS))
        flags = [flag for flag in FLAGS if data.get(flag) is True]
        source = data.get("source", "")
        if bool(data.get("any")) + bool(source) + len(flags) != 1:
            raise self.fail("each when has one of any, source, " + ", ".join(FLAGS))
        if source and source not in self.ids.get("sources", ()):
            raise self.fail(f'there is no source "{source}"')
        if data.get("ask", "") not in ("", *ASKS):
            raise self.fail(f"ask must be one of {', '.join(ASKS)}")
        one, with_, other = (self.intensities(data, name) for name in ("any", "with", "other"))
        return Trigger(one, with_, other, source, flags[0] if flags else "", data.get("ask", ""))

    def intensities(self, data: Data, name: str) -> dict[str, int]:
        found = self.table(data, name, self.ids.get("signals", []), needed=False)
        return {signal: self.number(found, signal, 1, 4) for signal in found}

    def effect(self, data: Data) -> Effect:
        self.known(data, tuple(Effect.__dataclass_fields__))
        level = data.get("level", "")
        if level not in ("", *DECISIONS):
            raise self.fail(f"level must be one of {', '.join(DECISIONS)}")
        closed = {name: self.words(data, name, list(self.sheets)) for name in ("own", "joint", "opens")}
        zero = self.words(data, "zero", self.ids.get("signals", []))
        intimate, together, every = (data.get(name) is True for name in ("intimate", "together", "all"))
        return Effect(level, closed["own"], closed["joint"], closed["opens"], zero, intimate, together, every)
