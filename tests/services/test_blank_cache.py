"""The kept blanks: what changes a page changes its name; bounded, whole or not there, never in the way of a print."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from clinic import config
from clinic.domain.definition import Text
from clinic.i18n.catalogue import Catalogue, catalogue
from clinic.i18n.message import Entry
from clinic.persistence.keyview import request
from clinic.persistence.store import Store
from clinic.services import accounts, blank_cache, laying_out, overlay, spoken
from clinic.services.blank_cache import Blank, Blanks, Choice
from clinic.services.definitions import definition
from clinic.services.prints import PrintJob
from tests.persistence.making import PASSWORD, Clinic
from tests.services.rights import admin

USUAL = Choice("our_cycle", "en", "", "a4", False, "full", False, "reviewed")
PDF = b"%PDF-1.7 made up"
OTHER: dict[str, Any] = {
    "sheet": "the_wave",
    "locale": "es",
    "beside": "ar",
    "paper": "letter",
    "large": True,
    "ink": "saver",
    "draft": True,
    "print_when": "complete",
    "letterhead": ("Oak Street",),
    "help_lines": (("now", "Here", "1"),),
}


class Drawing:
    """A press that counts what it draws."""

    def __init__(self) -> None:
        self.pages: list[str] = []

    def blank(self, page: Any) -> bytes:
        self.pages.append(page.html)
        return b"%PDF " + page.html.encode()


@pytest.fixture
def blanks(tmp_path: Path) -> Blanks:
    return Blanks(tmp_path / "blanks", held=0)


def name(blanks: Blanks, wanted: Choice = USUAL, text: bytes = b"text", languages: tuple[bytes, ...] = ()) -> str:
    return blanks.key(wanted, text, languages)


# --------------------------------------------------------------------------- the name
@pytest.mark.parametrize("field", [one.name for one in fields(Choice)])
def test_every_choice_is_in_the_name(blanks: Blanks, field: str) -> None:
    assert name(blanks, replace(USUAL, **{field: OTHER[field]})) != name(blanks)


def test_no_text_runs_into_the_next(blanks: Blanks) -> None:
    names = [name(blanks, text=one, languages=more) for one, more in ((b"ab", (b"c",)), (b"a", (b"bc",)), (b"abc", ()))]
    assert len(set(names)) == 3


def changed_file(kind: str, tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
    """Change one thing that a page is made of, in a copy."""
    if kind == "version":
        patch.setattr(blank_cache, "__version__", "9.9.9")
    elif kind == "engine":
        (tmp_path / "site" / "weasyprint-99.0.dist-info").mkdir(parents=True)
        patch.syspath_prepend(tmp_path / "site")
    elif kind == "system":
        patch.setattr(blank_cache, "LIBRARIES", tmp_path)
    else:
        known = list(blank_cache._files())
        place = next(number for number, path in enumerate(known) if str(path).endswith(kind))
        other = tmp_path / known[place].name
        other.write_bytes(known[place].read_bytes() + b" ")
        known[place] = other
        patch.setattr(blank_cache, "_files", lambda: iter(known))


@pytest.mark.parametrize(
    "kind",
    [
        "version", "engine", "system", "print/base.html", "print/blocks/table.html", "macros/drawing.html",
        "print/print.css", "print/large.css", "static/drawing.css", "fonts.toml", "fonts/made.json",
        "library/strategies.toml", "documents/page.py", "press/render.py", "i18n/compiling.py",
        "domain/definition.py", "services/laying_out.py",
    ],
)  # fmt: skip
def test_every_ingredient_is_in_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    before = blank_cache.program()
    assert blank_cache.program() == before
    changed_file(kind, tmp_path, monkeypatch)
    assert blank_cache.program() != before


def test_the_program_is_in_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = name(Blanks(tmp_path))
    monkeypatch.setattr(blank_cache, "__version__", "9.9.9")
    assert name(Blanks(tmp_path)) != before


def test_every_template_and_style_of_paper_is_an_ingredient() -> None:
    """Whatever the page's environment could read is in the list: a new folder of templates is not forgotten."""
    listed = set(blank_cache._files())
    from clinic import resources

    used = {path for path in (resources.templates() / "print").rglob("*") if path.is_file()}
    assert used
    assert used <= listed
    assert all(path.is_file() for path in listed)


