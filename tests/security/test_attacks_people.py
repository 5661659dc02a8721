"""Attacks by people: an admin alone, another counsellor, a partner at the tablet, whoever writes to the disk.

Each test is an attack that went through once. Real database, keys, keyholder and audit; nothing is stood in for.
"""

import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pyotp
import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from clinic.domain.errors import Denied, Invalid, NotFound, SecondPerson, StepUp
from clinic.persistence import slots, vault
from clinic.persistence.models import Account, Audit, Grant, Request, SignedIn
from clinic.persistence.system_keys import AGREED
from clinic.services import (
    accounts,
    backup,
    break_glass,
    capsule,
    cases,
    factors,
    notices,
    restore,
    retention,
    second_person,
    sessions,
    supervision,
    team,
    transfer,
)
from clinic.services.unit_of_work import unit_of_work
from tests.persistence.conftest import clinic as small
from tests.persistence.conftest import postgresql, template, template_postgresql, url
from tests.persistence.making import PASSWORD
from tests.persistence.making import Clinic as Small
from tests.services.rights import RECOVERY, with_recovery
from tests.services.sign_in import House, house
from tests.services.test_terminal import TEMPORARY, code_now, real_time
from tests.services.test_terminal import clinic as command
from tests.web.conftest import Clinic, ana, clinic, made, post, press
from tests.web.test_lock import field, send, strict

__all__ = [
    "ana", "clinic", "house", "made", "postgresql", "press", "small", "strict", "template", "template_postgresql",
    "url",
]  # fmt: skip

REASON = "They asked for it."


def token_of(store: Any, name: str, role: str) -> str:
    """A new account of a role, signed in just now."""
    accounts.create_account(store, name, PASSWORD, name.title(), role)
    return accounts.sign_in(store, name, PASSWORD)


def id_of(store: Any, name: str) -> UUID:
    return UUID(accounts.find(store, name).id)


def set_row(store: Any, model: Any, where: Any, **values: Any) -> None:
    """What somebody does who can write to the database and has no key of the keyholder."""
    with unit_of_work(store, write=True) as session:
        session.execute(update(model).where(where).values(**values))


def lines(store: Any) -> list[dict[str, Any]]:
    with unit_of_work(store) as session:
        return list(store.keyholder.audit_read(list(session.scalars(select(Audit).order_by(Audit.seq)))))


# --------------------------------------------------------------------------- the thief of a dump
def test_a_dump_ties_no_time_to_a_case(small: Small) -> None:
    """A session has exact times: what holds it to a case must not name that case, nor be alike in two sessions."""
    store, case, seen = small.store, UUID(small.case), []
    for token in (small.token, accounts.sign_in(store, "anna", PASSWORD)):
        sessions.couple(store, token, case)
        assert sessions.shows(store, sessions.state(store, token), case)
        assert not sessions.shows(store, sessions.state(store, token), small.foreign)
    with unit_of_work(store) as session:
        for row in session.execute(select(SignedIn.__table__).where(SignedIn.couple_tag.is_not(None))):
            dump = b"".join(repr(one).encode() if not isinstance(one, bytes) else one for one in row)
            assert case.bytes not in dump
            assert str(case).encode() not in dump
            assert case.hex.encode() not in dump
            seen.append(row.couple_tag)
    assert len(set(seen)) == 2


# --------------------------------------------------------------------------- a second person who was none
def asked(small: Small, kind: str = "export_file", **ids: str) -> str:
    return second_person.ask(small.store, small.token, kind, small.case, REASON, **ids)


def opens(small: Small, request: str, purpose: Any = "export:file") -> bool:
    try:
        return bool(small.store.keyholder.open(small.token, UUID(small.case), purpose, request=UUID(request)).key_ids)
    except SecondPerson:
        return False


def test_a_column_confirms_nothing(small: Small) -> None:
    """Whoever writes rows but holds no key names a real admin as the one who agreed."""
    doris = token_of(small.store, "doris", "admin")
    request = asked(small)
    set_row(small.store, Request, Request.id == UUID(request), confirmed_by=id_of(small.store, "doris"))
    assert not opens(small, request)
    set_row(small.store, Request, Request.id == UUID(request), confirmed_by=None)
    second_person.confirm(small.store, doris, request)
    assert opens(small, request)


