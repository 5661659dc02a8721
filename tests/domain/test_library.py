"""The library says what the design says: ids in order, links, rules, swaps, and words that may not stand.

The tables below are copied from CLINICAL and CLINICAL_RULES by hand, independently of the files they test.
"""

import re
from pathlib import Path

import pytest

from clinic.domain.errors import DefinitionError
from clinic.domain.library import SHAPES, Library, parse_library

FOLDER = Path(__file__).resolve().parents[2] / "forms" / "library"

IDS = {
    "signals": """
        anxiety_worry validation_seeking boundary_testing negative_self_talk clinginess withdrawal
        relationship_doubts jealousy compliment_rejection frequent_apologies performance_worry
        praise_seeking_sex touch_seeking placating_sex direct_request""",
    "mechanisms": "cognitive_dissonance emotion_regulation attachment_insecurity low_self_worth",
    "sources": """
        past_hurt unresolved_conflict self_worth sexual_differences broken_trust outside_stress health
        unequal_load family_culture_faith fear_or_pressure unsure""",
    "aims": "trust calm bond communication growth give_back",
    "steps": "safe_space listen_validate specific_reassurance practical_support patient_consistent",
    "practices": """
        right_time_place no_distractions open_body_language attend reflect_feelings validate clarify
        name_the_fear give_evidence love_appreciation reaffirm_commitment share_load listening_ear
        self_care suggest_professional mind_needs keep_consistent celebrate_small no_judgement""",
    "pitfalls": """
        dismissing minimising empty_promises defensiveness comparing fixing ignoring_roots sole_source""",
    "strategies": """
        open_communication emotional_intimacy foundation_of_trust appreciation quality_time forgiveness
        professional_help boundaries each_others_goals embrace_change""",
}

PRACTICES_OF_STEP = {
    "safe_space": 3,
    "listen_validate": 4,
    "specific_reassurance": 4,
    "practical_support": 4,
    "patient_consistent": 4,
}

# CLINICAL_RULES B. Columns: dissonance, regulation, attachment, self-worth.
STRENGTHS = {
    "anxiety_worry": (1, 2, 2, 1),
    "validation_seeking": (0, 2, 1, 3),
    "boundary_testing": (1, 1, 3, 1),
    "negative_self_talk": (0, 1, 2, 3),
    "clinginess": (0, 2, 3, 1),
    "withdrawal": (1, 2, 3, 1),
    "relationship_doubts": (2, 1, 3, 1),
    "jealousy": (0, 2, 2, 2),
    "compliment_rejection": (1, 0, 1, 3),
    "frequent_apologies": (0, 1, 2, 2),
    "performance_worry": (1, 2, 1, 2),
    "praise_seeking_sex": (0, 2, 1, 3),
    "touch_seeking": (0, 3, 2, 1),
    "placating_sex": (3, 1, 2, 1),
    "direct_request": (0, 0, 0, 0),
}

# CLINICAL_RULES D: the rules whose condition names the signal.
RULES = {
    "R1": {"jealousy", "boundary_testing", "frequent_apologies", "withdrawal", "placating_sex"},
    "R2": {"placating_sex", "touch_seeking"},
    "R3": {"negative_self_talk"},
    "R4": {"relationship_doubts"},
    "R5": {"jealousy"},
    "R6": {"relationship_doubts", "validation_seeking", "anxiety_worry"},
    "R7": {"performance_worry"},
}

SEXUAL = {"performance_worry", "praise_seeking_sex", "touch_seeking", "placating_sex"}
UNFLAGGED = {"praise_seeking_sex", "direct_request"}  # CLINICAL_RULES A has no ask-alone for them

SWAPS = {
    "dismissing": ["validate", "reflect_feelings"],
    "minimising": ["attend", "clarify"],
    "empty_promises": ["name_the_fear", "keep_consistent"],
    "defensiveness": ["attend"],
    "comparing": ["love_appreciation"],
    "fixing": ["listening_ear", "attend"],
    "ignoring_roots": ["whats_underneath", "suggest_professional"],
    "sole_source": ["self_care", "circle_of_support"],
}

# CLINICAL §8: swaps may name a sheet, also one that is not written yet.
SHEETS = """
    signals_checkin whats_underneath our_cycle two_beliefs the_wave secure_base own_worth
    reassurance_or_relief closeness_without_sex talking_about_sex five_steps say_it_specifically
    pitfall_swaps support_menu circle_of_support strategy_planner boundaries_and_goals repair_and_forgive
    homework_plan homework_review session_summary when_to_get_more_help""".split()

