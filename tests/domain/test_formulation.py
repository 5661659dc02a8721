"""The fold: from opened records to facts and map, by the conventions of `feeds`."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from clinic.domain import choice
from clinic.domain.audience import About
from clinic.domain.definition import Definition, parse
from clinic.domain.formulation import Opened, cycle, facts, the_map, to_rule
from clinic.domain.ruling import gate, rule
from clinic.domain.suggest import Asked, Facts, Observation, Recent, suggest
from tests.domain.couples import FORMS, library, names, rules, tables

TODAY = date(2026, 3, 10)
DAY_BEFORE = TODAY - timedelta(1)
CHOICE = parse((FORMS / "sheet_choice.toml").read_bytes(), "sheet_choice.toml", {})
SESSION = """
id = "session"
version = 1
kind = "session"
title = "Session"
audience = "staff"
about = "couple"
[[section]]
id = "room"
[[section.block]]
id = "today"
kind = "checklist"
label = "Today"
feeds = "today"
options = [{ id = "drunk", label = "drunk" }, { id = "fought", label = "fought" }]
[[section]]
id = "each"
per_partner = true
[[section.block]]
id = "observed"
kind = "table"
from = "signals"
feeds = "observations"
columns = [
  { id = "intensity", label = "How strong", type = "scale", max = 4 },
  { id = "seen_by", label = "By", type = "choice", options = [
    { id = "self", label = "self" },
    { id = "partner", label = "p" },
  ] },
  { id = "words", label = "Words" },
]
[[section.block]]
id = "habits"
kind = "table"
from = "pitfalls"
feeds = "pitfalls"
columns = [{ id = "intensity", label = "How strong", type = "scale", max = 4 }]
[[section.block]]
id = "worried"
kind = "choice"
label = "Worried?"
feeds = "worried"
options = [{ id = "no", label = "No" }, { id = "yes", label = "Yes" }]
"""


def option(id_: str, red: bool) -> str:
    return f'{{ id = "{id_}", label = "{id_}", red = {str(red).lower()} }}'


ASKED = "".join(
    f"""
