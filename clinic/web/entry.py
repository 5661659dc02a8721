"""Keying in what came back on paper: the code, whose sheet it is, then its form, all from the keyboard.

A code is posted and never stands in an address, a title or a log. One that opens nothing here is answered in one way.
"""

import re
from datetime import date
from typing import Any, Final

from flask import Blueprint, Flask, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from markupsafe import Markup
from werkzeug.datastructures import MultiDict
from wtforms import DateField, RadioField, StringField
from wtforms.fields.choices import SelectChoice

from clinic import documents
from clinic.domain.answer import read_form
from clinic.domain.audience import RECIPIENTS, Recipient
from clinic.domain.definition import SILENT
from clinic.domain.errors import ClinicError, Conflict, Invalid, NotFound, TooMany
from clinic.services import entry, records
from clinic.services.records import RecordView
from clinic.web import language
from clinic.web import records as pages
from clinic.web.clinic import store
from clinic.web.forms.record_form import RecordForm, record_form
from clinic.web.session import token

bp = Blueprint("entry", __name__)
bp.register_error_handler(ClinicError, pages.refused)
bp.register_error_handler(413, pages.too_large)
CONTROL: Final = re.compile(r"<(?:textarea|select|input(?![^>]*type=\"hidden\"))\b")


class CodeForm(FlaskForm):
    """A code, whose sheet it is, and the day on which it was filled in."""

    code = StringField(lazy_gettext("Code on the sheet"))
    to = RadioField(lazy_gettext("Whose sheet is it?"))
    day = DateField(lazy_gettext("Filled in on"))

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        words = {"a": _("Partner A"), "b": _("Partner B"), "joint": _("Both together")}
        self.to.choices = [SelectChoice(value=one, label=words[one]) for one in ("a", "b", "joint")]

    def wrong(self) -> dict[str, str]:
        """What is wrong before anything is looked up, by field id. No day stands for today."""
        found = {} if self.to.data in RECIPIENTS else {"to": _("Choose whose sheet it is.")}
        return found if self.day.data or not any(self.day.raw_data or ()) else found | {"day": _day()}

    def explain(self, wrong: dict[str, str]) -> None:
        """Put each sentence at its field."""
        for name, sentence in wrong.items():
            self[name].errors = [sentence]

    def faults(self) -> list[tuple[str, str]]:
        """What is wrong, by field id."""
        return [(field.id, field.errors[0]) for field in self if field.errors]


def register(app: Flask) -> None:
    """The filter that puts the cursor where typing begins."""
    app.jinja_env.filters["focused"] = focused


def focused(html: Markup) -> Markup:
    """The first control of a part of a page takes the focus when the page opens, without any script."""
    found = CONTROL.search(html)
    return html[: found.end()] + Markup(" autofocus") + html[found.end() :] if found else html


@bp.get("/codes")
def page() -> ResponseReturnValue:
    """Where a code is typed."""
    return _codes(CodeForm(formdata=None, data={"day": store().today()}))


@bp.post("/codes")
def find() -> ResponseReturnValue:
    """On to the form of the sheet, or one line that says nothing but that this code opens nothing here."""
    form = CodeForm()
    form.validate()
    if wrong := form.wrong():
        form.explain(wrong)
        return _codes(form), 422
    try:
        found = entry.find(store(), token(), form.code.data or "", form.to.data or "", form.day.data or _today())
    except Invalid as error:
        said = {"code": _slip(), "day": _day()}
        form.explain({name: said[name] for name in error.fields})
        return _codes(form), 422
    except NotFound as error:
        return _codes(form, _("This code opens nothing here. Look at the sheet again, and at whose it is.")), error.http
    except TooMany as error:
        return _codes(form, _("Too many codes that open nothing. Wait a minute, then try again.")), error.http
    if found.printed:
        flash(_("This sheet was printed with these answers on it. Add to them, or correct them."))
        return redirect(url_for("records.edit", record_id=found.record), 303)
    return redirect(url_for("entry.edit", record_id=found.record), 303)


@bp.get("/entries/<uuid:record_id>")
def edit(record_id: object) -> ResponseReturnValue:
    """The form of a sheet, in the order of the paper and with its step numbers."""
    record, kept = records.resumed(store(), token(), str(record_id))
    if record.signed or not record.writable:
        return redirect(url_for("records.edit", record_id=record.id), 303)
    posted = MultiDict([(name, value) for name, values in kept.items() for value in values]) if kept else None
    form = record_form(record.definition, record.about, record.answers, record.raw, posted)
    if posted is not None or record.raw:
        form.validate()
    return _keys(record, form, recovered=bool(kept))


@bp.post("/entries/<uuid:record_id>")
def save(record_id: object) -> ResponseReturnValue:
    """Keep what was keyed in, finished or not, and go on to the next code."""
    record, do = records.read(store(), token(), str(record_id)), request.form.get("do", "next")
    checked = read_form(record.definition, record.about, request.form.to_dict(flat=False))
    form = record_form(record.definition, record.about, {}, {}, request.form)
    form.validate()
    rev, tab = pages.posted_rev(), pages.posted_tab()
    try:
        if do == "finish":
            records.finish(store(), token(), record.id, rev, checked, tab, language.tag())
        else:
            records.save_draft(store(), token(), record.id, rev, checked, tab)
    except Invalid as error:
        form.explain({path: why for path, why in error.fields.items() if path not in checked.wrong})
        return _keys(record, form), 422
    except Conflict:
        return pages.merging(record.id, checked)
    row = pages.ROW.match(do)
    if checked.wrong and not row:
        return _keys(records.read(store(), token(), record.id), form), 422
    if not row:
        flash(_("Finished. From now on it is only added to.") if do == "finish" else _("Draft saved."))
    if row or do == "stay":
        return redirect(url_for("entry.edit", record_id=record.id, _anchor=row[1] if row else None), 303)
    return redirect(url_for("entry.page"), 303)


def _codes(form: CodeForm, refusal: str = "") -> str:
    return render_template("web/entry/codes.html", form=form, refusal=refusal, today=store().today().isoformat())


def _keys(record: RecordView, form: RecordForm, recovered: bool = False) -> str:
    page = pages.shown_form(record, form, recovered)
    asked = [one for one in page["steps"] if any(placed.block.kind not in SILENT for placed in one.placed)]
    return render_template("web/entry/form.html", **page | {"steps": asked, "numbers": _numbers(record)})


def _numbers(record: RecordView) -> dict[str, int]:
    """The step numbers on paper, by the title of the section."""
    reader: Recipient = "joint" if record.about == "couple" else record.about
    sheet = documents.sheet(record.definition, None, reader, record.about)
    return {step.title.key: step.number for step in sheet.steps}


def _today() -> date:
    return store().today()


def _slip() -> str:
    return _("This is not a whole code: a sign is missing or mistyped. It has nine signs, at the foot of each page.")


def _day() -> str:
    return _("Give a day that was, such as 2026-03-31.")
