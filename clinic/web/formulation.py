"""The map of a case in the staff layer: what was seen, what may be under it, which sheets speak to that, and why."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext

from clinic.domain import ruling as rulings
from clinic.domain.definition import Text
from clinic.domain.facts import PARTNERS, Partner
from clinic.domain.formulation import Guess, Map, Opened, Seen, facts, the_map
from clinic.domain.ruling import Ruling
from clinic.domain.suggest import Evidence, Lane, Suggestion, Suggestions, suggest
from clinic.domain.tables import as_day
from clinic.services import cases, prints, records
from clinic.services.definitions import definitions, library, tables
from clinic.services.readiness import readiness
from clinic.web import diagram
from clinic.web.clinic import settings, store
from clinic.web.filters import t
from clinic.web.session import token

bp = Blueprint("formulation", __name__)

STATUSES: Final = {
    "": lazy_gettext("not judged yet"),
    "tentative": lazy_gettext("tentative"),
    "likely": lazy_gettext("likely"),
    "supported": lazy_gettext("supported"),
    "ruled_out": lazy_gettext("ruled out"),
}
LEVELS: Final = {
    "not_decided": lazy_gettext("Not decided"),
    "hold": lazy_gettext("Hold"),
    "light": lazy_gettext("Light"),
    "full": lazy_gettext("Full"),
}
SEEN_BY: Final = {
    "self": lazy_gettext("said by this partner"),
    "counsellor": lazy_gettext("seen by you"),
    "partner": lazy_gettext("said by the other partner only"),
}
# Why the level stands lower than chosen. A rule's own title and sentence stand beside its id.
LOWERED: Final = {
    "preparation": lazy_gettext("a talk with each partner alone or the agreement is missing or too old"),
    "red": lazy_gettext("of an answer that means: no sheets together now"),
    "source": lazy_gettext("fear or pressure is marked as a source"),
    "level_anew": lazy_gettext("an answer came after the level was chosen: choose it anew"),
}
REMOVED: Final = {
    "level": lazy_gettext("needs a higher level"),
    "history": lazy_gettext("in use, or it made things worse"),
    "unheard": lazy_gettext("this partner was not heard yet"),
    "points": lazy_gettext("too little speaks for it"),
    "one_of": lazy_gettext("one sheet about closeness and sex is enough"),
    "alone": lazy_gettext("never the only sheet"),
    "never_first": lazy_gettext("never the first sheet"),
    "shown": lazy_gettext("three others come first"),
}
GIVING: Final = lazy_gettext("Answers that do not help")
SEX: Final = lazy_gettext("What sex has to carry")
MAPS_SHOWN: Final = 6


@dataclass(frozen=True)
class Side:
    """One partner on the page: the drawing, the mechanisms side by side, what is left out."""

    about: Partner
    drawing: diagram.Drawing
    mechanisms: tuple[tuple[Guess, Lane | None], ...]
    ruled_out: tuple[Guess, ...]
    sources: tuple[tuple[str, int], ...]
    excluded: tuple[Seen, ...]


@bp.get("/cases/<uuid:case_id>/formulation")
def map(case_id: object) -> ResponseReturnValue:
    """The map as it stands today, from finished records."""
    case = cases.case_page(store(), token(), str(case_id), layer="staff")
    opened = records.opened(store(), token(), case.id)
    today = store().today()
    found = suggest(facts(opened, tables(), today, given=prints.given(store(), token(), case.id)), tables())
    drawn = the_map(opened, tables(), today)
    listed = [one for one in records.listing(store(), token(), case.id) if one.kind == "map"]
    ruling = Ruling.from_data(case.ruling)
    return render_template(
        "web/formulation/map.html",
        case=case,
        map=drawn,
        found=found,
        sides=[_side(drawn, found, one) for one in PARTNERS],
        maps=sorted(listed, key=lambda one: one.held_on, reverse=True),
        judged=_judged(drawn),
        decision=_decision(opened),
        level=rulings.level_on(ruling, today),
        falls_on=rulings.falls_on(ruling),
        in_place=in_place(opened, ruling),
        words={"status": STATUSES, "level": LEVELS, "seen_by": SEEN_BY, "lowered": LOWERED, "removed": REMOVED},
        entry=entry_title,
        sheet=sheet_title,
        printable=_printable,
        unready=lambda one: _unready(one, case),
        trace=_trace,
        gathered=_gathered,
        to_ask=_to_ask,
        due=due(found),
    )


def in_place(opened: Iterable[Opened], ruling: Ruling) -> bool:
    """Whether agreement and both screens stand, and nothing has happened since that asks for new ones (D1)."""
    today = store().today()
    known = facts(opened, tables(), today)
    screens = {one: as_day(ruling.screens.get(one)) for one in PARTNERS}
    return rulings.prepared_on(ruling, today) and not rulings.screen_again(known, screens, tables())


def due(found: Suggestions) -> list[tuple[Text, list[str]]]:
    """What waits for an answer, as (title, whom to ask alone); the question about suicide before all others."""
    waiting = sorted(_gathered(found.rules), key=lambda one: one[0] != "R3")
    return [(fired[0].title, _to_ask(fired)) for _, fired in waiting if _to_ask(fired)]


def waiting(case: cases.CasePage) -> dict[str, Any]:
    """What the staff layer of a case says first: what must be asked, and whether the preparation stands."""
    opened = records.opened(store(), token(), case.id)
    found = suggest(facts(opened, tables(), store().today()), tables())
    return {"due": due(found), "in_place": in_place(opened, Ruling.from_data(case.ruling))}


def _to_ask(fired: Iterable[Any]) -> list[str]:
    """The partners that rules wait for; an answer of both (stay) asks each."""
    asks = [ask for one in fired for ask in one.asks]
    both = any(ask[:2] not in ("a_", "b_") for ask in asks)
    return [about for about in PARTNERS if both or any(ask.startswith(f"{about}_") for ask in asks)]


def _side(drawn: Map, found: Suggestions, about: Partner) -> Side:
    lanes = {lane.id: lane for lane in found.trace.lanes[about]}
    guesses = [one for one in drawn.guesses if one.about == about]
    open_ = [one for one in guesses if one.status != "ruled_out"]
    ranked = sorted(open_, key=lambda one: -(lanes[one.id].points if one.id in lanes else 0))
    return Side(
        about,
        diagram.draw(drawn, found, about, label=_node),
        tuple((one, lanes.get(one.id)) for one in ranked),
        tuple(one for one in guesses if one.status == "ruled_out"),
        tuple(drawn.sources.get(about, {}).items()),
        tuple(one for one in drawn.signals if one.about == about and one.excluded is not None),
    )


def _node(kind: str, id_: str) -> str:
    return sheet_title(id_) if kind == "sheet" else entry_title(kind, id_)


def entry_title(kind: str, id_: str) -> str:
    """The name of a signal, pitfall, source, mechanism or lane in the reader's language."""
    if kind in ("giving", "sex"):
        return str(GIVING if kind == "giving" else SEX)
    try:
        return t(library().get(f"{kind}s", id_).title)
    except KeyError:
        return id_  # an id of an older library


