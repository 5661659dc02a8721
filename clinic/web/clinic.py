"""What the views work with: the settings, the store and the press of this clinic."""

from flask import current_app

from clinic.config import Settings
from clinic.persistence.store import Store
from clinic.press.press import Press


def settings() -> Settings:
    """The settings."""
    found: Settings = current_app.extensions["clinic"]["settings"]
    return found


def store() -> Store:
    """Database and keyholder."""
    found: Store = current_app.extensions["clinic"]["store"]
    return found


def press() -> Press:
    """The press."""
    found: Press = current_app.extensions["clinic"]["press"]
    return found
