"""What stands behind each suggested sheet, made ready for the map page: chains, rival guesses, choices. Staff only.

No list says anything twice: sheets that one lane led to share its chain, and what else a signal may be stands once, in
the table of guesses.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from flask_babel import gettext as _
from flask_babel import lazy_gettext

from clinic.domain import homework
from clinic.domain.audience import RECIPIENTS, Recipient
from clinic.domain.choice import CONFIRMED, DECLINED, Choice
from clinic.domain.definition import Text
from clinic.domain.facts import Observation, Partner
from clinic.domain.formulation import Drawn, Guess, Map
from clinic.domain.suggest import Evidence, Lane, Suggestion, Suggestions
from clinic.services.definitions import definitions, library, tables
from clinic.web.filters import day, t

STATUSES: Final = {
    "": lazy_gettext("not judged yet"),
    "tentative": lazy_gettext("tentative"),
    "likely": lazy_gettext("likely"),
    "supported": lazy_gettext("supported"),
    "ruled_out": lazy_gettext("ruled out"),
}
SEEN_BY: Final = {
    "self": lazy_gettext("said by this partner"),
    "counsellor": lazy_gettext("seen by you"),
    "partner": lazy_gettext("said by the other partner only"),
}
GIVING: Final = lazy_gettext("Answers that do not help")
SEX: Final = lazy_gettext("What sex has to carry")
STEPS: Final = 4  # how finely the weight of a guess is shown


@dataclass(frozen=True)
class Chain:
    """From what was seen to what may be under it, for one list: the lanes that won, the strongest evidence first."""

    lane: str
    kind: str
    lanes: tuple[tuple[Lane, tuple[Evidence, ...]], ...]


@dataclass(frozen=True)
class Card:
    """One suggested sheet. `like`: the sheet above it that has the same chain; `first`: why it is not scored."""

    one: Suggestion
    purpose: Text | None
    not_when: Text | None
    chain: Chain | None
    like: str = ""
    first: str = ""
    choice: Choice | None = None


@dataclass(frozen=True)
class Shelf:
    """One list with what was chosen: `cards` in order, `confirmed` ones that are suggested no more, `declined`."""

    recipient: Recipient
    cards: tuple[Card, ...]
    confirmed: tuple[Choice, ...]
    declined: tuple[Choice, ...]


@dataclass(frozen=True)
class Cell:
    """What one signal says for one guess: strength 0–3, and the library's reason or the counsellor's own strength."""

    strength: int = 0
    reason: Text | None = None
    own: bool = False


@dataclass(frozen=True)
class Column:
    """A guess of the table: its judgement, and its weight among the four (0–4)."""

    guess: Guess
    weight: int


@dataclass(frozen=True)
class Row:
    """A signal of the table, with a cell for each guess; `zeroed`: why a rule lets it count for nothing."""

    id: str
    seen: Observation
    cells: tuple[Cell, ...]
    rule_outs: Text | None
    zeroed: Text | None


@dataclass(frozen=True)
class Rivals:
    """The guesses about one partner side by side, the heaviest first, over the signals that were seen."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


# --------------------------------------------------------------------------- the lists
def shelves(found: Suggestions, choices: Sequence[Choice]) -> tuple[Shelf, ...]:
    """The three lists, in the order A, B, both."""
    return tuple(_shelf(one, found, choices) for one in sorted(RECIPIENTS, key=("a", "b", "joint").index))


def _shelf(to: Recipient, found: Suggestions, choices: Sequence[Choice]) -> Shelf:
    mine = {one.sheet: one for one in choices if one.recipient == to}
    cards: list[Card] = []
    for one in found.of(to):
        like = next((card.one.sheet for card in cards if one.lane and card.one.lane == one.lane), "")
        cards.append(
            Card(
                one,
                tables().purposes.get(one.sheet),
                next((against.text for against in one.against if against.kind == "not_when"), None),
                chain(one),
                like,
                "" if cards and found.trace.level in tables().fixed else _first(one, found),
                mine.get(one.sheet),
            )
        )
    there = {card.one.sheet for card in cards}
    confirmed = tuple(one for one in mine.values() if one.verdict == CONFIRMED and one.sheet not in there)
    return Shelf(to, tuple(cards), confirmed, tuple(one for one in mine.values() if one.verdict == DECLINED))


