"""PO files as the program reads them: the English a target was made for, plural forms by name, states."""

import os
from pathlib import Path

import pytest

from clinic import resources
from clinic.i18n.catalogue import catalogue, filed, signature
from clinic.i18n.compiling import compile_po, entries
from clinic.i18n.message import Entry, Source, interface_key, neutral, ref, state_now, variant_of
from clinic.i18n.plurals import categories, header

HEAD = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n"Plural-Forms: {}\\n"\n\n'


def written(folder: Path, tag: str, domain: str, body: str) -> Path:
    path = folder / tag.replace("-", "_") / "LC_MESSAGES" / f"{domain}.po"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEAD.format(header(tag)) + body, "utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(resources, "translations", lambda: tmp_path)
    return tmp_path


def test_a_fuzzy_target_names_the_english_it_was_made_for(folder: Path) -> None:
    previous = '#, fuzzy\n#| msgctxt "x.title"\n#| msgid "An \\"old\\" "\n#| "title"\n'
    body = previous + 'msgctxt "x.title"\nmsgid "New"\nmsgstr "Viejo"\n'
    assert entries(written(folder, "es", "handouts", body)) == {"x.title": ['An "old" title', "Viejo", "changed"]}


@pytest.mark.parametrize("tag", ["es", "ar", "zh-Hans", "de"])
def test_plural_forms_have_the_names_of_their_language(folder: Path, tag: str) -> None:
    names = categories(tag)
    forms = "".join(f'msgstr[{place}] "{name}"\n' for place, name in enumerate(names))
    written(folder, tag, "messages", f'msgid "%(num)d day"\nmsgid_plural "%(num)d days"\n{forms}')
    assert filed(tag, "messages")["%(num)d day"].forms == {name: name for name in names}


def test_forms_that_are_numbered_by_another_rule_are_not_mixed_up(folder: Path) -> None:
    body = 'msgid "day"\nmsgid_plural "days"\nmsgstr[0] "día"\nmsgstr[1] "días"\n'
    path = written(folder, "es", "messages", body)
    old = path.read_text("utf-8").replace(header("es"), "nplurals=2; plural=(n != 1);")
    path.write_text(old, "utf-8")
    assert filed("es", "messages")["day"].forms == {"one": "día", "other": "días"}


def test_a_file_is_read_again_when_it_changes(folder: Path) -> None:
    body = 'msgctxt "x"\nmsgid "One"\nmsgstr "{}"\n'
    path = written(folder, "es", "handouts", body.format("Uno"))
    before = signature("es", "handouts")
    assert filed("es", "handouts")["x"].text == "Uno"
    assert catalogue("es") is catalogue("es")
    path.write_text(path.read_text("utf-8").replace("Uno", "Una"), "utf-8")
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1_000_000_000))
    assert signature("es", "handouts") != before
    assert filed("es", "handouts")["x"].text == "Una"


def test_a_wheel_has_the_compiled_form_alone(folder: Path) -> None:
    path = written(folder, "es", "handouts", 'msgctxt "x"\nmsgid "One"\nmsgstr "Uno"\n')
    compile_po(path)
    path.unlink()
    assert filed("es", "handouts")["x"].text == "Uno"
    assert signature("es", "handouts") != (0, 0)
    assert filed("ar", "handouts") == {}
    with pytest.raises(KeyError):
        filed("xx", "handouts")


@pytest.mark.parametrize(
    ("entry", "en", "state"),
    [
        (Entry(), "One", "untranslated"),
        (Entry("One", {"": ""}, "approved"), "One", "untranslated"),
        (Entry("One", {"": "Uno"}, "approved"), "One", "approved"),
        (Entry("One", {"": "Uno"}, "approved"), "Two", "changed"),
        (Entry("", {"": "Uno"}, "changed"), "One", "changed"),
    ],
)
def test_the_state_beside_the_english_of_today(entry: Entry, en: str, state: str) -> None:
    assert state_now(entry, en) == state


def test_keys_and_references() -> None:
    assert (neutral("x.title@f"), variant_of("x.title@f")) == ("x.title", "f")
    assert (neutral("x@y.title"), variant_of("x@y.title")) == ("x@y.title", "")
    assert interface_key("Case", "verb") == "verb\x04Case"
    assert len(ref("handouts", "x")) == 16
    assert ref("handouts", "x") != ref("messages", "x")
    assert Source("messages", "Mail me@f", "Mail me@f").variant == "", "only handouts have variants"
