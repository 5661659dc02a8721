"""Passkeys in the browser: what the page hands to it, and what comes back."""

from flask import request
from flask_babel import gettext as _

from clinic.domain.errors import ClinicError, NotFound, TooMany
from clinic.services import factors, sessions
from clinic.services.passkeys import Party
from clinic.web.clinic import store
from clinic.web.session import token


def party() -> Party:
    """Whom a passkey is made for: the name in the address, and the whole origin."""
    return Party(request.host.rsplit(":", 1)[0], request.host_url.rstrip("/"))


def options() -> str:
    """What the browser needs to use a passkey of this account, as JSON; empty if it has none."""
    try:
        return sessions.passkey_options(store(), token(), party())
    except NotFound:
        return ""


def new_options() -> str:
    """What the browser needs to make one, as JSON."""
    return factors.passkey_registration(store(), token(), party())


def add() -> str:
    """Store the passkey that was posted: the session's new token. Raises Invalid."""
    response, name = request.form.get("response", ""), request.form.get("name", "")
    return factors.add_passkey(store(), token(), party(), response, name or _("Passkey"))


def sentence(error: ClinicError) -> str:
    """Why a passkey was not taken."""
    if isinstance(error, TooMany):
        return _("Too many tries. Wait a minute, then try again.")
    return _("This passkey was not accepted. Try again, or take another way.")
