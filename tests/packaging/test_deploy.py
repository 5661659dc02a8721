"""The examples for a server: every command, option and setting in them exists, and they are as closed as they say."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from clinic import cli, config
from clinic.persistence import row_security, slots
from clinic.services import deploying, keyholder_alone, worker

FOLDER = deploying.FOLDER
UNITS = sorted(FOLDER.glob("*.service"))
ENVIRONMENTS = sorted(FOLDER.glob("*.env"))
FIXED = {"LimitCORE": "0", "MemorySwapMax": "0", "PrivateTmp": "yes", "NoNewPrivileges": "yes",
         "ProtectSystem": "strict", "UMask": "0077", "CapabilityBoundingSet": ""}  # fmt: skip
PROGRAM = "/opt/secure-base/bin/clinic"
OTHERS = {"CLINIC_INSTANCE_PATH", "CLINIC_CACHE_PATH", "CLINIC_UPSTREAM"}


def unit(path: Path) -> ConfigParser:
    found = ConfigParser(interpolation=None, strict=False, delimiters=("=",), comment_prefixes=("#",))
    found.optionxform = str  # type: ignore[assignment,method-assign]
    found.read_string(path.read_text("utf-8"))
    return found


def exists(words: list[str]) -> bool:
    """Whether `clinic WORDS` is a command whose options are its own."""
    command: Any = cli.clinic
    context = click.Context(command)
    while isinstance(command, click.Group) and words:
        found = command.get_command(context, words[0])
        if found is None:
            return False
        command, words = found, words[1:]
    options = {one for parameter in command.params for one in (*parameter.opts, *parameter.secondary_opts)}
    return all(word.split("=")[0] in options for word in words if word.startswith("-"))


def settings() -> set[str]:
    return {f"CLINIC_{key.upper()}" for key in (*config.KEYS, *worker.KEYS)} | OTHERS


def test_a_command_that_is_not_there_is_seen() -> None:
    assert exists(["serve", "--processes", "3"])
    assert not exists(["serve", "--workers", "3"])
    assert not exists(["keyholders"])
    assert not exists(["worker", "begin"])


# --------------------------------------------------------------------------- systemd
@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_runs_a_command_that_is_there_and_is_closed(path: Path) -> None:
    service = unit(path)["Service"]
    program, *words = shlex.split(service["ExecStart"])
    assert program == PROGRAM
    assert exists(words), words
    assert {key: service.get(key) for key in FIXED} == FIXED
    assert (FOLDER / Path(service["EnvironmentFile"]).name).is_file()


def test_the_pages_wait_for_the_keyholder_and_end_without_it_never() -> None:
    web = unit(FOLDER / "secure-base-web.service")["Unit"]
    assert "secure-base-keyholder.service" in web["After"].split()
    assert "secure-base-keyholder.service" in web["Wants"].split()
    assert "Requires" not in web  # else a keyholder that comes back would take the pages down first
    keyholder = (FOLDER / "secure-base-keyholder.service").read_text("utf-8")
    assert f"#LoadCredentialEncrypted={slots.CREDENTIAL}\n" in keyholder


def test_the_owners_password_is_in_no_file_that_the_pages_read() -> None:
    for name in ("web.env", "keyholder.env", "worker.env"):
        assert "OWNER" not in (FOLDER / name).read_text("utf-8")
        assert row_security.OWNER not in (FOLDER / name).read_text("utf-8")


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.name)
def test_the_settings_are_settings(path: Path, tmp_path: Path) -> None:
    lines = [line for line in path.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    values = dict(line.split("=", 1) for line in lines)
    assert {name for name in values if name.startswith("CLINIC_")} <= settings()
    if path.name == "worker.env":
        return worker.load(None, tmp_path / "key", values) and None
    loaded = config.load(tmp_path, values)
    assert loaded.database_url == "postgresql://clinic_web@localhost/clinic"
    assert loaded.upkeep_database_url.startswith(
        f"postgresql://clinic_{'owner' if path.name == 'owner.env' else 'web'}@"
    )


@pytest.mark.everything
def test_systemd_itself_finds_nothing_wrong(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        return
    for path in (*UNITS, *FOLDER.glob("*.timer")):
        (tmp_path / path.name).write_text(path.read_text("utf-8").replace(PROGRAM, "/bin/true"))
    files = sorted(str(path) for path in tmp_path.iterdir())
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *files], capture_output=True, text=True, check=False
    )
    ours = [line for line in done.stderr.splitlines() if "secure-base" in line]
    assert ours == []


# --------------------------------------------------------------------------- compose
@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8")))


def ours(compose: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, service in compose["services"].items():
        if service["image"].startswith("secure-base:"):
            yield name, service


def test_its_commands_and_settings_are_there(compose: dict[str, Any]) -> None:
    found = dict(ours(compose))
    assert set(found) == {"keyholder", "web", "worker", "owner"}
    for name, service in found.items():
        assert exists(service.get("command", [])), name
        assert {one for one in service["environment"] if one.startswith("CLINIC_")} <= settings()
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["ulimits"] == {"core": 0}
    assert "CLINIC_OWNER_DATABASE_URL" not in str(found["web"]) + str(found["keyholder"]) + str(found["worker"])


def test_its_images_are_pinned_and_its_passwords_are_files(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert re.fullmatch(r"[\w./-]+:\d+\.\d+[\w.-]*", service["image"]), service["image"]
        for secret in service.get("secrets", []):
            assert compose["secrets"][secret]["file"].startswith("./secrets/")
        for name, value in service.get("environment", {}).items():
            assert "PASSWORD" not in name or name.endswith("_FILE")
            assert not re.search(r"://[^/]*:[^/]*@", str(value)), name
    assert compose["networks"]["inside"] == {"internal": True}


def test_the_commands_in_comments_are_there() -> None:
    for path in FOLDER.iterdir():
        for words in re.findall(r"(?:^| )clinic ((?:[a-z][a-z-]+ ?)+(?:--[a-z]+)?)", comments(path), re.M):
            first = words.split()
            assert any(exists(first[:length]) for length in range(len(first), 0, -1)), (path.name, words)


def comments(path: Path) -> str:
    return "\n".join(line for line in path.read_text("utf-8").splitlines() if line.lstrip().startswith("#"))


# --------------------------------------------------------------------------- proxies
def test_no_proxy_writes_to_a_disk() -> None:
    nginx = (FOLDER / "nginx.conf").read_text("utf-8")
    for line in (
        "proxy_buffering off;",
        "client_body_buffer_size 13m;",  # above the largest body, or it goes to a file
        "client_max_body_size 12m;",
        "proxy_max_temp_file_size 0;",
        "access_log off;",
    ):
        assert line in nginx
    assert "proxy_set_header Host $host;" in nginx
    caddy = (FOLDER / "Caddyfile").read_text("utf-8")
    assert "output discard" in caddy
    assert "request_buffers 12MB" in caddy  # both read a body whole before one of our threads is asked


# --------------------------------------------------------------------------- the commands
def test_the_examples_are_copied_and_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "web.env").write_text("mine")
    made = deploying.copy(tmp_path / "to")
    assert {path.name for path in made} == {path.name for path in FOLDER.iterdir() if path.is_file()} - {"web.env"}
    assert (tmp_path / "to" / "web.env").read_text() == "mine"


@pytest.mark.parametrize("name", ["Clinic", "cli nic", "a;b", 'a"b', "1a", "a" * 64])
def test_a_name_that_sql_would_have_to_quote_is_refused(name: str) -> None:
    with pytest.raises(config.Usage, match="no name"):
        deploying.roles(name, [])
    with pytest.raises(config.Usage, match="no name"):
        deploying.roles("clinic", [name])


def test_a_print_machine_is_no_role_of_the_clinic() -> None:
    with pytest.raises(config.Usage, match="already"):
        deploying.roles("clinic", ["clinic_web"])
    assert "CREATE ROLE clinic_worker_one LOGIN" in deploying.roles("clinic", ["clinic_worker_one"])


def test_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import socket

    class Open:
        def opened(self) -> bool:
            return True

        def dispose(self) -> None:
            pass

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "n"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "n"))
        keyholder_alone._ready(Open())  # type: ignore[arg-type]
        assert channel.recv(100) == b"READY=1\nSTATUS=open"
    assert capsys.readouterr().out == "The keyholder runs.\n"
