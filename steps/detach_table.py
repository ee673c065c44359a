"""Takes one table's embeddings out of pgvecto.rs: the index is dropped, the column becomes real[], and that is proven.

Precondition: dimension noted, surveyed by this session, the worker alive where its loss would crash the server.
Effect: one transaction with the documented ALTER, extended by SET STORAGE EXTERNAL so that PostgreSQL does not try to
compress every array. Done when the column is no longer pgvecto.rs's. Undone by the reverse rewrite while pgvecto.rs is
installed. Immich must stay stopped from here until the types are restored: it would take every column for 512 wide.
Lock: ACCESS EXCLUSIVE on the table, about 4 s per 100,000 rows of 512 dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from psycopg.sql import SQL, Identifier

from migrator.catalog import Catalog
from migrator.step import Blocker, Facts, NoWayBack, Statement, Step
from steps.shared import proof, restoring, rewriting, worker
from steps.shared.names import PGVECTORS, Embeddings
from steps.shared.options import Options
from steps.shared.state import column_of

SECONDS_PER_GIGABYTE = 40.0


class DetachTable(Step):
    """Move one table's embeddings to `real[]`."""

    copied_before: ClassVar[bool] = True

    def __init__(self, table: Embeddings, options: Options) -> None:
        self._table, self._options = table, options
        self.key = f"detach-{table.table.replace('_', '-')}"
        self.title = f"take {table.table} out of pgvecto.rs"

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when the column is there and no longer of pgvecto.rs's type."""
        column = column_of(catalog, self._table)
        return column is not None and column.extension != PGVECTORS

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. Rows that would not survive the way back, an unknown dimension, a worker that is gone."""
        return rewriting.blockers(catalog, facts, self._table, self._options)

    def plan(self, catalog: Catalog, facts: Facts) -> Sequence[Statement]:
        """Read-only. The documented rewrite, between two equal measurements."""
        if (subject := rewriting.subject(catalog, facts, self._table, self._options)) is None:
            return ()
        column, dimension = subject
        with_reader = proof.may_read_bytes(catalog, column)
        helpers = [proof.reader()] if with_reader else []
        before = proof.measure_values(column, with_reader=with_reader)
        action = SQL("ALTER COLUMN {column} SET DATA TYPE real[], ALTER COLUMN {column} SET STORAGE EXTERNAL").format(
            column=Identifier(column.name)
        )
        return (
            *worker.probe(catalog),
            *(helper.create() for helper in helpers),
            rewriting.lock(column),
            rewriting.measure_before(self._table.table, column, before, recorded=False, copied=True),
            *rewriting.drop_what_forbids_it(catalog, column),
            rewriting.rewrite(self._table.table, column, action, "the documented rewrite to real[]"),
            rewriting.measure_after(
                self._table.table, column, proof.measure_values(column, with_reader=False), final=False
            ),
            rewriting.note_dimension(column, dimension),
            *(helper.drop() for helper in helpers),
        )

    def undo(self, catalog: Catalog, facts: Facts) -> Sequence[Statement] | NoWayBack:
        """Read-only. Back to what the column was, its old indexes too; the noted dimension stays in its comment."""
        return restoring.table_back(catalog, facts, self._table, comment=False)

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
