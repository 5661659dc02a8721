"""Who gets what behind every door: endpoint × method × viewer × object, each cell asserted from one table.

The rows are held against the URL map: an endpoint without a row fails. Each row has one sign for each of `VIEWERS`,
for an object that is Ana's; the same viewers then ask for one that does not exist, and whoever finds nothing of
Ana's must get the same bytes as there.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update
from werkzeug.routing import Rule

from clinic import config
from clinic.app import create_app
from clinic.config import Settings
from clinic.i18n.message import ref
from clinic.persistence.models import Account, Notice, SignedIn
from clinic.persistence.store import Store
from clinic.press.press import Press
from clinic.services import (
    accounts,
    appointments,
    batches,
    break_glass,
    cases,
    machines,
    notices,
    packs,
    records,
    second_person,
    sessions,
    translators,
    worker_key,
)
from clinic.services.cases import PartnerCard
from clinic.services.instance import init_instance
from clinic.services.unit_of_work import unit_of_work
from clinic.web.doors import DOORS, OPEN
from tests.web.conftest import PASSWORD
from tests.web.conftest import press as press  # a fixture

NOTHING = "00000000-0000-4000-8000-000000000000"
# Ana's own; another counsellor; Ana's supervisor; somebody else's; an admin while Ana's case is open to them; another
# admin; the front desk; a translator; Ana after her sign-in was reset; nobody.
VIEWERS = ("ana", "ben", "sven", "sue", "alf", "ada", "flora", "tara", "reset", "nobody")
# The signs of the table.
SIGNS = {
    ".": "gets in",
    "0": "404: nothing there",
    "x": "403: not in this role",
    "w": "403: this one reads along and writes nothing here",
    ">": "led to a page of their own",
    "s": "asked who they are",
}
# endpoint, method: one sign a viewer, in the order of VIEWERS.
TABLE: dict[tuple[str, str], str] = {
    ("account.add_code", "POST"): ".........s",
    ("account.add_passkey", "POST"): ".........s",
    ("account.code", "GET"): ".........s",
    ("account.codes", "POST"): ".........s",
    ("account.confirm", "POST"): ".........s",
    ("account.cover_key", "POST"): "000000000s",
    ("account.end_session", "POST"): "000000000s",
    ("account.page", "GET"): ".........s",
    ("account.passkey", "GET"): ".........s",
    ("account.password", "POST"): ".........s",
    ("account.remove", "POST"): "000000000s",
    ("appointments.add", "POST"): ".0xxxxxx0s",
    ("appointments.day", "GET"): "..xxxx.x.s",
    ("appointments.day", "POST"): "..xxxx.x.s",
    ("appointments.edit", "GET"): ".0xxxxxx0s",
    ("appointments.edit", "POST"): ".0xxxxxx0s",
    ("audit.page", "GET"): "......xx.s",
    ("audit.page", "POST"): "......xx.s",
    ("auth.change_password", "POST"): ".........s",
    ("auth.enrol", "GET"): ".........s",
    ("auth.enrol_code", "POST"): ".........s",
    ("auth.enrol_passkey", "POST"): ".........s",
    ("auth.enter", "POST"): "..........",
    ("auth.new_password", "GET"): ".........s",
    ("auth.prove", "POST"): ".........s",
    ("auth.prove_passkey", "POST"): ".........s",
    ("auth.second", "GET"): ".........s",
    ("auth.sign_in", "GET"): "..........",
    ("auth.sign_out", "POST"): "ssssssssss",
    ("auth.written", "POST"): ".........s",
    ("cases.card", "GET"): ".0xxxxxx0s",
    ("cases.card", "POST"): ".0xxxxxx0s",
    ("cases.caseload", "GET"): "..>>>>>>.s",
    ("cases.couple", "GET"): ".0xxxxxx0s",
    ("cases.find", "POST"): "....xxxx.s",
    ("cases.new", "GET"): "..xxxxxx.s",
    ("cases.new", "POST"): "..xxxxxx.s",
    ("cases.page", "GET"): ".0>>>>xx0s",
    ("cases.show_couple", "POST"): ".0xxxxxx0s",
    ("cases.work", "GET"): ".0>>>>xx0s",
    ("course.page", "GET"): ".0xxxxxx0s",
    ("course.reminder", "GET"): ".0xxxxxx0s",
    ("course.reminder", "POST"): ".0xxxxxx0s",
    ("course.share", "GET"): "00xxxxxx0s",
    ("course.share", "POST"): "00xxxxxx0s",
    ("course.share_aim", "POST"): "00xxxxxx0s",
    ("course.take_back", "POST"): "00xxxxxx0s",
    ("desk.answer", "POST"): ".0.0..xxxs",
    ("desk.end_grant", "POST"): ".0.0.0xx.s",
    ("desk.home", "GET"): ">>>>>>>>>s",
    ("desk.look", "GET"): "xx.0.0xxxs",
    ("desk.preview", "POST"): "xxxxxxx.xs",
    ("desk.preview_shelf", "GET"): "xxxxxxx.xs",
    ("desk.seen", "POST"): ".0000000xs",
    ("desk.supervision_list", "GET"): "xx..xxxxxs",
    ("desk.waiting", "GET"): ".........s",
    ("formulation.choose", "POST"): ".0xxxxxx0s",
    ("entry.edit", "GET"): ".0xxxxxx0s",
    ("entry.find", "POST"): "..xxxxxx.s",
    ("entry.page", "GET"): "..xxxxxx.s",
    ("entry.save", "POST"): ".0xxxxxx0s",
    ("formulation.map", "GET"): ".0.0.0xx0s",
    ("homework.begin", "POST"): ".0xxxxxx0s",
    ("homework.plan", "GET"): ".0xxxxxx0s",
    ("homework.review", "POST"): "00xxxxxx0s",
    ("lock.again", "POST"): ".........s",
    ("lock.lock", "POST"): ".........s",
    ("lock.prove", "POST"): ".........s",
    ("lock.state", "GET"): ".........s",
    ("lock.step_up", "GET"): "ssssssssss",
    ("lock.unlock", "POST"): ".........s",
    ("machines.page", "GET"): "xxxx..xxxs",
    ("machines.page", "POST"): "xxxx..xxxs",
    ("machines.revoke", "POST"): "xxxx..xxxs",
    ("packs.case", "GET"): ".0xxxxxx0s",
    ("packs.day", "POST"): "..xxxxxx.s",
    ("packs.cancel", "POST"): ".0xxxxxx0s",
    ("packs.collect", "POST"): ".0xxxxxx0s",
    ("packs.make_case", "POST"): ".0xxxxxx0s",
    ("packs.pending", "GET"): "..xxxxxx.s",
    ("packs.progress", "GET"): ".0xxxxxx0s",
    ("pages.help", "GET"): ".........s",
    ("pages.language", "POST"): ".........s",
    ("records.add", "POST"): ".0.0xxxx0s",
    ("records.autosave", "POST"): ".0w0xxxx0s",
    ("records.correct", "POST"): ".0.0xxxx0s",
    ("records.discard", "POST"): ".0.0xxxx0s",
    ("records.edit", "GET"): ".0.0.0xx0s",
    ("records.merge", "POST"): ".0w0xxxx0s",
    ("records.move", "POST"): ".0w0xxxx0s",
    ("records.save", "POST"): ".0w0xxxx0s",
    ("records.settle", "POST"): ".0.0xxxx0s",
    ("records.start", "POST"): ".0w0xxxx0s",
    ("rights.ask", "POST"): ".0xxxxxx0s",
    ("rights.back_up", "POST"): "xxxx..xxxs",
    ("rights.backups", "GET"): "xxxx..xxxs",
    ("rights.due", "GET"): "..xxxxxx.s",
    ("rights.erase_", "POST"): "00xxxxxx0s",
    ("rights.export_", "POST"): ".0xxxxxx0s",
    ("rights.keep", "POST"): ".0xxxxxx0s",
    ("rights.page", "GET"): ".0xxxxxx0s",
    ("sheets.blank", "POST"): ".........s",
    ("sheets.choose", "GET"): ".0xxxxxx0s",
    ("sheets.override", "GET"): ".0xxxxxx0s",
    ("sheets.override", "POST"): ".0xxxxxx0s",
    ("sheets.paper", "POST"): ".0xxxxxx0s",
    ("sheets.shelf", "GET"): ".........s",
    ("static", "GET"): "..........",
    ("team.change", "POST"): "xxxx..xxxs",
    ("team.glass", "GET"): "xxxx..xxxs",
    ("team.glass", "POST"): "xxxx..xxxs",
    ("team.hand_over", "GET"): "xx....xxxs",
    ("team.hand_over", "POST"): "xx....xxxs",
    ("team.new", "GET"): "xxxx..xxxs",
    ("team.new", "POST"): "xxxx..xxxs",
    ("team.page", "GET"): "xxxx..xxxs",
    ("team.person", "GET"): "xxxx..xxxs",
    ("workbench.edit", "GET"): ".000xxx0.s",
    ("workbench.edit", "POST"): ".000xxx0.s",
    ("workbench.exchange", "GET"): ".000xxx0.s",
    ("workbench.exchange", "POST"): ".000xxx0.s",
    ("workbench.language", "GET"): ".000xxx0.s",
    ("workbench.languages", "GET"): "....xxx..s",
    ("workbench.listing", "GET"): ".000xxx0.s",
    ("workbench.preview", "GET"): ".000xxx0.s",
    ("workbench.preview", "POST"): ".000xxx0.s",
    ("workbench.proof", "GET"): ".000xxx0.s",
    ("workbench.proof", "POST"): ".000xxx0.s",
}


@dataclass(frozen=True)
class House:
    """A served clinic with everybody in it. `ids` by staff name."""

    app: Any
    store: Store
    ids: dict[str, str]
    case: str
    browsers: dict[str, tuple[FlaskClient, str]] = field(default_factory=dict)

    def token(self, name: str) -> str:
        """A session that begins now."""
        with unit_of_work(self.store, write=True) as session:
            return sessions.start(self.store, session, UUID(self.ids[name]), "full").token

    def client(self, viewer: str) -> FlaskClient:
        made: FlaskClient = self.app.test_client()
        if viewer != "nobody":
            made.set_cookie("clinic_session", self.token("ana" if viewer == "reset" else viewer))
        return made

    def objects(self, rule: Rule) -> dict[str, str]:
        """What the address names, all of it Ana's, made anew: a door may use it up."""
        made = {"case_id": self.case, "account_id": self.ids["flora"], "filename": "app.css"}
        if "record_id" in rule.arguments:
            made["record_id"] = records.start(self.store, self.token("ana"), self.case, "session", "couple")
        if "request_id" in rule.arguments:
            asked = ("export_file", self.case, "for a court")
            made["request_id"] = second_person.ask(self.store, self.token("ana"), *asked)
        if "notice_id" in rule.arguments:
            notices.tell(self.store, self.ids["ana"], "restored", by="Ada")
            with unit_of_work(self.store) as session:
                mine = select(Notice.id).where(Notice.account_id == UUID(self.ids["ana"]), Notice.seen.is_(False))
                made["notice_id"] = str(session.scalars(mine).first())
        if "appointment_id" in rule.arguments:
            at = date(2026, 3, 9), time(10, 30), 50, "a"
            made["appointment_id"] = appointments.add(self.store, self.token("ana"), self.case, *at)
        if "batch_id" in rule.arguments:
            for one in batches.mine(self.store, self.token("ana")):  # nobody may have many at a time
                batches.cancel(self.store, self.token("ana"), one.id)
            item = packs.Item(1, self.case, "", "joint", "when_to_get_more_help")
            made["batch_id"] = batches.submit(self.store, self.token("ana"), [item], packs.How(), "approved").id
        if "machine_id" in rule.arguments:
            key = worker_key.shown(os.urandom(32))
            made["machine_id"] = machines.accept(self.store, self.token("ada"), f"Machine {key[-9:]}", key).id
        if "grant_id" in rule.arguments:
            made["grant_id"] = self.open_glass()
        # words that stand on no page of somebody who has no right for the language
        message = ref("handouts", "our_cycle.title")
        made |= {"tag": "pt-BR", "group": "our_cycle", "show": "untranslated", "ref": message}
        return {name: made[name] for name in rule.arguments}

    def open_glass(self) -> str:
        """Ana's case, open to Alf for an hour; the grant."""
        token = self.token("alf")
        code = cases.caseload(self.store, self.token("ana"))[0].code
        before = {one.id for one in break_glass.live(self.store, token)}
        break_glass.open_(self.store, token, code, "for a court", 1)
        return next(one.id for one in break_glass.live(self.store, token) if one.id not in before)

    def confirmed(self, is_: bool) -> None:
        with unit_of_work(self.store, write=True) as session:
            session.execute(update(Account).where(Account.id == UUID(self.ids["ana"])).values(confirmed=is_))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, press: Press) -> Iterator[House]:  # noqa: F811
    folder: Path = tmp_path_factory.mktemp("doors") / "i"
    settings = config.load(folder, {"CLINIC_PRINT_WHEN": "approved"})
    init_instance(settings, factors=False)
    yield from housed(settings, press)


