"""Probes of the row scope: every way that was found to reach a row of somebody else, on our own tables.

A probe gives back what it could read or did; `SECRET` or `LEAK` in it is a leak. Refusing is as good as nothing.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import (
    Engine,
    bindparam,
    delete,
    event,
    exists,
    func,
    insert,
    inspect,
    literal_column,
    select,
    text,
    true,
    union_all,
    update,
)
from sqlalchemy.orm import Session, aliased, load_only

from clinic.persistence import scope
from clinic.persistence.engine import make_engine
from clinic.persistence.models import (
    Account,
    Appointment,
    Autosave,
    Base,
    Case,
    Grant,
    KeyRing,
    Part,
    Print,
    Record,
)
from clinic.persistence.scope import TABLES, Scope, ScopedSession, Unscoped, unscoped
from tests.persistence.conftest import postgresql  # noqa: F401 - a fixture, not the plugin's of this name
from tests.persistence.databases import drop, new_database

TODAY = date(2026, 3, 2)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINE, OTHERS = b"my own", b"SECRET"
RAW = "restore"  # any reason does: the fixture is no service


@dataclass
class World:
    """Two counsellors, each with a case, a record with a part, and all that hangs on a case."""

    engine: Engine
    raw: Engine
    people: dict[str, UUID]
    case: dict[str, UUID]
    record: dict[str, UUID]
    key: dict[str, UUID]

    def session(self, name: str = "anna", role: str = "counsellor") -> ScopedSession:
        return ScopedSession(self.engine.execution_options(write=True), Scope(self.people[name], role, TODAY))

    def outside(self, statement: Any) -> list[Any]:
        """What there really is."""
        with Session(self.raw) as session:
            return [tuple(row) for row in session.execute(statement)]


def new_world(engine: Engine) -> World:
    Base.metadata.create_all(engine)
    scope.guard(engine)
    raw = unscoped(engine, RAW)
    people = {name: uuid4() for name in ("anna", "berta", "vera", "ada", "fritz", "other")}
    roles = {"vera": "supervisor", "ada": "admin", "fritz": "front_desk", "other": "supervisor"}
    case, record, key = ({name: uuid4() for name in ("anna", "berta")} for _ in range(3))
    with Session(raw.execution_options(write=True)) as session:
        session.add_all(
            Account(id=id_, name=name, display=name, role=roles.get(name, "counsellor"), password="x")
            for name, id_ in people.items()
        )
        session.flush()
        session.execute(update(Account).where(Account.name == "anna").values(supervisor_id=people["vera"]))
        for name in case:
            sealed = MINE if name == "anna" else OTHERS
            session.add(
                Case(id=case[name], code=f"K-{name}", counsellor_id=people[name], touched_on=TODAY, card=sealed)
            )
            session.flush()
            session.add(KeyRing(id=key[name], case_id=case[name], tag=sealed, kid=1, wrapped=sealed))
            session.add(Record(id=record[name], case_id=case[name], touched_on=TODAY, tag=sealed, head=sealed))
            session.flush()
            session.add(Part(record_id=record[name], key_id=key[name], sealed=sealed))
            session.add(
                Autosave(
                    record_id=record[name],
                    account_id=people[name],
                    tab="t",
                    key_id=key[name],
                    base_rev=1,
                    sealed=sealed,
                )
            )
            session.add(Print(case_id=case[name], code_tag=sealed, key_id=key[name], sealed=sealed))
            session.add(Grant(case_id=case[name], account_id=people["fritz"], ends_on=TODAY, sealed=sealed))
            session.add(Appointment(case_id=case[name], start=NOON, sealed=sealed))
        session.commit()
    return World(engine, raw, people, case, record, key)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.everything)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    url = f"sqlite:///{tmp_path / 'clinic.db'}"
    if request.param == "postgresql":
        url = new_database(request.getfixturevalue("postgresql"))
    engine = make_engine(url, key=bytes(32) if request.param == "sqlite" else None)
    yield new_world(engine)
    engine.dispose()
    drop(url)


# ------------------------------------------------------------------ reading
BARE = Part.__table__.alias()
Probe = Callable[[ScopedSession, World], Any]


def words(rows: Any) -> list[Any]:
    return [getattr(one, "sealed", one) for one in rows]


def more_than_one(number: Any) -> Any:
    """Each table has one row of ours and one of hers."""
    return "LEAK" if number and number > 1 else number


def refreshed(session: ScopedSession, world: World) -> Any:
    row = session.get_one(Part, (world.record["anna"], world.key["anna"]))
    session.commit()
    with Session(world.raw.execution_options(write=True)) as outside:
        outside.get_one(Case, world.case["anna"]).counsellor_id = world.people["berta"]
        outside.get_one(Part, (world.record["anna"], world.key["anna"])).sealed = b"now SECRET"
        outside.commit()
    session.expire_all()
    return row.sealed


def refreshed_by_hand(session: ScopedSession, world: World) -> Any:
    row = session.get_one(Case, world.case["anna"])
    session.commit()
    with Session(world.raw.execution_options(write=True)) as outside:
        outside.get_one(Case, world.case["anna"]).counsellor_id = world.people["berta"]
        outside.get_one(Case, world.case["anna"]).card = b"now SECRET"
        outside.commit()
    session.refresh(row)
    return row.card


def other_actor(session: ScopedSession, world: World) -> Any:
    session.scope = Scope(world.people["berta"], "counsellor", TODAY)  # type: ignore[misc]
    return words(session.scalars(select(Part)))


def nobody(session: ScopedSession, world: World) -> Any:
    with ScopedSession(world.engine, None) as other:
        return words(other.scalars(select(Part)))


def plain_session(session: ScopedSession, world: World) -> Any:
    with Session(world.engine) as other:
        return words(other.scalars(select(Part)))


def forged_option(session: ScopedSession, world: World) -> Any:
    options = {"clinic_scope": True, "unscoped": "because"}
    return session.connection().execute(select(Part.__table__), execution_options=options).all()


def driver(session: ScopedSession, world: World) -> Any:
    return session.connection().exec_driver_sql("SELECT sealed FROM part").all()


def engine_alone(session: ScopedSession, world: World) -> Any:
    with world.engine.connect() as connection:
        return connection.execute(select(Part.__table__)).all()


def streamed(session: ScopedSession, world: World) -> Any:
    with session.scalars(select(Part).execution_options(yield_per=1)) as rows:
        return words(rows)


def partly_loaded(session: ScopedSession, world: World) -> Any:
    rows = session.scalars(select(Record).options(load_only(Record.touched_on))).all()
    return [one.head for one in rows]


READS: dict[str, Probe] = {
    "select": lambda s, w: words(s.scalars(select(Part))),
    "select a column": lambda s, w: s.scalars(select(Part.sealed)).all(),
    "get": lambda s, w: words([s.get(Part, (w.record["berta"], w.key["berta"]))]),
    "get_one": lambda s, w: s.get_one(Part, (w.record["berta"], w.key["berta"])).sealed,
    "get a case": lambda s, w: [one and one.card for one in [s.get(Case, w.case["berta"])]],
    "get for update": lambda s, w: [one and one.card for one in [s.get(Case, w.case["berta"], with_for_update=True)]],
    "alias": lambda s, w: words(s.scalars(select(aliased(Part)))),
    "column of an alias": lambda s, w: s.scalars(select(aliased(Part).sealed)).all(),
    "subquery": lambda s, w: s.execute(select(select(Part).subquery().c.sealed)).all(),
    "cte": lambda s, w: s.execute(select(select(Part).cte().c.sealed)).all(),
    "join to a free table": lambda s, w: s.execute(
        select(Account.id, Case.card).join(Case, Case.counsellor_id == Account.id)
    ).all(),
    "outer join": lambda s, w: s.execute(
        select(Account.id, Case.card).outerjoin(Case, Case.counsellor_id == Account.id)
    ).all(),
    "join of two": lambda s, w: s.execute(select(Record.head, Part.sealed).join(Part)).all(),
    "count": lambda s, w: more_than_one(s.scalar(select(func.count()).select_from(Part))),
    "count of a column": lambda s, w: more_than_one(s.scalar(select(func.count(Part.record_id)))),
    "count grouped": lambda s, w: more_than_one(
        len(s.execute(select(Record.case_id, func.count()).group_by(Record.case_id)).all())
    ),
    "smallest": lambda s, w: s.scalar(select(Part.sealed).order_by(Part.sealed).limit(1)),
    "exists where": lambda s, w: "LEAK" if s.scalar(select(exists().where(Part.record_id == w.record["berta"]))) else 0,
    "exists of a select": lambda s, w: (
        "LEAK" if s.scalar(select(select(Part.sealed).where(Part.record_id == w.record["berta"]).exists())) else 0
    ),
    "scalar subquery in a free select": lambda s, w: s.execute(
        select(Account.id, select(Case.card).where(Case.counsellor_id == Account.id).scalar_subquery())
    ).all(),
    "guess by where": lambda s, w: (
        "LEAK" if s.scalars(select(Account.id).where(exists().where(Case.card == OTHERS))).all() else 0
    ),
    "guess by in": lambda s, w: (
        "LEAK"
        if w.people["berta"] in s.scalars(select(Account.id).where(Account.id.in_(select(Case.counsellor_id)))).all()
        else 0
    ),
    "union": lambda s, w: s.execute(union_all(select(Part.sealed), select(Part.sealed))).all(),
    "from_statement": lambda s, w: words(s.scalars(select(Part).from_statement(select(Part)))),
    "from_statement of text": lambda s, w: words(s.scalars(select(Part).from_statement(text("SELECT * FROM part")))),
    "query": lambda s, w: words(s.query(Part).all()),
    "query count": lambda s, w: more_than_one(s.query(Part).count()),
    "streamed": streamed,
    "partly loaded": partly_loaded,
    "bare table": lambda s, w: s.execute(select(Part.__table__)).all(),
    "alias of a bare table": lambda s, w: s.execute(select(Part.__table__.alias())).all(),
    "bare column beside an entity": lambda s, w: s.execute(
        select(Record.id, Part.__table__.c.sealed).where(Part.__table__.c.record_id != Record.id)
    ).all(),
    "bare table in select_from": lambda s, w: more_than_one(
        s.scalar(select(func.count(Part.record_id)).select_from(Part.__table__))
    ),
    "bare table in where": lambda s, w: (
        "LEAK"
        if len(s.scalars(select(Account.id).where(Account.id.in_(select(Case.__table__.c.counsellor_id)))).all()) > 1
        else 0
    ),
    "bare alias beside its entity": lambda s, w: s.execute(
        select(Part.record_id, BARE.c.sealed).where(BARE.c.record_id != Part.record_id)
    ).all(),
    "literal column": lambda s, w: s.execute(
        select(Account.id, literal_column("(SELECT sealed FROM part ORDER BY sealed LIMIT 1)"))
    ).all(),
    "literal column beside an entity": lambda s, w: s.execute(
        select(Record.id, literal_column("(SELECT sealed FROM part ORDER BY sealed LIMIT 1)"))
    ).all(),
    "operator in words": lambda s, w: s.execute(
        select(Record.id, Record.head.op("|| (SELECT sealed FROM part ORDER BY sealed LIMIT 1) ||")(b""))
    ).all(),
    "text in where": lambda s, w: (
        "LEAK"
        if s.execute(
            select(Record.id).where(text("EXISTS (SELECT 1 FROM part WHERE sealed = :o)").bindparams(o=OTHERS))
        ).all()
        else 0
    ),
    "suffix in words": lambda s, w: s.execute(select(Record.head).suffix_with("UNION SELECT sealed FROM part")).all(),
    "text": lambda s, w: s.execute(text("SELECT sealed FROM part")).all(),
    "text in quotes": lambda s, w: s.execute(text('SELECT card FROM "case"')).all(),
    "connection": lambda s, w: s.connection().execute(select(Part.__table__)).all(),
    "connection, mapped": lambda s, w: s.connection().execute(select(Part)).all(),
    "driver": driver,
    "engine": engine_alone,
    "forged option": forged_option,
    "expired row that left": refreshed,
    "refreshed row that left": refreshed_by_hand,
    "another actor": other_actor,
    "nobody": nobody,
    "plain session": plain_session,
    **{
        f"select {one.__tablename__}": lambda s, w, one=one: more_than_one(len(s.scalars(select(one)).all()))
        for one in TABLES
    },
}


def outcome(session: ScopedSession, world: World, probe: Probe) -> str:
    try:
        return repr(probe(session, world))
    except Exception as error:
        return f"refused: {type(error).__name__}"


@pytest.mark.parametrize("name", READS)
def test_no_read_reaches_a_row_of_somebody_else(world: World, name: str) -> None:
    with world.session() as session:
        found = outcome(session, world, READS[name])
    assert "SECRET" not in found
    assert "LEAK" not in found


# ------------------------------------------------------------------ writing
def state(world: World) -> list[Any]:
    """Everything that is berta's, as it stands."""
    whose = {
        "case": Case.id == world.case["berta"],
        "record": Record.case_id == world.case["berta"],
        "part": Part.record_id == world.record["berta"],
        "autosave": Autosave.record_id == world.record["berta"],
        "print": Print.case_id == world.case["berta"],
        "key_ring": KeyRing.case_id == world.case["berta"],
        "grant": Grant.case_id == world.case["berta"],
        "appointment": Appointment.case_id == world.case["berta"],
    }
    return [world.outside(select(one.__table__).where(whose[one.__tablename__])) for one in TABLES]


