"""PO files: read as others read them, edited so that nothing else changes."""

import difflib
from importlib.util import find_spec
from pathlib import Path

import polib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinic.i18n.po import BrokenFile, Edit, File, Message, applied, document, escaped, rendered, unescaped

ODD = '''# A header\r
msgid ""\r
msgstr ""\r
"Language: es\\n"\r
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"\r
\r
# by hand\r
#. a note\r
#: place.py:3\r
#, fuzzy, python-format\r
#| msgid "Old %(name)s"\r
msgctxt  "c"\r
msgid    "New %(name)s"\r
msgstr   "Nuevo %(name)s"\r
msgid "no blank line before"\r
msgstr ""\r
"two \\"quoted\\" lines\\n"\r
"and a \\\\ and a \\ttab"\r
\r
\r
#~ msgid "gone"\r
#~ msgstr "ido"\r
\r
msgid "one"\r
msgid_plural "many"\r
msgstr[0] "uno"\r
msgstr[1] "varios"'''
BOM = '\ufeffmsgid "a"\nmsgstr "b"\n'
LONG = (
    (
        "Take ten minutes each evening. One of you talks and the other listens, then you change places. "
        "Nobody is right and nobody is wrong: you only say what it was like for you, and you hear what it was like "
        "for the other. Stop when it gets loud, and say when you go on with it. Then write down one thing you heard. "
    ).strip()
    + " "
    + "Do it again tomorrow, at the same time and in the same place, as well as you can. " * 6
)


def foreign() -> list[Path]:
    """PO files that other packages ship."""
    found: list[Path] = []
    for name in ("wtforms", "flask_babel", "babel"):
        spec = find_spec(name)
        assert spec
        assert spec.origin
        found += sorted(Path(spec.origin).parent.rglob("*.po"))
    return found


def made() -> dict[str, bytes]:
    """Files of our own making, each odd in another way."""
    latin = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=ISO-8859-1\\n"\n\nmsgid "n"\nmsgstr "ñ"\n'
    return {
        "odd": ODD.encode(),
        "bom": BOM.encode(),
        "latin": latin.encode("latin-1"),
        "empty": b"",
        "comments": b"# only\n#. comments\n",
        "no end": b'msgid "a"\nmsgstr "b"',
        "separators": 'msgid "a"\nmsgstr "b\u2028c\u0085d"\n'.encode(),
    }


def changed_lines(old: bytes, new: bytes) -> int:
    """How many lines a diff shows, the greater of gone and new in each place."""
    codes = difflib.SequenceMatcher(None, old.split(b"\n"), new.split(b"\n"), autojunk=False).get_opcodes()
    return sum(max(high - low, end - start) for what, low, high, start, end in codes if what != "equal")


@pytest.mark.parametrize("data", made().values(), ids=made().keys())
def test_a_file_that_nobody_edits_keeps_its_bytes(data: bytes) -> None:
    assert File(data).edited({}) == data


def test_foreign_files_read_as_polib_reads_them_and_keep_their_bytes() -> None:
    files = foreign()
    assert len(files) > 30
    for path in files:
        data = path.read_bytes()
        file = File(data)
        assert file.edited({}) == data, path
        theirs = [entry for entry in polib.pofile(str(path)) if not entry.obsolete]
        assert [(one.context, one.source, one.plural) for one in file.messages] == [
            (entry.msgctxt, entry.msgid, entry.msgid_plural) for entry in theirs
        ], path
        for mine, his in zip(file.messages, theirs, strict=True):
            forms = (
                tuple(his.msgstr_plural[n] for n in sorted(his.msgstr_plural)) if his.msgid_plural else (his.msgstr,)
            )
            assert mine.forms == forms
            assert ("fuzzy" in mine.flags) == his.fuzzy
            assert mine.previous == (his.previous_msgid or "")


def test_one_edit_in_a_foreign_file_changes_at_most_six_lines() -> None:
    """A word more, in every 7th message of every file."""
    tried = 0
    for path in foreign():
        data = path.read_bytes()
        file = File(data)
        for one in file.messages[::7]:
            edit = Edit((f"Novum {one.forms[0]}", *one.forms[1:]))
            new = file.edited({(one.context, one.source): edit})
            assert changed_lines(data, new) <= 6, (path, one.source)
            assert applied(one, edit) in File(new).messages
            tried += 1
    assert tried > 150


