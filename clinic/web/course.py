"""How it goes (staff layer), sharing an answer with both, and a calendar file for one partner.

A request that makes a calendar file opens that partner's view and nothing else, like one that prints.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from typing import Any, Final

from flask import Blueprint, flash, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext

from clinic.domain.answer import read_date
from clinic.domain.course import Course, Plot, path, plot
from clinic.domain.errors import Conflict, Invalid, NotFound, Refused
from clinic.domain.facts import PARTNERS, Partner
from clinic.domain.homework import REVIEW
from clinic.services import calendar, cases, course, release
from clinic.services.definitions import definition
from clinic.services.release import Offer
from clinic.web.clinic import store
from clinic.web.filters import problem, t, wrong
from clinic.web.session import token

bp = Blueprint("course", __name__)
LACKS: Final = {
    "days": lazy_gettext("no weekday is ticked"),
    "time": lazy_gettext("no time of day is set"),
    "over": lazy_gettext("its weeks are over"),
}


@dataclass(frozen=True)
class Chart:
    """One aim of one partner: its shapes and numbers, and what of it may be shared."""

    aim: str
    title: str
    plot: Plot
    course: Course
    offer: Offer


@bp.app_template_global()
def curve(run: Any) -> str:
    """A stretch of a line as SVG path data, in a field of 100 × 100."""
    return path(run)


@bp.app_template_global()
def both_plot(a: Course, b: Course) -> Plot:
    """The shapes of two courses over the same days."""
    return plot([a, b])


@bp.get("/cases/<uuid:case_id>/course")
def page(case_id: object) -> ResponseReturnValue:
    """Staff layer: each partner's aims, what both said of one step, what both may read."""
    case = cases.case_page(store(), token(), str(case_id), layer="staff")
    found = course.of_case(store(), token(), case.id)
    sides = [
        (who, [_chart(aim, line, found.offers[who, aim]) for aim, line in found.courses[who].items()])
        for who in PARTNERS
    ]
    return render_template("web/course/page.html", case=case, found=found, sides=sides, outcomes=_outcomes())


def _chart(aim_: str, line: Course, offer: Offer) -> Chart:
    return Chart(aim_, aim(aim_), plot([line]), line, offer)


@bp.app_template_global()
def aim(id_: str) -> str:
    """The sentence of an aim in the reader's language."""
    return t(release.aim_text(id_))


def _outcomes() -> Mapping[str, str]:
    """What a partner could say of a step, in the words of the review."""
    block = definition(REVIEW).blocks.get("first")
    return {option.id: t(option.label) for option in (block.options if block else ())}


# --------------------------------------------------------------------------- sharing
@bp.route("/records/<uuid:record_id>/share", methods=["GET", "POST"])
def share(record_id: object) -> ResponseReturnValue:
    """Staff layer: one answer of a partner to both. First which, then exactly what both would read, then the yes."""
    found = release.of_record(store(), token(), str(record_id))
    if request.method == "GET":
        return render_template("web/course/share.html", found=found, code=_code(found.case))
    offer = next((one for one in found.offers if one.place == request.form.get("place")), None)
    if offer is None:
        raise NotFound
    asked = {"action": url_for("course.share", record_id=found.record), "hidden": {"place": offer.place}}
    since = found.day

    def do(day: date | None, agreed: bool) -> object:
        return release.release_answer(store(), token(), found.record, offer.place, _seen(), agreed, day)

    return _confirm(found.case, offer, found.open, since, asked, do)


