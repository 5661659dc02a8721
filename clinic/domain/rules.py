"""The safety rules R1 to R10 and the level that stands (CLINICAL_RULES D).

All ten are evaluated every time, under hold too. They read the raw intensity by any observer, excluded signals too, and
show in the staff trace only. The software never raises a level.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from clinic.domain.audience import RECIPIENTS, Recipient
from clinic.domain.definition import LEVELS, Text
from clinic.domain.facts import PARTNERS, Facts, Observation, Partner, other
from clinic.domain.tables import DECISIONS, Effect, Rule, Tables, Trigger

EVERY: Final = "*"  # stands for every sheet but the general help page


@dataclass(frozen=True)
class Because:
    """One thing that fired a rule, with whom it is about: a signal, a source or a flag."""

    about: str
    kind: str  # signal | source | worried | worse | one_voice | today
    id: str
    intensity: int = 0
    seen_by: str = ""
    day: date | None = None


@dataclass(frozen=True)
class Fired:
    """A rule that fired. `asks` are the answers it waits for: `a_fear`, `stay`; `cleared` once they are on record."""

    rule: str
    about: str
    because: tuple[Because, ...]
    asks: tuple[str, ...]
    day: date | None
    cleared: bool
    effects: tuple[Effect, ...]
    title: Text
    reason: Text
    clear: Text


@dataclass(frozen=True)
class Lowered:
    """A step down from the counsellor's level, with its cause: preparation, red, source, level_anew or a rule's id."""

    level: str
    why: str
    about: str = ""
    day: date | None = None


@dataclass(frozen=True)
class Verdict:
    """The level that stands, why it was lowered, all rules that fired, and closed sheets: recipient -> sheet -> why."""

    level: str
    lowered: tuple[Lowered, ...]
    fired: tuple[Fired, ...]
    closed: Mapping[Recipient, Mapping[str, tuple[str, ...]]]
    zero: frozenset[str]

    @property
    def open(self) -> tuple[Fired, ...]:
        """The rules that wait for something."""
        return tuple(one for one in self.fired if not one.cleared)

    def closes(self, sheet: str, recipient: Recipient) -> tuple[str, ...]:
        """The rules that close a sheet for a recipient."""
        closed = self.closed[recipient]
        return tuple(dict.fromkeys((*closed.get(EVERY, ()), *closed.get(sheet, ()))))


def judge(facts: Facts, tables: Tables) -> Verdict:
    """Evaluate every rule, then the level, then what is closed for whom."""
    fired = tuple(one for rule in tables.rules for one in _fired(rule, facts, tables))
    waiting = tuple(one for one in fired if not one.cleared)
    lowered = tuple(_lowered(facts, tables, fired))
    level = lowered[-1].level if lowered else _decision(facts)
    zero = frozenset(signal for one in waiting for effect in one.effects for signal in effect.zero)
    return Verdict(level, lowered, fired, _closed(facts, tables, waiting), zero)


def one_voice(facts: Facts, partner: Partner) -> bool:
    """R8: something is known about this partner, and all of it comes from the other."""
    person = facts.of(partner)
    seen = {one.seen_by for one in (*person.signals, *person.pitfalls)}
    return seen == {"partner"}


# --------------------------------------------------------------------------- what fires
def _fired(rule: Rule, facts: Facts, tables: Tables) -> Iterator[Fired]:
    for trigger in rule.when:
        for partner in PARTNERS:
            because = tuple(_because(trigger, rule, facts, partner))
            if because:
                yield _fire(rule, trigger, partner, because, facts, tables)


def _because(trigger: Trigger, rule: Rule, facts: Facts, partner: Partner) -> Iterator[Because]:
    if trigger.flag or trigger.source:
        yield from _flag(trigger, facts, partner)
        return
    own = list(_reaching(trigger.any, rule, facts, partner))
    needed = [(trigger.with_, partner), (trigger.other, other(partner))]
    more = [list(_reaching(which, rule, facts, whom)) for which, whom in needed if which]
    if own and all(more):
        yield from (*own, *(one for found in more for one in found))


def _reaching(which: Mapping[str, int], rule: Rule, facts: Facts, partner: Partner) -> Iterator[Because]:
    person = facts.of(partner)
    seen: tuple[Observation, ...] = (*person.signals, *(person.past if rule.latch else ()))
    for one in seen:
        if one.intensity >= which.get(one.id, 99):
            yield Because(partner, "signal", one.id, one.intensity, one.seen_by, one.day)


def _flag(trigger: Trigger, facts: Facts, partner: Partner) -> Iterator[Because]:
    person = facts.of(partner)
    if trigger.source:
        if person.sources.get(trigger.source, 0) > 0:
            mark, day = person.sources[trigger.source], person.source_days.get(trigger.source)
            yield Because(partner, "source", trigger.source, mark, "counsellor", day)
    elif trigger.flag == "worried" and partner in facts.worried:
        yield Because(partner, "worried", "worried", day=facts.worried[partner])
    elif trigger.flag == "one_voice" and one_voice(facts, partner):
        yield Because(partner, "one_voice", "one_voice")
    elif partner == "a":  # what concerns both is looked at once
        yield from _couple_flag(trigger.flag, facts)


def _couple_flag(flag: str, facts: Facts) -> Iterator[Because]:
    if flag == "today":
        yield from (Because("couple", "today", state, day=facts.day) for state in facts.today)
    if flag == "worse":
        for key, recent in sorted(facts.recent.items()):
            if recent.outcome == "worse":
                about, _, sheet = key.partition(".")
                yield Because("couple" if about == "joint" else about, "worse", sheet, day=recent.day)


def _fire(
    rule: Rule, trigger: Trigger, partner: Partner, because: tuple[Because, ...], facts: Facts, tables: Tables
) -> Fired:
    days = [one.day for one in because if one.day]
    day = max(days) if days else None
    asks = _asks(rule, trigger, partner)
    cleared = bool(asks) and all(_clears(key, rule, day, facts, tables) for key in asks)
    about = "couple" if trigger.ask in ("couple", "both") or trigger.flag == "today" else partner
    return Fired(
        rule.id,
        about,
        because,
        asks,
        day,
        cleared,
        tuple(_effects(rule, asks, facts)),
        rule.title,
        rule.reason,
        rule.clear,
    )


def _asks(rule: Rule, trigger: Trigger, partner: Partner) -> tuple[str, ...]:
    if not rule.what:
        return ()
    who: dict[str, tuple[str, ...]] = {"self": (partner,), "other": (other(partner),), "both": PARTNERS}
    return tuple(f"{one}_{rule.what}" for one in who.get(trigger.ask, ())) or (rule.what,)


def _clears(key: str, rule: Rule, day: date | None, facts: Facts, tables: Tables) -> bool:
    """An answer clears if it fits and is dated on or after what fired the rule."""
    asked = facts.asked.get(key)
    if asked is None or not asked.answer:
        return False
    if day and asked.day and asked.day < day:
        return False
    return asked.answer in rule.clears if rule.clears else not tables.is_red(rule.what, asked.answer)


def _effects(rule: Rule, asks: tuple[str, ...], facts: Facts) -> Iterator[Effect]:
    yield rule.effect
    for key in asks:
        if key in facts.asked and facts.asked[key].answer in rule.on:
            yield rule.on[facts.asked[key].answer]


# --------------------------------------------------------------------------- the level
def _decision(facts: Facts) -> str:
    return facts.decision if facts.decision in DECISIONS else "not_decided"


def _lowered(facts: Facts, tables: Tables, fired: tuple[Fired, ...]) -> Iterator[Lowered]:
    """Each step down, in order. A typed hold stays hold without preparation; a red answer means hold in any case."""
    level = _decision(facts)
    for step in _steps(facts, tables, fired):
        if step.why == "red" or step.why == "source":
            lower = level != "hold"
        elif step.level == "not_decided":
            lower = level in ("light", "full")
        else:
            lower = DECISIONS.index(step.level) < DECISIONS.index(level)
        if lower:
            level = step.level
            yield step


def _steps(facts: Facts, tables: Tables, fired: tuple[Fired, ...]) -> Iterator[Lowered]:
    if not facts.prepared:
        yield Lowered("not_decided", "preparation")
    for one in fired:
        if one.cleared and _needs_level_anew(one, facts):
            yield Lowered("not_decided", "level_anew", one.about, one.day)
    for one in fired:
        if not one.cleared:
            yield from (Lowered(effect.level, one.rule, one.about, one.day) for effect in one.effects if effect.level)
    yield from _reds(facts, tables)
    for partner in PARTNERS:
        for source in tables.holding:
            if facts.of(partner).sources.get(source, 0) > 0:
                yield Lowered("hold", "source", partner, facts.of(partner).source_days.get(source))


def _needs_level_anew(one: Fired, facts: Facts) -> bool:
    """R3: once it was asked, a level is chosen by the counsellor; a level from before the answer no longer stands."""
    answers = [facts.asked[key].day for key in one.asks if key in facts.asked]
    stops_all = any(effect.all for effect in one.effects)
    return stops_all and bool(facts.decided) and any(day and facts.decided and facts.decided < day for day in answers)


def _reds(facts: Facts, tables: Tables) -> Iterator[Lowered]:
    for red in facts.red:
        if not _outweighed(red.day, facts):
            yield Lowered("hold", "red", red.about, red.day)
    for key, asked in sorted(facts.asked.items()):
        about, _, what = key.partition("_")
        if about in PARTNERS and tables.is_red(what, asked.answer) and not _outweighed(asked.day, facts):
            yield Lowered("hold", "red", about, asked.day)


def _outweighed(day: date | None, facts: Facts) -> bool:
    """Only a later decision with reason, supervisor's note and review date outweighs a red answer, until that date."""
    if facts.raised is None or day is None or facts.raised < day:
        return False
    return facts.day is None or facts.review is None or facts.day <= facts.review


