"""Finished files to one file, tags and all. In press children only, and never before `checked` for what came by wire.

A sheet is taken apart into objects. Its sides and its tags are its own; fonts, drawings and contents are known by
their bytes, and equal bytes are written once: so a sheet's font holds its own letters and nobody else's. Sheets that
were stamped from one template are taken apart once.
"""

import hashlib
import io
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

import pikepdf
from weasyprint import VERSION

from clinic.press.allowed import checked
from clinic.press.render import Complaint
from clinic.press.stamp import MARK

__all__ = ["checked", "joined"]

HEAD: Final = b"%PDF-1.7\n%\xf0\x9f\x96\xa4\n"
CATALOG, PAGES, ROOT, DOCUMENT, PARENTS, INFO, XMP, FIRST = range(1, 9)  # numbers of objects in every joined file
LEVEL: Final = 4  # of compression; a higher one takes longer than it saves
DEEPEST: Final = 60  # objects in objects in objects
BOXES: Final = ("/MediaBox", "/BleedBox", "/TrimBox")
STAMPED: Final = re.compile(rb"\n(\d+) 0 obj\n<</Length \d+>>\nstream\n(" + MARK + rb"\n[^\n]*)\nendstream")
# A string (it may look like anything), a reference, a key in the tree of tags.
PARTS: Final = re.compile(rb"(\((?:[^\\()]|\\.)*\))|(?<![^\s\[<(/>])(\d+) (\d+) R\b|/StructParent (\d+)", re.DOTALL)
CELL: Final = re.compile(rb"\((\d+-\d+-\d+)\)")  # the name of a table's cell, by which other cells refer to it
FONT_NAME: Final = re.compile(rb"/[A-Z]{6}\+")
PACKET: Final = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/" pdfuaid:part="1" />
<rdf:Description rdf:about="" xmlns:pdf="http://ns.adobe.com/pdf/1.3/" pdf:Producer="{producer}" />
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title><rdf:Alt>
<rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title></rdf:Description>
</rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""

Place = tuple[int, int]  # number and generation of an object in the file of its sheet


def joined(piles: Sequence[Sequence[bytes]]) -> bytes:
    """Piles of finished sheets as one file; each pile begins on a new sheet of paper. Equal piles give equal bytes.

    It is called what its first sheet is called and is in that sheet's language; each sheet's tags say theirs. Raises
    Complaint for a file that is not as the press makes them, ValueError for no sheet at all.
    """
    made = _Joined()
    for pile in piles:
        if pile and made.sides % 2:  # the back of the last pile's last sheet stays empty
            made.add_empty_side()
        for content in pile:
            made.add(content)
    return made.finished()


@dataclass(frozen=True)
class _Template:
    """A sheet taken apart.

    `body`: its own objects one after the other, then their entries in the tree of tags; `%d` stands for each number
    that is another in each copy. `numbers` says which: those of its own objects, then its slots', then its keys.
    """

    body: bytes
    numbers: tuple[int, ...]
    count: int  # of its own objects; the first is the part of the tags, then come the sides
    sides: int
    keys: int
    last: bytes  # the boxes of its last side
    title: str
    lang: str