[[section.block]]
id = "{what}"
kind = "choice"
label = "{what}"
feeds = "asked"
what = "{what}"
options = [{", ".join(option(one, one in red) for one in answers.split())}]
"""
    for what, answers, red in (
        ("fear", "no yes", ("yes",)),
        ("suicide", "asked plan", ("plan",)),
        ("intimate", "yes no", ()),
        ("stay", "stay go unsure", ()),
        ("worse", "asked", ()),
        ("cause", "none breach_known breach_hidden", ()),
    )
)
SCREENING = f"""
id = "screening"
version = 1
kind = "screening"
title = "Alone"
audience = "staff"
about = "partner"
[[section]]
id = "alone"
[[section.block]]
id = "conditions"
kind = "choice"
label = "Alone?"
feeds = "screen"
options = [{{ id = "yes", label = "yes" }}, {{ id = "no", label = "no" }}]
[[section.block]]
id = "weapon"
kind = "checklist"
label = "Weapon"
options = [{{ id = "none", label = "none" }}, {{ id = "at_home", label = "at home", red = true }}]
{ASKED}
"""
AGREEMENT = """
id = "agreement"
version = 1
kind = "agreement"
title = "Agreement"
audience = "joint"
recipients = ["joint"]
[[section]]
id = "all"
[[section.block]]
id = "policy"
kind = "choice"
label = "Secrets"
feeds = "policy"
options = [{ id = "none", label = "none" }, { id = "some", label = "some" }]
"""
CHECK_IN = """
id = "signals_checkin"
version = 1
kind = "check_in"
title = "Check-in"
audience = "recipient"
recipients = ["a", "b"]
[[section]]
id = "me"
[[section.block]]
id = "signs"
kind = "matrix"
from = "signals"
stem = "Lately"
feeds = "observations"
points = [
  { id = "zero", label = "0" },
  { id = "one", label = "1" },
  { id = "two", label = "2" },
  { id = "three", label = "3" },
]
[[section.block]]
id = "aims"
kind = "table"
rows = [{ id = "trust", label = "trust" }]
feeds = "aims"
columns = [{ id = "rating", label = "0 to 10", type = "scale", max = 10 }]
[[section.block]]
id = "review"
kind = "table"
open = 4
feeds = "review"
columns = [
  { id = "sheet", label = "Sheet" },
  { id = "outcome", label = "How", type = "choice", options = [
    { id = "worse", label = "w" },
    { id = "kept", label = "k" },
    { id = "did_not_help", label = "n" },
  ] },
]
"""
MAP = """
id = "map"
version = 1
kind = "map"
title = "Map"
audience = "staff"
about = "couple"
[[section]]
id = "each"
per_partner = true
[[section.block]]
id = "judgement"
kind = "table"
from = "mechanisms"
feeds = "judgement"
columns = [
  { id = "status", label = "Sure", type = "choice", options = [
    { id = "likely", label = "l" },
    { id = "ruled_out", label = "r" },
  ] },
  { id = "reason", label = "Why" },
]
[[section.block]]
id = "links"
kind = "table"
from = "signals"
feeds = "links"
columns = [{ id = "emotion_regulation", label = "er", type = "scale", max = 3 }]
[[section.block]]
id = "excluded"
kind = "table"
from = "signals"
feeds = "excluded"
columns = [{ id = "excluded", label = "out", type = "tick" }, { id = "reason", label = "Why" }]
[[section.block]]
id = "sources"
kind = "table"
from = "sources"
feeds = "sources"
columns = [{ id = "mark", label = "Mark", type = "scale", max = 3 }]
[[section]]
id = "loop"
audience = "joint"
[[section.block]]
id = "cycle"
kind = "prompt"
label = "Cycle"
feeds = "cycle"
asks = [{ id = "a_does", label = "A does" }, { id = "exit", label = "exit" }]
[[section]]
id = "level"
[[section.block]]
id = "secret_cycle"
kind = "prompt"
label = "Cycle, for staff"
feeds = "cycle"
asks = [{ id = "cost", label = "cost" }]
[[section.block]]
id = "decision"
kind = "choice"
label = "Level"
feeds = "level"
options = [
  { id = "not_decided", label = "n" },
  { id = "hold", label = "h" },
  { id = "light", label = "l" },
  { id = "full", label = "f" },
]
[[section.block]]
id = "level_reason"
kind = "prompt"
label = "Why"
feeds = "level"
[[section.block]]
id = "level_days"
kind = "date"
feeds = "level"
fields = [{ id = "day", label = "Day" }, { id = "review", label = "Review" }]
[[section.block]]
id = "supervisor_note"
kind = "prompt"
label = "Supervisor"
feeds = "level"
"""
SUPERVISION = """
id = "supervision"
version = 1
kind = "note"
title = "s"
audience = "staff"
about = "couple"
[[section]]
id = "level"
title = "l"
[[section.block]]
id = "lifting"
kind = "choice"
label = "May it go above hold?"
feeds = "supervision"
options = [{ id = "no_topic", label = "n" }, { id = "agree", label = "a" }, { id = "wait", label = "w" }]
[[section.block]]
id = "lifting_note"
kind = "prompt"
label = "Why"
feeds = "supervision"
"""


def form(source: str) -> Definition:
    id_ = source.split('"')[1]
    return parse(source.encode(), f"{id_}.toml", library().lists())


FORM = {name: form(text) for name, text in {
    "session": SESSION, "screening": SCREENING, "agreement": AGREEMENT, "check_in": CHECK_IN, "map": MAP,
    "supervision": SUPERVISION,
}.items()}  # fmt: skip


def record(kind: str, ago: int, about: About = "couple", signed: bool = True, **answers: Any) -> Opened:
    """A record so many days ago; `a_observed=` stands for the placed name `a.observed`."""
    named = {}
    for name, answer in answers.items():
        part, _, rest = name.partition("_")
        named[f"{part}.{rest}" if part in ("a", "b") else name] = answer
    return Opened(FORM[kind], about, named, TODAY - timedelta(ago), signed)


def seen(id_: str, intensity: int, seen_by: str | None = None, **more: Any) -> dict[str, Any]:
    return {"id": id_, "intensity": intensity, **({"seen_by": seen_by} if seen_by else {}), **more}


READY = [
    record("screening", 20, "a", conditions="yes"),
    record("screening", 19, "b", conditions="yes"),
    record("agreement", 30, policy="some"),
]


def fold(*records: Opened, **more: Any) -> Facts:
    return facts(records, tables(), TODAY, **more)


def test_no_records_give_the_start() -> None:
    made = fold()
    assert (made.decision, made.prepared, made.asked, made.a.signals) == ("not_decided", False, {}, ())
    assert names(suggest(made, tables()))["a"] == ["signals_checkin", "whats_underneath"]


def test_observations_count_90_days_the_latest_of_each_observer() -> None:
    made = fold(
        record("session", 91, a_observed=[seen("jealousy", 4, "self")]),
        record("session", 90, a_observed=[seen("clinginess", 1, "self", words="stay")]),
        record("session", 30, a_observed=[seen("withdrawal", 3, "self"), seen("withdrawal", 1)]),
        record("session", 8, a_observed=[seen("withdrawal", 2, "self")], b_habits=[seen("fixing", 3)]),
    )
    assert [(one.id, one.intensity, one.seen_by) for one in made.a.signals] == [
        ("clinginess", 1, "self"),
        ("withdrawal", 1, "counsellor"),
        ("withdrawal", 2, "self"),
    ]
    assert made.a.signals[0].words == "stay"
    assert {(one.id, one.intensity) for one in made.a.past} == {("jealousy", 4), ("withdrawal", 3)}
    assert made.b.pitfalls == (Observation("fixing", 3, "counsellor", TODAY - timedelta(8)),)


def test_a_check_in_is_said_by_the_partner_and_a_later_zero_replaces() -> None:
    made = fold(
        record("check_in", 9, "b", signs={"clinginess": 3}),
        record("check_in", 2, "b", signs={"clinginess": 0, "withdrawal": 2}),
    )
    assert [(one.id, one.intensity, one.seen_by) for one in made.b.signals] == [
        ("clinginess", 0, "self"),
        ("withdrawal", 2, "self"),
    ]
    assert made.a.signals == ()


def test_drafts_and_the_future_do_not_count_unless_asked_for() -> None:
    draft = record("session", 1, signed=False, a_observed=[seen("clinginess", 3, "self")])
    later = record("session", -1, a_observed=[seen("jealousy", 3, "self")])
    assert fold(draft, later).a.signals == ()
    assert [one.id for one in fold(draft, later, with_drafts=True).a.signals] == ["clinginess"]


def test_the_latest_map_is_the_judgement_whole() -> None:
    first = record(
        "map", 20,
        a_judgement=[{"id": "low_self_worth", "status": "likely", "reason": "old"}],
        a_links=[{"id": "clinginess", "emotion_regulation": 0}],
        a_excluded=[{"id": "jealousy", "excluded": True, "reason": "joke"}, {"id": "withdrawal", "reason": "no tick"}],
        a_sources=[{"id": "health", "mark": 2}, {"id": "past_hurt", "mark": 0}],
    )  # fmt: skip
    second = record(
        "map", 3,
        a_judgement=[{"id": "emotion_regulation", "status": "ruled_out", "reason": "new"}],
        a_sources=[{"id": "health", "mark": 1}],
    )  # fmt: skip
    made = fold(first)
    assert made.a.links == {("clinginess", "emotion_regulation"): 0}
    assert made.a.excluded == {"jealousy": "joke"}
    assert made.a.sources == {"health": 2}
    again = fold(second, first)
    assert {id_: one.status for id_, one in again.a.mech.items()} == {"emotion_regulation": "ruled_out"}
    assert (again.a.excluded, again.a.links, again.a.sources) == ({}, {}, {"health": 1})
    assert again.a.source_days == {"health": TODAY - timedelta(20)}  # marked all along


def test_answers_are_the_latest_with_their_day() -> None:
    made = fold(
        record("screening", 9, "a", fear="no", stay="stay", worse="asked"),
        record("screening", 5, "b", stay="stay", worse="asked"),
    )
    assert made.asked["a_fear"] == Asked("no", TODAY - timedelta(9))
    assert made.asked["stay"] == Asked("both", TODAY - timedelta(9))
    assert made.asked["worse"].answer == "asked"
    changed = fold(record("screening", 9, "a", stay="stay"), record("screening", 5, "b", stay="unsure"))
    assert "stay" not in changed.asked


def test_a_rule_fires_and_clears_through_records() -> None:
    pattern = record(
        "session", 10, a_observed=[seen("jealousy", 2), seen("anxiety_worry", 1, "self")],
        b_observed=[seen("withdrawal", 2, "self")],
    )  # fmt: skip
    level = record("map", 12, decision="full", level_reason="calm")
    asked = [record("screening", 10, one, cause="none") for one in ("a", "b")]
    early = record("screening", 11, "b", fear="no")
    late = record("screening", 10, "b", fear="no")
    assert rules(suggest(fold(*READY, pattern, level, *asked, early), tables())) == {"R1"}
    assert rules(suggest(fold(*READY, pattern, level, *asked, late), tables())) == set()
    # A newer, weaker observation does not take the question away.
    weaker = record("session", 2, a_observed=[seen("jealousy", 0)], b_observed=[seen("withdrawal", 0, "self")])
    assert rules(suggest(fold(*READY, pattern, weaker, level, *asked), tables())) == {"R1"}


def test_a_red_option_anywhere_means_hold_until_it_is_properly_raised() -> None:
    red = record("screening", 18, "a", weapon=["at_home"])
    level = {"decision": "full", "level_reason": "safe now"}
    review = (TODAY + timedelta(20)).isoformat()

    def level_with(*more: Opened) -> str:
        return suggest(fold(*READY, red, *more), tables()).trace.level

    assert level_with() == "hold"
    assert level_with(record("map", 10, **level)) == "hold"
    assert level_with(record("map", 10, **level), record("screening", 5, "a", weapon=["none"])) == "hold"
    proper = {**level, "supervisor_note": "agreed", "level_days": {"review": review}}
    assert level_with(record("map", 10, **proper)) == "full"
    assert level_with(record("map", 19, **proper)) == "hold"  # decided before the answer
    assert level_with(record("map", 10, **proper), record("screening", 5, "a", weapon=["at_home"])) == "hold"
    past = {**proper, "level_days": {"review": (TODAY - timedelta(1)).isoformat()}}
    assert level_with(record("map", 10, **past)) == "hold"
    assert level_with(record("map", 10, **past), record("screening", 5, "a", weapon=["none"])) == "full"


def test_a_supervisors_own_note_has_the_word_where_there_is_one() -> None:
    red = record("screening", 18, "a", weapon=["at_home"])
    review = (TODAY + timedelta(20)).isoformat()
    decided = {"decision": "full", "level_reason": "safe now", "level_days": {"review": review}}
    agreed, wait = {"lifting": "agree", "lifting_note": "Seen alone."}, {"lifting": "wait", "lifting_note": "Not yet."}

    def level_with(*more: Opened) -> str:
        return suggest(fold(*READY, red, *more), tables()).trace.level

    assert level_with(record("map", 10, **decided)) == "hold"
    assert level_with(record("supervision", 12, **agreed), record("map", 10, **decided)) == "full"
    assert level_with(record("supervision", 12, lifting="agree"), record("map", 10, **decided)) == "hold"  # no reasons
    assert level_with(record("supervision", 12, signed=False, **agreed), record("map", 10, **decided)) == "hold"
    assert level_with(record("supervision", 9, **agreed), record("map", 10, **decided)) == "hold"  # after the decision
    assert level_with(record("supervision", 19, **agreed), record("map", 10, **decided)) == "hold"  # before the answer
    quoted = record("map", 10, **decided, supervisor_note="agreed on the phone")
    assert level_with(quoted) == "full"
    assert level_with(record("supervision", 12, **wait), quoted) == "hold"
    assert level_with(record("supervision", 12, **wait), record("supervision", 11, **agreed), quoted) == "full"
    assert level_with(record("supervision", 12, lifting="no_topic"), quoted) == "full"


def test_preparation_counts_signed_screens_under_the_right_conditions() -> None:
    assert fold(*READY).prepared
    assert not fold(*READY[:2]).prepared
    assert not fold(READY[0], READY[2], record("screening", 19, "b", conditions="no")).prepared
    unsigned = record("screening", 19, "b", signed=False, conditions="yes")
    assert not fold(READY[0], READY[2], unsigned, with_drafts=True).prepared
    assert not fold(READY[0], READY[2], record("screening", 91, "b", conditions="yes")).prepared
    _, found = to_rule([*READY, record("screening", 4, "a", intimate="yes")], tables(), TODAY)
    assert found.screens == {"a": TODAY - timedelta(20), "b": TODAY - timedelta(19)}
    assert (found.policy, found.yeses) == (TODAY - timedelta(30), {"a": TODAY - timedelta(4), "b": None})
    taken_back = [*READY, record("screening", 4, "a", intimate="yes"), record("screening", 3, "a", intimate="no")]
    assert to_rule(taken_back, tables(), TODAY)[1].yeses["a"] is None


def test_from_records_to_the_gate() -> None:
    records = [
        *READY,
        record("map", 5, decision="full"),
        *(record("screening", 4, one, intimate="yes") for one in "ab"),
    ]
    _, ready = to_rule(records, tables(), TODAY)
    ruling = rule(fold(*records), ready.screens, ready.policy, ready.yeses, TODAY, tables())
    assert gate(ruling, TODAY, "closeness_without_sex", "joint")
    records.append(record("session", 0, a_worried="yes"))
    ruling = rule(fold(*records), ready.screens, ready.policy, ready.yeses, TODAY, tables())
    assert not gate(ruling, TODAY, "the_wave", "b")


def test_today_is_only_today() -> None:
    assert fold(record("session", 0, today=["drunk"])).today == ("drunk",)
    assert fold(record("session", 1, today=["drunk"])).today == ()
    assert fold(record("session", 0, a_worried="no")).worried == {}


def test_history_comes_from_prints_sessions_and_reviews() -> None:
    sessions = [record("session", ago) for ago in (30, 14, 7)]
    printed = [("a", "the_wave", TODAY - timedelta(20)), ("joint", "our_cycle", TODAY - timedelta(14))]
    made = fold(*sessions, given=printed)
    assert made.recent == {"joint.our_cycle": Recent("given", TODAY - timedelta(14))}
    review = record("check_in", 3, "b", review=[{"id": "x1", "sheet": "the_wave", "outcome": "worse"}])
    made = fold(*sessions, review, given=printed)
    assert made.recent["b.the_wave"] == Recent("worse", TODAY - timedelta(3))
    assert rules(suggest(made, tables())) == {"R9"}


def test_a_step_that_made_it_worse_stays_so_whatever_a_later_plans_step_did() -> None:
    """Steps of all plans have the ids first and second: one plan's word must not write over another's."""
    one = replace(record("check_in", 9, "b", review=[{"id": "first", "outcome": "worse"}]), of_record="one")
    two = replace(record("check_in", 2, "b", review=[{"id": "first", "outcome": "did_not_help"}]), of_record="two")
    made = fold(one, two)
    found = {key: recent.outcome for key, recent in made.recent.items()}
    assert found == {"b.first.one": "worse", "b.first.two": "did_not_help"}
    assert rules(suggest(made, tables())) == {"R9"}
    unknown = fold(replace(one, of_record=""), replace(two, of_record=""))
    assert {recent.outcome for recent in unknown.recent.values()} == {"worse", "did_not_help"}, "by day then"


def chose(ago: int, about: About, sheet: str, verdict: str, written: str = "", **more: Any) -> Opened:
    """A choice of the map, in the shipped form."""
    answers = {"sheet": {"code": sheet, "title": "x"}, "verdict": verdict, "reason": "Too early."}
    return Opened(CHOICE, about, answers, TODAY - timedelta(ago), written=written, **more)


def test_what_was_declined_is_out_until_it_is_taken_back() -> None:
    declined = chose(9, "a", "secure_base", "declined")
    for more in ([], [chose(8, "b", "secure_base", "confirmed")], [chose(20, "a", "secure_base", "taken_back")]):
        assert fold(declined, *more).recent == {"a.secure_base": Recent("declined", TODAY - timedelta(9))}
    for after in ("confirmed", "taken_back"):
        assert fold(declined, chose(2, "a", "secure_base", after)).recent == {}
        assert fold(declined, chose(9, "a", "secure_base", after, "2026-03-01T10:00:00")).recent == {}
    both = fold(chose(1, "couple", "our_cycle", "declined"))
    assert both.recent == {"joint.our_cycle": Recent("declined", DAY_BEFORE)}
    assert fold(chose(1, "a", "secure_base", "declined", signed=False), with_drafts=True).recent == {}


def test_declining_never_hides_that_something_made_it_worse() -> None:
    review = record("check_in", 3, "b", review=[{"id": "x1", "sheet": "the_wave", "outcome": "worse"}])
    made = fold(record("session", 7), review, chose(1, "b", "the_wave", "declined"))
    assert made.recent["b.the_wave"].outcome == "worse"
    assert rules(suggest(made, tables())) == {"R9"}
    given = [("b", "the_wave", TODAY - timedelta(1))]
    assert fold(record("session", 7), chose(2, "b", "the_wave", "declined"), given=given).recent == {
        "b.the_wave": Recent("declined", TODAY - timedelta(2))
    }


@pytest.mark.parametrize(
    "answers", [{}, {"sheet": {"title": "x"}, "verdict": "declined"}, {"sheet": {"code": "x"}, "verdict": "maybe"}]
)
def test_a_choice_that_is_not_whole_is_none(answers: dict[str, Any]) -> None:
    assert choice.read(CHOICE, "a", answers, TODAY) is None
    assert choice.read(FORM["map"], "couple", answers, TODAY) is None


def test_the_cycle_is_joint_words_only() -> None:
    drawn = record("map", 5, cycle={"a_does": "texts", "exit": "a walk"}, secret_cycle={"cost": "staff words"})
    assert cycle([drawn], tables(), TODAY) == {"a_does": "texts", "exit": "a walk"}
    assert the_map([drawn], tables(), TODAY).exits == ((TODAY - timedelta(5), "a walk"),)


def test_the_map_shows_guesses_side_by_side_with_their_history() -> None:
    records = [
        record("map", 20, a_judgement=[{"id": "low_self_worth", "status": "likely", "reason": "old"}]),
        record("map", 3, a_judgement=[{"id": "low_self_worth", "status": "ruled_out", "reason": "new"}],
               a_links=[{"id": "clinginess", "emotion_regulation": 0}]),
        record("session", 10, a_observed=[seen("clinginess", 4, "partner"), seen("clinginess", 3, "self")]),
        record("check_in", 9, "a", aims=[{"id": "trust", "rating": 0}], signs={}),
        record("check_in", 2, "a", aims=[{"id": "trust", "rating": 4}]),
    ]  # fmt: skip
    found = the_map(records, tables(), TODAY)
    guess = next(one for one in found.guesses if (one.about, one.id) == ("a", "low_self_worth"))
    assert (guess.status, guess.reason) == ("ruled_out", "new")
    assert [judged.status for _, judged in guess.history] == ["likely", "ruled_out"]
    assert len([one for one in found.guesses if one.about == "a"]) == 4
    assert [(one.id, [now.seen_by for now in one.now]) for one in found.signals] == [
        ("clinginess", ["self", "partner"])
    ]
    lines = {(one.signal, one.mechanism): (one.strength, one.own) for one in found.links}
    assert lines == {("clinginess", "attachment_insecurity"): (3, False), ("clinginess", "low_self_worth"): (1, False)}
    assert found.aims["a"]["trust"] == ((TODAY - timedelta(9), 0), (TODAY - timedelta(2), 4))


def test_the_order_of_the_records_does_not_matter() -> None:
    records = [
        *READY,
        record("session", 10, a_observed=[seen("clinginess", 4, "self")]),
        record("check_in", 9, "a", signs={"clinginess": 2}),
        record("map", 3, a_judgement=[{"id": "low_self_worth", "status": "likely"}], decision="light"),
    ]
    assert fold(*records) == fold(*reversed(records))


def test_a_view_with_fewer_keys_gives_less_and_no_error() -> None:
    whole = record("map", 3, a_judgement=[{"id": "low_self_worth", "status": "likely"}], cycle={"a_does": "texts"})
    joint = Opened(whole.definition, "couple", {"cycle": whole.answers["cycle"]}, whole.held_on)
    assert fold(joint).a.mech == {}
    assert the_map([joint], tables(), TODAY).cycle == {"a_does": "texts"}


# What must be there for the map and the rules to work, in the shipped forms.
WANTED = {
    "session": {"observations", "pitfalls", "asked", "today", "worried"},
    "safety_screening": {"screen", "asked"},
    "map": {"judgement", "links", "excluded", "sources", "cycle", "level"},
    "consent_and_secrets_policy": {"policy"},
    "check_in": {"aims"},
    "worksheets/signals_checkin": {"observations", "pitfalls"},
    "worksheets/our_cycle": {"cycle"},
    "worksheets/homework_plan": {"homework"},
}


@pytest.mark.parametrize("name", WANTED)
def test_the_shipped_forms_feed_the_map(name: str) -> None:
    from clinic.services.definitions import read

    found = read(FORMS / f"{name}.toml")
    feeds = {block.feeds for block in found.blocks.values()} - {""}
    assert feeds >= WANTED[name]
    for block in found.blocks.values():
        if block.feeds == "asked":
            known = {answer for rule_ in tables().rules if rule_.what == block.what for answer in rule_.clears}
            answers = {option.id for option in block.options}
            assert block.what in {rule_.what for rule_ in tables().rules} | {"intimate"}
            assert block.what in ("stay", "intimate") or known <= answers
            red = set(tables().red.get(block.what, ())) & answers
            assert block.what == "cause" or red == {option.id for option in block.options if option.red}
