"""The fonts come out the same on every machine: SHA-256 of each file that was made, against `fonts.lock`.

A pin moved or the maker changed? `python -m tests.press.test_fonts_lock` writes the lock anew; look at a sheet then.
"""

import hashlib
from pathlib import Path

import pytest

from clinic.press import fonts

LOCK = Path(__file__).with_name("fonts.lock")


def made() -> dict[str, str]:
    """File name -> SHA-256 of every font in the folder."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(fonts.folder().glob("*.ttf"))}


def locked() -> dict[str, str]:
    return {name: sha for sha, name in (line.split("  ") for line in LOCK.read_text("utf-8").splitlines())}


def test_the_fonts_of_every_locale_are_the_same_everywhere() -> None:
    here = made()
    extra = {name for face in fonts.table()["face"] if "extra" in face for name in fonts.file_names(face).values()}
    assert here.items() <= locked().items()
    assert locked().keys() - here.keys() <= extra


@pytest.mark.everything
def test_those_of_the_extra_too() -> None:
    assert made() == locked()


if __name__ == "__main__":
    LOCK.write_text("".join(f"{sha}  {name}\n" for name, sha in made().items()), "utf-8")
