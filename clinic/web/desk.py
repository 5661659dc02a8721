"""The desk of every role: where each begins, what waits for them, supervision, and previews for translators."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Any, Final
from uuid import UUID

from flask import Blueprint, Flask, flash, g, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from flask_babel import force_locale, format_datetime, lazy_gettext
from flask_babel import gettext as _

from clinic.domain.audience import RECIPIENTS
from clinic.domain.errors import ClinicError, Conflict, Denied, NotFound
from clinic.i18n.locales import locale, translated
from clinic.services import break_glass, cases, notices, paging, previews, records, second_person, supervision, team
from clinic.services import menu as menus
from clinic.services.prints import PrintJob
from clinic.services.records import RecordLine
from clinic.services.shelf import active, on_shelf
from clinic.services.spoken import books
from clinic.web.clinic import press, settings, store
from clinic.web.doors import opens
from clinic.web.filters import fill, problem
from clinic.web.session import actor, token

bp = Blueprint("desk", __name__)

ROLES: Final = {
    "counsellor": lazy_gettext("Counsellor"),
    "supervisor": lazy_gettext("Supervisor"),
    "admin": lazy_gettext("Admin"),
    "front_desk": lazy_gettext("Front desk"),
    "translator": lazy_gettext("Translator"),
}
# Where a role begins.
HOME: Final = {
    "counsellor": "cases.caseload",
    "supervisor": "desk.supervision_list",
    "admin": "team.page",
    "front_desk": "appointments.day",
    "translator": "desk.preview_shelf",
}
ACTS: Final = {
    "export_file": lazy_gettext("Export of a whole file"),
    "staff_export": lazy_gettext("Export of staff notes about one partner"),
    "erase": lazy_gettext("Erasure of one partner’s answers"),
    "restore": lazy_gettext("Restore of a backup"),
    "role": lazy_gettext("Role or supervisor of an account"),
    "reset": lazy_gettext("An account after its sign-in was reset"),
    "transfer": lazy_gettext("Transfer of a case"),
}
# What a notice says. Whole sentences, so that every language can order them as it likes.
SAYS: Final[Mapping[str, Callable[[Mapping[str, str]], str]]] = {
    "break_glass": lambda one: _("%(by)s opened case %(code)s to read, until %(until)s.", **one),
    "break_glass_ended": lambda one: _("%(by)s ended the opening of case %(code)s.", **one),
    "transfer_out": lambda one: _("Case %(code)s went to another counsellor. %(by)s confirmed it.", **one),
    "transfer_in": lambda one: _(
        "Case %(code)s came to you or to a counsellor you supervise. %(by)s confirmed it.", **one
    ),
    "request_confirmed": lambda one: _("%(by)s confirmed your request: %(act)s.", **one),
    "request_refused": lambda one: _("%(by)s said no to your request: %(act)s.", **one),
    "role": lambda one: _("Your role is now: %(role)s. %(by)s confirmed it.", **one),
    "supervisor": lambda one: _("Your supervisor is now: %(supervisor)s. %(by)s confirmed it.", **one),
    "supervises": lambda one: _("You now supervise %(counsellor)s. %(by)s confirmed it.", **one),
    "factor_reset": lambda one: _("The sign-in of %(account)s was reset by %(by)s.", **one),
    "confirmed": lambda one: _("%(by)s confirmed that this account is yours. Your cases are open again.", **one),
    "deactivated": lambda one: _("The account of %(account)s was closed by %(by)s.", **one),
    "activated": lambda one: _("The account of %(account)s was opened again by %(by)s.", **one),
    "exported": lambda one: _("A file of case %(code)s was exported.", **one),
    "erased": lambda one: _("Answers in case %(code)s were erased.", **one),
    "backup_failed": lambda _one: _("No backup came about today. Look under Backups."),
    "restored": lambda _one: _("A backup was restored."),
    "override": lambda one: _("In case %(code)s a sheet may print today against the rules.", **one),
}


@dataclass(frozen=True)
class Place:
    """One line of the navigation; `waits` is how much waits behind it."""

    endpoint: str
    text: str
    waits: int = 0


def register(app: Flask) -> None:
    """Give every page its navigation and the names of the roles."""

    @app.context_processor
    def names() -> dict[str, Any]:
        return {"menu": menu, "role_names": ROLES, "may_write": may_write, "apart": apart}


def menu() -> list[Place]:
    """What the signed-in person's role may open; empty for nobody."""
    names = [
        ("cases.caseload", _("Caseload")),
        ("appointments.day", _("Day")),
        ("desk.supervision_list", _("Supervision")),
        ("team.page", _("Team")),
        ("workbench.languages", _("Translations")),
        ("desk.preview_shelf", _("Previews")),
        ("sheets.shelf", _("Worksheets")),
        ("entry.page", _("Enter a code")),
        ("rights.backups", _("Backups")),
        ("desk.waiting", _("Waiting for you")),
        ("audit.page", _("Audit")),
        ("pages.help", _("Help")),
    ]
    return [
        Place(endpoint, text, waits() if endpoint == "desk.waiting" else 0)
        for endpoint, text in names
        if opens(endpoint) and (endpoint != "workbench.languages" or translates())
    ]


