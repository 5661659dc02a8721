"""Pages ask as much of database and keyholder in a clinic with 10,000 couples as in one with 100.

Statements, rows that come out of them and calls of the keyholder are counted, in the web process and in the keyholder;
nothing is timed. The small clinic, and everything but the comparison with the large one, runs every time.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask, url_for
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from clinic.app import create_app
from clinic.persistence.scope import unscoped
from clinic.persistence.store import Store
from clinic.press.press import Press
from clinic.services import audit_log, cases, paging, records, retention, sessions, supervision
from clinic.services.audit_log import Filters
from clinic.services.paging import Page, Place
from clinic.web.forms import empty_rows
from tests.benchmarks import caseload
from tests.benchmarks.caseload import FIRST, Caseload
from tests.persistence.conftest import postgresql as postgresql  # a fixture
from tests.persistence.databases import new_database
from tests.web.conftest import csrf
from tests.web.counting import Counted, Watched, counted

PEOPLE = (FIRST, "sue", "adm", "fay", "tom")
# What no visit of a page is: on the way in, of half a session, a redirect, a page of its own tests.
LEFT_OUT = ("auth.", "lock.", "static", "desk.home", "pages.language", "workbench.", "cases.couple")
# How much a page may ask for, whoever opens it; what it asks today and a little more. Statements, keyholder calls.
MOST = {
    "pages.help": (7, 3),
    "cases.caseload": (14, 5),
    "cases.page": (14, 5),
    "cases.work": (22, 5),
    "records.edit": (26, 5),
    "formulation.map": (22, 6),
    "course.page": (20, 5),
    "homework.plan": (24, 6),
    "sheets.choose": (10, 4),
    "packs.case": (21, 6),
    "audit.page": (16, 5),
    "rights.due": (14, 5),
    "desk.supervision_list": (22, 4),
}


@dataclass(frozen=True)
class House:
    """A clinic that was made, served, with everybody signed in."""

    made: Caseload
    store: Store
    app: Flask
    watched: Watched
    tokens: dict[str, str]

    def client(self, who: str) -> FlaskClient:
        """Somebody's browser."""
        client = self.app.test_client()
        client.set_cookie("clinic_session", self.tokens[who])
        return client

    def counting(self) -> Any:
        """What is asked until the end of the block."""
        return counted(self.watched, (self.store.engine, self.watched.keyholder._engine))

    def pages(self) -> dict[tuple[str, str], Counted]:
        """What each page asks of whoever may open it, by name and endpoint."""
        found: dict[tuple[str, str], Counted] = {}
        # That somebody is there is written at most twice a minute: by chance in one page and not in another.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sessions, "SEEN_STEP_SECONDS", 1e9)
            return self._pages(found)

    def _pages(self, found: dict[tuple[str, str], Counted]) -> dict[tuple[str, str], Counted]:
        for endpoint, address in self._addresses():
            for who in PEOPLE:
                client = self.client(who)
                if client.get(address).status_code != 200:  # the first visit may fill what is kept
                    continue
                with self.counting() as asked:
                    assert client.get(address).status_code == 200
                found[who, endpoint] = asked
        return found

    def _addresses(self) -> Iterator[tuple[str, str]]:
        known = {"case_id": self.made.case, "record_id": self.made.draft}
        for rule in self.app.url_map.iter_rules():
            if "GET" not in (rule.methods or ()) or rule.endpoint.startswith(LEFT_OUT):
                continue
            if not rule.arguments - (rule.defaults or {}).keys() <= known.keys():
                continue
            values = {name: known[name] for name in rule.arguments & known.keys()} | dict(rule.defaults or {})
            yield rule.endpoint + (" on" if "/after/" in rule.rule else ""), self._address(rule.endpoint, values)
            if "record_id" in rule.arguments:
                yield f"{rule.endpoint} signed", self._address(rule.endpoint, values | {"record_id": self.made.signed})

    def _address(self, endpoint: str, values: Any) -> str:
        with self.app.test_request_context():  # and out of it again: what a request keeps would stay in it
            return url_for(endpoint, **values)


def served(made: Caseload) -> House:
    store = Store.open(made.settings)
    watched: Any = Watched(store.keyholder)  # type: ignore[arg-type]
    tokens = {name: caseload.sign_in(store, name) for name in PEOPLE}
    shown = replace(store, keyholder=watched)
    return House(made, shown, create_app(made.settings, shown, Press()), watched, tokens)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A hundred cases, sixty of them of one counsellor: her list has a second page."""
    house = served(caseload.build(tmp_path_factory.mktemp("small") / "i", 100, own=60, lines=1_000))
    yield house
    house.store.close()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def large(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Ten thousand cases with a hundred thousand records."""
    url = new_database(request.getfixturevalue("postgresql")) if request.param == "postgresql" else ""
    house = served(caseload.build(tmp_path_factory.mktemp("large") / "i", database_url=url))
    yield house
    house.store.close()