def test_only_the_keyholder_writes_that_somebody_agreed(small: Small) -> None:
    """A view with a bug, or code beside it, seals the words itself."""
    request, admin = asked(small), token_of(small.store, "doris", "admin")
    with unit_of_work(small.store) as session:
        row = session.get_one(Request, UUID(request))
    said = small.store.keyholder.office_open(row.id, row.sealed)
    with pytest.raises(Denied):
        small.store.keyholder.office_seal(row.id, said | {AGREED: str(id_of(small.store, "doris"))})
    with pytest.raises(Denied):  # the asker, by the keyholder itself
        small.store.keyholder.agree(small.token, row.id)
    with pytest.raises(NotFound):  # another counsellor: perhaps an account that somebody made for this
        small.store.keyholder.agree(small.other, row.id)
    small.clock.pass_(minutes=5, seconds=1)
    with pytest.raises(StepUp):
        small.store.keyholder.agree(admin, row.id)


@pytest.mark.parametrize("what", ["ends_on", "asked_by", "confirmed_by", "closed"])
def test_a_confirmed_request_is_not_stretched(small: Small, what: str) -> None:
    """Longer, for another asker, by another second person, or by one who has gone since."""
    store, request = small.store, asked(small)
    second_person.confirm(store, token_of(store, "doris", "admin"), request)
    here, one = Request.id == UUID(request), small
    assert opens(one, request)
    if what == "ends_on":
        small.clock.pass_(days=second_person.OPEN_DAYS + 1)
        set_row(store, Request, here, ends_on=store.today() + timedelta(days=9))
        one = replace(small, token=accounts.sign_in(store, "anna", PASSWORD))
    elif what == "asked_by":
        berta = id_of(store, "berta")
        set_row(store, Request, here, asked_by=berta)
        set_case(store, small.case, berta)
        one = replace(small, token=accounts.sign_in(store, "berta", PASSWORD))
    elif what == "confirmed_by":
        token_of(store, "dora", "admin")
        set_row(store, Request, here, confirmed_by=id_of(store, "dora"))
    else:
        set_row(store, Account, Account.name == "doris", active=False)
    assert not opens(one, request)


def set_case(store: Any, case: str, counsellor: UUID) -> None:
    from clinic.persistence.models import Case

    with unit_of_work(store, write=True, unscoped="transfer") as session:
        session.get_one(Case, UUID(case)).counsellor_id = counsellor


# --------------------------------------------------------------------------- an admin alone
def reset_and_in(small: Small, admin: str) -> str:
    """An admin resets Anna's sign-in, then signs in with what they set. The token."""
    made = team.reset(small.store, admin, str(id_of(small.store, "anna")), REASON)
    token = accounts.sign_in(small.store, "anna", made.password)
    accounts.change_password(small.store, token, made.password, "nine small green kettles")
    return token


def test_who_resets_an_account_does_not_read_what_its_owner_typed(small: Small) -> None:
    """Anna's locked page in the browser of the front room holds what she typed, sealed to her account."""
    kept = small.store.keyholder.seal_kept(id_of(small.store, "anna"), b'["/x", [["words", "SECRET"]], "typing"]')
    assert small.store.keyholder.open_kept(small.token, kept)
    false_anna = reset_and_in(small, token_of(small.store, "ada", "admin"))
    with pytest.raises(Denied):
        small.store.keyholder.open_kept(false_anna, kept)


def test_who_resets_an_account_does_not_clear_its_notices_away(small: Small) -> None:
    """Else: break the glass, reset the counsellor, put the notice away in their name."""
    store, admin = small.store, token_of(small.store, "ada", "admin")
    code = cases.caseload(store, small.token)[0].code
    request = asked(small)
    break_glass.open_(store, admin, code, REASON, 1)
    false_anna = reset_and_in(small, admin)
    told = notices.unseen(store, false_anna)
    assert {"break_glass", "factor_reset"} <= {one.kind for one in told}
    for one in told:
        with pytest.raises(Denied):
            notices.seen(store, false_anna, one.id)
    with pytest.raises(Denied):
        second_person.withdraw(store, false_anna, request)
    assert len(notices.unseen(store, false_anna)) == len(told)


