"""The doctor names what is missing and the command of this system."""

import pytest

from clinic import doctor


@pytest.mark.parametrize(
    ("manager", "command"),
    [
        ("apt", "sudo apt-get install -y libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"),
        ("dnf", "sudo dnf install -y pango harfbuzz"),
        ("brew", "brew install pango harfbuzz"),
        ("pacman", "pacman -S mingw-w64-x86_64-pango mingw-w64-x86_64-harfbuzz"),
        (None, "install with your package manager: Pango, harfbuzz-subset"),
    ],
)
def test_the_command_is_that_of_the_system(monkeypatch: pytest.MonkeyPatch, manager: str | None, command: str) -> None:
    monkeypatch.setattr(doctor, "manager", lambda: manager)
    assert doctor.command(doctor.PAPER).startswith(command)


def test_a_library_is_seen_only_if_it_loads() -> None:
    assert doctor.library("pango-1.0")
    assert not doctor.library("no-such-library-1.0")


def test_what_the_tests_need_does_not_stop_printing(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = doctor.Tool("Chromium", "drives the pages", lambda: False, {})
    monkeypatch.setattr(doctor, "EVERYTHING", (gone,))
    monkeypatch.setattr(doctor, "PAPER", ())
    lines, well = doctor.report()
    assert well
    assert any("Chromium" in line and "for the tests only" in line for line in lines)


def test_without_pango_it_is_not_well(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = doctor.Tool("Pango", "lays out text", lambda: False, {"apt": ("libpango-1.0-0",)})
    monkeypatch.setattr(doctor, "PAPER", (gone,))
    assert doctor.report()[1] is False
