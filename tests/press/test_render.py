"""What a PDF says, what it hides, and what is refused."""

import re
from pathlib import Path

import pytest

from clinic.domain.page import Page
from clinic.press.press import Press, PressError
from tests import pdf, verapdf

from .conftest import MakePage

SENTENCES = {
    "es": "¿Qué haría falta la próxima vez? Añade una señal pequeña.",
    "ar": "لا بأس، الأطفال بخير والآن السلام لكلاكما",
    "hi": "क्षमा करें हम सुनते हैं",
    "th": "เราฟังกันและกันด้วยความใส่ใจ",
    "bn": "আমরা একে অপরের কথা শুনি",
}


def draw(press: Press, page: Page) -> bytes:
    with press.child() as child:
        return press.pdf(page, child)


@pytest.mark.parametrize("locale", SENTENCES)
@pytest.mark.parametrize("read", [pdf.text, pdf.text_by_poppler])
def test_words_come_out_as_they_went_in(press: Press, make_page: MakePage, locale: str, read: object) -> None:
    file = draw(press, make_page(f"<h1>{SENTENCES[locale]}</h1><p>{SENTENCES[locale]}</p>", locale))
    assert callable(read)
    found = re.findall(r"[^\s،?¿.]+", read(file))
    for word in re.findall(r"[^\s،?¿.]+", SENTENCES[locale]):
        assert found.count(word) == 2, (word, found)


def test_equal_pages_give_equal_bytes(press: Press, make_page: MakePage) -> None:
    page = make_page(f"<h1>Ñ</h1><p>{SENTENCES['ar']} → ☐ {SENTENCES['hi']}</p>", "ar")
    first, second, third = draw(press, page), draw(press, page), press.blank(page)
    press.blank(make_page("<p>something between</p>"))
    other = Press()
    try:
        assert first == second == third == press.blank(page) == draw(other, page)
    finally:
        other.stop()


def test_the_file_names_title_language_and_producer_only(press: Press, make_page: MakePage) -> None:
    body = '<h1>What sets it off</h1><p id="f001">x</p><p><a href="#f001">y</a></p>'
    page = make_page(body, "es")
    head = '<meta name="author" content="CANARY"><meta name="dcterms.created" content="2026-11-22">'
    file = draw(press, Page(page.html.replace("<title>", head + "<title>"), page.styles, "es", "Hoja"))
    entries = pdf.metadata(file)
    xmp = entries.pop("XMP")
    assert entries.pop("Producer").startswith("WeasyPrint")
    assert entries == {"Title": "Hoja", "Lang": "es"}
    assert "Hoja" in xmp
    assert "Date" not in xmp
    assert pdf.names(file) == {"f001"}
    assert b"CANARY" not in pdf.all_bytes(file)
    assert b"inside" not in pdf.all_bytes(file)
    assert "What sets it off" in pdf.text(file)


def test_helpers_find_a_canary(press: Press, make_page: MakePage) -> None:
    file = draw(press, make_page('<h1>TITLED</h1><p>PRINTED</p><p><a href="https://example.org/LINKED">x</a></p>'))
    everything = pdf.all_bytes(file)
    assert {word for word in (b"TITLED", b"PRINTED", b"LINKED") if word not in everything} == set()
    assert pdf.pages(file) == 1
    assert pdf.png(file)[0].startswith(b"\x89PNG")


WITH_MARKS = "السَّلامُ عَلَيْكُمْ لِأَنَّ الآنَ"  # clusters whose second glyph the engine leaves without text
TWO_PAGES = (
    "<main><h1>Signs</h1><h2>A</h2><ul><li>one</li><li>two</li></ul>"
    "<table><thead><tr><th>Sign</th><th>0–4</th></tr></thead>"
    "<tbody><tr><td>late</td><td>3</td></tr></tbody></table>"
    '<h2 style="break-before: page">B</h2><p>¿? لا → ☐</p></main>'
)


@pytest.mark.parametrize("locale", ["en", "es", "ar", "hi"])
def test_the_file_is_accessible(press: Press, make_page: MakePage, locale: str) -> None:
    body = TWO_PAGES + f"<p>{SENTENCES['ar']} {WITH_MARKS} {SENTENCES['hi']}</p>"
    file = draw(press, make_page(body, locale))
    assert pdf.ua1(file) == []
    assert pdf.pages(file) == 2


def test_the_quick_checker_finds_faults(tmp_path: Path) -> None:
    assert pdf.ua1(_untagged(tmp_path).read_bytes()) != []


