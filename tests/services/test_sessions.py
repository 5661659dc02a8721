"""Stages of signing in, lock, step-up, the couple view, and old tokens."""

import time
from collections.abc import Callable
from statistics import median
from threading import Barrier, Thread
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from clinic.domain.errors import Denied, Locked, NotFound, SignIn, StepUp, TooMany
from clinic.persistence.models import Account, SignedIn
from clinic.services import accounts, factors, sessions
from tests.persistence.making import PASSWORD
from tests.services.sign_in import WHERE, House, house, house_on_both

__all__ = ["house", "house_on_both"]


def dead(house: House, token: str) -> None:
    """A token that stands for nothing any more, here and at the keyholder."""
    with pytest.raises(SignIn):
        sessions.state(house.store, token)
    with pytest.raises(SignIn):
        sessions.actor(house.store, token)
    with pytest.raises(SignIn):
        house.store.keyholder.who(token)


# ---------------------------------------------------------------- stages
def test_without_a_factor_nothing_opens_but_the_factor(house: House) -> None:
    begun = house.begin()
    assert begun.stage == "enrol"
    for door in (sessions.actor, house.store.keyholder.who, sessions.list_, sessions.lock, factors.new_recovery_codes):
        with pytest.raises((SignIn, Denied)):
            door(house.store, begun.token) if door != house.store.keyholder.who else door(begun.token)
    assert sessions.state(house.store, begun.token).stage == "enrol"
    house.clock.pass_(minutes=15)
    dead(house, begun.token)


def test_a_password_alone_is_half_the_way(house: House) -> None:
    house.enrol()
    begun = house.begin()
    assert begun.stage == "password"
    for door in (sessions.actor, sessions.list_, sessions.lock, factors.begin_totp, factors.listing):
        with pytest.raises(SignIn):
            door(house.store, begun.token)
    with pytest.raises(SignIn):
        house.store.keyholder.who(begun.token)
    with pytest.raises(SignIn):
        sessions.step_up(house.store, begun.token, PASSWORD, house.code(), WHERE)
    with pytest.raises(SignIn):
        sessions.unlock(house.store, begun.token, PASSWORD, WHERE)
    token = sessions.prove_code(house.store, begun.token, house.code(), WHERE)
    assert sessions.actor(house.store, token).name == "anna"
    assert house.store.keyholder.who(token).name == "anna"


def test_half_the_way_ends_after_five_minutes(house: House) -> None:
    house.enrol()
    begun = house.begin()
    house.clock.pass_(minutes=5)
    with pytest.raises(SignIn):
        sessions.prove_code(house.store, begun.token, house.code(), WHERE)
    dead(house, begun.token)


def test_the_first_factor_makes_the_session_full(house: House) -> None:
    token = house.enrol()
    found = sessions.state(house.store, token)
    assert (found.stage, found.factor, found.fresh) == ("full", True, True)
    assert house.store.keyholder.who(token).name == "anna"


# ---------------------------------------------------------------- old tokens
@pytest.mark.parametrize("change", ["factor", "enrol", "unlock", "step_up", "leave_couple", "recovery"])
def test_every_proof_makes_a_new_token_and_the_old_one_is_dead(house: House, change: str) -> None:
    if change == "enrol":
        old = house.begin().token
        started = factors.begin_totp(house.store, old)
        house.secret = started.secret
        new = factors.confirm_totp(house.store, old, house.code(), started.pending, WHERE)
    else:
        full = house.enrol()
        case = house.case(full)
        ways: dict[str, tuple[str, Callable[[str], str]]] = {
            "factor": ("password", lambda old: sessions.prove_code(house.store, old, house.code(), WHERE)),
            "recovery": ("password", lambda old: sessions.prove_code(house.store, old, house.codes[0], WHERE)),
            "unlock": ("lock", lambda old: sessions.unlock(house.store, old, PASSWORD, WHERE)),
            "step_up": ("full", lambda old: sessions.step_up(house.store, old, PASSWORD, house.code(), WHERE)),
            "leave_couple": ("couple", lambda old: sessions.leave_couple(house.store, old, PASSWORD, WHERE)),
        }
        before, prove = ways[change]
        old = house.begin().token if before == "password" else full
        if before == "lock":
            sessions.lock(house.store, old)
        if before == "couple":
            sessions.couple(house.store, old, case)
        new = prove(old)
    assert new != old
    dead(house, old)
    assert sessions.actor(house.store, new).name == "anna"
    assert house.store.keyholder.who(new).name == "anna"


