"""What the views work with: the settings, the store and the press of this clinic."""

from flask import current_app

from clinic.config import Settings
from clinic.persistence.store import Store
from clinic.press.press import Press
from clinic.web import turns


def settings() -> Settings:
    """The settings."""
    found: Settings = current_app.extensions["clinic"]["settings"]
    return found


def store() -> Store:
    """Database and keyholder."""
    found: Store = current_app.extensions["clinic"]["store"]
    return found


def press() -> Press:
    """The press. Who asks for it will wait for paper, and lets others begin."""
    turns.leave()
    found: Press = current_app.extensions["clinic"]["press"]
    return found
