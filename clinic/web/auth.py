"""Signing in, in two steps, and out. The session is a row on the server; the cookie holds only its random token."""

from typing import Any, Final

from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from flask import session as page
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import PasswordField, StringField
from wtforms.fields import Field
from wtforms.validators import InputRequired

from clinic.domain.errors import ClinicError, Denied, Invalid, SignIn, TooMany
from clinic.services import accounts, factors, records, sessions
from clinic.web import homework, kept_post, passkeys, session
from clinic.web.clinic import store
from clinic.web.doors import back, home, page_at
from clinic.web.kept_post import KeptPost
from clinic.web.session import actor, token

__all__ = ["actor", "token"]  # what the other views take from here
bp = Blueprint("auth", __name__)
CLEAR: Final = '"cache", "storage"'
REMEMBERED: Final = ("language", session.BROWSER)  # of the page cookie, for whoever signs in next

Faults = list[tuple[str, str]]


class SignInForm(FlaskForm):
    """Staff name and passphrase."""

    name = StringField(lazy_gettext("Staff name"), [InputRequired(lazy_gettext("Enter your staff name"))])
    password = PasswordField(lazy_gettext("Passphrase"), [InputRequired(lazy_gettext("Enter your passphrase"))])


class CodeForm(FlaskForm):
    """The second step, typed: a code of the authenticator app, or a recovery code."""

    code = StringField(lazy_gettext("Code"), [InputRequired(lazy_gettext("Enter the code"))])


class PasswordForm(FlaskForm):
    """A new passphrase, twice."""

    password = PasswordField(lazy_gettext("Passphrase now"), [InputRequired(lazy_gettext("Enter your passphrase"))])
    new_password = PasswordField(
        lazy_gettext("New passphrase"), [InputRequired(lazy_gettext("Enter a new passphrase"))]
    )
    new_password_again = PasswordField(
        lazy_gettext("New passphrase again"), [InputRequired(lazy_gettext("Enter it a second time"))]
    )

    def validate_new_password_again(self, field: Field) -> None:
        """Both alike."""
        if field.data != self.new_password.data:
            from wtforms import ValidationError

            raise ValidationError(_("The two are not alike. Type the new passphrase twice."))


# ---------------------------------------------------------------- first step
@bp.get("/sign-in")
def sign_in() -> ResponseReturnValue:
    """The sign-in page."""
    found = session.state()
    if found is not None and found.stage == "full":
        return redirect(home())
    return _page(SignInForm(formdata=None))


def sign_in_again() -> ResponseReturnValue:
    """Instead of what was sent without a session: sign in, then it comes back. It is sealed to whose page it was."""
    kept = kept_post.keep()
    session.nobody()
    return _page(SignInForm(formdata=None), kept=kept), 401


@bp.post("/sign-in")
def enter() -> ResponseReturnValue:
    """Check name and passphrase; the answer is the same for an unknown name."""
    form, kept = SignInForm(), request.form.get(kept_post.KEPT, "")
    faults: Faults = []
    status = 422
    if form.validate_on_submit():
        try:
            begun = sessions.begin(store(), form.name.data, form.password.data, address(), agent())
        except SignIn:
            faults = [("name", _("Name and passphrase do not fit together. Check both and try again."))]
        except TooMany:
            status = 429
            faults = [("name", _("Too many tries. Wait a minute, then try again."))]
        else:
            _leave_old()
            session.begin(begun.token)
            if begun.stage == "password":
                return session.keep(make_response(_second(kept=kept)), begun.token)
            if begun.stage == "enrol":
                return session.keep(redirect(url_for("auth.enrol"), 303), begun.token)
            return entered(begun.token, kept)
    return _page(form, faults + faults_of(form), kept), status


# ---------------------------------------------------------------- second step
@bp.get("/sign-in/second")
def second() -> ResponseReturnValue:
    """The second step: a code, a recovery code or a passkey."""
    return _second()


@bp.post("/sign-in/second")
def prove() -> ResponseReturnValue:
    """Check a code."""
    form, kept = CodeForm(), request.form.get(kept_post.KEPT, "")
    if not form.validate_on_submit():
        return _second(faults_of(form), kept), 422
    try:
        found = sessions.prove_code(store(), token(), form.code.data, address())
    except (SignIn, TooMany, Invalid) as error:
        return _not_proved(error, "code", kept)
    return entered(found, kept)


