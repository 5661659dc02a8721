"""Errors as pages: a plain sentence, the way back, never a trace. What was typed is kept by the views themselves."""

from http import HTTPStatus

from flask import Flask, Response, make_response, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, SecurityError

from clinic import logs
from clinic.domain.errors import ClinicError, Locked, SignIn, StepUp, VaultLocked
from clinic.web import csrf, kept_post, lock, session
from clinic.web.auth import sign_in_again

IDS = {403: "denied", 404: "not_found", 405: "not_found", 413: "too_large", 429: "too_many"}


def register(app: Flask) -> None:
    """Handlers for our errors, those of HTTP, and anything else."""
    app.register_error_handler(ClinicError, ours)
    app.register_error_handler(CSRFError, stale)
    app.register_error_handler(HTTPException, http)
    app.register_error_handler(Exception, unexpected)


def page(message_id: str, status: int, **params: object) -> ResponseReturnValue:
    """The error page. A session that is locked or half way in gets no way around it."""
    kept = ""
    try:
        found = session.state()
        if found is None or found.locked or found.couple is not None or found.stage != "full":
            session.nobody()
        elif status == HTTPStatus.SERVICE_UNAVAILABLE and csrf.unsafe():
            kept = kept_post.keep(str(found.account_id))
        return render_template("web/problem.html", message_id=message_id, params=params, kept=kept), status
    except Exception as error:  # the store itself is gone: one plain page that needs nothing of it
        logs.error(error)
        session.nobody()
        return render_template("web/problem.html", message_id=message_id, params=params, kept=""), status


def ours(error: ClinicError) -> ResponseReturnValue:
    """A ClinicError says itself what it is."""
    if isinstance(error, VaultLocked):
        return closed()
    if isinstance(error, SignIn):
        return sign_in_again() if csrf.unsafe() else redirect(url_for("auth.sign_in"))
    if isinstance(error, Locked):
        return lock.locked_page()
    if isinstance(error, StepUp):
        return lock.step_up_page()
    return page(error.message_id, error.http, **error.params)


def closed() -> ResponseReturnValue:
    """Nobody has unlocked the records since the start: one neutral page, made without them."""
    session.nobody()
    reply = make_response(render_template("web/closed.html"), HTTPStatus.SERVICE_UNAVAILABLE)
    reply.headers["Retry-After"] = "30"
    return reply


def stale(_: CSRFError) -> ResponseReturnValue:
    """The page is older than the session that it was made for, or the form came from another site."""
    return page("stale_page", HTTPStatus.BAD_REQUEST)


def http(error: HTTPException) -> ResponseReturnValue:
    """Unknown pages, wrong methods, too large bodies."""
    if isinstance(error, SecurityError):  # another host: there are no addresses to link to
        return Response("This address is not served here.\n", HTTPStatus.BAD_REQUEST, mimetype="text/plain")
    code = error.code or 500
    return page(IDS.get(code, "bad_request"), code)


def unexpected(error: Exception) -> ResponseReturnValue:
    """Anything else: an incident number for the log, and nothing of the content anywhere."""
    return page("unexpected", HTTPStatus.INTERNAL_SERVER_ERROR, incident=logs.error(error))
