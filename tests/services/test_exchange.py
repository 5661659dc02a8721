"""Files for translators: out, and back in beside what stands now. What somebody changed since is never overwritten."""

from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from clinic import resources
from clinic.cli import clinic as command
from clinic.domain.errors import Denied, Usage
from clinic.i18n import po
from clinic.i18n.catalogue import filed
from clinic.i18n.message import Entry, Source
from clinic.i18n.units import PROBLEMS, Unit, base
from clinic.services import accounts, exchange, overlay, translations
from clinic.services.definitions import definitions
from clinic.services.exchange import Change, Incoming
from tests.persistence.making import PASSWORD, Clinic
from tests.services.rights import admin

TEXTS = list(definitions()["our_cycle"].texts())
TITLE, LEAD = TEXTS[0], TEXTS[1]
SHEET = [translations.sources("handouts")[text.key] for text in TEXTS]
GUARDED = "error.denied"


# --------------------------------------------------------------------------- the plan, without a database
def plan(unit: Unit, theirs: Entry, past: Mapping[str, Entry] | None = None) -> Change:
    known: Mapping[str, Entry] = {TITLE.key: theirs, GUARDED: theirs}
    found = exchange.plan([unit], "es", {"handouts": known, "messages": {}}, lambda _, mark: (past or {}).get(mark))
    assert isinstance(found, Incoming)
    return found.changes[0]


def unit(text: str, before: Entry | None, source: str = TITLE.en, sure: bool = False) -> Unit:
    mark = base(before) if before is not None else ""
    return Unit(Source("handouts", TITLE.key, "").ref, source, {"": text}, mark, sure=sure)


def said(text: str, source: str = TITLE.en) -> Entry:
    return Entry(source, {"": text} if text else {}, "draft")


OLD, NEW, OTHER, NOTHING = said("Nuestro ciclo"), said("Nuestro giro"), said("Nuestra vuelta"), Entry()


@pytest.mark.parametrize(
    ("file", "before", "now", "kind"),
    [
        ("Nuestro giro", NOTHING, NOTHING, "new"),
        ("Nuestro giro", None, NOTHING, "new"),
        ("Nuestro giro", OLD, OLD, "update"),
        ("Nuestro ciclo", OLD, OLD, "same"),
        ("Nuestro giro", OLD, NEW, "same"),
        ("Nuestro ciclo", OLD, NEW, "kept"),
        ("Nuestro giro", OLD, OTHER, "conflict"),
        ("Nuestro giro", NOTHING, OTHER, "conflict"),
        ("Nuestro giro", None, OTHER, "conflict"),
        ("Nuestro giro", OLD, NOTHING, "conflict"),
    ],
)
def test_three_sides_decide(file: str, before: Entry | None, now: Entry, kind: str) -> None:
    change = plan(unit(file, before), now)
    assert (change.kind, change.theirs, change.mine) == (kind, now, {"": file})


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["", "uno", "dos", "tres"]),
    st.sampled_from(["", "uno", "dos", "tres"]),
    st.sampled_from(["uno", "dos"]),
)
def test_nothing_that_changed_since_is_written_without_a_choice(before: str, now: str, file: str) -> None:
    found = Incoming("es", (plan(unit(file, said(before)), said(now)),))
    written = [one.mine[""] for one in exchange.chosen(found, {})]
    if before != now:
        assert written == []
    elif file != now:
        assert written == [file]


def test_a_conflict_shows_what_stood_when_the_file_was_made() -> None:
    change = plan(unit("Nuestro giro", OLD), OTHER, {base(OLD): OLD})
    assert (change.kind, change.ancestor) == ("conflict", OLD)
    assert plan(unit("Nuestro giro", None), OTHER).ancestor is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Nuestro {giro}", "checks"),
        ("Nuestro <b>giro</b>", "checks"),
        ("Nuestro\u202e giro", "checks"),
        ("x" * 90, "checks"),
    ],
)
def test_what_would_break_a_page_is_refused(text: str, why: str) -> None:
    change = plan(unit(text, NOTHING), NOTHING)
    assert (change.kind, change.why) == ("refused", why)
    assert change.findings
    assert change.refusal.en


def test_a_guarded_sentence_is_refused() -> None:
    known = translations.sources("handouts")[GUARDED]
    change = plan(Unit(known.ref, known.en, {"": "Su función no permite esto."}), NOTHING)
    assert (change.kind, change.why) == ("refused", "guarded")


def test_english_that_is_no_more_is_taken_only_with_the_words_that_were_made_for_it() -> None:
    assert plan(unit("Nuestro giro", NOTHING, "Invented {English}"), NOTHING).why == "english"
    older = said("Nuestro ciclo", "Our old loop")
    change = plan(unit("Nuestro giro", older, "Our old loop"), older)
    assert (change.kind, change.english) == ("update", "Our old loop")


