"""What leaves the room: the list is what the page got, by its reader's view, and nothing prints that was not shown."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from clinic import config
from clinic.domain.answer import Checked, leaves
from clinic.domain.audience import RECIPIENTS, about_of
from clinic.domain.errors import Refused
from clinic.persistence.keyholder import Keyholder
from clinic.persistence.store import Store
from clinic.press.press import Press
from clinic.services import laying_out, preflight, print_sheet, prints, records
from clinic.services.definitions import definitions
from clinic.services.preflight import Preflight
from clinic.services.print_sheet import Unseen
from clinic.services.prints import PrintJob
from tests.filling import filled
from tests.security import twins
from tests.web.conftest import Made, made, press

__all__ = ["made", "press"]


@dataclass(frozen=True)
class House:
    store: Store
    press: Press
    token: str
    case: str

    def look(self, sheet: str, to: Any, **more: Any) -> Preflight:
        return preflight.look(self.store, self.press, self.token, self.case, PrintJob(sheet, to, **more), "reviewed")

    def opened(self, sheet: str, to: Any, **more: Any) -> print_sheet.Opened:
        return print_sheet.opened(self.store, self.token, self.case, PrintJob(sheet, to, **more), "reviewed")

    def print(self, sheet: str, to: Any, seen: str, **more: Any) -> print_sheet.Printed:
        job = PrintJob(sheet, to, **more)
        return print_sheet.filled(self.store, self.press, self.token, self.case, job, "reviewed", seen)

    def finish(self, definition: str, about: Any, answers: dict[str, Any]) -> str:
        id_ = records.start(self.store, self.token, self.case, definition, about)
        records.finish(self.store, self.token, id_, 1, Checked(answers, {}, {}))
        return id_


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, made: Made, press: Press) -> Iterator[House]:
    """An open case in which both, A, B and the staff said something."""
    folder = tmp_path_factory.mktemp("preflight")
    shutil.copytree(made.folder, folder / "i")
    shutil.copy2(made.folder.with_name("i.key"), folder / "i.key")
    store = Store.open(config.load(folder / "i", {}))
    token = made.tokens["ana"]
    yield House(store, press, token, twins.make(store, token, twins.OPEN))
    store.close()


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """No picture is drawn: these tests look at the words."""
    monkeypatch.setattr(Press, "images", lambda *_: [b"picture"])


def words(found: Preflight) -> list[str]:
    return [str(value) for group in found.groups for one in group.said for _, value in one.given]


EVERY = [(one.id, to) for one in definitions().values() if one.kind != "addendum" for to in one.recipients]


@pytest.mark.parametrize(("sheet", "to"), EVERY)
def test_the_list_is_what_is_on_the_page_for_every_sheet_and_reader(house: House, sheet: str, to: Any) -> None:
    """Every answer that the page has a word of is listed, and every answer listed stands on the page."""
    try:
        found = house.opened(sheet, to)
    except Refused:
        pytest.skip("closed on the open case too")
    listed = {
        (leaf.path, str(value)) for group in preflight.groups(found.sheet) for one in group.said
        for leaf, value in one.given
    }  # fmt: skip
    on_paper = {(path, str(value)) for part in found.sheet.parts for path, value in part.values.items()}
    assert listed == on_paper
    html = print_sheet.laid_out(found, "").html
    assert twins.SECRET not in html + str(listed) or to == "b"
    for _, value in listed:
        if " said" in value:
            assert value in html
    assert bool(listed) is bool(preflight.whose(found))


def test_questions_without_an_answer_are_listed_too(house: House, undrawn: None) -> None:
    house.finish("two_beliefs", "b", {"what": "one answer only"})
    found = house.look("two_beliefs", "b")
    said = [one for group in found.groups for one in group.said]
    assert [one.question.en for one in said if one.given] == [definitions()["two_beliefs"].blocks["what"].label.en]
    assert len([one for one in said if not one.given]) > 3
    assert words(found) == ["one answer only"]


def test_whose_it_is_and_of_which_day(house: House, undrawn: None) -> None:
    assert house.look("our_cycle", "joint").whose == ("joint",)
    own = house.look("the_wave", "a")
    assert (own.whose, own.day) == (("a",), house.store.today())
    nothing = house.look("five_steps", "a")
    assert (nothing.whose, nothing.day, nothing.groups) == ((), None, ())


def test_what_was_added_is_listed_with_its_day(house: House, undrawn: None) -> None:
    record = house.finish("circle_of_support", "a", filled(definitions()["circle_of_support"], "a", lambda _: "first"))
    added = records.addendum(house.store, house.token, record, answers={"text_recipient": "added later"})
    assert "added later" not in words(house.look("circle_of_support", "a")), "a draft is on no paper"
    view = records.read(house.store, house.token, added)
    answers = view.answers | {"text_staff": "for the staff"} if "staff_a" in view.scopes else view.answers
    records.finish(house.store, house.token, added, 1, Checked(answers, {}, {}))
    found = house.look("circle_of_support", "a")
    (group,) = [one for one in found.groups if one.day]
    assert group.day == house.store.today().isoformat()
    assert [str(value) for one in group.said for _, value in one.given] == ["added later"]
    assert "for the staff" not in str(found.groups)


def test_an_agreement_says_its_language_and_the_others_their_state(house: House, undrawn: None) -> None:
    signed = house.look("consent_and_secrets_policy", "joint")
    assert signed.locale == "en"
    two = house.look("the_wave", "a", locale="es", beside="en", draft=True)
    assert [(one.locale, one.printable) for one in two.languages] == [("es", False), ("en", True)]
    assert two.draft
    assert two.locale == ""


def test_it_opens_its_readers_view_and_nothing_else(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    real = Keyholder.give

    def give(self: Keyholder, request: str, token: str, case: Any, purpose: Any, *more: Any) -> Any:
        seen.append(purpose)
        return real(self, request, token, case, purpose, *more)

    monkeypatch.setattr(Keyholder, "give", give)
    found = house.look("the_wave", "a")
    assert set(seen) == {"sheet:a"}
    assert found.pictures[0].startswith(b"\x89PNG")


# --------------------------------------------------------------------------- nothing prints unseen
CHANGED: list[dict[str, Any]] = [
    {"locale": "es", "draft": True}, {"beside": "es", "draft": True}, {"paper": "letter"}, {"large": True},
    {"ink": "saver"},
]  # fmt: skip


@pytest.mark.parametrize("changed", CHANGED, ids=str)
def test_another_paper_is_another_page(house: House, undrawn: None, changed: dict[str, Any]) -> None:
    seen = house.look("the_wave", "a").seen
    with pytest.raises(Unseen):
        house.print("the_wave", "a", seen, **changed)
    assert house.look("the_wave", "a", **changed).seen != seen


def test_another_reader_sheet_case_or_record_is_another_page(house: House, undrawn: None) -> None:
    first = house.finish("pitfall_swaps", "a", {})
    marks = [house.look(*one).seen for one in (("the_wave", "a"), ("the_wave", "b"), ("five_steps", "a"))]
    marks += [house.look("pitfall_swaps", "a", record=first).seen]
    other = twins.make(house.store, house.token, twins.OPEN)
    marks += [replace(house, case=other).look("the_wave", "a").seen]
    assert len(set(marks)) == len(marks)
    assert all(re.fullmatch(r"[0-9a-f]{64}", one) for one in marks)
    for wrong in ("", "x", marks[1], marks[0].upper()):
        with pytest.raises(Unseen):
            house.print("the_wave", "a", wrong)
    assert house.print("the_wave", "a", marks[0], home=True).pdf.startswith(b"%PDF")  # where it goes is not on it


def test_what_was_finished_meanwhile_does_not_print_unseen(house: House, undrawn: None) -> None:
    before = len(prints.sent(house.store, house.token, house.case))
    seen = house.look("own_worth", "a").seen
    house.finish("own_worth", "a", filled(definitions()["own_worth"], "a", lambda _: "in another tab"))
    with pytest.raises(Unseen) as refused:
        house.print("own_worth", "a", seen)
    assert refused.value.http == 409
    assert len(prints.sent(house.store, house.token, house.case)) == before
    again = house.look("own_worth", "a")
    assert "in another tab" in words(again)
    assert house.print("own_worth", "a", again.seen).pdf.startswith(b"%PDF")
    assert prints.sent(house.store, house.token, house.case)[-1].record


def test_a_mark_needs_the_key_of_this_clinic(house: House, monkeypatch: pytest.MonkeyPatch, undrawn: None) -> None:
    """Who guesses the answers on a sheet cannot try them against its mark."""
    seen = house.look("the_wave", "a").seen
    monkeypatch.setattr(Keyholder, "web_secret", lambda _: b"another")
    assert house.look("the_wave", "a").seen != seen


def test_every_leaf_of_every_sheet_could_be_listed() -> None:
    """No kind of block is missing from the list: made-up answers for each come back one by one."""
    for definition in definitions().values():
        for reader in set(RECIPIENTS) & set(definition.recipients):
            about = about_of(reader)
            answers = filled(definition, about, lambda _: "said")
            job = PrintJob(definition.id, reader)
            sheet = laying_out.sheet(definition, answers, job)
            listed = sum(len(one.given) for group in preflight.groups(sheet) for one in group.said)
            assert listed == sum(len(part.values) for part in sheet.parts), (definition.id, reader)
            assert all(leaves(part.block, part.rows) or not part.values for part in sheet.parts)
