"""Restore: a backup becomes the instance again, whole or not at all, and what was erased since stays erased.

Everything is made in a folder beside the instance (on PostgreSQL in a schema beside `public`), brought up to date,
checked, and then put in the place of the old one by renaming. Killed before that, the old state stands and the next
try begins anew; killed while renaming, the next command goes on. The old state is kept beside for a second thought.
"""

import json
import os
import re
import secrets
import shutil
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import UUID

import click
from sqlalchemy import URL, delete, make_url, select
from sqlalchemy.orm import Session

from clinic.config import CONFIG_FILE, DATABASE_FILE, Settings
from clinic.domain.errors import ClinicError, Usage, VaultLocked
from clinic.persistence import audit, files, press_queue, row_security, schema, slots, texts, vault, worker_rights
from clinic.persistence import store as stores
from clinic.persistence.engine import database_file, make_engine, touch
from clinic.persistence.keyholder import lacking_system_rows
from clinic.persistence.models import Account, Grant, Request, SignedIn, SystemKey, Throttle
from clinic.persistence.store import Store
from clinic.services import backup, capsule, erase, erasures, keys, notices
from clinic.services.definitions import definitions
from clinic.services.unit_of_work import unit_of_work

READY: Final = "restored.json"  # in the new folder: it is whole, and the old one may go
_RESTORING, _BEFORE = "restoring", "before-restore"
_NEW_SCHEMA, _OLD_SCHEMA = "clinic_restoring", "clinic_before_restore"
_PATIENCE: Final = 5.0  # s
_LEFT_OUT: Final = ("\\", "--", "CREATE SCHEMA public", "COMMENT ON SCHEMA public")
_COPY: Final = re.compile(r"COPY .* FROM stdin;\s*\Z")
_WIPED: Final = (SignedIn, Throttle, Grant)  # what was in force on the day of the backup is not any more


class NotRestored(ClinicError):
    """Why nothing was restored: one plain line, and nothing has changed."""


@dataclass(frozen=True)
class Restored:
    """What came of it. `erased`: how many erasures of later days were carried out anew. `before`: the old state."""

    made_on: str
    erased: int
    before: Path | None


@dataclass(frozen=True)
class About:
    """What a backup says of itself."""

    instance: UUID
    database: str
    made_on: str
    anchor: dict[str, Any]
    keys: bytes
    erased: bytes
    forms: dict[str, bytes]


class Slot(Protocol):
    """Gives a restored instance what opens it from now on: a new passphrase, or a key file."""

    def __call__(self, folder: Path, recovery: slots.Opener, /) -> None: ...


def with_passphrase(passphrase: str) -> Slot:
    """A new passphrase, in the place of whatever opened it before."""
    return lambda folder, recovery: _change(folder, recovery, slots.by_passphrase(passphrase))


def with_key_file(key_file: Path) -> Slot:
    """The key file that is there, or a new one."""

    def change(folder: Path, recovery: slots.Opener) -> None:
        if not key_file.exists():
            slots.new_key_file(key_file)
        _change(folder, recovery, slots.by_key_file(key_file))

    return change


def restore(settings: Settings, file: Path, recovery: slots.Opener, slot: Slot) -> Restored:
    """Put a backup in the place of an instance. Raises ClinicError with one plain line; then nothing has changed."""
    _refuse_role(settings)
    finish(settings)
    if _demo(settings):
        raise NotRestored("A demo takes no backup.")
    about = read(file, slots.backup_identity(recovery.secret))
    with _alone(settings):
        _refuse(settings, about)
        new = _beside(settings, _RESTORING)
        _drop(new)
        try:
            erased = _made(settings, file, about, recovery, slot, new)
        except BaseException as error:
            _drop(new)
            if isinstance(error, VaultLocked | Usage):
                raise NotRestored(str(error)) from None
            raise
        before = _swap(settings, new)
    return Restored(about.made_on, erased, before)


