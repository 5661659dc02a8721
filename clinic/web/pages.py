"""Pages that belong to no feature: help, and the choice of the interface language."""

from flask import Blueprint, current_app, redirect, render_template, request, session, url_for
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
    addresses = current_app.create_url_adapter(request)  # a page that only a form leads to is none to go back to
    inside = not back.startswith(("//", "/\\")) and addresses is not None and addresses.test(back, "GET")
    return redirect(back if inside else url_for("cases.caseload"), 303)
