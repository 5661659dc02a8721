"""Signing in and out."""

from pathlib import Path
from threading import Barrier, Thread
from uuid import UUID

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from clinic.domain.errors import Denied, Invalid, Locked, NotFound, SignIn, TooMany
from clinic.persistence import store as stores
from clinic.persistence.models import Account, AccountKey, Audit, SignedIn
from clinic.services import accounts, sessions
from tests.persistence.making import OLD, PASSWORD, Clinic, settings


def test_a_token_says_who_it_is(clinic: Clinic) -> None:
    actor = accounts.actor(clinic.store, clinic.token)
    assert (actor.name, actor.display, actor.role) == ("anna", "Anna", "counsellor")


@pytest.mark.parametrize("name", ["anna", " Anna ", "ANNA", "ａnna"])
def test_names_compare_plainly(clinic: Clinic, name: str) -> None:
    assert accounts.sign_in(clinic.store, name, PASSWORD)


def test_wrong_password_and_unknown_name_answer_alike(clinic: Clinic) -> None:
    answers = []
    for name, password in (("anna", "wrong"), ("nobody", PASSWORD), ("", ""), ("anna", ""), ("anna", PASSWORD + "\0")):
        with pytest.raises(SignIn) as refused:
            accounts.sign_in(clinic.store, name, password, "10.0.0.1")
        answers.append((str(refused.value), refused.value.params))
    assert len(set(map(repr, answers))) == 1


def test_a_session_goes_idle_and_grows_old(clinic: Clinic) -> None:
    clinic.clock.pass_(minutes=9)
    accounts.actor(clinic.store, clinic.token)  # still awake, and awake again
    clinic.clock.pass_(minutes=9, seconds=59)
    accounts.actor(clinic.store, clinic.token)
    clinic.clock.pass_(minutes=10)
    with pytest.raises(Locked):  # it can be unlocked until the twelve hours are over
        accounts.actor(clinic.store, clinic.token)


def test_twelve_hours_end_every_session(clinic: Clinic) -> None:
    for _ in range(72):
        accounts.actor(clinic.store, clinic.token)
        clinic.clock.pass_(minutes=9, seconds=59)
    clinic.clock.pass_(minutes=2)
    with pytest.raises(SignIn):
        accounts.actor(clinic.store, clinic.token)


def test_signed_out_is_out(clinic: Clinic) -> None:
    accounts.sign_out(clinic.store, clinic.token)
    accounts.sign_out(clinic.store, clinic.token)
    with pytest.raises(SignIn):
        accounts.actor(clinic.store, clinic.token)
    assert accounts.actor(clinic.store, clinic.other)


def test_an_account_that_was_closed_is_out_at_once(clinic: Clinic) -> None:
    with Session(clinic.store.engine) as session:
        session.execute(update(Account).where(Account.name == "anna").values(active=False))
        session.commit()
    with pytest.raises(SignIn):
        accounts.actor(clinic.store, clinic.token)
    with pytest.raises(SignIn):
        accounts.sign_in(clinic.store, "anna", PASSWORD)


def test_the_token_is_not_stored(clinic: Clinic) -> None:
    with Session(clinic.store.engine) as session:
        stored = session.scalars(select(SignedIn.token_hash)).all()
    assert len(stored) == 2
    assert all(len(one) == 32 and one != clinic.token.encode() for one in stored)
    for one in stored:
        with pytest.raises(SignIn):
            accounts.actor(clinic.store, one.hex())


def fail(clinic: Clinic, times: int, name: str = "anna", address: str = "10.0.0.1") -> None:
    for _ in range(times):
        with pytest.raises(SignIn):
            accounts.sign_in(clinic.store, name, "wrong", address)


def test_too_many_tries_wait(clinic: Clinic) -> None:
    fail(clinic, 5)
    with pytest.raises(TooMany):
        accounts.sign_in(clinic.store, "anna", PASSWORD, "10.0.0.1")
    clinic.clock.pass_(minutes=1)
    assert accounts.sign_in(clinic.store, "anna", PASSWORD, "10.0.0.1")
    fail(clinic, 4)  # counted anew


def test_nobody_is_locked_out_from_elsewhere(clinic: Clinic) -> None:
    fail(clinic, 5)
    assert accounts.sign_in(clinic.store, "anna", PASSWORD, "10.0.0.2")


def test_one_address_cannot_try_all_names(clinic: Clinic) -> None:
    for number in range(20):
        fail(clinic, 1, name=f"name{number}")
    with pytest.raises(TooMany):
        accounts.sign_in(clinic.store, "berta", PASSWORD, "10.0.0.1")


