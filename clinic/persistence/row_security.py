"""Row-level security on PostgreSQL: behind the guards of `scope.py` the database itself says no, by the same table.

Four roles share the work: the owner of the tables (migrations, backup, verify, restore), the pages, the keyholder that
reads, and print machines. What the pages see hangs on three settings of the transaction, which the engine sets for
whoever makes a scope (`engine.telling`): account, role and day, or the reason of a unit that looks beyond one account.
Without them there are no rows. Made after the migrations, as triggers are, and only where the roles are there.

What it does not do: it knows rows, not the columns of `scope.NARROW`; and who can send SQL as the pages' role can also
set the settings. It stands against a forgotten condition and a statement past the guards, not against a taken server.
"""

# ruff: noqa: S608 - the SQL is put together from our own words alone, most of them in the tables below
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import OID

from clinic.domain.roles import RIGHTS
from clinic.persistence import scope
from clinic.persistence.models import Base
from clinic.persistence.press_queue import MOST_TRIES

OWNER, WEB, KEYHOLDER, WORKER = "clinic_owner", "clinic_web", "clinic_keyholder", "clinic_worker"
ROLES: Final = (OWNER, WEB, KEYHOLDER, WORKER)
GUARD: Final = "clinic_guard"  # the schema of our functions: not in a dump, and there before a restore
CHANGES: Final = "case_changes"  # a trigger and its function, made and dropped with the others

VERBS: Final = ("select", "insert", "update", "delete")
READ: Final = frozenset({"select"})
ALL: Final = frozenset(VERBS)
# What a reason of `scope.REASONS` may do; one without a line is the owner's alone and shows the pages no row.
BY_REASON: Final[Mapping[str, Mapping[str, frozenset[str]]]] = {
    "agenda": {"case": READ, "appointment": READ},
    "break_glass": {"case": READ, "grant": READ | {"insert", "delete"}},
    "press": {},  # its tables belong to no case
    "erase": {
        "case": READ | {"update"},
        "record": ALL,
        "part": ALL,
        "autosave": READ | {"delete"},
        "print": READ | {"delete"},
        "key_ring": READ | {"update"},
        "grant": READ | {"delete"},
        "appointment": READ | {"delete"},
    },
    "transfer": {"case": READ | {"update"}, "key_ring": READ | {"insert"}},
}
# Which roles a reason is for; without a line its service says so.
FOR_ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    "agenda": tuple(name for name, held in RIGHTS.items() if held.agenda)
}
_KINDS: Final = ("own", "supervised", "granted")
_THROUGH: Final = {"part": "record", "autosave": "record"}  # the others hang on the case itself

# Of tables without rows of cases: what the pages may do there. Those without a line: everything but TRUNCATE.
WEB_TABLES: Final[Mapping[str, str]] = {
    "alembic_version": "SELECT",
    "account": "SELECT, INSERT, UPDATE",
    "account_key": "SELECT, INSERT",
    "audit": "SELECT, INSERT",
    "definition_text": "SELECT, INSERT",
    "instance": "",
    "press_key": "SELECT (item_id), INSERT, DELETE",  # what it wraps is for the keyholder
    "system_key": "",
    "translation_past": "SELECT, INSERT",
}
KEYHOLDER_TABLES: Final = (
    "account", "account_key", "case", "grant", "instance", "key_ring", "part", "press_batch", "press_item",
    "press_key", "press_worker", "record", "request", "session", "system_key",
)  # fmt: skip
# What `rewrite` writes anew, so that no old bytes stay in its file.
REWRITTEN: Final = (
    "appointment", "autosave", "case", "key_ring", "press_batch", "press_item", "press_key", "print", "record",
)  # fmt: skip
QUEUE_SCHEMA: Final = "procrastinate"

_NOW: Final = "(SELECT clinic_guard.kind())"
_ME: Final = "(SELECT clinic_guard.worker())"
_OF_KIND: Final = {
    "own": "counsellor_id = (SELECT clinic_guard.account())",
    "supervised": "counsellor_id = ANY (ARRAY(SELECT clinic_guard.supervised()))",
    "granted": "id = ANY (ARRAY(SELECT clinic_guard.granted()))",
}
_MINE: Final = f"worker_id = {_ME}"
# What was tried too often is the server's to fail: a machine that sees it would trip over it (worker_rights.py).
_FREE: Final = f"((state = 'waiting' OR (state = 'taken' AND until < now())) AND tries < {MOST_TRIES})"
# Of a print machine: columns it reads, columns it writes, rows it sees, rows it may leave.
WORKER_TABLES: Final = {
    "press_item": (
        "id, n, pile, state, tries, token, until, worker_id, handed, sealed",
        "state, tries, token, until, worker_id, handed, result",
        f"{_ME} IS NOT NULL AND ({_MINE} OR {_FREE})",
        f"{_MINE} OR {_FREE}",
    ),
    "press_worker": ("id, name, role, public_key, revoked, seen", "seen", f"id = {_ME}", f"id = {_ME}"),
}


