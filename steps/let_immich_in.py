"""Lets go of Immich's start-up lock, as soon as its tables are as it wants them.

Precondition: nothing is left to protect: by default both tables converted, indexed and analyzed; only converted where
Immich itself is to build the indexes. Done when this session does not hold the lock any more.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.sql import SQL, Literal

from migrator.catalog import Catalog
from migrator.locks import is_mine
from migrator.step import Facts, Statement, Step
from steps.shared.names import IMMICH_STARTUP_LOCK
from steps.shared.state import Finished, everything_in_vectorchord


class LetImmichIn(Step):
    """Release the lock."""

    key = "let-immich-in"
    title = "let Immich in again"
    lasting = False  # the lock may be taken again for what is left to do

    def __init__(self, finished: Finished = everything_in_vectorchord) -> None:
        self._finished = finished

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when the tables are finished and this session does not hold the lock."""
        return not is_mine(catalog, IMMICH_STARTUP_LOCK) and self._finished(catalog, facts)

    def plan(self, catalog: Catalog, facts: Facts) -> Sequence[Statement]:
        """Read-only. Release the lock."""
        sql = SQL("SELECT pg_advisory_unlock({})").format(Literal(IMMICH_STARTUP_LOCK))
        why = "Immich may start: nothing more is changed in its tables"
        return (Statement("release-lock-200", sql, why, alone=True),)
