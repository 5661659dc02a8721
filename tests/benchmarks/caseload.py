"""A clinic with many couples, made fast and sealed for real: what lists, pages and the load benchmark are tried on.

    python -m tests.benchmarks.caseload FOLDER [--cases 10000] [--counsellors 10] [--own 2000] [--database-url URL]

One case is filled in through the services as people do it. All others are copies of its records under their own ids
and keys, each head, part, card, appointment and print sealed for its place. What writes them leaves out the guards of
a running clinic, so it fills new instances only. Everybody's password is `PASSWORD`.
"""

import argparse
import itertools
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Connection, Table, insert, select, update
from sqlalchemy.orm import Session

from clinic import config
from clinic.config import Settings
from clinic.domain.answer import Checked
from clinic.domain.audience import CASE_SCOPES, Scope
from clinic.persistence import sealing, triggers
from clinic.persistence.keyholder import Head, Keyholder, KeyView
from clinic.persistence.keyview import Given
from clinic.persistence.models import Account, Appointment, Audit, Base, Case, KeyRing, Part, Print, Record
from clinic.persistence.scope import unscoped
from clinic.persistence.store import Store
from clinic.services import accounts, appointments, cases, records
from clinic.services import records_parts as parts
from clinic.services.cases import PartnerCard
from clinic.services.definitions import definitions
from clinic.services.instance import init_instance
from clinic.services.unit_of_work import unit_of_work

PASSWORD: Final = "a long made-up passphrase"
FIRST: Final = "c00"  # the counsellor with the most cases
RECORDS: Final = 10  # of each case
ARCHIVED: Final = 20  # one case in so many is put away
SPREAD: Final = 700  # days over which the cases were touched last
OLD: Final = 4_000  # days since the few were touched whose time is over
OVER: Final = 50  # one case in so many is of these
TODAY: Final = 4  # appointments of each counsellor on the day
SCOPES: Final[tuple[Scope, ...]] = (*CASE_SCOPES, "process")
PEOPLE: Final = {"sue": "supervisor", "adm": "admin", "fay": "front_desk", "tom": "translator"}
PRINTED: Final = ("our_cycle", "a"), ("our_cycle", "b"), ("homework_plan", "joint")
VERBS: Final = ("case.view", "case.staff_view", "record.view", "caseload.view")


@dataclass(frozen=True)
class Copy:
    """A record to be copied: its head, whether it is signed, and what each part holds, padded and not yet sealed."""

    head: Head
    signed: bool
    parts: dict[Scope, bytes]


@dataclass(frozen=True)
class Model:
    """The case that all others are copies of."""

    case: str
    draft: str  # a session that is not finished
    signed: str
    card: dict[str, Any]
    copies: tuple[Copy, ...]


@dataclass(frozen=True)
class Caseload:
    """What was made: `case` is of the counsellor `FIRST`, `draft` and `signed` are records of it."""

    settings: Settings
    case: str
    draft: str
    signed: str
    cases: int
    records: int


def build(
    folder: Path,
    cases_in_all: int = 10_000,
    own: int = 2_000,
    counsellors: int = 10,
    lines: int = 20_000,
    database_url: str = "",
) -> Caseload:
    """Make an instance. `own`: cases of `FIRST`, the others share the rest; `lines`: of the audit."""
    settings = replace(config.load(folder, {}), **({"database_url": database_url} if database_url else {}))
    init_instance(settings, factors=False)
    store = Store.open(settings)
    try:
        staff = _staff(store, counsellors)
        model = _model(store)
        with unscoped(store.engine, "verify").connect() as looked_at:
            codes = {row.code for row in looked_at.execute(select(Case.code))}
        shares = [own - 1, *_shares(cases_in_all - own, counsellors - 1)]
        jobs = [(staff[f"c{number:02}"], share) for number, share in enumerate(shares)]
        with store.engine.execution_options(write=True, unscoped="verify").begin() as connection:
            triggers.drop(connection)
            for some in _batched(_copied(store, model, jobs, codes), 200):
                _write(connection, some)
            _audit(store, connection, lines, staff[FIRST])
            triggers.create(connection)
        if store.engine.dialect.name == "postgresql":
            with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT", unscoped="verify") as plain:
                plain.exec_driver_sql("ANALYZE")
        return Caseload(settings, model.case, model.draft, model.signed, cases_in_all, cases_in_all * RECORDS)
    finally:
        store.close()


