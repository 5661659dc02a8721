"""Attacks on packs, lists and what leaves the room: what one partner said alone, and what nobody has read.

Each test is an attack, most of them one that went through once. Real database, keys, keyholder, press and audit.
"""

import io
import re
import tempfile
from collections.abc import Callable
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from werkzeug import formparser

from clinic.domain.definition import Definition
from clinic.domain.errors import Refused
from clinic.i18n.catalogue import catalogue
from clinic.press import fonts
from clinic.press.press import Press, PressError
from clinic.services import pack_command, pack_list, packs, print_sheet, release
from clinic.services.definitions import definitions
from clinic.services.packs import How, Item
from clinic.services.readiness import Readiness, readiness
from tests import pdf
from tests.filling import filled
from tests.security import test_twins
from tests.security.test_twins import house
from tests.security.twins import CLOSED, SECRET
from tests.web.conftest import Clinic, ana, clinic, csrf, finished, made, post, prepared, press, shown
from tests.web.test_lock import change
from tests.web.test_packs import (
    LINE,
    PAPER,
    asked,
    bare,
    chosen,
    code_of,
    item,
    listed,
    look,
    make,
    said,
    sent,
    ticked,
    tongues,
)

__all__ = ["ana", "clinic", "house", "made", "press", "said"]
SIGNED = "consent_and_secrets_policy"
Said = dict[str, str]
CELLS = ["ZQsaidaloneQZ", '"one\nclinic: K-0001: check_in for a"', "\x1b[2J", "=1+1", "x" * 900]
ODD = ["case,sheet,to\n\0,\0,\0\n", "case,sheet,to\r\r\rx", 'case,sheet,to\n"abc', "\0", '"']


# --------------------------------------------------------------------------- lists
@pytest.mark.parametrize("cell", CELLS)
def test_a_fault_says_no_cell_of_the_list(clinic: Clinic, ana: FlaskClient, cell: str) -> None:
    """The wrong file is a note about somebody: its first words stood in the message, on a terminal in a log."""
    text = f"{cell},sheet,to\nx,y,z\n"
    with pytest.raises(pack_list.BadList) as bad:
        pack_list.read(text, {}, {}, "reviewed", False, packs.MOST)
    assert bad.value.faults == [str(bad.value)]
    assert str(bad.value).startswith("line 1, column 1: the columns are case, sheet, to,")
    assert str(bad.value).isprintable()
    reply = listed(ana, text)
    found = re.search(r'<ul class="errors-list".*?</ul>', reply.text, re.S)
    assert reply.status_code == 422
    assert found
    assert cell.strip('"')[:9].lower() not in found[0]


def test_a_long_list_asks_for_each_language_once(clinic: Clinic) -> None:
    asked_: list[str] = []

    def books(tag: str) -> Any:
        asked_.append(tag)
        return catalogue(tag)

    text = "case,sheet,to,locale,with\n" + "x,our_cycle,joint,fr,es\n" * 5000
    with pytest.raises(pack_list.BadList):
        pack_list.read(text, {}, definitions(), "approved", False, packs.MOST, books)
    assert sorted(asked_) == ["es", "fr"]


@pytest.mark.parametrize("text", ODD)
def test_no_list_breaks_the_page(clinic: Clinic, ana: FlaskClient, text: str) -> None:
    assert listed(ana, text).status_code == 422


@pytest.mark.parametrize("locked", [False, True])
def test_an_uploaded_list_touches_no_disk_and_comes_back_to_nobody(
    clinic: Clinic, ana: FlaskClient, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], locked: bool
) -> None:
    """Longer than a list may be; also while the screen is locked."""

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("a temporary file")

    for name in ("TemporaryFile", "SpooledTemporaryFile"):  # Jinja keeps its own in the others, for tests
        monkeypatch.setattr(tempfile, name, never)
    monkeypatch.setattr(formparser, "default_stream_factory", never)
    token, data = csrf(ana.get("/help")), b"case,sheet,to\n" + b"ZQUPLOADQZ,x,a\n" * 25_000
    if locked:
        change(clinic, locked=True)
    fields = {"csrf_token": token, "do": "list", "list": "", "file": (io.BytesIO(data), "../../ZQNAMEQZ.csv")}
    reply = ana.post("/day/pack", data=fields)
    assert reply.status_code == (423 if locked else 422)
    assert not any(word in reply.text for word in ("ZQUPLOADQZ", "ZQNAMEQZ"))
    assert not any(word in capfd.readouterr().err for word in ("ZQUPLOADQZ", "ZQNAMEQZ"))


