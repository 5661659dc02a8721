"""Signing in with a second factor, lock and cover, the couple view, and what the Back button shows afterwards."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyotp
import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from clinic.persistence.models import SignedIn
from clinic.web import session as web_session
from tests.e2e.conftest import PASSWORD, Served, Walk

pytestmark = pytest.mark.everything
SECRET_WORDS = "words that nobody else may see"
TYPED = "typed and not saved"
WITH_FACTORS = pytest.mark.parametrize("served", [True], indirect=True, ids=["factors"])
PLAIN = [{"java_script_enabled": True}, {"java_script_enabled": False}]
WITH_AND_WITHOUT_JS = pytest.mark.parametrize("walk", PLAIN, indirect=True, ids=["js", "no-js"])


def name_and_password(walk: Walk) -> None:
    walk.page.goto(walk.address + "/sign-in")
    walk.page.fill("#name", "ana")
    walk.page.fill("#password", PASSWORD)
    walk.page.press("#password", "Enter")


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_selector("#name")


def quiet(served: Served, **values: Any) -> None:
    """Set the clock of every session back, as if time had passed."""
    with Session(served.store.engine.execution_options(write=True)) as session:
        session.execute(update(SignedIn).values(**values))
        session.commit()


def older(served: Served, minutes: int) -> Any:
    return served.store.clock() - timedelta(minutes=minutes)


def a_session_note(walk: Walk) -> None:
    """A case, and the form of a session in it."""
    walk.sign_in()
    walk.page.goto(walk.address + "/cases/new")
    walk.page.get_by_role("button", name="Open the case").click()
    walk.page.wait_for_url("**/work")
    walk.start("session")


def unlock(page: Page, password: str = PASSWORD) -> None:
    page.wait_for_selector("#password")
    page.fill("#password", password)
    page.press("#password", "Enter")


# ---------------------------------------------------------------- second factors
@WITH_FACTORS
def test_a_code_of_the_authenticator_app(walk: Walk) -> None:
    page = walk.page
    name_and_password(walk)
    page.wait_for_selector(".qr svg")
    page.locator(".howto summary").click()
    walk.look("choose-a-factor")
    app = pyotp.TOTP(page.locator(".secret").inner_text().replace(" ", ""))
    page.fill("#code", "000000")
    page.get_by_role("button", name="Use this app").click()
    expect(page.locator("[data-errors]")).to_contain_text("does not fit")
    first = app.now()
    page.fill("#code", first)
    page.get_by_role("button", name="Use this app").click()
    page.wait_for_selector(".codes")
    codes = page.locator(".codes .code").all_inner_texts()
    assert len(set(codes)) == 10
    walk.look("recovery-codes")
    page.check("#written")
    page.get_by_role("button", name="Go on").click()
    page.wait_for_url(walk.address + "/")
    page.goto(walk.address + "/account")
    walk.look("account")
    sign_out(page)
    name_and_password(walk)
    page.wait_for_selector("#code")
    walk.look("second-step")
    page.fill("#code", first)  # it put the app in force: used
    page.press("#code", "Enter")
    expect(page.locator("[data-errors]")).to_contain_text("Each code works once")
    page.fill("#code", app.at(int(time.time()) + 30))
    page.press("#code", "Enter")
    page.wait_for_url(walk.address + "/")
    sign_out(page)
    name_and_password(walk)
    page.fill("#code", codes[0].lower())
    page.press("#code", "Enter")
    page.wait_for_url(walk.address + "/")
    page.goto(walk.address + "/account")
    expect(page.locator("main")).to_contain_text("9 left")
    assert walk.wrong == []


@WITH_FACTORS
def test_a_passkey(walk: Walk, served: Served) -> None:
    page = walk.page
    keys = page.context.new_cdp_session(page)
    keys.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "usb", "hasResidentKey": False, "hasUserVerification": True}
    options |= {"isUserVerified": True, "automaticPresenceSimulation": True}
    keys.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    name_and_password(walk)
    page.fill("#passkey-name", "blue key")
    page.get_by_role("button", name="Make a passkey").click()
    page.wait_for_selector(".codes")
    page.check("#written")
    page.get_by_role("button", name="Go on").click()
    page.wait_for_url(walk.address + "/")
    sign_out(page)
    name_and_password(walk)
    page.wait_for_selector("[data-passkey-go]")
    walk.look("second-step-passkey")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(walk.address + "/")
    page.goto(walk.address + "/account")
    expect(page.locator("main")).to_contain_text("blue key")
    quiet(served, authed=older(served, 6))
    page.get_by_role("button", name="Make new ones").click()
    page.wait_for_selector("[data-passkey-go]")
    walk.look("prove")
    page.get_by_role("button", name="Use a passkey").click()
    page.get_by_role("button", name="Send it now").click()
    page.wait_for_selector(".codes")
    page.check("#written")
    page.get_by_role("button", name="Go on").click()
    page.goto(walk.address + "/account/code")
    page.wait_for_selector(".qr svg")
    walk.look("new-app")
    page.goto(walk.address + "/account/passkey")
    walk.look("new-passkey")
    assert walk.wrong == []


@WITH_FACTORS
def test_factors_right_to_left(walk: Walk) -> None:
    page = walk.page
    page.goto(walk.address + "/sign-in")
    page.locator("button[name='tag'][value='ar']").click()
    name_and_password(walk)
    page.wait_for_selector(".qr svg")
    page.locator(".howto summary").click()
    walk.look("choose-a-factor")
    app = pyotp.TOTP(page.locator(".secret").inner_text().replace(" ", ""))
    page.fill("#code", app.now())
    page.press("#code", "Enter")
    page.wait_for_selector(".codes")
    walk.look("recovery-codes")
    page.check("#written")
    page.locator("main button[type=submit]").click()
    page.wait_for_url(walk.address + "/")
    page.goto(walk.address + "/account")
    walk.look("account")
    page.keyboard.press("F8")
    page.wait_for_selector("#password")
    walk.look("locked")
    unlock(page, "not it")
    page.wait_for_selector("#password-error")
    walk.look("locked-wrong")
    unlock(page)
    page.wait_for_url("**/account")
    page.locator("header form button").last.click()
    name_and_password(walk)
    page.wait_for_selector("#code")
    walk.look("second-step")
    assert walk.wrong == []


# ---------------------------------------------------------------- lock and cover
def test_the_cover_key_locks_and_what_was_typed_comes_back(walk: Walk) -> None:
    page = walk.page
    a_session_note(walk)
    record = page.url
    page.fill("#ideas", TYPED)
    page.keyboard.press("F8")
    page.wait_for_selector("#password")
    assert page.url == record
    assert TYPED not in page.content()
    assert page.title().startswith("Locked")
    walk.look("locked")
    for other in ("/", "/account", "/sheets"):
        assert page.request.get(walk.address + other).status == 423
    unlock(page, "not it")
    expect(page.locator("#password-error")).to_be_visible()
    assert page.url.endswith("/unlock")
    unlock(page)
    page.wait_for_url(record)
    assert page.input_value("#ideas") == TYPED
    assert walk.wrong == []


@WITH_AND_WITHOUT_JS
def test_the_button_covers(walk: Walk) -> None:
    page = walk.page
    a_session_note(walk)
    record = page.url
    page.fill("#ideas", TYPED)
    page.get_by_role("button", name="Cover screen").click()
    page.wait_for_selector("#password")
    assert page.url == record
    unlock(page)
    page.wait_for_url(record)
    assert page.input_value("#ideas") == TYPED
    assert walk.wrong == []


def test_a_form_that_is_no_record_comes_back_too(walk: Walk) -> None:
    page = walk.page
    a_session_note(walk)
    page.goto(walk.address + "/cases/new")
    page.select_option("#b-language", "ar")
    page.keyboard.press("F8")
    page.wait_for_selector("#password")
    unlock(page)
    page.get_by_role("button", name="Send it now").click()
    page.wait_for_url("**/work")
    page.get_by_role("link", name="Close the staff layer").click()
    expect(page.locator("main")).to_contain_text("العربية")
    assert walk.wrong == []


def test_enter_in_a_field_saves_and_never_locks(walk: Walk) -> None:
    page = walk.page
    a_session_note(walk)
    page.press("[id='held.place']" if page.locator("[id='held.place']").count() else "input.input[type=text]", "Enter")
    page.wait_for_selector("[role='status']:has-text('Draft saved.')")
    assert walk.wrong == []


def test_quiet_minutes_lock_without_the_page_doing_anything(walk: Walk, served: Served) -> None:
    page = walk.page
    a_session_note(walk)
    record = page.url
    page.fill("#ideas", TYPED)
    expect(page.locator("[data-autosave]")).to_contain_text("Typing kept", timeout=8_000)
    page.fill("#ideas", TYPED + " at all")
    quiet(served, seen=older(served, 11))
    page.wait_for_selector("#password", timeout=30_000)
    unlock(page)
    page.wait_for_selector("#ideas")
    assert page.url == record
    assert page.input_value("#ideas") == TYPED + " at all"
    assert walk.wrong == []


def test_the_staff_layer_that_closes_by_itself_keeps_nobody_signed_in(walk: Walk, served: Served) -> None:
    page = walk.page
    a_session_note(walk)
    quick = "document.addEventListener('readystatechange', () => { document.documentElement.dataset.quiet = '2' })"
    page.add_init_script(quick)
    page.reload()
    then = older(served, 9)
    quiet(served, seen=then)
    page.wait_for_url("**/cases/*")
    with Session(served.store.engine) as session:
        assert session.scalars(select(SignedIn.seen)).all() == [then]
    page.goto(walk.address + "/help")  # that is somebody, once the mark is gone
    page.wait_for_timeout(5_500)
    page.reload()
    with Session(served.store.engine) as session:
        assert session.scalars(select(SignedIn.seen)).one() > then
    assert walk.wrong == []


def test_cover_covers_every_tab(walk: Walk) -> None:
    page = walk.page
    a_session_note(walk)
    other = page.context.new_page()
    other.goto(page.url)
    other.fill("#ideas", "typed in the other tab")
    page.fill("#plan" if page.locator("#plan").count() else "[id='b.risk']", TYPED)
    page.keyboard.press("F8")
    page.wait_for_selector("#password")
    other.wait_for_selector("#password")
    assert "typed in the other tab" not in other.content()
    unlock(page)
    page.wait_for_selector("#ideas")
    other.wait_for_selector("#ideas")  # by itself: the session is open again
    assert other.input_value("#ideas") == "typed in the other tab"
    assert walk.wrong == []


def test_the_key_can_be_changed(walk: Walk) -> None:
    page = walk.page
    walk.sign_in()
    page.goto(walk.address + "/account")
    page.check("input[name='key'][value='Escape']")
    page.locator("section:has(#cover-key) button").click()
    page.wait_for_selector("[role='status']")
    page.keyboard.press("F8")
    page.keyboard.press("Escape")
    page.wait_for_timeout(800)
    page.keyboard.press("Escape")
    assert page.locator("#cover").is_hidden()
    page.keyboard.press("Escape")
    page.wait_for_selector("#password")
    assert walk.wrong == []


# ---------------------------------------------------------------- back
def _cover(walk: Walk, _: Served) -> None:
    walk.page.get_by_role("button", name="Cover screen").click()
    walk.page.wait_for_selector("#password")


def _sign_out(walk: Walk, _: Served) -> None:
    sign_out(walk.page)


def _quiet_minutes(_: Walk, served: Served) -> None:
    quiet(served, seen=older(served, 11))


ENDS: list[Callable[[Walk, Served], None]] = [_cover, _sign_out, _quiet_minutes]
EACH_END = pytest.mark.parametrize("end", ENDS, ids=["cover", "sign-out", "idle"])


def on_the_way_back(walk: Walk, served: Served, end: Callable[[Walk, Served], None]) -> str:
    """What the Back button shows after the end: of a page that was read, and of a form somebody had typed in."""
    page = walk.page
    a_session_note(walk)
    record = page.url
    page.fill("#ideas", SECRET_WORDS)
    page.locator(".formbar button[value='draft']").click()
    page.wait_for_selector("[role='status']:has-text('Draft saved.')")
    page.on("dialog", lambda box: box.accept())
    for typed in ("", TYPED):
        page.goto(record)
        if typed:
            page.fill("[id='b.risk']", typed)
        page.get_by_role("link", name="Help", exact=True).click()
        page.wait_for_url("**/help")
    end(walk, served)
    shown = []
    for _ in range(7):
        page.go_back(wait_until="commit")
        page.wait_for_timeout(300)
        fields = page.locator("textarea, input.input").all()
        shown.append(page.content() + " ".join(field.input_value() for field in fields))
    return " ".join(shown)


@EACH_END
@WITH_AND_WITHOUT_JS
def test_back_shows_nothing(walk: Walk, served: Served, end: Callable[[Walk, Served], None]) -> None:
    shown = on_the_way_back(walk, served, end)
    assert SECRET_WORDS not in shown
    assert TYPED not in shown


@WITH_AND_WITHOUT_JS
def test_without_the_nonce_cookie_back_would_show_it(
    walk: Walk, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: this browser does keep pages that came with `no-store`, so the test above can fail."""
    monkeypatch.setattr(web_session, "freshen", lambda reply: reply)
    # Neither may our own script help: a message to a kept page evicts it, and a page that comes back asks the server.
    walk.page.add_init_script("delete window.BroadcastChannel; window.fetch = () => Promise.reject(new Error())")
    shown = on_the_way_back(walk, served, _quiet_minutes)
    assert SECRET_WORDS in shown
    assert TYPED in shown