@pytest.mark.parametrize(
    "edit",
    [
        Edit(("Diez minutos cada noche.",), "draft"),
        Edit((LONG.replace("Take ten", "Take twenty", 1),), "reviewed", "Ana Ruiz", "2026-11-22"),
        Edit((LONG.replace("loud", "very loud indeed"),), "changed", previous="What it was"),
        Edit((LONG + " Good.",), "approved", "Ana", "2026-11-22"),
    ],
)
def test_an_edit_of_a_long_text_changes_at_most_six_lines(edit: Edit) -> None:
    entries = [Message(f"k.{n}", f"{LONG} {n}", (LONG,), notes=("A note.",)) for n in range(20)]
    data = document({"Language": "es"}, map(rendered, entries)).encode()
    new = File(data).edited({("k.7", f"{LONG} 7"): edit})
    if edit.forms[0].startswith("Diez"):  # a text that is said anew is new on all its lines, and nowhere else
        assert changed_lines(data, new) == len(rendered(Message("k", "s", (LONG,))).split("\n")) - 2
    else:
        assert changed_lines(data, new) <= 6
    assert File(new).messages[7] == applied(entries[7], edit)
    assert [one for one in File(new).messages if one.context != "k.7"] == [
        one for one in entries if one.context != "k.7"
    ]


def test_an_edit_keeps_carriage_returns_flags_and_comments() -> None:
    new = File(ODD.encode()).edited({("c", "New %(name)s"): Edit(("Otro %(name)s",), "approved", "Ana", "2026-01-02")})
    text = new.decode()
    assert text.count("\r\n") == text.count("\n")
    assert "# by hand\r\n# state: approved Ana 2026-01-02\r\n#. a note\r\n#: place.py:3\r\n#, python-format\r\n" in text
    assert "#|" not in text
    assert '#~ msgstr "ido"' in text


@pytest.mark.parametrize(
    ("state", "wanted"),
    [("draft", []), ("reviewed", ["# state: reviewed Ana 2026-01-02"]), ("changed", ["#, fuzzy", '#| msgid "Old"'])],
)
def test_the_state_stands_in_the_file(state: str, wanted: list[str]) -> None:
    data = document({}, [rendered(Message("k", "New", ("Nuevo",), comments=("state: approved Eva 2025-01-01",)))])
    new = File(data.encode()).edited({("k", "New"): Edit(("Nuevo",), state, "Ana", "2026-01-02", "Old")})
    lines = [line for line in new.decode().split("\n") if line.startswith("#") and len(line) > 1]
    assert lines == wanted
    assert File(new).messages[0].state == state
    assert File(new).edited({("k", "New"): Edit(("Nuevo",), state, "Ana", "2026-01-02", "Old")}) == new


TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=300)
ENTRIES = st.lists(
    st.builds(
        Message,
        context=st.none() | TEXTS,
        source=TEXTS.filter(bool),
        forms=st.tuples(TEXTS),
        previous=TEXTS,
    ),
    max_size=5,
    unique_by=lambda one: (one.context, one.source),
)


@settings(max_examples=200, deadline=None)
@given(ENTRIES, TEXTS, st.integers(0, 4))
def test_what_is_written_is_read_again_and_an_edit_touches_one_message(
    entries: list[Message], text: str, place: int
) -> None:
    file = File(document({"Language": "x"}, map(rendered, entries)).encode())
    assert list(file.messages) == entries
    if entries:
        one = entries[place % len(entries)]
        new = File(file.edited({(one.context, one.source): Edit((text,))})).messages
        assert [two for two in new if two not in entries] in ([], [applied(one, Edit((text,)))])
        assert len(new) == len(entries)


@given(TEXTS)
def test_escapes_come_back(text: str) -> None:
    assert unescaped(escaped(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        'msgid "a"\nmsgstr "b" c\n',
        'msgid "a\nmsgstr "b"\n',
        'msgid "a"\nmsgstr "b"c"\n',
        'msgid "a\\"\nmsgstr "b"\n',
        'msgstr "b"\n',
        '"floating"\n',
        'msgid "a"\n',
        'msgid "a"\nmsgid_plural "b"\nmsgstr[10000000] "c"\n',
        'msgid "a"\nmsgid_plural "b"\nmsgstr[1] "c"\n',
        'msgid "a"\nmsgid_plural "b"\nmsgstr[0] "c"\nmsgstr[0] "d"\n',
        'msgid[0] "a"\nmsgstr "c"\n',
        "<xml/>",
        "PK\x03\x04",
    ],
)
def test_what_is_no_po_is_refused(text: str) -> None:
    with pytest.raises(BrokenFile):
        File(text.encode())


@pytest.mark.parametrize(
    "data",
    [
        b'msgid "\xff"\nmsgstr ""\n',
        b'msgid ""\nmsgstr "Content-Type: text/plain; charset=zlib\\n"\n',
        b"\xff\xfem\x00s\x00",
    ],
)
def test_what_is_no_text_is_refused(data: bytes) -> None:
    with pytest.raises(BrokenFile):
        File(data)


def test_more_messages_than_wanted_are_refused() -> None:
    data = document({}, (rendered(Message(None, str(n))) for n in range(6))).encode()
    assert len(File(data, units=6).messages) == 6
    with pytest.raises(BrokenFile):
        File(data, units=5)


def test_an_edit_of_a_message_that_is_not_there_is_an_error() -> None:
    with pytest.raises(KeyError):
        File(ODD.encode()).edited({("c", "Old"): Edit(("x",))})
