"""The gate through the browser: an override, lifting a hold, the couple view, an agreement's words, what went out."""

import re
from typing import Any

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from clinic.domain.ruling import Ruling
from clinic.i18n.catalogue import catalogue
from clinic.services import accounts, audit_log, cases, print_command, print_sheet, records
from clinic.services.definitions import definitions
from clinic.services.prints import PrintJob
from tests.filling import filled
from tests.sheets import page_of
from tests.web.conftest import PASSWORD, Clinic, csrf, finished, post, prepared, print_

PAPER = {"locale": "en", "beside": "", "paper": "a4", "size": "normal", "ink": "full", "goes": "stays"}
REFUSED = "This sheet cannot be printed now."


def ask(client: FlaskClient, clinic: Clinic, sheet: str, to: str, **more: str) -> Any:
    return print_(client, clinic.case, sheet=sheet, to=to, **(PAPER | more))


def fresh(clinic: Clinic) -> FlaskClient:
    """Ana's browser, her identity proven just now."""
    client = clinic.app.test_client()
    client.set_cookie("clinic_session", accounts.sign_in(clinic.store, "ana", PASSWORD))
    return client


def level(clinic: Clinic) -> str:
    page = cases.case_page(clinic.store, clinic.tokens["ana"], clinic.case, layer="staff")
    return Ruling.from_data(page.ruling).level


def verbs(clinic: Clinic) -> list[str]:
    return [line.verb for line in audit_log.page(clinic.store, accounts.sign_in(clinic.store, "ana", PASSWORD)).lines]


# --------------------------------------------------------------------------- override
def test_an_override_from_the_staff_layer(clinic: Clinic) -> None:
    ana, where = fresh(clinic), f"/cases/{clinic.case}/override"
    prepared(clinic, "light")
    page = ana.get(where).get_data(as_text=True)
    assert 'value="our_cycle joint"' in page
    assert 'value="closeness_without_sex joint"' not in page  # a yes of each is missing
    assert ask(ana, clinic, "our_cycle", "joint").status_code == 409
    done = post(ana, where, what="our_cycle joint", reason="Both asked to finish it.")
    assert done.status_code == 303
    assert ask(ana, clinic, "our_cycle", "joint").mimetype == "application/pdf"
    assert ask(ana, clinic, "five_steps", "a").status_code == 409
    assert "Both asked to finish it." in ana.get(where).get_data(as_text=True)
    assert "override.made" in verbs(clinic)


@pytest.mark.parametrize(
    ("what", "reason", "status", "path"),
    [
        ("our_cycle joint", " ", 422, "reason"),
        ("", "a good reason", 422, "what"),
        ("our_cycle c", "a good reason", 422, "what"),
        ("closeness_without_sex joint", "a good reason", 409, "what"),
        ("nothing a", "a good reason", 409, "what"),
    ],
)
def test_an_override_that_is_not_complete_keeps_its_words(
    clinic: Clinic, what: str, reason: str, status: int, path: str
) -> None:
    prepared(clinic, "light")
    reply = post(fresh(clinic), f"/cases/{clinic.case}/override", what=what, reason=reason)
    text = reply.get_data(as_text=True)
    assert reply.status_code == status
    assert f'href="#{path}"' in text
    assert reason.strip() in text


def test_outside_the_staff_layer_nothing_tells_of_an_override(clinic: Clinic) -> None:
    ana = fresh(clinic)
    prepared(clinic, "light")
    pages = ("", "/print")
    before = [tokenless(ana.get(f"/cases/{clinic.case}{one}")) for one in pages]
    post(ana, f"/cases/{clinic.case}/override", what="our_cycle joint", reason="Both asked.")
    ana.get("/help")  # what the last page had to say once
    assert [tokenless(ana.get(f"/cases/{clinic.case}{one}")) for one in pages] == before


def tokenless(reply: Any) -> str:
    return re.sub(r'name="csrf_token" value="[^"]*"', "", reply.get_data(as_text=True))


# --------------------------------------------------------------------------- lifting a hold
def decide(ana: FlaskClient, clinic: Clinic, **fields: str) -> Any:
    """A new map with a decision, as the browser sends it."""
    made = post(ana, f"/cases/{clinic.case}/records", definition="map", about="couple")
    assert made.status_code == 303
    return post(ana, made.location, rev="1", tab="t", do="finish", **fields)


