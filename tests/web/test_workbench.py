"""The workbench in requests: who finds what, saving, marking, two at once, paper, proofs, files, how quick it is."""

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event

from clinic import config
from clinic.app import create_app
from clinic.domain.errors import DefinitionError
from clinic.i18n import checks
from clinic.i18n.message import Entry, Source, variants
from clinic.persistence.store import Store
from clinic.press.press import Press
from clinic.services import (
    accounts,
    handover,
    message_checks,
    message_groups,
    overlay,
    proofs,
    sessions,
    shelf,
    specimen,
    spoken,
    translations,
    translators,
)
from clinic.services.definitions import definitions
from clinic.services.instance import init_instance
from clinic.services.unit_of_work import unit_of_work
from clinic.services.workbench import LISTED
from clinic.web import workbench as pages
from clinic.web import workbench_files, workbench_words
from tests.web.conftest import PASSWORD, csrf, post
from tests.web.conftest import press as press  # a fixture

WHO = {"ada": "admin", "tara": "translator", "tomas": "translator", "ana": "counsellor", "sven": "supervisor"}
RIGHTS = (("tara", "es", False), ("tara", "ar", False), ("tomas", "es", False), ("ana", "es", True))
KEY = "our_cycle.title"


@dataclass(frozen=True)
class Bench:
    """A served clinic with translators and a reviewer of Spanish."""

    app: Any
    store: Store
    ids: dict[str, str]

    def token(self, name: str) -> str:
        with unit_of_work(self.store, write=True) as session:
            return sessions.start(self.store, session, UUID(self.ids[name]), "full").token

    def client(self, name: str) -> FlaskClient:
        made: FlaskClient = self.app.test_client()
        made.set_cookie("clinic_session", self.token(name))
        return made

    def entry(self, key: str = KEY, tag: str = "es") -> Entry:
        return overlay.entries(self.store, tag, "handouts").get(key) or Entry()

    def write(self, name: str, text: str, key: str = KEY) -> int:
        rev = self.entry(key).rev
        return overlay.propose(self.store, self.token(name), "es", "handouts", key, {"": text}, rev)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, press: Press) -> Iterator[Bench]:  # noqa: F811
    settings = config.load(tmp_path_factory.mktemp("bench") / "i", {"CLINIC_PRINT_WHEN": "reviewed"})
    init_instance(settings, factors=False)
    store = Store.open(settings)
    ids = {name: accounts.create_account(store, name, PASSWORD, name.title(), role) for name, role in WHO.items()}
    made = Bench(create_app(settings, store, press), store, ids)
    for name, tag, reviews in RIGHTS:
        translators.grant(store, made.token("ada"), ids[name], tag, reviews)
    yield made
    store.close()


def source(key: str = KEY) -> Source:
    return translations.sources("handouts")[key]


def at(key: str = KEY, group: str = "our_cycle", show: str = "all", tag: str = "es") -> str:
    return f"/translate/{tag}/{group}/{show}/{source(key).ref}"


def save(client: FlaskClient, address: str, text: str, rev: int, do: str = "save", **more: str) -> Any:
    return post(client, address, text=text, rev=str(rev), do=do, **more)


def text(reply: Any) -> str:
    return str(reply.get_data(as_text=True))


# --------------------------------------------------------------------------- who finds what
def test_a_language_without_a_right_is_not_there(bench: Bench) -> None:
    tara, sven = bench.client("tara"), bench.client("sven")
    assert "Español" in text(tara.get("/translate"))
    assert "/translate/fr" not in text(tara.get("/translate"))
    assert tara.get("/translate/fr").status_code == 404
    assert tara.get("/translate/en").status_code == 404
    assert tara.get(at(tag="fr")).status_code == 404
    assert save(tara, at(tag="fr"), "Notre cycle", 0).status_code == 404
    assert "/translate/es" not in text(sven.get("/translate"))
    assert sven.get(at()).status_code == 404
    assert sven.get(at() + "/page").status_code == 404


def test_only_who_has_a_language_sees_the_line_in_the_navigation(bench: Bench) -> None:
    assert 'href="/translate"' in text(bench.client("ana").get("/help"))
    assert 'href="/translate"' not in text(bench.client("sven").get("/help"))


def test_what_is_nowhere_is_not_found(bench: Bench) -> None:
    tara = bench.client("tara")
    for path in ("our_cycle/everything", "no_such_sheet/all", f"our_cycle/all/{'0' * 16}", "library-signals/proof"):
        assert tara.get(f"/translate/es/{path}").status_code in (403, 404), path
    assert tara.get(at("safety_screening.title")).status_code == 404  # not of this group