def read(file: Path, identity: str) -> About:
    """What a backup says of itself, after every byte of it was checked. Raises NotRestored, Broken."""
    small: dict[str, bytes] = {}
    try:
        with capsule.opened(file, identity) as members:
            for name, content in members:
                if name == "database":
                    for _ in content:
                        pass
                else:
                    small[name] = capsule.whole(content)
        said = json.loads(small["about.json"])
        if said["format"] != backup.FORMAT:
            raise NotRestored("The backup was made by another version of this program.")
        if json.loads(small[vault.KEYS_FILE])["instance"] != said["instance"]:
            raise capsule.Broken  # a label on another clinic's keys
        forms = {name.removeprefix("forms/"): text for name, text in small.items() if name.startswith("forms/")}
        return About(
            UUID(said["instance"]),
            said["database"],
            said["made_on"],
            said["anchor"],
            small[vault.KEYS_FILE],
            small[erasures.FILE],
            forms,
        )
    except OSError as error:
        raise NotRestored(f"{file}: {error.strerror}") from None
    except (KeyError, ValueError, TypeError):
        raise capsule.Broken from None


def finish(settings: Settings) -> None:
    """End a restore that was killed while it put the new folder in place; otherwise nothing. For every command."""
    new = _beside(settings, _RESTORING)
    if not ((new / READY).exists() and _ours(new)):
        return
    with suppress(NotRestored):  # something has the old one open: then it stands, for now
        with _alone(settings):
            if _committed(settings, new):
                _swap(settings, new)


# --------------------------------------------------------------------------- making it
def _made(settings: Settings, file: Path, about: About, recovery: slots.Opener, slot: Slot, new: Path) -> int:
    """The new folder, whole and checked. How many erasures were carried out anew."""
    from clinic.services import verify

    new.mkdir(mode=0o700, parents=True)
    files.write_new(new / vault.KEYS_FILE, about.keys.decode())
    mine = _settings(settings, new)
    _unpack(settings, file, recovery, new)
    _put_beside(settings, about, new)
    found = replace(vault.unlock(new, recovery), hold=None)
    slot(new, recovery)
    _up_to_date(mine, found)
    store = Store.open(mine, opener=recovery)
    try:
        if store.demo:
            raise NotRestored("This is a backup of a demo.")
        merged = erasures.merge([*erasures.places(settings), file.absolute().parent / erasures.FILE], about.erased)
        erased = erase.apply(store, found, erasures.read(store.keyholder, merged))
        _keep_list(new / erasures.FILE, merged)
        _begin_anew(store)
        if problems := verify.verify(store, about.anchor):
            raise NotRestored(f"The backup is not sound: {problems[0]}")
        erase.scrub(store)
    finally:
        store.close()
    _on_disk(new)
    nonce = secrets.token_hex(8)
    files.write_new(new / READY, json.dumps({"nonce": nonce, "made_on": about.made_on}))
    if database_file(settings.database_url) is None:
        _switch_schema(make_url(settings.upkeep_database_url), nonce)
    return erased


def _unpack(settings: Settings, file: Path, recovery: slots.Opener, new: Path) -> None:
    with capsule.opened(file, slots.backup_identity(recovery.secret)) as members:
        for name, content in members:
            if name != "database":
                continue
            if database_file(settings.database_url) is not None:
                _write(new / DATABASE_FILE, content)
            else:
                _load(make_url(settings.upkeep_database_url), content)


def _write(path: Path, content: Iterator[bytes]) -> None:
    touch(path)
    with path.open("r+b") as out:
        for data in content:
            out.write(data)


def _put_beside(settings: Settings, about: About, new: Path) -> None:
    """Settings and own forms: those of now where there are any, else the backup's forms."""
    if (settings.instance / CONFIG_FILE).exists():
        shutil.copy2(settings.instance / CONFIG_FILE, new / CONFIG_FILE)
    forms = {one.name: one.read_bytes() for one in settings.own_forms.glob("own_*.toml")} or about.forms
    for name, text in forms.items():
        if re.fullmatch(r"own_[a-z0-9_]{1,60}\.toml", name):
            (new / "forms").mkdir(mode=0o700, exist_ok=True)
            (new / "forms" / name).write_bytes(text)


