"""What may be printed for a case: the ruling that lies sealed in its card, and the gate that reads nothing else.

Suggestions rank; the gate says what a counsellor may print at all. Every save of a record that holds facts makes the
ruling anew: a draft may only lower it, a finished record may raise it. Days in it make it fall by itself.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import date, timedelta
from typing import Any, Final

from clinic.domain.audience import RECIPIENTS, Recipient
from clinic.domain.facts import PARTNERS, Facts, Partner
from clinic.domain.rules import EVERY, judge, suits, within
from clinic.domain.tables import DECISIONS, Tables, as_day

NEVER: Final = ""  # a day that is not there


@dataclass(frozen=True)
class Override:
    """One refused print that the counsellor allows all the same, for one day, with a reason."""

    sheet: str
    recipient: str
    reason: str
    day: str


@dataclass(frozen=True)
class Ruling:
    """The only derived value that is stored. Days are ISO text (empty: none), so that it is plain JSON.

    `decided` is the counsellor's level, `level` what the software left of it; `until` the review date of a level that
    outweighs a red answer (after it: hold); `closed` the sheets that rules close, by recipient (`*`: all); `sheets`,
    `fixed`, `always`, `forms` and `own_yes` are the tables of the day it was made.
    """

    decided: str = "not_decided"
    decided_on: str = NEVER
    level: str = "not_decided"
    until: str = NEVER
    screens: Mapping[str, str] = field(default_factory=dict)
    policy: str = NEVER
    yeses: Mapping[str, str] = field(default_factory=dict)
    closed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    not_today: str = NEVER
    overrides: tuple[Override, ...] = ()
    sheets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    fixed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    always: tuple[str, ...] = ()
    forms: tuple[str, ...] = ()
    own_yes: tuple[str, ...] = ()
    screen_days: int = 90
    yes_days: int = 30
    made: str = NEVER

    def to_data(self) -> dict[str, Any]:
        """Plain JSON data; `from_data` reads it back."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Ruling":
        """The ruling that `to_data` wrote; unknown fields are dropped, missing ones deny."""
        known = {one.name: data[one.name] for one in fields(cls) if one.name in data}
        for name in ("always", "forms", "own_yes"):
            known[name] = tuple(known.get(name, ()))
        for name in ("closed", "fixed"):
            known[name] = {key: tuple(value) for key, value in known.get(name, {}).items()}
        known["overrides"] = tuple(Override(**one) for one in known.get("overrides", ()))
        return cls(**known)


def rule(
    facts: Facts,
    screens: Mapping[str, date | None],
    policy: date | None,
    yeses: Mapping[str, date | None],
    today: date,
    tables: Tables,
    overrides: Iterable[Override] = (),
) -> Ruling:
    """The ruling of a day: what both screens, the policy, the counsellor's level, the yeses and R1 to R10 allow.

    Preparation follows from `screens` and `policy`, which also say when it ends; `facts.prepared` may only deny it.
    A state of today (R10) is kept as a day, not as a closed list: it ends with the day.
    """
    ready = bool(policy) and all(_valid(_iso(screens.get(one)), today, tables.limits.screen_days) for one in PARTNERS)
    lasting = replace(facts, prepared=facts.prepared and ready, day=facts.day or today, today=())
    verdict = judge(lasting, tables)
    closed: dict[str, tuple[str, ...]] = {one: tuple(sorted(verdict.closed[one])) for one in RECIPIENTS}
    return Ruling(
        decided=facts.decision,
        decided_on=_iso(facts.decided),
        level=verdict.level,
        until=_iso(facts.review) if facts.raised else NEVER,
        screens={one: _iso(screens.get(one)) for one in PARTNERS},
        policy=_iso(policy),
        yeses={one: _iso(yeses.get(one)) for one in PARTNERS},
        closed=closed,
        not_today=_iso(today) if facts.today else NEVER,
        overrides=tuple(overrides),
        sheets=tables.sheets,
        fixed=tables.fixed,
        always=tables.always,
        forms=tables.forms,
        own_yes=tables.own_yes,
        screen_days=tables.limits.screen_days,
        yes_days=tables.limits.yes_days,
        made=_iso(today),
    )


def gate(ruling: Ruling, day: date, sheet: str, recipient: Recipient) -> bool:
    """Whether a sheet may be printed for a recipient on a day. Default deny; the cause never leaves this function.

    Every condition is looked at each time, so that the answer takes as long whatever the cause.
    """
    need = ruling.sheets.get(sheet, {}).get(_side(recipient), "")
    known = bool(need) or sheet in ruling.forms
    stopped = EVERY in ruling.closed.get(recipient, (EVERY,))
    allowed = _suits(ruling, day, sheet, recipient)
    anyway = _overridden(ruling, day, sheet, recipient) and overridable(ruling, day, sheet, recipient)
    return known and (bool(need) and sheet in ruling.always or not stopped and (allowed or anyway))


def _side(recipient: Recipient) -> str:
    return "joint" if recipient == "joint" else "own"


def _suits(ruling: Ruling, day: date, sheet: str, recipient: Recipient) -> bool:
    """Whether level, yeses and rules allow a sheet; a rule that stops everything is looked at by the caller."""
    level, need = level_on(ruling, day), ruling.sheets.get(sheet, {}).get(_side(recipient), "")
    if sheet in ruling.forms:
        return level != "hold"
    if recipient == "joint" and ruling.not_today == day.isoformat():
        return False
    if level in ruling.fixed:  # the same for both: a rule about one of them may not show in it
        return recipient != "joint" and sheet in ruling.fixed[level]
    if sheet in ruling.closed.get(recipient, (EVERY,)):
        return False
    return suits(level, need, recipient, _yeses_on(ruling, day), sheet in ruling.own_yes)


