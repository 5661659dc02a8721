"""Languages on pages and on paper: what was edited holds at the next request, and who reads a sheet is addressed."""

import re
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient
from markupsafe import Markup

from clinic.domain.errors import Invalid, Refused, VaultLocked
from clinic.i18n.catalogue import Catalogue
from clinic.i18n.message import Entry
from clinic.persistence.models import Translation
from clinic.persistence.store import Store
from clinic.services import accounts, cases, overlay, print_sheet, spoken, translators
from clinic.services.cases import PartnerCard
from clinic.services.definitions import definitions
from clinic.services.prints import PrintJob
from clinic.services.readiness import least, readiness
from clinic.services.unit_of_work import unit_of_work
from clinic.web import language
from tests.web.conftest import PASSWORD, Clinic, csrf, post, prepared

SHEET = "say_it_specifically"
TITLE = definitions()[SHEET].title


def person(clinic: Clinic, name: str, role: str) -> tuple[str, str]:
    """An account's id and token."""
    id_ = accounts.create_account(clinic.store, name, PASSWORD, role=role)
    return id_, accounts.sign_in(clinic.store, name, PASSWORD)


def translator(clinic: Clinic, tag: str = "es") -> str:
    _, boss = person(clinic, "doris", "admin")
    id_, token = person(clinic, "tom", "translator")
    translators.grant(clinic.store, boss, id_, tag)
    return token


def browser(clinic: Clinic, token: str) -> FlaskClient:
    client = clinic.client()
    client.set_cookie("clinic_session", token)
    return client


# --------------------------------------------------------------------------- pages
def test_a_page_says_what_was_edited_at_the_next_request(clinic: Clinic, ana: FlaskClient) -> None:
    token = translator(clinic)
    spanish = {"Accept-Language": "es"}
    before = ana.get("/sheets", headers=spanish).get_data(as_text=True)
    word = "Worksheets and handouts"
    said = overlay.entries(clinic.store, "es", "messages")[word].text
    assert said in before
    overlay.propose(clinic.store, token, "es", "messages", word, {"": "Papeles de prueba"}, 0)
    overlay.propose(clinic.store, token, "es", "handouts", TITLE.key, {"": "Dilo bien claro"}, 0)
    after = ana.get("/sheets", headers=spanish).get_data(as_text=True)
    assert "Papeles de prueba" in after
    assert "Dilo bien claro" in after
    assert "Papeles de prueba" not in ana.get("/sheets").get_data(as_text=True)


def test_a_translation_is_text_and_never_markup(clinic: Clinic, ana: FlaskClient) -> None:
    """Even one that came past every check, into the database."""
    token = translator(clinic)
    overlay.propose(clinic.store, token, "es", "messages", "Worksheets and handouts", {"": "Papeles"}, 0)
    with unit_of_work(clinic.store, write=True) as session:
        row = session.get_one(Translation, ("es", "messages", "Worksheets and handouts"))
        row.forms = '{"": "<script>x</script>%(name)99d %"}'
    spoken._SNAPSHOTS.clear()
    page = ana.get("/sheets", headers={"Accept-Language": "es"})
    assert page.status_code == 200
    assert "<script>x" not in page.get_data(as_text=True)
    assert "&lt;script&gt;x" in page.get_data(as_text=True)


@pytest.mark.parametrize(
    ("text", "values", "shown"),
    [
        ("100 % of %(a)s", {"a": 3}, "100 % of 3"),
        ("%(a.__class__)s %(b)s %(a)99d", {"a": 1}, "%(a.__class__)s %(b)s %(a)99d"),
        ("%(a)s", {"a": "%(a)s"}, "%(a)s"),
        ("100 %%", {}, "100 %"),
        ("<b>%(a)s", {"a": Markup("<i>x</i>")}, "&lt;b&gt;<i>x</i>"),
    ],
)
def test_values_go_in_by_our_own_replacer(text: str, values: dict[str, Any], shown: str) -> None:
    assert language._shown(text, values) == shown


