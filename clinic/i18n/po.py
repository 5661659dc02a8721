"""PO files read, and edited so that every byte stays but those of the messages that change.

A file is a list of lines; a message knows which lines are its own. An edit replaces the translation, its state and
its flags, and keeps the line breaks of what did not change: so git shows what a translator did and nothing else.
States as in DECISIONS D10: empty = untranslated, plain = draft, fuzzy with the previous source = changed,
`# state: reviewed|approved NAME DATE` = that.
"""

import os
import re
import textwrap
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from clinic.domain.definition import hidden
from clinic.i18n.compiling import STATES

WIDTH: Final = 100
UNITS: Final = 20_000  # messages a file may have
Where = tuple[str | None, str]  # context and source of a message
KEYWORD: Final = re.compile(r'(msgctxt|msgid_plural|msgid|msgstr)(?:\[(\d)\])?\s*"(.*)"\Z', re.DOTALL)
QUOTED: Final = re.compile(r'"(.*)"\Z', re.DOTALL)
LONE_QUOTE: Final = re.compile(r'(?<!\\)(?:\\\\)*"')
CHARSET: Final = re.compile(rb"Content-Type:[^\n]*charset=([A-Za-z0-9._-]{1,40})")
ESCAPED: Final = re.compile(r"\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|.)", re.DOTALL)
LETTERS: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "a": "\a", '"': '"', "\\": "\\"}
WRITTEN: Final = {value: "\\" + letter for letter, value in LETTERS.items()}
STATE: Final = re.compile(r"state: (reviewed|approved)\b\s*(.*?)\s*(\d{4}-\d\d-\d\d)?\s*\Z")


class BrokenFile(ValueError):
    """A file that is no PO, or more than is read. `line` counts from 1; `problem` names a kind of fault."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"line {line}: {problem}")
        self.line, self.problem = line, problem


@dataclass(frozen=True)
class Message:
    """One message: `context` None = has none; `forms` are `msgstr`, or `msgstr[0]` and on; comments without `#`."""

    context: str | None
    source: str
    forms: tuple[str, ...] = ("",)
    plural: str = ""
    previous: str = ""
    notes: tuple[str, ...] = ()  # #. from the program to the translator
    comments: tuple[str, ...] = ()  # #  from translators
    places: tuple[str, ...] = ()  # #:
    flags: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What it is known by in the domain `handouts`, as the gettext context alone names it."""
        return self.context or self.source

    @property
    def lookup(self) -> str:
        """What it is known by in the domain `messages`: source, after its context if it has one."""
        return self.source if self.context is None else f"{self.context}\x04{self.source}"

    @property
    def state(self) -> str:
        """One of `compiling.STATES`, as the file says."""
        if not any(self.forms):
            return "untranslated"
        if "fuzzy" in self.flags:
            return "changed"
        said = self.reviewed
        return said[0] if said else "draft"

    @property
    def reviewed(self) -> tuple[str, str, str] | None:
        """State, name and day (ISO, or empty) of the state comment, if there is one."""
        for comment in self.comments:
            if match := STATE.match(comment):
                return match[1], match[2], match[3] or ""
        return None


@dataclass(frozen=True)
class Edit:
    """What becomes of a message. `state` is one of STATES; `previous` is for `changed`: the English of the target."""

    forms: tuple[str, ...]
    state: str = "draft"
    by: str = ""
    day: str = ""
    previous: str = ""


@dataclass
class _Group:
    """A keyword with its lines: `parts` are the decoded strings, one a line, from line `start` up to `end`."""

    word: str
    index: int
    start: int
    end: int
    parts: list[str] = field(default_factory=list)

    @property
    def value(self) -> str:
        return "".join(self.parts)


@dataclass(frozen=True)
class Placed:
    """A message and its lines: all of them from `start` to `end`, those before its first keyword up to `words`."""

    message: Message
    start: int
    words: int
    end: int
    groups: tuple[_Group, ...]


