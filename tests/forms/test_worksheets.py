"""The worksheets against CLINICAL_RULES E: every *must* is there, every *never* is not, levels are as decided.

The table is copied here as literals on purpose: a slip in a definition must not change its own check.
"""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from clinic.domain.audience import About
from clinic.domain.definition import Block, Condition, Definition, Text, parse
from clinic.domain.formulation import Opened, facts, the_map
from clinic.domain.homework import BARRIERS, OUTCOMES, ROWS, STEPS
from clinic.domain.library import Library, parse_library
from clinic.domain.tables import parse_tables

FORMS = Path(__file__).resolve().parents[2] / "forms"
SHEETS = sorted(path.stem for path in (FORMS / "worksheets").glob("*.toml"))

# CLINICAL_RULES E: sheet -> (own, joint); "" where the table has a dash.
LEVELS = {
    "signals_checkin": ("open", ""),
    "whats_underneath": ("open", ""),
    "our_cycle": ("", "full"),
    "two_beliefs": ("open", ""),
    "the_wave": ("open", ""),
    "secure_base": ("open", ""),
    "own_worth": ("open", ""),
    "reassurance_or_relief": ("open", "full"),
    "closeness_without_sex": ("", "intimate"),
    "talking_about_sex": ("full", "intimate"),
    "five_steps": ("full", "full"),
    "say_it_specifically": ("full", "full"),
    "pitfall_swaps": ("light", "full"),
    "support_menu": ("light", "light"),
    "circle_of_support": ("open", ""),
    "strategy_planner": ("light", "light"),
    "boundaries_and_goals": ("full", "full"),
    "repair_and_forgive": ("", "full"),
    "homework_plan": ("open", "light"),
    "homework_review": ("open", ""),
    "session_summary": ("open", "light"),
    "when_to_get_more_help": ("open", "open"),
}
# About sex or safety: without a reviewed translation these do not print at all, not even as a draft.
CAREFUL = ("talking_about_sex", "closeness_without_sex", "when_to_get_more_help")
SIGNALS = (
    "anxiety_worry validation_seeking boundary_testing negative_self_talk clinginess withdrawal relationship_doubts"
    " jealousy compliment_rejection frequent_apologies direct_request"
).split()
SEXUAL = "performance_worry praise_seeking_sex touch_seeking placating_sex".split()
PITFALLS = "dismissing minimising empty_promises defensiveness comparing fixing ignoring_roots sole_source".split()
PRACTICES = (
    "right_time_place no_distractions open_body_language",
    "attend reflect_feelings validate clarify",
    "name_the_fear give_evidence love_appreciation reaffirm_commitment",
    "share_load listening_ear self_care suggest_professional",
    "mind_needs keep_consistent celebrate_small no_judgement",
)
# On no sheet at all: promises, blame, roles, diagnoses, gender, glued plurals.
NEVER = re.compile(
    r"\b(no matter what|should|must|you hide|you use|mask(ed|ing|s)?|diagnos\w+|disorder|symptom\w*|patient’s"
    r"|insecure one|helper|always love|never leave|for ever|forever|contradict\w*|dissonan\w+|attachment|regulation"
    r"|he|she|his|him|hers|husband|wife|boyfriend|girlfriend|spouse|my mind added)\b|\(s\)",
    re.IGNORECASE,
)
RISK = re.compile(
    r"sex|abuse|violen|suicid|fear|afraid|safe|control|threat|risk|jealous|screen|trauma|crisis|danger|anxi", re.I
)


@pytest.fixture(scope="module", name="library")
def fixture_library() -> Library:
    return parse_library({path.stem: path.read_bytes() for path in (FORMS / "library").glob("*.toml")})


@pytest.fixture(scope="module", name="read")
def fixture_read(library: Library) -> dict[str, Definition]:
    paths = [FORMS / "worksheets" / f"{stem}.toml" for stem in SHEETS]
    return {path.stem: parse(path.read_bytes(), path.name, library.lists()) for path in paths}