# What A's table says each signal could be instead: a word of each, as it must stand in `rule_outs`.
RULE_OUTS = {
    "anxiety_worry": "anxiety disorder|depression|thyroid|sleep|substances|threat",
    "validation_seeking": "OCD|new job|new country|put down|doubted",
    "boundary_testing": "attention|impulses|leave|punish|agreed",
    "negative_self_talk": "depression|grief|insult|modesty|figure of speech",
    "clinginess": "illness|disability|baby|migration|contacts|norms",
    "withdrawal": "autism|overload|low desire|asexual|pain|medicines|grief|depression|safe",
    "relationship_doubts": "honest|leave|OCD",
    "jealousy": "true breach|agreements|past|OCD|paranoia|alcohol",
    "compliment_rejection": "manners|cultures|pressure",
    "frequent_apologies": "courtesy|language|OCD|violence",
    "performance_worry": "pain|erection|arousal|hormones|medicines|birth|menopause|illness|trauma|gender",
    "praise_seeking_sex": "shamed|compared|media",
    "touch_seeking": "love of touch|sensory|grief",
    "placating_sex": "asexual|child|faith|pressure",
    "direct_request": "again",
}

NEVER = re.compile(
    r"no matter what|\bshould|\byou hide|\byou use|partner hides|manipulat|needy|insecure|unmet|too sensitive"
    r"|\bvictim|\babus|dysfunction|disorder|diagnos|frigid|\bduty|husband|\bwife|\bs?he\b|\bhim\b|\bher\b|\bhis\b"
    r"|always love|never leave|without cause|orgasm|how often do you have sex",
    re.IGNORECASE,
)
STAFF_FIELDS = set("title looks rule_outs care flag idea explore caution refer limit not_when".split())
CLIENT_LOOKS = {"pitfalls"}  # there `looks` is what the pitfall sounds like, read by clients


@pytest.fixture(scope="module", name="library")
def fixture_library() -> Library:
    return parse_library({path.stem: path.read_bytes() for path in sorted(FOLDER.glob("*.toml"))})


def client_texts(library: Library) -> list[tuple[str, str]]:
    """(key, English) of what clients may read, and the reasons and titles of nothing else."""
    found = []
    for name, entries in library.entries.items():
        for entry in entries:
            if entry.tags.get("staff_only"):
                continue
            hidden = STAFF_FIELDS - ({"looks"} if name in CLIENT_LOOKS else set())
            found += [(text.key, text.en) for field, text in entry.texts.items() if field not in hidden]
            for part in entry.parts:
                found += [(text.key, text.en) for field, text in part.texts.items() if field != "not_for"]
    return found


def test_all_lists_are_there(library: Library) -> None:
    assert set(library.entries) == set(SHAPES) == set(IDS)


@pytest.mark.parametrize("name", IDS)
def test_ids_stand_in_the_order_of_the_design(name: str, library: Library) -> None:
    assert [entry.id for entry in library.entries[name]] == IDS[name].split()


@pytest.mark.parametrize("signal", STRENGTHS)
def test_links_have_the_strengths_of_table_b(signal: str, library: Library) -> None:
    links = {link.to: link.strength for link in library.get("signals", signal).links}
    wanted = dict(zip(IDS["mechanisms"].split(), STRENGTHS[signal], strict=True))
    assert links == {mechanism: strength for mechanism, strength in wanted.items() if strength}


def test_every_link_has_a_reason_of_one_line(library: Library) -> None:
    reasons = [link.reason.en for signal in library.entries["signals"] for link in signal.links]
    assert len(reasons) == sum(1 for row in STRENGTHS.values() for one in row if one)
    assert len(set(reasons)) == len(reasons)
    assert all(0 < len(reason) <= 90 for reason in reasons)


def test_signals_name_the_rules_they_appear_in(library: Library) -> None:
    named = {(rule, one.id) for one in library.entries["signals"] for rule in one.tags.get("rules", ())}
    assert named == {(rule, signal) for rule, signals in RULES.items() for signal in signals}


def test_sexual_and_strength_marks(library: Library) -> None:
    signals = library.entries["signals"]
    assert {one.id for one in signals if one.tags.get("sexual")} == SEXUAL
    assert {one.id for one in signals if one.tags.get("strength")} == {"direct_request"}


def test_flags_stand_where_the_table_has_one(library: Library) -> None:
    assert {one.id for one in library.entries["signals"] if "flag" not in one.texts} == UNFLAGGED


def test_every_signal_may_also_be_anxiety_or_depression(library: Library) -> None:
    for signal in library.entries["signals"]:
        for word in ("anxiety disorder", "depression", "professional help", "do not push"):
            assert word in signal.texts["care"].en, signal.id


