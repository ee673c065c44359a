"""Starts the tool with a journal that kills it, or holds it up, at a chosen write.

Every write of the journal goes through `migrator.journal._writing`, and that is what is wrapped here: the product knows
nothing of it. Each start is a process of its own, forked from one that has imported everything, which saves half of the
time. Requests and replies are lines of JSON; an argument on the command line is one request, answered by the exit code.
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import migrator.cli.run
import migrator.journal
from migrator.cli import main

LIMIT_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Order:
    """One start of the tool.

    Attributes:
        arguments: The command line, without the program.
        output: Where stdout goes; stderr goes beside it.
        kill: Whether SIGKILL comes right before or right after a write.
        write: Which one of this start, counted from 1.
        pause_at: A text in the event, such as "convert-smart-search/rewrite finished", after whose write the tool
            stands still until `output` has a neighbour called "go"; a neighbour called "paused" says that it does.
    """

    arguments: list[str]
    output: str
    kill: Literal["before", "after", "never"] = "never"
    write: int = 0
    pause_at: str | None = None


def beside(output: str, name: str) -> Path:
    """Return the file of this name that belongs to an order."""
    return Path(f"{output}.{name}")


def _wrap_writes(order: Order, count: mmap.mmap) -> None:
    original = migrator.journal._writing  # noqa: SLF001 - the one place through which all writes go

    @contextmanager
    def writing(path: Path) -> Iterator[None]:
        number = int.from_bytes(count[:8], "little") + 1
        if order.kill == "before" and number == order.write:
            os.kill(os.getpid(), signal.SIGKILL)
        with original(path):
            yield
        count[:8] = number.to_bytes(8, "little")
        if order.kill == "after" and number == order.write:
            os.kill(os.getpid(), signal.SIGKILL)

    migrator.journal._writing = writing  # noqa: SLF001


def _wrap_events(order: Order) -> None:
    original = migrator.journal.Journal._insert  # noqa: SLF001

    def insert(self: migrator.journal.Journal, table: str, row: dict[str, object]) -> int:
        number = original(self, table, row)
        statement = f"/{row['statement']}" if row.get("statement") else ""
        if table == "events" and f"{row['step']}{statement} {row['event']}" == order.pause_at:
            beside(order.output, "paused").touch()
            deadline = time.monotonic() + LIMIT_SECONDS
            while not beside(order.output, "go").exists() and time.monotonic() < deadline:
                time.sleep(0.005)
        return number

    migrator.journal.Journal._insert = insert  # type: ignore[assignment,method-assign] # noqa: SLF001


def become_tool(order: Order, count: mmap.mmap) -> None:
    """Run the tool in this process, which ends with it."""
    for stream, path in ((1, Path(order.output)), (2, beside(order.output, "err"))):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(handle, stream)
        os.close(handle)
    _wrap_writes(order, count)
    if order.pause_at is not None:
        _wrap_events(order)
    sys.argv = ["migrate", *order.arguments]
    main()


def _forked(order: Order) -> tuple[int, int]:
    """Return the status of the process, as `os.waitpid` does, and how many writes it made."""
    count = mmap.mmap(-1, 8)
    pid = os.fork()
    if pid == 0:
        code: object = 70
        try:
            become_tool(order, count)
        except SystemExit as end:
            code = end.code
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code if isinstance(code, int) else 71)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), int.from_bytes(count[:8], "little")


def serve() -> None:
    """Answer orders until there are no more."""
    for line in sys.stdin:
        code, writes = _forked(Order(**json.loads(line)))
        sys.stdout.write(json.dumps({"code": code, "writes": writes}) + "\n")
        sys.stdout.flush()


def as_line(order: Order) -> str:
    """Write an order as the line that `serve` reads."""
    return json.dumps(asdict(order))


if __name__ == "__main__":
    assert migrator.cli.run.__name__, "imported before the first fork"
    if len(sys.argv) > 1:
        become_tool(Order(**json.loads(sys.argv[1])), mmap.mmap(-1, 8))
    serve()