@pytest.mark.parametrize("change", ["source", "text", "state", "variant", "new"])
def test_a_language_has_another_mark_after_any_edit(change: str) -> None:
    entry = Entry("Words", {"": "Palabras"}, "reviewed")
    made: dict[str, Callable[[], Catalogue]] = {
        "source": lambda: Catalogue("es", {"a.title": replace(entry, source="Other words")}),
        "text": lambda: Catalogue("es", {"a.title": replace(entry, forms={"": "Otras"})}),
        "state": lambda: Catalogue("es", {"a.title": replace(entry, state="draft")}),
        "variant": lambda: Catalogue("es", {"a.title": entry}).speaking_to("f"),
        "new": lambda: Catalogue("es", {"a.title": entry, "b.title": entry}),
    }
    usual = Catalogue("es", {"a.title": entry})
    assert usual.mark == Catalogue("es", {"a.title": replace(entry, rev=7)}).mark
    assert made[change]().mark != usual.mark


def test_the_command_line_reads_the_files_themselves() -> None:
    one = blank_cache.filed(replace(USUAL, beside="es"))
    assert one is not None
    assert b"our_cycle" in one[2]
    assert len(one) == 3
    for unknown in ("../our_cycle", "no_such_sheet", "library/steps"):
        assert blank_cache.filed(replace(USUAL, sheet=unknown)) is None
    assert blank_cache.filed(replace(USUAL, locale="tlh")) is None
    assert blank_cache.filed(replace(USUAL, locale="../es")) is None


def test_no_sheet_of_a_case_can_be_asked_for() -> None:
    for job in (PrintJob("our_cycle", "joint"), PrintJob("our_cycle", record="x")):
        with pytest.raises(ValueError, match="case"):
            blank_cache.choice(job, "reviewed")


# --------------------------------------------------------------------------- what is kept
def test_what_was_kept_is_found_by_another_process_of_ours_only(blanks: Blanks) -> None:
    key = name(blanks)
    assert blanks.get(key) is None
    blanks.keep(key, Blank(PDF, "said"))
    assert Blanks(blanks.folder).get(key) == Blank(PDF, "said")
    assert blanks.get(name(blanks, text=b"other")) is None
    assert oct(blanks.folder.stat().st_mode & 0o777) == "0o700"
    assert [oct(path.stat().st_mode & 0o777) for path in blanks.folder.iterdir()] == ["0o600"]


def spoil(path: Path, how: str) -> None:
    whole = path.read_bytes()
    if how == "cut":
        path.write_bytes(whole[:-1])
    elif how == "turned":
        path.write_bytes(whole[:-1] + b"?")
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "foreign":
        path.write_bytes(b"%PDF-1.7 from somewhere else")
    elif how == "renamed":
        other = path.with_name("0" * 64)
        path.rename(other)
        os.link(other, path.with_name("1" * 64))
    elif how == "link":
        path.rename(path.with_name("elsewhere"))
        path.symlink_to("elsewhere")
    elif how == "folder":
        path.unlink()
        path.mkdir()
    elif how == "pipe":
        path.unlink()
        os.mkfifo(path)
    elif how == "open":
        path.chmod(0o622)


@pytest.mark.parametrize("how", ["cut", "turned", "empty", "foreign", "link", "folder", "pipe", "open", "renamed"])
def test_a_file_that_is_not_as_we_wrote_it_is_not_there(blanks: Blanks, how: str) -> None:
    key = name(blanks)
    blanks.keep(key, Blank(PDF))
    assert blanks.get(key)
    spoil(blanks.folder / key, how)
    asked = "1" * 64 if how == "renamed" else key
    assert blanks.get(asked) is None
    blanks.keep(asked, Blank(PDF))
    if how != "folder":
        assert blanks.get(asked) == Blank(PDF)


