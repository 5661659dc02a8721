"""The short cuts in the layout engine change no byte of any sheet; they fit the engine they were written for."""

import json
import subprocess
import sys

import pytest
import weasyprint

from clinic.press import fonts

ENGINES = """
import itertools, json, os, sys
from clinic.press import engine, render
from clinic import documents
from clinic.documents import Fonts, Options
from clinic.domain.audience import about_of
from clinic.i18n.catalogue import catalogue
from clinic.press import fonts
from clinic.services.definitions import definitions
from tests.documents import samples
from weasyprint import HTML

def looks(tags):
    return Fonts({tag: fonts.font_stack(tag) for tag in tags}, {tag: fonts.title_stack(tag) for tag in tags})

def pages():
    ways = itertools.cycle(itertools.product((("en",), ("ar",), ("en", "ar"), ("es",)), (False, True), (False, True)))
    for form in definitions().values():
        if not form.recipients:
            continue
        to = form.recipients[0]
        about = about_of(to)
        for _, (tags, large, filled) in zip(range(int(sys.argv[1])), ways):
            sheet = documents.sheet(form, samples.answers(form, about) if filled else None, to, about)
            options = Options(large=large, draft=large, letterhead=("Made-up clinic", "1 Street") if filled else ())
            made = documents.page(sheet, [catalogue(tag) for tag in tags], options, code="K7QM2XTPA", fonts=looks(tags))
            yield f"{form.id} {tags} {large} {filled}", made

quick, plain = engine.Source, lambda text, fetcher: HTML(string=text, url_fetcher=fetcher)
differ, count, slow = [], 0, 0
for name, page in pages():
    engine.use(True)
    engine.Source = quick
    slow += engine._tree(page.html) is None
    short = render.pdf(page)
    engine.use(False)
    engine.Source = plain
    count += 1
    if render.pdf(page) != short:
        differ.append(name)
print(json.dumps({"count": count, "differ": differ, "parsed slowly": slow}))
"""


def test_it_fits_the_engine() -> None:
    text = (fonts.TABLE.parent / "engine.py").read_text("utf-8")
    assert f'WRITTEN_FOR = "{weasyprint.VERSION}"' in text, (
        "measure the short cuts again, and draw all sheets both ways"
    )


@pytest.mark.parametrize("each", [1, pytest.param(3, marks=pytest.mark.everything)])
def test_every_sheet_is_the_same_byte_for_byte(each: int) -> None:
    """Every sheet in `each` of the ways, which take turns: with one each, every way has its sheets too."""
    environment = {"FONTCONFIG_FILE": str(fonts.config()), "LC_ALL": "C.UTF-8", "PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, "-c", ENGINES, str(each)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    found = json.loads(run.stdout)
    assert found["count"] > 20 * each
    assert found["differ"] == []
    assert found["parsed slowly"] == 0, "our own templates are well-formed"
