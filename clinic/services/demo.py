"""The demo: three made-up couples in an instance of their own, their first sheets on paper, and the pages.

It touches only an empty folder or a demo instance; that an instance is a demo is sealed when it is made.
"""

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, time, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select

from clinic.config import CONFIG_FILE, Settings
from clinic.domain.answer import Checked, gather, leaves
from clinic.domain.definition import Definition
from clinic.domain.errors import Usage
from clinic.domain.homework import PLAN
from clinic.i18n.locales import translated
from clinic.persistence import keyholder_client
from clinic.persistence.models import Account
from clinic.persistence.store import Store, create
from clinic.press.press import Press
from clinic.services import accounts, appointments, cases, course, passwords, print_sheet, records, release, translators
from clinic.services.cases import PartnerCard
from clinic.services.definitions import definitions
from clinic.services.print_sheet import Printed
from clinic.services.prints import PrintJob
from clinic.services.unit_of_work import unit_of_work
from clinic.services.warm import warm_pages

ACCOUNT: Final = accounts.DEMO
COUPLES: Final = Path(__file__).with_name("demo_couples.toml")
CONTENTS: Final = "contents.txt"
SUPERVISOR: Final = "supervisor"  # sign-in name; the demo's counsellor is supervised by this account
# Everybody else who works in the demo clinic: sign-in name, role, made-up name. All have the same made-up password.
COLLEAGUES: Final = (
    (SUPERVISOR, "supervisor", "Robin Achterberg"),
    ("admin", "admin", "Kim Salgado"),
    ("frontdesk", "front_desk", "Jo Marten"),
    ("translator", "translator", "Amal Idris"),
)

# Who works on which languages: account -> language -> whether they review there.
LANGUAGES: Final = {
    "translator": dict.fromkeys(("es", "ar", "fr", "de", "he", "hi", "zh-Hans"), False),
    ACCOUNT: {"es": True},
    SUPERVISOR: {"ar": True},
}
# The drafts that come with the program print in the demo, so that a newcomer sees them.
SETTINGS: Final = 'print_when = "complete"\n'


@dataclass(frozen=True)
class Wanted:
    """One of the demo's prints: a case's, or a blank."""

    job: PrintJob
    case: str = ""
    says: str = ""


PRINTS: Final = (
    Wanted(PrintJob("our_cycle", "joint"), "K-1001", "Our cycle, for both, English, from the map"),
    Wanted(PrintJob("say_it_specifically", "a", "es", draft=True), "K-1001", "Say it, for A, Spanish"),
    Wanted(PrintJob("signals_checkin", "b", "ar", draft=True), "K-1001", "Signals check-in, for B, Arabic"),
    Wanted(PrintJob("homework_plan", "joint", "en", "ar", draft=True), "K-1001", "Plan, for both, English and Arabic"),
    Wanted(PrintJob("intake", "joint"), "K-1001", "Intake, for both, completed"),
    Wanted(PrintJob("intake"), "", "Intake, blank"),
)


# Days ahead, case, start, minutes, who comes.
MEETINGS: Final = (
    (0, "K-1001", time(9, 30), 50, "both"),
    (0, "K-1003", time(14), 50, "a"),
    (1, "K-1001", time(10), 80, "both"),
    (1, "K-1002", time(11, 30), 50, "both"),
    (1, "K-1003", time(15), 50, "b"),
)


@contextmanager
def running(settings: Settings) -> Iterator[None]:
    """A demo instance, made when the folder is empty, and its keyholder, which all that follows asks."""
    _make(settings)
    keyholder = keyholder_client.attach(settings)
    try:
        yield
    finally:
        keyholder.stop()


def prepare(settings: Settings) -> str:
    """A demo instance with its couples; a new one-time password of its account at every start."""
    password = passwords.temporary()
    _make(settings)
    store = Store.attach(settings)
    try:
        if not store.demo:
            raise Usage(f"{settings.instance} holds real records. The demo leaves it alone.")
        if _nobody(store):
            accounts.create_account(store, ACCOUNT, password, "Demo counsellor")
            token = accounts.sign_in(store, ACCOUNT, password)
            _fill(store, token)
            _meet(store, token)
        else:
            store.remember(definitions().values())  # it may have been made with the texts of an older checkout
            accounts.set_password(store, ACCOUNT, password)
            _meet(store, accounts.sign_in(store, ACCOUNT, password))
        _staff(store, password)
    finally:
        store.close()
    return password


def people() -> list[str]:
    """Who may sign in, one line each: account and role."""
    names = [(ACCOUNT, "counsellor"), *((name, role.replace("_", " ")) for name, role, _ in COLLEAGUES)]
    return [f"{name:<12}{role}" for name, role in names]


def _staff(store: Store, password: str) -> None:
    """The other roles; a demo of an older checkout gets them too."""
    there = {one.name: one.id for one in accounts.listing(store)}
    for name, role, display in COLLEAGUES:
        if name in there:
            accounts.set_password(store, name, password)
        else:
            there[name] = accounts.create_account(store, name, password, display, role)
    accounts.set_supervisor(store, there[ACCOUNT], there[SUPERVISOR])
    _languages(store, there, accounts.sign_in(store, "admin", password))


