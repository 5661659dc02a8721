"""Definitions and answers that ask too much: refused or killed within the limit, and the next print is as ever."""

import base64
import gc
import sys
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from clinic import documents, resources
from clinic.documents import Fonts, Options
from clinic.domain.definition import parse
from clinic.domain.library import parse_library
from clinic.domain.page import Page
from clinic.i18n.catalogue import catalogue
from clinic.press import fonts
from clinic.press.limits import Limits
from clinic.press.press import Press, PressError
from tests import pdf

from .conftest import MakePage

SECONDS = 2
SLACK = 20  # s on a busy machine between a limit and the answer
LIMITS = Limits(seconds=60, memory=600_000_000)
HURRIED = Limits(seconds=SECONDS, memory=600_000_000)
CODE = "K7QM2XTPA"
LISTS = parse_library({path.stem: path.read_bytes() for path in (resources.forms() / "library").glob("*.toml")}).lists()


def bomb(side: int) -> str:
    """A PNG of a few kB that is `side` pixels high and wide."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = side.to_bytes(4, "big") * 2 + bytes((1, 0, 0, 0, 0))
    lines = zlib.compress(bytes((side // 8 + 1) * side), 9)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(png).decode()


# Body, styles: each takes far more than the limits give, or asks for what no page may have.
HOSTILE: dict[str, tuple[str, tuple[str, ...]]] = {
    "deep boxes": ("<div>" * 5_000 + "x" + "</div>" * 5_000, ()),
    "deep tables": ("<table><tr><td>" * 60 + "x" + "</td></tr></table>" * 60, ()),
    "flex in flex": ("<div style='display: flex'>" * 400 + "x" + "</div>" * 400, ()),
    "grid in grid": ("<div style='display: grid'>" * 400 + "x" + "</div>" * 400, ()),
    "inline in inline": ("<i>" * 3_000 + "x" + "</i>" * 3_000, ()),
    "a table of 5,000 rows": ("<table>" + "<tr><td>a</td><td>b</td><td>c</td></tr>" * 5_000 + "</table>", ()),
    "a paragraph of 1 MB": ("<p>" + "word " * 200_000 + "</p>", ()),
    "a word of a million letters": ("<p style='overflow-wrap: anywhere'>" + "w" * 1_000_000 + "</p>", ()),
    "huge letters": ("<p>" + "x " * 2_000 + "</p>", ("p { font-size: 9000pt }",)),
    "marks on marks": ("<p>" + "a" + "\u0301" * 600_000 + "</p>", ()),
    "an image bomb": (f"<img alt='x' src='{bomb(30_000)}'>", ()),
    "an image bomb in a style": ("<p>x</p>", (f"p {{ background: url({bomb(30_000)}) }}",)),
    "an endless page": ("<p>x</p>", ("@page { size: 1mm 1mm; margin: 0 }", "p { height: 90000mm }")),
    "counters in counters": (
        "<div class='c'>" * 900 + "x" + "</div>" * 900,
        (".c { counter-reset: n; counter-increment: n } .c::before { content: counters(n, '.') }",),
    ),
    "a variable that doubles": (
        "<p class='v'>x</p>",
        (
            "p::before { content: "
            + "var(--v30) }"
            + "p {"
            + "".join(f"--v{n}: var(--v{n - 1}) var(--v{n - 1});" for n in range(1, 31))
            + "--v0: 'x' }",
        ),
    ),
    "columns of columns": ("<div style='columns: 3'>" * 14 + "x " * 500 + "</div>" * 14, ()),
    "an address elsewhere": ("<link rel=attachment href='file:///etc/passwd'><p>x</p>", ()),
}


@pytest.fixture(scope="module")
def strict(make_page: MakePage) -> Iterator[Press]:
    machine = Press(limits=LIMITS)
    machine.blank(make_page("<p>warm</p>"))
    yield machine
    machine.stop()


@pytest.fixture(scope="module")
def usual(strict: Press, make_page: MakePage) -> tuple[Page, bytes]:
    page = make_page("<h1>Usual</h1><p>as ever</p>")
    return page, strict.blank(page)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_page_costs_its_limit_and_nothing_else(
    strict: Press, make_page: MakePage, usual: tuple[Page, bytes], name: str
) -> None:
    body, styles = HOSTILE[name]
    page = make_page(body, styles=styles)
    started = time.monotonic()
    said = _said(strict, lambda: strict.blank(page))
    assert said in {"drawn", "timeout", "memory", "size", "log"}
    assert time.monotonic() - started < SECONDS + SLACK
    assert strict.blank(usual[0]) == usual[1]


@pytest.mark.parametrize("name", ["flex in flex", "a paragraph of 1 MB", "an image bomb", "an address elsewhere"])
def test_these_are_never_drawn(strict: Press, make_page: MakePage, name: str) -> None:
    body, styles = HOSTILE[name]
    with _hurried(strict), pytest.raises(PressError):
        strict.blank(make_page(body, styles=styles))


@pytest.mark.parametrize("name", ["flex in flex", "an image bomb", "an address elsewhere"])
def test_however_it_is_asked_for(strict: Press, make_page: MakePage, usual: tuple[Page, bytes], name: str) -> None:
    body, styles = HOSTILE[name]
    page = make_page(body, styles=styles)
    assert _said(strict, lambda: strict.given(page, {})) in {"timeout", "memory", "size", "log"}
    assert _said(strict, lambda: _alone(strict, page)) in {"timeout", "memory", "size", "log"}
    assert strict.given(usual[0], {}) == strict.blank(usual[0]) == usual[1]


def _said(press: Press, draw: Callable[[], bytes]) -> str:
    """Whether it was drawn after all, within every limit, or the limit. An error names no content."""
    with _hurried(press):
        try:
            assert draw().startswith(b"%PDF")
        except PressError as error:
            return "content" if "passwd" in str(error) or "word" in str(error) else error.kind
    return "drawn"


@contextmanager
def _hurried(press: Press) -> Iterator[None]:
    """Little time for the hostile page only: on a busy machine the usual one may need more."""
    reused = [one.child for one in press._pool._idle]
    try:
        for one in (press, *reused):
            one._limits = HURRIED
        yield
    finally:
        for one in (press, *reused):
            one._limits = LIMITS


def _alone(press: Press, page: Page) -> bytes:
    with press.child() as child:
        return press.pdf(page, child)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_memory_of_the_web_process_stays_as_it_is(strict: Press, make_page: MakePage) -> None:
    pages = [
        make_page(body, styles=styles) for name, (body, styles) in HOSTILE.items() if "link" in body or "flex" in name
    ]

    def all_() -> None:
        for page in pages:
            with _hurried(strict), pytest.raises(PressError):
                strict.blank(page)

    all_()
    gc.collect()
    held, files = _held(), len(list(Path("/proc/self/fd").iterdir()))
    tracemalloc.start()
    for _ in range(2):
        all_()
    gc.collect()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 1_000_000
    assert _held() < held + 30_000_000
    assert len(list(Path("/proc/self/fd").iterdir())) == files


def _held() -> int:
    return int(Path("/proc/self/statm").read_text("utf-8").split()[1]) * 4096


# --------------------------------------------------------------------------- real definitions and real answers
HEAD = (
    'id = "hostile"\nversion = 1\nkind = "worksheet"\ntitle = "T"\naudience = "recipient"\nrecipients = ["joint"]\n'
    '[[section]]\nid = "s"\ntitle = "S"\n'
)
PROMPT = (
    '[[section.block]]\nid = "p{n}"\nkind = "prompt"\nlabel = "What happened then, and what came next?"\nlines = 3\n'
)
ANSWERS = {
    "one word of 100,000 letters": "w" * 100_000,
    "100,000 letters in words": "a few words " * 8_300,
    "100,000 marks": "a" + "\u0301" * 99_999,
    "100,000 lines": "\n" * 100_000,
    "markup": "</p></div><script>x</script><img src=file:///etc/passwd>" * 1_800,
    "both ways": "שלום hello " * 9_000,
}


def laid_out(blocks: int, answers: dict[str, Any] | None) -> Page:
    definition = parse((HEAD + "".join(PROMPT.format(n=n) for n in range(blocks))).encode(), "hostile.toml", LISTS)
    sheet = documents.sheet(definition, answers, "joint", "couple")
    looks = Fonts({"en": fonts.font_stack("en")}, {"en": fonts.title_stack("en")})
    return documents.page(sheet, [catalogue("en")], Options(), code=CODE, fonts=looks)


def test_a_definition_of_400_blocks(usual: tuple[Page, bytes], strict: Press) -> None:
    made = strict.blank(laid_out(400, None))
    assert "what came next" in pdf.text(made)
    assert strict.blank(usual[0]) == usual[1]


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_of_100_000_letters(strict: Press, usual: tuple[Page, bytes], name: str) -> None:
    page = laid_out(2, {"p0": ANSWERS[name], "p1": "short"})
    started = time.monotonic()
    made: list[bytes] = []
    said = _said(strict, lambda: made.append(_alone(strict, page)) or made[0])
    assert said in {"drawn", "timeout", "memory", "size", "log"}
    if made:
        assert "short" in pdf.text(made[0])
        assert CODE in pdf.text(made[0])
    assert time.monotonic() - started < SECONDS + SLACK
    assert strict.blank(usual[0]) == usual[1]
