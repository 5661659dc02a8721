"""Sessions as the browser meets them: half ones, locked ones, the couple view, step-up, and whose form it is."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyotp
import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from clinic import config
from clinic.app import HEADERS, create_app
from clinic.persistence.models import Account, SignedIn
from clinic.persistence.store import Store
from clinic.press.press import Press
from clinic.services import accounts
from clinic.services.instance import init_instance
from clinic.web.doors import DOORS, OPEN, WHILE_LOCKED
from tests.web.conftest import PASSWORD, Clinic, csrf, post
from tests.web.test_doors import address, routes

SECRET = "words that stay sealed"


def change(clinic: Clinic, **values: Any) -> None:
    """Change every session, as time or another tab would."""
    with Session(clinic.store.engine.execution_options(write=True)) as session:
        session.execute(update(SignedIn).values(**values))
        session.commit()


def earlier(clinic: Clinic, minutes: int) -> Any:
    return clinic.store.clock() - timedelta(minutes=minutes)


def field(reply: Any, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', reply.get_data(as_text=True))
    return found[1] if found else ""


def send(client: FlaskClient, reply: Any, where: str, **fields: Any) -> Any:
    """Answer the form of a page, with its hidden fields."""
    hidden = {name: field(reply, name) for name in ("csrf_token", "kept", "at") if field(reply, name)}
    return client.post(where, data=hidden | fields)


def sessions_of(clinic: Clinic) -> list[SignedIn]:
    with Session(clinic.store.engine) as session:
        return list(session.scalars(select(SignedIn)))


# ---------------------------------------------------------------- locked
def test_a_locked_session_gets_one_page_whatever_it_asks_for(clinic: Clinic, ana: FlaskClient) -> None:
    code = re.search(r"K-\d+", ana.get("/").get_data(as_text=True))
    token = csrf(ana.get("/help"))
    change(clinic, locked=True)
    assert code
    seen = 0
    for rule, method in routes(clinic):
        if rule.endpoint in OPEN | WHILE_LOCKED:
            continue
        where = address(clinic, rule, clinic.case, clinic.draft)
        reply = ana.get(where) if method == "GET" else ana.post(where, data={"csrf_token": token, "to": "a"})
        text = reply.get_data(as_text=True)
        assert reply.status_code == 423, (rule, method)
        assert "This screen is locked" in text
        assert code[0] not in text
        assert "<header" not in text
        seen += 1
    assert seen > 40
    assert ana.get("/no-such-page").status_code == 423


def test_ten_quiet_minutes_lock_and_asking_keeps_nothing_awake(clinic: Clinic, ana: FlaskClient) -> None:
    assert ana.get("/session").status_code == 204
    change(clinic, seen=earlier(clinic, 9))
    assert ana.get("/session").status_code == 204
    change(clinic, seen=earlier(clinic, 11))
    assert ana.get("/session").status_code == 423
    assert ana.get("/").status_code == 423
    assert clinic.client().get("/session").status_code == 401


def test_typing_keeps_the_session_awake(clinic: Clinic, ana: FlaskClient) -> None:
    token = csrf(ana.get("/help"))
    change(clinic, seen=earlier(clinic, 9))
    fields = {"csrf_token": token, "rev": "1", "tab": "t1", "ideas": "still typing"}
    assert ana.post(f"/records/{clinic.draft}/typing", data=fields).status_code == 204
    mine = [one for one in sessions_of(clinic) if clinic.store.clock() - one.seen < timedelta(minutes=1)]
    assert len(mine) == 1


def test_unlocking_gives_a_new_token_and_the_same_address(clinic: Clinic, ana: FlaskClient) -> None:
    old = clinic.tokens["ana"]
    change(clinic, locked=True)
    page = ana.get(f"/records/{clinic.draft}")
    wrong = send(ana, page, "/unlock", password="not it")
    assert wrong.status_code == 423
    assert "does not fit" in wrong.get_data(as_text=True)
    reply = send(ana, wrong, "/unlock", password=PASSWORD)
    assert (reply.status_code, reply.location) == (303, f"/records/{clinic.draft}")
    assert ana.get(reply.location).status_code == 200
    thief = clinic.app.test_client()
    thief.set_cookie("clinic_session", old)
    assert thief.get("/").location == "/sign-in"


def test_the_staff_layer_closes_with_the_lock(clinic: Clinic, ana: FlaskClient) -> None:
    for page in ("work", "formulation"):
        change(clinic, locked=True)
        reply = send(ana, ana.get(f"/cases/{clinic.case}/{page}"), "/unlock", password=PASSWORD)
        assert reply.location == f"/cases/{clinic.case}"


@pytest.mark.parametrize("where", ["https://evil.example/", "//evil.example", "/\\evil.example", "/records/x/merge"])
def test_unlocking_goes_back_inside_only(clinic: Clinic, ana: FlaskClient, where: str) -> None:
    change(clinic, locked=True)
    token = csrf(ana.get("/"))
    assert ana.post("/unlock", data={"csrf_token": token, "at": where, "password": PASSWORD}).location == "/start"


def test_what_is_sent_to_a_locked_session_is_sealed_and_comes_back(clinic: Clinic, ana: FlaskClient) -> None:
    token = csrf(ana.get(f"/records/{clinic.draft}"))
    change(clinic, locked=True)
    fields = {"csrf_token": token, "rev": "1", "tab": "t1", "do": "draft", "ideas": SECRET}
    page = ana.post(f"/records/{clinic.draft}", data=fields)
    assert page.status_code == 423
    assert SECRET not in page.get_data(as_text=True)
    again = send(ana, page, "/unlock", password=PASSWORD)
    assert SECRET in again.get_data(as_text=True)
    assert f'action="/records/{clinic.draft}"' in again.get_data(as_text=True)
    saved = ana.post(f"/records/{clinic.draft}", data=fields | {"csrf_token": csrf(again)})
    assert saved.status_code == 303
    assert SECRET in ana.get(f"/records/{clinic.draft}").get_data(as_text=True)


def test_the_lock_takes_the_typing_of_a_record_along(clinic: Clinic, ana: FlaskClient) -> None:
    where = f"/records/{clinic.draft}"
    token = csrf(ana.get(where))
    fields = {"csrf_token": token, "rev": "1", "tab": "t1", "ideas": SECRET, "lock-at": where}
    reply = ana.post("/lock", data=fields)
    assert (reply.status_code, reply.location) == (303, where)
    assert reply.headers["Clear-Site-Data"] == '"cache", "storage"'
    page = ana.get(where)
    assert page.status_code == 423
    reply = send(ana, page, "/unlock", password=PASSWORD)
    assert SECRET in ana.get(reply.location).get_data(as_text=True)


def test_typing_in_a_second_tab_waits_in_its_locked_page(clinic: Clinic, ana: FlaskClient) -> None:
    where = f"/records/{clinic.draft}"
    token = csrf(ana.get(where))
    change(clinic, locked=True)
    page = ana.post("/lock", data={"csrf_token": token, "rev": "1", "tab": "t2", "ideas": SECRET, "lock-at": where})
    assert page.status_code == 423
    assert SECRET not in page.get_data(as_text=True)
    reply = send(ana, page, "/unlock", password=PASSWORD)
    assert reply.location == where
    assert SECRET in ana.get(where).get_data(as_text=True)


def test_opened_in_another_tab_the_locked_page_goes_on_without_the_passphrase(clinic: Clinic, ana: FlaskClient) -> None:
    change(clinic, locked=True)
    page = ana.get("/help")
    change(clinic, locked=False)
    assert send(ana, page, "/unlock", password="").location == "/help"


def test_what_was_typed_survives_signing_out_of_a_locked_session(clinic: Clinic, ana: FlaskClient) -> None:
    where = f"/records/{clinic.draft}"
    token = csrf(ana.get(where))
    change(clinic, locked=True)
    page = ana.post(where, data={"csrf_token": token, "rev": "1", "tab": "t1", "do": "draft", "ideas": SECRET})
    out = send(ana, page, "/sign-out")
    assert "What you typed is kept" in out.get_data(as_text=True)
    assert SECRET in send(ana, out, "/sign-in", name="ana", password=PASSWORD).get_data(as_text=True)


def test_a_passphrase_is_never_kept(clinic: Clinic, ana: FlaskClient) -> None:
    token = csrf(ana.get("/account"))
    change(clinic, locked=True)
    for where in ("/account/passphrase", "/prove", "/lock"):
        typed = {"csrf_token": token, "password": "x y z", "new_password": "q", "lock-at": "/account"}
        page = ana.post(where, data=typed)
        assert field(page, "kept") == "", where


def test_each_page_leaves_a_new_nonce(clinic: Clinic, ana: FlaskClient) -> None:
    seen = set()
    for page in ("/", "/", "/help", "/nothing", f"/cases/{clinic.case}"):
        found = [one for one in ana.get(page).headers.getlist("Set-Cookie") if one.startswith("clinic_fresh=")]
        assert len(found) == 1
        assert "HttpOnly" in found[0]
        seen.add(found[0])
    assert len(seen) == 5
    with ana.get("/static/app.css") as kept:
        assert "Set-Cookie" not in kept.headers


# ---------------------------------------------------------------- couple view
def test_the_couple_view_holds_the_session_until_the_passphrase(clinic: Clinic, ana: FlaskClient) -> None:
    assert post(ana, f"/cases/{clinic.case}/couple").status_code == 303
    assert ana.get(f"/cases/{clinic.case}/couple").status_code == 200
    nothing = "00000000-0000-4000-8000-000000000000"
    for where in ("/", "/account", f"/cases/{clinic.case}", f"/cases/{clinic.case}/work", f"/cases/{nothing}/couple"):
        assert ana.get(where).status_code == 423, where
    page = ana.get(f"/cases/{clinic.case}")
    assert send(ana, page, "/unlock", password="not it").status_code == 423
    assert ana.get("/").status_code == 423
    assert send(ana, page, "/unlock", password=PASSWORD).location == f"/cases/{clinic.case}"
    assert ana.get("/").status_code == 200


def test_locked_within_the_couple_view_it_opens_to_the_couple_view(clinic: Clinic, ana: FlaskClient) -> None:
    couple = f"/cases/{clinic.case}/couple"
    post(ana, couple)
    change(clinic, locked=True)
    page = ana.get(couple)
    assert page.status_code == 423
    assert send(ana, page, "/unlock", password=PASSWORD).location == couple
    assert ana.get(couple).status_code == 200
    assert ana.get("/").status_code == 423


# ---------------------------------------------------------------- step-up
def test_a_door_that_asks_for_a_fresh_proof(clinic: Clinic, ana: FlaskClient) -> None:
    change(clinic, authed=earlier(clinic, 6))
    fresh = [name for name, door in DOORS.items() if door.fresh and "counsellor" in door.roles]
    assert len(fresh) >= 6
    for rule, method in routes(clinic):
        if rule.endpoint in fresh:
            where = address(clinic, rule, clinic.case, clinic.draft)
            reply = ana.get(where) if method == "GET" else post(ana, where)
            assert reply.status_code == 401, rule
            assert "Prove that it is you" in reply.get_data(as_text=True)
    page = ana.get("/account/code")
    wrong = send(ana, page, "/prove", password="not it", how="code")
    assert wrong.status_code == 422
    reply = send(ana, wrong, "/prove", password=PASSWORD, how="code")
    assert reply.location == "/account/code"
    assert ana.get("/account/code").status_code == 200


def test_an_act_waits_for_the_proof_and_goes_on(clinic: Clinic, ana: FlaskClient) -> None:
    token = csrf(ana.get("/help"))
    change(clinic, authed=earlier(clinic, 6))
    where = f"/cases/{clinic.case}/override"
    page = ana.post(where, data={"csrf_token": token, "reason": SECRET})
    assert page.status_code == 401
    assert SECRET not in page.get_data(as_text=True)
    again = send(ana, page, "/prove", password=PASSWORD, how="code")
    assert f'action="{where}"' in again.get_data(as_text=True)
    assert SECRET in again.get_data(as_text=True)


# ---------------------------------------------------------------- whose form
def test_a_form_outlives_signing_in_again_unlocking_and_proving(clinic: Clinic, ana: FlaskClient) -> None:
    token = csrf(ana.get("/help"))
    post(ana, "/sign-out")
    page = ana.get("/sign-in")
    assert send(ana, page, "/sign-in", name="ana", password=PASSWORD).status_code == 303
    change(clinic, locked=True)
    assert send(ana, ana.get("/"), "/unlock", password=PASSWORD).status_code == 303
    assert ana.post("/account/cover", data={"csrf_token": token, "key": "F9"}).status_code == 303


def test_a_form_of_another_person_in_this_browser_is_kept_for_them(clinic: Clinic, ana: FlaskClient) -> None:
    token = csrf(ana.get("/help"))
    post(ana, "/sign-out")
    assert send(ana, ana.get("/sign-in"), "/sign-in", name="ben", password=PASSWORD).status_code == 303
    reply = ana.post("/cases/new", data={"csrf_token": token, "a-language": "en", "b-language": "es", "paper": "a4"})
    assert reply.status_code == 401  # not made in Ben's name
    assert field(reply, "kept")
    again = send(ana, reply, "/sign-in", name="ana", password=PASSWORD)
    assert 'action="/cases/new"' in again.get_data(as_text=True)


def test_a_token_of_another_browser_is_none(clinic: Clinic, ana: FlaskClient) -> None:
    token = csrf(clinic.client("ana").get("/help"))
    assert ana.post("/account/cover", data={"csrf_token": token, "key": "F9"}).status_code == 400


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Referer": "https://evil.example/x"},
        {"Origin": "null"},
    ],
)
def test_another_site_posts_nothing(clinic: Clinic, ana: FlaskClient, headers: dict[str, str]) -> None:
    token = csrf(ana.get("/help"))
    fields = {"csrf_token": token, "key": "F9"}
    assert ana.post("/account/cover", data=fields, headers=headers).status_code == 400
    mine = {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}
    assert ana.post("/account/cover", data=fields, headers=mine).status_code == 303


# ---------------------------------------------------------------- addresses, headers, TLS
@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8000", "[::1]", "[::1]:8000"])
def test_numbers_lead_to_the_name(clinic: Clinic, host: str) -> None:
    port = ":8000" if host.endswith("8000") else ""
    reply = clinic.client().get("/sign-in", headers={"Host": host})
    assert (reply.status_code, reply.location) == (302, f"http://localhost{port}/sign-in")


def test_every_reply_carries_the_headers(clinic: Clinic, ana: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    token = csrf(ana.get("/sheets"))
    pdf = {"csrf_token": token, "sheet": "our_cycle", "do": "print", "locale": "en", "beside": "", "paper": "a4"}
    replies = [
        ana.get("/"),
        ana.get("/nothing"),
        ana.get("/static/app.css"),
        ana.get("/static/nothing"),
        ana.post("/sheets", data=pdf | {"size": "normal", "ink": "full"}),
        ana.post("/sheets", data={}),
        ana.post(f"/records/{clinic.draft}", data={"csrf_token": token, "ideas": "z" * 5_000_000}),
        ana.delete("/"),
        ana.open("/", method="OPTIONS"),
        ana.get("/session"),
        ana.get("/", headers={"Host": "evil.example"}),
        clinic.client().get("/"),
        clinic.client().post("/unlock"),
    ]
    monkeypatch.setattr("clinic.services.cases.caseload_page", lambda *_: 1 / 0)
    replies.append(ana.get("/"))
    change(clinic, locked=True)
    replies.append(ana.get("/"))
    assert {one.status_code for one in replies} >= {200, 204, 302, 400, 401, 404, 413, 423, 500}
    assert "application/pdf" in {one.mimetype for one in replies}
    for reply in replies:
        for name, value in HEADERS.items():
            if name not in ("Cache-Control", "Content-Security-Policy"):
                assert reply.headers[name] == value, (reply.request.path, reply.status_code, name)
        assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
        kept = reply.request.path.startswith("/static/")
        assert reply.headers["Cache-Control"] == ("no-cache" if kept else "no-store"), reply.request.path
        reply.close()


@pytest.fixture
def behind_a_proxy(clinic: Clinic) -> FlaskClient:
    settings = replace(clinic.store.settings, tls="proxy", name="clinic.example.org")
    client = create_app(settings, clinic.store, clinic.app.extensions["clinic"]["press"]).test_client()
    client.environ_base |= {"HTTP_HOST": "clinic.example.org", "HTTP_X_FORWARDED_PROTO": "https"}
    client.environ_base |= {"HTTP_X_FORWARDED_FOR": "10.0.0.9"}
    return client


def test_over_tls_cookies_belong_to_this_host_and_no_plain_page(behind_a_proxy: FlaskClient, clinic: Clinic) -> None:
    page = behind_a_proxy.get("/sign-in", base_url="https://clinic.example.org")
    origin = {"Origin": "https://clinic.example.org"}
    fields = {"csrf_token": csrf(page), "name": "ana", "password": PASSWORD}
    reply = behind_a_proxy.post("/sign-in", data=fields, base_url="https://clinic.example.org", headers=origin)
    assert reply.status_code == 303
    cookies = reply.headers.getlist("Set-Cookie")
    assert len(cookies) >= 3
    for one in cookies:
        assert one.startswith("__Host-clinic_"), one
        assert "Secure" in one
        assert "HttpOnly" in one
        assert "Path=/" in one
        assert "Domain" not in one
    assert "max-age" in reply.headers["Strict-Transport-Security"]
    # Neither Origin nor Referer nor Sec-Fetch-Site: over TLS every browser sends one of them.
    bare = behind_a_proxy.post("/sign-in", data=fields, base_url="https://clinic.example.org")
    assert bare.status_code == 400


def test_only_the_configured_name_is_answered(behind_a_proxy: FlaskClient) -> None:
    assert behind_a_proxy.get("/sign-in").status_code == 200
    for host in ("other.example.org", "clinic.example.org.evil.example"):
        assert behind_a_proxy.get("/sign-in", headers={"Host": host}).status_code == 400
    forwarded = {"X-Forwarded-Host": "evil.example"}
    assert behind_a_proxy.get("/sign-in", headers=forwarded).status_code == 200  # not listened to


def test_only_one_hop_is_believed(behind_a_proxy: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr("clinic.services.sessions.begin", lambda *said: seen.append(said[3]) or 1 / 0)
    page = behind_a_proxy.get("/sign-in", base_url="https://clinic.example.org")
    headers = {"Origin": "https://clinic.example.org", "X-Forwarded-For": "6.6.6.6, 10.0.0.9"}
    fields = {"csrf_token": csrf(page), "name": "ana", "password": "x"}
    behind_a_proxy.post("/sign-in", data=fields, base_url="https://clinic.example.org", headers=headers)
    assert seen == ["10.0.0.9"]


# ---------------------------------------------------------------- half sessions
@pytest.fixture
def strict(tmp_path: Path, press: Press) -> Iterator[Clinic]:
    """An instance where everybody needs a second factor; Ana has none yet."""
    settings = config.load(tmp_path / "s", {})
    init_instance(settings, factors=True)
    store = Store.open(settings)
    accounts.create_account(store, "ana", PASSWORD)
    yield Clinic(create_app(settings, store, press), store, {}, *4 * ["00000000-0000-4000-8000-000000000000"])
    store.close()


def test_the_way_in_has_its_steps_and_no_other(strict: Clinic) -> None:
    client = strict.app.test_client()
    page = client.get("/sign-in")
    reply = send(client, page, "/sign-in", name="ana", password=PASSWORD)
    assert reply.location == "/sign-in/protect"
    reached(strict, client, "/sign-in/protect")
    page = client.get("/sign-in/protect")
    secret = re.search(r'class="secret"><bdi[^>]*>([A-Z2-7 ]+)<', page.get_data(as_text=True))
    assert secret
    app = pyotp.TOTP(secret[1].replace(" ", ""))
    pending = field(page, "pending")
    wrong = send(client, page, "/sign-in/protect", code="000000", pending=pending)
    assert wrong.status_code == 422
    assert secret[1] in wrong.get_data(as_text=True)  # the same picture, not a new one
    now = strict.store.clock()
    codes = send(client, page, "/sign-in/protect", code=app.at(now), pending=pending)
    found = re.findall(r'class="code" dir="ltr">([A-Z2-7-]+)<', codes.get_data(as_text=True))
    assert len(found) == 10
    again = send(client, codes, "/sign-in/written")
    assert again.status_code == 422
    assert found[0] not in again.get_data(as_text=True)
    assert send(client, again, "/sign-in/written", written="yes").location == "/start"
    assert client.get("/").status_code == 200
    second(strict, app.at(now + timedelta(seconds=30)))


def second(strict: Clinic, code: str) -> None:
    client = strict.app.test_client()
    page = send(client, client.get("/sign-in"), "/sign-in", name="ana", password=PASSWORD)
    reached(strict, client, "/sign-in/second")
    reply = send(client, page, "/sign-in/second", code=code)
    assert reply.location == "/start"
    assert client.get("/").status_code == 200


def reached(strict: Clinic, client: FlaskClient, only: str) -> None:
    """Every other door sends half a session back."""
    for rule, method in routes(strict):
        if rule.endpoint in OPEN or rule.endpoint == "auth.sign_out":
            continue
        where = address(strict, rule, strict.case, strict.draft)
        if where.startswith(only):
            continue
        reply = client.get(where) if method == "GET" else client.post(where)
        if method == "GET":
            assert (reply.status_code, reply.location) == (302, only), where
        else:
            assert reply.status_code in (400, 401), where
        assert b"<header" not in reply.data


def test_a_passphrase_from_somebody_else_is_changed_first(clinic: Clinic, ana: FlaskClient) -> None:
    with Session(clinic.store.engine.execution_options(write=True)) as session:
        session.execute(update(Account).values(temporary=True))
        session.commit()
    for where in ("/", "/account", f"/cases/{clinic.case}"):
        assert ana.get(where).location == "/sign-in/passphrase"
    page = ana.get("/sign-in/passphrase")
    new = "seven quiet horses by the lake"
    fields = {"password": PASSWORD, "new_password": new, "new_password_again": "seven loud horses"}
    assert send(ana, page, "/sign-in/passphrase", **fields).status_code == 422
    fields["new_password_again"] = fields["new_password"] = "short"
    assert "Too short" in send(ana, page, "/sign-in/passphrase", **fields).get_data(as_text=True)
    fields["new_password_again"] = fields["new_password"] = new
    assert send(ana, page, "/sign-in/passphrase", **fields).location == "/start"
    assert ana.get("/").status_code == 200
