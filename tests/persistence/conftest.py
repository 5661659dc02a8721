"""Instances on both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.persistence.databases import drop, new_database, server
from tests.persistence.making import Clinic, again, make

BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.everything)]


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """A server; only started when a test asks."""
    with server() as folder:
        yield folder


@pytest.fixture(params=BOTH)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database: SQLite, and with --everything PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'i' / 'clinic.db'}"
        return
    made = new_database(request.getfixturevalue("postgresql"))
    yield made
    drop(made)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    """A closed SQLite instance to copy from."""
    made = make(tmp_path_factory.mktemp("template") / "i")
    made.store.close()
    return made


@pytest.fixture(scope="session")
def template_postgresql(postgresql: str, tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    """The same on PostgreSQL."""
    made = make(tmp_path_factory.mktemp("template") / "i", new_database(postgresql))
    made.store.close()
    return made


@pytest.fixture(params=BOTH)
def clinic(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Clinic]:
    """An instance with two counsellors and a case of each."""
    if request.param == "sqlite":
        made = again(request.getfixturevalue("template"), tmp_path / "i")
    else:
        like: Clinic = request.getfixturevalue("template_postgresql")
        name = make_url(like.store.settings.database_url).database or ""
        made = again(like, tmp_path / "i", new_database(request.getfixturevalue("postgresql"), name))
    yield made
    made.store.close()
    drop(made.store.settings.database_url)
