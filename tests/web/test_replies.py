"""What every reply carries, and what a page never says."""

import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from clinic import resources
from clinic.services.definitions import definitions
from tests.web.conftest import Clinic, post

KINDS = "Caseload|New case|Case|Form|Map|Print|Worksheets|Help|Day|Sign in|Sorry|Two versions|Enter a code"
TITLES = set(KINDS.split("|"))


def pages(clinic: Clinic) -> list[str]:
    case = f"/cases/{clinic.case}"
    own = ["", "/work", "/card", "/formulation", "/print", "/pack"]
    return ["/", "/day", "/help", "/sheets", "/codes", "/cases/new", *(case + one for one in own),
            f"/records/{clinic.draft}", f"/records/{clinic.signed}", "/nothing"]  # fmt: skip


def test_headers(clinic: Clinic, ana: FlaskClient) -> None:
    for page in [*pages(clinic), "/sign-in"]:
        reply = ana.get(page)
        policy = reply.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert reply.headers["Cache-Control"] == "no-store"
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_nothing_inline_that_the_policy_would_stop(clinic: Clinic, ana: FlaskClient) -> None:
    for page in pages(clinic):
        text = ana.get(page).get_data(as_text=True)
        assert "<style" not in text
        assert not re.search(r"\sstyle=|\son[a-z]+=|<script(?![^>]*src=)|javascript:", text), page


def test_titles_name_the_kind_of_page_only(clinic: Clinic, ana: FlaskClient) -> None:
    for page in pages(clinic):
        title = re.search(r"<title>(.*?) – Secure Base</title>", ana.get(page).get_data(as_text=True))
        assert title, page
        assert title[1] in TITLES, page


def test_addresses_hold_random_ids_only(clinic: Clinic, ana: FlaskClient) -> None:
    """No definition, person, code or query in any link or form address."""
    for page in pages(clinic):
        text = ana.get(page).get_data(as_text=True)
        for found in re.findall(r'(?:href|action|data-autosave-url)="([^"]*)"', text):
            assert "?" not in found, (page, found)
            assert not any(id_ in found for id_ in definitions()), (page, found)


def test_the_first_layer_says_nothing_of_preparation(clinic: Clinic, ana: FlaskClient) -> None:
    """One partner was seen alone, the other was not: the first layer, the caseload and the picker do not know."""
    words = ("screening", "talk with one", "alone", "hold", "draft", "prepar", "session note", "agreement missing")
    for page in ("/", f"/cases/{clinic.case}"):
        text = ana.get(page).get_data(as_text=True).lower()
        assert not [word for word in words if word in text], page


def test_screening_is_never_offered_to_print(clinic: Clinic, ana: FlaskClient) -> None:
    for page in (f"/cases/{clinic.case}/print", f"/cases/{clinic.case}/work", "/sheets"):
        assert 'name="sheet" value="safety_screening"' not in ana.get(page).get_data(as_text=True)
    for to in ("a", "b", "joint"):
        fields = {"sheet": "safety_screening", "to": to, "do": "print", "record": clinic.signed}
        reply = post(ana, f"/cases/{clinic.case}/print", **fields)
        assert reply.status_code == 404
    assert post(ana, "/sheets", sheet="safety_screening", do="print").status_code == 404


def test_clinical_fields_stay_out_of_browser_helpers(clinic: Clinic, ana: FlaskClient) -> None:
    text = ana.get(f"/records/{clinic.draft}").get_data(as_text=True)
    fields = re.findall(r"<(?:textarea|input)[^>]*class=\"input[^>]*>", text)
    assert len(fields) > 50
    for field in fields:
        for wanted in ('autocomplete="off"', 'spellcheck="false"', 'translate="no"', 'writingsuggestions="false"'):
            assert wanted in field, field


def test_every_template_compiles(clinic: Clinic) -> None:
    root = resources.templates()
    found = [str(path.relative_to(root)) for path in Path(root).rglob("*.html") if "print" not in path.parts]
    assert len(found) > 15
    for name in found:
        clinic.app.jinja_env.get_template(name)


def test_a_crash_shows_an_incident_and_nothing_else(
    clinic: Clinic, ana: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret words of a couple")

    monkeypatch.setattr("clinic.services.cases.caseload_page", broken)
    reply = ana.get("/")
    text = reply.get_data(as_text=True)
    assert reply.status_code == 500
    assert "Incident" in text
    assert "Traceback" not in text
    assert "secret words" not in text + caplog.text
    assert "RuntimeError" in caplog.text


@pytest.mark.parametrize("tag", ["en", "ar", "es"])
def test_language_choice_goes_back_inside_only(clinic: Clinic, ana: FlaskClient, tag: str) -> None:
    only_by_form = f"/records/{clinic.draft}/merge"
    for back in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", only_by_form):
        assert post(ana, "/language", tag=tag, next=back).location == "/start"
    assert post(ana, "/language", tag=tag, next="/help").location == "/help"
