"""A run for a script: one JSON object per line, the first with the version of this format, the last with the result."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

from migrator import events
from migrator.step import Json

SCHEMA = "1.0"


class JsonRenderer:
    """Prints each event as one JSON line."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self.line({"type": "version", "schema": SCHEMA})

    def __call__(self, event: events.Event) -> None:
        """Print one event; its type in snake case, its fields as they are named in the journal."""
        name = "".join(f"_{c.lower()}" if c.isupper() else c for c in type(event).__name__).lstrip("_")
        self.line({"type": name, **asdict(event)})

    def line(self, record: dict[str, Json]) -> None:
        """Print one object."""
        self._write(json.dumps(record, default=str))

    def result(self, exit_code: int, **more: Json) -> None:
        """Print the last line."""
        self.line({"type": "result", "exit_code": exit_code, **more})
