"""Who works at the command line: an account that signs in on the terminal. The demo knows its own."""

import getpass
import os
import sys

from clinic.domain.errors import SignIn, Usage
from clinic.persistence.store import Store
from clinic.services import accounts
from clinic.services.accounts import DEMO as ACCOUNT


def token(store: Store, account: str | None) -> str:
    """A session like any other. Raises SignIn, Usage when there is nobody to ask for the password.

    A demo instance defaults to its own account, which has no secret to keep.
    """
    if store.demo and account in (None, ACCOUNT):
        return accounts.demo_session(store)
    if account is None:
        raise Usage("say who prints: --as ACCOUNT")
    if not sys.stdin.isatty():
        raise SignIn
    return accounts.sign_in(store, account, getpass.getpass("Passphrase: "), f"terminal:{os.getuid()}")
