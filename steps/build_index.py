"""Builds one of Immich's indexes with VectorChord, by Immich's own SQL and list count, so that it is left alone later.

Precondition: the column is converted. Effect: one CREATE INDEX, in the tablespace of the one that was there; an index
of that name that is not VectorChord's, or not valid, is dropped in the same transaction. Done when a valid vchordrq
index of the right list count carries the name.
Undone by dropping it, and building again one of pgvector's that was there.
Where no rewrite has proven the embeddings (the path from pgvector), count and hash are taken before and after, in the
same transaction and under its lock: what somebody writes between two steps is no difference then.
Lock: SHARE on the table (reads go on), about 10 s per 100,000 rows with one list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from psycopg.sql import SQL, Composable, Identifier

from migrator.catalog import Catalog, Column
from migrator.step import PROVEN, Blocker, Fact, Facts, NoWayBack, Privilege, Right, Statement, Step
from steps.shared import proof, restoring, rewriting, worker
from steps.shared.before import column_facts, indexes_before
from steps.shared.index import (
    NOWHERE_ELSE,
    SECONDS_PER_ROW_MANY_LISTS,
    SECONDS_PER_ROW_ONE_LIST,
    create_index,
    list_count,
    tablespace,
)
from steps.shared.names import Embeddings
from steps.shared.state import column_of, index_of, is_converted, is_indexed, rows_of


class BuildIndex(Step):
    """Build one VectorChord index."""

    def __init__(self, table: Embeddings, *, proves: bool = False) -> None:
        self._table, self._proves = table, proves
        self.key = f"build-{table.index.replace('_', '-')}"
        self.title = f"build {table.index}"

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when the index is VectorChord's, valid, and of a size that Immich leaves alone."""
        return is_indexed(catalog, facts, self._table)

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. A build may have to be rolled back, so the worker must not be gone."""
        return worker.blockers(catalog)

    def record(self, catalog: Catalog) -> Sequence[Fact]:
        """Read-only. The row count that decides the list count, and the definition of an index that is replaced."""
        rows = rows_of(catalog, self._table) or 0
        planned = Fact(f"index.{self._table.index}.planned", {"rows": rows, "lists": list_count(rows)})
        return (planned, *column_facts(catalog, self._table))

    def plan(self, catalog: Catalog, facts: Facts) -> Sequence[Statement]:
        """Read-only. The worker asked, a wrong index dropped, the index built."""
        column = column_of(catalog, self._table)
        if column is None:
            return ()
        owner = Privilege(Right.TABLE_OWNER, f"{column.schema}.{column.table}")
        rows, old = rows_of(catalog, self._table) or 0, index_of(catalog, self._table)
        drop = SQL("DROP INDEX {}").format(Identifier(column.schema, self._table.index))
        # before the conversion the old index is the conversion's to drop
        converted = is_converted(catalog, self._table)
        in_the_way = old is not None and converted
        before, after = _proof(self._table, column, drops=in_the_way) if self._proves and converted else ((), ())
        return (
            *worker.probe(catalog),
            # on its own, so that nobody is kept from reading during the build
            *(rewriting.drop_leftover_constraint(catalog, column, alone=True) if converted else ()),
            *before,
            *([Statement("drop-old", drop, "it has the name, but not what Immich wants", owner)] if in_the_way else []),
            Statement(
                "create",
                create_index(
                    column.schema,
                    column.table,
                    self._table.index,
                    column.name,
                    rows,
                    where=self._where(catalog, facts),
                ),
                f"Immich's own index for {rows:,} rows: {list_count(rows)} list(s)",
                owner,
                lock=f"SHARE on {column.schema}.{column.table}",
                builds_index=True,
            ),
            *after,
        )

    def _where(self, catalog: Catalog, facts: Facts) -> Composable:
        """Return the tablespace of the index that is replaced, where our role may build in it."""
        before = [i.tablespace for i in indexes_before(facts, self._table) if i.name == self._table.index]
        kept = [name for name in before if name is not None and catalog.tablespaces.get(name)]
        return tablespace(catalog, kept[0]) if kept else NOWHERE_ELSE

    def undo(self, catalog: Catalog, facts: Facts) -> Sequence[Statement] | NoWayBack:
        """Read-only. Leave the indexes that were there; those of an old type come back together with that type."""
        return restoring.indexes_back(catalog, facts, self._table)

    def check_undo(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. A worker that is gone."""
        return worker.blockers(catalog)

    def estimate_seconds(self, catalog: Catalog) -> float:
        """Read-only. Proportional to the rows; clustering into many lists costs more."""
        rows = rows_of(catalog, self._table) or 0
        return 1.0 + rows * (SECONDS_PER_ROW_ONE_LIST if list_count(rows) == 1 else SECONDS_PER_ROW_MANY_LISTS)


def _proof(table: Embeddings, column: Column, *, drops: bool) -> tuple[tuple[Statement, ...], tuple[Statement, ...]]:
    """Return what comes before and after the build; DROP INDEX would need the stronger lock in the middle of it."""
    mode = SQL("ACCESS EXCLUSIVE" if drops else "SHARE")
    lock = Statement(
        "lock",
        SQL("LOCK TABLE {} IN {} MODE").format(Identifier(column.schema, column.table), mode),
        "nobody writes to the table between the two measurements",
        rewriting.owner_of(column),
        lock=f"{mode.as_string(None)} on {column.schema}.{column.table}",
    )
    measure = proof.measure_values(column, with_reader=False)
    measured = replace(
        rewriting.measure_before(table.table, column, measure, recorded=False), withdraws=f"{PROVEN}{table.table}"
    )
    return (lock, measured), (rewriting.measure_after(table.table, column, measure, final=True),)
