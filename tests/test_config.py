"""Settings: which instance, from where, and what is refused."""

import time
from datetime import datetime
from pathlib import Path

import pytest

from clinic import config, resources
from clinic.domain.errors import Usage
from clinic.services.definitions import definitions


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(resources, "checkout", lambda: tmp_path)
    return tmp_path


def test_without_a_database_it_is_the_demo_and_says_so(checkout: Path) -> None:
    settings = config.load(environment={})
    assert settings.instance == checkout / "instance" / "demo"
    assert not settings.chosen


def test_with_a_database_it_is_the_instance(checkout: Path) -> None:
    (checkout / "instance").mkdir()
    (checkout / "instance" / config.DATABASE_FILE).touch()
    assert config.load(environment={}).instance == checkout / "instance"
    assert config.demo(environment={}).instance == checkout / "instance" / "demo"


def test_the_named_instance_wins_over_the_environment(checkout: Path, tmp_path: Path) -> None:
    environment = {"CLINIC_INSTANCE_PATH": str(tmp_path / "two")}
    assert config.load(tmp_path / "one", environment).instance == tmp_path / "one"
    assert config.load(None, environment).instance == tmp_path / "two"
    assert config.load(None, environment).chosen


def test_outside_a_checkout_it_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "checkout", lambda: None)
    with pytest.raises(Usage, match="CLINIC_INSTANCE_PATH"):
        config.load(environment={})


