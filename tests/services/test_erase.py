"""Erasing: the wrapped key is nowhere any more, everything else still opens, and a cut in between is made good."""

import json
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from sqlalchemy import select
from sqlalchemy.orm import Session

from clinic.domain.errors import ClinicError, NotFound, Refused, SecondPerson, StepUp
from clinic.persistence import vault
from clinic.persistence.models import Autosave, Case, KeyRing, Print, Record
from clinic.services import cases, erase, erasures, export, notices, records, retention
from tests.persistence.making import Clinic, note_print
from tests.services.rights import CANARIES, admin, agreed, verbs, with_canaries

PAGE, RESERVE, SALT, HEADER, FRAME = 4096, 80, 16, 32, 24


def wrapped(clinic: Clinic, case: str = "") -> dict[UUID, bytes]:
    """What is wrapped for a case, by key id."""
    with Session(clinic.raw) as session:
        rows = session.scalars(select(KeyRing).where(KeyRing.case_id == UUID(case or clinic.case)))
        return {row.id: row.wrapped for row in rows}


def key_of(clinic: Clinic, scope: str) -> UUID:
    return clinic.store.keyholder.open(clinic.token, clinic.case_id, "staff").key_of(scope)


def clear(clinic: Clinic) -> bytes:
    """Every byte of the database's files, page by page out of SQLCipher: what a thief with all keys could search."""
    key = vault.unlock(clinic.store.settings.instance, clinic.store.settings.key_file).db_key()
    file = clinic.store.settings.instance / "clinic.db"
    data, log = file.read_bytes(), file.with_name("clinic.db-wal").read_bytes()
    pages = [(data[at : at + PAGE], SALT if at == 0 else 0) for at in range(0, len(data), PAGE)]
    frames = range(HEADER + FRAME, len(log), FRAME + PAGE)
    pages += [(log[at : at + PAGE], 0) for at in frames]  # a first page in the log has its salt too: 16 odd bytes
    found = b""
    for page, skip in pages:
        iv, body = page[PAGE - RESERVE : PAGE - RESERVE + 16], page[skip : PAGE - RESERVE]
        found += Cipher(algorithms.AES256(key), modes.CBC(iv)).decryptor().update(body)
    return found


def test_the_wrapped_key_is_nowhere_in_file_or_log(clinic: Clinic) -> None:
    with_canaries(clinic)
    a, staff, b = (key_of(clinic, scope) for scope in ("a", "staff_a", "b"))
    before = wrapped(clinic)
    if clinic.store.engine.dialect.name == "sqlite":
        assert before[a] in clear(clinic)  # else the search below would find nothing anyway
    assert erase.person(clinic.store, clinic.token, clinic.case, "a", agreed(clinic, "erase", partner="a"))
    after = wrapped(clinic)
    assert after[a] == after[staff] == b""
    assert after[b] == before[b]
    if clinic.store.engine.dialect.name == "sqlite":
        bytes_ = clear(clinic)
        assert before[b] in bytes_
        assert before[a] not in bytes_
        assert before[staff] not in bytes_
        assert (clinic.store.settings.instance / "clinic.db-wal").stat().st_size == 0


def test_what_is_left_still_opens_and_what_was_theirs_is_gone(clinic: Clinic) -> None:
    made = with_canaries(clinic)
    note_print(clinic, clinic.case, "JOINT")
    draft = records.start(clinic.store, clinic.token, clinic.case, "wishes", "a")
    records.autosave(clinic.store, clinic.token, draft, "t", 1, {"wish": ["typed"]})
    records.autosave(clinic.store, clinic.token, records.start(
        clinic.store, clinic.token, clinic.case, "meeting", "couple"), "t", 1, {"only_a": ["typed"]})  # fmt: skip
    keys = {scope: key_of(clinic, scope) for scope in ("a", "staff_a", "joint")}
    erase.person(clinic.store, clinic.token, clinic.case, "a", agreed(clinic, "erase", partner="a"))

    meeting = records.read(clinic.store, clinic.token, made["meeting"])
    assert set(meeting.answers) == {"words", "only_b", "ours", "b.about"}
    for gone in (made["a"], draft):
        with pytest.raises(NotFound):
            records.read(clinic.store, clinic.token, gone)
    listed = [one.id for one in records.listing(clinic.store, clinic.token, clinic.case)]
    assert made["a"] not in listed
    assert {made[one] for one in ("meeting", "b", "joint", "diary")} <= set(listed)
    assert records.opened(clinic.store, clinic.token, clinic.case)
    with Session(clinic.raw) as session:
        assert not session.scalars(select(Autosave).where(Autosave.key_id.in_([keys["a"], keys["staff_a"]]))).all()
        assert session.scalars(select(Print).where(Print.key_id == keys["joint"])).all()
        assert session.get(Record, UUID(draft)) is None
        assert session.get(Record, UUID(made["a"])) is not None  # an empty shell: its parts are frozen
    page = cases.case_page(clinic.store, clinic.token, clinic.case, "staff")
    assert page.partners["a"] == cases.PartnerCard()
    assert page.partners["b"].language == "ar"
    assert cases.caseload(clinic.store, clinic.token)[0].unfinished == 1
    a, b = (json.loads(export.of_person(clinic.store, clinic.token, clinic.case, one).data) for one in ("a", "b"))
    assert a["entries"] == []
    assert len(b["entries"]) == 2


