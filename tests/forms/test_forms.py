"""The shipped forms: who may read what, what feeds the map, what a safety talk covers, and that they read easily."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from clinic.domain.answer import by_scope, missing, read_form
from clinic.domain.audience import About, about_of, readable
from clinic.domain.definition import ALLOWED, Block, Definition, Item, parse
from clinic.domain.library import Library, parse_library
from tests.forms.test_reading_level import check, client_sheet, measure

FORMS = Path(__file__).resolve().parents[2] / "forms"

# id: kind, abouts, recipients, blank on paper
EXPECTED = {
    "intake": ("intake", ("couple",), ("joint",), True),
    "partner_intake": ("intake", ("a", "b"), ("a", "b"), True),
    "safety_screening": ("screening", ("a", "b"), (), False),
    "consent_and_secrets_policy": ("agreement", ("couple",), ("joint",), True),
    "session": ("session", ("couple",), (), False),
    "check_in": ("check_in", ("a", "b"), ("a", "b"), True),
    "map": ("map", ("couple",), (), False),
    "addendum": ("addendum", ("couple", "a", "b"), ("joint", "a", "b"), False),
    "supervision_note": ("note", ("couple",), (), False),
}
CLIENT = sorted(id_ for id_, one in EXPECTED.items() if one[2])
STAFF_ONLY = sorted(set(EXPECTED) - set(CLIENT))


@cache
def library() -> Library:
    return parse_library({path.stem: path.read_bytes() for path in (FORMS / "library").glob("*.toml")})


@cache
def form(id_: str) -> Definition:
    return parse((FORMS / f"{id_}.toml").read_bytes(), f"{id_}.toml", library().lists())


def feeding(definition: Definition, feeds: str) -> list[Block]:
    return [block for block in definition.blocks.values() if block.feeds == feeds]


def ids(block: Block | Item, field: str) -> list[str]:
    return [one.id for one in getattr(block, field)]


# --------------------------------------------------------------------------- all of them
@pytest.mark.parametrize("id_", EXPECTED)
def test_kind_about_recipients_and_blank(id_: str) -> None:
    one = form(id_)
    assert (one.kind, one.abouts, one.recipients, one.blank) == EXPECTED[id_]


@pytest.mark.parametrize("id_", EXPECTED)
def test_wording_follows_the_house_rules(id_: str) -> None:
    for text in form(id_).texts():
        assert not re.search(r"['\"]|\(s\)|--|\.\.\.", text.en), text
        assert not re.search(r"\b(?:should|must not|wife|husband|boyfriend|girlfriend|victim|abuser)\b", text.en), text


@pytest.mark.parametrize("id_", CLIENT)
def test_clients_read_it_easily(id_: str) -> None:
    check(id_, client_sheet(form(id_)).texts())


@pytest.mark.parametrize("id_", EXPECTED)
def test_staff_read_it_easily(id_: str) -> None:
    own = [text.en for text in form(id_).texts() if text.key.startswith(f"{id_}.")]
    grade, _ = measure(own)
    assert grade <= 9


@pytest.mark.parametrize("id_", ["addendum", "check_in", "intake", "partner_intake"])
def test_nothing_on_a_client_form_hints_at_danger(id_: str) -> None:
    risky = re.compile(r"\b(?:afraid|fear|danger|violen|abus|unsafe|risk|suicid|threat|secret)", re.I)
    assert [text for text in client_sheet(form(id_)).texts() if risky.search(text.en)] == []


@pytest.mark.parametrize("id_", CLIENT)
def test_paper_has_something_to_read_and_nothing_for_staff(id_: str) -> None:
    one = form(id_)
    for recipient in one.recipients:
        about = about_of(recipient)
        scopes = [placed.scope for placed in one.placed(about)]
        assert set(scopes) & readable(recipient)
        assert {scope for scope in scopes if scope not in readable(recipient)} <= {f"staff_{about}"}


# What CONFIDENTIALITY and DECISIONS D5 allow: the scopes an answer that feeds the map may have.
ONE = {"staff_a", "staff_b"}
FED = {
    **dict.fromkeys(("observations", "pitfalls", "asked", "worried"), ONE),
    **dict.fromkeys(("judgement", "links", "excluded", "sources", "screen"), ONE),
    **dict.fromkeys(("level", "today", "supervision"), {"staff_couple"}),
    **dict.fromkeys(("cycle", "policy"), {"joint"}),
    "aims": {"a", "b"},
}


@pytest.mark.parametrize("id_", EXPECTED)
def test_what_feeds_the_map_is_sealed_for_those_who_may_know(id_: str) -> None:
    one = form(id_)
    for placed in (placed for about in one.abouts for placed in one.placed(about)):
        if placed.block.feeds:
            assert placed.scope in FED[placed.block.feeds], placed.name


def test_every_feed_of_the_forms_has_its_place() -> None:
    found = {block.feeds for id_ in EXPECTED for block in form(id_).blocks.values()} - {""}
    assert found == set(FED)


ASKED = {
    "fear": ["no", "yes"],
    "consent": ["wanted", "went_along", "could_not_say_no"],
    "suicide": ["asked", "plan"],
    "cause": ["none", "breach_known", "breach_going_on", "breach_ended", "breach_hidden"],
    "medical": ["asked"],
    "intimate": ["yes", "no"],
    "loop": ["ruled_out", "possible"],
    "stay": ["stay", "go", "unsure"],
    "worse": ["asked"],
}
RED = {"fear": ["yes"], "consent": ["could_not_say_no"], "suicide": ["plan"], "cause": ["breach_hidden"]}


@pytest.mark.parametrize("id_", ["session", "safety_screening"])
def test_questions_asked_alone_have_the_answers_that_the_rules_know(id_: str) -> None:
    found = feeding(form(id_), "asked")
    assert {block.what: ids(block, "options") for block in found} == ASKED
    assert len(found) == len(ASKED)
    red = {block.what: [one.id for one in block.options if one.red] for block in found}
    assert {what: answers for what, answers in red.items() if answers} == RED


# --------------------------------------------------------------------------- the talk with one partner
# What CLINICAL_RULES D1 wants asked, both ways: (as target, as actor)
BOTH_WAYS = [
    ("controlled", "did_control"),
    ("tracked", "did_track"),
    ("threatened", "did_threaten"),
    ("pushed", "did_push"),
    ("injured", "did_injure"),
    ("strangled", "did_strangle"),
    ("weapon", "did_weapon"),
    ("forced", "did_force"),
    ("reproductive", "did_reproductive"),
    ("family", "did_family"),
    ("pets", "did_pets"),
    ("fear", "partner_afraid"),
]
ALSO = (
    "pregnant leaving harm_others adult_risk child_risk substances intoxicated safe_contact paper_home growing"
    " gender_wish language explained not_indicated"
).split()


def test_a_screening_is_for_staff_and_never_on_paper() -> None:
    one = form("safety_screening")
    assert {block.audience for block in one.blocks.values()} == {"staff"}
    assert one.scopes("a") == ("staff_a",)
    assert one.careful
    assert not re.search(r"safe|screen|viol", one.title.en, re.I)


@pytest.mark.parametrize(("target", "actor"), BOTH_WAYS)
def test_a_screening_asks_both_ways_and_a_yes_is_red(target: str, actor: str) -> None:
    blocks = form("safety_screening").blocks
    for block in (blocks[target], blocks[actor]):
        reds = [one.id for one in block.options if one.red]
        assert set(reds) & {"yes", "now"}, block.id
        assert "no" not in reds


def test_a_screening_asks_the_rest() -> None:
    blocks = form("safety_screening").blocks
    assert [id_ for id_ in ALSO if id_ not in blocks] == []
    for id_, answer in (
        ("child_risk", "yes"),
        ("harm_others", "plan"),
        ("adult_risk", "yes"),
        ("substances", "severe"),
    ):
        assert [one.red for one in blocks[id_].options if one.id == answer] == [True]
    kinds = set(ids(blocks["threats"], "options"))
    assert {"papers", "outing", "custody", "money", "own_suicide"} <= kinds
    assert all(one.red for one in blocks["threats"].options)


def test_a_screening_says_whether_it_counts() -> None:
    (screen,) = feeding(form("safety_screening"), "screen")
    assert screen.required
    assert ids(screen, "options") == ["yes", "no"]
    assert missing(form("safety_screening"), "b", {}).keys() == {"held.day", "conditions"}


# --------------------------------------------------------------------------- session
def test_a_session_needs_only_date_presence_and_format() -> None:
    session = form("session")
    sent = {"held.day": ["2026-03-02"], "present": ["partner_a", "partner_b"], "format": ["dap"]}
    found = read_form(session, "couple", sent)
    assert found.wrong == {}
    assert missing(session, "couple", found.answers) == {}
    for path in sent:
        rest = read_form(session, "couple", {key: value for key, value in sent.items() if key != path})
        assert list(missing(session, "couple", rest.answers)) == [path]


def test_what_a_session_notes_about_a_goes_to_a_and_only_the_summary_to_both() -> None:
    sent = {
        "a.observed.clinginess.intensity": ["3"],
        "a.observed.clinginess.seen_by": ["self"],
        "b.habits.minimising.intensity": ["0"],
        "b.stay": ["unsure"],
        "ideas": ["a guess"],
        "for_both": ["We practised pausing."],
    }
    parts = by_scope(form("session"), "couple", read_form(form("session"), "couple", sent).answers)
    assert parts == {
        "joint": {"for_both": "We practised pausing."},
        "staff_a": {"a.observed": [{"id": "clinginess", "intensity": 3, "seen_by": "self"}]},
        "staff_b": {"b.habits": [{"id": "minimising", "intensity": 0}], "b.stay": "unsure"},
        "staff_couple": {"ideas": "a guess"},
    }


def test_only_the_chosen_note_is_shown() -> None:
    for format_ in ("soap", "dap", "birp"):
        sections = [one.id for one in form("session").sections if one.show_if and one.show_if.value == format_]
        assert sections == [format_]


@pytest.mark.parametrize(("feeds", "list_"), [("observations", "signals"), ("pitfalls", "pitfalls")])
def test_observations_have_a_row_for_every_entry(feeds: str, list_: str) -> None:
    (block,) = feeding(form("session"), feeds)
    assert ids(block, "rows") == [entry.id for entry in library().entries[list_]]
    assert ids(block, "columns") == ["intensity", "seen_by", "frequency", "words"]
    scale, seen = block.columns[:2]
    assert (scale.type, scale.min, scale.max) == ("scale", 0, 4)
    assert [one.id for one in seen.options] == ["self", "counsellor", "partner"]


def test_today_and_worry() -> None:
    (today,) = feeding(form("session"), "today")
    (worried,) = feeding(form("session"), "worried")
    assert ids(today, "options") == ["drunk", "high", "flooded", "fought"]
    assert ids(worried, "options") == ["no", "yes"]


# --------------------------------------------------------------------------- map, check-in, agreement, addendum
def test_the_map_links_every_signal_to_every_mechanism() -> None:
    one = form("map")
    mechanisms = [entry.id for entry in library().entries["mechanisms"]]
    (links,), (judgement,) = feeding(one, "links"), feeding(one, "judgement")
    assert ids(links, "columns") == mechanisms
    assert {(column.type, column.min, column.max) for column in links.columns} == {("scale", 0, 3)}
    assert ids(judgement, "rows") == mechanisms
    assert ids(judgement.columns[0], "options") == ["tentative", "likely", "supported", "ruled_out"]
    (sources,) = feeding(one, "sources")
    assert "fear_or_pressure" in ids(sources, "rows")


def test_the_cycle_has_the_eight_places() -> None:
    (cycle,) = feeding(form("map"), "cycle")
    assert ids(cycle, "asks") == "a_does b_reads b_does a_reads relief cost untouched exit".split()


def test_a_level_needs_a_reason_unless_it_is_not_decided() -> None:
    one = form("map")
    assert list(missing(one, "couple", {"decision": "not_decided"})) == []
    assert list(missing(one, "couple", {"decision": "full"})) == ["level_reason"]
    assert list(missing(one, "couple", {})) == ["decision", "level_reason"]


def test_a_check_in_has_every_aim_from_0_to_10_and_owns_up_to_be_no_test() -> None:
    one = form("check_in")
    (aims,) = feeding(one, "aims")
    assert ids(aims, "rows") == [entry.id for entry in library().entries["aims"]]
    found = read_form(one, "a", {"aims.trust.rating": ["0"], "aims.calm.rating": ["10"]})
    assert found.answers == {"aims": [{"id": "trust", "rating": 0}, {"id": "calm", "rating": 10}]}
    assert "not a test" in one.blocks["about_numbers"].text.en


def test_an_agreement_needs_the_yes_of_each() -> None:
    one = form("consent_and_secrets_policy")
    sent = {"policy": ["no_secrets"], "agreed_a": ["agree"], "local_duties": ["x"], "day.agreed_on": ["2026-03-02"]}
    assert list(missing(one, "couple", read_form(one, "couple", sent).answers)) == ["agreed_b"]
    (policy,) = feeding(one, "policy")
    assert ids(policy, "options") == ["no_secrets", "limited_secrets"]
    assert "signature" in [block.kind for block in one.blocks.values()]


@pytest.mark.parametrize(("about", "scopes"), [("couple", ("joint", "staff_couple")), ("b", ("b", "staff_b"))])
def test_an_addendum_follows_the_record_it_belongs_to(about: About, scopes: tuple[str, ...]) -> None:
    assert form("addendum").scopes(about) == scopes


def test_goals_name_owner_start_target_and_day() -> None:
    goals = form("intake").blocks["goals"]
    assert ids(goals, "columns") == "owner problem goal measure baseline target by".split()
    assert ids(goals.columns[0], "options") == ["owner_a", "owner_b", "owner_couple"]


# --------------------------------------------------------------------------- the guide for counsellors
def examples() -> Iterator[str]:
    yield from re.findall(r"```toml\n(.*?)```", (FORMS / "README.md").read_text(encoding="utf-8"), re.S)


def test_the_guide_shows_every_kind_and_its_examples_work() -> None:
    kinds = set()
    for number, source in enumerate(examples()):
        if not source.startswith("id ="):
            source = (
                f'id = "own_x{number}"\nversion = 1\nkind = "worksheet"\ntitle = "X"\naudience = "joint"\n'
                f'recipients = ["joint"]\n[[section]]\nid = "one"\ntitle = "One"\n{source}'
            )
        stem = source.split('"')[1]
        made = parse(source.encode(), f"{stem}.toml", library().lists())
        kinds |= {block.kind for block in made.blocks.values()}
    assert kinds == set(ALLOWED)