@contextmanager
def empty(folder: Path, alone: bool = False, **environment: str) -> Iterator[Store]:
    """A new clinic without people. Its keyholder is a process of its own as when it is served, or `alone` in this."""
    settings = config.load(folder, environment)
    init_instance(settings, factors=False)
    store = Store.open(settings) if alone else Store.attach(settings)
    try:
        yield store
    finally:
        store.close()


# --------------------------------------------------------------------------- who works there, and the model
def _staff(store: Store, counsellors: int) -> dict[str, UUID]:
    """Ids by sign-in name. Password hashes are slow on purpose, so all share one."""
    names = {f"c{number:02}": "counsellor" for number in range(counsellors)} | PEOPLE
    first = UUID(accounts.create_account(store, FIRST, PASSWORD))
    made = {FIRST: first}
    with unit_of_work(store, write=True) as session:
        password = session.get_one(Account, first).password
        for name, role in names.items():
            if name == FIRST:
                continue
            row = Account(id=uuid4(), name=name, display=name.title(), role=role, password=password)
            session.add(row)
            session.flush()
            session.add(store.keyholder.new_account_key(row.id))
            made[name] = row.id
        mine = [id_ for name, id_ in made.items() if name.startswith("c")]
        session.execute(update(Account).where(Account.id.in_(mine)).values(supervisor_id=made["sue"]))
    return made


def _model(store: Store) -> Model:
    """A case that was filled in by way of the services, and what its records hold."""
    token = accounts.sign_in(store, FIRST, PASSWORD)
    case = cases.open_case(store, token, {"a": PartnerCard(), "b": PartnerCard(language="es")})
    made = [_finished(store, token, case, *one) for one in _answers(store)]
    draft = records.start(store, token, case, "session", "couple")
    seen = {"a.observed": [{"id": "anxiety_worry", "intensity": 2, "seen_by": "counsellor", "words": "Asks often"}]}
    rev = records.read(store, token, draft).rev
    records.save_draft(store, token, draft, rev, Checked({"held": {"day": _day(store)}} | seen, {}, {}))
    now = store.clock().astimezone(appointments.zone(store)).replace(hour=9, minute=0, second=0, microsecond=0)
    appointments.add(store, token, case, now.date(), now.time(), 50, "both")
    with unit_of_work(store, token) as session:
        view = store.keyholder.open(token, UUID(case), "staff")
        copies = tuple(_copy(view, one) for one in parts.all_opened(session, view))
        card = view.open_card(session.get_one(Case, UUID(case)))
    return Model(case, draft, made[0], card, copies)


def _day(store: Store) -> str:
    return store.today().isoformat()