def ids(items: tuple[object, ...]) -> list[str]:
    return [item.id for item in items]  # type: ignore[attr-defined]


def blocks(sheet: Definition, about: About) -> list[Block]:
    return [placed.block for placed in sheet.placed(about)]


def texts(sheet: Definition, about: About | None = None) -> list[Text]:
    """All texts of the sheet, or those on the paper of one record: its head, and the sections and blocks placed."""
    if about is None:
        return list(sheet.texts())
    hidden = set(ids(tuple(sheet.blocks.values()))) - {block.id for block in blocks(sheet, about)}
    gone = {f"{sheet.id}.{section.id}.{id_}." for section in sheet.sections for id_ in hidden}
    placed = {placed.section.id for placed in sheet.placed(about)}
    gone |= {f"{sheet.id}.{section.id}." for section in sheet.sections if section.id not in placed}
    return [text for text in sheet.texts() if not text.key.startswith(tuple(gone) or ("\0",))]


def words(sheet: Definition, about: About | None = None) -> str:
    return " ".join(text.en for text in texts(sheet, about))


def versions(sheet: Definition) -> Iterator[About]:
    """One record for each version on paper: a partner's, the couple's."""
    yield from (about for about in sheet.abouts if about != "b")


# --------------------------------------------------------------------------- all sheets
def test_the_sheets_of_this_version_are_there() -> None:
    assert set(SHEETS) == set(LEVELS)


@pytest.mark.parametrize("stem", SHEETS)
def test_level_and_recipients_are_those_of_the_table(stem: str, read: dict[str, Definition]) -> None:
    own, joint = LEVELS[stem]
    sheet = read[stem]
    assert dict(sheet.level) == {name: level for name, level in (("own", own), ("joint", joint)) if level}
    assert sorted(sheet.recipients) == sorted([*["a", "b"] * bool(own), *["joint"] * bool(joint)])
    assert sheet.blank


@pytest.mark.parametrize("stem", CAREFUL)
def test_a_sheet_about_sex_or_safety_is_careful(stem: str, read: dict[str, Definition]) -> None:
    assert read[stem].careful


@pytest.mark.parametrize("stem", SHEETS)
def test_every_version_has_a_lead_steps_an_example_and_a_stop(stem: str, read: dict[str, Definition]) -> None:
    sheet = read[stem]
    assert sheet.lead
    assert sheet.who
    assert sheet.minutes
    for about in versions(sheet):
        found = blocks(sheet, about)
        examples = [block for block in found if block.text.en.startswith("Example")]
        stops = [block for block in found if block.kind == "callout" and block.tone == "stop"]
        assert len(examples) == 1, about
        assert len(stops) == 1, about
        assert stops[0].text.en.startswith("Stop")
        titled = {placed.section.id for placed in sheet.placed(about) if placed.section.title}
        assert len(titled) >= 2


@pytest.mark.parametrize("stem", SHEETS)
def test_an_answer_belongs_to_its_recipient_and_nothing_is_a_duty(stem: str, read: dict[str, Definition]) -> None:
    sheet = read[stem]
    aside = {"from"} if stem == "homework_plan" else set()  # never on paper
    assert {block.audience for block in sheet.blocks.values() if block.id not in aside} == {"recipient"}
    for about in sheet.abouts:
        mine: set[str] = {"joint", "staff_couple"} if about == "couple" else {about, f"staff_{about}"}
        assert set(sheet.scopes(about)) <= (mine if aside else {"joint" if about == "couple" else about})
    for block in sheet.blocks.values():
        items = (*block.asks, *block.columns, *block.fields, *block.nodes)
        assert not block.required
        assert not any(item.required for item in items)


@pytest.mark.parametrize("stem", SHEETS)
def test_no_sheet_promises_blames_labels_or_tells_a_gender(stem: str, read: dict[str, Definition]) -> None:
    found = {text.key: hit[0] for text in texts(read[stem]) if (hit := NEVER.search(text.en))}
    assert not found


