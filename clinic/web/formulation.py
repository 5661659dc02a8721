"""The map of a case in the staff layer: what was seen, what may be under it, which sheets speak to that, and why."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext

from clinic.domain import choice
from clinic.domain import ruling as rulings
from clinic.domain.audience import RECIPIENTS, Recipient
from clinic.domain.choice import CONFIRMED, DECLINED, TAKEN_BACK
from clinic.domain.definition import Text
from clinic.domain.errors import Invalid, NotFound
from clinic.domain.facts import PARTNERS, Partner
from clinic.domain.formulation import Map, Opened, Seen, facts, the_map
from clinic.domain.ruling import Ruling
from clinic.domain.suggest import Suggestion, Suggestions, suggest
from clinic.domain.tables import as_day
from clinic.services import cases, choices, fairness, prints, records
from clinic.services.definitions import definitions, library, tables
from clinic.services.readiness import readiness
from clinic.services.spoken import book
from clinic.web import diagram, why
from clinic.web.clinic import settings, store
from clinic.web.filters import wrong
from clinic.web.session import token
from clinic.web.why import SEEN_BY, STATUSES, Rivals

bp = Blueprint("formulation", __name__)

LEVELS: Final = {
    "not_decided": lazy_gettext("Not decided"),
    "hold": lazy_gettext("Hold"),
    "light": lazy_gettext("Light"),
    "full": lazy_gettext("Full"),
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
    "kept": lazy_gettext("in use"),
    "worse": lazy_gettext("it made things worse"),
    "declined": lazy_gettext("you declined it"),
    "unheard": lazy_gettext("this partner was not heard yet"),
    "points": lazy_gettext("too little speaks for it"),
    "one_of": lazy_gettext("one sheet about closeness and sex is enough"),
    "alone": lazy_gettext("never the only sheet"),
    "never_first": lazy_gettext("never the first sheet"),
    "shown": lazy_gettext("three others come first"),
}
VERDICTS: Final = {
    CONFIRMED: lazy_gettext("confirmed"),
    DECLINED: lazy_gettext("declined"),
    TAKEN_BACK: lazy_gettext("taken back"),
}
DONE: Final = {
    CONFIRMED: lazy_gettext("Confirmed. It waits for you to print it."),
    DECLINED: lazy_gettext("Declined. It stays out until you take that back."),
    TAKEN_BACK: lazy_gettext("Taken back."),
}
MAPS_SHOWN: Final = 6


@dataclass(frozen=True)
class Side:
    """One partner on the page: the drawing, the rival guesses, sources, what is left out."""

    about: Partner
    drawing: diagram.Drawing
    rivals: Rivals
    sources: tuple[tuple[str, int], ...]
    excluded: tuple[Seen, ...]


@dataclass(frozen=True)
class Typed:
    """A choice that was refused: what was typed comes back."""

    to: str = ""
    sheet: str = ""
    reason: str = ""
    fault: str = ""


@bp.get("/cases/<uuid:case_id>/formulation")
def map(case_id: object) -> ResponseReturnValue:
    """The map as it stands today, from finished records."""
    return _page(cases.case_page(store(), token(), str(case_id), layer="staff"), Typed())


@bp.post("/cases/<uuid:case_id>/choices")
def choose(case_id: object) -> ResponseReturnValue:
    """Confirm a suggested sheet, decline it with a reason, or take that back."""
    case = cases.case_page(store(), token(), str(case_id), layer="staff")
    to = next((one for one in RECIPIENTS if one == request.form.get("to")), None)
    if to is None:
        raise NotFound
    sheet, do, reason = (request.form.get(name, "") for name in ("sheet", "do", "reason"))
    found, _opened = _suggestions(case.id)
    because = next((why.told(one) for one in found.of(to) if one.sheet == sheet), "")
    title = why.sheet_title(sheet)
    try:
        if do == TAKEN_BACK:
            choices.take_back(store(), token(), case.id, to, sheet, title, because)
        else:
            choices.choose(store(), token(), case.id, to, sheet, do, reason, title, because)
    except Invalid as error:
        return _page(case, Typed(to, sheet, reason, next(iter(error.fields.values())))), 422
    flash(DONE[do])
    return redirect(url_for(".map", case_id=case.id, _anchor=f"for-{to}"), 303)


def _suggestions(case_id: str) -> tuple[Suggestions, list[Opened]]:
    opened = records.opened(store(), token(), case_id)
    known = facts(opened, tables(), store().today(), given=prints.given(store(), token(), case_id))
    return suggest(known, tables()), opened


def _page(case: cases.CasePage, typed: Typed) -> str:
    today = store().today()
    found, opened = _suggestions(case.id)
    drawn = the_map(opened, tables(), today)
    listed = [one for one in records.listing(store(), token(), case.id) if one.kind == "map"]
    history = choices.history(store(), token(), case.id)
    stands = choice.newest(history)
    ruling = Ruling.from_data(case.ruling)
    return render_template(
        "web/formulation/map.html",
        case=case,
        map=drawn,
        found=found,
        shelves=why.shelves(found, stands),
        chosen=history[::-1],
        confirmed=any(one.verdict == CONFIRMED for one in stands),
        typed=typed,
        sides=[_side(drawn, found, one) for one in PARTNERS],
        maps=sorted(listed, key=lambda one: one.held_on, reverse=True),
        judged=_judged(drawn),
        decision=_decision(opened),
        level=rulings.level_on(ruling, today),
        falls_on=rulings.falls_on(ruling),
        in_place=in_place(opened, ruling),
        words={
            "status": STATUSES,
            "level": LEVELS,
            "seen_by": SEEN_BY,
            "lowered": LOWERED,
            "removed": REMOVED,
            "verdict": VERDICTS,
        },
        entry=why.entry_title,
        about_guess=_about_guess,
        ask_of=lambda id_: library().get("sources", id_).texts["ask"],
        sheet=why.sheet_title,
        printable=_printable,
        has_paper=lambda one: _has_paper(one.sheet, one.recipient),
        loop_of=lambda one: [card.sheet for card in found.of(one.recipient)].index(one.sheet) + 1,
        wrong_words=wrong,
        unready=lambda one: _unready(one, case),
        fixed=found.trace.level in tables().fixed,
        gathered=_gathered,
        to_ask=_to_ask,
        due=due(found),
        falls=fairness.findings(store(), token(), case.id, opened),
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
    return Side(
        about,
        diagram.draw(drawn, found, about, label=_node),
        why.rivals(drawn, found, about),
        tuple(drawn.sources.get(about, {}).items()),
        tuple(one for one in drawn.signals if one.about == about and one.excluded is not None),
    )


def _node(kind: str, id_: str) -> str:
    return why.sheet_title(id_) if kind == "sheet" else why.entry_title(kind, id_)


def _about_guess(id_: str) -> list[Text]:
    """What the library says of a mechanism: what to ask, what to be careful about."""
    texts = library().get("mechanisms", id_).texts
    return [texts[name] for name in ("idea", "explore", "caution") if name in texts]


def _printable(one: Suggestion) -> bool:
    return _has_paper(one.sheet, one.recipient)


def _has_paper(sheet: str, to: Recipient) -> bool:
    return sheet in definitions() and to in definitions()[sheet].recipients


def _unready(one: Suggestion, case: cases.CasePage) -> str:
    """The language of this reader's paper, if the sheet is only a draft in it or not there yet."""
    tag = case.paper_of(one.recipient)["locale"]
    known = definitions().get(one.sheet)
    ready = readiness(known, tag, settings().print_when, book(store(), tag)) if known else None
    return "" if ready is None or ready.printable else tag


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
