"""The page of print machines: paste, compare, accept, revoke; and what it says of a row that nobody accepted."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from flask.testing import FlaskClient

from clinic.persistence.models import PressHanded, PressWorker
from clinic.services import accounts, worker_key
from clinic.services.unit_of_work import unit_of_work
from tests.web.conftest import PASSWORD, Clinic, post

KEY = bytes(range(32))
SHOWN = worker_key.shown(KEY)
PRINT = worker_key.fingerprint(KEY)


@pytest.fixture
def ada(clinic: Clinic) -> Iterator[FlaskClient]:
    accounts.create_account(clinic.store, "ada", PASSWORD, "Ada", "admin")
    with clinic.app.test_client() as browser:
        browser.set_cookie("clinic_session", accounts.sign_in(clinic.store, "ada", PASSWORD))
        yield browser


def rows(clinic: Clinic) -> list[PressWorker]:
    with unit_of_work(clinic.store) as session:
        return list(session.query(PressWorker))


def test_a_key_is_compared_before_it_is_accepted(clinic: Clinic, ada: FlaskClient) -> None:
    looked = post(ada, "/team/machines", name="Cellar", public_key=SHOWN, do="look")
    assert PRINT in looked.text
    assert rows(clinic) == []
    made = post(ada, "/team/machines", name="Cellar", public_key=SHOWN, do="accept")
    (row,) = rows(clinic)
    assert f"--worker {row.role}" in made.text
    page = ada.get("/team/machines").text
    assert (PRINT in page, "Cellar" in page, "in use" in page) == (True, True, True)


def test_it_is_revoked_and_stays_in_the_list_with_what_it_had(clinic: Clinic, ada: FlaskClient) -> None:
    post(ada, "/team/machines", name="Cellar", public_key=SHOWN, do="accept")
    (row,) = rows(clinic)
    item = uuid4()
    with unit_of_work(clinic.store, write=True) as session:
        session.add(PressHanded(worker_id=row.id, item_id=item, day=clinic.store.today()))
    assert post(ada, f"/team/machines/{row.id}").status_code == 303
    page = ada.get("/team/machines").text
    assert "revoked" in page
    assert str(item) in page
    assert f'action="/team/machines/{row.id}"' not in page
    assert "machine.revoked" not in ada.get("/audit").text
    assert "revoked a print machine" in ada.get("/audit").text


def test_a_row_written_by_hand_is_named(clinic: Clinic, ada: FlaskClient) -> None:
    with unit_of_work(clinic.store, write=True) as session:
        session.add(PressWorker(name="Mine", role="clinic_worker_x", public_key=KEY, sealed=b"\x01" + bytes(60)))
    page = ada.get("/team/machines").text
    assert "not accepted here" in page
    assert "in use" not in page


@pytest.mark.parametrize("key", ["", "x", SHOWN[:-4], SHOWN.replace("worker", "werker"), "\u202e" + SHOWN])
def test_what_is_no_key_is_refused_in_words(clinic: Clinic, ada: FlaskClient, key: str) -> None:
    reply = post(ada, "/team/machines", name="Cellar", public_key=key, do="accept")
    assert reply.status_code == 422
    assert "no public key of a print machine" in reply.text
    assert rows(clinic) == []


def test_names_are_needed_and_differ(clinic: Clinic, ada: FlaskClient) -> None:
    assert post(ada, "/team/machines", name=" ", public_key=SHOWN, do="accept").status_code == 422
    post(ada, "/team/machines", name="Cellar", public_key=SHOWN, do="accept")
    again = post(ada, "/team/machines", name="Other", public_key=SHOWN, do="accept")
    assert again.status_code == 303
    other = worker_key.shown(bytes(32)[:-1] + b"\x09")
    assert post(ada, "/team/machines", name="Cellar", public_key=other, do="accept").status_code == 422
    assert len(rows(clinic)) == 1
