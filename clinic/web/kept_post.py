"""What was sent while nobody could take it: after the session had ended, while it was locked, before a step-up.

The keyholder seals it to the account whose page it stood on; sealed it travels in the sign-in, unlock or step-up page
and comes back with it. This process has no key for it: it is opened for a live session of that account only.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge

from clinic.domain.errors import ClinicError
from clinic.persistence.sealing import Damaged
from clinic.web.clinic import store
from clinic.web.csrf import FIELD, owner
from clinic.web.session import token

LARGEST: Final = 2 * 1024 * 1024  # bytes of fields; sealed as text it must pass the 4 MB limit again
AT: Final = "lock-at"  # the address of the page; with a dash, so that it is never the name of a block
KEPT: Final = "kept"
SERVICE: Final = frozenset({FIELD, AT, KEPT})
# Their forms hold passwords and codes, and nothing that anybody would miss.
NEVER: Final = frozenset({"auth", "lock", "pages"})
NEITHER: Final = frozenset({"account.password", "account.confirm"})


@dataclass(frozen=True)
class KeptPost:
    """Where a form was going, and its fields in order.

    `kind`: post, it was sent; typing, it was only typed when the lock fell; page, a page was asked for.
    """

    path: str
    fields: tuple[tuple[str, str], ...]
    kind: str = "post"

    def lists(self) -> dict[str, list[str]]:
        """The fields by name."""
        found: dict[str, list[str]] = {}
        for name, value in self.fields:
            found.setdefault(name, []).append(value)
        return found


def posted(empty: bool = False) -> KeptPost | None:
    """The form of this request; None where there is nothing to keep. `empty`: a button alone is something too."""
    if (request.blueprint in NEVER and request.endpoint != "lock.lock") or request.endpoint in NEITHER:
        return None
    typing = request.endpoint == "lock.lock"
    path = request.form.get(AT, "") if typing else request.path
    fields = tuple(_fields(request.form.items(multi=True)))
    elsewhere = path.startswith(("//", "/\\")) or not path.startswith("/")  # a browser reads these as another host
    if elsewhere or not (fields or empty):
        return None
    return KeptPost(path, fields, "typing" if typing else "post")


def keep(account: str = "", empty: bool = False) -> str:
    """The form of this request, sealed to the account whose page it stands on; or what came with it sealed already.

    Empty when there is nothing to keep, too much, nobody to keep it for, or if it is not for `account`.
    """
    try:
        post, whose = posted(empty), owner()
        if post is None:
            return request.form.get(KEPT, "")
    except RequestEntityTooLarge:
        return ""
    return seal(whose, post) if whose and account in ("", whose) else ""


def seal(account: str, post: KeptPost) -> str:
    """A form, sealed to an account; empty if it is too much."""
    content = json.dumps([post.path, post.fields, post.kind]).encode()
    if len(content) > LARGEST:
        return ""
    return urlsafe_b64encode(store().keyholder.seal_kept(UUID(account), content)).decode("ascii")


def again(sealed: str) -> KeptPost | None:
    """What `keep` sealed, for the session of the account that typed it; None for anybody else and anything broken."""
    if not sealed:
        return None
    try:
        raw = urlsafe_b64decode(sealed.encode("ascii"))
        path, fields, kind = json.loads(store().keyholder.open_kept(token(), raw))
    except (Error, ValueError, ClinicError, Damaged):
        return None
    return KeptPost(path, tuple((name, value) for name, value in fields), kind)


def _fields(items: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    for name, value in items:
        if name not in SERVICE and "password" not in name:
            yield name, value
