"""The map page: the drawing, the reasons, and that all of it stays in the staff layer."""

import re
import shutil
from types import SimpleNamespace
from typing import Any

import pytest
from flask.testing import FlaskClient

from clinic import config
from clinic.app import create_app
from clinic.domain.code import new_code
from clinic.persistence.store import Store
from clinic.press.press import Press
from clinic.services import accounts, choices, prints, records
from clinic.services.prints import PrintJob
from clinic.web import formulation
from tests.web.conftest import PASSWORD, Clinic, Made, finished, post, prepared


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory, made: Made, press: Press) -> str:
    """The map of a prepared case, drawn once for the tests that only read it."""
    folder = tmp_path_factory.mktemp("map")
    shutil.copytree(made.folder, folder / "i")
    shutil.copy2(made.folder.with_name("i.key"), folder / "i.key")
    settings = config.load(folder / "i", {})
    store = Store.open(settings)
    clinic = Clinic(create_app(settings, store, press), store, made.tokens, *made.ids)
    prepared(clinic)
    text = page(clinic, clinic.client("ana"))
    store.close()
    return text


def page(clinic: Clinic, ana: FlaskClient) -> str:
    reply = ana.get(f"/cases/{clinic.case}/formulation")
    assert reply.status_code == 200
    return reply.get_data(as_text=True)


def section(text: str, id_: str) -> str:
    """One card of the page, up to the next."""
    start = re.search(rf'<section class="card[^"]*" id="{id_}"', text)
    assert start
    return text[start.start() :].split('\n<section class="card', 1)[0]


def test_before_anything_was_seen(clinic: Clinic, ana: FlaskClient) -> None:
    text = page(clinic, ana)
    assert "Nothing seen yet" in text
    assert "Side by side" not in text
    assert "Not ready yet." in section(text, "sheets")  # joint: exactly what any empty list says


def test_signals_lead_to_mechanisms_and_sheets_with_their_reasons(drawn: str) -> None:
    text = drawn
    sheets = section(text, "sheets")
    reasons = ("said by this partner", "Grows with distance.", "Being near serves as proof", "Not with raw trauma")
    for wanted in ("A steady place", "Our loop", *reasons):
        assert wanted in sheets
    for to in ("a", "b", "joint"):
        assert f'name="to" value="{to}"' in sheets
    side = section(text, "side-a")
    assert side.count('class="link-') >= 4
    assert "ruled out" in side
    assert "Speaks well of own work." in side
    assert "Stress from outside" in section(text, "side-b")
    for said in ("writes often", "being checked", "goes quiet", "not loved"):
        assert said in section(text, "cycle")


def test_the_level_stands_with_its_reason_and_end(drawn: str) -> None:
    level = section(drawn, "level")
    assert "Both were seen alone." in level
    assert "Ends by itself on" in level


def test_a_rule_shows_what_clears_it_and_only_here(clinic: Clinic, ana: FlaskClient) -> None:
    prepared(clinic)
    day = {"day": clinic.store.today().isoformat()}
    more = {
        "held": day, "present": ["partner_a"], "format": "dap",
        "a.observed": [{"id": "jealousy", "intensity": 3, "seen_by": "self"}],
        "b.observed": [{"id": "withdrawal", "intensity": 3, "seen_by": "counsellor"}],
    }  # fmt: skip
    finished(clinic.store, clinic.tokens["ana"], clinic.case, "session", "couple", more)
    level = section(page(clinic, ana), "level")
    assert "Possible fear" in level
    assert "What clears it:" in level
    for outside in ("", "/print"):
        other = ana.get(f"/cases/{clinic.case}{outside}").get_data(as_text=True)
        assert "Possible fear" not in other
        assert not re.search(r">[^<]*\bR1\b", other)  # in words; a random token may hold anything


def test_under_hold_the_joint_list_reads_like_any_empty_one(clinic: Clinic, ana: FlaskClient) -> None:
    prepared(clinic, "hold")
    sheets = section(page(clinic, ana), "sheets")
    assert "Not ready yet." in sheets
    assert 'name="to" value="joint"' not in sheets
    for to in ("a", "b"):
        assert sheets.count(f'type="submit" name="to" value="{to}"') == 3
    assert "Why not now?" not in sheets  # a choice changes nothing of the fixed pages


def test_drafts_do_not_count(clinic: Clinic, ana: FlaskClient) -> None:
    assert "No map yet." in page(clinic, ana)
    prepared(clinic)
    assert section(page(clinic, ana), "history").count("Map of") == 1


