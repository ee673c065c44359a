"""Starts the tool so that it is killed right before or right after one event is written into its journal.

As a program: the moment, the event, and the arguments of the tool.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Literal

import migrator.journal
from migrator.cli import main

LIMIT_SECONDS = 120
Moment = Literal["before", "after"]


def killed(moment: Moment, event: str, arguments: Sequence[str]) -> None:
    """Start the tool, and assert that it was killed there."""
    done = subprocess.run(
        [sys.executable, __file__, moment, event, *arguments],
        check=False, text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=LIMIT_SECONDS,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, f"never came to {event}: {done.returncode}\n{done.stdout}{done.stderr}"


def _wrap(moment: str, wanted: str) -> None:
    original = migrator.journal.Journal._insert  # noqa: SLF001 - the one place through which all events go

    def insert(self: migrator.journal.Journal, table: str, row: dict[str, object]) -> int:
        statement = f"/{row['statement']}" if row.get("statement") else ""
        there = table == "events" and f"{row['step']}{statement} {row['event']}" == wanted
        if there and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        number = original(self, table, row)
        if there:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    migrator.journal.Journal._insert = insert  # type: ignore[assignment,method-assign] # noqa: SLF001


if __name__ == "__main__":
    _wrap(sys.argv[1], sys.argv[2])
    sys.argv = ["migrate", *sys.argv[3:]]
    main()
