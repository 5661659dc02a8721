"""Where forms, templates and translations are: the checkout, or `clinic/_assets` in an installed wheel."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parent


def checkout() -> Path | None:
    """Return the root of the checkout this package runs from, or None when it was installed from a wheel."""
    return _CHECKOUT if (_CHECKOUT / "pyproject.toml").is_file() else None


def forms() -> Path:
    """Return the folder of the shipped definitions."""
    return _folder("forms")


def templates() -> Path:
    """Return the folder of the Jinja templates."""
    return _folder("templates")


def static() -> Path:
    """Return the folder of what browsers fetch as it is."""
    return _PACKAGE / "static"


def translations() -> Path:
    """Return the folder of the catalogues: `<locale>/LC_MESSAGES/*.po`, in a wheel their compiled form."""
    return _folder("translations")


def cache(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of what can be made again, fonts and blank sheets; it may not exist yet.

    `CLINIC_CACHE_PATH`, else inside the virtual environment (and gone with it), else the user's cache.
    """
    if named := environment.get("CLINIC_CACHE_PATH"):
        return Path(named).expanduser().absolute()
    if sys.prefix != sys.base_prefix and os.access(sys.prefix, os.W_OK):
        return Path(sys.prefix) / "share" / "secure-base"
    user = environment.get("XDG_CACHE_HOME") or environment.get("LOCALAPPDATA")
    return (Path(user) if user else Path.home() / ".cache") / "secure-base"


def _folder(name: str) -> Path:
    return (checkout() or _PACKAGE / "_assets") / name
