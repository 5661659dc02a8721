"""Files of the workbench: a language taken away as PO or XLIFF, one brought back, every difference shown before."""

import re
from collections import Counter
from collections.abc import Iterable
from io import BytesIO
from typing import Final, Literal
from uuid import UUID

from flask import flash, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext

from clinic.i18n import worddiff
from clinic.i18n.message import DOMAINS, Domain, Source
from clinic.i18n.units import Unit as Words
from clinic.services import exchange as exchange_files
from clinic.services import handover, message_groups, overlay, translations, workbench
from clinic.services.exchange import BadUpload, Format
from clinic.web import turns
from clinic.web.clinic import store
from clinic.web.filters import t
from clinic.web.session import token
from clinic.web.workbench import bp, me, names
from clinic.web.workbench_words import KINDS, PLURAL_NAMES

SHOWN: Final = 200  # messages on one page of differences


@bp.route("/<tag>/files", methods=["GET", "POST"])
def exchange(tag: str) -> ResponseReturnValue:
    """Take a language away as a file; bring one back, and see every difference before anything is written."""
    workbench.reviews(store(), token(), tag)
    do, fault = request.form.get("do", ""), ""
    try:
        if do == "out":
            return _taken_out(tag)
        if do == "read":
            sent = request.files.get("file")
            data = sent.read() if sent else b""
            if data:
                turns.leave()
                units = exchange_files.taken(data, tag)
                return _differences(tag, handover.keep(store(), _account(), tag, units), units)
            fault = _("Choose a file first.")
        if do == "write" or do.startswith("part:"):
            ticket = request.form.get("ticket", "")
            return _decided(tag, ticket, handover.again(store(), _account(), tag, ticket), do)
        if do == "leave":
            handover.drop(store(), _account(), request.form.get("ticket", ""))
            return redirect(url_for("workbench.exchange", tag=tag), 303)
    except BadUpload as error:
        fault = t(error.text)
    choices = [
        (name, [one for one in message_groups.on_desk(store()).values() if one.kind in kinds]) for kinds, name in KINDS
    ]
    page = names(tag) | {"choices": choices, "fault": fault}
    return render_template("web/workbench/files.html", **page), 422 if fault else 200


def _taken_out(tag: str) -> ResponseReturnValue:
    """A group or a whole domain as PO or XLIFF."""
    kind: Format = "xliff" if request.form.get("format") == "xliff" else "po"
    name = request.form.get("what", "handouts")
    domain = next((one for one in DOMAINS if one == name), None)
    wanted: Iterable[Source] = _all_of(domain) if domain else message_groups.group(store(), name).sources
    domain = domain or message_groups.group(store(), name).domain
    made = exchange_files.outgoing(wanted, overlay.entries(store(), tag, domain), tag, kind, name)
    return send_file(
        BytesIO(made),
        mimetype=exchange_files.FORMATS[kind][1],
        as_attachment=True,
        download_name=exchange_files.file_name(tag, name, kind),
    )


def _all_of(domain: Domain) -> list[Source]:
    own = list(overlay.own_sources(store())) if domain == "handouts" else []
    return [*translations.sources(domain).values(), *own]


def _account() -> UUID:
    return UUID(me())


def _differences(tag: str, ticket: str, units: Iterable[Words], part: int = 0) -> ResponseReturnValue:
    """What a file would do: what is new, what it changes, what somebody changed since, what is not taken."""
    incoming = exchange_files.compare(store(), token(), tag, units)
    moved = request.form.get("seen", incoming.fingerprint) != incoming.fingerprint
    found = [one for kind in ("conflict", "update", "new", "refused") for one in incoming.of(kind)]
    part = 0 if moved or part * SHOWN >= len(found) else part
    listed = found[part * SHOWN : (part + 1) * SHOWN]
    here = {one.source.ref for one in listed}
    page = names(tag) | {
        "incoming": incoming,
        "counted": Counter(one.kind for one in incoming.changes),
        "parts": {
            kind: [one for one in listed if one.kind == kind] for kind in ("conflict", "update", "new", "refused")
        },
        "pages": [(n * SHOWN + 1, min((n + 1) * SHOWN, len(found))) for n in range(-(-len(found) // SHOWN))],
        "part": part,
        "ticked": {name: set(request.form.getlist(name)) for name in ("take", "leave")},
        "elsewhere": {
            name: [one for one in request.form.getlist(name) if one not in here] for name in ("take", "leave")
        },
        "moved": moved,
        "ticket": ticket,
        "diff": worddiff.diff,
        "plural_names": PLURAL_NAMES,
    }
    return render_template("web/workbench/differences.html", **page), 409 if moved else 200


def _decided(tag: str, ticket: str, units: list[Words], do: str) -> ResponseReturnValue:
    """Write what was shown and chosen, or show another part; if the language moved on since, show it anew."""
    incoming = exchange_files.compare(store(), token(), tag, units)
    if do != "write" or request.form.get("seen") != incoming.fingerprint:
        wanted = do.partition(":")[2]
        return _differences(tag, ticket, units, int(wanted) if re.fullmatch("[0-9]{1,4}", wanted) else 0)
    choices: dict[str, Literal["mine", "theirs"]] = dict.fromkeys(request.form.getlist("leave"), "theirs")
    choices |= dict.fromkeys(request.form.getlist("take"), "mine")
    done = exchange_files.write(store(), token(), incoming, choices)
    handover.drop(store(), _account(), ticket)
    flash(ngettext("%(num)d message was written as a draft.", "%(num)d messages were written as drafts.", done.count))
    if done.late:
        late = len(done.late)
        flash(ngettext("%(num)d was changed meanwhile and left.", "%(num)d were changed meanwhile and left.", late))
    return redirect(url_for("workbench.language", tag=tag), 303)