def test_addresses_hold_a_tag_an_id_and_a_ref_only(bench: Bench) -> None:
    tara = bench.client("tara")
    pages = ("/translate", "/translate/es", "/translate/es/our_cycle/all", at(), "/translate/es/pages-cases/all")
    for page in pages:
        said = re.findall(
            r'(?:href|action|formaction|src)="(/translate[^"]*)"', text(tara.get(page, follow_redirects=True))
        )
        assert said
        for one in said:
            assert re.fullmatch(
                r"/translate(/[a-zA-Z-]{2,12}(/files|(/[a-z_-]+/(proof|[a-z]+(/[0-9a-f]{16}(/page)?)?)))?)?(#[a-z]+)?",
                one,
            ), one


# --------------------------------------------------------------------------- saving
def test_what_is_saved_stands_at_once_and_leads_on(bench: Bench) -> None:
    tara, key = bench.client("tara"), "our_cycle.lead"
    reply = save(tara, at(key), "Guardado aquí.", bench.entry(key).rev)
    assert reply.status_code == 303
    assert reply.location == at(key)
    assert bench.entry(key).forms == {"": "Guardado aquí."}
    assert bench.entry(key).state == "draft"
    assert "Guardado aquí." in text(tara.get(at(key)))
    assert "Guardado aquí." in text(tara.get(at(key) + "/page"))
    later = "our_cycle.who"
    save(tara, at(later), "", bench.entry(later).rev)  # taken back: the one unfinished message of this sheet
    on = save(tara, at(key), "Guardado otra vez.", bench.entry(key).rev, "next")
    assert on.location == at(later)
    done = save(tara, at(later, show="todo"), "En pareja", bench.entry(later).rev, "next")
    assert done.location == "/translate/es/our_cycle/todo"
    assert "Nothing is left to translate here" in text(tara.get(done.location))


def test_words_that_would_break_a_page_are_not_saved_and_come_back(bench: Bench) -> None:
    tara, key = bench.client("tara"), "sheet.page"
    before = bench.entry(key)
    for bad in (
        "Hoja sin números",
        "Hoja {page.__class__} de {pages}",
        "<b>Hoja</b> {page} de {pages}",
        "a\u202e{page}{pages}",
    ):
        reply = save(tara, at(key, "words-sheet"), bad, before.rev)
        assert reply.status_code == 422
        assert "Must change" in text(reply)
        assert 'role="alert"' in text(reply)
        assert bench.entry(key) == before
    assert "Hoja sin números" in text(save(tara, at(key, "words-sheet"), "Hoja sin números", before.rev))


def test_two_at_once_are_shown_side_by_side(bench: Bench) -> None:
    tara, key = bench.client("tara"), KEY
    rev, was = bench.write("tara", "El principio", key), '{"": "El principio"}'
    bench.write("tomas", "Lo de Tomás", key)
    reply = save(tara, at(key), "Lo de Tara", rev, was=was)
    page = text(reply)
    assert reply.status_code == 409
    assert all(one in page for one in ("El principio", "Tomás", "Tara", "Somebody saved this sentence first"))
    assert bench.entry(key).text == "Lo de Tomás"
    hidden = {
        name: re.search(rf'<textarea name="{name}" hidden>\n(.*?)</textarea>', page)[1] for name in ("theirs", "mine")
    }
    fields = {name: value.replace("&#34;", '"') for name, value in hidden.items()}
    newer = re.search(r'name="rev" value="(\d+)"', page)
    assert newer
    chosen = save(tara, at(key), "otra cosa", int(newer[1]), keep="mine", **fields)
    assert chosen.status_code == 303
    assert bench.entry(key).text == "Lo de Tara"
    third = save(tara, at(key), "Lo de las dos", bench.entry(key).rev, keep="edited", **fields)
    assert third.status_code == 303
    assert bench.entry(key).text == "Lo de las dos"


def test_typing_that_was_kept_behind_the_lock_is_shown_and_not_saved(bench: Bench) -> None:
    tara, before = bench.client("tara"), bench.entry()
    reply = post(tara, at(), text="A medias", rev=str(before.rev))
    assert reply.status_code == 200
    assert "A medias" in text(reply)
    assert bench.entry() == before


def test_the_english_that_changed_meanwhile_is_read_again(bench: Bench) -> None:
    tara, rev = bench.client("tara"), bench.entry().rev
    assert save(tara, at(), "Nuestro giro", rev, **{"for": "0123456789abcdef"}).status_code == 409
    assert bench.entry().rev == rev


