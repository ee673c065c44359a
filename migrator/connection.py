"""From what a person gives, or Immich's own settings, to a connection string."""

from __future__ import annotations

from collections.abc import Mapping

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from migrator.errors import BadConnectionSettings

PARTS = {
    "DB_HOSTNAME": "host",
    "DB_PORT": "port",
    "DB_USERNAME": "user",
    "DB_PASSWORD": "password",
    "DB_DATABASE_NAME": "dbname",
}
"""Immich's settings for the parts of a connection, and libpq's names for them."""


def resolve(database: str | None, environment: Mapping[str, str]) -> str:
    """Return the connection string: --database, else Immich's DB_URL, else its parts, else libpq's own defaults.

    Raises:
        BadConnectionSettings: it cannot be parsed; the message does not repeat it, since it may carry a password.
    """
    given = database or environment.get("DB_URL")
    if given is not None:
        origin = "--database" if database else "DB_URL"
        try:
            parsed = conninfo_to_dict(given)
        except ProgrammingError:
            raise BadConnectionSettings(
                f"{origin} is not a connection string; nothing was changed",
                hint="write it as postgresql://USER:PASSWORD@HOST:PORT/DATABASE, special characters percent-encoded",
            ) from None
        parsed.setdefault("dbname", environment.get("PGDATABASE", "immich"))
        return make_conninfo("", **parsed)
    parts = {name: environment[variable] for variable, name in PARTS.items() if environment.get(variable)}
    if "PGDATABASE" not in environment and "PGSERVICE" not in environment:
        parts.setdefault("dbname", "immich")
    return make_conninfo("", **parts)


def where(conninfo: str, environment: Mapping[str, str]) -> tuple[str, str, str]:
    """Return host (or ""), port and database as far as they are known without connecting."""
    parsed = conninfo_to_dict(conninfo)
    return (
        str(parsed.get("host") or environment.get("PGHOST", "")),
        str(parsed.get("port") or environment.get("PGPORT", "5432")),
        str(parsed.get("dbname") or environment.get("PGDATABASE", "")),
    )