@pytest.mark.parametrize("stem", SHEETS)
def test_the_head_of_a_sheet_is_discreet(stem: str, read: dict[str, Definition]) -> None:
    sheet = read[stem]
    assert not RISK.search(sheet.title.en)
    assert not RISK.search(sheet.who.en)


@pytest.mark.parametrize("stem", SHEETS)
def test_quotes_and_dots_are_typographic(stem: str, read: dict[str, Definition]) -> None:
    assert not re.search(r"['\"]|\.\.\.| - |—|  ", words(read[stem]).replace("\n\n", " "))


@pytest.mark.parametrize("stem", sorted(set(SHEETS) - {"when_to_get_more_help"}))
def test_an_own_page_keeps_first_and_shares_only_if_wanted(stem: str, read: dict[str, Definition]) -> None:
    sheet = read[stem]
    if "a" not in sheet.abouts:
        return
    said = words(sheet, "a")
    assert re.search(r"This page is yours\b.{0,80}\bshared", said), "who the page belongs to"
    assert said.lower().count("nothing on it has to be shared") + said.count("nothing has to be shared") >= 1
    for text in texts(sheet, "a"):
        if re.search(r"\bI may share\b|\bor may share\b", text.en) and text.key.endswith("label"):
            assert "if I want to" in text.en
    assert "share with your partner today" not in said


@pytest.mark.parametrize("stem", SHEETS)
def test_a_partner_is_you_and_never_a_letter(stem: str, read: dict[str, Definition]) -> None:
    sheet = read[stem]
    if "a" in sheet.abouts:
        letters = [text.key for text in texts(sheet, "a") if re.search(r"\bB\b|\bA:|\bA’s\b|\bA or\b", text.en)]
        assert not letters
        assert "you two" not in words(sheet, "a")


# --------------------------------------------------------------------------- sheet by sheet
def test_the_check_in_asks_every_signal_with_the_sexual_ones_apart(
    read: dict[str, Definition], library: Library
) -> None:
    sheet = read["signals_checkin"]
    assert {*SIGNALS, *SEXUAL} == {entry.id for entry in library.entries["signals"]}
    assert {entry.id for entry in library.entries["signals"] if entry.tags.get("sexual")} == set(SEXUAL)
    signs, touch, slips = (sheet.blocks[id_] for id_ in ("signs", "signs_touch", "slips"))
    assert ids(signs.rows) == SIGNALS
    assert ids(touch.rows) == SEXUAL
    assert ids(slips.rows) == PITFALLS
    assert [row.label.key for row in signs.rows] == [f"signals.{id_}.own" for id_ in SIGNALS]
    for block in (signs, touch):
        assert ids(block.points) == ["as_usual", "a_little_more", "more", "much_more", "very_much_more"]
        assert block.feeds == "observations"
    assert slips.feeds == "pitfalls"
    assert len(slips.points) == 5


def test_the_sexual_rows_of_the_check_in_are_a_page_to_skip(read: dict[str, Definition]) -> None:
    sections = {section.id: section for section in read["signals_checkin"].sections}
    assert sections["touch"].new_page
    assert list(sections)[-1] == "touch"
    assert "skip" in sections["touch"].title.en
    others = [block for section in sections.values() if section.id != "touch" for block in section.blocks]
    assert not re.search(r"\bsex", " ".join(f"{b.label.en} {b.text.en} {b.stem.en}" for b in others))
    for section, keep, share in (("choose", "keep", "share"), ("touch", "touch_keep", "touch_share")):
        order = ids(sections[section].blocks)
        assert order.index(keep) < order.index(share)


def test_the_check_in_never_asks_how_safe_the_partner_feels(read: dict[str, Definition]) -> None:
    assert not re.search(r"how safe|safe do you|feel safe", words(read["signals_checkin"]), re.I)


