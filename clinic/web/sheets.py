"""The shelf of worksheets (blanks), and printing for a case: choose, read what leaves the room, print.

A request that looks or prints opens the recipient's view and nothing else: the page around it is made of the case's
plain code, of what was posted, and of the usual paper that the keyholder names. When the gate is closed, one constant
line stands where the answers would stand, and nothing else on the page differs.
"""

from base64 import b64encode
from collections.abc import Iterable
from io import BytesIO
from typing import Any, Final

from flask import Blueprint, current_app, flash, redirect, render_template, request, send_file, url_for
from flask.sansio.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import BooleanField, RadioField, SelectField
from wtforms.fields.choices import SelectChoice

from clinic import resources
from clinic.domain.audience import RECIPIENTS
from clinic.domain.definition import Definition
from clinic.domain.errors import ClinicError, Invalid, NotFound, Refused
from clinic.i18n.locales import translated
from clinic.services import cases, laying_out, overrides, preflight, print_sheet
from clinic.services.blank_cache import Blanks
from clinic.services.print_sheet import Printed, Unseen
from clinic.services.prints import PrintJob
from clinic.services.readiness import Readiness, languages
from clinic.services.shelf import active, on_shelf
from clinic.services.spoken import books
from clinic.web.clinic import press, settings, store
from clinic.web.filters import fill, problem, wrong
from clinic.web.session import token

bp = Blueprint("sheets", __name__)
# How the lists are grouped: by what people look for.
GROUPS: Final = (
    ("worksheet", ("worksheet", "handout")),
    ("homework", ("homework", "review")),
    ("form", ("intake", "agreement", "check_in", "session", "note", "addendum")),
)
NEVER_CHOSEN: Final = frozenset({"addendum"})  # it is printed from its record
PRINTS: Final = frozenset({"print", "download"})
KEPT: Final = "clinic.blanks"
DRAWN: Final = "pages"  # the same page once more, with its pictures: asked for by pages.js, or by its button
MARKED: Final = "marked"  # the button that looks at a draft translation with its mark


class PaperForm(FlaskForm):
    """Language, paper, size and ink of one sheet."""

    locale = SelectField(lazy_gettext("Language"))
    beside = SelectField(lazy_gettext("Second language beside it"))
    paper = RadioField(lazy_gettext("Paper"))
    size = RadioField(lazy_gettext("Text size"))
    ink = RadioField(lazy_gettext("Ink"))
    goes = RadioField(lazy_gettext("Where does it go?"), default="stays")
    draft = BooleanField(lazy_gettext("Print an unreviewed translation, marked “Draft”"))
    letterhead = BooleanField(lazy_gettext("The clinic’s letterhead on top"))

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        tongues = [SelectChoice(value=one.tag, label=one.name) for one in translated()]
        self.locale.choices = tongues
        self.beside.choices = [SelectChoice(value="", label=_("none")), *tongues]
        self.paper.choices = [SelectChoice(value="a4", label="A4"), SelectChoice(value="letter", label="Letter")]
        self.size.choices = [
            SelectChoice(value="normal", label=_("Normal")),
            SelectChoice(value="large", label=_("Large print")),
        ]
        self.ink.choices = [
            SelectChoice(value="full", label=_("Full")),
            SelectChoice(value="saver", label=_("Ink saver")),
        ]

        self.goes.choices = [
            SelectChoice(value="stays", label=_("It stays here")),
            SelectChoice(value="home", label=_("It goes home. I asked: paper is safe there")),
        ]

    def ready(self, states: Iterable[Readiness]) -> bool:
        """Valid, and the languages are ready: this is the same for every case, so it is said before the gate."""
        if not self.validate():
            return False
        waiting = {one.locale: one for one in self.unready(states)}
        for field in (self.locale, self.beside):
            if field.data in waiting:
                field.errors = [unready_words(waiting[field.data])]
        return not self.errors

    def unready(self, states: Iterable[Readiness]) -> list[Readiness]:
        """The chosen languages that this sheet may not print in as the form stands."""
        chosen = (one for one in states if one.locale in (self.locale.data, self.beside.data))
        return [one for one in chosen if not (one.printable or (one.draftable and self.draft.data))]

    def faults(self) -> list[tuple[str, str]]:
        """What is wrong, by field id."""
        return [(field.id, field.errors[0]) for field in self if field.errors]

    def job(self, sheet: str, recipient: Any = None, record: str = "") -> PrintJob:
        """What was chosen, as a print job."""
        return PrintJob(
            sheet,
            recipient,
            self.locale.data,
            self.beside.data,
            self.paper.data,
            self.size.data == "large",
            self.ink.data,
            bool(self.draft.data),
            record,
            self.goes.data == "home",
            bool(self.letterhead.data) and letterhead(),
        )


