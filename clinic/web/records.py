"""Any record, by its definition: start, fill, keep typing, save, finish, read, add to."""

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import RequestEntityTooLarge

from clinic.domain.answer import Checked, Leaf, field_path, leaves, read_form, shown
from clinic.domain.audience import ABOUTS
from clinic.domain.definition import ANSWER_LENGTH, SILENT, Definition, Placed
from clinic.domain.errors import ClinicError, Conflict, Invalid, Locked, NotFound, SignIn, StepUp
from clinic.services import cases, records
from clinic.services.records import RecordView
from clinic.services.shelf import on_shelf
from clinic.web import homework, language, problems
from clinic.web.clinic import store
from clinic.web.filters import condition_of, given, t, wrong
from clinic.web.forms.record_form import RecordForm, record_form
from clinic.web.session import token

bp = Blueprint("records", __name__)
SERVICE_FIELDS: Final = frozenset({"csrf_token", "rev", "tab", "do"})
TAB: Final = re.compile(r"[A-Za-z0-9_-]{1,40}\Z")
# Forms whose text comes back whatever happens to them.
TYPED: Final = frozenset({"records.save", "records.merge", "entry.save"})
LARGEST: Final = 12 * 1024 * 1024  # what the server takes in at all (app.serve)
LONG: Final = 200  # characters of a field that is shown to be cut or copied
REASON_LENGTH: Final = 1000  # characters
ROW: Final = re.compile(r"row:(s\d{1,3})\Z")


@dataclass(frozen=True)
class Step:
    """One section of the form as the page shows it. `id` says nothing: it may end up in a browser's history."""

    id: str
    title: str
    hint: str
    audience: str
    partner: str
    show: str
    placed: tuple[Placed, ...]
    wrong: bool
    folded: bool


@bp.post("/cases/<uuid:case_id>/records")
def start(case_id: object) -> ResponseReturnValue:
    """Begin a record."""
    about = request.form.get("about", "couple")
    if about not in ABOUTS:
        raise NotFound
    definition = on_shelf(store(), request.form.get("definition", ""))
    made = records.start(store(), token(), str(case_id), definition.id, about, answers=_begun(definition))
    return redirect(url_for("records.edit", record_id=made), 303)


@bp.get("/records/<uuid:record_id>")
def edit(record_id: object) -> ResponseReturnValue:
    """The form of a draft, or a signed record to read."""
    record, kept = records.resumed(store(), token(), str(record_id))
    if record.signed or not record.writable:
        return _reading(record, read_form(record.definition, record.about, kept) if kept else None)
    posted = MultiDict([(name, value) for name, values in kept.items() for value in values]) if kept else None
    form = record_form(record.definition, record.about, record.answers, record.raw, posted)
    if posted is not None or record.raw:
        form.validate()
    return _page(record, form, recovered=bool(kept))


@bp.post("/records/<uuid:record_id>")
def save(record_id: object) -> ResponseReturnValue:
    """Save the draft, add a row, or finish. What does not parse is kept and shown again."""
    record = records.read(store(), token(), str(record_id))
    posted, do = request.form, request.form.get("do", "draft")
    sent = posted.to_dict(flat=False)
    checked = homework.smallest(record, read_form(record.definition, record.about, sent), do)
    form = record_form(record.definition, record.about, {}, {}, posted)
    form.validate()
    homework.keep(record, sent, posted_tab())
    try:
        if do == "finish":
            records.finish(store(), token(), record.id, posted_rev(), checked, posted_tab(), language.tag())
            homework.finish(record)
            flash(_("Finished. From now on it is only added to."))
            return redirect(url_for("cases.work", case_id=record.case_id), 303)
        records.save_draft(store(), token(), record.id, posted_rev(), checked, posted_tab())
    except Invalid as error:
        form.explain({path: why for path, why in error.fields.items() if path not in checked.wrong})
        return _page(record, form), 422
    except Conflict:
        return merging(record.id, checked)
    if do == "move":
        return _moving(record.id)
    row, small = ROW.match(do), do.startswith(homework.SMALLEST)
    if checked.wrong and not row and not small:
        return _page(records.read(store(), token(), record.id), form), 422
    if not row:
        flash(_("The smallest version is the step now.") if small else _("Draft saved."))
    return redirect(url_for("records.edit", record_id=record.id, _anchor=row[1] if row else None), 303)


