"""The gate: what may be printed for whom on which day, from the sealed ruling alone."""

import json
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given

from clinic.domain.audience import RECIPIENTS
from clinic.domain.ruling import Ruling, falls_on, gate, level_on, lower, override, rule, screen_again
from clinic.domain.suggest import suggest
from tests.domain.couples import couple, facts_of, golden, tables
from tests.domain.test_suggest import BLOCKS, CALMLY

TODAY = date(2026, 3, 10)
SCREENS = {"a": date(2026, 2, 1), "b": date(2026, 2, 10)}
YESES = {"a": date(2026, 3, 1), "b": date(2026, 3, 5)}
SHEETS = sorted(tables().sheets)
HELP = "when_to_get_more_help"
Printable = set[tuple[str, str]]


def made(data: dict[str, Any], **more: Any) -> Ruling:
    given_ = {"screens": SCREENS, "policy": date(2026, 1, 20), "yeses": YESES, "today": TODAY, **more}
    return rule(facts_of(data), tables=tables(), **given_)


def opened(ruling: Ruling, day: date = TODAY) -> Printable:
    return {(sheet, who) for sheet in SHEETS for who in RECIPIENTS if gate(ruling, day, sheet, who)}


def own(*sheets: str) -> Printable:
    return {(sheet, who) for sheet in sheets for who in ("a", "b")}


GENERAL = {(HELP, who) for who in RECIPIENTS}
HOLD = GENERAL | own("the_wave", "circle_of_support", "own_worth")
START = GENERAL | own("signals_checkin", "whats_underneath")


def test_a_case_without_anything_prints_the_help_page_only_and_an_empty_card_nothing() -> None:
    assert opened(made({}, screens={}, policy=None, yeses={})) == START
    assert opened(Ruling()) == set()


def test_full_opens_every_sheet_with_a_level() -> None:
    everything = {(sheet, who) for sheet in SHEETS for who in RECIPIENTS if tables().level(sheet, who)}
    assert opened(made(couple())) == everything
    assert ("circle_of_support", "joint") not in everything  # it shows whom to cut off
    assert ("closeness_without_sex", "a") not in everything


def test_light_is_table_e() -> None:
    light = own(
        "signals_checkin", "whats_underneath", "two_beliefs", "the_wave", "secure_base", "own_worth",
        "reassurance_or_relief", "pitfall_swaps", "support_menu", "circle_of_support", "strategy_planner",
        "homework_plan", "homework_review", "session_summary",
    )  # fmt: skip
    joint = {(one, "joint") for one in ("support_menu", "strategy_planner", "homework_plan", "session_summary")}
    assert opened(made(couple(decision="light"))) == light | joint | GENERAL


def test_hold_is_the_same_for_both_whatever_the_cause() -> None:
    assert opened(made(couple(decision="hold"))) == HOLD
    assert opened(made(golden("GC-04"))) == HOLD
    assert opened(made({**golden("GC-04"), "decision": "full"})) == HOLD


def test_r3_leaves_the_help_page_alone() -> None:
    assert opened(made(golden("GC-06"))) == GENERAL
    assert opened(made({**golden("GC-06"), "decision": "hold"})) == GENERAL


@pytest.mark.parametrize("missing", [{"screens": {"a": TODAY}}, {"policy": None}, {"screens": {}}])
def test_without_preparation_only_the_first_pages(missing: dict[str, Any]) -> None:
    assert opened(made(couple(), **missing)) == START


def test_r1_leaves_a_case_without_preparation_where_it_is() -> None:
    jealous = {"signals": [["jealousy", 3, "self"]]}
    assert opened(made(couple(jealous, {"signals": [["withdrawal", 2, "self"]]}, asked={}), screens={})) == START


def test_forms_go_to_who_filled_them_but_not_under_hold_or_r3() -> None:
    assert gate(made(couple(decision="not_decided")), TODAY, "check_in", "a")
    assert not gate(made(couple(decision="hold")), TODAY, "check_in", "a")
    assert not gate(made(golden("GC-06")), TODAY, "check_in", "a")
    assert not gate(Ruling(), TODAY, "check_in", "a")


def test_a_screen_holds_for_90_days() -> None:
    ruling = made(couple())
    last = SCREENS["a"] + timedelta(90)
    assert level_on(ruling, last) == "full"
    assert level_on(ruling, last + timedelta(1)) == "not_decided"
    assert opened(ruling, last + timedelta(1)) == START
    assert falls_on(ruling) == last + timedelta(1)
    assert level_on(made(couple(decision="hold")), last + timedelta(1)) == "hold"


def test_a_yes_holds_for_30_days_and_each_is_needed() -> None:
    ruling = made(couple())
    last = YESES["a"] + timedelta(30)
    assert gate(ruling, last, "closeness_without_sex", "joint")
    assert gate(ruling, last, "talking_about_sex", "a")
    after = last + timedelta(1)
    assert not gate(ruling, after, "closeness_without_sex", "joint")
    assert not gate(ruling, after, "talking_about_sex", "a")
    assert gate(ruling, after, "talking_about_sex", "b")  # a partner's own page needs that partner's yes
    assert not gate(made(couple(decision="light")), TODAY, "talking_about_sex", "b")


def test_a_raised_level_ends_with_its_review_date() -> None:
    data = couple(red=[["a", "weapon", "2026-02-01"]], raised="2026-02-20", review="2026-03-20")
    ruling = made(data)
    assert level_on(ruling, date(2026, 3, 20)) == "full"
    assert level_on(ruling, date(2026, 3, 21)) == "hold"
    assert opened(ruling, date(2026, 3, 21)) == HOLD


