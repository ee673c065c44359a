"""Prepares a fresh database: look, ask, run what is missing, look again.

There is no journal: nothing can be lost here, each part shows on the server whether it is done, and doing it again is
doing nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from migrator.catalog import Catalog
from migrator.content import Part, Preparation
from migrator.errors import ConnectionLost, ExitCode, NoSuchDatabase, NotDoneAfterAll, StatementFailed
from migrator.privileges import holds
from migrator.session import Session, refuse_standby, session_statements
from migrator.step import Blocker, Statement

MAINTENANCE = ("postgres", "template1")
"""Databases that are there on almost every server, to work from while the wanted one is not."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was found, and what is left to do."""

    address: tuple[str, str, str, str]
    catalog: Catalog
    name: str
    parts: tuple[Part, ...]
    blockers: tuple[Blocker, ...]
    session: tuple[str, ...]

    @property
    def pending(self) -> tuple[Part, ...]:
        """The parts that are left to do."""
        return tuple(part for part in self.parts if not part.done)

    @property
    def exit_code(self) -> ExitCode:
        """The code for what stands in the way; DONE where nothing does."""
        if not self.blockers:
            return ExitCode.DONE
        waiting = all(blocker.kind == "operator" for blocker in self.blockers)
        return ExitCode.WAITING if waiting else ExitCode.BLOCKED


@dataclass(frozen=True, slots=True)
class Result:
    """How it ended; `declined` means that nobody said yes."""

    exit_code: ExitCode
    prepared: Prepared
    declined: bool = False


def look(conninfo: str, preparation: Preparation) -> Prepared:
    """Return what a run would do; the server refuses writes.

    Raises:
        MigratorError: the server cannot be reached, or is a standby.
    """
    session = _open(conninfo, preparation, read_only=True)
    try:
        return _judge(session, preparation)
    finally:
        session.close()


def prepare(conninfo: str, preparation: Preparation, ask: Callable[[Prepared], bool]) -> Result:
    """Do what is missing, once nothing stands in the way and `ask` says yes.

    Raises:
        AlreadyRunning: another copy prepares a database from here.
        MigratorError: as look, and when a statement fails: those inside the database were rolled back together.
    """
    session = _open(conninfo, preparation)
    try:
        session.hold_tool_lock()
        found = _judge(session, preparation)
        if not found.pending or found.blockers:
            return Result(found.exit_code, found)
        if not ask(found):
            return Result(ExitCode.WAITING, found, declined=True)
        for statement in _statements(found, inside=False):
            _run(session.connection, statement)
        session.close()
        # the new database may have got something from its template: it is asked before it is changed
        session = _open(conninfo, preparation)
        session.hold_tool_lock()
        within = _judge(session, preparation)
        _inside(session, within)
        after = _judge(session, preparation)
        if after.pending:
            raise NotDoneAfterAll(
                f"the statements ran, but the server does not show: {', '.join(p.title for p in after.pending)}",
                hint="run the same command again; if it happens again, please report it",
            )
        return Result(ExitCode.DONE, after)
    finally:
        session.close()


def _open(conninfo: str, preparation: Preparation, *, read_only: bool = False) -> Session:
    """Connect to the database if it is there, otherwise to the one that was named, or to the server's own."""
    named = conninfo_to_dict(conninfo).get("dbname")
    names = dict.fromkeys((preparation.name, *([str(named)] if named else []), *MAINTENANCE))
    missing: NoSuchDatabase | None = None
    for name in names:
        session = Session(make_conninfo(conninfo, dbname=name), preparation.interest, read_only=read_only)
        try:
            session.open()
        except NoSuchDatabase as error:
            missing = missing or error
        else:
            return session
    raise missing or NoSuchDatabase


def _judge(session: Session, preparation: Preparation) -> Prepared:
    catalog = session.catalog()
    refuse_standby(catalog)
    parts = tuple(preparation.parts(catalog))
    blockers: list[Blocker] = []
    if any(not part.done for part in parts):
        blockers = [*preparation.blockers(catalog), *_lacking(catalog, parts)]
    settings = tuple(
        statement.as_string(None) for statement in session_statements(preparation.interest, catalog.server)
    )
    return Prepared(session.address, catalog, preparation.name, parts, tuple(blockers), settings)


def _lacking(catalog: Catalog, parts: Sequence[Part]) -> list[Blocker]:
    statements = [statement for part in parts for statement in part.statements]
    needs = sorted({str(s.privilege) for s in statements if not holds(catalog, s.privilege)})
    if not needs:
        return []
    return [
        Blocker(
            what="rights",
            found=f'role "{catalog.role.name}" may not do this',
            wanted=", ".join(needs),
            fix=(
                "connect as such a role: --admin-database postgresql://postgres@HOST:PORT/postgres",
                "or hand a DBA the script that this prints: the same command with --dry-run",
            ),
            kind="operator",
            who="DBA",
        )
    ]


def _statements(found: Prepared, *, inside: bool) -> list[Statement]:
    return [statement for part in found.parts if part.inside is inside for statement in part.statements]


def _inside(session: Session, found: Prepared) -> None:
    """Run what is to be done in the database itself, in one transaction."""
    connection = session.connection
    try:
        with connection.transaction():
            for statement in _statements(found, inside=True):
                _run(connection, statement)
    except psycopg.Error as error:
        raise _failed(connection, "commit", error) from error


def _run(connection: psycopg.Connection[object], statement: Statement) -> None:
    try:
        connection.execute(statement.sql, prepare=False)
    except psycopg.Error as error:
        raise _failed(connection, statement.key, error) from error


def _failed(connection: psycopg.Connection[object], key: str, error: psycopg.Error) -> ConnectionLost | StatementFailed:
    reason = (error.diag.message_primary or str(error).strip() or type(error).__name__).splitlines()[0]
    if connection.closed:
        return ConnectionLost(
            "the connection was lost; what is inside the database is done as a whole, or nothing of it",
            facts=[("server", reason)],
            hint="run the same command again: it goes on with what is missing",
        )
    return StatementFailed(
        f"prepare/{key} failed: {reason}",
        facts=[("SQLSTATE", error.sqlstate or "none"), *([("hint", h)] if (h := error.diag.message_hint) else [])],
        hint="nothing was lost; mend the cause, then run the same command again: it goes on with what is missing",
    )
