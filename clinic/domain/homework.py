"""Homework: the steps of a plan, what each partner said of them, and what the next plan may be.

Pure readers of the answers of `homework_plan` (both versions) and `homework_review`. They never raise on stored
answers: what is not there or of an unknown shape is left out. Audiences: a `Task` of a joint plan is joint, a `Review`
is its partner's own, a `Gap` and a `Proposal` are made of more than one and belong to the staff layer.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from clinic.domain.answer import DAYS, plain
from clinic.domain.audience import About
from clinic.domain.definition import Definition
from clinic.domain.facts import PARTNERS, Partner
from clinic.domain.tables import as_day

PLAN, REVIEW = "homework_plan", "homework_review"
STEPS: Final = ("first", "second")  # the rows of a plan: at most two steps
OUTCOMES: Final = ("done", "partly", "not", "did_not_help", "worse")
BARRIERS: Final = ("too_big", "no_time", "forgot", "not_wanted", "others", "unsafe", "other")
ROWS: Final = ("task", "why", "place", "if", "then", "minimum", "harder", "stop")  # of a step's table
SURE: Final = 7  # CLINICAL §8: confidence below this proposes the smallest version
WEEKS: Final = 4
_WHO: Final[dict[str, tuple[Partner, ...]]] = {
    "both": ("a", "b"),
    "partner_a": ("a",),
    "partner_b": ("b",),
    "a": ("a",),
    "b": ("b",),
}
_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d\Z")


@dataclass(frozen=True)
class Task:
    """One step of a plan. Days are `mon` … `sun`, `time` is HH:MM, `minutes` and `weeks` are counts."""

    id: str
    plan: str
    about: About
    who: tuple[Partner, ...]
    step: str
    why: str
    where: str
    cue: str  # if this gets in the way …
    response: str  # … then do this
    minimum: str
    harder: str
    item: str  # "strategy.activity" or a practice of the library, "" when written freely
    days: tuple[str, ...]
    time: str
    minutes: int | None
    start: date
    weeks: int
    confidence: Mapping[Partner, int]
    unwanted: frozenset[Partner]  # who said “I do not want this”
    stop: str = ""
    when: str = ""  # the first version asked for days and times in free words
    long: str = ""  # how long and how often, in the words of the plan; `minutes` is the first number in them


@dataclass(frozen=True)
class Review:
    """One partner's word on one step; `outcome` of OUTCOMES, `barrier` of BARRIERS or empty."""

    plan: str
    task: str
    about: Partner
    day: date
    outcome: str
    barrier: str = ""
    words: str = ""


@dataclass(frozen=True)
class Gap:
    """What both said of one step of a joint plan: for the staff layer only."""

    task: Task
    a: Review
    b: Review


# --------------------------------------------------------------------------- reading a plan
def tasks(
    definition: Definition, about: About, answers: Mapping[str, Any], record_id: str, held_on: date
) -> tuple[Task, ...]:
    """The steps of one plan, in order; those without words for the step are left out."""
    read = _second if "plan" in definition.blocks else _first
    return tuple(
        task for id_ in STEPS if (task := read(definition, about, answers, record_id, held_on, id_)) and task.step
    )


def _second(
    definition: Definition, about: About, answers: Mapping[str, Any], plan: str, held_on: date, id_: str
) -> Task:
    """A step of version 2: a column of the table of words, and its row or field in the other blocks."""
    said = {row: _word(_row(answers.get("plan"), row).get(id_)) for row in ROWS}
    ticked, times = _table(_table(answers.get("days")).get(id_)), _table(answers.get("times"))
    return Task(
        id_,
        plan,
        about,
        _who(about, _row(answers.get("who"), "who").get(id_)),
        said["task"],
        said["why"],
        said["place"],
        said["if"],
        said["then"],
        said["minimum"],
        said["harder"],
        _item(definition, answers, id_),
        tuple(day for day in DAYS if ticked.get(day) is True),
        _clock(times.get(f"{id_}_time")),
        _count(times.get(f"{id_}_minutes")),
        as_day(times.get("day")) or held_on,
        _weeks(answers.get("weeks")),
        _confidence(about, answers),
        _unwanted(about, answers),
        said["stop"],
        long=_word(times.get(f"{id_}_minutes")),
    )


