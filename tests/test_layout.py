"""The checker of pages finds what it is for, and nothing on a page as it should be."""

from collections.abc import Iterator

import pytest

from clinic import documents
from clinic.documents import Options
from clinic.domain.definition import parse
from clinic.domain.page import Page
from clinic.i18n.catalogue import catalogue
from clinic.press import fonts
from clinic.press.press import Press
from tests import layout

HEAD = (
    'id = "small"\nversion = 1\nkind = "worksheet"\ntitle = "T"\nlead = "Words."\naudience = "recipient"\n'
    'recipients = ["joint"]\nlevel = { joint = "open" }\n'
)


@pytest.fixture(scope="module")
def press() -> Iterator[Press]:
    fonts.install()
    machine = Press()
    machine.start()
    yield machine
    machine.stop()


def page(sections: str) -> Page:
    definition = parse((HEAD + sections).encode(), "small.toml", {})
    stacks = documents.Fonts({"en": fonts.font_stack("en")}, {"en": fonts.title_stack("en")})
    sheet = documents.sheet(definition, None, "joint", "couple")
    return documents.page(sheet, [catalogue("en")], Options(), "K7QM2XTPA", fonts=stacks)


def faults(press: Press, made: Page, style: str = "") -> str:
    with press.child() as child:
        changed = Page(made.html, (*made.styles, style), made.lang, made.title)
        return "\n".join(layout.faults(layout.sides(press.pdf(changed, child))))


def asking(lines: int, id_: str = "s") -> str:
    return (
        f'[[section]]\nid = "{id_}"\ntitle = "Step"\n[[section.block]]\nid = "p_{id_}"\nkind = "prompt"\n'
        f'label = "What was said?"\nlines = {lines}\n'
    )


LOOSE = ".keep { break-inside: auto } h2 { break-after: auto } .q { break-after: auto } .tie { break-before: auto }"


def test_a_sheet_as_it_should_be_has_no_fault(press: Press) -> None:
    assert faults(press, page(asking(14) + asking(14, "t"))) == ""


@pytest.mark.parametrize(
    ("style", "fault"),
    [
        (".q { margin-left: -40mm }", "outside its margins: 'What was said?'"),
        ("h2 { margin-bottom: -6mm }", "one over the other"),
        (".line { break-after: page }", "begins with a line whose question"),
        ("h2 { break-after: page }", "ends with 'Step'"),
        (".q { break-after: page }", "ends with 'What was said?'"),
        (".b { break-before: page }", "is used to"),
        ("@page { margin-bottom: 4mm }", "outside"),
    ],
)
def test_each_fault_is_found(press: Press, style: str, fault: str) -> None:
    made = page(asking(5) + asking(5, "t"))
    assert fault in faults(press, made, LOOSE + style)


def test_a_page_of_three_lines_is_found(press: Press) -> None:
    made = page(asking(22) + asking(1, "t"))
    assert "has 3 lines" in faults(press, made, ".b { break-before: page }")


def test_a_font_that_is_not_in_the_file_is_found() -> None:
    import io

    import pypdf
    from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

    writer = pypdf.PdfWriter()
    sheet = writer.add_blank_page(595, 842)
    font = DictionaryObject({NameObject(f"/{key}"): NameObject(f"/{value}") for key, value in FONT.items()})
    sheet[NameObject("/Resources")] = DictionaryObject(
        {NameObject("/Font"): DictionaryObject({NameObject("/F1"): font})}
    )
    words = DecodedStreamObject()
    words.set_data(b"BT /F1 12 Tf 100 400 Td (Hello) Tj ET")
    sheet[NameObject("/Contents")] = writer._add_object(words)
    file = io.BytesIO()
    writer.write(file)
    assert any("Helvetica is not embedded" in fault for fault in layout.faults(layout.sides(file.getvalue())))


FONT = {"Type": "Font", "Subtype": "Type1", "BaseFont": "Helvetica"}
