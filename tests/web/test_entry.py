"""Enter a code: the page, its one answer, and keying in by a form that is made for the keyboard."""

import logging
import re
from io import StringIO
from typing import Any

import pytest
from flask.testing import FlaskClient

from clinic import logs
from clinic.domain.code import new_code
from clinic.domain.definition import SILENT
from clinic.services import prints, records
from clinic.services.definitions import definitions
from clinic.services.prints import PrintJob
from tests.web.conftest import Clinic, post, print_

PAPER = {"locale": "en", "beside": "", "paper": "a4", "size": "normal", "ink": "full", "goes": "stays"}
NOTHING = "This code opens nothing here."


def printed(clinic: Clinic, client: FlaskClient, sheet: str = "whats_underneath", to: str = "a") -> str:
    """The code of a sheet that was printed as people print it."""
    reply = print_(client, clinic.case, sheet=sheet, to=to, **PAPER)
    found = re.search(r"filename=([A-Z2-9]{9})\.pdf", reply.headers["Content-Disposition"])
    assert found
    return found[1]


def noted(clinic: Clinic, who: str = "ana", sheet: str = "whats_underneath", to: Any = "a") -> str:
    """The same without drawing."""
    code, case = new_code(), clinic.case if who == "ana" else clinic.foreign_case
    prints.note(clinic.store, clinic.tokens[who], case, code, PrintJob(sheet, to), definitions()[sheet].sha)
    return code


def entered(client: FlaskClient, code: str, to: str = "a", **more: str) -> Any:
    return post(client, "/codes", **({"code": code, "to": to, "day": ""} | more))


def record_of(address: str) -> str:
    return address.rsplit("/", 1)[1]


# --------------------------------------------------------------------------- the code
def test_from_the_paper_to_its_form(clinic: Clinic, ana: FlaskClient) -> None:
    code = printed(clinic, ana)
    page = ana.get("/codes").get_data(as_text=True)
    assert re.search(r"<input autofocus [^>]*name=\"code\"", page)
    assert 'href="/codes"' in ana.get("/").get_data(as_text=True)
    reply = entered(ana, f"{code[:4].lower()} {code[4:]}")
    assert reply.status_code == 303
    assert re.fullmatch(r"/entries/[0-9a-f-]{36}", reply.location)
    form = ana.get(reply.location).get_data(as_text=True)
    assert code not in form
    assert re.search(r"<title>Form – Secure Base</title>", form)
    record = records.read(clinic.store, clinic.tokens["ana"], record_of(reply.location))
    assert (record.about, record.definition.id, record.signed) == ("a", "whats_underneath", False)


@pytest.mark.parametrize("code", ["", "ABCDEFGHK", "what", "<b>"])
def test_a_mistyped_code_says_so_and_comes_back(ana: FlaskClient, code: str) -> None:
    reply = entered(ana, code)
    text = reply.get_data(as_text=True)
    assert reply.status_code == 422
    assert "This is not a whole code" in text
    assert NOTHING not in text
    assert "<b>" not in text.replace("<bdi>", "")
    if code.isalnum():
        assert f'value="{code}"' in text


@pytest.mark.parametrize("more", [{"to": ""}, {"to": "c"}, {"day": "2999-01-01"}, {"day": "yesterday"}])
def test_what_is_missing_is_pointed_at(clinic: Clinic, ana: FlaskClient, more: dict[str, str]) -> None:
    reply = entered(ana, noted(clinic), **more)
    assert reply.status_code == 422
    assert f'href="#{next(iter(more))}"' in reply.get_data(as_text=True)