class _Joined:
    """A file on its way."""

    def __init__(self) -> None:
        self.sides = 0
        self._out = bytearray(HEAD)
        self._rows = {0: (0, 0, 65535)}  # the table of objects
        self._next = FIRST
        self._known: dict[bytes, int] = {}  # SHA-256 of what sheets share -> its number
        self._templates: dict[bytes, _Template] = {}
        self._used: list[_Template] = []
        self._pages: list[int] = []
        self._parts: list[int] = []
        self._entries: list[bytes] = []
        self._keys = 0

    def add(self, content: bytes) -> None:
        """One more sheet."""
        pieces = STAMPED.split(content)
        key = hashlib.sha256(b"\0".join(piece for place, piece in enumerate(pieces) if place % 3 != 2)).digest()
        if key not in self._templates:
            self._templates[key] = _taken_apart(self, content, [int(number) for number in pieces[1::3]])
        slots = [self.written(_stream(b"", piece)) for piece in pieces[2::3]]
        self._copy(self._templates[key], slots)

    def add_empty_side(self) -> None:
        """The same paper as the last side, with nothing on it."""
        body = b"<</Type/Page/Parent %d 0 R%s/Resources<<>>/Tabs/S/Contents %d 0 R>>"
        self._pages.append(self.written(body % (PAGES, self._used[-1].last, self.shared(_stream(b"", b"")))))
        self.sides += 1

    def shared(self, body: bytes) -> int:
        """The number of an object that is written once, however many sheets have it."""
        key = hashlib.sha256(body).digest()
        if key not in self._known:
            self._known[key] = self.written(body)
        return self._known[key]

    def written(self, body: bytes, number: int = 0) -> int:
        """Write an object; its number, a new one if none is given."""
        if not number:
            number, self._next = self._next, self._next + 1
        self._rows[number] = (1, len(self._out), 0)
        self._out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
        return number

    def finished(self) -> bytes:
        """The whole file. Raises ValueError without a sheet."""
        if not self._used:
            raise ValueError("no sheet")
        for number, body in _frame(self._used[0], self._pages, self._parts, self._entries):
            self.written(body, number)
        start, size = len(self._out), self._next + 1
        self._rows[self._next] = (1, start, 0)
        table = b"".join(_row(*self._rows[number]) for number in range(size))
        head = b"/Type/XRef/Size %d/W[1 4 2]/Root %d 0 R/Info %d 0 R" % (size, CATALOG, INFO)
        self.written(_stream(head + b"/Filter/FlateDecode", zlib.compress(table, LEVEL)))
        self._out += b"startxref\n%d\n%%%%EOF\n" % start
        return bytes(self._out)

    def _copy(self, template: _Template, slots: Sequence[int]) -> None:
        base, keys = self._next, self._keys
        self._next += template.count
        self._keys += template.keys
        values = [*range(base, self._next), *slots, *range(keys, self._keys)]
        *objects, entries = (template.body % tuple([values[one] for one in template.numbers])).split(b"\0")
        offsets, at = [], 0
        for place, body in enumerate(objects):
            offsets.append(b"%d %d" % (base + place, at))
            at += len(body) + 1
        head = b" ".join(offsets) + b" "
        told = b"/Type/ObjStm/N %d/First %d/Filter/FlateDecode" % (template.count, len(head))
        holder = self.written(_stream(told, zlib.compress(head + b" ".join(objects), LEVEL)))
        self._rows |= {base + place: (2, holder, place) for place in range(template.count)}
        self._parts.append(base)
        self._pages += range(base + 1, base + 1 + template.sides)
        self._entries.append(entries)
        self._used.append(template)
        self.sides += template.sides


def _row(kind: int, where: int, which: int) -> bytes:
    return bytes((kind,)) + where.to_bytes(4, "big") + which.to_bytes(2, "big")


def _stream(told: bytes, data: bytes) -> bytes:
    return b"<<%s/Length %d>>\nstream\n%s\nendstream" % (told, len(data), data)


def _references(numbers: Iterable[int]) -> bytes:
    return b" ".join(b"%d 0 R" % number for number in numbers)


def _string(text: str) -> bytes:
    return pikepdf.String(text).unparse()


def _frame(
    first: _Template, pages: Sequence[int], parts: Sequence[int], entries: Sequence[bytes]
) -> Iterator[tuple[int, bytes]]:
    """What a file has once: neutral, without a date, and it tells nothing of how many sheets there are."""
    producer = f"WeasyPrint {VERSION}"
    packet = PACKET.format(producer=escape(producer), title=escape(first.title)).encode()
    told = b"/Lang %s/Pages %d 0 R/StructTreeRoot %d 0 R/Metadata %d 0 R" % (_string(first.lang), PAGES, ROOT, XMP)
    shown = b"/MarkInfo<</Marked true>>/ViewerPreferences<</DisplayDocTitle true>>"
    yield CATALOG, b"<</Type/Catalog" + told + shown + b">>"
    yield PAGES, b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(pages), _references(pages))
    yield ROOT, b"<</Type/StructTreeRoot/K[%d 0 R]/ParentTree %d 0 R>>" % (DOCUMENT, PARENTS)
    yield DOCUMENT, b"<</Type/StructElem/S/Document/P %d 0 R/K[%s]>>" % (ROOT, _references(parts))
    yield PARENTS, b"<</Nums[%s]>>" % b" ".join(entries)
    yield INFO, b"<</Producer %s/Title %s>>" % (_string(producer), _string(first.title))
    yield XMP, _stream(b"/Type/Metadata/Subtype/XML", packet)


