"""A run for a person at a terminal: what is being done now moves, what was done stays."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.status import Status

from migrator import events
from migrator.cli.render.text import blocker_lines, clock, duration, kept_aside, proof, short, size, stopping

BAR = 20
COLUMN = 15
"""Where titles begin."""


class TerminalRenderer:
    """Prints finished steps as lines, and the running one as a line that changes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self._waiting_for: str | None = None
        self._awaited: set[str] = set()
        self._number = self._last = 0

    def __call__(self, event: events.Event) -> None:  # noqa: C901, PLR0912 - a case per kind
        """Show one event."""
        match event:
            case events.StepObserved(step, title, number) if step in self._awaited:
                self._awaited.discard(step)
                self._done(number, title, "done")
            case events.StepStarted(_, title, number, last):
                self._number, self._last = number, last
                self._say(title)
            case events.StatementStarted(_, statement, why):
                self._say(f"{statement}: {why}")
            case events.Proven(_, _, _, value):
                self._keep(f"{'':<{COLUMN}}{proof(value)}")
            case events.CopyMade(_, place, rows, size_bytes, seconds):
                self.pause()
                self._keep(
                    f"{'':<{COLUMN}}copy of {rows:,} embeddings, {size(size_bytes)}, checked {clock(seconds):>13}"
                )
                self._keep(f"{'':<{COLUMN}}in {short(Path(place))}")
            case events.ScriptWritten(_, file):
                if file not in self._awaited:
                    self._awaited.add(file)
                    self._keep(f"  {'script':<10}{file}: the DBA runs it with psql -f")
            case events.LockHeld(_, statement, holders, seconds):
                self._say(f"{statement}: waiting {clock(seconds)} for a lock held by {'; '.join(holders)}")
            case events.BlockersEnded(_, _, ended, refused):
                for line in (*(f"ended {who}" for who in ended), *(f"not ended, {why}" for why in refused)):
                    self._keep(f"{'':<{COLUMN}}{line}")
            case events.Cancelling() | events.Leaving() | events.RestartGoesOn():
                self.pause()
                self._keep(stopping(event))
            case events.Progress():
                self._say(_progress(event))
            case events.StepFinished(_, title, seconds):
                self._done(self._number, title, f"done {duration(seconds):>8}")
            case events.LockAwaited(_, _, attempt, attempts, holders):
                held = "; ".join(holders) or "somebody"
                self._keep(f"{'':<{COLUMN}}waiting for a lock ({attempt} of {attempts}), held by {held}")
            case events.Waiting():
                self._wait(event)
            case events.Restarting(step, command):
                self._awaited.add(step)
                self._say(f"restarting the server: {command}")
            case events.JournalKeptAside():
                self._keep(kept_aside(event))
            case events.ServerAway(seconds):
                self._say(f"the server is away since {clock(seconds)}, waiting for it")
            case _:
                pass

    def pause(self) -> None:
        """Take the moving line away, before a question or the end."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _wait(self, event: events.Waiting) -> None:
        self.pause()
        if self._waiting_for == repr(event.blockers):
            return
        self._awaited.add(event.step)
        self._last = event.last_number
        whose = "blocked" if any(b.kind == "blocked" for b in event.blockers) else "waiting for you"
        self._keep("")
        self._done(event.number, event.title, whose)
        self._waiting_for = repr(event.blockers)
        for blocker in event.blockers:
            if len(event.blockers) > 1:
                self._keep(f"  {blocker.what}")
            for line in blocker_lines(blocker):
                self._keep(line)

    def _done(self, number: int, title: str, how: str) -> None:
        self.pause()
        self._waiting_for = None
        self._keep(f"{f'Step {number} of {self._last}':<{COLUMN}}{title:<44} {how}")

    def _say(self, text: str) -> None:
        shown = text[: max(20, self._console.width - 6)]
        if self._status is None:
            self._status = self._console.status(shown, spinner="line")
            self._status.start()
        else:
            self._status.update(shown)

    def _keep(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def _progress(event: events.Progress) -> str:
    if event.percent is None:
        return f"{event.statement}: {event.phase}  {clock(event.elapsed_seconds)}"
    filled = round(BAR * event.percent / 100)
    left = "" if event.remaining_seconds is None else f"  {clock(event.remaining_seconds)} left"
    return f"{event.step} {'#' * filled}{'.' * (BAR - filled)} {event.percent:3.0f} %  {event.phase}{left}"
