"""Who may do what: one row for each role (ARCHITECTURE, "Who may do what"; DECISIONS D1, table of actors).

The keyholder, the row scope and the audit page read this table; none of them knows a role by name.
"""

from dataclasses import dataclass
from typing import Final, Literal

from clinic.domain.audience import CASE_SCOPES, VIEWS, Purpose, Scope

Role = Literal["counsellor", "supervisor", "admin", "translator", "front_desk"]
# Whose cases: their own; those of the counsellors they supervise; one under a live grant; no case at all.
Cases = Literal["own", "supervised", "granted", "none"]
# Which audit entries beside those about themselves: of the cases they open, those that belong to no case, none.
Events = Literal["cases", "accounts", "none"]


@dataclass(frozen=True)
class Rights:
    """What a role opens. `writes`: the ids of the definitions it may seal a record of; None stands for all.

    `agenda`: it knows when a case comes, by code, whoever its counsellor is, and nothing else of it. A purpose never
    opens more than `scopes`, whatever the purpose itself may hold. `translates`: it may be given languages to work on.
    """

    cases: Cases = "none"
    purposes: frozenset[Purpose] = frozenset()
    scopes: frozenset[Scope] = frozenset()
    writes: frozenset[str] | None = frozenset()
    events: Events = "none"
    agenda: bool = False
    translates: bool = False


_SHARED: Final[frozenset[Scope]] = frozenset(CASE_SCOPES)  # all but process notes, which have one reader

RIGHTS: Final[dict[Role, Rights]] = {
    "counsellor": Rights("own", frozenset(VIEWS), _SHARED | {"process"}, None, "cases", translates=True),
    # Reads along, and answers in a form of their own.
    "supervisor": Rights(
        "supervised",
        frozenset({"list", "case", "staff"}),
        _SHARED,
        frozenset({"supervision_note"}),
        "cases",
        translates=True,
    ),
    # A case by break-glass only, until the grant ends; writes nothing in it.
    "admin": Rights("granted", frozenset({"case", "staff"}), _SHARED, events="accounts"),
    "translator": Rights(translates=True),
    "front_desk": Rights(agenda=True),
}
ROLES: Final[tuple[Role, ...]] = tuple(RIGHTS)
NO_RIGHTS: Final = Rights()


def rights(role: str) -> Rights:
    """The rights of a role; an unknown one has none."""
    return next((held for name, held in RIGHTS.items() if name == role), NO_RIGHTS)
