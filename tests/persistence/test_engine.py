"""SQLite's file is encrypted, opens with its key alone, and takes many writers."""

import gc
import pickle
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool

from clinic.domain.errors import VaultLocked
from clinic.persistence import engine as engines
from clinic.persistence.engine import Cipher, fitting, make_engine
from tests.persistence.making import DB_KEY

OTHER_KEY = bytes(reversed(range(32)))


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database with one table."""
    made = make_engine(f"sqlite:///{tmp_path / 'clinic.db'}", DB_KEY)
    with made.execution_options(write=True).begin() as connection:
        connection.exec_driver_sql("CREATE TABLE note (id INTEGER PRIMARY KEY, text VARCHAR)")
        connection.exec_driver_sql("INSERT INTO note (text) VALUES ('CANARY')")
    made.dispose()
    return f"sqlite:///{tmp_path / 'clinic.db'}"


def refused(url: str, key: bytes) -> str:
    made = make_engine(url, key)
    with pytest.raises(VaultLocked) as error:
        made.connect()
    made.dispose()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_without_a_key_there_is_no_engine(url: str) -> None:
    with pytest.raises(VaultLocked):
        make_engine(url)
    with pytest.raises(VaultLocked):
        make_engine("sqlite://", DB_KEY)


def test_a_wrong_key_is_one_plain_line(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    said = refused(url, OTHER_KEY)
    assert "another instance" in said
    for key in (DB_KEY, OTHER_KEY):
        assert key.hex() not in said
    assert capfd.readouterr() == ("", "")


def test_a_plain_file_is_refused_and_stays_as_it_was(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "plain.db")) as plain:
        plain.execute("CREATE TABLE a (b)")
        plain.commit()
    before = (tmp_path / "plain.db").read_bytes()
    assert "not encrypted" in refused(f"sqlite:///{tmp_path / 'plain.db'}", DB_KEY)
    assert (tmp_path / "plain.db").read_bytes() == before


def test_a_damaged_file_is_refused(url: str, tmp_path: Path) -> None:
    path = tmp_path / "clinic.db"
    data = bytearray(path.read_bytes())
    data[100] ^= 1  # one bit of the first page
    path.write_bytes(data)
    assert "damaged" in refused(url, DB_KEY)


def test_the_plain_driver_reads_nothing(url: str, tmp_path: Path) -> None:
    data = (tmp_path / "clinic.db").read_bytes()
    assert b"CANARY" not in data
    assert not data.startswith(engines.PLAINTEXT)
    with closing(sqlite3.connect(tmp_path / "clinic.db")) as plain, pytest.raises(sqlite3.DatabaseError):
        plain.execute("SELECT * FROM note").fetchall()


def test_no_key_is_shown(url: str, tmp_path: Path) -> None:
    made = make_engine(url, DB_KEY)
    cipher = Cipher(tmp_path / "clinic.db", DB_KEY)
    shown = repr(made) + repr(made.url) + repr(made.pool) + repr(cipher) + str(cipher)
    assert DB_KEY.hex() not in shown
    assert repr(DB_KEY) not in shown
    with pytest.raises(TypeError):
        pickle.dumps(cipher)
    made.dispose()


def test_every_connection_has_its_pragmas(url: str) -> None:
    writer, reader = make_engine(url, DB_KEY), make_engine(url, DB_KEY, read_only=True)
    assert isinstance(writer.pool, QueuePool)
    asked = ("journal_mode", "foreign_keys", "secure_delete", "temp_store", "synchronous", "query_only")
    found = {}
    for made in (writer, reader):
        with made.connect() as connection:
            found[made] = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in asked]
    assert found[writer] == ["wal", 1, 1, 2, 2, 0]
    assert found[reader][3:] == [2, 2, 1]
    with reader.connect() as connection, pytest.raises(Exception, match="readonly"):
        connection.exec_driver_sql("DELETE FROM note")
    writer.dispose()
    reader.dispose()


def test_eight_writers_lose_nothing(url: str) -> None:
    made = make_engine(url, DB_KEY)

    def write() -> None:
        for _ in range(25):
            with made.execution_options(write=True).begin() as connection:
                value = connection.exec_driver_sql("SELECT id FROM note ORDER BY id DESC LIMIT 1").scalar_one()
                connection.exec_driver_sql("INSERT INTO note (id) VALUES (?)", (value + 1,))

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with made.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM note").scalar() == 201
    made.dispose()


def test_a_writer_leaves_the_line_however_it_ends(url: str) -> None:
    """It failed, its connection was thrown away, or it was never closed: the next one writes."""
    engine = make_engine(url, DB_KEY)
    write = engine.execution_options(write=True)
    insert = "INSERT INTO note (text) VALUES ('x')"
    with pytest.raises(OperationalError), write.begin() as connection:
        connection.exec_driver_sql("INSERT INTO nothing VALUES (1)")
    with write.connect() as connection:
        connection.begin()
        connection.exec_driver_sql(insert)
        connection.invalidate()
    left = write.connect()
    left.begin()
    del left
    gc.collect()
    started = time.monotonic()
    with write.begin() as connection:
        connection.exec_driver_sql(insert)
        assert connection.exec_driver_sql("SELECT count(*) FROM note").scalar() == 2
    assert time.monotonic() - started < engines.BUSY / 2, "it waited for somebody who is gone"
    engine.dispose()


def test_who_waits_too_long_for_a_writer_is_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "BUSY", 0.1)
    engine = make_engine(url, DB_KEY)
    write = engine.execution_options(write=True)
    with write.begin() as first:
        first.exec_driver_sql("DELETE FROM note")
        with pytest.raises(OperationalError, match="locked"), write.begin():
            pass
        with engine.begin() as reader:
            assert reader.exec_driver_sql("SELECT count(*) FROM note").scalar() == 1
    with write.begin() as second:
        assert second.exec_driver_sql("SELECT count(*) FROM note").scalar() == 0
    engine.dispose()


def test_the_key_may_come_later(url: str) -> None:
    """A locked keyholder is asked anew at each connection."""
    keys: list[bytes] = []

    def ask() -> bytes:
        if not keys:
            raise VaultLocked("nobody has typed it")
        return keys[0]

    made = make_engine(url, ask)
    with pytest.raises(VaultLocked, match="nobody"):
        made.connect()
    keys.append(DB_KEY)
    with made.connect() as connection:
        assert connection.exec_driver_sql("SELECT text FROM note").scalar() == "CANARY"
    made.dispose()


def test_the_fitting_one_of_two_keys(url: str, tmp_path: Path) -> None:
    assert fitting(tmp_path / "clinic.db", (DB_KEY, OTHER_KEY)) == DB_KEY
    assert fitting(tmp_path / "clinic.db", (OTHER_KEY, DB_KEY)) == DB_KEY
