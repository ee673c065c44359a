"""What Ctrl-C, or SIGTERM, does while the server works for us: the first one cancels and says so, the second leaves."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def told_at_once(say: Callable[[int], None]) -> Iterator[None]:
    """While the block runs, call `say` with how often it was asked to stop, right away, then raise KeyboardInterrupt.

    psycopg cancels the statement on the server when the first one reaches it, and waits for the server's answer; the
    second one interrupts that. A signal that is ignored stays so, as for what a shell starts in the background.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    times = 0

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal times
        times += 1
        say(times)
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        for number, handler in before.items():
            if handler not in (signal.SIG_IGN, None):
                signal.signal(number, handle)
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)
