"""One start of the tool on an open journal: goes on from step to step, waits, restarts, and says what is true."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import psycopg

from migrator.absence import look_for
from migrator.catalog import Catalog
from migrator.commands.asking import Person, Request, Result
from migrator.commands.copy_first import CopyFirst, made_before
from migrator.commands.dba import write_dba_script
from migrator.commands.restarting import GIVE_UP_SECONDS, RESTART, RestartCommand
from migrator.content import Content
from migrator.content import Path as MigrationPath
from migrator.engine import Engine, Outcome
from migrator.errors import (
    CannotConnect,
    CommitPending,
    ConnectionLost,
    ExitCode,
    MigratorError,
    OtherDatabase,
    RestartFailed,
)
from migrator.events import Emit, ScriptWritten, ServerAway, ServerBack
from migrator.execute import Executor
from migrator.holders import Holder
from migrator.identity import Identity
from migrator.journal import Journal
from migrator.session import Session
from migrator.settling import settle
from migrator.step import Blocker, Step

RECOVERY_LIMIT_SECONDS = 180.0
LOOK_AGAIN_SECONDS = 2.0


@dataclass(slots=True)
class Loop:
    """One start of the tool on an open journal."""

    session: Session
    journal: Journal
    request: Request
    content: Content
    person: Person
    emit: Emit
    ended: Callable[[Journal], None]
    """Called as soon as every step is done, to note it."""
    copy: CopyFirst
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
            secure=self.copy.secure,
        )
        while True:
            try:
                outcome = engine.go_on()
            except ConnectionLost as lost:
                raise self._tell_what_is_true(engine, lost) from lost
            if outcome.kind == "done":
                ending = self.content.ending(self.session.catalog(), self.journal.facts(), path)
                copy = made_before(self.journal.facts())
                self.ended(self.journal)
                return Result(ExitCode.DONE, outcome, ending, self.journal.seconds_of_work(), copy)
            if outcome.kind == "blocked":
                return Result(ExitCode.BLOCKED, outcome)
            self._write_dba_script(engine, outcome)
            if outcome.wants_restart and self.request.restart_command is not None:
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

    def _ask(self, step: Step) -> bool:
        question = step.question or ""
        if question not in self.asked:
            self.asked[question] = self.person.answer(question, in_person=step.only_a_person_answers)
        return self.asked[question]

    def _restart(self, outcome: Outcome, command: str) -> None:
        """Run the user's restart command and wait until a server answers that was started after it."""
        step = outcome.step.key if outcome.step else ""
        before = self.session.catalog().server.started_at
        self.journal.event(step, "started", statement=RESTART)
        self.session.close()
        ran = RestartCommand(step, command).run(self.emit)
        try:
            self._reconnect(RECOVERY_LIMIT_SECONDS if ran.exit_code == 0 else GIVE_UP_SECONDS)
            after = self.session.catalog().server.started_at
        except (CannotConnect, ConnectionLost) as error:
            self.journal.event(step, "failed", statement=RESTART, detail=f"exit code {ran.exit_code}")
            raise RestartFailed(
                "the server does not answer after the restart command; nothing is lost",
                facts=[*ran.shown, *self._why_away(ran.said)],
                hint="look at the server's log, start it, then run the same command again",
            ) from error
        if after == before:
            self.journal.event(step, "failed", statement=RESTART, detail="the server was not restarted")
            raise RestartFailed(
                "the restart command ended, but the server was not restarted; nothing was changed",
                facts=ran.shown,
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
        self.session.hold_tool_lock(our_own_may_hold_it=True)

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
