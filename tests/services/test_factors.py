"""Second factors: codes that work once, passkeys, recovery codes, and what a reset leaves."""

import json
from collections.abc import Callable
from threading import Barrier, Thread
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from clinic.domain.errors import Denied, Invalid, NotFound, SignIn, StepUp
from clinic.persistence.models import Account, Passkey, RecoveryCode
from clinic.services import accounts, factors, sessions, team
from tests.persistence.making import PASSWORD
from tests.services.authenticator import Authenticator
from tests.services.sign_in import PARTY, WHERE, House, house, house_on_both

__all__ = ["house", "house_on_both"]


def at_once(times: int, door: Callable[[], object]) -> int:
    """How many of these got through, all at the same moment."""
    barrier, through, other = Barrier(times), [], []

    def try_() -> None:
        barrier.wait()
        try:
            through.append(door())
        except SignIn:
            pass
        except Exception as error:
            other.append(error)

    threads = [Thread(target=try_) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not other
    return len(through)


# ---------------------------------------------------------------- codes of an app
def test_of_many_with_one_code_exactly_one_gets_in(house_on_both: House) -> None:
    house = house_on_both
    house.enrol()
    begun, code = [house.begin().token for _ in range(4)], house.code()
    assert at_once(4, lambda: sessions.prove_code(house.store, begun.pop(), code, WHERE)) == 1


def test_a_code_works_once_and_only_near_its_time(house: House) -> None:
    house.enrol()
    for at in (-60, 60, 90):
        with pytest.raises(SignIn):
            sessions.prove_code(house.store, house.begin().token, house.code(at), WHERE)
    code = house.code(30)  # the phone is half a minute ahead
    assert sessions.prove_code(house.store, house.begin().token, code, WHERE)
    for again in (code, house.code(), house.code(-30)):  # that one, and those before it
        with pytest.raises(SignIn):
            sessions.prove_code(house.store, house.begin().token, again, WHERE)
    house.clock.pass_(seconds=60)
    assert sessions.prove_code(house.store, house.begin().token, house.code(), WHERE)


def test_a_code_may_be_typed_with_blanks_and_other_digits(house: House) -> None:
    house.enrol()
    arabic = house.code().translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))
    typed = f" {arabic[:3]} {arabic[3:]} "
    assert sessions.prove_code(house.store, house.begin().token, typed, WHERE)


def test_the_secret_is_in_force_only_after_its_first_code(house: House) -> None:
    token = house.begin().token
    started = factors.begin_totp(house.store, token)
    assert started.uri.startswith("otpauth://totp/Secure%20Base:anna?secret=" + started.secret)
    assert started.svg.startswith("<svg")
    assert "style=" not in started.svg
    again = factors.begin_totp(house.store, token, started.pending)
    assert (again.secret, again.pending) == (started.secret, started.pending)  # a typing error needs no new picture
    house.secret = started.secret
    for pending in ("", "x", started.pending[:-4] + "AAAA", factors.begin_totp(house.store, token).pending):
        with pytest.raises(Invalid):
            factors.confirm_totp(house.store, token, house.code(), pending, WHERE)
    with pytest.raises(Invalid):
        factors.confirm_totp(house.store, token, "000000", started.pending, WHERE)
    with Session(house.store.engine) as session:
        assert session.scalars(select(Account.totp)).one() is None
    assert house.begin().stage == "enrol"
    assert factors.confirm_totp(house.store, token, house.code(), started.pending, WHERE)


def test_a_picture_of_another_session_or_of_long_ago_is_worth_nothing(house: House) -> None:
    other = factors.begin_totp(house.store, house.begin().token)
    token = house.begin().token
    house.secret = other.secret
    with pytest.raises(Invalid) as refused:
        factors.confirm_totp(house.store, token, house.code(), other.pending, WHERE)
    assert refused.value.fields == {"code": "page_old"}
    full = house.enrol()
    late = factors.begin_totp(house.store, full)
    house.clock.pass_(minutes=15)
    house.secret, old = late.secret, house.secret
    full = sessions.unlock(house.store, full, PASSWORD, WHERE)
    full = sessions.step_up(house.store, full, PASSWORD, house.codes[0], WHERE)
    with pytest.raises(Invalid):
        factors.confirm_totp(house.store, full, house.code(), late.pending, WHERE)
    house.secret = old
    assert house.sign_in()


