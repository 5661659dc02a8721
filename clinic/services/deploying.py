"""Examples for a server, copied out of the package, and the SQL that makes PostgreSQL's roles."""

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import clinic
from clinic.domain.errors import Usage
from clinic.persistence import row_security

FOLDER = Path(clinic.__file__).parent / "deploy"
NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def copy(folder: Path) -> list[Path]:
    """Copy all examples into a folder, which may be new; what is there stays. Raises Usage."""
    made = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for one in sorted(FOLDER.iterdir()):
            if one.is_file() and not (folder / one.name).exists():
                made.append(Path(shutil.copyfile(one, folder / one.name)))
    except OSError as error:
        raise Usage(f"{folder} cannot be written ({error.strerror}).") from None
    return made


def roles(database: str, workers: Iterable[str]) -> str:
    """The SQL for an administrator of PostgreSQL. Raises Usage for a name that SQL would have to quote."""
    machines = list(workers)
    for name in (database, *machines):
        if not NAME.fullmatch(name):
            raise Usage(f"{name} is no name for this: small letters, digits and _.")
    if wrong := next((name for name in machines if name in row_security.ROLES), ""):
        raise Usage(f"{wrong} is a role of the clinic already. Choose another name for the machine.")
    return row_security.roles_sql(database, machines)
