"""Homework: the planner, the plans of a case, and what was tapped of last week's steps in the form of a session.

All of it stands in the staff layer. Fields of the taps are named `hw.<plan>.<partner>.<field of the review>`; they are
no fields of the session note, so nothing of them is ever stored in it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext

from clinic.domain import homework as domain
from clinic.domain.answer import Checked
from clinic.domain.audience import ABOUTS, About
from clinic.domain.errors import Invalid, NotFound
from clinic.domain.facts import PARTNERS, Partner
from clinic.domain.homework import PLAN, REVIEW, SURE, Task
from clinic.i18n.locales import NAMES
from clinic.services import cases, fairness, homework
from clinic.services.definitions import definition, tables
from clinic.services.homework import Asked, Panel
from clinic.services.records import RecordView
from clinic.web.clinic import store
from clinic.web.filters import t
from clinic.web.session import token

bp = Blueprint("homework", __name__)

Sent = Mapping[str, Sequence[str]]
PREFIX: Final = "hw."
SMALLEST: Final = "smallest:"  # the button that makes the smallest version the step
ACTS: Final = {
    "again": lazy_gettext("The same again"),
    "harder": lazy_gettext("The harder version"),
    "smaller": lazy_gettext("Smaller: the smallest version becomes the step"),
    "anchor": lazy_gettext("Tie it to a fixed moment of the day"),
    "move": lazy_gettext("Another day, time or place"),
    "swap": lazy_gettext("Another activity of the same kind"),
    "drop": lazy_gettext("Drop it"),
    "out": lazy_gettext("Leave it out for good"),
}
REASONS: Final = {
    "done": lazy_gettext("It got done."),
    "little": lazy_gettext("It was done only in part, or not at all."),
    "too_big": lazy_gettext("The step was too big."),
    "no_time": lazy_gettext("There was no time."),
    "forgot": lazy_gettext("It was forgotten."),
    "others": lazy_gettext("Other people, or something from outside, got in the way."),
    "other": lazy_gettext("Something else got in the way. Ask what it was and plan around it."),
    "not_wanted": lazy_gettext("It was not wanted. Choose another step together."),
    "no_help": lazy_gettext("It was done and did not help."),
    "unsafe": lazy_gettext("It did not feel right or safe."),
    "worse": lazy_gettext("It made things worse."),
    "refused": lazy_gettext("The plan says: I do not want this."),
    "unheard": lazy_gettext("Nobody was asked yet how it went."),
}
BARS: Final = {
    "hold": lazy_gettext("the level is hold"),
    "level": lazy_gettext("a step for both needs the level light or full"),
    "all": lazy_gettext("a rule stops every sheet"),
    "worse": lazy_gettext("it made things worse before"),
}


# --------------------------------------------------------------------------- the plans of a case
def card(case_id: str) -> dict[str, Any]:
    """What the card of the plans needs on the staff page of a case."""
    return {"plans": homework.loop(store(), token(), case_id)}


@bp.post("/cases/<uuid:case_id>/review")
def review(case_id: object) -> ResponseReturnValue:
    """Begin the review of a plan by one partner, to key in what came back on paper; or go on with it."""
    known = homework.loop(store(), token(), str(case_id))
    plan = next((one for one in known.plans if one.id == request.form.get("plan")), None)
    partner = _partner(request.form.get("about", ""))
    if plan is None or partner not in plan.partners or (plan.id, partner) in known.finished:
        raise NotFound
    made = known.begun.get((plan.id, partner)) or homework.begin_review(store(), token(), plan, partner)
    return redirect(url_for("records.edit", record_id=made), 303)


def _partner(text: str) -> Partner:
    found = next((one for one in PARTNERS if one == text), None)
    if found is None:
        raise NotFound
    return found


# --------------------------------------------------------------------------- the planner
@bp.get("/cases/<uuid:case_id>/plan")
def plan(case_id: object) -> ResponseReturnValue:
    """What the next plan may be, with the reasons, and the stock of steps."""
    return _page(cases.case_page(store(), token(), str(case_id), layer="staff"))


@bp.post("/cases/<uuid:case_id>/plan")
def begin(case_id: object) -> ResponseReturnValue:
    """Begin a plan: from the stock, or as the next one of a plan."""
    case = cases.case_page(store(), token(), str(case_id), layer="staff")
    form = request.form
    try:
        if form.get("plan"):
            acts, swaps = ({id_: form.get(f"{name}:{id_}", "") for id_ in domain.STEPS} for name in ("act", "swap"))
            made = homework.begin_next(store(), token(), case, form["plan"], acts, swaps)
        else:
            about: About | None = next((one for one in ABOUTS if one == form.get("about")), None)
            if about is None:
                raise Invalid({"about": "required"})
            made = homework.begin(store(), token(), case, about, form.getlist("item"))
    except Invalid as error:
        return _page(case, error.fields), 422
    return redirect(url_for("records.edit", record_id=made), 303)


def _page(case: cases.CasePage, wrong: Mapping[str, str] | None = None) -> str:
    made = homework.planner(store(), token(), case)
    chosen = {"about": request.form.get("about", ""), "items": request.form.getlist("item")}
    return render_template(
        "web/homework/plan.html",
        case=case,
        made=made,
        wrong=dict(wrong or {}),
        chosen=chosen,
        posted=request.form,
        acts=ACTS,
        reasons=REASONS,
        why_not=_why_not,
        following=domain.following,
        abouts=ABOUTS,
        names=NAMES,
        falls=fairness.findings(store(), token(), case.id),
    )


def _why_not(codes: Iterable[str]) -> str:
    """What speaks against a piece of the stock, in words: the level, what happened before, a rule that is open."""
    titles = {rule.id: t(rule.title) for rule in tables().rules}
    return ", ".join(str(BARS[code]) if code in BARS else f"{titles.get(code, '')} ({code})" for code in codes)


# --------------------------------------------------------------------------- in the form of a record
def on_form(record: RecordView) -> dict[str, Any]:
    """What the form of a draft shows besides its own blocks: panels of a session, the small step of a plan."""
    if record.definition.kind == "session":
        return {"panels": _panels(record), "review": definition(REVIEW).blocks, "field": field, "sure": SURE}
    if record.definition.id == PLAN and "plan" in record.definition.blocks:
        steps = domain.tasks(record.definition, record.about, record.answers, record.id, record.held_on)
        return {
            "small": [one for one in steps if one.minimum],
            "shaky": any(_shaky(one) for one in steps),
            "sure": SURE,
        }
    return {}


def _shaky(task: Task) -> bool:
    return any(value < SURE for value in task.confidence.values())


def _panels(record: RecordView) -> tuple[Panel, ...]:
    return homework.panels(store(), token(), record.case_id, _day(record))


def _day(record: RecordView) -> date:
    """The day of a session: as it was saved. A form that names another day shows that day's homework once saved."""
    return record.held_on