def test_another_app_takes_the_place_of_the_first(house: House) -> None:
    token, old = house.enrol(), house.secret
    started = factors.begin_totp(house.store, token)
    assert house.sign_in()  # the first one stays in force until the second has shown a code
    house.secret = started.secret
    factors.confirm_totp(house.store, token, house.code(), started.pending, WHERE)
    house.clock.pass_(seconds=30)
    assert house.sign_in()
    house.secret = old
    with pytest.raises(SignIn):
        house.sign_in()


def test_the_secret_is_sealed_to_its_account(house: House) -> None:
    house.enrol()
    accounts.create_account(house.store, "berta", PASSWORD)
    with Session(house.store.engine) as session:
        anna, berta = (session.scalars(select(Account).where(Account.name == one)).one() for one in ("anna", "berta"))
        assert anna.totp
        assert house.secret.encode() not in anna.totp
        moved, id_ = anna.totp, berta.id
    from clinic.persistence.sealing import Damaged

    with pytest.raises(Damaged):
        house.store.keyholder.totp_step(id_, house.code(), house.clock(), moved)


def test_two_who_know_the_password_get_one_first_factor(house_on_both: House) -> None:
    """What waits in stage `enrol` elsewhere is over as soon as the account has its first factor."""
    house = house_on_both
    waiting = house.begin().token
    started = factors.begin_totp(house.store, waiting)
    options = factors.passkey_registration(house.store, waiting, PARTY)
    house.enrol()
    mine, house.secret = house.secret, started.secret
    for door in (
        lambda: factors.confirm_totp(house.store, waiting, house.code(), started.pending, WHERE),
        lambda: factors.add_passkey(house.store, waiting, PARTY, Authenticator().create(options)),
        lambda: sessions.state(house.store, waiting),
    ):
        with pytest.raises(SignIn):
            door()
    house.secret = mine
    assert house.sign_in()


def test_two_at_once_get_one_first_factor(house_on_both: House) -> None:
    house = house_on_both
    tokens = [house.begin().token for _ in range(3)]
    replies = [(one, Authenticator().create(factors.passkey_registration(house.store, one, PARTY))) for one in tokens]

    def add() -> str:
        token, response = replies.pop()
        return factors.add_passkey(house.store, token, PARTY, response)

    assert at_once(3, add) == 1
    with Session(house.store.engine) as session:  # nor does a factor stay whose session went
        assert len(session.scalars(select(Passkey)).all()) == 1


# ---------------------------------------------------------------- recovery codes
def test_recovery_codes_work_once(house_on_both: House) -> None:
    house = house_on_both
    house.enrol()
    assert len(set(house.codes)) == 10
    assert all(len(one.replace("-", "")) == 16 for one in house.codes)  # 80 bits in base 32
    code = house.codes[3]
    assert sessions.prove_code(house.store, house.begin().token, code.lower().replace("-", " "), WHERE)
    with pytest.raises(SignIn):
        sessions.prove_code(house.store, house.begin().token, code, WHERE)
    begun = [house.begin().token for _ in range(4)]
    assert at_once(4, lambda: sessions.prove_code(house.store, begun.pop(), house.codes[4], WHERE)) == 1


def test_new_codes_end_the_old_ones_and_none_is_stored_as_it_is(house: House) -> None:
    token = house.enrol()
    old, house.codes = house.codes, factors.new_recovery_codes(house.store, token)
    with pytest.raises(SignIn):
        sessions.prove_code(house.store, house.begin().token, old[0], WHERE)
    with Session(house.store.engine) as session:
        rows = session.scalars(select(RecoveryCode.hash)).all()
    assert len(rows) == 10
    assert not {one.replace("-", "").encode() for one in house.codes} & set(rows)
    assert factors.listing(house.store, token)[-1].left == 10


def test_codes_of_another_are_worth_nothing(house: House) -> None:
    house.enrol()
    mine, codes = House(house.store, house.clock, house.id), house.codes
    accounts.create_account(house.store, "berta", PASSWORD)
    begun = sessions.begin(house.store, "berta", PASSWORD, WHERE)
    started = factors.begin_totp(house.store, begun.token)
    mine.secret = started.secret
    factors.confirm_totp(house.store, begun.token, mine.code(), started.pending, WHERE)
    with pytest.raises(SignIn):
        sessions.prove_code(house.store, sessions.begin(house.store, "berta", PASSWORD, WHERE).token, codes[0], WHERE)
    assert sessions.prove_code(house.store, house.begin().token, codes[0], WHERE)


# ---------------------------------------------------------------- passkeys
def with_passkey(house: House, token: str, key: Authenticator, name: str = "Blue key") -> str:
    options = factors.passkey_registration(house.store, token, PARTY)
    return factors.add_passkey(house.store, token, PARTY, key.create(options), name)


