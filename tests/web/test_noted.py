"""A view's audit commits before its content is sent: once for a page, in order, or nothing leaves."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from clinic.persistence import audit
from clinic.persistence.models import Audit
from clinic.persistence.scope import unscoped
from clinic.services import records, unit_of_work
from tests.web.conftest import Clinic, csrf, prepared

MARK = "Words that only this draft holds"


def lines(clinic: Clinic) -> list[dict[str, Any]]:
    """The chain, opened."""
    with Session(unscoped(clinic.store.engine, "verify")) as session:
        rows = session.scalars(select(Audit).order_by(Audit.seq)).all()
    return clinic.store.keyholder.audit_read(rows)  # type: ignore[union-attr]


@contextmanager
def new(clinic: Clinic) -> Iterator[list[dict[str, Any]]]:
    """The lines that were written in the block."""
    before, found = len(lines(clinic)), list[dict[str, Any]]()
    yield found
    found += lines(clinic)[before:]


@contextmanager
def written(clinic: Clinic) -> Iterator[list[int]]:
    """The number of lines of the audit in each transaction that was committed in the block."""
    found, now = list[int](), [0]

    def sent(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        if statement.startswith("INSERT INTO audit "):
            now[0] += len(parameters) if many else 1

    def committed(_connection: Any) -> None:
        found.append(now[0])
        now[0] = 0

    event.listen(clinic.store.engine, "before_cursor_execute", sent)
    event.listen(clinic.store.engine, "commit", committed)
    try:
        yield found
    finally:
        event.remove(clinic.store.engine, "before_cursor_execute", sent)
        event.remove(clinic.store.engine, "commit", committed)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """The audit takes no line while the list holds something."""
    on, append = list[bool](), audit.append

    def fails(*given: Any, **named: Any) -> None:
        if on:
            raise OperationalError("INSERT", {}, Exception("database is locked"))
        append(*given, **named)

    monkeypatch.setattr(audit, "append", fails)
    return on


def keep(clinic: Clinic) -> None:
    """Something in Ana's draft that can be looked for."""
    form = {"a.observed.anxiety_worry.words": [MARK]}
    records.autosave(clinic.store, clinic.tokens["ana"], clinic.draft, "tab", 1, form)


def addresses(clinic: Clinic) -> list[str]:
    case = f"/cases/{clinic.case}"
    return ["/", case, f"{case}/work", f"/records/{clinic.draft}", f"{case}/formulation", f"{case}/plan"]


# --------------------------------------------------------------------------- once, and in order
def test_a_page_of_several_views_is_noted_in_one_transaction(clinic: Clinic) -> None:
    browser = clinic.client("ana")
    for address in addresses(clinic):
        browser.get(address)
        with written(clinic) as found, new(clinic) as noted:
            assert browser.get(address).status_code == 200
        assert [number for number in found if number] == [len(noted)], address
        assert noted, address
    assert browser.get(f"/records/{clinic.draft}").status_code == 200


def test_the_form_notes_both_its_record_and_the_case(clinic: Clinic) -> None:
    with new(clinic) as noted:
        clinic.client("ana").get(f"/records/{clinic.draft}")
    assert [one["verb"] for one in noted] == ["record.view", "case.staff_view"]
    assert {one["case"] for one in noted} == {clinic.case}


def test_a_write_takes_what_was_viewed_before_it_with_it(clinic: Clinic) -> None:
    """In its transaction, before its own line; and the hashes of what was written stand with the write."""
    browser, case = clinic.client("ana"), clinic.case
    token, rev = csrf(browser.get("/help")), "1"
    data = {"csrf_token": token, "rev": rev, "do": "draft", "held.day": clinic.store.today().isoformat()}
    with written(clinic) as found, new(clinic) as noted:
        reply = browser.post(f"/records/{clinic.draft}", data=data)
    assert reply.status_code == 303
    verbs = [one["verb"] for one in noted]
    saved = verbs.index("record.saved")
    assert verbs[:saved], "the page reads the record before it saves it"
    assert set(verbs[:saved]) <= audit.VIEWS
    assert [one["verb"] for one in noted if one.get("wrote")] == ["record.saved"]
    assert saved + 1 in [number for number in found if number]
    assert {one["case"] for one in noted} == {case}
    assert clinic.store.keyholder.audit_check(_rows(clinic), b"") is None  # type: ignore[union-attr]


def _rows(clinic: Clinic) -> Any:
    with Session(unscoped(clinic.store.engine, "verify")) as session:
        return session.scalars(select(Audit).order_by(Audit.seq)).all()


def test_a_refusal_is_noted_with_the_views_before_it(clinic: Clinic) -> None:
    with new(clinic) as noted:
        assert clinic.client("ben").get(f"/records/{clinic.draft}").status_code == 404
    assert [(one["verb"], one.get("tried")) for one in noted] == [("denied", "record.view")]


