"""Translations edited in the browser: who may, what holds at the next request, and those who come second."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from clinic.domain.errors import Conflict, Denied, Invalid, NotFound, Refused
from clinic.i18n.catalogue import catalogue
from clinic.persistence.keyview import request
from clinic.persistence.models import Translation, TranslationPast
from clinic.services import accounts, overlay, shelf, spoken, translations, verify
from clinic.services.definitions import definitions
from tests.persistence.making import PASSWORD, WISHES, Clinic
from tests.services.rights import admin

ROOT = Path(__file__).parents[2]
TITLE = definitions()["our_cycle"].title
KEY = TITLE.key
WORD = next(
    key for key, one in translations.sources("messages").items() if not one.plural and not one.guard and "%" not in key
)
COUNTED = next(
    key
    for key, one in translations.sources("messages").items()
    if one.plural and not one.guard and key.count("%") == 1  # nothing but the number is in it
)


@pytest.fixture
def staff(clinic: Clinic) -> Iterator[dict[str, str]]:
    """Tokens: `tom` proposes Spanish and Arabic, `rita` proposes and reviews Spanish, `anna` has no right."""
    boss = admin(clinic)
    found = {"anna": clinic.token, "boss": boss}
    for name, role in (("tom", "translator"), ("rita", "supervisor")):
        id_ = accounts.create_account(clinic.store, name, PASSWORD, role=role)
        found[name] = accounts.sign_in(clinic.store, name, PASSWORD)
        overlay.grant(clinic.store, boss, id_, "es", reviews=name == "rita")
        overlay.grant(clinic.store, boss, id_, "ar", reviews=False)
    yield found
    assert verify.verify(clinic.store) == []


def said(clinic: Clinic, tag: str = "es") -> str:
    with request():
        return overlay.book(clinic.store, tag).text(TITLE)


def propose(clinic: Clinic, token: str, text: str, rev: int, key: str = KEY, tag: str = "es") -> int:
    return overlay.propose(clinic.store, token, tag, "handouts", key, {"": text}, rev)


# --------------------------------------------------------------------------- one edit
def test_an_edit_is_there_at_the_next_request_as_a_draft(clinic: Clinic, staff: dict[str, str]) -> None:
    before = catalogue("es").text(TITLE)
    assert said(clinic) == before
    assert propose(clinic, staff["tom"], "Nuestro ciclo nuevo", 0) == 1
    assert said(clinic) == "Nuestro ciclo nuevo"
    assert said(clinic, "ar") == catalogue("ar").text(TITLE)
    assert catalogue("es").text(TITLE) == before, "the file stays as it is"
    entry = overlay.entries(clinic.store, "es", "handouts")[KEY]
    assert (entry.state, entry.rev, entry.source, entry.at) == ("draft", 1, TITLE.en, clinic.clock())
    assert accounts.find(clinic.store, "tom").id == entry.by


def test_a_request_hears_one_state_from_its_beginning_to_its_end(clinic: Clinic, staff: dict[str, str]) -> None:
    with request():
        before = overlay.book(clinic.store, "es").text(TITLE)
        elsewhere = Thread(target=propose, args=(clinic, staff["tom"], "Otro", 0))
        elsewhere.start()
        elsewhere.join()
        assert overlay.book(clinic.store, "es").text(TITLE) == before
    assert said(clinic) == "Otro"


def test_after_an_edit_only_that_one_is_read(
    clinic: Clinic, staff: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for rev in range(5):
        propose(clinic, staff["tom"], f"N{rev}", rev, "sheet.other")
        propose(clinic, staff["tom"], f"T{rev}", rev)
    said(clinic)
    read, rows = [], spoken.read_rows

    def counted(*given: Any) -> Any:
        found = rows(*given)
        read.append(len(found))
        return found

    monkeypatch.setattr(spoken, "read_rows", counted)
    said(clinic)
    propose(clinic, staff["tom"], "Otro", 5)
    assert (said(clinic), read) == ("Otro", [1])


def test_whoever_edits_sees_it_in_the_same_request(clinic: Clinic, staff: dict[str, str]) -> None:
    with request():
        overlay.book(clinic.store, "es")
        propose(clinic, staff["tom"], "Otro", 0)
        assert overlay.book(clinic.store, "es").text(TITLE) == "Otro"


def test_the_words_of_the_pages_are_edited_too(clinic: Clinic, staff: dict[str, str]) -> None:
    overlay.propose(clinic.store, staff["tom"], "es", "messages", WORD, {"": "Palabra"}, 0)
    one = translations.sources("messages")[COUNTED]
    forms = {name: f"%(num)d {name}" if "%(num)d" in one.plural else name for name in ("one", "many", "other")}
    overlay.propose(clinic.store, staff["tom"], "es", "messages", COUNTED, forms, 0)
    words = overlay.interface(clinic.store, "es")
    assert words.ugettext(WORD) == "Palabra"
    found = {number: words.ungettext(one.en, one.plural, number).split()[-1] for number in (1, 2, 1_000_000)}
    assert found == {1: "one", 2: "other", 1_000_000: "many"}


def test_an_empty_text_is_untranslated_and_english_stands_in(clinic: Clinic, staff: dict[str, str]) -> None:
    propose(clinic, staff["tom"], "  ", 0)
    assert said(clinic) == TITLE.en
    assert overlay.book(clinic.store, "es").state(TITLE) == "untranslated"


def test_words_for_older_english_are_kept_and_not_used(clinic: Clinic, staff: dict[str, str]) -> None:
    key = "our_cycle.lead" if "our_cycle.lead" in translations.sources("handouts") else KEY
    before = overlay.entries(clinic.store, "es", "handouts")[key]
    overlay.propose(clinic.store, staff["tom"], "es", "handouts", key, {"": "De antes"}, 0, source="Older English")
    after = overlay.entries(clinic.store, "es", "handouts")[key]
    assert (after.text, after.rev) == (before.text, 1), "the file has words for the English of today"
    past = overlay.history(clinic.store, staff["tom"], "es", "handouts", key)
    assert [(one.rev, one.text if hasattr(one, "text") else one.forms[""]) for one in past][0] == (1, "De antes")


def test_variants_are_messages_of_their_own(clinic: Clinic, staff: dict[str, str]) -> None:
    propose(clinic, staff["tom"], "Para ella", 0, f"{KEY}@f")
    book = overlay.book(clinic.store, "es")
    assert book.text(TITLE) == catalogue("es").text(TITLE)
    assert (book.text(TITLE, "f"), book.text(TITLE, "m")) == ("Para ella", book.text(TITLE))
    assert book.speaking_to("f").text(TITLE) == "Para ella"
    assert book.speaking_to("f", "reviewed").text(TITLE) == book.text(TITLE), "not come far enough"
    assert book.variants() == {"f"}
    assert book.missing(definitions()["our_cycle"].texts()) == []


def test_a_form_of_the_clinic_is_translated_here_and_nowhere_else(clinic: Clinic, staff: dict[str, str]) -> None:
    folder = clinic.store.settings.own_forms
    folder.mkdir()
    (folder / "own_wishes.toml").write_bytes(WISHES.replace(b'id = "wishes"', b'id = "own_wishes"'))
    own = shelf.accept(clinic.store, folder / "own_wishes.toml")
    assert overlay.propose(clinic.store, staff["tom"], "es", "handouts", own.title.key, {"": "Deseos"}, 0) == 1
    assert overlay.book(clinic.store, "es").text(own.title) == "Deseos"
    with pytest.raises(NotFound):
        propose(clinic, staff["tom"], "Deseos", 0, "own_other.title")


@pytest.mark.parametrize(
    ("key", "text", "why"),
    [
        ("error.denied", "Hola", Refused),
        ("there.is.no.such.key", "Hola", NotFound),
        ("sheet.page", "Página {page.__class__} de {pages}", Invalid),
        ("sheet.page", "Página {page}", Invalid),
        (KEY, "Hola\u202e", Invalid),
        (KEY, "<b>Hola</b>", Invalid),
        (KEY, "x" * 30_000, Invalid),
    ],
)
def test_what_may_not_be_written_is_not(
    clinic: Clinic, staff: dict[str, str], key: str, text: str, why: type[Exception]
) -> None:
    with pytest.raises(why):
        propose(clinic, staff["tom"], text, 0, key)
    with Session(clinic.raw) as session:
        assert session.scalars(select(Translation)).all() == []


def test_a_row_of_a_guarded_message_counts_for_nothing(clinic: Clinic, staff: dict[str, str]) -> None:
    propose(clinic, staff["tom"], "Hola", 0)
    with Session(clinic.raw.execution_options(write=True)) as session:
        session.scalars(select(Translation)).one().key = "error.denied"
        session.commit()
    spoken._SNAPSHOTS.clear()
    assert overlay.entries(clinic.store, "es", "handouts")["error.denied"].text != "Hola"


# --------------------------------------------------------------------------- who
def test_only_who_has_a_right_for_a_language_works_on_it(clinic: Clinic, staff: dict[str, str]) -> None:
    assert overlay.rights(clinic.store, staff["tom"]) == {"ar": False, "es": False}
    assert overlay.rights(clinic.store, staff["rita"]) == {"ar": False, "es": True}
    assert overlay.rights(clinic.store, staff["anna"]) == overlay.rights(clinic.store, staff["boss"]) == {}
    for token, tag in ((staff["anna"], "es"), (staff["boss"], "es"), (staff["tom"], "fr"), (staff["tom"], "xx")):
        with pytest.raises(Denied):
            propose(clinic, token, "Hola", 0, tag=tag)
        with pytest.raises(Denied):
            overlay.history(clinic.store, token, tag, "handouts", KEY)


def test_a_right_that_was_taken_away_is_gone(clinic: Clinic, staff: dict[str, str]) -> None:
    tom = accounts.find(clinic.store, "tom").id
    overlay.revoke(clinic.store, staff["boss"], tom, "es")
    with pytest.raises(Denied):
        propose(clinic, staff["tom"], "Hola", 0)
    with pytest.raises(Denied):
        overlay.grant(clinic.store, staff["rita"], tom, "es", True)
    with pytest.raises(Invalid):  # an admin translates nothing
        overlay.grant(clinic.store, staff["boss"], accounts.find(clinic.store, "doris").id, "es", True)


def test_reviewers_mark_and_never_their_own_words(clinic: Clinic, staff: dict[str, str]) -> None:
    store, rita, tom = clinic.store, staff["rita"], staff["tom"]
    propose(clinic, tom, "Nuestro ciclo nuevo", 0)
    with pytest.raises(Denied):  # no reviewer
        overlay.mark(store, tom, "es", "handouts", KEY, 1, "approved")
    with pytest.raises(Denied):  # none in Arabic
        overlay.mark(store, rita, "ar", "handouts", KEY, 0, "approved")
    assert overlay.mark(store, rita, "es", "handouts", KEY, 1, "reviewed") == 2
    assert overlay.mark(store, rita, "es", "handouts", KEY, 2, "approved") == 3
    assert overlay.book(store, "es").state(TITLE) == "approved"
    propose(clinic, rita, "De Rita", 3)
    assert overlay.book(store, "es").state(TITLE) == "draft", "new words are a draft again"
    with pytest.raises(overlay.OwnWords):
        overlay.mark(store, rita, "es", "handouts", KEY, 4, "reviewed")
    propose(clinic, tom, "De Rita", 4)  # the very words, typed by somebody else
    with pytest.raises(overlay.OwnWords):
        overlay.mark(store, rita, "es", "handouts", KEY, 5, "approved")


def test_what_the_file_says_can_be_reviewed_and_stale_words_cannot(clinic: Clinic, staff: dict[str, str]) -> None:
    store, rita = clinic.store, staff["rita"]
    assert overlay.mark(store, rita, "es", "handouts", KEY, 0, "reviewed") == 1
    entry = overlay.entries(store, "es", "handouts")[KEY]
    assert (entry.state, entry.by, entry.text) == ("reviewed", "", catalogue("es").text(TITLE))
    with pytest.raises(Conflict):
        overlay.mark(store, rita, "es", "handouts", KEY, 0, "approved")
    with pytest.raises(Invalid):
        overlay.mark(store, rita, "es", "handouts", f"{KEY}@f", 0, "approved")
    marked = overlay.mark_all(store, rita, "es", [("handouts", KEY, 1), ("handouts", f"{KEY}@f", 0)], "approved")
    assert marked["handouts", KEY] == 2
    assert isinstance(marked["handouts", f"{KEY}@f"], Invalid)


# --------------------------------------------------------------------------- history
def test_history_and_restoring(clinic: Clinic, staff: dict[str, str]) -> None:
    store, tom = clinic.store, staff["tom"]
    before = catalogue("es").text(TITLE)
    propose(clinic, tom, "Uno", 0)
    propose(clinic, tom, "Dos", 1)
    past = overlay.history(store, tom, "es", "handouts", KEY)
    assert [(one.rev, one.forms[""], one.name, one.why) for one in past] == [
        (2, "Dos", "tom", ""), (1, "Uno", "tom", ""), (0, before, "", "file"),
    ]  # fmt: skip
    assert overlay.restore(store, tom, "es", "handouts", KEY, past[-1].id, 2) == 3
    assert said(clinic) == before
    with pytest.raises(NotFound):
        overlay.restore(store, tom, "es", "handouts", f"{KEY}@f", past[-1].id, 0)
    with pytest.raises(Conflict):
        overlay.restore(store, tom, "es", "handouts", KEY, past[0].id, 2)


def test_many_at_once_are_one_edit_each_and_one_line_of_the_audit(clinic: Clinic, staff: dict[str, str]) -> None:
    propose(clinic, staff["tom"], "Uno", 0)
    other = definitions()["our_cycle"].lead.key or "sheet.other"
    changes = [
        overlay.Change("handouts", KEY, {"": "Dos"}, 0),
        overlay.Change("handouts", other, {"": "Algo"}, 0),
        overlay.Change("handouts", "error.denied", {"": "Algo"}, 0),
    ]
    made = overlay.propose_all(clinic.store, staff["tom"], "es", changes, "import")
    assert made["handouts", other] == 1
    assert isinstance(made["handouts", KEY], overlay.Conflict)
    assert made["handouts", KEY].entry.text == "Uno"
    assert isinstance(made["handouts", "error.denied"], Refused)
    assert said(clinic) == "Uno"


# --------------------------------------------------------------------------- several at once
WRITERS, PROCESSES, READS = 8, 4, 12


def test_of_eight_who_began_at_the_same_revision_one_wins_and_seven_merge(
    clinic: Clinic, staff: dict[str, str]
) -> None:
    barrier, won, lost = Barrier(WRITERS), list[str](), list[tuple[str, str]]()

    def write(text: str) -> None:
        barrier.wait()
        try:
            propose(clinic, staff["tom"], text, 0)
            won.append(text)
        except overlay.Conflict as conflict:
            while True:  # reads what stands, puts its own after it
                merged = f"{conflict.entry.text}+{text}"
                try:
                    propose(clinic, staff["tom"], merged, conflict.entry.rev)
                except overlay.Conflict as again:
                    conflict = again
                else:
                    lost.append((conflict.entry.text, text))
                    return

    threads = [Thread(target=write, args=(f"T{number}",)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, WRITERS - 1)
    final = said(clinic).split("+")
    assert (final[0], sorted(final)) == (won[0], [f"T{number}" for number in range(WRITERS)])
    assert overlay.entries(clinic.store, "es", "handouts")[KEY].rev == WRITERS
    with Session(clinic.raw) as session:
        assert sorted(session.scalars(select(TranslationPast.rev))) == list(range(WRITERS + 1))


WORKER = """
import sys
from pathlib import Path
from clinic.persistence.keyview import request
from clinic.services import overlay
from clinic.services.definitions import definitions
from tests.persistence.making import Clock, Shelf, open_store, settings
folder, url, token = sys.argv[1:]
store = open_store(settings(Path(folder), url), Clock(), Shelf())
text = definitions()["our_cycle"].title
for line in sys.stdin:
    do, number = line.split()
    if do == "edit":
        overlay.propose(store, token, "es", "handouts", text.key, {"": f"Edición {number}"}, int(number) - 1)
        print("done", flush=True)
    else:
        for _ in range(int(number)):
            with request():
                print(overlay.book(store, "es").text(text), flush=True)
"""


@pytest.mark.parametrize("edits", [8, pytest.param(60, marks=pytest.mark.everything)])
def test_edits_are_read_in_four_processes_and_none_is_stale(clinic: Clinic, staff: dict[str, str], edits: int) -> None:
    mine = clinic.store.settings
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(mine.instance), mine.database_url, staff["tom"]],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    stale, read = [], 0

    def tell(worker: subprocess.Popen[str], line: str) -> None:
        assert worker.stdin is not None
        worker.stdin.write(line + "\n")
        worker.stdin.flush()

    def hear(worker: subprocess.Popen[str]) -> str:
        assert worker.stdout is not None
        return worker.stdout.readline().rstrip("\n")

    for number in range(1, edits + 1):
        writer = workers[number % PROCESSES]
        tell(writer, f"edit {number}")
        assert hear(writer) == "done"
        for worker in workers:  # all at once
            tell(worker, f"read {READS // PROCESSES}")
        for worker in workers:
            found = [hear(worker) for _ in range(READS // PROCESSES)]
            read += len(found)
            stale += [(number, text) for text in found if text != f"Edición {number}"]
    for worker in workers:
        worker.communicate()
        assert worker.returncode == 0
    assert (read, stale) == (edits * READS, [])
