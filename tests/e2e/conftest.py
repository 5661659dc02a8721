"""A served clinic and a browser: a server in a thread, Debian's Chromium, axe-core on every page that is looked at."""

import importlib.util
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Error, Page, Playwright, sync_playwright
from werkzeug.serving import WSGIRequestHandler, make_server

from clinic import config
from clinic.app import create_app
from clinic.persistence.store import Store
from clinic.press.press import Press
from clinic.services import accounts
from clinic.services.instance import init_instance
from clinic.services.press_room import PressRoom

PASSWORD: Final = "quite a long passphrase"
SHOTS: Final = Path(__file__).with_name("shots")
WIDTHS: Final = (1280, 360)
SLOW: Final = 60_000  # ms that a picture of a long page may take on a busy machine
AXE: Final = Path(importlib.util.find_spec("axe_playwright_python").submodule_search_locations[0]) / "axe.min.js"


@dataclass(frozen=True)
class Served:
    """Where the clinic is served, and its store."""

    address: str
    store: Store


class Quiet(WSGIRequestHandler):
    """Says nothing about requests."""

    def log(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def served(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Served]:
    """A fresh instance with one counsellor, over HTTP. Without a second factor, unless a test asks for it."""
    settings = config.load(tmp_path / "i", {"CLINIC_PRINT_WHEN": "approved"})
    init_instance(settings, factors=bool(getattr(request, "param", False)))
    press = Press()
    press.start()
    store = Store.open(settings)
    accounts.create_account(store, "ana", PASSWORD, "Ana")
    app = create_app(settings, store, press)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    room = PressRoom(store, press)
    room.start()
    yield Served(f"http://localhost:{server.server_port}", store)
    server.shutdown()
    thread.join(10)
    server.server_close()
    room.stop()
    press.stop()
    store.close()


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as made:
        yield made


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """Chromium of this machine."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert path, "Chromium is missing: apt-get install chromium"
    made = playwright.chromium.launch(
        executable_path=path,
        args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        ignore_default_args=["--disable-back-forward-cache"],
    )
    yield made
    made.close()


@dataclass
class Walk:
    """One person's way through the pages; every look is checked and kept as pictures."""

    page: Page
    address: str
    name: str
    wrong: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    def look(self, what: str) -> None:
        """Pictures at both widths; nothing sticks out sideways; axe finds nothing; the title names the kind of page."""
        self.seen.append(what)
        SHOTS.mkdir(exist_ok=True)
        for width in WIDTHS:
            self.page.set_viewport_size({"width": width, "height": 900})
            path = SHOTS / f"{self.name}-{len(self.seen):02}-{what}-{width}.png"
            self.page.screenshot(path=path, full_page=True, timeout=SLOW)
            wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if wide > 0:
                self.wrong.append(f"{what} at {width}: {wide} px too wide")
            self.wrong += [f"{what} at {width}: {one}" for one in axe(self.page)]
        self.page.set_viewport_size({"width": WIDTHS[0], "height": 900})
        self.here(what)

    def here(self, what: str) -> None:
        """The address says nothing."""
        path = self.page.url.removeprefix(self.address)
        own = r"/[a-z/-]*([0-9a-f-]{36})?(/[a-z]+)?"
        bench = r"/translate/[A-Za-z-]+(/[a-z_-]+(/[a-z]+(/[0-9a-f]{16})?)?)?"  # language, handout, filter, message
        if not re.fullmatch(f"({own}|{bench})(#[a-z0-9.-]*)?", path):
            self.wrong.append(f"{what}: the address is {path}")

    def sign_in(self) -> None:
        self.page.goto(self.address)
        self.page.fill("#name", "ana")
        self.page.fill("#password", PASSWORD)
        self.page.press("#password", "Enter")
        self.page.wait_for_url(self.address + "/")

    def start(self, definition: str, about: str = "couple") -> None:
        """Begin a record from the list of the staff layer."""
        which = f"form:has(input[value='{definition}']):has(input[name='about'][value='{about}']) button"
        self.page.locator(which).first.click()
        self.page.wait_for_url("**/records/*")

    def finish(self) -> None:
        """Finish the form and land in the staff layer."""
        self.page.locator("button[value='finish']").click()
        self.page.wait_for_url("**/work")


def axe(page: Page) -> list[str]:
    """What axe-core finds: rule and the first places."""
    page.evaluate(AXE.read_text("utf-8"))
    run = "async () => { const { passes, violations } = await axe.run(); return { passes, violations } }"
    found: Any = page.evaluate(run)
    assert len(found["passes"]) > 15, "axe looked at nothing"
    return [f"{one['id']}: {[node['html'][:120] for node in one['nodes'][:3]]}" for one in found["violations"]]


@pytest.fixture
def walk(browser: Browser, served: Served, request: pytest.FixtureRequest) -> Iterator[Walk]:
    """A fresh browser profile. At the end nothing may have been wrong anywhere, the console included."""
    options: dict[str, Any] = getattr(request, "param", {})
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True, **options)
    context.set_default_timeout(15_000)
    made = Walk(context.new_page(), served.address, request.node.originalname.removeprefix("test_"))
    made.page.on("console", lambda said: made.wrong.append(said.text) if _matters(said.type, said.text) else None)
    made.page.on("pageerror", lambda error: made.wrong.append(str(error)))
    yield made
    SHOTS.mkdir(exist_ok=True)
    with suppress(Error):  # for people to look at; a browser that is busy with the next page may not give one
        made.page.screenshot(path=SHOTS / f"{made.name}-last.png", full_page=True)
    context.close()


def _matters(kind: str, text: str) -> bool:
    """Errors and warnings of the console; a form that was refused on purpose (401, 409, 422, 423) is none."""
    return kind in ("error", "warning") and not re.search(r"status of (401|409|422|423)", text)
