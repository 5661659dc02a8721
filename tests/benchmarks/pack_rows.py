"""Packs from the click to the file, in a clinic of 24 cases: `python -m tests.benchmarks.pack_rows`.

Three parts: submitted (somebody waits for the page), drawn (nobody waits), collected (the download begins). ms of
processor time of the whole pack, keyholder and children included, for other programs on the machine do not lengthen
that. What drawing and joining alone take is sheet_bench.py's.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from clinic.domain.answer import Checked
from clinic.persistence.store import Store
from clinic.press.press import Press
from clinic.services import accounts, batches, cases, records
from clinic.services.definitions import definitions
from clinic.services.pack_items import How, Item
from clinic.services.press_room import PressRoom
from tests.benchmarks import caseload, pages
from tests.benchmarks.harness import Bar, Figure, Row, Run, alone, processor, row, scratch
from tests.documents import samples

CASES = 24
UNLIKE, ALIKE = 48, 200  # sheets
FILLED, GIVEN = ("two_beliefs", "own_worth", "whats_underneath", "secure_base"), "support_menu"
BARS = {"alike": Bar("value", "<=", 5 * ALIKE)}  # of submission, ms
PARTS = ("submitted", "drawn", "collected")


def bench(how: Run) -> Iterator[Row]:
    """Each part of a pack of unlike filled sheets, and of one of given sheets that are alike."""
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        desk = Desk(*_clinic(stack, folder), stack.enter_context(pages.press()))
        packs = {f"{UNLIKE}_unlike": unlike(desk), f"{ALIKE}_alike": alike(desk)}
        found = {name: measured(how, desk, items) for name, items in packs.items()}
    for name, parts in found.items():
        for part, figure in parts.items():
            bar = BARS.get(name.partition("_")[2]) if part == "submitted" else None
            yield row(f"packs.{name}.{part}", figure, bar=bar)


@dataclass
class Desk:
    """A counsellor with cases, and a press. `made`: ids and codes of the cases."""

    store: Store
    token: str
    made: list[tuple[str, str]]
    press: Press
    batch: str = field(default="", init=False)

    def submitted(self, items: Sequence[Item]) -> None:
        """Into the queue."""
        self.batch = batches.submit(self.store, self.token, items, How(), "complete").id

    def drawn(self, items: Sequence[Item]) -> None:
        """By this process alone."""
        room = PressRoom(self.store, self.press)
        while room.turn():
            pass

    def collected(self, items: Sequence[Item]) -> None:
        """The file."""
        made = batches.collect(self.store, self.press, self.token, self.batch, "complete", keep=False)
        if made.sheets != len(items):
            raise AssertionError(f"{made.sheets} of {len(items)} sheets")


def measured(how: Run, desk: Desk, items: Sequence[Item]) -> dict[str, Figure]:
    """ms of each part. A part needs the one before it, so they are not in turns with others."""
    acts: dict[str, Callable[[Sequence[Item]], None]] = {part: getattr(desk, part) for part in PARTS}
    took: dict[str, list[float]] = {part: [] for part in PARTS}
    for number in range(how.rounds + 1):  # the first only warms up
        for part, act in acts.items():
            before = processor()
            act(items)
            if number:
                took[part].append((processor() - before) * 1000)
    return {part: Figure.of(times) for part, times in took.items()}


def unlike(desk: Desk) -> list[Item]:
    """A finished record for each of two readers of each case: every page is another's."""
    readers: tuple[Literal["a", "b"], ...] = ("a", "b")
    wanted = [(case, code, to) for case, code in desk.made for to in readers]
    found = []
    for place, (case, code, to) in enumerate(wanted, start=1):
        sheet = FILLED[place % len(FILLED)]
        record = records.start(desk.store, desk.token, case, sheet, to)
        answers = samples.answers(definitions()[sheet], to, text=samples.SHORT)
        records.finish(desk.store, desk.token, record, 1, Checked(answers, {}, {}))
        found.append(Item(place, case, code, to, sheet, locale="en"))
    return found


def alike(desk: Desk) -> list[Item]:
    """One sheet to fill in, for everybody; of each case there are several."""
    wanted = [desk.made[place % len(desk.made)] for place in range(ALIKE)]
    return [Item(place, case, code, "a", GIVEN, locale="en") for place, (case, code) in enumerate(wanted, start=1)]


def _clinic(stack: ExitStack, folder: Path) -> tuple[Store, str, list[tuple[str, str]]]:
    made = caseload.build(folder / "i", CASES + 4, CASES + 4, 1, CASES)
    store = Store.attach(made.settings)
    stack.callback(store.close)
    token = accounts.sign_in(store, caseload.FIRST, caseload.PASSWORD)
    return store, token, [(one.id, one.code) for one in cases.caseload(store, token)[:CASES]]


if __name__ == "__main__":
    alone("packs", "tests.benchmarks.pack_rows:bench")
