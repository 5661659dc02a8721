"""Finished sheets to what is handed over: one file, or a ZIP with one for each reader, each joined alone."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from clinic.documents import Fonts, cover
from clinic.domain.page import Page
from clinic.press import fonts
from clinic.press.press import Press, PressError
from clinic.services import print_sheet
from clinic.services.pack_items import How, PackFull, piles, readers
from clinic.services.slips import Entry

ZIP_DAY: Final = (1980, 1, 1, 0, 0, 0)  # no entry says when it was made


@dataclass(frozen=True)
class File:
    """A file that is joined, and the sheets in it."""

    sheets: tuple[Entry, ...]
    data: bytes = field(repr=False)


def files(
    press: Press, sheets: Sequence[Entry], drawn: Mapping[int, bytes], how: How, before: Sequence[File] = ()
) -> list[File]:
    """The files of these sheets; those of `before` that have the same sheets stay as they are. Raises PackFull."""
    known = {tuple(one.n for one in file.sheets): file for file in before}
    wanted = readers(sheets) if how.zip else [list(sheets)]
    return [known.get(tuple(one.n for one in mine)) or _file(press, mine, drawn, how) for mine in wanted if mine]


def packed(found: Sequence[File], names: Sequence[str], how: How) -> bytes:
    """What is handed over. `names`: of the files in an archive, at least as many."""
    if not how.zip:
        return found[0].data
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        # Names are random, and they give the order: neither says anything.
        for name, data in sorted(zip(names, (one.data for one in found), strict=False)):
            entry = zipfile.ZipInfo(name, ZIP_DAY)
            entry.create_system, entry.external_attr = 3, 0o600 << 16
            archive.writestr(entry, data)
    return out.getvalue()


def _file(press: Press, sheets: Sequence[Entry], drawn: Mapping[int, bytes], how: How) -> File:
    order = [[drawn[one.n] for one in pile] for pile in piles(sheets)]
    try:
        if how.cover and not how.zip:
            order.insert(0, [press.blank(_cover(press, sheets, drawn))])
        return File(tuple(sheets), press.joined(order))
    except PressError as error:
        if error.kind in ("size", "memory", "timeout"):
            raise PackFull from None
        raise print_sheet.Undrawn(error.kind) from None


def _cover(press: Press, sheets: Sequence[Entry], drawn: Mapping[int, bytes]) -> Page:
    order = piles(sheets)
    sides = iter(press.sides([drawn[one.n] for pile in order for one in pile]))
    lines = [[(one.note.code, next(sides)) for one in pile] for pile in order]
    tag = cover.LOCALE
    looks = Fonts(text={tag: fonts.font_stack(tag)}, title={tag: fonts.title_stack(tag)})
    return cover.page(lines, sheets[0].note.job.paper, looks)
