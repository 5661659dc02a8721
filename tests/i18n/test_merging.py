"""Catalogues follow their sources: a reworded sentence keeps its translation, and nothing else changes."""

import json
from pathlib import Path

from clinic.i18n import merging
from clinic.i18n.message import Domain
from clinic.i18n.po import File, Message, document, rendered
from clinic.services import translations

REWORDED = Path(__file__).with_name("data") / "rewordings.json"  # key, English before, after: from our own history


def merged(old: list[Message], wanted: list[Message], tag: str = "es", domain: Domain = "handouts") -> list[Message]:
    data = document(merging.header(tag), map(rendered, old)).encode()
    return list(File(merging.merged(data, wanted, tag, domain)[0]).messages)


def test_fifty_real_rewordings_keep_every_translation_as_source_changed() -> None:
    pairs = json.loads(REWORDED.read_text("utf-8"))
    assert len(pairs) == 50
    old = [Message(key, was, (f"ES {was}",), comments=("state: approved Ana 2026-01-01",)) for key, was, _ in pairs]
    data = document(merging.header("es"), map(rendered, old)).encode()
    new, counts = merging.merged(data, [Message(key, now) for key, _, now in pairs], "es", "handouts")
    assert counts == {"kept": 0, "changed": 50, "new": 0, "dropped": 0}
    for (key, was, now), found in zip(pairs, File(new).messages, strict=True):
        assert (found.context, found.source, found.forms) == (key, now, (f"ES {was}",))
        assert (found.previous, found.state) == (was, "changed")
        assert found.reviewed is None


def test_a_sentence_without_a_translation_is_just_reworded() -> None:
    (found,) = merged([Message("x", "Old")], [Message("x", "New")])
    assert (found.source, found.previous, found.flags) == ("New", "", ())


def test_a_second_rewording_keeps_the_english_that_the_words_were_made_for() -> None:
    once = merged([Message("x", "One", ("Uno",))], [Message("x", "Two")])
    (found,) = merged(once, [Message("x", "Three")])
    assert (found.previous, found.state) == ("One", "changed")
    (back,) = merged(once, [Message("x", "One")])
    assert (back.previous, back.state) == ("", "draft")


def test_what_stays_keeps_its_bytes_and_merging_twice_changes_nothing() -> None:
    wanted = translations.templates()["handouts"]
    old, _ = merging.merged(None, wanted, "es", "handouts")
    assert merging.merged(old, wanted, "es", "handouts")[0] == old
    odd = document(merging.header("es"), ['#  by   hand\nmsgctxt "a"\nmsgid ""\n"One"\nmsgstr "Uno"']).encode()
    new, _ = merging.merged(odd, [Message("a", "One"), Message("b", "Two")], "es", "handouts")
    assert new.startswith(odd.rstrip(b"\n"))


def test_a_sentence_that_went_is_dropped_and_a_new_one_is_empty() -> None:
    old = document(merging.header("es"), [rendered(Message("a", "One", ("Uno",)))]).encode()
    new, counts = merging.merged(old, [Message("b", "Two")], "es", "handouts")
    assert [(one.context, one.forms) for one in File(new).messages] == [("b", ("",))]
    assert counts == {"kept": 0, "changed": 0, "new": 1, "dropped": 1}


def test_variants_travel_with_their_sentence() -> None:
    old = [Message("x", "Old", ("Neutral",)), Message("x@f", "Old", ("Ella",)), Message("y@m", "Gone", ("Él",))]
    found = merged(old, [Message("w", "First"), Message("x", "New", notes=("A note.",)), Message("z", "Last")])
    assert [(one.context, one.source, one.forms) for one in found] == [
        ("w", "First", ("",)),
        ("x", "New", ("Neutral",)),
        ("x@f", "New", ("Ella",)),
        ("z", "Last", ("",)),
    ]
    assert found[2].state == "changed"
    assert found[2].notes == ("A note.",)


def test_a_note_reaches_the_catalogue_and_changes_no_words() -> None:
    approved = Message("x", "One", ("Uno",), comments=("state: approved Ana 2026-01-01",))
    (found,) = merged([approved], [Message("x", "One", notes=("At most about 9 characters.",))])
    assert found.notes == ("At most about 9 characters.",)
    assert found.state == "approved"


def test_forms_are_renumbered_when_the_rule_of_the_file_is_another() -> None:
    """Spanish once had two forms here and has three: one, many, other."""
    old = Message(None, "one thing", ("una cosa", "%(num)d cosas"), "%(num)d things")
    header = {**merging.header("es"), "Plural-Forms": "nplurals=2; plural=(n != 1);"}
    data = document(header, [rendered(old)]).encode()
    wanted = [Message(None, "one thing", ("", ""), "%(num)d things")]
    file = File(merging.merged(data, wanted, "es", "messages")[0])
    assert file.messages[0].forms == ("una cosa", "%(num)d cosas", "%(num)d cosas")
    assert file.header["Plural-Forms"].startswith("nplurals=3;")
    assert file.messages[0].state == "draft"


def test_a_reworded_sentence_of_the_interface_hands_its_words_on() -> None:
    """It has no key: the most similar one that went is taken, if the same things are filled in."""
    old = [
        Message(None, "Save the plan of %(name)s", ("Guardar el plan de %(name)s",)),
        Message(None, "Print the sheet", ("Imprimir la hoja",)),
    ]
    wanted = [Message(None, "Print the sheets now"), Message(None, "Save the plan of %(who)s"), Message(None, "Other")]
    found = merged(old, wanted, domain="messages")
    assert [(one.forms[0], one.previous) for one in found] == [
        ("Imprimir la hoja", "Print the sheet"),
        ("", ""),
        ("", ""),
    ]


def test_contexts_of_the_interface_are_no_keys() -> None:
    old = [Message("verb", "Print", ("Imprimir",)), Message("verb", "Close", ("Cerrar",))]
    found = merged(old, [Message("verb", "Close"), Message("verb", "Print")], domain="messages")
    assert [one.forms[0] for one in found] == ["Cerrar", "Imprimir"]
