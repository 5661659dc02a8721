"""`clinic pack`: many sheets as one file, from the command line."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path

from clinic.config import Settings
from clinic.domain.errors import ClinicError, NotFound, Refused, Usage
from clinic.persistence.store import Store
from clinic.press.press import Press
from clinic.services import appointments, pack_list, preflight, spoken, terminal
from clinic.services.pack_progress import telling, unless_stopped
from clinic.services.packs import (
    MOST,
    How,
    Item,
    NothingPrinted,
    codes,
    due,
    look,
    make,
    of_offers,
    of_sessions,
    packable,
    sessions_of,
    uneven,
)
from clinic.services.warm import warm_pages


@dataclass(frozen=True)
class Said:
    """A pack, empty if it was only to be listed, and the `failures` to say after it, each one place of the list."""

    data: bytes = field(repr=False)
    failures: tuple[str, ...] = ()


def from_command_line(
    settings: Settings,
    case: str | None,
    day: str | None,
    file: Path | None,
    how: How,
    account: str | None,
    token_file: Path | None,
    show: bool,
    say: Callable[[str], None],
) -> Said:
    """`clinic pack`: what is due for a case, for the meetings of a day, or what a list names.

    What each sheet is goes to `say` before anything is printed; with `show` that is all.
    """
    press = Press(warm_pages())
    press.start()
    store = Store.attach(settings, prompt=sys.stdin.isatty())
    try:
        with terminal.signed_in(store, account, token_file) as token:
            items = _wanted(store, token, case, day, file, how)
            return _said(store, press, token, items, how, bool(file), show, say)
    finally:
        store.close()
        press.stop()


def _wanted(store: Store, token: str, case: str | None, day: str | None, file: Path | None, how: How) -> list[Item]:
    if case is not None:
        found = codes(store, token).get(case)
        if found is None:
            raise NotFound
        return of_offers(found, case, due(store, token, found))
    if day is not None:
        return of_sessions(sessions_of(store, token, _day(store, day)))
    rows = pack_list.read(
        pack_list.text_of(file or Path()),
        codes(store, token),
        packable(store),
        store.settings.print_when,
        how.draft,
        most=MOST,
        books=spoken.books(store),
    )
    return [Item(one.line, one.case, one.code, one.to, one.sheet, "", one.locale, one.beside) for one in rows]


def _day(store: Store, text: str) -> date:
    near = {"today": 0, "tomorrow": 1}
    if text in near:
        return appointments.today(store) + timedelta(days=near[text])
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Usage(f"{text} is not a day. Write 2026-03-31, today or tomorrow.") from None


def _said(
    store: Store,
    press: Press,
    token: str,
    items: list[Item],
    how: How,
    listed: bool,
    show: bool,
    say: Callable[[str], None],
) -> Said:
    if not items:
        raise ClinicError("usage", problem="Nothing is due: nothing was chosen or finished that was not printed since.")
    for code, mine in uneven(items).items():
        say(f"{code}: A gets {mine['a']} and B gets {mine['b']}. Both leave with the same number of sheets.")
    word, constant, seen = "line" if listed else "sheet", str(Refused()), []
    looked = look(store, token, items, how, store.settings.print_when)
    for one in looked:
        if one.copies:
            say(preflight.line(one.item.code, list(zip(one.jobs, one.copies, strict=True))))
        seen.append(replace(one.item, seen=one.seen))  # what was not listed is not printed either, whatever opens
    if show:
        places = {one.item.place for one in looked if not one.copies}
        return Said(b"", tuple(f"{word} {place}: {constant}" for place in sorted(places)))
    try:
        with telling() as told, unless_stopped(told) as heard:
            made = make(store, press, token, seen, how, store.settings.print_when, told=heard)
    except KeyboardInterrupt:
        say("Stopped. No file was written.")
        raise
    except NothingPrinted as error:
        return Said(b"", tuple(f"{word} {place}: {constant}" for place in error.places))
    return Said(made.data, tuple(f"{word} {place}: {constant}" for place in made.failed))
