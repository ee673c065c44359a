"""Converts one of Immich's columns of embeddings to pgvector's type, in one transaction that proves itself.

Precondition: surveyed by this session, every row of the right length and finite; pgvecto.rs's worker alive where its
loss would crash the server. Effect: lock, count and hash, drop the old indexes, one rewrite, count and hash again,
compare, write the dimension into the column's comment, commit. A difference rolls everything back. Done when the column
is `vector(N)`. Undone by a rewrite to what the column was before the run, with the same proof, and by building the
indexes that it had.
Lock: ACCESS EXCLUSIVE on the table, 3 s per 100,000 rows of 512 dimensions as a superuser, twice that as an owner.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from psycopg.sql import SQL, Composed, Identifier, Literal

from migrator.catalog import Catalog, Column
from migrator.step import Blocker, Facts, NoWayBack, Statement, Step
from steps.shared import proof, restoring, rewriting, worker
from steps.shared.names import Embeddings
from steps.shared.options import Options
from steps.shared.state import column_of, is_converted

SECONDS_PER_GIGABYTE_READER = 18.0
SECONDS_PER_GIGABYTE_CAST = 45.0


class ConvertTable(Step):
    """Move one table's embeddings to `vector(N)`."""

    copied_before: ClassVar[bool] = True

    def __init__(self, table: Embeddings, options: Options) -> None:
        self._table, self._options = table, options
        self.key = f"convert-{table.table.replace('_', '-')}"
        self.title = f"convert {table.table}"

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when the column is pgvector's type with a dimension."""
        return is_converted(catalog, self._table)

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. Rows that would not survive, an unknown dimension, a worker that is gone."""
        return rewriting.blockers(catalog, facts, self._table, self._options)

    def plan(self, catalog: Catalog, facts: Facts) -> Sequence[Statement]:
        """Read-only. The transaction of the conversion, with the worker asked right before it."""
        if (subject := rewriting.subject(catalog, facts, self._table, self._options)) is None:
            return ()
        column, dimension = subject
        in_bytes = proof.compares_bytes(catalog, facts, self._table, dimension)
        with_reader = proof.may_read_bytes(catalog, column)
        helpers = [*([proof.reader()] if with_reader else []), *(_hashes() if in_bytes else [])]
        before, after = _measures(column, in_bytes=in_bytes, with_reader=with_reader)
        return (
            *worker.probe(catalog),
            *(helper.create() for helper in helpers),
            rewriting.lock(column),
            rewriting.measure_before(self._table.table, column, before, recorded=False, copied=True),
            *rewriting.drop_what_forbids_it(catalog, column),
            rewriting.rewrite(
                self._table.table,
                column,
                _to_vector(column, dimension, with_reader=with_reader),
                f"one rewrite to vector({dimension}); it checks every row's length, NaN and infinity",
            ),
            rewriting.measure_after(self._table.table, column, after, final=True),
            rewriting.note_dimension(column, dimension),
            *(helper.drop() for helper in helpers),
        )

    def undo(self, catalog: Catalog, facts: Facts) -> Sequence[Statement] | NoWayBack:
        """Read-only. One rewrite back to what the column was, with the same proof, then the indexes that it had."""
        return restoring.table_back(catalog, facts, self._table)

    def check_undo(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. A worker that is gone."""
        return worker.blockers(catalog)

    def estimate_seconds(self, catalog: Catalog) -> float:
        """Read-only. Proportional to the size of table and TOAST, by the variant that the role may use."""
        column = column_of(catalog, self._table)
        if column is None:
            return 1.0
        fast = proof.may_read_bytes(catalog, column)
        rate = SECONDS_PER_GIGABYTE_READER if fast else SECONDS_PER_GIGABYTE_CAST
        return 1.0 + rate * column.size_bytes / 1e9

    def estimate_undo_seconds(self, catalog: Catalog) -> float:
        """Read-only. Proportional to the size of table and TOAST."""
        column = column_of(catalog, self._table)
        return 1.0 + SECONDS_PER_GIGABYTE_CAST * (column.size_bytes if column else 0) / 1e9


def _hashes() -> list[proof.Helper]:
    return [proof.bytes_hash(proof.OLD), proof.bytes_hash(proof.NEW)]


def _measures(column: Column, *, in_bytes: bool, with_reader: bool) -> tuple[Composed, Composed]:
    if in_bytes:
        return proof.measure_bytes(column), proof.measure_bytes(column)
    return proof.measure_values(column, with_reader=with_reader), proof.measure_values(column, with_reader=False)


def _to_vector(column: Column, dimension: int, *, with_reader: bool) -> Composed:
    target = SQL("public.vector({})").format(Literal(dimension))
    value = proof.value_of(column, with_reader=with_reader)
    return SQL("ALTER COLUMN {} TYPE {} USING {}::{}").format(Identifier(column.name), target, value, target)
