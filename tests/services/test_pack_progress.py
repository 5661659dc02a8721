"""How far a pack is, on the command line: what is said, how often, and where."""

import io
from typing import Any

import pytest

from clinic.services.batches import Progress
from clinic.services.pack_progress import EVERY, left, rounded, telling


def at(done: int, seconds: float | None, total: int = 48) -> Progress:
    return Progress(total, done, (), "working", seconds)


class Terminal(io.StringIO):
    """A terminal of 80 columns."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0, (5, "second")),
        (5.0, (5, "second")),
        (5.1, (10, "second")),
        (55.0, (55, "second")),
        (55.5, (1, "minute")),
        (80.0, (1, "minute")),
        (100.0, (2, "minute")),
        (3600.0, (60, "minute")),
    ],
)
def test_time_is_said_in_round_numbers(seconds: float, said: Any) -> None:
    assert rounded(seconds) == said


def test_nothing_is_said_of_a_time_that_nobody_knows() -> None:
    assert left(at(0, None)) == ""
    assert left(at(1, 60.0)) == "about 1 minute left"
    assert left(at(1, 12.0)) == "about 15 seconds left"


def test_a_file_gets_a_plain_line_every_few_seconds_and_none_for_a_short_pack() -> None:
    out, now = io.StringIO(), [0.0]
    with telling(out, lambda: now[0]) as told:
        for second in range(25):
            now[0] = second / 2
            told(at(second, None if second < 12 else 40.0))
        assert EVERY == 5
    assert out.getvalue().splitlines() == [
        "clinic: 10 of 48 sheets",
        "clinic: 20 of 48 sheets, about 40 seconds left",
    ]
    quiet = io.StringIO()
    with telling(quiet, lambda: 1.0) as told:
        told(at(1, 1.0))
    assert quiet.getvalue() == ""


def test_a_terminal_gets_a_bar_that_goes_away_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    out = Terminal()
    with telling(out) as told:
        told(at(12, 80.0))
    said = out.getvalue()
    assert "12/48" in said
    assert "about 1 minute left" in said
    assert said.rstrip().endswith("\x1b[2K"), "the line is taken back: the output after it stays as it was"
