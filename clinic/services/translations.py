"""Extract, merge and check the catalogues; say how far each language has come."""

from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path

import polib

from clinic import resources
from clinic.documents import words
from clinic.domain.answer import WRONG
from clinic.domain.definition import Definition, Text
from clinic.domain.errors import MESSAGES, Usage
from clinic.domain.reminder import REMINDER
from clinic.i18n import checking, merging
from clinic.i18n.catalogue import catalogue
from clinic.i18n.compiling import STATES
from clinic.i18n.locales import NAMES, SOURCE, locale, translated
from clinic.services.definitions import definitions, library, tables

DOMAINS = ("handouts", "messages")


def handout_texts() -> Iterator[Text]:
    """Every sentence of definitions, library, weights, sheet words and errors."""
    for definition in definitions().values():
        yield from definition.texts()
    yield from library().texts()
    yield from tables().texts()
    yield from words.texts()
    yield REMINDER
    yield from (Text(f"error.{id_}", text) for id_, text in MESSAGES.items())
    yield from (Text(f"wrong.{id_}", text) for id_, text in WRONG.items())


def message_template() -> polib.POFile:
    """The sentences of the web interface, from its templates and views."""
    from babel.messages.catalog import Catalog
    from babel.messages.extract import extract_from_dir
    from babel.messages.pofile import write_po

    found = Catalog(project="secure-base", charset="utf-8")
    options = {"**.html": {"silent": "false", "newstyle_gettext": "true"}}
    pages = [("print/**", "ignore"), ("**.html", "jinja2")]
    roots = [(resources.templates(), pages), (_package() / "web", [("**.py", "python")])]
    keywords = {"_": None, "gettext": None, "ngettext": (1, 2), "lazy_gettext": None, "pgettext": ((1, "c"), 2)}
    for root, methods in roots:
        for _, _, message, comments, context in extract_from_dir(root, methods, options, keywords, ("Translators:",)):
            found.add(message, None, auto_comments=comments, context=context)
    out = BytesIO()
    write_po(out, found, sort_output=True, no_location=True, omit_header=True)
    return polib.pofile(out.getvalue().decode())


def _package() -> Path:
    return Path(__file__).resolve().parent.parent


def templates() -> dict[str, polib.POFile]:
    """The two templates as they should be now."""
    return {"handouts": merging.template(handout_texts()), "messages": message_template()}


def extract() -> dict[str, int]:
    """Write translations/*.pot. Returns the number of sentences in each."""
    made = templates()
    for domain, pot in made.items():
        pot.metadata = pot.metadata or {"Content-Type": "text/plain; charset=UTF-8"}
        merging.save(pot, resources.translations() / f"{domain}.pot")
    return {domain: len(pot) for domain, pot in made.items()}


def merge() -> dict[str, dict[str, int]]:
    """Bring every catalogue up to its template."""
    made = templates()
    return {
        f"{one.tag} {domain}": merging.merge_file(_po(one.tag, domain), pot, one.tag)
        for one in translated()
        if one.tag != SOURCE
        for domain, pot in made.items()
    }


def begin(tag: str) -> None:
    """Begin a language: its folder with empty catalogues. Usage error for an unknown tag."""
    if tag not in NAMES or tag == SOURCE:
        raise Usage(f"{tag} is not a language this program knows")
    for domain, pot in templates().items():
        merging.merge_file(_po(tag, domain), pot, tag)


def check(tags: Iterable[str] = ()) -> list[str]:
    """What is wrong in the catalogues, one line each; empty when all is well."""
    wanted = list(tags) or [one.tag for one in translated() if one.tag != SOURCE]
    found = []
    for tag in wanted:
        for domain in DOMAINS:
            if not _po(tag, domain).exists():
                found.append(f"{tag}: {domain}.po is missing")
                continue
            po = polib.pofile(str(_po(tag, domain)))
            found += [f"{tag}: {line}" for line in checking.check(po, percent=domain == "messages")]
    return found


def _po(tag: str, domain: str) -> Path:
    if tag not in NAMES:
        raise Usage(f"{tag} is not a language this program knows")
    return resources.translations() / locale(tag).folder / "LC_MESSAGES" / f"{domain}.po"


def progress(definition: Definition, tag: str) -> dict[str, float | str]:
    """Shares (0–1) of a definition's sentences that are translated, reviewed, approved, and the least state."""
    book = catalogue(tag)
    states = [book.state(text) for text in (*definition.texts(), *words.texts())]
    share = {
        name: sum(STATES.index(state) >= STATES.index(name) for state in states) / len(states)
        for name in ("draft", "reviewed", "approved")
    }
    least = min(states, key=STATES.index)
    return {"translated": share["draft"], "reviewed": share["reviewed"], "approved": share["approved"], "state": least}