def _languages(store: Store, people: Mapping[str, str], token: str) -> None:
    """The languages that the demo's people work on, as far as there are files of them."""
    known = {one.tag for one in translated()}
    for name, mine in LANGUAGES.items():
        translators.change(store, token, people[name], {tag: mine[tag] for tag in mine if tag in known})
    accounts.sign_out(store, token)


def _make(settings: Settings) -> None:
    if _is_empty(settings.instance):
        create(settings, definitions().values(), demo=True)
        keep(settings.instance / CONFIG_FILE, SETTINGS.encode())


def _nobody(store: Store) -> bool:
    with unit_of_work(store) as session:
        return session.scalar(select(Account.id).limit(1)) is None


def _is_empty(folder: Path) -> bool:
    return not folder.exists() or not any(one for one in folder.iterdir() if one.name != ".gitignore")


def _fill(store: Store, token: str) -> None:
    """Open the couples' cases and finish their records, the oldest first."""
    for couple in tomllib.loads(COUPLES.read_text("utf-8"))["couple"]:
        partners = {side: PartnerCard(**couple[side]) for side in ("a", "b")}
        case_id = cases.open_case(store, token, partners, couple["code"])
        plans: dict[str, str] = {}
        for row in sorted(couple["record"], key=lambda one: -one["days_ago"]):
            held_on = store.today() - timedelta(days=row["days_ago"])
            of = plans.get(row.get("of", ""), "")
            record_id = records.start(store, token, case_id, row["definition"], row["about"], held_on, of)
            plans |= {row["about"]: record_id} if row["definition"] == PLAN else {}
            record = records.read(store, token, record_id)
            answers = row["answers"] | _days(record.definition, row, held_on)
            records.finish(store, token, record_id, record.rev, Checked(answers, {}, {}))
        for row in couple.get("release", ()):
            _give(store, token, case_id, row)


def _meet(store: Store, token: str) -> None:
    """Meetings of today and tomorrow, so that a day shows something whenever the demo starts."""
    days = [appointments.today(store) + timedelta(days=ahead) for ahead in (0, 1)]
    if any(appointments.of_day(store, token, day) for day in days):
        return
    codes = {one.code: one.id for one in cases.caseload(store, token)}
    for ahead, code, at, minutes, who in MEETINGS:
        if code in codes:
            appointments.add(store, token, codes[code], days[ahead], at, minutes, who)


def _give(store: Store, token: str, case_id: str, row: dict[str, str]) -> None:
    """Let one answer or one aim go to both, as its owner agreed to today."""
    today, owner = store.today(), row["owner"]
    if "aim" in row:
        offers = course.of_case(store, token, case_id).offers.values()
        offer = next(one for one in offers if (one.owner, one.aim) == (owner, row["aim"]))
        release.release_aim(store, token, case_id, offer.owner, offer.aim, offer.seen, True, today)
        return
    listed = records.listing(store, token, case_id)
    source = [one.id for one in listed if (one.definition_id, one.about) == (row["definition"], owner)][-1]
    found = next(one for one in release.of_record(store, token, source).offers if one.place == row["place"])
    release.release_answer(store, token, source, found.place, found.seen, True, today)


def _days(definition: Definition, row: dict[str, Any], held_on: date) -> dict[str, Any]:
    """The day of every date block that asks for one and has no answer yet."""
    found: dict[str, Any] = {}
    for placed in definition.placed(row["about"]):
        if placed.block.kind == "date" and placed.name not in row["answers"]:
            days = {leaf.path: held_on.isoformat() for leaf in leaves(placed.block) if leaf.required}
            found |= {placed.name: gather(placed.block, days)} if days else {}
    return found


def prints(settings: Settings, password: str) -> list[str]:
    """Print the demo's sheets, unless they are there. One line each: file and what it is."""
    contents = settings.prints / CONTENTS
    if contents.exists() and all((settings.prints / line.split("  ")[0]).exists() for line in _lines(contents)):
        return _lines(contents)
    settings.prints.mkdir(mode=0o700, parents=True, exist_ok=True)
    press = Press(warm_pages())
    press.start()
    try:
        store = Store.attach(settings)
        token = accounts.sign_in(store, ACCOUNT, password)
        ids = {case.code: case.id for case in cases.caseload(store, token)}
        lines = []
        for wanted in PRINTS:
            printed = _printed(store, press, token, ids.get(wanted.case, ""), wanted, settings)
            keep(settings.prints / printed.name, printed.pdf)
            lines.append(f"{printed.name}  {wanted.says}")
        accounts.sign_out(store, token)
        store.close()
    finally:
        press.stop()
    keep(contents, ("\n".join(lines) + "\n").encode())
    return lines


def keep(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whatever stood there before."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_bytes(content)


def _lines(contents: Path) -> list[str]:
    return contents.read_text("utf-8").splitlines()


def _printed(store: Store, press: Press, token: str, case: str, wanted: Wanted, settings: Settings) -> Printed:
    if not wanted.case:
        return print_sheet.blank(press, wanted.job, settings.print_when, settings=settings)
    return print_sheet.filled(store, press, token, case, wanted.job, settings.print_when)