def merged(session: ScopedSession, world: World) -> None:
    session.merge(Part(record_id=world.record["berta"], key_id=world.key["berta"], sealed=b"LEAK"))
    session.commit()


def added(row: Callable[[World], Any]) -> Probe:
    def probe(session: ScopedSession, world: World) -> None:
        session.add(row(world))
        session.commit()

    return probe


def changed(what: str, value: Callable[[World], Any], model: Any = Record) -> Probe:
    def probe(session: ScopedSession, world: World) -> None:
        key = {Case: world.case, Record: world.record}.get(model, {}).get("anna")
        row = session.get_one(model, key or (world.record["anna"], world.key["anna"]))
        setattr(row, what, value(world))
        session.commit()

    return probe


def detached(session: ScopedSession, world: World) -> None:
    with Session(world.raw, expire_on_commit=False) as outside:
        row = outside.get_one(Record, world.record["berta"])
    session.add(row)
    row.head = b"LEAK"
    session.commit()


def detached_deleted(session: ScopedSession, world: World) -> None:
    with Session(world.raw, expire_on_commit=False) as outside:
        row = outside.get_one(Print, world.outside(select(Print.id).where(Print.case_id == world.case["berta"]))[0][0])
    session.delete(row)
    session.commit()


def run(statement: Callable[[World], Any], parameters: Callable[[World], Any] = lambda w: None) -> Probe:
    def probe(session: ScopedSession, world: World) -> None:
        session.execute(statement(world), parameters(world))
        session.commit()

    return probe


