"""The workbench of translators and reviewers: languages, a language, a handout with its list, editor and printed page.

Addresses hold the tag of a language, the id of a group and what stands for a message; words are posted. Every act is a
form post and works without the script. Who has no right for a language finds nothing there.
"""

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Final, Literal

from flask import Blueprint, flash, g, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from clinic.domain.errors import ClinicError, Conflict, Denied, Invalid, NotFound, Refused
from clinic.i18n import plurals, worddiff
from clinic.i18n.locales import locale
from clinic.i18n.message import Entry, Source, state_now, variant_of, variants
from clinic.services import message_checks, message_groups, overlay, proofs, specimen, workbench
from clinic.services.message_groups import Group
from clinic.services.readiness import readiness
from clinic.services.workbench import FILTERS, LISTED, Unit
from clinic.web.clinic import press, settings, store
from clinic.web.filters import fill, problem, t
from clinic.web.session import actor, token
from clinic.web.workbench_words import (
    FILTER_NAMES,
    KINDS,
    NAMES_OF,
    PART_NAMES,
    PLURAL_NAMES,
    STATE_LOOKS,
    STATE_NAMES,
    VARIANT_NAMES,
    WHY_NAMES,
    WHY_NOT,
    WRONG,
)

bp = Blueprint("workbench", __name__, url_prefix="/translate")

LONGEST: Final = 12_000  # characters of one form that are taken at all
MARKS: Final[Mapping[str, Literal["draft", "reviewed", "approved"]]] = {
    "review": "reviewed",
    "approve": "approved",
    "draft": "draft",
}
_NAMES: Final = frozenset({"", "zero", "one", "two", "few", "many", "other"})  # of forms
FORMS: Final = "text"  # name of the field of a message without plural; `text.one` and so on with
TOKENS: Final = {"handouts": re.compile(r"\{[a-z_]+\}"), "messages": re.compile(r"%\([A-Za-z_]+\)[sd]")}


@dataclass(frozen=True)
class Bar:
    """How far a group has come: how many of all stand in each state."""

    group: Group
    counted: Mapping[str, int]
    prints: bool = False
    why: str = ""

    @property
    def total(self) -> int:
        return sum(self.counted.values())

    @property
    def done(self) -> int:
        """Per cent with words for the present English."""
        return workbench.share(self.counted, "draft")

    @property
    def waits(self) -> int:
        """Words that stand and that nobody has reviewed."""
        return self.counted.get("draft", 0)

    @property
    def left(self) -> int:
        return self.counted.get("untranslated", 0) + self.counted.get("changed", 0)


@dataclass
class Desk:
    """What the page of one message shows besides the message itself."""

    typed: Mapping[str, str]
    faults: list[tuple[str, str]] = field(default_factory=list)
    comment: str = ""
    reasons: Mapping[str, str] = field(default_factory=dict)
    theirs: Entry | None = None
    ancestor: Mapping[str, str] = field(default_factory=dict)


# --------------------------------------------------------------------------- languages
@bp.get("")
def languages() -> ResponseReturnValue:
    """The languages this person works on, and how far each has come."""
    rows = []
    for tag, may in workbench.languages(store(), token()).items():
        counted = workbench.progress(store(), tag)
        rows.append((locale(tag), may, counted["handouts"], counted["messages"]))
    page = {"rows": rows, "share": workbench.share, "state_names": STATE_NAMES}
    return render_template("web/workbench/languages.html", **page)


@bp.get("/<tag>")
def language(tag: str) -> ResponseReturnValue:
    """One language: handouts and the words of the pages, with what prints now and why the rest does not."""
    may = workbench.reviews(store(), token(), tag)
    message_checks.look_ahead(store(), tag)
    bars = [_bar(tag, one) for one in message_groups.on_desk(store()).values()]
    parts = [(name, [bar for bar in bars if bar.group.kind in kinds]) for kinds, name in KINDS]
    page = names(tag) | {"may": may, "parts": parts, "print_when": settings().print_when}
    return render_template("web/workbench/language.html", **page)


def _bar(tag: str, group: Group) -> Bar:
    counted = workbench.tally(store(), tag, group.sources, group.domain)
    if group.kind != "sheet" or group.definition is None:
        return Bar(group, counted)
    ready = readiness(group.definition, tag, settings().print_when, overlay.book(store(), tag))
    if ready.printable:
        return Bar(group, counted, True)
    if not ready.draftable and ready.state in WHY_NOT and group.definition.careful:
        return Bar(group, counted, False, _("It is about sex or safety, so it does not print before it is reviewed."))
    return Bar(group, counted, False, str(WHY_NOT.get(ready.state, "")) or _("Its fonts are not installed."))