def test_without_a_database_pages_say_what_the_files_say(
    clinic: Clinic, ana: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(store: Store, tag: str) -> Any:
        raise VaultLocked("away")

    monkeypatch.setattr(spoken, "snapshot", gone)
    page = ana.get("/help", headers={"Accept-Language": "es"}).get_data(as_text=True)
    words = spoken.of_files("es")
    assert words.ugettext("Help") != "Help"
    assert f"<h1>{words.ugettext('Help')}</h1>" in page
    assert 'lang="es"' in page


# --------------------------------------------------------------------------- paper
def test_a_partner_is_addressed_on_their_own_sheet_and_both_neutrally(clinic: Clinic) -> None:
    token, ana = translator(clinic), clinic.tokens["ana"]
    card = cases.case_page(clinic.store, ana, clinic.case, "staff")
    partners = {"a": PartnerCard(language="es", variant="f"), "b": PartnerCard(language="es", variant="m")}
    cases.update_card(clinic.store, ana, clinic.case, card.rev, partners)
    lead = definitions()[SHEET].lead or TITLE
    overlay.propose(clinic.store, token, "es", "handouts", f"{lead.key}@f", {"": "Para ella sola"}, 0)

    def text(to: Any, print_when: str = "complete", draft: bool = False) -> str:
        job = PrintJob("our_cycle" if to == "joint" else SHEET, to, "es", draft=draft)
        found = print_sheet.opened(clinic.store, ana, clinic.case, job, print_when)
        return print_sheet.laid_out(found, "").html

    prepared(clinic)
    assert "Para ella sola" in text("a")
    assert "Para ella sola" not in text("b")
    assert "Para ella sola" not in text("joint")
    assert "Para ella sola" in text("a", "reviewed", draft=True)


def test_a_form_of_address_that_nobody_reviewed_waits() -> None:
    made = {
        TITLE.key: Entry(TITLE.en, {"": "Neutral"}, "reviewed"),
        f"{TITLE.key}@f": Entry(TITLE.en, {"": "A ella"}, "draft"),
    }
    book = Catalogue("es", made)
    one = definitions()[SHEET]
    assert book.speaking_to("f", least(one, "reviewed")).text(TITLE) == "Neutral"
    assert book.speaking_to("f", least(one, "complete")).text(TITLE) == "A ella"
    assert book.speaking_to("f", least(one, "approved", draft=True)).text(TITLE) == "A ella"
    careful = definitions()["safety_screening"]
    assert least(careful, "complete") == least(careful, "complete", draft=True) == "reviewed"


def test_a_form_of_address_is_asked_for_where_the_language_has_any(clinic: Clinic, ana: FlaskClient) -> None:
    token = translator(clinic)
    address = f"/cases/{clinic.case}/card"
    assert "b-variant" not in ana.get(address).get_data(as_text=True)
    overlay.propose(clinic.store, token, "es", "handouts", f"{TITLE.key}@f", {"": "A ella"}, 0)
    page = ana.get(address)
    assert re.findall(r'id="([ab])-variant"', page.get_data(as_text=True)) == ["b"]  # A reads English only
    assert re.findall(r'<option value="(\w*)"', page.get_data(as_text=True).partition('id="b-variant"')[2])[:2] == [
        "",
        "f",
    ]
    fields = {"a-language": "en", "a-beside": "", "b-language": "en", "b-beside": "es", "paper": "a4", "b-variant": "f"}
    rev = re.search(r'name="rev" value="(\d+)"', page.get_data(as_text=True))
    assert rev
    reply = ana.post(address, data={"csrf_token": csrf(page), "rev": rev[1], **fields})
    assert reply.status_code == 303
    assert cases.case_page(clinic.store, clinic.tokens["ana"], clinic.case, "staff").partners["b"].variant == "f"


# --------------------------------------------------------------------------- what may print
def made(state: str, but: dict[str, str] | None = None, sheet: str = SHEET) -> Catalogue:
    """A Spanish catalogue in which every sentence has a state, and some another one."""
    from clinic.documents import words

    found = {}
    for text in [*definitions()[sheet].texts(), *words.texts()]:
        one: Any = (but or {}).get(text.key, state)
        found[text.key] = Entry(text.en, {} if one == "untranslated" else {"": "x"}, one)
    return Catalogue("es", found)


@pytest.mark.parametrize(
    ("state", "but", "print_when", "printable", "draftable"),
    [
        ("draft", {}, "complete", True, True),
        ("draft", {}, "reviewed", False, True),
        ("reviewed", {}, "reviewed", True, True),
        ("reviewed", {}, "approved", False, True),
        ("approved", {}, "approved", True, True),
        ("approved", {TITLE.key: "changed"}, "complete", False, True),
        ("approved", {TITLE.key: "untranslated"}, "complete", False, True),
        ("approved", {"sheet.page": "draft"}, "reviewed", False, True),  # a word that every sheet has
    ],
)
def test_what_prints_plainly_and_what_as_a_draft(
    state: str, but: dict[str, str], print_when: str, printable: bool, draftable: bool
) -> None:
    found = readiness(definitions()[SHEET], "es", print_when, made(state, but))
    assert (found.printable, found.draftable) == (printable, draftable)


def test_the_least_sentence_of_the_library_holds_a_sheet_back() -> None:
    sheet = definitions()["signals_checkin"]
    own = next(text.key for text in sheet.texts() if text.key.startswith("signals."))
    assert readiness(sheet, "es", "reviewed", made("approved", sheet=sheet.id)).printable
    found = readiness(sheet, "es", "reviewed", made("approved", {own: "draft"}, sheet.id))
    assert (found.printable, found.state) == (False, "draft")


@pytest.mark.parametrize("print_when", ["complete", "reviewed", "approved"])
def test_an_unreviewed_draft_of_a_sheet_about_safety_does_not_print_at_all(print_when: str) -> None:
    sheet = definitions()["safety_screening"]
    assert sheet.careful
    found = readiness(sheet, "es", print_when, made("draft", sheet=sheet.id))
    assert (found.printable, found.draftable) == (False, False)
    found = readiness(sheet, "es", print_when, made("reviewed", sheet=sheet.id))
    assert found.draftable


def test_a_reworded_source_holds_its_sheet_back_at_once(clinic: Clinic) -> None:
    book = made("approved")
    sheet = definitions()[SHEET]
    reworded = replace(sheet, title=replace(sheet.title, en="Say it in other words"), data=sheet.data + " ")
    found = readiness(reworded, "es", "complete", book)
    assert (found.state, found.printable) == ("changed", False)
    with pytest.raises(Refused):
        print_sheet.blank(None, PrintJob(SHEET, locale="es"), "complete", reworded, books=lambda tag: book)  # type: ignore[arg-type]


# --------------------------------------------------------------------------- who may
def test_an_admin_gives_languages_on_the_page_of_an_account(clinic: Clinic) -> None:
    _, boss = person(clinic, "doris", "admin")
    id_, tom = person(clinic, "tom", "translator")
    client, address = browser(clinic, boss), f"/team/{id_}"
    page = client.get(address).get_data(as_text=True)
    assert 'name="language.es"' in page
    assert 'name="language.en"' not in page
    wanted = {"do": "languages", "language.es": "reviews", "language.ar": "translates", "language.xx": "reviews"}
    assert post(client, address, **wanted).status_code == 303
    assert overlay.rights(clinic.store, tom) == {"ar": False, "es": True}
    assert post(client, address, do="languages", **{"language.es": "translates"}).status_code == 303
    assert overlay.rights(clinic.store, tom) == {"es": False}
    desk, _ = person(clinic, "fay", "front_desk")
    assert "language." not in client.get(f"/team/{desk}").get_data(as_text=True)
    post(client, f"/team/{desk}", do="languages", **{"language.es": "reviews"})
    with pytest.raises(Invalid):
        translators.grant(clinic.store, boss, desk, "es")
