"""Finished sheets as one file: paper, tags, fonts; and what is refused of a file from elsewhere."""

import io
import re
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name, String

from clinic.domain.code import new_code
from clinic.press.press import Press, PressError
from tests import pdf, verapdf

from .conftest import MakePage
from .test_stamp import DATED, PAGES

BREAK = "<p style='break-before: page'>{}</p>"
TABLE = (
    "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table><ul><li>x</li></ul>"
    "<svg width='9' height='9'><title>50 % (1 0 R)</title><rect width='5' height='5'/></svg>"
)
PLAIN = "h1 { bookmark-level: none }"

Words = Callable[..., bytes]


@pytest.fixture
def words(press: Press, make_page: MakePage) -> Words:
    """`words("one", sides=2, lang="en")`: a finished sheet that says so on each of its sides."""

    def make(word: str, sides: int = 1, lang: str = "en", more: str = "", styles: tuple[str, ...] = ()) -> bytes:
        rest = "".join(BREAK.format(f"{word}{number}") for number in range(2, sides + 1))
        return press.blank(make_page(f"<h1>{word}1</h1><p>said</p>{more}{rest}", lang, (PLAIN, *styles)))

    return make


def sides(content: bytes) -> list[str]:
    """The words of each side."""
    return [" ".join(one.split()) for one in pdf.sides(content)]


def assert_sound(content: bytes) -> None:
    """The tree of tags and the contents know of each other, and no name is there twice."""
    assert pdf.ua1(content) == []
    with pikepdf.open(io.BytesIO(content)) as file:
        assert file.check_pdf_syntax() == []
        root = file.Root.StructTreeRoot
        nums = root.ParentTree.Nums
        keys = [int(nums[place]) for place in range(0, len(nums), 2)]
        assert keys == sorted(set(keys))
        tree = {key: nums[2 * place + 1] for place, key in enumerate(keys)}
        ids: Counter[bytes] = Counter()
        headers: set[bytes] = set()
        for one, parent in _elements(root.K[0], root):
            assert one.P.objgen == parent.objgen
            for kid in one.get("/K", ()):
                if not isinstance(kid, Dictionary):
                    assert tree[int(one.Pg.StructParents)][int(kid)].objgen == one.objgen
                elif kid.get("/Type") == "/OBJR":
                    assert tree[int(kid.Obj.StructParent)].objgen == one.objgen
            if "/ID" in one:
                ids[bytes(one.ID)] += 1
            if "/A" in one and "/Headers" in one.A:
                headers |= {bytes(header) for header in one.A.Headers}
        assert set(ids.values()) <= {1}
        assert headers <= ids.keys()


def _elements(one: Any, parent: Any) -> Any:
    yield one, parent
    for kid in one.get("/K", ()):
        if isinstance(kid, Dictionary) and kid.get("/Type") == "/StructElem":
            yield from _elements(kid, one)


def parts(content: bytes) -> list[tuple[str, list[str]]]:
    """What stands at the top of the tags: the language of each sheet and the kinds of what it begins with."""
    with pikepdf.open(io.BytesIO(content)) as file:
        (document,) = file.Root.StructTreeRoot.K
        assert document.S == "/Document"
        assert {str(part.S) for part in document.K} == {"/Part"}
        return [(str(part.Lang), [str(kid.S) for kid in part.K]) for part in document.K]


def fonts_of(content: bytes) -> list[tuple[str, bytes]]:
    """Name and letters of each font."""
    with pikepdf.open(io.BytesIO(content)) as file:
        found = [one for one in file.objects if isinstance(one, Dictionary) and one.get("/Subtype") == "/Type0"]
        return [(str(one.BaseFont), one.ToUnicode.read_bytes()) for one in found]


def test_each_pile_begins_on_a_new_sheet_of_paper(press: Press, words: Words) -> None:
    made = press.joined([[words("a", 2), words("more")], [words("b")], [words("both", 2)]])
    assert sides(made) == ["a1 said", "a2", "more1 said", "", "b1 said", "", "both1 said", "both2"]
    assert_sound(made)
    assert pdf.names(made) == set()


def test_the_empty_side_is_of_the_same_paper_and_has_no_tag(press: Press, words: Words) -> None:
    made = press.joined(
        [[words("a", styles=("@page { size: letter }",))], [words("b", styles=("@page { size: A4 }",))]]
    )
    with pikepdf.open(io.BytesIO(made)) as file:
        boxes = [[round(float(one)) for one in page.mediabox[2:]] for page in file.pages]
        assert boxes == [[612, 792], [612, 792], [595, 842]]
        assert file.pages[1].Contents.read_bytes() == b""
        assert "/StructParents" not in file.pages[1]
    assert len(parts(made)) == 2