def names(tag: str) -> dict[str, Any]:
    return {
        "tongue": locale(tag),
        "state_names": STATE_NAMES,
        "state_looks": STATE_LOOKS,
        "filter_names": FILTER_NAMES,
        "title_of": title_of,
        "pieces": pieces,
    }


def title_of(group: Group) -> str:
    """The name of a group in the reader's language."""
    return t(group.title) if group.title else str(NAMES_OF[group.id])


# --------------------------------------------------------------------------- one message
@bp.get("/<tag>/<group>/<show>")
def listing(tag: str, group: str, show: str) -> ResponseReturnValue:
    """Leads to the first message of a filtered list; an empty one says so."""
    workbench.reviews(store(), token(), tag)
    within, found = _listed(tag, group, show)
    if found:
        return _here(tag, within, show, found[0].source)
    page = names(tag) | {"group": within, "show": show, "counts": _counts(tag, within)}
    return render_template("web/workbench/empty.html", **page)


@bp.route("/<tag>/<group>/<show>/<ref>", methods=["GET", "POST"])
def edit(tag: str, group: str, show: str, ref: str) -> ResponseReturnValue:
    """One message: read it, save it, mark it, say something about it."""
    workbench.reviews(store(), token(), tag)
    within = message_groups.group(store(), group)
    source = message_groups.source_of(within, ref)
    if show not in FILTERS:
        raise NotFound
    if request.method == "GET":
        return _page(tag, within, show, source)
    return _act(tag, within, show, source)


def _act(tag: str, within: Group, show: str, source: Source) -> ResponseReturnValue:
    """One button of the form. Whatever else was typed comes back with the page."""
    # Without a button it is typing that was kept while the screen was locked: it is shown, not saved.
    do, __, what = request.form.get("do", "look").partition(":")
    desk = Desk(_typed(tag, source), comment=request.form.get("comment", ""), reasons=_reasons())
    standing = workbench.unit(store(), tag, source)
    try:
        if do in ("save", "next"):
            return _saved(tag, within, show, source, desk, do)
        if do in MARKS:
            return _mark(tag, within, show, standing, desk, do)
        if do == "restore":
            overlay.restore(store(), token(), tag, source.domain, source.key, what, _rev())
            flash(_("Restored. It waits for review again."))
            return _here(tag, within, show, source)
        if do == "comment":
            workbench.comment(store(), token(), tag, source, desk.comment)
            desk.comment = ""
        elif do == "dismiss":
            message_checks.dismiss(store(), token(), tag, source, what, desk.reasons.get(what, ""))
        elif do not in ("look", "take"):
            raise NotFound
    except Conflict:
        desk.faults = [("text", _("Somebody changed these words since you opened them. Read them again."))]
        return _page(tag, within, show, source, desk=desk), 409
    except Invalid as error:
        desk.faults = [(_control(path, what), _wrong(path, why)) for path, why in error.fields.items()]
        return _page(tag, within, show, source, desk=desk), 422
    same = {name: text for name, text in desk.typed.items() if text} == dict(standing.entry.forms)
    if same and do in ("comment", "dismiss"):
        return _here(tag, within, show, source, {"comment": "said", "dismiss": "checks"}[do])
    return _page(tag, within, show, source, desk=desk)


def _saved(tag: str, within: Group, show: str, source: Source, desk: Desk, do: str) -> ResponseReturnValue:
    """Save what was typed; then the next unfinished message, or this one again. A conflict becomes a merge view."""
    after = _following(tag, within, show, source)  # before it leaves the filter
    forms = _chosen(desk, tag, source)
    standing = workbench.unit(store(), tag, source)
    try:
        if forms != dict(standing.entry.forms) or standing.state == "changed" or standing.entry.rev != _rev():
            made_for = request.form.get("for", "")
            current = source.en if made_for in ("", source_mark(source)) else None
            if current is None:
                desk.faults = [("text", _("The English changed while you typed. Read it again, then save."))]
                return _page(tag, within, show, source, desk=desk), 409
            why = "merge" if "keep" in request.form else ""
            overlay.propose(store(), token(), tag, source.domain, source.key, forms, _rev(), why=why)
    except Conflict as error:
        desk.theirs = getattr(error, "entry", None) or workbench.unit(store(), tag, source).entry
        desk.ancestor = _carried("was")
        desk.typed = forms
        return _merge(tag, within, show, source, desk), 409
    except Invalid as error:
        desk.typed = forms
        desk.faults = [("text", _wrong(path, why)) for path, why in error.fields.items()]
        return _page(tag, within, show, source, desk=desk), 422
    except Refused:
        raise Denied from None
    if do == "next":
        if after is None:
            flash(_("Saved. Nothing is left in this list."))
            return redirect(url_for("workbench.listing", tag=tag, group=within.id, show=show), 303)
        return _here(tag, within, show, after)
    flash(_("Saved."))
    return _here(tag, within, show, source)