def field(asked: Asked, path: str) -> str:
    """The name of the form field of one answer."""
    return f"{PREFIX}{asked.plan.id}.{asked.partner}.{path}"


def keep(record: RecordView, sent: Sent, tab: str, typing: bool = False) -> bool:
    """Store what was tapped in the form of a session that was sent; whether all of it went in.

    It goes first: whatever then happens to the note, a conflict or a missing answer, the taps are there. `typing`:
    nobody pressed a button yet, so it stays apart from the draft.
    """
    if record.definition.kind != "session" or record.signed or not tapped(sent):
        return True
    stored = [_tapped(asked, sent, tab, typing) for panel in _panels(record) for asked in panel.asked]
    if not all(stored):
        flash(_("Somebody else changed the homework answers meanwhile. Yours are kept: open the review to see them."))
    return all(stored)


def tapped(sent: Sent) -> bool:
    """Whether a form that was sent had panels of homework."""
    return any(name.startswith(PREFIX) for name in sent)


def _tapped(asked: Asked, sent: Sent, tab: str, typing: bool) -> bool:
    paths = [path for task in asked.tasks for path in homework.fields(task)]
    if not any(field(asked, path) in sent for path in paths):
        return True
    rev = next(iter(sent.get(field(asked, "rev"), ())), "")
    base = int(rev) if rev.isascii() and rev.isdecimal() and len(rev) < 10 else 0
    form = {path: list(sent.get(field(asked, path), ())) for path in paths}
    return homework.tap(store(), token(), asked, form, base, tab, typing)


def finish(record: RecordView) -> None:
    """Finish the reviews that were tapped, now that their session note is finished. `record` is it as it was before."""
    if record.definition.kind != "session":
        return
    asked = [one for panel in _panels(record) for one in panel.asked]
    if not homework.finish_taps(store(), token(), asked):
        flash(_("One homework answer needs another look. Its review is still a draft."))


def smallest(record: RecordView, checked: Checked, do: str) -> Checked:
    """A plan as it was sent, with the smallest version of a step as the step if that button was pressed."""
    step = do.removeprefix(SMALLEST)
    if record.definition.id != PLAN or not do.startswith(SMALLEST) or step not in domain.STEPS:
        return checked
    return Checked(domain.smallest(checked.answers, step), checked.raw, checked.wrong)
