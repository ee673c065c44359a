"""The type of the fixture that makes servers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from migrator.sandbox.server import Server


class MakeServer(Protocol):
    """Makes throw-away servers that are gone after the test."""

    def __call__(
        self,
        *,
        install: Mapping[str, str] | None = None,
        preload: str | Sequence[str] = "",
        settings: Mapping[str, str] | None = None,
        data_from: Path | None = None,
        start: bool = True,
    ) -> Server:
        """Make a server, with these versions of extensions installed, and start it unless told otherwise."""
