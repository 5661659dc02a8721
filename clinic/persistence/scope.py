"""Which cases an account may touch: every statement of a unit is narrowed to them, and nothing passes un-narrowed.

Five layers, because each alone has holes. *Criteria* are added to every ORM statement. The *engine guard* looks at
the SQL that is about to run and refuses what names a table of cases and was not narrowed: raw SQL, Core, bulk writes.
*Load and refresh* look at every row that becomes an object, *flush* at every object that becomes a row. A session has
one scope from its making on.

Rows of a case: the case itself, and what hangs on it by `case_id` or `record_id`. Who may see which cases is
`domain.roles`; here it is SQL.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Select,
    Table,
    and_,
    bindparam,
    event,
    exists,
    false,
    inspect,
    select,
)
from sqlalchemy.orm import FromStatement, Mapper, ORMExecuteState, QueryContext, Session, with_loader_criteria
from sqlalchemy.orm.attributes import instance_dict
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import ColumnClause, TextClause
from sqlalchemy.sql.operators import custom_op
from sqlalchemy.sql.selectable import Alias

from clinic.domain.errors import Denied
from clinic.domain.roles import Cases, rights
from clinic.persistence.engine import TOLD
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

# Why a unit may leave the scope, and the modules that may say so. A test holds the code to this list.
REASONS: Final[Mapping[str, tuple[str, ...]]] = {
    "agenda": ("services/appointments.py",),
    "break_glass": ("services/break_glass.py",),
    "erase": ("services/erase.py",),
    "press": ("services/batches.py", "services/press_room.py"),
    "restore": ("services/erase.py", "services/restore.py"),
    "transfer": ("services/transfer.py",),
    "verify": ("services/verify.py",),
}
# All that a unit with this reason may name, and it only reads: the front desk knows who comes when by code.
NARROW: Final[Mapping[str, Mapping[str, frozenset[str]]]] = {
    "agenda": {
        "appointment": frozenset({"case_id", "start"}),
        "case": frozenset({"id", "code", "archived"}),
    }
}
# With these a statement may be SQL as text, as a queue's are, and name no table of cases at all.
CASELESS: Final = frozenset({"press"})

TABLES: Final = (Case, Record, Part, Autosave, Print, KeyRing, Grant, Appointment)
# What a role may do to the rows of the cases it sees; a verb that is missing is refused.
WRITES: Final[Mapping[Cases, Mapping[str, frozenset[str]]]] = {
    "own": {
        "case": frozenset({"insert", "update"}),
        "record": frozenset({"insert", "update", "delete"}),
        "part": frozenset({"insert", "update", "delete"}),
        "autosave": frozenset({"insert", "update", "delete"}),
        "print": frozenset({"insert", "update"}),
        "key_ring": frozenset({"insert"}),
        "appointment": frozenset({"insert", "update", "delete"}),
    },
    "supervised": {
        "case": frozenset({"update"}),
        "record": frozenset({"insert", "update", "delete"}),
        "part": frozenset({"insert", "update", "delete"}),
        "autosave": frozenset({"insert", "update", "delete"}),
    },
    "granted": {},
    "none": {},
}
FIXED: Final = frozenset({"id", "case_id", "record_id", "counsellor_id", "account_id", "code", "key_id"})
KEYED_IN: Final = frozenset({"sealed"})  # all that changes of a print: which record its answers went into
NOTED_BY_READER: Final = frozenset({"touched_on"})  # all that a supervisor changes of the case itself

_NAMES: Final = frozenset(one.__tablename__ for one in TABLES)
# CASE alone is also a word of SQL; as a table it has to stand in quotes, in both databases.
_NAMED: Final = re.compile(
    r"""\b(?:record|part|autosave|print|key_ring|grant|appointment)\b|["'`\[]case["'`\]]""", re.IGNORECASE
)
_BEGIN: Final = frozenset({"BEGIN", "BEGIN IMMEDIATE"})  # what our own engine sends before a transaction

_OPTION: Final = "clinic_scope"
_PASS: Final = object()  # only this module can mark a statement as narrowed
_FLUSHING: ContextVar[bool] = ContextVar("flushing", default=False)
_WORDS: Final = ("_prefixes", "_suffixes", "_hints", "_statement_hints")  # of a SELECT: SQL as text
_SINGLY: Final = 8  # cases looked up one by one before all are looked up at once


class Unscoped(Denied):
    """A statement or a row outside the scope: a bug in the caller, never the person's doing."""


@dataclass(frozen=True)
class Scope:
    """Whose unit this is, on which day. The role is what the keyholder said when the unit began."""

    account: UUID
    role: str
    today: date

    @property
    def kind(self) -> Cases:
        """Which cases this role sees."""
        return rights(self.role).cases


