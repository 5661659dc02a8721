"""Attacks on many sheets at once: what is handed out later, what waits, what other machines send, what is kept.

Each test is an attack, most of them one that went through once.
"""

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from time import monotonic, sleep
from typing import Any
from uuid import UUID

import pikepdf
import pytest
from flask.testing import FlaskClient
from pikepdf import Dictionary, Name, String
from sqlalchemy import func, select

from clinic.domain.answer import Checked
from clinic.domain.page import SLOTS, Page
from clinic.persistence import press_queue
from clinic.persistence.engine import make_engine
from clinic.persistence.models import KeyRing, PressItem
from clinic.press import fonts
from clinic.press.press import Press, PressError
from clinic.services import batches, erase, handing, press_room, print_sheet, records, release
from clinic.services.definitions import definitions
from clinic.services.packs import How, Item, NothingPrinted
from clinic.services.unit_of_work import unit_of_work
from tests import pdf
from tests.filling import filled
from tests.persistence import conftest as stored
from tests.persistence import making
from tests.persistence.conftest import postgresql, template, template_postgresql
from tests.security.test_attacks_packs import _items, let_go
from tests.services import far
from tests.services.test_batches import CANARY, House, Pages, _batch
from tests.web.conftest import Clinic, ana, clinic, finished, made, prepared, press
from tests.web.test_packs import item, look, make, sent, ticked

__all__ = ["ana", "clinic", "let_go", "made", "postgresql", "press", "template", "template_postgresql"]

small_clinic = stored.clinic


