"""Keys at the terminal: an instance is made, opened, unlocked and given other keys as a person would."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from clinic.cli import clinic as commands
from clinic.domain.errors import ClinicError, Usage, VaultLocked
from clinic.persistence import slots, vault
from clinic.persistence.store import Store
from clinic.services import accounts, keys
from tests import pdf
from tests.persistence.making import settings

PASSPHRASE = "four words that nobody says"
PASSWORD = "quite a different long one"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "COST", slots.Cost(1, 64, 1))
    monkeypatch.setattr("clinic.cli.harden", lambda: None)  # it would close the process of all tests
    monkeypatch.setattr(keys, "at_terminal", lambda: True)


class Person:
    """Somebody at the terminal: gives the answers in turn and copies a recovery key off the screen."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, typing: Callable[[str], str] = str) -> None:
        self.shown: list[str] = []
        self.typing = typing
        self._patch = monkeypatch
        new = slots.new_recovery_key

        def noted() -> str:
            self.shown.append(new())
            return self.shown[-1]

        self._patch.setattr(slots, "new_recovery_key", noted)
        prompt = click.prompt

        def copied(text: str, *arguments: object, **named: object) -> object:
            if text.startswith("Type it from the paper"):
                return self.typing(self.shown[-1])
            return prompt(text, *arguments, **named)

        self._patch.setattr(click, "prompt", copied)
        self._patch.setattr(click, "pause", lambda *_: None)

    def run(self, house: Path, *command: str, answers: str = "") -> Result:
        return CliRunner().invoke(commands, ["--instance", str(house), *command], input=answers)


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> Person:
    return Person(monkeypatch)


def twice(*texts: str) -> str:
    return "".join(f"{text}\n{text}\n" for text in texts)


