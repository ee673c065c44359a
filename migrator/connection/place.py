"""Which database a connection string means, as far as that is known without connecting."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

Place = tuple[str, str, str]
"""Host ("" or a folder = a local socket), port and name of the database."""

_VARIABLES: Mapping[str, str] = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "dbname": "PGDATABASE"}


def where(conninfo: str, environment: Mapping[str, str]) -> Place:
    """Return the place as libpq will find it: from the string, its service, the environment, libpq's defaults."""
    given = {key: str(value) for key, value in conninfo_to_dict(conninfo).items()}
    service = of_service(given.get("service") or environment.get("PGSERVICE", ""), environment)
    found = {key: environment[variable] for key, variable in _VARIABLES.items() if environment.get(variable)}
    found = {**found, **service, **given}
    host = found.get("host") or found.get("hostaddr") or environment.get("PGHOSTADDR", "")
    return host, found.get("port", "5432"), found.get("dbname") or found.get("user") or _account()


def of_service(service: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of a service of pg_service.conf; none where it is not found: libpq will say so."""
    if not service:
        return {}
    home = Path(environment.get("HOME", "/")) / ".pg_service.conf"
    files = [Path(environment["PGSERVICEFILE"]) if "PGSERVICEFILE" in environment else home]
    if "PGSYSCONFDIR" in environment:
        files.append(Path(environment["PGSYSCONFDIR"]) / "pg_service.conf")
    for file in files:
        with suppress(OSError, UnicodeError):
            if found := _section(file.read_text(encoding="utf-8"), service):
                return found
    return {}


def _section(text: str, name: str) -> dict[str, str]:
    found: dict[str, str] = {}
    inside = False
    for line in (line.strip() for line in text.splitlines()):
        if line.startswith("["):
            inside = line == f"[{name}]"
        elif inside and line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, value)
    return found


def _account() -> str:
    with suppress(KeyError, OSError):
        return getpass.getuser()
    return ""
