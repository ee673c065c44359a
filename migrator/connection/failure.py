"""What it means that no connection came about, for a person: by the words of the server or of libpq.

libpq passes no SQLSTATE on from before a connection exists, so this is the one place that reads messages.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from migrator.connection.place import where
from migrator.errors import CannotConnect, MigratorError, NoSuchDatabase, Pooler, ServerStarting, WrongPassword

SETTINGS = "look at DB_USERNAME and DB_PASSWORD in Immich's .env, or give --database URL"
USE_THE_SERVER = (
    "give the address and port of the server itself (usually 5432) with --database: "
    "what a session sets and locks does not survive a pooler"
)


_REFUSED = 'PostgreSQL at {where} refuses role "{user}"; nothing was changed'
_UNREACHED = "no connection to PostgreSQL at {where}; nothing was changed"


@dataclass(frozen=True, slots=True)
class Meaning:
    """A kind of failure, known by a pattern in its message; `sentence` may name {where}, {user} and {dbname}."""

    pattern: str
    kind: type[MigratorError]
    sentence: str
    hint: str


MEANINGS = (
    Meaning(
        r"the database system is (starting up|shutting down|not (yet )?accepting|in recovery)",
        ServerStarting,
        "PostgreSQL at {where} is starting or stopping, and takes no connections yet; nothing was changed",
        "wait a moment, then run the same command again; if it stays so, look at the server's log",
    ),
    Meaning(
        r"unsupported (options )?startup parameter",
        Pooler,
        "a connection pooler answers at {where}, not PostgreSQL itself; nothing was changed",
        USE_THE_SERVER,
    ),
    Meaning(
        r"(peer|ident) authentication failed",
        WrongPassword,
        _REFUSED,
        "over the socket it takes the account of the role's name: sudo -u ACCOUNT migrate ..., or TCP and a password",
    ),
    Meaning(
        r"pg_hba\.conf",
        WrongPassword,
        _REFUSED,
        "its pg_hba.conf does not let this role in from here: run this where Immich runs, or add a line there",
    ),
    Meaning(
        r'password authentication failed|no password supplied|not permitted to log in|role ".*" does not exist',
        WrongPassword,
        _REFUSED,
        SETTINGS,
    ),
    Meaning(
        r'database ".*" does not exist|no such database',
        NoSuchDatabase,
        'there is no database "{dbname}" at {where}; nothing was changed',
        "Immich's database is usually called immich; see DB_DATABASE_NAME in its .env",
    ),
    Meaning(
        r"(translate|resolve) host",
        CannotConnect,
        _UNREACHED,
        "names inside Docker mean nothing outside: give the address as seen from here with --database URL",
    ),
    Meaning(r"definition of service", CannotConnect, _UNREACHED, "look at PGSERVICE and the file pg_service.conf"),
    Meaning(
        r"SSL was required",
        CannotConnect,
        _UNREACHED,
        "the server has no TLS: take sslmode out of the URL, or DB_SSL_MODE out of Immich's settings",
    ),
    Meaning(
        r"certificate",
        CannotConnect,
        _UNREACHED,
        "sslrootcert=FILE in the URL names the authority to trust; sslmode=no-verify checks nothing",
    ),
)
OTHERWISE = Meaning(
    "", CannotConnect, _UNREACHED, "is it running, and is this the right address? then run the same command again"
)


def explain(conninfo: str, error: psycopg.OperationalError) -> MigratorError:
    """Return the error for a connection that did not come about; no password is in it."""
    given = conninfo_to_dict(conninfo)
    said = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in said if not line.startswith("Is the server running")]
    text = _without_password(told[-1] if told else "no answer", given)
    meaning = next((m for m in MEANINGS if re.search(m.pattern, text, re.IGNORECASE)), OTHERWISE)
    _, _, database = where(conninfo, os.environ)
    sentence = meaning.sentence.format(where=address(conninfo), user=given.get("user") or "", dbname=database)
    return meaning.kind(sentence, hint=meaning.hint, facts=[("server", text)])


def pooler(conninfo: str, seen: str) -> Pooler:
    """Return the error for something that answers like a server and is none, with what gave it away."""
    return Pooler(
        f"a connection pooler answers at {address(conninfo)}, not PostgreSQL itself; nothing was changed",
        facts=[("seen", seen)],
        hint=USE_THE_SERVER,
    )


def address(conninfo: str) -> str:
    """Name the host and port that a connection string means."""
    host, port, _ = where(conninfo, os.environ)
    return f"{host or 'the local socket'}, port {port}"


def _without_password(text: str, given: Mapping[str, Any]) -> str:
    password = given.get("password")
    return text.replace(str(password), "***") if password else text