def test_unknown_foreign_and_wrong_readers_codes_answer_alike(clinic: Clinic, ana: FlaskClient) -> None:
    """Status, headers and bytes but for what was typed, form token and nonce."""
    tried = [(new_code(), "a"), (noted(clinic, "ben"), "a"), (noted(clinic), "b"), (noted(clinic, to="b"), "joint")]
    replies = set()
    for code, to in tried:
        reply = entered(ana, code, to)
        text = re.sub(r'name="csrf_token" value="[^"]*"', "", reply.get_data(as_text=True)).replace(code, "")
        text = re.sub(r'(<input type="radio" name="to" value="[a-z]+"(?: id="to")?)(?: checked)?', r"\1", text)
        headers = tuple(sorted((name, value) for name, value in reply.headers if name != "Set-Cookie"))
        assert NOTHING in text
        replies.add((reply.status_code, headers, text))
    lengths = {dict(headers)["Content-Length"] for _, headers, _ in replies}
    assert len(replies) == len(lengths) == 1, [one[0] for one in replies]


def test_too_many_tries_wait(clinic: Clinic, ana: FlaskClient) -> None:
    right = noted(clinic)
    for _ in range(5):
        assert entered(ana, new_code()).status_code == 404
    reply = entered(ana, right)
    assert reply.status_code == 429
    assert "Too many codes" in reply.get_data(as_text=True)
    assert entered(ana, "no code").status_code == 422


def test_no_code_in_an_address_a_title_or_a_log(clinic: Clinic, ana: FlaskClient) -> None:
    stream, log = StringIO(), logging.getLogger()
    handler, level = logs.handler(stream), log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    try:
        codes = [printed(clinic, ana), noted(clinic, "ben"), new_code()]
        for code in codes:
            reply = entered(ana, code)
            text = reply.get_data(as_text=True)
            title = re.search(r"<title>(.*?)</title>", text)
            assert code not in (reply.location or "") + (title[1] if title else "")
            assert not [one for one in re.findall(r'(?:href|action|src)="([^"]*)"', text) if code in one]
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
    said = stream.getvalue()
    assert said.count("\n") > 5
    assert not any(code in said for code in codes)


def test_a_code_in_the_address_is_not_looked_at(clinic: Clinic, ana: FlaskClient) -> None:
    code = noted(clinic)
    page = ana.get(f"/codes?code={code}&to=a")
    assert page.status_code == 200
    assert code not in page.get_data(as_text=True)
    assert ana.get(f"/codes/{code}").status_code == 404


# --------------------------------------------------------------------------- the form
def opened(clinic: Clinic, client: FlaskClient, sheet: str = "whats_underneath", to: str = "a") -> str:
    found = entered(client, noted(clinic, sheet=sheet, to=to), to)
    assert found.status_code == 303
    return str(found.location)


def test_the_form_has_the_steps_of_the_paper_and_only_what_is_answered(clinic: Clinic, ana: FlaskClient) -> None:
    text = ana.get(opened(clinic, ana)).get_data(as_text=True)
    main = text[text.index("<main") : text.index("</main>")]
    numbers = re.findall(r'class="keyed-number">(\d+)<', main)
    assert numbers == ["1", "2", "3", "4"]
    first = re.search(r"<(textarea|input|select) autofocus[^>]*>", main)
    assert first
    assert 'id="what"' in first[0]
    assert main.count("autofocus") == 1
    prose = next(one.text.en for one in definitions()["whats_underneath"].blocks.values() if one.kind == "callout")
    assert prose[:20] not in main


def test_enter_keeps_the_draft_and_stays(clinic: Clinic, ana: FlaskClient) -> None:
    """The first button of a form is what Enter presses without the script: never the lock, and nothing is finished."""
    where = opened(clinic, ana)
    text = ana.get(where).get_data(as_text=True)
    first = next(one for one in re.findall(r"<button[^>]*>", text) if 'form="record"' in one)
    assert 'name="do" value="stay"' in first
    assert 'type="submit"' in first
    reply = post(ana, where, rev="1", tab="t", do="stay", what="half of it")
    assert (reply.status_code, reply.location) == (303, where)
    assert "half of it" in ana.get(where).get_data(as_text=True)
    assert not records.read(clinic.store, clinic.tokens["ana"], record_of(where)).signed


