"""What a PDF says and hides, for tests: `from tests import pdf`."""

import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import page as validator
import pypdf
import pypdfium2
from pypdf.generic import ArrayObject, ByteStringObject, DictionaryObject, StreamObject, TextStringObject

from clinic import resources
from clinic.domain.page import Page
from clinic.press import fonts

DIRECTION_MARKS = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def text(content: bytes) -> str:
    """The words of all pages as a reader would copy them, line by line, without direction marks."""
    return "\n".join(sides(content))


def sides(content: bytes) -> list[str]:
    """The same of each page."""
    with pypdfium2.PdfDocument(content) as document:
        pages = [page.get_textpage().get_text_bounded() for page in document]
    return [DIRECTION_MARKS.sub("", one).replace("\r\n", "\n") for one in pages]


def text_by_poppler(content: bytes) -> str:
    """The same by pdftotext, which goes about right-to-left text in another way."""
    command = ["pdftotext", "-enc", "UTF-8", "-", "-"]
    output = subprocess.run(command, input=content, stdout=subprocess.PIPE, check=True).stdout
    return DIRECTION_MARKS.sub("", output.decode())


def pages(content: bytes) -> int:
    """Number of pages."""
    return len(_reader(content).pages)


def metadata(content: bytes) -> dict[str, str]:
    """Every entry of the document information, and Lang and the XMP packet under their own names."""
    reader = _reader(content)
    entries = {name.removeprefix("/"): str(value) for name, value in (reader.metadata or {}).items()}
    catalog = reader.trailer["/Root"]
    entries["Lang"] = str(catalog.get("/Lang", ""))
    entries["XMP"] = catalog["/Metadata"].get_data().decode() if "/Metadata" in catalog else ""
    return entries


def names(content: bytes) -> set[str]:
    """Named destinations, form fields, attachments, actions at opening: all that may leak by its name."""
    reader = _reader(content)
    found = {*reader.named_destinations, *(reader.get_fields() or {}), *reader.attachments}
    return found | {key for key in ("/OpenAction", "/AA", "/AcroForm") if key in reader.trailer["/Root"]}


def all_bytes(content: bytes) -> bytes:
    """Everything that can be found in a file, to search it for a canary.

    The raw bytes, each decoded stream, each string as UTF-8, and the text (a stream has it as glyph numbers).
    """
    reader = _reader(content)
    parts = [content, text(content).encode()]
    for number in range(1, int(reader.trailer["/Size"])):
        parts.extend(_contents(reader.get_object(number)))
    parts.extend(_contents(reader.trailer))
    return b"\n".join(parts)


def ua1(content: bytes) -> list[str]:
    """The rules of PDF/UA-1 that a file breaks: [] is what a test wants."""
    report = validator.validate_pdf_bytes(content, profile="ua1")
    return [f"{failure.rule_id}: {failure.message}" for failure in report.failures]


def png(content: bytes, dpi: int = 72) -> list[bytes]:
    """Each page as a picture."""
    pictures = []
    with pypdfium2.PdfDocument(content) as document:
        for page in document:
            picture = io.BytesIO()
            page.render(scale=dpi / 72).to_pil().save(picture, "PNG")
            pictures.append(picture.getvalue())
    return pictures


def complaints(page: Page) -> list[str]:
    """What the engine says about a page, in its own words; the press tells only where. [] if it prints."""
    code = (
        "import json, sys; from clinic.press import render; from clinic.domain.page import Page\n"
        "try: render.pdf(Page.from_json(sys.stdin.buffer.read())); lines = []\n"
        "except render.Complaint as complaint: lines = [complaint.where, *complaint.lines]\n"
        "except render.DENIED as error: lines = [str(error)]\n"
        "print(json.dumps(lines))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        input=page.to_json(),
        stdout=subprocess.PIPE,
        env={"FONTCONFIG_FILE": str(fonts.config())},
        cwd=resources.checkout(),
        check=True,
    )
    lines: list[str] = json.loads(run.stdout)
    return lines


def _reader(content: bytes) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(content))


def _contents(item: Any) -> Iterator[bytes]:
    """Strings and decoded streams of one object; what it refers to is another object."""
    if isinstance(item, StreamObject):
        yield item.get_data()
    if isinstance(item, TextStringObject):
        yield str(item).encode()
    elif isinstance(item, ByteStringObject):
        yield bytes(item)
    elif isinstance(item, DictionaryObject):
        for key in item:
            yield str(key).encode()
            yield from _contents(item.raw_get(key))
    elif isinstance(item, ArrayObject):
        for entry in list.__iter__(item):
            yield from _contents(entry)
