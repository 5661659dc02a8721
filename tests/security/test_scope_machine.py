"""Anybody does anything, in any order: what they see and change is exactly what a plain model says.

Accounts change role, supervisor and standing; cases change hands; grants come and end; records come and go. After
each step somebody reads everything, or tries to write somewhere.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule
from sqlalchemy import create_engine, delete, event, select, update
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from clinic.domain.roles import ROLES
from clinic.persistence import scope
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
from clinic.persistence.scope import Scope, ScopedSession, Unscoped, unscoped

DAY = date(2026, 3, 2)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
PEOPLE, CASES = 5, 4


class Model:
    """What ought to be so: plain dictionaries, no SQL."""

    def __init__(self) -> None:
        self.people: dict[UUID, dict[str, Any]] = {}
        self.cases: dict[UUID, dict[str, Any]] = {}
        self.grants: list[tuple[UUID, UUID, date]] = []  # account, case, last day
        self.records: dict[UUID, UUID] = {}
        self.today = DAY

    def sees(self, who: UUID, case: UUID) -> bool:
        me, held_by = self.people[who], self.cases[case]["counsellor"]
        if not (me["active"] and me["confirmed"]):
            return False
        if me["role"] == "counsellor":
            return bool(held_by == who)
        if me["role"] == "supervisor":
            return bool(self.people[held_by]["supervisor"] == who)
        if me["role"] == "admin":
            return any(one[:2] == (who, case) and one[2] >= self.today for one in self.grants)
        return False

    def writes(self, who: UUID, case: UUID) -> bool:
        """Records; the case itself, its keys and prints are the counsellor's alone."""
        return self.sees(who, case) and self.people[who]["role"] in ("counsellor", "supervisor")

    def owns(self, who: UUID, case: UUID) -> bool:
        return self.sees(who, case) and self.people[who]["role"] == "counsellor"


