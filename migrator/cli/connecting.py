"""The options that say where the database is, the same for every command, and what they come to.

What they come to is imported when it is asked for: the options stand in --help, which loads no driver.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

if TYPE_CHECKING:
    from migrator.connection import Connections, ImmichSettings

Command = TypeVar("Command", bound=Callable[..., Any])

SECRET = frozenset({"database", "admin_database"})
"""Options that may carry a password: they are written nowhere."""


def connection_options(command: Command) -> Command:
    """Add --database, --env-file and --admin-database."""
    for option in (
        click.option("--admin-database", metavar="URL",
                     help="Work as this superuser, in the same database; Immich's role is looked at beside it."),
        click.option("--env-file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
                     help="Immich's .env, read instead of DB_... in the environment."),
        click.option("--database", metavar="URL",
                     help="Immich's database; otherwise DB_URL, DB_HOSTNAME, ... of Immich."),
    ):  # fmt: skip
        command = option(command)
    return command


def connections_of(options: Mapping[str, object]) -> Connections:
    """Find out how to connect, and tell the person what is worth knowing about it.

    Raises:
        BadConnectionSettings: what was given cannot be understood.
    """
    from migrator.cli.console import stderr  # noqa: PLC0415
    from migrator.connection import Given, connections  # noqa: PLC0415

    found = connections(
        Given(
            database=cast("str | None", options.get("database")),
            admin_database=cast("str | None", options.get("admin_database")),
            env_file=cast("Path | None", options.get("env_file")),
        ),
        os.environ,
    )
    for note in found.notes:
        stderr().print(f"note: {note}", soft_wrap=True)
    return found


def immich_settings_of(options: Mapping[str, object]) -> ImmichSettings | None:
    """Return Immich's own settings; None where the env file that a journal remembers is not there any more.

    Raises:
        BadConnectionSettings: the env file cannot be read.
    """
    from migrator.connection import ImmichSettings  # noqa: PLC0415

    file = options.get("env_file")
    if file is not None and not isinstance(file, Path) and not Path(str(file)).is_file():
        return None
    return ImmichSettings.read(Path(str(file)) if file is not None else None, os.environ)
