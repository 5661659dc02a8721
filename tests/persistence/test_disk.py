"""What somebody learns who has the database file and no key."""

import re
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from clinic.config import Settings
from clinic.domain.answer import Checked
from clinic.domain.audience import CASE_SCOPES
from clinic.persistence import vault
from clinic.persistence.engine import Cipher
from clinic.persistence.models import Base
from clinic.services import cases, records
from clinic.services.cases import PartnerCard
from tests.persistence.making import OLD, PASSWORD, Clinic, make, note_print

CANARY = "CANARYz7Qx"
# CONFIDENTIALITY, "Metadata": all plain columns there are.
PLAIN = {
    "account": {"active", "confirmed", "display", "id", "name", "password", "role", "supervisor_id", "temporary"}
    | {"totp_step"},
    "account_key": {"account_id", "id", "kid"},
    "appointment": {"case_id", "id", "start"},
    "audit": {"day", "mac", "seq"},
    "autosave": {"account_id", "base_rev", "key_id", "record_id", "tab"},
    "case": {"archived", "code", "counsellor_id", "id", "rev", "touched_on"},
    "definition_text": {"id", "json", "sha", "version"},
    "grant": {"account_id", "case_id", "ends_on", "id"},
    "instance": {"id"},
    "key_ring": {"case_id", "id", "kid", "tag"},
    "notice": {"account_id", "id", "seen"},
    "part": {"key_id", "record_id"},
    "passkey": {"account_id", "added_on", "id", "name", "public_key", "sign_count"},
    # Which case a sheet is of, and what it is, stands in the sealed slip of its batch only.
    "press_batch": {"account_id", "ends", "id", "state"},
    "press_handed": {"day", "item_id", "worker_id"},
    "press_item": {"batch_id", "id", "n", "pile", "state", "token", "tries", "until", "worker_id"},
    "press_key": {"item_id", "kid"},
    "press_worker": {"id", "name", "public_key", "revoked", "role", "seen"},
    "print": {"case_id", "code_tag", "id", "key_id"},
    "record": {"case_id", "id", "rev", "signed", "tag", "touched_on"},
    "recovery_code": {"account_id", "hash"},
    "request": {"asked_by", "confirmed_by", "done", "ends_on", "id"},
    "session": {"account_id", "agent", "authed", "couple_tag", "created", "id", "kind", "locked", "seen", "stage"}
    | {"token_hash"},
    "system_key": {"id", "kid", "name"},
    "throttle": {"fails", "key", "until"},
    # What translators write of shipped sentences, and who may: no client's word, nothing of a case.
    "translation": {"account_id", "at", "author_id", "cleared", "domain", "forms", "key", "locale", "rev", "source"}
    | {"state", "v"},
    "translation_comment": {"account_id", "at", "domain", "id", "key", "locale", "text"},
    "translation_past": {"account_id", "at", "domain", "forms", "id", "key", "locale", "rev", "source", "state", "why"},
    "translation_proof": {"account_id", "at", "definition", "fingerprint", "locale"},
    "translation_right": {"account_id", "locale", "reviews"},
    "translation_version": {"locale", "v"},
    "translation_waiver": {"account_id", "at", "check", "domain", "forms_sha", "key", "locale", "reason"},
}
SEALED = {"card", "handed", "head", "result", "sealed", "totp", "wrapped"}


def used(folder: Path) -> Clinic:
    """An instance where everything that can be stored was stored once, each text with a canary."""
    clinic = make(folder)
    store, token = clinic.store, clinic.token
    card = PartnerCard(language="pl", variant=f"{CANARY}-variant", safe_paper=f"{CANARY}-safe")
    case = cases.open_case(store, token, {"a": card, "b": card})
    meeting = records.start(store, token, case, "meeting", "couple")
    texts = {name: f"{CANARY}-{name}" for name in ("words", "only_a", "only_b", "ours", "a.about", "b.about")}
    records.autosave(store, token, meeting, "tab1", 1, {name: [text] for name, text in texts.items()})
    records.finish(store, token, meeting, 1, Checked(texts, {}, {}))
    records.correction(store, token, meeting, f"{CANARY}-reason")
    diary = records.start(store, token, case, "diary", "a", answers={"thought": f"{CANARY}-thought"})
    wishes = records.start(store, token, case, "wishes", "b")
    records.save_draft(
        store, token, wishes, 1, Checked({}, {"how_much": f"{CANARY}-raw"}, {"how_much": "not_a_number"})
    )
    records.autosave(store, token, diary, "tab1", 1, {"thought": [f"{CANARY}-typed"]})
    note_print(clinic, case, f"{CANARY}-code")
    return clinic


def folder_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file())


def in_clear(settings: Settings, to: Path) -> None:
    """The database without its own encryption: what a dump, or PostgreSQL's files, show."""
    key = vault.unlock(settings.instance, settings.key_file).db_key()
    with closing(Cipher(settings.instance / "clinic.db", key)()) as connection:
        connection.execute("ATTACH DATABASE ? AS plain KEY ''", (str(to),))
        connection.execute("SELECT sqlcipher_export('plain')").fetchone()
        connection.execute("DETACH DATABASE plain")


