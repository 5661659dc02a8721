"""What is wrong with a translation: things that would break a page or say something else than the source."""

import re
from collections import Counter
from collections.abc import Iterator

import polib

from clinic.domain.definition import hidden

BRACES = re.compile(r"\{[^{}]*\}|[{}]")
PERCENTS = re.compile(r"%\([A-Za-z_]+\)[sd]|%%|%")
LONGEST = 3  # a target may be so many times longer than its source (plus 20 characters)


def problems(entry: polib.POEntry, percent: bool) -> Iterator[str]:
    """Faults that block. `percent`: the sentence goes through %-formatting (the web interface)."""
    sources = [entry.msgid, *filter(None, [entry.msgid_plural])]  # “one answer” may leave out the number
    for target in filter(None, [entry.msgstr, *entry.msgstr_plural.values()]):
        if all(_placeholders(source, percent) != _placeholders(target, percent) for source in sources):
            yield "has other placeholders than its source"
        if any(hidden(character) or character in "\u2066\u2067\u2068\u2069" for character in target):
            yield "has a hidden control character"
        if re.search(r"<[a-zA-Z/!]", target) and "<" not in entry.msgid:
            yield "has markup"
        if len(target) > LONGEST * len(entry.msgid) + 20:
            yield "is much longer than its source"


def _placeholders(text: str, percent: bool) -> Counter[str]:
    return Counter((PERCENTS if percent else BRACES).findall(text))


def check(po: polib.POFile, percent: bool) -> list[str]:
    """All faults of a catalogue, one line each: key and what is wrong."""
    return [
        f"{entry.msgctxt or entry.msgid}: {problem}"
        for entry in po
        if not entry.obsolete and "fuzzy" not in entry.flags
        for problem in problems(entry, percent)
    ]
