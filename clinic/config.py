"""Settings: one frozen object from the environment and the instance's config.toml. The environment wins."""

import os
import re
import time
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar
from zoneinfo import ZoneInfo

from clinic import resources
from clinic.domain.errors import Usage

DATABASE_FILE = "clinic.db"
CONFIG_FILE = "config.toml"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
ADDRESS = {"host": "127.0.0.1", "name": "localhost", "tls": ""}
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?)+")
Paper = Literal["a4", "letter"]
Allowed = TypeVar("Allowed", bound=str)
PAPERS: tuple[Paper, ...] = ("a4", "letter")
PRINT_WHEN = ("complete", "reviewed", "approved")
LETTERHEAD = 4, 80  # lines, characters of one
HELP_LINES = tuple("now line doctor therapy free drink touch children advice".split())
KEYS = tuple(
    "backup_folder database_url help_lines host key_file keyholder_database_url letterhead name owner_database_url"
    " paper port press_places print_when retention_years time_zone tls web_processes web_threads".split()
)


@dataclass(frozen=True)
class Settings:
    """What one clinic runs with. Paths are absolute.

    `print_when` is the least state of a translation that prints without a DRAFT mark; `key_file` opens the
    vault and is read only with mode 0600; `cache` holds fonts and blank sheets, never an answer. `tls` is "proxy"
    when exactly one proxy with TLS stands in front, `name` the host name by which it is reached. `backups` is where the
    daily backups go if not beside the instance; `retention_years` after its last change a case is due to be closed.
    `letterhead`: the clinic's lines, for the head of a sheet when somebody asks for them. `help_lines`: whom to call
    here, as (row of the sheet `when_to_get_more_help`, name of the place, number and hours); never in a translation.
    `time_zone`, an IANA name, is the clinic's: days and times of day are meant in it.

    On PostgreSQL three roles may share the work (`clinic postgres-roles`): `database_url` is then the pages', which
    row-level security holds to the cases of whoever is signed in, `keyholder_database_url` reads only, and
    `owner_database_url` makes tables, backups and restores; it belongs in the environment of those commands, not in the
    file that the pages read. Empty: `database_url` does it. `web_processes` × `web_threads` answer at once where
    `clinic.wsgi` is served, of each process two pages at a time (`web/turns.py`); `clinic serve` is one process.
    `press_places`: how many sheets of packs this machine draws at once; 0 leaves them to print machines, None is one
    for each processor.
    """

    instance: Path
    database_url: str
    key_file: Path
    cache: Path
    host: str = "127.0.0.1"
    port: int = 8000
    name: str = "localhost"
    tls: str = ""
    paper: Paper = "a4"
    print_when: str = "reviewed"
    backups: Path | None = None
    retention_years: int = 10
    letterhead: tuple[str, ...] = ()
    help_lines: tuple[tuple[str, str, str], ...] = ()
    time_zone: str = "UTC"
    owner_database_url: str = ""
    keyholder_database_url: str = ""
    web_processes: int = 2
    web_threads: int = 4
    press_places: int | None = None
    chosen: bool = True  # False: nobody named the instance, so say which one it is

    @property
    def upkeep_database_url(self) -> str:
        """The database for what sees and changes all of it: tables, backup, verify, restore."""
        return self.owner_database_url or self.database_url

    @property
    def prints(self) -> Path:
        """Where the demo puts its sheets."""
        return self.instance / "prints"

    @property
    def backup_folder(self) -> Path:
        """Where the daily backups go: beside the instance, or better on another disk."""
        return self.backups or self.instance.with_name(f"{self.instance.name}-backups")

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
        key_file=_key_file(folder, values),
        cache=resources.cache(environment),
        port=_port(values.get("port", 8000)),
        **_address(values),
        paper=_one_of("paper", values.get("paper", "a4"), PAPERS),
        print_when=_one_of("print_when", values.get("print_when", "reviewed"), PRINT_WHEN),
        backups=_backups(values.get("backup_folder"), folder),
        retention_years=_years(values.get("retention_years", 10)),
        letterhead=_letterhead(values.get("letterhead", [])),
        help_lines=_help_lines(values.get("help_lines", {})),
        time_zone=_zone(values.get("time_zone") or _machine_zone(environment)),
        owner_database_url=_of_role("owner_database_url", values),
        keyholder_database_url=_of_role("keyholder_database_url", values),
        web_processes=_count("web_processes", values.get("web_processes", 2), 16),
        web_threads=_count("web_threads", values.get("web_threads", 4), 32),
        press_places=_press_places(values.get("press_places")),
        chosen=bool(named),
    )