# --------------------------------------------------------------------------- conditions
def _seen(scope: Scope, columns: Any) -> ColumnElement[bool]:
    """Whether a row of `case` is one of the scope's; `columns` is `Case` or the columns of an alias."""
    me, staff, grants = Account.__table__.alias(), Account.__table__.alias(), Grant.__table__.alias()
    if scope.kind == "own":
        found = columns.counsellor_id == scope.account
    elif scope.kind == "supervised":
        found = columns.counsellor_id.in_(select(staff.c.id).where(staff.c.supervisor_id == scope.account))
    elif scope.kind == "granted":
        live = (grants.c.account_id == scope.account) & (grants.c.ends_on >= scope.today)
        found = columns.id.in_(select(grants.c.case_id).where(live))
    else:
        return false()
    mine = (me.c.id == scope.account) & me.c.active & me.c.confirmed & (me.c.role == scope.role)
    return and_(found, exists(select(me.c.id).where(mine)))


def _of_case(scope: Scope, case_id: Any) -> ColumnElement[bool]:
    case = Case.__table__.alias()
    return exists(select(case.c.id).where(case.c.id == case_id, _seen(scope, case.c)))


def _of_record(scope: Scope, record_id: Any) -> ColumnElement[bool]:
    record, case = Record.__table__.alias(), Case.__table__.alias()
    joined = select(record.c.id).join(case, case.c.id == record.c.case_id)
    return exists(joined.where(record.c.id == record_id, _seen(scope, case.c)))


def _condition(scope: Scope, model: type[Base]) -> ColumnElement[bool]:
    if model is Case:
        return _seen(scope, Case)
    if model in (Part, Autosave):
        return _of_record(scope, model.record_id)
    return _of_case(scope, model.case_id)  # type: ignore[attr-defined]  # all others name their case


@lru_cache(maxsize=64)
def _criteria(scope: Scope) -> dict[str, Any]:
    return {
        one.__tablename__: with_loader_criteria(one, _condition(scope, one), include_aliases=True) for one in TABLES
    }


@lru_cache(maxsize=64)
def _one_of(scope: Scope) -> Select[Any]:
    """Whether one case is the scope's. Made once: to build such a statement takes longer than to run it."""
    case = Case.__table__
    return select(case.c.id).where(case.c.id == bindparam("one", type_=case.c.id.type), _seen(scope, case.c))


# --------------------------------------------------------------------------- session
class ScopedSession(Session):
    """A session that sees the cases of one scope; without one it sees no case at all.

    `unscoped` is one of `REASONS`: then nothing is narrowed and nothing refused.
    """

    def __init__(self, engine: Engine, scope: Scope | None, unscoped: str = "") -> None:
        if unscoped and unscoped not in REASONS:
            raise ValueError("not a reason")
        engine = telling(engine, scope, unscoped)
        if unscoped:
            engine = engine.execution_options(unscoped=unscoped)
        super().__init__(engine, expire_on_commit=False)
        self._scope, self._unscoped = scope, unscoped
        self._known: dict[UUID, bool] = {}  # cases already looked up
        self._case_of: dict[UUID, UUID] = {}  # of records
        self._all: set[UUID] | None = None

    @property
    def scope(self) -> Scope | None:
        """Whose session it is; it cannot change."""
        return self._scope

    def flush(self, objects: Any = None) -> None:
        """Write what changed; only now plain INSERT, UPDATE and DELETE of checked objects pass the guard."""
        mark = _FLUSHING.set(True)
        try:
            super().flush(objects)
        finally:
            _FLUSHING.reset(mark)

    # ------------------------------------------------------------------ looking up
    def sees(self, case_id: UUID) -> bool:
        """Whether the scope has this case."""
        if self._unscoped:
            return True
        if self._scope is None or self._scope.kind == "none":
            return False
        if case_id not in self._known:
            self._known[case_id] = self._look_up(self._scope, case_id)
        return self._known[case_id]

    def _look_up(self, scope: Scope, case_id: UUID) -> bool:
        if self._all is None and len(self._known) >= _SINGLY:
            case = Case.__table__
            self._all = set(self._ask(select(case.c.id).where(_seen(scope, case.c))))
        if self._all is not None:
            return case_id in self._all
        return bool(self._ask(_one_of(scope), {"one": case_id}))

    def case_of(self, table: str, values: Mapping[str, Any]) -> UUID | None:
        """The case that a row hangs on, from the columns that are known of it."""
        if table == "case":
            return _uuid(values.get("id"))
        if table in ("part", "autosave"):
            return self._of_record(values["record_id"])
        if table == "record" and "case_id" not in values:
            return self._of_record(values["id"])
        if "case_id" not in values:
            rows = Base.metadata.tables[table]
            return next(iter(self._ask(select(rows.c.case_id).where(rows.c.id == values["id"]))), None)
        return _uuid(values["case_id"])

    def _of_record(self, record_id: UUID) -> UUID | None:
        if record_id not in self._case_of:
            record = Record.__table__
            found = self._ask(select(record.c.case_id).where(record.c.id == record_id))
            if not found:
                return None
            self._case_of[record_id] = found[0]
        return self._case_of[record_id]

    def forget(self, case_id: UUID | None) -> None:
        """Look a case up anew: one of its rows was read again."""
        if case_id is not None:
            self._known.pop(case_id, None)
            self._all = None

    def _ask(self, statement: Select[Any], asked: Mapping[str, UUID] | None = None) -> list[Any]:
        options = {_OPTION: _PASS}
        return list(self.connection().execute(statement, asked, execution_options=options).scalars())


