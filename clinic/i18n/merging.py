"""Templates (.pot) from sentences, and catalogues (.po) from templates, matched by key.

Babel and msgmerge match by text, so a reworded source loses its translation. Here the key (gettext context)
decides: the old target stays, marked fuzzy, with the English it was made for.
"""

from collections.abc import Iterable
from pathlib import Path

import polib

from clinic.domain.definition import Text

WIDTH = 100


def template(texts: Iterable[Text]) -> polib.POFile:
    """A .pot of sentences with keys, in the given order, each key once."""
    pot = _file("")
    seen: set[str] = set()
    for text in texts:
        if text.en and text.key not in seen:
            seen.add(text.key)
            pot.append(polib.POEntry(msgctxt=text.key, msgid=text.en, comment=text.note))
    return pot


def merge(po: polib.POFile, pot: polib.POFile) -> dict[str, int]:
    """Bring `po` up to `pot` in place. Returns how many were kept, changed, new and dropped."""
    by_key = {_key(entry): entry for entry in po if not entry.obsolete}
    merged: list[polib.POEntry] = []
    count = {"kept": 0, "changed": 0, "new": 0, "dropped": 0}
    for wanted in pot:
        old = by_key.pop(_key(wanted), None)
        count[_kind(old, wanted)] += 1
        merged.append(_merged(old, wanted))
    count["dropped"] = len(by_key)
    po[:] = merged
    return count


def _key(entry: polib.POEntry) -> str:
    return str(entry.msgctxt or entry.msgid)


def _kind(old: polib.POEntry | None, wanted: polib.POEntry) -> str:
    if old is None:
        return "new"
    return "kept" if old.msgid == wanted.msgid else "changed"


def _merged(old: polib.POEntry | None, wanted: polib.POEntry) -> polib.POEntry:
    entry = polib.POEntry(
        msgctxt=wanted.msgctxt,
        msgid=wanted.msgid,
        msgid_plural=wanted.msgid_plural,
        msgstr_plural=dict(wanted.msgstr_plural),
        comment=wanted.comment,
        flags=[flag for flag in wanted.flags if flag != "fuzzy"],
    )
    if old is None:
        return entry
    entry.msgstr, entry.tcomment = old.msgstr, old.tcomment
    entry.msgstr_plural = dict(old.msgstr_plural) or entry.msgstr_plural
    translated = bool(old.msgstr or any(old.msgstr_plural.values()))
    if old.msgid != wanted.msgid and translated:
        entry.previous_msgid = old.previous_msgid or old.msgid
        entry.previous_msgctxt = old.msgctxt
        entry.tcomment = "\n".join(line for line in old.tcomment.splitlines() if not line.startswith("state:"))
    if "fuzzy" in old.flags or (old.msgid != wanted.msgid and translated):
        entry.flags.append("fuzzy")
        entry.previous_msgid = entry.previous_msgid or old.previous_msgid
    return entry


def merge_file(path: Path, pot: polib.POFile, tag: str) -> dict[str, int]:
    """Bring the catalogue at `path` up to date, or begin it."""
    po = polib.pofile(str(path), wrapwidth=WIDTH) if path.exists() else _file(tag)
    count = merge(po, pot)
    path.parent.mkdir(parents=True, exist_ok=True)
    save(po, path)
    return count


def save(po: polib.POFile, path: Path) -> None:
    """Write with one wrapping for everybody, so that diffs stay small."""
    po.wrapwidth = WIDTH
    path.write_text(str(po.__unicode__()).rstrip("\n") + "\n", "utf-8")


def _file(tag: str) -> polib.POFile:
    po = polib.POFile(wrapwidth=WIDTH)
    po.metadata = {
        "Project-Id-Version": "secure-base",
        "Language": tag.replace("-", "_"),
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=UTF-8",
        "Content-Transfer-Encoding": "8bit",
    }
    if tag in PLURALS:
        po.metadata["Plural-Forms"] = PLURALS[tag]
    return po


# gettext needs the rule in the file; from CLDR by way of Babel for any other language.
PLURALS = {
    "es": "nplurals=2; plural=(n != 1);",
    "ar": "nplurals=6; plural=(n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ? 4 : 5);",
}