def test_a_case_does_not_go_to_an_account_whose_password_its_maker_knows(small: Small) -> None:
    store = small.store
    admin = token_of(store, "ada", "admin")
    puppet = team.make(store, admin, "puppet", "Dr Puppet", "counsellor")
    code = cases.caseload(store, small.token)[0].code
    assert puppet.id not in [one.id for one in team.counsellors(store, admin)]
    with pytest.raises(Invalid):
        transfer.ask(store, admin, code, puppet.id, REASON)
    fresh = accounts.sign_in(store, "puppet", puppet.password)
    accounts.change_password(store, fresh, puppet.password, "nine small green kettles")
    assert transfer.ask(store, admin, code, puppet.id, REASON)


def test_a_new_password_from_the_terminal_is_no_way_in(house: House) -> None:
    """Anna has no second factor yet, as after an upgrade: a new password alone would open her cases."""
    ada_in(house)
    typed = [PASSWORD, code_now(house), REASON, TEMPORARY, TEMPORARY]
    said, shown = command(house, "account", "password", "anna", "--as", "ada", typed=typed)
    assert said == 0, shown
    anna = accounts.find(house.store, "anna")
    assert anna.temporary
    assert not anna.confirmed


@pytest.mark.parametrize("gone", [{"active": False}, {"confirmed": False}])
def test_an_admin_who_closed_everybody_else_makes_no_second_person(house: House, gone: dict[str, Any]) -> None:
    """With nobody left to say no, an account that says yes would be made without asking."""
    with_recovery_key(house)
    ada_in(house)
    accounts.create_account(house.store, "sven", PASSWORD, role="supervisor")
    set_row(house.store, Account, Account.name == "sven", **gone)
    order = ("account", "create", "eve", "--role", "supervisor", "--as", "ada")
    another = slots.new_recovery_key()
    typed = [PASSWORD, code_now(house), "Eve", another, another]
    said, shown = command(house, *order, typed=typed)
    assert said != 0, shown
    assert "eve" not in [one.name for one in accounts.listing(house.store)]


def test_with_the_recovery_key_the_clinic_goes_on(house: House) -> None:
    with_recovery_key(house)
    ada_in(house)
    accounts.create_account(house.store, "sven", PASSWORD, role="supervisor")
    set_row(house.store, Account, Account.name == "sven", active=False)
    typed = [PASSWORD, code_now(house), "Eve", RECOVERY, TEMPORARY, TEMPORARY]
    said, shown = command(house, "account", "create", "eve", "--role", "supervisor", "--as", "ada", typed=typed)
    assert said == 0, shown
    assert accounts.find(house.store, "eve").confirmed


def test_the_last_admin_comes_back_with_the_recovery_key_and_nobody_else_does(house: House) -> None:
    with_recovery_key(house)
    ada_in(house)
    typed = [RECOVERY, TEMPORARY, TEMPORARY]
    said, shown = command(house, "account", "password", "anna", "--recovery", typed=typed)
    assert said != 0, shown  # Anna is a counsellor: her cases would open
    other = accounts.create_account(house.store, "alf", PASSWORD, role="admin")
    said, shown = command(house, "account", "password", "ada", "--recovery", typed=typed)
    assert said != 0, shown  # Alf can do it, and a second person would confirm
    set_row(house.store, Account, Account.id == UUID(other), active=False)
    wrong = [slots.new_recovery_key(), *typed[1:]]
    said, shown = command(house, "account", "password", "ada", "--recovery", typed=wrong)
    assert said != 0, shown
    said, shown = command(house, "account", "password", "ada", "--recovery", typed=typed)
    assert said == 0, shown
    ada = accounts.find(house.store, "ada")
    assert (ada.temporary, ada.factor, ada.confirmed) == (True, False, True)
    assert house.begin(TEMPORARY).stage == "enrol"


def ada_in(house: House) -> None:
    """Ada, an admin with an authenticator app; Anna has a password only."""
    accounts.create_account(house.store, "ada", PASSWORD, role="admin")
    house.name, house.id = "ada", accounts.find(house.store, "ada").id
    real_time(house)


def with_recovery_key(house: House) -> None:
    mine = house.store.settings
    vault.change_slot(mine.instance, slots.by_key_file(mine.key_file), slots.by_recovery_key(RECOVERY))