def housed(settings: Settings, press: Press) -> Iterator[House]:
    """The house in an instance that was made just now."""
    store = Store.open(settings)
    roles = {"ana": "counsellor", "ben": "counsellor", "sven": "supervisor", "sue": "supervisor"}
    roles |= {"alf": "admin", "ada": "admin", "flora": "front_desk", "tara": "translator"}
    ids = {name: accounts.create_account(store, name, PASSWORD, name.title(), role) for name, role in roles.items()}
    accounts.set_supervisor(store, ids["ana"], ids["sven"])
    accounts.set_supervisor(store, ids["ben"], ids["sue"])
    made = House(create_app(settings, store, press), store, ids, "")
    both = {"a": PartnerCard(), "b": PartnerCard()}
    case, _ = (cases.open_case(store, made.token(name), both) for name in ("ana", "ben"))
    whole = House(made.app, store, ids, case)
    whole.open_glass()
    translators.grant(store, made.token("ada"), ids["ana"], "pt-BR", True)
    yield whole
    store.close()


def rules(app: Any) -> dict[tuple[str, str], Rule]:
    return {
        (rule.endpoint, method): rule
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    }


FIELDS = {
    "definition": "session", "about": "couple", "sheet": "our_cycle", "which": "our_cycle joint", "to": "joint",
    "do": "open", "rev": "-1", "tab": "t", "locale": "en",
}  # fmt: skip