def _uuid(value: Any) -> UUID | None:
    return value if isinstance(value, UUID) else None


# --------------------------------------------------------------------------- statements
def _narrow(state: ORMExecuteState) -> None:
    """Add the criteria and mark the statement; what cannot be narrowed stays unmarked, and the guard refuses it."""
    session = state.session
    if not isinstance(session, ScopedSession) or session._unscoped or session.scope is None:
        return
    statement = state.statement
    if not state.is_orm_statement or isinstance(statement, FromStatement):
        return
    named = _named(statement)
    if not named:
        return
    if state.is_insert or (state.is_executemany and not state.is_select):
        return
    if state.is_update or state.is_delete:
        _may_write(session.scope, statement, "update" if state.is_update else "delete")
    criteria = _criteria(session.scope)
    state.statement = statement.options(*[criteria[one] for one in sorted(named)])
    state.update_execution_options(**{_OPTION: _PASS})


def _named(statement: Any) -> set[str]:
    """The tables of cases in a statement that criteria reach; none, too, when one stands in it that they do not."""
    elements = list(visitors.iterate(statement))
    if any(_in_words(one) for one in elements):
        return set()
    columns = [one for one in elements if isinstance(one, Column)]
    mapped = {hash(one.table) for one in columns if "parententity" in one._annotations}
    mapped |= {hash(one) for one in elements if isinstance(one, (Table, Alias)) and "parententity" in one._annotations}
    if any(_protected(one.table) and hash(one.table) not in mapped for one in columns):
        return set()
    found = [(one, _protected(one)) for one in _tables(statement, mapped)]
    if any(name and hash(one) not in mapped for one, name in found):
        return set()
    return {name for _, name in found if name} | {name for one in columns if (name := _protected(one.table))}


def _in_words(element: Any) -> bool:
    """Whether SQL stands in it as text: what it names is not seen here."""
    if isinstance(element, ColumnClause) and element.is_literal:
        return element.name not in ("*", "1")
    if any(getattr(element, where, None) for where in _WORDS):
        return True
    return isinstance(element, TextClause) or isinstance(getattr(element, "operator", None), custom_op)


def _tables(statement: Any, mapped: set[int]) -> Iterator[Any]:
    """Every table and alias in a statement, without what stands inside a mapped alias."""
    stack = [statement]
    while stack:
        one = stack.pop()
        if isinstance(one, (Table, Alias)):
            yield one
            if hash(one) in mapped:
                continue
        if not isinstance(one, Column):
            stack.extend(one.get_children())


def _protected(table: Any) -> str:
    """The name of the table of cases that a table or alias is; empty for any other."""
    while isinstance(table, Alias):
        table = table.element
    return table.name if isinstance(table, Table) and table.name in _NAMES else ""


def _may_write(scope: Scope, statement: Any, verb: str) -> None:
    name = statement.table.name
    if name not in _NAMES:
        return
    if verb not in WRITES[scope.kind].get(name, ()):
        raise Unscoped
    if verb == "update":
        _may_change(scope, name, {getattr(one, "name", str(one)) for one in statement._values or {}})


def _may_change(scope: Scope, table: str, columns: set[str]) -> None:
    if columns & FIXED:
        raise Unscoped
    if table == "case" and scope.kind == "supervised" and columns - NOTED_BY_READER:
        raise Unscoped
    if table == "print" and columns - KEYED_IN:
        raise Unscoped


# --------------------------------------------------------------------------- engine
def guard(engine: Engine) -> Engine:
    """Make an engine refuse every statement on a table of cases that was not narrowed, and all raw SQL."""
    event.listen(engine, "before_cursor_execute", _check)
    return engine