@pytest.mark.parametrize("signal", RULE_OUTS)
def test_rule_outs_are_complete(signal: str, library: Library) -> None:
    text = library.get("signals", signal).texts["rule_outs"].en.lower()
    assert [word for word in RULE_OUTS[signal].split("|") if word.lower() not in text] == []


@pytest.mark.parametrize("signal", [one for one in STRENGTHS if one != "direct_request"])
def test_a_signal_is_a_change_not_a_trait(signal: str, library: Library) -> None:
    looks = library.get("signals", signal).texts["looks"].en
    assert "usual" in looks or re.search(r"\bmore\b.*\bthan\b", looks)


@pytest.mark.parametrize("signal", STRENGTHS)
def test_the_own_line_reads_well_beside_as_usual_or_more(signal: str, library: Library) -> None:
    own = library.get("signals", signal).texts["own"].en
    assert re.match(r"I\b.*\.\Z", own)
    assert "usual" not in own


def test_sexual_rows_may_be_skipped(library: Library) -> None:
    for id_ in SEXUAL:
        assert "You may skip this." in library.get("signals", id_).texts["ask"].en


def test_only_fear_or_pressure_is_for_staff(library: Library) -> None:
    assert [one.id for one in library.lists()["sources"] if one.staff_only] == ["fear_or_pressure"]
    assert not [key for key, _ in client_texts(library) if "fear_or_pressure" in key]


def test_practices_belong_to_their_steps(library: Library) -> None:
    steps = [entry.tags["step"] for entry in library.entries["practices"]]
    assert steps == [step for step, count in PRACTICES_OF_STEP.items() for _ in range(count)]


@pytest.mark.parametrize("pitfall", SWAPS)
def test_pitfalls_swap_toward_practices_or_sheets(pitfall: str, library: Library) -> None:
    swaps = library.get("pitfalls", pitfall).tags["swaps"]
    assert swaps == SWAPS[pitfall]
    assert set(swaps) <= {*IDS["practices"].split(), *SHEETS}


@pytest.mark.parametrize("pitfall", SWAPS)
def test_each_marks_their_own_pitfall(pitfall: str, library: Library) -> None:
    assert re.match(r"I\b.*\.\Z", library.get("pitfalls", pitfall).texts["own"].en)


@pytest.mark.parametrize("strategy", IDS["strategies"].split())
def test_a_strategy_has_two_to_four_activities(strategy: str, library: Library) -> None:
    parts = library.get("strategies", strategy).parts
    assert 2 <= len(parts) <= 4
    for part in parts:
        assert part.texts["stop"].en.startswith("Stop "), part.id
        assert part.texts["minimum"].en != part.texts["harder"].en


def test_activities_have_unique_ids(library: Library) -> None:
    ids = [item.id for item in library.lists()["activities"]]
    assert len(set(ids)) == len(ids)


def test_no_activity_consists_of_sex_or_touch(library: Library) -> None:
    """Better sex leaves the source untouched; touch stands beside other choices, only if both like it."""
    for strategy in library.entries["strategies"]:
        for part in strategy.parts:
            told = " ".join(part.texts[field].en for field in ("title", "step", "minimum", "harder"))
            assert not re.search(r"\bsex", told), part.id
            assert "touch" not in told.lower() or "only if you both like it" in told, part.id


def test_forgiving_is_no_homework(library: Library) -> None:
    for part in library.get("strategies", "forgiveness").parts:
        assert part.texts["step"].en.startswith("In a session")
        assert "session" in part.texts["how_long"].en


def test_words_that_may_not_stand_before_clients(library: Library) -> None:
    found = [(key, match.group()) for key, text in client_texts(library) if (match := NEVER.search(text))]
    assert found == []


def test_no_rule_number_before_clients(library: Library) -> None:
    """R1–R10 and levels show in the staff trace only."""
    assert [key for key, text in client_texts(library) if re.search(r"\bR\d|\brule R|\blevel\b", text)] == []


def test_typography(library: Library) -> None:
    """Typographic quotation marks and apostrophes, no plural in brackets, no placeholder, no long dash."""
    wrong = re.compile(r"['\"]|\.\.\.|\(s\)|[{}%]|TODO|—|  |\n")
    assert [text.key for text in library.texts() if wrong.search(text.en)] == []


def test_an_unknown_step_or_mechanism_is_named() -> None:
    files = {path.stem: path.read_bytes() for path in FOLDER.glob("*.toml")}
    broken = files | {"practices": files["practices"].replace(b'step = "safe_space"', b'step = "nowhere"', 1)}
    with pytest.raises(DefinitionError, match="nowhere"):
        parse_library(broken)
    broken = files | {"signals": files["signals"].replace(b".links.low_self_worth]", b".links.low_worth]", 1)}
    with pytest.raises(DefinitionError, match="low_worth"):
        parse_library(broken)
