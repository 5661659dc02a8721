"""Overrides, the couple view and the wording of an agreement, with the shipped forms and a real store."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clinic import config
from clinic.domain.answer import Checked
from clinic.domain.errors import Invalid, NotFound, Refused
from clinic.domain.ruling import Ruling
from clinic.i18n.catalogue import catalogue
from clinic.persistence.store import Store
from clinic.services import cases, couple, overrides, prints, records
from clinic.services.definitions import definitions
from clinic.services.prints import PrintJob, Sent
from tests.filling import filled
from tests.security import twins
from tests.sheets import page_of
from tests.web.conftest import Made, made

__all__ = ["made"]
AGREEMENT = "consent_and_secrets_policy"


@dataclass(frozen=True)
class House:
    store: Store
    token: str
    ben: str
    case: str

    def finish(self, definition: str, about: Any, answers: dict[str, Any], locale: str = "en") -> str:
        id_ = records.start(self.store, self.token, self.case, definition, about)
        records.finish(self.store, self.token, id_, 1, Checked(answers, {}, {}), "", locale)
        return id_

    def html(self, sheet: str, to: Any, locale: str = "en") -> str:
        job = PrintJob(sheet, to, locale)
        return page_of(self.store, self.token, self.case, job).html

    def ruling(self) -> Ruling:
        return Ruling.from_data(cases.case_page(self.store, self.token, self.case, layer="staff").ruling)


@pytest.fixture
def house(tmp_path: Path, made: Made) -> Iterator[House]:
    shutil.copytree(made.folder, tmp_path / "i")
    shutil.copy2(made.folder.with_name("i.key"), tmp_path / "i.key")
    store = Store.open(config.load(tmp_path / "i", {}))
    yield House(store, made.tokens["ana"], made.tokens["ben"], made.ids[0])
    store.close()


@pytest.fixture
def light(house: House) -> House:
    case = twins.make(house.store, house.token, twins.Twin("light", twins.CALM, decision="light"))
    return House(house.store, house.token, house.ben, case)


# --------------------------------------------------------------------------- override
def test_an_override_opens_one_sheet_for_one_reader_and_is_kept_with_its_reason(light: House) -> None:
    with pytest.raises(Refused):
        light.html("our_cycle", "joint")
    overrides.allow(light.store, light.token, light.case, "our_cycle", "joint", "Both asked for it.")
    assert light.html("our_cycle", "joint")
    for to in ("a", "b"):
        with pytest.raises(Refused):
            light.html("five_steps", to)
    (kept,) = overrides.standing(light.store, light.token, light.case).past
    assert (kept.sheet, kept.recipient, kept.reason) == ("our_cycle", "joint", "Both asked for it.")
    assert kept.day == light.store.today().isoformat()


def test_a_later_save_keeps_it_and_a_lower_level_ends_it(light: House) -> None:
    overrides.allow(light.store, light.token, light.case, "our_cycle", "joint", "Both asked for it.")
    light.finish(
        "safety_screening", "b", {"held": {"day": light.store.today().isoformat()}, "conditions": "yes", "fear": "no"}
    )
    assert light.html("our_cycle", "joint")
    light.finish("map", "couple", {"decision": "hold", "level_reason": "fear"})
    with pytest.raises(Refused):
        light.html("our_cycle", "joint")


@pytest.mark.parametrize("reason", ["", "  \n", "x" * 2_001])
def test_an_override_needs_a_reason(light: House, reason: str) -> None:
    with pytest.raises(Invalid):
        overrides.allow(light.store, light.token, light.case, "our_cycle", "joint", reason)
    assert light.ruling().overrides == ()


def test_no_reason_opens_joint_work_under_hold_or_a_sheet_that_is_not_there(house: House, light: House) -> None:
    light.finish("map", "couple", {"decision": "hold", "level_reason": "fear"})
    for sheet, to in (("our_cycle", "joint"), ("circle_of_support", "joint"), ("safety_screening", "a"), ("x", "a")):
        with pytest.raises(Refused):
            overrides.allow(light.store, light.token, light.case, sheet, to, "why")  # type: ignore[arg-type]
    closed = {
        (one.sheet, one.recipient): one.may for one in overrides.standing(light.store, light.token, light.case).closed
    }
    assert closed["our_cycle", "joint"] is False
    assert closed["homework_plan", "a"] is True
    assert ("the_wave", "a") not in closed  # open under hold


def test_nobody_overrides_in_anothers_case(light: House) -> None:
    for case in (light.case, "00000000-0000-4000-8000-000000000000"):
        with pytest.raises(NotFound):
            overrides.allow(light.store, light.ben, case, "our_cycle", "joint", "why")
        with pytest.raises(NotFound):
            overrides.standing(light.store, light.ben, case)


# --------------------------------------------------------------------------- couple view
def test_the_couple_view_holds_what_both_said_and_nothing_else(light: House) -> None:
    view = couple.couple_view(light.store, light.token, light.case)
    said = str([(one.title, one.day, one.blocks) for group in view.groups for one in group])
    assert "both said" in said
    assert "A alone said" not in said
    assert twins.SECRET not in said
    titles = [group[0].title.en for group in view.groups]
    assert "Session note" not in titles
    assert "Map" not in titles
    assert "The cycle of the two" in titles


def test_a_record_without_a_joint_answer_leaves_no_trace_in_it(light: House) -> None:
    before = couple.couple_view(light.store, light.token, light.case)
    day = {"day": light.store.today().isoformat()}
    light.finish("session", "couple", {"held": day, "present": ["partner_b"], "format": "dap"})
    light.finish("partner_intake", "b", filled(definitions()["partner_intake"], "b", lambda _: "b"))
    draft = records.start(light.store, light.token, light.case, "our_cycle", "couple")
    records.save_draft(
        light.store,
        light.token,
        draft,
        1,
        Checked(filled(definitions()["our_cycle"], "couple", lambda _: "draft"), {}, {}),
    )
    assert couple.couple_view(light.store, light.token, light.case) == before


def test_a_foreign_couple_is_not_there(light: House) -> None:
    with pytest.raises(NotFound):
        couple.couple_view(light.store, light.ben, light.case)


# --------------------------------------------------------------------------- agreements
def agreed(word: str = "Said.") -> dict[str, Any]:
    return filled(definitions()[AGREEMENT], "couple", lambda _: word)


@pytest.mark.parametrize("shown", ["es", "ar"])
def test_an_agreement_prints_as_it_was_shown_whatever_is_asked_for(house: House, shown: str) -> None:
    """In Spanish as it stood on the screen that day: also on an English print, and after the translation changed."""
    title = definitions()[AGREEMENT].title
    words = catalogue(shown).text(title)
    assert words != title.en, "the test needs a translation"
    house.finish(AGREEMENT, "couple", agreed(), shown)
    for asked in ("en", "es", "ar"):
        html = house.html(AGREEMENT, "joint", asked)
        assert words in html
        assert title.en not in html
        assert f'lang="{shown}"' in html


def test_an_agreement_does_not_follow_a_changed_translation(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    record = house.finish(AGREEMENT, "couple", agreed(), "es")
    words = catalogue("es").text(definitions()[AGREEMENT].title)
    monkeypatch.setattr(
        "clinic.i18n.catalogue.Catalogue.text", lambda self, text: "CHANGED" if text.key != "said" else text.en
    )
    view = records.read(house.store, house.token, record)
    assert (view.definition.title.en, view.locale) == (words, "es")


def test_other_forms_speak_the_readers_language(house: House) -> None:
    house.finish("intake", "couple", filled(definitions()["intake"], "couple", lambda _: "x"), "es")
    assert definitions()["intake"].title.en in house.html("intake", "joint")


def test_each_part_keeps_the_words_of_its_own_blocks_only(house: House) -> None:
    """What the couple's key opens holds no sentence of the staff section."""
    house.finish(AGREEMENT, "couple", agreed())
    definition = records.for_recipient(house.store, house.token, house.case, "joint", AGREEMENT).definition
    staff = next(block for block in definition.blocks.values() if block.id == "remarks")
    assert staff.label.key != "said"
    assert definition.blocks["kept"].text.key == "said"


# --------------------------------------------------------------------------- what went out
def test_both_leave_with_the_same_number(house: House) -> None:
    day = house.store.today()
    one, two = Sent("a", "the_wave", day, "C1", True), Sent("b", "the_wave", day, "C2", False)
    assert prints.uneven([one], day) == {"a": 1, "b": 0}
    assert prints.uneven([one, two], day) == {}
    assert prints.uneven([one, Sent("joint", "our_cycle", day, "C3", True), two], day) == {}


def test_a_print_keeps_whether_it_went_home(light: House) -> None:
    for code, home in (("AAAAAAAAA", True), ("BBBBBBBBB", False)):
        prints.note(light.store, light.token, light.case, code, PrintJob("the_wave", "a", home=home))
    assert [(one.code, one.home) for one in prints.sent(light.store, light.token, light.case)] == [
        ("AAAAAAAAA", True),
        ("BBBBBBBBB", False),
    ]