# --------------------------------------------------------------------------- making it
def create(connection: Connection) -> None:
    """Make functions, policies and privileges for the roles that are there; nothing on SQLite or without them.

    Only the owner of the tables can. May be called again at any time. Only for the schema `public`: what a restore
    makes beside it comes into its place first.
    """
    if connection.dialect.name != "postgresql":
        return

    def run(statement: str) -> Any:
        found = connection.exec_driver_sql(statement)
        return found.fetchall() if found.returns_rows else []

    roles, tables = _roles(run), _tables(run)
    if WEB not in roles or "case" not in tables or run("SELECT current_schema()")[0][0] != "public":
        return
    for statement in (*_statements(roles, tables, _has_queue(run)), *_aside(run, roles)):
        run(statement)


def drop(connection: Connection) -> None:
    """Drop the policies, so that migrations may change any column. The functions stay: other schemas may use them."""
    if connection.dialect.name != "postgresql":
        return
    there = "SELECT tablename, policyname FROM pg_policies WHERE schemaname = current_schema()"
    for table, name in connection.exec_driver_sql(there).fetchall():
        connection.exec_driver_sql(f'DROP POLICY "{name}" ON "{table}"')


def _roles(run: Callable[[str], Any]) -> list[str]:
    rows = run(f"SELECT rolname FROM pg_roles WHERE rolname IN ({_listed(ROLES)})")  # nosec B608
    return sorted(str(row[0]) for row in rows)


def _tables(run: Callable[[str], Any]) -> list[str]:
    rows = run("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
    return sorted(str(row[0]) for row in rows)


def _aside(run: Callable[[str], Any], roles: list[str]) -> list[str]:
    """What a restore put aside is the owner's alone."""
    rows = run(
        "SELECT nspname FROM pg_namespace WHERE pg_has_role(nspowner, 'USAGE') AND starts_with(nspname, 'clinic_')"  # nosec B608
        f" AND nspname <> '{GUARD}'"
    )
    return [f'REVOKE ALL ON SCHEMA "{row[0]}" FROM {role}' for row in rows for role in roles if role != OWNER]


def _has_queue(run: Callable[[str], Any]) -> bool:
    return bool(run(f"SELECT 1 FROM pg_namespace WHERE nspname = '{QUEUE_SCHEMA}'"))  # nosec B608


def _statements(roles: Iterable[str], tables: Iterable[str], queue: bool) -> Iterator[str]:
    yield from _functions(set(tables))
    for role in (one for one in roles if one != OWNER):
        yield f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}"
        yield f"GRANT USAGE ON SCHEMA public, {GUARD} TO {role}"
        yield f"REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {GUARD} FROM {role}"
        if role != WORKER:
            yield f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {GUARD} TO {role}"
        elif "press_worker" in tables:
            yield f"GRANT EXECUTE ON FUNCTION {GUARD}.worker() TO {role}"
    for table in tables:
        yield from _privileges(table, set(roles))
    for table in _held():
        if table in tables:
            yield f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY'
            yield from _policies(table, set(roles))
    yield from _trigger()
    for role in (WEB, WORKER) if queue else ():
        if role in roles:
            yield from _queue(role)
    if queue and WORKER in roles:
        yield f"REVOKE INSERT ON {QUEUE_SCHEMA}.procrastinate_jobs FROM {WORKER}"  # it takes jobs and makes none
        yield f"ALTER TABLE {QUEUE_SCHEMA}.procrastinate_jobs ENABLE ROW LEVEL SECURITY"
        for role, seen in ((WEB, "true"), (WORKER, f"{_ME} IS NOT NULL")):  # a revoked machine takes none either
            yield f"DROP POLICY IF EXISTS {role}_jobs ON {QUEUE_SCHEMA}.procrastinate_jobs"
            yield f"CREATE POLICY {role}_jobs ON {QUEUE_SCHEMA}.procrastinate_jobs TO {role} USING ({seen})"
    yield f"COMMENT ON SCHEMA {GUARD} IS '{fingerprint()}'"


