"""What comes out of an uploaded file: one unit a message, whatever the format. Words only, never a state."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from clinic.domain.definition import Text
from clinic.i18n.message import Entry

# Kinds of fault of a whole file, and what they say; gettext context `upload.<id>`, domain handouts.
PROBLEMS: Final[dict[str, str]] = {
    "size": "This file is larger than 8 MB.",
    "archive": "This is an archive. Unpack it first.",
    "kind": "This is no PO file and no XLIFF 1.2 file.",
    "xml": "This file is not valid XML.",
    "dtd": "This file declares a document type, which may hide something. Save it without one.",
    "xliff": "This is XML, but not XLIFF 1.2.",
    "depth": "This file is nested too deep.",
    "units": "This file has too many messages.",
    "language": "This file is for another language.",
    "markup": "A text in this file has elements that are no words.",
    "po": "This is no PO file that can be read.",
    "plurals": "This file counts plural forms in a way that nobody knows.",
    "stopped": "This file could not be read in time.",
    "gone": "This file was kept for an hour only. Choose it again.",
}
# Why one message of a file is not taken; gettext context `refusal.<id>`.
REFUSALS: Final[dict[str, str]] = {
    "guarded": "This sentence is changed in its file only.",
    "english": "The English is another one now. Take a new file.",
    "checks": "This would break a page.",
}


def sentences() -> Iterator[Text]:
    """What is said about files, for translators."""
    yield from (Text(f"upload.{id_}", text, "Why a file is not taken.") for id_, text in PROBLEMS.items())
    yield from (Text(f"refusal.{id_}", text, "Why a text of a file is not taken.") for id_, text in REFUSALS.items())


class BrokenUpload(ValueError):
    """A file that is not taken; `problem` is a key of PROBLEMS."""

    def __init__(self, problem: str) -> None:
        super().__init__(PROBLEMS[problem])
        self.problem = problem


@dataclass(frozen=True)
class Unit:
    """Words for one message: its reference, the English they are for, forms as in `Entry`, the mark of old words.

    `unknown`: it names no message at all. `sure`: the file no longer marks the words as made for other English; the
    one thing of a state that is heard, for else a translator could not say that old words still fit.
    """

    ref: str
    source: str
    forms: Mapping[str, str] = field(default_factory=dict)
    base: str = ""
    unknown: bool = False
    sure: bool = False

    def joined(self, other: "Unit") -> "Unit":
        """Together with another form of the same message."""
        source = self.source if "one" in self.forms else other.source if "one" in other.forms else self.source
        return replace(
            self,
            source=source,
            forms={**self.forms, **other.forms},
            base=self.base or other.base,
            sure=self.sure and other.sure,
        )


def base(entry: Entry) -> str:
    """8 hex digits of what a message says: equal as long as nobody changes it."""
    said = json.dumps([sorted((name, form) for name, form in entry.forms.items() if form)], ensure_ascii=False)
    return hashlib.sha256(said.encode()).hexdigest()[:8]


def packed(units: list[Unit]) -> bytes:
    """Units as JSON, from the child that reads an upload."""
    rows = [[one.ref, one.source, dict(one.forms), one.base, one.unknown, one.sure] for one in units]
    return json.dumps(rows).encode()


def unpacked(data: bytes) -> list[Unit]:
    """The same back. ValueError if it is anything else."""
    rows: Any = json.loads(data)
    return [
        Unit(str(ref), str(source), _forms(forms), str(mark), unknown is True, sure is True)
        for ref, source, forms, mark, unknown, sure in rows
    ]


def _forms(found: Mapping[Any, Any]) -> dict[str, str]:
    return {str(name): str(form) for name, form in found.items()}
