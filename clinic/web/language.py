"""Which language the interface speaks to this person: their choice, else what their browser asks for, else English.

Sentences come from the files and from what was edited in the browser; both are as they stand at this request.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from babel.support import NullTranslations, Translations
from flask import Flask, g, has_app_context, request, session
from flask_babel import Babel, Domain
from flask_babel.speaklater import LazyString
from markupsafe import Markup, escape
from sqlalchemy.exc import DBAPIError

from clinic.domain.errors import VaultLocked
from clinic.i18n.catalogue import Catalogue, catalogue
from clinic.i18n.locales import SOURCE, locale, translated
from clinic.services import spoken
from clinic.web.clinic import store

Found = TypeVar("Found")
TOKEN: Final = re.compile(r"%\(([A-Za-z_]+)\)[sd]|%%")


class Spoken(Domain):  # type: ignore[misc]  # Flask-Babel has no types
    """The words of the pages as `services.spoken` has them; values go in by our own replacer, never by `%`."""

    def get_translations(self) -> NullTranslations:
        """Those of the language of this request."""
        return words() if has_app_context() and request else NullTranslations()

    def gettext(self, string: str, **values: Any) -> str:
        """A sentence, with its values."""
        return _put(self.get_translations().ugettext(string), values)

    def ngettext(self, singular: str, plural: str, num: int, **values: Any) -> str:
        """A sentence in the form that fits a number."""
        found = self.get_translations().ungettext(singular, plural, num)
        return _put(found, {"num": num, **values})

    def pgettext(self, context: str, string: str, **values: Any) -> str:
        """A sentence that means something else elsewhere."""
        return _put(self.get_translations().upgettext(context, string), values)

    def npgettext(self, context: str, singular: str, plural: str, num: int, **values: Any) -> str:
        """Both."""
        found = self.get_translations().unpgettext(context, singular, plural, num)
        return _put(found, {"num": num, **values})


def register(app: Flask) -> None:
    """Give pages and views their words. In a template a sentence is text like any other: it is escaped."""
    babel = Babel(app, locale_selector=folder)
    domain = Spoken()
    babel.domain_instance = domain
    # Flask-Babel hands a lazy sentence to a template as markup. It is words that somebody translated: text.
    LazyString.__html__ = lambda words_: escape(str(words_))
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]  # the i18n extension adds it
        gettext=lambda text, **values: _shown(domain.get_translations().ugettext(text), values),
        ngettext=lambda one, more, num, **values: _shown(
            domain.get_translations().ungettext(one, more, num), {"num": num, **values}
        ),
        pgettext=lambda context, text, **values: _shown(domain.get_translations().upgettext(context, text), values),
        npgettext=lambda context, one, more, num, **values: _shown(
            domain.get_translations().unpgettext(context, one, more, num), {"num": num, **values}
        ),
        newstyle=False,
    )


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
    found: Catalogue | None = g.get("book")  # once: a page asks hundreds of times
    if found is None:
        found = g.book = _spoken(lambda: spoken.book(store(), tag()), lambda: catalogue(tag()))
    return found


def words() -> Translations:
    """The words of the pages in the interface language."""
    if "words" not in g:
        g.words = _spoken(lambda: spoken.interface(store(), tag()), lambda: spoken.of_files(tag()))
    found: Translations = g.words
    return found


def _spoken(now: Callable[[], Found], files: Callable[[], Found]) -> Found:
    """What holds now; what the files say while nobody has unlocked the records, or the database is away."""
    try:
        return now()
    except (VaultLocked, DBAPIError):
        return files()


def _put(text: str, values: Mapping[str, Any]) -> str:
    """A sentence with its values. Without any it is taken as it stands."""
    return TOKEN.sub(lambda match: _value(match, values), text) if values else text


def _shown(text: str, values: Mapping[str, Any]) -> str:
    """The same for a template, where `%%` always stands for one sign; with markup among the values, escaped."""
    if not any(hasattr(value, "__html__") for value in values.values()):
        return TOKEN.sub(lambda match: _value(match, values), text)
    parts, end = [], 0
    for match in TOKEN.finditer(text):
        parts += [text[end : match.start()], _value(match, values, escape)]
        end = match.end()
    return Markup().join([*parts, text[end:]])


def _value(match: re.Match[str], values: Mapping[str, Any], into: Callable[[Any], str] = str) -> str:
    """What stands for a token; one that nobody gave a value stays."""
    name = match[1]
    if name is None:
        return "%"
    return into(values[name]) if name in values else match[0]
