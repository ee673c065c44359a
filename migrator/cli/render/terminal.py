"""A run for a person at a terminal: what is being done now moves, what was done stays."""

from __future__ import annotations

import time

from rich.console import Console
from rich.status import Status

from migrator import events
from migrator.cli.render.text import blocker_lines, clock, duration, measured

BAR = 20


class TerminalRenderer:
    """Prints finished steps as lines, and the running one as a line that changes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self._begun = time.monotonic()
        self._waiting_for: str | None = None
        self._number = ""

    def __call__(self, event: events.Event) -> None:  # noqa: C901 - one case per kind of event
        """Show one event."""
        match event:
            case events.StepStarted(_, title, number, last):
                self._number = f"Step {number} of {last}"
                self._begun = time.monotonic()
                self._say(title)
            case events.StatementStarted(_, statement, why):
                self._say(f"{statement}: {why}")
            case events.Proven(step, _, _, value):
                self._keep(f"  {'':<2}{step}: {measured(value)}  equal before and after")
            case events.Progress():
                self._say(_progress(event))
            case events.StepFinished(_, title, seconds):
                self.pause()
                self._keep(f"{self._number:<14} {title:<44} done {duration(seconds):>8}")
                self._waiting_for = None
            case events.LockAwaited(_, _, attempt, attempts, holders):
                held = "; ".join(holders) or "somebody"
                self._keep(f"    waiting for a lock (attempt {attempt} of {attempts}), held by {held}")
            case events.Waiting():
                self._wait(event)
            case events.Restarting(_, command):
                self._keep(f"    restarting the server: {command}")
            case events.ServerAway(seconds):
                self._say(f"the server is away since {clock(seconds)}, waiting for it")
            case events.ServerBack():
                self.pause()
                self._keep("    the server is back")
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
        self._waiting_for = repr(event.blockers)
        whose = "blocked" if any(b.kind == "blocked" for b in event.blockers) else "waiting for you"
        self._keep(f"\nStep {event.number} of {event.last_number:<5} {event.title:<44} {whose}")
        for blocker in event.blockers:
            if len(event.blockers) > 1:
                self._keep(f"  {blocker.what}")
            for line in blocker_lines(blocker):
                self._keep(line)

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
