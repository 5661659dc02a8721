"""What a file from another machine may hold: what the press writes, and nothing else. In press children only.

A list of what is known, not of what is bad: scripts, actions, attachments, forms and encryption are just not on it.
"""

import io
import zlib
from collections.abc import Iterable
from typing import Any, Final

import pikepdf

from clinic.press.render import FIELD, LINK, Complaint

SIDES: Final = 320
OBJECTS: Final = 50_000  # of one sheet, those inside others too; a long one has about two thousand
UNPACKED: Final = 50_000_000  # bytes of all streams
DEEPEST: Final = 60  # dictionaries in dictionaries
STRING: Final = 4_000  # letters of one text outside the contents

KEYS: Final = frozenset(
    # the file and its sides
    "/Type /Catalog /Pages /Kids /Count /Parent /Root /Info /Size /Index /Length /Filter /Lang /Metadata /MarkInfo"
    " /Marked /ViewerPreferences /DisplayDocTitle /Producer /Title /Names /Dests /MediaBox /BleedBox /TrimBox /Contents"
    " /Resources /Tabs /StructParents /Annots"
    # tags
    " /StructTreeRoot /ParentTree /Nums /K /P /Pg /S /O /A /ID /Alt /ActualText /Headers /ColSpan /RowSpan /BBox /Obj"
    # links and bookmarks
    " /Subtype /Rect /BS /W /Dest /URI /StructParent /Outlines /First /Last /Next /Prev"
    # fonts
    " /Font /BaseFont /DescendantFonts /Encoding /ToUnicode /FontDescriptor /CIDSystemInfo /CIDToGIDMap /Ordering"
    " /Registry /Supplement /FontName /FontFamily /FontBBox /FontFile2 /FontFile3 /Length1 /Flags /Ascent /Descent"
    " /CapHeight /ItalicAngle /StemH /StemV"
    # drawing
    " /ExtGState /XObject /Pattern /Shading /ColorSpace /Range /WhitePoint /CA /ca /SMask /G /Group /CS /I /Matrix"
    " /PatternType /PaintType /TilingType /XStep /YStep /ShadingType /Coords /Domain /Extend /Function /FunctionType"
    " /Functions /Bounds /Encode /C0 /C1 /N".split()
)
KINDS: Final = {  # what these names may be
    "/Type": "/Catalog /Pages /Page /Font /FontDescriptor /Metadata /StructElem /StructTreeRoot /OBJR /Annot /Action"
    " /XObject /Pattern /ExtGState /Group /Mask /XRef",
    "/Subtype": "/Type0 /CIDFontType2 /CIDFontType0 /OpenType /XML /Link /Form",
    "/Filter": "/FlateDecode",
    "/Encoding": "/Identity-H",
    "/CIDToGIDMap": "/Identity",
}
GROUPS: Final = {"/Font", "/ExtGState", "/XObject", "/Pattern", "/Shading", "/ColorSpace"}  # of resources: names inside


def checked(content: bytes) -> int:
    """Number of sides of a file from elsewhere. Raises Complaint for anything that no sheet of ours holds.

    `where` of the complaint names the kind of thing, never what it says.
    """
    if not content.startswith(b"%PDF-1.7\n"):
        raise Complaint("file")
    try:
        with pikepdf.open(io.BytesIO(content), attempt_recovery=False, suppress_warnings=True) as file:
            return _looked_through(file)
    except (pikepdf.PdfError, RuntimeError, AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise Complaint(f"file {type(error).__name__}") from None


def _looked_through(file: pikepdf.Pdf) -> int:
    if file.is_encrypted:
        raise Complaint("encryption")
    if "/Prev" in file.trailer or len(file.objects) > OBJECTS:
        raise Complaint("objects")
    if not 0 < len(file.pages) <= SIDES or file.get_warnings():
        raise Complaint("sides")
    _names(file.Root)
    _Look().at([file.trailer.Root, file.trailer.Info])
    if set(file.trailer.Info.keys()) - {"/Producer", "/Title"}:
        raise Complaint("info")
    return len(file.pages)


def _names(root: Any) -> None:
    names = root.get("/Names", {})
    if set(names.keys()) - {"/Dests"}:
        raise Complaint("names")
    found = names.get("/Dests", {})
    if set(found.keys()) - {"/Names"}:
        raise Complaint("names")
    listed = found.get("/Names", [])
    if any(not FIELD.fullmatch(str(listed[place])) for place in range(0, len(listed), 2)):
        raise Complaint("names")


class _Look:
    """A walk over all that a file's root leads to."""

    def __init__(self) -> None:
        self._seen: set[tuple[tuple[int, int], str]] = set()  # as what it was looked at: a list of names allows any key
        self._count = self._unpacked = 0

    def at(self, begin: Iterable[Any]) -> None:
        """Raises Complaint at the first thing that is not known."""
        waiting = [(one, "", 0) for one in begin]
        while waiting:
            one, place, depth = waiting.pop()
            self._count += 1
            if self._count > OBJECTS or depth > DEEPEST:
                raise Complaint("nested")
            if isinstance(one, pikepdf.String) and len(bytes(one)) > STRING:
                raise Complaint("text")
            if not isinstance(one, pikepdf.Dictionary | pikepdf.Array | pikepdf.Stream):
                continue
            if one.is_indirect:
                if (one.objgen, place) in self._seen:
                    continue
                self._seen.add((one.objgen, place))
                depth = 0
            waiting += [(child, inside, depth + 1) for child, inside in self._children(one, place)]

    def _children(self, one: Any, place: str) -> list[tuple[Any, str]]:
        if isinstance(one, pikepdf.Array):
            return [(child, place) for child in one if isinstance(child, pikepdf.Object)]
        if isinstance(one, pikepdf.Stream):
            self._unpack(one)
            one = one.stream_dict
        found = []
        for key, value in one.items():
            if place == "names":
                inside = ""
            elif place == "resources" and key in GROUPS:
                inside = "names"
            else:
                self._known(key, value)
                inside = "resources" if key == "/Resources" else ""
            if isinstance(value, pikepdf.Object):
                found.append((value, inside))
        _aim(one)
        return found

    def _known(self, key: str, value: Any) -> None:
        if key not in KEYS:
            raise Complaint("key")
        if key in KINDS and (not isinstance(value, pikepdf.Name) or str(value) not in KINDS[key].split()):
            raise Complaint("kind")

    def _unpack(self, stream: Any) -> None:
        """A small stream may be a large one packed: nobody's reader shall choke on it."""
        if "/Filter" not in stream:
            return
        opened = zlib.decompressobj()
        self._unpacked += len(opened.decompress(stream.read_raw_bytes(), UNPACKED + 1))
        if self._unpacked > UNPACKED or opened.unconsumed_tail:
            raise Complaint("stream")


def _aim(one: Any) -> None:
    """Where a link leads: to a web, mail or telephone address, or to a place in the file."""
    action = one.get("/A")
    if "/URI" in one and not (one.get("/S") == "/URI" and LINK.match(str(one.URI))):
        raise Complaint("link")
    if one.get("/Type") == "/Action" and "/URI" not in one:
        raise Complaint("action")
    if action is not None and "/URI" not in action and action.get("/O") not in ("/Layout", "/Table"):
        raise Complaint("action")
    if "/Dest" in one and not isinstance(one.Dest, pikepdf.Array) and not FIELD.fullmatch(str(one.Dest)):
        raise Complaint("names")
