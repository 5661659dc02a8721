"""Instances on both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.persistence.databases import new_database, server
from tests.persistence.making import Clinic, again, make

BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.everything)]


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """A server; only started when a test asks."""
    with server() as folder:
        yield folder


@pytest.fixture(params=BOTH)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database: SQLite, and with --everything PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'i' / 'clinic.db'}"
    return new_database(request.getfixturevalue("postgresql"))


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    """A closed SQLite instance to copy from."""
    made = make(tmp_path_factory.mktemp("template") / "i")
    made.store.close()
    return made


@pytest.fixture
def clinic(url: str, tmp_path: Path, template: Clinic) -> Iterator[Clinic]:
    """An instance with two counsellors and a case of each."""
    made = again(template, tmp_path / "i") if url.startswith("sqlite") else make(tmp_path / "i", url)
    yield made
    made.store.close()
