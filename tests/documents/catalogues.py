"""Stand-ins for catalogues: every text in Arabic or Spanish words that mean nothing, about as long as the English."""

from dataclasses import dataclass
from itertools import cycle, islice
from typing import Literal

from clinic.domain.definition import Text

WORDS = {
    "ar": "أشعر بأنني قريب منك حين نتكلم بهدوء ونصغي إلى ما يحتاج إليه كل منا في هذا اليوم".split(),
    "es": "siento que estamos cerca cuando hablamos con calma y escuchamos lo que cada uno necesita hoy".split(),
}


@dataclass(frozen=True)
class MadeUp:
    """A catalogue of nonsense; English says what the definition says."""

    locale: str
    dir: Literal["ltr", "rtl"] = "ltr"

    def text(self, text: Text, /) -> str:
        if self.locale not in WORDS or not text.en:
            return text.en
        source = WORDS[self.locale]
        start = sum(text.key.encode()) % len(source)
        count = max(1, round(len(text.en) / 5.6))
        return " ".join(islice(cycle(source), start, start + count)) + "".join(
            f" {{{name}}}" for name in ("page", "pages", "choice", "number") if "{" + name + "}" in text.en
        )


EN, AR, ES = MadeUp("en"), MadeUp("ar", "rtl"), MadeUp("es")