def test_a_grant_holds_eight_hours_whoever_sealed_it(small: Small) -> None:
    """A view with a bug hands out a grant for a year."""
    store, admin, case = small.store, token_of(small.store, "ada", "admin"), UUID(small.case)
    for hours, held in ((24 * 365, False), (8, True)):
        until, id_, ada = small.clock() + timedelta(hours=hours), uuid4(), id_of(store, "ada")
        said = {"case": str(case), "account": str(ada), "until": until.isoformat(), "reason": REASON}
        sealed = store.keyholder.office_seal(id_, said)
        with unit_of_work(store, write=True, unscoped="break_glass") as session:
            session.add(Grant(id=id_, case_id=case, account_id=ada, ends_on=until.date(), sealed=sealed))
        if held:
            assert store.keyholder.open(admin, case, "staff").key_ids
            continue
        with pytest.raises(NotFound):
            store.keyholder.open(admin, case, "staff")


def test_no_glass_is_broken_quietly(small: Small) -> None:
    """The admin first closes the accounts of all who would read of it."""
    store, admin, alf = small.store, token_of(small.store, "ada", "admin"), token_of(small.store, "alf", "admin")
    code = cases.caseload(store, small.token)[0].code
    break_glass.open_(store, admin, code, REASON, 1)
    assert "break_glass" not in [one.kind for one in notices.unseen(store, alf)]  # Anna reads of it, and only she
    team.set_active(store, admin, str(id_of(store, "anna")), False)
    break_glass.open_(store, admin, code, REASON, 1)
    assert "break_glass" in [one.kind for one in notices.unseen(store, alf)]


# --------------------------------------------------------------------------- what the audit did not see
def test_a_closed_door_is_in_the_audit(clinic: Clinic, ana: FlaskClient) -> None:
    """Somebody tries the doors of a role that is not theirs: that was noted nowhere."""
    before = len(lines(clinic.store))
    for address in ("/team", "/supervision", f"/look/{clinic.case}", "/previews", "/backups"):
        assert ana.get(address).status_code == 403
    new = lines(clinic.store)[before:]
    assert [one["verb"] for one in new] == ["denied"] * 5
    assert {one["account"] for one in new} == {str(id_of(clinic.store, "ana"))}


def test_lists_of_cases_are_in_the_audit(small: Small) -> None:
    sven = token_of(small.store, "sven", "supervisor")
    for look, token in ((supervision.cases, sven), (retention.due, small.token)):
        before = len(lines(small.store))
        look(small.store, token)
        assert [one["verb"] for one in lines(small.store)[before:]] == ["caseload.view"]


# --------------------------------------------------------------------------- restore
def test_another_clinics_backup_with_this_ones_label_is_refused(small: Small, tmp_path: Path) -> None:
    """Whoever knows the recipient can seal a file for it. Its label must fit the keys that are in it."""
    with_recovery(small)
    mine = small.store.settings
    good = backup.make(small.store, tmp_path / "elsewhere" / "b.age").path
    identity = slots.backup_identity(slots.by_recovery_key(RECOVERY).secret)
    with capsule.opened(good, identity) as members:
        content = {name: b"".join(part) for name, part in members}
    keys = json.loads(content["keys.json"])
    other = dict(content, **{"keys.json": json.dumps(keys | {"instance": str(uuid4())}).encode()})
    forged = tmp_path / "forged.age"
    capsule.write(forged, ((name, iter([part])) for name, part in other.items()), keys["backup_recipient"])
    small.store.close()
    with pytest.raises(capsule.Broken):
        restore.read(forged, identity)
    assert restore.read(good, identity).instance == UUID(keys["instance"])
    assert not mine.instance.with_name(f"{mine.instance.name}.restoring").exists()


@pytest.mark.parametrize("how", ["open", "link"])
def test_a_folder_that_somebody_else_could_make_is_not_put_in_place(small: Small, tmp_path: Path, how: str) -> None:
    """Every command ends a restore that was killed: a folder with the right name, left there, became the clinic."""
    instance = small.store.settings.instance
    small.store.close()
    planted = instance.with_name(f"{instance.name}.restoring")
    real = planted if how == "open" else tmp_path / "theirs"
    real.mkdir()
    real.chmod(0o777 if how == "open" else 0o700)
    (real / restore.READY).write_text("{}")
    if how == "link":
        planted.symlink_to(real, target_is_directory=True)
    before = (instance / vault.KEYS_FILE).read_bytes()
    restore.finish(small.store.settings)
    assert (instance / vault.KEYS_FILE).read_bytes() == before


