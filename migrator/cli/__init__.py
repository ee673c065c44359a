"""The terminal: parse, render, exit code. Imports here are few, since every start pays for them."""

from __future__ import annotations

import signal
import sys
from types import FrameType


def main() -> None:
    """Run the command line and exit with its code."""
    signal.signal(signal.SIGTERM, _as_interrupt)
    from migrator.cli.app import run_app  # noqa: PLC0415 - after the handler, so that no start is without it

    sys.exit(run_app())


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    """Stop like Ctrl-C: containers and service managers stop a program with SIGTERM."""
    raise KeyboardInterrupt
