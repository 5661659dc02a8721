"""Packs: what is offered, what prints for whom, what nobody learns from them, and the list."""

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pypdf
import pytest

from clinic import config
from clinic.domain.answer import Checked
from clinic.domain.audience import RECIPIENTS
from clinic.domain.errors import Locked, NotFound, Refused
from clinic.persistence import keyview
from clinic.persistence.keyview import NotYours, apart, request
from clinic.persistence.store import Store, create
from clinic.press.limits import Limits
from clinic.press.press import Press
from clinic.services import (
    accounts,
    appointments,
    audit_log,
    cases,
    choices,
    pack_list,
    packs,
    print_sheet,
    prints,
    records,
)
from clinic.services.audit_log import Filters
from clinic.services.cases import PartnerCard
from clinic.services.definitions import definitions
from clinic.services.pack_list import BadList
from clinic.services.packs import How, Item, NothingPrinted, PackEmpty, PackFull
from clinic.services.print_sheet import Unseen
from tests import pdf
from tests.filling import filled

PASSWORD = "only for this test 1"
PLAIN = How()
# A letter that is in no sheet and in no other canary: a font that drew it has it.
WORDS = {"a": "ZQAONLYQZ\u0416", "b": "ZQBONLYQZ\u0429", "joint": "ZQJOINTQZ"}


@dataclass
class House:
    """Two cases of Anna's and one of Berta's; the gate keeps `the_wave` shut."""

    store: Store
    press: Press
    token: str
    other: str
    cases: dict[str, str]
    shut: set[str]

    def item(self, recipient: Any, sheet: str, place: int = 1, which: str = "one", **more: Any) -> Item:
        return Item(place, self.cases[which], which, recipient, sheet, **more)

    def make(self, *items: Item, how: How = PLAIN, whole: bool = False) -> packs.Pack:
        return packs.make(self.store, self.press, self.token, items, how, "reviewed", whole)

    def look(self, *items: Item, how: How = PLAIN) -> list[packs.Looked]:
        return packs.look(self.store, self.token, items, how, "reviewed")

    def finish(self, definition: str, about: Any, answers: dict[str, Any], which: str = "one") -> str:
        record = records.start(self.store, self.token, self.cases[which], definition, about)
        records.finish(self.store, self.token, record, 1, Checked(answers, {}, {}))
        return record

    def sent(self, which: str = "one") -> list[prints.Sent]:
        return prints.sent(self.store, self.token, self.cases[which])

    def due(self, which: str = "one") -> list[tuple[str, str]]:
        return [(one.recipient, one.sheet) for one in packs.due(self.store, self.token, self.cases[which])]


@pytest.fixture(scope="module")
def press() -> Iterator[Press]:
    machine = Press()
    machine.start()
    yield machine
    machine.stop()


@pytest.fixture
def house(tmp_path: Path, press: Press) -> Iterator[House]:
    shut = {"the_wave"}
    settings = config.load(tmp_path / "clinic", {})
    create(settings, definitions().values(), factors=False)
    store = Store.open(settings, gate=lambda _ruling, _day, sheet, _to: sheet not in shut)
    tokens = []
    for name in ("anna", "berta"):
        accounts.create_account(store, name, PASSWORD)
        tokens.append(accounts.sign_in(store, name, PASSWORD))
    both = {"a": PartnerCard(), "b": PartnerCard(paper="letter")}
    made = {name: cases.open_case(store, tokens[name == "foreign"], both) for name in ("one", "two", "foreign")}
    yield House(store, press, *tokens, made, shut)
    store.close()


def sides(content: bytes) -> list[str]:
    return [" ".join((page.extract_text() or "").split()) for page in pypdf.PdfReader(io.BytesIO(content)).pages]


