"""Caseload, a new case, and the two layers of a case page."""

from collections.abc import Container, Mapping
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import BooleanField, Form, FormField, HiddenField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import Length

from clinic.domain.definition import Definition
from clinic.domain.errors import Conflict, NotFound
from clinic.i18n.locales import translated
from clinic.services import appointments, cases, choices, prints, records, sessions, supervision
from clinic.services.cases import PartnerCard
from clinic.services.couple import couple_view
from clinic.services.paging import Place
from clinic.services.records import RecordLine
from clinic.services.shelf import active
from clinic.services.spoken import book
from clinic.web import appointments as meetings
from clinic.web import homework
from clinic.web.clinic import settings, store
from clinic.web.doors import home
from clinic.web.formulation import waiting
from clinic.web.session import token

bp = Blueprint("cases", __name__)
SIDES: Final = ("a", "b")

# The way through a case, in the order of CLINICAL_RULES D1: agreement, each alone, then joint work.
PATH: Final = (
    ("consent_and_secrets_policy", ("couple",)),
    ("intake", ("couple",)),
    ("partner_intake", ("a", "b")),
    ("safety_screening", ("a", "b")),
    ("session", ("couple",)),
    ("check_in", ("a", "b")),
    ("signals_checkin", ("a", "b")),
    ("map", ("couple",)),
)
ONCE: Final = frozenset({"consent_and_secrets_policy", "intake", "partner_intake", "safety_screening"})
BY_THEMSELVES: Final = (supervision.NOTE, choices.CHOICE)  # begun elsewhere: by a supervisor, on the map
MORE: Final = ("worksheet", "homework", "review", "note")  # kinds that are begun from the list at the end


# How a partner's own sheets speak to them, where their language has forms for it.
ADDRESS: Final = {
    "": lazy_gettext("neutral"),
    "f": lazy_gettext("feminine"),
    "m": lazy_gettext("masculine"),
    "formal": lazy_gettext("formal"),
}


class PartnerForm(Form):
    """One partner's paper: languages and print size. No names: the case code is all there is."""

    language = SelectField(lazy_gettext("Reads best"))
    beside = SelectField(lazy_gettext("Second language beside it"))
    large = BooleanField(lazy_gettext("Large print"))


class OwnPartnerForm(PartnerForm):
    """What stands in the staff layer besides."""

    safe_paper = StringField(lazy_gettext("Where paper is safe"), [Length(max=500)])
    needs = StringField(lazy_gettext("What helps this person"), [Length(max=500)])
    variant = SelectField(lazy_gettext("Form of address"))

    def offer(self, variants: Container[str], chosen: str) -> None:
        """The forms of address that this partner's language has; none, and nobody is asked."""
        self.variant.choices = [
            SelectChoice(value=name, label=str(label))
            for name, label in ADDRESS.items()
            if name in ("", chosen) or name in variants
        ]
        if len(self.variant.choices) == 1:
            del self.variant


class CaseForm(FlaskForm):
    """A new case: two partners and their paper."""

    a = FormField(PartnerForm)
    b = FormField(PartnerForm)
    paper = SelectField(lazy_gettext("Paper"))

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        languages = [SelectChoice(value=one.tag, label=one.name) for one in translated()]
        for partner in (self.a.form, self.b.form):
            partner.language.choices = languages
            partner.beside.choices = [SelectChoice(value="", label=_("none")), *languages]
        self.paper.choices = [SelectChoice(value="a4", label="A4"), SelectChoice(value="letter", label="Letter")]

    def faults(self) -> list[tuple[str, str]]:
        """What is wrong, by field id."""
        found = [*(one for side in SIDES for one in self[side].form), self.paper]
        return [(field.id, field.errors[0]) for field in found if field.errors]


class CardForm(CaseForm):
    """The card of a case that exists."""

    a = FormField(OwnPartnerForm)
    b = FormField(OwnPartnerForm)
    rev = HiddenField()

    def offer(self, case: cases.CasePage) -> None:
        """What depends on the languages of this case."""
        for side in SIDES:
            mine = case.partners[side]
            tags = {mine.language, *filter(None, [mine.beside])}
            self[side].form.offer({one for tag in tags for one in book(store(), tag).variants()}, mine.variant)


@bp.get("/")
@bp.get("/cases/after/<uuid:case_id>", defaults={"back": False})
@bp.get("/cases/before/<uuid:case_id>", defaults={"back": True})
def caseload(case_id: UUID | None = None, back: bool = False) -> ResponseReturnValue:
    """The counsellor's own cases: code, languages, day of the last change. From a case on, if one is named."""
    listed = cases.caseload_page(store(), token(), Place(case_id, back))
    coming = appointments.coming(store(), token(), [one.id for one in listed.lines])
    return render_template("web/cases/caseload.html", listed=listed, coming=coming, clock=meetings.clock)


@bp.post("/cases/find")
def find() -> ResponseReturnValue:
    """The case with the code that was typed. By POST, so that no code stands in an address."""
    try:
        found = cases.find(store(), token(), request.form.get("code", ""))
    except NotFound:
        flash(_("No case of yours has this code. Look at it again."))
        return redirect(home(), 303)
    return redirect(url_for("cases.page", case_id=found.id), 303)