def _first(
    definition: Definition, about: About, answers: Mapping[str, Any], plan: str, held_on: date, id_: str
) -> Task:
    """A step of version 1: rows of two tables, days and time in free words, always one week."""
    row = _row(answers.get("tasks_joint" if about == "couple" else "tasks_own"), id_)
    bump = _row(answers.get("if_then"), id_)
    return Task(
        id_,
        plan,
        about,
        _who(about, row.get("who")),
        _word(row.get("task")),
        "",
        _word(row.get("where")),
        _word(bump.get("if")),
        _word(bump.get("then")),
        _word(bump.get("minimum")),
        "",
        "",
        (),
        "",
        _count(row.get("minutes")),
        held_on,
        1,
        _confidence(about, answers),
        _unwanted(about, answers),
        when=_word(row.get("when")),
    )


def _item(definition: Definition, answers: Mapping[str, Any], id_: str) -> str:
    """Where a step comes from, by the key of the chosen option: `strategies.x.y.title` or `practices.x.title`."""
    row, block = _row(answers.get("from"), id_), definition.blocks.get("from")
    for column in block.columns if block else ():
        for option in column.options:
            if option.id == row.get(column.id):
                return ".".join(option.label.key.split(".")[1:-1])
    return ""


def _who(about: About, answer: Any) -> tuple[Partner, ...]:
    if about != "couple":
        return (about,)
    chosen = plain(answer)
    return _WHO.get(chosen.strip().lower(), PARTNERS) if isinstance(chosen, str) else PARTNERS


def _confidence(about: About, answers: Mapping[str, Any]) -> dict[Partner, int]:
    names: dict[Partner, str] = {one: f"confidence_{one}" if about == "couple" else "confidence" for one in PARTNERS}
    mine = PARTNERS if about == "couple" else (about,)
    found = {one: answers.get(names[one]) for one in mine}
    return {one: value for one, value in found.items() if isinstance(value, int) and not isinstance(value, bool)}


def _unwanted(about: About, answers: Mapping[str, Any]) -> frozenset[Partner]:
    if about != "couple":
        return frozenset({about}) if plain(answers.get("below_own")) == "not_wanted" else frozenset()
    return frozenset(PARTNERS) if plain(answers.get("below_joint")) == "not_wanted" else frozenset()


# --------------------------------------------------------------------------- reading a review
def reviews(
    definition: Definition, about: About, answers: Mapping[str, Any], of_record: str, held_on: date
) -> tuple[Review, ...]:
    """What one partner said of the steps of the plan `of_record`; steps without an outcome are left out."""
    if about == "couple":
        return ()
    found = []
    for id_ in STEPS:
        outcome, barrier = plain(answers.get(id_)), plain(answers.get(f"{id_}_barrier"))
        bump = _row(answers.get("how_it_was", answers.get("bumps")), id_)
        said = _word(bump.get("barrier"))  # version 1 asked for the barrier in free words
        words = " ".join(one for one in (said, _other(answers.get(f"{id_}_barrier")), _word(bump.get("words"))) if one)
        known = barrier if isinstance(barrier, str) and barrier in BARRIERS else ("other" if said else "")
        if isinstance(outcome, str) and outcome in OUTCOMES:
            found.append(Review(of_record, id_, about, held_on, outcome, known, words))
    return tuple(found)


def gaps(tasks: Iterable[Task], reviews: Iterable[Review]) -> tuple[Gap, ...]:
    """The steps of joint plans that both partners spoke about, with the last word of each."""
    last: dict[tuple[str, str, str], Review] = {}
    for one in sorted(reviews, key=lambda one: one.day):
        last[one.plan, one.task, one.about] = one
    found = []
    for task in tasks:
        a, b = (last.get((task.plan, task.id, one)) for one in PARTNERS)
        if task.about == "couple" and a and b:
            found.append(Gap(task, a, b))
    return tuple(found)


# --------------------------------------------------------------------------- one answer
def _table(answer: Any) -> Mapping[str, Any]:
    return answer if isinstance(answer, Mapping) else {}


def _row(answer: Any, id_: str) -> Mapping[str, Any]:
    rows = answer if isinstance(answer, list) else ()
    return next((row for row in rows if isinstance(row, Mapping) and row.get("id") == id_), {})


def _word(answer: Any) -> str:
    return answer.strip() if isinstance(answer, str) else ""


