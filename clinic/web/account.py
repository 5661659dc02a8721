"""My account: passphrase, second factors, recovery codes, open sessions, and the cover key of this computer."""

from datetime import datetime
from typing import Any, Final

from flask import Blueprint, Flask, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime, lazy_gettext
from flask_babel import gettext as _

from clinic.domain.errors import Invalid, NotFound, TooMany
from clinic.services import factors, sessions
from clinic.web import auth, passkeys, session
from clinic.web.auth import CodeForm, PasswordForm
from clinic.web.clinic import store
from clinic.web.session import token

bp = Blueprint("account", __name__)
# Keys that neither browsers nor screen readers use for something else on a page; the words say what to press.
COVER_KEYS: Final = {
    "F8": lazy_gettext("F8"),
    "F9": lazy_gettext("F9"),
    "Pause": lazy_gettext("Pause"),
    "Escape": lazy_gettext("Esc twice"),
    "off": lazy_gettext("no key, the button only"),
}
COVER: Final = "clinic_cover"
YEAR: Final = 365 * 24 * 3600


@bp.get("/account")
def page() -> ResponseReturnValue:
    """All of it on one page."""
    return _page(PasswordForm(formdata=None))


@bp.post("/account/passphrase")
def password() -> ResponseReturnValue:
    """Change the passphrase."""
    form = PasswordForm()
    try:
        auth.changed(form)
    except Invalid as error:
        return _page(form, auth.password_faults(form, error)), 422
    return _back()


@bp.get("/account/code")
def code() -> ResponseReturnValue:
    """A new authenticator app: its picture and its secret."""
    return _code()


@bp.post("/account/code")
def add_code() -> ResponseReturnValue:
    """The first code of the new app puts it in force."""
    form = CodeForm()
    if not form.validate_on_submit():
        return _code(auth.faults_of(form)), 422
    try:
        pending = request.form.get("pending", "")
        found = factors.confirm_totp(store(), token(), form.code.data, pending, auth.address())
    except (Invalid, TooMany) as error:
        return _code([("code", auth.wrong_code(error))]), 422
    flash(_("The authenticator app is in force."))
    return _back(found)


@bp.get("/account/passkey")
def passkey() -> ResponseReturnValue:
    """A new passkey."""
    return _passkey()


@bp.post("/account/passkey")
def add_passkey() -> ResponseReturnValue:
    """Store what the browser made public of it."""
    try:
        found = passkeys.add()
    except Invalid as error:
        return _passkey([("passkey", passkeys.sentence(error))]), 422
    flash(_("The passkey is in force."))
    return _back(found)


@bp.post("/account/remove")
def remove() -> ResponseReturnValue:
    """Take a factor away; the last one stays."""
    try:
        factors.remove(store(), token(), request.form.get("factor", ""))
    except Invalid:
        return _page(
            PasswordForm(formdata=None), [("factors", _("The last factor stays. Add another one first."))]
        ), 422
    flash(_("It is removed."))
    return _back()


@bp.post("/account/confirm")
def confirm() -> ResponseReturnValue:
    """After a reset by somebody else: a recovery code from before says that this is the owner."""
    try:
        factors.confirm_by_code(store(), token(), request.form.get("code", ""), auth.address())
    except (Invalid, TooMany) as error:
        return _page(PasswordForm(formdata=None), [("code", auth.wrong_code(error))]), 422
    flash(_("This account is yours again. Your cases are open."))
    return _back()


@bp.post("/account/codes")
def codes() -> ResponseReturnValue:
    """New recovery codes; the old ones are worth nothing from now on."""
    return auth.codes()


@bp.post("/account/sessions")
def end_session() -> ResponseReturnValue:
    """End one session, or all others."""
    one = request.form.get("session", "")
    if one == "others":
        for other in sessions.list_(store(), token()):
            if not other.current:
                sessions.end(store(), token(), other.id)
        flash(_("All other sessions are ended."))
    else:
        sessions.end(store(), token(), one)
        flash(_("The session is ended."))
    return _back()


@bp.post("/account/cover")
def cover_key() -> ResponseReturnValue:
    """Choose the key that covers the screen. It is a matter of the keyboard: kept on this computer."""
    chosen = request.form.get("key", "")
    if chosen not in COVER_KEYS:
        raise NotFound
    flash(_("Saved."))
    reply = make_response(_back())
    tls = session.secure()
    name = session.cookie(COVER, tls)
    reply.set_cookie(name, chosen, max_age=YEAR, httponly=True, samesite="Strict", secure=tls)
    return reply


def register(app: Flask) -> None:
    """Tell every page which key covers it."""

    @app.context_processor
    def names() -> dict[str, str]:
        return {"cover_key": covers_by()}


def covers_by() -> str:
    """The cover key of this computer."""
    found = request.cookies.get(session.cookie(COVER, session.secure()), "")
    return found if found in COVER_KEYS else next(iter(COVER_KEYS))


def _page(form: PasswordForm, faults: auth.Faults | None = None) -> str:
    values: dict[str, Any] = {"form": form, "faults": faults or auth.faults_of(form), "keys": COVER_KEYS}
    values |= {"mine": session.state(), "moment": _when}
    listed = {"factors": factors.listing(store(), token()), "sessions": sessions.list_(store(), token())}
    return render_template("web/account/page.html", **values, **listed)


def _when(value: datetime) -> str:
    """A moment as the reader's language writes it, on the clinic's clock."""
    return str(format_datetime(value.astimezone(), "short", rebase=False))


def _code(faults: auth.Faults | None = None) -> str:
    started = factors.begin_totp(store(), token(), request.form.get("pending", ""))
    return render_template("web/account/code.html", totp=started, faults=faults or [])


def _passkey(faults: auth.Faults | None = None) -> str:
    return render_template("web/account/passkey.html", options=passkeys.new_options(), faults=faults or [])


def _back(found: str | None = None) -> ResponseReturnValue:
    reply = make_response(redirect(url_for("account.page"), 303))
    return session.keep(reply, found) if found else reply
