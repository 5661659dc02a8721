"""The formulation: a fold over opened records that makes the facts for suggestions and the map for the page.

Pure, and nothing of it is stored. It sees only the records that the caller's view opened, so fewer keys give less.
Blocks take part by `feeds` (DECISIONS D5); rows are read by their ids, whose part it is says whom they are about.

Conventions for those who write forms
- observations, pitfalls: a table of signals or pitfalls with `intensity`, `seen_by`, `frequency`, `words`; or a matrix,
  whose points count 0 … 4. Without `seen_by`: self in a partner's own record, else counsellor.
- judgement: `status`, `reason`; links: a column for each mechanism, 0–3; excluded: `excluded` (tick) and `reason`, or
  an open table with `signal`; sources: `mark`. A new map replaces the whole judgement of the last one.
- asked: a choice with `what`; level: the choice, beside it prompts `level_reason`, `supervisor_note` and a date
  block with the fields `day` and `review`; screen: option `yes`; worried: any option but `no`; today: a checklist.
- supervision: a choice (`agree` to a level above hold, or `wait`) and its reasons in a prompt. The newest one since a
  red answer has the word; only without one the words of the map's own `supervisor_note` count.
- cycle: a diagram, or a prompt with asks, of audience joint; aims: a matrix, or a table with one number column.
- homework: tables and scales, rows of equal id belong together; review: rows or choices with `outcome` among
  done, partly, not, did_not_help, worse, kept, and `sheet` if the row is about a sheet.
- choice: the blocks `sheet`, `verdict` and `reason` of `sheet_choice` (`domain/choice.py`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import Any, Final

from clinic.domain import choice
from clinic.domain.answer import plain, shown
from clinic.domain.audience import About, Recipient
from clinic.domain.choice import Choice
from clinic.domain.definition import Block, Definition, Placed
from clinic.domain.facts import (
    PARTNERS,
    SEERS,
    Asked,
    Facts,
    Judged,
    Observation,
    Partner,
    Person,
    Recent,
    Red,
    sort_observations,
)
from clinic.domain.tables import Tables, as_day

STAYS: Final = "stay"
OUTCOMES: Final = {"worse": "worse", "made_worse": "worse", "made_it_worse": "worse", "kept": "kept", "keep": "kept"}
NO_HELP: Final = ("did_not_help", "no_help", "not_helpful")


@dataclass(frozen=True)
class Opened:
    """One record as a view opened it: `answers` by placed name, only what its keys could read.

    `written` is the ISO moment of its last writing (empty: unknown): a decision weighed only what stood there by then.
    `of_record` is the id of the plan that a review is of.
    """

    definition: Definition
    about: About
    answers: Mapping[str, Any] = field(repr=False)
    held_on: date
    signed: bool = True
    written: str = ""
    of_record: str = ""

    @cached_property
    def shown(self) -> tuple[Placed, ...]:
        """The blocks that apply: asked by every fold that this record is in."""
        return shown(self.definition, self.about, self.answers)


@dataclass(frozen=True)
class Preparation:
    """What must stand before joint work: days of both screens and of the policy, and each one's yes.

    In the order of CLINICAL_RULES D1: a screen from before the first agreement does not count. `since` is the first
    day on which agreement and both screens stood: a level chosen earlier was chosen too early.
    """

    screens: Mapping[Partner, date | None]
    policy: date | None
    yeses: Mapping[Partner, date | None]
    since: date | None = None

    def ready(self, day: date, days: int) -> bool:
        """Whether both screens (not older than `days`) and the policy are on record."""
        fresh = (found and found <= day <= found + timedelta(days) for found in self.screens.values())
        return bool(self.policy) and all(fresh)


@dataclass(frozen=True)
class Seen:
    """A signal or pitfall of one partner: what counts now by observer, best first, and every observation so far."""

    about: Partner
    id: str
    now: tuple[Observation, ...]
    history: tuple[Observation, ...]
    excluded: str | None = None  # the counsellor's reason, "" without one; None: it counts


@dataclass(frozen=True)
class Guess:
    """A mechanism as the counsellor judges it now, and each earlier judgement with its day."""

    about: Partner
    id: str
    status: str
    reason: str
    history: tuple[tuple[date, Judged], ...]


@dataclass(frozen=True)
class Drawn:
    """A line of the map from a signal to a mechanism; `own` when the counsellor set its strength (1–3)."""

    about: Partner
    signal: str
    mechanism: str
    strength: int
    own: bool


@dataclass(frozen=True)
class Map:
    """All of the formulation for the staff page and its diagram. `cycle` and `exits` are joint answers only."""

    facts: Facts
    signals: tuple[Seen, ...]
    pitfalls: tuple[Seen, ...]
    guesses: tuple[Guess, ...]
    links: tuple[Drawn, ...]
    sources: Mapping[Partner, Mapping[str, int]]
    cycle: Mapping[str, str]
    exits: tuple[tuple[date, str], ...]
    aims: Mapping[About, Mapping[str, tuple[tuple[date, int], ...]]]
    homework: tuple[tuple[date, About, Mapping[str, Any]], ...]
    reviews: tuple[tuple[date, About, Mapping[str, Any]], ...]
    judged_on: tuple[date, ...]


def facts(
    records: Iterable[Opened],
    tables: Tables,
    today: date,
    with_drafts: bool = False,
    given: Iterable[tuple[Recipient, str, date]] = (),
) -> Facts:
    """The facts of a day. `given` are printed sheets (recipient, sheet, day), if the caller knows them."""
    return _fold(records, tables, today, with_drafts).facts(given)


def to_rule(
    records: Iterable[Opened], tables: Tables, today: date, with_drafts: bool = False
) -> tuple[Facts, Preparation]:
    """What a ruling is made of: the facts, and the days of the screens, the policy and the yeses."""
    fold = _fold(records, tables, today, with_drafts)
    return fold.facts(()), fold.preparation()


def cycle(records: Iterable[Opened], tables: Tables, today: date, with_drafts: bool = False) -> dict[str, str]:
    """The joint cycle: the latest words of each node. It fills `prefill = "map.cycle"`."""
    return dict(_fold(records, tables, today, with_drafts).cycle)


def the_map(records: Iterable[Opened], tables: Tables, today: date, with_drafts: bool = False) -> Map:
    """Everything for the map of a day."""
    return _fold(records, tables, today, with_drafts).map()


def _fold(records: Iterable[Opened], tables: Tables, today: date, with_drafts: bool) -> "_Fold":
    fold = _Fold(tables, today)
    counted = [one for one in records if (one.signed or with_drafts) and one.held_on <= today]
    for one in sorted(counted, key=lambda one: one.held_on):
        fold.add(one)
    return fold


@dataclass
class _Decision:
    level: str = "not_decided"
    day: date | None = None
    reason: str = ""
    note: str = ""
    review: date | None = None
    written: str = ""


@dataclass
class _Advice:
    """What a supervisor's own note says about a level above hold: `says` agree, wait or nothing of it."""

    day: date
    written: str
    says: str = ""
    words: str = ""

    @property
    def agrees(self) -> bool:
        return self.says == "agree" and bool(self.words)