@pytest.mark.everything
def test_verapdf_agrees(press: Press, make_page: MakePage, tmp_path: Path) -> None:
    assert verapdf.missing() == ""
    good = []
    for locale in ("en", "es", "ar", "hi", "th"):
        good.append(tmp_path / f"{locale}.pdf")
        good[-1].write_bytes(draw(press, make_page(TWO_PAGES + f"<p>{SENTENCES['ar']} {SENTENCES['th']}</p>", locale)))
    bad = _untagged(tmp_path)
    found = verapdf.check([*good, bad])
    assert {path.name: found[path] for path in good} == {path.name: [] for path in good}
    assert found[bad] != []


def _untagged(folder: Path) -> Path:
    import pypdf

    writer = pypdf.PdfWriter()
    writer.add_blank_page(100, 100)
    path = folder / "untagged.pdf"
    writer.write(path)
    return path


@pytest.mark.parametrize(
    "body",
    [
        '<img alt="" src="file:///etc/hostname">',
        '<img alt="" src="http://127.0.0.1:9/x.png">',
        '<img alt="" src="data:image/png;base64,iVBORw0KGgo=">',
        '<link rel="stylesheet" href="file:///etc/hostname">',
        '<object data="file:///etc/hostname"></object>',
        '<p style="background: url(file:///etc/hostname)">x</p>',
        '<a rel="attachment" href="file:///etc/hostname">x</a>',
        '<svg width="9" height="9"><title>x</title><image href="file:///etc/hostname" width="9"/></svg>',
    ],
)
def test_nothing_is_fetched(press: Press, make_page: MakePage, body: str) -> None:
    with pytest.raises(PressError) as caught:
        draw(press, make_page(body))
    assert caught.value.kind == "log"
    assert "hostname" not in str(caught.value)


def test_nothing_is_attached(press: Press, make_page: MakePage) -> None:
    page = make_page("<p>x</p>")
    link = '<link rel="attachment" href="file:///etc/hostname">'
    with pytest.raises(PressError):
        draw(press, Page(page.html.replace("<title>", link + "<title>"), page.styles, "en", "Worksheet"))


@pytest.mark.parametrize(
    "style",
    ["@import url(file:///etc/hostname);", "@font-face { font-family: x; src: url(file:///etc/hostname) }"],
)
def test_styles_fetch_nothing(press: Press, make_page: MakePage, style: str) -> None:
    with pytest.raises(PressError, match="log"):
        draw(press, make_page("<p>x</p>", styles=(style,)))


@pytest.mark.parametrize(
    ("body", "style"),
    [
        ("<p>x</p>", "p { colour-scheme-of-mine: red }"),
        ("<p>x</p>", "p { color: }"),
        ("<p>𓀀</p>", ""),
        ('<p><a href="#f404">nowhere</a></p>', ""),
        ('<p id="safe">x</p>', ""),
        ('<p class="a">x</p>', ".a { anchor: 'fear' }"),
        ('<p><a href="javascript:x">x</a></p>', ""),
        ('<p><a href="file:///etc/hostname">x</a></p>', ""),
    ],
)
def test_a_complaint_fails_the_page_each_time(press: Press, make_page: MakePage, body: str, style: str) -> None:
    page = make_page(body, styles=(style,))
    with press.child() as child:
        for _ in range(2):
            with pytest.raises(PressError) as caught:
                press.pdf(page, child)
            assert caught.value.kind == "log"
    with pytest.raises(PressError):
        press.blank(page)
    with pytest.raises(PressError):
        press.blank(page)


def test_a_bad_style_among_the_warm_pages_is_not_forgiven(make_page: MakePage) -> None:
    page = make_page("<p>x</p>", styles=("p { no-such-thing: 1 }",))
    machine = Press([page])
    try:
        with pytest.raises(PressError, match="log"):
            draw(machine, page)
    finally:
        machine.stop()


def test_a_complaint_names_code_and_no_content(press: Press, make_page: MakePage) -> None:
    with pytest.raises(PressError) as caught:
        draw(press, make_page("<p>x</p>", styles=("p { CANARY: 1 }",)))
    assert re.fullmatch(r"log \(validation/__init__\.py:\d+\)", str(caught.value))
    assert any("canary" in line.lower() for line in pdf.complaints(make_page("<p>x</p>", styles=("p { CANARY: 1 }",))))
    assert pdf.complaints(make_page("<p>x</p>")) == []
