"""Passkeys: what a browser is asked, and whether its answer is good (WebAuthn, by the library `webauthn`).

The library is imported when it is needed. A challenge is not stored: it is an HMAC under the pepper over the session's
token, what it is for and the time, so it is worth nothing in another session, in another act, or later.
"""

import binascii
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Literal

from clinic.domain.errors import Invalid
from clinic.persistence.models import Account, Passkey
from clinic.persistence.store import Store

WINDOW: Final = 300  # s; a challenge lives for one to two of these
NAME_LENGTH: Final = 60
BROWSER_WAITS: Final = 120_000  # ms
PRODUCT: Final = "Secure Base"

Act = Literal["create", "get"]


@dataclass(frozen=True)
class Party:
    """Whom a passkey is made for: the host name of the address (`localhost` on this machine), and the whole origin."""

    id: str
    origin: str


def creation(store: Store, token: str, party: Party, account: Account, there: Iterable[Passkey]) -> str:
    """Options to make a passkey, as JSON: with a PIN or finger each time, kept on no list of the device's."""
    from webauthn import generate_registration_options, options_to_json
    from webauthn.helpers import structs

    return options_to_json(
        generate_registration_options(
            rp_id=party.id,
            rp_name=PRODUCT,
            user_id=account.id.bytes,
            user_name=account.name,
            user_display_name=account.display,
            challenge=_challenges(store, token, "create", store.clock())[0],
            timeout=BROWSER_WAITS,
            authenticator_selection=structs.AuthenticatorSelectionCriteria(
                resident_key=structs.ResidentKeyRequirement.DISCOURAGED,
                user_verification=structs.UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[structs.PublicKeyCredentialDescriptor(id=one.id) for one in there],
            # The key on one's own key ring first: it does not stay with the clinic's computer.
            hints=[structs.PublicKeyCredentialHint.SECURITY_KEY, structs.PublicKeyCredentialHint.CLIENT_DEVICE],
        )
    )


def created(store: Store, token: str, party: Party, account: Account, response: str, name: str, day: date) -> Passkey:
    """The row of a new passkey. Raises Invalid."""
    from webauthn import verify_registration_response
    from webauthn.helpers.exceptions import WebAuthnException

    for challenge in _challenges(store, token, "create", store.clock()):
        try:
            found = verify_registration_response(
                credential=_read(response),
                expected_challenge=challenge,
                expected_rp_id=party.id,
                expected_origin=party.origin,
                require_user_verification=True,
            )
        except (WebAuthnException, binascii.Error, ValueError, KeyError, TypeError):
            continue
        return Passkey(
            id=found.credential_id,
            account_id=account.id,
            public_key=found.credential_public_key,
            sign_count=found.sign_count,
            name=name,
            added_on=day,
        )
    raise Invalid({"passkey": "passkey_wrong"})


def request(store: Store, token: str, party: Party, there: Iterable[Passkey]) -> str:
    """Options to use one of these passkeys, as JSON."""
    from webauthn import generate_authentication_options, options_to_json
    from webauthn.helpers import structs

    return options_to_json(
        generate_authentication_options(
            rp_id=party.id,
            challenge=_challenges(store, token, "get", store.clock())[0],
            timeout=BROWSER_WAITS,
            allow_credentials=[structs.PublicKeyCredentialDescriptor(id=one.id) for one in there],
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        )
    )


def used(store: Store, token: str, party: Party, there: Iterable[Passkey], response: str) -> tuple[bytes, int] | None:
    """Which of these passkeys signed, and its new count; None if none did."""
    from webauthn import verify_authentication_response
    from webauthn.helpers import base64url_to_bytes
    from webauthn.helpers.exceptions import WebAuthnException

    try:
        asked = _read(response)
        named = base64url_to_bytes(asked["id"])
    except (Invalid, binascii.Error, ValueError, KeyError, TypeError):
        return None
    row = next((one for one in there if one.id == named), None)
    if row is None:
        return None
    for challenge in _challenges(store, token, "get", store.clock()):
        try:
            found = verify_authentication_response(
                credential=asked,
                expected_challenge=challenge,
                expected_rp_id=party.id,
                expected_origin=party.origin,
                credential_public_key=row.public_key,
                credential_current_sign_count=row.sign_count,
                require_user_verification=True,
            )
        except (WebAuthnException, binascii.Error, ValueError, KeyError, TypeError):
            continue
        return named, found.new_sign_count
    return None


def _challenges(store: Store, token: str, act: Act, now: datetime) -> list[bytes]:
    """The challenge of now, and the one before."""
    session, window = hashlib.sha256(token.encode()).hexdigest(), int(now.timestamp()) // WINDOW
    return [store.keyholder.code_hash(f"passkey {act} {session} {one}") for one in (window, window - 1)]


def _read(response: str) -> dict[str, Any]:
    """What the browser sent. Raises Invalid unless it is one JSON object."""
    try:
        found = json.loads(response)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Invalid({"passkey": "passkey_wrong"})
    return found
