"""Every route, for nobody, its owner and another counsellor; taken from the URL map, so that none is forgotten."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from clinic.services import cases
from clinic.web.doors import DOORS, OPEN
from tests.web.conftest import Clinic, post

NOTHING = "00000000-0000-4000-8000-000000000000"
PUBLIC = {"auth.sign_in", "auth.enter", "static", "pages.language", "lock.state"}


def routes(clinic: Clinic) -> list[tuple[Rule, str]]:
    rules = clinic.app.url_map.iter_rules()
    return [(rule, method) for rule in rules for method in sorted((rule.methods or set()) & {"GET", "POST"})]


def address(clinic: Clinic, rule: Rule, case: str, record: str) -> str:
    values: dict[str, Any] = dict.fromkeys(rule.arguments, NOTHING)
    values |= {"case_id": case, "record_id": record, "filename": "app.css"}
    with clinic.app.test_request_context():
        adapter = clinic.app.create_url_adapter(None) or clinic.app.url_map.bind("localhost")
        return adapter.build(rule.endpoint, {name: values[name] for name in rule.arguments})


def send(client: FlaskClient, method: str, where: str, **fields: Any) -> Any:
    reply = client.get(where) if method == "GET" else post(client, where, **fields)
    reply.get_data()
    reply.close()  # a static file stays open otherwise
    return reply


def test_the_open_doors_are_these_and_no_other() -> None:
    assert OPEN == PUBLIC


def test_every_endpoint_has_a_line_in_the_table_and_every_line_an_endpoint(clinic: Clinic) -> None:
    assert {rule.endpoint for rule in clinic.app.url_map.iter_rules()} == set(DOORS) | OPEN
    assert not set(DOORS) & OPEN
    assert all(door.roles for door in DOORS.values())


def test_nobody_gets_past_the_sign_in(clinic: Clinic) -> None:
    seen, code = 0, cases.name(clinic.store, clinic.tokens["ana"], clinic.case).code.encode()
    for rule, method in routes(clinic):
        if rule.endpoint in PUBLIC:
            continue
        reply = send(clinic.client(), method, address(clinic, rule, clinic.case, clinic.draft), definition="map")
        if method == "GET":
            assert (reply.status_code, reply.location) == (302, "/sign-in"), rule
        else:
            assert reply.status_code == 401, rule
            assert code not in reply.data
        seen += 1
    assert seen >= 20


def test_an_unknown_address_tells_nobody_anything(clinic: Clinic) -> None:
    assert clinic.client().get("/no-such-page").location == "/sign-in"
    assert clinic.client("ana").get("/no-such-page").status_code == 404


def casework(clinic: Clinic) -> list[tuple[Rule, str]]:
    """The doors a counsellor has to the cases and sheets; each role's own are asked in tests/security."""
    own = ("cases.", "records.", "formulation.", "sheets.", "pages.")
    return [(rule, method) for rule, method in routes(clinic) if rule.endpoint.startswith(own)]


def test_the_owner_gets_in_everywhere(clinic: Clinic, ana: FlaskClient) -> None:
    for rule, method in casework(clinic):
        if rule.endpoint == "records.discard":
            continue
        if rule.endpoint == "cases.show_couple":  # holds the session to one page: tests/web/test_lock.py
            continue
        record = clinic.signed if rule.endpoint == "records.add" else clinic.draft
        fields = {"definition": "map", "sheet": "our_cycle", "to": "joint", "do": "open", "name": "x", "password": "y"}
        reply = send(ana, method, address(clinic, rule, clinic.case, record), **fields)
        assert reply.status_code in (200, 204, 302, 303, 409, 422), (rule, method, reply.status_code)


def test_another_counsellor_finds_nothing_and_cannot_tell_foreign_from_unknown(clinic: Clinic) -> None:
    ben, nothing = clinic.client("ben"), NOTHING
    seen = 0
    for rule, method in casework(clinic):
        if not rule.arguments & {"case_id", "record_id"}:
            continue
        fields = {"definition": "map", "sheet": "our_cycle", "to": "joint", "do": "open"}
        there, nowhere = address(clinic, rule, clinic.case, clinic.draft), address(clinic, rule, nothing, nothing)
        foreign, unknown = send(ben, method, there, **fields), send(ben, method, nowhere, **fields)
        # A place in a list that is not there, or not one's own, is the beginning of the list.
        expected = 200 if rule.endpoint == "cases.caseload" else 404
        assert foreign.status_code == unknown.status_code == expected, (rule, method, foreign.status_code)
        assert _plain(foreign).replace(there, "here") == _plain(unknown).replace(nowhere, "here")
        seen += 1
    assert seen >= 14


def _plain(reply: Any) -> str:
    """The page without what differs in every reply, and without the address the language form leads back to."""
    import re

    return re.sub(r'name="(csrf_token|next|lock-at)" value="[^"]*"', "", reply.get_data(as_text=True))


@pytest.mark.parametrize("method", ["get", "post"])
def test_every_form_needs_its_token(clinic: Clinic, ana: FlaskClient, method: str) -> None:
    posts = [rule for rule, verb in routes(clinic) if verb == "POST"]
    assert len(posts) >= 10
    for rule in posts:
        if method == "post":
            reply = ana.post(address(clinic, rule, clinic.case, clinic.draft), data={"definition": "map"})
            assert reply.status_code == 400, rule
            assert "Go back" in reply.get_data(as_text=True)
    listed = ana.get(f"/cases/{clinic.case}/work").get_data(as_text=True)
    assert listed.count("/records/") == 2  # nothing was begun


def test_other_hosts_are_refused(clinic: Clinic) -> None:
    reply = clinic.client("ana").get("/", headers={"Host": "evil.example"})
    assert reply.status_code == 400
    assert b"K-" not in reply.data


def test_a_session_ends_on_the_server(clinic: Clinic, ana: FlaskClient) -> None:
    reply = post(ana, "/sign-out")
    assert reply.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert clinic.client("ana").get("/").location == "/sign-in"
