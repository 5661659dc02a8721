"""Signing in and out. The session is a row on the server; the cookie holds only its random token."""

from typing import Final

from flask import Blueprint, Flask, current_app, g, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from werkzeug.exceptions import SecurityError
from wtforms import PasswordField, StringField
from wtforms.validators import InputRequired

from clinic.domain.errors import SignIn, TooMany
from clinic.services import accounts
from clinic.services.accounts import Actor
from clinic.web import kept_post
from clinic.web.clinic import store

bp = Blueprint("auth", __name__)
COOKIE: Final = "clinic_session"
WHO: Final = "who"  # account of the last sign-in in this browser, in the signed page cookie
# The only doors without a sign-in.
OPEN: Final = frozenset({"auth.sign_in", "auth.enter", "static", "pages.language"})


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
    """Default deny: every endpoint that is not in `OPEN` needs a signed-in person, and so does an unknown address."""

    @app.before_request
    def signed_in() -> None:
        if isinstance(request.routing_exception, SecurityError):
            raise request.routing_exception
        if request.endpoint not in OPEN and actor() is None:
            raise SignIn


@bp.get("/sign-in")
def sign_in() -> ResponseReturnValue:
    """The sign-in page."""
    if actor() is not None:
        return redirect(url_for("cases.caseload"))
    return _page(SignInForm())


def sign_in_again() -> ResponseReturnValue:
    """Instead of a form that was sent too late: sign in, then send it again. What was typed is sealed in the page."""
    return _page(SignInForm(formdata=None), kept=kept_post.keep(_secret(), request, session.get(WHO, ""))), 401


@bp.post("/sign-in")
def enter() -> ResponseReturnValue:
    """Check name and passphrase; the answer is the same for an unknown name."""
    form, kept = SignInForm(), request.form.get("kept", "")
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
            return _entered(found, kept)
    faults += [(field.id, field.errors[0]) for field in form if field.errors]
    return _page(form, faults, kept), status


@bp.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    """End the session on the server and clear what the browser kept."""
    accounts.sign_out(store(), token())
    session.clear()
    reply = redirect(url_for("auth.sign_in"))
    reply.delete_cookie(COOKIE)
    reply.delete_cookie(current_app.config["SESSION_COOKIE_NAME"])
    reply.headers["Clear-Site-Data"] = '"cache", "storage"'
    return reply


def _entered(found: str, kept: str) -> ResponseReturnValue:
    """Signed in: on to the caseload, or to what was typed before. An older session of this browser ends."""
    accounts.sign_out(store(), request.cookies.get(COOKIE, ""))
    account = accounts.actor(store(), found).id
    if session.get(WHO) != account:  # for the same person forms in other tabs stay good
        chosen = session.get("language")
        session.clear()
        session.permanent = True
        session[WHO] = account
        if chosen:
            session["language"] = chosen
        g.pop("csrf_token", None)
    post = kept_post.again(_secret(), kept, account) if kept else None
    if post is None:
        reply = redirect(url_for("cases.caseload"))
    else:
        g.actor = accounts.actor(store(), found)
        reply = current_app.make_response(render_template("web/auth/again.html", post=post))
    reply.set_cookie(COOKIE, found, httponly=True, samesite="Strict", secure=request.is_secure)
    return reply


def _page(form: SignInForm, faults: list[tuple[str, str]] | None = None, kept: str = "") -> str:
    return render_template("web/auth/sign_in.html", form=form, faults=faults or [], kept=kept)


def _secret() -> bytes:
    secret: bytes = current_app.config["SECRET_KEY"]
    return secret
