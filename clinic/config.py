"""Settings: one frozen object from the environment and the instance's config.toml. The environment wins."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clinic import resources
from clinic.domain.errors import Usage

DATABASE_FILE = "clinic.db"
CONFIG_FILE = "config.toml"
KEY_FILE = "clinic.key"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
PAPERS = ("a4", "letter")
PRINT_WHEN = ("complete", "reviewed", "approved")
KEYS = ("database_url", "host", "key_file", "paper", "port", "print_when")


@dataclass(frozen=True)
class Settings:
    """What one clinic runs with. Paths are absolute.

    `print_when` is the least state of a translation that prints without a DRAFT mark; `key_file` opens the
    vault and is read only with mode 0600; `cache` holds fonts and blank sheets, never an answer.
    """

    instance: Path
    database_url: str
    key_file: Path
    cache: Path
    host: str = "127.0.0.1"
    port: int = 8000
    paper: str = "a4"
    print_when: str = "reviewed"
    chosen: bool = True  # False: nobody named the instance, so say which one it is

    @property
    def prints(self) -> Path:
        """Where the demo puts its sheets."""
        return self.instance / "prints"

    @property
    def own_forms(self) -> Path:
        """Where the clinic drops definitions of its own."""
        return self.instance / "forms"


def load(instance: Path | str | None = None, environment: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings of an instance: the one named, or the one that a checkout has.

    Raises Usage when outside a checkout no instance is named, and for a setting that is unknown or wrong.
    """
    named = instance or environment.get("CLINIC_INSTANCE_PATH")
    folder = Path(named).expanduser().absolute() if named else _of_checkout()
    values = _read(folder / CONFIG_FILE) | _from_environment(environment)
    return Settings(
        instance=folder,
        database_url=values.get("database_url") or f"sqlite:///{folder / DATABASE_FILE}",
        key_file=folder / Path(values.get("key_file") or KEY_FILE).expanduser(),
        cache=resources.cache(environment),
        host=_one_of("host", values.get("host", "127.0.0.1"), LOOPBACK),
        port=_port(values.get("port", 8000)),
        paper=_one_of("paper", values.get("paper", "a4"), PAPERS),
        print_when=_one_of("print_when", values.get("print_when", "reviewed"), PRINT_WHEN),
        chosen=bool(named),
    )


def demo(instance: Path | None = None, environment: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings of the demo: `instance/demo` of the checkout, or the instance that is named."""
    root = resources.checkout()
    named = instance or environment.get("CLINIC_INSTANCE_PATH")
    return load(named or (root / "instance" / "demo" if root else None), environment)


def _of_checkout() -> Path:
    root = resources.checkout()
    if root is None:
        # Flask's default would be inside the virtual environment: deleting that would delete records.
        raise Usage("Name the instance folder: --instance FOLDER or CLINIC_INSTANCE_PATH.")
    real = root / "instance"
    return real if (real / DATABASE_FILE).exists() or (real / CONFIG_FILE).exists() else real / "demo"


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise Usage(f"{path}: {problem}") from problem
    if unknown := sorted(set(values) - set(KEYS)):
        raise Usage(f"{path}: unknown setting {unknown[0]}. Known: {', '.join(KEYS)}.")
    return values


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    names = {key: f"CLINIC_{key.upper()}" for key in KEYS}
    return {key: environment[name] for key, name in names.items() if environment.get(name)}


def _one_of(key: str, value: object, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        # Loopback only: whoever wants the clinic's network puts a TLS proxy in front.
        raise Usage(f"{key} is {value}; it can be {', '.join(allowed)}.")
    return str(value)


def _port(value: object) -> int:
    if str(value).isascii() and str(value).isdecimal() and 0 <= int(str(value)) <= 65535:
        return int(str(value))
    raise Usage(f"port is {value}; it is a number from 0 to 65535.")