def test_a_hold_after_a_red_answer_is_lifted_by_reason_supervisors_note_and_review_date(
    clinic: Clinic, ana: FlaskClient
) -> None:
    prepared(clinic)
    day = {"day": clinic.store.today().isoformat()}
    red = {"held": day, "conditions": "yes", "fear": "yes"}
    finished(clinic.store, clinic.tokens["ana"], clinic.case, "safety_screening", "b", red)
    assert level(clinic) == "hold"
    review = clinic.store.today().replace(year=clinic.store.today().year + 1).isoformat()
    whole = {
        "decision": "full",
        "level_reason": "Asked again, alone.",
        "supervisor_note": "Agreed.",
        "level_days.review": review,
    }
    for missing in ("supervisor_note", "level_days.review"):
        assert decide(ana, clinic, **{name: one for name, one in whole.items() if name != missing}).status_code == 303
        assert level(clinic) == "hold", missing
    assert (
        decide(ana, clinic, **{name: one for name, one in whole.items() if name != "level_reason"}).status_code == 422
    )
    assert level(clinic) == "hold"
    assert "hold.lifted" not in verbs(clinic)
    assert decide(ana, clinic, **whole).status_code == 303
    assert level(clinic) == "full"
    assert "hold.lifted" in verbs(clinic)
    page = ana.get(f"/cases/{clinic.case}/formulation").get_data(as_text=True)
    assert "Asked again, alone." in page
    assert "Ends by itself on" in page


def test_the_staff_layer_says_whether_the_preparation_stands_and_no_other_page(
    clinic: Clinic, ana: FlaskClient
) -> None:
    work, first = f"/cases/{clinic.case}/work", f"/cases/{clinic.case}"
    assert re.search(r"Preparation: .*due", ana.get(work).get_data(as_text=True), re.S)
    prepared(clinic)
    assert re.search(r"Preparation: .*in place", ana.get(work).get_data(as_text=True), re.S)
    assert "Preparation" not in ana.get(first).get_data(as_text=True)


