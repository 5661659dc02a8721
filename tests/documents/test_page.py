"""How a sheet looks as HTML and on paper: every kind of block, in every way it can be printed."""

import itertools
import random
import re
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import pypdfium2
import pypdfium2.raw as pdfium
import pytest

from clinic import documents
from clinic.documents import Options, words
from clinic.documents.page import PAPERS
from clinic.domain.audience import About, Recipient
from clinic.domain.definition import Definition, parse
from tests import layout, pdf, verapdf

from . import samples
from .catalogues import AR, EN, ES, MadeUp
from .conftest import Draw, every_kind, font_lists, make_page, shipped

Mode = Literal["blank", "filled", "half", "record", "long"]
LANGUAGES = {"en": (EN,), "ar": (AR,), "en+ar": (EN, AR), "ar+es": (AR, ES)}
AXES: tuple[tuple[Any, ...], ...] = (
    tuple(LANGUAGES),
    ("a4", "letter"),
    (False, True),
    ("full", "saver"),
    get_args(Mode),
)
LONG = "We talked for a long time about it, and then we stopped. " * 22  # 1,254 characters, in every leaf
POINTS_PER_MM = 72 / 25.4
DEFINITIONS = shipped()


def pairwise() -> Iterator[tuple[Any, ...]]:
    """Few cases that have every pair of values of any two axes."""
    product = list(itertools.product(*AXES))
    random.Random(7).shuffle(product)  # noqa: S311 (any order does; a fixed one repeats)
    todo = {pair for case in product for pair in pairs(case)}
    while todo:
        best = max(product, key=lambda case: len(todo & pairs(case)))
        todo -= pairs(best)
        yield best


def pairs(case: tuple[Any, ...]) -> set[tuple[Any, ...]]:
    return set(itertools.combinations(enumerate(case), 2))


FEW = list(pairwise())
REST = [case for case in itertools.product(*AXES) if case not in FEW and case[3] == "full"]
# paper, large print, filled: each pair of values of any two, in four ways instead of eight
WAYS: tuple[tuple[Any, bool, bool], ...] = (
    ("a4", False, False),
    ("a4", True, True),
    ("letter", False, True),
    ("letter", True, False),
)


def check(draw: Draw, case: tuple[str, Any, bool, Any, Mode]) -> None:
    languages, paper, large, ink, mode = case
    definition = every_kind("session" if mode == "record" else "worksheet")
    text = LONG if mode == "long" else samples.TEXT
    answers = (
        None if mode == "blank" else samples.answers(definition, "couple", half=mode in ("half", "record"), text=text)
    )
    options = Options(paper=paper, large=large, ink=ink)
    page = make_page(definition, answers, "joint", LANGUAGES[languages], options, code="K7QM2XTPA")
    file = draw(page)
    assert pdf.ua1(file) == []
    assert outside(file, paper) == []
    assert pdf.metadata(file)["Title"] == LANGUAGES[languages][0].text(words.TITLE)
    assert pdf.names(file) == set()


@pytest.mark.parametrize("case", FEW, ids=str)
def test_every_kind_prints(draw: Draw, case: Any) -> None:
    check(draw, case)


@pytest.mark.everything
@pytest.mark.parametrize("case", REST, ids=str)
def test_every_kind_prints_in_every_way(draw: Draw, case: Any) -> None:
    check(draw, case)


@pytest.mark.everything
@pytest.mark.parametrize("languages", LANGUAGES)
@pytest.mark.parametrize("id_", DEFINITIONS)
def test_every_shipped_definition_prints(draw: Draw, id_: str, languages: str) -> None:
    for paper, file in drawn(draw, id_, languages, WAYS):
        assert outside(file, paper) == []