def test_the_loop_has_both_sides_the_price_and_a_way_out(read: dict[str, Definition]) -> None:
    sheet = read["our_cycle"]
    two, cycle = sheet.blocks["loop"], sheet.blocks["round"]
    assert (two.shape, ids(two.nodes)) == ("two", ["a_does", "b_reads", "b_does", "a_reads"])
    names = ["trigger", "insecurity", "reassurance", "relief", "untouched", "cost", "exit"]
    assert (cycle.shape, ids(cycle.nodes)) == ("cycle", names)
    for block in (two, cycle):
        assert block.feeds == "cycle"
        assert block.prefill == "map.cycle"


def test_the_loop_has_no_signature_and_nobody_began(read: dict[str, Definition]) -> None:
    sheet = read["our_cycle"]
    assert "signature" not in {block.kind for block in sheet.blocks.values()}
    assert not re.search(r"\bwho (began|start)|\bfault|\bblame|started it|\bbecause of you", words(sheet), re.I)


def test_the_explorer_has_four_doors_and_none_of_these(read: dict[str, Definition]) -> None:
    sheet = read["whats_underneath"]
    doors = ids(sheet.blocks["fits"].options)
    assert doors == ["two_sides", "strong_feeling", "are_we_close", "am_i_enough", "none"]
    assert {f"door_{door}" for door in doors} <= set(sheet.blocks)
    assert all(sheet.blocks[f"door_{door}"].lines <= 3 for door in doors), "doors are short"


def test_two_thoughts_have_what_they_guard_buy_and_cost(read: dict[str, Definition]) -> None:
    sheet = read["two_beliefs"]
    assert ids(sheet.blocks["pair"].rows) == ["thought", "guards"]
    assert len(sheet.blocks["pair"].columns) == 2
    assert ids(sheet.blocks["buys_costs"].columns) == ["buys", "costs"]
    assert "afraid of someone" in sheet.blocks["stop"].text.en


def test_the_wave_has_minutes_a_return_and_three_ways_down(read: dict[str, Definition]) -> None:
    sheet = read["the_wave"]
    nodes = {node.id: node for node in sheet.blocks["wave"].nodes}
    assert list(nodes) == ["trigger", "feeling", "act", "relief"]
    assert "minutes" in nodes["relief"].hint.en
    assert "returned" in ids(sheet.blocks["later"].asks)
    assert len(sheet.blocks["three"].asks) == 3
    assert "They do not say that your worry is wrong." in words(sheet)
    assert not re.search(r"not true|untrue|no reason|unfounded|too much", words(sheet))


def test_the_steady_place_asks_no_childhood_story(read: dict[str, Definition]) -> None:
    sheet = read["secure_base"]
    assert {"means", "small_signs"} <= set(sheet.blocks)
    assert {"toward", "back"} <= set(ids(sheet.blocks["move"].options))
    assert not re.search(r"child|mother|father|parent|grew up|when you were", words(sheet), re.I)


def test_own_worth_asks_whose_voice_and_lists_no_faults(read: dict[str, Definition]) -> None:
    sheet = read["own_worth"]
    assert "now" in ids(sheet.blocks["voice"].options), "somebody who puts this person down is asked for first"
    order = list(sheet.blocks)
    assert order.index("voice") < order.index("someone_now") < order.index("facts") < order.index("from")
    assert sheet.blocks["sentence"].lines == 1
    assert not sheet.blocks["sentence"].asks
    assert not re.search(r"\bfaults?\b|weakness|what is wrong with", words(sheet))


def test_relief_is_told_by_four_questions_and_never_counted(read: dict[str, Definition]) -> None:
    sheet = read["reassurance_or_relief"]
    four = ["fit", "truth", "lasted", "free"]
    assert ids(sheet.blocks["four"].rows) == four
    assert ids(sheet.blocks["both"].rows) == four
    assert {"missing", "relief_only", "specific"} <= set(ids(sheet.blocks["state_own"].options))
    types = {column.type for block in sheet.blocks.values() for column in block.columns}
    assert types <= {"tick", "text"}, "no numbers"
    assert not re.search(r"how many|number of times|times a (day|week)", words(sheet))
    assert "Do not count how often the other one asks." in words(sheet, "couple")