# ------------------------------------------------------------------------- Taking a sheet apart
def _taken_apart(made: _Joined, content: bytes, slots: Sequence[int]) -> _Template:
    try:
        with pikepdf.open(io.BytesIO(content)) as file:
            return _Sheet(made, file, slots).template()
    except (pikepdf.PdfError, AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise Complaint(f"file {type(error).__name__}") from None


class _Sheet:
    """One sheet's file. An object has a place among its own ones, or is shared and has a number already."""

    def __init__(self, made: _Joined, file: pikepdf.Pdf, slots: Sequence[int]) -> None:
        self._made, self._file = made, file
        self._pages = [page.obj for page in file.pages]
        self._document = file.Root.StructTreeRoot.K[0]
        self._places: dict[Place, int] = {self._document.objgen: 0}  # in the file that is made it is a part
        self._own: list[Any] = [self._document]
        for page in self._pages:
            self._adopt(page)
        self._links = [link for page in self._pages for link in page.get("/Annots", ())]
        for link in self._links:
            self._adopt(link)
        self._numbers: dict[Place, int] = {}
        self._names: dict[int, bytes] = {}  # a part of a font -> the tag before the font's name
        self._slots = {number: place for place, number in enumerate(slots)}
        self._asked: list[int] = []

    def template(self) -> _Template:
        self._adopt_tags()
        self._aim_links()
        count, sides = len(self._own), len(self._pages)
        self._keys = count + len(self._slots)  # where keys begin among the values of a copy
        lang = str(self._file.Root.get("/Lang", ""))
        bodies = [self._part(lang)]
        bodies += [self._page(place, page) for place, page in enumerate(self._pages)]
        bodies += [self._plain(one, sides + place) for place, one in enumerate(self._own[1 + sides :])]
        bodies.append(self._entries())
        last = self._boxes(self._pages[-1])
        title = str(self._file.docinfo.get("/Title", ""))
        keys = sides + len(self._links)
        return _Template(b"\0".join(bodies), tuple(self._asked), count, sides, keys, last, title, lang)

    # ------------------------------ own objects
    def _adopt(self, one: Any) -> None:
        if not isinstance(one, pikepdf.Dictionary) or not one.is_indirect or one.objgen in self._places:
            raise Complaint("tags")
        self._places[one.objgen] = len(self._own)
        self._own.append(one)

    def _adopt_tags(self) -> None:
        """Everything in the tree of tags, and what hangs on marked content only."""
        waiting = [*self._document.K, *self._marked_first()]
        while waiting:
            one = waiting.pop()
            if one.objgen in self._places:
                continue
            self._adopt(one)
            if one.get("/Type") not in ("/StructElem", "/OBJR"):
                raise Complaint("tags")
            told = PARTS.findall(one.unparse(resolved=True))
            refs = [(int(number), int(generation)) for _, number, generation, _ in told if number]
            waiting += [self._file.get_object(place) for place in refs if place not in self._places]

    def _marked_first(self) -> Iterator[Any]:
        self._tree: dict[int, Any] = {}
        nums = self._file.Root.StructTreeRoot.ParentTree.Nums
        for key in range(0, len(nums), 2):
            found = self._tree[int(nums[key])] = nums[key + 1]
            yield from found if isinstance(found, pikepdf.Array) else [found]

    def _aim_links(self) -> None:
        """Links inside the sheet say where they go: names of two sheets would be the same."""
        root = self._file.Root
        names: Any = root.Names.Dests.Names if "/Names" in root else []
        aims = {str(names[place]): names[place + 1] for place in range(0, len(names), 2)}
        for link in self._links:
            if isinstance(link.get("/Dest"), pikepdf.String):
                link.Dest = aims[str(link.Dest)]

    def _part(self, lang: str) -> bytes:
        kids = [self._place(one.objgen) for one in self._document.K]
        body = b"<</Type/StructElem/S/Part/P %d 0 R/Lang %s/K[%s]>>"
        return body % (DOCUMENT, _string(lang).replace(b"%", b"%%"), b" ".join(kids))

    def _page(self, number: int, page: Any) -> bytes:
        contents = page.Contents if isinstance(page.Contents, pikepdf.Array) else [page.Contents]
        told = b" ".join([self._slot(one) or b"%d 0 R" % self._shared(one) for one in contents])
        body = b"<</Type/Page/Parent %d 0 R%s/Tabs/S/Resources %d 0 R/Contents[%s]/StructParents %s"
        body %= (PAGES, self._boxes(page), self._shared(page.Resources), told, self._ask(self._keys + number))
        links = b" ".join([self._place(link.objgen) for link in page.get("/Annots", ())])
        return body + (b"/Annots[%s]>>" % links if links else b">>")

    def _plain(self, one: Any, key: int) -> bytes:
        """A link or a tag, its numbers open. `key`: of a link, in the tree of tags."""
        raw = one.unparse(resolved=True)
        cells = b"/ID" in raw or b"/Headers" in raw

        def opened(found: re.Match[bytes]) -> bytes:
            text, number, generation, _ = found.groups()
            if number:
                return self._place((int(number), int(generation)))
            if text is None:
                return b"/StructParent " + self._ask(self._keys + key)
            cell = CELL.fullmatch(text) if cells else None  # no two in one file: it begins with a number of its sheet
            return b"(" + self._ask(0) + b"-" + cell[1] + b")" if cell else text

        return PARTS.sub(opened, raw.replace(b"%", b"%%"))

    def _entries(self) -> bytes:
        """What stands in the tree of tags for its sides and its links, in the order of their keys."""
        told = []
        for number, page in enumerate(self._pages):
            key = self._ask(self._keys + number)
            marked = self._tree[int(page.StructParents)]
            told.append(key + b" [" + b" ".join([self._place(one.objgen) for one in marked]) + b"]")
        for number, link in enumerate(self._links, len(self._pages)):
            told.append(self._ask(self._keys + number) + b" " + self._place(self._tree[int(link.StructParent)].objgen))
        return b" ".join(told)

    def _boxes(self, page: Any) -> bytes:
        return b"".join(name.encode() + page[name].unparse() for name in BOXES if name in page)

    def _ask(self, value: int) -> bytes:
        """A number that is another in each copy."""
        self._asked.append(value)
        return b"%d"

    def _place(self, place: Place) -> bytes:
        return self._ask(self._places[place]) + b" 0 R"

    def _slot(self, one: Any) -> bytes:
        slot = self._slots.get(one.objgen[0])
        return b"" if slot is None else self._ask(len(self._own) + slot) + b" 0 R"

    # ------------------------------ shared objects
    def _shared(self, one: Any, depth: int = 0) -> int:
        place = one.objgen
        if place in self._places or depth > DEEPEST:
            raise Complaint("nested")
        if not one.is_indirect or place not in self._numbers:
            number = self._written(one, depth)
            if not one.is_indirect:
                return number
            self._numbers[place] = number
        return self._numbers[place]

    def _written(self, one: Any, depth: int) -> int:
        name = b""

        def numbered(found: re.Match[bytes]) -> bytes:
            nonlocal name
            if not found[2]:
                return found[0]
            number = self._shared(self._file.get_object((int(found[2]), int(found[3]))), depth + 1)
            name = self._names.get(number) or name
            return b"%d 0 R" % number

        drawn = isinstance(one, pikepdf.Stream)
        body = PARTS.sub(numbered, (one.stream_dict if drawn else one).unparse(resolved=True))
        if drawn:
            data = one.read_raw_bytes()
            font = b"/Length1" in body or b"/OpenType" in body
            number = self._made.shared(b"%s\nstream\n%s\nendstream" % (body, data))
            if font:  # two fonts with different letters in one file may not have one name
                self._names[number] = _tag(number)
            return number
        number = self._made.shared(FONT_NAME.sub(name, body) if name else body)
        if name and FONT_NAME.search(body):
            self._names[number] = name
        return number


def _tag(number: int) -> bytes:
    return b"/" + bytes(65 + number // 26**power % 26 for power in range(5, -1, -1)) + b"+"
