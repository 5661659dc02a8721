"""What the checks find, and what they leave alone."""

import pytest

from clinic.i18n import checks, plurals
from clinic.i18n.checks import Finding, run
from clinic.i18n.glossary import Term
from clinic.i18n.message import Domain, Source


def found(en: str, target: str, tag: str = "es", domain: Domain = "handouts", **more: object) -> list[str]:
    limit = int(str(more.pop("limit", 0)))
    return [one.check for one in run(Source(domain, "x", en, limit=limit), {"": target}, tag, **more)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("en", "target"),
    [
        ("Hello {name}", "Hola {nombre}"),
        ("Hello {name}", "Hola {name.__class__}"),
        ("Hello {name}", "Hola {name} {name}"),
        ("Hello {name}", "Hola"),
        ("Hello", "Hola {0}"),
        ("Hello", "Hola }"),
    ],
)
def test_braces_stay_as_they_are(en: str, target: str) -> None:
    assert found(en, target) == ["placeholders"]


@pytest.mark.parametrize(
    "target", ["%(num)99999999d de %(total)s", "%(num)s de %(total)s", "%(num)d de", "%(num)d de %(total)s, 100 %"]
)
def test_percent_marks_of_the_interface_stay_as_they_are(target: str) -> None:
    assert "placeholders" in found("%(num)d of %(total)s", target, domain="messages")


def test_a_percent_sign_is_nothing_special_on_a_sheet() -> None:
    assert found("About half of it", "Un 50 % más o menos, o sea la mitad") == ["numbers"]


@pytest.mark.parametrize("target", ["<b>Hola</b>", "Hola<br>", "Hola&nbsp;", "Hola <script", "Hola &#60;"])
def test_markup_is_refused(target: str) -> None:
    assert "markup" in found("Hello to you", target)


def test_a_sign_that_looks_like_markup_is_not() -> None:
    assert found("less than 3 & more", "menos de 3 & más, < o >") == []


@pytest.mark.parametrize(
    "sign",
    [
        "\u202e",
        "\u2066",
        "\u200e",
        "\u061c",
        "\u200b",
        "\u2060",
        "\ufeff",
        "\u0000",
        "\u007f",
        "\u2028",
        "\U000e0041",
        "\t",
    ],
)
def test_hidden_characters_are_refused(sign: str) -> None:
    assert "hidden" in found("Hello", f"Ho{sign}la")
    assert "hidden" in found("Hello", f"مر{sign}حبا", "ar")


@pytest.mark.parametrize(
    ("tag", "word"), [("fa", "می\u200cخواهم"), ("hi", "क्\u200dष"), ("th", "คำ\u200bคำ"), ("de", "Wör\u00adter")]
)
def test_joiners_are_letters_work_where_a_script_needs_them(tag: str, word: str) -> None:
    assert "hidden" not in found("Hello", word, tag)


def test_a_sign_that_no_font_has_blocks_on_a_sheet_only() -> None:
    lacks = lambda text: [sign for sign in text if sign == "☃"]  # noqa: E731
    (one,) = run(Source("handouts", "x", "Hello"), {"": "Hola ☃"}, "es", uncovered=lacks)
    assert (one.check, one.tier) == ("glyphs", "block")
    assert one.filled(one.text.en) == "No font on this machine prints U+2603 ☃."
    assert found("Hello", "Hola ☃", domain="messages", uncovered=lacks) == []


def plural(forms: dict[str, str], tag: str = "ar") -> list[tuple[str, str]]:
    source = Source("messages", "k", "%(num)d thing", "%(num)d things")
    return [(one.check, one.form) for one in run(source, forms, tag)]


def test_all_forms_or_none() -> None:
    assert plural({name: "%(num)d x" for name in plurals.categories("ar")}) == []
    assert plural({}) == []
    assert plural({"one": "%(num)d x"}) == [("plurals", "")]
    assert plural({"one": "%(num)d x", "other": "%(num)d x", "many": ""}, "es") == [("plurals", "")]
    assert ("plurals", "") in plural({"one": "%(num)d x", "other": "%(num)d x", "zero": "%(num)d x"}, "de")


def test_a_form_of_one_number_may_leave_it_out_and_no_other_form_may() -> None:
    forms = {name: "%(num)d x" for name in plurals.categories("ar")}
    assert plural({**forms, "one": "شيء", "two": "شيئان"}) == []
    assert plural({**forms, "few": "أشياء"}) == [("placeholders", "few")]
    assert plural({"one": "एक", "other": "%(num)d x"}, "hi") == [("placeholders", "one")]  # 0 is "one" in Hindi
    assert plural({"one": "%(num)d x", "other": "%(num)d x"}, "hi") == []
    hindi = {"one": "एक चीज़", "other": "%(num)d चीज़ें"}  # `one` is 0 and 1 in Hindi
    assert plural(hindi, "hi") == [("placeholders", "one")]


