"""No word of one partner, or of the staff, is in anything that another reader gets: every definition × recipient.

Everything real: a database file, keys, the press, its PDF. The gate is held open, because the leak rule must not
rest on the gate.
"""

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from clinic.config import Settings
from clinic.domain.answer import Checked
from clinic.domain.audience import VIEWS, Recipient, Scope, about_of
from clinic.domain.definition import Placed
from clinic.persistence.store import Store, create
from clinic.press.press import Press
from clinic.services import accounts, cases, print_sheet, records
from clinic.services.cases import PartnerCard
from clinic.services.definitions import definitions
from clinic.services.prints import PrintJob
from clinic.services.records_parts import SUPERVISION_NOTE
from tests import pdf
from tests.filling import filled

SCOPES: tuple[Scope, ...] = ("joint", "a", "b", "staff_couple", "staff_a", "staff_b")
SHEETS = [
    (one.id, recipient) for one in definitions().values() if one.kind != "addendum" for recipient in one.recipients
]
PASSWORD = "only for this test 1"


@dataclass(frozen=True)
class House:
    """A case with a token in every audience of every form."""

    store: Store
    press: Press
    token: str
    case: str
    words: dict[Scope, str]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder: Path = tmp_path_factory.mktemp("house")
    key = folder.with_name(f"{folder.name}.key")
    settings = Settings(folder, f"sqlite:///{folder / 'clinic.db'}", key, folder / "cache")
    create(settings, definitions().values(), factors=False)
    store = Store.open(settings, gate=lambda *_: True)
    accounts.create_account(store, "anna", PASSWORD)
    token = accounts.sign_in(store, "anna", PASSWORD)
    above = accounts.create_account(store, "sven", PASSWORD, role="supervisor")
    accounts.set_supervisor(store, accounts.find(store, "anna").id, above)
    writers = {SUPERVISION_NOTE: accounts.sign_in(store, "sven", PASSWORD)}
    words = {scope: f"ZQ{scope.upper().replace('_', '')}{secrets.token_hex(3).upper()}QZ" for scope in SCOPES}
    card = {side: PartnerCard(needs=words[f"staff_{side}"]) for side in ("a", "b")}  # type: ignore[index]
    case = cases.open_case(store, token, card)
    for definition in definitions().values():
        for about in definition.abouts:
            if definition.kind in ("addendum", "release") or definition.id == "supervision_note":  # a supervisor's
                continue
            by = writers.get(definition.id, token)
            record = records.start(store, by, case, definition.id, about)
            answers = filled(definition, about, lambda scope: words[scope])
            records.finish(store, by, record, 1, Checked(answers, {}, {}))
            add(store, token, record, words)
    with_press = Press()
    with_press.start()
    yield House(store, with_press, token, case, words)
    with_press.stop()
    store.close()


def add(store: Store, token: str, record: str, words: dict[Scope, str]) -> None:
    """An addendum in every audience that its parent has."""
    addendum = records.read(store, token, records.addendum(store, token, record))
    answers = filled(addendum.definition, addendum.about, lambda scope: "ADDED" + words[scope])
    own = {name: one for name, one in answers.items() if name in {placed.name for placed in own_blocks(addendum)}}
    records.finish(store, token, addendum.id, addendum.rev, Checked(own, {}, {}))


def own_blocks(record: records.RecordView) -> list[Placed]:
    """The blocks an addendum may answer: those of its parent's audiences."""
    return [one for one in record.definition.placed(record.about) if one.scope in record.scopes]


def squeezed(text: str) -> str:
    """Without white space: a narrow column breaks a word over lines."""
    return re.sub(r"\s", "", text)


@pytest.mark.parametrize(("sheet", "recipient"), SHEETS, ids=lambda one: str(one))
def test_a_sheet_holds_only_its_readers_words(house: House, sheet: str, recipient: Recipient) -> None:
    job = PrintJob(sheet, recipient)
    printed = print_sheet.filled(house.store, house.press, house.token, house.case, job, "reviewed")
    text = squeezed(pdf.text(printed.pdf))
    everything = pdf.all_bytes(printed.pdf)
    whole = squeezed(everything.decode("latin-1")) + text + printed.name + str(pdf.metadata(printed.pdf))
    mine = VIEWS[f"sheet:{recipient}"]  # type: ignore[index]
    for scope, word in house.words.items():
        if scope not in mine:
            assert word not in whole, f"{scope} is in {sheet} for {recipient}"
    own = house.words["joint" if recipient == "joint" else recipient]
    assert own in text, "the reader's own words are not there: this test would see nothing"
    assert "ADDED" + own in text, "what was added to the record is not on its paper"
    assert pdf.metadata(printed.pdf)["Title"] == "Worksheet"
    assert not pdf.names(printed.pdf) - {name for name in pdf.names(printed.pdf) if re.fullmatch(r"f\d{3}", name)}
    assert re.fullmatch(r"[A-Z2-9]{9}\.pdf", printed.name)
    assert not pdf.ua1(printed.pdf)


def test_every_definition_is_about_somebody_who_may_read_it() -> None:
    """A sheet about A never has a part of B, whatever the definition says."""
    for definition in definitions().values():
        for recipient in definition.recipients:
            other = {"a": {"b", "staff_b"}, "b": {"a", "staff_a"}, "joint": set()}[recipient]
            assert not other & set(definition.scopes(about_of(recipient)))
