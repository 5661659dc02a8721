"""Instances on both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.persistence.databases import new_database, server
from tests.persistence.making import Clinic, make

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


@pytest.fixture
def clinic(url: str, tmp_path: Path) -> Iterator[Clinic]:
    """An instance with two counsellors and a case of each."""
    made = make(tmp_path / "i", url)
    yield made
    made.store.close()