# --------------------------------------------------------------------------- flat
@pytest.mark.everything
def test_pages_ask_the_same_in_a_large_clinic(small: House, large: House) -> None:
    little, much = small.pages(), large.pages()
    assert little.keys() == much.keys()
    assert len(little) > 60
    statements = {one: (len(little[one].statements), len(much[one].statements)) for one in little}
    calls = {one: (len(little[one].asked), len(much[one].asked)) for one in little}
    assert [one for one, (few, many) in statements.items() if few != many] == []
    assert [one for one, (few, many) in calls.items() if few != many] == []
    # A page that is not full in the small clinic is in the large one; nothing grows beyond a page of each.
    rows = {one: (little[one].rows, much[one].rows) for one in little}
    room = paging.SIZE * 10 + 100  # a page for each of ten counsellors, and the lines of an audit that only began
    assert [(one, few, many) for one, (few, many) in rows.items() if many > few + room] == []


def test_no_page_asks_more_than_it_did(small: House) -> None:
    for (who, endpoint), asked in small.pages().items():
        name = endpoint.removesuffix(" on").removesuffix(" signed")
        if name in MOST:
            assert len(asked.statements) <= MOST[name][0], (who, endpoint, asked.statements)
            assert len(asked.asked) <= MOST[name][1], (who, endpoint, asked.asked)


def test_a_case_with_many_records_asks_no_more_often(small: House) -> None:
    """Rows grow with the records of the one case; statements and calls do not."""
    client, case = small.client(FIRST), small.made.case
    names = ("cases.work", "formulation.map", "course.page", "records.edit", "homework.plan", "packs.case")
    known = dict(small._addresses())
    addresses = [known[name] for name in names]

    def asked() -> list[tuple[int, int]]:
        found = []
        for address in addresses:
            client.get(address)
            with small.counting() as one:
                assert client.get(address).status_code == 200
            found.append((len(one.statements), len(one.asked)))
        return found

    before = asked()
    for _ in range(12):
        records.start(small.store, small.tokens[FIRST], case, "check_in", "a")
    assert asked() == before


# --------------------------------------------------------------------------- pages of a list
def walked(first: Page[Any], on: Any) -> tuple[list[str], list[str]]:
    """The cases of a list from its first page to the last, and back again."""
    pages = [first]
    while pages[-1].after is not None:
        pages.append(on(Place(pages[-1].after)))
        assert len(pages) < 100
    back = [pages[-1]]
    while back[-1].before is not None:
        back.append(on(Place(back[-1].before, back=True)))
        assert len(back) < 100
    return [one.id for page in pages for one in page.lines], [one.id for page in reversed(back) for one in page.lines]


def test_every_case_is_on_one_page_of_the_list(small: House) -> None:
    token = small.tokens[FIRST]
    there, back = walked(
        cases.caseload_page(small.store, token), lambda place: cases.caseload_page(small.store, token, place)
    )
    every = [one.id for one in cases.caseload(small.store, token)]
    assert len(every) > paging.SIZE
    assert sorted(there) == sorted(every)
    assert there == back
    days = [one.touched_on for one in cases.caseload_page(small.store, token).lines]
    assert days == sorted(days, reverse=True)


def test_every_supervised_case_is_on_one_page_of_the_list(small: House) -> None:
    token = small.tokens["sue"]
    there, back = walked(
        supervision.cases(small.store, token), lambda place: supervision.cases(small.store, token, place)
    )
    assert len(there) == len(set(there)) > paging.SIZE
    assert there == back


def test_cases_whose_time_is_over_come_first(small: House) -> None:
    found = retention.due(small.store, small.tokens[FIRST])
    assert found.lines
    assert {one.touched_on for one in found.lines} == {small.store.today() - timedelta(caseload.OLD)}


def test_a_place_of_somebody_else_is_the_beginning(small: House) -> None:
    token = small.tokens[FIRST]
    [foreign, *_] = caseload.other_cases(small.store, "c01", 1)
    first = cases.caseload_page(small.store, token)
    for place in (Place(foreign), Place(UUID(int=7)), Place(foreign, back=True)):
        assert cases.caseload_page(small.store, token, place) == first


def test_pages_are_links_that_tell_nothing(small: House) -> None:
    client = small.client(FIRST)
    page = client.get("/").text
    [on] = re.findall(r'<a class="btn pager-on" rel="next" href="([^"]*)"', page)
    assert re.fullmatch(r"/cases/after/[0-9a-f-]{36}", on)
    second = client.get(on).text
    assert 'rel="next"' not in second
    [before] = re.findall(r'rel="prev" href="([^"]*)"', second)
    assert re.findall(r"<bdi>(K-\d+)</bdi>", client.get(before).text) == re.findall(r"<bdi>(K-\d+)</bdi>", page)


# --------------------------------------------------------------------------- by its code
@pytest.mark.parametrize("typed", ["{code}", " {digits} ", "k {digits}", "{lower}", "K\u2013{digits}"])
def test_a_case_is_found_by_its_code(small: House, typed: str) -> None:
    client = small.client(FIRST)
    code = cases.name(small.store, small.tokens[FIRST], small.made.case).code
    words = typed.format(code=code, digits=code[2:], lower=code.lower())
    found = client.post("/cases/find", data={"csrf_token": csrf(client.get("/help")), "code": words})
    assert (found.status_code, found.location) == (303, f"/cases/{small.made.case}")


