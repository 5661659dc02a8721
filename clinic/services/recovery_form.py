"""`clinic recovery-form`: the empty form for a recovery key, as a PDF. No key is ever on it, nor in this process."""

from pathlib import Path
from typing import Final, Literal

from clinic import documents
from clinic.documents.page import Fonts, Options
from clinic.domain.definition import parse
from clinic.i18n.catalogue import catalogue
from clinic.press import fonts
from clinic.press.press import Press

FORM: Final = Path(__file__).with_name("recovery_form.toml")
LOCALE: Final = "en"


def pdf(paper: Literal["a4", "letter"]) -> bytes:
    """The form as a file."""
    form = parse(FORM.read_bytes(), FORM.name, {})
    sheet = documents.sheet(form, None, None, "couple")
    faces = Fonts(text={LOCALE: fonts.font_stack(LOCALE)}, title={LOCALE: fonts.title_stack(LOCALE)})
    page = documents.page(sheet, [catalogue(LOCALE)], Options(paper=paper), code="", fonts=faces)
    press = Press()
    press.start()
    try:
        return press.blank(page)
    finally:
        press.stop()
