"""Signing in and out. The session is a row on the server; the cookie holds only its random token."""

from typing import Final

from flask import Blueprint, Flask, current_app, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import PasswordField, StringField
from wtforms.validators import InputRequired

from clinic.domain.errors import SignIn, TooMany
from clinic.services import accounts
from clinic.services.accounts import Actor
from clinic.web.clinic import store

bp = Blueprint("auth", __name__)
COOKIE: Final = "clinic_session"
OPEN: Final = frozenset({"auth.sign_in", "auth.enter", "static", "pages.language"})  # the only doors without a sign-in


class SignInForm(FlaskForm):
    """Staff name and passphrase."""

    name = StringField(lazy_gettext("Staff name"), [InputRequired(lazy_gettext("Enter your staff name"))])
    password = PasswordField(lazy_gettext("Passphrase"), [InputRequired(lazy_gettext("Enter your passphrase"))])


def token() -> str:
    """The session token of this request. SignIn if there is none."""
    found = request.cookies.get(COOKIE, "")
    if not found:
        raise SignIn
    return found


def actor() -> Actor | None:
    """Who is signed in, or nobody."""
    if "actor" not in g:
        try:
            g.actor = accounts.actor(store(), token())
        except SignIn:
            g.actor = None
    found: Actor | None = g.actor
    return found


def require(app: Flask) -> None:
    """Default deny: every endpoint that is not in `OPEN` needs a signed-in person."""

    @app.before_request
    def signed_in() -> None:
        if request.endpoint is not None and request.endpoint not in OPEN and actor() is None:
            raise SignIn


@bp.get("/sign-in")
def sign_in() -> ResponseReturnValue:
    """The sign-in page."""
    if actor() is not None:
        return redirect(url_for("cases.caseload"))
    return render_template("web/auth/sign_in.html", form=SignInForm(), faults=[])


@bp.post("/sign-in")
def enter() -> ResponseReturnValue:
    """Check name and passphrase; the answer is the same for an unknown name."""
    form = SignInForm()
    faults = []
    status = 422
    if form.validate_on_submit():
        try:
            found = accounts.sign_in(store(), form.name.data, form.password.data, request.remote_addr or "")
        except SignIn:
            faults = [("name", _("Name and passphrase do not fit together. Check both and try again."))]
        except TooMany:
            status = 429
            faults = [("name", _("Too many tries. Wait a minute, then try again."))]
        else:
            reply = redirect(url_for("cases.caseload"))
            reply.set_cookie(COOKIE, found, httponly=True, samesite="Strict", secure=request.is_secure)
            return reply
    faults += [(field.id, field.errors[0]) for field in form if field.errors]
    return render_template("web/auth/sign_in.html", form=form, faults=faults), status


@bp.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    """End the session on the server and clear what the browser kept."""
    accounts.sign_out(store(), token())
    reply = redirect(url_for("auth.sign_in"))
    reply.delete_cookie(COOKIE)
    reply.delete_cookie(current_app.config["SESSION_COOKIE_NAME"])
    reply.headers["Clear-Site-Data"] = '"cache", "storage"'
    return reply