def bulk(session: ScopedSession, world: World) -> None:
    session.bulk_update_mappings(inspect(Record), [{"id": world.record["berta"], "head": b"LEAK"}])
    session.commit()


def bulk_insert(session: ScopedSession, world: World) -> None:
    session.bulk_save_objects([new_record(world)])
    session.commit()


def new_record(world: World) -> Record:
    return Record(case_id=world.case["berta"], touched_on=TODAY, tag=b"LEAK", head=b"LEAK")


def within_flush(session: ScopedSession, world: World) -> None:
    """A flush of ours gives no other statement leave."""
    session.add(Print(case_id=world.case["anna"], code_tag=b"n", key_id=world.key["anna"], sealed=b"n"))
    session.flush()
    session.connection().execute(update(Part.__table__).values(sealed=b"LEAK"))
    session.commit()


WRITES: dict[str, Probe] = {
    "update": run(lambda w: update(Part).values(sealed=b"LEAK")),
    "update by key": run(lambda w: update(Part).where(Part.record_id == w.record["berta"]).values(sealed=b"LEAK")),
    "update by a list": run(lambda w: update(Record), lambda w: [{"id": w.record["berta"], "head": b"LEAK"}]),
    "update by bound parameters": run(
        lambda w: update(Record.__table__).where(Record.__table__.c.id == bindparam("b")).values(head=b"LEAK"),
        lambda w: [{"b": w.record["berta"]}],
    ),
    "update of a bare table": run(lambda w: update(Part.__table__).values(sealed=b"LEAK")),
    "update that moves to her": run(lambda w: update(Record).values(case_id=w.case["berta"])),
    "update that gives a case away": run(lambda w: update(Case).values(counsellor_id=w.people["berta"])),
    "delete": run(lambda w: delete(Part)),
    "delete of a bare table": run(lambda w: delete(Part.__table__)),
    "delete by key": run(lambda w: delete(Autosave).where(Autosave.record_id == w.record["berta"])),
    "insert statement": run(
        lambda w: insert(Part).values(record_id=w.record["berta"], key_id=w.key["anna"], sealed=b"LEAK")
    ),
    "insert from a select": run(
        lambda w: insert(Part).from_select(
            ["record_id", "key_id", "sealed"],
            select(Record.id, KeyRing.id, KeyRing.wrapped).where(Record.case_id != KeyRing.case_id),
        )
    ),
    "insert many": run(
        lambda w: insert(Part), lambda w: [{"record_id": w.record["berta"], "key_id": w.key["anna"], "sealed": b"LEAK"}]
    ),
    "text": run(lambda w: text("UPDATE part SET sealed = 'LEAK'")),
    "merge": merged,
    "add a record": added(new_record),
    "add a part": added(lambda w: Part(record_id=w.record["berta"], key_id=w.key["anna"], sealed=b"LEAK")),
    "add a print": added(lambda w: Print(case_id=w.case["berta"], code_tag=b"x", key_id=w.key["berta"], sealed=b"x")),
    "add a key": added(lambda w: KeyRing(case_id=w.case["berta"], tag=b"LEAK", kid=1, wrapped=b"LEAK")),
    "add a grant": added(
        lambda w: Grant(case_id=w.case["berta"], account_id=w.people["anna"], ends_on=TODAY, sealed=b"x")
    ),
    "add an appointment": added(lambda w: Appointment(case_id=w.case["berta"], start=NOON, sealed=b"x")),
    "cancel her appointment": run(lambda w: delete(Appointment).where(Appointment.case_id == w.case["berta"])),
    "move appointments": run(lambda w: update(Appointment).values(start=NOON + timedelta(days=1))),
    "move a record": changed("case_id", lambda w: w.case["berta"]),
    "give a case away": changed("counsellor_id", lambda w: w.people["berta"], Case),
    "move a part": changed("record_id", lambda w: w.record["berta"], Part),
    "put a foreign key in": changed("id", lambda w: w.record["berta"]),
    "detached row": detached,
    "detached row, deleted": detached_deleted,
    "bulk update": bulk,
    "bulk insert": bulk_insert,
    "beside a flush": within_flush,
}