# --------------------------------------------------------------------------- what is closed
def _closed(facts: Facts, tables: Tables, waiting: tuple[Fired, ...]) -> dict[Recipient, dict[str, tuple[str, ...]]]:
    found: dict[Recipient, dict[str, dict[str, None]]] = {one: {} for one in RECIPIENTS}
    for one in waiting:
        for recipient in RECIPIENTS:
            for sheet in _closes(one, recipient, tables, facts):
                found[recipient].setdefault(sheet, {})[one.rule] = None
    return {one: {sheet: tuple(why) for sheet, why in sheets.items()} for one, sheets in found.items()}


def _closes(one: Fired, recipient: Recipient, tables: Tables, facts: Facts) -> Iterator[str]:
    side = "joint" if recipient == "joint" else "own"
    opened = _opened(one, facts)
    for effect in one.effects:
        if effect.all or (effect.together and recipient == "joint"):
            yield EVERY
        yield from (sheet for sheet in (effect.joint if side == "joint" else effect.own) if sheet not in opened)
        if effect.intimate:
            yield from (sheet for sheet, levels in tables.sheets.items() if levels.get(side) == "intimate")
    for because in one.because:
        if because.kind == "worse" and (because.about == recipient or (because.about, side) == ("couple", "joint")):
            yield because.id
        if because.kind == "one_voice" and because.about == recipient:
            yield from (sheet for sheet in tables.sheets if sheet not in (tables.check_in, *tables.always))


