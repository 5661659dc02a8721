"""`clinic print`: one sheet on the command line; what it is goes to stderr before it is printed.

A blank that was printed before comes from the disk, and a new one needs no database: what only a case needs is imported
when there is one, and the press starts before anything else.
"""

import gc
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from clinic import resources
from clinic.domain.audience import Recipient
from clinic.domain.errors import Usage
from clinic.domain.print_job import PrintJob
from clinic.services import blank_cache
from clinic.services.blank_cache import Blank, Blanks

if TYPE_CHECKING:
    from clinic.config import Settings
    from clinic.press.press import Press


def from_command_line(
    settings: "Settings | None",
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
    usual = settings.paper if settings else "a4"
    if letterhead and not (settings and settings.letterhead):
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
    if case is None:
        made = _blank(settings, job)
        say(made.said)
        return b"" if show else made.pdf
    if settings is None:
        raise Usage("name the instance that has the case")
    from clinic.press.press import Press

    press = Press()
    press.start()
    try:
        return _of_case(settings, press, account, token, case, job, show, say)
    finally:
        press.stop()


def _blank(settings: "Settings | None", job: PrintJob) -> Blank:
    """A blank as it was printed before, or drawn now."""
    print_when = settings.print_when if settings else "reviewed"
    wanted = blank_cache.choice(job, print_when, settings)
    blanks = Blanks((settings.cache if settings else resources.cache()) / "blanks")
    texts = blank_cache.filed(wanted)
    key = blanks.key(wanted, texts[0], texts[1:]) if texts else ""
    found = blanks.get(key) if key else None
    if found is None:
        found = _drawn(settings, job, print_when)
        if key and texts == blank_cache.filed(wanted):  # nobody changed it meanwhile
            blanks.keep(key, found)
    return found


def _drawn(settings: "Settings | None", job: PrintJob, print_when: str) -> Blank:
    """A blank that is drawn now; the press warms up while the page is laid out."""
    from clinic.press.press import Press

    press = Press()
    press.start()
    gc.disable()  # what is imported and laid out now is needed to the end, and that is soon
    try:
        from clinic.services import definitions, laying_out
        from clinic.services.readiness import readiness

        own = definitions.alone(job.sheet)
        pdf = laying_out.blank(press, job, print_when, own, settings).pdf
        states = (readiness(own, tag, print_when) for tag in job.tags)
        return Blank(pdf, ", ".join([f"{job.sheet}, blank", *(f"{one.locale} {one.state}" for one in states)]))
    finally:
        gc.enable()
        press.stop()


def _of_case(
    settings: "Settings",
    press: "Press",
    account: str | None,
    file: Path | None,
    code: str,
    job: PrintJob,
    show: bool,
    say: Callable[[str], None],
) -> bytes:
    """A sheet of the case with this code, in a session that ends with it, or in that of a token file."""
    from clinic.persistence.store import Store
    from clinic.services import cases, preflight, print_sheet, terminal

    store = Store.attach(settings, prompt=sys.stdin.isatty())
    try:
        with terminal.signed_in(store, account, file) as token:
            case = cases.find(store, token, code)
            found = print_sheet.opened(store, token, case.id, job, settings.print_when)
            shown = preflight.of(store, case.id, found, settings.print_when)
            say(preflight.line(case.code, [(found.job, shown)]))
            if show:
                return b""
            return print_sheet.filled(store, press, token, case.id, job, settings.print_when, shown.seen).pdf
    finally:
        store.close()
