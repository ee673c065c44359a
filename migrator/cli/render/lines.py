"""A run for a log or a pipe: one line per fact, no colour, nothing that moves."""

from __future__ import annotations

import time
from collections.abc import Callable

from migrator import events
from migrator.cli.render.text import blocker_lines, kept_aside, measured, stopping

PROGRESS_EVERY_SECONDS = 30.0


class LineRenderer:
    """Prints each event as one line; long statements speak twice a minute."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write, self._last_progress = write, 0.0
        self._holders: tuple[str, ...] = ()

    def __call__(self, event: events.Event) -> None:
        """Print one event."""
        line = self._line(event)
        if line:
            self._write(line)

    def _line(self, event: events.Event) -> str | None:  # noqa: C901, PLR0911, PLR0912 - one line per kind of event
        match event:
            case events.StepStarted(step, _, number):
                return f"step {number} {step} started"
            case events.StepFinished(step, _, seconds):
                return f"step {step} finished seconds={seconds:.1f}"
            case events.Proven(step, statement, _, value):
                return f"step {step}/{statement} proven equal {measured(value)}"
            case events.LockAwaited(step, statement, attempt, attempts, holders):
                held = "; ".join(holders) or "somebody"
                return f"step {step}/{statement} waits for a lock, attempt {attempt} of {attempts}, held by {held}"
            case events.LockHeld():
                return self._held(event)
            case events.BlockersEnded(step, statement, ended, refused):
                lines = [f"ended {who}" for who in ended] + [f"not ended, {why}" for why in refused]
                return "\n".join(f"step {step}/{statement} {line}" for line in lines)
            case events.Cancelling() | events.Leaving() | events.RestartGoesOn():
                return stopping(event)
            case events.Waiting(step, title, number, _, blockers):
                lines = [line for blocker in blockers for line in blocker_lines(blocker)]
                return "\n".join([f"step {number} {step} waiting: {title}", *lines])
            case events.Progress():
                return self._progress(event)
            case events.CopyMade(step, place, rows, size_bytes, seconds):
                return f"step {step} copy rows={rows} bytes={size_bytes} checked seconds={seconds:.1f} place={place}"
            case events.Restarting(step, command):
                return f"step {step} restarting the server: {command}"
            case events.ScriptWritten(step, file):
                return f"step {step} the DBA's statements are in {file}: psql -f {file}"
            case events.JournalKeptAside():
                return kept_aside(event)
            case events.ServerBack(seconds):
                return f"server is back after {seconds:.1f} s"
            case _:
                return None

    def _held(self, event: events.LockHeld) -> str | None:
        """Tell once who holds a lock, and again when somebody else does."""
        if event.holders == self._holders:
            return None
        self._holders = event.holders
        return f"step {event.step}/{event.statement} waiting for a lock held by {'; '.join(event.holders)}"

    def _progress(self, event: events.Progress) -> str | None:
        now = time.monotonic()
        if now - self._last_progress < PROGRESS_EVERY_SECONDS:
            return None
        self._last_progress = now
        percent = "" if event.percent is None else f" percent={event.percent:.0f}"
        return (
            f"step {event.step}/{event.statement} running phase={event.phase.replace(' ', '_')}{percent} "
            f"elapsed={event.elapsed_seconds:.0f}s"
        )