# ---------------------------------------------------------------- tabs, and the couple view
def heard(walk: Walk) -> list[str]:
    """What was wrong, but for the requests that the test itself stopped."""
    return [one for one in walk.wrong if "ERR_FAILED" not in one]


def test_signed_out_in_another_tab_the_form_comes_back(walk: Walk) -> None:
    page = walk.page
    a_session_note(walk)
    record = page.url
    other = page.context.new_page()
    other.goto(walk.address)
    page.route("**/session", lambda route: route.abort())  # this tab does not hear of it
    page.fill("#ideas", TYPED)
    sign_out(other)
    other.close()
    page.locator(".formbar button[value='draft']").click()
    page.wait_for_selector("#name")
    assert TYPED not in page.content()
    walk.look("kept")
    page.fill("#name", "ana")
    page.fill("#password", PASSWORD)
    page.press("#password", "Enter")
    walk.page.wait_for_selector("text=Send it now")
    walk.look("again")
    page.get_by_role("button", name="Send it now").click()
    page.wait_for_url(record)
    page.wait_for_selector("[role='status']:has-text('Draft saved.')")
    assert page.input_value("#ideas") == TYPED
    assert heard(walk) == []


def test_a_form_left_open_is_still_good_after_signing_in_again(walk: Walk) -> None:
    page = walk.page
    a_session_note(walk)
    other = page.context.new_page()
    other.goto(walk.address)
    page.route("**/session", lambda route: route.abort())
    sign_out(other)
    other.fill("#name", "ana")
    other.fill("#password", PASSWORD)
    other.press("#password", "Enter")
    other.wait_for_url(walk.address + "/")
    other.close()
    page.fill("#ideas", TYPED)
    page.locator(".formbar button[value='draft']").click()
    page.wait_for_selector("[role='status']:has-text('Draft saved.')")
    assert page.input_value("#ideas") == TYPED
    assert heard(walk) == []