@bp.post("/sign-in/passkey")
def prove_passkey() -> ResponseReturnValue:
    """Check what the passkey signed."""
    kept = request.form.get(kept_post.KEPT, "")
    try:
        response = request.form.get("response", "")
        found = sessions.prove_passkey(store(), token(), passkeys.party(), response, address())
    except (SignIn, TooMany, Invalid) as error:
        return _not_proved(error, "passkey", kept)
    return entered(found, kept)


# ---------------------------------------------------------------- the first time
@bp.get("/sign-in/protect")
def enrol() -> ResponseReturnValue:
    """The first sign-in: choose a second factor."""
    return _enrol(CodeForm(formdata=None))


@bp.post("/sign-in/protect")
def enrol_code() -> ResponseReturnValue:
    """The first code of the authenticator app."""
    form = CodeForm()
    if not form.validate_on_submit():
        return _enrol(form, faults_of(form)), 422
    try:
        found = factors.confirm_totp(store(), token(), form.code.data, request.form.get("pending", ""), address())
    except (Invalid, TooMany) as error:
        return _enrol(form, [("code", wrong_code(error))]), 422
    return _enrolled(found)


@bp.post("/sign-in/protect/passkey")
def enrol_passkey() -> ResponseReturnValue:
    """The first passkey."""
    try:
        found = passkeys.add()
    except Invalid as error:
        return _enrol(CodeForm(formdata=None), [("passkey", passkeys.sentence(error))]), 422
    return _enrolled(found)


@bp.post("/sign-in/written")
def written() -> ResponseReturnValue:
    """The recovery codes are on paper; without the tick there are new ones to write down."""
    if request.form.get("written") != "yes":
        return codes(_("Tick the box once the codes are on paper. The codes below are new."))
    flash(_("The recovery codes are in force. Keep the paper where your passphrase is not."))
    return redirect(home(), 303)


def codes(fault: str = "") -> ResponseReturnValue:
    """The one page that shows recovery codes."""
    try:
        made = factors.new_recovery_codes(store(), token())
    except Denied:  # the factors were reset by somebody else: first the owner is confirmed
        return redirect(url_for("account.page"), 303)
    return render_template("web/auth/codes.html", codes=made, fault=fault), 422 if fault else 200


# ---------------------------------------------------------------- a passphrase that somebody else chose
@bp.get("/sign-in/passphrase")
def new_password() -> ResponseReturnValue:
    """Before anything else: a passphrase that only its owner knows."""
    return render_template("web/auth/password.html", form=PasswordForm(formdata=None), faults=[])


@bp.post("/sign-in/passphrase")
def change_password() -> ResponseReturnValue:
    """Change it."""
    form, before = PasswordForm(), session.state()
    try:
        changed(form)
    except Invalid as error:
        return render_template("web/auth/password.html", form=form, faults=password_faults(form, error)), 422
    now = session.state()
    if before and before.temporary and now and now.factor and now.fresh:
        return codes()  # there were none before the account was its owner's
    return redirect(home(), 303)


def changed(form: PasswordForm) -> None:
    """Change the passphrase of this account. Raises Invalid; the fields carry what the form itself found."""
    if not form.validate_on_submit():
        raise Invalid({})
    accounts.change_password(store(), token(), form.password.data, form.new_password.data, address())
    session.forget()
    flash(_("Your passphrase is changed."))


def password_faults(form: PasswordForm, error: Invalid) -> Faults:
    """What is wrong, by field id, in words."""
    words = {
        "password_wrong": _("This is not your passphrase."),
        "password_same": _("This is the one you have. Choose another one."),
        "password_short": _("Too short. Without a second factor it takes 15 characters, with one 8."),
        "password_long": _("Too long."),
        "password_plain": _("Too plain. Use more different characters."),
        "password_common": _("Too easy to guess: a common one, or made of your name or of words of this clinic."),
    }
    for name, why in error.fields.items():
        field = form[name] if name in form else form.new_password
        field.errors = [words.get(why, words["password_common"])]
    return faults_of(form)


# ---------------------------------------------------------------- out
@bp.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    """End the session on the server and clear what the browser kept. What was kept for its owner stays kept."""
    kept = request.form.get(kept_post.KEPT, "")
    sessions.sign_out(store(), token())
    _forget_person()
    session.nobody()
    reply: Response
    if kept:
        reply = make_response(_page(SignInForm(formdata=None), kept=kept))
    else:
        reply = redirect(url_for("auth.sign_in"), 303)
    reply.headers["Clear-Site-Data"] = CLEAR
    return session.drop(reply)


