"""Packs: what is due for a case or a day, ticked in the staff layer, or a list; then read, item by item, then printed.

A request that shows what leaves the room, or prints it, opens the readers' views alone, each item's in a request of its
own. The page around them is made of what was posted. What is shut has one constant line in the place of its answers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from io import BytesIO
from typing import Any, Final
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext, ngettext
from flask_wtf import FlaskForm
from wtforms import BooleanField, RadioField
from wtforms.fields.choices import SelectChoice

from clinic.domain.audience import RECIPIENTS, Recipient
from clinic.domain.definition import Definition, Text
from clinic.domain.errors import ClinicError, Denied, NotFound, Refused
from clinic.i18n.locales import NAMES
from clinic.services import appointments, batches, cases, pack_list, packs, press_room, records
from clinic.services.pack_list import BadList
from clinic.services.pack_progress import rounded
from clinic.services.packs import How, Item, Looked, NothingPrinted, Offer, Pack, PackEmpty, PackFull
from clinic.services.slips import Slip
from clinic.services.spoken import books
from clinic.web.appointments import clock, day_of
from clinic.web.clinic import press, settings, store
from clinic.web.filters import fill, problem
from clinic.web.session import token
from clinic.web.sheets import GROUPS, MARKED, letterhead, unready_words

bp = Blueprint("packs", __name__)

MAKES: Final = frozenset({"print", "download", "zip"})
LOOKS: Final = frozenset({"look", MARKED})
PART: Final = "|"  # in the value of an item: where, for whom, which sheet, its paper, the mark of what was shown
CHOSEN: Final = 6  # parts of an item on the page where it is chosen
PATIENCE: Final = 3.0  # s that somebody waits for the file itself; after that for a page that says how far it is
USUAL: Final = ("", "", "1")  # language, second language, copies


class PackForm(FlaskForm):
    """What holds for every sheet of a pack."""

    goes = RadioField(lazy_gettext("Where does it go?"), default="stays")
    draft = BooleanField(lazy_gettext("Print an unreviewed translation, marked “Draft”"))
    cover = BooleanField(lazy_gettext("A list on top: codes and numbers of pages"))
    letterhead = BooleanField(lazy_gettext("The clinic’s letterhead on top"))

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.draft.data = self.draft.data or _do() == MARKED
        if not (self.is_submitted() and "goes" in request.form):
            self.goes.data = "stays"  # it is asked where the answers are shown
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
    """One sheet to choose: what is posted for it, and how it stands."""

    value: str
    title: Text
    recipient: Recipient
    day: date | None = None
    filled: bool = False
    ticked: bool = True


@dataclass(frozen=True)
class Group:
    """The sheets of one meeting, or of the case; `who` is empty where it is not to be said."""

    code: str
    lines: tuple[Line, ...]
    at: datetime | None = None
    who: str = ""


@dataclass(frozen=True)
class Lost:
    """A sheet that could not be drawn, by what the page before said of it."""

    code: str
    title: Text | None
    recipient: Recipient


@dataclass(frozen=True)
class Making:
    """An own pack in the list of those that are there."""

    found: batches.Progress
    words: str
    at: datetime | None


@dataclass(frozen=True)
class Shown:
    """One sheet as it would leave: what is posted for it, and to have a copy in `each` of its languages."""

    value: str
    each: str
    title: Text
    found: Looked


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
    return _choice(page, None, [group], {page.id: page.code}, rest=rest, more=more)


@bp.post("/cases/<uuid:case_id>/pack")
def make_case(case_id: object) -> ResponseReturnValue:
    """What leaves the room with the pack of one case; then the pack."""
    one = cases.name(store(), token(), str(case_id))
    return _looked_or_made(one, None, _posted({one.id: one.code}))


# --------------------------------------------------------------------------- one day
@bp.post("/day/pack")
def day() -> ResponseReturnValue:
    """The own meetings of a day: staff layer of each to choose, or a list; what leaves the room; then the pack."""
    shown = day_of(request.form.get("day", ""), appointments.today(store()))
    codes = {id_: code for code, id_ in packs.codes(store(), token()).items()}
    if _do() == "list":
        return _listed(shown, codes)
    if _do() in MAKES or _do() in LOOKS:
        return _looked_or_made(None, shown, _posted(codes))
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
    return _choice(None, shown, groups, codes)


# --------------------------------------------------------------------------- a list
def _listed(shown: date, codes: dict[str, str]) -> ResponseReturnValue:
    """What a list names, as it would leave the room; or the list again with its faults. Own cases only."""
    text, form = request.form.get("list", ""), PackForm()
    try:
        if file := request.files.get("file"):
            text = pack_list.text_in(file.read(pack_list.SIZE + 1)) or text
        elif len(text.encode()) > pack_list.SIZE:
            pack_list.text_in(text.encode())
        ids = {code: id_ for id_, code in codes.items()}
        draft = bool(form.draft.data)
        known, least = packs.packable(store()), settings().print_when
        rows = pack_list.read(text, ids, known, least, draft, packs.MOST, books(store()))
    except BadList as error:
        known = packs.packable(store()).values()
        page = {"list": text, "faults": error.faults, "form": form, "sheets": known, "shown": shown}
        return render_template("web/packs/list.html", **page), error.http
    copies: dict[tuple[str, ...], int] = {}
    for row in rows:
        key = (row.case, "", "", row.to, row.sheet, "", row.locale, row.beside)
        copies[key] = copies.get(key, 0) + 1
    values = [PART.join((*key, str(count), "")) for key, count in copies.items()]
    return _looked(None, shown, _read(values, codes), form)


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


def _posted(codes: dict[str, str]) -> list[Item]:
    """What is ticked; and to be looked at again, what was not ready in a language."""
    values = request.form.getlist("item")
    if _do() not in MAKES:
        values += request.form.getlist("waiting")
    return _read(dict.fromkeys(values), codes, frozenset(request.form.getlist("each")))


def _read(values: Iterable[str], codes: dict[str, str], each: frozenset[str] = frozenset()) -> list[Item]:
    """Items by their places. NotFound for anything that no page of ours posts, a foreign case too."""
    found, known = [], packs.packable(store())
    for place, value in enumerate(values, start=1):
        parts = value.split(PART)
        if len(parts) == CHOSEN:
            parts += [*USUAL, ""]
        try:
            case_id, at, alone, to, sheet, record, locale, beside, copies, seen = parts
            start = datetime.fromisoformat(at) if at else None
            record = str(UUID(record)) if record else ""
            number = int(copies)
        except ValueError:
            raise NotFound from None
        recipient = next((one for one in RECIPIENTS if one == to), None)
        tongues = all(not one or one in NAMES for one in (locale, beside))
        if case_id not in codes or sheet not in known or recipient not in known[sheet].recipients or not tongues:
            raise NotFound
        if not 1 <= number <= packs.MOST:
            raise NotFound
        if recipient is not None:
            item = Item(place, case_id, codes[case_id], recipient, sheet, record, locale, beside, start)
            item = replace(item, alone=alone == "alone", copies=number, seen=seen)
            found.append(replace(item, each=_base(item) in each and recipient == "joint"))
    return found


def _base(item: Item) -> str:
    """What is posted for an item, but for the mark."""
    at, alone = item.at.isoformat() if item.at else "", "alone" if item.alone else ""
    paper = (item.locale, item.beside, str(item.copies))
    return PART.join((item.case, at, alone, item.recipient, item.sheet, item.record, *paper))


# --------------------------------------------------------------------------- looking and printing
def _looked_or_made(one: Any, shown: date | None, items: list[Item]) -> ResponseReturnValue:
    """What leaves the room; or, once it was shown, the file, or the page that says how far it is.

    If anything is wrong nothing was printed.
    """
    form = PackForm()
    valid = form.validate()
    if not items:
        return _looked(one, shown, items, form, PackEmpty.http, refusal=problem(PackEmpty().message_id))
    if not valid or _do() not in MAKES:
        return _looked(one, shown, items, form, 200 if valid else 422)
    if packs.uneven(items) and request.form.get("uneven", "") != _mark(items):
        return _looked(one, shown, items, form, 409)
    try:
        batch = batches.submit(store(), token(), items, form.how(), settings().print_when, whole=True)
        if not batch.id:
            return _looked(one, shown, items, form, Refused.http, batch.failed)
        with press_room.drawing(store(), press()):
            found = batches.wait(store(), token(), batch.id, PATIENCE)
        if found.state != "ready":
            return redirect(url_for("packs.progress", batch_id=batch.id), 303)
        made = batches.collect(store(), press(), token(), batch.id, settings().print_when, keep=False)
    except NothingPrinted as error:
        return _looked(one, shown, items, form, error.http, error.places)
    except NotFound:
        raise
    except ClinicError as error:
        return _looked(one, shown, items, form, error.http, refusal=fill(problem(error.message_id), error.params))
    if made.failed:
        return _looked(one, shown, items, form, Refused.http, made.failed)
    return _file(made)


# --------------------------------------------------------------------------- on its way
@bp.get("/packs")
def pending() -> ResponseReturnValue:
    """The own packs that are being made or wait to be handed out. Nothing of them is said but how far they are."""
    return render_template("web/packs/pending.html", packs=made_here(), clock=clock)


@bp.get("/packs/<uuid:batch_id>")
def progress(batch_id: UUID) -> ResponseReturnValue:
    """How far an own pack is; ready, the buttons that hand it out. Reloading itself, it keeps nobody awake."""
    found, slip = _own(str(batch_id))
    lost, left, done = list[Lost](), list[Item](), found.done
    if found.state == "ready":
        known, failed = packs.packable(store()), set(found.failed)
        items = {entry.item.place: entry.item for entry in slip.entries}
        titles = {id_: one.title for id_, one in known.items()}  # a form of the clinic's own may be gone since
        lost = [Lost(one.code, titles.get(one.sheet), one.recipient) for one in items.values() if one.place in failed]
        left = [one for one in items.values() if one.place not in failed]
        done = sum(entry.item.place not in failed for entry in slip.entries)
    return render_template(
        "web/packs/progress.html",
        found=found,
        done=done,
        words=left_words(found.seconds_left),
        zip=slip.how.zip,
        lost=lost,
        rest=bool(left),
        uneven=packs.uneven(left) if lost else {},
        line=problem(Refused().message_id),
    )


@bp.post("/packs/<uuid:batch_id>/collect")
def collect(batch_id: UUID) -> ResponseReturnValue:
    """The file. If anything of it may not leave any more, what leaves the room once more, and nothing was printed."""
    id_, rest = str(batch_id), "rest" in request.form
    slip = _own(id_)[1]
    try:
        made = batches.collect(store(), press(), token(), id_, settings().print_when, rest=rest)
    except batches.Unfinished:
        return redirect(url_for("packs.progress", batch_id=id_), 303)
    except NothingPrinted as error:
        return _again(slip, error.http, error.places)
    except NotFound:
        raise
    except ClinicError as error:
        return _again(slip, error.http, refusal=fill(problem(error.message_id), error.params))
    return _file(made) if made.data else _again(slip, Refused.http, made.failed)


@bp.post("/packs/<uuid:batch_id>/cancel")
def cancel(batch_id: UUID) -> ResponseReturnValue:
    """Away with it. `back` leads to what leaves the room, without what could not be drawn."""
    id_ = str(batch_id)
    found, slip = _own(id_)
    batches.cancel(store(), token(), id_)
    if _do() == "back" and not found.picked:
        return _again(slip, 200, found.failed)
    if not found.picked:
        flash(_("Nothing was printed. The pack is gone."))
    return redirect(url_for("packs.pending"), 303)


@bp.app_template_global("packs_made")
def made_here() -> list[Making]:
    """The own packs, the newest first."""
    try:
        found = batches.mine(store(), token())
    except Denied:  # after a reset of the sign-in, until it was confirmed: nothing opens
        return []
    return [Making(one, left_words(one.seconds_left), one.made.astimezone() if one.made else None) for one in found]


def left_words(seconds: float | None) -> str:
    """About how long it will take, in words that do not jump; empty if nobody can tell."""
    if seconds is None:
        return ""
    number, unit = rounded(seconds)
    if unit == "minute":
        return str(ngettext("About %(num)d minute left", "About %(num)d minutes left", number))
    return str(ngettext("About %(num)d second left", "About %(num)d seconds left", number))


def _own(id_: str) -> tuple[batches.Progress, Slip]:
    """An own pack. NotFound, also while nothing of this account opens."""
    try:
        return batches.progress(store(), token(), id_), batches.asked(store(), token(), id_)
    except Denied:
        raise NotFound from None


def _again(slip: Slip, status: int, failed: Sequence[int] = (), refusal: str = "") -> ResponseReturnValue:
    """What leaves the room, of the items of a pack that is gone."""
    items = list({entry.item.place: entry.item for entry in slip.entries}.values())
    how, whose = slip.how, {item.case for item in items}
    form = PackForm(formdata=None, data={"draft": how.draft, "cover": how.cover, "letterhead": how.letterhead})
    form.goes.data = "home" if how.home else "stays"
    alone = len(whose) == 1 and all(item.at is None for item in items)
    one = cases.name(store(), token(), whose.pop()) if alone else None
    days = {item.at.date() for item in items if item.at}
    return _looked(one, min(days, default=None), items, form, status, failed, refusal)


def _file(made: Pack) -> ResponseReturnValue:
    """The file, shown in the browser or kept; its name says nothing."""
    kept = _do() != "print" or made.mime != "application/pdf"
    return send_file(BytesIO(made.data), mimetype=made.mime, as_attachment=kept, download_name=made.name)


def _looked(
    one: Any,
    shown: date | None,
    items: Sequence[Item],
    form: PackForm,
    status: int = 200,
    failed: Sequence[int] = (),
    refusal: str = "",
) -> ResponseReturnValue:
    """Every item as it would leave now. What did not print just now is as what is shut: no answers, no tick."""
    if failed:
        refusal = problem(Refused().message_id)
    try:
        found = packs.look(store(), token(), items, form.how(), settings().print_when, failed)
        ticked, full = [looked.item for looked in found if looked.copies], False
    except PackFull as error:  # too many to look at: the ticks, to take some away
        found, ticked, status, full = [Looked(item) for item in items], list(items), error.http, True
        refusal = fill(problem(error.message_id), error.params)
    groups: dict[tuple[datetime | None, str], list[Shown]] = {}
    for looked in found:
        groups.setdefault((looked.item.at, looked.item.code), []).append(_shown(looked))
    page = render_template(
        "web/packs/look.html",
        case=one,
        shown=shown,
        action=_action(one),
        groups=groups,
        form=form,
        refusal=refusal,
        full=full,
        line=problem(Refused().message_id),
        ready=any(looked.copies for looked in found),
        asks=bool(refusal) or not all(looked.waiting for looked in found),
        waiting=next((unready_words(one) for looked in found for one in looked.waiting if one.draftable), ""),
        uneven=packs.uneven(ticked),
        mark=_mark(ticked),
        letterhead=letterhead(),
        clock=clock,
    )
    return page, status


def _shown(looked: Looked) -> Shown:
    base, title = _base(looked.item), packs.packable(store())[looked.item.sheet].title
    return Shown(PART.join((base, looked.seen)), base, title, looked)


def _choice(
    one: Any, shown: date | None, groups: Sequence[Group], codes: dict[str, str], **more: Any
) -> ResponseReturnValue:
    """The page where sheets are chosen."""
    items = _read([line.value for group in groups for line in group.lines if line.ticked], codes)
    return render_template(
        "web/packs/pack.html",
        case=one,
        shown=shown,
        action=_action(one),
        groups=groups,
        form=PackForm(formdata=None),
        uneven=packs.uneven(items),
        letterhead=letterhead(),
        sheets=packs.packable(store()).values(),
        clock=clock,
        **({"rest": [], "more": []} | more),
    )


def _action(one: Any) -> str:
    return url_for("packs.make_case", case_id=one.id) if one else url_for("packs.day")


def _mark(items: Iterable[Item]) -> str:
    """What of the mirror rule was said on the page: the same again is not asked twice."""
    return " ".join(f"{code}:{mine['a']}:{mine['b']}" for code, mine in sorted(packs.uneven(items).items()))


def _do() -> str:
    return request.form.get("do", "open")