def test_the_environment_wins_over_the_file_and_both_over_defaults(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('paper = "letter"\nport = 8001\n', encoding="utf-8")
    settings = config.load(tmp_path, {"CLINIC_PORT": "8002"})
    assert (settings.paper, settings.port, settings.print_when) == ("letter", 8002, "reviewed")
    assert settings.database_url == f"sqlite:///{tmp_path / config.DATABASE_FILE}"
    assert settings.key_file == tmp_path.parent / f"{tmp_path.name}.key"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLINIC_HOST", "0.0.0.0"),  # noqa: S104 - the address that must be refused
        ("CLINIC_PORT", "70000"),
        ("CLINIC_PORT", "-1"),
        ("CLINIC_PAPER", "a3"),
        ("CLINIC_PRINT_WHEN", "never"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(Usage, match=name.removeprefix("CLINIC_").lower()):
        config.load(tmp_path, {name: value})


def test_a_misspelt_setting_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('papper = "a4"\n', encoding="utf-8")
    with pytest.raises(Usage, match="papper"):
        config.load(tmp_path, {})


def test_beyond_this_machine_only_behind_a_proxy_with_tls(tmp_path: Path) -> None:
    everywhere = {"CLINIC_HOST": "0.0.0.0"}  # noqa: S104 - the address that a proxy on another machine needs
    with pytest.raises(Usage, match="tls"):
        config.load(tmp_path, everywhere)
    named = everywhere | {"CLINIC_TLS": "proxy", "CLINIC_NAME": "clinic.example.org"}
    settings = config.load(tmp_path, named)
    assert (settings.host, settings.tls, settings.name) == ("0.0.0.0", "proxy", "clinic.example.org")  # noqa: S104
    for wrong in ({"CLINIC_TLS": "yes"}, {"CLINIC_NAME": "localhost"}, {"CLINIC_NAME": "a.example/b"}):
        with pytest.raises(Usage):
            config.load(tmp_path, named | wrong)
    with pytest.raises(Usage, match="name needs tls"):
        config.load(tmp_path, {"CLINIC_NAME": "clinic.example.org"})


def test_the_time_zone_is_the_one_that_was_set(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('time_zone = "America/New_York"\n', encoding="utf-8")
    assert config.load(tmp_path, {}).time_zone == "America/New_York"
    assert config.load(tmp_path, {"CLINIC_TIME_ZONE": "Asia/Tokyo"}).time_zone == "Asia/Tokyo"


@pytest.mark.parametrize("zone", ["Mars/Base", "../etc/passwd", "Europe", "CET+1 ", "/etc/localtime"])
def test_an_unknown_time_zone_is_refused_with_an_example(tmp_path: Path, zone: str) -> None:
    with pytest.raises(Usage, match="time_zone is .*Europe/Berlin"):
        config.load(tmp_path, {"CLINIC_TIME_ZONE": zone})


def test_without_one_it_is_the_machines(tmp_path: Path) -> None:
    assert config.load(tmp_path, {"TZ": "Europe/Berlin"}).time_zone == "Europe/Berlin"
    assert config.load(tmp_path, {"TZ": "nowhere"}).time_zone  # what the machine's files say, or UTC


def test_help_lines_are_pairs_for_the_rows_of_their_sheet(tmp_path: Path) -> None:
    assert config.load(tmp_path, {}).help_lines == ()
    (tmp_path / "config.toml").write_text('[help_lines]\nnow = ["Ambulance", " 112,  day and night"]', "utf-8")
    assert config.load(tmp_path, {}).help_lines == (("now", "Ambulance", "112, day and night"),)
    (sheet,) = (one for one in definitions()["when_to_get_more_help"].blocks.values() if one.prefill)
    assert tuple(row.id for row in sheet.rows) == config.HELP_LINES
    assert {column.id for column in sheet.columns} == {"name", "number"}


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ('help_lines = "112"', "a table of pairs"),
        ('[help_lines]\nnow = "112"', "a table of pairs"),
        ('[help_lines]\nnow = ["Ambulance"]', "a table of pairs"),
        (f'[help_lines]\nnow = ["Ambulance", "{"1" * 81}"]', "80 characters"),
        ('[help_lines]\nnow = ["Ambulance\\u202E", "112"]', "a table of pairs"),
        ('[help_lines]\nnever = ["Ambulance", "112"]', "unknown row never. Known: now, line"),
    ],
)
def test_help_lines_that_are_none_are_refused(tmp_path: Path, lines: str, says: str) -> None:
    (tmp_path / "config.toml").write_text(lines, encoding="utf-8")
    with pytest.raises(Usage, match=says):
        config.load(tmp_path, {})


def test_a_letterhead_is_a_few_lines(tmp_path: Path) -> None:
    assert config.load(tmp_path, {}).letterhead == ()
    (tmp_path / "config.toml").write_text('letterhead = ["Oak  Street Practice", "", "12 Oak Street"]', "utf-8")
    assert config.load(tmp_path, {}).letterhead == ("Oak Street Practice", "12 Oak Street")
    assert config.load(tmp_path, {"CLINIC_LETTERHEAD": "One\nTwo"}).letterhead == ("One", "Two")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('letterhead = ["1", "2", "3", "4", "5"]', "at most 4 lines"),
        (f'letterhead = ["{"x" * 81}"]', "80 characters"),
        ("letterhead = 7", "list of lines"),
        ("letterhead = [7]", "list of lines"),
        ('letterhead = ["Oak\\u202E Street"]', "U\\+202E"),
        ('letterhead = ["Oak\\u0007Street"]', "U\\+0007"),
    ],
)
def test_a_letterhead_that_cannot_stand_on_a_sheet_is_refused(tmp_path: Path, line: str, says: str) -> None:
    (tmp_path / "config.toml").write_text(line, encoding="utf-8")
    with pytest.raises(Usage, match=says):
        config.load(tmp_path, {})


def test_today_is_the_clinics_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kiritimati is a day ahead of Honolulu at any hour: the process follows the setting, whatever the machine says."""
    monkeypatch.setenv("TZ", "UTC")
    days = []
    try:
        for zone in ("Pacific/Kiritimati", "Pacific/Honolulu"):
            config.keep_time(config.load(tmp_path, {"CLINIC_TIME_ZONE": zone}))
            days.append(datetime.fromtimestamp(1_800_000_000).astimezone().date())
    finally:
        monkeypatch.undo()
        time.tzset()
    assert (days[0] - days[1]).days == 1