def test_a_translator_can_say_that_old_words_still_fit() -> None:
    older = said("Nuestro ciclo", "Our old loop")
    assert plan(unit("Nuestro ciclo", older), older).kind == "same"
    assert plan(unit("Nuestro ciclo", older, sure=True), older).kind == "update"
    assert plan(unit("Nuestro ciclo", OLD, sure=True), OLD).kind == "same"


def test_unknown_messages_are_counted() -> None:
    found = exchange.plan(
        [Unit("f" * 16, "x", {"": "y"}), Unit("", "", unknown=True)],
        "es",
        {"handouts": {}, "messages": {}},
        lambda *_: None,
    )
    assert (found.changes, found.unknown) == ((), 2)


# --------------------------------------------------------------------------- out and in again
@pytest.mark.parametrize("kind", ["po", "xliff"])
@pytest.mark.parametrize("tag", ["es", "ar"])
def test_a_language_goes_out_and_comes_back_without_a_difference(
    tag: str, kind: exchange.Format, tmp_path: Path
) -> None:
    for domain in ("handouts", "messages"):
        path = tmp_path / domain
        path.write_bytes(exchange.file_out(tag, "", domain, kind))  # type: ignore[arg-type]
        found = exchange.file_in(tag, path)
        assert found.unknown == 0
        assert {one.kind for one in found.changes} <= {"same"}
        assert len(found.changes) == sum(
            any(one.forms.values())
            for key, one in filed(tag, domain).items()
            if key in translations.sources(domain)  # type: ignore[arg-type]
        )


def test_variants_go_out_beside_their_sentence_and_come_back() -> None:
    entries = {TITLE.key: OLD, f"{TITLE.key}@f": NEW}
    data = exchange.outgoing(SHEET[:2], entries, "es", "po", "our_cycle")
    assert [one.context for one in po.File(data).messages] == [TITLE.key, f"{TITLE.key}@f", LEAD.key]
    found = exchange.plan(exchange.taken(data, "es"), "es", {"handouts": entries, "messages": {}}, lambda *_: None)
    assert [(one.source.key, one.kind) for one in found.changes] == [(TITLE.key, "same"), (f"{TITLE.key}@f", "same")]


def test_a_po_file_says_state_note_limit_and_previous_english_and_names_nobody() -> None:
    entries = {
        TITLE.key: Entry(TITLE.en, {"": "Nuestro ciclo"}, "approved", by="account-id"),
        LEAD.key: said("Viejo", "Old"),
    }
    text = exchange.outgoing(SHEET[:2], entries, "es", "po", "our_cycle").decode()
    assert f"# state: approved\n# base: {base(OLD)}\n#. At most about" in text
    assert '#, fuzzy\n#| msgid "Old"\n' in text
    assert "account-id" not in text


# --------------------------------------------------------------------------- the overlay
@pytest.fixture
def tom(clinic: Clinic) -> str:
    """The token of a translator for Spanish."""
    boss = admin(clinic)
    overlay.grant(
        clinic.store,
        boss,
        accounts.create_account(clinic.store, "tom", PASSWORD, role="translator"),
        "es",
        reviews=False,
    )
    return accounts.sign_in(clinic.store, "tom", PASSWORD)


def out(clinic: Clinic) -> bytes:
    return exchange.outgoing(SHEET, overlay.entries(clinic.store, "es", "handouts"), "es", "xliff", "our_cycle")


def edited(data: bytes, **texts: str) -> bytes:
    """The file with other words for the first messages, each claimed to be final."""
    root = ET.fromstring(data)  # noqa: S314 - our own file
    ns = "{urn:oasis:names:tc:xliff:document:1.2}"
    by_name = {unit.get("resname"): unit for unit in root.iter(f"{ns}trans-unit")}
    for name, text in texts.items():
        target = by_name[f"our_cycle.{name}"].find(f"{ns}target")
        assert target is not None
        target.text = text
        target.set("state", "final")
    return bytes(ET.tostring(root))


def bring(clinic: Clinic, token: str, data: bytes) -> Incoming:
    """What an uploaded file would do."""
    return exchange.compare(clinic.store, token, "es", exchange.taken(data, "es"))


def now(clinic: Clinic, key: str) -> Entry:
    return overlay.entries(clinic.store, "es", "handouts")[key]


def test_a_file_is_written_as_drafts_after_it_was_shown(clinic: Clinic, tom: str) -> None:
    data = edited(out(clinic), title="Nuestro giro")
    before = now(clinic, TITLE.key)
    found = bring(clinic, tom, data)
    assert [one.source.key for one in found.of("update")] == [TITLE.key]
    assert now(clinic, TITLE.key) == before, "looking writes nothing"
    assert exchange.write(clinic.store, tom, found, {}).count == 1
    after = now(clinic, TITLE.key)
    assert (after.text, after.state, after.rev) == ("Nuestro giro", "draft", 1)
    assert overlay.history(clinic.store, tom, "es", "handouts", TITLE.key)[0].why == "import"


