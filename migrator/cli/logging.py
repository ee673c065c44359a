"""The debug log: JSON lines in a file beside the journal, from the first one on; never on the screen."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path
from typing import TextIO, cast

import structlog
from structlog.typing import EventDict, WrappedLogger


def log_to(path: Path) -> None:
    """Send the log to a file that only its owner may read; where that fails, there is no log, and the run goes on."""
    file = _open(path)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,  # without the values of local variables: one may be a password
            structlog.processors.JSONRenderer(default=str),
        ]
        if file
        else [_drop],
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", file and WhereThereIsRoom(file))),
    )
    logging.getLogger("transitions").setLevel(logging.WARNING)


class WhereThereIsRoom:
    """A log file whose disk may be full: a line that cannot be written is left out, and the run goes on."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """Write a text as far as there is room for it."""
        with suppress(OSError):
            return self._file.write(text)
        return 0

    def flush(self) -> None:
        """Pass on what can be written."""
        with suppress(OSError):
            self._file.flush()


def _open(path: Path) -> TextIO | None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        return path.open("a", encoding="utf-8", buffering=1)
    except OSError:
        return None


def _drop(_logger: WrappedLogger, _method: str, _event: EventDict) -> EventDict:
    """Swallow everything: structlog's own default would print it on the screen."""
    raise structlog.DropEvent
