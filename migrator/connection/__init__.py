"""From what a person gives, Immich's own settings and libpq's environment to connection strings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from psycopg.conninfo import make_conninfo

from migrator.connection.immich import ImmichSettings
from migrator.connection.place import Place, where
from migrator.connection.url import Parsed, parse

__all__ = ["Connections", "Given", "ImmichSettings", "connections", "where"]

DATABASE = "immich"
"""The usual name of Immich's database, where nothing says another."""
ADMIN = "--admin-database"


@dataclass(frozen=True, slots=True)
class Given:
    """What was given on the command line."""

    database: str | None = field(default=None, repr=False)
    admin_database: str | None = field(default=None, repr=False)
    env_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Connections:
    """The connection strings of a command; they may carry passwords, so they are kept in memory only.

    Attributes:
        conninfo: What the tool works with.
        application: What Immich itself connects with, where the tool works with another; None = the same, or not known.
        place: Names the journal: that of Immich's own connection where it is known, so that it stays the same.
        notes: What a person should know about how the settings were read.
    """

    conninfo: str = field(repr=False)
    application: str | None = field(repr=False)
    place: Place
    notes: tuple[str, ...] = ()


def connections(given: Given, environment: Mapping[str, str]) -> Connections:
    """Find out how to connect: --database, else Immich's DB_URL, else its parts, else libpq's own environment.

    With --admin-database that one does the work, in the database that the others name unless it names one itself.

    Raises:
        BadConnectionSettings: something cannot be understood; the message does not repeat it.
    """
    parsed = _of_application(given, environment)
    own = _conninfo(parsed or Parsed({}), environment)
    notes = parsed.notes if parsed else ()
    if given.admin_database is None:
        return Connections(own, None, where(own, environment), notes)
    admin = parse(given.admin_database, ADMIN)
    if parsed is None:
        alone = _conninfo(admin, environment)
        unknown = "Immich's own connection is not given: its role and that role's settings are not looked at"
        return Connections(alone, None, where(alone, environment), (*admin.notes, unknown))
    if "service" not in admin.parameters:
        admin.parameters.setdefault("dbname", where(own, environment)[2])
    return Connections(_conninfo(admin, environment), own, where(own, environment), (*notes, *admin.notes))


def _of_application(given: Given, environment: Mapping[str, str]) -> Parsed | None:
    if given.database:
        return parse(given.database, "--database")
    return ImmichSettings.read(given.env_file, environment).connection()


def _conninfo(parsed: Parsed, environment: Mapping[str, str]) -> str:
    parameters = dict(parsed.parameters)
    if "service" not in parameters and not environment.get("PGSERVICE") and not environment.get("PGDATABASE"):
        parameters.setdefault("dbname", DATABASE)
    return make_conninfo("", **parameters)