def test_a_plural_has_a_field_for_each_form_and_arabic_has_six(bench: Bench) -> None:
    tara = bench.client("tara")
    one = next(each for each in translations.sources("messages").values() if each.plural and not each.guard)
    within = next(group for group in message_groups.groups().values() if one in group.sources)
    page = text(tara.get(f"/translate/ar/{within.id}/all/{one.ref}"))
    assert re.findall(r'name="text\.(\w+)"', page) == ["zero", "one", "two", "few", "many", "other"]
    assert 'lang="ar" dir="rtl"' in page


def test_a_grave_sentence_is_not_changed_here(bench: Bench) -> None:
    tara, key = bench.client("tara"), "error.refused"
    page = text(tara.get(at(key, "words-errors")))
    assert "Not changed here" in page
    assert 'name="text"' not in page
    assert save(tara, at(key, "words-errors"), "Otra cosa", 0).status_code == 403


# --------------------------------------------------------------------------- marking
def test_a_reviewer_marks_the_words_of_others_only(bench: Bench) -> None:
    ana, tara, key = bench.client("ana"), bench.client("tara"), "our_cycle.who"
    rev = bench.write("tara", "En pareja, media hora", key)
    assert 'value="review"' not in text(tara.get(at(key)))
    assert save(tara, at(key), "En pareja, media hora", rev, "review").status_code == 403
    assert save(ana, at(key), "Palabras sin guardar", rev, "review").status_code == 422
    assert bench.entry(key).state == "draft"
    assert save(ana, at(key), "En pareja, media hora", rev, "review").status_code == 303
    assert bench.entry(key).state == "reviewed"
    mine = bench.write("ana", "En pareja, unos minutos", key)
    page = text(ana.get(at(key)))
    assert 'value="review"' not in page
    assert "your own words" in page
    assert save(ana, at(key), "En pareja, unos minutos", mine, "approve").status_code == 403
    assert bench.entry(key).state == "draft"


def test_an_older_revision_is_not_approved(bench: Bench) -> None:
    ana, key = bench.client("ana"), "our_cycle.who"
    rev = bench.write("tara", "Primera", key)
    bench.write("tomas", "Segunda", key)
    reply = save(ana, at(key), "Segunda", rev, "approve")
    assert reply.status_code == 409
    assert bench.entry(key).state == "draft"


def test_a_comment_leaves_typing_where_it_is(bench: Bench) -> None:
    tara, tomas = bench.client("tara"), bench.client("tomas")
    reply = save(tara, at(), "A medio escribir", bench.entry().rev, "comment", comment="¿Ciclo o bucle?")
    assert reply.status_code == 200
    assert "A medio escribir" in text(reply)
    assert bench.entry().text != "A medio escribir"
    save(tara, at(), "A medio escribir", bench.entry().rev, "comment", comment="¿Ciclo o bucle?")  # sent twice
    page = text(tomas.get(at()))
    assert page.count("¿Ciclo o bucle?") == 1
    assert "Tara" in page
    assert save(tara, at(), "", bench.entry().rev, "comment", comment=" ").status_code == 422
    assert save(tara, at(), "", bench.entry().rev, "comment", comment="x" * 1001).status_code == 422


def test_a_warning_is_dismissed_with_a_reason_and_comes_back_with_new_words(bench: Bench) -> None:
    tara, key = bench.client("tara"), KEY
    bench.write("tara", "Nuestro ciclo.", key)  # the English ends without a full stop
    failing = f"/translate/es/our_cycle/failing/{source(key).ref}"
    listed = f'href="{failing}#edit"'
    assert listed in text(tara.get(failing))
    rev = bench.entry(key).rev
    assert save(tara, at(key), "Nuestro ciclo.", rev, "dismiss:ending").status_code == 422
    done = save(tara, at(key), "Nuestro ciclo.", rev, "dismiss:ending", **{"why.ending": "Así se escribe aquí"})
    assert done.status_code == 303
    page = text(tara.get(at(key)))
    assert "Dismissed" in page
    assert "Así se escribe aquí" in page
    assert listed not in text(tara.get(failing))
    bench.write("tara", "Nuestro otro ciclo.", key)
    assert listed in text(tara.get(failing))
    assert save(tara, at(key), "x", rev, "dismiss:placeholders", **{"why.placeholders": "no"}).status_code == 404