def test_a_changed_number_blocks_where_it_is_about_safety_and_warns_elsewhere() -> None:
    assert found("Call 112, wait 20 minutes.", "Llame al 911, espere 20 minutos.") == ["numbers"]
    (one,) = run(Source("handouts", "x", "Wait 20 minutes."), {"": "Espere 2 minutos."}, "es", careful=True)
    assert (one.check, one.tier) == ("digits", "block")
    assert found("Wait 20 minutes.", "انتظر ٢٠ دقيقة.", "ar", careful=True) == []
    assert found("Between 1.5 and 3", "Entre 1,5 y 3", careful=True) == []


def test_much_longer_than_the_english_blocks_and_longer_than_its_box_warns() -> None:
    assert found("Hello", "x" * 36) == ["longest"]
    assert found("Hello", "x" * 35) == []
    assert found("Hello", "Hola a todos", limit=10) == ["length"]
    assert found("Hello", "Hola todos", limit=10) == []


@pytest.mark.parametrize(
    ("tag", "en", "good", "bad"),
    [
        ("es", "Is it so?", "¿Es así?", "Es así."),
        ("ar", "Is it so?", "هل هو كذلك؟", "هل هو كذلك."),
        ("el", "Is it so?", "Είναι έτσι;", "Είναι έτσι."),
        ("zh-Hans", "It is so.", "是这样。", "是这样"),
        ("hi", "It is so.", "यह ऐसा है।", "यह ऐसा है"),
        ("es", "He said “no.”", "Dijo «no».", "Dijo «no»"),
        ("fr", "Then:", "Puis\u00a0:", "Puis"),
        ("de", "Wait…", "Warte ...", "Warte"),
    ],
)
def test_the_end_of_a_sentence(tag: str, en: str, good: str, bad: str) -> None:
    assert found(en, good, tag) == []
    assert found(en, bad, tag) == ["ending"]


def test_thai_needs_no_full_stop() -> None:
    assert found("It is so.", "เป็นเช่นนั้น", "th") == []
    assert found("Is it so?", "เป็นเช่นนั้นหรือ", "th") == ["ending"]


@pytest.mark.parametrize(
    ("target", "check"),
    [
        ("Talk about it", "unchanged"),
        ("Hablen de de eso", "doubled"),
        (" Hablen de eso", "spacing"),
        ("Hablen  de eso", "spacing"),
        ("Hablen , de eso", "spacing"),
        ("Hablen (de eso", "unpaired"),
        ("Hablen “de eso", "unpaired"),
        ("Hablen de eso en www.example.org", "addresses"),
        ("Hablen\n\nde eso", "paragraphs"),
    ],
)
def test_a_warning(target: str, check: str) -> None:
    assert found("Talk about it", target) == [check]


@pytest.mark.parametrize(
    ("en", "target", "tag"),
    [
        ("SOAP", "SOAP", "es"),
        ("We have it", "Nous nous avons", "fr"),
        ("Step by step", "धीरे धीरे", "hi"),
        ("a) one", "a) uno", "es"),
        ("It’s the couple’s", "C’est l’affaire d’eux", "fr"),
        ("See https://example.org/a", "Véase https://example.org/a", "es"),
        ("An office", 'צה"ל', "he"),
    ],
)
def test_no_warning(en: str, target: str, tag: str) -> None:
    assert found(en, target, tag) == []


@pytest.mark.parametrize(
    ("target", "good"),
    [
        ("Alors\u00a0: quoi\u202f?", True),
        ("Alors : quoi\u202f?", False),
        ("Alors\u00a0: quoi?", False),
        ("«\u00a0Alors\u00a0»\u00a0: quoi\u202f?", True),
        ("« Alors »\u00a0: quoi\u202f?", False),
        ("À 20:15\u00a0: quoi\u202f?!", True),
    ],
)
def test_spaces_of_french(target: str, good: bool) -> None:
    numbers = " 20 15" if "20" in target else ""
    assert ("no_break" not in found(f"Then:{numbers} what?", target, "fr")) is good


def test_the_glossary_is_asked() -> None:
    terms = (Term("relief", ("alivio",)), Term("signal", ("señal",)))
    assert found("The relief of signals", "El alivio de las señales", glossary=terms) == []
    assert found("The relief of signals", "La calma de las señales", glossary=terms) == ["glossary"]
    assert found("A signalman", "Un guardavía", glossary=terms) == []
    one = run(Source("handouts", "x", "relief"), {"": "calma"}, "es", terms)[0]
    assert one.filled(one.text.en) == "For “relief” the glossary has: alivio."


def test_blocking_faults_come_first_and_every_check_has_a_sentence() -> None:
    both = run(Source("handouts", "x", "Hello {name}."), {"": "Hola"}, "es")
    assert [one.tier for one in both] == ["block", "warn"]
    assert [one.check for one in checks.blocked(both)] == ["placeholders"]
    assert set(checks.BLOCKING) <= set(checks.SENTENCES)


def test_what_fills_a_sentence_is_never_read_as_a_placeholder() -> None:
    one = Finding("glossary", "warn", {"term": "{words}", "words": "{term}"})
    assert one.filled("{term}: {words} {other}") == "{words}: {term} {other}"