def test_the_tags_say_the_language_of_each_sheet(press: Press, words: Words) -> None:
    made = press.joined([[words("a")], [words("سلام", lang="ar")]])
    assert pdf.metadata(made)["Lang"] == "en"
    assert parts(made) == [("en", ["/H1", "/P"]), ("ar", ["/H1", "/P"])]
    assert "سلام" in pdf.text(made)
    assert_sound(made)


def test_the_file_says_no_more_than_its_first_sheet(press: Press, words: Words) -> None:
    spanish = replace(PAGES["es"]().with_words({"code": "A"}), title="Hoja")
    made = press.joined([[press.blank(spanish)], [words("b")]])
    told = pdf.metadata(made)
    xmp = told.pop("XMP")
    assert told.pop("Producer").startswith("WeasyPrint")
    assert told == {"Title": "Hoja", "Lang": "es"}
    assert "Hoja" in xmp
    assert 'pdfuaid:part="1"' in xmp
    assert "Date" not in xmp
    with pikepdf.open(io.BytesIO(made)) as file:
        allowed = {"/Type", "/Lang", "/Pages", "/StructTreeRoot", "/Metadata", "/MarkInfo", "/ViewerPreferences"}
        assert set(file.Root.keys()) == allowed


def test_equal_piles_give_equal_bytes(press: Press, words: Words) -> None:
    piles = [[words("a", 2), words("سلام", lang="ar")], [words("b", more=TABLE)]]
    assert press.joined(piles) == press.joined(piles)
    assert press.joined(piles) != press.joined(piles[::-1])


def test_what_stands_on_a_sheet_is_drawn_as_before(press: Press, words: Words) -> None:
    files = [words("a", more=TABLE), press.given(PAGES["de-ar"](), {"code": "WQ7ZLAVT2"}), words("سلام", 2, "ar")]
    made = press.joined([files])
    assert pdf.png(made) == [side for file in files for side in pdf.png(file)]
    assert sides(made) == [side for file in files for side in sides(file)]
    assert_sound(made)


def test_tables_of_two_sheets_keep_their_own_heads(press: Press, words: Words) -> None:
    made = press.joined([[words("a", more=TABLE), words("b", more=TABLE)], [words("a", more=TABLE)]])
    assert_sound(made)
    assert pdf.all_bytes(made).count(b"50 % (1 0 R)") >= 3


def test_a_readers_letters_show_in_nobody_elses_font(press: Press, words: Words) -> None:
    made = press.joined([[words("Zebra")], [words("Quirk")], [words("Zebra")]])
    found = [letters for _, letters in fonts_of(made)]
    z, q = b"> <005a>", b"> <0051>"
    assert any(z in one for one in found)
    assert any(q in one for one in found)
    assert not any(z in one and q in one for one in found)
    assert len(found) == len(set(found)) == 3  # a heading's font each, and one for the words that both have


def test_no_two_fonts_share_a_name(press: Press, words: Words) -> None:
    made = press.joined([[words("Zebra"), words("Quirk")]])
    names = [name for name, _ in fonts_of(made)]
    assert len(set(names)) == len(names) == 3
    assert all(re.fullmatch(r"/[A-Z]{6}\+Sheet-.*", name) for name in names)
    with pikepdf.open(io.BytesIO(made)) as file:
        for one in file.objects:
            if isinstance(one, Dictionary) and one.get("/Subtype") == "/Type0":
                (heir,) = one.DescendantFonts
                assert one.BaseFont == heir.BaseFont == heir.FontDescriptor.FontName


def test_alike_sheets_cost_next_to_nothing(press: Press) -> None:
    page, codes = PAGES["en"](), [new_code() for _ in range(40)]
    files = press.given_all(page, [{"code": code} for code in codes])
    made = press.joined([files[:25], files[25:]])
    assert len(made) < 0.35 * sum(map(len, files))
    assert len(fonts_of(made)) == len(fonts_of(files[0]))
    assert_sound(made)
    text = sides(made)
    assert len(text) == 80
    assert all(code in text[2 * place] and code in text[2 * place + 1] for place, code in enumerate(codes))


LINKS = '<p id="f001">here</p><p><a href="#f001">up</a> <a href="https://example.org/100%25">out</a></p>'


def test_a_link_stays_within_its_sheet(press: Press, words: Words) -> None:
    made = press.joined([[words("a", 2, more=LINKS), words("b", 2, more=LINKS)]])
    assert_sound(made)
    assert pdf.names(made) == set()
    with pikepdf.open(io.BytesIO(made)) as file:
        aims = [link.Dest[0].objgen for page in file.pages for link in page.get("/Annots", ()) if "/Dest" in link]
        assert aims == [file.pages[0].obj.objgen, file.pages[2].obj.objgen]
        out = [str(link.A.URI) for page in file.pages for link in page.get("/Annots", ()) if "/A" in link]
        assert out == ["https://example.org/100%25"] * 2


