"""Runs a migration: connect, look, ask, go on from where the database is, and say what is true when it stops."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import psycopg

from migrator.absence import look_for
from migrator.application import compare_with_application
from migrator.catalog import Catalog
from migrator.commands.dba import write_dba_script
from migrator.commands.plan import open_undamaged, place_of
from migrator.content import Content, Ending, Overview
from migrator.content import Path as MigrationPath
from migrator.engine import Engine, Outcome, pending
from migrator.errors import (
    CannotConnect,
    CommitPending,
    ConnectionLost,
    ExitCode,
    MigratorError,
    OtherDatabase,
    RestartFailed,
    code_of,
)
from migrator.events import Emit, JournalKeptAside, Restarting, ScriptWritten, ServerAway, ServerBack
from migrator.execute import Executor, Patience
from migrator.holders import Holder
from migrator.identity import Identity, moved
from migrator.journal import Journal
from migrator.journal_damage import note as damage_note
from migrator.session import Session, refuse_standby
from migrator.settling import settle
from migrator.step import Blocker, Facts, Json, Step

RECOVERY_LIMIT_SECONDS = 180.0
RESTART_LIMIT_SECONDS = 300.0
GIVE_UP_SECONDS = 10.0
"""How long a server is waited for whose restart command has failed."""
LOOK_AGAIN_SECONDS = 2.0
KEPT_LINES, SHOWN_LINES = 200, 3
"""How much of what a restart command says is read, and how much is shown."""
ADDRESS = "address"
"""The name under which a start's host and port stand among its arguments in the journal."""
RESTART = "restart-command"
"""The key under which the user's own command appears in the journal."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asks for.

    Attributes:
        conninfo: where the database is; may carry a password, so it is kept in memory only.
        source: what the data comes from, as --from names it.
        application: what the application itself connects with, where that is not `conninfo`; kept in memory only.
        journal: None = the usual place of this database.
        arguments: what was typed, without secrets, for the journal.
        dba_script: where to write what only a DBA may do.
        terminate_blockers: whether the person may be asked to have sessions ended that hold a lock.
        restart_command: a command line that restarts the server, run by the shell; None = the operator does.
    """

    conninfo: str
    source: str
    arguments: Mapping[str, Json]
    application: str | None = None
    journal: Path | None = None
    restart_command: str | None = None
    dba_script: Path | None = None
    trust_server: bool = False
    patience: Patience | None = None
    terminate_blockers: bool = False


@dataclass(frozen=True, slots=True)
class Situation:
    """What was found before anything is done."""

    address: tuple[str, str, str, str]
    catalog: Catalog
    facts: Facts
    overview: Overview
    path: MigrationPath
    pending: tuple[Step, ...]
    in_the_way: tuple[Blocker, ...]
    """What will stop the run later on, and can be mended before it begins."""
    journal: Path
    resumed_from: str | None
    """When the run began that this one goes on with; None for a new one."""
    told: tuple[str, ...]
    """What is worth knowing about connection and journal, whether the run is new or not."""
    interrupted_at: str | None
    """The step in which the journal's last start ended without an end; None where there is none."""


@dataclass(frozen=True, slots=True)
class Result:
    """How it ended."""

    exit_code: ExitCode
    outcome: Outcome
    ending: Ending | None = None
    seconds: float = 0.0
    """How long the finished steps took, over all starts of this run."""
    question: str | None = None
    """The flag that would have answered the question which stopped the run."""


class Person(Protocol):
    """Who is asked. One who cannot answer answers no."""

    def start(self, situation: Situation) -> bool:
        """Show what was found and planned, and ask whether to begin; not called when nothing is left to do."""

    def confirm(self, sentence: str, database: str) -> bool:
        """Name what can no longer be undone, and have the database's name typed."""

    def answer(self, question: str) -> bool:
        """Answer a y/N question about what no server shows."""

    def end_sessions(self, holders: Sequence[str]) -> bool:
        """Show who holds a lock that is waited for, and ask whether they may be ended."""

    def wait(self, outcome: Outcome, seconds: float) -> bool:
        """Wait until the server should be looked at again; False = the person does not wait here."""


def run(request: Request, content: Content, person: Person, emit: Emit) -> Result:
    """Carry a migration out, or go on with it.

    Raises:
        MigratorError: with its exit code and what to do next; KeyboardInterrupt passes through.
    """
    session = Session(request.conninfo, content.interest)
    try:
        return _with_session(session, request, content, person, emit)
    finally:
        session.close()


