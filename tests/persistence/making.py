"""An instance for tests: real files, small definitions, made-up people, a clock that can be moved."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Engine

from clinic.config import Settings
from clinic.domain.definition import Definition, parse
from clinic.domain.errors import NotFound
from clinic.persistence import store as stores
from clinic.persistence.keyholder import Gate
from clinic.persistence.models import Print, SignedIn
from clinic.persistence.scope import unscoped
from clinic.persistence.store import Store
from clinic.services import accounts, cases
from clinic.services.cases import PartnerCard
from clinic.services.unit_of_work import unit_of_work

PASSWORD = "a long made-up passphrase"
DB_KEY = bytes(range(32))  # of a database without an instance around it

# Every scope is in `meeting`: joint, a, b, staff_couple, staff_a, staff_b.
MEETING = b"""
id = "meeting"
version = 1
kind = "session"
title = "Meeting"
audience = "joint"
recipients = ["joint"]
[[section]]
id = "both"
title = "Both"
[[section.block]]
id = "words"
kind = "prompt"
label = "What was said?"
[[section.block]]
id = "more"
kind = "choice"
label = "Is there more?"
options = [{ id = "yes", label = "Yes" }, { id = "no", label = "No" }]
[[section.block]]
id = "which"
kind = "prompt"
label = "Which?"
required = true
show_if = { block = "more", is = "yes" }
[[section.block]]
id = "only_a"
kind = "prompt"
label = "A alone"
audience = "a"
[[section.block]]
id = "only_b"
kind = "prompt"
label = "B alone"
audience = "b"
[[section.block]]
id = "ours"
kind = "prompt"
label = "For us"
audience = "staff"
[[section]]
id = "seen"
title = "Seen"
audience = "staff"
per_partner = true
[[section.block]]
id = "about"
kind = "prompt"
label = "Seen of this partner"
"""

WISHES = b"""
id = "wishes"
version = 1
kind = "worksheet"
title = "Wishes"
audience = "recipient"
recipients = ["joint", "a", "b"]
[[section]]
id = "all"
title = "All"
[[section.block]]
id = "wish"
kind = "prompt"
label = "I wish"
required = true
[[section.block]]
id = "how_much"
kind = "scale"
label = "How much?"
[[section.block]]
id = "list"
kind = "table"
stem = "Steps"
open = 3
columns = [{ id = "step", label = "Step" }, { id = "many", label = "How many", type = "number" }]
[[section.block]]
id = "remark"
kind = "prompt"
label = "Remark"
audience = "staff"
"""

NEWER_WISHES = WISHES.replace(b"version = 1", b"version = 2").replace(b'kind = "scale"', b'kind = "prompt"')

DIARY = b"""
id = "diary"
version = 1
kind = "note"
title = "Diary"
audience = "staff"
about = "any"
private = true
[[section]]
id = "all"
title = "All"
[[section.block]]
id = "thought"
kind = "prompt"
label = "Thought"
"""

ADDENDUM = b"""
id = "addendum"
version = 1
kind = "addendum"
title = "Addition"
audience = "recipient"
about = "any"
[[section]]
id = "all"
title = "All"
[[section.block]]
id = "addition"
kind = "prompt"
label = "What is added"
[[section.block]]
id = "addition_staff"
kind = "prompt"
label = "What is added for staff"
audience = "staff"
"""

OLD = {name: parse(text, f"{name}.toml", {}) for name, text in
       (("meeting", MEETING), ("wishes", WISHES), ("diary", DIARY), ("addendum", ADDENDUM))}  # fmt: skip
NEW_WISHES = parse(NEWER_WISHES, "wishes.toml", {})


@dataclass
class Clock:
    """Tells what time it is; `pass_` moves it."""

    now: datetime = field(default_factory=lambda: datetime(2026, 3, 2, 9, 0, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **much: float) -> None:
        self.now += timedelta(**much)


@dataclass
class Shelf:
    """The definitions in use; a test may put a newer one up."""

    there: dict[str, Definition] = field(default_factory=lambda: dict(OLD))

    def __call__(self, id_: str) -> Definition:
        if id_ not in self.there:
            raise NotFound
        return self.there[id_]


@dataclass
class Clinic:
    """An open store with two counsellors and a case of each; `case` and `token` are the first one's."""

    store: Store
    clock: Clock
    shelf: Shelf
    token: str
    other: str
    case: str
    foreign: str

    @property
    def case_id(self) -> UUID:
        return UUID(self.case)

    @property
    def raw(self) -> Engine:
        """The store's engine without its guard, for what a test plants or looks up itself."""
        return unscoped(self.store.engine, "restore")

    def stay_signed_in(self) -> None:
        """Both sessions are seen now."""
        with unit_of_work(self.store, write=True) as session:
            for row in session.query(SignedIn):
                row.seen = row.created = self.clock()