def test_old_words_come_back(bench: Bench) -> None:
    tara, key = bench.client("tara"), "our_cycle.lead"
    bench.write("tara", "Uno", key)
    bench.write("tara", "Dos", key)
    page = text(tara.get(at(key)))
    button = re.search(r'value="(restore:[0-9a-f-]+)">Restore<span class="u-sr">: Uno<', page)
    assert button
    assert save(tara, at(key), "Dos", bench.entry(key).rev, button[1]).status_code == 303
    assert bench.entry(key).text == "Uno"
    assert bench.entry(key).state == "draft"
    assert save(tara, at(key), "Uno", bench.entry(key).rev, "restore:nothing").status_code == 404


def test_other_english_shows_what_changed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a form of address, which no file has: there only the browser speaks."""
    tara, key = bench.client("tara"), "our_cycle.lead"
    spoken_to = variants(source(key))[0]
    address = f"/translate/es/our_cycle/all/{spoken_to.ref}"
    assert save(tara, address, "Hecho para este inglés.", 0).status_code == 303
    newer = replace(source(key), en=source(key).en + " It is new.")
    monkeypatch.setitem(translations.sources("handouts"), key, newer)
    group = message_groups.groups()["our_cycle"]
    changed = replace(group, sources=tuple(newer if one.key == key else one for one in group.sources))
    monkeypatch.setitem(message_groups.groups(), "our_cycle", changed)
    message_groups._refs.cache_clear()
    page = text(tara.get(address))
    assert "Source changed" in page
    assert re.search(r"<ins>[^<]*new", page)
    assert "What changed in the English" in page
    assert f"/changed/{spoken_to.ref}" in text(tara.get("/translate/es/our_cycle/changed", follow_redirects=True))
    saved = save(tara, address, "Hecho para este inglés.", 1)  # the same words fit the new English
    assert saved.status_code == 303
    assert bench.entry(spoken_to.key).source == newer.en
    assert "Source changed" not in text(tara.get(address)).split('id="edit"')[1].split("wb-source")[0]
    monkeypatch.undo()
    message_groups._refs.cache_clear()


# --------------------------------------------------------------------------- the printed page
def test_the_page_marks_the_sentence_and_takes_typing_by_post_only(bench: Bench) -> None:
    tara, address = bench.client("tara"), at() + "/page"
    bench.write("tara", "Nuestro ciclo")
    page = tara.get(address)
    assert '<mark id="here">Nuestro ciclo</mark>' in text(page)
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert policy.endswith("sandbox")
    assert "frame-ancestors 'self'" in policy
    assert page.headers["X-Frame-Options"] == "SAMEORIGIN"
    typed = post(tara, address, text="Palabras <i>nuevas</i>", do="page")
    assert '<mark id="here">Palabras &lt;i&gt;nuevas&lt;/i&gt;</mark>' in text(typed)
    assert bench.entry().text == "Nuestro ciclo"
    assert "frame-src 'self'" in tara.get(at()).headers["Content-Security-Policy"]
    assert "frame-src" not in tara.get("/translate").headers["Content-Security-Policy"]


def test_the_pdf_and_the_pictures_are_those_of_the_press(bench: Bench) -> None:
    tara, address = bench.client("tara"), at() + "/page"
    pdf = post(tara, address, text="Nuestro ciclo", do="pdf")
    assert pdf.mimetype == "application/pdf"
    assert pdf.data.startswith(b"%PDF-")
    assert "worksheet.pdf" in pdf.headers["Content-Disposition"]
    shown = text(post(tara, address, text="Nuestro ciclo", do="pictures"))
    assert shown.count('src="data:image/png;base64,') >= 1
    lost = post(tara, address, text="漢字 𒀀", do="pdf")
    assert lost.status_code == 422
    assert "%PDF" not in text(lost)


@pytest.mark.parametrize("tag", ["es", "ar"])
def test_every_sentence_of_every_sheet_is_found_on_its_page(bench: Bench, tag: str) -> None:
    """All that stands on paper is marked once at least, and marks break neither attributes nor the page."""
    silent = []
    for one in definitions().values():
        for key in sorted(specimen.on_paper(one) & {each.key for each in one.texts()}):
            layout = specimen.layout_of(key, one.id)
            assert layout is not None
            html = specimen.html(specimen.marked(bench.store, tag, layout, key))
            assert specimen.START not in html
            assert specimen.END not in html
            assert html.count("<mark") == html.count("</mark>")
            if "<mark" not in html:
                silent.append(key)
    assert all(key.endswith(".alt") for key in silent), silent


def test_words_of_the_screen_have_no_page(bench: Bench) -> None:
    tara = bench.client("tara")
    one = next(iter(translations.sources("messages").values()))
    within = next(group for group in message_groups.groups().values() if one in group.sources)
    address = f"/translate/es/{within.id}/all/{one.ref}"
    assert "on no printed page" in text(tara.get(address))
    assert "<iframe" not in text(tara.get(address))
    assert tara.get(address + "/page").status_code == 404


# --------------------------------------------------------------------------- approve after a printed proof
def test_all_is_approved_only_after_a_proof_that_still_holds(bench: Bench) -> None:
    ana, address = bench.client("ana"), "/translate/es/the_wave/proof"
    assert bench.client("tara").get(address).status_code == 403
    mine, theirs = "the_wave.title", "the_wave.lead"
    bench.write("ana", "La ola", mine)
    bench.write("tara", "Una ola viene y se va.", theirs)
    assert post(ana, address, do="approve").status_code == 422
    assert bench.entry(theirs).state == "draft"
    proof = post(ana, address, do="print")
    assert proof.mimetype == "application/pdf"
    bench.write("tara", "Una ola viene y pasa.", theirs)
    late = post(ana, address, do="approve")
    assert late.status_code == 422
    assert "have changed" in text(late)
    post(ana, address, do="print").close()
    assert "is still good" in text(ana.get(address))
    assert post(ana, address, do="approve").status_code == 303
    assert bench.entry(theirs).state == "approved"
    assert bench.entry(mine).state == "draft"  # one's own words somebody else approves


def test_a_proof_of_one_reviewer_is_none_of_another(bench: Bench) -> None:
    translators.grant(bench.store, bench.token("ada"), bench.ids["sven"], "es", True)
    address = "/translate/es/two_beliefs/proof"
    post(bench.client("ana"), address, do="print").close()
    assert post(bench.client("sven"), address, do="approve").status_code == 422
    translators.revoke(bench.store, bench.token("ada"), bench.ids["sven"], "es")


# --------------------------------------------------------------------------- quick
STATEMENTS = 30  # of the database, for one page and where it leads


@pytest.mark.parametrize("count", [150, 15_000])
def test_a_long_language_asks_no_more_than_a_short_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """Statements and rows of a page do not grow with the language. `-s` shows the times, ms."""
    many = {
        f"big.s.b{n}.label": Source("handouts", f"big.s.b{n}.label", f"Sentence number {n} of a long list.")
        for n in range(count)
    }
    asked: list[str] = []
    event.listen(bench.store.engine, "before_cursor_execute", lambda *more: asked.append(more[2]))
    entries = {key: Entry(one.en, {"": f"Frase número {n}."}, "draft") for n, (key, one) in enumerate(many.items())}
    group = message_groups.Group("big", "library", "handouts", tuple(many.values()))
    monkeypatch.setitem(message_groups.groups(), "big", group)
    real = spoken.entries
    monkeypatch.setattr(
        overlay, "entries", lambda store, tag, domain: {**entries} if domain == "handouts" else real(store, tag, domain)
    )
    monkeypatch.setitem(workbench_words.NAMES_OF, "big", "Big")
    tara, first = bench.client("tara"), next(iter(many.values()))
    for address in ("/translate/es", "/translate/es/big/all", f"/translate/es/big/all/{first.ref}"):
        spent = []
        for _ in range(5):
            asked.clear()
            start = time.perf_counter()
            reply = tara.get(address, follow_redirects=True)
            spent.append(time.perf_counter() - start)
            assert reply.status_code == 200
        assert text(reply).count('class="unit"') <= LISTED
        print(address, count, [round(1000 * one) for one in spent], len(asked))
        assert len(asked) <= STATEMENTS


def test_of_fifteen_thousand_messages_only_the_edited_one_is_checked_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page of the language checks ahead, beside the requests. One edit then costs one check; `-s` shows ms."""
    many = {
        f"big.s.b{n}.label": Source("handouts", f"big.s.b{n}.label", f"Sentence number {n} of a long list.")
        for n in range(15_000)
    }
    entries = {key: Entry(one.en, {"": f"Frase número {n}."}, "draft") for n, (key, one) in enumerate(many.items())}
    entries["big.s.b77.label"] = Entry(many["big.s.b77.label"].en, {"": "Frase número 78"}, "draft")
    group = message_groups.Group("big", "library", "handouts", tuple(many.values()))
    monkeypatch.setitem(message_groups.groups(), "big", group)
    monkeypatch.setitem(workbench_words.NAMES_OF, "big", "Big")
    real = spoken.entries
    monkeypatch.setattr(
        overlay, "entries", lambda store, tag, domain: entries if domain == "handouts" else real(store, tag, domain)
    )
    monkeypatch.setattr(message_checks, "BREATH", 0)
    tara = bench.client("tara")
    start = time.perf_counter()
    assert tara.get("/translate/es").status_code == 200
    for _ in range(3):  # an earlier one may still be at it
        message_checks.look_ahead(bench.store, "es").join()
    print("ahead", round(time.perf_counter() - start, 1), "s")
    checked: list[str] = []
    run = checks.run
    monkeypatch.setattr(checks, "run", lambda source, *more: checked.append(source.key) or run(source, *more))
    spent = []
    for n in range(5):
        entries[f"big.s.b{n}.label"] = Entry(many[f"big.s.b{n}.label"].en, {"": "Otra frase"}, "draft", 1)
        start = time.perf_counter()
        reply = tara.get("/translate/es/big/failing")
        spent.append(time.perf_counter() - start)
        assert reply.status_code == 303
    print("failing", [round(1000 * one) for one in spent])
    assert set(checked) == {f"big.s.b{n}.label" for n in range(5)}