@bp.post("/cases/<uuid:case_id>/aim")
def share_aim(case_id: object) -> ResponseReturnValue:
    """Staff layer: the course of one partner's aim to both, in the same steps."""
    found = course.of_case(store(), token(), str(case_id))
    owner, aim_ = request.form.get("owner", ""), request.form.get("aim", "")
    offer = next((one for one in found.offers.values() if (one.owner, one.aim) == (owner, aim_)), None)
    if offer is None:
        raise NotFound
    asked = {
        "action": url_for("course.share_aim", case_id=case_id),
        "hidden": {"owner": offer.owner, "aim": offer.aim},
    }

    def do(day: date | None, agreed: bool) -> object:
        return release.release_aim(store(), token(), str(case_id), offer.owner, offer.aim, _seen(), agreed, day)

    return _confirm(str(case_id), offer, found.open, offer.points[-1][0], asked, do)


def _confirm(case: str, offer: Offer, may: bool, since: date, asked: dict[str, Any], do: Any) -> ResponseReturnValue:
    """The text itself, the day and the yes; then it is done."""
    typed, agreed = request.form.get("day", store().today().isoformat()), request.form.get("agreed") == "1"
    faults, status, refusal = list[tuple[str, str]](), 200, ""
    if request.form.get("do") == "share":
        try:
            do(_day(typed), agreed)
        except Invalid as error:
            faults, status = [(path_, wrong(why)) for path_, why in error.fields.items()], 422
        except Refused:
            status = 409
        except Conflict:
            refusal, status = _("It is shared already, or it changed. Look at it once more."), 409
        else:
            flash(_("Both may read it now."))
            return redirect(url_for("course.page", case_id=case), 303)
    lines = {"plot": plot([offer.points]), "course": offer.points, "title": aim(offer.aim)} if offer.aim else {}
    values = {"case": case, "code": _code(case), "offer": offer, "may": may, "since": since, "faults": faults}
    values |= {"typed": typed, "agreed": agreed, "refusal": refusal, "chart": lines, **asked}
    return render_template("web/course/confirm.html", **values), status


@bp.post("/records/<uuid:record_id>/withdraw")
def take_back(record_id: object) -> ResponseReturnValue:
    """Staff layer: from now on nobody reads it in a page for both. No reason is asked."""
    case = release.take_back(store(), token(), str(record_id))
    flash(_("It is taken back. Pages for both do not show it any more."))
    return redirect(url_for("course.page", case_id=case), 303)


def _seen() -> str:
    return request.form.get("seen", "")


def _code(case: str) -> str:
    return cases.name(store(), token(), case).code


def _day(text: str) -> date | None:
    """The day that was typed; one that does not parse is none of the days that may be."""
    if not text.strip():
        return None
    try:
        return date.fromisoformat(read_date(text.strip()))
    except ValueError:
        return date.min


# --------------------------------------------------------------------------- calendar
@bp.route("/cases/<uuid:case_id>/calendar", methods=["GET", "POST"])
def reminder(case_id: object) -> ResponseReturnValue:
    """A calendar file with one partner's reminders, if that person asked for it."""
    case = cases.name(store(), token(), str(case_id))
    values: dict[str, Any] = {"case": case, "faults": [], "refusal": "", "left": (), "lacks": LACKS}
    values |= {"to": request.form.get("to", ""), "asked": request.form.get("asked") == "1"}
    if request.method == "GET":
        return render_template("web/course/reminder.html", **values)
    to: Partner | None = next((one for one in PARTNERS if one == values["to"]), None)
    faults = [] if to else [("to", _("Choose whose reminders they are."))]
    faults += [] if values["asked"] else [("asked", _("A calendar file is made only when the person asks for it."))]
    if to is None or faults:
        return render_template("web/course/reminder.html", **values | {"faults": faults}), 422
    try:
        made = calendar.for_partner(store(), token(), case.id, to, values["asked"])
    except Refused as error:
        values["refusal"] = problem(error.message_id)
        return render_template("web/course/reminder.html", **values), error.http
    if not made.data:
        return render_template("web/course/reminder.html", **values | {"left": made.left, "nothing": True}), 422
    return send_file(BytesIO(made.data), mimetype=calendar.MIME, as_attachment=True, download_name=calendar.NAME)