def fingerprint() -> str:
    """Which policies this program makes: a hash of all that they say."""
    said = "\n".join(line for table in _held() for line in _policies(table, set(ROLES)))
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _held() -> list[str]:
    """The tables that have policies."""
    return [*sorted(_cases()), *WORKER_TABLES]


def _cases() -> set[str]:
    return {one.__tablename__ for one in scope.TABLES}


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"'{one}'" for one in words)


# --------------------------------------------------------------------------- who sees what
def _policies(table: str, roles: set[str]) -> Iterator[str]:
    said = dict(_web_policies(table)) if table in _cases() else {"all": ("true", "true")}
    for verb, (using, check) in said.items():
        yield from _policy(f"web_{verb}", table, verb, WEB, using, check)
    if KEYHOLDER in roles and table in KEYHOLDER_TABLES:
        yield from _policy("keyholder_select", table, "select", KEYHOLDER, "true")
    if WORKER in roles and table in WORKER_TABLES:
        seen, left = WORKER_TABLES[table][2:]
        yield from _policy("worker_select", table, "select", WORKER, seen)
        yield from _policy("worker_update", table, "update", WORKER, seen, left)


def _policy(name: str, table: str, verb: str, role: str, using: str, check: str = "") -> Iterator[str]:
    yield f'DROP POLICY IF EXISTS {name} ON "{table}"'
    said = f" USING ({using})" if using else ""
    said += f" WITH CHECK ({check})" if check else ""
    yield f'CREATE POLICY {name} ON "{table}" FOR {verb.upper()} TO {role}{said}'


