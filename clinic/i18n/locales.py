"""The languages the product knows. BCP 47 tags everywhere; folder names differ only by `-` and `_`."""

from dataclasses import dataclass
from typing import Final, Literal

from clinic import resources

Direction = Literal["ltr", "rtl"]

# tag: name in the language itself. Fonts for all of these are in press/fonts.toml.
NAMES: Final = {
    "en": "English",
    "es": "Español",
    "ar": "العربية",
    "fr": "Français",
    "de": "Deutsch",
    "it": "Italiano",
    "pt-BR": "Português (Brasil)",
    "pl": "Polski",
    "ro": "Română",
    "nl": "Nederlands",
    "ru": "Русский",
    "uk": "Українська",
    "bg": "Български",
    "el": "Ελληνικά",
    "tr": "Türkçe",
    "vi": "Tiếng Việt",
    "so": "Soomaali",
    "sw": "Kiswahili",
    "he": "עברית",
    "fa": "فارسی",
    "ur": "اردو",
    "hi": "हिन्दी",
    "bn": "বাংলা",
    "pa": "ਪੰਜਾਬੀ",
    "ta": "தமிழ்",
    "te": "తెలుగు",
    "th": "ไทย",
    "am": "አማርኛ",
    "zh-Hans": "简体中文",
    "zh-Hant": "繁體中文",
    "ja": "日本語",
    "ko": "한국어",
}
RIGHT_TO_LEFT: Final = frozenset({"ar", "fa", "he", "ur"})
SOURCE: Final = "en"


@dataclass(frozen=True)
class Locale:
    """A language: its BCP 47 tag, its own name, its reading direction, its folder in translations/."""

    tag: str
    name: str
    dir: Direction
    folder: str


def locale(tag: str) -> Locale:
    """The language of a tag; KeyError for one that nobody knows."""
    name = NAMES[tag]
    return Locale(tag, name, "rtl" if tag.split("-")[0] in RIGHT_TO_LEFT else "ltr", tag.replace("-", "_"))


def translated() -> tuple[Locale, ...]:
    """English, then every language with a folder in translations/, by tag."""
    root = resources.translations()
    found = [one for one in map(locale, sorted(NAMES)) if (root / one.folder / "LC_MESSAGES").is_dir()]
    return (locale(SOURCE), *(one for one in found if one.tag != SOURCE))
