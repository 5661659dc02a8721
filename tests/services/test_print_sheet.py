"""Printing a sheet: what is refused and how, glyphs that no font has, codes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from clinic import config
from clinic.domain.answer import Checked
from clinic.domain.audience import Recipient
from clinic.domain.errors import ClinicError, NotFound, Refused, Unprintable, Usage
from clinic.domain.page import Page
from clinic.persistence.store import Store, create
from clinic.press.press import Child, Press
from clinic.services import accounts, cases, laying_out, preflight, print_command, print_sheet, prints, records
from clinic.services.cases import PartnerCard
from clinic.services.definitions import definitions
from clinic.services.prints import PrintJob
from tests import pdf

PASSWORD = "only for this test 1"


@dataclass(frozen=True)
class House:
    store: Store
    press: Press
    token: str
    case: str

    def print(self, job: PrintJob) -> print_sheet.Printed:
        return print_sheet.filled(self.store, self.press, self.token, self.case, job, "reviewed")

    def finish(self, definition: str, about: str, answers: dict[str, object]) -> str:
        record = records.start(self.store, self.token, self.case, definition, about)  # type: ignore[arg-type]
        records.finish(self.store, self.token, record, 1, Checked(answers, {}, {}))
        return record


@pytest.fixture(scope="module")
def press() -> Iterator[Press]:
    machine = Press()
    machine.start()
    yield machine
    machine.stop()


@pytest.fixture
def house(tmp_path: Path, press: Press) -> Iterator[House]:
    settings = config.load(tmp_path / "clinic", {})
    create(settings, definitions().values(), factors=False)
    store = Store.open(settings, gate=lambda _ruling, _day, sheet, _to: sheet != "the_wave")
    accounts.create_account(store, "anna", PASSWORD)
    token = accounts.sign_in(store, "anna", PASSWORD)
    case = cases.open_case(store, token, {"a": PartnerCard(), "b": PartnerCard()})
    yield House(store, press, token, case)
    store.close()


@pytest.mark.parametrize(("text", "sign"), [("good \U00010380 morning", "U+10380"), ("so \U0001f600", "U+1F600")])
def test_a_character_without_a_font_is_named_with_its_place_and_never_printed(
    house: House, text: str, sign: str
) -> None:
    house.finish("two_beliefs", "a", {"what": text})
    block = definitions()["two_beliefs"].blocks["what"].label.en
    for draw in (print_sheet.filled, preflight.look):
        with pytest.raises(Unprintable) as refused:
            draw(house.store, house.press, house.token, house.case, PrintJob("two_beliefs", "a"), "reviewed")
        assert refused.value.params == {"character": sign, "block": block}
        assert text not in str(refused.value)


def test_the_newest_finished_record_is_printed_and_a_draft_is_not(house: House) -> None:
    house.finish("two_beliefs", "a", {"what": "the first version"})
    house.finish("two_beliefs", "a", {"what": "the second version"})
    draft = records.start(house.store, house.token, house.case, "two_beliefs", "a")
    records.save_draft(house.store, house.token, draft, 1, Checked({"what": "only a draft"}, {}, {}))
    text = pdf.text(house.print(PrintJob("two_beliefs", "a")).pdf)
    assert "second version" in text
    assert "first version" not in text
    with pytest.raises(Refused):
        house.print(PrintJob("two_beliefs", "a", record=draft))
    assert "version" not in pdf.text(house.print(PrintJob("two_beliefs", "b")).pdf)


def test_what_went_out_is_noted_without_naming_it_in_the_open(house: House) -> None:
    printed = house.print(PrintJob("two_beliefs", "a"))
    assert prints.given(house.store, house.token, house.case) == [("a", "two_beliefs", house.store.today())]
    assert printed.name == f"{printed.code}.pdf"
    assert printed.code in pdf.text(printed.pdf)


def test_every_refusal_of_a_case_is_the_same_line(house: House) -> None:
    jobs = [
        PrintJob("the_wave", "a"),  # the gate
        PrintJob("our_cycle", "a"),  # not for this reader
        PrintJob("safety_screening", "a"),  # never on paper
        PrintJob("two_beliefs", "a", "es"),  # nobody has reviewed it
        PrintJob("talking_about_sex", "a", "es", draft=True),  # about sex: not even as a draft
        PrintJob("two_beliefs", "a", record="00000000-0000-4000-8000-000000000000"),
    ]
    seen = set()
    for job in jobs:
        with pytest.raises(ClinicError) as refused:
            house.print(job)
        seen.add((type(refused.value), str(refused.value), refused.value.http))
    assert len(seen) == 1
    with pytest.raises(NotFound):
        print_sheet.filled(house.store, house.press, house.token, house.token, jobs[0], "reviewed")


def test_a_blank_says_why(press: Press) -> None:
    with pytest.raises(Refused, match="no blank"):
        print_sheet.blank(press, PrintJob("session"))
    with pytest.raises(Refused, match="nobody reviewed"):
        print_sheet.blank(press, PrintJob("our_cycle", locale="es"))
    with pytest.raises(Usage):
        print_sheet.blank(press, PrintJob("our_cycle", locale="tlh"))
    assert "Borrador" in pdf.text(print_sheet.blank(press, PrintJob("our_cycle", locale="es", draft=True)).pdf).title()
    assert print_sheet.blank(press, PrintJob("our_cycle", locale="es"), "complete").pdf


def test_a_letterhead_prints_when_asked_for_and_only_then(tmp_path: Path, press: Press) -> None:
    (tmp_path / "clinic").mkdir()
    (tmp_path / "clinic" / "config.toml").write_text('letterhead = ["Oak Street Practice", "Tel. 555"]', "utf-8")
    settings = config.load(tmp_path / "clinic", {})
    create(settings, definitions().values(), factors=False)
    store = Store.open(settings, gate=lambda *_: True)
    accounts.create_account(store, "anna", PASSWORD)
    token = accounts.sign_in(store, "anna", PASSWORD)
    case = cases.open_case(store, token, {"a": PartnerCard(), "b": PartnerCard()})
    for asked in (True, False):
        job = PrintJob("two_beliefs", "a", letterhead=asked)
        printed = print_sheet.filled(store, press, token, case, job, "reviewed")
        assert ("Oak Street" in pdf.text(printed.pdf)) is asked
        assert "Oak" not in printed.name
        blank = print_sheet.blank(press, replace(job, recipient=None), settings=settings)
        assert ("Oak Street" in pdf.text(blank.pdf)) is asked
    store.close()


def test_whom_to_call_is_the_clinics_and_nobodys_answer(tmp_path: Path, press: Press) -> None:
    (tmp_path / "clinic").mkdir()
    lines = '[help_lines]\nnow = ["Ambulance", "Tel. 555-0100"]\ndrink = ["House at the River", "Tel. 555-0199"]\n'
    (tmp_path / "clinic" / "config.toml").write_text(lines, "utf-8")
    settings = config.load(tmp_path / "clinic", {})
    create(settings, definitions().values(), factors=False)
    store = Store.open(settings, gate=lambda *_: True)
    accounts.create_account(store, "anna", PASSWORD)
    token = accounts.sign_in(store, "anna", PASSWORD)
    case = cases.open_case(store, token, {"a": PartnerCard(), "b": PartnerCard()})
    job = PrintJob("when_to_get_more_help", "a")
    shown = preflight.look(store, press, token, case, job, "reviewed")
    assert (shown.groups, shown.whose, shown.answers) == ((), (), 0)
    given = print_sheet.filled(store, press, token, case, job, "reviewed", shown.seen).pdf
    for content in (given, print_sheet.blank(press, replace(job, recipient=None), settings=settings).pdf):
        said = pdf.text(content)
        assert all(one in said for one in ("Ambulance", "555-0100", "House at the River", "555-0199"))
        assert "No answer" not in said
    assert "555" not in pdf.text(print_sheet.blank(press, replace(job, recipient=None)).pdf)
    store.close()


def test_a_letterhead_without_a_font_is_refused(press: Press, tmp_path: Path) -> None:
    settings = replace(config.load(tmp_path, {}), letterhead=("Oak \U0001f600",))
    with pytest.raises(Unprintable) as refused:
        print_sheet.blank(press, PrintJob("two_beliefs", letterhead=True), settings=settings)
    assert refused.value.params == {"character": "U+1F600", "block": "letterhead"}


def test_a_letterhead_that_is_not_set_is_a_plain_error() -> None:
    with pytest.raises(Usage, match="letterhead"):
        print_command.from_command_line(
            None, "two_beliefs", None, None, "en", None, None, "normal", "full", False, True, None
        )


@pytest.fixture
def ways(house: House, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Page]]:
    """How each sheet went through the press: `given`, in a child that serves others too, or `alone`; and its page."""
    seen: list[tuple[str, Page]] = []
    given, alone = house.press.given, house.press.pdf

    def note_given(page: Page, words: Mapping[str, str]) -> bytes:
        seen.append(("given", page))
        return given(page, words)

    def note_alone(page: Page, child: Child) -> bytes:
        seen.append(("alone", page))
        return alone(page, child)

    monkeypatch.setattr(house.press, "given", note_given)
    monkeypatch.setattr(house.press, "pdf", note_alone)
    return seen


def test_a_sheet_without_an_answer_is_stamped_with_its_code(house: House, ways: list[tuple[str, Page]]) -> None:
    first, second = house.print(PrintJob("two_beliefs", "a")), house.print(PrintJob("two_beliefs", "b"))
    other = cases.open_case(house.store, house.token, {"a": PartnerCard(), "b": PartnerCard()})
    third = replace(house, case=other).print(PrintJob("two_beliefs", "a"))
    assert [way for way, _ in ways] == ["given"] * 3
    assert len({page for _, page in ways}) == 1  # nothing of a case or a reader is on it
    for printed in (first, second, third):
        assert pdf.text(printed.pdf).count(printed.code) == pdf.pages(printed.pdf)
        assert pdf.ua1(printed.pdf) == []
        assert printed.code not in ways[0][1].html


def test_a_sheet_with_answers_is_drawn_in_a_child_of_its_own(house: House, ways: list[tuple[str, Page]]) -> None:
    house.finish("two_beliefs", "a", {"what": "the canary sings"})
    printed = house.print(PrintJob("two_beliefs", "a"))
    assert "the canary sings" in pdf.text(printed.pdf)
    house.print(PrintJob("two_beliefs", "b"))
    assert [way for way, _ in ways] == ["alone", "given"]
    assert "canary" not in ways[1][1].html


def test_a_signed_record_without_an_answer_is_drawn_alone_too(house: House, ways: list[tuple[str, Page]]) -> None:
    house.finish("two_beliefs", "a", {})
    house.print(PrintJob("two_beliefs", "a"))
    assert [way for way, _ in ways] == ["alone"]


def test_what_a_sheet_begins_with_is_an_answer(house: House, ways: list[tuple[str, Page]]) -> None:
    house.print(PrintJob("our_cycle", "joint"))
    drawing = next(one for one in definitions()["map"].placed("couple") if one.block.feeds == "cycle")
    told = {drawing.name: {"a_does": "leaves the room"}, "decision": "full", "level_reason": "calm"}
    house.finish("map", "couple", told)
    printed = house.print(PrintJob("our_cycle", "joint"))
    assert "leaves the room" in pdf.text(printed.pdf)
    assert [way for way, _ in ways] == ["given", "alone"]


@pytest.mark.parametrize("reader", ["a", "b", "joint"])
def test_a_form_of_address_that_a_partner_chose_is_never_in_a_child_for_all(
    house: House, ways: list[tuple[str, Page]], reader: Recipient
) -> None:
    case = cases.open_case(house.store, house.token, {"a": PartnerCard(variant="f"), "b": PartnerCard()})
    sheet = "our_cycle" if reader == "joint" else "two_beliefs"
    replace(house, case=case).print(PrintJob(sheet, reader))
    assert [way for way, _ in ways] == ["alone" if reader == "a" else "given"]


def test_letterhead_and_help_lines_are_the_clinics_own(house: House) -> None:
    settings = replace(house.store.settings, letterhead=("Oak Street",), help_lines=(("now", "Ambulance", "555"),))
    found = print_sheet.opened(
        house.store, house.token, house.case, PrintJob("when_to_get_more_help", "a", letterhead=True), "reviewed"
    )
    sheet = laying_out.sheet(found.definition, None, found.job, settings=settings)
    assert any(part.values for part in sheet.parts)
    page, words = print_sheet.to_draw(replace(found, sheet=sheet, letterhead=settings.letterhead), "WQ7ZLAVT2")
    assert words == {"code": "WQ7ZLAVT2"}
    assert "Ambulance" in page.html
    assert "Oak Street" in page.html
