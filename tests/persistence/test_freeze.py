"""Signed records do not change, whoever writes."""

from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from clinic.domain.answer import Checked
from clinic.persistence.models import Record
from clinic.services import records
from tests.persistence.making import Clinic

ATTEMPTS = [
    "UPDATE part SET sealed = 'x' WHERE record_id = :id",
    "UPDATE part SET record_id = :draft WHERE record_id = :id",
    "UPDATE part SET record_id = :id WHERE record_id = :draft",
    "DELETE FROM part WHERE record_id = :id",
    "UPDATE record SET signed = false WHERE id = :id",
    "UPDATE record SET rev = rev + 1 WHERE id = :id",
    "UPDATE record SET tag = 'x' WHERE id = :id",
    "UPDATE record SET id = :new WHERE id = :id",
    "DELETE FROM record WHERE id = :id",
    "INSERT INTO part (record_id, key_id, sealed) SELECT :id, id, 'x' FROM key_ring WHERE id NOT IN"
    " (SELECT key_id FROM part WHERE record_id = :id) AND case_id = :case",
]
SQLITE_ONLY = [
    "INSERT OR REPLACE INTO part SELECT record_id, key_id, 'x' FROM part WHERE record_id = :id",
    "REPLACE INTO record SELECT id, case_id, rev, touched_on, tag, false, head FROM record WHERE id = :id",
    "UPDATE OR REPLACE part SET record_id = :id WHERE record_id = :draft",
    "INSERT INTO part SELECT record_id, key_id, 'x' FROM part WHERE record_id = :id"
    " ON CONFLICT DO UPDATE SET sealed = 'x'",
]
POSTGRESQL_ONLY = ["TRUNCATE part CASCADE", "TRUNCATE record CASCADE"]


def pair(clinic: Clinic) -> dict[str, str]:
    """A signed record and a draft, as the columns write ids."""
    signed = records.start(clinic.store, clinic.token, clinic.case, "meeting", "couple")
    records.finish(clinic.store, clinic.token, signed, 1, Checked({"words": "kept"}, {}, {}))
    draft = records.start(clinic.store, clinic.token, clinic.case, "meeting", "couple")
    ids = {"id": signed, "draft": draft, "new": str(uuid4()), "case": clinic.case}
    return {name: UUID(id_).hex for name, id_ in ids.items()}


def refused(engine: Engine, statement: str, ids: dict[str, str]) -> None:
    used = {name: id_ for name, id_ in ids.items() if f":{name}" in statement}
    with engine.connect() as connection, pytest.raises(DBAPIError, match="a signed record cannot change"):
        connection.execute(text(statement), used)


def test_no_statement_changes_what_is_signed(clinic: Clinic) -> None:
    ids, engine = pair(clinic), clinic.raw
    more = SQLITE_ONLY if engine.dialect.name == "sqlite" else POSTGRESQL_ONLY
    if engine.dialect.name != "sqlite":
        with engine.begin() as connection:  # PostgreSQL is stricter about types than this test
            connection.execute(text("CREATE CAST (text AS uuid) WITH INOUT AS IMPLICIT"))
            connection.execute(text("CREATE CAST (varchar AS uuid) WITH INOUT AS IMPLICIT"))
    for statement in ATTEMPTS + more:
        refused(engine, statement, ids)
    record = records.read(clinic.store, clinic.token, str(UUID(ids["id"])))
    assert (record.signed, record.answers) == (True, {"words": "kept"})


def test_a_draft_still_changes(clinic: Clinic) -> None:
    ids = pair(clinic)
    with Session(clinic.raw) as session:
        row = session.get_one(Record, UUID(ids["draft"]))
        row.touched_on = clinic.store.today()
        session.commit()
    records.discard(clinic.store, clinic.token, str(UUID(ids["draft"])))


def test_a_head_may_be_sealed_anew(clinic: Clinic) -> None:
    """Erasing one partner will re-seal heads; the parts stay as they are."""
    ids = pair(clinic)
    view = clinic.store.keyholder.open(clinic.token, clinic.case_id, "staff")
    with Session(clinic.raw) as session:
        row = session.get_one(Record, UUID(ids["id"]))
        row.head = view.seal_head(view.open_head(row))
        session.commit()
    assert records.read(clinic.store, clinic.token, str(UUID(ids["id"]))).signed
