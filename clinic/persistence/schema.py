"""Bringing a database to the newest tables, and asking whether it is there.

Alembic is imported when it is needed: the keyholder's process never does.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine, inspect

if TYPE_CHECKING:
    from alembic.config import Config

_MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(engine: Engine, to: str = "head", more: Path | None = None) -> None:
    """Run the missing migrations in one transaction; nothing changed if one fails. `more`: further versions (tests)."""
    from alembic import command

    _run(engine, more, lambda config: command.upgrade(config, to))


def downgrade(engine: Engine, to: str, more: Path | None = None) -> None:
    """Go back to an older revision, `base` for none."""
    from alembic import command

    _run(engine, more, lambda config: command.downgrade(config, to))


def current(engine: Engine) -> bool:
    """Whether the database has the newest tables."""
    from alembic.migration import MigrationContext

    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() == head()


def head() -> str | None:
    """The newest revision."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config(None)).get_current_head()


def empty(engine: Engine) -> bool:
    """Whether the database has no table of ours."""
    with engine.connect() as connection:
        return not inspect(connection).has_table("instance")


def _config(more: Path | None) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("path_separator", "newline")
    folders = [_MIGRATIONS / "versions", *([more] if more else [])]
    config.set_main_option("version_locations", "\n".join(map(str, folders)))
    return config


def _run(engine: Engine, more: Path | None, run: "Callable[[Config], None]") -> None:
    config = _config(more)
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        run(config)
