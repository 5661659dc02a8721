"""Packs: what is due for a case or a day, ticked in the staff layer, and printed by the readers' views alone.

A request that prints opens no staff layer, and the page that it may come back with is made of what was posted.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from io import BytesIO
from typing import Any, Final
from uuid import UUID

from flask import Blueprint, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from wtforms import BooleanField, RadioField
from wtforms.fields.choices import SelectChoice

from clinic.domain.audience import RECIPIENTS, Recipient
from clinic.domain.definition import Definition, Text
from clinic.domain.errors import ClinicError, NotFound, Refused
from clinic.services import appointments, cases, packs, records
from clinic.services.packs import How, Item, NothingPrinted, Offer
from clinic.web.appointments import clock, day_of
from clinic.web.clinic import press, settings, store
from clinic.web.filters import fill, problem
from clinic.web.session import token
from clinic.web.sheets import GROUPS, letterhead

bp = Blueprint("packs", __name__)

MAKES: Final = frozenset({"print", "download", "zip"})
PART: Final = "|"


class PackForm(FlaskForm):
    """What holds for every sheet of a pack."""

    goes = RadioField(lazy_gettext("Where does it go?"), default="stays")
    draft = BooleanField(lazy_gettext("Print an unreviewed translation, marked “Draft”"))
    cover = BooleanField(lazy_gettext("A list on top: codes and numbers of pages"))
    letterhead = BooleanField(lazy_gettext("The clinic’s letterhead on top"))

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.goes.choices = [
            SelectChoice(value="stays", label=_("It stays here")),
            SelectChoice(value="home", label=_("It goes home. I asked: paper is safe there")),
        ]

    def how(self) -> How:
        """What was chosen."""
        return How(
            zip=_do() == "zip",
            cover=bool(self.cover.data),
            draft=bool(self.draft.data),
            home=self.goes.data == "home",
            letterhead=bool(self.letterhead.data) and letterhead(),
        )


@dataclass(frozen=True)
class Line:
    """One sheet in the list: what is posted for it, and how it stands."""

    value: str
    title: Text
    recipient: Recipient
    day: date | None = None
    filled: bool = False
    ticked: bool = True
    failed: bool = False


@dataclass(frozen=True)
class Group:
    """The sheets of one meeting, or of the case; `who` is empty where it is not to be said."""

    code: str
    lines: tuple[Line, ...]
    at: datetime | None = None
    who: str = ""


# --------------------------------------------------------------------------- one case
@bp.get("/cases/<uuid:case_id>/pack")
def case(case_id: object) -> ResponseReturnValue:
    """Staff layer: what is due is ticked, anything else can be added."""
    page = cases.case_page(store(), token(), str(case_id), layer="staff")
    known, due = packs.packable(store()), packs.due(store(), token(), page.id)
    listed = packs.finished(records.listing(store(), token(), page.id), known)
    there = {(one.recipient, one.sheet, one.record) for one in due}
    group = Group(page.code, tuple(_offered(_of_case(page.id), one) for one in due))
    rest = [_offered(_of_case(page.id), one, False) for one in listed if _id(one) not in there]
    more = [(name, [_either(page.id, one) for one in sheets]) for name, sheets in _grouped(known)]
    return _page(page, None, [group], _items([group], {page.id: page.code}), rest=rest, more=more)


@bp.post("/cases/<uuid:case_id>/pack")
def make_case(case_id: object) -> ResponseReturnValue:
    """The pack of one case."""
    one = cases.name(store(), token(), str(case_id))
    return _made(one, None, _posted({one.id: one.code}))


# --------------------------------------------------------------------------- one day
@bp.post("/day/pack")
def day() -> ResponseReturnValue:
    """The own meetings of a day: staff layer of each to choose; then the pack."""
    shown = day_of(request.form.get("day", ""), appointments.today(store()))
    codes = {id_: code for code, id_ in packs.codes(store(), token()).items()}
    if _do() in MAKES:
        return _made(None, shown, _posted(codes))
    groups = [
        Group(
            one.code,
            tuple(_offered(_of_meeting(one), offer) for offer in one.due)
            + tuple(_offered(_of_meeting(one), offer, False) for offer in one.rest),
            one.at,
            one.who,
        )
        for one in packs.sessions_of(store(), token(), shown)
    ]
    return _page(None, shown, groups, _items(groups, codes))


# --------------------------------------------------------------------------- lines and items
def _of_case(case_id: str) -> tuple[str, ...]:
    return (case_id, "", "")


def _of_meeting(one: packs.Session) -> tuple[str, ...]:
    return (one.case, one.at.isoformat(), "alone" if one.who != "both" else "")


def _id(one: Offer) -> tuple[str, str, str]:
    return one.recipient, one.sheet, one.record


def _offered(where: tuple[str, ...], one: Offer, ticked: bool = True) -> Line:
    value = PART.join((*where, one.recipient, one.sheet, one.record))
    return Line(value, one.title, one.recipient, one.day, bool(one.record), ticked)


def _either(case_id: str, sheet: Definition) -> tuple[Text, list[Line]]:
    """A sheet for each of its readers, to be ticked."""
    offers = [Offer(to, sheet.id, sheet.title, date.min) for to in sheet.recipients]
    return sheet.title, [_offered(_of_case(case_id), one, False) for one in offers]


def _grouped(known: dict[str, Definition]) -> list[tuple[str, list[Definition]]]:
    """As the list for one sheet is grouped."""
    found = [(name, [one for one in known.values() if one.kind in kinds]) for name, kinds in GROUPS]
    return [(name, sheets) for name, sheets in found if sheets]


def _items(groups: Iterable[Group], codes: dict[str, str]) -> list[Item]:
    """The ticked lines as items, as they will be posted."""
    return _read([line.value for group in groups for line in group.lines if line.ticked], codes)


def _posted(codes: dict[str, str]) -> list[Item]:
    return _read(dict.fromkeys(request.form.getlist("item")), codes)


def _read(values: Iterable[str], codes: dict[str, str]) -> list[Item]:
    """Items by their places. NotFound for anything that no page of ours posts, a foreign case too."""
    found, known = [], packs.packable(store())
    for place, value in enumerate(values, start=1):
        try:
            case_id, at, alone, to, sheet, record = value.split(PART)
            start = datetime.fromisoformat(at) if at else None
            record = str(UUID(record)) if record else ""
        except ValueError:
            raise NotFound from None
        recipient = next((one for one in RECIPIENTS if one == to), None)
        if case_id not in codes or sheet not in known or recipient not in known[sheet].recipients:
            raise NotFound
        if recipient is not None:
            item = Item(place, case_id, codes[case_id], recipient, sheet, record, at=start, alone=alone == "alone")
            found.append(item)
    return found


# --------------------------------------------------------------------------- printing
def _made(one: Any, shown: date | None, items: list[Item]) -> ResponseReturnValue:
    """The file, or the list again with what is wrong; then nothing was printed."""
    form = PackForm()
    if not form.validate():
        return _again(one, shown, items, form, 422)
    if packs.uneven(items) and request.form.get("uneven", "") != _mark(items):
        return _again(one, shown, items, form, 409)
    try:
        made = packs.make(store(), press(), token(), items, form.how(), settings().print_when, whole=True)
    except NothingPrinted as error:
        return _again(one, shown, items, form, error.http, failed=error.places)
    except NotFound:
        raise
    except ClinicError as error:
        return _again(one, shown, items, form, error.http, refusal=fill(problem(error.message_id), error.params))
    if made.failed:
        return _again(one, shown, items, form, Refused.http, failed=made.failed)
    return send_file(BytesIO(made.data), mimetype=made.mime, as_attachment=_do() != "print", download_name=made.name)


def _again(
    one: Any,
    shown: date | None,
    items: Sequence[Item],
    form: PackForm,
    status: int,
    failed: Sequence[int] = (),
    refusal: str = "",
) -> ResponseReturnValue:
    """The list as it was posted; what failed is not ticked any more."""
    known = packs.packable(store())
    groups: dict[tuple[datetime | None, str], list[Line]] = {}
    for item in items:
        at = item.at.isoformat() if item.at else ""
        value = PART.join((item.case, at, "alone" if item.alone else "", item.recipient, item.sheet, item.record))
        bad = item.place in failed
        line = Line(value, known[item.sheet].title, item.recipient, None, bool(item.record), not bad, bad)
        groups.setdefault((item.at, item.code), []).append(line)
    shown_again = [Group(code, tuple(lines), at) for (at, code), lines in groups.items()]
    left = [item for item in items if item.place not in failed]
    if failed:
        refusal = problem(Refused().message_id)
    return _page(one, shown, shown_again, left, form, refusal=refusal, status=status)


def _page(
    one: Any,
    shown: date | None,
    groups: Sequence[Group],
    items: Sequence[Item],
    form: PackForm | None = None,
    status: int = 200,
    **more: Any,
) -> ResponseReturnValue:
    values = {"refusal": "", "rest": [], "more": []} | more
    action = url_for("packs.make_case", case_id=one.id) if one else url_for("packs.day")
    page = render_template(
        "web/packs/pack.html",
        case=one,
        shown=shown,
        action=action,
        groups=groups,
        form=form or PackForm(formdata=None),
        uneven=packs.uneven(items),
        mark=_mark(items),
        letterhead=letterhead(),
        clock=clock,
        **values,
    )
    return page, status


def _mark(items: Iterable[Item]) -> str:
    """What of the mirror rule was said on the page: the same again is not asked twice."""
    return " ".join(f"{code}:{mine['a']}:{mine['b']}" for code, mine in sorted(packs.uneven(items).items()))


def _do() -> str:
    return request.form.get("do", "open")
