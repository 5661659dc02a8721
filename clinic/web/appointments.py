"""The day by codes and times, and appointments in the staff layer of a case, where it stands who comes."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_time, lazy_gettext
from flask_babel import gettext as _
from flask_wtf import FlaskForm
from wtforms import DateField, IntegerField, RadioField, StringField
from wtforms.fields.choices import SelectChoice

from clinic.domain.answer import read_time
from clinic.domain.errors import Invalid
from clinic.services import appointments, cases
from clinic.services.appointments import Appointment
from clinic.web.clinic import store
from clinic.web.filters import wrong
from clinic.web.session import token

bp = Blueprint("appointments", __name__)

USUAL: Final = 50  # minutes


class AppointmentForm(FlaskForm):
    """When, how long, and who comes."""

    day = DateField(lazy_gettext("Day"))
    at = StringField(lazy_gettext("Begins at"))
    minutes = IntegerField(lazy_gettext("Minutes"), default=USUAL)
    who = RadioField(lazy_gettext("Who comes?"), default="both")

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        words = {"both": _("Both partners"), "a": _("Partner A alone"), "b": _("Partner B alone")}
        self.who.choices = [SelectChoice(value=one, label=words[one]) for one in appointments.WHO]

    def lacking(self) -> dict[str, str]:
        """What nobody could make an appointment of, by field."""
        self.validate()
        known = {"day": "not_a_date", "minutes": "not_a_number", "who": "not_an_option"}
        found = {name: id_ for name, id_ in known.items() if self[name].errors or self[name].data is None}
        return found if self.time() is not None else found | {"at": "not_a_time"}

    def time(self) -> time | None:
        """The time of day that was typed."""
        try:
            return time.fromisoformat(read_time((self.at.data or "").strip()))
        except ValueError:
            return None

    def explain(self, faults: Mapping[str, str]) -> None:
        """Put each sentence at its field."""
        for name, id_ in faults.items():
            self[name].errors = [wrong(id_)]

    def faults(self) -> list[tuple[str, str]]:
        """What is wrong, by field id."""
        return [(field.id, field.errors[0]) for field in self if field.errors]


def card(case_id: str) -> dict[str, Any]:
    """What the card in the staff layer of a case shows: the appointments from today on, and an empty form."""
    found = appointments.of_case(store(), token(), case_id, appointments.today(store()))
    return {"appointments": found, "appointment_form": AppointmentForm(formdata=None), "clock": clock}


def clock(moment: datetime) -> str:
    """A time of day as the reader's language writes it; the moment is on the clinic's clock already."""
    return str(format_time(moment, "short", rebase=False))


@bp.route("/day", methods=["GET", "POST"])
def day() -> ResponseReturnValue:
    """Starts and codes of one day. Which day is in the body, never in the address."""
    today = appointments.today(store())
    shown = day_of(request.form.get("day", ""), today)
    near = {"before": shown - timedelta(days=1), "after": shown + timedelta(days=1)}
    slots = appointments.of_day(store(), token(), shown)
    return render_template("web/appointments/day.html", shown=shown, today=today, slots=slots, clock=clock, **near)


@bp.post("/cases/<uuid:case_id>/appointments")
def add(case_id: object) -> ResponseReturnValue:
    """Staff layer: a new appointment."""
    case = cases.case_page(store(), token(), str(case_id), layer="staff")
    form = AppointmentForm()
    try:
        if faults := form.lacking():
            raise Invalid(faults)
        appointments.add(store(), token(), case.id, form.day.data, form.time(), form.minutes.data, form.who.data)
    except Invalid as error:
        form.explain(error.fields)
        return render_template("web/appointments/edit.html", case=case, form=form, one=None), 422
    flash(_("The appointment is made."))
    return redirect(url_for("cases.work", case_id=case.id) + "#appointments", 303)


@bp.route("/appointments/<uuid:appointment_id>", methods=["GET", "POST"])
def edit(appointment_id: object) -> ResponseReturnValue:
    """Staff layer: another time, other company, or cancelled."""
    one = appointments.read(store(), token(), str(appointment_id))
    if request.method == "GET":
        return _edit(one, AppointmentForm(formdata=None, data=_values(one)), 200)
    if request.form.get("do") == "cancel":
        appointments.cancel(store(), token(), one.id)
        flash(_("The appointment is cancelled."))
        return redirect(url_for("cases.work", case_id=one.case) + "#appointments", 303)
    form = AppointmentForm()
    try:
        if faults := form.lacking():
            raise Invalid(faults)
        appointments.move(store(), token(), one.id, form.day.data, form.time(), form.minutes.data, form.who.data)
    except Invalid as error:
        form.explain(error.fields)
        return _edit(one, form, 422)
    flash(_("Saved."))
    return redirect(url_for("cases.work", case_id=one.case) + "#appointments", 303)


def day_of(text: str, usual: date) -> date:
    """A day from a form; the usual one for anything else."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return usual
    return found if appointments.YEARS[0] <= found.year < appointments.YEARS[1] else usual


def _edit(one: Appointment, form: AppointmentForm, status: int) -> ResponseReturnValue:
    case = cases.case_page(store(), token(), one.case, layer="staff")
    return render_template("web/appointments/edit.html", case=case, form=form, one=one), status


def _values(one: Appointment) -> dict[str, Any]:
    return {"day": one.start.date(), "at": f"{one.start:%H:%M}", "minutes": one.minutes, "who": one.who}