@bp.get("/sheets")
def shelf() -> ResponseReturnValue:
    """Every sheet that has a blank version, forms included."""
    groups = _grouped(one for one in active(store()).values() if one.blank)
    states = {one.id: languages(one, settings().print_when, books(store())) for _, sheets in groups for one in sheets}
    return render_template("web/sheets/shelf.html", groups=groups, states=states)


@bp.post("/sheets")
def blank() -> ResponseReturnValue:
    """A blank sheet: choose its paper, then the PDF. Which sheet is in the body, never in the address."""
    sheet = on_shelf(store(), request.form.get("sheet", ""))
    if not sheet.blank:
        raise NotFound
    form, when = _form({}), settings().print_when
    refusal, status = "", 200
    if _do() in PRINTS:
        chosen = {form.locale.data, form.beside.data}
        if form.ready(languages(sheet, when, books(store()), chosen)):
            try:
                job = form.job(sheet.id)
                return _file(laying_out.blank(press(), job, when, sheet, settings(), books(store()), _blanks()))
            except ClinicError as error:
                refusal, status = _sentence(error), error.http
        else:
            status = 422
    page = {"states": languages(sheet, when, books(store())), "refusal": refusal, "letterhead": letterhead()}
    return render_template("web/sheets/blank.html", sheet=sheet, form=form, **page), status


@bp.get("/cases/<uuid:case_id>/print")
def choose(case_id: object) -> ResponseReturnValue:
    """Which sheet for whom. The list is the same for every case, whatever may print now."""
    case = cases.name(store(), token(), str(case_id))
    groups = _grouped(one for one in active(store()).values() if one.recipients and one.id not in NEVER_CHOSEN)
    return render_template("web/sheets/choose.html", case=case, groups=groups)


@bp.post("/cases/<uuid:case_id>/print")
def paper(case_id: object) -> ResponseReturnValue:
    """One sheet for one recipient: what leaves the room, the pages, the paper; then print what was shown.

    Drawing takes longer than all the rest, so the pages come by a request of their own.
    """
    case = cases.name(store(), token(), str(case_id))
    sheet, recipient = on_shelf(store(), request.form.get("sheet", "")), request.form.get("to", "")
    if recipient not in sheet.recipients:
        raise NotFound
    record, opening = request.form.get("record", ""), _do() == "open"
    form = _form(cases.usual_paper(store(), token(), case.id, recipient) if opening else {})
    page: dict[str, Any] = {"case": case, "sheet": sheet, "recipient": recipient, "form": form, "record": record}
    page |= {"states": languages(sheet, settings().print_when, books(store())), "letterhead": letterhead()}
    page |= {"refusal": "", "leaves": None}
    waiting = form.unready(page["states"]) if opening else []
    if waiting:  # nobody chose anything yet, so nothing is wrong
        words = {unready_words(one): [each for each in waiting if each.draftable is one.draftable] for one in waiting}
        return render_template("web/sheets/paper.html", **page, waiting=words)
    if not form.ready(page["states"]):
        return render_template("web/sheets/paper.html", **page), 200 if opening else 422
    job, status = form.job(sheet.id, recipient, record), 200
    try:
        try:
            if _do() in PRINTS:
                return _file(_printed(case.id, job))
        except Unseen as error:
            page["refusal"], status = _sentence(error), error.http
        return render_template("web/sheets/paper.html", **page | _leaves(case.id, job)), status
    except NotFound:
        raise
    except ClinicError as error:
        return render_template("web/sheets/paper.html", **page | {"refusal": _sentence(error)}), error.http