def may_write() -> bool:
    """Whether the reader works on cases themselves; everybody else only reads along."""
    who = actor()
    return who is not None and who.role == "counsellor"


def waits() -> int:
    """How much waits for the person of this request; counted once."""
    return _menu().waits


def translates() -> bool:
    """Whether this person works on some language: then the navigation has a line for it."""
    return _menu().translates


def _menu() -> menus.Menu:
    if "menu" not in g:
        g.menu = menus.read(store(), token(), opens("desk.answer"))
    found: menus.Menu = g.menu
    return found


@bp.get("/start")
def home() -> ResponseReturnValue:
    """Where this person begins: first what they must see, then their own page."""
    who = actor()
    there = "desk.waiting" if waits() else HOME.get(who.role, "pages.help") if who else "auth.sign_in"
    if there == HOME["translator"] and translates():
        there = "workbench.languages"
    return redirect(url_for(there), 303)


@bp.get("/waiting")
def waiting() -> ResponseReturnValue:
    """Notices, requests of others to confirm, and one's own."""
    asked = second_person.waiting(store(), token())
    return render_template(
        "web/desk/waiting.html",
        notices=[(one, _says(one)) for one in notices.unseen(store(), token())],
        others=[one for one in asked if not one.mine],
        mine=[one for one in asked if one.mine],
        grants=break_glass.live(store(), token()),
        acts=ACTS,
        moment=_when,
    )


@bp.post("/notices/<uuid:notice_id>")
def seen(notice_id: object) -> ResponseReturnValue:
    """Put a notice away."""
    notices.seen(store(), token(), str(notice_id))
    return redirect(url_for("desk.waiting"), 303)


@bp.post("/requests/<uuid:request_id>")
def answer(request_id: object) -> ResponseReturnValue:
    """Confirm a request of somebody else, or say no; take back an own one."""
    try:
        if request.form.get("do") == "confirm":
            team.confirm(store(), token(), str(request_id))
            flash(_("Confirmed."))
        else:
            second_person.withdraw(store(), token(), str(request_id))
            flash(_("Put aside. Nothing was done."))
    except Conflict:
        flash(_("This is settled already, or something has changed since. Nothing was done."))
    return redirect(url_for("desk.waiting"), 303)


@bp.post("/grants/<uuid:grant_id>/end")
def end_grant(grant_id: object) -> ResponseReturnValue:
    """End the opening of a case before its time."""
    break_glass.end(store(), token(), str(grant_id))
    flash(_("The case is closed again."))
    return redirect(url_for("desk.waiting"), 303)


