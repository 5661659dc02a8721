"""A press that draws pages, definitions to draw, and the parts of a page that tests change."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from clinic import documents, resources
from clinic.documents import Fonts, Options
from clinic.domain.audience import About, Recipient
from clinic.domain.definition import Definition, parse
from clinic.domain.library import parse_library
from clinic.domain.page import Page
from clinic.press import fonts
from clinic.press.limits import Limits
from clinic.press.press import Press, PressError
from tests import pdf

from .catalogues import EN, MadeUp

EVERY_KIND = Path(__file__).parent / "data" / "every_kind.toml"
Draw = Callable[[Page], bytes]


def every_kind(kind: str = "worksheet") -> Definition:
    """The definition that has everything, as another kind of document if asked."""
    source = EVERY_KIND.read_bytes().replace(b'kind = "worksheet"', f'kind = "{kind}"'.encode(), 1)
    return parse(source, "every_kind.toml", {})


def shipped() -> dict[str, Definition]:
    """Every shipped definition by id."""
    forms = resources.forms()
    lists = parse_library({path.stem: path.read_bytes() for path in (forms / "library").glob("*.toml")}).lists()
    files = [path for path in (*forms.glob("*.toml"), *forms.glob("worksheets/*.toml")) if path.stem != "suggestion"]
    return {path.stem: parse(path.read_bytes(), path.name, lists) for path in sorted(files)}


def font_lists(catalogues: Sequence[MadeUp]) -> Fonts:
    """The installed fonts of some languages."""
    tags = [one.locale for one in catalogues]
    return Fonts({tag: fonts.font_stack(tag) for tag in tags}, {tag: fonts.title_stack(tag) for tag in tags})


def make_page(
    definition: Definition,
    answers: dict[str, Any] | None = None,
    recipient: Recipient = "joint",
    catalogues: Sequence[MadeUp] = (EN,),
    options: Options = Options(),  # noqa: B008 (frozen)
    code: str = "",
) -> Page:
    """A page of a definition for a recipient, with fonts."""
    about: About = "couple" if recipient == "joint" else recipient
    sheet = documents.sheet(definition, answers, recipient, about)
    return documents.page(sheet, catalogues, options, code=code, fonts=font_lists(catalogues))


@pytest.fixture(scope="session", autouse=True)
def _fonts() -> None:
    fonts.install()


@pytest.fixture(scope="session")
def draw(_fonts: None) -> Iterator[Draw]:
    """Page to PDF; fails with the engine's own words if it says anything."""
    press = Press(limits=Limits(seconds=60))  # a busy machine draws slowly; limits have their own tests

    def drawn(page: Page) -> bytes:
        try:
            return press.blank(page)
        except PressError as error:
            pytest.fail(f"{error}: {pdf.complaints(page) if error.kind == 'log' else ''}")

    yield drawn
    press.stop()