def test_the_couple_view_holds_the_session(walk: Walk) -> None:
    page = walk.page
    a_session_note(walk)
    page.get_by_role("link", name="Caseload").first.click()
    page.locator("tbody a").first.click()
    page.wait_for_url("**/cases/*")
    case = page.url
    page.locator("form[action$='/couple'] button").click()
    page.wait_for_url("**/couple")
    walk.look("couple")
    page.reload()
    expect(page.locator("#password")).to_have_count(0)
    for other in (case, case + "/work", walk.address + "/", walk.address + "/account"):
        page.goto(other)
        expect(page.locator("#password")).to_be_visible()
        assert page.locator("header").count() == 0
    walk.look("couple-asks")
    page.goto(case + "/couple")
    page.keyboard.press("F8")
    unlock(page)
    page.wait_for_url("**/couple")  # locked within the couple view, it opens to the couple view
    page.goto(case)
    unlock(page)
    page.wait_for_url(case)
    expect(page.get_by_role("link", name="Open the staff layer")).to_be_visible()
    assert walk.wrong == []


def test_the_staff_layer_closes_by_itself(walk: Walk) -> None:
    page = walk.page
    a_session_note(walk)
    record = page.url
    page.clock.install()
    page.goto(record)
    page.fill("#ideas", TYPED)
    page.clock.run_for(290_000)
    assert page.url == record
    page.mouse.move(5, 5)
    page.clock.run_for(290_000)
    assert page.url == record
    page.clock.run_for(20_000)
    page.wait_for_url("**/cases/*")
    page.goto(record)
    assert page.input_value("#ideas") == TYPED
    assert walk.wrong == []
