"""The audit page: what was done, by whom, when; each role sees its own part. No content is in it."""

from datetime import datetime
from typing import Any, Final

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import format_datetime, lazy_gettext
from flask_babel import gettext as _
from flask_wtf import FlaskForm
from wtforms import DateField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import Optional

from clinic.services import audit_log
from clinic.services.audit_log import Filters
from clinic.web.clinic import store
from clinic.web.session import token

bp = Blueprint("audit", __name__)

GROUPS: Final = {
    "account": lazy_gettext("Accounts"),
    "appointment": lazy_gettext("Appointments"),
    "audit": lazy_gettext("This page"),
    "backup": lazy_gettext("Backups"),
    "calendar": lazy_gettext("Calendar files"),
    "case": lazy_gettext("Cases"),
    "caseload": lazy_gettext("Caseload"),
    "choice": lazy_gettext("Suggested sheets"),
    "consent": lazy_gettext("Consent"),
    "denied": lazy_gettext("Refusals"),
    "erase": lazy_gettext("Erasures"),
    "export": lazy_gettext("Exports"),
    "factor": lazy_gettext("Second factors"),
    "grant": lazy_gettext("Cases opened by an admin"),
    "hold": lazy_gettext("Holds"),
    "machine": lazy_gettext("Print machines"),
    "notice": lazy_gettext("Notices"),
    "override": lazy_gettext("Sheets against the rules"),
    "pack": lazy_gettext("Packs"),
    "print": lazy_gettext("Prints"),
    "record": lazy_gettext("Records"),
    "release": lazy_gettext("Answers shared with both"),
    "request": lazy_gettext("Second person"),
    "restore": lazy_gettext("Restores"),
    "retention": lazy_gettext("Keeping and deleting"),
    "rotation": lazy_gettext("Keys"),
    "session": lazy_gettext("Sign-ins"),
    "transfer": lazy_gettext("Transfers"),
    "translation": lazy_gettext("Translations"),
    "verify": lazy_gettext("Checks"),
}
# What each verb of the audit says to a reader.
WORDS: Final = {
    "account.activated": lazy_gettext("opened the account again"),
    "account.confirmed": lazy_gettext("confirmed the account"),
    "account.created": lazy_gettext("made the account"),
    "account.deactivated": lazy_gettext("closed the account"),
    "account.factors_reset": lazy_gettext("reset the sign-in"),
    "account.name_changed": lazy_gettext("changed the shown name"),
    "account.password_set": lazy_gettext("set a password"),
    "account.role": lazy_gettext("changed the role"),
    "account.supervisor": lazy_gettext("changed the supervisor"),
    "appointment.added": lazy_gettext("made an appointment"),
    "appointment.cancelled": lazy_gettext("cancelled an appointment"),
    "appointment.moved": lazy_gettext("changed an appointment"),
    "appointment.view": lazy_gettext("looked at a day"),
    "audit.view": lazy_gettext("looked at this page"),
    "backup.made": lazy_gettext("made a backup"),
    "calendar.made": lazy_gettext("made a calendar file"),
    "case.archived": lazy_gettext("put the case away"),
    "case.card": lazy_gettext("changed partners and paper"),
    "case.couple_view": lazy_gettext("opened the couple view"),
    "case.opened": lazy_gettext("opened a new case"),
    "case.staff_view": lazy_gettext("looked at the staff layer"),
    "case.taken_back": lazy_gettext("took the case back"),
    "case.view": lazy_gettext("looked at the case"),
    "case.written": lazy_gettext("changed the case"),
    "caseload.view": lazy_gettext("looked at the caseload"),
    "choice.confirmed": lazy_gettext("confirmed a suggested sheet"),
    "choice.declined": lazy_gettext("declined a suggested sheet"),
    "choice.taken_back": lazy_gettext("took a choice of a sheet back"),
    "consent.withdrawn": lazy_gettext("noted that consent was withdrawn"),
    "denied": lazy_gettext("was refused"),
    "erase.asked": lazy_gettext("asked for an erasure"),
    "erase.done": lazy_gettext("erased answers"),
    "erase.resumed": lazy_gettext("finished an erasure that was cut off"),
    "export.a": lazy_gettext("exported the file of Partner A"),
    "export.b": lazy_gettext("exported the file of Partner B"),
    "export.file": lazy_gettext("exported the whole file"),
    "export.joint": lazy_gettext("exported the joint file"),
    "export.staff_a": lazy_gettext("exported staff notes about Partner A"),
    "export.staff_b": lazy_gettext("exported staff notes about Partner B"),
    "factor.added": lazy_gettext("added a second factor"),
    "factor.codes": lazy_gettext("made new recovery codes"),
    "factor.removed": lazy_gettext("removed a second factor"),
    "factor.used_code": lazy_gettext("used a recovery code"),
    "grant.ended": lazy_gettext("ended the opening of a case"),
    "grant.opened": lazy_gettext("opened a case without being its counsellor"),
    "hold.lifted": lazy_gettext("lifted a hold"),
    "machine.accepted": lazy_gettext("accepted a print machine"),
    "machine.revoked": lazy_gettext("revoked a print machine"),
    "notice.seen": lazy_gettext("read a notice"),
    "override.made": lazy_gettext("allowed a sheet against the rules"),
    "pack.cancelled": lazy_gettext("cancelled a pack"),
    "pack.collected": lazy_gettext("collected a pack"),
    "pack.submitted": lazy_gettext("sent a pack to the press"),
    "print.entered": lazy_gettext("entered the code of a sheet"),
    "print.made": lazy_gettext("printed a sheet"),
    "print.previewed": lazy_gettext("looked at a sheet before printing"),
    "print.view": lazy_gettext("looked at what was printed"),
    "record.added_to": lazy_gettext("began an addition to a record"),
    "record.autosave": lazy_gettext("typed in a record"),
    "record.corrected": lazy_gettext("began a correction of a record"),
    "record.discarded": lazy_gettext("threw a draft away"),
    "record.moved": lazy_gettext("moved a draft to a new version"),
    "record.saved": lazy_gettext("saved a draft"),
    "record.signed": lazy_gettext("finished a record"),
    "record.started": lazy_gettext("began a record"),
    "record.view": lazy_gettext("read a record"),
    "release.made": lazy_gettext("shared an answer with both"),
    "release.taken_back": lazy_gettext("took a shared answer back"),
    "request.asked": lazy_gettext("asked a second person"),
    "request.confirmed": lazy_gettext("confirmed a request"),
    "request.refused": lazy_gettext("put a request aside"),
    "restore.done": lazy_gettext("restored a backup"),
    "retention.done": lazy_gettext("deleted what was kept long enough"),
    "retention.hold": lazy_gettext("set a duty to keep"),
    "retention.lifted": lazy_gettext("lifted a duty to keep"),
    "retention.until": lazy_gettext("set how long a case is kept"),
    "rotation.done": lazy_gettext("changed a key"),
    "session.begun": lazy_gettext("signed in"),
    "session.couple": lazy_gettext("went into the couple view"),
    "session.ended": lazy_gettext("ended a session"),
    "session.failed": lazy_gettext("tried to sign in and failed"),
    "session.left_couple": lazy_gettext("left the couple view"),
    "session.locked": lazy_gettext("covered the screen"),
    "session.out": lazy_gettext("signed out"),
    "session.stepped_up": lazy_gettext("proved who they are"),
    "session.unlocked": lazy_gettext("came back to a covered screen"),
    "transfer.asked": lazy_gettext("asked for a transfer"),
    "transfer.done": lazy_gettext("transferred the case"),
    "translation.commented": lazy_gettext("commented on a translation"),
    "translation.exported": lazy_gettext("wrote translations into their files"),
    "translation.granted": lazy_gettext("gave a language to an account"),
    "translation.marked": lazy_gettext("reviewed or approved translations"),
    "translation.proved": lazy_gettext("printed a proof of a translation"),
    "translation.proposed": lazy_gettext("changed translations"),
    "translation.revoked": lazy_gettext("took a language from an account"),
    "translation.dismissed": lazy_gettext("dismissed a warning about a translation"),
    "verify.done": lazy_gettext("checked the records"),
}


