"""From the code on paper back to the record: the text that was printed, whose it is, and one answer to all else."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, select, update

from clinic import config
from clinic.domain.answer import Checked
from clinic.domain.code import new_code
from clinic.domain.definition import stored
from clinic.domain.errors import Denied, Invalid, NotFound, TooMany
from clinic.persistence import texts
from clinic.persistence.keyholder import Keyholder
from clinic.persistence.models import Print, Throttle
from clinic.persistence.store import Store
from clinic.services import audit_log, entry, print_sheet, prints, records
from clinic.services.definitions import definitions
from clinic.services.prints import PrintJob
from clinic.services.unit_of_work import ident, unit_of_work
from tests.filling import filled
from tests.web.conftest import Made, made

__all__ = ["made"]


@dataclass(frozen=True)
class House:
    store: Store
    token: str
    ben: str
    case: str
    bens: str

    def print(self, sheet: str, to: Any, **job: Any) -> str:
        """What printing notes, without drawing; the code."""
        opened = print_sheet.opened(self.store, self.token, self.case, PrintJob(sheet, to, **job), "reviewed")
        code, known = new_code(), None if opened.record else opened.answers
        found = (opened.definition.sha, opened.record, opened.plan, known)
        prints.note(self.store, self.token, self.case, code, opened.job, *found)
        return code

    def find(self, code: str, to: str, token: str = "", **more: Any) -> entry.Found:
        return entry.find(self.store, token or self.token, code, to, **more)

    def read(self, record: str) -> records.RecordView:
        return records.read(self.store, self.token, record)

    def finish(self, definition: str, about: Any, answers: dict[str, Any]) -> str:
        id_ = records.start(self.store, self.token, self.case, definition, about)
        records.finish(self.store, self.token, id_, 1, Checked(answers, {}, {}))
        return id_

    def content(self, code: str) -> dict[str, Any]:
        with unit_of_work(self.store, self.token) as session:
            view = self.store.keyholder.open(self.token, ident(self.case), "staff")
            tag = self.store.keyholder.code_tag(code)
            return view.open_print(session.scalars(select(Print).where(Print.code_tag == tag)).one())

    def forget_tries(self) -> None:
        with unit_of_work(self.store, write=True) as session:
            session.execute(update(Throttle).values(fails=0, until=self.store.clock() - timedelta(hours=2)))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, made: Made) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("entry")
    shutil.copytree(made.folder, folder / "i")
    shutil.copy2(made.folder.with_name("i.key"), folder / "i.key")
    store = Store.open(config.load(folder / "i", {}), gate=lambda *_: True)
    yield House(store, made.tokens["ana"], made.tokens["ben"], made.ids[0], made.ids[3])
    store.close()


@pytest.fixture
def house(whole: House) -> House:
    whole.forget_tries()
    return whole


# --------------------------------------------------------------------------- the way back
@pytest.mark.parametrize("to", ["a", "b"])
def test_a_code_begins_a_draft_of_the_sheet_for_its_reader(house: House, to: Any) -> None:
    code = house.print("whats_underneath", to)
    found = house.find(f" {code[:3].lower()}-{code[3:]} ", to)
    record = house.read(found.record)
    assert (record.definition.id, record.about, record.signed, found.printed) == ("whats_underneath", to, False, False)
    assert record.held_on == house.store.today()
    assert record.answers == {}


def test_it_goes_on_with_the_record_that_was_begun_and_opens_it_when_it_is_finished(house: House) -> None:
    code = house.print("the_wave", "a")
    first = house.find(code, "a")
    assert house.find(code, "a") == first
    answers = filled(definitions()["the_wave"], "a", lambda _: "keyed in")
    records.finish(house.store, house.token, first.record, 1, Checked(answers, {}, {}))
    assert house.find(code, "a") == first
    assert house.read(first.record).signed
    assert house.find(house.print("the_wave", "a"), "a") == entry.Found(first.record, printed=True)


def test_a_draft_that_was_thrown_away_is_begun_again(house: House) -> None:
    code = house.print("whats_underneath", "b")
    first = house.find(code, "b").record
    records.discard(house.store, house.token, first)
    second = house.find(code, "b").record
    assert second != first
    assert house.find(code, "b").record == second


def test_two_sheets_are_two_records(house: House) -> None:
    one, two = (house.print("whats_underneath", "a") for _ in "ab")
    assert house.find(one, "a").record != house.find(two, "a").record


def test_a_sheet_printed_from_a_record_opens_that_record(house: House) -> None:
    record = house.finish("five_steps", "a", filled(definitions()["five_steps"], "a", lambda _: "before"))
    for code in (house.print("five_steps", "a"), house.print("five_steps", "a", record=record)):
        assert house.find(code, "a") == entry.Found(record, printed=True)


def test_the_text_is_the_one_that_was_printed(house: House) -> None:
    """What is on the shelf now does not matter: the questions are those on the paper."""
    now = definitions()["whats_underneath"]
    data = json.loads(now.data)
    data["section"][0]["title"] = "As it was asked then"
    old = stored(json.dumps(data))
    with unit_of_work(house.store, write=True) as session:
        texts.write(session, [old])
    code = new_code()
    prints.note(house.store, house.token, house.case, code, PrintJob(now.id, "a"), old.sha)
    record = house.read(house.find(code, "a").record)
    assert record.definition.sections[0].title.en == "As it was asked then"
    assert record.definition.sha == old.sha != now.sha


def test_a_print_from_before_codes_were_entered_uses_the_newest_text(house: House) -> None:
    code = new_code()
    prints.note(house.store, house.token, house.case, code, PrintJob("whats_underneath", "a"))
    assert "entry" not in house.content(code)
    record = house.find(code, "a").record
    assert house.read(record).definition.sha == definitions()["whats_underneath"].sha
    assert house.content(code)["entry"] == record


def test_what_the_sheet_began_with_is_in_the_draft(house: House) -> None:
    code = new_code()
    known = {"what": "stood on the paper"}
    sha = definitions()["whats_underneath"].sha
    prints.note(house.store, house.token, house.case, code, PrintJob("whats_underneath", "a"), sha, known=known)
    assert house.read(house.find(code, "a").record).answers == known


def test_a_review_is_of_the_plan_that_its_reader_knows(house: House) -> None:
    opened = {"a": plan(house, "a"), "b": plan(house, "b")}
    for to, mine in opened.items():
        code = new_code()
        found = records.plan_for_recipient(house.store, house.token, house.case, to, "homework_review")  # type: ignore[arg-type]
        assert found == mine
        sha = definitions()["homework_review"].sha
        prints.note(house.store, house.token, house.case, code, PrintJob("homework_review", to), sha, plan=found)  # type: ignore[arg-type]
        assert house.read(house.find(code, to).record).of_record == mine
    plan(house, "a")
    assert records.plan_for_recipient(house.store, house.token, house.case, "a", "homework_review") == "", "which one?"


def plan(house: House, about: Any) -> str:
    return house.finish("homework_plan", about, filled(definitions()["homework_plan"], about, lambda _: "a step"))


def test_the_day_is_today_or_the_one_that_was_said_or_stands_on_the_sheet(house: House) -> None:
    before = house.store.today() - timedelta(days=4)
    assert house.read(house.find(house.print("whats_underneath", "a"), "a", day=before).record).held_on == before
    with pytest.raises(Invalid) as refused:
        house.find(house.print("whats_underneath", "a"), "a", day=house.store.today() + timedelta(days=1))
    assert set(refused.value.fields) == {"day"}
    found = house.find(house.print("check_in", "a"), "a", day=before).record
    answers = filled(definitions()["check_in"], "a", lambda _: "x")
    name = next(one for one in ("held", "filled") if one in answers)
    said = (before - timedelta(days=3)).isoformat()
    answers[name] = dict.fromkeys(answers[name], said)
    records.save_draft(house.store, house.token, found, 1, Checked(answers, {}, {}))
    assert house.read(found).held_on.isoformat() == said


# --------------------------------------------------------------------------- one answer to all else
@pytest.mark.parametrize("typed", ["", "ABC", "AAAAAAAAB", "not a code", "ABCDEFGH"])
def test_a_slip_of_the_pen_is_found_without_a_look_up(
    house: House, typed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Keyholder, "code_tag", lambda *_: pytest.fail("it was looked up"))
    with pytest.raises(Invalid) as refused:
        house.find(typed, "a")
    assert refused.value.fields == {"code": "no_code"}


def foreign(house: House) -> str:
    """A code of Ben's case."""
    code = new_code()
    prints.note(house.store, house.ben, house.bens, code, PrintJob("whats_underneath", "a"))
    return code