def test_save_or_finish_and_on_to_the_next_code(clinic: Clinic, ana: FlaskClient) -> None:
    where = opened(clinic, ana)
    reply = post(ana, where, rev="1", tab="t", do="next", what="keyed in", fits="two_sides")
    assert (reply.status_code, reply.location) == (303, "/codes")
    record = records.read(clinic.store, clinic.tokens["ana"], record_of(where))
    assert record.answers == {"what": "keyed in", "fits": ["two_sides"]}
    assert set(record.scopes) == {"a"}
    assert "keyed in" in ana.get(where).get_data(as_text=True)
    reply = post(ana, where, rev="2", tab="t", do="finish", what="keyed in and read again")
    assert (reply.status_code, reply.location) == (303, "/codes")
    done = records.read(clinic.store, clinic.tokens["ana"], record_of(where))
    assert done.signed
    assert done.answers == {"what": "keyed in and read again"}
    assert ana.get(where).location == f"/records/{done.id}"


def test_a_sheet_that_was_keyed_in_opens_to_read_add_and_correct(clinic: Clinic, ana: FlaskClient) -> None:
    where = opened(clinic, ana)
    post(ana, where, rev="1", tab="t", do="finish", what="keyed in")
    code = printed(clinic, ana)  # filled now
    reply = entered(ana, code)
    assert reply.location == f"/records/{record_of(where)}"
    text = ana.get(reply.location).get_data(as_text=True)
    for words in ("printed with these answers", "keyed in", "Add to this record", "Correct this record"):
        assert words in text


def test_what_does_not_fit_comes_back_with_what_was_typed(clinic: Clinic, ana: FlaskClient) -> None:
    """Kept in the draft as it was typed, and pointed at; nobody goes on to the next code by accident."""
    where = opened(clinic, ana, "check_in")
    name = next(name for name in ("held", "filled") if name in definitions()["check_in"].blocks)
    for do in ("next", "finish"):
        rev = str(records.read(clinic.store, clinic.tokens["ana"], record_of(where)).rev)
        reply = post(ana, where, rev=rev, tab="t", do=do, **{f"{name}.day": "the day before"})
        text = reply.get_data(as_text=True)
        assert reply.status_code == 422
        assert 'value="the day before"' in text
        assert f'href="#{name}.day"' in text
    assert "the day before" in ana.get(where).get_data(as_text=True)


def test_an_old_revision_leads_to_both_versions(clinic: Clinic, ana: FlaskClient) -> None:
    where = opened(clinic, ana)
    assert post(ana, where, rev="1", tab="a", do="next", what="first").status_code == 303
    late = post(ana, where, rev="1", tab="b", do="next", what="second")
    assert late.status_code == 409
    assert "first" in late.get_data(as_text=True)
    assert "second" in late.get_data(as_text=True)


def test_the_form_of_another_counsellor_is_not_there(clinic: Clinic, ana: FlaskClient) -> None:
    where = opened(clinic, ana)
    ben = clinic.client("ben")
    assert ben.get(where).status_code == 404
    assert post(ben, where, rev="1", tab="t", do="finish", what="mine").status_code == 404
    kept = post(ana, "/entries/00000000-0000-4000-8000-000000000000", rev="1", what="typed for nothing")
    assert kept.status_code == 404
    assert "typed for nothing" in kept.get_data(as_text=True)


def test_every_sheet_with_a_code_has_a_form_to_key_it_in(clinic: Clinic, ana: FlaskClient) -> None:
    """All that may be printed for anybody: the form opens and has a control in focus, if it asks anything at all."""
    token = clinic.tokens["ana"]
    for one in definitions().values():
        if one.recipients and one.kind not in ("addendum", "released"):
            about = one.abouts[0]
            made = records.start(clinic.store, token, clinic.case, one.id, about)
            reply = ana.get(f"/entries/{made}")
            text = reply.get_data(as_text=True)
            assert reply.status_code == 200, one.id
            asked = [placed for placed in one.placed(about) if placed.block.kind not in SILENT]
            main = text[text.index("<main") : text.index("</main>")]
            assert ("autofocus" in main) is bool(asked), one.id
