"""Changing the root key, and the key of the database's file. Both go on where they were after a kill at any point.

Nothing else may have the instance open meanwhile. Neither helps against a copy that somebody has already: it opens
with the old keys.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import sqlcipher3.dbapi2
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from clinic.config import Settings
from clinic.domain.audience import CASE_SCOPES
from clinic.domain.errors import Usage, VaultLocked
from clinic.persistence import files, press_queue, sealing, slots, store, vault
from clinic.persistence.engine import Cipher, database_file, fitting, key_literal, touch
from clinic.persistence.files import Hold
from clinic.persistence.models import Account, AccountKey, KeyRing, SystemKey
from clinic.persistence.slots import Opener
from clinic.persistence.vault import Vault, Wrapped

BATCH: Final = 200  # rows in one transaction
ERASED: Final = 0  # the kid of a key that is gone
OWN: Final = "own"  # the scope of an account's key

# A row with a wrapped key -> its owner and the scopes it may be of.
Named = Callable[[Session, Any], tuple[UUID, Sequence[str]]]


# ---------------------------------------------------------------------- the root key
def pending(settings: Settings) -> bool:
    """Whether a change of the root key was begun and is not at its end."""
    return bool(vault.read(settings.instance).earlier)


def root(settings: Settings, opener: Opener, recovery: str | None = None, fresh_key_file: bool = True) -> int:
    """A new root key; how many keys it has wrapped anew. One that was begun is ended, and none begun.

    The slot of `opener` is made again for the new root key: the same passphrase, or a new key file in the place of
    the old one unless `fresh_key_file` is False (a systemd credential is not ours to change). `recovery` is the new
    recovery key: the old one opens nothing any more, nor do new backups open with it. Raises VaultLocked, Usage,
    Invalid.
    """
    with Hold(settings.instance, alone=True):
        if not pending(settings):
            _new_root(settings, opener, recovery, fresh_key_file)
            opener = _renewed(settings, opener)
        return _wrap_anew(settings, opener)


def resume_root(settings: Settings, opener: Opener) -> int:
    """End a change of the root key that was begun; how many keys were wrapped anew."""
    with Hold(settings.instance, alone=True):
        return _wrap_anew(settings, opener)


def _new_root(settings: Settings, opener: Opener, recovery: str | None, fresh_key_file: bool) -> None:
    """From here on the new root key opens all, and the old one only through it. One replaced file does it."""
    store.refuse_places(settings)
    kept = vault.read(settings.instance)
    roots = vault.roots(kept, opener)
    if "recovery" in kept.kinds and recovery is None:
        raise Usage("The recovery key opens the old root key. A new one is needed.")
    openers = [opener]
    if opener.kind == "key_file" and fresh_key_file:
        waiting = vault.waiting(settings.key_file)
        waiting.unlink(missing_ok=True)  # of a change that never came so far
        slots.new_key_file(waiting)
        openers = [slots.by_key_file(waiting)]
    if recovery is not None:
        openers.append(slots.by_recovery_key(recovery))
    if left := kept.kinds - {one.kind for one in openers}:
        raise Usage(f"The slot for the {sorted(left)[0].replace('_', ' ')} would be lost. Open with it.")
    old, new = max(roots), max(roots) + 1
    key = os.urandom(sealing.KEY_BYTES)
    both = vault.opened(kept, roots | {new: key})
    replace(
        kept,
        slots=[slots.make(one, key, kept.instance, new) for one in openers],
        earlier=[vault.earlier(roots[old], old, key, new, kept.instance)],
        db=[both.rewrap(one, "db", kept.instance) for one in kept.db],
        backup_recipient=slots.backup_recipient(openers[-1].secret) if recovery is not None else kept.backup_recipient,
    ).write(settings.instance)
    if openers[0] is not opener:
        vault.take_waiting(settings.key_file)


def _renewed(settings: Settings, opener: Opener) -> Opener:
    if opener.kind == "key_file" and settings.key_file.exists():
        return vault.key_file_opener(settings.instance, settings.key_file)
    return opener


def _wrap_anew(settings: Settings, opener: Opener) -> int:
    """Wrap every key by the newest KEK, then forget the earlier root keys."""
    store.refuse_places(settings)
    kept = vault.read(settings.instance)
    open_vault = vault.opened(kept, vault.roots(kept, opener))
    engine = store.engine_of(settings, store.with_fitting_key(settings, open_vault))
    try:
        store.refuse_narrowed(engine)
        with press_queue.writing(engine).begin() as connection:
            # Keys of sheets that wait for the press are not wrapped anew: they live for a day at most, and are asked
            # for again. Nothing else is running now that could draw them.
            press_queue.drop_all(connection)
        done = 0
        for table, named in _WRAPPED.items():
            done += _table(engine, open_vault, table, named)
        for table in _WRAPPED:
            if _left(engine, open_vault, table):
                raise VaultLocked("some keys are still wrapped by the earlier root key. Nothing was wiped.")
        if engine.dialect.name == "sqlite":
            # What was overwritten must not stay in the log beside the file.
            with closing(engine.raw_connection()) as connection:
                connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        engine.dispose()
    if kept.earlier:
        replace(kept, earlier=[]).write(settings.instance)
    return done


def _table(engine: Engine, open_vault: Vault, table: Any, named: Named) -> int:
    done = 0
    while True:
        info = {"instance": open_vault.instance}
        with Session(engine.execution_options(write=True), info=info) as session:
            rows = session.scalars(_old(open_vault, table).limit(BATCH)).all()
            for row in rows:
                owner, scopes = named(session, row)
                wrapped = _rewrapped(open_vault, Wrapped(row.id, row.kid, row.wrapped), owner, scopes)
                row.kid, row.wrapped = wrapped.kid, wrapped.sealed
            session.commit()
        done += len(rows)
        if not rows:
            return done


def _old(open_vault: Vault, table: Any) -> Any:
    return select(table).where(table.kid != open_vault.kid, table.kid != ERASED).order_by(table.id)


def _left(engine: Engine, open_vault: Vault, table: Any) -> int:
    with Session(engine) as session:
        return int(session.scalar(select(func.count()).select_from(_old(open_vault, table).subquery())) or 0)


def _rewrapped(open_vault: Vault, wrapped: Wrapped, owner: UUID, scopes: Sequence[str]) -> Wrapped:
    # The row does not say its scope; the only one that its associated data fits is it.
    for one in scopes:
        try:
            return open_vault.rewrap(wrapped, one, owner)
        except sealing.Damaged:
            continue
    raise VaultLocked("a wrapped key in the database is damaged. Restore a backup.")


def _system(session: Session, row: SystemKey) -> tuple[UUID, Sequence[str]]:
    return session.info["instance"], (row.name,)


def _account(_: Session, row: AccountKey) -> tuple[UUID, Sequence[str]]:
    return row.account_id, (OWN,)


def _case(session: Session, row: KeyRing) -> tuple[UUID, Sequence[str]]:
    if "authors" not in session.info:
        session.info["authors"] = [f"process/{one}" for one in session.scalars(select(Account.id))]
    return row.case_id, (*CASE_SCOPES, *session.info["authors"])


_WRAPPED: Final[dict[Any, Named]] = {SystemKey: _system, AccountKey: _account, KeyRing: _case}


# ---------------------------------------------------------------------- the key of the database's file
def database(settings: Settings, opener: Opener) -> None:
    """A new key for SQLite's file: everything is written anew under it, then the new file takes the old one's place.

    Meanwhile `keys.json` has both keys, and whichever fits the file opens it. Raises VaultLocked, Usage.
    """
    file = database_file(settings.database_url)
    if file is None:
        raise Usage("The database is PostgreSQL: its files are encrypted by its own machine, or not at all.")
    with Hold(settings.instance, alone=True):
        store.refuse_places(settings)
        kept = vault.read(settings.instance)
        open_vault = vault.opened(kept, vault.roots(kept, opener))
        keys = open_vault.db_keys()
        if len(keys) < 2:
            fresh = open_vault.wrap(os.urandom(sealing.KEY_BYTES), "db", kept.instance)
            kept = replace(kept, db=[*kept.db, fresh])
            kept.write(settings.instance)
            keys = vault.opened(kept, vault.roots(kept, opener)).db_keys()
        if fitting(file, keys) != keys[-1]:
            _replace(file, keys[0], keys[-1])
        replace(kept, db=kept.db[-1:]).write(settings.instance)
        _beside(file).unlink(missing_ok=True)


def _replace(file: Path, old: bytes, new: bytes) -> None:
    beside = _beside(file)
    for end in ("", "-journal", "-wal", "-shm"):
        beside.with_name(beside.name + end).unlink(missing_ok=True)  # of a change that was killed
    touch(beside)
    try:
        _export(file, old, beside, new)
        _compare(file, old, beside, new)
    except sqlcipher3.dbapi2.DatabaseError as error:
        beside.unlink(missing_ok=True)
        raise Usage(f"The database cannot be written anew ({error}). It is as it was.") from None
    with beside.open("rb") as made:
        os.fsync(made.fileno())
    # A log that stayed beside the file would be read into the new one.
    if any(file.with_name(file.name + end).exists() for end in ("-wal", "-journal")):
        raise Usage("Something has the database open. Stop it, then try again.")
    files.put(beside, file)


def _export(file: Path, old: bytes, beside: Path, new: bytes) -> None:
    with closing(Cipher(file, old)()) as connection:
        connection.execute("PRAGMA temp_store=MEMORY")
        # Out of the log: this writes it back and deletes it, and fails while somebody else has the file open.
        if connection.execute("PRAGMA journal_mode=DELETE").fetchone()[0] != "delete":
            raise sqlcipher3.dbapi2.OperationalError("something else has it open")
        connection.execute("ATTACH DATABASE ? AS fresh KEY ?", (str(beside), key_literal(new)[1:-1]))
        # The copy counts only once it is whole and on the disk, which the caller sees to; a half one is thrown away.
        connection.execute("PRAGMA fresh.journal_mode=OFF").fetchone()
        connection.execute("PRAGMA fresh.synchronous=OFF")
        connection.execute("SELECT sqlcipher_export('fresh')").fetchone()
        connection.execute("DETACH DATABASE fresh")


def _compare(file: Path, old: bytes, beside: Path, new: bytes) -> None:
    """Raises DatabaseError unless both have the same tables, triggers and numbers of rows, and the new is whole."""
    with closing(Cipher(file, old)()) as before, closing(Cipher(beside, new)()) as after:
        if _shape(before) != _shape(after):
            raise sqlcipher3.dbapi2.DatabaseError("the copy is not like it")
        if [row[0] for row in after.execute("PRAGMA integrity_check")] != ["ok"]:
            raise sqlcipher3.dbapi2.DatabaseError("the copy is damaged")


def _shape(connection: Any) -> tuple[list[Any], dict[str, int]]:
    rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name").fetchall()
    tables = [row[1] for row in rows if row[0] == "table"]
    count = 'SELECT count(*) FROM "{}"'
    return rows, {name: connection.execute(count.format(name)).fetchone()[0] for name in tables}


def _beside(file: Path) -> Path:
    return file.with_name(file.name + ".new")