def sheet_title(id_: str) -> str:
    """A sheet's title; of one that is no more, its id."""
    return t(definitions()[id_].title) if id_ in definitions() else id_


def _printable(one: Suggestion) -> bool:
    return one.sheet in definitions() and one.recipient in definitions()[one.sheet].recipients


def _unready(one: Suggestion, case: cases.CasePage) -> str:
    """The language of this reader's paper, if the sheet is only a draft in it or not there yet."""
    tag = case.paper_of(one.recipient)["locale"]
    known = definitions().get(one.sheet)
    ready = readiness(known, tag, settings().print_when) if known else None
    return "" if ready is None or ready.printable else tag


def _trace(one: Suggestion) -> list[tuple[Lane, tuple[Evidence, ...]]]:
    """The lanes that led to a sheet, each with its evidence, the strongest first."""
    return [(lane, tuple(sorted(lane.evidence, key=lambda found: -found.points))) for lane in one.lanes if lane.points]


def _gathered(fired: Iterable[Any]) -> list[tuple[str, list[Any]]]:
    """Rules that fired, one entry a rule."""
    found: dict[str, list[Any]] = {}
    for one in fired:
        found.setdefault(one.rule, []).append(one)
    return list(found.items())


def _judged(drawn: Map) -> list[tuple[Partner, str, list[str]]]:
    """Who, which mechanism, and its status on each of the last days it was judged."""
    days = drawn.judged_on[-MAPS_SHOWN:]
    rows = []
    for one in drawn.guesses:
        by_day = {day: judged.status for day, judged in one.history}
        if by_day:
            rows.append((one.about, one.id, [str(STATUSES[by_day[day]]) if day in by_day else "" for day in days]))
    return rows


def _decision(opened: Iterable[Opened]) -> dict[str, Any]:
    """The counsellor's last choice of a level: level, reason, day, and a day to look again."""
    last: dict[str, Any] = {}
    for one in sorted(opened, key=lambda one: one.held_on):
        blocks = [placed for placed in one.definition.placed(one.about) if placed.block.feeds == "level"]
        chosen = next((one.answers.get(placed.name) for placed in blocks if placed.block.kind == "choice"), None)
        if one.signed and chosen:
            words = [one.answers.get(placed.name, "") for placed in blocks if placed.block.kind == "prompt"]
            last = {"level": chosen, "reason": words[0] if words else "", "day": one.held_on}
    return last
