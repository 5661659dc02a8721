"""Plain lists for the command line and for scripts: definitions, and how far each language has come."""

from typing import Any

from clinic.i18n.locales import translated
from clinic.services.definitions import definitions
from clinic.services.readiness import languages, readiness
from clinic.services.translations import progress


def sheets(print_when: str = "reviewed") -> list[dict[str, Any]]:
    """Every definition: id, kind, version, recipients, levels, locales that print without a DRAFT mark."""
    return [
        {
            "id": one.id,
            "kind": one.kind,
            "version": one.version,
            "title": one.title.en,
            "recipients": list(one.recipients),
            "blank": one.blank,
            "locales": [ready.locale for ready in languages(one, print_when) if ready.printable],
        }
        for one in definitions().values()
    ]


def locales(print_when: str = "reviewed") -> list[dict[str, Any]]:
    """Per locale and definition: shares (0–1) translated, reviewed, approved; printable or why not."""
    found = []
    for language in translated():
        for one in definitions().values():
            ready = readiness(one, language.tag, print_when)
            row = {"locale": language.tag, "definition": one.id, **progress(one, language.tag)}
            found.append(row | {"printable": ready.printable, "reason": ready.reason})
    return found