def _other(answer: Any) -> str:
    return _word(_table(answer).get("other"))


def _clock(answer: Any) -> str:
    return answer if isinstance(answer, str) and _CLOCK.match(answer) else ""


def _count(answer: Any) -> int | None:
    """Minutes: a whole number, or the first one in a few words (“20 minutes”); at most a day."""
    if isinstance(answer, str) and (found := re.search(r"\d{1,4}", answer)):
        answer = int(found[0])
    return answer if isinstance(answer, int) and not isinstance(answer, bool) and 0 < answer <= 1440 else None


def _weeks(answer: Any) -> int:
    return answer if isinstance(answer, int) and not isinstance(answer, bool) and 1 <= answer <= WEEKS else 1


# --------------------------------------------------------------------------- the next plan
ACTS: Final = ("out", "drop", "swap", "smaller", "move", "anchor", "again", "harder")  # the most careful first
KEEPS: Final = ("again", "smaller", "harder", "anchor", "move")  # acts after which the step goes on, in some form
# CLINICAL §8 and the issue: outcome, barrier -> act, reason. A barrier that is not named here is as "".
NEXT: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "done": {"": ("harder", "done"), "not_wanted": ("drop", "not_wanted"), "unsafe": ("out", "unsafe")},
    "partly": {
        "": ("smaller", "little"),
        "too_big": ("smaller", "too_big"),
        "no_time": ("smaller", "no_time"),
        "forgot": ("anchor", "forgot"),
        "others": ("move", "others"),
        "not_wanted": ("drop", "not_wanted"),
        "unsafe": ("out", "unsafe"),
        "other": ("again", "other"),
    },
    "did_not_help": {"": ("swap", "no_help"), "not_wanted": ("drop", "not_wanted"), "unsafe": ("out", "unsafe")},
    "worse": {"": ("out", "worse")},
}
NEXT["not"] = NEXT["partly"]
REASONS: Final = tuple(dict.fromkeys(why for row in NEXT.values() for _, why in row.values())) + ("refused", "unheard")
# What else may be chosen, by the act that is proposed. Nothing that was refused or did harm is offered again.
ELSE: Final[dict[str, tuple[str, ...]]] = {
    "harder": ("again", "smaller"),
    "again": ("harder", "smaller"),
    "smaller": ("again", "anchor", "move", "swap"),
    "anchor": ("again", "smaller", "move"),
    "move": ("again", "smaller", "anchor"),
    "swap": ("again",),
    "drop": ("swap",),
    "out": (),
}


@dataclass(frozen=True)
class Proposal:
    """What the next plan may do with a step: `act` of ACTS, why, and what else may be chosen. For the staff layer.

    `ask` are the partners to ask alone first: it made things worse, or did not feel right or safe.
    """

    task: Task
    act: str
    reason: str
    others: tuple[str, ...] = ()
    ask: tuple[Partner, ...] = ()

    @property
    def choices(self) -> tuple[str, ...]:
        """Every act that may be chosen, the proposed one first."""
        return (self.act, *self.others)


def proposal(task: Task, reviews: Iterable[Review]) -> Proposal:
    """The most careful of what the reviews of this step ask for; those of other steps are left out."""
    last: dict[str, Review] = {}
    for one in sorted(reviews, key=lambda one: one.day):
        if (one.plan, one.task) == (task.plan, task.id):
            last[one.about] = one
    found = [(*_next(one), one) for one in last.values()]
    found = [one for one in found if one[0] in ACTS]
    ask = tuple(one.about for act, _, one in found if act == "out")
    if task.unwanted and not ask:
        return _offered(task, "drop", "refused")
    if not found:
        return _offered(task, "again", "unheard")
    act, reason, _ = min(found, key=lambda one: (ACTS.index(one[0]), one[1] != "worse"))
    return _offered(task, act, reason, ask)


def _next(one: Review) -> tuple[str, str]:
    row = NEXT.get(one.outcome, {})
    return row.get(one.barrier) or row.get("", ("", ""))


def _offered(task: Task, act: str, reason: str, ask: tuple[Partner, ...] = ()) -> Proposal:
    """A proposal with what this step has words for: no harder version, then the same again."""
    can = {"harder": bool(task.harder), "smaller": bool(task.minimum or (task.minutes or 0) > 1), "swap": True}
    chosen = act if can.get(act, True) else "again"
    others = tuple(one for one in ELSE[act] if can.get(one, True) and one != chosen)
    return Proposal(task, chosen, reason, others, ask)


