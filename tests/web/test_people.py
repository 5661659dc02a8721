"""What the pages of roles say: a sentence for every verb and notice, isolated names; previews without client data."""

import pytest
from flask.testing import FlaskClient

from clinic.domain.definition import SILENT
from clinic.persistence import audit as lines
from clinic.services import accounts, audit_log, notices, previews, second_person
from clinic.services.definitions import definitions
from clinic.web import audit, desk
from tests import pdf
from tests.web.conftest import PASSWORD, Clinic, post

WORDS = "Made-up words, to show how an answer looks."


def test_every_verb_group_kind_and_role_has_its_words() -> None:
    assert set(audit.WORDS) == set(lines.VERBS)
    assert set(audit.GROUPS) == set(audit_log.GROUPS)
    assert set(desk.SAYS) == set(notices.KINDS)
    assert set(desk.ACTS) == set(second_person.KINDS)
    assert set(desk.HOME) == set(desk.ROLES)


@pytest.mark.parametrize("kind", notices.KINDS)
def test_a_notice_names_what_it_is_about_and_turns_no_sentence_round(clinic: Clinic, kind: str) -> None:
    says = dict.fromkeys(notices.KINDS[kind], "K-1")
    says |= {"until": "2026-03-02T12:00:00+00:00"} if "until" in says else {}
    with clinic.app.test_request_context():
        said = desk._says(notices.Line("", kind, "2026-03-02", says))
    assert "%(" not in said
    assert said.count("\u2068") == said.count("\u2069")
    assert ("\u2068K-1\u2069" in said) == ("K-1" in said)


def test_a_preview_has_made_up_words_only(clinic: Clinic) -> None:
    for one in definitions().values():
        for recipient in one.recipients:
            answers = previews.answers(one, recipient, WORDS)
            about = "couple" if recipient == "joint" else recipient
            names = {placed.name for placed in one.placed(about) if placed.scope in (recipient, "joint")}
            kinds = {placed.name: placed.block.kind for placed in one.placed(about)}
            assert set(answers) <= names
            assert answers or all(kinds[name] in SILENT for name in names)


def test_a_translator_sees_a_marked_preview_and_no_case(clinic: Clinic) -> None:
    accounts.create_account(clinic.store, "tara", PASSWORD, "Tara", "translator")
    tara: FlaskClient = clinic.app.test_client()
    tara.set_cookie("clinic_session", accounts.sign_in(clinic.store, "tara", PASSWORD))
    reply = post(tara, "/previews", which="our_cycle joint", locale="en")
    assert (reply.status_code, reply.mimetype) == (200, "application/pdf")
    text = pdf.text(reply.data)
    assert "Made-up" in text
    assert "DRAFT" in text.upper()
    for which in ("our_cycle a", "safety_screening joint", "nothing joint", "our_cycle", ""):
        assert post(tara, "/previews", which=which).status_code == 404


def test_the_audit_page_filters_and_forgives_a_wrong_date(clinic: Clinic, ana: FlaskClient) -> None:
    everything = ana.get("/audit").get_data(as_text=True)
    assert "finished a record" in everything
    some = post(ana, "/audit", group="session").get_data(as_text=True)
    assert "finished a record" not in some.split("<tbody")[1]
    assert post(ana, "/audit", since="tomorrow").status_code == 422
    none = post(ana, "/audit", case="K-0").get_data(as_text=True)
    assert "Nothing fits" in none
