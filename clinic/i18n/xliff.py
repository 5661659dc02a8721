"""XLIFF 1.2 out and in: messages with states, notes, limits and the previous English; placeholders as inline marks.

Out: one `trans-unit` a message, a `group` for the forms of a plural. Its `id` is the message's reference with a mark of
the words it had (`units.base`), so that what comes back can be compared with what stands by then.
In: no DTD, limited depth and number, nothing but text and inline marks in a target. The state of a file is not read.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from typing import Final
from xml.etree import ElementTree as ET  # nosec B405 # to write; defusedxml reads

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from clinic.i18n import extracting, plurals
from clinic.i18n.message import Entry, Source, state_now
from clinic.i18n.units import BrokenUpload, Unit, base

NAMESPACE: Final = "urn:oasis:names:tc:xliff:document:1.2"
SPACE: Final = "{http://www.w3.org/XML/1998/namespace}space"
DEPTH: Final = 20  # of elements
STATES: Final = {
    "untranslated": "new",
    "changed": "needs-adaptation",
    "draft": "needs-review-translation",
    "reviewed": "signed-off",
    "approved": "final",
}
SURE: Final = frozenset({"translated", "needs-review-translation", "signed-off", "final"})
MARK: Final = re.compile(r"\{[^{}]*\}|%\([A-Za-z_]+\)[sd]|%%")
UNFIT: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # what XML cannot hold
THROUGH: Final = frozenset({"g", "mrk"})  # inline elements whose text counts
FILLED: Final = frozenset({"x", "ph", "bx", "ex", "it", "bpt", "ept"})  # those that stand for a placeholder
ID: Final = re.compile(r"([0-9a-f]{16})(?:\.([0-9a-f]{8}))?(?:\.([a-z]+))?\Z")


def _q(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


# --------------------------------------------------------------------------- out
def write(sources: Iterable[Source], entries: Mapping[str, Entry], tag: str, name: str) -> bytes:
    """The file of these messages. `entries` by key; `name` says what it is (a definition's id, or `all`)."""
    ET.register_namespace("", NAMESPACE)
    root = ET.Element(_q("xliff"), {"version": "1.2"})
    about = {"original": name, "source-language": "en", "target-language": tag, "datatype": "plaintext"}
    body = ET.SubElement(ET.SubElement(root, _q("file"), about), _q("body"))
    body.text = "\n"
    for source in sources:
        _message(body, source, entries.get(source.key, Entry()), tag)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _message(parent: ET.Element, source: Source, entry: Entry, tag: str) -> None:
    id_ = f"{source.ref}.{base(entry)}"
    if not source.plural:
        return _unit(parent, id_, source, entry, "", source.en, tag)
    about = {"id": id_, "resname": _fit(source.key), "restype": "x-gettext-plurals"}
    group = ET.SubElement(parent, _q("group"), about)
    group.text = group.tail = "\n"
    for form in plurals.categories(tag):
        _unit(group, f"{id_}.{form}", source, entry, form, source.en if form == "one" else source.plural, tag)


def _unit(parent: ET.Element, id_: str, source: Source, entry: Entry, form: str, en: str, tag: str) -> None:
    state = state_now(entry, source.en)
    about = {"id": id_, "resname": _fit(source.key), SPACE: "preserve"}
    if source.limit:
        about |= {"maxwidth": str(source.limit), "size-unit": "char"}
    if source.guard:
        about["translate"] = "no"
    if state == "approved":
        about["approved"] = "yes"
    unit = ET.SubElement(parent, _q("trans-unit"), about)
    unit.text = "\n"
    _fill(ET.SubElement(unit, _q("source")), en)
    target = entry.forms.get(form, "")
    _fill(ET.SubElement(unit, _q("target"), {"state": STATES[state] if target else "new"}), target)
    notes = list(filter(None, [source.note, f"For {_examples(tag, form)}." if form else ""]))
    notes += list(extracting.noted((), source.limit, False))
    for note in notes:
        ET.SubElement(unit, _q("note"), {"from": "developer"}).text = _fit(note)
    if state == "changed":
        other = ET.SubElement(unit, _q("alt-trans"), {"alttranstype": "previous-version"})
        _fill(ET.SubElement(other, _q("source")), entry.source)
        _fill(ET.SubElement(other, _q("target")), target)
    for part in (unit, *unit):  # one line each, and no space more inside words
        part.tail = "\n"


def _examples(tag: str, form: str) -> str:
    return ", ".join(map(str, plurals.examples(tag, form)))


def _fit(text: str) -> str:
    return UNFIT.sub(" ", text)


def _fill(element: ET.Element, text: str) -> None:
    """Text with its placeholders as `<x/>`."""
    end, last = 0, None
    for number, mark in enumerate(MARK.finditer(text), 1):
        between = _fit(text[end : mark.start()])
        if last is None:
            element.text = between
        else:
            last.tail = between
        shown = {"id": str(number), "ctype": "x-placeholder", "equiv-text": mark[0]}
        last, end = ET.SubElement(element, _q("x"), shown), mark.end()
    if last is None:
        element.text = _fit(text)
    else:
        last.tail = _fit(text[end:])


# --------------------------------------------------------------------------- in
def read(data: bytes, tag: str, most: int) -> list[Unit]:
    """The messages of a file that have words. Raises BrokenUpload."""
    found: dict[str, Unit] = {}
    try:
        for unit in _units(data, tag, most):
            known = found.get(unit.ref)
            found[unit.ref] = known.joined(unit) if known else unit
    except BrokenUpload:
        raise
    except DefusedXmlException:
        raise BrokenUpload("dtd") from None
    except (ET.ParseError, ValueError, LookupError):  # ValueError: an encoding that nobody has
        raise BrokenUpload("xml") from None
    return list(found.values())


def _units(data: bytes, tag: str, most: int) -> Iterator[Unit]:
    depth = count = 0
    for event, element in iterparse(BytesIO(data), ("start", "end"), forbid_dtd=True):
        if event == "start":
            depth += 1
            if depth > DEPTH:
                raise BrokenUpload("depth")
            if depth == 1 and element.tag != _q("xliff"):
                raise BrokenUpload("xliff")
            if element.tag == _q("file") and not same(element.get("target-language"), tag):
                raise BrokenUpload("language")
            count += element.tag == _q("trans-unit")
            if count > most:
                raise BrokenUpload("units")
            continue
        depth -= 1
        if element.tag == _q("trans-unit"):
            if unit := _read(element):
                yield unit
            element.clear()


def same(said: str | None, tag: str) -> bool:
    """Whether a file is for this language; Chinese and Portuguese also by their region."""
    other = {"zh-hans": ("zh-cn", "zh"), "zh-hant": ("zh-tw",), "pt-br": ("pt",)}.get(tag.lower(), ())
    return said is not None and said.replace("_", "-").lower() in (tag.lower(), *other)


def _read(unit: ET.Element) -> Unit | None:
    match = ID.match(unit.get("id") or "")
    source, target = unit.find(_q("source")), unit.find(_q("target"))
    if match is None or source is None:
        return Unit("", "", unknown=True)
    text = "" if target is None else _text(target)
    forms = {match[3] or "": text} if text.strip() else {}
    sure = target is not None and target.get("state") in SURE
    return Unit(match[1], _text(source), forms, match[2] or "", sure=sure)


def _text(element: ET.Element) -> str:
    """The words in an element. Raises BrokenUpload for an element that has no place in words."""
    found = [element.text or ""]
    for child in element:
        name = child.tag.removeprefix(f"{{{NAMESPACE}}}") if isinstance(child.tag, str) else ""
        if name in FILLED:
            found.append(child.get("equiv-text") or child.text or "")
        elif name in THROUGH:
            found.append(_text(child))
        elif name:
            raise BrokenUpload("markup")
        found.append(child.tail or "")
    return "".join(found)