@pytest.mark.parametrize("name", WRITES)
def test_no_write_reaches_a_row_of_somebody_else(world: World, name: str) -> None:
    before = state(world)
    with world.session() as session:
        found = outcome(session, world, WRITES[name])
    assert state(world) == before, found
    assert "LEAK" not in str(world.outside(select(Record.head)))


# ------------------------------------------------------------------ the probes themselves
# These make an engine or a session of their own, or try what no session can do.
OF_THEIR_OWN = {"another actor", "nobody", "plain session", "engine", "forged option"}


@pytest.mark.parametrize("name", sorted(READS.keys() - OF_THEIR_OWN))
def test_a_read_that_is_not_narrowed_leaks(world: World, name: str) -> None:
    """Each probe can fail: without the scope it finds the row."""
    engine = world.engine.execution_options(write=True)
    with ScopedSession(engine, Scope(world.people["anna"], "counsellor", TODAY), unscoped=RAW) as session:
        found = outcome(session, world, READS[name])
    assert "SECRET" in found or "LEAK" in found, found


@pytest.mark.parametrize("name", WRITES)
def test_a_write_that_is_not_narrowed_lands(world: World, name: str) -> None:
    before = state(world)
    engine = world.engine.execution_options(write=True)
    with ScopedSession(engine, Scope(world.people["anna"], "counsellor", TODAY), unscoped=RAW) as session:
        found = outcome(session, world, WRITES[name])
    moved = world.outside(select(Case.counsellor_id).where(Case.code == "K-anna")) == [(world.people["berta"],)]
    assert state(world) != before or moved or "IntegrityError" in found, found