def _opened(one: Fired, facts: Facts) -> frozenset[str]:
    """Sheets that an answer opens again, only if everybody asked gave such an answer (R5: ended, owned, wanted)."""
    given = one.effects[1:]
    if not given or len(given) < len(one.asks):
        return frozenset()
    sheets = [frozenset(effect.opens) for effect in given]
    return frozenset.intersection(*sheets)


# --------------------------------------------------------------------------- level and sheet
def said_yes(facts: Facts, tables: Tables, partner: Partner) -> bool:
    """Whether this partner's yes to the intimate sheets stands: the latest answer, not older than 30 days."""
    asked = facts.asked.get(f"{partner}_intimate")
    if asked is None or asked.answer != "yes":
        return False
    return not (facts.day and asked.day) or within(asked.day, facts.day, tables.limits.yes_days)


def within(since: date, day: date, days: int) -> bool:
    """Whether `day` is not before `since` and at most `days` after it."""
    return since <= day <= since + timedelta(days=days)


def suits(level: str, need: str, recipient: Recipient, yes: Mapping[Partner, bool], asks_own: bool) -> bool:
    """Whether a decided level lets a sheet of level `need` go to a recipient (D2, for light and full)."""
    if not need or level not in ("light", "full"):
        return False
    if need == "intimate":
        return level == "full" and recipient == "joint" and all(yes.values())
    if asks_own and recipient != "joint" and not yes[recipient]:
        return False
    return LEVELS.index(need) <= LEVELS.index(level)