@bp.post("/records/<uuid:record_id>/merge")
def merge(record_id: object) -> ResponseReturnValue:
    """Settle two versions: for each block that differs, theirs or mine, on top of the newest."""
    now = records.read(store(), token(), str(record_id))
    mine = read_form(now.definition, now.about, request.form.to_dict(flat=False))
    answers, raw = dict(now.answers), dict(now.raw)
    for one in now.definition.placed(now.about):
        if request.form.get(f"keep:{one.name}") == "mine":
            answers.pop(one.name, None)
            if one.name in mine.answers:
                answers[one.name] = mine.answers[one.name]
            raw = {path: text for path, text in raw.items() if not _of(path, one)}
            raw |= {path: text for path, text in mine.raw.items() if _of(path, one)}
    try:
        records.save_draft(store(), token(), now.id, posted_rev(), Checked(answers, raw, {}), posted_tab())
    except (Conflict, Invalid):
        return merging(now.id, mine)
    flash(_("Both versions are settled and saved."))
    return redirect(url_for("records.edit", record_id=now.id), 303)


@bp.post("/records/<uuid:record_id>/newest")
def move(record_id: object) -> ResponseReturnValue:
    """Put a draft on the newest text of its form."""
    try:
        records.move_to_new_version(store(), token(), str(record_id), posted_rev())
    except Conflict:
        flash(_("Somebody saved this form meanwhile. Look at it again."))
    else:
        flash(_("The draft is on the new version now."))
    return redirect(url_for("records.edit", record_id=record_id), 303)


@bp.post("/records/<uuid:record_id>/typing")
def autosave(record_id: object) -> ResponseReturnValue:
    """Keep what is typed, apart from the record, until it is saved."""
    sent = request.form.to_dict(flat=False)
    if homework.tapped(sent):
        homework.keep(records.read(store(), token(), str(record_id)), sent, posted_tab(), typing=True)
    records.autosave(store(), token(), str(record_id), posted_tab(), posted_rev(), _typed())
    return "", 204


@bp.post("/records/<uuid:record_id>/add")
def add(record_id: object) -> ResponseReturnValue:
    """Begin an addendum to a signed record; with what was typed into it too late, if that is still there."""
    record, kept = records.resumed(store(), token(), str(record_id))
    late = read_form(record.definition, record.about, kept) if kept and record.signed else None
    made = records.addendum(store(), token(), record.id, answers=_added(record, late) if late else None)
    return redirect(url_for("records.edit", record_id=made), 303)


@bp.post("/records/<uuid:record_id>/late")
def settle(record_id: object) -> ResponseReturnValue:
    """Throw away what this person typed into a record after it was finished."""
    records.settle(store(), token(), str(record_id))
    flash(_("It is thrown away."))
    return redirect(url_for("records.edit", record_id=record_id), 303)


@bp.post("/records/<uuid:record_id>/discard")
def discard(record_id: object) -> ResponseReturnValue:
    """Throw away an own draft; the first click asks."""
    record = records.read(store(), token(), str(record_id))
    if request.form.get("sure") != "yes":
        return render_template("web/records/discard.html", record=record, code=_code(record))
    records.discard(store(), token(), record.id)
    flash(_("The draft is gone."))
    return redirect(url_for("cases.work", case_id=record.case_id), 303)


@bp.post("/records/<uuid:record_id>/correct")
def correct(record_id: object) -> ResponseReturnValue:
    """Begin a correction of a signed record; the first click asks for the reason."""
    record = records.read(store(), token(), str(record_id))
    reason, asked = request.form.get("reason", ""), "reason" not in request.form
    if not asked and reason.strip():
        made = records.correction(store(), token(), record.id, reason[:REASON_LENGTH])
        return redirect(url_for("records.edit", record_id=made), 303)
    faults = [] if asked else [("reason", _("Say why it is corrected."))]
    page = render_template("web/records/correct.html", record=record, code=_code(record), faults=faults, reason=reason)
    return page, 200 if asked else 422


@bp.errorhandler(ClinicError)
def refused(error: ClinicError) -> ResponseReturnValue:
    """Whatever stops a form, what was typed into it comes back with the reason. Nothing of the store is needed."""
    if request.method != "POST" or request.endpoint not in TYPED or isinstance(error, SignIn | Locked | StepUp):
        return problems.ours(error)
    return _kept(error.message_id, error.http, error.params)


