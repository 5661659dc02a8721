"""Every definition this clinic uses: the shipped ones, and its own from `instance/forms/` once they were accepted.

An own definition begins with `own_`, so that it never shadows a shipped one. Accepting stores its text; a file that
changes afterwards is inactive until its new text is accepted too.
"""

from pathlib import Path

from sqlalchemy import select

from clinic.domain.definition import Definition
from clinic.domain.errors import DefinitionError, NotFound
from clinic.domain.suggest import Tables
from clinic.persistence.models import DefinitionText
from clinic.persistence.store import Store
from clinic.services.definitions import OWN, definitions, own_definitions, read, tables


def active(store: Store) -> dict[str, Definition]:
    """All active definitions by id, the shipped ones first."""
    folder = store.settings.own_forms
    if not folder.is_dir():
        return dict(definitions())
    with store.engine.connect() as connection:
        own = select(DefinitionText.sha).where(DefinitionText.id.startswith(OWN, autoescape=True))
        return {**definitions(), **own_definitions(folder, connection.scalars(own))}


def tables_of(store: Store) -> Tables:
    """The weights and levels, with the levels of the clinic's own sheets."""
    own = {id_: one.level for id_, one in active(store).items() if id_.startswith(OWN)}
    return tables().plus(own)


def on_shelf(store: Store, id_: str) -> Definition:
    """One active definition. NotFound if there is none."""
    found = definitions().get(id_) if not id_.startswith(OWN) else active(store).get(id_)
    if found is None:
        raise NotFound
    return found


def accept(store: Store, path: Path) -> Definition:
    """Make one of the clinic's own definitions active, with exactly the text it has now.

    Whoever may run commands on this machine is its administrator. Raises DefinitionError: not valid, not named
    `own_…`, or not in the folder of own definitions.
    """
    if path.resolve().parent != store.settings.own_forms.resolve():
        raise DefinitionError(f"must be in {store.settings.own_forms}", path.name)
    if not path.stem.startswith(OWN):
        raise DefinitionError(f"the name of a clinic's own definition begins with {OWN}", path.name)
    if path.stem in definitions():  # a shipped sheet may begin like that: “own worth”
        raise DefinitionError("a sheet of the program has this name", path.name)
    definition = read(path)
    store.remember([definition])
    return definition