def test_bookmarks_are_left_out(press: Press, make_page: MakePage) -> None:
    one = press.blank(make_page("<h1>Marked</h1>"))
    assert b"/Outlines" in pdf.all_bytes(one)
    assert b"/Outlines" not in pdf.all_bytes(press.joined([[one]]))


def test_what_is_no_sheet_is_refused_and_no_piles_are_an_error(press: Press, words: Words) -> None:
    for broken in (b"", b"%PDF-1.7\n", words("a")[:-900], _saved(pikepdf.new())):
        with pytest.raises(PressError) as caught:
            press.joined([[words("a"), broken]])
        assert caught.value.kind == "log"
    with pytest.raises(PressError):
        press.joined([])


@pytest.mark.everything
def test_verapdf_finds_nothing(press: Press, words: Words, tmp_path: Any) -> None:
    given = [press.given(PAGES[name](), {"code": new_code()}) for name in PAGES]
    dated = press.given(DATED["en"][0](), {"code": new_code(), "date": DATED["en"][1]})
    alike = press.given_all(PAGES["ar"](), [{"code": new_code()} for _ in range(5)])
    drawn = [words("a", 3, more=TABLE + LINKS), words("سلام", lang="ar", more=TABLE), words("क्षमा", lang="hi")]
    packs = {
        "one": [[given[0]]],
        "alike": [alike[:2], alike[2:]],
        "mixed": [given, [dated], drawn, alike],
        "drawn": [drawn, drawn],
    }
    paths = [tmp_path / f"{name}.pdf" for name in packs]
    for path in paths:
        path.write_bytes(press.joined(packs[path.stem]))
    assert verapdf.missing() == ""
    assert verapdf.check(paths) == {path: [] for path in paths}


# ------------------------------------------------------------------------- what comes from elsewhere
def _saved(file: pikepdf.Pdf, **how: Any) -> bytes:
    out = io.BytesIO()
    file.save(out, min_version="1.7", **how)
    return out.getvalue()


def _script(file: pikepdf.Pdf) -> Any:
    return file.make_indirect(Dictionary(S=Name.JavaScript, JS=String("app.alert(1)")))


def _put(file: pikepdf.Pdf, key: str, value: Any) -> None:
    file.Root[key] = value


def _attach(file: pikepdf.Pdf) -> None:
    file.attachments["x.txt"] = b"x"


def _link(file: pikepdf.Pdf, **action: Any) -> None:
    file.pages[0].obj.Annots = Array(
        [file.make_indirect(Dictionary(Type=Name.Annot, Subtype=Name.Link, Rect=[0, 0, 9, 9], A=Dictionary(**action)))]
    )


def _many(file: pikepdf.Pdf) -> None:
    for _ in range(400):
        file.pages.append(file.pages[0])


def _deep(file: pikepdf.Pdf) -> None:
    inner = Dictionary(O=Name.Layout)
    for _ in range(200):
        inner = Dictionary(A=inner, O=Name.Layout)
    file.pages[0].obj.Resources.ExtGState["/x"] = inner


def _chained(file: pikepdf.Pdf) -> None:
    inner = file.make_indirect(Dictionary(O=Name.Layout))
    for _ in range(60_000):
        inner = file.make_indirect(Dictionary(A=inner, O=Name.Layout))
    file.pages[0].obj.Resources.ExtGState["/x"] = inner


def _bomb(file: pikepdf.Pdf) -> None:
    stream = pikepdf.Stream(file, zlib.compress(b"\n" * 60_000_000, 9))
    stream.stream_dict = Dictionary(Filter=Name.FlateDecode)
    stream.write(zlib.compress(b"\n" * 60_000_000, 9), filter=Name.FlateDecode)
    file.pages[0].obj.Contents = Array([file.pages[0].obj.Contents, stream])


def _twice_packed(file: pikepdf.Pdf) -> None:
    stream = pikepdf.Stream(file, b"")
    twice = zlib.compress(zlib.compress(b"\n" * 1000))
    stream.write(twice, filter=Array([Name.FlateDecode, Name.FlateDecode]), decode_parms=None)
    file.pages[0].obj.Contents = stream


def _named(file: pikepdf.Pdf, name: str) -> None:
    aim = Array([file.pages[0].obj, Name.XYZ, 0, 0, 0])
    file.Root.Names = Dictionary(Dests=Dictionary(Names=Array([String(name), aim])))


