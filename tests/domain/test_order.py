"""The order of CLINICAL_RULES D1, and what no override opens (D2)."""

from datetime import date, timedelta

import pytest

from clinic.domain.formulation import facts, to_rule
from clinic.domain.ruling import Ruling, gate, overridable, override
from clinic.domain.suggest import suggest
from tests.domain.couples import couple, golden, tables
from tests.domain.test_formulation import TODAY as DAY
from tests.domain.test_formulation import record
from tests.domain.test_ruling import TODAY, made

LEVEL = {"decision": "full", "level_reason": "both want it"}
AGREED = {"policy": "some"}
ALONE = {"conditions": "yes"}


def level(*records: object) -> str:
    return suggest(facts(records, tables(), DAY), tables()).trace.level  # type: ignore[arg-type]


def test_agreement_then_each_alone_then_the_level() -> None:
    agreed, a, b = (
        record("agreement", 30, **AGREED),
        record("screening", 20, "a", **ALONE),
        record("screening", 19, "b", **ALONE),
    )
    assert level(agreed, a, b, record("map", 10, **LEVEL)) == "full"
    assert level(agreed, a, b, record("map", 19, **LEVEL)) == "full"  # the same day is late enough


def test_a_screen_from_before_the_agreement_does_not_count() -> None:
    early = record("screening", 31, "a", **ALONE)
    rest = [record("agreement", 30, **AGREED), record("screening", 19, "b", **ALONE), record("map", 10, **LEVEL)]
    assert level(early, *rest) == "not_decided"
    assert to_rule([early, *rest], tables(), DAY)[1].screens == {"a": None, "b": DAY - timedelta(19)}


def test_a_level_chosen_before_both_were_seen_alone_was_chosen_too_early() -> None:
    ready = [
        record("agreement", 30, **AGREED),
        record("screening", 20, "a", **ALONE),
        record("screening", 10, "b", **ALONE),
    ]
    assert level(*ready, record("map", 15, **LEVEL)) == "not_decided"
    assert level(*ready, record("map", 15, **LEVEL), record("map", 9, **LEVEL)) == "full"


def test_an_agreement_or_a_screen_that_is_renewed_ends_nothing() -> None:
    ready = [record("agreement", 80, **AGREED), *(record("screening", 60, who, **ALONE) for who in ("a", "b"))]  # type: ignore[arg-type]
    renewed = [record("agreement", 5, **AGREED), record("screening", 4, "a", **ALONE)]
    assert level(*ready, record("map", 50, **LEVEL), *renewed) == "full"


# --------------------------------------------------------------------------- overrides
def allowed(ruling: Ruling, sheet: str, to: str, day: date = TODAY) -> bool:
    may = overridable(ruling, day, sheet, to)  # type: ignore[arg-type]
    opened = gate(override(ruling, sheet, to, "why", TODAY), day, sheet, to)  # type: ignore[arg-type]
    assert opened == may or gate(ruling, day, sheet, to)  # type: ignore[arg-type]
    return may


@pytest.mark.parametrize("sheet", ["our_cycle", "support_menu", "talking_about_sex"])
def test_no_override_opens_a_joint_sheet_before_each_was_seen_or_under_hold(sheet: str) -> None:
    assert not allowed(made(couple(decision="hold")), sheet, "joint")
    assert not allowed(made(couple(), screens={}), sheet, "joint")


def test_an_override_stands_for_no_partners_yes() -> None:
    without = made(couple(), yeses={"a": TODAY})
    assert not allowed(without, "closeness_without_sex", "joint")
    assert not allowed(without, "talking_about_sex", "b")
    assert allowed(made(couple(decision="light")), "talking_about_sex", "a")


def test_no_override_comes_before_the_question_about_suicide() -> None:
    ruling = made(golden("GC-06"))
    assert not any(allowed(ruling, sheet, who) for sheet in ("the_wave", "our_cycle") for who in ("a", "b", "joint"))


def test_an_override_opens_what_judgement_closed() -> None:
    light = made(couple(decision="light"))
    assert allowed(light, "our_cycle", "joint")
    assert allowed(made(couple(decision="hold")), "homework_plan", "b")
    assert allowed(made(couple(decision="hold")), "check_in", "a")  # a form that the person filled in
    assert not gate(override(light, "our_cycle", "joint", "why", TODAY), TODAY + timedelta(1), "our_cycle", "joint")
