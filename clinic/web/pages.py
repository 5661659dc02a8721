"""Pages that belong to no feature: help, and the choice of the interface language."""

from flask import Blueprint, redirect, render_template, request, session
from flask.typing import ResponseReturnValue

from clinic.i18n.locales import translated
from clinic.web.doors import back

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
    return redirect(back(request.form.get("next", "")), 303)  # a page that only a form leads to is none to go back to
