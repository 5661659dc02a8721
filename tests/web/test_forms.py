"""Filling in records: nothing typed gets lost, whatever happens."""

import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from clinic.services import records
from clinic.services.definitions import definitions
from tests.web.conftest import PASSWORD, Clinic, csrf, post

HONEST = ["🫂 ❤️‍🩹 👩🏽‍🤝‍👨🏿", "ـسلام\nsecond line", "<script>alert(1)</script>", "x" * 99_999]
UNKNOWN = [{"definition": "nothing"}, {"definition": "map", "about": "everybody"}, {"definition": "addendum"}]
NEEDED = {"held.day": "2026-03-03", "present": "partner_a", "format": "soap"}


def rev(ana: FlaskClient, record: str) -> str:
    found = re.search(r'name="rev" value="(\d+)"', ana.get(f"/records/{record}").get_data(as_text=True))
    assert found
    return found[1]


def save(ana: FlaskClient, record: str, do: str = "draft", **fields: Any) -> Any:
    return post(ana, f"/records/{record}", rev=rev(ana, record), tab="t1", do=do, **fields)


# An addendum begins at its record, and only a supervisor writes a supervision note.
@pytest.mark.parametrize("id_", sorted(definitions().keys() - {"addendum", "released", "supervision_note"}))
def test_every_definition_has_a_form_for_everybody_it_can_be_about(clinic: Clinic, ana: FlaskClient, id_: str) -> None:
    one = definitions()[id_]
    for about in one.abouts:
        made = post(ana, f"/cases/{clinic.case}/records", definition=id_, about=about)
        assert made.status_code == 303
        page = ana.get(made.location)
        assert page.status_code == 200
        assert one.title.en in page.get_data(as_text=True).replace("&#39;", "'")


def test_a_draft_is_saved_and_shown_again(clinic: Clinic, ana: FlaskClient) -> None:
    said = {"a.observed.clinginess.intensity": "3", "a.observed.clinginess.words": "I write until you answer"}
    assert save(ana, clinic.draft, **said).status_code == 303
    view = records.read(clinic.store, clinic.tokens["ana"], clinic.draft)
    assert view.answers["a.observed"] == [{"id": "clinginess", "intensity": 3, "words": "I write until you answer"}]
    assert "I write until you answer" in ana.get(f"/records/{clinic.draft}").get_data(as_text=True)


def test_finishing_names_what_is_missing_and_keeps_the_text(clinic: Clinic, ana: FlaskClient) -> None:
    reply = save(ana, clinic.draft, do="finish", ideas="typed and not lost")
    text = reply.get_data(as_text=True)
    assert reply.status_code == 422
    assert "typed and not lost" in text
    assert "<title>Error: Form" in text
    for path in ("held.day", "present", "format"):
        assert f'href="#{path}"' in text
        assert f'id="{path}"' in text
    assert not records.read(clinic.store, clinic.tokens["ana"], clinic.draft).signed


def test_finished_is_read_only_and_can_be_added_to(clinic: Clinic, ana: FlaskClient) -> None:
    assert save(ana, clinic.draft, do="finish", **NEEDED, soap_note={"plan": ""}).status_code == 303
    text = ana.get(f"/records/{clinic.draft}").get_data(as_text=True)
    assert "<textarea" not in text
    assert "never changed" in text
    added = post(ana, f"/records/{clinic.draft}/add")
    assert added.status_code == 303
    assert ana.get(added.location).status_code == 200
    assert save(ana, added.location.rsplit("/", 1)[1], do="finish", reason="came later").status_code == 303


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("held.day", "0000-01-01"),
        ("held.day", "31.02.2026"),
        ("held.start", "25:99"),
        ("a.observed.clinginess.intensity", "9"),
        ("a.observed.clinginess.intensity", "٣x"),
        ("ideas", "pay\u202eno\u202c"),
        ("ideas", "bell\x07"),
        ("a.worried", "not_an_option"),
        ("ideas", "x" * 100_001),
    ],
)
def test_what_does_not_parse_is_kept_and_pointed_at(clinic: Clinic, ana: FlaskClient, path: str, value: str) -> None:
    reply = save(ana, clinic.draft, **{path: value, "b.risk": "still here"})
    text = reply.get_data(as_text=True)
    assert reply.status_code == 422
    assert f'href="#{path}"' in text
    assert "still here" in text
    again = ana.get(f"/records/{clinic.draft}").get_data(as_text=True)
    assert "still here" in again
    if path.startswith(("held", "ideas")):  # the others are buttons, which can only show what they have
        assert value.strip()[:50] in again


