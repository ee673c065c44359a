"""The tool's one connection: opened with the settings that its promises rest on, and opened again after a restart."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Composed, Identifier, Literal

from migrator.alone import take_tool_lock
from migrator.catalog import Catalog, Interest, Observed, Server, read_catalog
from migrator.connection.failure import explain, pooler
from migrator.elsewhere import look_elsewhere
from migrator.errors import (
    BadConnectionSettings,
    CannotConnect,
    ConnectionLost,
    LockNotGiven,
    NoSuchDatabase,
    Standby,
    WrongPassword,
)

# what it says of a rollback that failed as well, our own sentences say
logging.getLogger("psycopg").addHandler(logging.NullHandler())

APPLICATION_NAME = "migrate"
CONNECT_TIMEOUT_SECONDS = 10

READ_ONLY = "default_transaction_read_only"

SETTINGS: Mapping[str, str] = {
    # every name in our statements is qualified; what a database or role put here must not choose for us
    "search_path": "pg_catalog, pg_temp",
    # a commit that the journal notes must survive a crash of the server, whatever the database's own setting is
    "synchronous_commit": "on",
    # the server notices within a second that a killed tool is gone, and lets go of its locks
    "client_connection_check_interval": "1s",
    # on a line that carries nothing any more the server ends the session, and its locks, within a minute; the sign of
    # life also keeps a router on the way from forgetting the connection during a long statement
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    # reading the snapshot must not hang behind somebody's lock; what a step waits for, it says itself
    "lock_timeout": "1s",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "transaction_timeout": "0",
    # the end of a wait for a lock has to show what was committed meanwhile, and a hash what is there now
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    # what the server writes has to read the same whoever asks
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "quote_all_identifiers": "off",
    "standard_conforming_strings": "on",
    "transform_null_equals": "off",
    "row_security": "off",
    "client_min_messages": "warning",
}


KEEPALIVES: Mapping[str, str] = {
    name.removeprefix("tcp_"): value for name, value in SETTINGS.items() if name.startswith("tcp_keepalives")
}
"""The same on our side, as libpq names it: a server that has vanished is noticed within a minute too."""


SINCE: Mapping[str, int] = {"transaction_timeout": 170000}
"""The server that knows a setting first, where a supported one does not know it."""


ENCODING = "UTF8"
"""Told in the start-up packet: psycopg makes text of an answer by the encoding that the session began with."""


def session_statements(interest: Interest, server: Server) -> list[Composed]:
    """Return the settings that a server knows as statements, for a person who runs the plan by hand."""
    return [
        SQL("SELECT set_config({}, {}, false)").format(Literal(name), Literal(value))
        for name, value in {**SETTINGS, **interest.session}.items()
        if server.version_num >= SINCE.get(name, 0)
    ]


SET = """
SELECT pg_catalog.pg_backend_pid(), name, pg_catalog.set_config(name, value, false)
FROM ROWS FROM (pg_catalog.unnest(%s::text[]), pg_catalog.unnest(%s::text[])) AS wanted (name, value)
WHERE name OPERATOR(pg_catalog.~~) '%%.%%' OR pg_catalog.current_setting(name, true) IS NOT NULL
"""
"""Makes the settings that the server knows; a server too old for one of them can still be looked at."""
STILL_SET = """
SELECT pg_catalog.pg_backend_pid(), name, pg_catalog.current_setting(name, true)
FROM pg_catalog.unnest(%s::text[]) AS wanted (name)
"""


class Session:
    """A connection that can be lost and opened again.

    Read-only ones cannot write: the server refuses, in autocommit too.
    """

    def __init__(self, conninfo: str, interest: Interest, *, read_only: bool = False) -> None:
        self._conninfo, self._interest, self._read_only = conninfo, interest, read_only
        self._connection: psycopg.Connection[Any] | None = None
        self._elsewhere: Mapping[str, Observed] | None = None
        self.last_seen: tuple[Catalog, str] | None = None
        """The last snapshot, and the host that it came from: what is known of a server that is away."""

    @property
    def connection(self) -> psycopg.Connection[Any]:
        """The open connection.

        Raises:
            ConnectionLost: there is none, or it is broken.
        """
        if self._connection is None or self._connection.closed or self._connection.broken:
            raise ConnectionLost(hint="run the same command again")
        return self._connection

    @property
    def broken(self) -> bool:
        """Tell whether the connection is gone."""
        return self._connection is None or bool(self._connection.closed or self._connection.broken)

    @property
    def address(self) -> tuple[str, str, str, str]:
        """Host (or socket folder), port, database and role, as libpq resolved them."""
        info = self.connection.info
        return info.host, str(info.port), info.dbname, info.user

    @property
    def place(self) -> str:
        """Host and port for a person; no secret."""
        host, port, _, _ = self.address
        return f"{host or 'local socket'}:{port}"

    def open(self) -> None:
        """Connect, with the session's settings in force before the first statement.

        Raises:
            CannotConnect: or the subclass that says why.
        Pooler: what answers is not the server itself.
        """
        self.close()
        self._elsewhere = None
        self._connection = connect(self._conninfo, self._interest.session, read_only=self._read_only)

    def close(self) -> None:
        """Close the connection, whatever state it is in; the server lets go of its locks."""
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    def twin(self, *, read_only: bool) -> Session:
        """Return another session on the same database, not open yet."""
        return Session(self._conninfo, self._interest, read_only=read_only)

    def another(self) -> psycopg.Connection[Any]:
        """Open a second, read-only connection, for watching what this one does."""
        return connect(self._conninfo, self._interest.session, read_only=True)

    def catalog(self) -> Catalog:
        """Read a snapshot.

        Raises:
            ConnectionLost: the server went away.
            LockNotGiven: somebody keeps everybody else from the system's own catalogs.
        """
        try:
            catalog = self._read_as_owner()
            self.last_seen = catalog, self.connection.info.host
            question = self._interest.elsewhere
            if question is None or not question.when(catalog):
                return catalog
            if self._elsewhere is None or question.decides(catalog):
                self._elsewhere = look_elsewhere(self.connection, self._conninfo, question.sql, APPLICATION_NAME)
            return replace(catalog, elsewhere=self._elsewhere)
        except psycopg.errors.LockNotAvailable as error:
            raise LockNotGiven(
                "somebody holds a lock that keeps this tool from looking at the database; nothing was changed",
                hint="wait for it to end (pg_locks and pg_stat_activity show it), then run the same command again",
            ) from error
        except psycopg.OperationalError as error:
            raise ConnectionLost(hint="run the same command again") from error

    def _read_as_owner(self) -> Catalog:
        catalog = read_catalog(self.connection, self._interest)
        owner = self._interest.act_as(catalog)
        if owner is None or owner == catalog.role.name:
            return catalog
        self.connection.execute(SQL("SET ROLE {}").format(Identifier(owner)))
        return read_catalog(self.connection, self._interest)

    def hold_tool_lock(self, journal: Path | None = None, *, our_own_may_hold_it: bool = False) -> None:
        """Take the lock that keeps a second copy away; the journal tells whether a killed start may still hold it.

        Raises:
            AlreadyRunning: another copy holds it.
        """
        take_tool_lock(self.connection, journal, our_own_may_hold_it=our_own_may_hold_it)

    def wait_until_back(self, limit_seconds: float, tick: Callable[[float], None]) -> float:
        """Open the connection again as soon as the server answers; return how long that took, in seconds.

        Raises:
            CannotConnect: it did not within the limit.
        """
        begun = time.monotonic()
        while True:
            try:
                self.open()
            except (WrongPassword, NoSuchDatabase):
                raise
            except CannotConnect:
                waited = time.monotonic() - begun
                if waited > limit_seconds:
                    raise
                tick(waited)
                time.sleep(0.5)
            else:
                return time.monotonic() - begun


def connect(conninfo: str, more: Mapping[str, str], *, read_only: bool) -> psycopg.Connection[Any]:
    """Connect in autocommit with our settings, and `more` of them, to a server that keeps them.

    Raises:
        CannotConnect: or WrongPassword, NoSuchDatabase, BadConnectionSettings; no message carries the password.
        Pooler: what answers is not the server itself.
    """
    connection = connect_bare(conninfo, read_only=read_only)
    try:
        _settle(connection, conninfo, {**SETTINGS, **more}, read_only=read_only)
    except psycopg.OperationalError as error:
        connection.close()
        raise explain(conninfo, error) from None
    except BaseException:
        connection.close()
        raise
    return connection


def connect_bare(conninfo: str, *, read_only: bool) -> psycopg.Connection[Any]:
    """Connect in autocommit, with the settings of role and database in force; a read-only session cannot write.

    Raises:
        CannotConnect: or WrongPassword, NoSuchDatabase, BadConnectionSettings; no message carries the password.
        Pooler: what answers says that it is none of a server's.
    """
    try:
        parameters = conninfo_to_dict(conninfo)
        signs = {name: value for name, value in KEEPALIVES.items() if name not in parameters}
        given = parameters.get("options") or os.environ.get("PGOPTIONS") or ""
        # in the start-up packet, so that not even the first statement of a read-only session can write
        options = f"{given} -c {READ_ONLY}={'on' if read_only else 'off'}"
        return psycopg.connect(
            make_conninfo(conninfo, **signs),
            autocommit=True,
            application_name=APPLICATION_NAME,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            client_encoding=ENCODING,
            options=options.strip(),
        )
    except psycopg.ProgrammingError:
        raise BadConnectionSettings(hint="see: migrate --help, --database") from None
    except psycopg.OperationalError as error:
        raise explain(conninfo, error) from None


def _settle(
    connection: psycopg.Connection[Any], conninfo: str, settings: Mapping[str, str], *, read_only: bool
) -> None:
    """Make the settings, and ask in a second statement whether the same session answers and still has them."""
    made = connection.execute(SET, [list(settings), list(settings.values())]).fetchall()
    wanted = {name: value for _, name, value in made} | {READ_ONLY: "on" if read_only else "off"}
    found = connection.execute(STILL_SET, [list(wanted)]).fetchall()
    if {connection.info.backend_pid} != {row[0] for row in (*made, *found)}:
        raise pooler(conninfo, "one connection, but more than one session of the server behind it")
    if wanted != {name: value for _, name, value in found}:
        raise pooler(conninfo, "the session's settings are not kept")


def refuse_standby(catalog: Catalog) -> None:
    """Refuse a server that takes no changes.

    Raises:
        Standby: it is in recovery.
    """
    if catalog.server.in_recovery:
        raise Standby(hint="connect to the primary instead")