def test_r10_ends_with_the_day() -> None:
    ruling = made(couple(today=["drunk"]))
    assert {who for _, who in opened(ruling) - GENERAL} == {"a", "b"}
    assert opened(ruling, TODAY + timedelta(1)) == opened(made(couple()), TODAY + timedelta(1))


def test_rules_close_by_recipient() -> None:
    ruling = made({**golden("GC-01"), "recent": {"a.secure_base": "worse"}})
    assert level_on(ruling, TODAY) == "light"
    assert not gate(ruling, TODAY, "secure_base", "a")
    assert gate(ruling, TODAY, "secure_base", "b")
    one_voice = made(couple({"signals": [["clinginess", 2, "partner"]]}, {}))
    assert {sheet for sheet, who in opened(one_voice) if who == "a"} == {"signals_checkin", HELP}


def test_an_unknown_sheet_is_refused_and_a_clinics_own_can_be_added() -> None:
    assert not gate(made(couple()), TODAY, "own_letter", "a")
    more = tables().plus({"own_letter": {"own": "light"}, "our_cycle": {"own": "open"}})
    ruling = rule(facts_of(couple()), SCREENS, TODAY, YESES, TODAY, more)
    assert gate(ruling, TODAY, "own_letter", "a")
    assert not gate(ruling, TODAY, "own_letter", "joint")
    assert not gate(ruling, TODAY, "our_cycle", "a")  # table E is not changed


def test_an_override_is_one_sheet_one_recipient_one_day_and_needs_a_reason() -> None:
    held = made(couple(decision="hold"))
    allowed = override(held, "support_menu", "a", "asked for it in session", TODAY)
    assert opened(allowed) - opened(held) == {("support_menu", "a")}
    assert opened(allowed, TODAY + timedelta(1)) == opened(held, TODAY + timedelta(1))
    with pytest.raises(ValueError, match="reason"):
        override(held, "support_menu", "a", "  ", TODAY)
    assert not gate(override(held, "circle_of_support", "joint", "x", TODAY), TODAY, "circle_of_support", "joint")


def test_it_survives_json() -> None:
    ruling = override(made(golden("GC-06")), "the_wave", "a", "why", TODAY)
    again = Ruling.from_data(json.loads(json.dumps(ruling.to_data())))
    assert again == ruling
    assert opened(again) == opened(ruling)
    assert opened(Ruling.from_data({})) == set()


def test_a_draft_lowers_and_never_raises() -> None:
    old, new = made(couple(decision="light")), made(couple())
    assert opened(lower(old, new)) == opened(old)
    assert opened(lower(new, old)) == opened(old)
    worried = made(couple(worried=["b"]))
    assert opened(lower(new, worried)) == GENERAL
    assert opened(lower(worried, new)) == GENERAL
    start, hold = made(couple(decision="not_decided")), made(couple(decision="hold"))
    assert opened(lower(start, hold)) == opened(lower(hold, start)) == GENERAL
    allowed = override(new, "our_cycle", "joint", "why", TODAY)
    assert lower(allowed, new).overrides == allowed.overrides
    assert lower(allowed, hold).overrides == ()


def test_rules_ask_for_a_new_screen() -> None:
    data = couple({"signals": [["placating_sex", 1, "self", "2026-03-01"]]})
    assert screen_again(facts_of(data), SCREENS, tables()) == ("R2",)
    assert screen_again(facts_of(data), dict.fromkeys("ab", TODAY), tables()) == ()


# --------------------------------------------------------------------------- properties
@CALMLY
@given(BLOCKS)
def test_nothing_is_suggested_outside_the_gate(data: dict[str, Any]) -> None:
    facts = facts_of(data)
    yeses = {
        who: TODAY
        for who in "ab"
        if facts.asked.get(f"{who}_intimate", None) and data["asked"][f"{who}_intimate"] == "yes"
    }
    screens = dict.fromkeys("ab", TODAY) if facts.prepared else {}
    ruling = made(data, screens=screens, yeses=yeses)
    found = suggest(facts, tables())
    assert level_on(ruling, TODAY) == found.trace.level
    for who in RECIPIENTS:
        for one in found.of(who):
            assert gate(ruling, TODAY, one.sheet, who), (one.sheet, who)


@CALMLY
@given(BLOCKS)
def test_hold_opens_the_same_for_both(data: dict[str, Any]) -> None:
    ruling = made({**data, "decision": "hold"})
    both = [{sheet for sheet, whose in opened(ruling) if whose == who} for who in ("a", "b")]
    assert both[0] == both[1]
    assert both[0] <= {sheet for sheet, _ in HOLD}
    assert ("our_cycle", "joint") not in opened(ruling)


@CALMLY
@given(BLOCKS, BLOCKS)
def test_lowering_opens_only_what_both_allow(one: dict[str, Any], two: dict[str, Any]) -> None:
    old, new = made(one), made(two, yeses={})
    for day in (TODAY, TODAY + timedelta(1), SCREENS["a"] + timedelta(90)):
        low = lower(old, new)
        if (level := level_on(low, day)) in tables().fixed:  # its set is the same for both, so no rule thins it out
            assert any(opened(low, day) <= opened(one, day) for one in (old, new) if level_on(one, day) == level)
            assert {level_on(old, day), level_on(new, day)} != {"hold", "not_decided"} or opened(low, day) == GENERAL
        else:
            assert opened(low, day) <= opened(old, day) & opened(new, day)


@CALMLY
@given(BLOCKS)
def test_days_alone_never_open_more(data: dict[str, Any]) -> None:
    ruling = made({**data, "today": []})
    if level_on(ruling, TODAY) == "full":
        later = opened(ruling, TODAY + timedelta(200)) - GENERAL
        assert later <= START