@pytest.mark.parametrize("value", HONEST)
def test_any_honest_text_comes_back_as_it_was(clinic: Clinic, ana: FlaskClient, value: str) -> None:
    assert save(ana, clinic.draft, ideas=value.replace("\n", "\r\n")).status_code == 303
    assert records.read(clinic.store, clinic.tokens["ana"], clinic.draft).answers["ideas"] == value
    assert "<script>alert" not in ana.get(f"/records/{clinic.draft}").get_data(as_text=True)


def test_a_megabyte_is_taken_in_and_refused_with_its_text(clinic: Clinic, ana: FlaskClient) -> None:
    reply = save(ana, clinic.draft, ideas="y" * 1_000_000)
    assert reply.status_code == 422
    assert "y" * 1_000_000 in reply.get_data(as_text=True)


def test_more_than_four_megabytes_gets_a_plain_page(clinic: Clinic, ana: FlaskClient) -> None:
    reply = ana.post(f"/records/{clinic.draft}", data={"ideas": "z" * 5_000_000})
    assert reply.status_code == 413
    assert "4 MB" in reply.get_data(as_text=True)


def test_a_row_is_added_without_losing_the_form(clinic: Clinic, ana: FlaskClient) -> None:
    reply = save(ana, clinic.draft, do="row:s6", **{"goal_work.r1.goal": "calm evenings", "held.day": "31.31.2026"})
    assert reply.status_code == 303
    assert reply.location.endswith("#s6")
    text = ana.get(reply.location).get_data(as_text=True)
    assert "calm evenings" in text
    assert "31.31.2026" in text
    assert len(set(re.findall(r'name="goal_work\.([a-z0-9]+)\.goal"', text))) == 2


def test_the_second_tab_loses_nothing(clinic: Clinic, ana: FlaskClient) -> None:
    old = rev(ana, clinic.draft)
    save(ana, clinic.draft, ideas="first tab")
    mine = {"rev": old, "tab": "t2", "do": "draft", "ideas": "second tab", "a.risk": "calm"}
    reply = post(ana, f"/records/{clinic.draft}", **mine)
    text = reply.get_data(as_text=True)
    assert reply.status_code == 409
    assert "first tab" in text
    assert "second tab" in text
    fields = {"ideas": "second tab", "a.risk": "calm", "keep:ideas": "theirs", "keep:a.risk": "mine"}
    newest = re.search(r'name="rev" value="(\d+)"', text)
    assert newest
    settled = post(ana, f"/records/{clinic.draft}/merge", rev=newest[1], **fields)
    assert settled.status_code == 303
    answers = records.read(clinic.store, clinic.tokens["ana"], clinic.draft).answers
    assert (answers["ideas"], answers["a.risk"]) == ("first tab", "calm")


def test_typing_is_kept_without_saving(clinic: Clinic, ana: FlaskClient) -> None:
    kept = post(ana, f"/records/{clinic.draft}/typing", rev=rev(ana, clinic.draft), tab="t1", ideas="half a sent")
    assert kept.status_code == 204
    assert "ideas" not in records.read(clinic.store, clinic.tokens["ana"], clinic.draft).answers
    text = ana.get(f"/records/{clinic.draft}").get_data(as_text=True)
    assert "half a sent" in text
    assert "is back" in text