def test_static_files_of_the_workbench_are_ours_alone() -> None:
    """The script reaches for nothing beyond this clinic."""
    folder = Path(pages.__file__).resolve().parents[1] / "static"
    for name in ("workbench.js", "workbench.css"):
        assert "http" not in (folder / name).read_text("utf-8")


# --------------------------------------------------------------------------- files
def upload(client: FlaskClient, data: bytes, **fields: str) -> Any:
    """By hand: the test client would keep a large body in a temporary file that it never closes."""
    page, edge = client.get("/help"), b"--edge-of-a-part"
    parts = {"csrf_token": csrf(page), "do": "read", **fields}
    said = [f'form-data; name="{name}"\r\n\r\n{value}'.encode() for name, value in parts.items()]
    said.append(b'form-data; name="file"; filename="our_cycle.es.po"\r\n\r\n' + data)
    body = b"".join(b"--%b\r\nContent-Disposition: %b\r\n" % (edge, one) for one in said) + b"--%b--\r\n" % edge
    return client.post("/translate/es/files", data=body, content_type=f"multipart/form-data; boundary={edge.decode()}")


def confirmed(client: FlaskClient, page: str, **fields: str) -> Any:
    seen = re.search(r'name="seen" value="([^"]*)"', page)
    ticket = re.search(r'name="ticket" value="([0-9a-f]+)"', page)
    assert seen
    assert ticket
    return post(client, "/translate/es/files", **{"do": "write", "seen": seen[1], "ticket": ticket[1], **fields})