def test_the_talk_has_five_steps_in_order_with_all_practices(read: dict[str, Definition], library: Library) -> None:
    sheet = read["five_steps"]
    steps = [section for section in sheet.sections if section.numbered]
    assert ids(tuple(steps)) == ["space", "listen", "answer", "acts", "stay"]
    for step, entry, names in zip(steps, library.entries["steps"], PRACTICES, strict=True):
        assert ids(step.blocks[0].options) == names.split()
        assert {library.get("practices", name).tags["step"] for name in names.split()} == {entry.id}
    assert "Only after step 2." in steps[2].hint.en


@pytest.mark.parametrize("about", ["a", "couple"])
def test_the_talk_changes_roles_and_has_an_end(about: About, read: dict[str, Definition]) -> None:
    said = words(read["five_steps"], about)
    assert re.search(r"change roles|Then they change", said)
    assert "ten minutes" in said
    assert "when the time is over" in said


@pytest.mark.parametrize(("about", "table"), [("a", "turns_own"), ("couple", "turns_joint")])
def test_clear_words_have_two_roles_and_a_branch_for_a_true_fear(
    about: About, table: str, read: dict[str, Definition]
) -> None:
    found = {block.id: block for block in blocks(read["say_it_specifically"], about)}
    assert ids(found[table].rows) == ["fear", "answer", "act"]
    assert len(found[table].columns) == 2
    condition = found["own_up"].show_if
    assert condition
    assert (condition.block, condition.op, condition.value) == ("is_true", "is", "some")
    assert ids(found["own_up"].asks) == ["part", "do"]


def test_all_eight_slips_are_there_and_each_marks_only_their_own(read: dict[str, Definition]) -> None:
    sheet = read["pitfall_swaps"]
    for id_ in ("mine", "ours"):
        assert ids(sheet.blocks[id_].rows) == PITFALLS
        assert {row.label.key for row in sheet.blocks[id_].rows} == {f"pitfalls.{one}.own" for one in PITFALLS}
    for id_ in ("swaps_own", "swaps_joint"):
        assert {option.label.key for option in sheet.blocks[id_].options} == {
            f"pitfalls.{one}.instead" for one in PITFALLS
        }
    assert sheet.blocks["mine"].feeds == "pitfalls"
    assert not sheet.blocks["ours"].feeds, "a joint page is no observation of either"
    assert all("own" in column.label.en for column in sheet.blocks["ours"].columns)
    assert "Tick only in your own column." in words(sheet, "couple")
    assert "This page is about you only." in words(sheet, "a")


def test_the_circles_need_no_names_and_may_stay_empty(read: dict[str, Definition]) -> None:
    sheet = read["circle_of_support"]
    assert "joint" not in sheet.recipients
    assert ids(sheet.blocks["kinds"].rows) == ["people", "places", "things", "help"]
    assert "You need no names. A circle may stay empty." in words(sheet)
    assert "name" not in " ".join(node.label.en for node in sheet.blocks["rings"].nodes).lower()