# --------------------------------------------------------------------------- nothing leaves that was not noted
def test_nothing_is_there_to_send_before_it_is_noted(clinic: Clinic) -> None:
    """At the moment when the first byte could leave, the lines are in the chain: a kill after that finds them."""
    inside, seen = clinic.app.wsgi_app, list[int]()

    def watched(environ: Any, start_response: Any) -> Any:
        def started(*said: Any) -> Any:
            seen.append(len(lines(clinic)))
            return start_response(*said)

        return inside(environ, started)

    clinic.app.wsgi_app = watched  # type: ignore[method-assign]
    browser = clinic.client("ana")
    for address in [*addresses(clinic), f"/cases/{clinic.foreign_case}"]:
        seen.clear()
        before = len(lines(clinic))
        browser.get(address)
        assert seen == [len(lines(clinic))], address
        assert seen[0] > before, address


def test_a_page_whose_views_cannot_be_noted_does_not_leave(clinic: Clinic, broken: list[bool]) -> None:
    keep(clinic)
    browser = clinic.client("ana")
    assert MARK in browser.get(f"/records/{clinic.draft}").text
    broken.append(True)
    for address in addresses(clinic):
        with new(clinic) as noted:
            reply = browser.get(address)
        assert reply.status_code == 503, address
        assert MARK not in reply.text
        assert "K-" not in reply.text
        assert noted == []
    assert browser.get(f"/records/{clinic.draft}").headers["Cache-Control"] == "no-store"
    assert browser.get("/help").status_code == 200, "it shows nothing of a case"
    broken.clear()
    assert MARK in browser.get(f"/records/{clinic.draft}").text


def test_a_refusal_that_cannot_be_noted_tells_nothing_either(clinic: Clinic, broken: list[bool]) -> None:
    broken.append(True)
    own, foreign, none = (
        clinic.client("ben").get(f"/records/{id_}")
        for id_ in (clinic.draft, clinic.signed, "00000000-0000-0000-0000-000000000000")
    )
    assert [own.status_code, foreign.status_code, none.status_code] == [503, 503, 503]


def test_a_file_whose_views_cannot_be_noted_does_not_leave(clinic: Clinic, broken: list[bool]) -> None:
    prepared(clinic)
    browser = clinic.client("ana")
    token = csrf(browser.get("/help"))
    broken.append(True)
    data = {"csrf_token": token, "sheet": "our_cycle", "to": "joint", "do": "open"}
    reply = browser.post(f"/cases/{clinic.case}/print", data=data)
    assert reply.status_code == 503
    assert reply.mimetype == "text/html"


def test_what_is_noted_together_is_this_requests_own(clinic: Clinic) -> None:
    """The command line and threads of their own write each unit's lines at its end, as ever."""
    clinic.client("ana").get(f"/records/{clinic.draft}")
    assert unit_of_work._TOGETHER.get() is None
    with written(clinic) as found:
        records.read(clinic.store, clinic.tokens["ana"], clinic.draft)
        records.listing(clinic.store, clinic.tokens["ana"], clinic.case)
    assert [number for number in found if number] == [1, 1]


# --------------------------------------------------------------------------- asked once, read once
def test_a_page_asks_for_the_keys_of_its_case_once(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    given, give = list[str](), clinic.store.keyholder.give  # type: ignore[union-attr]
    monkeypatch.setattr(clinic.store.keyholder, "give", lambda *asked: given.append(asked[3]) or give(*asked))
    browser = clinic.client("ana")
    for address in addresses(clinic)[2:]:
        given.clear()
        assert browser.get(address).status_code == 200
        assert given == ["staff"], address


def test_what_a_request_wrote_it_reads_anew(clinic: Clinic) -> None:
    """A view keeps what was read until something is written in the same request."""
    from clinic.persistence.keyview import request

    store, token = clinic.store, clinic.tokens["ana"]
    with request():
        before = records.listing(store, token, clinic.case)
        made = records.start(store, token, clinic.case, "check_in", "a")
        after = records.listing(store, token, clinic.case)
        again = records.opened(store, token, clinic.case)
    assert {one.id for one in after} - {one.id for one in before} == {made}
    assert len(again) == len(after)


def test_a_view_forgets_what_was_read_with_it(clinic: Clinic) -> None:
    from clinic.persistence.keyview import request

    store, token = clinic.store, clinic.tokens["ana"]
    with request():
        records.opened(store, token, clinic.case)
        from uuid import UUID

        view = store.keyholder.open(token, UUID(clinic.case), "staff")
        assert view.has_read("every record")
    assert not view.has_read("every record")
