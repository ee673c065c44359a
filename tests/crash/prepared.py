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

from migrator.step import Json


@dataclass(frozen=True, slots=True)
class Prepared:
    """A server's data before the migration, and the result of a run that nothing interrupted.

    Attributes:
        data: A data directory to copy.
        beside: A folder to copy, of what lies beside it then.
        rows: A hash of each embedding at the end, by table and key.
        after: What is there at the end.
        facts: What the journal knows at the end.
        points: Every point of that run, over all of its starts.
    """

    route: Route
    data: Path
    beside: Path
    rows: Mapping[tuple[str, str], int]
    after: EndState
    facts: Mapping[str, Json]
    points: tuple[Point, ...]


class SceneOn(Protocol):
    """Starts a copy of a prepared server, with what some faults need beside it; gone afterwards."""

    def __call__(self, prepared: Prepared, *faults: Fault) -> AbstractContextManager[Scene]:
        """Return it."""


MakeJourney = Callable[[Prepared], AbstractContextManager[Journey]]
Prepare = Callable[[Route], Prepared]
