"""What a published definition promised: its version moves with its text, its ids keep what they mean."""

from dataclasses import replace

import pytest

from clinic.services import check
from clinic.services.definitions import definitions, read, shipped_files

OLD = {"version": 1, "sha": "another text", "blocks": {}}


def test_every_shipped_definition_is_locked_as_it_is() -> None:
    """Run `clinic check --lock` when a release changes wording; before that, raise the version."""
    locked = check._lock()
    assert sorted(locked) == sorted(definitions())
    assert {id_: one["sha"] for id_, one in locked.items()} == {id_: one.sha for id_, one in definitions().items()}


def test_a_changed_text_needs_a_higher_version() -> None:
    cycle = replace(definitions()["our_cycle"], version=1)
    assert "version must be 2" in check.broken_promises(cycle, OLD)[0]
    assert check.broken_promises(replace(cycle, version=2), OLD) == []


@pytest.mark.parametrize(
    ("shape", "problem"),
    [
        (["choice", "recipient", []], "kind or audience"),
        (["prompt", "staff", []], "kind or audience"),
        (["prompt", "recipient", ["gone"]], "lost gone"),
    ],
)
def test_a_block_keeps_what_it_means(shape: list[object], problem: str) -> None:
    cycle = definitions()["our_cycle"]
    block = next(id_ for id_, one in cycle.blocks.items() if one.kind == "prompt" and one.audience == "recipient")
    old = {"version": 1, "sha": cycle.sha, "blocks": {block: shape}}
    found = check.broken_promises(cycle, old)
    assert len(found) == 1
    assert problem in found[0]
    assert block in found[0]


def test_all_files_are_read() -> None:
    assert {read(path).id for path in shipped_files()} == set(definitions())
    assert check.check(shipped_files()) == []
