"""`clinic print`: one sheet on the command line; what it is goes to stderr before it is printed."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from clinic.config import Paper, Settings
from clinic.domain.audience import Recipient
from clinic.domain.errors import NotFound, Usage
from clinic.persistence.store import Store
from clinic.press.press import Press
from clinic.services import cases, preflight, print_sheet, terminal
from clinic.services.definitions import definition as shipped
from clinic.services.prints import PrintJob
from clinic.services.readiness import readiness


def from_command_line(
    settings: Settings | None,
    sheet: str,
    case: str | None,
    to: Recipient | None,
    locale: str,
    beside: str | None,
    paper: Literal["a4", "letter"] | None,
    size: str,
    ink: Literal["full", "saver"],
    draft: bool,
    letterhead: bool,
    account: str | None,
    token: Path | None = None,
    show: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> bytes:
    """`clinic print`: a blank without a case; else the case's sheet, as an account that may open it.

    What the sheet is goes to `say` before it is printed; with `show` that is all, and there are no bytes.
    """
    usual: Paper = settings.paper if settings else "a4"
    print_when = settings.print_when if settings else "reviewed"
    lines = settings.letterhead if settings else ()
    if letterhead and not lines:
        raise Usage("No letterhead is set: write its lines into config.toml, and name the instance.")
    job = PrintJob(
        sheet,
        to,
        locale,
        beside or "",
        paper or usual,
        size == "large",
        ink,
        draft,
        letterhead=letterhead,
    )
    press = Press()
    press.start()
    try:
        if case is None:
            made = print_sheet.blank(press, job, print_when, settings=settings)
            states = (readiness(shipped(sheet), tag, print_when) for tag in job.tags)
            say(", ".join([f"{sheet}, blank", *(f"{one.locale} {one.state}" for one in states)]))
            return b"" if show else made.pdf
        if settings is None:
            raise Usage("name the instance that has the case")
        return _of_case(settings, press, account, token, case, job, show, say)
    finally:
        press.stop()


def _of_case(
    settings: Settings,
    press: Press,
    account: str | None,
    file: Path | None,
    code: str,
    job: PrintJob,
    show: bool,
    say: Callable[[str], None],
) -> bytes:
    """A sheet of the case with this code, in a session that ends with it, or in that of a token file."""
    store = Store.attach(settings, prompt=sys.stdin.isatty())
    try:
        with terminal.signed_in(store, account, file) as token:
            case_id = next((one.id for one in cases.caseload(store, token) if one.code == code), None)
            if case_id is None:
                raise NotFound
            found = print_sheet.opened(store, token, case_id, job, settings.print_when)
            shown = preflight.of(store, case_id, found, settings.print_when)
            say(preflight.line(code, [(found.job, shown)]))
            if show:
                return b""
            return print_sheet.filled(store, press, token, case_id, job, settings.print_when, shown.seen).pdf
    finally:
        store.close()
