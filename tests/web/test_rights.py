"""The page of a case's rights, cases whose time is over, and the backups' page, as a browser meets them."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from clinic.persistence import slots, vault
from clinic.persistence.models import SignedIn
from clinic.services import accounts, backup, cases, second_person
from clinic.services.unit_of_work import unit_of_work
from tests.web.conftest import PASSWORD, Clinic, csrf, finished, post

CANARY = "CanaryOfA"


def at(clinic: Clinic, what: str = "") -> str:
    return f"/cases/{clinic.case}/rights{what}"


def send(client: FlaskClient, clinic: Clinic, door: str, /, **fields: Any) -> Any:
    return client.post(at(clinic, door), data={"csrf_token": csrf(client.get("/help")), **fields})


def text(reply: Any) -> str:
    return reply.get_data(as_text=True)


def admins(clinic: Clinic) -> str:
    accounts.create_account(clinic.store, "dora", PASSWORD, display="Dora", role="admin")
    token = accounts.sign_in(clinic.store, "dora", PASSWORD)
    clinic.tokens["dora"] = token
    return token


def stale(clinic: Clinic) -> None:
    """The last proof of identity was a while ago."""
    with unit_of_work(clinic.store, write=True) as session:
        for row in session.query(SignedIn):
            row.authed -= timedelta(minutes=6)


@pytest.fixture
def said(clinic: Clinic) -> Clinic:
    """A said something alone."""
    finished(clinic.store, clinic.tokens["ana"], clinic.case, "two_beliefs", "a", first_answer())
    return clinic


def first_answer() -> dict[str, Any]:
    from clinic.services.definitions import definitions

    placed = definitions()["two_beliefs"].placed("a")
    block = next(one for one in placed if one.block.kind == "prompt" and one.scope == "a")
    value: Any = {one.id: CANARY for one in block.block.asks} if block.block.asks else CANARY
    return {block.name: value}


@pytest.mark.parametrize("format_", ["json", "csv"])
def test_a_copy_for_one_person(said: Clinic, format_: str) -> None:
    reply = send(said.client("ana"), said, "/export", what="a", format=format_)
    assert reply.status_code == 200
    assert CANARY in text(reply)
    assert re.fullmatch(rf'attachment; filename="[0-9a-f]{{8}}\.{format_}"', reply.headers["Content-Disposition"])
    assert reply.headers["Cache-Control"] == "no-store"
    other = send(said.client("ana"), said, "/export", what="b", format=format_)
    assert CANARY not in text(other)


def test_without_a_fresh_proof_it_asks_for_one(said: Clinic) -> None:
    stale(said)
    reply = send(said.client("ana"), said, "/export", what="a", format="json")
    assert reply.status_code == 401
    assert CANARY not in text(reply)
    assert said.client("ana").get(at(said)).status_code == 200


def test_the_joint_copy_asks_for_a_basis_without_an_agreement(said: Clinic) -> None:
    ana = said.client("ana")
    assert 'name="basis"' in text(ana.get(at(said)))
    refused = send(ana, said, "/export", what="joint", format="json")
    assert refused.status_code == 303
    assert "legal basis" in text(ana.get(at(said)))
    made = send(ana, said, "/export", what="joint", format="json", basis="Both asked for it in writing")
    assert json.loads(made.data)["entries"] == []


def test_the_whole_file_waits_for_a_second_person(said: Clinic) -> None:
    ana, dora = said.client("ana"), admins(said)
    assert send(ana, said, "/export", what="file", format="json").status_code == 403
    empty = send(ana, said, "/ask", kind="export_file", partner="", reason=" ")
    assert empty.status_code == 422
    assert send(ana, said, "/ask", kind="export_file", partner="", reason="A court asked").status_code == 303
    assert "waits" in text(ana.get(at(said)))
    (one,) = [asked for asked in second_person.waiting(said.store, dora)]
    assert one.reason == "A court asked"
    second_person.confirm(said.store, dora, one.id)
    page = text(ana.get(at(said)))
    assert "Dora" in page
    assert one.id in page
    made = send(ana, said, "/export", what="file", format="json", request=one.id)
    assert CANARY in text(made)
    assert send(ana, said, "/export", what="file", format="json", request=one.id).status_code == 403


def test_erasing_one_person(said: Clinic) -> None:
    ana, dora = said.client("ana"), admins(said)
    assert send(ana, said, "/ask", kind="erase", partner="a", reason="Asked in writing").status_code == 303
    (one,) = second_person.waiting(said.store, dora)
    assert send(ana, said, "/erase", partner="a", request=one.id, sure="yes").status_code == 403
    assert "Partner A" in text(said.client("dora").get("/waiting"))  # whoever confirms reads of whom
    second_person.confirm(said.store, dora, one.id)
    assert send(ana, said, "/erase", partner="a", request=one.id).status_code == 303
    assert CANARY in text(send(ana, said, "/export", what="a", format="json"))  # the box was not ticked
    assert send(ana, said, "/erase", partner="b", request=one.id, sure="yes").status_code == 403
    done = send(ana, said, "/erase", partner="a", request=one.id, sure="yes")
    assert done.status_code == 303
    page = text(ana.get(at(said)))
    assert "erased" in page
    assert CANARY not in text(send(ana, said, "/export", what="a", format="json"))
    for address in ("", "/work", "/card", "/rights", "/formulation"):
        assert ana.get(f"/cases/{said.case}{address}").status_code == 200, address


def test_a_hold_and_a_day(said: Clinic) -> None:
    ana = said.client("ana")
    assert send(ana, said, "/keep", do="hold", hold=" ").status_code == 422
    assert send(ana, said, "/keep", do="hold", hold="A court case <b>").status_code == 303
    page = text(ana.get(at(said)))
    assert "A court case &lt;b&gt;" in page
    assert "Kept for now" in page
    assert send(ana, said, "/keep", do="lift").status_code == 303
    assert "A court case" not in text(ana.get(at(said)))
    assert send(ana, said, "/keep", do="until", until="soon").status_code == 422
    assert send(ana, said, "/keep", do="until", until="2001-01-01").status_code == 303
    assert cases.case_page(said.store, said.tokens["ana"], said.case).code in text(ana.get("/retention"))
    assert "Close this case for good" in text(ana.get(at(said)))


def test_a_case_is_closed_only_after_its_time(said: Clinic) -> None:
    ana, dora = said.client("ana"), admins(said)
    assert send(ana, said, "/ask", kind="erase", partner="case", reason="Over").status_code == 409
    send(ana, said, "/keep", do="until", until="2001-01-01")
    assert send(ana, said, "/ask", kind="erase", partner="case", reason="Over").status_code == 303
    (one,) = second_person.waiting(said.store, dora)
    second_person.confirm(said.store, dora, one.id)
    assert send(ana, said, "/erase", partner="case", request=one.id, sure="yes").status_code == 303
    assert ana.get("/").status_code == 200
    shell = ana.get(at(said))
    assert shell.status_code == 200
    assert "An empty shell" in text(shell)


@pytest.mark.parametrize("what", ["", "/export", "/ask", "/erase", "/keep"])
def test_a_foreign_case_is_not_there(clinic: Clinic, what: str) -> None:
    ben = clinic.client("ben")
    fields = {"what": "a", "format": "json", "kind": "erase", "partner": "a", "reason": "x", "sure": "yes",
              "request": clinic.draft, "do": "hold", "hold": "x"}  # fmt: skip
    for case in (clinic.case, "00000000-0000-4000-8000-000000000000"):
        address = f"/cases/{case}/rights{what}"
        token = csrf(ben.get("/help"))
        reply = ben.post(address, data={"csrf_token": token, **fields}) if what else ben.get(address)
        assert reply.status_code == 404


def test_nonsense_is_not_there(said: Clinic) -> None:
    ana = said.client("ana")
    for what, fields in (
        ("/export", {"what": "c"}), ("/export", {"what": "staff_c", "request": said.draft}),
        ("/ask", {"kind": "erase", "partner": ""}), ("/ask", {"kind": "role", "partner": "a"}),
        ("/erase", {"partner": "c", "sure": "yes", "request": said.draft}),
    ):  # fmt: skip
        assert send(ana, said, what, **fields).status_code in (403, 404), fields


# --------------------------------------------------------------------------- backups
def test_the_backups_page_is_the_admins(clinic: Clinic) -> None:
    admins(clinic)
    ana, dora = clinic.client("ana"), clinic.client("dora")
    assert ana.get("/backups").status_code == 403
    assert "There is no good backup yet." in text(ana.get("/"))
    page = text(dora.get("/backups"))
    assert "Somebody has to look" in page
    assert str(clinic.store.settings.backup_folder) in page
    failed = post(dora, "/backups")
    assert failed.status_code == 303
    assert "recovery key" in text(dora.get("/backups"))
    mine = clinic.store.settings
    vault.change_slot(mine.instance, slots.by_key_file(mine.key_file), slots.by_recovery_key(slots.new_recovery_key()))
    post(dora, "/backups")
    page = text(dora.get("/backups"))
    assert "Somebody has to look" not in page
    assert "Good backups" in page
    assert "Last good backup" in text(ana.get("/"))
    assert backup.state(mine, False, clinic.store.today()).last