def test_a_token_that_somebody_chose_is_none(house: House) -> None:
    house.enrol()
    planted = "a-token-put-into-the-browser-beforehand"
    with pytest.raises(SignIn):
        sessions.prove_code(house.store, planted, house.code(), WHERE)
    token = house.sign_in()
    assert token != planted
    dead(house, planted)


def test_a_password_begins_no_second_life_of_a_session(house_on_both: House) -> None:
    """A proof twice at once: one new token, not two."""
    house = house_on_both
    token, barrier, made = house.enrol(), Barrier(4), []
    sessions.lock(house.store, token)

    def try_() -> None:
        barrier.wait()
        try:
            made.append(sessions.unlock(house.store, token, PASSWORD, WHERE))
        except SignIn:
            pass

    threads = [Thread(target=try_) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


# ---------------------------------------------------------------- lock
def test_a_lock_holds_until_the_password(house: House) -> None:
    token = house.enrol()
    case = house.case(token)
    sessions.lock(house.store, token)
    sessions.lock(house.store, token)
    assert sessions.state(house.store, token).locked
    for door in (sessions.actor, sessions.list_, sessions.must_be_fresh, factors.listing):
        with pytest.raises(Locked):
            door(house.store, token)
    with pytest.raises(Locked):
        house.store.keyholder.who(token)
    with pytest.raises(Locked):
        sessions.couple(house.store, token, case)
    with pytest.raises(Locked):
        sessions.step_up(house.store, token, PASSWORD, house.code(), WHERE)
    with pytest.raises(SignIn):
        sessions.unlock(house.store, token, "wrong", WHERE)
    assert sessions.state(house.store, token).locked
    new = sessions.unlock(house.store, token, PASSWORD, WHERE)
    assert sessions.state(house.store, new).locked is False


def test_ten_minutes_without_a_request_lock_but_do_not_end(house: House) -> None:
    token = house.enrol()
    house.clock.pass_(minutes=9, seconds=29)  # half a minute went by while signing in
    sessions.actor(house.store, token)
    house.clock.pass_(minutes=10)
    assert sessions.state(house.store, token).locked
    with pytest.raises(Locked):
        sessions.actor(house.store, token)
    with pytest.raises(Locked):
        house.store.keyholder.who(token)
    house.clock.pass_(hours=1)
    new = sessions.unlock(house.store, token, PASSWORD, WHERE)
    assert sessions.actor(house.store, new).name == "anna"


def test_looking_at_the_state_keeps_nobody_awake(house: House) -> None:
    token = house.enrol()
    for _ in range(10):
        house.clock.pass_(minutes=1)
        sessions.state(house.store, token)
    assert sessions.state(house.store, token).locked


def test_unlocking_does_not_lengthen_the_twelve_hours(house: House) -> None:
    token = house.enrol()
    house.clock.pass_(hours=11, minutes=59)
    token = sessions.unlock(house.store, token, PASSWORD, WHERE)
    house.clock.pass_(minutes=1)
    dead(house, token)


# ---------------------------------------------------------------- step-up
def test_a_proof_is_fresh_for_five_minutes(house: House) -> None:
    token = house.enrol()
    house.clock.pass_(minutes=5, seconds=1)
    assert not sessions.fresh(house.store, token)
    with pytest.raises(StepUp):
        factors.new_recovery_codes(house.store, token)
    with pytest.raises(StepUp):
        factors.begin_totp(house.store, token)
    token = sessions.step_up(house.store, token, PASSWORD, house.code(), WHERE)
    house.clock.pass_(minutes=5)
    assert sessions.fresh(house.store, token)
    house.clock.pass_(seconds=1)
    assert not sessions.fresh(house.store, token)


@pytest.mark.parametrize(("password", "code"), [("wrong", "now"), (PASSWORD, "000000"), (PASSWORD, ""), ("", "now")])
def test_step_up_needs_both(house: House, password: str, code: str) -> None:
    token = house.enrol()
    house.clock.pass_(minutes=6)
    with pytest.raises(SignIn):
        sessions.step_up(house.store, token, password, house.code() if code == "now" else code, WHERE)
    assert not sessions.fresh(house.store, token)


def test_unlocking_is_no_step_up(house: House) -> None:
    token = house.enrol()
    house.clock.pass_(minutes=11)
    token = sessions.unlock(house.store, token, PASSWORD, WHERE)
    assert not sessions.fresh(house.store, token)


# ---------------------------------------------------------------- couple view
def test_the_couple_view_holds_the_session_to_its_case(house: House) -> None:
    token = house.enrol()
    case, other = house.case(token), house.case(token)
    sessions.couple(house.store, token, case)
    assert sessions.shows(house.store, sessions.state(house.store, token), case)
    assert sessions.actor(house.store, token, couple=case).name == "anna"
    for held in (None, other):
        with pytest.raises(Locked):
            sessions.actor(house.store, token, couple=held)
    for door in (sessions.list_, factors.listing, sessions.token_for_file):
        with pytest.raises(Locked):
            door(house.store, token)
    with pytest.raises(Locked):
        sessions.couple(house.store, token, other)
    with pytest.raises(SignIn):
        sessions.leave_couple(house.store, token, "wrong", WHERE)
    sessions.lock(house.store, token)
    token = sessions.unlock(house.store, token, PASSWORD, WHERE)
    assert sessions.shows(house.store, sessions.state(house.store, token), case)  # unlocking leads back to it, not out
    token = sessions.leave_couple(house.store, token, PASSWORD, WHERE)
    assert sessions.state(house.store, token).couple is None


def test_no_couple_view_of_a_case_that_is_not_ones_own(house: House) -> None:
    token = house.enrol()
    for case in (uuid4(), "nonsense"):
        with pytest.raises(NotFound):
            sessions.couple(house.store, token, case)
    assert sessions.state(house.store, token).couple is None


# ---------------------------------------------------------------- list and end
def test_sessions_are_listed_and_ended_by_their_owner_only(house: House) -> None:
    first = house.enrol()
    second = house.sign_in()
    accounts.create_account(house.store, "berta", PASSWORD)
    foreign = sessions.begin(house.store, "berta", PASSWORD, WHERE)
    listed = sessions.list_(house.store, second)
    assert [one.current for one in listed] == [True, False]
    assert listed[0].agent == "Firefox · Linux"
    for id_ in (sessions.state(house.store, foreign.token).id, uuid4(), "x"):
        with pytest.raises(NotFound):
            sessions.end(house.store, second, id_)
    assert sessions.state(house.store, foreign.token)
    sessions.end(house.store, second, listed[1].id)
    dead(house, first)
    assert sessions.actor(house.store, second)


def test_half_sessions_are_not_in_the_list(house: House) -> None:
    token = house.enrol()
    house.begin()
    assert len(sessions.list_(house.store, token)) == 1


# ---------------------------------------------------------------- throttle
def test_codes_are_throttled(house: House) -> None:
    house.enrol()
    token = house.begin().token
    for _ in range(5):
        with pytest.raises(SignIn):
            sessions.prove_code(house.store, token, "000000", WHERE)
    with pytest.raises(TooMany):
        sessions.prove_code(house.store, token, house.code(), WHERE)
    house.clock.pass_(minutes=1)
    assert sessions.prove_code(house.store, token, house.code(), WHERE)


def test_a_new_sign_in_or_another_address_gives_no_new_codes_to_guess(house: House) -> None:
    house.enrol()
    tried = 0
    for number in range(60):
        try:
            begun = house.begin(address=f"10.0.1.{number}")
            sessions.prove_code(house.store, begun.token, "000000", f"10.0.1.{number}")
        except SignIn:
            tried += 1
        except TooMany:
            break
    assert tried == 30


@pytest.mark.parametrize("door", ["unlock", "step_up", "leave_couple"])
def test_passwords_behind_the_session_are_throttled_too(house: House, door: str) -> None:
    token = house.enrol()
    tries: dict[str, Callable[[str], str]] = {
        "unlock": lambda word: sessions.unlock(house.store, token, word, WHERE),
        "step_up": lambda word: sessions.step_up(house.store, token, word, house.code(), WHERE),
        "leave_couple": lambda word: sessions.leave_couple(house.store, token, word, WHERE),
    }
    for _ in range(5):
        with pytest.raises(SignIn):
            tries[door]("wrong")
    with pytest.raises(TooMany):
        tries[door](PASSWORD)


# ---------------------------------------------------------------- token files
def test_a_token_for_a_file_lives_ninety_days_and_does_not_sleep(house: House) -> None:
    token = house.enrol()
    file = sessions.token_for_file(house.store, token)
    house.clock.pass_(days=89, hours=23)
    dead(house, token)
    assert sessions.actor(house.store, file).name == "anna"
    assert house.store.keyholder.who(file).name == "anna"
    house.clock.pass_(hours=1)
    dead(house, file)


def test_a_token_file_is_no_way_into_the_browser_and_no_proof(house: House) -> None:
    token = house.enrol()
    case = house.case(token)
    file = sessions.token_for_file(house.store, token)
    for door in (sessions.state, sessions.list_, sessions.lock, sessions.token_for_file, factors.begin_totp):
        with pytest.raises(SignIn):
            door(house.store, file)
    with pytest.raises(SignIn):
        sessions.step_up(house.store, file, PASSWORD, house.code(), WHERE)
    with pytest.raises(StepUp):
        house.store.keyholder.open(file, UUID(case), "export:a")
    assert house.store.keyholder.open(token, UUID(case), "export:a")
    (listed,) = [one for one in sessions.list_(house.store, token) if one.kind == "cli"]
    sessions.end(house.store, token, listed.id)
    dead(house, file)


def test_a_token_for_a_file_needs_a_fresh_proof(house: House) -> None:
    token = house.enrol()
    house.clock.pass_(minutes=6)
    with pytest.raises(StepUp):
        sessions.token_for_file(house.store, token)


# ---------------------------------------------------------------- what is stored
def test_sessions_that_are_over_go_at_the_next_sign_in(house: House) -> None:
    house.enrol()
    house.begin()
    house.clock.pass_(hours=12)
    house.begin()
    with Session(house.store.engine) as session:
        assert len(session.scalars(select(SignedIn.id)).all()) == 1


def test_a_session_check_is_cheap(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """Printed, not timed: a busy machine would fail it."""
    token = house.enrol()

    def took(door: Callable[[], object]) -> float:
        start = time.perf_counter()
        door()
        return (time.perf_counter() - start) * 1000

    checks = {"state": lambda: sessions.state(house.store, token), "actor": lambda: sessions.actor(house.store, token)}
    with capsys.disabled():
        for name, door in checks.items():
            door()
            print(f"\n  session check, {name}: median {median(took(door) for _ in range(200)):.2f} ms", end="")


def test_known_and_unknown_names_take_as_long(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    def took(name: str, number: int) -> float:
        start = time.perf_counter()
        with pytest.raises(SignIn):
            sessions.begin(house.store, name, "wrong", f"{name}{number}")
        return (time.perf_counter() - start) * 1000

    both = [(took("anna", number), took("nobody", number)) for number in range(16)]
    known, unknown = (median(one) for one in zip(*both, strict=True))
    with capsys.disabled():
        print(f"\n  wrong password {known:.1f} ms, unknown name {unknown:.1f} ms, ratio {known / unknown:.2f}", end="")


def test_an_unknown_name_costs_the_same_work(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, not timed: one Argon2 for each, and one line of the audit."""
    from clinic.services import passwords

    checked: list[str] = []
    real = passwords.HASHER

    class Counting:
        def hash(self, password: str) -> str:
            return real.hash(password)

        def verify(self, kept: str, password: str) -> bool:
            checked.append(kept.split("$")[3])  # memory, time, lanes
            return real.verify(kept, password)

    monkeypatch.setattr(passwords, "HASHER", Counting())
    for name in ("anna", "nobody"):
        with pytest.raises(SignIn):
            sessions.begin(house.store, name, "wrong", WHERE)
    assert len(checked) == 2
    assert len(set(checked)) == 1


def test_an_old_hash_is_made_anew_at_sign_in(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from argon2 import PasswordHasher

    from clinic.services import passwords

    def stored() -> str:
        with Session(house.store.engine) as session:
            return session.scalars(select(Account.password)).one()

    before = stored()
    house.begin()
    assert stored() == before
    monkeypatch.setattr(passwords, "HASHER", PasswordHasher(time_cost=3, memory_cost=19_456, parallelism=1))
    with pytest.raises(SignIn):
        house.begin("wrong")
    assert stored() == before
    house.begin()
    assert "t=3" in stored()
    house.begin()
