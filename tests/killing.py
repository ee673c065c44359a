"""The test's side of the driver: starts that are killed at a write, and starts that stand still at an event."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from driver import LIMIT_SECONDS, Order, as_line, beside
from journey import Ended

from migrator.sandbox.processes import wait_until

DRIVER = Path(__file__).with_name("driver.py")
SIGKILLED = -9


def _hear_ctrl_c() -> None:
    """Undo what a shell does to what it starts in the background, and to all that this starts: ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


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

    def carry_out(
        self, arguments: Sequence[str], kill: Literal["before", "after", "never"], write: int
    ) -> tuple[Ended, int]:
        """Start the tool, and return how it ended and how often it wrote to its journal."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        output = self._folder / f"start-{next(self._numbers)}"
        stdin.write(as_line(Order(list(arguments), str(output), kill, write)) + "\n")
        stdin.flush()
        reply = json.loads(stdout.readline())
        return _ended(reply["code"], output), reply["writes"]

    def tool(self, arguments: Sequence[str]) -> Ended:
        """Start the tool and leave it alone."""
        return self.carry_out(arguments, "never", 0)[0]


@dataclass(slots=True)
class Killer:
    """Starts the tool again and again, counts the writes of all starts, and kills it at the n-th one."""

    driver: Driver
    kill: Literal["before", "after", "never"] = "never"
    at: int = 0
    writes: int = 0
    killed: bool = field(default=False, init=False)

    def __call__(self, arguments: Sequence[str]) -> Ended:
        """Start the tool once."""
        ended, writes = self.driver.carry_out(arguments, self.kill, max(self.at - self.writes, 0))
        self.writes += writes
        self.killed = self.killed or ended.code == SIGKILLED
        return ended


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