def _printed(case_id: str, job: PrintJob) -> Printed:
    seen = request.form.get("seen", "")
    return print_sheet.filled(store(), press(), token(), case_id, job, settings().print_when, seen)


def _leaves(case_id: str, job: PrintJob) -> dict[str, Any]:
    """What leaves the room, and the pages if they were asked for."""
    drawing = press() if _do() == DRAWN else None
    found = preflight.look(store(), drawing, token(), case_id, job, settings().print_when)
    return {"leaves": found, "pictures": [_data_url(one) for one in found.pictures]}


@bp.route("/cases/<uuid:case_id>/override", methods=["GET", "POST"])
def override(case_id: object) -> ResponseReturnValue:
    """Staff layer: print one closed sheet all the same, for one reader, today, with a reason."""
    case = cases.case_page(store(), token(), str(case_id), layer="staff")
    what, reason = request.form.get("what", ""), request.form.get("reason", "")
    faults, status = [], 200
    if request.method == "POST":
        sheet, _space, recipient = what.partition(" ")
        try:
            if recipient not in RECIPIENTS or not sheet:
                raise Invalid({"what": "required"})
            overrides.allow(store(), token(), case.id, sheet, recipient, reason)
        except Invalid as error:
            faults = [(path, wrong(why)) for path, why in error.fields.items()]
            status = 422
        except Refused:
            faults, status = [("what", _("No reason opens this sheet for this reader now."))], 409
        else:
            flash(_("It prints today. Choose it from the list."))
            return redirect(url_for("sheets.choose", case_id=case.id), 303)
    standing = overrides.standing(store(), token(), case.id)
    titles = {one.id: one.title for one in active(store()).values()}
    page = {"case": case, "standing": standing, "titles": titles, "what": what, "reason": reason, "faults": faults}
    return render_template("web/sheets/override.html", **page), status


def unready_words(one: Readiness) -> str:
    """Why a sheet does not print in a language, and what to do: the same words before and after a choice."""
    if one.draftable:
        return _("Nobody has reviewed this sheet in this language yet. Choose another language, or tick “Draft”.")
    return _("This sheet is not ready in this language.")


def letterhead() -> bool:
    """Whether the clinic has a letterhead at all."""
    return bool(settings().letterhead)


@bp.record
def _begin(state: BlueprintSetupState) -> None:
    """The blanks that are kept: from the start of the process, so that it knows when its own files have changed."""
    state.app.extensions[KEPT] = Blanks(resources.cache() / "blanks")


def _blanks() -> Blanks:
    found: Blanks = current_app.extensions[KEPT]
    return found


def _do() -> str:
    return request.form.get("do", "open")


def _sentence(error: ClinicError) -> str:
    return fill(problem(error.message_id), error.params)


def _grouped(sheets: Iterable[Definition]) -> list[tuple[str, list[Definition]]]:
    """Worksheets, homework, forms; each in file order."""
    known = list(sheets)
    groups = [(name, [one for one in known if one.kind in kinds]) for name, kinds in GROUPS]
    return [(name, members) for name, members in groups if members]


def _form(usual: dict[str, Any]) -> PaperForm:
    """The paper form: what was posted, or at first the usual of this recipient."""
    if _do() != "open":
        form = PaperForm()
        form.draft.data = form.draft.data or _do() == MARKED
        if _do() not in PRINTS and "goes" not in request.form:
            form.goes.data = "stays"  # it is asked where the answers are shown
        return form
    plain = {"locale": "en", "beside": "", "paper": settings().paper, "size": "normal", "ink": "full"}
    return PaperForm(formdata=None, data=plain | usual)


def _data_url(png: bytes) -> str:
    return "data:image/png;base64," + b64encode(png).decode()


def _file(printed: Printed) -> ResponseReturnValue:
    """The PDF, shown in the browser or kept as a file; its name is the code."""
    return send_file(
        BytesIO(printed.pdf),
        mimetype="application/pdf",
        as_attachment=_do() == "download",
        download_name=printed.name,
    )
