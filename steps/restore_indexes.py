"""Builds again, with VectorChord, the indexes of a column outside Immich's tables that was converted along with them.

Precondition: the column is converted; its old definitions are recorded. Effect: one CREATE INDEX per recorded index,
with the operator class that compares in the same way,
its tablespace and its WHERE clause. Done when each carries its name again. Undone by dropping them.
Lock: SHARE on the table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from psycopg.sql import SQL, Identifier, Literal

from migrator.catalog import Catalog, Column
from migrator.step import Blocker, Facts, Statement, Step
from steps.shared import restoring, worker
from steps.shared.before import IndexBefore, indexes_before
from steps.shared.index import NOWHERE_ELSE, condition, options_for, tablespace
from steps.shared.names import Embeddings
from steps.shared.rewriting import owner_of
from steps.shared.state import column_of

OPERATOR_CLASSES = {
    "vector_cos_ops": "vector_cosine_ops",
    "cosine_ops": "vector_cosine_ops",
    "vector_l2_ops": "vector_l2_ops",
    "l2_ops": "vector_l2_ops",
    "vector_dot_ops": "vector_ip_ops",
    "dot_ops": "vector_ip_ops",
}
"""pgvecto.rs's operator classes, before and from 0.1.12 on, and VectorChord's that compare in the same way."""


class RestoreIndexes(Step):
    """Give a converted column its indexes back."""

    def __init__(self, table: Embeddings) -> None:
        self._table = table
        self.key = f"restore-indexes-{table.table.replace('_', '-')}"
        self.title = f"index {table.table} again"

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when every recorded index is there again, as VectorChord's and valid."""
        return not list(self._missing(catalog, facts))

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. A build may have to be rolled back, so the worker must not be gone."""
        return worker.blockers(catalog)

    def plan(self, catalog: Catalog, facts: Facts) -> Sequence[Statement]:
        """Read-only. One CREATE INDEX per recorded index."""
        column = column_of(catalog, self._table)
        if column is None:
            return ()
        builds = [_create(catalog, column, index) for index in self._missing(catalog, facts)]
        return (*worker.probe(catalog), *builds) if builds else ()

    def undo(self, catalog: Catalog, facts: Facts) -> Sequence[Statement]:
        """Read-only. Drop them; the old ones come back together with the column's old type."""
        return restoring.indexes_back(catalog, facts, self._table)

    def check_undo(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. A worker that is gone."""
        return worker.blockers(catalog)

    def _missing(self, catalog: Catalog, facts: Facts) -> Iterator[IndexBefore]:
        there = {(i.schema, i.name) for i in catalog.indexes if i.access_method == "vchordrq" and i.valid}
        yield from (i for i in indexes_before(facts, self._table) if (i.schema, i.name) not in there)


def _create(catalog: Catalog, column: Column, index: IndexBefore) -> Statement:
    operators = index.operator_class.rpartition(".")[2]
    kept = index.tablespace if catalog.tablespaces.get(index.tablespace or "") else None
    sql = SQL("CREATE INDEX {} ON {} USING vchordrq ({} public.{}) WITH (options = {}){}{}").format(
        Identifier(index.name),
        Identifier(column.schema, column.table),
        Identifier(column.name),
        Identifier(OPERATOR_CLASSES.get(operators, operators)),
        Literal(options_for(max(0, int(column.reltuples)))),
        tablespace(catalog, kept) if kept else NOWHERE_ELSE,
        condition(index.condition),
    )
    why = f"it was dropped for the conversion; it compares as {operators} did"
    return Statement(
        f"create-{index.name}",
        sql,
        why,
        owner_of(column),
        f"SHARE on {column.schema}.{column.table}",
        builds_index=True,
    )