def _up_to_date(mine: Settings, found: vault.Vault) -> None:
    """Tables, keys and texts of this version: the backup may be older."""
    engine = stores.engine_of(mine, stores.with_fitting_key(mine, found))
    try:
        if not schema.current(engine):
            schema.upgrade(engine)
        with Session(engine.execution_options(write=True)) as session:
            session.add_all(lacking_system_rows(found, session.scalars(select(SystemKey.name))))
            texts.write(session, definitions().values())
            session.commit()
    finally:
        engine.dispose()


def _begin_anew(store: Store) -> None:
    """Nobody is signed in, no case is opened by break-glass, no request waits; the people concerned read of it."""
    with unit_of_work(store, write=True, unscoped="restore") as session:
        for table in _WIPED:
            session.execute(delete(table))
        press_queue.drop_all(session.connection())  # packs of then: nobody waits for them
        for row in session.scalars(select(Request).where(Request.done.is_(False))):
            row.done = True
        audit.note(session, "restore.done")
        people = session.scalars(select(Account.id).where(Account.active)).all()
        notices.put_all(store, session, people, "restored")


def _change(folder: Path, recovery: slots.Opener, new: slots.Opener) -> None:
    vault.change_slot(folder, recovery, new)


def _keep_list(path: Path, text: bytes) -> None:
    if text:
        files.write_new(path, text.decode())


def _settings(settings: Settings, new: Path) -> Settings:
    if database_file(settings.database_url) is not None:
        return replace(settings, instance=new, database_url=f"sqlite:///{new / DATABASE_FILE}")
    url = make_url(settings.upkeep_database_url).update_query_dict({"options": f"-csearch_path={_NEW_SCHEMA}"})
    there = url.render_as_string(hide_password=False)
    return replace(settings, instance=new, database_url=there, owner_database_url="", keyholder_database_url="")


# --------------------------------------------------------------------------- what stands in the way
def _refuse(settings: Settings, about: About) -> None:
    kind = "postgresql" if database_file(settings.database_url) is None else "sqlite"
    if about.database != kind:
        raise NotRestored(f"The backup is of a database of the kind {about.database}, this instance of {kind}.")
    if kind == "sqlite" and database_file(settings.database_url) != settings.instance / DATABASE_FILE:
        raise NotRestored("The database lies outside the instance (database_url). Restore needs it inside.")
    if (settings.instance / vault.KEYS_FILE).exists():
        if vault.read(settings.instance).instance != about.instance:
            raise NotRestored(f"The backup is of another instance than {settings.instance}. Choose an empty folder.")
    elif settings.instance.exists() and any(one.name != CONFIG_FILE for one in settings.instance.iterdir()):
        raise NotRestored(f"{settings.instance} holds something that is no instance. Choose an empty folder.")
    if kind == "postgresql":
        _refuse_others(make_url(settings.upkeep_database_url))


def _demo(settings: Settings) -> bool:
    """Whether there is a demo here: that always opens by its key file."""
    if not (settings.instance / vault.KEYS_FILE).exists() or not settings.key_file.exists():
        return False
    try:
        store = Store.open(settings, opener=slots.by_key_file(settings.key_file))
    except (VaultLocked, Usage):
        return False
    with closing(store):
        return store.demo


def _alone(settings: Settings) -> Any:
    """Nobody else has the instance open; NotRestored if somebody has."""
    if not settings.instance.is_dir():
        return nullcontext()
    try:
        return files.Hold(settings.instance, alone=True)
    except Usage as error:
        raise NotRestored(str(error)) from None


