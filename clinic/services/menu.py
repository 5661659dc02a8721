"""What the navigation of every page says of its reader: read in one unit, for each page asks it anew."""

from dataclasses import dataclass

from clinic.persistence.store import Store
from clinic.services import notices, second_person, workbench
from clinic.services.unit_of_work import unit_of_work


@dataclass(frozen=True)
class Menu:
    """`waits`: how many notices and requests of others wait; `translates`: whether there is a language to work on."""

    waits: int
    translates: bool


def read(store: Store, token: str, confirms: bool) -> Menu:
    """`confirms`: whether the reader's role may agree to what others ask for. Raises SignIn, Locked."""
    who = store.keyholder.who(token)
    with unit_of_work(store, token) as session:
        asked = second_person.asked(store, session, who) if confirms else []
        waits = notices.unseen_of(session, who.account) + sum(not one.mine for one in asked)
        return Menu(waits, bool(workbench.languages_of(session, who)))
