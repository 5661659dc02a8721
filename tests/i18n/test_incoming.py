"""Uploaded files: what comes out of good ones, and that bad ones are refused quickly and in plain words."""

import time
from xml.etree import ElementTree as ET

import pytest

from clinic.i18n import incoming, merging, po, xliff
from clinic.i18n.message import Entry, Source, ref
from clinic.i18n.units import BrokenUpload, Unit, base

A, B = ref("handouts", "x.title"), ref("messages", "%(num)d thing")
XLIFF = '<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2">{}</xliff>'
FILE = '<file original="x" source-language="en" target-language="es" datatype="plaintext"><body>{}</body></file>'
UNIT = '<trans-unit id="{}"><source>Hi <x id="1" equiv-text="{{name}}"/></source>{}</trans-unit>'


def made(*inside: str) -> bytes:
    return XLIFF.format(FILE.format("".join(inside))).encode()


def refused(data: bytes, tag: str = "es") -> str:
    with pytest.raises(BrokenUpload) as caught:
        incoming.read(data, tag)
    return caught.value.problem


# --------------------------------------------------------------------------- XLIFF
SOURCES = [
    Source("handouts", "x.title", "Hi {name}, {name} & <you>", note="Said at the door", limit=40),
    Source("handouts", "x.lead", "New English"),
    Source("messages", "%(num)d thing", "%(num)d thing", "%(num)d things"),
    Source("messages", "c\x04Print", "Print", guard=True),
]
ENTRIES = {
    "x.title": Entry("Hi {name}, {name} & <you>", {"": " Hola {name}, {name}\n& <tú> "}, "approved"),
    "x.lead": Entry("Old English", {"": "Inglés viejo"}, "approved"),
    "%(num)d thing": Entry(
        "%(num)d thing", {"one": "una cosa", "many": "%(num)d de cosas", "other": "%(num)d cosas"}, "draft"
    ),
}


def test_what_goes_out_as_xliff_comes_back_word_for_word() -> None:
    units = incoming.apart(xliff.write(SOURCES, ENTRIES, "es", "x"), "es")
    for unit, source in zip(units, SOURCES, strict=True):
        entry = ENTRIES.get(source.key, Entry())
        assert (unit.ref, unit.source, unit.forms) == (source.ref, source.en, entry.forms)
        assert unit.base == base(entry)
    assert [unit.sure for unit in units] == [True, False, True, False]


def test_an_xliff_file_says_state_note_limit_previous_english_and_forms() -> None:
    root = ET.fromstring(xliff.write(SOURCES, ENTRIES, "es", "x"))  # noqa: S314 - our own file
    ns = {"x": xliff.NAMESPACE}
    units = root.findall(".//x:trans-unit", ns)
    first, second = units[:2]
    assert (first.get("maxwidth"), first.get("approved")) == ("40", "yes")
    assert [note.text for note in first.findall("x:note", ns)] == ["Said at the door", "At most about 40 characters."]
    states = [unit.find("x:target", ns).get("state") for unit in units]  # type: ignore[union-attr]
    assert states == ["final", "needs-adaptation", *["needs-review-translation"] * 3, "new"]
    assert second.find("x:alt-trans/x:source", ns).text == "Old English"  # type: ignore[union-attr]
    assert len(root.findall(".//x:group[@restype='x-gettext-plurals']/x:trans-unit", ns)) == 3
    assert units[-1].get("translate") == "no"


def test_a_state_of_a_file_is_not_heard() -> None:
    for state in ("final", "signed-off", "translated"):
        target = f'<target state="{state}">Hola</target>'
        (unit,) = incoming.read(made(UNIT.format(A, target)), "es")
        assert unit == Unit(A, "Hi {name}", {"": "Hola"}, sure=True)


def test_marks_of_other_programs_are_read_through() -> None:
    target = '<target><mrk mtype="seg" mid="1">Hola <g id="2"><ph id="1">{name}</ph></g></mrk>, sí</target>'
    other = "<alt-trans><source>Old</source><target>Viejo</target></alt-trans><seg-source>Hi</seg-source>"
    (unit,) = incoming.read(made(UNIT.format(A, target + other)), "es")
    assert unit.forms == {"": "Hola {name}, sí"}


@pytest.mark.parametrize("text", ["", "<target/>", "<target>  </target>"])
def test_a_message_without_words_takes_nothing_away(text: str) -> None:
    (unit,) = incoming.read(made(UNIT.format(A, text)), "es")
    assert unit.forms == {}


def test_an_unknown_id_is_counted_and_not_more() -> None:
    (unit,) = incoming.read(made(UNIT.format("../../etc", "<target>x</target>")), "es")
    assert unit.unknown


# --------------------------------------------------------------------------- PO
def test_what_goes_out_as_po_comes_back() -> None:
    plain = po.Message("x.title", "Hi", ("Hola",), comments=(f"base: {'0' * 8}", "state: approved"))
    counted = po.Message(None, "%(num)d thing", ("una", "de", "más"), "%(num)d things", flags=("fuzzy",))
    data = po.document(merging.header("es"), map(po.rendered, (plain, counted))).encode()
    assert incoming.apart(data, "es") == [
        Unit(A, "Hi", {"": "Hola"}, "0" * 8, sure=True),
        Unit(B, "%(num)d thing", {"one": "una", "many": "de", "other": "más"}),
    ]