# --------------------------------------------------------------------------- putting it in place
def _swap(settings: Settings, new: Path) -> Path | None:
    """Rename: the old folder beside, the new one in its place. Each step can be the last before a kill."""
    before: Path | None = _beside(settings, _BEFORE)
    if settings.instance.exists():
        _drop(before)  # type: ignore[arg-type]
        settings.instance.replace(before)  # type: ignore[arg-type]
        files.sync_folder(new.parent)
    elif before is not None and not before.exists():
        before = None
    new.replace(settings.instance)
    files.sync_folder(new.parent)
    (settings.instance / READY).unlink(missing_ok=True)
    return before


def _beside(settings: Settings, what: str) -> Path:
    return settings.instance.with_name(f"{settings.instance.name}.{what}")


def _ours(folder: Path) -> bool:
    """Whether this user made a folder, and nobody else could write to it: it is about to become the instance."""
    about = folder.lstat()
    return stat.S_ISDIR(about.st_mode) and about.st_uid == os.geteuid() and not stat.S_IMODE(about.st_mode) & 0o077


def _drop(folder: Path) -> None:
    """A folder goes, its mark first: half of it is never taken for whole."""
    if folder.exists():
        (folder / READY).unlink(missing_ok=True)
        shutil.rmtree(folder)


def _on_disk(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())
        else:
            files.sync_folder(path)
    files.sync_folder(folder)


def _committed(settings: Settings, new: Path) -> bool:
    """Whether the database is the new one already. SQLite's lies in the folder."""
    if not settings.instance.exists() or database_file(settings.database_url) is not None:
        return True
    nonce = json.loads((new / READY).read_text(encoding="utf-8"))["nonce"]
    with closing(_connect(make_url(settings.upkeep_database_url))) as connection:
        found = connection.execute("SELECT obj_description('public'::regnamespace)").fetchone()
    return bool(found and found[0] == f"restored {nonce}")


# --------------------------------------------------------------------------- PostgreSQL
def _connect(url: URL) -> Any:
    import psycopg

    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True)


# Schemas are renamed and made: by their owner. Of a database of the four roles' nobody else's, though he could:
# what he restores would be his, and out of reach for the next upgrade.
_MAY: Final = f"""
SELECT has_database_privilege(d.oid, 'CREATE') AND pg_has_role(n.nspowner, 'USAGE')
    AND (pg_get_userbyid(d.datdba) <> '{row_security.OWNER}' OR current_user = '{row_security.OWNER}')
FROM pg_database AS d, pg_namespace AS n WHERE d.datname = current_database() AND n.nspname = 'public'
"""  # noqa: S608 - our own constant  # nosec B608


_OTHERS: Final = """
SELECT DISTINCT usename FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename IS NOT NULL ORDER BY usename
"""  # PostgreSQL's own processes, which tidy up, have no name


def _refuse_role(settings: Settings) -> None:
    """Raises Usage before anything is asked or made when the database is PostgreSQL's, and the role not its owner."""
    if database_file(settings.database_url) is not None:
        return
    with closing(_connect(make_url(settings.upkeep_database_url))) as connection:
        if connection.execute(_MAY).fetchone() != (True,):
            raise Usage(stores.OWNER_NEEDED)


def _refuse_others(url: URL) -> None:
    """NotRestored when somebody else is connected; the server takes a moment to notice that one was killed."""
    end = time.monotonic() + _PATIENCE
    with closing(_connect(url)) as connection:
        while found := connection.execute(_OTHERS).fetchall():
            if time.monotonic() > end:
                who = ", ".join(str(row[0]) for row in found)
                raise NotRestored(
                    f"Something has the database open: {who}. Stop the server and print machines, then try again."
                )
            time.sleep(0.2)


def _load(url: URL, content: Iterator[bytes]) -> None:
    """A dump into a schema of its own, in one transaction: `public` steps aside and comes back within it."""
    with closing(_connect(url)) as connection, connection.transaction():
        connection.execute(f"DROP SCHEMA IF EXISTS {_NEW_SCHEMA} CASCADE")
        connection.execute(f"ALTER SCHEMA public RENAME TO {_NEW_SCHEMA}_aside")
        connection.execute("CREATE SCHEMA public")
        _run(connection, _script(content))
        connection.execute(f"ALTER SCHEMA public RENAME TO {_NEW_SCHEMA}")
        connection.execute(f"ALTER SCHEMA {_NEW_SCHEMA}_aside RENAME TO public")


