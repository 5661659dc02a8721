"""Pages that belong to no feature: help, and the choice of the interface language."""

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from clinic.i18n.locales import translated

bp = Blueprint("pages", __name__)


@bp.get("/help")
def help() -> ResponseReturnValue:
    """How to work with the toolkit, on one page."""
    return render_template("web/help.html")


@bp.post("/language")
def language() -> ResponseReturnValue:
    """Choose the interface language and go back to the page."""
    if request.form.get("tag") in [one.tag for one in translated()]:
        session["language"] = request.form["tag"]
        session.permanent = True
    back = request.form.get("next", "")
    inside = back.startswith("/") and not back.startswith(("//", "/\\"))
    return redirect(back if inside else url_for("cases.caseload"), 303)