def test_every_layer_holds_something_up(world: World) -> None:
    """Take one away, and a probe gets through."""
    layers = [
        (world.engine, "before_cursor_execute", scope._check, READS["bare table"]),
        (ScopedSession, "loaded_as_persistent", scope._loaded, None),
    ]
    for target, name, listener, probe in layers:
        if probe is None:
            continue
        event.remove(target, name, listener)
        with world.session() as session:
            assert "SECRET" in outcome(session, world, probe)
        event.listen(target, name, listener)


def test_a_row_that_came_past_the_criteria_is_stopped_when_it_is_loaded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scope, "_condition", lambda one, model: true())
    scope._criteria.cache_clear()
    with world.session() as session:
        for probe in ("select", "get", "get a case", "query", "streamed"):
            assert outcome(session, world, READS[probe]) == "refused: Unscoped", probe
        assert all("SECRET" not in repr(vars(one)) for one in session.identity_map.values())
    scope._criteria.cache_clear()


# ------------------------------------------------------------------ roles
def seen(world: World, name: str, role: str) -> set[str]:
    with world.session(name, role) as session:
        found = set(session.scalars(select(Case.code)))
        for model in (Record, Part, Autosave, Print, KeyRing, Grant, Appointment):
            assert len(session.scalars(select(model)).all()) == len(found), model
        return {code.removeprefix("K-") for code in found}