@dataclass
class _One:
    """What was gathered about one partner."""

    signals: list[Observation] = field(default_factory=list)
    pitfalls: list[Observation] = field(default_factory=list)
    mech: dict[str, Judged] = field(default_factory=dict)
    judgements: list[tuple[date, dict[str, Judged]]] = field(default_factory=list)
    links: dict[tuple[str, str], int] = field(default_factory=dict)
    excluded: dict[str, str] = field(default_factory=dict)
    sources: dict[str, int] = field(default_factory=dict)
    source_days: dict[str, date] = field(default_factory=dict)


class _Fold:
    """Walks records by day and keeps what the facts and the map are made of."""

    def __init__(self, tables: Tables, today: date) -> None:
        self.tables, self.day = tables, today
        self.people: dict[Partner, _One] = {one: _One() for one in PARTNERS}
        self.asked: dict[str, Asked] = {}
        self.last_red: dict[tuple[str, str], tuple[date, str]] = {}  # day of the answer, moment of its last writing
        self.still_red: dict[tuple[str, str], bool] = {}
        self.decisions: list[_Decision] = []
        self.advice: list[_Advice] = []
        self.worried: dict[str, date | None] = {}
        self.today: set[str] = set()
        self.screens: dict[Partner, list[date]] = {one: [] for one in PARTNERS}
        self.policies: list[date] = []
        self.cycle: dict[str, str] = {}
        self.exits: list[tuple[date, str]] = []
        self.aims: dict[About, dict[str, list[tuple[date, int]]]] = {}
        self.homework: list[tuple[date, About, Mapping[str, Any]]] = []
        self.reviews: list[tuple[date, About, Mapping[str, Any]]] = []
        self.sessions: list[date] = []
        self.sheets: list[tuple[Recipient, str, date]] = []
        self.choices: list[Choice] = []

    # ------------------------------------------------------------------ reading
    def add(self, record: Opened) -> None:
        """Take in one record."""
        if record.definition.kind == "session":
            self.sessions.append(record.held_on)
        if record.definition.id in self.tables.sheets:
            whom: Recipient = "joint" if record.about == "couple" else record.about
            self.sheets.append((whom, record.definition.id, record.held_on))
        chosen = choice.read(record.definition, record.about, record.answers, record.held_on, written=record.written)
        if chosen and record.signed:
            self.choices.append(chosen)
        decision, tasks = _Decision(written=record.written), dict[tuple[str, About], dict[str, dict[str, Any]]]()
        advice = _Advice(record.held_on, record.written)
        for placed in record.shown:
            answer = plain(record.answers.get(placed.name))
            if answer is None and not (record.definition.kind == "map" and placed.block.feeds in REPLACED):
                continue
            self.reds(record, placed, answer)
            if placed.block.feeds == "level":
                _decide(decision, placed.block, answer, record.held_on)
            elif placed.block.feeds == "supervision":
                _advise(advice, placed.block, answer)
            elif placed.block.feeds in ("homework", "review"):
                rows = tasks.setdefault((placed.block.feeds, placed.about), {})
                of = {"plan": record.of_record} if placed.block.feeds == "review" and record.of_record else {}
                for id_, values in _rows(placed.block, answer):
                    rows.setdefault(id_, {"id": id_, **of}).update(values)
            elif placed.block.feeds in READERS:
                getattr(self, READERS[placed.block.feeds])(record, placed, answer)
        if decision.day:
            self.decisions.append(decision)
        if record.signed and advice.says in ADVICE:
            self.advice.append(advice)
        for (feeds, about), rows in tasks.items():
            kept = self.homework if feeds == "homework" else self.reviews
            kept += [(record.held_on, about, row) for row in rows.values()]

    def person(self, placed: Placed) -> _One | None:
        return None if placed.about == "couple" else self.people[placed.about]

    def reds(self, record: Opened, placed: Placed, answer: Any) -> None:
        """Every red option in any block; the same question asked again tells whether it is still red."""
        red = {option.id for option in placed.block.options if option.red}
        if not red or answer is None:
            return
        question = (placed.about, placed.block.what or f"{record.definition.id}.{placed.block.id}")
        chosen = set(answer) if isinstance(answer, list) else {answer}
        self.still_red[question] = bool(chosen & red)
        if chosen & red:
            _, before = self.last_red.get(question, (None, ""))
            self.last_red[question] = (record.held_on, max(before, record.written))

    def read_observations(self, record: Opened, placed: Placed, answer: Any) -> None:
        if person := self.person(placed):
            person.signals += _observed(placed, answer, record.held_on)

    def read_pitfalls(self, record: Opened, placed: Placed, answer: Any) -> None:
        if person := self.person(placed):
            person.pitfalls += _observed(placed, answer, record.held_on)

    def read_judgement(self, record: Opened, placed: Placed, answer: Any) -> None:
        if person := self.person(placed):
            rows = _rows(placed.block, answer)
            person.mech = {id_: Judged(str(row.get("status", "")), str(row.get("reason", ""))) for id_, row in rows}
            person.judgements.append((record.held_on, person.mech))

    def read_links(self, record: Opened, placed: Placed, answer: Any) -> None:
        if person := self.person(placed):
            person.links = {
                (id_, mechanism): value
                for id_, row in _rows(placed.block, answer)
                for mechanism, value in row.items()
                if mechanism in self.tables.mechanisms and isinstance(value, int)
            }

    def read_excluded(self, record: Opened, placed: Placed, answer: Any) -> None:
        if person := self.person(placed):
            ticked = "excluded" in {column.id for column in placed.block.columns}
            person.excluded = {
                str(row.get("signal", id_)): str(row.get("reason", ""))
                for id_, row in _rows(placed.block, answer)
                if row.get("excluded") or not ticked
            }

    def read_sources(self, record: Opened, placed: Placed, answer: Any) -> None:
        """Marks of the latest map. A source's day is the first of an unbroken run: marked again is not a new event."""
        if person := self.person(placed):
            marks = {id_: row.get("mark") for id_, row in _rows(placed.block, answer)}
            person.sources = {id_: mark for id_, mark in marks.items() if isinstance(mark, int) and mark > 0}
            person.source_days = {id_: person.source_days.get(id_, record.held_on) for id_ in person.sources}

    def read_asked(self, record: Opened, placed: Placed, answer: Any) -> None:
        if placed.about in PARTNERS and isinstance(answer, str):
            self.asked[f"{placed.about}_{placed.block.what}"] = Asked(answer, record.held_on)

    def read_worried(self, record: Opened, placed: Placed, answer: Any) -> None:
        if placed.about in PARTNERS and answer not in ("no", [], False):
            self.worried[placed.about] = record.held_on

    def read_today(self, record: Opened, placed: Placed, answer: Any) -> None:
        if record.held_on == self.day:
            self.today |= {str(one) for one in (answer if isinstance(answer, list) else [answer])}

    def read_screen(self, record: Opened, placed: Placed, answer: Any) -> None:
        if record.signed and answer == "yes" and placed.about != "couple":
            self.screens[placed.about].append(record.held_on)

    def read_policy(self, record: Opened, placed: Placed, answer: Any) -> None:
        if record.signed:
            self.policies.append(record.held_on)

    def read_cycle(self, record: Opened, placed: Placed, answer: Any) -> None:
        """Joint words only: what fills a joint sheet never comes from the fold over a, b and staff."""
        if placed.scope != "joint" or not isinstance(answer, dict):
            return
        self.cycle |= {str(node): str(words) for node, words in answer.items()}
        if answer.get("exit"):
            self.exits.append((record.held_on, str(answer["exit"])))

    def read_aims(self, record: Opened, placed: Placed, answer: Any) -> None:
        history = self.aims.setdefault(placed.about, {})
        for id_, row in _rows(placed.block, answer):
            value = next((one for name, one in row.items() if isinstance(one, int)), None)
            if value is not None:
                history.setdefault(id_, []).append((record.held_on, value))

    # ------------------------------------------------------------------ results
    def facts(self, given: Iterable[tuple[Recipient, str, date]]) -> Facts:
        decision = self.decisions[-1] if self.decisions else _Decision()
        raised = decision.day if self.raises(decision) and not self.red_since(decision) else None
        preparation = self.preparation()
        in_time = not (decision.day and preparation.since) or decision.day >= preparation.since
        prepared = in_time and preparation.ready(self.day, self.tables.limits.screen_days)
        return Facts(
            self.partner("a"),
            self.partner("b"),
            decision=decision.level,
            decided=decision.day,
            raised=raised,
            review=decision.review if self.raises(decision) else None,
            prepared=prepared,
            asked=self.answers(),
            recent=self.declined(dict(self.recent(given))),
            red=tuple(self.standing_reds()),
            worried=self.worried,
            today=tuple(sorted(self.today)),
            day=self.day,
        )

    def preparation(self) -> Preparation:
        yeses: dict[Partner, date | None] = {}
        for one in PARTNERS:
            asked = self.asked.get(f"{one}_intimate")
            yeses[one] = asked.day if asked and asked.answer == "yes" else None
        agreed = self.policies[0] if self.policies else date.min
        screens = {one: [day for day in days if day >= agreed] for one, days in self.screens.items()}
        there = bool(self.policies) and all(screens.values())
        since = max(agreed, *(days[0] for days in screens.values())) if there else None
        last: dict[Partner, date | None] = {one: days[-1] if days else None for one, days in screens.items()}
        return Preparation(last, self.policies[-1] if self.policies else None, yeses, since)

    def partner(self, who: Partner) -> Person:
        one = self.people[who]
        signals, past = self.counting(one.signals)
        pitfalls, _ = self.counting(one.pitfalls)
        return Person(signals, pitfalls, past, one.mech, one.links, one.excluded, one.sources, one.source_days)

    def counting(self, seen: Sequence[Observation]) -> tuple[tuple[Observation, ...], tuple[Observation, ...]]:
        """The latest of each observer within 90 days; the others are past and may still wait for an answer."""
        latest = {(one.id, one.seen_by): one for one in seen}
        since = self.day - timedelta(self.tables.limits.observation_days)
        now = {one for one in latest.values() if one.day and one.day >= since}
        return sort_observations(now), sort_observations(one for one in seen if one not in now and one.intensity)

    def answers(self) -> dict[str, Asked]:
        """Answers of each; what the couple is asked (staying, why it got worse) is there once both have answered."""
        found = dict(self.asked)
        for what, wanted, together in ((STAYS, "stay", "both"), ("worse", "asked", "asked")):
            both = [self.asked.get(f"{one}_{what}") for one in PARTNERS]
            days = [one.day for one in both if one and one.answer == wanted and one.day]
            if len(days) == len(PARTNERS):
                found[what] = Asked(together, min(days))
        return found

    def standing_reds(self) -> Iterator[Red]:
        """A red answer stands until a raising decision that came after it; it stands again once that one's review date
        is past or a later decision does not raise, unless the same question was answered anew."""
        for (about, question), (day, written) in sorted(self.last_red.items()):
            still = self.still_red[about, question]
            counted = self.decisions[-1:] if still else self.decisions
            after = [one for one in counted if one.day and one.day >= day and one.written >= written]
            raising = [one for one in after if self.raises(one)]
            if not any(not still or (one.review and self.day <= one.review) for one in raising):
                yield Red(about, question, day)

    def raises(self, decision: _Decision) -> bool:
        """D2: what a level above hold needs after a red answer: reason, supervisor's note, a day to look again."""
        enough = decision.level in ("light", "full") and bool(decision.reason and decision.review)
        return enough and self.supervised(decision)

    def supervised(self, decision: _Decision) -> bool:
        """Whether a supervisor agreed, in a note that knew the last red answer and was there when it was decided.

        A supervisor without an account is quoted in the map; where one wrote, what they wrote last has the word.
        """
        red_day, red_written = max(self.last_red.values(), default=(date.min, ""), key=lambda one: (one[1], one[0]))
        known = [
            one
            for one in self.advice
            if red_day <= one.day <= (decision.day or one.day) and red_written <= one.written <= decision.written
        ]
        last = max(known, default=None, key=lambda one: (one.written, one.day))
        return last.agrees if last else bool(decision.note)

    def red_since(self, decision: _Decision) -> bool:
        """Whether a red answer was written after a decision: whatever day it is of, the decision did not weigh it."""
        return any(written > decision.written for _, written in self.last_red.values())

    def recent(self, given: Iterable[tuple[Recipient, str, date]]) -> Iterator[tuple[str, Recent]]:
        """History by recipient and sheet: given in the last two sessions, then what a review said, the latest last."""
        last = sorted(set(self.sessions))[-self.tables.limits.sessions :]
        for whom, sheet, day in sorted([*self.sheets, *given], key=lambda one: one[2]):
            if last and day >= last[0]:
                yield f"{whom}.{sheet}", Recent("given", day)
        for day, about, row in self.reviews:
            word = str(row.get("outcome", ""))
            outcome = OUTCOMES.get(word) or ("did_not_help" if word in NO_HELP else "")
            if outcome:
                whom = "joint" if row.get("together") or about == "couple" else about
                # A step of a plan is one of its kind: the “did not help” of a later plan's first step says nothing of
                # the “made it worse” of this one's, which R9 reads until somebody was asked.
                step = f"{row['id']}.{row.get('plan') or day}"
                yield f"{whom}.{row.get('sheet') or row.get('item') or step}", Recent(outcome, day)

    def declined(self, recent: dict[str, Recent]) -> dict[str, Recent]:
        """What the counsellor declined is out until that is taken back. What made it worse stays so: R9 reads it."""
        for one in choice.newest(self.choices):
            key = f"{one.recipient}.{one.sheet}"
            if one.verdict == choice.DECLINED and (key not in recent or recent[key].outcome != "worse"):
                recent[key] = Recent("declined", one.day)
        return recent

    def map(self) -> Map:
        made = self.facts(())
        return Map(
            made,
            tuple(self.seen("signals", self.tables.signals)),
            tuple(self.seen("pitfalls", ())),
            tuple(self.guesses()),
            tuple(self.drawn(made)),
            {one: made.of(one).sources for one in PARTNERS},
            dict(self.cycle),
            tuple(self.exits),
            {about: {aim: tuple(points) for aim, points in aims.items()} for about, aims in self.aims.items()},
            tuple(self.homework),
            tuple(self.reviews),
            tuple(sorted({day for one in self.people.values() for day, _ in one.judgements})),
        )

    def seen(self, kind: str, order: Sequence[str]) -> Iterator[Seen]:
        for who in PARTNERS:
            one = self.people[who]
            all_: list[Observation] = getattr(one, kind)
            now, _ = self.counting(all_)
            ids = sorted({found.id for found in all_}, key=lambda id_: (order.index(id_) if id_ in order else 99, id_))
            for id_ in ids:
                best = sorted((found for found in now if found.id == id_), key=self.weight, reverse=True)
                history = tuple(found for found in all_ if found.id == id_)
                yield Seen(who, id_, tuple(best), history, one.excluded.get(id_))

    def weight(self, one: Observation) -> Any:
        return one.intensity * self.tables.seen_by.get(one.seen_by, 0)

    def guesses(self) -> Iterator[Guess]:
        for who in PARTNERS:
            one = self.people[who]
            for id_ in self.tables.mechanisms:
                judged = one.mech.get(id_, Judged())
                history = tuple((day, mech[id_]) for day, mech in one.judgements if id_ in mech)
                yield Guess(who, id_, judged.status, judged.reason, history)

    def drawn(self, made: Facts) -> Iterator[Drawn]:
        for who in PARTNERS:
            person = made.of(who)
            seen = {one.id for one in person.signals if one.intensity and one.id not in person.excluded}
            for signal in (one for one in self.tables.signals if one in seen):
                for mechanism in self.tables.mechanisms:
                    own = (signal, mechanism) in person.links
                    shipped = self.tables.links.get((signal, mechanism), (0, None))[0]
                    strength = person.links[signal, mechanism] if own else shipped
                    if strength:
                        yield Drawn(who, signal, mechanism, strength, own)