def _mark(tag: str, within: Group, show: str, standing: Unit, desk: Desk, do: str) -> ResponseReturnValue:
    """Review or approve the words that stand, never words that were only typed."""
    source = standing.source
    if {name: text for name, text in desk.typed.items() if text} != dict(standing.entry.forms):
        desk.faults = [("text", _("These words are not saved yet. Save them; then somebody else reviews them."))]
        return _page(tag, within, show, source, desk=desk), 422
    after = _following(tag, within, show, source)
    state = MARKS[do]
    try:
        overlay.mark(store(), token(), tag, source.domain, source.key, _rev(), state)
    except Conflict:
        desk.faults = [("text", _("Somebody changed these words since you opened them. Read them again."))]
        desk.typed = dict(workbench.unit(store(), tag, source).entry.forms)
        return _page(tag, within, show, source, desk=desk), 409
    except overlay.OwnWords:
        desk.faults = [("text", _("These are your own words: somebody else reviews them."))]
        return _page(tag, within, show, source, desk=desk), 403
    flash(str(STATE_NAMES[state]))
    return _here(tag, within, show, after if after and show == "review" else source)


def _here(tag: str, within: Group, show: str, source: Source, at: str = "") -> ResponseReturnValue:
    where = url_for("workbench.edit", tag=tag, group=within.id, show=show, ref=source.ref, _anchor=at or None)
    return redirect(where, 303)


def _following(tag: str, within: Group, show: str, source: Source) -> Source | None:
    """The next message of the list that is still to be done; from its end the search goes on at its beginning."""
    _within, found = _listed(tag, within.id, show)
    mine = [one for one in found if one.source == source or _waits(one, show)]
    place = next((n for n, one in enumerate(mine) if one.source == source), -1)
    round_ = mine[place + 1 :] + mine[: max(place, 0)]
    return round_[0].source if round_ else None


def _waits(one: Unit, show: str) -> bool:
    return show in ("review", "failing", "mine") or one.open


# --------------------------------------------------------------------------- what was posted
def _typed(tag: str, source: Source) -> dict[str, str]:
    """The forms as typed; browsers send lines ended by two signs."""
    names = workbench.categories(tag, source)
    found = {name: request.form.get(_field(name), "") for name in names}
    return {name: text.replace("\r\n", "\n")[:LONGEST] for name, text in found.items()}


def _field(name: str) -> str:
    return f"{FORMS}.{name}" if name else FORMS


def _chosen(desk: Desk, tag: str, source: Source) -> dict[str, str]:
    """What is to be saved: of a merge the version that was picked, else what was typed."""
    keep = request.form.get("keep")
    if keep in ("theirs", "mine"):
        raw = _carried(keep)
        return {name: raw[name] for name in workbench.categories(tag, source) if raw.get(name)}
    return {name: text for name, text in desk.typed.items() if text}


def _carried(name: str) -> dict[str, str]:
    """The forms that a hidden field of a page carried; anything else counts for nothing."""
    try:
        raw = json.loads(request.form.get(name, "{}") or "{}")
    except (ValueError, RecursionError):
        return {}
    found = raw.items() if isinstance(raw, dict) else ()
    # Signs that are half a sign come out of JSON only: no page and no table takes them.
    return {each: re.sub("[\ud800-\udfff]", "", str(text))[:LONGEST] for each, text in found if each in _NAMES}


def _reasons() -> dict[str, str]:
    return {name[4:]: text for name, text in request.form.items() if name.startswith("why.")}


def _rev() -> int:
    found = request.form.get("rev", "0")
    return int(found) if found.isdecimal() and len(found) < 10 else -1


def _control(path: str, what: str) -> str:
    return f"why-{what}" if path == "reason" else path


def _wrong(path: str, why: str) -> str:
    said = WRONG.get(path, {}).get(why)
    return str(said) if said else _("The words cannot be saved like this. The checks below say why.")


def source_mark(source: Source) -> str:
    """What tells one English of a message from a later one; no words."""
    return message_checks.forms_sha({"en": source.en, "plural": source.plural})[:16]


