"""The English messages and what is known of each; extract, merge, check the catalogues; how far each has come."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path

from clinic import resources
from clinic.documents import words
from clinic.domain.answer import WRONG
from clinic.domain.definition import Definition, Text
from clinic.domain.errors import MESSAGES, Usage
from clinic.domain.reminder import REMINDER
from clinic.i18n import checks, extracting, merging, plurals, units
from clinic.i18n.catalogue import catalogue
from clinic.i18n.compiling import STATES
from clinic.i18n.glossary import BrokenGlossary, Term, glossary
from clinic.i18n.locales import NAMES, SOURCE, locale, translated
from clinic.i18n.message import DOMAINS, Domain, Source, neutral
from clinic.i18n.po import BrokenFile, File, Message
from clinic.press import fonts
from clinic.services.definitions import definitions, library, tables


# --------------------------------------------------------------------------- the English
def handout_texts() -> Iterator[Text]:
    """Every sentence of definitions, library, weights, sheet words, errors, checks and files."""
    for definition in definitions().values():
        yield from definition.texts()
    yield from library().texts()
    yield from tables().texts()
    yield from words.texts()
    yield REMINDER
    yield from (Text(f"error.{id_}", text) for id_, text in MESSAGES.items())
    yield from (Text(f"wrong.{id_}", text) for id_, text in WRONG.items())
    yield from checks.sentences()
    yield from units.sentences()


def sources(domain: Domain) -> Mapping[str, Source]:
    """Every English message of a domain by key, in the order of its template. Of variants, only the neutral one."""
    return _handouts() if domain == "handouts" else _interface_sources()


@cache
def _handouts() -> Mapping[str, Source]:
    room = extracting.limits(definitions().values())
    found: dict[str, Source] = {}
    for text in handout_texts():
        if text.en:
            limit, guard = room.get(text.key, 0), extracting.guarded(text.key)
            found.setdefault(text.key, Source("handouts", text.key, text.en, "", text.note, limit, guard))
    return found


@cache
def _interface() -> tuple[extracting.Found, ...]:
    return tuple(extracting.interface(resources.templates(), _package() / "web"))


@cache
def _interface_sources() -> Mapping[str, Source]:
    found = {}
    for one in _interface():
        note = "\n".join(line for line in one.message.notes if line != extracting.GUARD)
        found[one.key] = Source("messages", one.key, one.message.source, one.message.plural, note, 0, one.guard)
    return found


@cache
def areas() -> Mapping[str, str]:
    """Where each sentence of the interface stands first: the folder of its template, or the name of its module."""
    return {one.key: one.areas[0] for one in _interface()}


def stamp() -> tuple[int, ...]:
    """What changes when the English does: nothing, while a process runs."""
    return ()


@cache
def _careful() -> frozenset[str]:
    """Keys of every sentence that stands on a sheet about sex or safety."""
    return frozenset(text.key for one in definitions().values() if one.careful for text in one.texts())


def _package() -> Path:
    return Path(__file__).resolve().parent.parent


# --------------------------------------------------------------------------- checks
def checked(source: Source, forms: Mapping[str, str], tag: str) -> list[checks.Finding]:
    """What the checks say of words for a message, with the language's glossary and fonts."""
    return checker(tag)[1](source, forms)


def checker(tag: str) -> tuple[object, Callable[[Source, Mapping[str, str]], list[checks.Finding]]]:
    """The checks of a language for many messages, and what they hang on: glossary and fonts, read once."""
    words_, uncovered = terms(tag), _uncovered(tag)

    def run(source: Source, forms: Mapping[str, str]) -> list[checks.Finding]:
        careful = source.domain == "handouts" and neutral(source.key) in _careful()
        return checks.run(source, forms, tag, words_, uncovered, careful)

    return (words_, uncovered is not None), run


def terms(tag: str) -> tuple[Term, ...]:
    """The glossary of a language; none if it cannot be read (`check` says so)."""
    try:
        return glossary(_glossary(tag))
    except BrokenGlossary:
        return ()


def _glossary(tag: str) -> Path:
    return resources.translations() / locale(tag).folder / "glossary.toml"


def _uncovered(tag: str) -> checks.Uncovered | None:
    """The characters without a glyph; None where the fonts of the language are not installed."""
    try:
        fonts.families(tag)
    except fonts.FontsMissing:
        return None
    return lambda text: [sign for sign in dict.fromkeys(text) if _lacking(sign, tag)]


@lru_cache(maxsize=20_000)
def _lacking(sign: str, tag: str) -> bool:
    return bool(fonts.uncovered(sign, tag))


# --------------------------------------------------------------------------- files
def templates() -> dict[Domain, list[Message]]:
    """The messages of the two templates as they should be now."""
    handouts = [
        Message(one.key, one.en, notes=extracting.noted([one.note], one.limit, one.guard))
        for one in sources("handouts").values()
    ]
    return {"handouts": handouts, "messages": [one.message for one in _interface()]}


