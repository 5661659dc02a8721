"""Lock and cover, unlocking in place, the couple view's way out, and proving once more who one is.

Lock is a state of the session on the server: whatever address is asked for, the answer is one neutral page (423) with
one field. What was typed goes first, sealed: into the autosave of its record, else into that page itself.
"""

from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from clinic.domain.errors import ClinicError, Invalid, SignIn, TooMany
from clinic.services import sessions
from clinic.web import auth, csrf, kept_post, passkeys, session
from clinic.web.clinic import store
from clinic.web.doors import back, first_layer, page_at
from clinic.web.kept_post import KeptPost
from clinic.web.session import token

bp = Blueprint("lock", __name__)
# The staff layer closes with the lock: unlocked, its pages give way to the first layer of the case.
CLOSES = frozenset(
    {"cases.work", "formulation.map", "homework.plan", "course.page", "packs.case", "rights.page", "desk.look"}
)
BY_SCRIPT = "empty"  # Sec-Fetch-Dest of a request that a script made


@bp.post("/lock")
def lock() -> ResponseReturnValue:
    """Lock this session in all tabs. The form of the page may come with it."""
    post = kept_post.posted() if _mine() else None
    if post is not None and _autosaved(post):
        post = None
    kept = kept_post.seal(_account(), post) if post is not None else ""
    sessions.lock(store(), token())
    session.forget()
    reply: Response
    if kept:  # it cannot wait on the server: the locked page carries it
        reply = make_response(locked_page(at=post.path if post else "", kept=kept))
    elif request.headers.get("Sec-Fetch-Dest") == BY_SCRIPT:
        reply = make_response("", 204)
    else:
        reply = make_response(redirect(back(request.form.get(kept_post.AT, "")), 303))
    reply.headers["Clear-Site-Data"] = auth.CLEAR
    return reply


@bp.get("/session")
def state() -> ResponseReturnValue:
    """Whether this session still is open: 204, 423 locked, 401 gone. Asking does not keep it awake."""
    found = session.state()
    if found is None or found.stage != "full":
        return "", 401
    return "", 423 if found.locked else 204


@bp.post("/unlock")
def unlock() -> ResponseReturnValue:
    """The passphrase opens the session again, at the same address, with what was typed."""
    found, at, kept = session.state(), request.form.get("at", ""), request.form.get(kept_post.KEPT, "")
    if found is None:
        raise SignIn
    leaving = found.couple is not None and not _couples_own(at, found)
    if not found.locked and not leaving:  # opened in another tab meanwhile
        return auth.onward(kept, _landing(at))
    now = token()
    try:
        password = request.form.get("password", "")
        if found.locked:
            now = sessions.unlock(store(), now, password, auth.address())
        if leaving:
            now = sessions.leave_couple(store(), now, password, auth.address())
    except (SignIn, TooMany) as error:
        session.forget()
        if session.state() is None:
            raise SignIn from None
        return locked_page(at, kept, _why(error), 429 if isinstance(error, TooMany) else 423)
    return auth.entered(now, kept, _landing(at))


def locked_page(
    at: str | None = None, kept: str | None = None, fault: str = "", status: int = 423
) -> ResponseReturnValue:
    """The one page of a locked session, instead of any other."""
    where = request.path if at is None else at
    sealed = kept_post.keep(_account()) if kept is None and csrf.unsafe() else kept or ""
    found = session.state()
    leaving = found is not None and found.couple is not None and not found.locked
    page: dict[str, Any] = {"at": back(where), "kept": sealed, "fault": fault, "leaving": leaving, "who": found}
    return render_template("web/auth/locked.html", **page), status


@bp.post("/again")
def again() -> ResponseReturnValue:
    """What was sent and could not be taken comes back, to be sent once more."""
    return auth.onward(request.form.get(kept_post.KEPT, ""))


# ---------------------------------------------------------------- step-up
@bp.get("/prove")
def step_up() -> ResponseReturnValue:
    """Prove once more who you are, then back to the first page."""
    return step_up_page(kept="")


@bp.post("/prove")
def prove() -> ResponseReturnValue:
    """Check passphrase and factor; then the act that was held goes on."""
    kept, how = request.form.get(kept_post.KEPT, ""), request.form.get("how", "code")
    try:
        if how == "passkey":
            response = request.form.get("response", "")
            found = sessions.step_up_passkey(store(), token(), passkeys.party(), response, auth.address())
        else:
            password, code = request.form.get("password", ""), request.form.get("code", "")
            found = sessions.step_up(store(), token(), password, code, auth.address())
    except (SignIn, TooMany, Invalid) as error:
        session.forget()
        if session.state() is None:
            raise SignIn from None
        return step_up_page(kept, [("password", _why(error))], 429 if isinstance(error, TooMany) else 422)
    return auth.entered(found, kept)


def step_up_page(kept: str | None = None, faults: auth.Faults | None = None, status: int = 401) -> ResponseReturnValue:
    """The page that asks for a fresh proof. What was sent, or the address that was asked for, waits in it, sealed."""
    account = _account()
    if kept is None:
        page = KeptPost(request.path, (), "page")
        kept = kept_post.keep(account, empty=True) if csrf.unsafe() else kept_post.seal(account, page)
    found = session.state()
    values = {"kept": kept, "faults": faults or [], "options": passkeys.options(), "asks": bool(found and found.factor)}
    return render_template("web/auth/step_up.html", **values), status


# ---------------------------------------------------------------- inside
def _mine() -> bool:
    return csrf.owner() == str(_account())


def _account() -> str:
    found = session.state()
    return str(found.account_id) if found else ""


def _autosaved(post: KeptPost) -> bool:
    """Keep typing as the autosave of its record. Whatever goes wrong, the lock falls; then the page carries it."""
    found = session.state()
    try:
        return bool(found and not found.locked) and auth.typed_again(post)
    except ClinicError:
        return False


def _landing(at: str) -> str:
    """The address to come back to; the staff layer has closed."""
    try:
        endpoint, values = page_at(back(at))
    except HTTPException:
        return at
    return first_layer(values["case_id"]) if endpoint in CLOSES else at


def _couples_own(at: str, found: sessions.State) -> bool:
    try:
        endpoint, values = page_at(at)
    except HTTPException:
        return False
    return endpoint == session.COUPLE_PAGE and sessions.shows(store(), found, values["case_id"])


def _why(error: ClinicError) -> str:
    if isinstance(error, TooMany):
        return _("Too many tries. Wait a minute, then try again.")
    return _("That does not fit. Check it and try again.")
