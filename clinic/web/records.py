"""Any record, by its definition: start, fill, keep typing, save, finish, read, add to."""

import secrets
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict

from clinic.domain.answer import Checked, read_form, shown
from clinic.domain.audience import ABOUTS
from clinic.domain.definition import Placed
from clinic.domain.errors import Conflict, Invalid, NotFound
from clinic.services import cases, records
from clinic.services.records import RecordView
from clinic.web.auth import token
from clinic.web.clinic import store
from clinic.web.filters import t, wrong
from clinic.web.forms.record_form import RecordForm, record_form

bp = Blueprint("records", __name__)


@dataclass(frozen=True)
class Step:
    """One section of the form as the page shows it."""

    id: str
    title: str
    hint: str
    audience: str
    placed: tuple[Placed, ...]
    wrong: bool


@bp.post("/cases/<uuid:case_id>/records")
def start(case_id: object) -> ResponseReturnValue:
    """Begin a record."""
    about = request.form.get("about", "couple")
    if about not in ABOUTS:
        raise NotFound
    made = records.start(store(), token(), str(case_id), request.form.get("definition", ""), about)
    return redirect(url_for("records.edit", record_id=made), 303)


@bp.get("/records/<uuid:record_id>")
def edit(record_id: object) -> ResponseReturnValue:
    """The form of a draft, or a signed record to read."""
    record = records.read(store(), token(), str(record_id))
    if record.signed:
        return _reading(record)
    kept = records.kept_typing(store(), token(), record)
    posted = MultiDict([(name, value) for name, values in kept.items() for value in values]) if kept else None
    form = record_form(record.definition, record.about, record.answers, record.raw, posted)
    if posted is not None or record.raw:
        form.validate()
    return _page(record, form, recovered=bool(kept))


@bp.post("/records/<uuid:record_id>")
def save(record_id: object) -> ResponseReturnValue:
    """Save the draft, add a row, or finish. What does not parse is kept and shown again."""
    record = records.read(store(), token(), str(record_id))
    posted = request.form
    checked = read_form(record.definition, record.about, posted.to_dict(flat=False))
    form = record_form(record.definition, record.about, {}, {}, posted)
    form.validate()
    do = posted.get("do", "draft")
    try:
        if do == "finish":
            records.finish(store(), token(), record.id, _rev(), checked, _tab())
            flash(_("Finished. It can be added to, and it can be printed."))
            return redirect(url_for("records.edit", record_id=record.id), 303)
        records.save_draft(store(), token(), record.id, _rev(), checked, _tab())
    except Invalid as error:
        form.explain(error.fields)
        return _page(record, form), 422
    except Conflict:
        return _merge(record, checked)
    if checked.wrong and do == "draft":
        return _page(records.read(store(), token(), record.id), form), 422
    if do == "row":
        return redirect(url_for("records.edit", record_id=record.id), 303)
    flash(_("Draft saved."))
    return redirect(url_for("records.edit", record_id=record.id), 303)


@bp.post("/records/<uuid:record_id>/merge")
def merge(record_id: object) -> ResponseReturnValue:
    """Settle two versions: for each block that differs, theirs or mine, on top of the newest."""
    now = records.read(store(), token(), str(record_id))
    mine = read_form(now.definition, now.about, request.form.to_dict(flat=False))
    answers = dict(now.answers)
    for one in now.definition.placed(now.about):
        if request.form.get(f"keep:{one.name}") == "mine":
            answers.pop(one.name, None)
            if one.name in mine.answers:
                answers[one.name] = mine.answers[one.name]
    try:
        records.save_draft(store(), token(), now.id, _rev(), Checked(answers, mine.raw, {}), _tab())
    except Conflict:
        return _merge(now, mine)
    flash(_("Both versions are settled and saved."))
    return redirect(url_for("records.edit", record_id=now.id), 303)


