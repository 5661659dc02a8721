"""Errors as pages: a plain sentence, the way back, never a trace. What was typed is kept by the views themselves."""

import logging
import secrets
from http import HTTPStatus

from flask import Flask, Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, SecurityError

from clinic.domain.errors import ClinicError, SignIn
from clinic.web.auth import sign_in_again

log = logging.getLogger("clinic.web")
IDS = {403: "denied", 404: "not_found", 405: "not_found", 413: "too_large", 429: "too_many"}


def register(app: Flask) -> None:
    """Handlers for our errors, those of HTTP, and anything else."""
    app.register_error_handler(ClinicError, ours)
    app.register_error_handler(CSRFError, stale)
    app.register_error_handler(HTTPException, http)
    app.register_error_handler(Exception, unexpected)


def page(message_id: str, status: int, **params: object) -> ResponseReturnValue:
    """The error page."""
    return render_template("web/problem.html", message_id=message_id, params=params, status=status), status


def ours(error: ClinicError) -> ResponseReturnValue:
    """A ClinicError says itself what it is."""
    if isinstance(error, SignIn):
        return redirect(url_for("auth.sign_in")) if request.method in ("GET", "HEAD") else sign_in_again()
    return page(error.message_id, error.http, **error.params)


def stale(_: CSRFError) -> ResponseReturnValue:
    """The page is older than the session that it was made for."""
    return page("stale_page", HTTPStatus.BAD_REQUEST)


def http(error: HTTPException) -> ResponseReturnValue:
    """Unknown pages, wrong methods, too large bodies."""
    if isinstance(error, SecurityError):  # another host: there are no addresses to link to
        return Response("This address is not served here.\n", HTTPStatus.BAD_REQUEST, mimetype="text/plain")
    code = error.code or 500
    return page(IDS.get(code, "bad_request"), code)


def unexpected(error: Exception) -> ResponseReturnValue:
    """Anything else: an incident number for the log, and nothing of the content anywhere."""
    incident = secrets.token_hex(4)
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{place.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{place.tb_lineno}" if place else "?"
    log.error("incident %s: %s at %s", incident, type(error).__name__, where)
    return page("unexpected", HTTPStatus.INTERNAL_SERVER_ERROR, incident=incident)