def _with_session(session: Session, request: Request, content: Content, person: Person, emit: Emit) -> Result:
    session.open()
    session.hold_tool_lock(place_of(session, request.journal))
    catalog = session.catalog()
    refuse_standby(catalog)
    situation = _look(session, request, content, catalog)
    path = situation.path
    if situation.pending and not person.start(situation):
        return Result(ExitCode.WAITING, Outcome("waiting"), question="--yes")
    journal = Journal.create_or_open(situation.journal)
    if journal.kept_aside is not None:
        emit(JournalKeptAside(str(journal.path), str(journal.kept_aside)))
    try:
        journal.begin(Identity.of(catalog), request.source, path.key, request.arguments)
        journal.begin_invocation({**request.arguments, ADDRESS: session.place})
        result = _Run(session, journal, request, content, person, emit).go_on(path)
        journal.end_invocation(result.exit_code)
    except BaseException as error:
        with suppress(MigratorError):
            journal.end_invocation(code_of(error))
        raise
    else:
        return result
    finally:
        journal.close()


def _look(session: Session, request: Request, content: Content, catalog: Catalog) -> Situation:
    told = list(compare_with_application(catalog, worked_on=request.conninfo, application=request.application))
    place = place_of(session, request.journal)
    told += filter(None, [damage_note(place)])
    facts: Facts = {}
    resumed_from = interrupted_at = begun = None
    journal = open_undamaged(place)
    if journal is not None:
        try:
            journal.belongs_to(Identity.of(catalog))
            facts = journal.facts()
            told += filter(None, [moved(journal.last_arguments().get(ADDRESS), session.place)])
            record = journal.run
            resumed_from = record.started_at if record and not record.finished_at else None
            begun = record.path if record and not record.finished_at else None
            last = max(journal.events(), key=lambda event: event.id, default=None)
            interrupted_at = last.step if last and last.event == "started" else None
        finally:
            journal.close()
    path = content.path(catalog, begun)
    return Situation(
        address=session.address,
        catalog=catalog,
        facts=facts,
        overview=content.overview(catalog, facts).with_warnings(told),
        path=path,
        pending=tuple(pending(path.steps, catalog, facts)),
        in_the_way=tuple(content.in_the_way(catalog, facts, path)),
        journal=place,
        resumed_from=resumed_from,
        told=tuple(told),
        interrupted_at=interrupted_at,
    )


