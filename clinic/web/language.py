"""Which language the interface speaks to this person: their choice, else what their browser asks for, else English."""

from flask import g, request, session

from clinic.i18n.catalogue import Catalogue, catalogue
from clinic.i18n.locales import SOURCE, locale, translated


def tag() -> str:
    """The BCP 47 tag of the interface language, decided once a request."""
    if "language" not in g:
        tags = [one.tag for one in translated()]
        chosen = session.get("language")
        g.language = chosen if chosen in tags else request.accept_languages.best_match(tags) or SOURCE
    return str(g.language)


def folder() -> str:
    """The same for Flask-Babel, which names languages by folder."""
    return locale(tag()).folder


def book() -> Catalogue:
    """The definitions' sentences in the interface language."""
    if "book" not in g:
        g.book = catalogue(tag())
    found: Catalogue = g.book
    return found