# --------------------------------------------------------------------------- the command line
def test_a_refusal_on_the_command_line_is_one_constant_line(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Closed for want of preparation, under hold, no such record, another's case: the same words, exit 1."""
    from clinic import cli
    from clinic.domain.errors import ClinicError
    from clinic.services.prints import PrintJob

    token = clinic.tokens["ana"]

    def said(sheet: str, **more: str) -> tuple[int, str]:
        press = clinic.app.extensions["clinic"]["press"]
        monkeypatch.setattr(
            print_command,
            "from_command_line",
            lambda *_, **__: (
                print_sheet.filled(
                    clinic.store, press, token, clinic.case, PrintJob(sheet, "a", **more), "reviewed"
                ).pdf
            ),
        )
        arguments = ["print", sheet, "--out", str(tmp_path / "x.pdf"), "--case", "K-1", "--to", "a"]
        found = CliRunner().invoke(cli.clinic, [*arguments, "--instance", str(clinic.store.settings.instance)])
        assert isinstance(found.exception, ClinicError)
        return found.exception.exit, " ".join(str(found.exception).split())

    lines = {said("five_steps"), said("the_wave"), said("check_in", record=clinic.signed)}
    prepared(clinic, "hold")
    lines |= {said("five_steps"), said("homework_plan")}
    assert lines == {(1, "This sheet cannot be printed now. The reason is in the staff layer.")}
    assert not (tmp_path / "x.pdf").exists()


# --------------------------------------------------------------------------- couple view
def test_the_couple_view_holds_the_session_to_itself(clinic: Clinic) -> None:
    ana, here = fresh(clinic), f"/cases/{clinic.case}/couple"
    prepared(clinic)
    shown = post(ana, here)
    assert (shown.status_code, shown.location) == (303, here)
    page = ana.get(here)
    text = page.get_data(as_text=True)
    assert page.status_code == 200
    assert "writes often" in text
    assert "Grows with distance" not in text
    assert "<nav" not in text
    for other in (
        "/",
        f"/cases/{clinic.case}",
        f"/cases/{clinic.case}/work",
        f"/records/{clinic.draft}",
        "/help",
        "/nothing",
    ):
        reply = ana.get(other)
        assert reply.status_code == 423, other
        assert cases.name(clinic.store, clinic.tokens["ana"], clinic.case).code not in reply.get_data(as_text=True)
    assert ana.get(f"/cases/{clinic.foreign_case}/couple").status_code == 423


def test_a_couple_view_of_another_counsellors_case_is_not_there(clinic: Clinic, ana: FlaskClient) -> None:
    for case in (clinic.foreign_case, "00000000-0000-4000-8000-000000000000"):
        assert ana.get(f"/cases/{case}/couple").status_code == 404
        assert post(ana, f"/cases/{case}/couple").status_code == 404
    assert ana.get("/help").status_code == 200


# --------------------------------------------------------------------------- agreements
def test_an_agreement_keeps_the_words_of_the_page_it_was_finished_on(clinic: Clinic, ana: FlaskClient) -> None:
    one = definitions()["consent_and_secrets_policy"]
    spanish = catalogue("es").text(one.title)
    post(ana, "/language", tag="es", next="/help")
    made = post(ana, f"/cases/{clinic.case}/records", definition=one.id, about="couple")
    shown = ana.get(made.location).get_data(as_text=True)
    assert spanish in shown
    day = clinic.store.today().isoformat()
    answers = filled(one, "couple", lambda _: "dicho")
    fields = {"rev": "1", "tab": "t", "do": "finish", "local_duties": "dicho", "policy": answers["policy"]}
    fields |= {"agreed_a": "agree", "agreed_b": "agree", "day.agreed_on": day}
    assert post(ana, made.location, **fields).status_code == 303
    post(ana, "/language", tag="en", next="/help")
    page = ana.get(made.location).get_data(as_text=True)
    prose = catalogue("es").text(one.blocks["kept"].text)
    assert spanish in page
    assert prose in page.replace("&#39;", "'")
    assert 'lang="es" dir="ltr"' in page
    assert one.blocks["kept"].text.en not in page
    record = made.location.rsplit("/", 1)[1]
    job = PrintJob(one.id, "joint", "en", record=record)
    printed = page_of(clinic.store, clinic.tokens["ana"], clinic.case, job)
    assert printed.lang == "es"
    assert spanish in printed.html


# --------------------------------------------------------------------------- small things
def test_a_session_form_begins_with_today(clinic: Clinic, ana: FlaskClient) -> None:
    made = post(ana, f"/cases/{clinic.case}/records", definition="session", about="couple")
    record = records.read(clinic.store, clinic.tokens["ana"], made.location.rsplit("/", 1)[1])
    assert record.answers == {"held": {"day": clinic.store.today().isoformat()}}


def test_a_new_case_says_where_to_begin(clinic: Clinic, ana: FlaskClient) -> None:
    fields = {"a-language": "en", "b-language": "en", "a-beside": "", "b-beside": "", "paper": "a4"}
    made = post(ana, "/cases/new", **fields)
    assert made.status_code == 303
    assert "Begin here" in ana.get(made.location).get_data(as_text=True)
    assert "Begin here" not in ana.get(f"/cases/{clinic.case}/work").get_data(as_text=True)


def test_a_suggestion_says_that_its_translation_is_a_draft(clinic: Clinic, ana: FlaskClient) -> None:
    where = f"/cases/{clinic.case}/formulation"
    prepared(clinic)
    assert "not reviewed in" not in ana.get(where).get_data(as_text=True)
    page = ana.get(f"/cases/{clinic.case}/card")
    fields = {"a-language": "es", "b-language": "en", "a-beside": "", "b-beside": "", "paper": "a4"}
    rev = re.search(r'name="rev" value="(\d+)"', page.get_data(as_text=True))
    assert rev
    ana.post(f"/cases/{clinic.case}/card", data={"csrf_token": csrf(page), "rev": rev[1], **fields})
    assert "not reviewed in Español" in ana.get(where).get_data(as_text=True)


def test_the_staff_layer_lists_what_went_out_and_warns_of_uneven_piles(clinic: Clinic, ana: FlaskClient) -> None:
    work = f"/cases/{clinic.case}/work"
    assert ask(ana, clinic, "whats_underneath", "a", goes="home").status_code == 200
    text = ana.get(work).get_data(as_text=True)
    assert "went home" in text
    assert "Today A got 1 and B got 0." in text
    assert ask(ana, clinic, "whats_underneath", "b").status_code == 200
    text = ana.get(work).get_data(as_text=True)
    assert "stayed here" in text
    assert "Not the same number" not in text


def test_every_print_asks_where_it_goes_in_the_same_words_and_it_stays_here_unless_said(
    clinic: Clinic, ana: FlaskClient
) -> None:
    for sheet, to in (("whats_underneath", "a"), ("our_cycle", "joint"), ("intake", "joint")):
        reply = post(ana, f"/cases/{clinic.case}/print", sheet=sheet, to=to, do="open")
        text = reply.get_data(as_text=True)
        assert "Is it safe at home?" in text
        assert re.search(r'name="goes" value="stays"[^>]* checked', text)