def test_a_form_sent_after_the_session_ended_comes_back_after_signing_in(clinic: Clinic) -> None:
    client = clinic.client()
    post(client, "/sign-in", name="ana", password=PASSWORD)
    token = csrf(client.get(f"/records/{clinic.draft}"))
    client.delete_cookie("clinic_session")
    fields = {"csrf_token": token, "rev": "1", "tab": "t1", "do": "draft", "ideas": "long and precious"}
    refused = client.post(f"/records/{clinic.draft}", data=fields)
    page = refused.get_data(as_text=True)
    assert refused.status_code == 401
    assert "precious" not in page
    kept = re.search(r'name="kept" value="([^"]+)"', page)
    assert kept
    again = client.post(
        "/sign-in", data={"csrf_token": csrf(refused), "name": "ana", "password": PASSWORD, "kept": kept[1]}
    )
    text = again.get_data(as_text=True)
    assert "long and precious" in text
    assert f'action="/records/{clinic.draft}"' in text
    saved = client.post(f"/records/{clinic.draft}", data={**fields, "csrf_token": csrf(again)})
    assert saved.status_code == 303
    assert records.read(clinic.store, clinic.tokens["ana"], clinic.draft).answers["ideas"] == "long and precious"


def test_what_one_person_typed_never_comes_back_to_another(clinic: Clinic) -> None:
    client = clinic.client()
    post(client, "/sign-in", name="ana", password=PASSWORD)
    token = csrf(client.get("/help"))
    client.delete_cookie("clinic_session")
    refused = client.post(f"/records/{clinic.draft}", data={"csrf_token": token, "ideas": "ana wrote this"})
    kept = re.search(r'name="kept" value="([^"]+)"', refused.get_data(as_text=True))
    assert kept
    reply = client.post(
        "/sign-in", data={"csrf_token": csrf(refused), "name": "ben", "password": PASSWORD, "kept": kept[1]}
    )
    assert reply.status_code == 303
    assert "ana wrote" not in reply.get_data(as_text=True)


def test_throwing_a_draft_away_asks_first(clinic: Clinic, ana: FlaskClient) -> None:
    assert "Keep it" in post(ana, f"/records/{clinic.draft}/discard").get_data(as_text=True)
    assert post(ana, f"/records/{clinic.draft}/discard", sure="yes").status_code == 303
    assert ana.get(f"/records/{clinic.draft}").status_code == 404


def test_a_correction_needs_a_reason_and_the_old_record_stays_to_be_read(clinic: Clinic, ana: FlaskClient) -> None:
    assert save(ana, clinic.draft, do="finish", ideas="as it was", **NEEDED).status_code == 303
    old = f"/records/{clinic.draft}"
    asked = post(ana, f"{old}/correct").get_data(as_text=True)
    assert "Why is it corrected?" in asked
    refused = post(ana, f"{old}/correct", reason="  ")
    assert (refused.status_code, "Say why" in refused.get_data(as_text=True)) == (422, True)
    made = post(ana, f"{old}/correct", reason="The wrong day.").location
    assert "as it was" in ana.get(made).get_data(as_text=True)
    assert "A correction counts instead" not in ana.get(old).get_data(as_text=True)  # it is still a draft
    id_ = made.rsplit("/", 1)[1]
    assert save(ana, id_, do="finish", ideas="as it is", **NEEDED).status_code == 303
    text = ana.get(old).get_data(as_text=True)
    assert all(one in text for one in ("as it was", "A correction counts instead", made))
    assert "Correct this record" not in text
    now = ana.get(made).get_data(as_text=True)
    assert all(one in now for one in ("as it is", "The wrong day.", old))


@pytest.mark.parametrize("fields", UNKNOWN)
def test_unknown_things_to_begin(clinic: Clinic, ana: FlaskClient, fields: dict[str, str]) -> None:
    assert post(ana, f"/cases/{clinic.case}/records", **fields).status_code == 404


def test_the_screening_form_is_staff_from_top_to_bottom(clinic: Clinic, ana: FlaskClient) -> None:
    made = post(ana, f"/cases/{clinic.case}/records", definition="safety_screening", about="b")
    text = ana.get(made.location).get_data(as_text=True)
    sections = re.findall(r'<section class="form-section".*?</section>', text, re.S)
    assert len(sections) > 3
    assert all("aud--staff" in section for section in sections)