def _answers(store: Store) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Definition, about, answers: the usual way of a couple, with made-up answers."""
    day = {"day": _day(store)}
    agreed = definitions()["consent_and_secrets_policy"]
    days = {"day": {field.id: day["day"] for field in agreed.blocks["day"].fields}}
    policy = {"policy": "limited_secrets", "agreed_a": "agree", "agreed_b": "agree", "local_duties": "Said."}
    yield agreed.id, "couple", policy | days
    screened = {"held": day, "conditions": "yes", "fear": "no"}
    yield "safety_screening", "a", screened
    yield "safety_screening", "b", screened
    seen = {
        "a.observed": [
            {"id": "clinginess", "intensity": 3, "seen_by": "self", "words": "I write until you answer"},
            {"id": "relationship_doubts", "intensity": 2, "seen_by": "self"},
        ],
        "b.observed": [{"id": "withdrawal", "intensity": 3, "seen_by": "self"}],
        "b.habits": [{"id": "minimising", "intensity": 2, "seen_by": "counsellor"}],
    }
    yield "session", "couple", {"held": day, "present": ["partner_a", "partner_b"], "format": "dap"} | seen
    yield (
        "map",
        "couple",
        {
            "a.judgement": [{"id": "attachment_insecurity", "status": "likely", "reason": "Grows with distance."}],
            "b.judgement": [{"id": "attachment_insecurity", "status": "likely", "reason": "Steps back first."}],
            "cycle": {
                "a_does": "writes often",
                "b_reads": "being checked",
                "b_does": "goes quiet",
                "a_reads": "not loved",
            },
            "decision": "full",
            "level_reason": "Both were seen alone.",
            "level_days": day,
        },
    )
    for about in ("a", "b"):
        yield "check_in", about, {}
    for about in ("a", "b"):
        yield "signals_checkin", about, {}


def _finished(store: Store, token: str, case: str, definition: str, about: Any, answers: dict[str, Any]) -> str:
    made = records.start(store, token, case, definition, about)
    records.finish(store, token, made, records.read(store, token, made).rev, Checked(answers, {}, {}))
    return made


def _copy(view: KeyView, one: parts.Opened) -> Copy:
    content = {scope: sealing.pad(sealing._dump(view.open(part, one.head))) for scope, part in one.parts.items()}
    return Copy(one.head, one.row.signed, content)


# --------------------------------------------------------------------------- the copies
def _shares(cases_in_all: int, of: int) -> list[int]:
    return [cases_in_all // of + (number < cases_in_all % of) for number in range(of)] if of else []


def _copied(
    store: Store, model: Model, jobs: Sequence[tuple[UUID, int]], codes: set[str]
) -> Iterator[list[tuple[Table, dict[str, Any]]]]:
    """The rows of one case after the other, in the order in which they may be written."""
    dice = random.Random(4)  # noqa: S311 - the same clinic each time
    keyholder, today = store.keyholder, store.today()
    assert isinstance(keyholder, Keyholder)
    codes = set(codes)
    for account, share in jobs:
        for number in range(share):
            while (code := f"K-{dice.randrange(100_000, 1_000_000)}") in codes:
                pass
            codes.add(code)
            touched = today - timedelta(OLD if number % OVER == OVER - 1 else dice.randrange(SPREAD))
            start = _start(store, today, number)
            yield list(_rows(keyholder, model, account, code, touched, number, start))


def _start(store: Store, today: date, number: int) -> datetime:
    """The first few of a counsellor come today, the others in the past and the weeks to come."""
    away = number % 60 - 30
    day = today if number < TODAY else today + timedelta(away if away else 31)
    local = datetime(day.year, day.month, day.day, 9 + number % 8, tzinfo=appointments.zone(store))
    return local.astimezone(UTC)


def _rows(
    keyholder: Keyholder, model: Model, account: UUID, code: str, touched: date, number: int, start: datetime
) -> Iterator[tuple[Table, dict[str, Any]]]:
    case = uuid4()
    keys: dict[Scope, tuple[UUID, bytes]] = {}
    rings = []
    for scope in SCOPES:
        row, key = keyholder._new_key(case, f"process/{account}" if scope == "process" else scope)
        keys[scope] = (row.id, key)
        rings.append(row)
    view = KeyView(Given("staff", case, account, keys))
    plain = {"code": code, "counsellor_id": account, "archived": number % ARCHIVED == ARCHIVED - 1}
    plain |= {"touched_on": touched, "rev": 1, "card": view.seal_card(1, model.card)}
    yield Case.__table__, {"id": case} | plain
    for ring in rings:
        one = {"id": ring.id, "case_id": case, "tag": ring.tag, "kid": ring.kid, "wrapped": ring.wrapped}
        yield KeyRing.__table__, one
    for copy in model.copies:
        yield from _record(keyholder, view, copy, touched)
    meeting = uuid4()
    sealed = view.seal_appointment(meeting, start, {"minutes": 50, "who": "both"})
    yield Appointment.__table__, {"id": meeting, "case_id": case, "start": start, "sealed": sealed}
    for sheet, recipient in PRINTED:
        yield Print.__table__, _print(keyholder, view, sheet, recipient, touched)


def _record(keyholder: Keyholder, view: KeyView, copy: Copy, touched: date) -> Iterator[tuple[Table, dict[str, Any]]]:
    head = replace(copy.head, record=uuid4(), case=view.case_id, author=str(view.account))
    tag = keyholder.record_tag(view, head.definition)
    plain = {"rev": head.rev, "touched_on": touched, "tag": tag, "signed": copy.signed}
    yield Record.__table__, {"id": head.record, "case_id": view.case_id, "head": view.seal_head(head)} | plain
    for scope, content in copy.parts.items():
        key_id = view.key_of(scope)
        sealed = sealing.seal_bytes(view._ciphers[key_id][1], content, head.bound("part", scope, key_id))
        yield Part.__table__, {"record_id": head.record, "key_id": key_id, "sealed": sealed}


def _print(keyholder: Keyholder, view: KeyView, sheet: str, recipient: Any, day: date) -> dict[str, Any]:
    id_, code = uuid4(), uuid4().hex[:9].upper()
    content = {
        "sheet": sheet, "locales": ["en"], "paper": "a4", "large": False, "draft": False, "home": True, "record": "",
        "sha": definitions()[sheet].sha, "plan": "", "known": {}, "code": code, "day": day.isoformat(),
    }  # fmt: skip
    key_id, sealed = view.seal_print(id_, recipient, content)
    tag = keyholder.code_tag(code)
    return {"id": id_, "case_id": view.case_id, "code_tag": tag, "key_id": key_id, "sealed": sealed}


# --------------------------------------------------------------------------- writing
def _batched(rows: Iterable[Any], size: int) -> Iterator[list[Any]]:
    waiting = iter(rows)
    while some := list(itertools.islice(waiting, size)):
        yield some


def _write(connection: Connection, some: Iterable[list[tuple[Table, dict[str, Any]]]]) -> None:
    """Table by table, parents first."""
    by_table: dict[Table, list[dict[str, Any]]] = {}
    for table, row in itertools.chain.from_iterable(some):
        by_table.setdefault(table, []).append(row)
    for table in Base.metadata.sorted_tables:
        if rows := by_table.get(table):
            _bulk(connection, table, rows)


def _bulk(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    if connection.dialect.name != "postgresql":
        connection.execute(insert(table), rows)
        return
    names = list(rows[0])
    quoted = ", ".join(f'"{name}"' for name in names)
    cursor: Any = connection.connection.cursor()
    with cursor.copy(f'COPY "{table.name}" ({quoted}) FROM STDIN') as copy:
        for row in rows:
            copy.write_row([row[name] for name in names])


def _audit(store: Store, connection: Connection, lines: int, account: UUID) -> None:
    """A chain that goes on where the instance's own ends: looks at cases that are long gone from every list."""
    day = store.today() - timedelta(1)
    last = connection.execute(select(Audit.seq, Audit.mac).order_by(Audit.seq.desc()).limit(1)).one()
    seq, mac, rows = last.seq, last.mac, []
    seen = list(connection.execute(select(Case.id).where(Case.counsellor_id == account).limit(500)).scalars())
    when = store.clock() - timedelta(days=1)
    for number in range(lines):
        seq += 1
        said = {"verb": VERBS[number % len(VERBS)], "account": str(account), "case": str(seen[number % len(seen)])}
        sealed, mac = store.keyholder.audit_seal(seq, day, mac, said | {"when": when.isoformat(timespec="seconds")})
        rows.append({"seq": seq, "day": day, "sealed": sealed, "mac": mac})
    for some in _batched(rows, 5_000):
        _bulk(connection, Audit.__table__, some)  # type: ignore[arg-type]


def sign_in(store: Store, name: str) -> str:
    """A new session of one of the people; its token."""
    return accounts.sign_in(store, name, PASSWORD)


def other_cases(store: Store, name: str, most: int) -> list[UUID]:
    """Some open cases of a counsellor."""
    with Session(unscoped(store.engine, "verify")) as session:
        account = session.scalar(select(Account.id).where(Account.name == name))
        wanted = select(Case.id).where(Case.counsellor_id == account, Case.archived.is_(False)).limit(most)
        return list(session.scalars(wanted))


def main() -> None:
    """Make one and say how long it took."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--cases", type=int, default=10_000)
    arguments.add_argument("--own", type=int, default=2_000)
    arguments.add_argument("--counsellors", type=int, default=10)
    arguments.add_argument("--database-url", default="")
    given = arguments.parse_args()
    start = time.perf_counter()
    made = build(given.folder, given.cases, given.own, given.counsellors, database_url=given.database_url)
    print(f"{made.cases} cases, {made.records} records in {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