# --------------------------------------------------------------------------- nothing prints that was not shown
def _items(clinic: Clinic, *wanted: tuple[Any, str]) -> list[Item]:
    code = code_of(clinic)
    return [Item(place, clinic.case, code, to, sheet) for place, (to, sheet) in enumerate(wanted, start=1)]


def test_the_command_line_prints_nothing_that_it_did_not_name(
    clinic: Clinic, press: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closed while it was listed, open a moment later: it left the room without a line."""
    prepared(clinic)
    tongues(clinic, "en", "en")
    real, calls, lines = print_sheet.opened, [], []

    def opened(store: Any, token: str, case: str, job: Any, print_when: str) -> Any:
        calls.append(job.sheet)
        if job.sheet == "our_cycle" and calls.count("our_cycle") == 1:
            raise Refused
        return real(store, token, case, job, print_when)

    monkeypatch.setattr(print_sheet, "opened", opened)
    items = _items(clinic, ("joint", "when_to_get_more_help"), ("joint", "our_cycle"))
    with pytest.raises(print_sheet.Unseen):
        pack_command._said(clinic.store, press, clinic.tokens["ana"], items, How(), False, False, lines.append)
    assert [line for line in lines if "our_cycle" in line] == []
    assert sent(clinic) == []


def test_what_stays_closed_is_still_left_out_on_the_command_line(clinic: Clinic, press: Any) -> None:
    items, lines = _items(clinic, ("joint", "when_to_get_more_help"), ("joint", "our_cycle")), list[str]()
    made_ = pack_command._said(clinic.store, press, clinic.tokens["ana"], items, How(), False, False, lines.append)
    assert made_.data
    assert made_.failures == (f"sheet 2: {Refused()}",)
    assert sent(clinic) == [("joint", "when_to_get_more_help")]
    assert len(lines) == 1


@pytest.fixture
def let_go(clinic: Clinic) -> tuple[str, str]:
    """A word that A let go, and the release it stands in."""
    prepared(clinic)
    tongues(clinic, "en", "en")
    store, token, word = clinic.store, clinic.tokens["ana"], "ZQLETGOQZ"
    answers = filled(definitions()["check_in"], "a", lambda _: word)  # type: ignore[arg-type]
    record = finished(store, token, clinic.case, "check_in", "a", answers)
    offers = {one.place: one for one in release.of_record(store, token, record).offers}
    return word, release.release_answer(store, token, record, "better", offers["better"].seen, True, store.today())


def test_a_yes_taken_back_leaves_every_pack_at_once(clinic: Clinic, ana: FlaskClient, let_go: tuple[str, str]) -> None:
    word, released = let_go
    page = look(ana, clinic, item(clinic, "joint", "session_summary"))
    assert word in page
    release.take_back(clinic.store, clinic.tokens["ana"], released)
    again = make(ana, clinic, *ticked(page))
    assert again.status_code == 409
    assert word not in again.text
    assert sent(clinic) == []


def test_a_yes_taken_back_while_a_pack_is_drawn_leaves_it_too(
    clinic: Clinic, ana: FlaskClient, let_go: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pack takes seconds to draw: what was taken back meanwhile was handed over all the same."""
    word, released = let_go
    page = look(ana, clinic, item(clinic, "joint", "session_summary"))
    assert word in page
    with monkeypatch.context() as patch:
        meanwhile(patch, Press, "joined", lambda: release.take_back(clinic.store, clinic.tokens["ana"], released))
        reply = make(ana, clinic, *ticked(page))
    assert reply.status_code == 409
    assert reply.mimetype == "text/html"
    assert word not in reply.text
    assert sent(clinic) == []


def test_on_the_command_line_it_is_left_out_and_the_rest_is_drawn_anew(
    clinic: Clinic, press: Any, let_go: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    items = _items(clinic, ("joint", "when_to_get_more_help"), ("joint", "session_summary"))
    with monkeypatch.context() as patch:
        meanwhile(patch, Press, "joined", lambda: release.take_back(clinic.store, clinic.tokens["ana"], let_go[1]))
        made_ = packs.make(clinic.store, press, clinic.tokens["ana"], items, How(), "reviewed")
    assert made_.failed == (2,)
    assert let_go[0] not in pdf.text(made_.data)
    assert sent(clinic) == [("joint", "when_to_get_more_help")]


def test_a_yes_taken_back_while_one_sheet_is_drawn_is_not_printed(
    clinic: Clinic, ana: FlaskClient, let_go: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    paper = {"locale": "en", "beside": "", "paper": "a4", "size": "normal", "ink": "full", "goes": "stays"}
    with monkeypatch.context() as patch:
        fields = {"sheet": "session_summary", "to": "joint", **paper}
        seen = shown(ana, f"/cases/{clinic.case}/print", **fields)
        meanwhile(patch, print_sheet, "_made", lambda: release.take_back(clinic.store, clinic.tokens["ana"], let_go[1]))
        reply = post(ana, f"/cases/{clinic.case}/print", **fields, do="print", seen=seen)
    assert reply.status_code == 409
    assert let_go[0] not in reply.text
    assert sent(clinic) == []


def meanwhile(patch: pytest.MonkeyPatch, owner: Any, name: str, act: Callable[[], object]) -> None:
    """Something done once by somebody else's request, when the pages are drawn and nothing is noted."""
    drawn, done = getattr(owner, name), list[Thread]()

    def slow(*given: Any) -> Any:
        found = drawn(*given)
        if not done:
            done.append(Thread(target=act))
            done[0].start()
            done[0].join()
        return found

    patch.setattr(owner, name, slow)


# --------------------------------------------------------------------------- marks
def test_a_mark_is_of_one_item_only(clinic: Clinic, ana: FlaskClient, said: Said) -> None:
    """Of another reader, sheet, record or case; by somebody else; for twice the languages."""
    wanted = [("a", "check_in"), ("b", "check_in"), ("joint", "our_cycle"), ("joint", "intake")]
    read = ticked(look(ana, clinic, *(item(clinic, *one) for one in wanted)))
    assert len(read) == len(wanted)
    marks = [one.rpartition("|")[2] for one in read]
    assert len(set(marks)) == len(marks)
    for place, one in enumerate(read):
        base = one.rpartition("|")[0]
        for other in (*marks[:place], *marks[place + 1 :], "", "0" * 64, f"{marks[place]}+{marks[place]}", "é"):
            even = [again for again in read if again != one]
            reply = make(ana, clinic, *even, f"{base}|{other}", uneven=asked(look(ana, clinic, *read)))
            assert reply.status_code == 409, (one, other)
            assert reply.mimetype == "text/html"
    ben = clinic.client("ben")
    for address in (f"/cases/{clinic.case}/pack", "/day/pack"):
        assert post(ben, address, item=read, do="print", **PAPER).status_code == 404
    assert sent(clinic) == []


def test_a_record_of_the_other_is_as_one_that_is_not_there(clinic: Clinic, ana: FlaskClient, said: Said) -> None:
    """The record of B under A's name, under another sheet's name, and one that nobody has: the same page."""
    answers = filled(definitions()["check_in"], "b", lambda _: "ZQBMOREQZ")  # type: ignore[arg-type]
    theirs = finished(clinic.store, clinic.tokens["ana"], clinic.case, "check_in", "b", answers)
    pages = set()
    for record in (theirs, str(uuid4())):
        for to, sheet in (("a", "check_in"), ("joint", "when_to_get_more_help"), ("a", "when_to_get_more_help")):
            if to not in definitions()[sheet].recipients:
                continue
            reply = make(ana, clinic, item(clinic, to, sheet, record), do="look")
            assert "ZQBMOREQZ" not in reply.text
            assert ticked(reply.text) == []
            assert reply.text.count(LINE) == 1
            pages.add((to, sheet, bare(reply)[0], bare(reply)[2].replace(record, "")))
    assert len(pages) == len({(to, sheet) for to, sheet, *_ in pages})


def test_a_gate_that_closes_and_a_mark_from_before(clinic: Clinic, ana: FlaskClient, said: Said) -> None:
    both = [item(clinic, "joint", "our_cycle"), item(clinic, "joint", "when_to_get_more_help")]
    page = look(ana, clinic, *both)
    assert said["joint"] in page
    read = ticked(page)
    held = {"decision": "hold", "level_reason": "ZQHOLDQZ"}
    finished(clinic.store, clinic.tokens["ana"], clinic.case, "map", "couple", held)
    for do in ("print", "zip", "download"):
        reply = make(ana, clinic, *read, do=do)
        assert reply.status_code == 409
        assert said["joint"] not in reply.text
        assert "ZQHOLDQZ" not in reply.text
    assert sent(clinic) == []


# --------------------------------------------------------------------------- languages
def test_an_agreement_whose_fonts_are_gone_is_as_what_is_shut(
    clinic: Clinic, ana: FlaskClient, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signed in a language that this machine cannot draw (any more): the whole pack was an error page."""
    items = [item(clinic, "joint", SIGNED), item(clinic, "joint", "when_to_get_more_help")]
    assert len(ticked(look(ana, clinic, *items))) == 2
    real = fonts.uncovered

    def uncovered(text: str, tag: str) -> Any:
        if "Said." in text:
            raise fonts.FontsMissing(tag)
        return real(text, tag)

    def closed(store: Any, token: str, case: str, job: Any, print_when: str) -> Any:
        if job.sheet == SIGNED:
            raise Refused
        return opened(store, token, case, job, print_when)

    opened = print_sheet.opened
    with monkeypatch.context() as patch:
        patch.setattr(fonts, "uncovered", uncovered)
        broken = make(ana, clinic, *items, do="look")
        one = post(ana, f"/cases/{clinic.case}/print", sheet=SIGNED, to="joint", do="open")
    with monkeypatch.context() as patch:
        patch.setattr(print_sheet, "opened", closed)
        shut = make(ana, clinic, *items, do="look")
    assert bare(broken) == bare(shut)
    assert broken.status_code == 200
    assert one.status_code == 409


def test_an_agreement_has_one_copy_in_its_own_language(clinic: Clinic, ana: FlaskClient, said: Said) -> None:
    tongues(clinic, "en", "es")
    page = look(ana, clinic, item(clinic, "joint", SIGNED))
    [read] = ticked(page)
    base = read.rpartition("|")[0]
    again = make(ana, clinic, read, do="look", each=base)
    assert ticked(again.text) == [read], "the same mark: the same one page"
    assert make(ana, clinic, read, each=base, draft="1").status_code == 200
    assert sent(clinic) == [("joint", SIGNED)]


def test_no_copy_of_a_careful_sheet_prints_in_a_draft(clinic: Clinic, ana: FlaskClient, said: Said) -> None:
    """Sex and safety: a translation that nobody has reviewed prints in no copy, mark or not."""
    tongues(clinic, "en", "th")
    known = packs.packable(clinic.store).values()
    sheets = [one for one in known if one.careful and "joint" in one.recipients and not ready(one, "th").draftable]
    items = [item(clinic, "joint", one.id) for one in sheets]
    assert items
    for each in ([], [f"{one}|||1" for one in items]):
        page = look(ana, clinic, *items, draft="1", each=each)
        assert ticked(page) == []
        forced = make(ana, clinic, *(f"{one}|||1|{'0' * 64}" for one in items), draft="1", each=each)
        assert forced.status_code == 409
    text = "case,sheet,to,locale\n" + "".join(f"{code_of(clinic)},{one.id},joint,th\n" for one in sheets)
    assert listed(ana, text, draft="1").status_code == 422
    assert sent(clinic) == []


def ready(sheet: Definition, tag: str) -> Readiness:
    return readiness(sheet, tag, "approved")


# --------------------------------------------------------------------------- too big to draw
def test_a_record_too_long_for_paper_takes_no_other_sheet_along(clinic: Clinic, ana: FlaskClient, said: Said) -> None:
    """One long answer of one couple: the pack of the whole day was an error page, and told open from shut."""
    finished(clinic.store, clinic.tokens["ana"], clinic.case, "check_in", "a", {"better": "long " * 420_000})
    items = [item(clinic, to, "check_in") for to in ("a", "b")]
    page = make(ana, clinic, *items, do="look")
    assert page.status_code == 200
    assert chosen(page.text) == items[1:]
    assert page.text.count(LINE) == 1
    forced = make(ana, clinic, f"{items[0]}|||1|{'0' * 64}", ticked(page.text)[0])
    assert forced.status_code == 409
    assert sent(clinic) == []
    paper = {"locale": "en", "beside": "", "paper": "a4", "size": "normal", "ink": "full", "goes": "stays"}
    one = post(ana, f"/cases/{clinic.case}/print", sheet="check_in", to="a", do="look", **paper)
    assert one.status_code == 422


def test_a_pack_too_big_to_draw_is_as_it_was_read(
    clinic: Clinic, ana: FlaskClient, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is shut by then has its constant line and no tick, as on every other page."""
    both = [item(clinic, "joint", "our_cycle"), item(clinic, "joint", "when_to_get_more_help")]
    read = ticked(look(ana, clinic, *both))
    opened = print_sheet.opened

    def late(*_: Any) -> Any:
        def closed(store: Any, token: str, case: str, job: Any, print_when: str) -> Any:
            if job.sheet == "our_cycle":
                raise Refused
            return opened(store, token, case, job, print_when)

        monkeypatch.setattr(print_sheet, "opened", closed)
        raise PressError("size", "pack")

    monkeypatch.setattr(Press, "joined", late)
    reply = make(ana, clinic, *read)
    assert reply.status_code == 413
    assert [one.split("|")[4] for one in ticked(reply.text)] == ["when_to_get_more_help"]
    assert reply.text.count(LINE) == 1


# --------------------------------------------------------------------------- twins
WANTED = (("a", "check_in"), ("a", "whats_underneath"), ("a", "the_wave"), ("joint", "our_cycle"), ("joint", "intake"))


def _looked(house: test_twins.House, name: str, *wanted: tuple[str, str], do: str = "look") -> tuple[int, str]:
    case = house.cases[name]
    items = ["|".join((case, "", "", to, sheet, "")) for to, sheet in wanted]
    reply = post(house.client, f"/cases/{case}/pack", item=items, do=do, **PAPER)
    text = test_twins.same_for_all(house, reply.text, name)
    return reply.status_code, re.sub(r"\|[0-9a-f]{64}", "|MARK", text)


def test_no_pack_tells_open_twins_apart(house: test_twins.House) -> None:
    assert _looked(house, "open", *WANTED) == _looked(house, "other", *WANTED)
    found = _looked(house, "other", *WANTED)[1]
    assert "A alone said" in found
    assert SECRET not in found


def test_every_cause_closes_a_pack_alike(house: test_twins.House) -> None:
    """Item by item: as the open twin, or the one constant line; and all that is shut is the same, byte for byte."""
    shut: dict[tuple[str, str], tuple[int, str]] = {}
    causes = 0
    for one in CLOSED:
        for wanted in (("joint", "our_cycle"), ("a", "five_steps")):
            page = _looked(house, one.name, wanted)
            assert SECRET not in page[1]
            if page == _looked(house, "open", wanted):
                continue
            assert page == shut.setdefault(wanted, page), (one.name, wanted)
            assert page[0] == 200
            assert page[1].count(LINE) == 1
            assert "both said" not in page[1].split("<main")[1]
            causes += 1
    assert causes > len(CLOSED) / 2