def _switch_schema(url: URL, nonce: str) -> None:
    """From here on the new tables are the tables. One transaction; the mark says that it happened."""
    engine = make_engine(url.render_as_string(hide_password=False))
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"DROP SCHEMA IF EXISTS {_OLD_SCHEMA} CASCADE")
            connection.exec_driver_sql(f"ALTER SCHEMA public RENAME TO {_OLD_SCHEMA}")
            connection.exec_driver_sql(f"ALTER SCHEMA {_NEW_SCHEMA} RENAME TO public")
            connection.exec_driver_sql(f"COMMENT ON SCHEMA public IS 'restored {nonce}'")  # ours: hexadecimal digits
            worker_rights.create(connection)  # as after migrations; the backup may be from before the roles
            row_security.create(connection)
    finally:
        engine.dispose()


def _script(content: Iterator[bytes]) -> Iterator[str]:
    """The dump as SQL, line by line: pg_restore turns it around between two pipes."""
    process = subprocess.Popen(  # noqa: S603
        [backup.program("pg_restore"), "--no-owner", "--no-privileges", "--file=-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    failed: list[BaseException] = []
    out: Any = process.stdout
    feeding = threading.Thread(target=_feed, args=(process, content, failed), daemon=True)
    feeding.start()
    try:
        for line in out:
            yield line.decode("utf-8")
        feeding.join()
        if failed:
            raise failed[0]
        if process.wait() != 0:
            raise NotRestored("pg_restore cannot read the database in this backup.")
    finally:
        process.kill()
        process.wait()
        feeding.join()
        out.close()


def _feed(process: Any, content: Iterator[bytes], failed: list[BaseException]) -> None:
    try:
        with process.stdin as pipe:
            for data in content:
                pipe.write(data)
    except BrokenPipeError:
        pass  # pg_restore's own exit code says why
    except BaseException as error:
        failed.append(error)


def _run(connection: Any, lines: Iterator[str]) -> None:
    """Run a script of pg_dump's: statements as they come, COPY with its rows. psql's own commands are left out.

    So are policies: they name roles that may not be here, and are made anew at the end.
    """
    statement: list[str] = []
    policy = False
    for line in lines:
        if policy or line.startswith("CREATE POLICY "):
            policy = not line.endswith(";\n")
            continue
        if _COPY.match(line):
            _execute(connection, statement)
            with connection.cursor().copy(line) as copy:
                for row in lines:
                    if row == "\\.\n":
                        break
                    copy.write(row)
        elif not line.startswith(_LEFT_OUT) and not line.endswith(" ENABLE ROW LEVEL SECURITY;\n"):
            statement.append(line)
    _execute(connection, statement)


def _execute(connection: Any, statement: list[str]) -> None:
    if text := "".join(statement).strip():
        connection.execute(text)
    statement.clear()


# --------------------------------------------------------------------------- from the command line
def from_command_line(settings: Settings, file: Path, unattended: bool, say: Callable[[str], None]) -> None:
    """`clinic restore FILE`: recovery key and a new passphrase are typed at the terminal."""
    if not keys.at_terminal():
        raise NotRestored("A restore asks for the recovery key at a terminal.")
    _refuse_role(settings)
    recovery = keys.opener(settings, recovery=True)
    read(file, slots.backup_identity(recovery.secret))
    say("The backup is whole. What is in the instance now is put beside it, and everybody is signed out.")
    click.confirm("Go on", abort=True)
    slot = with_key_file(settings.key_file) if unattended else with_passphrase(keys.new_passphrase())
    done = restore(settings, file, recovery, slot)
    say(f"Restored as it was on {done.made_on}: {settings.instance}")
    if done.erased:
        say(f"{done.erased} erasures of later days were carried out anew.")
    if done.before is not None:
        say(f"The state before is in {done.before}. Delete it once you are sure.")