# ---------------------------------------------------------------- in
def entered(found: str, kept: str = "", at: str = "") -> ResponseReturnValue:
    """Signed in, unlocked or proved anew: the new token, then back to what was typed or to the page."""
    session.begin(found)
    return session.keep(make_response(onward(kept, at)), found)


def onward(kept: str, at: str = "") -> ResponseReturnValue:
    """What was kept comes back: typing into its form, a posted form to be sent again; else the page itself."""
    post = kept_post.again(kept)
    if post is None:
        if kept:
            flash(_("What was kept belongs to another person. It was not opened."))
        return redirect(back(at) if at else home(), 303)
    if post.kind == "page" or (post.kind == "typing" and typed_again(post)):
        return redirect(back(post.path), 303)
    return render_template("web/auth/again.html", post=post)


def typed_again(post: KeptPost) -> bool:
    """Keep the typing of a record's form as its autosave; False for any other form."""
    record = record_of(post.path)
    if not record:
        return False
    lists = post.lists()
    one: dict[str, str] = {name: lists.get(name, [""])[0] for name in ("tab", "rev")}
    rev = int(one["rev"]) if one["rev"].isascii() and one["rev"].isdecimal() and len(one["rev"]) < 10 else -1
    typed = {name: values for name, values in lists.items() if name not in ("tab", "rev", "do")}
    if homework.tapped(lists):
        homework.keep(records.read(store(), token(), record), lists, one["tab"][:40], typing=True)
    records.autosave(store(), token(), record, one["tab"][:40], rev, typed)
    return True


def record_of(path: str) -> str:
    """The record whose form has this address, or nothing."""
    from werkzeug.exceptions import HTTPException

    try:
        endpoint, values = page_at(path, "POST")
    except HTTPException:
        return ""
    return str(values["record_id"]) if endpoint == "records.save" else ""


# ---------------------------------------------------------------- inside
def address() -> str:
    """Where the request comes from, for the throttle."""
    return request.remote_addr or ""


def agent() -> str:
    """The browser in a few words, for the list of sessions."""
    text = request.user_agent.string
    browsers = (("Edg/", "Edge"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
    systems = ("Windows", "Android", "iPhone", "iPad", "Mac OS", "CrOS", "Linux")
    found = next((name for mark, name in browsers if mark in text), "")
    where = next((name for name in systems if name in text), "")
    return " · ".join(one for one in (found, where) if one)[:60]


def faults_of(form: FlaskForm) -> Faults:
    """What is wrong, by field id."""
    return [(field.id, str(field.errors[0])) for field in form if field.errors]


def wrong_code(error: ClinicError) -> str:
    """Why a code was not taken; whether it was wrong or used before stays the same sentence."""
    if isinstance(error, TooMany):
        return _("Too many tries. Wait a minute, then try again.")
    if isinstance(error, Invalid) and "page_old" in error.fields.values():
        return _("This picture is too old. Scan the new one.")
    return _("This code does not fit. Each code works once: wait for the next one.")


def _page(form: SignInForm, faults: Faults | None = None, kept: str = "") -> str:
    return render_template("web/auth/sign_in.html", form=form, faults=faults or [], kept=kept)


def _second(faults: Faults | None = None, kept: str = "") -> str:
    values: dict[str, Any] = {"form": CodeForm(formdata=None), "faults": faults or [], "kept": kept}
    return render_template("web/auth/second.html", **values, options=passkeys.options())


def _not_proved(error: ClinicError, field: str, kept: str) -> ResponseReturnValue:
    """The second step failed: once more, or from the start if half the session is over too."""
    session.forget()
    if session.state() is None:
        raise SignIn
    why = passkeys.sentence(error) if field == "passkey" else wrong_code(error)
    return _second([(field, why)], kept), 429 if isinstance(error, TooMany) else 422


def _enrol(form: CodeForm, faults: Faults | None = None) -> str:
    started = factors.begin_totp(store(), token(), request.form.get("pending", ""))
    values: dict[str, Any] = {"form": form, "faults": faults or [], "totp": started}
    return render_template("web/auth/enrol.html", **values, options=passkeys.new_options())


def _enrolled(found: str) -> ResponseReturnValue:
    """The factor is there: the session is whole; next the recovery codes."""
    session.begin(found)
    return session.keep(make_response(codes()), found)


def _leave_old() -> None:
    """An older session of this browser ends; so does what the page cookie said to its person."""
    try:
        sessions.sign_out(store(), token())
    except SignIn:
        pass
    _forget_person()


def _forget_person() -> None:
    kept = {name: page[name] for name in REMEMBERED if name in page}
    page.clear()
    page.update(kept)
    page.permanent = True
