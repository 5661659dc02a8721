"""PO files into what the program reads: `handouts.json` and `messages.json`, by key: English, forms, state.

Compiled files stand beside their PO and are not tracked; a wheel holds only the compiled ones. The build hook
loads this file by path, so it imports nothing of ours.
"""

import json
import os
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from babel.messages.catalog import Message

STATE = re.compile(r"state: (reviewed|approved)\b")
STATES = ("untranslated", "changed", "draft", "reviewed", "approved")
PREVIOUS = re.compile(r'^\|\s*(msgctxt|msgid_plural|msgid)?\s*"(.*)"\s*$')


def entries(po: Path) -> dict[str, list[object]]:
    """`{key: [English, target, state]}` of one catalogue; for a plural the target is a list of its forms.

    The key is the gettext context for handouts; for the interface it is the English, after its context if it has
    one. The English is that which the target was made for.
    """
    from babel.messages.pofile import read_po

    found: dict[str, list[object]] = {}
    with po.open("rb") as file:
        for message in read_po(file):
            if not message.id or (po.stem == "handouts" and not message.context):
                continue
            english, target = message.id, message.string or ""
            if not isinstance(english, str):
                english, target = english[0], [one or "" for one in target]
            state = _state(message, any(target))
            source = (_previous(message) or english) if state == "changed" else english
            found[_key(po.stem, message.context, english)] = [source, target, state]
    return found


def _key(domain: str, context: str | None, english: str) -> str:
    if domain == "handouts":
        return context or ""
    return f"{context}\x04{english}" if context else english


def _state(message: "Message", translated: bool) -> str:
    if not translated:
        return "untranslated"
    if message.fuzzy:
        return "changed"
    said = next((m[1] for c in message.user_comments if (m := STATE.match(c))), None)
    return said or "draft"


def _previous(message: "Message") -> str:
    """The English that a fuzzy target was made for; Babel leaves it among the comments."""
    from babel.messages.pofile import unescape

    word, parts = "", []
    for comment in message.user_comments:
        if match := PREVIOUS.match(comment):
            word = match[1] or word
            if word == "msgid":
                parts.append(unescape(f'"{match[2]}"'))
    return "".join(parts)


def compile_po(po: Path) -> Path:
    """Write the compiled form of a PO beside it, unless it is there already. Returns its path.

    It has the time of the PO that it was made from: a file put back from elsewhere may be older than the last one. Of a
    PO that cannot be read (somebody is writing it) the last compiled form stays.
    """
    target, made_from = po.with_suffix(".json"), po.stat().st_mtime_ns
    if _fresh(target, made_from):
        return target
    try:
        found = entries(po)
    except ValueError:
        if target.exists():
            return target
        raise
    part = target.with_suffix(f".{os.getpid()}.{threading.get_ident()}.part")
    part.write_text(json.dumps(found, ensure_ascii=False, sort_keys=True), "utf-8")
    os.utime(part, ns=(made_from, made_from))
    os.replace(part, target)
    return target


def _fresh(target: Path, made_from: int) -> bool:
    try:
        there = target.stat()
    except FileNotFoundError:
        return False
    return there.st_mtime_ns == made_from and there.st_ctime_ns >= Path(__file__).stat().st_mtime_ns