# --------------------------------------------------------------------------- pages
def _listed(tag: str, group: str, show: str) -> tuple[Group, list[Unit]]:
    within = message_groups.group(store(), group)
    which = next((one for one in FILTERS if one == show), None)
    if which is None:
        raise NotFound
    found = _units(tag, within)
    fails = message_checks.failing(store(), tag, within) if which == "failing" else _never
    return within, workbench.chosen(found, which, me(), settings().print_when, fails)


def _units(tag: str, within: Group) -> list[Unit]:
    """The messages of a group as they stood when this request began to write; read once."""
    kept: dict[tuple[str, str], list[Unit]] = g.setdefault("workbench_units", {})
    if (tag, within.id) not in kept:
        kept[tag, within.id] = workbench.units(store(), tag, within)
    return kept[tag, within.id]


def _never(_one: Unit) -> bool:
    return False


def me() -> str:
    who = actor()
    return who.id if who else ""


def _counts(tag: str, within: Group) -> dict[str, int]:
    """How many messages each filter leaves; of failing checks only where somebody looks at them."""
    counted = workbench.counts(_units(tag, within), me(), settings().print_when)
    return {one: counted[one] for one in FILTERS if one != "failing"}


def _page(
    tag: str, within: Group, show: str, source: Source, found: list[Unit] | None = None, desk: Desk | None = None
) -> str:
    """List, editor and page."""
    listed = _listed(tag, within.id, show)[1] if found is None else found
    unit = workbench.unit(store(), tag, source)
    desk = desk or Desk(dict(unit.entry.forms))
    place = next((n for n, one in enumerate(listed) if one.source == source), None)
    first = LISTED * ((place or 0) // LISTED)
    layout = _layout(within, source)
    past = overlay.history(store(), token(), tag, source.domain, source.key)
    told = workbench.names(store(), token(), {unit.entry.by, *(one.by for one in past)})
    shown = {name: desk.typed.get(name, "") for name in workbench.categories(tag, source)}
    page = names(tag) | {
        "group": within,
        "show": show,
        "counts": _counts(tag, within) | ({"failing": len(listed)} if show == "failing" else {}),
        "listed": listed[first : first + LISTED],
        "first": first,
        "total": len(listed),
        "pages": [listed[n] for n in range(0, len(listed), LISTED)],
        "place": place,
        "before": listed[place - 1] if place else None,
        "after": listed[place + 1] if place is not None and place + 1 < len(listed) else None,
        "unfinished": _next_unfinished(tag, within, source),
        "unit": unit,
        "forms": shown,
        "field": _field,
        "desk": desk,
        "may": workbench.reviews(store(), token(), tag),
        "own": unit.entry.by == me() and bool(unit.entry.by),
        "by": told,
        "past": past,
        "place_of": workbench.place(source, within),
        "part_names": PART_NAMES,
        "plural_names": PLURAL_NAMES,
        "variant_names": VARIANT_NAMES,
        "variants": variants(source),
        "variant": variant_of(source.key) if source.domain == "handouts" else "",
        "examples": plurals.examples,
        "also": workbench.also_on(source, within),
        "was": worddiff.diff(unit.entry.source, source.en) if unit.state == "changed" and unit.entry.source else (),
        "terms": workbench.terms(tag, source),
        "findings": message_checks.checked(store(), tag, source, {k: v for k, v in desk.typed.items() if v}),
        "comments": workbench.comments(store(), token(), tag, source),
        "saved": bool(unit.text) and {k: v for k, v in desk.typed.items() if v} == dict(unit.entry.forms),
        "tokens": _tokens(source),
        "mark": source_mark(source),
        "layout": layout,
        "lit": layout is not None and specimen.shows(layout, source.key),
        "why_names": WHY_NAMES,
        "prints_on": layout.definition.title if layout else None,
        "diff": worddiff.diff,
        "dump": _dump,
        "fill": fill,
    }
    return render_template("web/workbench/edit.html", **page)


def _dump(forms: Mapping[str, str]) -> str:
    return json.dumps(dict(forms), ensure_ascii=False, sort_keys=True)


def _next_unfinished(tag: str, within: Group, source: Source) -> Source | None:
    found = _units(tag, within)
    place = next((n for n, one in enumerate(found) if one.source == source), -1)
    round_ = found[place + 1 :] + found[: max(place, 0)]
    return next((one.source for one in round_ if one.open), None)


def _layout(within: Group, source: Source) -> specimen.Layout | None:
    if within.domain != "handouts":
        return None
    return specimen.layout_of(source.key, within.id, workbench.homes(source), within.own)


def _tokens(source: Source) -> list[str]:
    """The placeholders of a message, each once, for the buttons that insert them."""
    return list(dict.fromkeys(TOKENS[source.domain].findall(f"{source.en} {source.plural}")))


def pieces(text: str, domain: str) -> list[tuple[bool, str]]:
    """A text cut at its placeholders: whether a piece is one, and the piece."""
    out, end = [], 0
    for found in TOKENS[domain].finditer(text):
        out += [(False, text[end : found.start()]), (True, found[0])]
        end = found.end()
    return [one for one in [*out, (False, text[end:])] if one[1]]


def _merge(tag: str, within: Group, show: str, source: Source, desk: Desk) -> str:
    """Two versions of one message: where both began, theirs, mine; choose one or write a third."""
    theirs = desk.theirs or Entry()
    told = workbench.names(store(), token(), {theirs.by})
    page = names(tag) | {
        "group": within,
        "show": show,
        "source": source,
        "theirs": theirs,
        "theirs_state": state_now(theirs, source.en),
        "desk": desk,
        "by": told,
        "names_of_forms": workbench.categories(tag, source),
        "plural_names": PLURAL_NAMES,
        "field": _field,
        "mark": source_mark(source),
        "diff": worddiff.diff,
        "dump": _dump,
    }
    return render_template("web/workbench/merge.html", **page)


# --------------------------------------------------------------------------- the printed page
@bp.route("/<tag>/<group>/<show>/<ref>/page", methods=["GET", "POST"])
def preview(tag: str, group: str, show: str, ref: str) -> ResponseReturnValue:
    """The page where a message is printed: in a frame with the sentence marked, as pictures, or as a PDF."""
    workbench.reviews(store(), token(), tag)
    within = message_groups.group(store(), group)
    source, do = message_groups.source_of(within, ref), request.form.get("do", "page")
    layout = _layout(within, source)
    if show not in FILTERS or layout is None:
        raise NotFound
    typed = None
    if request.method == "POST":
        typed = next((text for text in _typed(tag, source).values() if text), "")
    try:
        if do == "pdf":
            made = specimen.pdf(press(), specimen.plain(store(), tag, layout, source.key, typed))
            return send_file(BytesIO(made), mimetype="application/pdf", download_name="worksheet.pdf")
        page = specimen.marked(store(), tag, layout, source.key, typed)
        if do == "pictures":
            shown = [b64encode(one).decode() for one in specimen.pictures(press(), page)]
            return render_template("web/workbench/pictures.html", pictures=shown, tongue=locale(tag))
    except ClinicError as error:
        words = fill(problem(error.message_id), error.params)
        return render_template("web/workbench/undrawn.html", words=words), error.http
    return specimen.html(page)


# --------------------------------------------------------------------------- approve after a printed proof
@bp.route("/<tag>/<group>/proof", methods=["GET", "POST"])
def proof(tag: str, group: str) -> ResponseReturnValue:
    """Print a whole handout, read it, then approve what stands on it at once."""
    if not workbench.reviews(store(), token(), tag):
        raise Denied
    within = message_groups.group(store(), group)
    if within.definition is None or within.kind != "sheet":
        raise NotFound
    keys = specimen.on_paper(within.definition)
    fault, status = "", 200
    try:
        if request.form.get("do") == "print":
            print_ = proofs.fingerprint(store(), tag, within, keys)
            made = specimen.proof(store(), press(), tag, within.definition)
            proofs.prove(store(), token(), tag, within, print_)
            return send_file(BytesIO(made), mimetype="application/pdf", download_name="worksheet.pdf")
        if request.form.get("do") == "approve":
            count = proofs.approve_all(store(), token(), tag, within, keys)
            flash(_("Approved: %(count)s", count=count))
            return redirect(url_for("workbench.proof", tag=tag, group=group), 303)
    except Invalid:
        fault, status = _("Print a proof first."), 422
    except Conflict:
        fault, status = _("Somebody changed words meanwhile. Print a new proof."), 409
    except Denied:
        raise
    except ClinicError as error:
        fault, status = fill(problem(error.message_id), error.params), error.http
    ready, own = proofs.provable(store(), token(), tag, within, keys)
    held = proofs.proof(store(), token(), tag, within, proofs.fingerprint(store(), tag, within, keys))
    on = [one for one in workbench.units(store(), tag, within) if one.source.key in keys]
    left = sum(one.open for one in on)
    page = names(tag) | {"group": within, "ready": ready, "own": own, "held": held, "left": left, "fault": fault}
    return render_template("web/workbench/proof.html", **page, total=len(on)), status