class File:
    """A PO file as it stands. Reading and writing it without edits gives the same bytes."""

    def __init__(self, data: bytes, units: int = UNITS) -> None:
        """Raises BrokenFile for what is no PO, is in an unknown encoding, or has more messages than `units`."""
        self.charset = _charset(data)
        try:
            self.text = data.decode(self.charset)
        except (UnicodeDecodeError, LookupError):
            raise BrokenFile(1, "encoding") from None
        self.lines = self.text.split("\n")
        self.end = "\r" if self.lines[0].endswith("\r") else ""
        self.placed: list[Placed] = []
        self.header_lines: Placed | None = None
        for one in _Reader(self.lines).messages():
            if one.message.source == "" and one.message.context is None:
                self.header_lines = self.header_lines or one
            else:
                self.placed.append(one)
            if len(self.placed) > units:
                raise BrokenFile(one.start + 1, "too many messages")

    @cached_property
    def messages(self) -> tuple[Message, ...]:
        """All messages but the header and the obsolete ones, in order."""
        return tuple(one.message for one in self.placed)

    @cached_property
    def header(self) -> dict[str, str]:
        """`Language`, `Plural-Forms` and so on."""
        lines = self.header_lines.message.forms[0].split("\n") if self.header_lines else []
        return {name.strip(): value.strip() for name, sign, value in (line.partition(":") for line in lines) if sign}

    def raw(self, one: Placed) -> str:
        """The lines of a message as they stand, without blank lines around."""
        lines = self.lines[one.start : one.end]
        while lines and not lines[0].strip():
            lines.pop(0)
        return "\n".join(lines)

    def edited(
        self, edits: Mapping[Where, Edit], added: Mapping[Where, Sequence[Message]] | None = None, width: int = WIDTH
    ) -> bytes:
        """The file with edits applied, and messages added behind others; both by (context, source).

        KeyError names a message that is not in the file.
        """
        known: dict[Where, Placed] = {}
        for one in self.placed:
            known.setdefault((one.message.context, one.message.source), one)
        more = added or {}
        if unknown := (edits.keys() | more.keys()) - known.keys():
            raise KeyError(next(iter(unknown)))
        lines = list(self.lines)
        for where in sorted(edits.keys() | more.keys(), key=lambda where: known[where].start, reverse=True):
            one = known[where]
            ends = "\r" if lines[one.words].endswith("\r") else ""
            for message in reversed(more.get(where, ())):
                lines[one.end : one.end] = [line + ends for line in ("", *rendered(message, width).split("\n"))]
            if where in edits:
                new = _edited([line.rstrip("\r") for line in lines[one.start : one.end]], one, edits[where], width)
                lines[one.start : one.end] = _like(lines[one.start : one.end], new, ends)
        return "\n".join(lines).encode(self.charset)


def _like(old: list[str], new: list[str], ends: str) -> list[str]:
    """New lines with their line end; a line that stayed keeps the one it has."""
    kept = {line.rstrip("\r"): line for line in old}
    return [kept.get(line, line + ends) for line in new]


def _charset(data: bytes) -> str:
    found = CHARSET.search(data[:20_000])
    name = found[1].decode("ascii").lower() if found else "utf-8"
    return "utf-8" if name == "charset" else name  # a template that nobody filled


def unescaped(text: str) -> str:
    """The value of a quoted string."""
    return ESCAPED.sub(_letter, text) if "\\" in text else text


def _letter(match: re.Match[str]) -> str:
    said = match[1]
    if said in LETTERS:
        return LETTERS[said]
    if said[0] == "x" and len(said) > 1:
        return chr(int(said[1:], 16))
    return chr(int(said, 8)) if said[0] in "01234567" else said


def escaped(text: str) -> str:
    """A string as it stands between quotes."""
    return "".join(WRITTEN.get(sign) or (f"\\{ord(sign):03o}" if sign < " " else sign) for sign in text)