def test_the_head_of_an_erased_record_tells_nothing(clinic: Clinic) -> None:
    made = with_canaries(clinic)
    erase.person(clinic.store, clinic.token, clinic.case, "a", agreed(clinic, "erase", partner="a"))
    view = clinic.store.keyholder.open(clinic.token, clinic.case_id, "staff")
    with Session(clinic.raw) as session:
        head = view.open_head(session.get_one(Record, UUID(made["a"])))
    assert (head.definition, head.about, head.author, head.held_on, head.reason) == ("", "couple", "", "", "")


def test_a_duty_to_keep_keeps_staffs_notes(clinic: Clinic) -> None:
    made = with_canaries(clinic)
    retention.set_hold(clinic.store, clinic.token, clinic.case, "Court asked for the file")
    assert not erase.person(clinic.store, clinic.token, clinic.case, "a", agreed(clinic, "erase", partner="a"))
    kept = records.read(clinic.store, clinic.token, made["a"])
    assert kept.answers == {"remark": CANARIES["staff_a"] + "Remark"}
    assert "a.about" in records.read(clinic.store, clinic.token, made["meeting"]).answers


def test_what_a_human_has_to_look_at_is_listed(clinic: Clinic) -> None:
    made = with_canaries(clinic)
    found = {one.id: one.scopes for one in erase.to_look_at(clinic.store, clinic.token, clinic.case)}
    assert found == {
        made["meeting"]: ("joint", "staff_couple"),
        made["joint"]: ("joint",),
        made["diary"]: ("process",),
    }


def test_it_needs_a_proof_and_another_person_for_this_partner(clinic: Clinic) -> None:
    doris = admin(clinic)
    other = agreed(clinic, "erase", by=doris, partner="b")
    with pytest.raises(SecondPerson):
        erase.person(clinic.store, clinic.token, clinic.case, "a", other)
    with pytest.raises(SecondPerson):
        erase.person(clinic.store, clinic.token, clinic.case, "a", agreed(clinic, "export_file", by=doris))
    mine = agreed(clinic, "erase", by=doris, partner="a")
    clinic.clock.pass_(minutes=6)
    with pytest.raises(StepUp):
        erase.person(clinic.store, clinic.token, clinic.case, "a", mine)
    assert not [one for one in erasures.places(clinic.store.settings) if one.exists()]
    assert all(wrapped(clinic).values())


def test_it_is_audited_and_the_counsellor_sees_it(clinic: Clinic) -> None:
    erase.person(clinic.store, clinic.token, clinic.case, "a", agreed(clinic, "erase", partner="a"))
    assert "erase.done" in verbs(clinic)
    assert "erased" in [one.kind for one in notices.unseen(clinic.store, clinic.token)]


