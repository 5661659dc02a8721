"""One press for the folder, and pages small enough to read."""

from collections.abc import Callable, Iterator

import pytest

from clinic.domain.page import Page
from clinic.press import fonts
from clinic.press.press import Press

MakePage = Callable[..., Page]


@pytest.fixture(scope="session", autouse=True)
def _fonts() -> None:
    fonts.install()


@pytest.fixture(scope="session")
def make_page() -> MakePage:
    """`make_page(body, lang="en", styles=())`: a page with a locale's fonts and direction."""

    def make(body: str, lang: str = "en", styles: tuple[str, ...] = ()) -> Page:
        direction = "rtl" if lang in {"ar", "fa", "he", "ur"} else "ltr"
        html = (
            f'<!DOCTYPE html><html lang="{lang}" dir="{direction}"><head><meta charset="utf-8">'
            f"<title>inside</title></head><body>{body}</body></html>"
        )
        text, title = fonts.font_stack(lang), fonts.title_stack(lang)
        style = f"html {{ font-family: {text} }} h1 {{ font-family: {title} }}"
        return Page(html, (style, *styles), lang, "Worksheet")

    return make


@pytest.fixture(scope="session")
def press(make_page: MakePage) -> Iterator[Press]:
    machine = Press([make_page("<h1>Warm</h1>")])
    machine.start()
    yield machine
    machine.stop()