# What some doors need to hear before they look at the case.
MORE = {
    "formulation.choose": {"do": "confirmed"},
    "rights.ask": {"kind": "export_file", "reason": "for a court"},
    "rights.erase_": {"sure": "yes", "partner": "a"},
    "workbench.edit": {"do": "look"},
    "workbench.exchange": {"do": "look"},
    "rights.export_": {"what": "a"},
}
# After these the browser's session is another one, or none.
SPOILS = ("auth.", "lock.", "account.", "cases.show_couple")


def ask(house: House, viewer: str, rule: Rule, method: str, objects: dict[str, str]) -> Any:
    """One request of this viewer's browser."""
    if viewer not in house.browsers:
        client = house.client(viewer)
        page = client.get("/sign-in" if viewer == "nobody" else "/help").get_data(as_text=True)
        found = re.search(r'name="csrf_token" value="([^"]+)"', page)
        house.browsers[viewer] = (client, found[1] if found else "")
    client, token = house.browsers[viewer]
    address = house.app.url_map.bind("localhost").build(rule.endpoint, objects)
    if method == "GET":
        reply = client.get(address)
    else:
        fields = FIELDS | MORE.get(rule.endpoint, {}) | {"csrf_token": token}
        reply = client.post(address, data=fields)
    reply.get_data()
    reply.close()
    if rule.endpoint.startswith(SPOILS):
        del house.browsers[viewer]
    return reply