@dataclass(slots=True)
class _Run:
    """One start of the tool on an open journal."""

    session: Session
    journal: Journal
    request: Request
    content: Content
    person: Person
    emit: Emit
    confirmed: set[str] = field(default_factory=set)
    asked: dict[str, bool] = field(default_factory=dict)

    def go_on(self, path: MigrationPath) -> Result:
        """Advance until done, blocked, or waiting for somebody that nobody here waits for."""
        engine = Engine(
            path.steps,
            session=self.session,
            journal=self.journal,
            executor=Executor(
                self.session,
                self.journal,
                self.emit,
                self.content.diagnose,
                self.request.patience,
                may_end=self._may_end,
            ),
            emit=self.emit,
            confirm=self._confirm,
            ask=self._ask,
            trust_server=self.request.trust_server,
            restarts=self.request.restart_command is not None,
        )
        while True:
            try:
                outcome = engine.go_on()
            except ConnectionLost as lost:
                raise self._tell_what_is_true(engine, lost) from lost
            if outcome.kind == "done":
                self.journal.end()
                ending = self.content.ending(self.session.catalog(), self.journal.facts(), path)
                return Result(ExitCode.DONE, outcome, ending, self.journal.seconds_of_work())
            if outcome.kind == "blocked":
                return Result(ExitCode.BLOCKED, outcome)
            self._write_dba_script(engine, outcome)
            wants_restart = outcome.step is not None and outcome.step.wants_restart
            if wants_restart and self.request.restart_command is not None:
                self._restart(outcome, self.request.restart_command)
            elif self.person.wait(outcome, LOOK_AGAIN_SECONDS):
                self._reconnect(RECOVERY_LIMIT_SECONDS)
            else:
                return Result(ExitCode.WAITING, outcome)

    def _write_dba_script(self, engine: Engine, outcome: Outcome) -> None:
        file, step = self.request.dba_script, outcome.step
        if file is None or step is None or not any(blocker.who == "DBA" for blocker in outcome.blockers):
            return
        if write_dba_script(file, engine.steps, step, self.session.catalog(), self.journal.facts()):
            self.emit(ScriptWritten(step.key, str(file)))

    def _confirm(self, step: Step, catalog: Catalog) -> tuple[Blocker, ...]:
        sentence = step.point_of_no_return or ""
        if step.key in self.confirmed or self.person.confirm(sentence, catalog.database.name):
            self.confirmed.add(step.key)
            return ()
        return (
            Blocker(
                what=step.title,
                found=f"not confirmed: {sentence}",
                wanted="the name of the database, typed or given",
                fix=(f"add --confirm={catalog.database.name}",),
                kind="operator",
            ),
        )

    def _may_end(self, holders: Sequence[Holder]) -> bool:
        return self.request.terminate_blockers and self.person.end_sessions([str(holder) for holder in holders])

    def _ask(self, question: str) -> bool:
        if question not in self.asked:
            self.asked[question] = self.person.answer(question)
        return self.asked[question]

    def _restart(self, outcome: Outcome, command: str) -> None:
        """Run the user's restart command and wait until a server answers that was started after it."""
        step = outcome.step.key if outcome.step else ""
        before = self.session.catalog().server.started_at
        self.journal.event(step, "started", statement=RESTART)
        self.emit(Restarting(step, command))
        self.session.close()
        exit_code, said = run_command(command)
        facts = [("exit code", str(exit_code)), *(("said", line) for line in said[-SHOWN_LINES:])]
        try:
            self._reconnect(RECOVERY_LIMIT_SECONDS if exit_code == 0 else GIVE_UP_SECONDS)
            after = self.session.catalog().server.started_at
        except (CannotConnect, ConnectionLost) as error:
            self.journal.event(step, "failed", statement=RESTART, detail=f"exit code {exit_code}")
            raise RestartFailed(
                "the server does not answer after the restart command; nothing is lost",
                facts=[*facts, *self._why_away(said)],
                hint="look at the server's log, start it, then run the same command again",
            ) from error
        if after == before:
            self.journal.event(step, "failed", statement=RESTART, detail="the server was not restarted")
            raise RestartFailed(
                "the restart command ended, but the server was not restarted; nothing was changed",
                facts=facts,
                hint="restart PostgreSQL yourself (a reload is not enough), then run the same command again",
            )
        self.journal.event(step, "finished", statement=RESTART)

    def _reconnect(self, limit_seconds: float) -> None:
        """Be connected, to the database of this journal and nobody else's, with our lock."""
        with suppress(ConnectionLost, psycopg.OperationalError):
            self.session.connection.execute("SELECT 1")
            return
        begun = time.monotonic()
        self.session.wait_until_back(limit_seconds, lambda seconds: self.emit(ServerAway(seconds)))
        self.emit(ServerBack(time.monotonic() - begun))
        self.journal.belongs_to(Identity.of(self.session.catalog()))
        self.session.hold_tool_lock()

    def _why_away(self, said: Sequence[str] = ()) -> Sequence[tuple[str, str]]:
        before, host = self.session.last_seen or (None, "")
        return self.content.explain_absence(look_for(before, host, said))

    def _tell_what_is_true(self, engine: Engine, lost: ConnectionLost) -> MigratorError:
        """Wait for the server after a lost connection, ask it what was committed, and say so."""
        step = next((s for s in engine.steps if s.key == engine.run.state), None)
        title = step.title if step else engine.run.state
        again = "run the same command again: it goes on from here"
        try:
            self._reconnect(RECOVERY_LIMIT_SECONDS)
            settle(self.journal, self.session.connection)
            catalog = self.session.catalog()
        except (OtherDatabase, CommitPending) as refused:
            return refused
        except (CannotConnect, ConnectionLost):
            return ConnectionLost(
                f'the connection was lost in step "{title}", and the server does not come back',
                facts=[*lost.facts, *self._why_away()],
                hint=f"start the server; nothing is lost; then {again}",
            )
        done = step is not None and step.is_done(catalog, self.journal.facts())
        now = "committed: it is done" if done else "rolled back: everything is as it was before it"
        return ConnectionLost(
            f'the connection was lost in step "{title}"; nothing is lost',
            facts=[
                *lost.facts,
                ("now", f"the server is back; the step was {now}"),
                *self.content.explain_loss(catalog),
            ],
            hint=again,
        )


def run_command(command: str) -> tuple[int, list[str]]:
    """Run the person's own command line with the shell; return its exit code and the lines that it said.

    Its output goes to a file: a pipe would stay open as long as a server that the command started.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        try:
            code = subprocess.run(  # noqa: S602 - with the person's rights, as typed
                command,
                shell=True,
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=RESTART_LIMIT_SECONDS,
            ).returncode
        except subprocess.TimeoutExpired:
            code = -1
        output.seek(0)
        return code, output.read().strip().splitlines()[-KEPT_LINES:]