def test_what_must_be_asked_stands_first_in_the_staff_layer_and_nowhere_else(clinic: Clinic, ana: FlaskClient) -> None:
    prepared(clinic)
    held = {"day": clinic.store.today().isoformat()}
    seen = {
        "a.observed": [{"id": "jealousy", "intensity": 3, "seen_by": "self"}],
        "b.observed": [
            {"id": "withdrawal", "intensity": 3, "seen_by": "counsellor"},
            {"id": "negative_self_talk", "intensity": 4, "seen_by": "self"},
        ],
    }
    answers = {"held": held, "present": ["partner_a"], "format": "dap", **seen}
    finished(clinic.store, clinic.tokens["ana"], clinic.case, "session", "couple", answers)
    for path in (f"/cases/{clinic.case}/work", f"/cases/{clinic.case}/formulation"):
        text = ana.get(path).get_data(as_text=True)
        notice = text[text.index("Ask first") :].split("</ul>")[0]
        first = re.findall(r"<li>(.*?)</li>", notice, re.S)[0]
        assert "uicide" in first
        assert "Partner B" in first
        assert "Partner A" not in first
    for path in ("/", f"/cases/{clinic.case}", f"/cases/{clinic.case}/print"):
        assert "Ask first" not in ana.get(path).get_data(as_text=True)


@pytest.mark.parametrize(
    ("asks", "asked"), [(["b_fear"], ["b"]), (["stay"], ["a", "b"]), (["a_cause", "b_cause"], ["a", "b"]), ([], [])]
)
def test_who_is_asked_is_who_may_be_in_need_not_who_set_it_off(asks: list[str], asked: list[str]) -> None:
    assert formulation._to_ask([SimpleNamespace(asks=asks)]) == asked


# --------------------------------------------------------------------------- the trace
def shelf(text: str, to: str) -> str:
    """One of the three lists."""
    start = text.index(f'id="for-{to}"')
    return text[start:].split('<div class="l-stack l-stack--s" id="for-')[0].split("What was left out")[0]


def card(text: str, to: str, number: int) -> str:
    """One suggested sheet of a list."""
    found = shelf(text, to)
    return found[found.index(f'id="sheet-{to}-{number}"') :].split('<div class="suggest', 1)[0]


def test_a_sheet_shows_its_chain_from_what_was_seen_to_when_not(drawn: str) -> None:
    first = card(drawn, "a", 1)
    wanted = (
        "A steady place", "what closeness means", "Not with raw trauma", "Why this sheet?",
        "Seeking a lot of closeness", 'aria-label="3 of 4"', "said by this partner", "Being near serves as proof",
        "Attachment insecurity", "likely",
        "Grows with distance.", "It fits that best.", 'href="#rivals-a"',
    )  # fmt: skip
    where = [first.find(one) for one in wanted]
    assert -1 not in where
    assert where == sorted(where)  # in the order of the chain


def test_nothing_is_said_twice(drawn: str) -> None:
    text = drawn
    mine = shelf(text, "a")
    assert mine.count("Being near serves as proof") == 1  # three sheets, one chain
    assert "Same reasons as “A steady place”." in card(text, "a", 2)
    assert "Why this sheet?" not in card(text, "a", 2)
    for once in ("Illness, disability, a new baby", "Speaks well of own work."):  # may be else; is ruled out
        assert text.count(once) == 1
        assert once in section(text, "side-a")


def test_the_guesses_stand_side_by_side_the_heaviest_first_and_the_ruled_out_last(drawn: str) -> None:
    side = section(drawn, "side-a")
    heads = re.findall(r"<h4>(?:<del>)?([^<]+)", side)
    assert heads == ["Attachment insecurity", "Emotion regulation", "Cognitive dissonance", "Low self-worth"]
    assert "<del>Low self-worth</del>" in side
    table = side[side.index('<table class="table table--stack rivals"') :].split("</table>")[0]
    assert len(re.findall(r'<th scope="row"', table)) == 3
    assert table.count('<td role="cell"') == 3 * 4
    assert "Contact is the one thing that brings calm." in table
    assert "I write until you answer" in table