@pytest.mark.parametrize("typed", ["", "K-", "K-0", "%", "K-1' OR 1=1", "K-" + "9" * 40, "foreign"])
def test_a_code_that_is_not_there_and_a_foreign_one_answer_alike(small: House, typed: str) -> None:
    with unscoped(small.store.engine, "verify").connect() as looked:
        query = 'SELECT code FROM "case" WHERE counsellor_id <> (SELECT counsellor_id FROM "case" WHERE id = :one)'
        one = UUID(small.made.case).hex if looked.dialect.name == "sqlite" else small.made.case
        foreign = looked.execute(text(query + " LIMIT 1"), {"one": one}).scalar_one()
    client = small.client(FIRST)
    words = foreign if typed == "foreign" else typed
    found = client.post("/cases/find", data={"csrf_token": csrf(client.get("/help")), "code": words})
    assert (found.status_code, found.location) == (303, "/start")


# --------------------------------------------------------------------------- the audit
def test_the_days_of_the_audit_are_looked_up_by_number(small: House) -> None:
    """Old days are not reached by reading all that came after them."""
    token, day = small.tokens[FIRST], small.store.today() - timedelta(1)
    with small.counting() as asked:
        found = audit_log.page(small.store, token, Filters(since=day, until=day))
    assert {one.day for one in found.lines} == {day}
    assert len(found.lines) == audit_log.SHOWN
    assert asked.rows < audit_log._BATCH + 200
    with small.counting() as asked:
        assert audit_log.page(small.store, token, Filters(until=day - timedelta(5000))).lines == ()
    assert asked.rows < 50
    assert audit_log.page(small.store, token, Filters(since=day + timedelta(5000))).lines == ()


# --------------------------------------------------------------------------- the form
def test_rows_in_which_nothing_stands_are_written_once(small: House, monkeypatch: pytest.MonkeyPatch) -> None:
    client, written = small.client(FIRST), []
    make = empty_rows._made
    monkeypatch.setattr(empty_rows, "_made", lambda *given: written.append(given[4].id) or make(*given))
    first = client.get(f"/records/{small.made.draft}").text
    written.clear()
    assert len(re.findall('class="signal ', first)) > 40
    again = client.get(f"/records/{small.made.draft}").text
    assert written == ["anxiety_worry"], "only the row that holds an answer"
    assert "Asks often" in again
    empty_rows._OF_SOURCE.clear()
    anew = client.get(f"/records/{small.made.draft}").text
    same = [re.sub(r'name="(csrf_token|tab)" value="[^"]*"|\b[0-9a-f]{8}\b', "", one) for one in (again, anew)]
    assert same[0] == same[1]


def test_no_answer_is_kept_for_another_form(small: House) -> None:
    client = small.client(FIRST)
    client.get(f"/records/{small.made.draft}")
    kept = "".join(map(str, empty_rows._OF_SOURCE.values()))
    assert kept
    assert "Asks often" not in kept
    assert not re.search(r" checked| selected|value=\"[^\"0-9a-z]", kept)


# --------------------------------------------------------------------------- plans
BIG = ("record", "part", "print", "audit", "autosave", "appointment", "key_ring", "case", "press_item")


def scans(engine: Engine, asked: Counted) -> list[str]:
    """Statements that read a whole large table, by what the database itself says it does."""
    found = []
    lite = engine.dialect.name == "sqlite"
    with unscoped(engine, "verify").connect() as connection:
        raw, large = connection.connection.cursor(), set(BIG)
        if not lite:  # it reads a table of a few rows whole, whatever the index
            raw.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples > 500")
            large &= {name for (name,) in raw.fetchall()}
            assert len(large) > 5
        for statement, parameters in zip(asked.statements, asked.parameters, strict=True):
            if not statement.startswith("SELECT"):
                continue
            raw.execute(("EXPLAIN QUERY PLAN " if lite else "EXPLAIN ") + statement, parameters)
            plan = [str(row[-1]) for row in raw.fetchall()]
            whole = r"^SCAN (\w+)(?! USING)(?!.*VIRTUAL)" if lite else r"Seq Scan on \"?(\w+)"
            tables = {hit[1] for line in plan if (hit := re.search(whole, line))}
            aliases = {re.sub(r"_\d+$", "", one) for one in tables}
            # The newest lines of the audit: along the table itself, and no further than so many.
            ends = lite and "LIMIT" in statement and not any("TEMP B-TREE" in line for line in plan)
            if aliases & large and not ends:
                found.append(f"{statement}\n{plan}")
    return found


@pytest.mark.everything
def test_no_page_reads_a_whole_table(large: House) -> None:
    for (who, endpoint), asked in large.pages().items():
        assert scans(large.store.engine, asked) == [], (who, endpoint)


def test_the_look_at_plans_sees_a_scan(small: House) -> None:
    assert scans(small.store.engine, Counted(["SELECT sealed FROM part"], [], 0, [()]))