def _web_policies(table: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """By verb: which rows it meets (USING), and which it may leave (WITH CHECK)."""
    for verb in VERBS:
        found = _allowed(table, verb)
        if not found:
            continue
        using = "" if verb == "insert" else found
        yield verb, (using, found if verb in ("insert", "update") else "")


def _allowed(table: str, verb: str) -> str:
    """The condition under which somebody may do this to a row; empty: nobody may."""
    kinds = [one for one in _KINDS if verb == "select" or verb in scope.WRITES[one].get(table, ())]
    reasons = [one for one, tables in BY_REASON.items() if verb in tables.get(table, ())]
    said = [f"{_NOW} IN ({_listed(reasons)})"] if reasons else []
    if table == "case":
        said = [f"({_NOW} = '{one}' AND {_OF_KIND[one]})" for one in kinds] + said
    elif kinds:
        mine = "account_id = (SELECT clinic_guard.account()) AND " if (table, verb) == ("autosave", "insert") else ""
        said.insert(0, f"({_NOW} IN ({_listed(kinds)}) AND {mine}{_hangs(table)})")
    return " OR ".join(said)


def _hangs(table: str) -> str:
    """That the row above is seen: its own policy answers."""
    above = _THROUGH.get(table, "case")
    return f'EXISTS (SELECT 1 FROM "{above}" AS above WHERE above.id = "{table}".{above}_id)'  # nosec B608


# --------------------------------------------------------------------------- functions
def _functions(tables: set[str]) -> Iterator[str]:
    yield f"CREATE SCHEMA IF NOT EXISTS {GUARD}"
    roles = " ".join(f"WHEN '{name}' THEN '{held.cases}'" for name, held in RIGHTS.items())
    me = "a.id = clinic_guard.account() AND a.active AND a.confirmed AND a.role = current_setting('clinic.role', true)"
    bound = " ".join(
        f"WHEN '{reason}' THEN (SELECT '{reason}' FROM public.account AS a WHERE {me} AND NOT a.temporary"  # nosec B608
        f" AND a.role IN ({_listed(names)}))"
        for reason, names in FOR_ROLES.items()
    )
    free = [one for one in BY_REASON if one not in FOR_ROLES]
    yield _function("account() RETURNS uuid", "SELECT nullif(current_setting('clinic.account', true), '')::uuid")
    yield _function(
        "kind() RETURNS text",
        "SELECT CASE coalesce(current_setting('clinic.reason', true), '')"  # nosec B608
        f" WHEN '' THEN (SELECT CASE a.role {roles} END FROM public.account AS a WHERE {me}) {bound}"
        + "".join(f" WHEN '{one}' THEN '{one}'" for one in free)
        + " END",
    )
    yield _function(
        "supervised() RETURNS SETOF uuid",
        "SELECT a.id FROM public.account AS a WHERE a.supervisor_id = clinic_guard.account()",
    )
    # Past the policies of `grant`, which ask those of `case`, which ask here.
    yield _function(
        "granted() RETURNS SETOF uuid",
        'SELECT g.case_id FROM public."grant" AS g WHERE g.account_id = clinic_guard.account()'
        " AND g.ends_on >= nullif(current_setting('clinic.today', true), '')::date",
    )
    if "press_worker" in tables:
        yield _function(
            "worker() RETURNS uuid",
            "SELECT w.id FROM public.press_worker AS w WHERE w.role = session_user AND w.role <> '' AND NOT w.revoked",
        )
    yield _rewrite()
    yield f"REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {GUARD} FROM PUBLIC"


def _function(head: str, body: str) -> str:
    safe = "STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp"
    return f"CREATE OR REPLACE FUNCTION {GUARD}.{head} LANGUAGE sql {safe} AS $${body}$$"


def _rewrite() -> str:
    """What VACUUM FULL does for the owner: after an erasure the old bytes leave the file, also for the pages' role."""
    body = (
        f" BEGIN IF name NOT IN ({_listed(REWRITTEN)}) THEN"
        " RAISE EXCEPTION 'not a table that is written anew'; END IF;"
        " EXECUTE 'CLUSTER public.' || quote_ident(name) || ' USING ' || quote_ident('pk_' || name); END "
    )
    return (
        f"CREATE OR REPLACE FUNCTION {GUARD}.rewrite(name text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER"
        f" SET search_path = pg_catalog, pg_temp AS $${body}$$"
    )


def _trigger() -> Iterator[str]:
    """Policies do not see what a row was: that a case stays with its counsellor, and a supervisor only notes a day."""
    fixed = ", ".join(
        f"{{row}}.{one.name}" for one in Base.metadata.tables["case"].columns if one.name not in scope.NOTED_BY_READER
    )
    body = (
        " BEGIN IF row_security_active(TG_RELID) AND ("
        "(NEW.counsellor_id <> OLD.counsellor_id"
        " AND current_setting('clinic.reason', true) IS DISTINCT FROM 'transfer')"
        " OR (coalesce(current_setting('clinic.reason', true), '') = ''"
        f" AND current_setting('clinic.role', true) IN ({_listed(_of_kind('supervised'))})"
        f" AND ({fixed.format(row='NEW')}) IS DISTINCT FROM ({fixed.format(row='OLD')})))"
        " THEN RAISE EXCEPTION 'not theirs to change'; END IF; RETURN NEW; END "
    )
    yield f"CREATE OR REPLACE FUNCTION {CHANGES}() RETURNS trigger LANGUAGE plpgsql AS $${body}$$"
    yield f'DROP TRIGGER IF EXISTS {CHANGES} ON "case"'
    yield f'CREATE TRIGGER {CHANGES} BEFORE UPDATE ON "case" FOR EACH ROW EXECUTE FUNCTION {CHANGES}()'


def _of_kind(kind: str) -> list[str]:
    return [name for name, held in RIGHTS.items() if held.cases == kind]


# --------------------------------------------------------------------------- privileges
def _privileges(table: str, roles: set[str]) -> Iterator[str]:
    if allowed := _web_may(table):
        yield f'GRANT {allowed} ON "{table}" TO {WEB}'
    if KEYHOLDER in roles and table in KEYHOLDER_TABLES:
        yield f'GRANT SELECT ON "{table}" TO {KEYHOLDER}'
    if WORKER in roles and table in WORKER_TABLES:
        reads, writes = WORKER_TABLES[table][:2]
        yield f'GRANT SELECT ({reads}), UPDATE ({writes}) ON "{table}" TO {WORKER}'


def _web_may(table: str) -> str:
    if table not in _cases():
        return WEB_TABLES.get(table, "SELECT, INSERT, UPDATE, DELETE")
    verbs = [verb.upper() for verb in VERBS if verb != "update" and _allowed(table, verb)]
    columns = _changeable(table) if _allowed(table, "update") else []
    return ", ".join([*verbs, *([f"UPDATE ({', '.join(columns)})"] if columns else [])])


def _changeable(table: str) -> list[str]:
    """A row stays in its case: the columns that say where it belongs cannot be written at all."""
    names = [one.name for one in Base.metadata.tables[table].columns]
    if table == "print":
        return [one for one in names if one in scope.KEYED_IN]
    kept = scope.FIXED - ({"counsellor_id"} if table == "case" else set())  # a transfer: the trigger looks
    return [one for one in names if one not in kept]


def _queue(role: str) -> Iterator[str]:
    yield f"GRANT USAGE ON SCHEMA {QUEUE_SCHEMA} TO {role}"
    yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {QUEUE_SCHEMA} TO {role}"
    yield f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {QUEUE_SCHEMA} TO {role}"
    yield f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {QUEUE_SCHEMA} TO {role}"


# --------------------------------------------------------------------------- looking
_ACTIVE: Final = select(func.row_security_active(func.to_regclass('"case"', type_=OID)))


def active(connection: Connection) -> bool:
    """Whether row-level security narrows what this connection sees."""
    return connection.dialect.name == "postgresql" and bool(connection.execute(_ACTIVE).scalar())


def lacking(connection: Connection) -> list[str]:
    """What keeps row-level security from standing behind the pages, a line each; for a connection of theirs."""

    def run(statement: str) -> Any:
        return connection.exec_driver_sql(statement).fetchall()

    there = _roles(run)
    if missing := [one for one in ROLES if one not in there]:
        return [f"the roles {', '.join(missing)} are not there. Make them: clinic postgres-roles"]
    user, high, owns = run(
        "SELECT current_user, r.rolsuper OR r.rolbypassrls,"
        " EXISTS (SELECT 1 FROM pg_class WHERE oid = to_regclass('\"case\"') AND pg_has_role(relowner, 'USAGE'))"
        " FROM pg_roles AS r WHERE r.rolname = current_user"
    )[0]
    if high or owns:
        return [f"database_url is the role {user}, which no policy holds. Let it be {WEB}"]
    made = run(f"SELECT obj_description(to_regnamespace('{GUARD}'), 'pg_namespace')")[0][0]
    policies = {tuple(row) for row in run("SELECT tablename, policyname FROM pg_policies WHERE schemaname = 'public'")}
    wanted = {(table, f"web_{verb}") for table in _cases() for verb, _ in _web_policies(table)}
    off = run("SELECT relname FROM pg_class WHERE NOT relrowsecurity AND relkind = 'r'"  # nosec B608
              f" AND relnamespace = 'public'::regnamespace AND relname IN ({_listed(_cases())})")  # fmt: skip
    if made != fingerprint() or not wanted <= policies or off:
        return ["its policies are not those of this version. Run: clinic upgrade"]
    return []


# --------------------------------------------------------------------------- what a database's administrator runs
def roles_sql(database: str, workers: Iterable[str] = ()) -> str:
    """For psql, as PostgreSQL's administrator: the roles and the database. No password is in it; may run again.

    `workers`: roles of print machines, names of `a-z0-9_`.
    """
    logins = {OWNER: "", WEB: "", KEYHOLDER: "", **{one: f" IN ROLE {WORKER}" for one in workers}}
    lines = ["\\set ON_ERROR_STOP on", *_new_role(WORKER, "NOLOGIN")]
    for name, more in logins.items():
        lines += _new_role(name, f"LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS{more}")
    lines += [
        f"ALTER ROLE {KEYHOLDER} SET default_transaction_read_only = on;",
        f"ALTER ROLE {WEB} SET lock_timeout = '10s';",  # a machine's role may hold a lock; nobody waits for it for ever
        f"SELECT 'CREATE DATABASE {database} OWNER {OWNER} TEMPLATE template0 ENCODING ''UTF8'''"  # nosec B608
        f" WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{database}') \\gexec",
        f"ALTER DATABASE {database} OWNER TO {OWNER};",
        f"REVOKE ALL ON DATABASE {database} FROM PUBLIC;",
        f"GRANT CONNECT ON DATABASE {database} TO {', '.join(ROLES[1:])};",
        f"\\connect {database}",
        f"ALTER SCHEMA public OWNER TO {OWNER};",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC;",
        "-- Then, for each role that signs in by password:",
        *(f"--   \\password {name}" for name in logins),
    ]
    return "\n".join(lines) + "\n"


def _new_role(name: str, words: str) -> list[str]:
    found = f"SELECT FROM pg_roles WHERE rolname = '{name}'"  # nosec B608
    return [f"DO $$ BEGIN IF NOT EXISTS ({found}) THEN CREATE ROLE {name} {words}; END IF; END $$;"]
