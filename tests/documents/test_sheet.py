"""What stands on a sheet: only what its recipient may read, counted without gaps."""

from typing import Any

import pytest

from clinic import documents
from clinic.documents import words
from clinic.domain.audience import About, Recipient, readable
from clinic.domain.definition import Definition

from . import samples
from .catalogues import EN
from .conftest import every_kind, make_page, shipped

DEFINITIONS = shipped()
COPIES: list[tuple[str, Recipient]] = [
    (id_, recipient)
    for id_, one in DEFINITIONS.items()
    for recipient in ("joint", "a", "b")
    if recipient in one.recipients
]


def about_of(recipient: Recipient) -> About:
    return "couple" if recipient == "joint" else recipient


def marked(definition: Definition, about: About) -> dict[str, Any]:
    """Answers everywhere, each text naming the scope it belongs to."""
    found: dict[str, Any] = {}
    for placed in definition.placed(about):
        text = f"CANARY-{placed.scope}-CANARY"
        answer = samples.answers(definition, about, text=text).get(placed.name)
        if answer is not None:
            found[placed.name] = answer
    return found


@pytest.mark.parametrize(("id_", "recipient"), COPIES)
def test_no_answer_or_question_of_another_scope_is_on_a_sheet(id_: str, recipient: Recipient) -> None:
    definition = DEFINITIONS[id_]
    about = about_of(recipient)
    answers = marked(definition, about)
    html = make_page(definition, answers, recipient).html
    placed = definition.placed(about)
    allowed = readable(recipient)
    for scope in {one.scope for one in placed} - allowed:
        assert f"CANARY-{scope}-" not in html
    sheet = documents.sheet(definition, answers, recipient, about)
    mine = {one.block.id for one in placed if one.scope in allowed}
    assert {part.block.id for part in sheet.parts} <= mine
    said = {one.block.label.en for one in placed if one.scope in allowed}
    for one in placed:
        if one.scope not in allowed and one.block.label.en and one.block.label.en not in said:
            assert f">{one.block.label.en}<" not in html


@pytest.mark.parametrize("recipient", ["joint", "a", "b"])
def test_canaries_of_own_scope_are_printed_and_no_others(recipient: Recipient) -> None:
    about = about_of(recipient)
    definition = every_kind()
    html = make_page(definition, marked(definition, about), recipient).html
    assert ("CANARY-joint-" in html) is (recipient == "joint")
    assert ("CANARY-a-" in html) is (recipient == "a")
    assert ("CANARY-b-" in html) is (recipient == "b")
    assert "CANARY-staff" not in html
    assert "CANARYSTAFF" not in html
    assert "CANARYONLYA" not in html


def test_answers_that_were_handed_over_by_mistake_do_not_decide_what_is_shown() -> None:
    definition = every_kind()
    clean = {"spoke": "no", "five": 1}
    dirty = clean | {"only_staff": "x", "only_a": "y", "nothing_such": "z"}
    one, two = (documents.sheet(definition, answers, "joint", "couple") for answers in (clean, dirty))
    assert one == two


@pytest.mark.parametrize(("id_", "recipient"), COPIES)
@pytest.mark.parametrize("filled", [False, True])
def test_steps_are_counted_without_gaps(id_: str, recipient: Recipient, filled: bool) -> None:
    definition, about = DEFINITIONS[id_], about_of(recipient)
    answers = samples.answers(definition, about) if filled else None
    sheet = documents.sheet(definition, answers, recipient, about)
    numbers = [step.number for step in sheet.steps if step.number]
    assert numbers == list(range(1, len(numbers) + 1))
    assert sheet.steps
    assert all(step.parts for step in sheet.steps)


def test_a_hidden_step_leaves_no_gap() -> None:
    definition = every_kind()
    whole = documents.sheet(definition, None, "joint", "couple")
    assert [step.number for step in whole.steps] == [1, 2, 3, 4, 5, 6]
    assert "only_a" not in {part.block.id for part in whole.parts}
    assert "only_staff" not in {part.block.id for part in whole.parts}


