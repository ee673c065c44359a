"""A server on its way to VectorChord, ready to be copied, and what a run that nothing interrupted makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from driver import Point
from faults import Fault
from journey import EndState, Journey
from routes import Route
from scene import Scene

from migrator.sandbox.immich_catalog import ContentHash
from migrator.sandbox.immich_sql import Table
from migrator.step import Json


@dataclass(frozen=True, slots=True)
class Prepared:
    """A server's data before the migration, and the result of a run that nothing interrupted.

    Attributes:
        data: A data directory to copy.
        before: What the embeddings are.
        rows: A hash of each, by table and key.
        after: What the server holds at the end.
        facts: What the journal knows at the end.
        points: Every point of that run, over all of its starts.
        journal: A journal to copy, of what was done before; None where nothing was.
    """

    route: Route
    data: Path
    before: Mapping[Table, ContentHash]
    rows: Mapping[tuple[str, str], int]
    after: EndState
    facts: Mapping[str, Json]
    points: tuple[Point, ...]
    journal: Path | None = None


class SceneOn(Protocol):
    """Starts a copy of a prepared server, with what some faults need beside it; gone afterwards."""

    def __call__(self, prepared: Prepared, *faults: Fault) -> AbstractContextManager[Scene]:
        """Return it."""


MakeJourney = Callable[[Prepared], AbstractContextManager[Journey]]
Prepare = Callable[[Route], Prepared]