def test_a_rule_that_lets_a_signal_count_for_nothing_says_so_in_its_row(clinic: Clinic, ana: FlaskClient) -> None:
    prepared(clinic)
    held = {"day": clinic.store.today().isoformat()}
    seen = {"a.observed": [{"id": "jealousy", "intensity": 2, "seen_by": "self"}]}
    answers = {"held": held, "present": ["partner_a"], "format": "dap", **seen}
    finished(clinic.store, clinic.tokens["ana"], clinic.case, "session", "couple", answers)
    side = section(page(clinic, ana), "side-a")
    assert "Does not count now:" in side
    assert "Jealousy may have a real cause." in side


def test_first_pages_say_why_they_are_there(clinic: Clinic, ana: FlaskClient) -> None:
    assert page(clinic, ana).count("The same pages for both at this level") == 2  # once for each
    prepared(clinic)
    assert "The same pages for both" not in page(clinic, ana)


# --------------------------------------------------------------------------- choices
def choose(clinic: Clinic, client: FlaskClient, to: str, sheet: str, do: str, reason: str = "") -> Any:
    return post(client, f"/cases/{clinic.case}/choices", to=to, sheet=sheet, do=do, reason=reason)


def suggested(text: str, to: str) -> list[str]:
    return re.findall(r'<p class="suggest-title">([^<]+)', shelf(text, to))


def test_confirm_and_decline_are_remembered_and_can_be_taken_back(clinic: Clinic, ana: FlaskClient) -> None:
    prepared(clinic)
    before = page(clinic, ana)
    assert suggested(before, "a") == ["A steady place", "Clear words for one worry", "A menu of support"]
    reply = choose(clinic, ana, "a", "secure_base", "declined", "A parent died. <b>Too raw.</b>")
    assert reply.status_code == 303
    assert reply.location.endswith(f"/cases/{clinic.case}/formulation#for-a")
    choose(clinic, ana, "b", "circle_of_support", "confirmed")
    text = page(clinic, ana)
    assert suggested(text, "a")[:2] == ["Clear words for one worry", "A menu of support"]  # the next moves up
    assert suggested(text, "b") == suggested(before, "b")
    assert suggested(text, "joint") == suggested(before, "joint")
    mine = shelf(text, "a")
    assert "Declined" in mine
    assert "A parent died. &lt;b&gt;Too raw.&lt;/b&gt;" in mine
    assert "you declined it" in section(text, "sheets")
    theirs = card(text, "b", 1)
    assert "confirmed on" in theirs
    assert "Print<" in theirs
    assert 'value="confirmed"' not in theirs
    for to, sheet in (("a", "secure_base"), ("b", "circle_of_support")):
        assert choose(clinic, ana, to, sheet, "taken_back").status_code == 303
    after = page(clinic, ana)
    assert [suggested(after, to) for to in ("a", "b")] == [suggested(before, to) for to in ("a", "b")]
    assert after.count("A parent died") == 0  # it is in the record, which stays
    assert len(re.findall(r'href="/records/', section(after, "sheets"))) == 4


def test_a_decline_without_a_reason_is_refused_and_what_was_typed_comes_back(clinic: Clinic, ana: FlaskClient) -> None:
    prepared(clinic)
    reply = choose(clinic, ana, "a", "secure_base", "declined", "   ")
    assert reply.status_code == 422
    text = reply.get_data(as_text=True)
    assert re.search(r'<details class="more decline" open>', card(text, "a", 1))
    assert 'aria-invalid="true"' in card(text, "a", 1)
    reply = choose(clinic, ana, "a", "secure_base", "declined", "long " * 300)
    assert reply.status_code == 422
    assert "long long" in card(reply.get_data(as_text=True), "a", 1)
    assert "Declined" not in shelf(page(clinic, ana), "a")


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"to": "staff"}, 404), ({"to": ""}, 404), ({"sheet": "nothing"}, 404), ({"sheet": "our_cycle"}, 404),
        ({"do": "taken_back"}, 404), ({"do": "else"}, 422),
    ],
)  # fmt: skip
def test_what_is_no_choice_is_refused(clinic: Clinic, ana: FlaskClient, fields: dict[str, str], status: int) -> None:
    wanted = {"to": "a", "sheet": "secure_base", "do": "confirmed"} | fields
    assert post(ana, f"/cases/{clinic.case}/choices", **wanted).status_code == status
    assert post(clinic.client("ben"), f"/cases/{clinic.case}/choices", **wanted).status_code == 404


def test_a_confirmed_sheet_stays_in_sight_when_others_come_first(clinic: Clinic, ana: FlaskClient) -> None:
    prepared(clinic)
    choose(clinic, ana, "a", "own_worth", "confirmed")
    mine = shelf(page(clinic, ana), "a")
    assert "Confirmed earlier" in mine
    assert "Take back" in mine