# --------------------------------------------------------------------------- one file
def test_readers_follow_one_another_each_on_new_paper(house: House) -> None:
    items = [
        house.item("joint", "our_cycle", 1),
        house.item("b", "two_beliefs", 2),
        house.item("a", "two_beliefs", 3),
        house.item("a", "own_worth", 4),
        house.item("a", "two_beliefs", 5, "two"),
    ]
    made = house.make(*items)
    assert (made.failed, made.sheets, made.mime) == ((), 5, "application/pdf")
    assert re.fullmatch(r"[0-9a-f]{8}\.pdf", made.name)
    codes = {(one.recipient, one.sheet): one.code for one in house.sent()}
    codes["other"] = house.sent("two")[0].code  # type: ignore[index]
    text = sides(made.data)
    order = [("a", "two_beliefs"), ("a", "own_worth"), ("b", "two_beliefs"), ("joint", "our_cycle"), "other"]
    starts = [next(place for place, one in enumerate(text) if codes[which] in one) for which in order]  # type: ignore[index]
    assert starts == sorted(starts)
    assert all(start % 2 == 0 for start in (starts[0], starts[2], starts[3], starts[4])), "not on a new sheet of paper"
    assert not pdf.ua1(made.data)
    assert pdf.metadata(made.data)["Title"] == "Worksheet"
    reader = pypdf.PdfReader(io.BytesIO(made.data))
    assert reader.outline == []
    assert pdf.names(made.data) == set()
    assert set(reader.metadata or {}) == {"/Producer", "/Title"}
    assert len(set(codes.values())) == len(order)
    widths = {round(float(reader.pages[starts[place]].mediabox.width)) for place in (2,)}
    assert widths == {612}, "not on that reader's usual paper"


def test_every_reader_is_in_some_pile() -> None:
    assert set(packs.ORDER) == set(RECIPIENTS)


def test_meetings_follow_one_another(house: House) -> None:
    ten, nine = (datetime(2026, 3, 2, hour, tzinfo=UTC) for hour in (10, 9))
    items = [
        house.item("a", "two_beliefs", 1, "two", at=nine),
        house.item("b", "two_beliefs", 2, "one", at=ten),
        house.item("a", "two_beliefs", 3, "one", at=ten),
        house.item("b", "two_beliefs", 4, "two", at=nine),
    ]
    sheets = [type("Sheet", (), {"item": one})() for one in items]
    assert [[one.item.place for one in pile] for pile in packs.piles(sheets)] == [[1], [4], [3], [2]]
    assert house.make(*items).sheets == 4


def test_the_list_on_top_has_codes_and_numbers_and_nothing_else(house: House) -> None:
    items = [house.item("a", "two_beliefs"), house.item("b", "the_wave", 2), house.item("b", "own_worth", 3)]
    without = house.make(*items)
    codes_before = {one.code for one in house.sent()}
    made = house.make(*items, how=How(cover=True))
    codes = {(one.recipient, one.sheet): one.code for one in house.sent() if one.code not in codes_before}
    text = sides(made.data)
    numbers = re.fullmatch(rf"Worksheet {codes['a', 'two_beliefs']} · (\d+) {codes['b', 'own_worth']} · (\d+)", text[0])
    assert numbers, text[0]
    assert text[1] == ""
    assert not pdf.ua1(made.data)
    assert len(text) == len(sides(without.data)) + 2
    assert sum(map(int, numbers.groups())) >= 2


def test_what_cannot_print_is_named_by_its_place_and_the_others_go_on(house: House) -> None:
    house.finish("own_worth", "a", {name: "\U0001f600" for name in first_prompt("own_worth")})
    items = [
        house.item("a", "two_beliefs", 1),
        house.item("a", "the_wave", 2),  # the gate
        house.item("a", "own_worth", 3),  # no font has what stands on it
        house.item("a", "safety_screening", 4),  # never on paper
        house.item("b", "two_beliefs", 5, locale="es"),  # nobody has reviewed it
        house.item("joint", "intake", 6, record="00000000-0000-4000-8000-000000000000"),  # not there
        house.item("b", "two_beliefs", 7),
    ]
    made = house.make(*items)
    assert (made.failed, made.sheets) == ((2, 3, 4, 5, 6), 2)
    assert sorted((one.recipient, one.sheet) for one in house.sent()) == [("a", "two_beliefs"), ("b", "two_beliefs")]
    whole = house.make(*items, whole=True)
    assert (whole.failed, whole.data) == (made.failed, b"")
    assert len(house.sent()) == 2, "something was noted that nobody got"


def first_prompt(id_: str) -> list[str]:
    return [placed.name for placed in definitions()[id_].placed("a") if placed.block.kind == "prompt"][:1]


