"""PO files into what the program reads: `handouts.json` (key, English, target, state) and `messages.mo`.

Compiled files stand beside their PO and are not tracked; a wheel holds only the compiled ones. The build hook
loads this file by path, so it imports nothing of ours.
"""

import json
import os
import re
from pathlib import Path

STATE = re.compile(r"state: (reviewed|approved)\b")
STATES = ("untranslated", "changed", "draft", "reviewed", "approved")


def entries(po: Path) -> dict[str, list[str]]:
    """`{key: [English, target, state]}` of one catalogue; the key is the gettext context."""
    from babel.messages.pofile import read_po

    found: dict[str, list[str]] = {}
    with po.open("rb") as file:
        for message in read_po(file):
            if message.id and message.context:
                found[message.context] = [str(message.id), str(message.string or ""), _state(message)]
    return found


def _state(message: object) -> str:
    if not message.string:  # type: ignore[attr-defined]
        return "untranslated"
    if message.fuzzy:  # type: ignore[attr-defined]
        return "changed"
    said = next((m[1] for c in message.user_comments if (m := STATE.search(c))), None)  # type: ignore[attr-defined]
    return said or "draft"


def compile_po(po: Path) -> Path:
    """Write the compiled form of a PO beside it, unless it is there and not older. Returns its path."""
    target = po.with_suffix(".mo" if po.stem == "messages" else ".json")
    if target.exists() and target.stat().st_mtime_ns >= po.stat().st_mtime_ns:
        return target
    part = target.with_suffix(f".{os.getpid()}.part")
    if po.stem == "messages":
        from babel.messages.mofile import write_mo
        from babel.messages.pofile import read_po

        with po.open("rb") as source, part.open("wb") as out:
            write_mo(out, read_po(source))
    else:
        part.write_text(json.dumps(entries(po), ensure_ascii=False, sort_keys=True), "utf-8")
    os.replace(part, target)
    return target


def compile_all(root: Path) -> list[Path]:
    """Compile every catalogue below translations/."""
    return [compile_po(po) for po in sorted(root.glob("*/LC_MESSAGES/*.po"))]
