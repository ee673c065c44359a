"""Processes of a server: started so that they cannot outlive us unasked, and found again (Linux)."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import BinaryIO

from migrator.processes import Process, processes_in
from migrator.sandbox.accounts import Account, environment

__all__ = ["Process", "processes_in", "signal_all", "spawn", "wait_until"]

_PR_SET_PDEATHSIG = 1
_PRCTL = getattr(ctypes.CDLL(None, use_errno=True), "prctl", None)


def spawn(
    argv: Sequence[str | Path], *, account: Account, folder: Path, log: BinaryIO, linger: bool
) -> "subprocess.Popen[bytes]":
    """Start a program as our own child, in a session of its own (Ctrl-C is not meant for it).

    Args:
        argv: Program and arguments; no shell is involved.
        account: Whom to run it as.
        folder: The working directory.
        log: Where its output goes.
        linger: Whether it may outlive this process. Otherwise the kernel sends it SIGQUIT when we end,
            however we end.
    """

    def start() -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            argv,
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            # Runs after the change of user, which would clear the signal again.
            preexec_fn=None if linger else _die_with(os.getpid()),  # noqa: PLW1509 (nothing but prctl)
            **account.identity(),
        )

    return _starter().submit(start).result()


def signal_all(processes: Iterable[Process], number: signal.Signals) -> None:
    """Send a signal; a process that is gone meanwhile is no failure."""
    for process in processes:
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            continue


def wait_until(condition: Callable[[], bool], *, limit_seconds: float) -> bool:
    """Wait for a condition, and return whether it came true within the limit."""
    deadline, pause_seconds = time.monotonic() + limit_seconds, 0.005
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause_seconds)
        pause_seconds = min(pause_seconds * 1.5, 0.1)
    return True


@cache
def _starter() -> ThreadPoolExecutor:
    """Return the one thread that starts servers.

    The kernel's death signal is tied to the thread that forked, so that thread has to live as long as we do.
    """
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="server-starter")


def _die_with(parent_pid: int) -> Callable[[], None] | None:
    prctl = _PRCTL
    if prctl is None:
        return None

    def prepare() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)
        if os.getppid() != parent_pid:  # the parent ended before the request was in place
            os._exit(1)

    return prepare
