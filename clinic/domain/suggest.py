"""Which sheets to think about next, and why (CLINICAL_RULES C): pure, explained, for the staff layer only.

Every suggestion carries its trace: the signals behind it with who saw them and when, the counsellor's confidence and
reason, what speaks against it, and which sheets a filter took out. Two equal facts give equal suggestions.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from clinic.domain.audience import Recipient
from clinic.domain.definition import Text
from clinic.domain.facts import PARTNERS, Asked, Facts, Judged, Observation, Partner, Person, Recent, other
from clinic.domain.rules import EVERY, Because, Fired, Lowered, Verdict, judge, said_yes, suits
from clinic.domain.tables import Fit, Tables, parse_tables

__all__ = [
    "Against", "Asked", "Because", "Evidence", "Facts", "Fired", "Judged", "Lane", "Lowered", "Observation", "Partner",
    "Person", "Recent", "Removed", "Suggestion", "Suggestions", "Tables", "Trace", "other", "parse_tables", "suggest",
]  # fmt: skip


@dataclass(frozen=True)
class Evidence:
    """One thing that adds points to a lane; `about` says whom it concerns, so that a page can place it."""

    about: Partner
    kind: str  # signal | pitfall | source
    id: str
    intensity: int  # 0–4, of a source 1–3
    seen_by: str
    day: date | None
    factor: Fraction  # link strength × confidence, or the lane's factor; without who saw it
    points: Fraction
    reason: Text | None = None  # of the link; None when the counsellor set its strength
    strength: int = 0  # of the link, 1–3; 0: it needs none


@dataclass(frozen=True)
class Lane:
    """A mechanism, `giving`, `sex` or a source, of one partner: its points and where they come from."""

    id: str
    kind: str  # mechanism | giving | sex | source
    about: Partner
    points: Fraction
    evidence: tuple[Evidence, ...]
    status: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Against:
    """What speaks against a sheet or reading: a sentence of the tables (`text`) or a counsellor's words (`reason`)."""

    kind: str  # not_when | rule_outs | ruled_out | excluded | zeroed
    about: str
    id: str
    text: Text | None = None
    reason: str = ""


@dataclass(frozen=True)
class Suggestion:
    """A sheet to think about. `lane` is the one reason that won; `score` None: not scored (fixed set, first sheet)."""

    sheet: str
    recipient: Recipient
    score: float | None = None
    lane: str = ""
    fit: int = 0
    lanes: tuple[Lane, ...] = ()
    against: tuple[Against, ...] = ()
    history: str = ""  # given | did_not_help: the score was halved


@dataclass(frozen=True)
class Removed:
    """A sheet taken out `by` level, R1 … R10, history (`detail`: kept, worse, declined), unheard, points, one_of,
    alone, never_first or shown."""

    recipient: Recipient
    sheet: str
    by: str
    detail: str = ""


@dataclass(frozen=True)
class Trace:
    """How it came about; staff only. `lanes` of both partners, best first; `fired` includes cleared rules."""

    level: str
    lowered: tuple[Lowered, ...]
    lanes: Mapping[Partner, tuple[Lane, ...]]
    against: tuple[Against, ...]
    removed: tuple[Removed, ...]
    fired: tuple[Fired, ...]


@dataclass(frozen=True)
class Suggestions:
    """At most three sheets for each recipient, the rules that are open, and the trace."""

    a: tuple[Suggestion, ...]
    b: tuple[Suggestion, ...]
    joint: tuple[Suggestion, ...]
    rules: tuple[Fired, ...]
    trace: Trace

    def of(self, recipient: Recipient) -> tuple[Suggestion, ...]:
        """The suggestions for one recipient."""
        return {"a": self.a, "b": self.b, "joint": self.joint}[recipient]