def test_forms_that_another_program_numbered_are_renumbered() -> None:
    counted = po.Message(None, "%(num)d thing", ("una", "más"), "%(num)d things")
    header = {**merging.header("es"), "Plural-Forms": "nplurals=2; plural=n != 1;"}
    (unit,) = incoming.read(po.document(header, [po.rendered(counted)]).encode(), "es")
    assert unit.forms == {"one": "una", "many": "más", "other": "más"}


def with_rule(rule: str) -> bytes:
    header = {**merging.header("es"), "Plural-Forms": rule}
    return po.document(header, [po.rendered(po.Message(None, "a", ("b", "c"), "d"))]).encode()


# --------------------------------------------------------------------------- what is refused
BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {new} "{f"&{old};" * 10}">' for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (BOMB.encode() + b"]><xliff>&i;</xliff>", "dtd"),
        (b"<!--" + b" " * 5000 + b"-->" + BOMB.encode() + b"]><xliff/>", "dtd"),
        (('<?xml version="1.0" encoding="utf-16"?>' + BOMB + "]><xliff/>").encode("utf-16"), "dtd"),
        (b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><xliff/>', "dtd"),
        (made("<a>" * 3000), "depth"),
        (made(UNIT.format(A, "<target>" + "<g>" * 3000 + "</g>" * 3000 + "</target>")), "depth"),
        (made(UNIT.format(A, "<target>x<b>y</b></target>")), "markup"),
        (made("<trans-unit>"), "xml"),
        (b"<html></html>", "xliff"),
        (b'<xliff version="2.0" xmlns="urn:oasis:names:tc:xliff:document:2.0"></xliff>', "xliff"),
        (b'<?xml version="1.0" encoding="nobody"?><xliff/>', "xml"),
        (made("<trans-unit/>" * (incoming.UNITS + 1)), "units"),
        (b"PK\x03\x04" + b"\0" * 100, "archive"),
        (b"\x1f\x8b\x08" + b"\0" * 100, "archive"),
        (b"7z\xbc\xaf\x27\x1c", "archive"),
        (b" " * (incoming.BYTES + 1), "size"),
        (b"", "kind"),
        (b"hello", "kind"),
        (b"%PDF-1.7", "kind"),
        (b'msgid "a"\nmsgstr "b', "po"),
        (b'msgid "\xff"\nmsgstr "b"\n', "po"),
        (b"# nothing\n", "po"),
        (b'msgid ""\nmsgstr "Language: ar\\n"\n\nmsgid "a"\nmsgstr "b"\n', "language"),
        (with_rule("nplurals=100000000; plural=n;"), "plurals"),
        (with_rule("nplurals=2; plural=" + "(" * 40 + "n" + ")" * 40 + ";"), "plurals"),
        (with_rule("nplurals=2; plural=n%0;"), "plurals"),
        (with_rule("nplurals=2; plural=__import__('os');"), "plurals"),
        (b"".join(b'msgid "%d"\nmsgstr "x"\n\n' % n for n in range(incoming.UNITS + 1)), "units"),
    ],
)
def test_a_bad_file_is_refused_quickly(data: bytes, problem: str) -> None:
    before = time.monotonic()
    assert refused(data) == problem
    assert time.monotonic() - before < 5


def test_a_file_for_another_language_is_refused() -> None:
    data = made(UNIT.format(A, "<target>Hola</target>"))
    assert refused(data, "fr") == "language"
    assert incoming.read(data.replace(b'"es"', b'"zh-CN"'), "zh-Hans")
    assert incoming.read(data.replace(b'"es"', b'"pt_BR"'), "pt-BR")


def test_a_plural_bomb_in_one_message_is_no_po() -> None:
    assert refused(b'msgid "a"\nmsgid_plural "b"\nmsgstr[100000000] "c"\n') == "po"


# --------------------------------------------------------------------------- the child
@pytest.mark.parametrize(
    ("data", "problem"), [(BOMB.encode() + b"]><xliff/>", "dtd"), (b"hello", "kind"), (b"PK\x03\x04", "archive")]
)
def test_the_child_says_what_is_wrong(data: bytes, problem: str) -> None:
    with pytest.raises(BrokenUpload) as caught:
        incoming.apart(data, "es")
    assert caught.value.problem == problem


@pytest.mark.parametrize(
    "act",
    [
        "open('/etc/hostname')",
        "import socket; socket.socket()",
        "bytearray(600 << 20)",
        "while True: pass",
        "import os; os._exit(3)",
    ],
)
def test_a_child_that_goes_wrong_can_do_nothing(act: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = incoming.PROGRAM.replace(
        "incoming.main(",
        f"incoming.SECONDS = 1; incoming.read = lambda *_: exec({act!r}) or []; incoming.main(",
    )
    monkeypatch.setattr(incoming, "PROGRAM", program)
    before = time.monotonic()
    with pytest.raises(BrokenUpload) as caught:
        incoming.apart(b"#", "es")
    assert caught.value.problem == "stopped"
    assert time.monotonic() - before < 2 * incoming.SECONDS, "stopped by its limit, not by the clock"
