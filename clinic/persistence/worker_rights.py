"""What may become of an item through another machine, on PostgreSQL: it claims what is free, and ends what it holds.

Which items a machine sees, and which columns, stands in `row_security`; but policies do not see what a row was, so a
trigger looks at each step. The server itself, which draws too, is not bound by it. Made after the migrations, with
Procrastinate's tables and before the policies, as often as one likes.
"""

from typing import Final

from sqlalchemy import Connection

from clinic.persistence import press_jobs
from clinic.persistence.press_queue import LEASE, MOST_TRIES

GROUP: Final = "clinic_worker"  # of the login roles of all machines
GUARD: Final = "worker_steps"  # the trigger and its function
HELD: Final = 16  # items that one machine may have in its hands at once
SAYS: Final = "a machine ends only what it claimed"

_SEARCH: Final = "SET search_path = pg_catalog, pg_temp"
# Its own id, by the role that signed in; nobody's for a role of the group that no row names.
_BODY: Final = f"""
DECLARE
    me uuid;
    longest timestamptz := clock_timestamp() + interval '{2 * int(LEASE.total_seconds())} seconds';
BEGIN
    IF NOT EXISTS (SELECT FROM pg_auth_members AS one JOIN pg_roles AS mine ON mine.oid = one.member
                   JOIN pg_roles AS whole ON whole.oid = one.roleid
                   WHERE mine.rolname = session_user AND whole.rolname = '{GROUP}') THEN
        RETURN NEW;
    END IF;
    SELECT id INTO me FROM public.press_worker WHERE role = session_user AND role <> '' AND NOT revoked;
    IF me IS NOT NULL AND NEW.state = 'taken' AND NEW.worker_id = me AND NEW.token IS NOT NULL
        AND NEW.until <= longest AND NEW.result IS NULL
    THEN
        IF (OLD.state = 'waiting' OR (OLD.state = 'taken' AND OLD.until <= clock_timestamp()))
            AND NEW.tries = OLD.tries + 1 AND NEW.tries <= {MOST_TRIES} AND NEW.handed IS NULL
            AND NEW.token IS DISTINCT FROM OLD.token
            AND (SELECT count(*) < {HELD} FROM public.press_item
                 WHERE state = 'taken' AND worker_id = me AND until > clock_timestamp())
        THEN RETURN NEW; END IF;
        IF OLD.state = 'taken' AND OLD.worker_id = me AND NEW.token = OLD.token AND NEW.tries = OLD.tries
            AND NEW.handed IS NOT DISTINCT FROM OLD.handed
        THEN RETURN NEW; END IF;
    END IF;
    IF me IS NOT NULL AND OLD.state = 'taken' AND OLD.worker_id = me AND NEW.worker_id = me
        AND NEW.tries = OLD.tries AND NEW.token IS NULL AND NEW.until IS NULL AND NEW.handed IS NULL
        AND NEW.state IN ('waiting', 'failed', 'done') AND (NEW.state = 'done') = (NEW.result IS NOT NULL)
    THEN RETURN NEW; END IF;
    RAISE EXCEPTION '{SAYS}';
END
"""  # noqa: S608 - our own constants  # nosec B608
_THERE: Final = (
    f"SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = '{GROUP}') AND to_regclass('press_item') IS NOT NULL"  # noqa: S608 - as above  # nosec B608
)
_STEPS: Final = (
    f"CREATE OR REPLACE FUNCTION {GUARD}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER {_SEARCH} AS $${_BODY}$$",
    f"DROP TRIGGER IF EXISTS {GUARD} ON press_item",
    f"CREATE TRIGGER {GUARD} BEFORE UPDATE ON press_item FOR EACH ROW EXECUTE FUNCTION {GUARD}()",
)


def create(connection: Connection) -> None:
    """Make Procrastinate's tables and the trigger; nothing on SQLite, or before the roles are there.

    Only the owner of the tables can.
    """
    if connection.dialect.name == "postgresql" and connection.exec_driver_sql(_THERE).scalar():
        press_jobs.prepare(connection)
        for statement in _STEPS:
            connection.exec_driver_sql(statement)
