"""The token of every form: signed, bound to this browser and to the account whose page it stands on.

Flask-WTF's own token lives in the page cookie and dies with it. This one names its owner: it stays good for as long as
that person is signed in here, through lock, step-up and signing in again, and a form that is sent after the sign-out
is still known to be theirs, so that it can be kept for them and for nobody else.
"""

from typing import Final
from urllib.parse import urlsplit

from flask import Flask, g, request
from flask_wtf.csrf import CSRFError
from itsdangerous import BadSignature, URLSafeSerializer

from clinic.web import session

FIELD: Final = "csrf_token"
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
OURS: Final = frozenset({"same-origin", "none"})  # none: the person, not a page


def register(app: Flask) -> None:
    """`csrf_token()` in templates. Flask-WTF's own check is off: `doors` checks every request that is not safe."""
    app.config["WTF_CSRF_ENABLED"] = False
    app.jinja_env.globals[FIELD] = make


def unsafe() -> bool:
    """Whether this request may change something."""
    return request.method not in SAFE


def make() -> str:
    """The token for the forms of this page."""
    found = session.state()
    named = (session.browser(), str(found.account_id) if found else "")
    if g.get("form_token", ("", ""))[0] != named:  # a page has thirty forms, and they are all its reader's
        g.form_token = (named, str(_serializer().dumps(named)))
    return str(g.form_token[1])


def owner() -> str | None:
    """The account whose page the posted form stands on, empty if nobody was signed in; None if it is not from here.

    Raises RequestEntityTooLarge.
    """
    try:
        browser, account = _serializer().loads(request.form.get(FIELD) or request.headers.get("X-CSRF-Token", ""))
    except (BadSignature, ValueError, TypeError):
        return None
    return str(account) if browser == session.browser() else None


def same_site() -> None:
    """Refuse a request that another site made. Raises CSRFError."""
    said = request.headers.get("Sec-Fetch-Site")
    if said is not None:
        fits = said in OURS
    else:  # an older browser: it names at least the page
        page = request.headers.get("Origin") or request.headers.get("Referer")
        fits = _origin(page) == _origin(request.host_url) if page else not request.is_secure
    if not fits:
        raise CSRFError("another site")


def _origin(address: str) -> tuple[str, str]:
    parts = urlsplit(address)
    return parts.scheme, parts.netloc


def _serializer() -> URLSafeSerializer:
    return URLSafeSerializer(session.secret(), salt="form")