def no_canary(data: bytes, clinic: Clinic) -> None:
    for form in (CANARY.encode(), CANARY.encode("utf-16-le"), CANARY.encode().hex().encode()):
        assert form not in data
    assert clinic.token.encode() not in data
    assert PASSWORD.encode() not in data


def test_no_answer_is_on_the_disk(tmp_path: Path) -> None:
    clinic = used(tmp_path / "i")
    no_canary(folder_bytes(tmp_path / "i"), clinic)
    clinic.store.close()
    no_canary(folder_bytes(tmp_path / "i"), clinic)
    in_clear(clinic.store.settings, tmp_path / "plain.db")
    data = (tmp_path / "plain.db").read_bytes()
    assert b"CREATE TABLE" in data
    no_canary(data, clinic)


def test_the_file_and_its_log_tell_nothing_without_the_key(tmp_path: Path) -> None:
    """Not even names of tables, accounts or forms; and it looks like noise."""
    clinic = used(tmp_path / "i")
    for path in (tmp_path / "i" / "clinic.db", tmp_path / "i" / "clinic.db-wal"):
        data = path.read_bytes()
        assert len(data) > 20_000
        for word in (b"SQLite format", b"CREATE TABLE", b"account", b"anna", b"meeting", b"definition"):
            assert word not in data, path
        for one in OLD.values():
            assert one.sha.encode() not in data
    assert len(set(Counter((tmp_path / "i" / "clinic.db").read_bytes()))) == 256
    clinic.store.close()


def test_definitions_stand_in_their_own_table_only(tmp_path: Path) -> None:
    clinic = used(tmp_path / "i")
    clinic.store.close()
    in_clear(clinic.store.settings, tmp_path / "plain.db")
    with closing(sqlite3.connect(tmp_path / "plain.db")) as connection:
        connection.execute("PRAGMA secure_delete=ON")
        # Without the texts nothing may name a form: neither id nor hash nor version text.
        connection.execute("DELETE FROM definition_text")
        connection.commit()
        connection.execute("VACUUM")
    data = (tmp_path / "plain.db").read_bytes()
    assert b"CREATE TABLE" in data
    for one in OLD.values():
        assert one.sha.encode() not in data
        assert bytes.fromhex(one.sha) not in data
        assert re.search(rb"\b" + one.id.encode() + rb"\b", data) is None


def test_every_column_is_one_that_may_be_plain(clinic: Clinic) -> None:
    found = {
        table: {column["name"] for column in inspect(clinic.raw).get_columns(table)} - SEALED
        for table in Base.metadata.tables
    }
    assert found == PLAIN


def test_all_texts_are_there_before_any_is_used(clinic: Clinic) -> None:
    with clinic.raw.connect() as connection:
        shas = set(connection.exec_driver_sql("SELECT sha FROM definition_text").scalars())
    assert {one.sha for one in OLD.values()} < shas


def test_one_form_has_another_tag_in_every_case(clinic: Clinic) -> None:
    records.start(clinic.store, clinic.token, clinic.case, "diary", "a")
    records.start(clinic.store, clinic.token, clinic.case, "diary", "b")
    records.start(clinic.store, clinic.other, clinic.foreign, "diary", "a")
    with clinic.raw.connect() as connection:
        tags = Counter(connection.exec_driver_sql("SELECT tag FROM record").scalars())
    assert sorted(tags.values()) == [1, 2]


def test_empty_and_answered_parts_look_alike(clinic: Clinic) -> None:
    id_ = records.start(clinic.store, clinic.token, clinic.case, "meeting", "couple")
    with clinic.raw.connect() as connection:
        before = connection.exec_driver_sql("SELECT length(sealed) FROM part").scalars().all()
    records.save_draft(clinic.store, clinic.token, id_, 1, Checked({"only_a": "She is afraid."}, {}, {}))
    with clinic.raw.connect() as connection:
        after = connection.exec_driver_sql("SELECT length(sealed) FROM part").scalars().all()
    assert before == after
    assert len(set(before)) == 1
    assert len(before) == 6


def test_the_order_in_the_file_tells_no_scope(clinic: Clinic) -> None:
    records.start(clinic.store, clinic.token, clinic.case, "meeting", "couple")
    if clinic.raw.dialect.name != "sqlite":
        return
    with clinic.raw.connect() as connection:
        rows = connection.exec_driver_sql("SELECT case_id, id FROM key_ring ORDER BY rowid").all()
        parts = connection.exec_driver_sql("SELECT key_id FROM part ORDER BY rowid").scalars().all()
    for case in {case for case, _ in rows}:
        mine = [id_ for one, id_ in rows if one == case]
        assert mine == sorted(mine)
        assert len(mine) == len(CASE_SCOPES) + 1
    assert parts == sorted(parts)


def test_errors_name_no_value(clinic: Clinic) -> None:
    statement = text("INSERT INTO account (id, name) VALUES (:id, :name)")
    with clinic.raw.connect() as connection, pytest.raises(DBAPIError) as refused:
        connection.execute(statement, {"id": CANARY, "name": CANARY})
    assert CANARY not in str(refused.value).replace(str(refused.value.orig), "")
