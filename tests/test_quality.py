"""Style, types, and what security checkers know, as pyproject.toml asks: these fail like any other test."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import SAID

ROOT = Path(__file__).resolve().parent.parent
TOOLS = (
    "ruff check --quiet --no-cache --output-format=concise .",
    "mypy",
    "bandit --quiet --recursive --configfile pyproject.toml clinic",
)


@pytest.mark.parametrize("tool", TOOLS)
def test_the_tool_has_nothing_to_say(tool: str) -> None:
    run = _run(tool)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.everything
def test_no_dependency_has_a_known_fault(request: pytest.FixtureRequest) -> None:
    """pip-audit asks a public list. Where that cannot be reached, the end of the run says so in plain words."""
    run = _run("pip_audit --strict --skip-editable --progress-spinner off --timeout 15 --format json")
    try:
        found = json.loads(run.stdout)["dependencies"]
    except (ValueError, KeyError):
        request.config.stash[SAID].append("pip-audit could not reach its data: NOTHING WAS AUDITED")
        return
    assert [one for one in found if one.get("vulns")] == []
    request.config.stash[SAID].append(f"pip-audit looked at {len(found)} dependencies")


def _run(tool: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *tool.split()]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