def by_passkey(house: House, key: Authenticator) -> str:
    token = house.begin().token
    response = key.get(sessions.passkey_options(house.store, token, PARTY))
    return sessions.prove_passkey(house.store, token, PARTY, response, WHERE)


@pytest.mark.parametrize("counts", [True, False])
def test_a_passkey_as_the_first_factor_and_for_signing_in(house: House, counts: bool) -> None:
    key, begun = Authenticator(counts=counts), house.begin()
    token = with_passkey(house, begun.token, key)
    assert sessions.actor(house.store, token).name == "anna"
    with pytest.raises(SignIn):
        sessions.state(house.store, begun.token)
    assert [(one.kind, one.name, one.only) for one in factors.listing(house.store, token)] == [
        ("passkey", "Blue key", True)
    ]
    for _ in range(2):
        assert sessions.actor(house.store, by_passkey(house, key)).name == "anna"


def test_a_passkey_steps_up(house: House) -> None:
    key = Authenticator()
    token = with_passkey(house, house.begin().token, key)
    house.clock.pass_(minutes=6)
    assert not sessions.fresh(house.store, token)
    response = key.get(sessions.passkey_options(house.store, token, PARTY))
    new = sessions.step_up_passkey(house.store, token, PARTY, response, WHERE)
    assert sessions.fresh(house.store, new)
    with pytest.raises(SignIn):
        sessions.step_up_passkey(house.store, new, PARTY, response, WHERE)  # another session: another challenge


def forged(house: House, token: str, key: Authenticator, how: str) -> str:
    """An assertion that is wrong in one way."""
    options = json.loads(sessions.passkey_options(house.store, token, PARTY))
    match how:
        case "origin":
            key.origin = "http://localhost:9999"
        case "unverified":
            key.verifies = False
        case "party":
            options["rpId"] = "evil.example"
        case "challenge":
            options["challenge"] = "AAAA" + options["challenge"][4:]
        case "count":
            key.count = 0
        case "stranger":
            key.key = Authenticator().key
        case "other session":
            options = json.loads(sessions.passkey_options(house.store, house.begin().token, PARTY))
    response = key.sign(options["rpId"], options["challenge"])
    return response[:-30] if how == "cut" else ("[1]" if how == "list" else response)


@pytest.mark.parametrize(
    "how", ["origin", "unverified", "party", "challenge", "count", "stranger", "other session", "cut", "list"]
)
def test_a_passkey_that_does_not_fit_gets_nobody_in(house: House, how: str) -> None:
    key = Authenticator()
    with_passkey(house, house.begin().token, key)
    by_passkey(house, key)
    token = house.begin().token
    with pytest.raises(SignIn):
        sessions.prove_passkey(house.store, token, PARTY, forged(house, token, key, how), WHERE)
    assert sessions.state(house.store, token).stage == "password"


def test_a_challenge_grows_old(house: House) -> None:
    key = Authenticator()
    token = with_passkey(house, house.begin().token, key)
    options = sessions.passkey_options(house.store, token, PARTY)
    house.clock.pass_(minutes=9, seconds=59)
    sessions.actor(house.store, token)
    house.clock.pass_(seconds=1)
    with pytest.raises(SignIn):
        sessions.step_up_passkey(house.store, token, PARTY, key.get(options), WHERE)


@pytest.mark.parametrize("how", ["origin", "unverified", "get", "other session", "nonsense"])
def test_a_registration_that_does_not_fit_is_refused(house: House, how: str) -> None:
    key, token = Authenticator(), house.begin().token
    if how == "origin":
        key.origin = "https://localhost:8000"
    key.verifies = how != "unverified"
    asked = house.begin().token if how == "other session" else token
    response = key.create(factors.passkey_registration(house.store, asked, PARTY))
    if how == "get":
        response = key.sign("localhost", "AAAA")
    with pytest.raises(Invalid) as refused:
        factors.add_passkey(house.store, token, PARTY, "{" if how == "nonsense" else response, "x")
    assert refused.value.fields == {"passkey": "passkey_wrong"}
    with Session(house.store.engine) as session:
        assert session.scalars(select(Passkey)).all() == []


def test_a_passkey_belongs_to_one_account(house: House) -> None:
    key = Authenticator()
    with_passkey(house, house.begin().token, key)
    accounts.create_account(house.store, "berta", PASSWORD)
    token = sessions.begin(house.store, "berta", PASSWORD, WHERE).token
    with pytest.raises(Invalid):  # the same id again
        with_passkey(house, token, key)
    with_passkey(house, token, Authenticator())
    token = sessions.begin(house.store, "berta", PASSWORD, WHERE).token
    options = json.loads(sessions.passkey_options(house.store, token, PARTY))
    with pytest.raises(SignIn):
        sessions.prove_passkey(house.store, token, PARTY, key.sign("localhost", options["challenge"]), WHERE)