# --------------------------------------------------------------------------- cut off in between
def test_cut_off_after_the_list_it_goes_on_at_the_next_start(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    with_canaries(clinic)
    request, a = agreed(clinic, "erase", partner="a"), key_of(clinic, "a")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as cut:
        cut.setattr(erase, "carry_out", killed)
        with pytest.raises(KeyboardInterrupt):
            erase.person(clinic.store, clinic.token, clinic.case, "a", request)
    assert wrapped(clinic)[a]  # the old state, but it is on the list
    assert erase.resume(clinic.store) == 2
    assert wrapped(clinic)[a] == b""
    assert erase.resume(clinic.store) == 0
    assert cases.case_page(clinic.store, clinic.token, clinic.case, "staff").partners["a"].language == "de"
    erase.tidy(clinic.store, clinic.token, clinic.case)
    assert cases.case_page(clinic.store, clinic.token, clinic.case, "staff").partners["a"].language == "en"
    count = len(verbs(clinic))
    erase.tidy(clinic.store, clinic.token, clinic.case)
    assert len(verbs(clinic)) == count


def test_if_the_list_cannot_be_written_nothing_is_erased(clinic: Clinic) -> None:
    request, a = agreed(clinic, "erase", partner="a"), key_of(clinic, "a")
    (clinic.store.settings.instance / erasures.FILE).mkdir()
    with pytest.raises(OSError, match="directory"):
        erase.person(clinic.store, clinic.token, clinic.case, "a", request)
    assert wrapped(clinic)[a]


def test_the_list_tells_nothing_and_cannot_be_changed(clinic: Clinic, tmp_path: Path) -> None:
    erase.person(clinic.store, clinic.token, clinic.case, "a", agreed(clinic, "erase", partner="a"))
    here, beside = erasures.places(clinic.store.settings)
    text = here.read_bytes()
    assert here.stat().st_mode & 0o777 == 0o600
    assert beside.read_bytes() == text
    assert clinic.case.encode() not in text
    (one,) = erasures.read(clinic.store.keyholder, text)
    assert (one.case, one.whom, len(one.keys)) == (clinic.case, "a", 2)
    for changed in (text.replace(text[:4], b"0000"), text[:-5] + b"AAA=\n", b"x\n" + text):
        with pytest.raises(ClinicError):
            erasures.read(clinic.store.keyholder, changed)
    assert erasures.read(clinic.store.keyholder, text + text[:30]) == [one]  # a line that was cut off
    here.write_bytes(text + b"half a li")
    erasures.add(clinic.store.keyholder, clinic.store.settings, clinic.case_id, "b", [], clinic.store.today())
    assert [one.whom for one in erasures.read(clinic.store.keyholder, here.read_bytes())] == ["a", "b"]
    assert len(erasures.read(clinic.store.keyholder, erasures.merge((here, beside)))) == 2


# --------------------------------------------------------------------------- retention
def test_nothing_is_due_before_its_time_nor_under_a_hold(clinic: Clinic) -> None:
    assert list(retention.due(clinic.store, clinic.token).lines) == []
    clinic.clock.pass_(days=366 * 10)
    clinic.stay_signed_in()
    assert [one.id for one in list(retention.due(clinic.store, clinic.token).lines)] == [clinic.case]
    retention.set_hold(clinic.store, clinic.token, clinic.case, "A court case runs")
    assert list(retention.due(clinic.store, clinic.token).lines) == []
    state = retention.state(clinic.store, clinic.token, clinic.case)
    assert state.hold == "A court case runs"
    assert state.duty(clinic.store.today())
    retention.set_hold(clinic.store, clinic.token, clinic.case, "")
    assert [one.id for one in list(retention.due(clinic.store, clinic.token).lines)] == [clinic.case]
    retention.keep_until(clinic.store, clinic.token, clinic.case, "2050-01-01")
    assert list(retention.due(clinic.store, clinic.token).lines) == []
    assert [one for one in verbs(clinic) if one.startswith("retention.")] == [
        "retention.hold", "retention.lifted", "retention.until",
    ]  # fmt: skip


def test_a_hold_does_not_move_the_day_of_the_last_change(clinic: Clinic) -> None:
    before = cases.case_page(clinic.store, clinic.token, clinic.case, "staff")
    clinic.clock.pass_(days=1)
    clinic.stay_signed_in()
    retention.set_hold(clinic.store, clinic.token, clinic.case, "Reason")
    assert cases.case_page(clinic.store, clinic.token, clinic.case, "staff").touched_on == before.touched_on


def test_a_case_whose_time_is_over_becomes_an_empty_shell(clinic: Clinic) -> None:
    with_canaries(clinic)
    early = agreed(clinic, "erase", partner="case")
    with pytest.raises(Refused):
        erase.case(clinic.store, clinic.token, clinic.case, early)
    clinic.clock.pass_(days=366 * 10)
    clinic.stay_signed_in()
    with Session(clinic.raw) as session:
        from clinic.persistence.models import SignedIn

        for row in session.scalars(select(SignedIn)):
            row.authed = clinic.clock()
        session.commit()
    request = agreed(clinic, "erase", by=admin(clinic, "edgar"), partner="case")
    erase.case(clinic.store, clinic.token, clinic.case, request)
    head = key_of(clinic, "head")
    assert [id_ for id_, sealed in wrapped(clinic).items() if sealed] == [head]
    assert all(wrapped(clinic, clinic.foreign).values())
    assert records.listing(clinic.store, clinic.token, clinic.case) == []
    assert cases.caseload(clinic.store, clinic.token) == []
    (shell,) = cases.caseload(clinic.store, clinic.token, archived=True)
    assert shell.partners["a"] == shell.partners["b"] == cases.PartnerCard()
    assert list(retention.due(clinic.store, clinic.token).lines) == []
    with Session(clinic.raw) as session:
        card = clinic.store.keyholder.open(clinic.token, clinic.case_id, "staff").open_card(
            session.get_one(Case, clinic.case_id)
        )
    assert set(card) == {"partners", "closed_on", "erased", "ruling"}


def test_the_sweep_of_a_slow_reader_does_not_stop_the_erasure(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erase, "_PATIENCE", 0.2)
    with_canaries(clinic)
    request, a = agreed(clinic, "erase", partner="a"), key_of(clinic, "a")
    with clinic.raw.connect() as reader:
        reader.execute(select(KeyRing.id)).fetchall()
        erase.person(clinic.store, clinic.token, clinic.case, "a", request)
    assert wrapped(clinic)[a] == b""
    log = clinic.store.settings.instance / "clinic.db-wal"
    if log.exists():
        assert log.stat().st_size > 0
        erase.scrub(clinic.store)
        assert log.stat().st_size == 0