def test_the_folder_stays_small_and_the_oldest_go_first(tmp_path: Path) -> None:
    room = Blanks(tmp_path / "blanks", most=10_000, held=0)
    mine = room.folder / "notes.txt"
    keys = [name(room, text=str(n).encode()) for n in range(12)]
    for n, key in enumerate(keys):
        room.keep(key, Blank(PDF * 100))
        os.utime(room.folder / key, ns=(n, n))
        if n == 0:
            mine.write_text("somebody else's")
        assert room.get(keys[0]), "asked for again and again, so it stays"
    there = {path.name for path in room.folder.iterdir()}
    assert {keys[0], keys[-1], mine.name} <= there
    assert keys[1] not in there
    assert sum(path.stat().st_size for path in room.folder.iterdir()) < 12_000
    room.keep(name(room), Blank(PDF * 1000))  # larger than the whole room
    assert room.get(name(room)) is None
    assert room.get(keys[0])


def test_memory_is_bounded_too_and_needs_no_disk(tmp_path: Path) -> None:
    room = Blanks(tmp_path / "no" / "folder", most=0, held=3 * len(PDF))
    keys = [name(room, text=str(n).encode()) for n in range(5)]
    for key in keys:
        room.keep(key, Blank(PDF))
    assert [room.get(key) is not None for key in keys] == [False, False, True, True, True]
    assert not room.folder.exists()