class _Reader:
    """One pass over the lines."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = lines
        self.begin()

    def begin(self, at: int = 0) -> None:
        self.start, self.words, self.end = at, -1, at
        self.hashed: list[str] = []
        self.groups: list[_Group] = []

    def messages(self) -> Iterator[Placed]:
        for number, raw in enumerate(self.lines):
            line = raw.strip(" \t\r\f\v").removeprefix("\ufeff" if number == 0 else "")
            if not line:
                continue
            if line.startswith("#"):
                yield from self.comment(number, line)
            elif match := KEYWORD.match(line):
                yield from self.keyword(number, match)
            else:
                self.more(number, line)
        yield from self.done()

    def comment(self, number: int, line: str) -> Iterator[Placed]:
        if self.groups:
            yield from self.done()
            self.begin(number)
        if line.startswith("#~"):  # obsolete: kept as it is, together with its comments
            self.begin(number + 1)
            return
        if not self.hashed:
            self.start = number
        self.hashed.append(line)

    def keyword(self, number: int, match: re.Match[str]) -> Iterator[Placed]:
        word, index, text = match[1], match[2], match[3]
        opens = word == "msgctxt" or (word == "msgid" and "msgctxt" not in {group.word for group in self.groups[-1:]})
        if opens and self.groups:
            yield from self.done()
            self.begin(number)
        if not self.groups:
            if not opens:
                raise BrokenFile(number + 1, "out of order")
            self.words = number
            self.start = number if not self.hashed else self.start
        if (index is not None) and word != "msgstr":
            raise BrokenFile(number + 1, "out of order")
        self.groups.append(_Group(word, int(index or 0), number, number + 1, [self.value(number, text)]))
        self.end = number + 1

    def more(self, number: int, line: str) -> None:
        match = QUOTED.match(line)
        if match is None or not self.groups:
            raise BrokenFile(number + 1, "not a PO line")
        self.groups[-1].parts.append(self.value(number, match[1]))
        self.groups[-1].end = self.end = number + 1

    def value(self, number: int, text: str) -> str:
        if LONE_QUOTE.search(text) or (len(text) - len(text.rstrip("\\"))) % 2:
            raise BrokenFile(number + 1, "a quote inside a string")
        return unescaped(text)

    def done(self) -> Iterator[Placed]:
        if not self.groups:
            return
        words = {(group.word, group.index): group for group in self.groups}
        if len(words) != len(self.groups) or ("msgid", 0) not in words or ("msgstr", 0) not in words:
            raise BrokenFile(self.start + 1, "out of order")
        forms = [words[key].value for key in sorted(words) if key[0] == "msgstr"]
        if ("msgstr", len(forms) - 1) not in words:
            raise BrokenFile(self.start + 1, "out of order")
        context, plural = words.get(("msgctxt", 0)), words.get(("msgid_plural", 0))
        message = Message(
            context.value if context else None,
            words["msgid", 0].value,
            tuple(forms),
            plural.value if plural else "",
        )
        yield Placed(_commented(message, self.hashed), self.start, self.words, self.end, tuple(self.groups))


def _commented(message: Message, lines: Iterable[str]) -> Message:
    """The message with what the lines that begin with # say."""
    kinds: dict[str, list[str]] = {".": [], ":": [], ",": [], "|": [], "": []}
    for line in lines:
        mark = line[1:2] if line[1:2] in (".", ":", ",", "|") else ""
        kinds[mark].append(line[1 + len(mark) :].removeprefix(" "))
    flags = (flag.strip() for line in kinds[","] for flag in line.split(","))
    return replace(
        message,
        previous=_previous(kinds["|"]),
        notes=tuple(kinds["."]),
        comments=tuple(kinds[""]),
        places=tuple(kinds[":"]),
        flags=tuple(filter(None, flags)),
    )


def _previous(lines: Iterable[str]) -> str:
    """The `msgid` among the lines with `#|`."""
    word, parts = "", []
    for line in lines:
        match = KEYWORD.match(line.strip())
        word = match[1] if match else word
        quoted = match[3] if match else (QUOTED.match(line.strip()) or [""] * 2)[1]
        if word == "msgid":
            parts.append(unescaped(quoted))
    return "".join(parts)