def test_without_a_passkey_there_is_nothing_to_ask_for(house: House) -> None:
    house.enrol()
    with pytest.raises(NotFound):
        sessions.passkey_options(house.store, house.begin().token, PARTY)


# ---------------------------------------------------------------- changes
def test_changes_need_a_fresh_proof(house: House) -> None:
    token = house.enrol()
    house.clock.pass_(minutes=5)
    for door in (
        lambda: factors.begin_totp(house.store, token),
        lambda: factors.passkey_registration(house.store, token, PARTY),
        lambda: factors.add_passkey(house.store, token, PARTY, "{}"),
        lambda: factors.confirm_totp(house.store, token, "000000", "x"),
        lambda: factors.new_recovery_codes(house.store, token),
        lambda: factors.remove(house.store, token, "totp"),
    ):
        with pytest.raises(StepUp):
            door()


def test_the_last_factor_stays(house: House) -> None:
    token = house.enrol()
    with pytest.raises(Invalid):
        factors.remove(house.store, token, "totp")
    token = with_passkey(house, token, Authenticator())
    key = next(one for one in factors.listing(house.store, token) if one.kind == "passkey")
    assert not key.only
    factors.remove(house.store, token, "totp")
    with pytest.raises(Invalid):
        factors.remove(house.store, token, key.id)
    for unknown in ("totp", "AAAA", "ä"):
        with pytest.raises(NotFound):
            factors.remove(house.store, token, unknown)
    assert [one.kind for one in factors.listing(house.store, token)] == ["passkey", "codes"]


def test_nobody_removes_the_factor_of_another(house: House) -> None:
    with_passkey(house, house.begin().token, Authenticator())
    with Session(house.store.engine) as session:
        foreign = session.scalars(select(Passkey.id)).one()
    accounts.create_account(house.store, "berta", PASSWORD)
    token = with_passkey(house, sessions.begin(house.store, "berta", PASSWORD, WHERE).token, Authenticator())
    import base64

    with pytest.raises(NotFound):
        factors.remove(house.store, token, base64.urlsafe_b64encode(foreign).decode().rstrip("="))


# ---------------------------------------------------------------- after a reset
def reset(house: House) -> str:
    """An admin resets the factors; somebody with the password of the slip enrols an app. The token."""
    accounts.create_account(house.store, "ada", PASSWORD, role="admin")
    admin = House(house.store, house.clock, "", name="ada").enrol()
    slip = team.reset(house.store, admin, house.id, "Lost the phone on the train").password
    begun = house.begin(slip)
    assert begun.stage == "enrol"
    started = factors.begin_totp(house.store, begun.token)
    house.secret = started.secret
    house.clock.pass_(seconds=30)
    token = factors.confirm_totp(house.store, begun.token, house.code(), started.pending, WHERE)
    accounts.change_password(house.store, token, slip, PASSWORD)
    return token


def test_a_reset_account_opens_no_case_until_an_old_recovery_code(house: House) -> None:
    token = house.enrol()
    case = house.case(token)
    token = reset(house)
    with pytest.raises(NotFound):
        house.store.keyholder.open(token, UUID(case), "case")
    with pytest.raises(Denied):
        factors.new_recovery_codes(house.store, token)  # else the next line could be had with fresh ones
    house.clock.pass_(seconds=30)
    for wrong in ("AAAA-AAAA-AAAA-AAAA", house.code()):
        with pytest.raises(Invalid):
            factors.confirm_by_code(house.store, token, wrong, WHERE)
    with pytest.raises(NotFound):
        house.store.keyholder.open(token, UUID(case), "case")
    factors.confirm_by_code(house.store, token, house.codes[0], WHERE)
    assert sessions.state(house.store, token).confirmed
    assert house.store.keyholder.open(token, UUID(case), "case")
    assert factors.new_recovery_codes(house.store, token)


def test_a_reset_ends_sessions_and_old_factors(house: House) -> None:
    token, old = house.enrol(), house.secret
    token = with_passkey(house, token, Authenticator())
    reset(house)
    with pytest.raises(SignIn):
        sessions.actor(house.store, token)
    house.secret = old
    with pytest.raises(SignIn):
        house.sign_in()
    with Session(house.store.engine) as session:
        assert session.scalars(select(Passkey)).all() == []