class Clinic(RuleBasedStateMachine):
    """The database beside the model."""

    people: Bundle[UUID] = Bundle("people")
    cases: Bundle[UUID] = Bundle("cases")

    def __init__(self) -> None:
        super().__init__()
        self.engine = create_engine(
            "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False, "isolation_level": None}
        )
        event.listen(self.engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
        Base.metadata.create_all(self.engine)
        scope.guard(self.engine)
        self.raw = unscoped(self.engine, "restore")
        self.model, self.step = Model(), 0

    def teardown(self) -> None:
        self.engine.dispose()

    def session(self, who: UUID) -> ScopedSession:
        return ScopedSession(self.engine, Scope(who, self.model.people[who]["role"], self.model.today))

    def behind(self, *rows: Any, statement: Any = None) -> None:
        """What the clinic's other doors do: accounts, transfer, break-glass."""
        with Session(self.raw) as session:
            for row in rows:  # one by one: our tables have no relationships that would order them
                session.add(row)
                session.flush()
            if statement is not None:
                session.execute(statement)
            session.commit()

    # -------------------------------------------------------------- the world
    @initialize(target=people)
    def hire(self) -> Any:
        ids = [uuid4() for _ in range(PEOPLE)]
        for number, id_ in enumerate(ids):
            role = ROLES[number] if number < 3 else "counsellor"
            self.model.people[id_] = {"role": role, "supervisor": None, "active": True, "confirmed": True}
            self.behind(Account(id=id_, name=str(number), display="x", role=role, password="x"))
        return multiple(*ids)

    @rule(target=cases, who=people)
    def take_on(self, who: UUID) -> Any:
        """A counsellor opens a case, and only a counsellor, and only for themselves."""
        id_ = uuid4()
        may = self.model.people[who]["role"] == "counsellor"
        if len(self.model.cases) >= CASES:
            return multiple()
        row = Case(id=id_, code=str(id_)[:8], counsellor_id=who, touched_on=DAY, card=b"x")
        done = self.attempt(who, lambda session: session.add(row))
        assert done == may
        if not may:
            return multiple()
        self.model.cases[id_] = {"counsellor": who, "key": uuid4()}
        self.behind(KeyRing(id=self.model.cases[id_]["key"], case_id=id_, tag=id_.bytes, kid=1, wrapped=b"x"))
        return id_

    @rule(who=people, role=st.sampled_from(ROLES))
    def change_role(self, who: UUID, role: str) -> None:
        self.model.people[who]["role"] = role
        self.behind(statement=update(Account).where(Account.id == who).values(role=role))
        self.look(who)

    @rule(who=people, by=people)
    def supervise(self, who: UUID, by: UUID) -> None:
        self.model.people[who]["supervisor"] = by
        self.behind(statement=update(Account).where(Account.id == who).values(supervisor_id=by))
        self.look(by)

    @rule(who=people, what=st.sampled_from(["active", "confirmed"]), value=st.booleans())
    def switch(self, who: UUID, what: str, value: bool) -> None:
        self.switch_one(who, what, value)

    def switch_one(self, who: UUID, what: str, value: bool) -> None:
        self.model.people[who][what] = value
        self.behind(statement=update(Account).where(Account.id == who).values(**{what: value}))
        self.look(who)

    @rule(case=cases, what=st.sampled_from(["active", "confirmed"]))
    def suspend_its_counsellor(self, case: UUID, what: str) -> None:
        who = self.model.cases[case]["counsellor"]
        for value in (False, True):
            self.switch_one(who, what, value)

    @rule(case=cases, to=people)
    def transfer(self, case: UUID, to: UUID) -> None:
        before, self.model.cases[case]["counsellor"] = self.model.cases[case]["counsellor"], to
        self.behind(statement=update(Case).where(Case.id == case).values(counsellor_id=to))
        self.look(before)
        self.look(to)

    @rule(case=cases, to=people, days=st.sampled_from([0, -1, 1]), admin=st.sampled_from([True, True, False]))
    def break_glass(self, case: UUID, to: UUID, days: int, admin: bool) -> None:
        if admin:  # else it is given to somebody whose role may not use it
            to = next((id_ for id_, one in self.model.people.items() if one["role"] == "admin"), to)
        last = self.model.today + timedelta(days=days)
        self.model.grants.append((to, case, last))
        self.behind(Grant(case_id=case, account_id=to, ends_on=last, sealed=b"x"))
        self.look(to)

    @rule()
    def a_day_passes(self) -> None:
        self.model.today += timedelta(days=1)

    # -------------------------------------------------------------- anybody tries
    def attempt(self, who: UUID, change: Any) -> bool:
        with self.session(who) as session:
            try:
                found = change(session)
                session.commit()
            except Unscoped:
                session.rollback()
                return False
        return getattr(found, "rowcount", 1) > 0

    @rule(who=people, case=cases)
    def write_a_record(self, who: UUID, case: UUID) -> None:
        id_, key = uuid4(), self.model.cases[case]["key"]

        def add(session: ScopedSession) -> None:
            session.add(Record(id=id_, case_id=case, touched_on=DAY, tag=b"x", head=b"x"))
            session.flush()
            session.add(Part(record_id=id_, key_id=key, sealed=b"x"))
            session.add(Autosave(record_id=id_, account_id=who, tab="", key_id=key, base_rev=1, sealed=b"x"))

        done = self.attempt(who, add)
        assert done == self.model.writes(who, case)
        if done:
            self.model.records[id_] = case

    @rule(who=people, data=st.data(), how=st.sampled_from(["row", "statement"]))
    def change_a_record(self, who: UUID, data: st.DataObject, how: str) -> None:
        if not self.model.records:
            return
        id_ = data.draw(st.sampled_from(sorted(self.model.records)))
        may = self.model.writes(who, self.model.records[id_])

        def by_row(session: ScopedSession) -> None:
            row = session.get(Record, id_)
            if row is None:
                raise Unscoped
            row.head = b"y"

        def by_statement(session: ScopedSession) -> Any:
            return session.execute(update(Record).where(Record.id == id_).values(head=b"y"))

        assert self.attempt(who, by_row if how == "row" else by_statement) == may

    @rule(who=people, data=st.data())
    def delete_a_record(self, who: UUID, data: st.DataObject) -> None:
        if not self.model.records:
            return
        id_ = data.draw(st.sampled_from(sorted(self.model.records)))

        def act(session: ScopedSession) -> Any:
            for table in (Autosave, Part):
                session.execute(delete(table).where(table.record_id == id_))
            return session.execute(delete(Record).where(Record.id == id_))

        done = self.attempt(who, act)
        assert done == self.model.writes(who, self.model.records[id_])
        if done:
            del self.model.records[id_]

    @rule(who=people, case=cases, to=people)
    def move_a_case(self, who: UUID, case: UUID, to: UUID) -> None:
        """Nobody does it by the way: a transfer has its own door."""
        if to == self.model.cases[case]["counsellor"]:
            return

        def act(session: ScopedSession) -> None:
            row = session.get(Case, case)
            if row is None:
                raise Unscoped
            row.counsellor_id = to

        assert not self.attempt(who, act)
        assert not self.attempt(who, lambda session: session.execute(update(Case).values(counsellor_id=to)))

    @rule(who=people, case=cases)
    def touch_the_card_keys_and_prints(self, who: UUID, case: UUID) -> None:
        owner, key = self.model.owns(who, case), self.model.cases[case]["key"]

        def card(session: ScopedSession) -> None:
            row = session.get(Case, case)
            if row is None:
                raise Unscoped
            row.card = row.card + b"y"

        assert self.attempt(who, card) == owner
        new = [
            Print(case_id=case, code_tag=uuid4().bytes, key_id=key, sealed=b"x"),
            KeyRing(case_id=case, tag=uuid4().bytes, kid=1, wrapped=b"x"),
            Appointment(case_id=case, start=NOON, sealed=b"x"),
        ]
        for row in new:
            assert self.attempt(who, lambda session, row=row: session.add(row)) == owner
        grant = Grant(case_id=case, account_id=who, ends_on=self.model.today, sealed=b"x")
        assert not self.attempt(who, lambda session: session.add(grant))

    # -------------------------------------------------------------- everybody reads
    @invariant()
    def each_in_turn_sees_what_is_theirs(self) -> None:
        self.step += 1
        for who in list(self.model.people)[self.step % PEOPLE :][:1]:
            self.look(who)

    def look(self, who: UUID) -> None:
        """Everything that somebody reads now, against the model."""
        expected = {case for case in self.model.cases if self.model.sees(who, case)}
        records = {id_ for id_, case in self.model.records.items() if case in expected}
        with self.session(who) as session:
            assert set(session.scalars(select(Case.id))) == expected
            assert {row.id for row in session.scalars(select(Record))} == records
            assert set(session.scalars(select(Part.record_id))) == records
            assert {row.record_id for row in session.scalars(select(Autosave))} == records
            for table in (KeyRing, Print, Grant, Appointment):
                assert {row.case_id for row in session.scalars(select(table))} <= expected
            for case in self.model.cases:
                assert (session.get(Case, case) is not None) == (case in expected)


Clinic.TestCase.settings = settings(
    max_examples=20, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestClinic = pytest.mark.everything(Clinic.TestCase)