def test_tries_at_once_do_not_pass_for_one(clinic: Clinic) -> None:
    barrier, outcomes = Barrier(8), []

    def try_() -> None:
        barrier.wait()
        try:
            accounts.sign_in(clinic.store, "anna", "wrong", "10.0.0.9")
        except (SignIn, TooMany) as error:
            outcomes.append(type(error))

    threads = [Thread(target=try_) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count(SignIn) == 5
    assert outcomes.count(TooMany) == 3


@pytest.mark.parametrize(
    ("name", "password", "role", "fields"),
    [
        ("", PASSWORD, "counsellor", {"name"}),
        ("x" * 81, PASSWORD, "counsellor", {"name"}),
        ("carla", "short", "counsellor", {"password"}),
        ("carla", PASSWORD, "owner", {"role"}),
        ("carla", "carla counsellor 2026!", "counsellor", {"password"}),
        ("Anna", PASSWORD, "counsellor", {"name"}),
    ],
)
def test_accounts_that_cannot_be(clinic: Clinic, name: str, password: str, role: str, fields: set[str]) -> None:
    with pytest.raises(Invalid) as refused:
        accounts.create_account(clinic.store, name, password, role=role)
    assert set(refused.value.fields) == fields


def test_only_a_demo_gives_a_password_anew(clinic: Clinic, tmp_path: Path) -> None:
    with pytest.raises(Denied):
        accounts.set_password(clinic.store, "anna", "another made-up passphrase")
    stores.create(settings(tmp_path / "demo"), OLD.values(), demo=True)
    store = stores.Store.open(settings(tmp_path / "demo"))
    accounts.create_account(store, "anna", PASSWORD)
    token = accounts.sign_in(store, "anna", PASSWORD)
    accounts.set_password(store, "anna", "another made-up passphrase")
    with pytest.raises(SignIn):
        accounts.actor(store, token)
    with pytest.raises(SignIn):
        accounts.sign_in(store, "anna", PASSWORD)
    assert accounts.sign_in(store, "anna", "another made-up passphrase")
    store.close()


def test_equal_passwords_have_unlike_hashes(clinic: Clinic) -> None:
    with Session(clinic.store.engine) as session:
        one, two = session.scalars(select(Account.password))
    assert one != two
    assert one.startswith("$argon2id$")


# ---------------------------------------------------------------- what an admin does
def admin(clinic: Clinic) -> str:
    return accounts.create_account(clinic.store, "ada", PASSWORD, "Ada", "admin")


def id_of(clinic: Clinic, name: str = "anna") -> str:
    return accounts.find(clinic.store, name).id


def test_an_account_has_a_key_of_its_own(clinic: Clinic) -> None:
    with Session(clinic.store.engine) as session:
        assert session.get(AccountKey, UUID(id_of(clinic)))


def test_the_list_says_what_is_to_be_known(clinic: Clinic) -> None:
    sue = accounts.create(clinic.store, "sue", PASSWORD, "Sue", "supervisor")
    accounts.set_supervisor(clinic.store, id_of(clinic), sue)
    found = {one.name: one for one in accounts.listing(clinic.store)}
    assert list(found) == ["anna", "berta", "sue"]
    assert (found["sue"].role, found["sue"].temporary, found["anna"].temporary) == ("supervisor", True, False)
    assert found["anna"].supervisor_id == sue
    with pytest.raises(NotFound):
        accounts.find(clinic.store, "nobody")


def test_only_an_active_supervisor_supervises(clinic: Clinic) -> None:
    sue = accounts.create_account(clinic.store, "sue", PASSWORD, role="supervisor")
    with Session(clinic.store.engine) as session:
        session.execute(update(Account).where(Account.name == "sue").values(active=False))
        session.commit()
    for wanted in (id_of(clinic, "berta"), sue):
        with pytest.raises(Invalid):
            accounts.set_supervisor(clinic.store, id_of(clinic), wanted)
    with pytest.raises(Invalid):
        accounts.create(clinic.store, "carla", PASSWORD, supervisor=sue)


def test_a_password_of_another_opens_no_case_until_it_is_changed(clinic: Clinic) -> None:
    temporary = "handed over on a slip of paper"
    accounts.temporary_password(clinic.store, id_of(clinic), temporary, admin(clinic))
    with pytest.raises(SignIn):
        accounts.actor(clinic.store, clinic.token)
    with pytest.raises(SignIn):
        accounts.sign_in(clinic.store, "anna", PASSWORD)
    token = accounts.sign_in(clinic.store, "anna", temporary)
    assert sessions.state(clinic.store, token).temporary
    with pytest.raises(NotFound):
        clinic.store.keyholder.open(token, clinic.case_id, "case")
    with pytest.raises(Invalid) as refused:
        accounts.change_password(clinic.store, token, temporary, temporary)
    assert refused.value.fields == {"new_password": "password_same"}
    accounts.change_password(clinic.store, token, temporary, PASSWORD)
    assert not sessions.state(clinic.store, token).temporary
    assert clinic.store.keyholder.open(token, clinic.case_id, "case")


def test_a_change_of_password_ends_all_other_sessions(clinic: Clinic) -> None:
    here = accounts.sign_in(clinic.store, "anna", PASSWORD)
    with pytest.raises(Invalid) as refused:
        accounts.change_password(clinic.store, here, "wrong", "nine small green kettles")
    assert refused.value.fields == {"password": "password_wrong"}
    assert accounts.actor(clinic.store, clinic.token)
    accounts.change_password(clinic.store, here, PASSWORD, "nine small green kettles")
    assert accounts.actor(clinic.store, here)
    assert accounts.actor(clinic.store, clinic.other)
    with pytest.raises(SignIn):
        accounts.actor(clinic.store, clinic.token)
    with pytest.raises(SignIn):
        accounts.sign_in(clinic.store, "anna", PASSWORD)


def test_signing_in_and_its_failures_are_in_the_audit(clinic: Clinic) -> None:
    fail(clinic, 1)
    fail(clinic, 1, name="nobody")
    accounts.sign_in(clinic.store, "anna", PASSWORD)
    with Session(clinic.store.engine) as session:
        lines = clinic.store.keyholder.audit_read(session.scalars(select(Audit).order_by(Audit.seq)).all())
    last = [(one["verb"], one.get("account")) for one in lines[-3:]]
    assert last == [("session.failed", id_of(clinic)), ("session.failed", None), ("session.begun", id_of(clinic))]
    assert not any("nobody" in str(one) or "wrong" in str(one) for one in lines)
