"""A database shared by the four roles, as `clinic postgres-roles` makes it."""

import shutil
import subprocess
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from pathlib import Path

from sqlalchemy import Engine, NullPool, create_engine

from clinic.config import Settings
from clinic.persistence import store as stores
from clinic.persistence.row_security import roles_sql
from clinic.persistence.scope import unscoped
from tests.persistence import making
from tests.persistence.databases import programs
from tests.persistence.making import NEW_WISHES, OLD, Clinic, open_store

_NUMBER = count()


@dataclass(frozen=True)
class Shared:
    """The URLs of one database by role; `dba` is the administrator's."""

    folder: str
    name: str

    def url(self, role: str) -> str:
        return f"postgresql+psycopg://{role}@/{self.name}?host={self.folder}"

    def conninfo(self, role: str) -> str:
        return f"host={self.folder} user={role} dbname={self.name}"

    @property
    def web(self) -> str:
        return self.url("clinic_web")

    @property
    def owner(self) -> str:
        return self.url("clinic_owner")

    @property
    def keyholder(self) -> str:
        return self.url("clinic_keyholder")

    @property
    def dba(self) -> str:
        return self.url("clinic")


def shared_database(folder: str, workers: tuple[str, ...] = (), like: str = "") -> Shared:
    """A new database on a server, empty or a copy, and the roles if they are not there yet."""
    made = Shared(folder, f"shared{next(_NUMBER)}")
    copied = f"CREATE DATABASE {made.name} TEMPLATE {like};\n" if like else ""
    psql(folder, copied + roles_sql(made.name, workers))
    return made


def psql(folder: str, script: str) -> str:
    """Run a script as an administrator does."""
    command = [programs() / "psql", "-X", "-q", "-h", folder, "-U", "clinic", "-d", "postgres"]
    done = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclass
class SharedClinic(Clinic):
    """An instance as `Clinic` is, whose store is the pages' role; `raw` sees everything."""

    shared: Shared | None = None

    @property
    def raw(self) -> Engine:
        return unscoped(self.owner, "restore")

    @cached_property
    def owner(self) -> Engine:
        return create_engine(self.shared.owner if self.shared else "", poolclass=NullPool)


def settings(folder: Path, shared: Shared) -> Settings:
    """What the pages are started with: they do not know the owner."""
    return replace(making.settings(folder, shared.web), keyholder_database_url=shared.keyholder)


def make(folder: Path, shared: Shared) -> SharedClinic:
    """A new instance with its people, as `making.make`."""
    clock, shelf, mine = making.Clock(), making.Shelf(), settings(folder, shared)
    stores.create(replace(mine, owner_database_url=shared.owner), [*OLD.values(), NEW_WISHES], factors=False)
    return SharedClinic(*making.peopled(open_store(mine, clock, shelf), clock, shelf), shared=shared)


def again(made: SharedClinic, folder: Path) -> SharedClinic:
    """A copy of a closed instance in another folder and database."""
    assert made.shared is not None
    before = made.store.settings
    shared = shared_database(made.shared.folder, like=made.shared.name)
    mine = settings(folder, shared)
    shutil.copytree(before.instance, folder)
    shutil.copy2(before.key_file, mine.key_file)
    clock, shelf = making.Clock(), making.Shelf()
    return replace(made, clock=clock, shelf=shelf, store=open_store(mine, clock, shelf), shared=shared)
