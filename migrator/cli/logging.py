"""The debug log: JSON lines in a file beside the journal, from the first one on; never on the screen."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TextIO

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
        logger_factory=structlog.WriteLoggerFactory(file=file),
    )
    logging.getLogger("transitions").setLevel(logging.WARNING)


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
