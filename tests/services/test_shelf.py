"""A clinic's own definitions: active once accepted, exactly as accepted, never in the place of a shipped one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from clinic import config
from clinic.domain.errors import DefinitionError, NotFound
from clinic.persistence.store import Store, create
from clinic.services import accounts, cases, records, shelf
from clinic.services.cases import PartnerCard
from clinic.services.definitions import definitions

OWN = """
id = "{id}"
version = 1
kind = "worksheet"
title = "{title}"
audience = "recipient"
recipients = ["a", "b"]
level = {{ own = "open" }}
[[section]]
id = "one"
title = "One"
[[section.block]]
id = "words"
kind = "prompt"
label = "Words"
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    settings = config.load(tmp_path / "clinic", {})
    create(settings, definitions().values(), factors=False)
    settings.own_forms.mkdir()
    opened = Store.open(settings)
    yield opened
    opened.close()


def write(store: Store, name: str, title: str = "Ours") -> Path:
    path = store.settings.own_forms / f"{name}.toml"
    path.write_text(OWN.format(id=name, title=title), "utf-8")
    return path


def test_a_new_file_is_inactive_until_it_is_accepted(store: Store) -> None:
    path = write(store, "own_walk")
    assert "own_walk" not in shelf.active(store)
    with pytest.raises(NotFound):
        shelf.on_shelf(store, "own_walk")
    shelf.accept(store, path)
    assert shelf.on_shelf(store, "own_walk").title.en == "Ours"
    assert shelf.tables_of(store).sheets["own_walk"] == {"own": "open"}


def test_a_changed_file_is_inactive_again(store: Store) -> None:
    shelf.accept(store, write(store, "own_walk"))
    path = write(store, "own_walk", "Changed")
    assert "own_walk" not in shelf.active(store)
    shelf.accept(store, path)
    assert shelf.on_shelf(store, "own_walk").title.en == "Changed"


def test_a_shipped_definition_is_never_shadowed(store: Store) -> None:
    path = write(store, "our_cycle")
    with pytest.raises(DefinitionError, match="own_"):
        shelf.accept(store, path)
    assert shelf.on_shelf(store, "our_cycle") == definitions()["our_cycle"]


def test_only_the_folder_of_own_forms_counts(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "own_walk.toml"
    path.write_text(OWN.format(id="own_walk", title="Ours"), "utf-8")
    with pytest.raises(DefinitionError, match="must be in"):
        shelf.accept(store, path)


def test_a_record_of_an_own_definition(store: Store) -> None:
    shelf.accept(store, write(store, "own_walk"))
    accounts.create_account(store, "anna", "only for this test 1")
    token = accounts.sign_in(store, "anna", "only for this test 1")
    case = cases.open_case(store, token, {"a": PartnerCard(), "b": PartnerCard()})
    record = records.start(store, token, case, "own_walk", "a")
    write(store, "own_walk", "Changed afterwards")
    assert records.read(store, token, record).definition.title.en == "Ours"