def unscoped(engine: Engine, reason: str) -> Engine:
    """The same engine for work on all cases. Raises ValueError when the reason is not in the list."""
    if reason not in REASONS:
        raise ValueError("not a reason")
    return telling(engine, None, reason).execution_options(unscoped=reason)


def telling(engine: Engine, scope: Scope | None, reason: str) -> Engine:
    """The same engine, whose transactions tell PostgreSQL's row-level security whose they are (row_security.py)."""
    if engine.dialect.name != "postgresql" or (scope is None and not reason):
        return engine
    account, role, today = (str(scope.account), scope.role, scope.today.isoformat()) if scope else ("", "", "")
    return engine.execution_options(**{TOLD: (account, role, today, reason)})


def _check(
    connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
) -> None:
    options = context.execution_options if context is not None else {}
    reason = options.get("unscoped")
    if options.get(_OPTION) is _PASS or (reason in REASONS and reason not in NARROW and reason not in CASELESS):
        return
    if reason in CASELESS and not _NAMED.search(statement):
        return
    compiled = getattr(context, "compiled", None)
    if compiled is None:
        if statement.strip().upper() not in _BEGIN:
            raise Unscoped
    elif isinstance(compiled.statement, TextClause):
        raise Unscoped
    elif reason in NARROW:
        if not _within(compiled.statement, NARROW[reason]):
            raise Unscoped
    elif _NAMED.search(statement) and not (_FLUSHING.get() and _writes(compiled)):
        raise Unscoped


def _within(statement: Any, columns: Mapping[str, frozenset[str]]) -> bool:
    """Whether a statement only reads, and only these columns of these tables."""
    if not isinstance(statement, Select):
        return False
    elements = list(visitors.iterate(statement))
    # A whole row is asked for by its table: its columns are only in the list of what comes out.
    named = [one for one in (*elements, *statement.selected_columns) if isinstance(one, Column)]
    tables = {one.name for one in elements if isinstance(one, Table)}
    return (
        not any(_in_words(one) for one in elements)
        and tables <= columns.keys()
        and all(one.table.name in columns and one.name in columns[one.table.name] for one in named)
    )


def _writes(compiled: Any) -> bool:
    return bool(compiled.isinsert or compiled.isupdate or compiled.isdelete)


# --------------------------------------------------------------------------- objects
def _loaded(session: Session, target: Any) -> None:
    if isinstance(session, ScopedSession) and isinstance(target, TABLES) and not session._unscoped:
        case_id = _must_see(session, target)
        if isinstance(target, Record):  # its parts need not ask for it one by one
            session._case_of[target.id] = case_id


def _refreshed(target: Any, context: QueryContext, attributes: Any) -> None:
    session = context.session
    if isinstance(session, ScopedSession) and isinstance(target, TABLES) and not session._unscoped:
        session.forget(session.case_of(target.__tablename__, instance_dict(target)))
        _must_see(session, target)


def _must_see(session: ScopedSession, target: Any) -> UUID:
    case_id = session.case_of(target.__tablename__, instance_dict(target))
    if case_id is None or not session.sees(case_id):
        session.expunge(target)
        raise Unscoped
    return case_id


def _checked(verb: str) -> Callable[[Mapper[Any], Connection, Any], None]:
    def check(mapper: Mapper[Any], connection: Connection, target: Any) -> None:
        session = Session.object_session(target)
        if not isinstance(session, ScopedSession) or session._unscoped or not isinstance(target, TABLES):
            return
        scope = session.scope
        if scope is None or verb not in WRITES[scope.kind].get(target.__tablename__, ()):
            raise Unscoped
        if verb == "insert":
            _may_insert(session, scope, target)
            return
        state: Any = inspect(target)
        changed = {one.key for one in mapper.column_attrs if state.attrs[one.key].history.has_changes()}
        _may_change(scope, target.__tablename__, changed)
        case_id = session.case_of(target.__tablename__, state.dict)
        if case_id is None or not session.sees(case_id):
            raise Unscoped

    return check


def _may_insert(session: ScopedSession, scope: Scope, target: Any) -> None:
    if isinstance(target, Autosave) and target.account_id != scope.account:
        raise Unscoped
    if isinstance(target, Case):
        if target.counsellor_id != scope.account:
            raise Unscoped
        session.forget(target.id)
        return
    case_id = session.case_of(target.__tablename__, instance_dict(target))
    if case_id is None or not session.sees(case_id):
        raise Unscoped


event.listen(ScopedSession, "do_orm_execute", _narrow)
event.listen(ScopedSession, "loaded_as_persistent", _loaded)
event.listen(Base, "refresh", _refreshed, propagate=True)
for _verb in ("insert", "update", "delete"):
    event.listen(Base, f"before_{_verb}", _checked(_verb), propagate=True)
