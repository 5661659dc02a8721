"""The items of one pack opened for their readers, one after the other: what is the same for many is made once.

Nothing of a case is kept from one item to the next but what any page of that case shows: its usual paper. A page is
kept if it is given, that is, if it holds nobody's answer (`print_sheet.given`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from clinic.documents import Sheet
from clinic.domain.audience import Recipient
from clinic.domain.page import SLOTS, Page
from clinic.domain.print_job import PrintJob
from clinic.i18n.catalogue import Catalogue
from clinic.persistence.store import Store
from clinic.services import cases, pack_items, print_sheet
from clinic.services.pack_items import How, Item
from clinic.services.print_sheet import Opened


@dataclass(frozen=True)
class Laid:
    """A sheet as the press gets it. `words` for its slots, `{}` where answers stand on it; then `code` is on the page.

    `alike`: the same for given sheets that differ in their words only, empty for any other.
    """

    page: Page = field(repr=False)
    code: str
    words: Mapping[str, str]
    alike: bytes = b""

    def again(self, code: str) -> "Laid":
        """Another copy, with a code of its own. A code is so long and random that it stands nowhere else."""
        if self.words:
            return Laid(self.page, code, {"code": code}, self.alike)
        return Laid(print_sheet.coded(self.page, self.code, code), code, {})


@dataclass(frozen=True)
class _Given:
    """A page without an answer, and all that it was made of."""

    sheet: Sheet
    books: tuple[Catalogue, ...]
    page: Page
    alike: bytes

    def is_of(self, found: Opened) -> bool:
        """Whether this page is also that of another one: the same sheet, part by part, in the same words."""
        same = len(self.books) == len(found.books) and all(
            one is other for one, other in zip(self.books, found.books, strict=True)
        )
        return same and self.sheet == found.sheet


class Opening:
    """For one submission, or one look at a pack. `known`: every sheet that may be in it, by id.

    Each item must be opened in a request of its own (`keyview.apart`).
    """

    def __init__(self, store: Store, token: str, how: How, print_when: str) -> None:
        self._store, self._token, self._how, self._print_when = store, token, how, print_when
        self.known = pack_items.packable(store)
        self._usual: dict[tuple[str, Recipient], Mapping[str, str]] = {}
        self._pages: dict[tuple[str, PrintJob, tuple[str, ...]], _Given] = {}

    def usual(self, item: Item) -> Mapping[str, str]:
        """The usual paper of its reader. Raises NotFound (the case)."""
        key = (item.case, item.recipient)
        if key not in self._usual:
            self._usual[key] = cases.usual_paper(self._store, self._token, *key)
        return self._usual[key]

    def opened(self, item: Item) -> list[Opened]:
        """Once, or once for each language. The gate is asked. Raises Refused, NotFound."""
        usual = self.usual(item)
        return pack_items.opened(self._store, self._token, item, usual, self._how, self._print_when, self.known)

    def laid(self, found: Opened, code: str) -> Laid:
        """Its page with this code. Raises as `print_sheet.laid_out`."""
        if not print_sheet.given(found):
            return Laid(print_sheet.laid_out(found, code), code, {})
        made = self._given(found)
        return Laid(made.page, code, {"code": code}, made.alike)

    def slotted(self, found: Opened) -> Page:
        """Its page with a placeholder for a code. Raises as `print_sheet.laid_out`."""
        return self._given(found).page if print_sheet.given(found) else print_sheet.laid_out(found, SLOTS["code"])

    def _given(self, found: Opened) -> _Given:
        # What a job says besides how it looks is not on the page.
        key = (found.definition.sha, print_sheet.looks(found.job), found.letterhead)
        made = self._pages.get(key)
        if made is None or not made.is_of(found):
            page = print_sheet.laid_out(found, SLOTS["code"])
            made = self._pages[key] = _Given(found.sheet, found.books, page, sha256(print_sheet.text_of(page)).digest())
        return made
