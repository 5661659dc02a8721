"""What the two of a couple may ask for: a copy, a correction, erasure; how long a case is kept; and the backups."""

from typing import Any, Final
from uuid import UUID

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext

from clinic.domain.errors import ClinicError, Denied, Invalid, NotFound, Refused, SecondPerson
from clinic.services import backup, cases, erase, export, retention, second_person
from clinic.services.export import Export
from clinic.services.paging import Place
from clinic.services.second_person import Asked
from clinic.web import language, turns
from clinic.web.clinic import store
from clinic.web.filters import fill, problem, wrong
from clinic.web.session import token

bp = Blueprint("rights", __name__)

SAID: Final = {
    "basis": lazy_gettext("No agreement that both signed is on record. Name the legal basis in a sentence."),
    "reason": lazy_gettext("Say why. Whoever confirms it reads this."),
    "until": lazy_gettext("Enter a day."),
}


@bp.app_context_processor
def _names() -> dict[str, Any]:
    return {"backups": _state}


# --------------------------------------------------------------------------- one case
@bp.get("/cases/<uuid:case_id>/rights")
def page(case_id: object) -> ResponseReturnValue:
    """Staff layer: copies, erasure, hold. An erasure that was cut off is brought to its end first."""
    erase.tidy(store(), token(), str(case_id))
    return _page(str(case_id), [], 200)


@bp.post("/cases/<uuid:case_id>/rights/export")
def export_(case_id: object) -> ResponseReturnValue:
    """One file, to be saved. Whose it is stands in the body, never in the address or the file's name."""
    try:
        return _download(_made(str(case_id), request.form))
    except Invalid as error:
        if "basis" not in error.fields:
            raise
    # This request has the joint key only, and the page needs others: it comes back in a request of its own.
    flash(str(SAID["basis"]))
    return redirect(url_for("rights.page", case_id=case_id) + "#joint", 303)


@bp.post("/cases/<uuid:case_id>/rights/ask")
def ask(case_id: object) -> ResponseReturnValue:
    """Ask a second person for a whole file, staff's notes about one, or an erasure."""
    kind, partner = request.form.get("kind", ""), request.form.get("partner", "")
    known = {"export_file": ("",), "staff_export": ("a", "b"), "erase": ("a", "b", "case")}
    if partner not in known.get(kind, ()):
        raise NotFound
    case = cases.case_page(store(), token(), str(case_id), layer="staff")
    if partner == "case" and not _over(case.id):
        raise Refused
    try:
        ids = {"partner": partner} if partner else {}
        second_person.ask(store(), token(), kind, case.id, request.form.get("reason", ""), **ids)
    except Invalid:
        return _page(case.id, [(f"reason-{kind}-{partner or 'file'}", str(SAID["reason"]))], 422)
    flash(_("Asked. Somebody else has to confirm it; you read here when they did."))
    return redirect(url_for("rights.page", case_id=case_id), 303)


@bp.post("/cases/<uuid:case_id>/rights/erase")
def erase_(case_id: object) -> ResponseReturnValue:
    """Do what a second person agreed to."""
    partner, asked = request.form.get("partner", ""), request.form.get("request", "")
    if request.form.get("sure") != "yes":
        flash(_("Nothing was erased. Tick the box first if you mean it."))
        return redirect(url_for("rights.page", case_id=case_id) + "#erase", 303)
    turns.leave()  # it waits for whoever writes in this case
    if partner == "case":
        erase.case(store(), token(), str(case_id), asked)
        flash(_("The case is an empty shell now. Its keys are destroyed."))
        return redirect(url_for("rights.due"), 303)
    if partner not in ("a", "b"):
        raise NotFound
    if erase.person(store(), token(), str(case_id), partner, asked):  # type: ignore[arg-type]  # one of the two, see above
        flash(_("Erased, with what staff noted. Now look at the texts below: they may still tell of this person."))
    else:
        flash(_("Erased. What staff noted is kept, because there is a duty to keep it. Now look at the texts below."))
    return redirect(url_for("rights.page", case_id=case_id) + "#look", 303)