def suggest(facts: Facts, tables: Tables) -> Suggestions:
    """Rank the sheets for A, for B and for both."""
    verdict = judge(facts, tables)
    lanes = {partner: _lanes(facts, tables, verdict, partner) for partner in PARTNERS}
    lists = {one: _List(one, facts, tables, verdict, lanes) for one in ("a", "b", "joint")}
    found = {one: list_.suggestions() for one, list_ in lists.items()}
    removed = tuple(one for list_ in lists.values() for one in list_.removed)
    best = {partner: tuple(sorted(own, key=lambda lane: -lane.points)) for partner, own in lanes.items()}
    against = tuple(one for partner in PARTNERS for one in _left_out(facts, verdict, partner))
    trace = Trace(verdict.level, verdict.lowered, best, against, removed, verdict.fired)
    return Suggestions(found["a"], found["b"], found["joint"], verdict.open, trace)


# --------------------------------------------------------------------------- lanes
def _lanes(facts: Facts, tables: Tables, verdict: Verdict, partner: Partner) -> tuple[Lane, ...]:
    """All lanes of one partner in table order: mechanisms, giving, sex, sources."""
    person = facts.of(partner)
    signals = _best(person.signals, tables, {*person.excluded, *verdict.zero}, tables.signals)
    pitfalls = _best(person.pitfalls, tables, set(person.excluded), ())
    found = [_mechanism(one, person, signals, tables, partner) for one in tables.mechanisms]
    sexual = [one for one in signals if one.id in tables.sexual]
    found.append(_sum("giving", pitfalls, "pitfall", tables, partner))
    found.append(_sum("sex", sexual, "signal", tables, partner))
    found += [_source(one, person, tables, partner) for one in tables.sources if person.sources.get(one, 0) > 0]
    return tuple(found)


def _best(seen: Iterable[Observation], tables: Tables, out: set[str], order: tuple[str, ...]) -> list[Observation]:
    """Of each signal or pitfall the observation with the highest product; those left out count nothing."""
    best: dict[str, Observation] = {}
    for one in seen:
        if one.id in out:
            continue
        known = best.get(one.id)
        if known is None or _weighed(one, tables) > _weighed(known, tables):
            best[one.id] = one
    return sorted(best.values(), key=lambda one: (order.index(one.id) if one.id in order else 99, one.id))


def _weighed(one: Observation, tables: Tables) -> Fraction:
    return one.intensity * tables.seen_by.get(one.seen_by, Fraction(0))


def _mechanism(id_: str, person: Person, signals: list[Observation], tables: Tables, about: Partner) -> Lane:
    judged = person.mech.get(id_, Judged())
    sure = tables.confidence.get(judged.status or "unset", tables.confidence["unset"])
    found = []
    for one in signals:
        strength, reason = _link(one.id, id_, person, tables)
        factor = strength * sure
        if points := _weighed(one, tables) * factor:
            found.append(_evidence(one, "signal", about, factor, points, reason, strength))
    return Lane(id_, "mechanism", about, _total(found), tuple(found), judged.status, judged.reason)


def _link(signal: str, mechanism: str, person: Person, tables: Tables) -> tuple[int, Text | None]:
    """The counsellor's own strength for this cell, else the library's with its reason."""
    if (signal, mechanism) in person.links:
        return person.links[signal, mechanism], None
    return tables.links.get((signal, mechanism), (0, None))


def _sum(id_: str, seen: list[Observation], kind: str, tables: Tables, about: Partner) -> Lane:
    factor = tables.factors[id_]
    found = [
        _evidence(one, kind, about, factor, points, None) for one in seen if (points := _weighed(one, tables) * factor)
    ]
    return Lane(id_, id_, about, _total(found), tuple(found))


def _source(id_: str, person: Person, tables: Tables, about: Partner) -> Lane:
    mark, factor = min(person.sources[id_], 3), tables.factors["source"]
    only = Evidence(about, "source", id_, mark, "counsellor", person.source_days.get(id_), factor, mark * factor)
    return Lane(id_, "source", about, only.points, (only,))


def _evidence(
    one: Observation,
    kind: str,
    about: Partner,
    factor: Fraction,
    points: Fraction,
    reason: Text | None,
    strength: int = 0,
) -> Evidence:
    return Evidence(about, kind, one.id, one.intensity, one.seen_by, one.day, factor, points, reason, strength)


def _total(found: Iterable[Evidence]) -> Fraction:
    return sum((one.points for one in found), Fraction(0))