@pytest.fixture
def house(small_clinic: making.Clinic, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr("clinic.services.pack_items.active", lambda _: making.OLD)
    return House(small_clinic, Pages())


# --------------------------------------------------------------------------- handed out once more
def test_a_yes_taken_back_is_not_handed_out_a_second_time(
    clinic: Clinic, press: Press, let_go: tuple[str, str]
) -> None:
    """Ten minutes long the same file came again, with a sentence on it that its owner had taken back."""
    word, released = let_go
    store, token = clinic.store, clinic.tokens["ana"]
    batch = batches.submit(store, token, _items(clinic, ("joint", "session_summary")), How(), "reviewed")
    with press_room.drawing(store, press):
        batches.wait(store, token, batch.id, 120)
    assert word in pdf.text(batches.collect(store, press, token, batch.id, "reviewed").data)
    assert word in pdf.text(batches.collect(store, press, token, batch.id, "reviewed").data)
    release.take_back(store, token, released)
    with pytest.raises(NothingPrinted):
        batches.collect(store, press, token, batch.id, "reviewed")


# --------------------------------------------------------------------------- what waits
def test_nobody_lets_packs_wait_without_end(house: House) -> None:
    """One account filled the queue and the disk: nobody else's sheets were drawn any more."""
    there = [house.submit() for _ in range(batches.MOST_OPEN)]
    with pytest.raises(batches.PacksWaiting) as refused:
        house.submit()
    assert str(batches.MOST_OPEN) in str(refused.value)
    assert len(house.rows(_batch)) == batches.MOST_OPEN
    batches.cancel(house.store, house.clinic.token, there[0].id)
    house.submit()
    house.clinic.clock.pass_(hours=25)
    house.clinic.stay_signed_in()
    house.submit()


def test_what_one_lets_wait_is_no_burden_to_another(house: House) -> None:
    for _ in range(batches.MOST_OPEN):
        house.submit()
    item = house.item()
    other = Item(1, house.clinic.foreign, "K-2", "a", item.sheet, locale="en")
    assert batches.submit(house.store, house.clinic.other, [other], How(), "complete").id


def test_whoever_has_too_many_packs_reads_why(
    clinic: Clinic, ana: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = look(ana, clinic, item(clinic, "joint", "when_to_get_more_help"))
    monkeypatch.setattr(batches, "MOST_OPEN", 0)
    reply = make(ana, clinic, *ticked(page))
    assert reply.status_code == 429
    assert "You have 0 packs already. Print or delete one under Day, Packs. Nothing was printed." in reply.text
    assert sent(clinic) == []


@pytest.mark.parametrize("word", [*SLOTS.values(), f"so {SLOTS['code']}, then"])
def test_an_answer_that_looks_like_a_slot_is_an_answer(house: House, word: str) -> None:
    """Such a sheet printed alone, but in no pack, ever; and nobody was told why."""
    store, token = house.store, house.clinic.token
    record = records.start(store, token, house.clinic.case, "wishes", "a")
    records.finish(store, token, record, 1, Checked({"wish": word}, {}, {}))
    batch = house.submit(house.item("a", 1, record=record))
    house.draw()
    assert house.progress(batch).failed == ()
    assert word.encode() in house.collect(batch).data


def test_a_person_erased_while_their_sheet_was_laid_out_is_in_no_pack(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sheet was opened before the erasure and let wait after it."""
    batch = house.submit(house.item("a", 1, record=house.said()))
    house.draw()
    monkeypatch.setattr(press_queue, "drop_all", lambda *_: 0)
    view = house.store.keyholder.open(house.clinic.token, house.clinic.case_id, "staff")
    with unit_of_work(house.store, write=True, unscoped="erase") as session:
        ring = session.scalars(select(KeyRing.id).where(KeyRing.case_id == house.clinic.case_id)).all()
        erase._destroy(session, [one for one in ring if view.scope_of(one) == "a"])
    with pytest.raises(NothingPrinted):
        house.collect(batch)


# --------------------------------------------------------------------------- what may wait in a child that others use
def test_a_given_page_says_nothing_of_its_case(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """A case in which everything was written, and one in which nothing was: the pages for a shared child are equal."""
    prepared(clinic)
    store, known = clinic.store, definitions()
    monkeypatch.setattr(store.keyholder, "_gate", lambda *_: True)
    for definition in known.values():
        for about in definition.abouts:
            answers = filled(definition, about, lambda _: CANARY)
            try:
                finished(store, clinic.tokens["ana"], clinic.case, definition.id, about, answers)
            except Exception:  # noqa: S112 - not every form may be written twice, or by everybody
                continue
    count = 0
    for definition in known.values():
        for to in definition.recipients:
            pages = []
            for who, case in (("ana", clinic.case), ("ben", clinic.foreign_case)):
                job = print_sheet.PrintJob(definition.id, to, "en", letterhead=True)
                try:
                    found = print_sheet.opened(store, clinic.tokens[who], case, job, "complete")
                except Exception:  # noqa: S112 - no form of paper
                    continue
                page, words = print_sheet.to_draw(found, "K7QM2XTPA")
                if words:
                    assert CANARY not in page.html
                    pages.append(page)
            count += len(pages)
            assert len(set(map(Page.to_json, pages))) <= 1, (definition.id, to)
    assert count > 20


# --------------------------------------------------------------------------- what other machines send
@pytest.fixture(scope="module")
def linked(press: Press) -> bytes:
    """A sheet of ours with a link on it."""
    fonts.install()
    body = '<h1>Plan</h1><p><a href="https://example.org">more</a></p>'
    html = f'<!DOCTYPE html><html lang="en"><head><title>x</title></head><body>{body}</body></html>'
    return press.blank(Page(html, (f"html {{ font-family: {fonts.font_stack('en')} }}",), "en", "Worksheet"))


def _script(file: pikepdf.Pdf) -> Any:
    return file.make_indirect(Dictionary(Type=Name.OBJR, S=Name.JavaScript, JS=String("app.alert(1)")))


def _in_font(file: pikepdf.Pdf, one: Any) -> None:
    """The same without a strange title."""
    file.pages[0].obj.Resources.Font["/f9"] = Dictionary(Resources=Dictionary(XObject=one))


def _at_opening(file: pikepdf.Pdf) -> None:
    file.Root.OpenAction = Dictionary(S=Name.URI, URI=String("https://evil.example"))
    _in_font(file, file.Root)


def _script_at_opening(file: pikepdf.Pdf) -> None:
    script = _script(file)
    file.Root.OpenAction = script
    file.docinfo.Title = Dictionary(Resources=Dictionary(Font=file.Root, XObject=script))


def _on_a_side(file: pikepdf.Pdf) -> None:
    page = file.pages[0].obj
    page.AA = Dictionary(O=Dictionary(S=Name.URI, URI=String("https://evil.example")))
    page.Resources = file.make_indirect(page.Resources)
    page.Resources.Shading = page
    file.docinfo.Title = Dictionary(Resources=page.Resources)


def _behind_a_link(file: pikepdf.Pdf) -> None:
    script = _script(file)
    script.O = Name.Layout
    link = file.pages[0].obj.Annots[0]
    link.A = script
    file.Root.StructTreeRoot.K[0].K.append(script)
    file.docinfo.Title = Dictionary(Resources=Dictionary(Font=link, XObject=script))


def _in_a_tag(file: pikepdf.Pdf) -> None:
    tag = file.Root.StructTreeRoot.K[0].K[0]
    tag.JS = String("app.alert(1)")
    file.docinfo.Title = Dictionary(Resources=Dictionary(Font=tag))


@pytest.mark.parametrize("change", [_at_opening, _script_at_opening, _on_a_side, _behind_a_link, _in_a_tag])
def test_what_was_met_as_a_list_of_names_is_looked_at_as_what_it_is(press: Press, linked: bytes, change: Any) -> None:
    """Each object was looked at once, by the rules of the first place it was met in: a list of names allows any key."""
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(linked)) as file:
        assert press.check(linked) == 1
        change(file)
        file.save(out, min_version="1.7", object_stream_mode=pikepdf.ObjectStreamMode.disable)
    with pytest.raises(PressError) as refused:
        press.check(out.getvalue())
    assert refused.value.kind == "log"


@pytest.fixture
def far_away(postgresql: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[far.Far]:
    made_ = far.make(tmp_path_factory.mktemp("far"), postgresql)
    for name in ("stolen", "honest"):
        made_.machine(name)
    yield made_
    made_.close()


@pytest.mark.everything
def test_a_machine_that_holds_the_servers_lock_keeps_no_key_from_others(far_away: far.Far) -> None:
    """Anybody in the database may take that lock: then nobody was handed a key, and their sheets waited for a day."""
    engines = [make_engine(far_away.db.url(far_away.accepted[name].role)) for name in ("stolen", "honest")]
    server = handing.Handing(far_away.store)
    try:
        with engines[0].connect() as thief:
            thief.execute(select(func.pg_advisory_lock(handing.LOCK)))
            server.start()
            batch = far_away.batch([far.page("a")])
            with engines[1].begin() as connection:
                me = UUID(far_away.accepted["honest"].id)
                [mine] = press_queue.claim(connection, datetime.now(UTC), me)
            handed = select(PressItem.handed).where(PressItem.batch_id == batch)
            end = monotonic() + 30
            found = None
            while found is None and monotonic() < end:
                with far_away.raw.connect() as connection:
                    found = connection.execute(handed).scalar()
                sleep(0.2)
            assert found is not None
            assert mine.token
    finally:
        server.stop()
        for one in engines:
            one.dispose()