def demo(instance: Path | None = None, environment: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings of the demo: `instance/demo` of the checkout, or the instance that is named."""
    root = resources.checkout()
    named = instance or environment.get("CLINIC_INSTANCE_PATH")
    found = load(named or (root / "instance" / "demo" if root else None), environment)
    made = found.instance / CONFIG_FILE  # the demo writes one when it makes its instance, and was not asked yet
    return found if made.exists() or "CLINIC_PRINT_WHEN" in environment else replace(found, print_when="complete")


def keep_time(settings: Settings) -> None:
    """Make the clinic's time zone this process's own, and that of what it starts: "today" is the clinic's day."""
    os.environ["TZ"] = settings.time_zone
    if hasattr(time, "tzset"):  # not on Windows
        time.tzset()


def _of_checkout() -> Path:
    root = resources.checkout()
    if root is None:
        # Flask's default would be inside the virtual environment: deleting that would delete records.
        raise Usage("Name the instance folder: --instance FOLDER or CLINIC_INSTANCE_PATH.")
    real = root / "instance"
    signs = (real / DATABASE_FILE, real / CONFIG_FILE, root / "instance.restoring")
    return real if any(one.exists() for one in signs) else real / "demo"


def _key_file(folder: Path, values: Mapping[str, Any]) -> Path:
    """Beside the folder with the records, not in it: who copies the one has not the other."""
    named = values.get("key_file")
    return folder / Path(named).expanduser() if named else folder.with_name(f"{folder.name}.key")


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


def _address(values: Mapping[str, Any]) -> dict[str, str]:
    """Where it is served and under which name. Beyond this machine only behind a proxy that holds TLS."""
    host, name, tls = (str(values.get(key, usual)) for key, usual in ADDRESS.items())
    if tls:
        _one_of("tls", tls, ("proxy",))
        if not NAME.fullmatch(name) or name == ADDRESS["name"]:
            raise Usage(f"name is {name}; with tls it is the host name in the address, such as clinic.example.org.")
    elif host not in LOOPBACK:
        raise Usage(f'host is {host}; beyond this machine it needs tls = "proxy" and a proxy with TLS in front.')
    elif name != ADDRESS["name"]:
        raise Usage('name needs tls = "proxy".')
    return {"host": host, "name": name, "tls": tls}


def _one_of(key: str, value: object, allowed: tuple[Allowed, ...]) -> Allowed:
    found = next((one for one in allowed if one == value), None)
    if found is None:
        raise Usage(f"{key} is {value}; it can be {', '.join(allowed)}.")
    return found


def _backups(value: object, folder: Path) -> Path | None:
    if not value:
        return None
    found = Path(os.path.normpath(folder / Path(str(value)).expanduser()))
    if found == folder or folder in found.parents:
        raise Usage(f"backup_folder is {found}; it lies outside the instance, best on another disk.")
    return found


def _years(value: object) -> int:
    if str(value).isascii() and str(value).isdecimal() and 1 <= int(str(value)) <= 100:
        return int(str(value))
    raise Usage(f"retention_years is {value}; it is a number from 1 to 100.")


def _letterhead(value: object) -> tuple[str, ...]:
    """Lines as a list, or in one text as the environment has them."""
    lines = value.splitlines() if isinstance(value, str) else value
    most, wide = LETTERHEAD
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise Usage('letterhead is a list of lines, such as ["Name", "Street", "Town"].')
    found = tuple(line for line in (" ".join(line.split()) for line in lines) if line)
    if len(found) > most or any(len(line) > wide for line in found):
        raise Usage(f"letterhead has at most {most} lines of at most {wide} characters.")
    if sign := next(_hidden("".join(found)), ""):
        raise Usage(f"letterhead has U+{ord(sign):04X}, which cannot be printed.")
    return found


def _help_lines(value: object) -> tuple[tuple[str, str, str], ...]:
    """`{row = ["Name of the place", "number and hours"]}`."""
    rows = list(value.items()) if isinstance(value, dict) else None
    if rows is None or not all(isinstance(two, list) and len(two) == 2 and _are_lines(two) for _, two in rows):
        wide = LETTERHEAD[1]
        raise Usage(f'help_lines is a table of pairs, such as now = ["Name", "Number"], of at most {wide} characters.')
    if unknown := sorted({row for row, _ in rows} - set(HELP_LINES)):
        raise Usage(f"help_lines: unknown row {unknown[0]}. Known: {', '.join(HELP_LINES)}.")
    return tuple((row, " ".join(name.split()), " ".join(number.split())) for row, (name, number) in rows)


def _are_lines(found: list[object]) -> bool:
    return all(isinstance(one, str) and len(one) <= LETTERHEAD[1] and not any(_hidden(one)) for one in found)


def _zone(value: object) -> str:
    if not _is_zone(str(value)):
        raise Usage(f"time_zone is {value}; it is a name such as Europe/Berlin or America/New_York.")
    return str(value)


def _machine_zone(environment: Mapping[str, str]) -> str:
    """The zone this machine says it is in; UTC if it does not say."""
    says = [environment.get("TZ", "").lstrip(":")]
    files = (Path("/etc/timezone"), Path("/etc/localtime"))
    if files[0].is_file():
        says.append(files[0].read_text("utf-8", "replace").strip())
    says.append(os.path.realpath(files[1]).partition("/zoneinfo/")[2])
    return next((one for one in says if one and _is_zone(one)), "UTC")


def _is_zone(name: str) -> bool:
    try:
        return bool(ZoneInfo(name).key)
    except (ValueError, OSError, KeyError):  # no name at all; a folder; a name that there is no zone for
        return False


def _of_role(key: str, values: Mapping[str, Any]) -> str:
    """The URL of another role of the same PostgreSQL database, or nothing."""
    found = str(values.get(key) or "")
    if found and not all(one.startswith("postgresql") for one in (found, str(values.get("database_url") or ""))):
        raise Usage(f"{key} needs PostgreSQL, there and in database_url.")
    return found


def _press_places(value: object) -> int | None:
    if value is None:
        return None
    if str(value) == "0":  # this machine draws no packs
        return 0
    return _count("press_places", value, 64)


def _count(key: str, value: object, most: int) -> int:
    if str(value).isascii() and str(value).isdecimal() and 1 <= int(str(value)) <= most:
        return int(str(value))
    raise Usage(f"{key} is {value}; it is a number from 1 to {most}.")


def _hidden(text: str) -> Iterator[str]:
    """Characters that cannot be printed. What knows them is read only where somebody has set a text."""
    if text:
        from clinic.domain.definition import hidden

        yield from filter(hidden, text)


def _port(value: object) -> int:
    if str(value).isascii() and str(value).isdecimal() and 0 <= int(str(value)) <= 65535:
        return int(str(value))
    raise Usage(f"port is {value}; it is a number from 0 to 65535.")