class FilterForm(FlaskForm):
    """What to look for. Sent by POST, so that no code and no name stands in an address."""

    group = SelectField(lazy_gettext("What"))
    account = SelectField(lazy_gettext("Who"))
    case = StringField(lazy_gettext("Code of the case"))
    since = DateField(lazy_gettext("From"), [Optional()])
    until = DateField(lazy_gettext("Until"), [Optional()])

    def __init__(self, people: list[tuple[str, str]], **values: Any) -> None:
        super().__init__(**values)
        groups = [SelectChoice(value=one, label=str(GROUPS[one])) for one in audit_log.GROUPS]
        everything = SelectChoice(value="", label=_("Everything"))
        self.group.choices = [everything, *sorted(groups, key=lambda one: one.label)]
        self.account.choices = [
            SelectChoice(value="", label=_("Everybody")),
            *(SelectChoice(value=name, label=display) for name, display in people),
        ]

    def filters(self) -> Filters:
        """What was chosen; what does not fit counts as not chosen."""
        wrong = {name for name in self.errors if name}
        chosen = {name: None if name in wrong else self[name].data for name in ("since", "until")}
        words = {name: "" if name in wrong else self[name].data or "" for name in ("group", "account", "case")}
        return Filters(words["group"], chosen["since"], chosen["until"], words["account"], words["case"])

    def faults(self) -> list[tuple[str, str]]:
        """What is wrong, by field id."""
        return [(field.id, field.errors[0]) for field in self if field.errors]


@bp.route("/audit", methods=["GET", "POST"])
def page() -> ResponseReturnValue:
    """The newest lines that fit, and on to older ones."""
    form = FilterForm(audit_log.staff(store(), token()))
    good = form.validate_on_submit() or not form.is_submitted()
    for name in ("since", "until"):
        if form[name].errors:
            form[name].errors = [_("Give a real date, such as 2026-03-31.")]
    shown = audit_log.page(store(), token(), form.filters(), _before() if good else None)
    return render_template(
        "web/audit/page.html", form=form, page=shown, words=WORDS, reasons=REASONS, moment=_moment
    ), 200 if good else 422


# Why something was refused.
REASONS: Final = {
    "NotFound": lazy_gettext("not there, or somebody else’s"),
    "Denied": lazy_gettext("the role may not do this"),
    "Unscoped": lazy_gettext("outside the own cases"),
    "Refused": lazy_gettext("the rules for printing"),
    "NotYours": lazy_gettext("no key for this"),
    "StepUp": lazy_gettext("a fresh proof was missing"),
    "SecondPerson": lazy_gettext("a second person was missing"),
}


def _before() -> int | None:
    text = request.form.get("before", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 12 else None


def _moment(value: datetime) -> str:
    return str(format_datetime(value.astimezone(), "short", rebase=False))
