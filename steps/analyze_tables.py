"""Tells the planner what is in the tables: a VectorChord build leaves a row estimate of 0 behind. Tries the search too.

Precondition: both indexes are built. Effect: ANALYZE, and a few searches through each index, timed and held against a
reading of the whole table: proof that it answers, and how well. Done when the row estimates of tables and indexes are
no longer 0. Nothing to undo. Lock: SHARE UPDATE EXCLUSIVE; some seconds.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.sql import SQL, Identifier, Literal

from migrator.catalog import Catalog
from migrator.step import Facts, Privilege, Right, Statement, Step
from steps.shared import recall
from steps.shared.index import list_count, probe_count
from steps.shared.names import TABLES
from steps.shared.state import column_of, is_analyzed, rows_of


class AnalyzeTables(Step):
    """Analyze both tables and try a search in each of them."""

    key = "analyze-tables"
    title = "analyze, and try the search"
    lasting = False  # the server's own vacuum may reset an estimate at any time

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when the planner knows the rows of both tables."""
        return all(is_analyzed(catalog, table) for table in TABLES)

    def plan(self, catalog: Catalog, facts: Facts) -> Sequence[Statement]:
        """Read-only. ANALYZE each table, then a few searches through each index.

        Each ANALYZE by itself: the row estimate that it leaves survives a rollback, the statistics would not.
        """
        analyzed: list[Statement] = []
        searched: list[Statement] = []
        for table in TABLES:
            column = column_of(catalog, table)
            if column is None:
                continue
            name = Identifier(column.schema, column.table)
            owner = Privilege(Right.TABLE_OWNER, f"{column.schema}.{column.table}")
            analyze = SQL("ANALYZE {}").format(name)
            why = "the planner takes the table for empty after a VectorChord build"
            analyzed.append(Statement(f"analyze-{table.table}", analyze, why, owner, alone=True))
            rows = rows_of(catalog, table) or 0
            count = Literal(str(probe_count(list_count(rows))))
            through_index = SQL(
                "SELECT set_config('vchordrq.probes', {}, true), set_config('enable_seqscan', 'off', true)"
            ).format(count)
            why = "with as many probes as Immich searches with, and through the index"
            searched.append(Statement(f"probes-{table.table}", through_index, why))
            search = f"search-{table.table}"
            why = "the index answers, how fast, and how much of what a reading of the whole table finds"
            sql = recall.measure(column, rows)
            searched.append(Statement(search, sql, why, owner, measures=f"search.{table.table}"))
        return [*analyzed, *searched]
