"""What is wrong with a translation. Faults of tier `block` would break a page or say something else than the source,
and are not saved; those of tier `warn` can be dismissed with a reason.

Pure: a source, the forms, a language, its glossary, and a way to ask which characters have no glyph.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from clinic.domain.definition import Text, hidden
from clinic.i18n import plurals
from clinic.i18n.glossary import Term, hits
from clinic.i18n.message import Source

Tier = Literal["block", "warn"]
Uncovered = Callable[[str], Sequence[str]]  # text -> characters that no font of the language has

# What each check says; gettext context `check.<id>`, domain handouts.
SENTENCES: Final[dict[str, str]] = {
    "placeholders": "Keep the words in braces and after % exactly as in the English: {marks}.",
    "markup": "This may hold no markup: {found}.",
    "hidden": "Take out the hidden character {found}.",
    "glyphs": "No font on this machine prints {found}.",
    "plurals": "Fill in all forms, or none. Missing: {forms}.",
    "digits": "This text is about safety. Its numbers must be those of the English: {numbers}.",
    "longest": "This is more than three times as long as the English.",
    "numbers": "The numbers differ. English: {numbers}.",
    "ending": "The sign at the end differs from the English.",
    "unchanged": "This is the same as the English.",
    "length": "This has {count} characters. There is room for about {limit}.",
    "doubled": "A word stands twice: {word}.",
    "glossary": "For “{term}” the glossary has: {words}.",
    "spacing": "Look at the spaces: at the beginning or end, two in a row, or before a sign.",
    "no_break": "French has a no-break space before ; : ! ? and inside « ».",
    "addresses": "The web or mail addresses differ from the English.",
    "unpaired": "A bracket or quotation mark stands alone.",
    "paragraphs": "The English has another number of paragraphs.",
}
BLOCKING: Final = ("placeholders", "markup", "hidden", "glyphs", "plurals", "digits", "longest")


def sentences() -> Iterator[Text]:
    """What the checks say, for translators."""
    for id_, text in SENTENCES.items():
        yield Text(f"check.{id_}", text, "Shown to translators beside their text.")


@dataclass(frozen=True)
class Finding:
    """One fault. `form` names the plural form it is in ("" for a text without); `params` fill the sentence."""

    check: str
    tier: Tier
    params: Mapping[str, str] = field(default_factory=dict)
    form: str = ""

    @property
    def text(self) -> Text:
        """What it says, to be translated and then `filled`."""
        return Text(f"check.{self.check}", SENTENCES[self.check])

    def filled(self, sentence: str) -> str:
        """The sentence with its params. One pass, so that a param is never read as a placeholder."""
        return re.sub(r"\{([a-z]+)\}", lambda name: self.params.get(name[1], name[0]), sentence)


# Signs that end a sentence, and what stands for them in other scripts.
ENDINGS: Final = {
    ".": ".。．।۔።",
    "?": "?？؟፧;\u037e",
    "!": "!！",
    ":": ":：፦",
    "…": "…",
    ",": ",，،、",
    ";": ";；؛·\u0387",
}
SAME_END: Final = {sign: name for name, signs in ENDINGS.items() for sign in signs if sign not in ";·" or name == sign}
CLOSING: Final = "\"'”’»›)]}）」』】\u00a0\u202f “„‟"
NO_FULL_STOP: Final = frozenset({"th"})  # a sentence ends with a space or nothing
GREEK_QUESTION: Final = frozenset({"el"})
# Joiners and breaks that are letters' work in these scripts.
ZERO_WIDTH: Final = {
    "\u200b": frozenset({"th"}),
    "\u200c": frozenset({"fa", "ur", "hi", "bn", "pa", "ta", "te"}),
    "\u200d": frozenset({"fa", "ur", "hi", "bn", "pa", "ta", "te"}),
    "\u00ad": None,  # a soft hyphen is welcome anywhere
}
# Languages that say a word twice on purpose, and single words that others do.
DOUBLING: Final = frozenset({"hi", "bn", "pa", "ta", "te", "ur", "sw", "so", "vi", "tr", "am", "th", "ja", "ko"})
TWICE: Final = {"fr": {"nous", "vous"}, "de": {"die", "der", "das", "sie"}, "nl": {"dat", "die"}, "ar": {"خطوة"}}

BRACES: Final = re.compile(r"\{[^{}]*\}|[{}]")
PERCENTS: Final = re.compile(r"%\([A-Za-z_]+\)[sd]|%%|%")
TAGS: Final = re.compile(r"</?[A-Za-z!?][^<>]*>?|&(?:[A-Za-z]{2,8}|#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6});")
ADDRESSES: Final = re.compile(
    r"(?:https?://|www\.)[^\s<>\"“”«»]+|(?<![\w.+-])[\w.+-]+@[\w-]+\.[\w.-]*\w", re.IGNORECASE
)
NUMBERS: Final = re.compile(r"\d+(?:[.,:]\d+)*")
PAIR: Final = re.compile(r"\b(\w{2,})\s+\1\b", re.IGNORECASE)
FRENCH: Final = re.compile(
    r"(?<![\s\u00a0\u202f;:!?])[;!?»]|(?<![\d\s\u00a0\u202f]):(?!//)|[ \t][;:!?»]|«(?![\u00a0\u202f])"
)
LOOSE: Final = re.compile(r" (?!\.\.\.)[,.;:!?؟،؛](?!\w)| {2}|[ \t]\n|\n[ \t]")
BRACKETS: Final = ("()", "[]", "（）", "【】", "「」", "『』", "《》")
QUOTES: Final = re.compile(r"[“”„‟«»]|(?<!\w)\"|\"(?!\w)")
LONGEST: Final = 3  # a text may be so many times as long as its English, and
SLACK: Final = 20  # so many characters longer


def run(
    source: Source,
    forms: Mapping[str, str],
    tag: str,
    glossary: Sequence[Term] = (),
    uncovered: Uncovered | None = None,
    careful: bool = False,
) -> list[Finding]:
    """All faults, blocking ones first. Empty forms are no fault: nothing is translated yet.

    `careful`: the text is about sex or safety, where a changed number blocks. A sheet prints what `uncovered` allows;
    only handouts are printed.
    """
    found = [Finding("plurals", "block", {"forms": names})] if (names := _missing(source, forms, tag)) else []
    for name, text in forms.items():
        if text:
            one = _One(source, text, tag, name, careful)
            found += one.blocks(uncovered)
            found += one.warns(glossary)
    return sorted(found, key=lambda finding: finding.tier)


def blocked(findings: Iterable[Finding]) -> list[Finding]:
    """Those that must not be saved."""
    return [finding for finding in findings if finding.tier == "block"]


def _missing(source: Source, forms: Mapping[str, str], tag: str) -> str:
    """Names of the forms that are missing, or too many."""
    if not any(forms.values()):
        return ""
    wanted = plurals.categories(tag) if source.plural else ("",)
    unknown = [name for name in forms if name not in wanted]
    return ", ".join([name or "text" for name in wanted if not forms.get(name)] + unknown)


def placeholders(text: str, percent: bool) -> Counter[str]:
    """The placeholders of a text with how often each stands there; a stray brace or % counts as one."""
    found = Counter(BRACES.findall(text))
    return found + Counter(PERCENTS.findall(text)) if percent else found


def invisible(text: str, tag: str) -> list[str]:
    """Hidden and direction-changing characters that this language has no use for, each once."""
    return [sign for sign in dict.fromkeys(text) if _invisible(sign, tag)]


def _invisible(sign: str, tag: str) -> bool:
    if sign in ZERO_WIDTH:
        allowed = ZERO_WIDTH[sign]
        return allowed is not None and tag not in allowed
    return hidden(sign) or unicodedata.category(sign) in ("Cf", "Zl", "Zp") or sign == "\t"


def numbers(text: str) -> Counter[str]:
    """The numbers of a text, in European digits, separators as they are left out."""
    return Counter("".join(str(unicodedata.decimal(sign, "")) for sign in one) for one in NUMBERS.findall(text))


class _One:
    """The checks of one form."""

    def __init__(self, source: Source, text: str, tag: str, form: str, careful: bool) -> None:
        self.source, self.text, self.tag, self.form, self.careful = source, text, tag, form, careful
        self.percent = source.domain == "messages"
        # “one answer” and “two answers” may leave the number out: there is only one it can be. Not so in Hindi, where
        # the form “one” is for 0 as well.
        self.spoken = bool(source.plural) and len(plurals.examples(tag, form, 2)) == 1
        self.english = source.plural if source.plural and not (form == "one" and self.spoken) else source.en

    def found(self, check: str, **params: str) -> Finding:
        return Finding(check, "block" if check in BLOCKING else "warn", params, self.form)

    def blocks(self, uncovered: Uncovered | None) -> Iterator[Finding]:
        yield from self.placeholders()
        if strange := Counter(TAGS.findall(self.text)) - Counter(TAGS.findall(self.english)):
            yield self.found("markup", found=" ".join(strange))
        if signs := invisible(self.text, self.tag):
            yield self.found("hidden", found=_named(signs))
        elif uncovered and not self.percent and (signs := list(uncovered(self.text))):
            yield self.found("glyphs", found=_named(signs, shown=True))
        if self.careful and self.numbers_differ():
            yield self.found("digits", numbers=self.counted() or "–")
        if len(self.text) > LONGEST * len(self.english) + SLACK:
            yield self.found("longest")

    def placeholders(self) -> Iterator[Finding]:
        here = placeholders(self.text, self.percent)
        wanted = placeholders(self.english, self.percent)
        allowed = [wanted]
        if self.spoken:
            allowed += [placeholders(self.source.en, self.percent), placeholders(self.source.plural, self.percent)]
            allowed += [Counter({mark: n for mark, n in one.items() if "num" not in mark}) for one in list(allowed)]
        if here not in allowed:
            marks = [mark for mark, count in ((wanted - here) + (here - wanted)).items() for _ in range(count)]
            yield self.found("placeholders", marks=" ".join(dict.fromkeys(marks)))

    def plain(self, text: str) -> str:
        """A text without placeholders and addresses, whose letters are not ours."""
        return ADDRESSES.sub(" ", (PERCENTS if self.percent else BRACES).sub(" ", text))

    def numbers_differ(self) -> bool:
        here, there = numbers(self.plain(self.text)), numbers(self.plain(self.english))
        return here != there and not (self.spoken and not here)

    def counted(self) -> str:
        return ", ".join(numbers(self.plain(self.english)).elements())

    def warns(self, glossary: Sequence[Term]) -> Iterator[Finding]:
        if not self.careful and self.numbers_differ():
            yield self.found("numbers", numbers=self.counted() or "–")
        if _ending(self.text, self.tag) != _ending(self.english, "en") and not self.no_stop():
            yield self.found("ending")
        if self.text == self.english and re.search("[a-z]{4}", self.plain(self.text)):
            yield self.found("unchanged")
        if 0 < self.source.limit < len(self.text):
            yield self.found("length", count=str(len(self.text)), limit=str(self.source.limit))
        if word := self.doubled():
            yield self.found("doubled", word=word)
        for term in hits(tuple(glossary), self.english):
            if not term.kept(self.text):
                yield self.found("glossary", term=term.en, words=" / ".join(term.words))
        yield from self.shape()

    def shape(self) -> Iterator[Finding]:
        """Spaces, addresses, pairs, paragraphs."""
        bare = self.plain(self.text)
        edges = [text[: len(text) - len(text.lstrip())] + "|" + text[len(text.rstrip()) :] for text in self.both()]
        loose = LOOSE.search(self.text) and not LOOSE.search(self.english)
        if edges[0] != edges[1] or (loose and not self.tag.startswith("fr")) or "  " in self.text.strip():
            yield self.found("spacing")
        if self.tag.startswith("fr") and FRENCH.search(bare):
            yield self.found("no_break")
        if Counter(ADDRESSES.findall(self.text)) != Counter(ADDRESSES.findall(self.english)):
            yield self.found("addresses")
        if _unpaired(bare) and not _unpaired(self.plain(self.english)):
            yield self.found("unpaired")
        if self.text.count("\n\n") != self.english.count("\n\n"):
            yield self.found("paragraphs")

    def both(self) -> tuple[str, str]:
        return self.text, self.english

    def no_stop(self) -> bool:
        return self.tag in NO_FULL_STOP and _ending(self.english, "en") in (".", "")

    def doubled(self) -> str:
        if self.tag.split("-")[0] in DOUBLING or PAIR.search(self.english):
            return ""
        pairs = (match[1] for match in PAIR.finditer(self.plain(self.text)))
        return next((word for word in pairs if word.casefold() not in TWICE.get(self.tag, ())), "")


def _ending(text: str, tag: str) -> str:
    """The English name of the sign a text ends with, without closing quotes and brackets; "" for none."""
    bare = text.rstrip().rstrip(CLOSING)
    if bare.endswith("..."):
        return "…"
    last = bare[-1:]
    if tag in GREEK_QUESTION and last in ";\u037e" and last:
        return "?"
    return SAME_END.get(last, "")


def _unpaired(text: str) -> bool:
    """Whether a bracket or a quotation mark has no partner. Apostrophes are left alone: they stand in words."""
    alone = any(text.count(pair[0]) != text.count(pair[1]) for pair in BRACKETS)
    return alone or len(QUOTES.findall(text)) % 2 == 1


def _named(signs: Iterable[str], shown: bool = False) -> str:
    return ", ".join(f"U+{ord(sign):04X}" + (f" {sign}" if shown else "") for sign in signs)
