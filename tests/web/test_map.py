"""The map page: the drawing, the reasons, and that all of it stays in the staff layer."""

import re
from types import SimpleNamespace

import pytest
from flask.testing import FlaskClient

from clinic.web import formulation
from tests.web.conftest import Clinic, finished, prepared


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
    assert "Not ready yet." in section(text, "sheets")  # joint: exactly what any empty list says


def test_signals_lead_to_mechanisms_and_sheets_with_their_reasons(clinic: Clinic, ana: FlaskClient) -> None:
    prepared(clinic)
    text = page(clinic, ana)
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


def test_the_level_stands_with_its_reason_and_end(clinic: Clinic, ana: FlaskClient) -> None:
    prepared(clinic)
    level = section(page(clinic, ana), "level")
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
        assert "R1" not in other


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