@pytest.mark.everything
@pytest.mark.skipif(bool(verapdf.missing()), reason=verapdf.missing())
def test_the_reference_checker_finds_no_fault(draw: Draw, tmp_path: Path) -> None:
    paths = []
    for number, (id_, languages) in enumerate(itertools.product(DEFINITIONS, LANGUAGES)):
        way = WAYS[(number + number // len(LANGUAGES)) % len(WAYS)]  # each language meets each way
        for _, file in drawn(draw, id_, languages, [way]):
            paths.append(tmp_path / f"{len(paths)}.pdf")
            paths[-1].write_bytes(file)
    assert {path.name: faults for path, faults in verapdf.check(paths).items() if faults} == {}


def drawn(draw: Draw, id_: str, languages: str, ways: Sequence[tuple[Any, bool, bool]]) -> Iterator[tuple[str, bytes]]:
    """Paper and file of a shipped definition, for each recipient whose sheet looks different."""
    definition = DEFINITIONS[id_]
    for recipient, (paper, large, filled) in itertools.product(definition.recipients, ways):
        if recipient == "b":  # as a
            continue
        about: About = "couple" if recipient == "joint" else recipient
        answers = samples.answers(definition, about) if filled else None
        options = Options(paper=paper, large=large)
        yield paper, draw(make_page(definition, answers, recipient, LANGUAGES[languages], options))


# --------------------------------------------------------------------------- nothing is cut off or printed over
def outside(file: bytes, paper: str) -> list[str]:
    """Words nearer than 10 mm to a side of their page, or 6 mm to its head or foot."""
    edge, foot = 10 * POINTS_PER_MM, 6 * POINTS_PER_MM
    found = []
    with pypdfium2.PdfDocument(file) as document:
        for page in document:
            width, height = page.get_size()
            assert abs(width - PAPERS[paper][1] * POINTS_PER_MM) < 1
            text = page.get_textpage()
            for place in range(text.count_rects()):
                left, bottom, right, top = text.get_rect(place)
                if left < edge or bottom < foot or right > width - edge or top > height - foot:
                    found.append(text.get_text_bounded(left, bottom, right, top))
    return found


def printed_over(file: bytes) -> int:
    """Pairs of characters of which one covers most of the other; pages are told apart."""
    found = 0
    with pypdfium2.PdfDocument(file) as document:
        for page in document:
            text = page.get_textpage()
            last: tuple[float, ...] = ()  # two letters that are drawn as one sign, as ff, share their box
            near: dict[tuple[int, int], list[tuple[float, ...]]] = defaultdict(list)
            for place in range(text.count_chars()):
                if chr(pdfium.FPDFText_GetUnicode(text.raw, place)).strip("\0 \r\n\xa0"):
                    box = text.get_charbox(place)
                    cell = near[int(box[0] // 12), int(box[1] // 12)]
                    found += sum(1 for other in cell if other != last and shared(box, other) > 0.5)
                    cell.append(box)
                    last = box
    return found


def shared(one: tuple[float, ...], two: tuple[float, ...]) -> float:
    """The part of the smaller box that both cover."""
    across = min(one[2], two[2]) - max(one[0], two[0])
    up = min(one[3], two[3]) - max(one[1], two[1])
    least = min((box[2] - box[0]) * (box[3] - box[1]) for box in (one, two))
    return across * up / least if across > 0 and up > 0 and least else 0


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("text", [samples.TEXT, "w" * 60, "w" * 165, "words that go on " * 9, LONG], ids=len)
def test_no_words_leave_their_box_or_cover_others(draw: Draw, text: str, large: bool) -> None:
    definition = every_kind()
    file = draw(make_page(definition, samples.answers(definition, "couple", text=text), options=Options(large=large)))
    assert outside(file, "a4") == []
    assert printed_over(file) == 0


def test_words_that_overlap_would_be_found(draw: Draw) -> None:
    page = make_page(every_kind(), samples.answers(every_kind(), "couple"))
    over = type(page)(page.html, (*page.styles, ".na { margin-top: -3.5mm }"), page.lang, page.title)
    assert printed_over(draw(over)) > 0
    out = type(page)(page.html, (*page.styles, ".ans { margin-left: -30mm }"), page.lang, page.title)
    assert outside(draw(out), "a4")


@pytest.mark.parametrize("kind", ["worksheet", "session"])
def test_long_answers_flow_over_pages_and_stay_whole(draw: Draw, kind: str) -> None:
    long = " ".join(f"word{number}" for number in range(700))
    assert len(long) > 5_000
    answers = {"before": long, "loop": {"a_does": long}, "log": [{"id": "r1", "what": long}]}
    file = draw(make_page(every_kind(kind), answers))
    said = pdf.text(file)
    for number in range(700):
        assert len(re.findall(rf"\bword{number}\b", said)) == 3, number
    assert pdf.pages(file) > 5


# --------------------------------------------------------------------------- what is printed
def test_answers_are_text_never_markup(draw: Draw) -> None:
    hostile = "<script>alert(1)</script> {{ 7*7 }} {% raw %} & \"quoted\" 'x' </td>"
    definition = every_kind()
    page = make_page(definition, samples.answers(definition, "couple", text=hostile))
    assert "<script" not in page.html
    assert "{{ 7*7 }}" in page.html
    assert "<script>alert(1)</script> {{ 7*7 }}" in pdf.text(draw(page))


def test_catalogues_and_headers_are_text_never_markup(draw: Draw) -> None:
    class Hostile(MadeUp):
        def text(self, text: Any, /) -> str:
            return f'<b onload="x">{text.en}</b> "; }} * {{ display: none }} \\'

    page = make_page(
        every_kind(), None, "joint", (Hostile("es"),), Options(letterhead=('Oak "Street" <Clinic>', "} @page { }"))
    )
    assert "<b onload" not in page.html
    said = pdf.text(draw(page))
    assert 'Oak "Street" <Clinic>' in said
    assert '<b onload="x">Page 1 of' in said


def test_a_right_to_left_answer_in_an_english_sheet_goes_its_own_way() -> None:
    html = make_page(every_kind(), {"before": "אני שומע\nand I hear\nשוב", "name": "أسمعك"}).html
    assert '<p class="ans" dir="rtl" lang="und-Hebr">אני שומע</p><p class="ans" dir="ltr">and I hear</p>' in html
    assert '<p class="ans" dir="rtl" lang="und-Arab">أسمعك</p>' in html
    arabic = make_page(every_kind(), {"before": "123"}, "joint", (AR,)).html
    assert '<p class="ans" dir="rtl">123</p>' in arabic


def test_phone_numbers_keep_their_order_in_arabic() -> None:
    class Phone(MadeUp):
        def text(self, text: Any, /) -> str:
            return "اتصل +1 555 010 2030"

    assert '<bdi dir="ltr">+1 555 010 2030</bdi>' in make_page(every_kind(), None, "joint", (Phone("ar", "rtl"),)).html


def test_line_breaks_of_an_answer_are_kept(draw: Draw) -> None:
    said = pdf.text(draw(make_page(every_kind(), {"before": "first\nsecond"})))
    assert re.search(r"^first\s*$\s*^second\s*$", said, re.MULTILINE)


def test_chosen_and_ticked_can_be_read_out_of_the_file(draw: Draw) -> None:
    answers = {"spoke": "some", "felt": {"answer": ["calm"], "other": "tea"}, "swaps": [{"id": "why", "done": True}]}
    said = pdf.text(draw(make_page(every_kind(), answers)))
    assert "✓" in said
    assert said.count("✓") == 4
    assert "tea" in said


@pytest.mark.parametrize(("catalogues", "dir_"), [((EN,), "ltr"), ((AR,), "rtl"), ((AR, EN), "ltr")])
def test_the_page_says_its_language(catalogues: tuple[MadeUp, ...], dir_: str) -> None:
    page = make_page(every_kind(), None, "joint", catalogues)
    first = catalogues[0]
    assert f'<html lang="{first.locale}" dir="{dir_}">' in page.html
    assert (page.lang, page.title) == (first.locale, first.text(words.TITLE))
    assert f"<title>{page.title}</title>" in page.html


def test_two_languages_stand_in_one_row_each_the_first_on_the_left(draw: Draw) -> None:
    html = make_page(every_kind(), None, "joint", (AR, EN)).html
    cells = re.findall(r'<tr>(?:<td class="l\d p[lr]" lang="(\w+)" dir="(\w+)">.*?</td>)+</tr>', html)
    assert cells
    rows = re.findall(r'<tr><td class="l1 pl" lang="ar" dir="rtl">.*?<td class="l2 pr" lang="en" dir="ltr">', html)
    assert len(rows) > 20
    assert set(re.findall(r'<table class="bi[^"]*"( dir="ltr")?>', html)) == {' dir="ltr"'}


def test_footer_has_code_and_pages_and_nothing_else(draw: Draw) -> None:
    page = make_page(every_kind(), None, code="K7QM2XTPA")
    lines = pdf.text(draw(page)).splitlines()
    assert any(line.startswith("K7QM2XTPA") for line in lines)
    assert any("Page 1 of" in line for line in lines)
    assert "K7QM2XTPA" not in "".join(page.styles)
    assert "K7QM" not in pdf.text(draw(make_page(every_kind())))


LINES = ("Oak Street Practice", "12 Oak Street, Springfield", "Tel. +1 555 010 2030", "oak@example.org")


@pytest.mark.parametrize("languages", LANGUAGES)
@pytest.mark.parametrize(("large", "paper"), [(False, "a4"), (False, "letter"), (True, "a4")])
def test_the_letterhead_stands_on_the_first_page_only(draw: Draw, languages: str, large: bool, paper: Any) -> None:
    options = Options(paper, large, letterhead=LINES)
    file = draw(make_page(every_kind(), None, "joint", LANGUAGES[languages], options))
    first, *rest = layout.sides(file)
    found = [item for item in first.texts if item.text and item.text.strip() in LINES]
    assert [item.text.strip() for item in sorted(found, key=lambda one: -one.top) if item.text] == list(LINES)
    assert all("P" in item.tags for item in found)
    title = max(item.top for item in first.texts if "H1" in item.tags)
    assert all(item.bottom > title for item in found)
    right = languages == "ar"
    edges = {round(item.right if right else item.left) // 4 for item in found}
    assert len(edges) <= 2  # one edge, give or take the side of a letter
    assert not any(line in (item.text or "") for side in rest for item in side.texts for line in LINES)
    assert pdf.ua1(file) == []
    assert [fault for fault in layout.faults([first, *rest]) if "outside" in fault or "one over" in fault] == []


def test_without_a_letterhead_nothing_says_where_a_sheet_is_from() -> None:
    assert 'class="from' not in make_page(every_kind()).html


def test_draft_stands_on_every_page(draw: Draw) -> None:
    file = draw(make_page(every_kind(), options=Options(draft=True)))
    assert pdf.text(file).count("DRAFT") == pdf.pages(file)
    assert "DRAFT" not in pdf.text(draw(make_page(every_kind())))


@pytest.mark.parametrize("recipient", ["joint", "a"])
@pytest.mark.parametrize("id_", shipped())
def test_nothing_in_the_html_names_the_sheet_or_its_blocks(id_: str, recipient: Recipient) -> None:
    definition = shipped()[id_]
    if recipient not in definition.recipients:
        return
    html = make_page(definition, None, recipient).html
    assert not re.search(r"\s(id|name|for|href|src)=", html)
    assert definition.id not in re.sub(r">[^<]*<", "><", html)


def test_ink_saver_has_no_filled_areas() -> None:
    page = make_page(every_kind(), options=Options(ink="saver"))
    assert "#f3eee7" not in page.html
    assert "#f3eee7" in make_page(every_kind()).html


def test_drawings_are_mirrored_for_right_to_left() -> None:
    assert "scale(-1 1)" in make_page(every_kind(), None, "joint", (AR,)).html
    assert "scale(-1 1)" not in make_page(every_kind()).html
    assert "scale(-1 1)" not in make_page(every_kind(), None, "joint", (AR, EN)).html


# --------------------------------------------------------------------------- what keeps a sheet calm
def small(kind: str, blocks: str) -> Definition:
    """A definition of one section."""
    head = f'id = "small"\nversion = 1\nkind = "{kind}"\ntitle = "T"\naudience = "recipient"\n'
    rest = 'recipients = ["joint"]\nlevel = { joint = "open" }\n[[section]]\nid = "s"\ntitle = "S"\n'
    return parse((head + rest + blocks).encode(), "small.toml", {})


DAY = '[[section.block]]\nid = "d"\nkind = "date"\nfields = [{ id = "day", label = "Today", type = "date" }]\n'
LIST = (
    '[[section.block]]\nid = "l"\nkind = "checklist"\nlabel = "Which?"\noptions = ['
    + ", ".join(f'{{ id = "o{n}", label = "Option {n}" }}' for n in range(6))
    + "]\n"
)
ASKS = (
    '[[section.block]]\nid = "p"\nkind = "prompt"\nlabel = "Say"\n'
    'asks = [{ id = "one", label = "First", lines = 1 }, { id = "two", label = "Second", lines = 1 }]\n'
)
NARROW = (
    '[[section.block]]\nid = "t"\nkind = "table"\nopen = 4\n'
    'columns = [{ id = "wide", label = "Wide", width = 90 }, { id = "slim", label = "Slim", width = 10 }]\n'
)
MANY = (
    '[[section.block]]\nid = "t"\nkind = "table"\nopen = 4\ncolumns = ['
    + ", ".join(f'{{ id = "c{n}", label = "Column {n}" }}' for n in range(6))
    + "]\n"
)


def test_a_record_shows_what_was_chosen_of_a_long_list_only() -> None:
    answers = {"l": ["o2", "o5"]}
    record = make_page(small("session", DAY + LIST), answers).html
    assert re.findall(r"Option \d", record) == ["Option 2", "Option 5"]
    assert len(re.findall(r"Option \d", make_page(small("worksheet", DAY + LIST), answers).html)) == 6


def test_a_question_without_an_answer_takes_one_line_of_a_record() -> None:
    html = make_page(small("session", ASKS), {"p": {"one": "said"}}).html
    assert re.search(r"<p[^>]*>Second <span[^>]*>– No answer</span></p>", html)
    assert html.count("No answer") == 1
    assert 'class="line"' not in html


def test_the_day_a_sheet_asks_for_first_stands_in_its_head_once() -> None:
    definition = small("worksheet", DAY + LIST)
    blank = make_page(definition).html
    assert blank.count("Today") == 1
    assert ">Date<" not in blank
    assert blank.index("Today") < blank.index("<h2")
    assert "Mar 31, 2026" in make_page(definition, {"d": {"day": "2026-03-31"}}).html
    record = make_page(small("session", DAY + LIST), {"l": ["o2"]}).html
    assert re.search(r"<span[^>]*>Today –</span>", record)
    assert record.count("No answer") == 0


def test_a_word_wider_than_its_column_moves_below_the_table() -> None:
    definition = small("worksheet", NARROW)
    html = make_page(definition, {"t": [{"id": "r1", "slim": "one two"}]}).html
    assert "<table" in html
    html = make_page(definition, {"t": [{"id": "r1", "slim": "understanding"}]}).html
    assert "<table" not in html
    assert "understanding" in html


def test_large_print_turns_a_table_of_many_columns_into_one_for_each_row() -> None:
    definition = small("worksheet", MANY)
    answers = {"t": [{"id": f"r{n}", "c0": f"word{n}"} for n in range(3)]}
    assert make_page(definition, answers).html.count("<table") == 1
    large = make_page(definition, answers, options=Options(large=True)).html
    assert large.count("<table") == 4  # what was answered, and the one row that is left
    assert all(f"word{n}" in large for n in range(3))
    assert make_page(definition, options=Options(large=True)).html.count("<table") == 2


@pytest.mark.parametrize(("length", "classes"), [(20, 1), (34, 2), (70, 0)])
def test_a_long_label_never_pushes_its_line_off_the_page(draw: Draw, length: int, classes: int) -> None:
    """Two fields stand side by side, one below the other, or under labels of several lines."""
    label = ("label " * 20)[: length - 1] + "."
    fields = ", ".join(f'{{ id = "f{n}", label = "{label}", type = "text" }}' for n in range(2))
    block = f'[[section.block]]\nid = "d"\nkind = "date"\nlabel = "When"\nfields = [{fields}]\n'
    page = make_page(small("worksheet", block))
    assert page.html.count('class="fields f2"') == classes
    for languages in LANGUAGES.values():
        for large in (False, True):
            file = draw(make_page(small("worksheet", block), None, "joint", languages, Options(large=large)))
            assert outside(file, "a4") == []


def test_no_heading_is_left_at_the_end_of_a_page(draw: Draw) -> None:
    """A long table breaks between its rows, but never after the first nor before the last."""
    rows = ", ".join(f'{{ id = "r{n}", label = "row{n}." }}' for n in range(9))
    table = f'[[section.block]]\nid = "t"\nkind = "table"\nrows = [{rows}]\ncolumns = [{{ id = "c", label = "C" }}]\n'
    for lines in range(1, 22):
        room = f'[[section.block]]\nid = "p"\nkind = "prompt"\nlabel = "Say"\nlines = {lines}\n'
        title = '[[section]]\nid = "s2"\ntitle = "Heading"\n'
        with pypdfium2.PdfDocument(draw(make_page(small("worksheet", room + title + table)))) as file:
            pages = [page.get_textpage().get_text_bounded() for page in file]
        start = next(place for place, words_ in enumerate(pages) if "Heading" in words_)
        assert "row0." in pages[start], lines
        assert "row1." in pages[start], lines
        assert all(("row7." in words_) == ("row8." in words_) for words_ in pages), lines


def test_two_languages_at_most() -> None:
    sheet = documents.sheet(every_kind(), None, None, "couple")
    for catalogues in ((), (EN, AR, ES)):
        with pytest.raises(ValueError, match="one language or two"):
            documents.page(sheet, catalogues, Options())


def test_laying_out_is_quick_and_small() -> None:
    definition = shipped()["our_cycle"]
    sheet = documents.sheet(definition, None, "joint", "couple")
    fonts = font_lists((EN,))
    documents.page(sheet, (EN,), Options(), fonts=fonts)
    start = time.process_time()
    for _ in range(10):
        page = documents.page(sheet, (EN,), Options(), fonts=fonts)
    assert (time.process_time() - start) / 10 < 0.02
    assert len(page.html) < 12_000


def test_no_style_uses_what_the_engine_breaks() -> None:
    page = make_page(every_kind(), None, "joint", (EN, AR), Options(large=True, ink="saver"))
    for style in page.styles:
        code = re.sub(r"/\*.*?\*/", "", style, flags=re.DOTALL)
        assert not re.search(r"var\(|text-indent|justify|columns?:|display: grid|:lang\(", code)