def note_print(clinic: Clinic, case: str, code: str) -> None:
    """A row about a joint sheet that went out."""
    view = clinic.store.keyholder.open(clinic.token, UUID(case), "sheet:joint", "meeting")
    id_ = uuid4()
    key_id, sealed = view.seal_print(id_, "joint", {"sheet": "meeting", "code": code})
    with unit_of_work(clinic.store, clinic.token, write=True) as session:
        tag = clinic.store.keyholder.code_tag(code)
        session.add(Print(id=id_, case_id=view.case_id, code_tag=tag, key_id=key_id, sealed=sealed))


def open_gate(ruling: Any, day: date, sheet: str, recipient: str) -> bool:
    """Lets everything through."""
    return True


def kept_rule(records: Sequence[Any], before: Mapping[str, Any], today: date) -> dict[str, Any]:
    """A ruling that only counts: signed records and drafts."""
    signed = sum(one.signed for one in records)
    return {"signed": signed, "drafts": len(records) - signed}


def settings(folder: Path, url: str = "") -> Settings:
    """Settings of an instance in a folder."""
    return Settings(
        instance=folder,
        database_url=url or f"sqlite:///{folder / 'clinic.db'}",
        key_file=folder.with_name(f"{folder.name}.key"),
        cache=folder / "cache",
    )


def make(folder: Path, url: str = "", gate: Gate = open_gate) -> Clinic:
    """A new instance with its people."""
    clock, shelf, mine = Clock(), Shelf(), settings(folder, url)
    stores.create(mine, [*OLD.values(), NEW_WISHES], factors=False)
    return Clinic(*peopled(open_store(mine, clock, shelf, gate), clock, shelf))


def peopled(store: Store, clock: Clock, shelf: Shelf) -> tuple[Store, Clock, Shelf, str, str, str, str]:
    """The values of a `Clinic`: two counsellors and a case of each."""
    for name in ("anna", "berta"):
        accounts.create_account(store, name, PASSWORD, display=name.title())
    token, other = (accounts.sign_in(store, name, PASSWORD, "127.0.0.1") for name in ("anna", "berta"))
    cards = {"a": PartnerCard(language="de", variant="f"), "b": PartnerCard(language="ar", safe_paper="no")}
    mine_, foreign = (cases.open_case(store, one, cards) for one in (token, other))
    return store, clock, shelf, token, other, mine_, foreign


def again(made: Clinic, folder: Path, url: str = "") -> Clinic:
    """A copy of a closed instance in another folder (and database): quicker than to make one."""
    before, mine = made.store.settings, settings(folder, url)
    shutil.copytree(before.instance, folder)
    shutil.copy2(before.key_file, mine.key_file)
    clock, shelf = Clock(), Shelf()
    return replace(made, clock=clock, shelf=shelf, store=open_store(mine, clock, shelf))


def open_store(mine: Settings, clock: Clock, shelf: Shelf, gate: Gate = open_gate) -> Store:
    """A store with the test's own definitions and ruling."""
    return Store.open(mine, gate=gate, clock=clock, shelf=shelf, rule=kept_rule)
