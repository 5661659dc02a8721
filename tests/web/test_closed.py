"""While the keyholder is locked or gone there is one neutral page and nothing else; then it serves again."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from clinic import config
from clinic.app import create_app
from clinic.persistence.keyholder_client import OwnKeyholder
from clinic.persistence.store import Store
from clinic.press.press import Press
from tests.web.conftest import Made

PATHS = ("/", "/sign-in", "/cases/x", "/nowhere", "/audit")


@pytest.fixture
def attached(made: Made, press: Press, tmp_path: Path) -> Iterator[tuple[Flask, OwnKeyholder]]:
    folder = tmp_path / "i"
    shutil.copytree(made.folder, folder)
    settings = config.load(folder, {})
    shutil.copy2(config.load(made.folder, {}).key_file, settings.key_file)
    store = Store.attach(settings)
    assert isinstance(store.keyholder, OwnKeyholder)
    store.keyholder.lock()  # as after a start that nobody unlocked
    yield create_app(settings, store, press), store.keyholder
    store.close()


def test_locked_there_is_one_page_for_everything(attached: tuple[Flask, OwnKeyholder], made: Made) -> None:
    app, keyholder = attached
    client = app.test_client()
    seen = set()
    for path in PATHS:
        for token in ("", made.tokens["ana"]):
            if token:
                client.set_cookie("clinic_session", token)
            for ask in (client.get, client.post):
                reply = ask(path)
                assert reply.status_code == 503
                assert reply.headers["Cache-Control"] == "no-store"
                seen.add(reply.data)
    assert len(seen) == 1
    keyholder.unlock("")
    assert app.test_client().get("/sign-in").status_code == 200


def test_open_it_serves_and_killed_it_comes_back(attached: tuple[Flask, OwnKeyholder]) -> None:
    app, keyholder = attached
    keyholder.unlock("")
    client = app.test_client()
    assert client.get("/sign-in").status_code == 200
    before = keyholder.pid
    assert before is not None
    os.kill(before, 9)
    assert client.get("/sign-in").status_code == 200
    assert keyholder.pid not in (None, before)
    keyholder.lock()
    assert client.get("/sign-in").status_code == 503
