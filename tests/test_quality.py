"""Style and types, as pyproject.toml asks: these fail like any other test."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("tool", ["ruff check --quiet --no-cache --output-format=concise .", "mypy"])
def test_the_tool_has_nothing_to_say(tool: str) -> None:
    command = [sys.executable, "-m", *tool.split()]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
