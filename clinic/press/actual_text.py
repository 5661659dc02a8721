"""Give words of Indic scripts and Thai to readers as they were typed. Changes how WeasyPrint draws text.

The engine keeps one text for each glyph, the first it met. In these scripts one glyph stands for different
letters in different clusters, so copying and searching fail. A marked span with /ActualText around each run
repairs it. Right-to-left runs are left alone: readers would turn their words round.
"""

import re
from typing import Any

import pydyf
from weasyprint import draw

WRITTEN_FOR = "70.0"  # the WeasyPrint whose drawing this fits; a test says so when the pin moves

CLUSTERED = re.compile("[\u0900-\u0eff]")  # Devanagari to Lao
RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")

_draw_text = draw.draw_text


def use() -> None:
    """Wrap the engine's text drawing, once for the process."""
    draw.draw_text = _draw_marked


def _draw_marked(stream: Any, textbox: Any, *rest: Any) -> None:
    text = textbox.text
    if not CLUSTERED.search(text) or RIGHT_TO_LEFT.search(text):
        _draw_text(stream, textbox, *rest)
        return
    stream.begin_marked_content("Span", pydyf.Dictionary({"ActualText": pydyf.String(text)}))
    try:
        _draw_text(stream, textbox, *rest)
    finally:
        stream.end_marked_content()
