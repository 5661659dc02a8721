"""Every door of the clinic in one table: which roles an endpoint lets in, and whether they prove anew who they are.

Default deny: an endpoint without a line opens for nobody. Whose case it is, the keyholder decides, for each request.
The order of what is asked stands in `gate`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from flask import Flask, current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, SecurityError

from clinic.domain.errors import Denied, Locked, NotFound, SignIn, StepUp
from clinic.domain.roles import ROLES
from clinic.services.sessions import State
from clinic.services.unit_of_work import unit_of_work
from clinic.web import csrf, session
from clinic.web.clinic import store

ALL: Final = frozenset(ROLES)
COUNSELLOR: Final = frozenset({"counsellor"})
READERS: Final = frozenset({"counsellor", "supervisor", "admin"})  # stand before a case; the keyholder opens it or not
WRITERS: Final = frozenset({"counsellor", "supervisor"})
ALONGSIDE: Final = frozenset({"supervisor", "admin"})  # read a case that is not their own
ADMIN: Final = frozenset({"admin"})
TONGUES: Final = frozenset({"translator", "counsellor", "supervisor"})  # inside, the languages each has a right for
AGENDA: Final = frozenset({"counsellor", "front_desk"})  # own cases, or of all cases start and code
NUMBER: Final = re.compile(r"(127\.0\.0\.1|\[::1\])(?P<port>:\d{1,5})?")
FIRST: Final = "desk.home"  # leads everybody to where their role begins


@dataclass(frozen=True)
class Door:
    """Who may come to an endpoint. `fresh`: only within five minutes of a proof of identity."""

    roles: frozenset[str]
    fresh: bool = False


# Nobody needs to be signed in here. `lock.state` says to nobody that they are nobody.
OPEN: Final = frozenset({"auth.sign_in", "auth.enter", "static", "pages.language", "lock.state"})
# All that half a session may reach: the factor is still to come, or there is none yet.
HALF: Final = {
    "password": frozenset({"auth.second", "auth.prove", "auth.prove_passkey", "auth.sign_out"}),
    "enrol": frozenset({"auth.enrol", "auth.enrol_code", "auth.enrol_passkey", "auth.sign_out"}),
}
# Behind lock, cover and couple view: in again, or out.
WHILE_LOCKED: Final = frozenset({"lock.lock", "lock.unlock", "auth.sign_out"})
NEW_PASSWORD: Final = frozenset(
    {"auth.new_password", "auth.change_password", "lock.lock", "lock.state", "auth.sign_out"}
)

DOORS: Final[dict[str, Door]] = {
    # the session itself
    "auth.second": Door(ALL),
    "auth.prove": Door(ALL),
    "auth.prove_passkey": Door(ALL),
    "auth.enrol": Door(ALL),
    "auth.enrol_code": Door(ALL),
    "auth.enrol_passkey": Door(ALL),
    "auth.written": Door(ALL),
    "auth.new_password": Door(ALL),
    "auth.change_password": Door(ALL),
    "auth.sign_out": Door(ALL),
    "lock.lock": Door(ALL),
    "lock.unlock": Door(ALL),
    "lock.step_up": Door(ALL),
    "lock.prove": Door(ALL),
    "lock.again": Door(ALL),
    # one's own account
    "account.page": Door(ALL),
    "account.password": Door(ALL),
    "account.cover_key": Door(ALL),
    "account.end_session": Door(ALL),
    "account.code": Door(ALL, fresh=True),
    "account.add_code": Door(ALL, fresh=True),
    "account.passkey": Door(ALL, fresh=True),
    "account.add_passkey": Door(ALL, fresh=True),
    "account.confirm": Door(ALL),
    "account.remove": Door(ALL, fresh=True),
    "account.codes": Door(ALL, fresh=True),
    # pages of no feature, and blanks
    "pages.help": Door(ALL),
    "sheets.shelf": Door(ALL),
    "sheets.blank": Door(ALL),
    # where a role begins, what waits for it
    "desk.home": Door(ALL),
    "desk.waiting": Door(ALL),
    "desk.seen": Door(ALL),
    "desk.answer": Door(READERS),
    "desk.end_grant": Door(READERS),
    "desk.supervision_list": Door(frozenset({"supervisor"})),
    "desk.look": Door(ALONGSIDE),
    "desk.preview_shelf": Door(frozenset({"translator"})),
    "desk.preview": Door(frozenset({"translator"})),
    "audit.page": Door(READERS),
    # accounts, transfer, break-glass
    "team.page": Door(ADMIN),
    "team.new": Door(ADMIN),
    "team.person": Door(ADMIN),
    "team.change": Door(ADMIN),
    "team.glass": Door(ADMIN),
    "team.hand_over": Door(ALONGSIDE),
    "machines.page": Door(ADMIN),
    "machines.revoke": Door(ADMIN),
    # cases
    "cases.caseload": Door(COUNSELLOR),
    "cases.find": Door(WRITERS),
    "cases.new": Door(COUNSELLOR),
    "cases.page": Door(COUNSELLOR),
    "cases.work": Door(COUNSELLOR),
    "cases.card": Door(COUNSELLOR),
    "cases.couple": Door(COUNSELLOR),
    "cases.show_couple": Door(COUNSELLOR),
    "homework.plan": Door(COUNSELLOR),
    "homework.begin": Door(COUNSELLOR),
    "homework.review": Door(COUNSELLOR),
    "course.page": Door(COUNSELLOR),
    "course.share": Door(COUNSELLOR),
    "course.share_aim": Door(COUNSELLOR),
    "course.take_back": Door(COUNSELLOR),
    "course.reminder": Door(COUNSELLOR),
    "formulation.map": Door(READERS),
    "formulation.choose": Door(COUNSELLOR),
    "entry.page": Door(COUNSELLOR),
    "entry.find": Door(COUNSELLOR),
    "entry.edit": Door(COUNSELLOR),
    "entry.save": Door(COUNSELLOR),
    "sheets.choose": Door(COUNSELLOR),
    "sheets.paper": Door(COUNSELLOR),
    "sheets.override": Door(COUNSELLOR, fresh=True),
    # appointments and packs
    "appointments.day": Door(AGENDA),
    "appointments.add": Door(COUNSELLOR),
    "appointments.edit": Door(COUNSELLOR),
    "packs.case": Door(COUNSELLOR),
    "packs.make_case": Door(COUNSELLOR),
    "packs.day": Door(COUNSELLOR),
    "packs.pending": Door(COUNSELLOR),
    "packs.progress": Door(COUNSELLOR),
    "packs.collect": Door(COUNSELLOR),
    "packs.cancel": Door(COUNSELLOR),
    # rights of the two, retention, backups
    "rights.page": Door(COUNSELLOR),
    "rights.export_": Door(COUNSELLOR, fresh=True),
    "rights.ask": Door(COUNSELLOR, fresh=True),
    "rights.erase_": Door(COUNSELLOR, fresh=True),
    "rights.keep": Door(COUNSELLOR, fresh=True),
    "rights.due": Door(COUNSELLOR),
    "rights.backups": Door(frozenset({"admin"})),
    "rights.back_up": Door(frozenset({"admin"})),
    # translations
    "workbench.languages": Door(TONGUES),
    "workbench.language": Door(TONGUES),
    "workbench.listing": Door(TONGUES),
    "workbench.edit": Door(TONGUES),
    "workbench.preview": Door(TONGUES),
    "workbench.proof": Door(TONGUES),
    "workbench.exchange": Door(TONGUES),
    # records
    "records.start": Door(WRITERS),
    "records.edit": Door(READERS),
    "records.save": Door(WRITERS),
    "records.merge": Door(WRITERS),
    "records.move": Door(WRITERS),
    "records.autosave": Door(WRITERS),
    "records.add": Door(WRITERS),
    "records.correct": Door(WRITERS),
    "records.settle": Door(WRITERS),
    "records.discard": Door(WRITERS),
}


def register(app: Flask) -> None:
    """Ask at every door."""
    app.before_request(gate)
    app.jinja_env.globals |= {"opens": opens, "home": home, "first_layer": first_layer}


def gate() -> ResponseReturnValue | None:
    """Host, site, session, stage, lock and couple view, form token, role, step-up; then the view."""
    if (moved := _by_name()) is not None:
        return moved
    if isinstance(request.routing_exception, SecurityError):
        raise request.routing_exception
    if csrf.unsafe():
        csrf.same_site()
    if request.endpoint in OPEN:
        if csrf.unsafe() and csrf.owner() is None:
            raise CSRFError("no token")
        return None
    found = session.state()
    if found is None:
        raise SignIn
    _locked(found)
    if (held := _half(found)) is not None:
        return held
    if found.stage == "full" and found.role not in COUNSELLOR and (led := _led(found)) is not None:
        return led
    _role(found)
    if not session.by_itself():
        session.awake()  # whatever was asked for
    return None


def _led(found: State) -> ResponseReturnValue | None:
    """The bare address of the clinic is everybody's own first page; who reads along reads on a page of their own."""
    if request.endpoint == "cases.caseload":
        return redirect(home())
    if request.endpoint in ("cases.page", "cases.work") and found.role in ALONGSIDE:
        return redirect(url_for("desk.look", **(request.view_args or {})), 303)
    return None


