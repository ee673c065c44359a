"""The person's own command that restarts the server, and a restart that an earlier start of the tool left half-way."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from migrator.absence import look_for
from migrator.commands.asking import Request
from migrator.commands.plan import open_undamaged
from migrator.connection.place import where
from migrator.content import Content
from migrator.errors import (
    AlreadyRunning,
    CannotConnect,
    MigratorError,
    NoSuchDatabase,
    RestartFailed,
    ServerStarting,
    WrongPassword,
)
from migrator.events import Emit, RestartGoesOn, Restarting, ServerAway, ServerBack
from migrator.journal import journal_path
from migrator.journal_file import is_held
from migrator.session import Session

RESTART = "restart-command"
"""The key under which the person's own command appears in the journal."""
COMMAND_LIMIT_SECONDS = 300.0
STARTING_LIMIT_SECONDS = 60.0
"""How long a server is waited for that somebody restarts while this tool begins."""
GIVE_UP_SECONDS = 10.0
"""How long a server is waited for whose restart command has failed, or was ended together with its start."""
KEPT_LINES, SHOWN_LINES = 200, 3
"""How much of what a restart command says is read, and how much is shown."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a restart command ended, and what it said; -1 where it did not end in time."""

    exit_code: int
    said: tuple[str, ...]

    @property
    def shown(self) -> list[tuple[str, str]]:
        """The lines that explain it to a person."""
        return [("exit code", str(self.exit_code)), *(("said", line) for line in self.said[-SHOWN_LINES:])]


@dataclass(frozen=True, slots=True)
class RestartCommand:
    """The person's own command line, for a step that needs the server restarted."""

    step: str
    command: str

    def run(self, emit: Emit) -> Ran:
        """Run it with the shell, and wait for its end.

        Ctrl-C, or a terminal that is closed, ends the tool and not the command: half of it would leave a server that is
        stopped. Its output goes to a file: a pipe would stay open as long as a server that the command started. It
        reaches the shell as a script and not as an argument, which every account of the machine could read: a password
        may be in it.
        """
        emit(Restarting(self.step, program_of(self.command)))
        with (
            tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output,
            tempfile.TemporaryFile("w+", encoding="utf-8") as script,
        ):
            # what the shell ignores, the programs that it starts ignore too
            script.write(f"trap '' INT HUP\nexec </dev/null\n{self.command}\n")
            script.seek(0)
            shell = subprocess.Popen(["/bin/sh", "/dev/fd/0"], stdin=script, stdout=output, stderr=subprocess.STDOUT)
            try:
                code = shell.wait(COMMAND_LIMIT_SECONDS)
            except subprocess.TimeoutExpired:
                code = -1
            except KeyboardInterrupt:
                emit(RestartGoesOn(self.step))
                raise
            output.seek(0)
            return Ran(code, tuple(output.read().strip().splitlines()[-KEPT_LINES:]))


def program_of(command: str) -> str:
    """Return what a person recognises their command by, and nothing of it that may be a password."""
    first, more, _ = command.strip().partition(" ")
    plain = re.fullmatch(r"[A-Za-z0-9_./-]+", first) is not None
    return f"{first}{' ...' if more else ''}" if plain else "your command"


@dataclass(frozen=True, slots=True)
class Meeting:
    """The first connection of a start, to a server that may be in the middle of a restart."""

    session: Session
    request: Request
    content: Content
    emit: Emit

    def connect(self) -> None:
        """Connect; wait for a server that is starting, or that an earlier start had begun to restart.

        Raises:
            CannotConnect: or the subclass that says why.
            RestartFailed: the restart that an earlier start had begun leaves no server behind.
            AlreadyRunning: another copy is restarting it right now.
        """
        try:
            self.session.open()
        except (WrongPassword, NoSuchDatabase):
            raise
        except ServerStarting:
            self.wait(STARTING_LIMIT_SECONDS)
        except CannotConnect:
            journal = journal_of(self.request)
            step = left_in(journal)
            if step is None:
                raise
            if is_held(journal):
                raise AlreadyRunning(
                    "another copy of this tool is restarting the server; nothing was changed",
                    hint="wait for it, or look at it with: migrate status",
                ) from None
            self._bring_back(step)

    def wait(self, limit_seconds: float) -> None:
        """Wait until the server answers.

        Raises:
            CannotConnect: it does not in time.
        """
        begun = time.monotonic()
        self.session.wait_until_back(limit_seconds, lambda seconds: self.emit(ServerAway(seconds)))
        self.emit(ServerBack(time.monotonic() - begun))

    def _bring_back(self, step: str) -> None:
        """Wait for the restart that was begun; where nothing comes of it, run the person's command again."""
        command, ran = self.request.restart_command, Ran(0, ())
        if self._answers_within(STARTING_LIMIT_SECONDS if command is None else GIVE_UP_SECONDS):
            return
        if command is not None:
            ran = RestartCommand(step, command).run(self.emit)
            if self._answers_within(STARTING_LIMIT_SECONDS if ran.exit_code == 0 else GIVE_UP_SECONDS):
                return
        raise RestartFailed(
            "the server does not answer: an earlier start of this tool had begun to restart it; nothing is lost",
            facts=[*(ran.shown if command else ()), *self.content.explain_absence(look_for(None, "", ran.said))],
            hint="look at the server's log, start it, then run the same command again",
        )

    def _answers_within(self, limit_seconds: float) -> bool:
        try:
            self.wait(limit_seconds)
        except (WrongPassword, NoSuchDatabase):
            raise
        except CannotConnect:
            return False
        return True


def journal_of(request: Request) -> Path:
    """Return where the journal lies, without asking the server."""
    return request.journal or journal_path(*where(request.conninfo, os.environ))


def left_in(place: Path) -> str | None:
    """Return the step whose restart was begun by a start that ended before the server was back; None where none was."""
    with suppress(MigratorError):
        journal = open_undamaged(place)
        if journal is not None:
            try:
                last = max(journal.events(), key=lambda event: event.id, default=None)
            finally:
                journal.close()
            if last is not None and (last.statement, last.event) == (RESTART, "started"):
                return last.step
    return None
