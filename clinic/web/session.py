"""Who is at this browser: the session cookie, what the server knows of it, and the browser's own random name."""

import secrets
from typing import Final, TypeGuard

from flask import current_app, g, request, session
from werkzeug.wrappers import Response

from clinic.domain.errors import ClinicError, SignIn
from clinic.services import sessions
from clinic.services.sessions import Actor, State
from clinic.web.clinic import settings, store

COOKIE: Final = "clinic_session"
PAGE: Final = "clinic_page"  # signed: language, what a page has to say once, the browser's name
FRESH: Final = "clinic_fresh"
BY_ITSELF: Final = "clinic_by_itself"  # set by the script for the page it goes to when nobody is there
BROWSER: Final = "browser"
NONCE_BYTES: Final = 12
RELOADS: Final = frozenset({"packs.progress"})  # a page that asks again and again how far something is
COUPLE_PAGE: Final = "cases.couple"  # the one page of the couple view


def secure() -> bool:
    """Whether this clinic is reached over TLS only."""
    return bool(settings().tls)


def cookie(name: str, tls: bool) -> str:
    """The name of a cookie. Over TLS no other host and no plain page can set one of this name."""
    return f"__Host-{name}" if tls else name


def token() -> str:
    """The session token of this request. SignIn if there is none."""
    found: str = g.get("token") or request.cookies.get(cookie(COOKIE, secure()), "")
    if not found:
        raise SignIn
    return found


def state() -> State | None:
    """The session of this request, also one that is locked or half way through signing in; None if there is none."""
    if "state" not in g:
        try:
            g.state = sessions.state(store(), token())
        except SignIn:
            g.state = None
    found: State | None = g.state
    return found


def actor() -> Actor | None:
    """Who may see a page in this request, or nobody: half a session, a locked one, the couple view's other pages."""
    if "actor" not in g:
        try:
            found = state()
        except ClinicError:  # a closed vault
            found = None
        g.actor = Actor(str(found.account_id), found.name, found.display, found.role) if _open(found) else None
    shown: Actor | None = g.actor
    return shown


def by_itself() -> bool:
    """Whether the script went to this page, or it reloads itself, and nobody touched anything.

    To lie with this cookie only locks sooner.
    """
    return request.method == "GET" and (BY_ITSELF in request.cookies or request.endpoint in RELOADS)


def awake() -> None:
    """Somebody is here: note it, at most twice a minute."""
    found = state()
    if _open(found) and (store().clock() - found.seen).total_seconds() > sessions.SEEN_STEP_SECONDS:
        sessions.actor(store(), token(), (request.view_args or {}).get("case_id"))


def _open(found: State | None) -> TypeGuard[State]:
    if found is None or found.stage != "full" or found.locked:
        return False
    return found.couple is None or couples_own(found)


def couples_own(found: State) -> bool:
    """Whether this request is for the one page that the couple view of this session shows."""
    values = request.view_args or {}
    return request.endpoint == COUPLE_PAGE and sessions.shows(store(), found, values.get("case_id"))


def begin(found: str) -> None:
    """From here on this request belongs to the session of a new token."""
    forget()
    g.token = found


def forget() -> None:
    """What was read of the session is read anew."""
    for name in ("state", "actor", "token"):
        g.pop(name, None)


def nobody() -> None:
    """From here on this request is nobody's: its page shows no name and no way in."""
    g.state = g.actor = None


def keep(reply: Response, found: str) -> Response:
    """Give the browser the token of its session."""
    tls = secure()
    reply.set_cookie(cookie(COOKIE, tls), found, httponly=True, samesite="Strict", secure=tls)
    return reply


def drop(reply: Response) -> Response:
    """Take the token from the browser."""
    tls = secure()
    reply.delete_cookie(cookie(COOKIE, tls), httponly=True, samesite="Strict", secure=tls)
    return reply


def freshen(reply: Response) -> Response:
    """A new nonce with each page.

    A page that came with `no-store` still lives on in the browser's back-forward cache, typed text and all; a cookie
    that scripts cannot read and that has changed since is what makes Chromium let go of it.
    """
    nonce, tls = secrets.token_urlsafe(NONCE_BYTES), secure()
    reply.set_cookie(cookie(FRESH, tls), nonce, httponly=True, samesite="Strict", secure=tls)
    return reply


def browser() -> str:
    """The random name of this browser. It outlives sign-out, so that a form left open in a tab stays its owner's."""
    if BROWSER not in session:
        session[BROWSER] = secrets.token_urlsafe(NONCE_BYTES)
        session.permanent = True
    return str(session[BROWSER])


def secret() -> bytes:
    """What this application signs with. It opens nothing."""
    found: bytes = current_app.config["SECRET_KEY"]
    return found
