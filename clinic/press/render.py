"""Page to PDF/UA-1 bytes, and PDF to pictures. Imported only in press children and what they are forked from.

FONTCONFIG_FILE must be set before this module is imported: the engine reads its fonts at import.
"""

import io
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import PurePath
from typing import Any, NoReturn

import pypdfium2
from weasyprint import CSS
from weasyprint.document import Document
from weasyprint.pdf.metadata import DocumentMetadata
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import FatalURLFetchingError, URLFetcher

from clinic.domain.page import Page
from clinic.press import actual_text, engine

VARIANT = "pdf/ua-1"
POINTS_PER_INCH = 72
FIELD = re.compile(r"f\d{3}")  # the only names that may stand in a file
LINK = re.compile(r"(https?|mailto|tel):", re.IGNORECASE)
DRAWN_WITHOUT_TEXT = "\u200b"
DENIED = (FatalURLFetchingError,)  # a BaseException: the engine catches all others and carries on

_ENGINE = logging.getLogger("weasyprint")


class Complaint(Exception):
    """A page that is not as it should be. `where` names code, never content; `lines` are for its author."""

    def __init__(self, where: str, lines: Iterable[str] = ()) -> None:
        super().__init__(where)
        self.where, self.lines = where, list(lines)


class _Nothing(URLFetcher):  # type: ignore[misc]  # the engine has no type hints
    """Pages are whole: nothing is ever fetched, from the network, the disk or the page itself."""

    def fetch(self, url: str, headers: object = None) -> NoReturn:
        raise FatalURLFetchingError("nothing may be fetched")


class _Records(logging.Handler):
    """Keeps what the engine says, from warnings up."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.kept: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append(record)


_NOTHING = _Nothing()
_RECORDS = _Records()
_FONTS = FontConfiguration()

_ENGINE.addHandler(_RECORDS)
_ENGINE.setLevel(logging.WARNING)
_ENGINE.propagate = False
actual_text.use()
engine.use()


def pdf(page: Page) -> bytes:
    """Draw a page. Equal pages give equal bytes.

    Raises Complaint for any line in the engine's log, a name other than f000–f999, a link that is not a web,
    mail or telephone address, or an attachment; FatalURLFetchingError for anything that would have to be
    fetched.
    """
    with silence():
        return written(_laid_out(page))


def laid_out(page: Page) -> Document:
    """A page that is checked and broken into sides, not written yet. Raises as `pdf` does."""
    with silence():
        return _laid_out(page)


def written(document: Document, change: Callable[[Document, Any], None] | None = None) -> bytes:
    """The file of a laid out page; `change` may have its last say on the objects in it. To be called in `silence`."""

    def finish(document: Document, file: Any) -> None:
        _fill_empty_texts(document, file)
        if change:
            change(document, file)

    content: bytes = document.write_pdf(pdf_variant=VARIANT, finisher=finish)
    return content


def _laid_out(page: Page) -> Document:
    source = engine.Source(page.html, _NOTHING)
    styles = [_parsed(text) for text in page.styles]
    document = source.render(stylesheets=styles, font_config=_FONTS, pdf_variant=VARIANT)
    _check(document)
    document.metadata = DocumentMetadata(title=page.title, lang=page.lang)
    return document


def images(content: bytes, dpi: int) -> Iterator[bytes]:
    """Each page of a PDF as a PNG."""
    with pypdfium2.PdfDocument(content) as document:
        for page in document:
            picture = io.BytesIO()
            page.render(scale=dpi / POINTS_PER_INCH).to_pil().save(picture, "PNG", compress_level=1)
            page.close()
            yield picture.getvalue()


def warm(pages: Iterable[Page]) -> None:
    """Draw pages once, so that children find fonts loaded and styles parsed. What fails, fails later too."""
    for page in pages:
        with suppress(Exception, *DENIED):
            for _ in images(pdf(page), POINTS_PER_INCH):
                pass


@lru_cache(maxsize=64)
def _parsed(text: str) -> Any:
    # A style that the engine complains about must not be kept: the second use would be silent.
    with silence():
        return CSS(string=text, font_config=_FONTS, url_fetcher=_NOTHING)


@contextmanager
def silence() -> Iterator[None]:
    """Fail on any line that the engine logs inside the block."""
    _RECORDS.kept.clear()
    yield
    if _RECORDS.kept:
        first = _RECORDS.kept[0]
        place = "/".join(PurePath(first.pathname).parts[-2:])
        raise Complaint(f"{place}:{first.lineno}", [record.getMessage() for record in _RECORDS.kept])


def _check(document: Document) -> None:
    if document.metadata.attachments:
        raise Complaint("attachment")
    for page in document.pages:
        names = [name for name in page.anchors if not FIELD.fullmatch(name)]
        if names:
            raise Complaint("name", names)
        for kind, target, *_ in page.links:
            if kind == "attachment" or (kind == "external" and not LINK.match(target)):
                raise Complaint("link", [target])


def _fill_empty_texts(document: Document, file: Any) -> None:
    """Name the second glyph of an Arabic cluster: mapped to nothing, it is refused by strict readers."""
    for item in file.objects:
        lines = getattr(item, "stream", None)
        if isinstance(lines, list) and b"begincmap" in lines:
            filler = DRAWN_WITHOUT_TEXT.encode("utf-16-be").hex().encode()
            item.stream = [re.sub(rb" <>$", b" <" + filler + b">", line) for line in lines]