def _yeses_on(ruling: Ruling, day: date) -> dict[Partner, bool]:
    return {one: _valid(ruling.yeses.get(one), day, ruling.yes_days) for one in PARTNERS}


def overridable(ruling: Ruling, day: date, sheet: str, recipient: Recipient) -> bool:
    """Whether a counsellor may print this sheet all the same, with a reason (`override`).

    An override stands for the counsellor's judgement only. It never stands for a partner's yes to an intimate sheet,
    for the question about suicide (R3), or for joint work while the level is hold or not decided: a hold is lifted by
    a decision with a reason, a supervisor's note and a review date, the other by seeing each alone (D1, D2).
    """
    need = ruling.sheets.get(sheet, {}).get(_side(recipient), "")
    yes = _yeses_on(ruling, day)
    if not need and sheet not in ruling.forms or EVERY in ruling.closed.get(recipient, (EVERY,)):
        return False
    if recipient == "joint":
        return level_on(ruling, day) in ("light", "full") and (need != "intimate" or all(yes.values()))
    return sheet not in ruling.own_yes or yes[recipient]


def level_on(ruling: Ruling, day: date) -> str:
    """The level on a day: a raised level ends with its review date, light and full end with a screen's 90 days."""
    if ruling.level not in ("light", "full"):
        return ruling.level if ruling.level in DECISIONS else "not_decided"
    if not prepared_on(ruling, day):
        return "not_decided"
    review = as_day(ruling.until)
    return "hold" if review and day > review else ruling.level


def prepared_on(ruling: Ruling, day: date) -> bool:
    """Whether both screens and the policy are in place on a day."""
    return bool(ruling.policy) and all(_valid(ruling.screens.get(one), day, ruling.screen_days) for one in PARTNERS)


def screen_again(facts: Facts, screens: Mapping[str, date | None], tables: Tables) -> tuple[str, ...]:
    """Rules that fired after the older screen: a reminder to screen both again (D1). It lowers nothing by itself."""
    done = [day for one in PARTNERS if (day := screens.get(one))]
    fired = (one for one in judge(facts, tables).fired if one.rule in tables.screen_again and one.day)
    return tuple(sorted({one.rule for one in fired if done and one.day and one.day > min(done)}))


def falls_on(ruling: Ruling) -> date | None:
    """The first day on which the level falls by itself, if it does."""
    ends = [found + timedelta(ruling.screen_days + 1) for one in PARTNERS if (found := as_day(ruling.screens.get(one)))]
    review = as_day(ruling.until)
    ends += [review + timedelta(1)] if review else []
    return min(ends) if ends and ruling.level in ("light", "full") else None


def override(ruling: Ruling, sheet: str, recipient: Recipient, reason: str, day: date) -> Ruling:
    """Allow one sheet for one recipient on one day. Raises ValueError without a reason."""
    if not reason.strip():
        raise ValueError("an override needs a reason")
    return replace(ruling, overrides=(*ruling.overrides, Override(sheet, recipient, reason.strip(), day.isoformat())))


def lower(old: Ruling, new: Ruling) -> Ruling:
    """What a draft leaves of the ruling: only what both allow. Overrides stay only if nothing else fell."""
    level = min(old.level, new.level, key=DECISIONS.index)
    if "hold" in (old.level, new.level):
        level = "hold"
    closed: dict[str, tuple[str, ...]] = {one: _together(old, new, one) for one in RECIPIENTS}
    sheets = {sheet: levels for sheet, levels in old.sheets.items() if new.sheets.get(sheet) == levels}
    found = replace(
        old,
        level=level,
        until=_earlier(old.until, new.until) if old.until and new.until else old.until or new.until,
        screens={one: _earlier(old.screens.get(one), new.screens.get(one)) for one in PARTNERS},
        policy=_earlier(old.policy, new.policy),
        yeses={one: _earlier(old.yeses.get(one), new.yeses.get(one)) for one in PARTNERS},
        closed=closed,
        not_today=max(old.not_today, new.not_today),
        sheets=sheets,
        made=max(old.made, new.made),
    )
    same = (found.level, found.closed, found.not_today) == (old.level, old.closed, old.not_today)
    return found if same else replace(found, overrides=())


def _together(old: Ruling, new: Ruling, recipient: str) -> tuple[str, ...]:
    """Sheets closed by either; all of them if one has the first pages and the other hold: nothing is in both."""
    closed = {*old.closed.get(recipient, (EVERY,)), *new.closed.get(recipient, (EVERY,))}
    if {old.level, new.level} == {"not_decided", "hold"}:
        closed.add(EVERY)
    return tuple(sorted(closed))


def _overridden(ruling: Ruling, day: date, sheet: str, recipient: str) -> bool:
    wanted = (sheet, recipient, day.isoformat())
    return any((one.sheet, one.recipient, one.day) == wanted for one in ruling.overrides)


def _valid(since: str | None, day: date, days: int) -> bool:
    found = as_day(since)
    return found is not None and within(found, day, days)


def _earlier(one: str | None, two: str | None) -> str:
    return min(one or NEVER, two or NEVER)


def _iso(day: date | None) -> str:
    return day.isoformat() if day else NEVER