def sign(reply: Any, rule: Rule) -> str:
    """The sign of what came back."""
    status, where = reply.status_code, reply.location or ""
    if where == "/sign-in" or status == 401:
        return "s"
    if status == 403:
        return "x"
    if status in (302, 303) and rule.endpoint in LED:
        return ">"
    return "0" if status == 404 else "." if status < 400 or status in (409, 422) else f"?{status}"


LED = ("cases.caseload", "cases.page", "cases.work", "desk.home")


def plain(reply: Any, objects: dict[str, str]) -> tuple[Any, ...]:
    """All of a reply but what differs in each: form token, nonce, request id, and the address that was asked for."""
    text = reply.get_data(as_text=True)
    text = re.sub(r'name="(?:csrf_token|next|lock-at|kept|request)" value="[^"]*"', "", text)
    for one in objects.values():
        text = text.replace(one, "")
    names = sorted(name for name, _ in reply.headers if name != "Content-Length")
    where = re.sub(r"[0-9a-f-]{36}", "", reply.location or "")
    return reply.status_code, where, names, text


def unknown(objects: dict[str, str]) -> dict[str, str]:
    return {name: value if name == "filename" else NOTHING for name, value in objects.items()}


# --------------------------------------------------------------------------- the table
def test_every_door_has_a_row_and_every_row_a_door(house: House) -> None:
    assert set(rules(house.app)) == set(TABLE)
    assert {endpoint for endpoint, _ in TABLE} == set(DOORS) | OPEN
    assert all(len(row) == len(VIEWERS) and set(row) <= set(SIGNS) for row in TABLE.values())


