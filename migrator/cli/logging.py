"""The debug log: JSON lines in a file beside the journal, from the first one on; never on the screen."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

import structlog


def log_to(path: Path) -> None:
    """Send the log to a file that only its owner may read; where that fails, there is no log, and the run goes on."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        structlog.configure(
            processors=[
                structlog.contextvars.merge_contextvars,
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(default=str),
            ],
            logger_factory=structlog.WriteLoggerFactory(file=path.open("a", encoding="utf-8", buffering=1)),
        )
    logging.getLogger("transitions").setLevel(logging.WARNING)