def test_each_role_sees_its_cases(world: World) -> None:
    assert seen(world, "anna", "counsellor") == {"anna"}
    assert seen(world, "vera", "supervisor") == {"anna"}
    assert seen(world, "other", "supervisor") == set()
    assert seen(world, "ada", "admin") == set()
    assert seen(world, "fritz", "front_desk") == set()  # a grant does not give a role what it may never do


def test_a_grant_ends_with_its_day(world: World) -> None:
    with Session(world.raw.execution_options(write=True)) as session:
        for name, ends_on in (("anna", TODAY), ("berta", TODAY - timedelta(days=1))):
            session.add(Grant(case_id=world.case[name], account_id=world.people["ada"], ends_on=ends_on, sealed=b"x"))
        session.commit()
    with world.session("ada", "admin") as session:
        assert set(session.scalars(select(Case.code))) == {"K-anna"}


@pytest.mark.parametrize("change", [{"active": False}, {"confirmed": False}, {"role": "admin"}])
def test_an_account_that_may_not_now_sees_nothing(world: World, change: dict[str, Any]) -> None:
    with Session(world.raw.execution_options(write=True)) as session:
        session.execute(update(Account).where(Account.name == "anna").values(**change))
        session.commit()
    with world.session() as session:
        assert session.scalars(select(Case)).all() == []
        assert not session.sees(world.case["anna"])


def test_a_supervisor_writes_records_and_nothing_else(world: World) -> None:
    def refused(change: Callable[[ScopedSession], object]) -> bool:
        with world.session("vera", "supervisor") as session:
            try:
                change(session)
                session.commit()
            except Unscoped:
                return True
        return False

    mine = world.case["anna"]
    assert not refused(lambda s: s.add(Record(case_id=mine, touched_on=TODAY, tag=b"n", head=b"n")))
    assert not refused(lambda s: setattr(s.get_one(Case, mine), "touched_on", TODAY - timedelta(days=1)))
    assert refused(lambda s: setattr(s.get_one(Case, mine), "card", b"n"))
    assert refused(lambda s: s.add(KeyRing(case_id=mine, tag=b"n", kid=1, wrapped=b"n")))
    assert refused(lambda s: s.add(Print(case_id=mine, code_tag=b"n", key_id=world.key["anna"], sealed=b"n")))
    assert refused(lambda s: s.execute(delete(Print)))
    assert refused(lambda s: s.add(Appointment(case_id=mine, start=NOON, sealed=b"n")))
    assert refused(lambda s: s.execute(delete(Appointment)))
    assert refused(lambda s: s.execute(update(Appointment).values(sealed=b"n")))
    assert refused(lambda s: s.execute(update(Case).values(archived=True)))


def test_nobody_types_for_somebody_else(world: World) -> None:
    row = {"record_id": world.record["anna"], "key_id": world.key["anna"], "base_rev": 1, "sealed": b"n"}
    with world.session() as session:
        session.add(Autosave(account_id=world.people["berta"], tab="t", **row))
        with pytest.raises(Unscoped):
            session.commit()


def test_many_cases_are_looked_up_together(world: World) -> None:
    """A caseload costs a handful of questions, not one a case."""
    with Session(world.raw.execution_options(write=True)) as session:
        for number in range(40):
            session.add(Case(code=f"N-{number}", counsellor_id=world.people["anna"], touched_on=TODAY, card=b"n"))
        session.commit()
    asked: list[str] = []
    with world.session() as session:
        event.listen(world.engine, "before_cursor_execute", lambda c, u, statement, *_: asked.append(statement))
        assert len(session.scalars(select(Case)).all()) == 41
    assert len(asked) < 15