WRONG: list[Callable[[House], tuple[str, str]]] = [
    lambda house: (new_code(), "a"),
    lambda house: (foreign(house), "a"),
    lambda house: (house.print("whats_underneath", "a"), "b"),
    lambda house: (house.print("whats_underneath", "a"), "joint"),
    lambda house: (house.print("signals_checkin", "b"), "a"),
]
NAMES = ["unknown", "foreign", "other partner", "couple", "other sheet"]


@dataclass
class Work:
    """What a look-up asks of the keyholder and of the database."""

    calls: list[tuple[str, ...]]
    statements: list[str]


def watched(house: House, act: Callable[[], object]) -> Work:
    done = Work([], [])

    def ran(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        done.statements.append(statement)

    with pytest.MonkeyPatch.context() as patch:
        for name in ("give", "code_tag", "throttle_tag", "who"):
            real = getattr(Keyholder, name)

            def call(self: Keyholder, *given: Any, _name: str = name, _real: Any = real) -> Any:
                done.calls.append((_name, *([given[3]] if _name == "give" else [])))
                return _real(self, *given)

            patch.setattr(Keyholder, name, call)
        event.listen(house.store.engine, "before_cursor_execute", ran)
        try:
            with pytest.raises(NotFound):
                act()
        finally:
            event.remove(house.store.engine, "before_cursor_execute", ran)
    return done


def test_unknown_foreign_and_another_readers_codes_are_one_refusal(house: House) -> None:
    """The same error, the same calls and statements, so about the same time; the audit notes no case and no code."""
    done, codes = [], []
    watched(house, lambda: house.find(new_code(), "a"))  # the first try of all makes the row that counts
    for make in WRONG:
        code, to = make(house)
        house.forget_tries()
        codes.append(code)
        done.append(watched(house, lambda code=code, to=to: house.find(code, to)))  # type: ignore[misc]
    assert len({str(one.calls) for one in done}) == 1
    assert ("give", "staff") in done[0].calls
    for one in done:
        assert one.statements == done[0].statements
    lines = audit_log.page(house.store, house.token).lines
    noted = [one for one in lines if one.tried == "print.entered"][: len(WRONG)]
    assert len(noted) == len(WRONG)
    assert {(one.verb, one.case) for one in noted} == {("denied", "")}
    assert not any(code in str(noted) for code in codes)


def test_a_look_up_that_is_shorter_would_be_seen(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def quick(store: Store, session: Any, token: str, code: str) -> Any:
        row = session.scalar(select(Print).where(Print.code_tag == store.keyholder.code_tag(code)))
        if row is None:
            raise NotFound
        return row, store.keyholder.open(token, row.case_id, "staff")

    monkeypatch.setattr(entry, "_print", quick)
    code = house.print("whats_underneath", "a")
    assert watched(house, lambda: house.find(new_code(), "a")) != watched(house, lambda: house.find(code, "b"))


@pytest.mark.parametrize("make", WRONG, ids=NAMES)
def test_a_refused_code_leaves_nothing_behind(house: House, make: Callable[[House], tuple[str, str]]) -> None:
    before = len(records.listing(house.store, house.token, house.case))
    code, to = make(house)
    with pytest.raises(NotFound):
        house.find(code, to)
    assert len(records.listing(house.store, house.token, house.case)) == before


def test_a_right_code_is_noted_with_its_case_and_without_itself(house: House) -> None:
    code = house.print("whats_underneath", "a")
    found = house.find(code, "a").record
    lines = audit_log.page(house.store, house.token).lines[:3]
    lines = [one for one in lines if one.verb != "print.made"]
    assert {one.verb for one in lines} == {"print.entered", "record.started"}
    assert all(one.case for one in lines)
    assert code not in str(lines)
    assert found


def test_guessing_waits_and_a_right_code_begins_anew(house: House) -> None:
    code = house.print("whats_underneath", "a")
    for _ in range(4):
        with pytest.raises(NotFound):
            house.find(new_code(), "a")
    house.find(code, "a")  # forgiven
    for _ in range(5):
        with pytest.raises(NotFound):
            house.find(new_code(), "a")
    for typed in (new_code(), code, foreign(house)):
        with pytest.raises(TooMany):
            house.find(typed, "a")
    with pytest.raises(Invalid):
        house.find("no code", "a")
    with pytest.raises(NotFound):
        house.find(new_code(), "a", token=house.ben)  # nobody else waits for it


def test_no_code_is_stored_in_the_open(house: House) -> None:
    code = house.print("whats_underneath", "a")
    house.find(code, "a")
    with unit_of_work(house.store, unscoped="verify") as session:
        rows = session.scalars(select(Print)).all()
        assert not any(code.encode() in one.sealed + one.code_tag for one in rows)
        assert not any(code in str(one.key) for one in session.scalars(select(Throttle)))


# --------------------------------------------------------------------------- the row
def test_of_a_print_nothing_changes_but_what_is_sealed(house: House) -> None:
    code = house.print("whats_underneath", "a")
    tag = house.store.keyholder.code_tag(code)
    for name, value in (("code_tag", b"x" * 16), ("case_id", ident(house.bens))):
        with unit_of_work(house.store, house.token) as session:
            row = session.scalars(select(Print).where(Print.code_tag == tag)).one()
            setattr(row, name, value)
            with pytest.raises(Denied):
                session.flush()
            session.rollback()
            with pytest.raises(Denied):
                session.execute(update(Print).where(Print.code_tag == tag).values({name: value}))
    assert house.content(code)["code"] == code


def test_an_entry_in_a_print_is_sealed_under_its_reader(house: House) -> None:
    code = house.print("whats_underneath", "b")
    record = house.find(code, "b").record
    with unit_of_work(house.store, house.token) as session:
        view = house.store.keyholder.open(house.token, ident(house.case), "staff")
        row = session.scalars(select(Print).where(Print.code_tag == house.store.keyholder.code_tag(code))).one()
        assert view.scope_of(row.key_id) == "b"
    assert house.content(code) | {"entry": record} == house.content(code)


def test_a_text_that_is_gone_is_damage_and_no_other_text(house: House) -> None:
    code = new_code()
    prints.note(house.store, house.token, house.case, code, PrintJob("whats_underneath", "a"), "f" * 64)
    with pytest.raises(texts.Damaged):
        house.find(code, "a")
