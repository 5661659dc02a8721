"""`clinic translations export`: what was edited in the browser, written back into the PO files, for git.

Only the lines of edited messages change. In the program's own folder the files speak again afterwards; in a folder
elsewhere nothing is given back, because this program goes on reading its own files.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from clinic import resources
from clinic.domain.errors import Usage
from clinic.i18n.locales import NAMES, locale
from clinic.i18n.message import DOMAINS, Domain, neutral
from clinic.i18n.plurals import categories
from clinic.i18n.po import Edit, File, Message, Where, applied, replaced
from clinic.persistence import audit
from clinic.persistence.models import Account, Translation
from clinic.persistence.store import Store
from clinic.services import spoken, translations
from clinic.services.overlay_work import next_version
from clinic.services.unit_of_work import unit_of_work

OUTCOMES: Final = ("written", "same", "older", "unknown", "plurals")


@dataclass(frozen=True)
class _Plan:
    """What becomes of a file: edits of its messages, new ones by the message they follow, and what happened to whom."""

    edits: dict[Where, Edit]
    added: dict[Where, list[Message]]
    outcome: dict[str, str]


def export(store: Store, root: Path | None = None) -> dict[str, dict[str, int]]:
    """Write all edits into the files below `root`, which is the program's own folder if it is not named.

    For each language and domain how many were written, the same already, older than the file (its English moved on),
    unknown to it (such as the clinic's own forms), or had to wait for new plural forms. Raises Usage: no PO files.
    """
    folder = root or resources.translations()
    if not any(folder.glob("*/LC_MESSAGES/*.po")):
        raise Usage(f"There are no PO files in {folder}. Name the folder of a checkout: --to FOLDER")
    back, found = folder.resolve() == resources.translations().resolve(), {}
    with unit_of_work(store, write=True) as session:
        names = dict(session.execute(select(Account.id, Account.display)).all())
        tags = session.scalars(select(Translation.locale).where(~Translation.cleared).distinct()).all()
        for tag in sorted(set(tags) & NAMES.keys()):
            v = next_version(session, tag)  # from here on nobody else edits this language
            for domain in DOMAINS:
                counted = _domain(session, folder, tag, domain, names, v if back else 0)
                if counted:
                    found[f"{tag} {domain}"] = dict(counted)
        if found:
            audit.note(session, "translation.exported", locales=len(tags))
    spoken.forget()
    return found


def _domain(
    session: Session, folder: Path, tag: str, domain: Domain, names: Mapping[UUID, str], v: int
) -> Counter[str]:
    """One file. `v`: the count under which its rows are given back to it; 0: they are not."""
    mine = (Translation.locale == tag) & (Translation.domain == domain)
    rows = session.scalars(select(Translation).where(mine, ~Translation.cleared).order_by(Translation.key)).all()
    path = folder / locale(tag).folder / "LC_MESSAGES" / f"{domain}.po"
    if not rows or not path.exists():
        return Counter(unknown=len(rows)) if rows else Counter()
    data = path.read_bytes()
    file = File(data)
    plan = _planned(file, domain, tag, list(rows), names)
    made = file.edited(plan.edits, plan.added)
    if made != data:
        replaced(path, made)
    done = [key for key, outcome in plan.outcome.items() if outcome in ("written", "same")]
    if v and done:
        given = update(Translation).where(mine, Translation.key.in_(done)).values(cleared=True, v=v)
        session.execute(given, execution_options={"synchronize_session": False})
    return Counter(plan.outcome.values())


def _planned(file: File, domain: Domain, tag: str, rows: list[Translation], names: Mapping[UUID, str]) -> _Plan:
    there = {_key(domain, message): message for message in file.messages}
    plan = _Plan({}, {}, {})
    for row in rows:
        message = there.get(row.key)
        base = there.get(neutral(row.key)) if domain == "handouts" else None
        if _guard(domain, row.key) or (message or base) is None:
            plan.outcome[row.key] = "unknown"
        elif message is not None:
            plan.outcome[row.key] = _outcome(plan, row, message, tag, names)
        elif base is not None:
            plan.outcome[row.key] = _variant(plan, row, base, tag, names)
    return plan


def _variant(plan: _Plan, row: Translation, base: Message, tag: str, names: Mapping[UUID, str]) -> str:
    """A variant that the file does not have yet: it goes after the neutral message."""
    edit = _edit(row, base, tag, names)
    if edit is None:
        return "older"
    if any(edit.forms):
        fresh = applied(Message(row.key, base.source, notes=base.notes), edit)
        plan.added.setdefault((base.context, base.source), []).append(fresh)
    return "written"


def _outcome(plan: _Plan, row: Translation, message: Message, tag: str, names: Mapping[UUID, str]) -> str:
    if message.plural and len(message.forms) != len(categories(tag)):
        return "plurals"
    edit = _edit(row, message, tag, names)
    if edit is None:
        return "older"
    if (edit.forms, edit.state) == (message.forms, message.state):
        return "same"
    plan.edits[message.context, message.source] = edit
    return "written"


def _edit(row: Translation, message: Message, tag: str, names: Mapping[UUID, str]) -> Edit | None:
    """The edit of a message; None if the file has words for newer English than the row."""
    forms: dict[str, str] = json.loads(row.forms)
    listed = tuple(forms.get(name, "") for name in categories(tag)) if message.plural else (forms.get("", ""),)
    if not any(listed):
        return Edit(listed, "untranslated")
    if row.source != message.source:
        stale = message.state in ("untranslated", "changed")
        return Edit(listed, "changed", previous=row.source) if stale else None
    by = names.get(row.account_id, "") if row.account_id else ""
    return Edit(listed, row.state, by, row.at.date().isoformat())


def _key(domain: Domain, message: Message) -> str:
    return message.key if domain == "handouts" else message.lookup


def _guard(domain: Domain, key: str) -> bool:
    found = translations.sources(domain).get(neutral(key) if domain == "handouts" else key)
    return found is not None and found.guard
