"""A PostgreSQL server for tests that need one: its own folder, a UNIX socket, gone afterwards."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

_NUMBER = count()


def programs() -> Path:
    """Where initdb and postgres are: the path, or Debian's folder of the newest version."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if on_path := shutil.which("initdb"):
        found.append(Path(on_path).resolve().parent)
    if not found:
        pytest.fail("PostgreSQL is not installed: apt-get install postgresql")
    return sorted(found)[-1]


@contextmanager
def server() -> Iterator[str]:
    """Start a server; its socket folder. PostgreSQL refuses to run as root, so it runs as somebody else then."""
    user = "nobody" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    if user:
        who = pwd.getpwnam(user)
        os.chown(folder, who.pw_uid, who.pw_gid)
    data, run = folder / "data", {"user": user, "cwd": folder, "stdout": subprocess.DEVNULL}
    try:
        subprocess.run(
            [programs() / "initdb", "-D", data, "-A", "trust", "-U", "clinic", "-N", "-E", "UTF8"], check=True, **run
        )
        process = subprocess.Popen(
            [programs() / "postgres", "-D", data, "-k", folder, "-h", "", "-c", "fsync=off"],
            stderr=subprocess.DEVNULL,
            **run,
        )
        try:
            _wait(folder)
            yield str(folder)
        finally:
            process.send_signal(signal.SIGINT)  # do not wait for clients
            process.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(folder: Path) -> None:
    for _ in range(100):
        try:
            psycopg.connect(host=str(folder), user="clinic", dbname="postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("PostgreSQL did not start")


def drop(url: str) -> None:
    """Away with a database at the end of a test: hundreds of them took the server minutes to clear up."""
    where = make_url(url)
    if where.get_backend_name() != "postgresql":
        return
    with psycopg.connect(
        host=str(where.query["host"]), user="clinic", dbname="postgres", autocommit=True
    ) as connection:
        connection.execute(f"DROP DATABASE {where.database} WITH (FORCE)")


def new_database(folder: str, like: str = "template0") -> str:
    """The URL of a fresh database on a server, empty or a copy of another."""
    name = f"clinic{next(_NUMBER)}"
    with psycopg.connect(host=folder, user="clinic", dbname="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {like}")
    return f"postgresql+psycopg://clinic@/{name}?host={folder}"