@pytest.mark.parametrize("kind", ["po", "xliff"])
def test_a_file_goes_out_and_comes_back_after_a_look(bench: Bench, kind: str) -> None:
    tara, key = bench.client("tara"), "five_steps.title"
    bench.write("tara", "Cinco pasos", key)
    out = post(tara, "/translate/es/files", do="out", what="five_steps", format=kind)
    ending = {"po": "po", "xliff": "xlf"}[kind]
    assert out.status_code == 200
    assert f"five_steps.es.{ending}" in out.headers["Content-Disposition"]
    edited = out.data.replace(b"Cinco pasos", f"Cinco pasos en {kind}".encode())
    look = upload(tara, edited)
    assert look.status_code == 200
    assert "Nothing is written yet" in text(look)
    assert bench.entry(key).text == "Cinco pasos"
    bench.write("tomas", "Cinco pasos de Tomás", key)  # somebody is quicker
    late = confirmed(tara, text(look))
    assert late.status_code == 409
    assert bench.entry(key).text == "Cinco pasos de Tomás"
    both = text(late)
    assert "Changed on both sides" in both
    assert confirmed(tara, both).status_code == 303
    assert bench.entry(key).text == "Cinco pasos de Tomás"  # what stands stays unless it is ticked
    assert confirmed(tara, text(upload(tara, edited)), take=source(key).ref).status_code == 303
    assert bench.entry(key).text == f"Cinco pasos en {kind}"
    assert bench.entry(key).state == "draft"