@pytest.mark.parametrize(
    ("about", "scales", "grids", "below"),
    [
        ("a", ["weeks", "confidence"], ["week", "week_2", "week_3", "week_4"], "below_own"),
        ("couple", ["weeks", "confidence_a", "confidence_b"], ["both_1", "both_2", "both_3", "both_4"], "below_joint"),
    ],
)
def test_the_plan_has_a_grid_and_a_way_to_refuse_for_each(
    about: About, scales: list[str], grids: list[str], below: str, read: dict[str, Definition]
) -> None:
    sheet = read["homework_plan"]
    found = blocks(sheet, about)
    assert [block.id for block in found if block.kind == "scale"] == scales
    assert all((sheet.blocks[id_].min, sheet.blocks[id_].max) == (0, 10) for id_ in scales if id_ != "weeks")
    assert (sheet.blocks["weeks"].min, sheet.blocks["weeks"].max) == (1, 4)
    assert [block.id for block in found if block.kind == "grid"] == ["days", *grids]
    for number, id_ in enumerate(grids[1:], 2):  # a week has its grid if the plan has that week
        assert sheet.blocks[id_].show_if == Condition("weeks", "at_least", number)
    assert all(row.type == "tick" for id_ in grids for row in sheet.blocks[id_].rows), "no score at night"
    options = {option.id: option.label.en for option in sheet.blocks[below].options}
    assert {"smaller", "not_wanted"} <= set(options)
    assert "want this" in options["not_wanted"]
    assert "7" in sheet.blocks[below].label.en


def test_the_plan_asks_for_all_that_makes_a_step_exact(read: dict[str, Definition]) -> None:
    sheet = read["homework_plan"]
    assert ids(sheet.blocks["plan"].rows) == list(ROWS)
    assert ids(sheet.blocks["plan"].columns) == ids(sheet.blocks["who"].columns) == list(STEPS), "two steps at most"
    for id_ in ("days", "from"):
        assert ids(sheet.blocks[id_].rows) == list(STEPS), "rows are joined by their ids"
    assert {(field.id, field.type) for field in sheet.blocks["times"].fields} == {
        ("first_time", "time"), ("first_minutes", "text"), ("second_time", "time"), ("second_minutes", "text"),
        ("day", "date"),
    }  # fmt: skip
    assert {sheet.blocks[id_].feeds for id_ in ("plan", "who", "days", "times", "weeks")} == {"homework"}
    assert not re.search(r"how close|closeness|night", words(sheet), re.I)


def test_forgiving_is_never_a_step_of_a_plan(read: dict[str, Definition], library: Library) -> None:
    activity, practice = read["homework_plan"].blocks["from"].columns
    forgiving = {one.id for one in library.get("strategies", "forgiveness").parts}
    every = {one.id for strategy in library.entries["strategies"] for one in strategy.parts}
    assert set(ids(activity.options)) == every - forgiving
    assert ids(practice.options) == ids(library.entries["practices"])


def test_the_help_page_is_one_page_for_everybody(read: dict[str, Definition]) -> None:
    sheet = read["when_to_get_more_help"]
    assert not any(section.only for section in sheet.sections)
    assert not any(block.only for block in sheet.blocks.values())
    assert words(sheet, "a") == words(sheet, "b") == words(sheet, "couple")
    assert len(sheet.blocks["who"].rows) >= 8, "all kinds of help on one page"
    assert not re.search(r"\d{3,}", words(sheet)), "numbers are the clinic's own"


@pytest.mark.parametrize(
    ("about", "table", "columns"),
    [("a", "list_own", ["ask", "offer"]), ("couple", "list_joint", ["a_ask", "a_offer", "b_ask", "b_offer"])],
)
def test_the_menu_has_asks_offers_and_not_now_and_no_sex(
    about: About, table: str, columns: list[str], read: dict[str, Definition]
) -> None:
    sheet = read["support_menu"]
    found = {block.id: block for block in blocks(sheet, about)}
    assert ids(found[table].columns) == columns
    assert {column.type for column in found[table].columns} == {"tick"}
    assert len(found[table].rows) >= 8
    said = words(sheet, about)
    assert "“not now”" in said
    assert "Touch is not on this menu." in said
    assert not re.search(r"\bsex|\bkiss|\bhugs?\b|cuddl|caress|\bbed\b", said, re.I)
    assert not re.search(r"touch|hold|held|arms", " ".join(row.label.en for row in found[table].rows), re.I)


