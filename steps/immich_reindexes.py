"""Waits for a started Immich to convert the columns and build the indexes itself, as the documentation has it.

Precondition: recorded. Done when columns and indexes are VectorChord's, whoever made them so. The tool only watches:
its lock on Immich's start-up is never taken on this path.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from migrator.catalog import Catalog
from migrator.locks import holder_of
from migrator.step import Actor, Blocker, Fact, Facts, NoWayBack, Statement, Step
from steps.advice.instructions import start_immich
from steps.shared import restoring, worker
from steps.shared.before import column_facts, extension_facts, schema_facts, setting_facts
from steps.shared.names import IMMICH_STARTUP_LOCK, TABLES
from steps.shared.options import Options
from steps.shared.state import column_of, is_converted, is_indexed
from steps.shared.survey import odd_rows

SECONDS_PER_GIGABYTE = 45.0


class ImmichReindexes(Step):
    """Wait until Immich has reindexed."""

    key = "immich-reindexes"
    title = "start Immich, wait for it to reindex"
    actor: ClassVar[Actor] = Actor.IMMICH
    copied_before: ClassVar[bool] = True

    def __init__(self, options: Options | None = None, *, converts: bool = False) -> None:
        self._options, self._converts = options or Options(), converts

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when both columns are converted and both indexes are VectorChord's."""
        return all(is_converted(catalog, table) and is_indexed(catalog, facts, table) for table in TABLES)

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. What Immich still has to do, and what it would stumble over."""
        holder = holder_of(catalog, IMMICH_STARTUP_LOCK)
        left = [t.table for t in TABLES if not (is_converted(catalog, t) and is_indexed(catalog, facts, t))]
        odd = [blocker for table in TABLES for blocker in odd_rows(catalog, facts, table)]
        at_work = f"; pid {holder.pid} is at work" if holder else ""
        waiting = Blocker(
            what=self.title,
            found=f"{', '.join(left)} not in VectorChord yet{at_work}",
            wanted="the lines 'Reindexed face_index' and 'Reindexed clip_index' in Immich's log",
            fix=(
                "start Immich 1.133 or newer, with DB_VECTOR_EXTENSION unset:",
                *start_immich(catalog, self._options.environment),
            ),
            kind="operator",
            who="Immich",
        )
        return (*odd, waiting)

    def record(self, catalog: Catalog) -> Sequence[Fact]:
        """Read-only. Columns, indexes, extensions and settings as they are: Immich changes them itself."""
        tables = [fact for table in TABLES for fact in column_facts(catalog, table)]
        return (*tables, *extension_facts(catalog), *setting_facts(catalog), *schema_facts(catalog))

    def undo(self, catalog: Catalog, facts: Facts) -> Sequence[Statement] | NoWayBack:
        """Read-only. Table by table what Immich did: its index, and the column's type where it converted it."""
        if not self._converts:
            return restoring.for_both([(table, restoring.indexes_back(catalog, facts, table)) for table in TABLES])
        return restoring.for_both([(table, restoring.table_back(catalog, facts, table)) for table in TABLES])

    def check_undo(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. A worker that is gone."""
        return worker.blockers(catalog)

    def estimate_undo_seconds(self, catalog: Catalog) -> float:
        """Read-only. Proportional to the size of both tables where their columns are rewritten."""
        columns = [column_of(catalog, table) for table in TABLES]
        size = sum(column.size_bytes for column in columns if column) if self._converts else 0
        return 1.0 + SECONDS_PER_GIGABYTE * size / 1e9