def test_a_broken_file_is_one_plain_line(bench: Bench) -> None:
    tara = bench.client("tara")
    for data in (b"", b"PK\x03\x04 zip", b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><xliff/>", b"\x00\x01"):
        reply = upload(tara, data)
        assert reply.status_code == 422, data
        assert 'role="alert"' in text(reply)


def refs(page: str) -> list[str]:
    """The messages that a page of differences lists."""
    return re.findall(r'type="checkbox" name="leave" value="([0-9a-f]{16})"', page)


def test_many_differences_come_in_parts_and_keep_their_ticks(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbench_files, "SHOWN", 10)
    tara = bench.client("tara")
    out = post(tara, "/translate/es/files", do="out", what="homework_plan", format="po").data.decode()
    edited = re.sub(r'^msgstr "([A-Za-z ]{4,40})"$', r'msgstr "\1 aquí"', out, flags=re.MULTILINE)
    first = text(upload(tara, edited.encode()))
    shown = refs(first)
    assert 0 < len(shown) <= 10
    assert 'value="part:1"' in first
    second = text(confirmed(tara, first, do="part:1", leave=shown[0]))
    assert len(refs(second)) == 10
    assert not set(refs(second)) & set(shown)
    assert f'<input type="hidden" name="leave" value="{shown[0]}">' in second
    back = text(confirmed(tara, second, do="part:0", leave=shown[0]))
    assert f'value="{shown[0]}" checked' in back
    assert confirmed(tara, back, do="part:99999").status_code == 200
    before = {key: one.text for key, one in overlay.entries(bench.store, "es", "handouts").items()}
    known = {one.ref: one.key for one in translations.sources("handouts").values()}
    assert confirmed(tara, second, leave=shown[0]).status_code == 303
    assert bench.entry(known[shown[0]]).text == before[known[shown[0]]]
    assert bench.entry(known[shown[1]]).text == before[known[shown[1]]] + " aquí"
    assert bench.entry(known[refs(second)[3]]).text.endswith(" aquí")


def test_a_file_waits_sealed_for_who_brought_it_and_travels_in_no_page(bench: Bench) -> None:
    tara, tomas = bench.client("tara"), bench.client("tomas")
    folder = bench.store.settings.instance / handover.FOLDER
    out = post(tara, "/translate/es/files", do="out", what="five_steps", format="po").data
    look = text(upload(tara, out + b"\n# unheard-of canary\n"))
    assert "canary" not in look
    for path in folder.iterdir():
        assert path.stat().st_mode & 0o077 == 0
        assert b"paso" not in path.read_bytes()
    assert confirmed(tomas, look).status_code == 422  # another account has no use for it
    assert confirmed(tara, look, ticket="0" * 96).status_code == 422
    assert confirmed(tara, look, ticket="../../clinic.db").status_code == 422
    assert confirmed(tara, look, do="leave").status_code == 303
    assert confirmed(tara, look).status_code == 422  # dropped
    again = text(upload(tara, out))
    for path in folder.iterdir():
        os.utime(path, (0, 0))
    late = confirmed(tara, again)
    assert late.status_code == 422
    assert "kept for an hour" in text(late)
    for _ in range(handover.EACH + 2):
        upload(tara, out)
    assert len(list(folder.iterdir())) == handover.EACH


def test_a_file_of_eight_megabytes_arrives(bench: Bench) -> None:
    tara = bench.client("tara")
    out = post(tara, "/translate/es/files", do="out", what="five_steps", format="po").data
    large = out + b"\n# " + b"x" * ((8 << 20) - len(out) - 10) + b"\n"
    look = upload(tara, large)
    assert look.status_code == 200
    assert len(look.data) < 200_000
    assert confirmed(tara, text(look)).status_code == 303
    assert "larger than 8 MB" in text(upload(tara, large + b"x" * 100))
    assert upload(tara, b"x" * (10 << 20)).status_code == 413


# --------------------------------------------------------------------------- the clinic's own handouts
OWN_SHEET = b"""
id = "own_walk"
version = 1
kind = "worksheet"
title = "Our walk"
audience = "recipient"
recipients = ["joint"]
blank = true
level = { joint = "light" }

[[section]]
id = "talk"
title = "Walk and talk"

  [[section.block]]
  id = "words"
  kind = "prose"
  text = "Say where you would like to walk on Sunday."
"""


@pytest.fixture
def own(bench: Bench) -> Iterator[str]:
    folder = bench.store.settings.own_forms
    folder.mkdir(exist_ok=True)
    path = folder / "own_walk.toml"
    path.write_bytes(OWN_SHEET)
    yield shelf.accept(bench.store, path).id
    path.unlink()


def test_the_clinics_own_handouts_are_translated_here(bench: Bench, own: str) -> None:
    tara, ana = bench.client("tara"), bench.client("ana")
    assert "Our walk" in text(tara.get("/translate/es"))
    group = message_groups.group(bench.store, own)
    title, words = (next(one for one in group.sources if one.en.startswith(en)) for en in ("Our walk", "Say where"))
    address = f"/translate/es/{own}/all/{words.ref}"
    page = text(tara.get(address))
    assert "Walk and talk" in page
    assert save(tara, address, "Digan adónde quieren caminar el domingo.", 0).status_code == 303
    assert save(tara, f"/translate/es/{own}/all/{title.ref}", "Nuestra caminata", 0).status_code == 303
    assert '<mark id="here">Digan adónde' in text(tara.get(address + "/page"))
    print_ = proofs.fingerprint(bench.store, "es", group, [words.key])
    out = post(tara, "/translate/es/files", do="out", what=own, format="xliff")
    assert "Digan adónde" in out.data.decode()
    assert "Digan adónde" in post(tara, "/translate/es/files", do="out", what="handouts", format="po").data.decode()
    look = upload(tara, out.data.replace("adónde".encode(), "dónde".encode()))
    assert confirmed(tara, text(look)).status_code == 303
    assert bench.entry(words.key).text.startswith("Digan dónde")
    assert proofs.fingerprint(bench.store, "es", group, [words.key]) != print_  # a proof falls with its words
    post(ana, f"/translate/es/{own}/proof", do="print").close()
    assert post(ana, f"/translate/es/{own}/proof", do="approve").status_code == 303
    assert bench.entry(words.key).state == "approved"


def test_no_own_handout_takes_the_name_of_a_shipped_one(bench: Bench) -> None:
    """`own_worth` is a sheet of the program."""
    path = bench.store.settings.own_forms / "own_worth.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(OWN_SHEET.replace(b"own_walk", b"own_worth"))
    with pytest.raises(DefinitionError):
        shelf.accept(bench.store, path)
    path.unlink()
    assert not list(overlay.own_sources(bench.store))
    out = post(bench.client("tara"), "/translate/es/files", do="out", what="handouts", format="po")
    assert out.data.count(b'msgctxt "own_worth.title"') == 1
    assert upload(bench.client("tara"), out.data).status_code == 200


def test_a_handout_that_is_no_more_is_not_found(bench: Bench) -> None:
    assert bench.client("tara").get("/translate/es/own_walk/all").status_code == 404


# --------------------------------------------------------------------------- said where nothing is marked
def test_a_sentence_that_no_mark_can_show_says_where_it_stands(bench: Bench) -> None:
    tara = bench.client("tara")
    marked, margin, read_aloud, nowhere = (
        text(tara.get(at(key, group)))
        for key, group in (
            ("our_cycle.title", "our_cycle"), ("sheet.page", "words-sheet"),
            ("our_cycle.sides.loop.alt", "our_cycle"), ("sheet.if_yes", "words-sheet"),
        )
    )  # fmt: skip
    assert "Nothing is marked here" not in marked
    assert "Nothing is marked here" in margin
    assert "Nothing is marked here" in read_aloud
    assert "<iframe" not in nowhere
    assert "No sheet prints this" in nowhere


def test_words_that_came_back_from_somebody_else_are_still_ones_own(bench: Bench) -> None:
    """Ana's words, saved by Tomás too: she is told so on the page, and nothing she typed is lost."""
    ana, key = bench.client("ana"), "the_wave.who"
    bench.write("ana", "En pareja o a solas", key)
    bench.write("tomas", "Otra cosa", key)
    rev = bench.write("tomas", "En pareja o a solas", key)
    reply = save(ana, at(key, "the_wave"), "En pareja o a solas", rev, "approve")
    assert reply.status_code == 403
    assert "your own words" in text(reply)
    assert bench.entry(key).state == "draft"


def test_an_old_button_of_the_history_meets_newer_words(bench: Bench) -> None:
    tara, key = bench.client("tara"), "the_wave.lead"
    bench.write("tara", "Primero", key)
    rev = bench.write("tara", "Segundo", key)
    button = re.search(
        r'value="(restore:[0-9a-f-]+)">Restore<span class="u-sr">: Primero<', text(tara.get(at(key, "the_wave")))
    )
    assert button
    bench.write("tomas", "Tercero", key)
    reply = save(tara, at(key, "the_wave"), "A medio escribir", rev, button[1])
    assert reply.status_code == 409
    assert "A medio escribir" in text(reply)
    assert bench.entry(key).text == "Tercero"
