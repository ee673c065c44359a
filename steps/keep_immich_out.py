"""Holds Immich's own start-up lock, so that an Immich that starts midway waits instead of racing.

Precondition: no Immich is in its start-up. Effect: session-level advisory lock 200. Done while this session holds it,
or when nothing is left to protect. Released by `let-immich-in`, or by the end of the session, a kill included.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.sql import SQL, Literal

from migrator.catalog import Catalog
from migrator.locks import describe, holder_of, is_mine
from migrator.step import Blocker, Facts, Statement, Step
from steps.advice.instructions import stop_immich
from steps.shared.names import IMMICH_STARTUP_LOCK
from steps.shared.options import Options
from steps.shared.state import Finished, everything_in_vectorchord


class KeepImmichOut(Step):
    """Take the lock that Immich takes first when it starts."""

    key = "keep-immich-out"
    title = "keep Immich out (lock 200)"
    lasting = False  # a lock ends with its session

    def __init__(self, options: Options | None = None, finished: Finished = everything_in_vectorchord) -> None:
        self._options, self._finished = options or Options(), finished

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True while this session holds the lock, or when nothing is left to protect."""
        return is_mine(catalog, IMMICH_STARTUP_LOCK) or self._finished(catalog, facts)

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. Somebody else holding the lock is an Immich that is starting."""
        holder = holder_of(catalog, IMMICH_STARTUP_LOCK)
        if holder is None:
            return ()
        return (
            Blocker(
                what=self.title,
                found=f"held by {describe(holder)}: an Immich is starting up",
                wanted="Immich stopped while its tables are changed",
                fix=stop_immich(catalog, self._options.environment),
                kind="operator",
            ),
        )

    def plan(self, catalog: Catalog, facts: Facts) -> Sequence[Statement]:
        """Read-only. Take the lock for the session."""
        sql = SQL("SELECT pg_advisory_lock({})").format(Literal(IMMICH_STARTUP_LOCK))
        why = "an Immich that starts now waits until the tables are done"
        return (Statement("take-lock-200", sql, why, alone=True),)