def test_a_newer_edit_wins_until_somebody_chooses(clinic: Clinic, tom: str) -> None:
    file = out(clinic)
    before = now(clinic, TITLE.key)
    overlay.propose(clinic.store, tom, "es", "handouts", TITLE.key, {"": "Nuestra vuelta"}, 0)
    found = bring(clinic, tom, edited(file, title="Nuestro giro"))
    (one,) = found.of("conflict")
    assert one.ancestor is not None
    assert (one.ancestor.text, one.theirs.text, one.mine[""]) == (before.text, "Nuestra vuelta", "Nuestro giro")
    assert exchange.write(clinic.store, tom, found, {}).count == 0
    assert now(clinic, TITLE.key).text == "Nuestra vuelta"
    assert exchange.write(clinic.store, tom, found, {one.source.ref: "mine"}).count == 1
    assert now(clinic, TITLE.key).text == "Nuestro giro"


def test_an_edit_between_look_and_write_is_not_overwritten(clinic: Clinic, tom: str) -> None:
    found = bring(clinic, tom, edited(out(clinic), title="Nuestro giro", lead="Otro texto."))
    overlay.propose(clinic.store, tom, "es", "handouts", TITLE.key, {"": "Nuestra vuelta"}, 0)
    done = exchange.write(clinic.store, tom, found, {})
    assert (done.count, done.late) == (1, (SHEET[0].ref,))
    assert now(clinic, TITLE.key).text == "Nuestra vuelta"
    assert now(clinic, LEAD.key).text == "Otro texto."


def test_what_is_shown_has_a_fingerprint(clinic: Clinic, tom: str) -> None:
    data = edited(out(clinic), title="Nuestro giro")
    first = bring(clinic, tom, data).fingerprint
    assert bring(clinic, tom, data).fingerprint == first
    assert bring(clinic, tom, edited(out(clinic), title="Otro")).fingerprint != first
    overlay.propose(clinic.store, tom, "es", "handouts", TITLE.key, {"": "Nuestra vuelta"}, 0)
    assert bring(clinic, tom, data).fingerprint != first


def test_only_for_a_language_that_one_may_work_on(clinic: Clinic, tom: str) -> None:
    data = out(clinic)
    with pytest.raises(Denied):
        bring(clinic, clinic.token, data)
    with pytest.raises(Denied):
        exchange.compare(clinic.store, tom, "ar", [])


def test_a_bad_file_says_why(clinic: Clinic, tom: str) -> None:
    with pytest.raises(exchange.BadUpload) as caught:
        bring(clinic, tom, b"PK\x03\x04")
    assert caught.value.text.en == str(caught.value) == PROBLEMS["archive"]


# --------------------------------------------------------------------------- the files of a checkout
@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of translations with Spanish as it is here."""
    for domain in ("handouts", "messages"):
        here = translations.catalogue_path("es", domain)
        there = tmp_path / "es" / "LC_MESSAGES" / here.name
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_bytes(here.read_bytes())
    monkeypatch.setattr(resources, "translations", lambda: tmp_path)
    return tmp_path


def run(*words: str) -> str:
    result = CliRunner().invoke(command, ["translations", *words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("kind", ["po", "xliff"])
def test_the_command_line_takes_a_file_away_and_back(own: Path, kind: str) -> None:
    path, file = own / "es" / "LC_MESSAGES" / "handouts.po", own / "out"
    before = path.read_text("utf-8")
    title = filed("es", "handouts")[TITLE.key].text
    run("export-file", "es", "--handout", "our_cycle", "--format", kind, "--out", str(file))
    file.write_text(
        file.read_text("utf-8").replace(f">{title}<", ">Nuestro giro<").replace(f'"{title}"', '"Nuestro giro"'), "utf-8"
    )
    said_ = run("import-file", "es", str(file))
    assert "update: our_cycle.title" in said_
    assert path.read_text("utf-8") == before
    assert "1 written as drafts" in run("import-file", "es", str(file), "--write")
    after = path.read_text("utf-8")
    changed = [pair for pair in zip(before.split("\n"), after.split("\n"), strict=True) if pair[0] != pair[1]]
    assert changed == [(f'msgstr "{title}"', 'msgstr "Nuestro giro"')]


def test_a_variant_that_is_new_to_the_file_stands_behind_its_sentence(own: Path) -> None:
    source = Source("handouts", f"{TITLE.key}@f", TITLE.en)
    found = Incoming("es", (Change(source, "new", Entry(), {"": "Para ella"}),))
    assert exchange.write_files(found, {}) == 1
    contexts = [one.context for one in po.File((own / "es" / "LC_MESSAGES" / "handouts.po").read_bytes()).messages]
    assert contexts[contexts.index(TITLE.key) + 1] == f"{TITLE.key}@f"
    assert filed("es", "handouts")[f"{TITLE.key}@f"].text == "Para ella"


def test_wrong_names_are_wrong_usage() -> None:
    with pytest.raises(Usage):
        exchange.file_out("xx", "", "handouts", "po")
    with pytest.raises(Usage):
        exchange.file_out("es", "no_such_sheet", "handouts", "po")
