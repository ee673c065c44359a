"""Restores one column's type: real[] becomes `vector(N)`, with the dimension that was noted, and that is proven.

Precondition: VectorChord's extensions are created; journal, comment and arrays agree on the dimension.
Effect: one transaction with the documented ALTER; count and hash must equal what was recorded when the embeddings
were taken out, and again after. Done when the column is `vector(N)`. Undone by the reverse rewrite to real[].
Lock: ACCESS EXCLUSIVE on the table, about 3 s per 100,000 rows of 512 dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from psycopg.sql import SQL, Identifier, Literal

from migrator.catalog import Catalog
from migrator.step import Blocker, Facts, NoWayBack, Statement, Step
from steps.shared import proof, restoring, rewriting, worker
from steps.shared.before import NOTHING_RECORDED, column_before
from steps.shared.names import Embeddings
from steps.shared.options import Options
from steps.shared.state import column_of, is_converted, mapping

SECONDS_PER_GIGABYTE = 25.0


class RestoreTable(Step):
    """Move one table's embeddings from `real[]` to `vector(N)`."""

    copied_before: ClassVar[bool] = True

    def __init__(self, table: Embeddings, options: Options) -> None:
        self._table, self._options = table, options
        self.key = f"restore-{table.table.replace('_', '-')}"
        self.title = f"restore {table.table} to vector(N)"

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when the column is pgvector's type with a dimension."""
        return is_converted(catalog, self._table)

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. A dimension that nobody knows or that is disputed, rows of another length."""
        return rewriting.blockers(catalog, facts, self._table, self._options)

    def plan(self, catalog: Catalog, facts: Facts) -> Sequence[Statement]:
        """Read-only. The documented rewrite, between two measurements that equal the recorded one."""
        if (subject := rewriting.subject(catalog, facts, self._table, self._options)) is None:
            return ()
        column, dimension = subject
        recorded = bool(mapping(facts.get(f"proof.{self._table.table}"))) and not self._options.trust_server
        measure = proof.measure_values(column, with_reader=False)
        action = SQL("ALTER COLUMN {} SET DATA TYPE public.vector({})").format(
            Identifier(column.name), Literal(dimension)
        )
        return (
            *worker.probe(catalog),
            rewriting.lock(column),
            rewriting.measure_before(self._table.table, column, measure, recorded=recorded, copied=True),
            *rewriting.drop_what_forbids_it(catalog, column),
            rewriting.rewrite(
                self._table.table,
                column,
                action,
                "the documented rewrite; it checks every row's length, NaN and infinity",
            ),
            rewriting.measure_after(self._table.table, column, measure, final=True),
            rewriting.note_dimension(column, dimension),
        )

    def undo(self, catalog: Catalog, facts: Facts) -> Sequence[Statement] | NoWayBack:
        """Read-only. Back to real[]: as it was before the run, or as it waits in the middle of this path."""
        column, before = column_of(catalog, self._table), column_before(facts, self._table)
        if column is None or not restoring.is_in_pgvector(column) or (before and restoring.was_in_pgvector(before)):
            return ()
        if before is None:
            return NoWayBack(f"{NOTHING_RECORDED} ({self._table.table})")
        was_array = before.extension is None
        target = before if was_array else restoring.ARRAY
        return restoring.rewritten(catalog, column, self._table, target, comment=was_array)

    def check_undo(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. A worker that is gone."""
        return worker.blockers(catalog)

    def estimate_seconds(self, catalog: Catalog) -> float:
        """Read-only. Proportional to the size of table and TOAST."""
        column = column_of(catalog, self._table)
        return 1.0 + SECONDS_PER_GIGABYTE * (column.size_bytes if column else 0) / 1e9

    def estimate_undo_seconds(self, catalog: Catalog) -> float:
        """Read-only. As long as there."""
        return self.estimate_seconds(catalog)