def _by_name() -> ResponseReturnValue | None:
    """Passkeys belong to a name: whoever typed the number of this machine goes on to `localhost`."""
    host = request.headers.get("Host", "")  # as it came: the list of trusted hosts knows no IPv6
    found = NUMBER.fullmatch(host)
    if request.method not in ("GET", "HEAD") or found is None or request.endpoint == "static":
        return None
    return redirect(f"{request.scheme}://localhost{found['port'] or ''}{request.path}")


def _locked(found: State) -> None:
    """A locked session and the couple view reach nothing but the way out."""
    if found.stage != "full" or request.endpoint in WHILE_LOCKED:
        return
    if found.locked or (found.couple is not None and not session.couples_own(found)):
        raise Locked


def _half(found: State) -> ResponseReturnValue | None:
    """The page that is still missing on the way in."""
    if found.stage in HALF and request.endpoint not in HALF[found.stage]:
        if csrf.unsafe():
            raise SignIn
        return redirect(url_for("auth.second" if found.stage == "password" else "auth.enrol"))
    if found.stage == "full" and found.temporary and request.endpoint not in NEW_PASSWORD and not found.locked:
        return redirect(url_for("auth.new_password"), 303)
    return None


def _role(found: State) -> None:
    """The form is of this person's own page, the role may come here, the proof is fresh."""
    if csrf.unsafe():
        whose = csrf.owner()
        if not whose:
            raise CSRFError("no token")
        if whose != str(found.account_id):  # a form that another person left open in this browser
            raise SignIn
    if request.endpoint is None:
        raise request.routing_exception or NotFound()
    door = DOORS.get(request.endpoint)
    if door is None or found.role not in door.roles:
        with unit_of_work(store(), session.token()):  # so that the audit has it
            raise Denied
    if door.fresh and not found.fresh:
        raise StepUp


def opens(endpoint: str) -> bool:
    """Whether the person of this request may come to an endpoint that there is."""
    found, door = session.state(), DOORS.get(endpoint)
    there = endpoint in current_app.view_functions
    return bool(there and door and found and found.stage == "full" and found.role in door.roles)


def home() -> str:
    """The first page of the person of this request."""
    found = session.state()
    return url_for(FIRST if found and found.stage == "full" else "auth.sign_in")


def first_layer(case_id: object) -> str:
    """Where the staff layer of a case closes to: its first layer; for who only reads along, their own first page."""
    return url_for("cases.page", case_id=case_id) if opens("cases.page") else home()


def back(path: str) -> str:
    """The same address if it is a page of ours that answers GET, else the first page."""
    if path.startswith(("//", "/\\")) or not path.startswith("/"):
        return home()
    try:
        page_at(path)
    except HTTPException:
        return home()
    return path


def page_at(path: str, method: str = "GET") -> tuple[str, Mapping[str, Any]]:
    """The endpoint behind an address of ours, and the values in it. Raises HTTPException: there is none."""
    return current_app.create_url_adapter(request).match(path, method)  # type: ignore[union-attr]  # a request is there
