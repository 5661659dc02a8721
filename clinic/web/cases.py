"""Caseload, a new case, and the two layers of a case page."""

from typing import Final

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import BooleanField, Form, FormField, SelectField
from wtforms.fields.choices import SelectChoice

from clinic.i18n.locales import translated
from clinic.services import cases, records
from clinic.services.cases import PartnerCard
from clinic.services.definitions import definitions
from clinic.web.auth import token
from clinic.web.clinic import settings, store

bp = Blueprint("cases", __name__)

# The way through a case, in the order of CLINICAL_RULES D1: agreement, each alone, then joint work.
PATH: Final = (
    ("intake", ("couple",)),
    ("consent_and_secrets_policy", ("couple",)),
    ("partner_intake", ("a", "b")),
    ("safety_screening", ("a", "b")),
    ("session", ("couple",)),
    ("check_in", ("a", "b")),
    ("signals_checkin", ("a", "b")),
    ("map", ("couple",)),
)


class PartnerForm(Form):
    """One partner's paper: languages and print size. No names: the case code is all there is."""

    language = SelectField(lazy_gettext("Reads best"))
    beside = SelectField(lazy_gettext("Second language beside it"))
    large = BooleanField(lazy_gettext("Large print"))


class CaseForm(FlaskForm):
    """A new case: two partners and their paper."""

    a = FormField(PartnerForm)
    b = FormField(PartnerForm)
    paper = SelectField(lazy_gettext("Paper"))

    def __init__(self) -> None:
        super().__init__()
        languages = [SelectChoice(value=one.tag, label=one.name) for one in translated()]
        for partner in (self.a.form, self.b.form):
            partner.language.choices = languages
            partner.beside.choices = [SelectChoice(value="", label=_("none")), *languages]
        self.paper.choices = [SelectChoice(value="a4", label="A4"), SelectChoice(value="letter", label="Letter")]


@bp.get("/")
def caseload() -> ResponseReturnValue:
    """The counsellor's own cases: code, languages, day of the last change."""
    return render_template("web/cases/caseload.html", cases=cases.caseload(store(), token()))


@bp.route("/cases/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """Open a case."""
    form = CaseForm()
    if form.validate_on_submit():
        partners = {side: _card(form, side) for side in ("a", "b")}
        case_id = cases.open_case(store(), token(), partners)
        flash(_("The case is open. Begin with the intake."))
        return redirect(url_for("cases.work", case_id=case_id))
    if not form.is_submitted():
        form.paper.data = settings().paper
    faults = [(field.id, field.errors[0]) for side in (form.a.form, form.b.form) for field in side if field.errors]
    return render_template("web/cases/new.html", form=form, faults=faults), 422 if faults else 200


def _card(form: CaseForm, side: str) -> PartnerCard:
    data = form[side].form
    return PartnerCard(
        language=data.language.data,
        beside=data.beside.data if data.beside.data != data.language.data else "",
        paper=form.paper.data,
        size="large" if data.large.data else "normal",
    )


@bp.get("/cases/<uuid:case_id>")
def page(case_id: object) -> ResponseReturnValue:
    """First layer: what both partners may see if they look on."""
    return render_template("web/cases/case.html", case=cases.case_page(store(), token(), str(case_id)))


@bp.get("/cases/<uuid:case_id>/work")
def work(case_id: object) -> ResponseReturnValue:
    """Staff layer: every record of the case and the way through it."""
    case = cases.case_page(store(), token(), str(case_id))
    listed = records.listing(store(), token(), str(case_id))
    steps = [
        (definitions()[id_], [(about, [one for one in listed if (one.definition_id, one.about) == (id_, about)]) for about in abouts])
        for id_, abouts in PATH
        if id_ in definitions()
    ]
    others = [one for one in listed if one.definition_id not in dict(PATH)]
    return render_template("web/cases/work.html", case=case, steps=steps, others=others)