# --------------------------------------------------------------------------- the partner at the tablet
def test_the_couple_view_holds_in_the_browser(clinic: Clinic, ana: FlaskClient) -> None:
    """Every page but the own one, in every spelling, asks for the passphrase."""
    own = f"/cases/{clinic.case}/couple"
    assert post(ana, own).status_code == 303
    assert ana.get(own).status_code == 200
    for address in (
        f"/cases/{clinic.case}", f"/cases/{clinic.case}/work", f"/cases/{clinic.foreign_case}/couple", "/account",
        f"/cases/{clinic.case.upper()}/work", "/audit", "/nowhere", "/waiting", "/start", "/prove", "/again",
    ):  # fmt: skip
        assert ana.get(address).status_code == 423, address
    assert ana.get(own.replace(clinic.case, clinic.case.upper())).status_code == 200


# --------------------------------------------------------------------------- an admin with foresight
def test_recovery_codes_of_before_confirm_nothing(house: House) -> None:
    """An admin makes an account, signs in first and keeps recovery codes for the day on which it has cases."""
    store = house.store
    admin = token_of_admin(house)
    made = team.make(store, admin, "xenia", "Xenia", "counsellor")
    begun = sessions.begin(store, "xenia", made.password, "10.0.0.9")
    started = factors.begin_totp(store, begun.token)
    step = pyotp.TOTP(started.secret).at(int(house.clock().timestamp()))
    first = factors.confirm_totp(store, begun.token, step, started.pending)
    with pytest.raises(Denied):  # the password is still the one that the admin knows
        factors.new_recovery_codes(store, first)
    accounts.change_password(store, first, made.password, "nine small green kettles")
    kept = factors.new_recovery_codes(store, first)
    team.reset(store, admin, made.id, REASON)
    with unit_of_work(store) as session:
        request = str(session.scalars(select(Request.id).where(Request.done.is_(False))).one())
    accounts.create_account(store, "alf", PASSWORD, role="admin")
    team.confirm(store, started_session(house, "alf"), request)
    again = team.reset(store, admin, made.id, "Once more, in a year.")
    false_xenia = started_session(house, "xenia")
    accounts.change_password(store, false_xenia, again.password, "ten small green kettles")
    with pytest.raises(Invalid):
        factors.confirm_by_code(store, false_xenia, kept[0])
    assert not accounts.find(store, "xenia").confirmed


def test_recovery_codes_come_once_the_password_is_ones_own(strict: Clinic) -> None:
    accounts.create(strict.store, "xenia", PASSWORD)
    client = strict.app.test_client()
    send(client, client.get("/sign-in"), "/sign-in", name="xenia", password=PASSWORD)
    page = client.get("/sign-in/protect")
    secret = re.search(r'class="secret"><bdi[^>]*>([A-Z2-7 ]+)<', page.get_data(as_text=True))
    assert secret
    code = pyotp.TOTP(secret[1].replace(" ", "")).at(strict.store.clock())
    reply = send(client, page, "/sign-in/protect", code=code, pending=field(page, "pending"))
    assert b'class="codes"' not in reply.data
    assert client.get(reply.location).location == "/sign-in/passphrase"
    new = "seven quiet horses by the lake"
    fields = {"password": PASSWORD, "new_password": new, "new_password_again": new}
    shown = send(client, client.get("/sign-in/passphrase"), "/sign-in/passphrase", **fields)
    assert len(re.findall(r'class="code" dir="ltr">([A-Z2-7-]+)<', shown.get_data(as_text=True))) == 10
    assert send(client, shown, "/sign-in/written", written="yes").location == "/start"


def token_of_admin(house: House) -> str:
    accounts.create_account(house.store, "ada", PASSWORD, role="admin")
    return started_session(house, "ada")


def started_session(house: House, name: str) -> str:
    """A full session, however its owner came by it."""
    with unit_of_work(house.store, write=True) as session:
        return sessions.start(house.store, session, id_of(house.store, name), "full").token


def test_an_admins_new_password_waits_although_there_is_a_factor(house: House) -> None:
    """The factor may be one that the admin planted when the account was new."""
    house.enrol()
    anna = house.id
    ada_in(house)
    typed = [PASSWORD, code_now(house), REASON]
    said, shown = command(house, "account", "password", "anna", "--as", "ada", typed=typed)
    assert said == 0, shown
    found = accounts.find(house.store, "anna")
    assert (found.id, found.confirmed, found.factor) == (anna, False, False)