def test_a_choice_keeps_what_spoke_for_it_that_day(clinic: Clinic, ana: FlaskClient) -> None:
    prepared(clinic)
    choose(clinic, ana, "joint", "our_cycle", "confirmed")
    stands = choices.standing(clinic.store, clinic.tokens["ana"], clinic.case)
    said = records.read(clinic.store, clinic.tokens["ana"], stands[0].record).answers
    assert said["sheet"] == {"title": "Our loop", "code": "our_cycle"}
    seen, guess = said["because"].splitlines()[0].split(" → ")
    assert seen.startswith("A: Seeking a lot of closeness 3/4, said by this partner")
    assert guess == "Attachment insecurity (likely). Grows with distance."
    assert "B: Withdrawal 3/4" in said["because"]


def test_choices_are_not_in_the_way_elsewhere(clinic: Clinic, ana: FlaskClient) -> None:
    prepared(clinic)
    choose(clinic, ana, "a", "secure_base", "declined", "ZQreasonQZ")
    work = ana.get(f"/cases/{clinic.case}/work").get_data(as_text=True)
    assert "Choice of a sheet" not in work  # neither begun nor listed there
    stands = choices.standing(clinic.store, clinic.tokens["ana"], clinic.case)
    records.correction(clinic.store, clinic.tokens["ana"], stands[0].record, "a slip")
    work = ana.get(f"/cases/{clinic.case}/work").get_data(as_text=True)
    assert work.count("Choice of a sheet") == 1  # a draft waits for somebody: it must be found
    pages = ("", "/print", "/couple")
    for where in ("/", "/worksheets", *(f"/cases/{clinic.case}{one}" for one in pages)):
        text = ana.get(where).get_data(as_text=True)
        assert "ZQreasonQZ" not in text
        assert "Choice of a sheet" not in text


def test_a_supervisor_reads_the_reasons_and_chooses_nothing(clinic: Clinic, ana: FlaskClient) -> None:
    prepared(clinic)
    choose(clinic, ana, "a", "secure_base", "declined", "Too early.")
    choose(clinic, ana, "joint", "our_cycle", "confirmed")
    store = clinic.store
    sven = accounts.create_account(store, "sven", PASSWORD, "Sven", "supervisor")
    accounts.set_supervisor(store, next(one.id for one in accounts.listing(store) if one.name == "ana"), sven)
    client = clinic.app.test_client()
    client.set_cookie("clinic_session", accounts.sign_in(store, "sven", PASSWORD))
    text = page(clinic, client)
    assert "Too early." in shelf(text, "a")
    assert "confirmed on" in card(text, "joint", 1)
    assert "Why this sheet?" in text
    for act in ('value="confirmed"', 'value="declined"', 'value="taken_back"', 'name="reason"'):
        assert act not in text
        assert act in page(clinic, ana)
    assert choose(clinic, client, "a", "the_wave", "confirmed").status_code == 403


# --------------------------------------------------------------------------- fairness
def test_sheets_that_were_chosen_or_printed_of_late_count_for_fairness(clinic: Clinic, ana: FlaskClient) -> None:
    prepared(clinic)
    choose(clinic, ana, "a", "secure_base", "confirmed")
    prints.note(clinic.store, clinic.tokens["ana"], clinic.case, new_code(), PrintJob("the_wave", "a"))
    assert "For Partner A there were 2 sheets in the last weeks, for Partner B 0." in page(clinic, ana)
    choose(clinic, ana, "b", "the_wave", "confirmed")
    assert "sheets in the last weeks" not in page(clinic, ana)


def test_what_falls_on_one_partner_is_said_here_and_nowhere_else(clinic: Clinic, ana: FlaskClient) -> None:
    prepared(clinic)
    assert "More falls on one" not in page(clinic, ana)
    token, case = clinic.tokens["ana"], clinic.case
    steps = [{"id": "task", "first": "Write one line", "second": "Call at six"}]
    finished(clinic.store, token, case, "homework_plan", "a", {"plan": steps, "confidence": 8})
    text = page(clinic, ana)
    assert "Partner A has 2 steps to do, Partner B has 0." in text
    assert "Partner A has 2 steps to do" in ana.get(f"/cases/{case}/plan").get_data(as_text=True)
    for outside in ("", "/print", "/couple"):
        other = ana.get(f"/cases/{case}{outside}").get_data(as_text=True)
        assert "More falls on one" not in other
        assert "steps to do" not in other
