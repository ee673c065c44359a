"""The test's side of the driver: starts that are stopped at points, and starts that stand still at an event."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from driver import LIMIT_SECONDS, Order, Point, Reply, as_line, beside
from journey import Ended

from migrator.sandbox.processes import wait_until

DRIVER = Path(__file__).with_name("driver.py")
SIGKILLED = -9

OnStop = Callable[[int, int, Point], Reply]
"""Called while the tool stands at a point, with its process, the point's number in this start and the point."""


def _hear_ctrl_c() -> None:
    """Undo what a shell does to what it starts in the background, and to all that this starts: ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass(frozen=True, slots=True)
class Start:
    """One start of the tool.

    Attributes:
        ended: How it ended.
        points: How many points it reached.
        listed: Which, where that was asked for.
    """

    ended: Ended
    points: int
    listed: tuple[Point, ...] = ()


class Driver:
    """A process that starts the tool, as often as it is asked to."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._numbers = folder, count()
        self._process = subprocess.Popen(
            [sys.executable, DRIVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=_hear_ctrl_c,  # noqa: PLW1509 - nothing but one signal
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.close()
        self._process.wait(LIMIT_SECONDS)
        stdout.close()

    def start(
        self,
        arguments: Sequence[str],
        stop_at: Sequence[int] = (),
        on_stop: OnStop | None = None,
        *,
        seen: Path | None = None,
        lists_points: bool = False,
    ) -> Start:
        """Start the tool, call back at each point to stop at and at any that is not `seen`, and return how it ended."""
        output = self._folder / f"start-{next(self._numbers)}"
        known = None if seen is None else str(seen)
        self._send(Order(list(arguments), str(output), list(stop_at), known, lists_points))
        while "at" in (message := self._hear()):
            assert on_stop is not None
            try:
                reply = on_stop(message["pid"], message["at"], Point(**message["point"]))
            except BaseException:
                self._send(Reply(signal=signal.SIGKILL))
                self._hear()
                raise
            self._send(reply)
        listed = beside(str(output), "points").read_text().splitlines() if lists_points else ()
        return Start(_ended(message["code"], output), message["points"], tuple(Point(**json.loads(p)) for p in listed))

    def tool(self, arguments: Sequence[str]) -> Ended:
        """Start the tool and leave it alone."""
        return self.start(arguments).ended

    def _send(self, message: Order | Reply) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        stdin.write(as_line(message))
        stdin.flush()

    def _hear(self) -> dict[str, Any]:
        stdout = self._process.stdout
        assert stdout is not None
        heard = json.loads(stdout.readline())
        assert isinstance(heard, dict)
        return heard


class Held:
    """A start of the tool that stands still at an event until it is let go."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process, self._output = process, output

    @property
    def stands_still(self) -> bool:
        """Tell whether the event has been written."""
        return beside(str(self._output), "paused").exists()

    def wait_for_event(self) -> None:
        """Wait until the event has been written."""
        wait_until(lambda: self.stands_still or self.process.poll() is not None, limit_seconds=LIMIT_SECONDS)
        assert self.stands_still, f"ended before the event: {self.end().said}"

    def let_go(self) -> None:
        """Let it go on."""
        beside(str(self._output), "go").touch()

    def end(self) -> Ended:
        """Wait for its end."""
        code = self.process.wait(LIMIT_SECONDS)
        return _ended(code, self._output)


@contextmanager
def held_at(event: str, arguments: Sequence[str], folder: Path) -> Iterator[Held]:
    """Start the tool in the background, to stand still right after the write of an event."""
    output = folder / f"held-at-{event.replace('/', '-').replace(' ', '-')}"
    order = Order(list(arguments), str(output), pause_at=event)
    process = subprocess.Popen(
        [sys.executable, DRIVER, as_line(order)],
        stdin=subprocess.DEVNULL,
        preexec_fn=_hear_ctrl_c,  # noqa: PLW1509 - as above
    )
    held = Held(process, output)
    try:
        yield held
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _ended(code: int, output: Path) -> Ended:
    return Ended(code, output.read_text(), beside(str(output), "err").read_text())