@pytest.fixture
def house(person: Person, tmp_path: Path) -> Path:
    """An instance with an admin, opened by a passphrase."""
    done = person.run(tmp_path / "i", "init", answers="Olga\n\n" + twice(PASSWORD, PASSPHRASE))
    assert done.exit_code == 0, done.output
    return tmp_path / "i"


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is typed where the records ask for their passphrase."""
    answers = [PASSPHRASE] * 9
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda _: answers.pop(0))
    # The runner puts a stream of its own in the place of sys.stdin.
    monkeypatch.setattr("clinic.persistence.vault.sys", _Terminal())
    return answers


class _Terminal:
    """`sys` as a terminal shows it."""

    class stdin:
        isatty = staticmethod(lambda: True)

    stderr = None


def test_init_asks_all_before_it_makes_anything(house: Path, person: Person) -> None:
    assert not house.with_name("i.key").exists()
    assert vault.read(house).kinds == {"passphrase", "recovery"}
    for opener in (slots.by_passphrase(PASSPHRASE), slots.by_recovery_key(person.shown[0])):
        store = Store.open(settings(house), opener=opener)
        assert store.keyholder.facts["factors"]
        assert not store.demo
        assert [(one.name, one.role) for one in accounts.listing(store)] == [("olga", "admin")]
        store.close()


def test_the_screen_shows_no_secret_but_the_recovery_key_once(person: Person, tmp_path: Path) -> None:
    done = person.run(tmp_path / "i", "init", answers="Olga\n\n" + twice(PASSWORD, PASSPHRASE))
    assert done.output.count(person.shown[0]) == 1
    for secret in (PASSWORD, PASSPHRASE):
        assert secret not in done.output
    assert person.shown[0].replace(" ", "") not in done.output
    again = person.run(tmp_path / "i", "init")
    assert again.exit_code != 0
    assert isinstance(again.exception, Usage)


def test_init_asks_until_the_answers_will_do(person: Person, tmp_path: Path) -> None:
    answers = f"\nOlga\nking\ncounsellor\nshort\n{twice('olga olga olga')}" + twice(
        PASSWORD, "passwordpassword", PASSPHRASE
    )
    done = person.run(tmp_path / "i", "init", answers=answers)
    assert done.exit_code == 0, done.output
    assert "king" in done.output
    assert "Too short" in done.output
    assert "Easy to guess" in done.output


def test_a_recovery_key_that_is_not_typed_back_makes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[str] = []

    def wrong(shown: str) -> str:
        tries.append(shown)
        return shown[:-2]

    person = Person(monkeypatch, wrong)
    done = person.run(tmp_path / "i", "init", answers="Olga\n\n" + twice(PASSWORD, PASSPHRASE))
    assert isinstance(done.exception, Usage)
    assert len(tries) == keys.TRIES
    assert not (tmp_path / "i").exists()


def test_a_second_try_from_paper_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = iter([True])
    person = Person(monkeypatch, lambda shown: "no" if next(first, False) else shown.lower().replace(" ", "-"))
    done = person.run(tmp_path / "i", "init", answers="Olga\n\n" + twice(PASSWORD, PASSPHRASE))
    assert done.exit_code == 0, done.output
    assert "Once more" in done.output


def test_a_recovery_key_is_not_shown_to_a_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, person: Person) -> None:
    monkeypatch.setattr(keys, "at_terminal", lambda: False)
    done = person.run(tmp_path / "i", "init", answers="Olga\n\n" + twice(PASSWORD, PASSPHRASE))
    assert isinstance(done.exception, Usage)
    assert not person.shown
    assert not (tmp_path / "i").exists()
    # Unattended it goes without, and says so.
    done = person.run(tmp_path / "i", "init", "--unattended", answers="Olga\n\n" + twice(PASSWORD))
    assert done.exit_code == 0, done.output
    assert "no recovery key" in done.output
    assert (tmp_path / "i.key").stat().st_mode & 0o077 == 0
    Store.open(settings(tmp_path / "i")).close()


def test_a_new_passphrase(house: Path, person: Person, typed: list[str]) -> None:
    done = person.run(house, "passphrase", answers=twice("another four words today"))
    assert done.exit_code == 0, done.output
    with pytest.raises(VaultLocked):
        Store.open(settings(house), opener=slots.by_passphrase(PASSPHRASE))
    Store.open(settings(house), opener=slots.by_passphrase("another four words today")).close()
    typed[:] = ["wrong"] * 3
    done = person.run(house, "passphrase", answers=twice(PASSPHRASE))
    assert isinstance(done.exception, VaultLocked)


def test_a_forgotten_passphrase(house: Path, person: Person) -> None:
    done = person.run(
        house, "passphrase", "--recovery", answers=f"no key\n{person.shown[0]}\n{twice(PASSPHRASE[::-1])}"
    )
    assert done.exit_code == 0, done.output
    assert "a letter or digit is wrong" in done.output
    Store.open(settings(house), opener=slots.by_passphrase(PASSPHRASE[::-1])).close()


def test_to_a_key_file_and_back(house: Path, person: Person, typed: list[str]) -> None:
    assert person.run(house, "passphrase", "--unattended").exit_code == 0
    assert vault.read(house).kinds == {"key_file", "recovery"}
    Store.open(settings(house)).close()
    done = person.run(house, "passphrase", answers=twice(PASSPHRASE))
    assert done.exit_code == 0, done.output
    assert "opens nothing any more" in done.output
    assert vault.read(house).kinds == {"passphrase", "recovery"}


def test_a_new_recovery_key(house: Path, person: Person, typed: list[str]) -> None:
    before = vault.read(house).backup_recipient
    done = person.run(house, "recovery-key")
    assert done.exit_code == 0, done.output
    with pytest.raises(VaultLocked):
        vault.unlock(house, slots.by_recovery_key(person.shown[0]))
    vault.unlock(house, slots.by_recovery_key(person.shown[1]))
    assert vault.read(house).backup_recipient != before


def test_rotation_is_noted_and_asks_for_a_new_recovery_key(house: Path, person: Person, typed: list[str]) -> None:
    for what in ("root", "database"):
        done = person.run(house, "rotate", what)
        assert done.exit_code == 0, done.output
    assert len(person.shown) == 2
    store = Store.open(settings(house), opener=slots.by_recovery_key(person.shown[1]))
    with store.engine.execution_options(unscoped="verify").connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM audit").scalar() == 3  # the account, and both
    store.close()
    with pytest.raises(VaultLocked):
        vault.unlock(house, slots.by_recovery_key(person.shown[0]))


def test_a_server_that_runs_keeps_its_keys(house: Path, person: Person, typed: list[str]) -> None:
    store = Store.attach(settings(house))
    before = (house / "keys.json").read_bytes()
    try:
        for what in ("root", "database"):
            done = person.run(house, "rotate", what)
            assert isinstance(done.exception, Usage)
            assert "The server runs" in str(done.exception)
    finally:
        store.close()
    assert (house / "keys.json").read_bytes() == before


def test_a_locked_server_opens_by_unlock(house: Path, person: Person) -> None:
    store = Store.attach(settings(house))
    try:
        for use in (store.web_secret, lambda: store.engine.connect()):
            with pytest.raises(VaultLocked):
                use()
        done = person.run(house, "unlock", answers="wrong words\n")
        assert isinstance(done.exception, VaultLocked)
        done = person.run(house, "unlock", answers=f"{PASSPHRASE}\n")
        assert done.exit_code == 0, done.output
        assert [one.role for one in accounts.listing(store)] == ["admin"]
        assert "open already" in person.run(house, "unlock").output
    finally:
        store.close()
    assert isinstance(person.run(house, "unlock", answers="x\n").exception, Usage)


def test_the_form_has_room_and_no_key(person: Person, tmp_path: Path) -> None:
    done = person.run(tmp_path / "none", "recovery-form", "--out", str(tmp_path / "form.pdf"))
    assert done.exit_code == 0, done.output
    text = pdf.text((tmp_path / "form.pdf").read_bytes())
    assert "Group 9" in text
    assert not re.search(r"\b[0-9A-HJKMNP-TV-Z]{4} [0-9A-HJKMNP-TV-Z]{4} ", text)
    assert not person.shown


def test_an_error_is_one_plain_line(house: Path, tmp_path: Path) -> None:
    shutil.copytree(house, tmp_path / "open", copy_function=shutil.copyfile)
    (tmp_path / "open").chmod(0o755)
    with pytest.raises(ClinicError) as refused:
        Store.open(settings(tmp_path / "open"), opener=slots.by_passphrase(PASSPHRASE))
    assert len(str(refused.value).splitlines()) == 1