@bp.route("/cases/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """Open a case."""
    form = CaseForm()
    if form.validate_on_submit():
        partners = {side: _card(form, side, PartnerCard()) for side in SIDES}
        case_id = cases.open_case(store(), token(), partners)
        flash(_("The case is open. Begin with the agreement."))
        return redirect(url_for("cases.work", case_id=case_id), 303)
    if not form.is_submitted():
        form.paper.data = settings().paper
    return render_template("web/cases/new.html", form=form), 422 if form.is_submitted() else 200


@bp.get("/cases/<uuid:case_id>")
def page(case_id: object) -> ResponseReturnValue:
    """First layer: what both partners may see if they look on."""
    return render_template("web/cases/case.html", case=cases.case_page(store(), token(), str(case_id)))


@bp.get("/cases/<uuid:case_id>/couple")
def couple(case_id: object) -> ResponseReturnValue:
    """What both partners may read together, made with the joint key alone. The session is held to it."""
    return render_template("web/cases/couple.html", couple=couple_view(store(), token(), str(case_id)))


@bp.post("/cases/<uuid:case_id>/couple")
def show_couple(case_id: object) -> ResponseReturnValue:
    """Hold this session to the couple view: any other page asks for the password."""
    case = cases.name(store(), token(), str(case_id))
    sessions.couple(store(), token(), case.id)
    return redirect(url_for("cases.couple", case_id=case.id), 303)


@bp.route("/cases/<uuid:case_id>/card", methods=["GET", "POST"])
def card(case_id: object) -> ResponseReturnValue:
    """Staff layer: languages, paper and what helps each of the two."""
    case = cases.case_page(store(), token(), str(case_id), layer="staff")
    form = CardForm(data=_usual(case)) if request.method == "GET" else CardForm()
    form.offer(case)
    status = 422 if form.is_submitted() else 200
    if form.validate_on_submit():
        partners = {side: _card(form, side, case.partners[side]) for side in SIDES}
        try:
            cases.update_card(store(), token(), case.id, _number(form.rev.data), partners)
        except Conflict:
            form.rev.data = str(case.rev)
            flash(_("Somebody changed this card since you opened it. Look at it again, then save."))
            status = 409
        else:
            flash(_("Saved."))
            return redirect(url_for("cases.work", case_id=case.id), 303)
    return render_template("web/cases/card.html", case=case, form=form), status


@bp.get("/cases/<uuid:case_id>/work")
def work(case_id: object) -> ResponseReturnValue:
    """Staff layer: every record of the case and the way through it."""
    case = cases.case_page(store(), token(), str(case_id), layer="staff")
    listed = records.listing(store(), token(), case.id)
    known = active(store())
    steps = [
        (known[id_], [(about, _of(listed, id_, about)) for about in abouts]) for id_, abouts in PATH if id_ in known
    ]
    chosen = {one.id for one in listed if one.definition_id == choices.CHOICE and one.signed}  # the map lists them
    plans = homework.card(case.id)
    carded = {one.id for one in (*plans["plans"].drafts, *plans["plans"].running())}  # the card of the plans lists them
    others = [one for one in listed if one.definition_id not in dict(PATH) and one.id not in chosen | carded]
    gone = prints.sent(store(), token(), case.id)
    more = [one for one in known.values() if one.kind in MORE and one.id not in {*dict(PATH), *BY_THEMSELVES}]
    folded = {
        one.id
        for one, cells in steps
        if one.id in ONCE and all(mine and all(each.signed for each in mine) for _about, mine in cells)
    }
    values = {
        "steps": steps,
        "folded": folded,
        "others": others,
        "more": more,
        "printable": _printable(listed, known),
        "listed": listed,
        "sent": gone,
        "uneven": prints.uneven(gone, store().today()),
        "titles": {one.id: one.title for one in known.values()},
        **waiting(case),
        **plans,
        **meetings.card(case.id),
    }
    return render_template("web/cases/work.html", case=case, **values)


def _printable(listed: list[RecordLine], known: Mapping[str, Definition]) -> dict[str, str]:
    """Records that have paper, and whose: signed, not corrected since, no addendum (it prints with its parent)."""
    corrected = {one.supersedes for one in listed if one.signed}
    found = {}
    for one in listed:
        to = "joint" if one.about == "couple" else one.about
        paper = one.definition_id in known and to in known[one.definition_id].recipients
        if one.signed and paper and one.kind != "addendum" and one.id not in corrected:
            found[one.id] = to
    return found


def _of(listed: list[RecordLine], id_: str, about: str) -> list[RecordLine]:
    return [one for one in listed if (one.definition_id, one.about) == (id_, about)]


def _card(form: CaseForm, side: str, before: PartnerCard) -> PartnerCard:
    data = form[side].form
    own = {name: data[name].data or "" for name in ("safe_paper", "needs", "variant") if name in data}
    return replace(
        before,
        language=data.language.data,
        beside=data.beside.data if data.beside.data != data.language.data else "",
        paper=form.paper.data,
        size="large" if data.large.data else "normal",
        **own,
    )


def _usual(case: cases.CasePage) -> dict[str, Any]:
    sides = {
        side: {
            "language": one.language,
            "beside": one.beside,
            "large": one.size == "large",
            "safe_paper": one.safe_paper,
            "needs": one.needs,
            "variant": one.variant,
        }
        for side, one in case.partners.items()
    }
    return {**sides, "paper": case.partners["a"].paper, "rev": str(case.rev)}


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 10 else -1