@pytest.mark.parametrize(
    ("about", "pick", "steps"), [("a", "pick_own", "steps_own"), ("couple", "pick_joint", "steps_joint")]
)
def test_the_planner_takes_one_of_ten_two_at_most_and_a_minimum(
    about: About, pick: str, steps: str, read: dict[str, Definition], library: Library
) -> None:
    sheet = read["strategy_planner"]
    found = {block.id: block for block in blocks(sheet, about)}
    assert ids(found[pick].options) == ids(library.entries["strategies"])
    assert len(found[pick].options) == 10
    assert found[pick].max == 2
    assert ids(found[steps].rows) == ["first", "second"]
    assert "minimum" in ids(found[steps].columns)
    assert "forgiving is for a talk at a visit, not for a step at home" in words(sheet, about)
    assert "not_wanted" in {option.id for block in found.values() for option in block.options}


@pytest.mark.parametrize("about", ["a", "couple"])
def test_limits_are_not_traded_and_goals_are_each_ones_own(about: About, read: dict[str, Definition]) -> None:
    sheet = read["boundaries_and_goals"]
    said = words(sheet, about)
    assert "A no needs no reason." in said
    assert "It does not decide whom another person sees" in said, "a limit is no means of control"
    assert re.search(r"not there to be traded|Nobody trades one limit for another", said)
    assert not re.search(r"compromise|\bdeal\b|in return|meet in the middle|\bour goal|shared goal", said, re.I)
    asked = {item.id for block in blocks(sheet, about) for item in (*block.asks, *block.rows)}
    assert {"limit", "goal", "back"} <= asked


def test_wishes_begin_on_an_own_page_that_may_be_skipped(read: dict[str, Definition]) -> None:
    sheet = read["talking_about_sex"]
    wishes = sheet.blocks["wishes"]
    assert ids(wishes.columns) == ["want", "not_want", "not_sure", "private"]
    assert {column.type for column in wishes.columns} == {"tick"}
    assert {"skip", "never"} <= set(ids(sheet.blocks["today_own"].options))
    assert "You may skip a line or the whole page." in words(sheet, "a")
    first = blocks(sheet, "couple")[0]
    assert (first.id, first.options[0].id) == ("before_joint", "alone"), "the own page comes first"
    assert ids(sheet.blocks["said"].rows) == ["want", "not_want", "not_sure", "skip"]


@pytest.mark.parametrize("stem", ["talking_about_sex", "closeness_without_sex"])
def test_sheets_near_sex_are_not_explicit_and_count_nothing(stem: str, read: dict[str, Definition]) -> None:
    sheet = read[stem]
    said = words(sheet)
    explicit = r"orgasm|erect|genital|penetr|naked|undress|arous|intercourse|\boral|masturb|foreplay|desire|libido"
    counted = r"how often|how many|times a (day|week|month)|\ba week\b|frequen|more often|less often|each time"
    assert not re.search(explicit, said, re.I)
    assert not re.search(counted, said, re.I)
    assert {column.type for block in sheet.blocks.values() for column in block.columns} <= {"tick", "text"}
    assert not {"scale", "matrix", "grid"} & {block.kind for block in sheet.blocks.values()}


def test_closeness_has_a_menu_without_touch_vetoes_a_stop_word_and_no_ladder(read: dict[str, Definition]) -> None:
    sheet = read["closeness_without_sex"]
    order = list(sheet.blocks)
    assert order.index("stop_word") < order.index("apart") < order.index("with_touch")
    for id_ in ("apart", "with_touch"):
        assert ids(sheet.blocks[id_].columns) == ["a_like", "a_not", "b_like", "b_not"]
    apart = sheet.blocks["apart"].rows
    assert len(apart) > len(sheet.blocks["with_touch"].rows)
    assert not re.search(r"touch|hand|hug|hold|hair|skin", " ".join(row.label.en for row in apart), re.I)
    said = words(sheet)
    assert "good in itself" in said
    assert "Nothing on this page is a step to sex." in said
    assert "One “not for me” is enough to leave it out, and it needs no reason." in said
    assert not re.search(r"\b(levels?|stages?|ladder|next step|later on|move on|build up|work up)\b", said, re.I)