HOSTILE: dict[str, Callable[[pikepdf.Pdf], None]] = {
    "script at opening": lambda file: _put(file, "/OpenAction", _script(file)),
    "place at opening": lambda file: _put(file, "/OpenAction", Array([file.pages[0].obj, Name.Fit])),
    "script by name": lambda file: _put(
        file, "/Names", Dictionary(JavaScript=Dictionary(Names=Array([String("f001"), _script(file)])))
    ),
    "more actions": lambda file: _put(file, "/AA", Dictionary(WC=_script(file))),
    "more actions of a side": lambda file: file.pages[0].obj.__setitem__("/AA", Dictionary(O=_script(file))),
    "attachment": _attach,
    "associated file": lambda file: _put(file, "/AF", Array([])),
    "launch": lambda file: _link(file, S=Name.Launch, F=String("x.exe")),
    "script of a link": lambda file: _link(file, S=Name.JavaScript, JS=String("x")),
    "another file": lambda file: _link(file, S=Name.GoToR, F=String("x.pdf"), D=Array([0, Name.Fit])),
    "print": lambda file: _link(file, S=Name.Named, N=Name.Print),
    "next action": lambda file: _link(file, S=Name.URI, URI=String("https://example.org"), Next=_script(file)),
    "file address": lambda file: _link(file, S=Name.URI, URI=String("file:///etc/passwd")),
    "script address": lambda file: _link(file, S=Name.URI, URI=String("javascript:x")),
    "form": lambda file: _put(file, "/AcroForm", Dictionary(Fields=Array([]), XFA=String("<xfa/>"))),
    "name": lambda file: _named(file, "anna"),
    "layers": lambda file: _put(file, "/OCProperties", Dictionary()),
    "author": lambda file: file.docinfo.__setitem__("/Author", String("anna")),
    "private data": lambda file: _put(file, "/PieceInfo", Dictionary()),
    "thousands of pages": _many,
    "nested": _deep,
    "chained": _chained,
    "bomb": _bomb,
    "packed twice": _twice_packed,
    "long text": lambda file: _put(file, "/Lang", String("e" * 100_000)),
    "external stream": lambda file: file.pages[0].obj.Contents.__setitem__("/F", String("/etc/passwd")),
    "movie": lambda file: file.pages[0].obj.__setitem__(
        "/Annots", Array([Dictionary(Type=Name.Annot, Subtype=Name.Movie, Rect=Array([0, 0, 9, 9]))])
    ),
}


def test_our_own_files_are_let_through(press: Press, words: Words) -> None:
    for name in PAGES:
        file = press.given(PAGES[name](), {"code": new_code()})
        assert press.check(file) == pdf.pages(file)
    assert press.check(words("a", 3, more=TABLE + LINKS)) == 3


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_no_sheet_of_ours_holds_is_refused(press: Press, words: Words, kind: str) -> None:
    with pikepdf.open(io.BytesIO(words("a"))) as file:
        harmless = _saved(file)
        HOSTILE[kind](file)
        hostile = _saved(file, stream_decode_level=pikepdf.StreamDecodeLevel.none, compress_streams=False)
    assert press.check(harmless) == 1
    with pytest.raises(PressError) as caught:
        press.check(hostile)
    assert caught.value.kind == "log"
    assert not re.search("anna|passwd|alert", str(caught.value))


def test_a_name_of_a_field_is_let_through(press: Press, words: Words) -> None:
    with pikepdf.open(io.BytesIO(words("a"))) as file:
        _named(file, "f001")
        assert press.check(_saved(file)) == 1


def test_encryption_older_versions_and_rubbish_are_refused(press: Press, words: Words) -> None:
    good = words("a")
    with pikepdf.open(io.BytesIO(good)) as file:
        locked = _saved(file, encryption=pikepdf.Encryption(owner="x", user=""))
        sealed = _saved(file, encryption=pikepdf.Encryption(owner="x", user="y"))
        old = io.BytesIO()
        file.save(old, force_version="1.4")
    later = good + b"1 0 obj\n<<>>\nendobj\ntrailer\n<</Size 2/Prev 9/Root 1 0 R>>\nstartxref\n9\n%%EOF\n"
    for bad in (locked, sealed, old.getvalue(), later, b"", b"%PDF-1.7\n" * 100, good[: len(good) // 2], b"GIF89a"):
        with pytest.raises(PressError) as caught:
            press.check(bad)
        assert caught.value.kind == "log"


def test_what_is_checked_and_joined_has_lost_what_nobody_looked_at(press: Press, words: Words) -> None:
    with pikepdf.open(io.BytesIO(words("a"))) as file:
        file.make_indirect(Dictionary(JS=String("CANARY")))  # nothing leads to it
        hidden = _saved(file, object_stream_mode=pikepdf.ObjectStreamMode.disable, compress_streams=False)
    hidden += b"CANARY"
    assert b"CANARY" not in pdf.all_bytes(press.joined([[hidden]]))