@bp.post("/records/<uuid:record_id>/typing")
def autosave(record_id: object) -> ResponseReturnValue:
    """Keep what is typed, apart from the record, until it is saved."""
    typed = {name: values for name, values in request.form.to_dict(flat=False).items() if name not in SERVICE_FIELDS}
    records.autosave(store(), token(), str(record_id), _tab(), _rev(), typed)
    return "", 204


@bp.post("/records/<uuid:record_id>/add")
def add(record_id: object) -> ResponseReturnValue:
    """Begin an addendum to a signed record."""
    made = records.addendum(store(), token(), str(record_id))
    return redirect(url_for("records.edit", record_id=made), 303)


@bp.post("/records/<uuid:record_id>/discard")
def discard(record_id: object) -> ResponseReturnValue:
    """Throw away an own draft."""
    record = records.read(store(), token(), str(record_id))
    records.discard(store(), token(), record.id)
    flash(_("The draft is gone."))
    return redirect(url_for("cases.work", case_id=record.case_id), 303)


SERVICE_FIELDS = frozenset({"csrf_token", "rev", "tab", "do"})


def _rev() -> int:
    text = request.form.get("rev", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else -1


def _tab() -> str:
    return request.form.get("tab", "")[:32]


def _page(record: RecordView, form: RecordForm, recovered: bool = False) -> str:
    placed = record.definition.placed(record.about)
    faults = [(path, f"{_label(placed, path)}: {wrong(field.errors[0])}") for path, field in _wrong(form)]
    code = cases.case_page(store(), token(), record.case_id).code
    return render_template(
        "web/records/edit.html",
        record=record,
        form=form,
        steps=_steps(placed, {path for path, _ in faults}),
        faults=faults,
        tab=secrets.token_hex(8),
        recovered=recovered,
        code=code,
    )


def _wrong(form: RecordForm) -> list[tuple[str, Any]]:
    return [(name, form[name]) for name in form._fields if form[name].errors]


def _label(placed: tuple[Placed, ...], path: str) -> str:
    """The question a field path belongs to, in the reader's words."""
    for one in placed:
        if path == one.name or path.startswith(one.name + "."):
            return t(one.block.label or one.block.stem or one.section.title)
    return path


def _steps(placed: tuple[Placed, ...], wrong_paths: set[str]) -> list[Step]:
    found: dict[str, list[Placed]] = {}
    for one in placed:
        found.setdefault(one.prefix.rstrip(".") + "-" + one.section.id, []).append(one)
    steps = []
    for id_, members in found.items():
        first = members[0]
        title = t(first.section.title)
        if first.prefix:
            title = f"{title} · {_('Partner A') if first.about == 'a' else _('Partner B')}"
        names = tuple(one.name for one in members)
        faulty = any(path == name or path.startswith(name + ".") for path in wrong_paths for name in names)
        audience = "staff" if any(one.scope.startswith(("staff", "process")) for one in members) else first.scope
        steps.append(Step(id_.lstrip("-"), title, t(first.section.hint), audience, tuple(members), faulty))
    return steps


def _reading(record: RecordView) -> str:
    blocks = shown(record.definition, record.about, record.answers)
    return render_template(
        "web/records/read.html",
        record=record,
        steps=_steps(blocks, set()),
        code=cases.case_page(store(), token(), record.case_id).code,
        added=records.added(store(), token(), record.id),
    )


def _merge(record: RecordView, mine: Checked) -> ResponseReturnValue:
    """Somebody saved first: both versions block by block, nothing lost."""
    records.autosave(store(), token(), record.id, _tab(), _rev(), _typed())
    now = records.read(store(), token(), record.id)
    differing = [
        one for one in now.definition.placed(now.about) if now.answers.get(one.name) != mine.answers.get(one.name)
    ]
    page = render_template(
        "web/records/merge.html",
        record=now,
        code=cases.case_page(store(), token(), now.case_id).code,
        differing=differing,
        mine=mine,
        typed=[(name, value) for name, values in _typed().items() for value in values],
        rev=now.rev,
    )
    return page, 409


def _typed() -> dict[str, list[str]]:
    return {name: values for name, values in request.form.to_dict(flat=False).items() if name not in SERVICE_FIELDS}
