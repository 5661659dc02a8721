"""The sentences of the interface, room on paper, and what is changed in the files only."""

from pathlib import Path

import pytest
from fontTools.ttLib import TTFont

from clinic.i18n import extracting
from clinic.i18n.catalogue import filed
from clinic.i18n.message import Source
from clinic.press import fonts
from clinic.services import translations
from clinic.services.definitions import definitions


@pytest.fixture
def pages(tmp_path: Path) -> tuple[Path, Path]:
    """A small set of templates and views."""
    templates, web = tmp_path / "templates", tmp_path / "web"
    card = "{{ _('Save') }} {{ ngettext('one row', '%(num)d rows', 2) }} {{ _('Erase it all now') }}"
    for path, text in {
        templates / "web/cases/card.html": card,
        templates / "web/rights/page.html": "{{ _('Erase it all now') }} {{ _('Save') }} {{ _('Destroy') }}",
        templates / "print/base.html": "{{ _('never') }}",
        templates / "base.html": "{# Translators: the way home #}{{ _('Home') }}",
        web / "cases.py": "_('100 %% sure')\n# Translators: a verb\npgettext('verb', 'Print')\nlazy_gettext('Save')\n",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return templates, web


def test_sentences_of_templates_and_views_are_found_once_with_notes_and_places(pages: tuple[Path, Path]) -> None:
    found = {one.key: one for one in extracting.interface(*pages)}
    assert list(found) == ["100 %% sure", "Destroy", "Erase it all now", "Home", "verb\x04Print", "Save", "one row"]
    assert found["one row"].message.plural == "%(num)d rows"
    assert found["verb\x04Print"].message.context == "verb"
    assert found["Save"].areas == ("cases", "rights")
    assert found["Home"].areas == ("base",)


def test_what_a_grave_page_says_is_guarded_and_its_short_words_are_not(pages: tuple[Path, Path]) -> None:
    found = {one.key: one for one in extracting.interface(*pages)}
    assert {key for key, one in found.items() if one.guard} == {"Destroy", "Erase it all now"}
    assert found["Destroy"].message.notes == (extracting.GUARD,)


@pytest.mark.parametrize(
    "text",
    [
        "I mean it. This cannot be undone.",
        "Partner A agreed, in private, to exactly this.",
        "Say why. Whoever confirms it reads this.",
        "Ask to erase",
        "Destroy all keys",
    ],
)
def test_grave_sentences_of_this_product_are_guarded(text: str) -> None:
    known = translations.sources("messages")
    assert known[text].guard, sorted(key for key in known if key.startswith(text[:12]))


def test_common_words_and_sheets_are_not_guarded() -> None:
    assert not translations.sources("messages")["Caseload"].guard
    guarded = {key for key, one in translations.sources("handouts").items() if one.guard}
    # Besides refusals: the mark of a draft, the title of every file, the one word of a calendar.
    refusals = {key for key in guarded if key.startswith("error.")}
    assert refusals
    assert guarded - refusals == {"sheet.draft", "sheet.title", "calendar.reminder"}


def test_guarded_files_are_there() -> None:
    root = Path(extracting.__file__).parents[2]
    for name in extracting.GUARDED:
        assert (root / "templates" / name).exists() or (root / "clinic" / "web" / name).exists(), name


# --------------------------------------------------------------------------- room
def test_narrow_places_have_a_limit_and_prose_has_none() -> None:
    limits = extracting.limits(definitions().values())
    by_kind: dict[str, list[int]] = {}
    for one in definitions().values():
        for block in one.blocks.values():
            for point in block.points:
                by_kind.setdefault("points", []).append(limits.get(point.label.key, 999))
            for column in block.columns:
                by_kind.setdefault("columns", []).append(limits.get(column.label.key, 999))
            if block.text:
                assert block.text.key not in limits
    assert max(by_kind["points"]) < 60
    assert min(by_kind["points"]) >= 12
    assert sorted(by_kind["columns"])[0] < 40
    assert limits["sheet.mon"] < 12


def test_the_english_is_never_above_its_limit_and_a_limit_says_something() -> None:
    for source in translations.sources("handouts").values():
        assert not source.limit or len(source.en) <= source.limit <= max(extracting.MUCH, len(source.en)), source


def test_the_narrowest_of_several_places_counts() -> None:
    """A text of the library that is a row of many tables: the least room decides."""
    limits = extracting.limits(definitions().values())
    alone = [extracting.limits([one]) for one in definitions().values()]
    shared = [key for key in limits if sum(key in one for one in alone) > 1]
    assert shared
    assert all(limits[key] == min(one[key] for one in alone if key in one) for key in shared)


def test_templates_carry_notes_limits_and_guards() -> None:
    notes = {one.context: one.notes for one in translations.templates()["handouts"]}
    assert notes["sheet.mon"][-1].startswith("At most about ")
    assert "guard" in notes["error.denied"]
    source = translations.sources("handouts")["sheet.mon"]
    assert isinstance(source, Source)
    assert source.note == notes["sheet.mon"][0]


@pytest.mark.parametrize(
    ("width", "rem", "font"),
    [
        (extracting.LETTER, 0.96, "SheetSans-Bold.ttf"),
        (extracting.SMALL, 0.84, "SheetSans-Bold.ttf"),
        (extracting.STEP, 1.26, "SheetSans-Bold.ttf"),
        (extracting.TITLE, 2.35, "SheetSerif-SemiBold.ttf"),
    ],
)
def test_a_letter_is_as_wide_as_the_fonts_say(width: float, rem: float, font: str) -> None:
    """Mean width over what Spanish says in narrow places, at 10.4 pt, and 2–15 % more for lines that break."""
    file = TTFont(fonts.folder() / font)
    names, widths, unit = file.getBestCmap(), file["hmtx"], file["head"].unitsPerEm
    said, known = filed("es", "handouts"), translations.sources("handouts")
    signs = [sign for key, one in known.items() if one.limit and key in said for sign in said[key].text]
    found = [widths[names[ord(sign)]][0] / unit for sign in signs if ord(sign) in names]
    mean = sum(found) / len(found) * 10.4 * 25.4 / 72 * rem
    assert 1.02 * mean < width < 1.15 * mean