@bp.get("/supervision")
@bp.get("/supervision/after/<uuid:case_id>", defaults={"back": False})
@bp.get("/supervision/before/<uuid:case_id>", defaults={"back": True})
def supervision_list(case_id: UUID | None = None, back: bool = False) -> ResponseReturnValue:
    """The cases of the counsellors this person supervises. From a case on, if one is named."""
    listed = supervision.cases(store(), token(), paging.Place(case_id, back))
    return render_template("web/desk/supervision.html", listed=listed)


@bp.get("/look/<uuid:case_id>")
def look(case_id: object) -> ResponseReturnValue:
    """A case to read: for its supervisor, and for an admin as long as a break-glass lasts."""
    case = cases.case_page(store(), token(), str(case_id), layer="staff")
    listed = records.listing(store(), token(), case.id)
    who = actor()
    grants = [one for one in break_glass.live(store(), token()) if one.mine and one.case_id == case.id]
    return render_template(
        "web/desk/look.html",
        case=case,
        notes=[one for one in listed if one.definition_id == supervision.NOTE],
        groups=_by_title(one for one in listed if one.definition_id != supervision.NOTE),
        note=supervision.NOTE,
        supervises=who is not None and who.role == supervision.SUPERVISOR,
        grant=grants[0] if grants else None,
        moment=_when,
    )


@bp.get("/previews")
def preview_shelf() -> ResponseReturnValue:
    """Every sheet that goes on paper, with a preview of made-up answers."""
    return _previews("", 200)


@bp.post("/previews")
def preview() -> ResponseReturnValue:
    """One preview as a PDF. Which sheet is in the body, never in the address."""
    id_, __, to = request.form.get("which", "").partition(" ")
    sheet, tag = on_shelf(store(), id_), _tag()
    recipient = next((one for one in RECIPIENTS if one == to), None)
    if recipient is None or recipient not in sheet.recipients:
        raise NotFound
    with force_locale(locale(tag).folder):
        words = _("Made-up words, to show how an answer looks.")
    job = PrintJob(sheet.id, recipient, tag, paper=settings().paper, draft=True)
    try:
        made = previews.preview(press(), sheet, job, words, books(store()))
    except Denied:
        raise
    except ClinicError as error:
        return _previews(fill(problem(error.message_id), error.params), error.http)
    return send_file(BytesIO(made.pdf), mimetype="application/pdf", download_name=made.name)


def _previews(refusal: str, status: int) -> ResponseReturnValue:
    sheets = [one for one in active(store()).values() if one.recipients]
    page = render_template(
        "web/desk/previews.html", sheets=sheets, tongues=translated(), chosen=_tag(), refusal=refusal
    )
    return page, status


def _tag() -> str:
    wanted = request.form.get("locale", "en")
    return wanted if wanted in [one.tag for one in translated()] else "en"


def _by_title(lines: Any) -> list[tuple[Any, list[RecordLine]]]:
    """Records in groups of one form, in the order in which the forms first came up."""
    found: dict[str, tuple[Any, list[RecordLine]]] = {}
    for one in lines:
        found.setdefault(one.definition_id, (one.title, []))[1].append(one)
    return list(found.values())


def _when(value: datetime | str) -> str:
    """A moment of today or tomorrow as the reader's language writes it, on the clinic's clock."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return str(format_datetime(moment.astimezone(), "short", rebase=False))


def apart(words: object) -> str:
    """Words of another direction inside a sentence: they neither turn it round nor are turned round by it."""
    return f"\u2068{words}\u2069"


def _says(one: notices.Line) -> str:
    """The sentence of a notice, in the reader's language."""
    words: dict[str, str] = dict(one.says)
    for name, known in (("act", ACTS), ("role", ROLES)):
        if name in words:
            words[name] = str(known.get(words[name], words[name]))
    if "until" in words:
        words["until"] = _when(words["until"])
    if "supervisor" in words:
        words["supervisor"] = words["supervisor"] or _("nobody")
    return SAYS[one.kind]({name: apart(word) for name, word in words.items()})