def test_the_table_says_what_the_doors_say() -> None:
    """A role that is not let in at the door reads 403 or is led away; nobody signs in first."""
    roles = ("counsellor", "counsellor", "supervisor", "supervisor", "admin", "admin", "front_desk", "translator")
    for (endpoint, _), row in TABLE.items():
        if endpoint in OPEN:
            continue
        assert row[-1] == "s", endpoint
        for role, found in zip(roles, row, strict=False):
            assert (role in DOORS[endpoint].roles) == (found not in "x>") or endpoint in LED, endpoint


@pytest.mark.parametrize(("endpoint", "method"), TABLE, ids=str)
def test_each_cell(house: House, endpoint: str, method: str) -> None:
    rule, row = rules(house.app)[endpoint, method], TABLE[endpoint, method]
    found, nowhere, apart = "", "", []
    for viewer, expected in zip(VIEWERS, row, strict=True):
        objects = house.objects(rule)
        house.confirmed(viewer != "reset")
        try:
            reply = ask(house, viewer, rule, method, objects)
            found += sign(reply, rule)
            if set(objects) - {"filename"}:
                other = ask(house, viewer, rule, method, unknown(objects))
                nowhere += sign(other, rule)
                if expected in FOREIGN and plain(reply, objects) != plain(other, unknown(objects)):
                    apart.append(viewer)
        finally:
            house.confirmed(True)
    assert found == row.replace("w", "x")
    assert nowhere == "".join(NOWHERE.get(one, one) for one in row) or not nowhere
    assert apart == [], "somebody else's is told apart from nothing"


FOREIGN = "0>xs"
NOWHERE = {".": "0", "w": "0"}


# --------------------------------------------------------------------------- a fresh proof
# What asks for one besides the doors that always do: endpoint, viewer, fields.
PROVEN = (
    ("team.new", "ada", {"name": "cleo", "display": "", "role": "counsellor", "supervisor": ""}),
    ("team.change", "ada", {"do": "reset", "reason": "asked"}),
    ("team.change", "ada", {"do": "off"}),
    ("team.change", "ada", {"do": "role", "role": "translator", "supervisor": "", "reason": "asked"}),
    ("team.hand_over", "ada", {"code": "K-1", "to": "{ben}", "reason": "leave"}),
    ("team.glass", "ada", {"code": "K-1", "reason": "court", "hours": "1"}),
    ("desk.answer", "ada", {"do": "confirm"}),
    ("machines.page", "ada", {"do": "accept", "name": "New", "public_key": worker_key.shown(bytes(range(32)))}),
    ("machines.revoke", "ada", {}),
)


def stale(house: House, viewer: str) -> FlaskClient:
    """A browser whose session was proven six minutes ago."""
    client = house.client(viewer)
    with unit_of_work(house.store, write=True) as session:
        before = house.store.clock() - timedelta(minutes=6)
        session.execute(update(SignedIn).where(SignedIn.account_id == UUID(house.ids[viewer])).values(authed=before))
    return client


@pytest.mark.parametrize(("endpoint", "viewer", "fields"), PROVEN)
def test_these_acts_ask_for_a_fresh_proof(house: House, endpoint: str, viewer: str, fields: dict[str, str]) -> None:
    rule = rules(house.app)[endpoint, "POST"]
    objects = house.objects(rule)
    client = stale(house, viewer)
    before = accounts.listing(house.store), second_person.waiting(house.store, house.token("ana"))
    page = client.get("/help").get_data(as_text=True)
    sent = {name: value.format(**house.ids) for name, value in fields.items()}
    sent["csrf_token"] = re.findall(r'name="csrf_token" value="([^"]+)"', page)[0]
    reply = client.post(house.app.url_map.bind("localhost").build(endpoint, objects), data=sent)
    assert reply.status_code == 401
    assert (accounts.listing(house.store), second_person.waiting(house.store, house.token("ana"))) == before


@pytest.mark.parametrize("endpoint", [one for one, door in DOORS.items() if door.fresh])
def test_these_doors_ask_for_a_fresh_proof(house: House, endpoint: str) -> None:
    for (one, method), rule in rules(house.app).items():
        if one == endpoint:
            client = stale(house, "ana")
            page = client.get("/help").get_data(as_text=True)
            token = re.findall(r'name="csrf_token" value="([^"]+)"', page)[0]
            address = house.app.url_map.bind("localhost").build(one, house.objects(rule))
            reply = client.get(address) if method == "GET" else client.post(address, data={"csrf_token": token})
            assert reply.status_code == 401, (one, method)