def test_a_blank_asks_all_questions_and_says_when() -> None:
    sheet = documents.sheet(every_kind(), None, None, "couple")
    leads = {part.block.id: part.when for part in sheet.parts if part.when}
    assert leads["how_was_it"].word is words.IF_YES
    assert leads["sadness"].choice is not None
    assert leads["tell_more"].number == 3
    html = make_page(every_kind()).html
    assert "If yes:" in html
    assert "If 3 or more:" in html
    assert "If “I was sad and said so" in html


def test_a_filled_sheet_leaves_out_what_does_not_apply() -> None:
    sheet = documents.sheet(every_kind(), {"spoke": "no", "felt": ["sad"], "five": 2}, "joint", "couple")
    ids = {part.block.id for part in sheet.parts}
    assert "how_was_it" not in ids
    assert "tell_more" not in ids
    assert "sadness" in ids
    assert all(part.when is None for part in sheet.parts)


@pytest.mark.parametrize(
    ("kind", "room"), [("worksheet", True), ("homework", True), ("intake", False), ("session", False)]
)
def test_a_record_says_no_answer_where_a_worksheet_keeps_room(kind: str, room: bool) -> None:
    definition = every_kind(kind)
    html = make_page(definition, {"before": "we talked"}).html
    assert ("No answer" in html) is not room
    assert ('class="line"' in html) is room
    assert "No answer" not in make_page(definition).html


def test_own_sheets_name_no_partner_and_joint_sheets_have_both_lines() -> None:
    own = make_page(every_kind(), None, "a").html
    joint = make_page(every_kind(), None, "joint").html
    assert "Partner A" not in own
    assert "Partner B" not in own
    assert "Signature" in own
    assert "Partner A" in joint
    assert "Partner B" in joint


def test_the_sheets_of_both_partners_are_alike() -> None:
    assert make_page(every_kind(), None, "a") == make_page(every_kind(), None, "b")


def test_answers_need_a_recipient_and_a_partner_gets_no_other_partners_record() -> None:
    with pytest.raises(ValueError, match="recipient"):
        documents.sheet(every_kind(), {}, None, "couple")
    with pytest.raises(ValueError, match="partner only"):
        documents.sheet(every_kind(), {}, "b", "a")
    with pytest.raises(ValueError, match="partner only"):
        documents.sheet(every_kind(), {}, "joint", "a")


def test_open_rows_keep_room_for_more() -> None:
    answers = {"log": [{"id": "r1", "what": "a"}]}
    part = next(p for p in documents.sheet(every_kind(), answers, "joint", "couple").parts if p.block.id == "log")
    assert part.rows == ("r1", "", "")
    told = next(
        p for p in documents.sheet(every_kind("session"), answers, "joint", "couple").parts if p.block.id == "log"
    )
    assert told.rows == ("r1",)


def test_strings_name_the_place_of_every_text() -> None:
    definition = every_kind()
    answers = samples.answers(definition, "couple") | {"before": "ANSWER ⁂"}
    found = list(documents.strings(documents.sheet(definition, answers, "joint", "couple"), EN))
    assert ("What was going on just before?", "ANSWER ⁂") in found
    said = {text for _, text in found}
    assert {"Worksheet", "as a reproach", "My body got calm", "most of the time", "calm again", "Partner B"} <= said
    assert "CANARYONLYA" not in said
    assert all(place for place, _ in found)


def test_a_sheet_cannot_be_changed() -> None:
    sheet = documents.sheet(every_kind(), {"before": "x"}, "joint", "couple")
    with pytest.raises(TypeError):
        sheet.parts[1].values[""] = "y"  # type: ignore[index]


def test_words_have_one_key_each() -> None:
    keys = [text.key for text in words.texts()]
    assert len(keys) == len(set(keys)) > 20
    assert all(key.startswith("sheet.") for key in keys)
    assert words.TITLE in list(words.texts())
