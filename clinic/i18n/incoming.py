"""Reads an uploaded file in a child that holds no key and soon can open no file: 512 MB, 5 s, no network.

What comes back are words by message (`units.Unit`), or the kind of fault of the whole file.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import clinic
from clinic.i18n import plurals, po, xliff
from clinic.i18n.message import interface_key, ref
from clinic.i18n.units import PROBLEMS, BrokenUpload, Unit, packed, unpacked

BYTES: Final = 8 << 20
UNITS: Final = 20_000
READ: Final = b"read"  # the child's first line when all is well; else it is a key of PROBLEMS
MEMORY: Final = 512 << 20
SECONDS: Final = 5  # of computing; twice that on the clock
PROGRAM: Final = "import sys; sys.path[:0] = sys.argv[2:]; from clinic.i18n import incoming; incoming.main(sys.argv[1])"
# How archives begin: zip, gzip, bzip2, xz, 7z, zstd, rar.
ARCHIVES: Final = (
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ",
    b"7z\xbc\xaf",
    b"\x28\xb5\x2f\xfd",
    b"Rar!",
)
BASE: Final = re.compile(r"base: ([0-9a-f]{8})\Z")
DOMAIN: Final = "X-Domain"  # header of our own files


def apart(data: bytes, tag: str) -> list[Unit]:
    """Read a file in a child. Raises BrokenUpload."""
    _weighed(data)
    root = str(Path(clinic.__file__).resolve().parents[1])
    known = root in sys.path and root.endswith("site-packages")
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and our own words
            [sys.executable, "-P", "-c", PROGRAM, tag, *([] if known else [root])],
            input=data,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"LC_ALL": "C.UTF-8", **{name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}},
            timeout=2 * SECONDS + 5,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BrokenUpload("stopped") from None
    head, _, rest = done.stdout.partition(b"\n")
    if done.returncode == 0 and head == READ:
        return unpacked(rest)
    said = head.decode("ascii", "replace")
    raise BrokenUpload(said if done.returncode == 0 and said in PROBLEMS else "stopped")


def main(tag: str) -> None:
    """The child: a file on stdin, units or a fault on stdout."""
    plurals.header(tag)  # what is read from disk is read before the door closes
    data = sys.stdin.buffer.read(BYTES + 1)
    _confine()
    try:
        out = READ + b"\n" + packed(read(data, tag))
    except BrokenUpload as problem:
        out = problem.problem.encode() + b"\n"
    except (MemoryError, RecursionError):
        out = b"stopped\n"
    sys.stdout.buffer.write(out)


def _confine() -> None:
    if sys.platform == "win32":
        return
    import resource

    for which, amount in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 3),  # no file and no socket any more
    ):
        resource.setrlimit(which, (amount, amount))


def _weighed(data: bytes) -> None:
    if len(data) > BYTES:
        raise BrokenUpload("size")
    if data.startswith(ARCHIVES):
        raise BrokenUpload("archive")


def read(data: bytes, tag: str) -> list[Unit]:
    """The messages of a PO or an XLIFF file that have words in it. Raises BrokenUpload."""
    _weighed(data)
    start = data[:400].lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\x00")
    if start.startswith(b"<"):
        return _sound(xliff.read(data, tag, UNITS), "xml")
    if not re.search(rb"^\s*(#|msgid|msgctxt)", start, re.MULTILINE):
        raise BrokenUpload("kind")
    return _sound(_po(data, tag), "po")


def _po(data: bytes, tag: str) -> list[Unit]:
    try:
        file = po.File(data, UNITS)
    except po.BrokenFile as problem:
        raise BrokenUpload("units" if problem.problem == "too many messages" else "po") from None
    said = file.header.get("Language", "")
    if said and not xliff.same(said, tag):
        raise BrokenUpload("language")
    rule = file.header.get("Plural-Forms", "")
    if rule and not plurals.HEADER.match(rule):
        raise BrokenUpload("plurals")
    if not file.messages:
        raise BrokenUpload("po")
    return [_unit(one, tag, file.header.get(DOMAIN, ""), rule) for one in file.messages]


def _sound(units: list[Unit], problem: str) -> list[Unit]:
    """Units that each stand for a message of their own, in words that can be written. Raises BrokenUpload."""
    refs = [one.ref for one in units if one.ref]
    said = "".join(text for one in units for text in (one.source, *one.forms.values()))
    if len(set(refs)) != len(refs) or any("\ud800" <= sign <= "\udfff" for sign in set(said)):
        raise BrokenUpload(problem)
    return units


def _unit(one: po.Message, tag: str, domain: str, rule: str) -> Unit:
    """Without a word of ours, a context is the key of a sentence of a handout."""
    base = next((match[1] for line in one.comments if (match := BASE.match(line))), "")
    handout = one.context is not None and domain != "messages"
    key = one.key if handout else interface_key(one.source, one.context)
    found = ref("handouts" if handout else "messages", key)
    sure = "fuzzy" not in one.flags
    if not one.plural:
        forms = {"": one.forms[0]} if one.forms[0].strip() else {}
        return Unit(found, one.source, forms, base, sure=sure)
    try:
        numbered = plurals.moved(list(one.forms), rule or plurals.header(tag), tag)
    except (ValueError, ArithmeticError, OverflowError):
        raise BrokenUpload("plurals") from None
    named = plurals.by_category(numbered, tag)
    return Unit(found, one.source, {name: form for name, form in named.items() if form}, base, sure=sure)