# ------------------------------------------------------------------ the front desk
AGENDA: dict[str, Probe] = {
    "what is sealed": lambda s, w: s.scalars(select(Appointment.sealed)).all(),
    "the row": lambda s, w: s.scalars(select(Appointment)).all(),
    "the card": lambda s, w: s.scalars(select(Case.card)).all(),
    "the case": lambda s, w: s.scalars(select(Case)).all(),
    "whose": lambda s, w: s.execute(select(Appointment.start, Case.counsellor_id).join(Case)).all(),
    "by whose": lambda s, w: s.execute(
        select(Appointment.start).join(Case).where(Case.counsellor_id == w.people["berta"])
    ).all(),
    "a name": lambda s, w: s.execute(
        select(Appointment.start, Account.display)
        .select_from(Appointment)
        .join(Case)
        .join(Account, Account.id == Case.counsellor_id)
    ).all(),
    "records": lambda s, w: s.scalars(select(Record.id)).all(),
    "how many records": lambda s, w: s.scalar(select(func.count()).select_from(Record)),
    "which have prints": lambda s, w: s.scalars(
        select(Case.code).where(exists().where(Print.case_id == Case.id))
    ).all(),
    "in words": lambda s, w: s.execute(text("SELECT sealed FROM appointment")).all(),
    "a word in a column": lambda s, w: s.execute(
        select(Case.code, literal_column("(SELECT sealed FROM appointment LIMIT 1)"))
    ).all(),
    "driver": lambda s, w: s.connection().exec_driver_sql("SELECT start FROM appointment").all(),
    "bare table": lambda s, w: s.execute(select(Appointment.__table__)).all(),
}


def agenda(world: World) -> ScopedSession:
    engine = world.engine.execution_options(write=True)
    return ScopedSession(engine, Scope(world.people["fritz"], "front_desk", TODAY), unscoped="agenda")


def test_the_front_desk_reads_starts_and_codes_of_all(world: World) -> None:
    wanted = select(Appointment.start, Case.code).join(Case, Case.id == Appointment.case_id).order_by(Case.code)
    with agenda(world) as session:
        assert [tuple(row) for row in session.execute(wanted)] == [(NOON, "K-anna"), (NOON, "K-berta")]


@pytest.mark.parametrize("name", AGENDA)
def test_the_front_desk_reads_nothing_else(world: World, name: str) -> None:
    with agenda(world) as session:
        assert outcome(session, world, AGENDA[name]).startswith("refused: Unscoped"), name
    with ScopedSession(world.engine, Scope(world.people["fritz"], "front_desk", TODAY), unscoped=RAW) as session:
        assert "refused" not in outcome(session, world, AGENDA[name]) or name in ("in words", "driver"), "no probe"


@pytest.mark.parametrize("name", [*WRITES])
def test_the_front_desk_writes_nothing(world: World, name: str) -> None:
    before = state(world), world.outside(select(Case.counsellor_id))
    with agenda(world) as session:
        found = outcome(session, world, WRITES[name])
    assert (state(world), world.outside(select(Case.counsellor_id))) == before, found


# ------------------------------------------------------------------ reasons
CODE = Path(scope.__file__).parents[1]
LEAVES = re.compile(r'unscoped\s*(?:=|\([^"]*,)\s*"(\w+)"')


def test_a_reason_is_given_where_it_belongs_and_only_there() -> None:
    used: dict[str, set[str]] = {}
    for path in CODE.rglob("*.py"):
        if path != Path(scope.__file__):
            for reason in LEAVES.findall(path.read_text("utf-8")):
                used.setdefault(reason, set()).add(path.relative_to(CODE).as_posix())
    assert {reason: set(scope.REASONS[reason]) for reason in used} == used
    assert used.keys() == scope.REASONS.keys()


def test_the_engine_is_used_by_the_unit_and_nobody_else() -> None:
    """`store.engine` outside a unit: only where it is closed, or the reason is in the list."""
    allowed = {
        "services/unit_of_work.py",
        "services/backup.py",  # copies the whole file
        "services/erase.py",  # empties the log
        "services/press_room.py",  # the tables of the press: they name no case
        "services/shelf.py",  # definitions
        "services/spoken.py",  # translations: no client's word
        "services/verify.py",
    }
    found = {
        path.relative_to(CODE).as_posix()
        for path in CODE.rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if re.search(r"\bstore\.engine\b(?!\.dialect)", line)
    }
    assert found <= allowed


def test_no_other_reason_is_taken(world: World) -> None:
    with pytest.raises(ValueError, match="reason"):
        unscoped(world.engine, "because")
    with pytest.raises(ValueError, match="reason"):
        ScopedSession(world.engine, None, unscoped="because")