# --------------------------------------------------------------------------- one list
@dataclass(frozen=True)
class _Scored:
    """A sheet in the running: its winning lane, points after history."""

    sheet: str
    points: Fraction
    lane: str
    fit: Fit
    history: str


class _List:
    """The list of one recipient. The filters run in the order of CLINICAL_RULES C and note what they take out."""

    def __init__(
        self,
        recipient: Recipient,
        facts: Facts,
        tables: Tables,
        verdict: Verdict,
        lanes: Mapping[Partner, tuple[Lane, ...]],
    ) -> None:
        self.recipient, self.facts, self.tables, self.verdict = recipient, facts, tables, verdict
        who: tuple[Partner, ...] = PARTNERS if recipient == "joint" else (recipient,)
        self.side = "joint" if recipient == "joint" else "own"
        self.own = tuple(lane for partner in who for lane in lanes[partner])
        self.yes = {partner: said_yes(facts, tables, partner) for partner in PARTNERS}
        self.removed: list[Removed] = []

    def suggestions(self) -> tuple[Suggestion, ...]:
        if stop := self.verdict.closed[self.recipient].get(EVERY):
            self.removed.append(Removed(self.recipient, EVERY, stop[0]))
            return ()
        if self.verdict.level in self.tables.fixed:
            return self.fixed()
        ranked = self.enough(self.in_use(self.by_rules(self.by_level(self.candidates()))))
        first = self.first()
        if first == self.tables.check_in and self.recipient != "joint":
            self.take(ranked, "unheard")
            return self.unscored(first)
        after = self.about_sex([one for one in ranked if one.sheet != first], bool(first))
        room = self.tables.limits.shown - (1 if first else 0)
        self.take(after[room:], "shown")
        return (*(self.unscored(first) if first else ()), *(self.suggestion(one) for one in after[:room]))

    def take(self, out: Iterable[_Scored], by: str, detail: str = "") -> None:
        self.removed += [Removed(self.recipient, one.sheet, by, detail) for one in out]

    def fixed(self) -> tuple[Suggestion, ...]:
        if self.recipient == "joint":
            self.removed.append(Removed(self.recipient, EVERY, "level", self.verdict.level))
            return ()
        return tuple(Suggestion(sheet, self.recipient) for sheet in self.tables.fixed[self.verdict.level])

    def unscored(self, sheet: str) -> tuple[Suggestion, ...]:
        if self.history(sheet)[0]:
            return (Suggestion(sheet, self.recipient),)
        self.removed.append(Removed(self.recipient, sheet, "history", self.history(sheet)[1]))
        return ()

    def candidates(self) -> list[_Scored]:
        """Each sheet with its best lane; at equal points the lane that stands first in the tables."""
        best: dict[str, _Scored] = {}
        for lane, points in self.lane_points().items():
            for fit in self.tables.lanes[lane][self.side]:
                share, history = self.history(fit.sheet)
                score = points * fit.fit / 5
                if score and (fit.sheet not in best or score > best[fit.sheet].points):
                    best[fit.sheet] = _Scored(fit.sheet, score, lane, fit, history)
        return sorted(best.values(), key=self.rank)

    def lane_points(self) -> dict[str, Fraction]:
        found = {lane: Fraction(0) for lane in self.tables.lanes}
        for lane in self.own:
            found[lane.id] += lane.points
        return found

    def rank(self, one: _Scored) -> tuple[Fraction, int]:
        return -one.points, list(self.tables.sheets).index(one.sheet)

    def by_level(self, found: list[_Scored]) -> list[_Scored]:
        level, tables = self.verdict.level, self.tables
        kept = [
            one
            for one in found
            if suits(
                level,
                tables.level(one.sheet, self.recipient),
                self.recipient,
                self.yes,
                one.sheet in tables.own_yes,
            )
        ]
        self.take((one for one in found if one not in kept), "level", level)
        return kept

    def by_rules(self, found: list[_Scored]) -> list[_Scored]:
        kept = []
        for one in found:
            if rules := self.verdict.closes(one.sheet, self.recipient):
                self.take([one], rules[0], " ".join(rules))
            else:
                kept.append(one)
        return kept

    def history(self, sheet: str) -> tuple[Fraction, str]:
        """The factor and the outcome of what became of this sheet lately; 0 means out."""
        recent = self.facts.recent.get(f"{self.recipient}.{sheet}")
        if recent is None or recent.outcome not in self.tables.history:
            return Fraction(1), ""
        return self.tables.history[recent.outcome], recent.outcome

    def in_use(self, found: list[_Scored]) -> list[_Scored]:
        kept = []
        for one in found:
            share, outcome = self.history(one.sheet)
            if share:
                kept.append(_Scored(one.sheet, one.points * share, one.lane, one.fit, outcome))
            else:
                self.take([one], "history", outcome)
        return kept

    def enough(self, found: list[_Scored]) -> list[_Scored]:
        kept = [one for one in found if one.points >= self.tables.limits.least]
        self.take((one for one in found if one not in kept), "points")
        return sorted(kept, key=self.rank)

    def first(self) -> str:
        """Filter 4: the check-in for a partner who was not heard yet, the explorer while the lead is a guess."""
        if self.recipient == "joint":
            return ""
        person = self.facts.of(self.recipient)
        if "self" not in {one.seen_by for one in (*person.signals, *person.pitfalls)}:
            return self.tables.check_in
        lead = max(self.own, key=lambda lane: lane.points, default=None)  # the first in table order at equal points
        if lead is None or not lead.points or lead.kind != "mechanism" or lead.status in ("likely", "supported"):
            return ""
        share, outcome = self.history(self.tables.explorer)
        if not share:
            self.removed.append(Removed(self.recipient, self.tables.explorer, "history", outcome))
        return self.tables.explorer if share else ""

    def about_sex(self, found: list[_Scored], has_first: bool) -> list[_Scored]:
        """Filter 5: at most one of the two sheets about sex, never alone; nothing that the sex lane won comes first."""
        ours = [one for one in found if one.sheet in self.tables.one_of]
        self.take(ours[1:], "one_of", ours[0].sheet if ours else "")
        left = [one for one in found if one not in ours[1:]]
        if ours and len(left) == 1 and not has_first:
            self.take(left, "alone")
            return []
        if has_first:
            return left
        lead = next((one for one in left if one.lane != "sex"), None)
        if lead is None:
            self.take(left, "never_first")
            return []
        return [lead, *(one for one in left if one is not lead)]

    def suggestion(self, one: _Scored) -> Suggestion:
        lanes = tuple(lane for lane in self.own if lane.id == one.lane and lane.points)
        against = [Against("not_when", self.recipient, one.sheet, one.fit.not_when)] if one.fit.not_when else []
        for lane in lanes:
            for evidence in lane.evidence:
                if evidence.kind == "signal" and evidence.id in self.tables.rule_outs:
                    text = self.tables.rule_outs[evidence.id]
                    against.append(Against("rule_outs", lane.about, evidence.id, text))
        who = {lane.about for lane in lanes}
        against += [found for partner in sorted(who) for found in _left_out(self.facts, self.verdict, partner)]
        return Suggestion(
            one.sheet,
            self.recipient,
            float(one.points),
            one.lane,
            one.fit.fit,
            lanes,
            tuple(against),
            one.history,
        )


def _left_out(facts: Facts, verdict: Verdict, partner: Partner) -> list[Against]:
    """What the counsellor took out or ruled out keeps its reason; so does what a rule sets to nothing."""
    person = facts.of(partner)
    found = [Against("excluded", partner, id_, reason=why) for id_, why in sorted(person.excluded.items())]
    found += [
        Against("ruled_out", partner, id_, reason=judged.reason)
        for id_, judged in sorted(person.mech.items())
        if judged.status == "ruled_out"
    ]
    seen = {one.id for one in person.signals} & verdict.zero
    reasons = {signal: one.reason for one in verdict.open for effect in one.effects for signal in effect.zero}
    return found + [Against("zeroed", partner, id_, reasons.get(id_)) for id_ in sorted(seen)]