def test_two_processes_at_once_find_whole_files(tmp_path: Path) -> None:
    """Both write, read and sweep the same few names in a room that is too small for them."""
    code = (
        "import sys; from pathlib import Path; from clinic.services.blank_cache import Blank, Blanks, Choice\n"
        "wanted = Choice('x', 'en', '', 'a4', False, 'full', False, 'reviewed')\n"
        "room = Blanks(Path(sys.argv[1]), most=30_000, held=0); found = 0\n"
        "for turn in range(150):\n"
        "    key = room.key(wanted, b'%d' % (turn % 7), ())\n"
        "    room.keep(key, Blank(b'x' * 9000)); blank = room.get(key)\n"
        "    assert blank in (None, Blank(b'x' * 9000)); found += blank is not None\n"
        "print(found)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "blanks")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]  # noqa: S603
    said = [one.communicate(timeout=120)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0]
    assert all(int(one) > 0 for one in said)
    assert not list((tmp_path / "blanks").glob("*.part"))
    assert sum(path.stat().st_size for path in (tmp_path / "blanks").iterdir()) <= 40_000


def full(*_: object, **__: object) -> int:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("wrong", ["full", "file", "none"])
def test_a_folder_that_takes_nothing_is_no_error(blanks: Blanks, monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    if wrong == "full":
        monkeypatch.setattr(os, "replace", full)
    elif wrong == "file":
        blanks.folder.write_text("a file in the way")
    else:
        monkeypatch.setattr(os, "open", full)
    press = Drawing()
    made = laying_out.blank(press, PrintJob("our_cycle"), blanks=blanks)  # type: ignore[arg-type]
    assert made.pdf.startswith(b"%PDF")
    assert not blanks.folder.is_dir() or not list(blanks.folder.iterdir())


def test_a_folder_that_is_only_read_is_of_use(blanks: Blanks, monkeypatch: pytest.MonkeyPatch) -> None:
    key = name(blanks)
    blanks.keep(key, Blank(PDF))
    monkeypatch.setattr(os, "utime", full)
    assert blanks.get(key) == Blank(PDF)


def test_nothing_is_kept_by_a_process_whose_files_have_changed(blanks: Blanks, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server goes on with the templates it read at its start: what it draws is not what a new process would."""
    monkeypatch.setattr(blank_cache, "__version__", "9.9.9")
    blanks.keep(name(blanks), Blank(PDF))
    assert blanks.get(name(blanks)) is None


# --------------------------------------------------------------------------- printing with it
def test_a_blank_is_drawn_once_and_again_after_an_edit(blanks: Blanks) -> None:
    """An edit anywhere in the language: what printed before it is never handed out again."""
    press, job = Drawing(), PrintJob("our_cycle", locale="es")
    said = {"": catalogue("es")}

    def printed(when: str = "complete", **more: Any) -> bytes:
        found = laying_out.blank(
            press,
            replace(job, **more),
            when,
            books=lambda tag: said[""] if tag == "es" else catalogue(tag),
            blanks=blanks,
        )  # type: ignore[arg-type]
        return found.pdf

    first = printed()
    assert printed() == first
    assert len(press.pages) == 1
    title: Text = definition("our_cycle").title
    entries = dict(said[""]._entries)
    entries[title.key] = replace(entries[title.key], forms={"": "Otro nombre"})
    said[""] = Catalogue("es", entries)
    assert b"Otro nombre" in printed()
    assert len(press.pages) == 2


def test_what_may_not_print_is_refused_although_it_was_kept(blanks: Blanks) -> None:
    """The same words under a stricter rule, or without the mark of a draft, are another name."""
    press, job = Drawing(), PrintJob("our_cycle", locale="es")
    laying_out.blank(press, job, "complete", blanks=blanks)  # type: ignore[arg-type]
    laying_out.blank(press, replace(job, draft=True), "reviewed", blanks=blanks)  # type: ignore[arg-type]
    assert "Borrador" not in press.pages[0]
    for job_, when in ((job, "reviewed"), (PrintJob("session"), "complete"), (PrintJob("our_cycle", locale="tlh"), "")):
        with pytest.raises(Exception, match="reviewed|no blank|not a language"):
            laying_out.blank(press, job_, when, blanks=blanks)  # type: ignore[arg-type]
    assert len(press.pages) == 2


def test_each_clinic_has_its_own_lines_on_it(blanks: Blanks, tmp_path: Path) -> None:
    press, job = Drawing(), PrintJob("our_cycle", letterhead=True)
    for line in ("Oak Street", "Elm Street"):
        settings = replace(config.load(tmp_path, {}), letterhead=(line,))
        made = laying_out.blank(press, job, settings=settings, blanks=blanks)  # type: ignore[arg-type]
        assert line.encode() in made.pdf


def test_an_edit_in_the_browser_holds_at_once_and_everywhere(clinic: Clinic, tmp_path: Path) -> None:
    """Two processes share the folder; each has drawn and kept the sheet; then somebody edits a word of it."""
    tom = accounts.create_account(clinic.store, "tom", PASSWORD, role="translator")
    overlay.grant(clinic.store, admin(clinic), tom, "es", reviews=False)
    elsewhere = Store.open(clinic.store.settings)
    both = [(one, Blanks(tmp_path / "blanks"), Drawing()) for one in (clinic.store, elsewhere)]

    def printed(place: int) -> bytes:
        store, blanks, press = both[place]
        with request():
            books, job = spoken.books(store), PrintJob("our_cycle", locale="es")
            return laying_out.blank(press, job, "complete", books=books, blanks=blanks).pdf  # type: ignore[arg-type]

    try:
        before = [printed(0), printed(1), printed(0), printed(1)]
        assert len(set(before)) == 1
        assert [len(press.pages) for _, _, press in both] == [1, 0], "the second found it on the disk"
        token = accounts.sign_in(clinic.store, "tom", PASSWORD)
        overlay.propose(clinic.store, token, "es", "handouts", definition("our_cycle").title.key, {"": "Otro ciclo"}, 0)
        assert b"Otro ciclo" in printed(1)
        assert b"Otro ciclo" in printed(0)
    finally:
        elsewhere.close()