def following(task: Task, act: str) -> Task | None:
    """The step as the next plan has it, in the plan's own words only; None if it does not go on."""
    if act not in KEEPS:
        return None
    fresh = replace(task, confidence={}, unwanted=frozenset())
    if act == "harder" and task.harder:
        return replace(fresh, step=task.harder, minimum=task.step, harder="", minutes=None, long="")
    if act == "smaller" and task.minimum:
        return replace(fresh, step=task.minimum, minimum="", harder=task.step, minutes=None, long="")
    if act == "smaller" and task.minutes:
        return replace(fresh, minutes=max(1, task.minutes // 2), long="")
    if act == "anchor":  # an if-then plan of its own: if this moment of the day, then the step
        return replace(fresh, cue="", response=task.step)
    if act == "move":
        return replace(fresh, where="", days=(), time="", when="")
    return fresh


def answers_of(tasks: Iterable[Task], start: date) -> dict[str, Any]:
    """Steps as the answers of a new plan (version 2): at most two, in order; `start` is its first day."""
    steps = dict(zip(STEPS, tasks, strict=False))
    rows = []
    for row in ROWS:
        said = {id_: words for id_, task in steps.items() if (words := _said(task, row))}
        rows += [{"id": row, **said}] if said else []
    times: dict[str, str] = {}
    for id_, task in steps.items():
        times |= {f"{id_}_time": task.time} if task.time else {}
        times |= {f"{id_}_minutes": long} if (long := task.long or str(task.minutes or "")) else {}
    times["day"] = start.isoformat()
    whose = {id_: _whose(task) for id_, task in steps.items() if task.about == "couple"}
    who = [{"id": "who", **whose}] if whose else []
    origin = [{"id": id_, **_from(task.item)} for id_, task in steps.items() if task.item]
    days = {id_: dict.fromkeys(task.days, True) for id_, task in steps.items() if task.days}
    weeks = max((task.weeks for task in steps.values()), default=1)
    found = {"plan": rows, "who": who, "days": days, "times": times, "weeks": weeks, "from": origin}
    return {name: answer for name, answer in found.items() if answer}


def _said(task: Task, row: str) -> str:
    if row == "place":
        return ", ".join(one for one in (task.where, task.when) if one)
    names = {"task": "step", "if": "cue", "then": "response"}
    return str(getattr(task, names.get(row, row)))


def _whose(task: Task) -> str:
    return "both" if len(task.who) > 1 else f"partner_{task.who[0]}"


def _from(item: str) -> dict[str, str]:
    strategy, dot, activity = item.partition(".")
    return {"activity": activity} if dot else {"practice": strategy}


def smallest(answers: Mapping[str, Any], id_: str) -> dict[str, Any]:
    """A plan's answers with the smallest version of one step as the step: one tap for a confidence under SURE.

    The step that was planned becomes what may come later, if nothing stands there yet.
    """
    rows = [dict(row) for row in answers.get("plan") or () if isinstance(row, Mapping)]
    by_id = {str(row.get("id")): row for row in rows}
    minimum, step = _word(by_id.get("minimum", {}).get(id_)), _word(by_id.get("task", {}).get(id_))
    if not minimum:
        return dict(answers)
    by_id.setdefault("task", {"id": "task"})[id_] = minimum
    by_id["minimum"].pop(id_)
    if step and not _word(by_id.get("harder", {}).get(id_)):
        by_id.setdefault("harder", {"id": "harder"})[id_] = step
    table = [by_id[row] for row in ROWS if len(by_id.get(row, {})) > 1]
    times = {name: value for name, value in _table(answers.get("times")).items() if name != f"{id_}_minutes"}
    return {**answers, "plan": table, "times": times} if times else {**answers, "plan": table}


def barred(rules: Iterable[str], level: str, waiting: Iterable[str]) -> tuple[str, ...]:
    """Which of an entry's `rules` speak against it now: the level hold, or a rule that waits for an answer."""
    now = {*waiting, *(["hold"] if level == "hold" else [])}
    return tuple(one for one in rules if one in now)