@bp.post("/cases/<uuid:case_id>/rights/keep")
def keep(case_id: object) -> ResponseReturnValue:
    """A legal hold, or a day until which the case is kept."""
    try:
        if request.form.get("do") == "until":
            retention.keep_until(store(), token(), str(case_id), request.form.get("until", ""))
        elif request.form.get("do") == "lift":
            retention.set_hold(store(), token(), str(case_id), "")
        elif not request.form.get("hold", "").strip():
            raise Invalid({"hold": "required"})
        else:
            retention.set_hold(store(), token(), str(case_id), request.form["hold"])
    except Invalid as error:
        faults = [(name, str(SAID.get(name, "")) or wrong(id_)) for name, id_ in error.fields.items()]
        return _page(str(case_id), faults, 422)
    flash(_("Saved."))
    return redirect(url_for("rights.page", case_id=case_id) + "#keep", 303)


@bp.get("/retention")
@bp.get("/retention/after/<uuid:case_id>", defaults={"back": False})
@bp.get("/retention/before/<uuid:case_id>", defaults={"back": True})
def due(case_id: UUID | None = None, back: bool = False) -> ResponseReturnValue:
    """Own cases whose time is over. Nothing goes by itself. From a case on, if one is named."""
    years, found = store().settings.retention_years, retention.due(store(), token(), Place(case_id, back))
    return render_template("web/rights/due.html", found=found, years=years)


# --------------------------------------------------------------------------- backups
@bp.get("/backups")
def backups() -> ResponseReturnValue:
    """Where the backups are, which there are, and whether somebody has to look."""
    return render_template("web/rights/backups.html", state=_state(), kept=backup.KEPT, warn=backup.WARN)


@bp.post("/backups")
def back_up() -> ResponseReturnValue:
    """Make today's backup now."""
    try:
        turns.leave()
        made = backup.daily(store())
    except Denied:
        raise
    except ClinicError as error:
        flash(fill(problem(error.message_id), error.params))
    else:
        flash(_("The backup is made.") if made else _("There is one of today already."))
    return redirect(url_for("rights.backups"), 303)


# --------------------------------------------------------------------------- inside
def _page(case_id: str, faults: list[tuple[str, str]], status: int) -> ResponseReturnValue:
    case = cases.case_page(store(), token(), case_id, layer="staff")
    known = retention.state(store(), token(), case_id)
    values = {
        "case": case,
        "known": known,
        "duty": known.duty(store().today()),
        "over": _is_over(known),
        "signed": export.both_signed(store(), token(), case_id),
        "look": erase.to_look_at(store(), token(), case_id) if known.erased else [],
        "asked": _mine(case.code),
        "faults": faults,
        "typed": request.form,
    }
    return render_template("web/rights/page.html", **values), status


def _mine(code: str) -> dict[tuple[str, str], Asked]:
    """What this person asked for in this case, by kind and partner; what is confirmed before what waits."""
    mine = [one for one in second_person.waiting(store(), token()) if one.mine and one.code == code]
    ordered = sorted(mine, key=lambda one: bool(one.confirmed_by))
    return {(one.kind, one.ids.get("partner", "")): one for one in ordered}


def _over(case_id: str) -> bool:
    return _is_over(retention.state(store(), token(), case_id))


def _is_over(known: retention.Kept) -> bool:
    return not known.hold and not known.closed_on and known.over_on <= store().today()


def _made(case_id: str, form: Any) -> Export:
    what, format_, tag = form.get("what", ""), form.get("format", "json"), language.book().locale
    turns.leave()
    if what in ("a", "b"):
        return export.of_person(store(), token(), case_id, what, format_, tag)
    if what == "joint":
        return export.of_both(store(), token(), case_id, format_, tag, form.get("basis", ""))
    if not form.get("request"):
        raise SecondPerson
    if what in ("staff_a", "staff_b"):
        return export.of_staff(store(), token(), case_id, what[-1], form["request"], format_, tag)
    if what == "file":
        return export.of_file(store(), token(), case_id, form["request"], tag)
    raise NotFound


def _download(made: Export) -> Response:
    reply = Response(made.data, content_type=made.mime)
    reply.headers["Content-Disposition"] = f'attachment; filename="{made.name}"'
    return reply


def _state() -> backup.State:
    return backup.state(store().settings, store().demo, store().today())