def chain(one: Suggestion) -> Chain | None:
    """The lanes that led to a sheet, each with its evidence, the strongest first; None if it was not scored."""
    lanes = [(lane, _strongest(lane.evidence)) for lane in one.lanes if lane.points]
    return Chain(one.lane, lanes[0][0].kind, tuple(lanes)) if lanes else None


def _strongest(evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
    return tuple(sorted(evidence, key=lambda one: -one.points))


def _first(one: Suggestion, found: Suggestions) -> str:
    """Why a sheet stands there without a score."""
    if one.score is not None:
        return ""
    if found.trace.level in tables().fixed:
        return str(_("The same pages for both at this level, in the same order."))
    if one.sheet == tables().check_in:
        return str(_("Nothing is known from this partner yet: hear this partner first."))
    return str(_("The leading guess is not likely yet: weigh it together before a deeper sheet."))


def told(one: Suggestion) -> str:
    """The chain in a few words, as a record keeps it."""
    found = chain(one)
    if found is None:
        return ""
    lines = []
    for lane, evidence in found.lanes:
        who = f"{lane.about.upper()}: " if one.recipient == "joint" else ""
        seen = "; ".join(_seen(item) for item in evidence)
        sure = f" ({STATUSES[lane.status]})" if lane.kind == "mechanism" and lane.status in STATUSES else ""
        reason = f". {lane.reason}" if lane.reason else ""
        lines.append(f"{who}{seen} → {entry_title(lane.kind, lane.id)}{sure}{reason}")
    return "\n".join(lines)


def _seen(one: Evidence) -> str:
    most = 3 if one.kind == "source" else 4
    words = [f"{entry_title(one.kind, one.id)} {one.intensity}/{most}"]
    words += [str(SEEN_BY[one.seen_by])] if one.kind != "source" and one.seen_by in SEEN_BY else []
    words += [day(one.day)] if one.day else []
    return ", ".join(words)


# --------------------------------------------------------------------------- rival guesses
def rivals(drawn: Map, found: Suggestions, about: Partner) -> Rivals:
    """The guesses about a partner, over each signal that points to one of them."""
    points = {lane.id: lane.points for lane in found.trace.lanes[about]}
    guesses = [one for one in drawn.guesses if one.about == about]
    ranked = sorted(guesses, key=lambda one: (one.status == "ruled_out", -points.get(one.id, 0)))
    most = max((points.get(one.id, 0) for one in guesses), default=0)
    columns = tuple(Column(one, round(points.get(one.id, 0) * STEPS / most) if most else 0) for one in ranked)
    links = {(one.signal, one.mechanism): one for one in drawn.links if one.about == about}
    zeroed = {one.id: one.text for one in found.trace.against if one.kind == "zeroed" and one.about == about}
    rows = []
    for seen in drawn.signals:
        if seen.about != about or seen.excluded is not None or not seen.now or not seen.now[0].intensity:
            continue
        cells = tuple(_cell(seen.id, one.id, links) for one in ranked)
        if any(cell.strength for cell in cells):
            rule_outs = tables().rule_outs.get(seen.id)
            rows.append(Row(seen.id, seen.now[0], cells, rule_outs, zeroed.get(seen.id)))
    return Rivals(columns, tuple(sorted(rows, key=lambda row: (row.id in zeroed, -row.seen.intensity))))


def _cell(signal: str, mechanism: str, links: Mapping[tuple[str, str], Drawn]) -> Cell:
    link = links.get((signal, mechanism))
    if link is None:
        return Cell()
    return Cell(link.strength, None if link.own else tables().links[signal, mechanism][1], link.own)


# --------------------------------------------------------------------------- names
def entry_title(kind: str, id_: str) -> str:
    """The name of a signal, pitfall, source, mechanism or lane in the reader's language."""
    if kind in ("giving", "sex"):
        return str(GIVING if kind == "giving" else SEX)
    try:
        return t(library().get(f"{kind}s", id_).title)
    except KeyError:
        return id_  # an id of an older library


def sheet_title(id_: str) -> str:
    """A sheet's title, or that it is a step of a plan (`first.<plan>`); of a sheet that is no more, its id."""
    if id_.partition(".")[0] in homework.STEPS:
        return str(_("A step of a plan"))
    return t(definitions()[id_].title) if id_ in definitions() else id_