def test_a_shut_sheet_is_as_one_that_fails_to_draw(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twins: the same places, the same sheets, the same number of sides, and nothing of it on paper."""
    items = [house.item("a", "two_beliefs", 1), house.item("a", "the_wave", 2), house.item("b", "two_beliefs", 3)]
    shut = house.make(*items, how=How(cover=True))
    house.shut.clear()
    laid_out = print_sheet.laid_out

    def broken(found: Any, code: str) -> Any:
        page = laid_out(found, code)
        bad = page.html.replace("<body", '<body id="secret"')
        return replace(page, html=bad) if found.definition.id == "the_wave" else page

    monkeypatch.setattr(print_sheet, "laid_out", broken)
    drawn = house.make(*items, how=How(cover=True))
    assert shut.failed == drawn.failed == (2,)
    assert shut.sheets == drawn.sheets == 2
    code = re.compile(r"[A-Z2-9]{9}")
    assert [code.sub("", one) for one in sides(shut.data)] == [code.sub("", one) for one in sides(drawn.data)]
    assert not [one for one in house.sent() if one.sheet == "the_wave"]


def test_when_nothing_prints_there_is_no_file(house: House) -> None:
    with pytest.raises(NothingPrinted) as refused:
        house.make(house.item("a", "the_wave", 4))
    assert (refused.value.places, str(refused.value)) == ((4,), str(Refused()))
    with pytest.raises(PackEmpty):
        house.make()
    for how in (PLAIN, How(zip=True)):
        assert house.make(house.item("a", "the_wave", 4), how=how, whole=True).failed == (4,)


@pytest.fixture
def closing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate shuts `own_worth` after everything was drawn, before anything is noted."""
    join = Press.joined

    def joined(self: Press, piles: Any) -> bytes:
        data = join(self, piles)
        house.shut.add("own_worth")
        return data

    monkeypatch.setattr(Press, "joined", joined)


@pytest.mark.usefixtures("closing")
@pytest.mark.parametrize("how", [How(cover=True), How(zip=True)])
def test_a_gate_that_closes_meanwhile_takes_its_sheet_out_again(house: House, how: How) -> None:
    items = [house.item("a", "two_beliefs", 1), house.item("a", "own_worth", 2), house.item("b", "own_worth", 3)]
    made = house.make(*items, how=how)
    assert (made.failed, made.sheets) == ((2, 3), 1)
    [sent] = house.sent()
    archive = zipfile.ZipFile(io.BytesIO(made.data)) if how.zip else None
    files = [archive.read(name) for name in archive.namelist()] if archive else [made.data]
    assert set(re.findall(r"[A-Z2-9]{9}", " ".join(" ".join(sides(one)) for one in files))) == {sent.code}


@pytest.mark.usefixtures("closing")
@pytest.mark.parametrize("how", [PLAIN, How(zip=True)])
def test_what_nobody_gets_is_noted_nowhere(house: House, how: How) -> None:
    """A whole pack that is refused in the last moment: no file and no row, of the sheets that stayed open neither."""
    items = [house.item("a", "two_beliefs", 1), house.item("b", "two_beliefs", 2), house.item("b", "own_worth", 3)]
    made = house.make(*items, how=how, whole=True)
    assert (made.data, made.failed, made.sheets) == (b"", (3,), 0)
    assert house.sent() == []
    lines = audit_log.page(house.store, house.token, Filters()).lines
    said = [(one.verb, one.tried) for one in lines if "print.made" in (one.verb, one.tried)]
    assert said == [("denied", "print.made")], "the audit names something that was not done"


# --------------------------------------------------------------------------- what leaves the room
def test_a_look_says_of_each_item_what_its_reader_gets(house: House) -> None:
    with_words(house)
    house.finish("our_cycle", "couple", filled(definitions()["our_cycle"], "couple", lambda _: WORDS["joint"]))
    items = [
        house.item("a", "two_beliefs", 1),
        house.item("b", "two_beliefs", 2, copies=2),
        house.item("joint", "our_cycle", 3),
        house.item("a", "the_wave", 4),
        house.item("b", "own_worth", 5),
    ]
    looked = house.look(*items)
    said = [str(values(found)) for found in looked]
    for place, mine in enumerate(("a", "b", "joint")):
        assert [who for who, word in WORDS.items() if word in said[place]] == [mine]
    assert [bool(one.copies) for one in looked] == [True, True, True, False, True]
    assert [one.copies[0].answers for one in looked if one.copies][3] == 0
    assert house.sent() == [], "a look notes nothing"
    for found in looked:
        assert not any(word in repr(found) for word in WORDS.values()), "answers in a repr end in a log"
    seen = [replace(one.item, seen=one.seen) for one in looked if one.copies]
    assert house.make(*seen, whole=True).sheets == 5


def values(found: packs.Looked) -> list[Any]:
    return [value for one in found.copies for group in one.groups for said in group.said for _, value in said.given]


def test_what_changed_since_the_look_is_not_printed(house: House) -> None:
    with_words(house)
    [one, other] = house.look(house.item("a", "two_beliefs", 1), house.item("b", "two_beliefs", 2))
    seen = [replace(found.item, seen=found.seen) for found in (one, other)]
    house.finish("two_beliefs", "b", {name: "something new" for name in first_prompt("two_beliefs")})
    swapped = [replace(seen[0], seen=other.seen), replace(seen[0], seen=""), replace(seen[0], sheet="own_worth")]
    for wrong in ([seen[1]], seen, *([one] for one in swapped)):
        with pytest.raises(Unseen):
            house.make(*wrong, whole=True)
    with pytest.raises(Unseen):
        house.make(seen[0], how=How(draft=True, letterhead=True, ink="saver"))
    assert house.sent() == []
    assert house.make(seen[0]).sheets == 1


def test_a_look_opens_each_readers_view_alone(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    view_of = keyview.view_of

    def noted(given: Any) -> Any:
        opened.append(given.purpose)
        return view_of(given)

    monkeypatch.setattr(keyview, "view_of", noted)
    with request():
        house.look(house.item("a", "two_beliefs", 1), house.item("joint", "our_cycle", 2), house.item("b", "own_worth"))
    assert set(opened) == {"sheet:a", "sheet:b", "sheet:joint"}


def test_a_shut_item_and_one_without_a_font_look_alike(house: House) -> None:
    house.finish("own_worth", "a", {name: "\U0001f600" for name in first_prompt("own_worth")})
    shut, odd = house.look(house.item("a", "the_wave", 1), house.item("a", "own_worth", 2))
    assert (shut.copies, shut.jobs, shut.waiting, shut.two) == (odd.copies, odd.jobs, odd.waiting, odd.two)


def test_a_language_that_nobody_reviewed_is_said_whatever_the_gate_says(house: House) -> None:
    opened, shut = house.look(
        house.item("a", "two_beliefs", 1, locale="es"), house.item("a", "the_wave", 2, locale="es")
    )
    assert [one.locale for one in opened.waiting] == [one.locale for one in shut.waiting] == ["es"]


def test_a_joint_sheet_in_two_languages_can_be_one_copy_in_each(house: House) -> None:
    both = {"a": PartnerCard(language="en"), "b": PartnerCard(language="es")}
    house.cases["pair"] = cases.open_case(house.store, house.token, both)
    draft = How(draft=True)
    item = house.item("joint", "our_cycle", 1, "pair")
    [one] = packs.look(house.store, house.token, [item], draft, "reviewed")
    assert one.two
    assert [[state.locale for state in copy.languages] for copy in one.copies] == [["en", "es"]]
    [two] = packs.look(house.store, house.token, [replace(item, each=True)], draft, "reviewed")
    assert [[state.locale for state in copy.languages] for copy in two.copies] == [["en"], ["es"]]
    with pytest.raises(Unseen):
        house.make(replace(item, seen=two.seen), how=draft)
    made = house.make(replace(item, each=True, seen=two.seen), how=draft, whole=True)
    text = sides(made.data)
    sent = house.sent("pair")
    assert made.sheets == len(sent) == 2
    assert len({next(place for place, one in enumerate(text) if row.code in one) for row in sent}) == 2
    assert not house.look(house.item("joint", "our_cycle"))[0].two


def test_a_foreign_case_is_not_there(house: House) -> None:
    with pytest.raises(NotFound):
        house.make(house.item("a", "two_beliefs", 1), house.item("a", "two_beliefs", 2, "foreign"))
    assert house.sent() == []


def test_a_lock_in_between_is_a_lock_and_no_refusal(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: Any) -> Any:
        raise Locked

    monkeypatch.setattr(cases, "usual_paper", locked)
    with pytest.raises(Locked):
        house.make(house.item("a", "two_beliefs"))


def test_a_pack_is_bounded(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PackFull):
        house.make(*[house.item("a", "two_beliefs")] * (packs.MOST + 1))
    small = Press(limits=Limits(pack=1))
    monkeypatch.setattr(house, "press", small)
    try:
        with pytest.raises(PackFull) as refused:
            house.make(house.item("a", "two_beliefs"), house.item("b", "two_beliefs"))
    finally:
        small.stop()
    assert "two packs" in str(refused.value)
    assert house.sent() == []


# --------------------------------------------------------------------------- who learns what
def test_a_request_prints_by_readers_views_alone(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    view_of = keyview.view_of

    def noted(given: Any) -> Any:
        opened.append(given.purpose)
        return view_of(given)

    monkeypatch.setattr(keyview, "view_of", noted)
    with request():
        house.make(
            house.item("a", "two_beliefs", 1), house.item("b", "two_beliefs", 2), house.item("joint", "our_cycle", 3)
        )
    assert set(opened) == {"sheet:a", "sheet:b", "sheet:joint"}


def test_what_goes_apart_has_opened_nothing_before(house: House) -> None:
    from uuid import UUID

    case = UUID(house.cases["one"])
    with request():
        with apart():
            view = house.store.keyholder.open(house.token, case, "sheet:a", "two_beliefs")
            with pytest.raises(NotYours):
                house.store.keyholder.open(house.token, case, "sheet:b", "two_beliefs")
            with pytest.raises(NotYours), apart():
                pass
        assert view.key_ids == frozenset()
        house.store.keyholder.open(house.token, case, "staff")
        with pytest.raises(NotYours), apart():
            pass


def with_words(house: House) -> None:
    for about, word in (("a", WORDS["a"]), ("b", WORDS["b"])):
        house.finish("two_beliefs", about, {name: f"said {word} so" for name in first_prompt("two_beliefs")})
    house.finish("boundaries_and_goals", "couple", joint_answers(WORDS["joint"]))


def joint_answers(word: str) -> dict[str, Any]:
    placed = definitions()["boundaries_and_goals"].placed("couple")
    return {
        one.name: word for one in placed if one.block.kind == "prompt" and one.scope == "joint" and not one.block.asks
    }


def squeezed(content: bytes) -> str:
    return re.sub(r"\s", "", pdf.all_bytes(content).decode("latin-1") + pdf.text(content))


def test_in_the_zip_each_file_is_its_readers_alone(house: House) -> None:
    """Not a word of the other, and not a letter in a font or its map."""
    with_words(house)
    items = [
        house.item("a", "two_beliefs", 1),
        house.item("b", "two_beliefs", 2),
        house.item("joint", "boundaries_and_goals", 3),
        house.item("a", "own_worth", 4),
    ]
    made = house.make(*items, how=How(zip=True))
    assert (made.mime, made.failed, made.sheets) == ("application/zip", (), 4)
    archive = zipfile.ZipFile(io.BytesIO(made.data))
    assert [one.filename for one in archive.infolist()] == sorted(archive.namelist())
    for entry in archive.infolist():
        assert re.fullmatch(r"[0-9a-f]{8}\.pdf", entry.filename)
        assert entry.date_time == (1980, 1, 1, 0, 0, 0)
        assert entry.external_attr >> 16 == 0o600
        assert (entry.comment, entry.extra) == (b"", b"")
    files = [archive.read(name) for name in archive.namelist()]
    texts = {who: [one for one in files if WORDS[who] in squeezed(one)] for who in ("a", "b")}
    assert len(files) == 3
    assert [len(found) for found in texts.values()] == [1, 1], "the test would see nothing"
    for who, other in (("a", "b"), ("b", "a")):
        mine = texts[who][0]
        assert WORDS[other] not in squeezed(mine)
        assert letter(WORDS[who]) in maps(mine)
        assert letter(WORDS[other]) not in maps(mine)
    for one in files:
        assert not pdf.ua1(one)
        for code in {sent.code for sent in house.sent()}:
            assert code not in made.name
    both = [one for one in files if one not in (texts["a"][0], texts["b"][0])]
    assert not any(WORDS[who] in squeezed(both[0]) or letter(WORDS[who]) in maps(both[0]) for who in ("a", "b"))


def letter(word: str) -> str:
    """The odd letter of a canary as a font's map names it."""
    return f"{ord(word[-1]):04x}"


def maps(content: bytes) -> str:
    """What every font of a file says it has."""
    streams = [one for one in re.split(rb"begincmap", pdf.all_bytes(content))[1:]]
    return b" ".join(one.split(b"endcmap")[0] for one in streams).decode("latin-1").lower()


def test_a_pack_has_each_readers_words_on_that_readers_paper_only(house: House) -> None:
    with_words(house)
    made = house.make(house.item("a", "two_beliefs", 1), house.item("b", "two_beliefs", 2))
    text = [one.replace(" ", "") for one in sides(made.data)]
    mine = {who: [place for place, one in enumerate(text) if WORDS[who][:-1] in one] for who in ("a", "b")}
    assert mine["a"]
    assert mine["b"]
    assert {place // 2 for place in mine["a"]}.isdisjoint({place // 2 for place in mine["b"]}), "on one sheet of paper"
    assert max(mine["a"]) < min(mine["b"])


def test_the_pack_is_on_no_disk(house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is written while it is made, but the database."""
    import builtins
    import tempfile

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a temporary file")

    for name in ("TemporaryFile", "NamedTemporaryFile", "SpooledTemporaryFile", "mkstemp", "mkdtemp"):
        monkeypatch.setattr(tempfile, name, refuse)
    opened, real = [], builtins.open

    def watched(file: Any, mode: str = "r", *more: Any, **named: Any) -> Any:
        if set(mode) & set("wax+"):
            opened.append(file)
        return real(file, mode, *more, **named)

    monkeypatch.setattr(builtins, "open", watched)
    with_words(house)
    for how in (PLAIN, How(zip=True)):
        assert house.make(house.item("a", "two_beliefs"), house.item("b", "two_beliefs"), how=how).data
    assert opened == []
    folder = house.store.settings.instance
    assert not [one for one in folder.rglob("*") if one.is_file() and b"%PDF" in one.read_bytes()]


# --------------------------------------------------------------------------- what is offered
def test_chosen_sheets_are_due_until_they_are_printed(house: House) -> None:
    case = house.cases["one"]
    for to, sheet, verdict, reason in (
        ("b", "two_beliefs", "confirmed", ""),
        ("joint", "our_cycle", "confirmed", ""),
        ("a", "own_worth", "declined", "Not now."),
        ("a", "the_wave", "confirmed", ""),
    ):
        choices.choose(house.store, house.token, case, to, sheet, verdict, reason, title=sheet)  # type: ignore[arg-type]
    # One that is shut stays in the list: the list never differs by the gate.
    assert house.due() == [("a", "the_wave"), ("b", "two_beliefs"), ("joint", "our_cycle")]
    offers = packs.due(house.store, house.token, case)
    made = house.make(*packs.of_offers(case, "one", offers))
    assert made.failed == (1,)
    assert house.due() == [("a", "the_wave")]
    assert house.due("two") == []


def test_a_finished_plan_is_due_until_it_is_printed(house: House) -> None:
    older, newer = (house.finish("homework_plan", "couple", {}) for _ in range(2))
    [one] = packs.due(house.store, house.token, house.cases["one"])
    assert (one.recipient, one.sheet, one.record) == ("joint", "homework_plan", newer)
    listed = records.listing(house.store, house.token, house.cases["one"])
    there = packs.finished(listed, packs.packable(house.store))
    assert {one.record for one in there} == {older, newer}
    made = house.make(*packs.of_offers(house.cases["one"], "one", [one]))
    assert made.sheets == 1
    assert house.due() == []


def test_the_screening_and_an_addendum_are_in_no_pack(house: House) -> None:
    kinds = {one.kind for one in packs.packable(house.store).values()}
    assert kinds.isdisjoint({"screening", "addendum"})
    assert "worksheet" in kinds


def test_a_day_has_what_is_due_for_those_who_come(house: House) -> None:
    day = date(2026, 3, 9)
    for at, which, who in ((9, "two", "both"), (10, "one", "a"), (15, "one", "both")):
        appointments.add(house.store, house.token, house.cases[which], day, time(at), 50, who)
    for to, sheet in (("a", "two_beliefs"), ("b", "two_beliefs"), ("joint", "our_cycle")):
        choices.choose(house.store, house.token, house.cases["one"], to, sheet, "confirmed", title=sheet)  # type: ignore[arg-type]
    found = packs.sessions_of(house.store, house.token, day)
    said = [(one.at.hour, one.who, [two.recipient for two in one.due]) for one in found]
    assert said == [(9, "both", []), (10, "a", ["a"]), (15, "both", ["b", "joint"])]
    assert [[two.recipient for two in one.rest] for one in found] == [[], ["b", "joint"], ["a"]]
    items = packs.of_sessions(found)
    assert [(one.place, one.recipient, one.alone) for one in items] == [
        (1, "a", True),
        (2, "b", False),
        (3, "joint", False),
    ]
    assert packs.sessions_of(house.store, house.token, day + timedelta(days=1)) == []
    assert packs.sessions_of(house.store, house.other, day) == []


def test_uneven_piles_are_told_and_a_meeting_alone_is_not(house: House) -> None:
    items = [house.item("a", "two_beliefs"), house.item("a", "own_worth", 2), house.item("b", "own_worth", 3)]
    assert packs.uneven(items) == {"one": {"a": 2, "b": 1}}
    assert packs.uneven([*items, house.item("b", "two_beliefs", 4)]) == {}
    assert packs.uneven([house.item("joint", "our_cycle")]) == {}
    assert packs.uneven([replace(items[0], alone=True)]) == {}


# --------------------------------------------------------------------------- the list
HEAD = "case,sheet,to,locale,with,copies\n"


def read(text: str, draft: bool = False, most: int = 20) -> list[pack_list.Row]:
    known = {id_: one for id_, one in definitions().items() if one.recipients and one.kind not in packs.NEVER}
    return pack_list.read(text, {"K-1": "id-1"}, known, "reviewed", draft, most)


def test_a_list_names_sheets_and_copies() -> None:
    rows = read(HEAD + "K-1,two_beliefs,a,,,2\n\n,,,,,\nK-1,our_cycle,joint,en,,\n")
    assert [(one.line, one.case, one.to, one.sheet, one.locale) for one in rows] == [
        (2, "id-1", "a", "two_beliefs", ""),
        (2, "id-1", "a", "two_beliefs", ""),
        (5, "id-1", "joint", "our_cycle", "en"),
    ]
    assert len(read("to;case;sheet\njoint;K-1;our_cycle\n")) == 1
    assert len(read("case,sheet,to\nK-1,our_cycle,joint\n")) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1, case"),
        ("case,sheet\nK-1,our_cycle\n", "line 1, to"),
        ("case,sheet,to,name\n", "line 1, column 4"),
        ("case,sheet,to,to\n", "line 1: a column is there twice"),
        (HEAD, "no line"),
        (HEAD + "K-2,our_cycle,joint,,,\n", "line 2, case: there is no such case."),
        (HEAD + "K-1,our_circle,joint,,,\n", "line 2, sheet: there is no such sheet"),
        (HEAD + "K-1,safety_screening,a,,,\n", "line 2, sheet: there is no such sheet"),
        (HEAD + "K-1,our_cycle,c,,,\n", "line 2, to: it is joint, a, b."),
        (HEAD + "K-1,our_cycle,a,,,\n", "line 2, to: this sheet prints for joint."),
        (HEAD + "K-1,our_cycle,joint,tlh,,\n", "line 2, locale: this program does not know"),
        (HEAD + "K-1,two_beliefs,a,es,,\n", "line 2, locale: not ready"),
        (HEAD + "K-1,our_cycle,joint,en,tlh,\n", "line 2, with: this program does not know"),
        (HEAD + "K-1,our_cycle,joint,,en,\n", "line 2, with: name the first language too."),
        (HEAD + "K-1,our_cycle,joint,,,ten\n", "line 2, copies: a number from 1 to 9."),
        (HEAD + "K-1,our_cycle,joint,,,,more\n", "line 2: more cells than columns."),
        (HEAD + "K-1,our_cycle,joint,,,9\n" * 3, "The list has 27 sheets with all copies; a pack holds 20."),
        (
            HEAD + "K-1,our_cycle,joint,,,\nK-9,our_cycle,joint,,,\nK-1,x,joint,,,\n",
            "line 3, case: there is no such case. line 4, sheet",
        ),
    ],
)  # fmt: skip
def test_a_fault_in_a_list_has_its_line_and_column(text: str, said: str) -> None:
    with pytest.raises(BadList) as refused:
        read(text)
    assert said in str(refused.value)


def test_a_draft_is_ready_if_one_asks_for_it() -> None:
    assert len(read(HEAD + "K-1,two_beliefs,a,es,,\n", draft=True)) == 1


def test_a_file_that_is_no_list(tmp_path: Path) -> None:
    for data in (b"\xff\xfe\x00", b"x" * 300_000):
        (tmp_path / "l.csv").write_bytes(data)
        with pytest.raises(BadList):
            pack_list.text_of(tmp_path / "l.csv")
    (tmp_path / "l.csv").write_bytes(b"\xef\xbb\xbfcase")
    assert pack_list.text_of(tmp_path / "l.csv") == "case"