def test_repair_asks_ended_owned_wanted_first_and_forgiving_is_free(read: dict[str, Definition]) -> None:
    sheet = read["repair_and_forgive"]
    assert ids(sheet.blocks["three"].rows) == ["ended", "owned", "wanted"]
    order = list(sheet.blocks)
    assert order.index("three") < order.index("owning") < order.index("hurting") < order.index("today")
    assert {"mine", "not_now", "no"} <= set(ids(sheet.blocks["today"].options))
    said = words(sheet)
    assert "To forgive is a free choice." in said
    assert "It may take a long time, and it may never come." in said
    assert "It is not the same as trust, and not the same as staying." in said
    assert "It is no task for home." in said
    assert not re.search(r"(have|need|ought) to forgive|\bowe|for the sake of", said, re.I)


def test_the_review_has_five_answers_for_each_of_two_steps(read: dict[str, Definition]) -> None:
    sheet = read["homework_review"]
    assert sheet.kind == "review"
    for id_ in ("first", "second"):
        assert sheet.blocks[id_].kind == "choice"
        assert ids(sheet.blocks[id_].options) == list(OUTCOMES)
        assert ids(sheet.blocks[f"{id_}_barrier"].options) == list(BARRIERS)
    assert ids(sheet.blocks["how_it_was"].columns) == ["words"]
    said = words(sheet)
    assert "Write about your own part only." in said
    assert "This page is not there to prove anything about anyone." in said
    assert not re.search(r"my partner|your partner|the other one", said, re.I)


def test_what_the_review_says_of_a_step_is_read_as_one(read: dict[str, Definition], library: Library) -> None:
    """Task, outcome and barrier come from three blocks; rule R9 hears “worse”."""
    answers = {
        "steps": [{"id": "first", "task": "a walk"}, {"id": "second", "task": "a call"}],
        "first": "worse",
        "second": "done",
        "how_it_was": [{"id": "first", "words": "too loud"}],
    }
    day = date(2026, 3, 2)
    tables = parse_tables((FORMS / "suggestion.toml").read_bytes(), library)
    record = Opened(read["homework_review"], "a", answers, day)
    rows = [row for _, _, row in the_map([record], tables, day).reviews]
    assert rows == [
        {"id": "first", "task": "a walk", "outcome": "worse", "words": "too loud"},
        {"id": "second", "task": "a call", "outcome": "done"},
    ]
    assert [recent.outcome for recent in facts([record], tables, day).recent.values()] == ["worse"]


@pytest.mark.parametrize("about", ["a", "couple"])
def test_the_summary_is_room_to_write_without_scores(about: About, read: dict[str, Definition]) -> None:
    sheet = read["session_summary"]
    assert sheet.kind == "handout"
    found = {block.id: block for block in blocks(sheet, about)}
    assert {"did", "helped", "until", "visit"} <= set(found)
    shared = {"shared"} if about == "couple" else set()
    assert {block.kind for block in found.values()} - {"prose", "callout", "prompt", "date"} == shared, (
        "no number, no choice"
    )
    assert not any(block.feeds for block in found.values())
    assert {block.kind for block in found.values() if block.prefill} == shared, "what both let go, and nothing else"
    assert not re.search(r"score|\blevels?\b|rating|screen|progress|how close|0 to 10", words(sheet), re.I)
    assert "If one of you wants a line left out, it is left out." in words(sheet, "couple")


def test_below_each_swap_stands_the_slip_it_can_replace(read: dict[str, Definition]) -> None:
    for name in ("swaps_own", "swaps_joint"):
        options = read["pitfall_swaps"].blocks[name].options
        assert [(one.label.key, one.hint.key) for one in options] == [
            (f"pitfalls.{one.id}.instead", f"pitfalls.{one.id}.people") for one in options
        ]
        assert all(one.hint.en for one in options)
