"""The audit: every act has its line, in its transaction; what was changed behind its back is found."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from clinic.domain.answer import Checked
from clinic.domain.errors import Conflict, Denied, Invalid, NotFound, Usage
from clinic.persistence import audit, triggers
from clinic.persistence.keyholder import Keyholder, request
from clinic.persistence.models import Account, Autosave, Case, KeyRing, Part, Record
from clinic.services import audit_log, cases, prints, records, verify
from clinic.services.audit_log import Filters
from clinic.services.prints import PrintJob
from clinic.services.unit_of_work import StoreFull, unit_of_work
from tests.persistence.making import Clinic

WORDS = "CANARY nobody may find this"


def payloads(clinic: Clinic, after: int = 0) -> list[dict[str, Any]]:
    """What the lines say, the oldest first."""
    keyholder = clinic.store.keyholder
    assert isinstance(keyholder, Keyholder)
    with Session(clinic.raw) as session:
        return keyholder.audit_read(audit.lines(session, after))


def count(clinic: Clinic) -> int:
    return int(verify.anchor(clinic.store)["count"])


def verbs(clinic: Clinic, after: int) -> list[str]:
    return [one["verb"] for one in payloads(clinic, after)]


def signed(clinic: Clinic, words: str = WORDS) -> str:
    id_ = records.start(clinic.store, clinic.token, clinic.case, "meeting", "couple")
    records.finish(clinic.store, clinic.token, id_, 1, Checked({"words": words}, {}, {}))
    return id_


# ------------------------------------------------------------------ what is noted
def test_every_verb_of_a_record_has_its_line(clinic: Clinic) -> None:
    store, token, before = clinic.store, clinic.token, count(clinic)
    id_ = records.start(store, token, clinic.case, "meeting", "couple")
    records.read(store, token, id_)
    records.save_draft(store, token, id_, 1, Checked({"words": "x"}, {}, {}))
    records.finish(store, token, id_, 2, Checked({"words": "x"}, {}, {}))
    more = records.addendum(store, token, id_)
    records.discard(store, token, more)
    records.correction(store, token, id_, "because")
    prints.note(store, token, clinic.case, "ABCDEFGHJ", PrintJob("meeting", "joint"))
    cases.case_page(store, token, clinic.case)
    cases.case_page(store, token, clinic.case, "staff")
    cases.caseload(store, token)
    assert verbs(clinic, before) == [
        "record.started",
        "record.view",
        "record.saved",
        "record.signed",
        "record.added_to",
        "record.discarded",
        "record.corrected",
        "print.made",
        "case.view",
        "case.staff_view",
        "caseload.view",
    ]
    line = payloads(clinic, before)[0]
    assert line["case"] == clinic.case
    assert UUID(line["account"])
    assert line["when"].startswith("2026-03-02")


def test_no_line_holds_content(clinic: Clinic) -> None:
    signed(clinic)
    records.correction(clinic.store, clinic.token, signed(clinic), f"{WORDS} as a reason")
    assert "CANARY" not in json.dumps(payloads(clinic), default=str)
    with unit_of_work(clinic.store, clinic.token, write=True) as session:
        for bad in (WORDS, "x" * 65, "two words"):
            with pytest.raises(ValueError, match="not an id"):
                audit.note(session, "case.view", case=clinic.case, words=bad)
        with pytest.raises(ValueError, match="no verb"):
            audit.note(session, "case.looked_at")
        with pytest.raises(ValueError, match="not an id"):
            audit.note(session, "case.view", **{"wrote": "x"})


def test_the_same_view_is_noted_once_a_request(clinic: Clinic) -> None:
    before = count(clinic)
    with request():
        for _ in range(3):
            cases.case_page(clinic.store, clinic.token, clinic.case)
    assert verbs(clinic, before) == ["case.view"]
    cases.case_page(clinic.store, clinic.token, clinic.case)
    assert verbs(clinic, before) == ["case.view"] * 2


def test_typing_is_noted_once_a_tab(clinic: Clinic) -> None:
    id_ = records.start(clinic.store, clinic.token, clinic.case, "meeting", "couple")
    before = count(clinic)
    for tab in ("one", "one", "two", "one"):
        records.autosave(clinic.store, clinic.token, id_, tab, 1, {"words": [tab]})
    assert verbs(clinic, before) == ["record.autosave"] * 2


def test_a_refusal_is_noted_with_what_was_tried(clinic: Clinic) -> None:
    store, token, before = clinic.store, clinic.token, count(clinic)
    foreign = records.start(store, clinic.other, clinic.foreign, "meeting", "couple")
    for attempt in (
        lambda: cases.case_page(store, token, clinic.foreign, "staff"),
        lambda: cases.name(store, token, clinic.foreign),
        lambda: records.read(store, token, foreign),
        lambda: records.start(store, token, clinic.foreign, "meeting", "couple"),
        lambda: cases.case_page(store, token, "nonsense of any length, which is not kept" * 9),
    ):
        with pytest.raises(NotFound):
            attempt()
    lines = [one for one in payloads(clinic, before) if one["verb"] == "denied"]
    assert [one["tried"] for one in lines] == [
        "case.staff_view", "case.view", "record.view", "record.started", "case.view",
    ]  # fmt: skip
    assert {one["why"] for one in lines} == {"NotFound"}
    assert lines[0]["case"] == clinic.foreign
    assert "case" not in lines[4]
    with pytest.raises(Conflict):
        records.discard(store, token, signed(clinic))  # what is merely wrong is not a refusal
    assert verbs(clinic, before).count("denied") == 5


def test_what_was_not_done_is_not_noted(clinic: Clinic) -> None:
    id_, before = signed(clinic), count(clinic)
    with pytest.raises(Conflict):
        records.addendum(clinic.store, clinic.token, records.start(
            clinic.store, clinic.token, clinic.case, "meeting", "couple"))  # fmt: skip
    with pytest.raises(Invalid):
        records.correction(clinic.store, clinic.token, id_, " ")
    assert verbs(clinic, before) == ["record.started"]


def hashes(clinic: Clinic) -> dict[tuple[str, str, str], str]:
    found: dict[tuple[str, str, str], str] = {}
    for one in payloads(clinic):
        found |= {(kind, id_, key): digest for kind, id_, key, digest in one.get("wrote", ())}
    return {name: digest for name, digest in found.items() if digest}


def test_the_hash_of_each_sealed_value_is_in_the_chain(clinic: Clinic) -> None:
    signed(clinic)
    draft = records.start(clinic.store, clinic.token, clinic.case, "wishes", "a")
    records.save_draft(clinic.store, clinic.token, draft, 1, Checked({"wish": "x"}, {}, {}))
    gone = records.start(clinic.store, clinic.token, clinic.case, "wishes", "b")
    records.discard(clinic.store, clinic.token, gone)
    with Session(clinic.raw) as session:
        there = {("card", str(one.id), ""): audit.digest(one.card) for one in session.scalars(select(Case))}
        there |= {("head", str(one.id), ""): audit.digest(one.head) for one in session.scalars(select(Record))}
        there |= {
            ("part", str(one.record_id), str(one.key_id)): audit.digest(one.sealed)
            for one in session.scalars(select(Part))
        }
    assert hashes(clinic) == there


def test_a_bulk_statement_is_hashed_too(clinic: Clinic) -> None:
    id_ = records.start(clinic.store, clinic.token, clinic.case, "meeting", "couple")
    with unit_of_work(clinic.store, clinic.token, write=True) as session:
        session.execute(update(Part).where(Part.record_id == UUID(id_)).values(sealed=b"by hand"))
    mine = {digest for (kind, record, _), digest in hashes(clinic).items() if (kind, record) == ("part", id_)}
    assert mine == {audit.digest(b"by hand")}
    assert payloads(clinic)[-1]["verb"] == "case.written"  # nobody said what it was, so it is said for them


# ------------------------------------------------------------------ no audit, no act
def refuse_lines(clinic: Clinic) -> None:
    """A trigger of the test: from now on no line can be written."""
    with clinic.raw.execution_options(write=True).begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql(
                "CREATE TRIGGER no_line BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no line'); END"
            )
        else:
            connection.exec_driver_sql(
                "CREATE FUNCTION no_line() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN RAISE EXCEPTION 'no line'; END $$"
            )
            connection.exec_driver_sql(
                "CREATE TRIGGER no_line BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION no_line()"
            )


def test_what_cannot_be_noted_does_not_happen(clinic: Clinic) -> None:
    id_ = records.start(clinic.store, clinic.token, clinic.case, "meeting", "couple")
    refuse_lines(clinic)
    acts: list[Callable[[], object]] = [
        lambda: records.save_draft(clinic.store, clinic.token, id_, 1, Checked({"words": "x"}, {}, {})),
        lambda: records.start(clinic.store, clinic.token, clinic.case, "meeting", "couple"),
        lambda: records.read(clinic.store, clinic.token, id_),
        lambda: cases.case_page(clinic.store, clinic.token, clinic.case),
        lambda: cases.case_page(clinic.store, clinic.token, clinic.foreign),
        lambda: records.discard(clinic.store, clinic.token, id_),
    ]
    for act in acts:
        with pytest.raises(DBAPIError, match="no line"):
            act()
    with Session(clinic.raw) as session:
        assert [one.rev for one in session.scalars(select(Record))] == [1]


def test_a_full_disk_stops_the_act(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    if clinic.store.engine.dialect.name != "sqlite":
        return
    id_ = records.start(clinic.store, clinic.token, clinic.case, "meeting", "couple")
    before = count(clinic)

    def full(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        if "INTO audit" in statement:
            connection.exec_driver_sql("PRAGMA max_page_count=1")  # SQLite takes the least it can
            connection.exec_driver_sql("CREATE TABLE filler AS SELECT randomblob(5000000) AS x")

    from sqlalchemy import event

    event.listen(clinic.store.engine, "before_cursor_execute", full)
    monkeypatch.setattr("clinic.persistence.scope._BEGIN", Everything())
    try:
        with pytest.raises(StoreFull):
            records.save_draft(clinic.store, clinic.token, id_, 1, Checked({"words": "x"}, {}, {}))
        with pytest.raises(StoreFull):
            cases.case_page(clinic.store, clinic.token, clinic.case)
    finally:
        event.remove(clinic.store.engine, "before_cursor_execute", full)
        clinic.store.engine.dispose()
    assert count(clinic) == before
    assert records.read(clinic.store, clinic.token, id_).rev == 1


class Everything:
    """Has every statement in it."""

    def __contains__(self, _: object) -> bool:
        return True


# ------------------------------------------------------------------ triggers
LINES = [
    "UPDATE audit SET sealed = 'x' WHERE seq = 2",
    "UPDATE audit SET seq = 900 WHERE seq = 2",
    "DELETE FROM audit WHERE seq = 2",
    "DELETE FROM audit",
    "INSERT INTO audit SELECT 2, day, sealed, mac FROM audit WHERE seq = 1",
    "INSERT INTO audit SELECT 9000, day, sealed, mac FROM audit WHERE seq = 1",
]
LITE = [
    "INSERT OR REPLACE INTO audit SELECT 2, day, sealed, mac FROM audit WHERE seq = 1",
    "REPLACE INTO audit SELECT seq, day, 'x', mac FROM audit",
    "UPDATE OR REPLACE audit SET seq = 1 WHERE seq = 2",
    "INSERT INTO audit SELECT 1, day, sealed, mac FROM audit WHERE seq = 1 ON CONFLICT DO UPDATE SET sealed = 'x'",
    "INSERT INTO audit (day, sealed, mac) SELECT day, sealed, mac FROM audit WHERE seq = 1",
]


def test_no_statement_changes_a_line(clinic: Clinic) -> None:
    before = payloads(clinic)
    more = LITE if clinic.raw.dialect.name == "sqlite" else ["TRUNCATE audit"]
    for statement in LINES + more:
        with clinic.raw.connect() as connection, pytest.raises(DBAPIError, match="the audit only grows"):
            connection.execute(text(statement))
    assert payloads(clinic) == before


# ------------------------------------------------------------------ verify
def tamper(clinic: Clinic, *statements: str, **values: Any) -> None:
    """Change the database as somebody would who can write to it: triggers away, change, triggers back."""
    with clinic.raw.execution_options(write=True).begin() as connection:
        triggers.drop(connection)
        for statement in statements:
            connection.execute(text(statement), {name: one for name, one in values.items() if f":{name}" in statement})
        triggers.create(connection)


def test_nothing_is_wrong_at_first(clinic: Clinic) -> None:
    signed(clinic)
    records.autosave(
        clinic.store, clinic.token,
        records.start(clinic.store, clinic.token, clinic.case, "diary", "a"), "t", 1, {"thought": ["x"]},
    )  # fmt: skip
    prints.note(clinic.store, clinic.token, clinic.case, "ABCDEFGHJ", PrintJob("meeting", "joint"))
    there = verify.anchor(clinic.store)
    signed(clinic)
    assert verify.verify(clinic.store, there) == []


LINE_FAULTS = {
    "edited": (["UPDATE audit SET sealed = (SELECT sealed FROM audit WHERE seq = 4) WHERE seq = 3"], "Line 3 "),
    "edited mac": (["UPDATE audit SET mac = (SELECT mac FROM audit WHERE seq = 4) WHERE seq = 3"], "Line 3 "),
    "another day": (["UPDATE audit SET day = '2020-01-01' WHERE seq = 3"], "Line 3 "),
    "deleted": (["DELETE FROM audit WHERE seq = 3"], "Line 3 of the audit is not there."),
    "begins later": (["DELETE FROM audit WHERE seq < 3"], "The audit begins with line 3: earlier lines are gone."),
    "reordered": (
        ["UPDATE audit SET seq = -3 WHERE seq = 3", "UPDATE audit SET seq = 3 WHERE seq = 4",
         "UPDATE audit SET seq = 4 WHERE seq = -3"],
        "Line 3 ",
    ),
    "cut off": (["DELETE FROM audit WHERE seq > (SELECT max(seq) FROM audit) - 2"], "the end was cut off."),
    "emptied": (["DELETE FROM audit"], "the end was cut off."),
    "cut off and gone on": (
        ["DELETE FROM audit WHERE seq = 5", "UPDATE audit SET seq = seq - 1 WHERE seq = 6",
         "UPDATE audit SET seq = seq - 1 WHERE seq = 7", "DELETE FROM audit WHERE seq > 6"],
        "Line 5 ",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LINE_FAULTS)
def test_a_changed_chain_is_found(clinic: Clinic, name: str) -> None:
    statements, says = LINE_FAULTS[name]
    for _ in range(3):
        cases.caseload(clinic.store, clinic.token)  # lines without a hash: nothing but the chain can tell
    there = verify.anchor(clinic.store)
    tamper(clinic, *statements)
    found = verify.verify(clinic.store, there)
    assert any(says in line for line in found), found
    assert not any("CANARY" in line for line in found)


def test_without_an_anchor_a_clean_cut_is_not_seen(clinic: Clinic) -> None:
    """This is why every backup holds one."""
    for _ in range(3):
        cases.caseload(clinic.store, clinic.token)
    there = verify.anchor(clinic.store)
    tamper(clinic, "DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)")
    assert verify.verify(clinic.store) == []
    assert verify.verify(clinic.store, there) == [
        f"The audit has {there['count'] - 1} lines; the anchor knows {there['count']}: the end was cut off."
    ]
    cases.caseload(clinic.store, clinic.token)  # the same number of lines again, but not the same line
    assert verify.verify(clinic.store, there) == [
        f"Line {there['count']} of the audit is another one than the anchor knows."
    ]


def faults(clinic: Clinic) -> list[str]:
    found = verify.verify(clinic.store)
    assert all("CANARY" not in line and line.endswith(".") for line in found)
    return found


def test_an_older_ciphertext_put_back_is_found(clinic: Clinic) -> None:
    """The row goes back as a whole, so that everything opens: only the chain knows better."""
    id_ = UUID(records.start(clinic.store, clinic.token, clinic.case, "meeting", "couple"))
    with Session(clinic.raw, expire_on_commit=False) as session:
        old = {one.key_id: one.sealed for one in session.scalars(select(Part).where(Part.record_id == id_))}
        head, rev = session.get_one(Record, id_).head, session.get_one(Record, id_).rev
    records.save_draft(clinic.store, clinic.token, str(id_), 1, Checked({"words": WORDS}, {}, {}))
    assert faults(clinic) == []
    with Session(clinic.raw.execution_options(write=True)) as session:
        for part in session.scalars(select(Part).where(Part.record_id == id_)):
            part.sealed = old[part.key_id]
        row = session.get_one(Record, id_)
        row.head, row.rev = head, rev
        session.commit()
    assert records.read(clinic.store, clinic.token, str(id_)).answers == {}  # it opens, and tells nothing
    found = faults(clinic)
    assert f"the head of record {id_} is not what was written last." in found[0]
    assert sum("a part of record" in line and "not what was written last" in line for line in found) == len(old)


def test_an_older_card_is_found(clinic: Clinic) -> None:
    with Session(clinic.raw) as session:
        old, rev = session.get_one(Case, clinic.case_id).card, session.get_one(Case, clinic.case_id).rev
    page = cases.case_page(clinic.store, clinic.token, clinic.case, "staff")
    cases.update_card(clinic.store, clinic.token, clinic.case, page.rev, page.partners)
    with Session(clinic.raw.execution_options(write=True)) as session:
        row = session.get_one(Case, clinic.case_id)
        row.card, row.rev = old, rev
        session.commit()
    assert faults(clinic) == [f"Case {page.code}: its card is not what was written last."]


def test_swapped_and_edited_ciphertexts_are_found(clinic: Clinic) -> None:
    id_ = UUID(signed(clinic))
    with Session(clinic.raw) as session:
        keys = session.scalars(select(Part.key_id).where(Part.record_id == id_).order_by(Part.key_id)).all()
        first, second = (session.get_one(Part, (id_, key)).sealed for key in keys[:2])
        bent = session.get_one(Part, (id_, keys[2])).sealed[:-1] + b"\0"
    with clinic.raw.execution_options(write=True).begin() as connection:
        triggers.drop(connection)
        for key, sealed in ((keys[0], second), (keys[1], first), (keys[2], bent)):
            connection.execute(
                update(Part.__table__)
                .where(Part.__table__.c.record_id == id_, Part.__table__.c.key_id == key)
                .values(sealed=sealed)
            )
        triggers.create(connection)
    found = faults(clinic)
    assert len(found) == 3
    assert all(f"a part of record {id_} does not open." in line for line in found)


def test_what_is_gone_or_came_from_elsewhere_is_found(clinic: Clinic) -> None:
    id_ = UUID(records.start(clinic.store, clinic.token, clinic.case, "wishes", "a"))
    with Session(clinic.raw.execution_options(write=True)) as session:
        number = 0
        for part in session.scalars(select(Part).where(Part.record_id == id_)):
            session.delete(part)
            number += 1
        session.commit()
    assert faults(clinic) == [f"{number} sealed values that the audit knows are not there."]
    view = clinic.store.keyholder.open(clinic.token, clinic.case_id, "staff")
    with Session(clinic.raw.execution_options(write=True)) as session:
        row = session.get_one(Record, id_)
        session.add(view.seal("a", view.open_head(row), {"answers": {}, "raw": {}}))
        session.commit()
    assert any("is not what was written last." in line for line in faults(clinic))


def test_typing_and_keys_that_do_not_open_are_found(clinic: Clinic) -> None:
    id_ = records.start(clinic.store, clinic.token, clinic.case, "diary", "a")
    records.autosave(clinic.store, clinic.token, id_, "t", 1, {"thought": [WORDS]})
    with Session(clinic.raw.execution_options(write=True)) as session:
        saved = session.scalars(select(Autosave)).one()
        saved.sealed, key = saved.sealed[:-1] + bytes([saved.sealed[-1] ^ 1]), saved.key_id
        session.commit()
    assert [line.split(": ")[1] for line in faults(clinic)] == [f"typing kept for record {id_} does not open."]
    with Session(clinic.raw.execution_options(write=True)) as session:
        ring = session.get_one(KeyRing, key)
        ring.wrapped = bytes(len(ring.wrapped))
        session.commit()
    assert any("a key does not open" in line for line in faults(clinic))


def test_a_missing_or_other_trigger_is_found(clinic: Clinic) -> None:
    with clinic.raw.execution_options(write=True).begin() as connection:
        sqlite = connection.dialect.name == "sqlite"
        connection.exec_driver_sql("DROP TRIGGER audit_delete" + ("" if sqlite else " ON audit"))
        if sqlite:
            connection.exec_driver_sql("DROP TRIGGER part_update")
            connection.exec_driver_sql(
                "CREATE TRIGGER part_update BEFORE UPDATE ON part WHEN 0 BEGIN SELECT RAISE(ABORT, 'x'); END"
            )
        else:
            connection.exec_driver_sql("ALTER TABLE part DISABLE TRIGGER part_update")
    assert faults(clinic) == [
        "The trigger audit_delete is not there as it was made.",
        "The trigger part_update is not there as it was made.",
    ]


def test_a_damaged_file_is_found(clinic: Clinic, tmp_path: Path) -> None:
    if clinic.store.engine.dialect.name != "sqlite":
        return
    signed(clinic)
    with clinic.raw.execution_options(write=True).begin() as connection:
        connection.exec_driver_sql("CREATE TABLE filler AS SELECT randomblob(200000) AS x")
    with clinic.raw.connect() as connection:
        connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]
    clinic.store.engine.dispose()
    clinic.store.keyholder.dispose()
    file = next(clinic.store.settings.instance.glob("*.db"))
    data = bytearray(file.read_bytes())
    data[-6000] ^= 1
    file.write_bytes(data)
    assert "The database file is damaged: a page does not fit its checksum." in verify.verify(clinic.store)


def test_an_anchor_file_is_read_or_refused(tmp_path: Path) -> None:
    file = tmp_path / "anchors"
    file.write_text('{"count": 1, "head": "aa"}\n{"count": 2, "head": "bb", "day": "2026-03-02"}\n')
    assert verify.read_anchor(file) == {"count": 2, "head": "bb"}
    for bad in ("", "[]", "{}", "nonsense"):
        file.write_text(bad)
        with pytest.raises(Usage):
            verify.read_anchor(file)


# ------------------------------------------------------------------ page
def role(clinic: Clinic, name: str, role_: str) -> None:
    with Session(clinic.raw.execution_options(write=True)) as session:
        session.execute(update(Account).where(Account.name == name).values(role=role_))
        session.commit()


def test_each_reader_sees_their_own_part_of_the_audit(clinic: Clinic) -> None:
    signed(clinic)
    mine = audit_log.page(clinic.store, clinic.token).lines
    assert {line.case for line in mine} >= {cases.name(clinic.store, clinic.token, clinic.case).code}
    foreign = cases.name(clinic.store, clinic.other, clinic.foreign).code
    assert foreign not in {line.case for line in mine}
    assert {line.account for line in mine} <= {"Anna", ""}
    role(clinic, "berta", "admin")
    seen = audit_log.page(clinic.store, clinic.other).lines
    assert {line.verb for line in seen} >= {"account.created", "session.begun"}
    # What she did herself she knows; of the cases as such she sees nothing.
    assert not [line for line in seen if line.case or (line.account != "Berta" and line.group in ("case", "record"))]
    role(clinic, "berta", "translator")
    with pytest.raises(Denied):
        audit_log.page(clinic.store, clinic.other)


def test_the_page_is_filtered_and_turned(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_log, "SHOWN", 4)
    monkeypatch.setattr(audit_log, "_BATCH", 3)
    for _ in range(7):
        cases.case_page(clinic.store, clinic.token, clinic.case)
    wanted, before, found = Filters(group="case"), None, []
    while True:
        page = audit_log.page(clinic.store, clinic.token, wanted, before)
        assert len(page.lines) <= 4
        found += page.lines
        before = page.before
        if before is None:
            break
    assert [line.verb for line in found] == ["case.view"] * 7 + ["case.opened"]
    assert [line.seq for line in found] == sorted({line.seq for line in found}, reverse=True)
    today = clinic.store.today()
    assert audit_log.page(clinic.store, clinic.token, Filters(until=today - timedelta(days=1))).lines == ()
    assert audit_log.page(clinic.store, clinic.token, Filters(since=today, account="Anna")).lines
    assert audit_log.page(clinic.store, clinic.token, Filters(account="Berta")).lines == ()
    code = cases.name(clinic.store, clinic.token, clinic.case).code
    assert {line.case for line in audit_log.page(clinic.store, clinic.token, Filters(case=code)).lines} == {code}


def test_a_page_looks_at_a_bounded_number_of_lines(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_log, "LOOKED_AT", 6)
    monkeypatch.setattr(audit_log, "_BATCH", 3)
    for _ in range(12):
        cases.caseload(clinic.store, clinic.token)
    page = audit_log.page(clinic.store, clinic.token, Filters(group="print"))
    assert page.lines == ()
    assert page.before is not None