# --------------------------------------------------------------------------- writing
def wrapped(text: str, width: int, taken: int) -> list[str]:
    """A value cut into the strings of its lines; `taken` are the characters of the keyword. As gettext's tools do."""
    lines = [part + "\n" for part in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    lines = [line for line in lines if line]
    if len(lines) > 1:
        return ["", *lines]
    whole = escaped(text)
    if len(whole) + taken + 3 <= width:
        return [text]
    return ["", *map(unescaped, _folded(whole, width - 2))]


def _folded(text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text, width, drop_whitespace=False, break_long_words=False, replace_whitespace=False, expand_tabs=False
    )


def _written(word: str, parts: Sequence[str], lead: str = "") -> list[str]:
    first, *rest = parts
    return [f'{lead}{word} "{escaped(first)}"', *(f'{lead}"{escaped(part)}"' for part in rest)]


def _keyword(word: str, text: str, width: int, lead: str = "") -> list[str]:
    return _written(word, wrapped(text, width, len(word)), lead)


def _noted(mark: str, texts: Iterable[str], width: int) -> list[str]:
    lines: list[str] = []
    for text in texts:
        whole = f"{mark} {text}".rstrip()
        if len(whole) <= width:
            lines.append(whole)
        else:
            head = mark + " "
            lines += textwrap.wrap(text, width, initial_indent=head, subsequent_indent=head, break_long_words=False)
    return lines


def noted(texts: Iterable[str], width: int = WIDTH) -> tuple[str, ...]:
    """Notes as they come back when a file is read: long ones are several lines."""
    return tuple(line[2:].removeprefix(" ") for line in _noted("#.", texts, width))


def rendered(message: Message, width: int = WIDTH) -> str:
    """A message as the lines of a file."""
    lines = _noted("#", message.comments, width) + _noted("#.", message.notes, width)
    lines += _noted("#:", message.places, width)
    lines += [f"#, {', '.join(message.flags)}"] if message.flags else []
    if message.previous:
        lines += _keyword("msgid", message.previous, width, "#| ")
    if message.context is not None:
        lines += _keyword("msgctxt", message.context, width)
    lines += _keyword("msgid", message.source, width)
    if not message.plural:
        return "\n".join([*lines, *_keyword("msgstr", message.forms[0], width)])
    lines += _keyword("msgid_plural", message.plural, width)
    for number, form in enumerate(message.forms):
        lines += _keyword(f"msgstr[{number}]", form, width)
    return "\n".join(lines)


def headed(header: Mapping[str, str]) -> str:
    """The header entry."""
    said = (f"{name}: {value}\n" for name, value in header.items())
    return "\n".join(["#", 'msgid ""', *_written("msgstr", ["", *said])])


def document(header: Mapping[str, str], entries: Iterable[str]) -> str:
    """A whole file from entries that are rendered."""
    return "\n\n".join([headed(header), *entries]) + "\n"


def replaced(path: Path, data: bytes) -> None:
    """Write a file in one move: whoever reads it meanwhile has the old one or the new one."""
    part = path.with_suffix(f".{os.getpid()}.{threading.get_ident()}.part")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def applied(message: Message, edit: Edit) -> Message:
    """A message after an edit, as reading the edited file gives it."""
    if edit.state not in STATES:
        raise ValueError(f"unknown state {edit.state}")
    kept = tuple(comment for comment in message.comments if not STATE.match(comment))
    fuzzy = edit.state == "changed"
    flags = tuple(flag for flag in message.flags if flag != "fuzzy")
    return replace(
        message,
        forms=edit.forms,
        comments=(*kept, *_said(edit)),
        flags=("fuzzy", *flags) if fuzzy else flags,
        previous=(edit.previous or message.previous) if fuzzy else "",
    )


def _said(edit: Edit) -> tuple[str, ...]:
    """The state comment of an edit, or nothing."""
    if edit.state not in ("reviewed", "approved"):
        return ()
    by = " ".join("".join(" " if hidden(sign) else sign for sign in edit.by).split())
    return (" ".join(filter(None, ["state:", edit.state, by, edit.day])),)


def _edited(lines: list[str], one: Placed, edit: Edit, width: int) -> list[str]:
    """The lines of a message after an edit, with as few of them changed as can be."""
    now = applied(one.message, edit)
    head = lines[: one.words - one.start]
    if (now.comments, now.flags, now.previous) != (one.message.comments, one.message.flags, one.message.previous):
        head = _head(head, one.message, now, edit, width)
    old = [group for group in one.groups if group.word == "msgstr"]
    body = lines[one.words - one.start : old[0].start - one.start]
    groups = {group.index: group for group in old}
    for index, form in enumerate(edit.forms):
        word = f"msgstr[{index}]" if one.message.plural else "msgstr"
        group = groups.get(index)
        if group is not None and group.value == form:
            body += lines[group.start - one.start : group.end - one.start]
        else:
            body += _written(word, _rewrapped(group.parts if group else [], form, width, len(word)))
    return head + body


def _head(lines: list[str], was: Message, now: Message, edit: Edit, width: int) -> list[str]:
    """Comments and flags with a new state."""
    kept: list[str] = []
    place = None  # where the state comment stands or goes
    for line in lines:
        bare = line.strip()
        comment = bare[1:].removeprefix(" ") if bare[1:2] not in (".", ":", ",", "|") else ""
        if STATE.match(comment):
            place = len(kept) if place is None else place
        elif bare.startswith("#,") and now.flags != was.flags:
            flags = [flag.strip() for flag in bare[2:].split(",")]
            flags = [flag for flag in flags if flag and flag != "fuzzy"]
            kept += [f"#, {', '.join(flags)}"] if flags else []
        elif not (bare.startswith("#|") and now.previous != was.previous):
            kept.append(line)
    if said := _said(edit):
        at = _after_comments(kept) if place is None else place
        kept[at:at] = [f"# {text}" for text in said]
    if "fuzzy" in now.flags and "fuzzy" not in was.flags:
        kept = _with_fuzzy(kept)
    if now.previous and now.previous != was.previous:
        kept += _keyword("msgid", now.previous, width, "#| ")
    return kept


def _after_comments(lines: Sequence[str]) -> int:
    """The place after the last translators' comment: before #. #: #, #|."""
    for place, line in enumerate(lines):
        if line.strip()[1:2] in (".", ":", ",", "|"):
            return place
    return len(lines)


def _with_fuzzy(lines: list[str]) -> list[str]:
    for place, line in enumerate(lines):
        if line.strip().startswith("#,"):
            return [*lines[:place], f"#, fuzzy, {line.strip()[2:].strip()}", *lines[place + 1 :]]
    at = next((place for place, line in enumerate(lines) if line.strip().startswith("#|")), len(lines))
    return [*lines[:at], "#, fuzzy", *lines[at:]]


def _rewrapped(old: Sequence[str], text: str, width: int, taken: int) -> list[str]:
    """A new value over old lines: those at the beginning and end that still fit stay as they are."""
    fresh = wrapped(text, width, taken)
    if len(fresh) == 1 or len(old) < 2 or old[0]:
        return fresh
    front, rest = 0, text
    pieces = list(old[1:])
    while front < len(pieces) and pieces[front] and rest.startswith(pieces[front]):
        rest = rest.removeprefix(pieces[front])
        front += 1
    back = len(pieces)
    while back > front and pieces[back - 1] and rest.endswith(pieces[back - 1]):
        back -= 1
        rest = rest.removesuffix(pieces[back])
    middle = [part for part in wrapped(rest, width, width) if part] if rest else []
    return ["", *pieces[:front], *middle, *pieces[back:]]