def extract() -> dict[str, int]:
    """Write translations/*.pot. Returns the number of sentences in each."""
    made = templates()
    for domain, wanted in made.items():
        (resources.translations() / f"{domain}.pot").write_text(merging.template(wanted), "utf-8")
    return {domain: len(wanted) for domain, wanted in made.items()}


def merge() -> dict[str, dict[str, int]]:
    """Bring every catalogue up to its template."""
    made = templates()
    return {
        f"{one.tag} {domain}": merging.merge_file(catalogue_path(one.tag, domain), wanted, one.tag, domain)
        for one in translated()
        if one.tag != SOURCE
        for domain, wanted in made.items()
    }


def begin(tag: str) -> list[str]:
    """Begin a language: its folder with empty catalogues. Lines to say: what was made, whether it can print.

    Usage error for an unknown tag, or one that is begun.
    """
    if tag not in NAMES or tag == SOURCE:
        raise Usage(f"{tag} is not a language this program knows")
    if any(catalogue_path(tag, domain).exists() for domain in DOMAINS):
        raise Usage(f"{tag} is begun already")
    said = []
    for domain, wanted in templates().items():
        merging.merge_file(catalogue_path(tag, domain), wanted, tag, domain)
        said.append(f"{tag} {domain}: {len(wanted)} messages to translate")
    try:
        fonts.families(tag)
    except fonts.FontsMissing as missing:
        said.append(str(missing))
    return said


def catalogue_path(tag: str, domain: str) -> Path:
    """The PO file of a language. Usage error for an unknown tag."""
    if tag not in NAMES or tag == SOURCE:
        raise Usage(f"{tag} is not a language this program knows")
    return resources.translations() / locale(tag).folder / "LC_MESSAGES" / f"{domain}.po"


# --------------------------------------------------------------------------- check
def check(tags: Iterable[str] = (), warnings: bool = False) -> list[str]:
    """What is wrong in the catalogues, one line each; empty when all is well.

    Drift from the sources, files that cannot be read, and what would break a page; with `warnings` the rest too.
    """
    made = templates()
    found = [
        f"{domain}.pot is out of date. Run: clinic translations extract"
        for domain, wanted in made.items()
        if _text(resources.translations() / f"{domain}.pot") != merging.template(wanted)
    ]
    for tag in list(tags) or [one.tag for one in translated() if one.tag != SOURCE]:
        for domain, wanted in made.items():
            found += [f"{tag}: {line}" for line in _check(tag, domain, wanted, warnings)]
        try:
            glossary(_glossary(tag))
        except BrokenGlossary as problem:
            found.append(f"{tag}: glossary.toml: {problem}")
    return found


def _text(path: Path) -> str:
    return path.read_text("utf-8") if path.exists() else ""


def _check(tag: str, domain: Domain, wanted: Sequence[Message], warnings: bool) -> Iterator[str]:
    path = catalogue_path(tag, domain)
    if not path.exists():
        yield f"{domain}.po is missing"
        return
    data = path.read_bytes()
    try:
        file = File(data)
        drifted = merging.merged(data, wanted, tag, domain)[0] != data
    except BrokenFile as problem:
        yield f"{domain}.po, {problem}"
        return
    if drifted:
        yield f"{domain}.po is out of date. Run: clinic translations merge"
    for message in file.messages:
        yield from _faults(message, tag, domain, warnings)


def _faults(message: Message, tag: str, domain: Domain, warnings: bool) -> Iterator[str]:
    """Of a message that says something and was made for the English of now."""
    key = message.key if domain == "handouts" else message.lookup
    source = sources(domain).get(neutral(key) if domain == "handouts" else key)
    if source is None or message.state in ("untranslated", "changed") or source.en != message.source:
        return
    name = key.replace("\x04", ": ")
    try:
        forms = plurals.by_category(list(message.forms), tag) if source.plural else {"": message.forms[0]}
    except ValueError:
        yield f"{name}: has {len(message.forms)} forms, the language has {len(plurals.categories(tag))}"
        return
    for finding in checked(source, forms, tag):
        if warnings or finding.tier == "block":
            form = f" ({finding.form})" if finding.form else ""
            yield f"{name}{form}: {finding.filled(finding.text.en)}"


def progress(definition: Definition, tag: str) -> dict[str, float | str]:
    """Shares (0–1) of a definition's sentences that are translated, reviewed, approved, and the least state."""
    book = catalogue(tag)
    states = [book.state(text) for text in (*definition.texts(), *words.texts())]
    share = {
        name: sum(STATES.index(state) >= STATES.index(name) for state in states) / len(states)
        for name in ("draft", "reviewed", "approved")
    }
    least = min(states, key=STATES.index)
    return {"translated": share["draft"], "reviewed": share["reviewed"], "approved": share["approved"], "state": least}