@bp.errorhandler(413)
def too_large(error: RequestEntityTooLarge) -> ResponseReturnValue:
    """More than can be stored at once: read up to what the server takes in at all, and hand it back to be cut."""
    if request.endpoint not in TYPED:
        return problems.http(error)
    request.max_content_length = request.max_form_memory_size = LARGEST
    try:
        _typed()
    except RequestEntityTooLarge:
        return problems.http(error)
    return _kept("too_large", 413, {})


def _kept(message_id: str, status: int, params: dict[str, Any]) -> ResponseReturnValue:
    texts = [(name, value) for name, values in request.form.to_dict(flat=False).items() for value in values]
    typed = [(name, value) for name, value in texts if name != "csrf_token"]
    page = render_template(
        "web/records/kept.html", message_id=message_id, params=params, path=request.path, typed=typed, long=LONG
    )
    return page, status


def posted_rev() -> int:
    """The revision that the form was filled in at; -1 for what is none."""
    text = request.form.get("rev", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else -1


def posted_tab() -> str:
    """The name of the browser tab; what is no name counts as none."""
    found = request.form.get("tab", "")
    return found if TAB.match(found) else ""


def _code(record: RecordView) -> str:
    return record.code or cases.name(store(), token(), record.case_id).code


def _page(record: RecordView, form: RecordForm, recovered: bool = False) -> str:
    return render_template("web/records/edit.html", **shown_form(record, form, recovered))


def shown_form(record: RecordView, form: RecordForm, recovered: bool = False) -> dict[str, Any]:
    """What a page of a record to fill in is made of."""
    placed = _own(record)
    faults = [(path, f"{_label(placed, path)}: {wrong(field.errors[0])}") for path, field in _wrong(form)]
    return {
        "record": record,
        "form": form,
        "steps": _steps(placed, {path for path, _ in faults}, form),
        "faults": faults,
        "tab": posted_tab() or secrets.token_hex(8),
        "recovered": recovered,
        "newer": _newer(record) is not None,
        "code": _code(record),
        **homework.on_form(record),
    }


def _own(record: RecordView) -> tuple[Placed, ...]:
    """The blocks this record has a part for: an addendum has only the audiences of its parent."""
    placed = record.definition.placed(record.about)
    return tuple(one for one in placed if one.scope in record.scopes or one.block.kind in SILENT)


def _wrong(form: RecordForm) -> list[tuple[str, Any]]:
    return [(name, one) for name, one in form.fields.items() if one.errors]


def _of(path: str, placed: Placed) -> bool:
    return path == placed.name or path.startswith(placed.name + ".")


def _label(placed: Iterable[Placed], path: str) -> str:
    """The question a field path belongs to, in the reader's words: block, then row and field."""
    for one in placed:
        if not _of(path, one):
            continue
        rows = tuple(dict.fromkeys(path[len(one.name) + 1 :].split(".")[:1]))
        leaf = next((leaf for leaf in leaves(one.block, rows) if field_path(one, leaf) == path), None)
        found = [one.block.label or one.block.stem]
        found += [leaf.row.label] if leaf and leaf.row else []
        found += [leaf.label.label] if leaf and leaf.label and leaf.label != leaf.row else []
        words = " – ".join(t(text) for text in found if text) or t(one.section.title)
        return f"{words} ({one.about.upper()})" if one.prefix else words
    return path


def _steps(placed: tuple[Placed, ...], wrong_paths: set[str], form: RecordForm | None = None) -> list[Step]:
    found: dict[tuple[str, str], list[Placed]] = {}
    for one in placed:
        found.setdefault((one.section.id, one.prefix), []).append(one)
    steps = []
    for number, members in enumerate(found.values(), 1):
        first = members[0]
        answered = form is not None and any(form.answered(one) for one in members)
        steps.append(
            Step(
                f"s{number}",
                t(first.section.title),
                t(first.section.hint),
                _audience(members),
                first.about if first.prefix else "",
                condition_of(first.section.show_if, first, placed),
                tuple(members),
                any(_of(path, one) for path in wrong_paths for one in members),
                bool(first.prefix) and not answered and not any(one.block.kind == "table" for one in members),
            )
        )
    return steps


def _audience(members: Iterable[Placed]) -> str:
    """Whose answers a section holds; one staff answer makes it staff."""
    scopes = [one.scope for one in members]
    return "staff" if any(scope.startswith(("staff", "process")) for scope in scopes) else scopes[0]


def _begun(definition: Definition) -> dict[str, Any]:
    """What a new record has from the start: a session is mostly of today."""
    held = definition.blocks.get("held")
    if definition.kind != "session" or held is None or "day" not in {one.id for one in held.fields}:
        return {}
    return {"held": {"day": store().today().isoformat()}}


def _newer(record: RecordView) -> Definition | None:
    """The form's newer text, if there is one. A correction stays on the text of what it corrects."""
    try:
        found = on_shelf(store(), record.definition.id)
    except NotFound:
        return None
    return found if found.sha != record.definition.sha and not record.supersedes else None


def _moving(record_id: str) -> ResponseReturnValue:
    """Before a draft moves: what has no place in the new text, and would go."""
    record = records.read(store(), token(), record_id)
    new = _newer(record)
    if new is None:
        return redirect(url_for("records.edit", record_id=record.id), 303)
    same = records.same_blocks(record.definition, new, record.about)
    left = [one for one in _own(record) if one.name in record.answers and one.name not in same]
    return render_template("web/records/move.html", record=record, code=_code(record), left=left)


def _late(record: RecordView, typed: Checked) -> list[Placed]:
    """The blocks in which this person typed something else than what was finished."""
    return [
        one
        for one in _own(record)
        if typed.answers.get(one.name) not in (None, record.answers.get(one.name))
        or any(_of(path, one) for path in typed.raw)
    ]


def _added(record: RecordView, typed: Checked) -> dict[str, Any]:
    """The same as the text of an addendum, each block in the part of those who may read it."""
    found: dict[str, list[str]] = {}
    for one in _late(record, typed):
        name = "text_staff" if _audience([one]) == "staff" else "text_recipient"
        head = t(one.block.label or one.block.stem or one.section.title)
        lines = [_line(leaf, value) for leaf, value in given(one.block, typed.answers.get(one.name))]
        lines += [str(text) for path, text in typed.raw.items() if _of(path, one)]
        found.setdefault(name, []).append("\n".join([head, *lines]))
    return {name: "\n\n".join(texts)[:ANSWER_LENGTH] for name, texts in found.items()}


def _line(leaf: Leaf, value: Any) -> str:
    chosen = value if isinstance(value, list) else [value]
    said = [next((t(option.label) for option in leaf.options if option.id == one), str(one)) for one in chosen]
    of = [t(one.label) for one in (leaf.row, leaf.label) if one]
    return ": ".join([*dict.fromkeys(of), ", ".join(said)])


def _reading(record: RecordView, late: Checked | None = None) -> str:
    blocks = shown(record.definition, record.about, record.answers)
    differing = _late(record, late) if late else []
    added, correction = records.later(store(), token(), record.id)
    return render_template(
        "web/records/read.html",
        record=record,
        steps=_steps(blocks, set()),
        code=_code(record),
        own=any(one.scope in ("a", "b") and one.name in record.answers for one in blocks),
        added=added,
        newer_id=correction,
        late=late,
        differing=differing,
        raw=[str(text) for path, text in late.raw.items()] if late else [],
    )


def merging(record_id: str, mine: Checked) -> ResponseReturnValue:
    """Somebody saved first: both versions block by block, nothing lost. The service keeps mine as typing too."""
    now = records.read(store(), token(), record_id)
    differing = [
        one
        for one in _own(now)
        if now.answers.get(one.name) != mine.answers.get(one.name) or any(_of(path, one) for path in mine.raw)
    ]
    page = render_template(
        "web/records/merge.html",
        record=now,
        code=_code(now),
        differing=differing,
        mine=mine,
        typed=[(name, value) for name, values in _typed().items() for value in values],
        tab=posted_tab(),
    )
    return page, 409


def _typed() -> dict[str, list[str]]:
    fields = request.form.to_dict(flat=False).items()
    own = (one for one in fields if not one[0].startswith(("keep:", homework.PREFIX)))
    return {name: values for name, values in own if name not in SERVICE_FIELDS}