ADVICE: Final = ("agree", "wait")
REPLACED: Final = frozenset({"judgement", "links", "excluded", "sources"})
READERS: Final = {
    name: f"read_{name}"
    for name in (
        "observations pitfalls judgement links excluded sources asked worried today screen policy cycle aims"
    ).split()
}


# --------------------------------------------------------------------------- one answer
def _rows(block: Block, answer: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Any answer as rows: a table's, a matrix' (`value`), or one row named as the block (`outcome` of a choice)."""
    if isinstance(answer, list) and block.kind == "table":
        for row in answer:
            yield str(row["id"]), {name: value for name, value in row.items() if name != "id"}
    elif isinstance(answer, dict) and block.kind == "matrix":
        for id_, value in answer.items():
            yield id_, {"value": value, "outcome": block.points[value].id}
    elif answer is not None and block.kind in ("choice", "scale"):
        yield block.id, {"outcome" if block.kind == "choice" else "value": answer}


def _observed(placed: Placed, answer: Any, day: date) -> Iterator[Observation]:
    default = "self" if placed.scope in PARTNERS else "counsellor"
    for id_, row in _rows(placed.block, answer):
        intensity = row.get("intensity", row.get("value"))
        seen_by = row.get("seen_by", default)
        if isinstance(intensity, int) and seen_by in SEERS:
            words = str(row.get("words", ""))
            yield Observation(id_, min(intensity, 4), seen_by, day, str(row.get("frequency", "")), words)


def _decide(decision: _Decision, block: Block, answer: Any, held_on: date) -> None:
    """The blocks that make up a level, by kind and id."""
    if block.kind == "choice":
        decision.level, decision.day = str(answer), decision.day or held_on
    elif block.kind == "prompt" and isinstance(answer, str):
        if "supervis" in block.id:
            decision.note = answer
        elif "reason" in block.id:
            decision.reason = answer
    elif block.kind == "date" and isinstance(answer, dict):
        said = as_day(answer.get("day"))
        decision.review = as_day(answer.get("review")) or decision.review
        if said and decision.day and said <= held_on:
            decision.day = said


def _advise(advice: _Advice, block: Block, answer: Any) -> None:
    """The two blocks of a supervisor's note that concern the level."""
    if block.kind == "choice":
        advice.says = str(answer)
    elif block.kind == "prompt" and isinstance(answer, str):
        advice.words = answer.strip()
