"""Converts one of Immich's columns of embeddings to pgvector's type, in one transaction that proves itself.

Precondition: surveyed by this session, every row of the right length and finite; pgvecto.rs's worker alive where its
loss would crash the server. Effect: lock, count and hash, drop the old indexes, one rewrite, count and hash again,
compare, write the dimension into the column's comment, commit. A difference rolls everything back. Done when the column
is `vector(N)`. Undone by the reverse rewrite, with the same proof.
Lock: ACCESS EXCLUSIVE on the table, 3 s per 100,000 rows of 512 dimensions as a superuser, twice that as an owner.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.sql import SQL, Composed, Identifier, Literal

from migrator.catalog import Catalog, Column
from migrator.step import Blocker, Facts, NoWayBack, Privilege, Right, Statement, Step
from steps import proof, worker
from steps.documented import automatic
from steps.names import PGVECTORS, Embeddings
from steps.options import Options
from steps.state import (
    column_of,
    comment_with_dimension,
    dimension_blockers,
    dimension_of,
    indexes_on,
    is_converted,
    mapping,
)
from steps.survey import odd_rows

SECONDS_PER_GIGABYTE_READER = 18.0
SECONDS_PER_GIGABYTE_CAST = 45.0


class ConvertTable(Step):
    """Move one table's embeddings to `vector(N)`."""

    def __init__(self, table: Embeddings, options: Options) -> None:
        self._table, self._options = table, options
        self.key = f"convert-{table.table.replace('_', '-')}"
        self.title = f"convert {table.table}"
        self.documentation = automatic(7)

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when the column is pgvector's type with a dimension."""
        return is_converted(catalog, self._table)

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. Rows that would not survive, an unknown dimension, a worker that is gone."""
        return (
            *dimension_blockers(catalog, self._known(facts), self._table),
            *odd_rows(catalog, facts, self._table),
            *worker.blockers(catalog),
        )

    def plan(self, catalog: Catalog, facts: Facts) -> Sequence[Statement]:
        """Read-only. The transaction of the conversion, with the worker asked right before it."""
        column, dimension = column_of(catalog, self._table), dimension_of(catalog, self._known(facts), self._table)
        if column is None or dimension is None or column.key is None:
            return ()
        owner = Privilege(Right.TABLE_OWNER, f"{column.schema}.{column.table}")
        in_bytes = proof.compares_bytes(catalog, facts, column, dimension)
        with_reader = proof.may_read_bytes(catalog, column)
        helpers = [*([proof.reader()] if with_reader else []), *(_hashes() if in_bytes else [])]
        before, after = _measures(column, in_bytes=in_bytes, with_reader=with_reader)
        table = Identifier(column.schema, column.table)
        fact = f"proof.{column.table}"
        return (
            *worker.probe(catalog),
            *(helper.create() for helper in helpers),
            Statement(
                "lock",
                SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(table),
                "nobody reads or writes the table until it is converted",
                owner,
                lock=f"ACCESS EXCLUSIVE on {column.schema}.{column.table}",
            ),
            Statement("hash-before", before, "count and hash, on disk before anything changes", owner, measures=fact),
            *(_drop_index(index.schema, index.name, owner) for index in indexes_on(catalog, column)),
            Statement(
                "rewrite",
                _rewrite(column, dimension, with_reader=with_reader),
                f"one rewrite to vector({dimension}); it checks every row's length, NaN and infinity",
                owner,
                lock=f"ACCESS EXCLUSIVE on {column.schema}.{column.table}",
            ),
            Statement(
                "hash-after",
                after,
                "must equal the one before, or all is rolled back",
                owner,
                measures=f"proven.{column.table}",
                must_equal=fact,
            ),
            Statement(
                "comment",
                SQL("COMMENT ON COLUMN {}.{} IS {}").format(
                    table, Identifier(column.name), Literal(comment_with_dimension(column, dimension))
                ),
                "the dimension travels in the database too, so that losing the journal loses nothing",
                owner,
            ),
            *(helper.drop() for helper in helpers),
        )

    def undo(self, catalog: Catalog, facts: Facts) -> Sequence[Statement] | NoWayBack:
        """Read-only. The reverse rewrite with the same proof, while pgvecto.rs is still there."""
        column, before = column_of(catalog, self._table), mapping(facts.get(f"column.{self._table.table}"))
        if column is None or not is_converted(catalog, self._table) or not before:
            return NoWayBack(f"nothing is recorded about {self._table.table} before the conversion")
        if catalog.extensions[PGVECTORS].version is None:
            return NoWayBack("extension vectors is gone, and its type with it")
        owner = Privilege(Right.TABLE_OWNER, f"{column.schema}.{column.table}")
        table, fact = Identifier(column.schema, column.table), f"proof.undo.{column.table}"
        measure = proof.measure_values(column, with_reader=False)
        back = SQL(
            "ALTER TABLE {table} ALTER COLUMN {column} TYPE vectors.vector({n}) "
            "USING ({column}::real[])::vectors.vector"
        ).format(table=table, column=Identifier(column.name), n=Literal(column.typmod))
        lock = SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(table)
        return (
            *worker.probe(catalog),
            Statement("lock", lock, "nobody reads or writes the table meanwhile", owner, lock="ACCESS EXCLUSIVE"),
            Statement("hash-before", measure, "count and content hash", owner, measures=fact),
            *(_drop_index(index.schema, index.name, owner) for index in indexes_on(catalog, column)),
            Statement("rewrite", back, "back to pgvecto.rs's type", owner, lock="ACCESS EXCLUSIVE"),
            Statement("hash-after", measure, "must equal the one before", owner, must_equal=fact),
        )

    def estimate_seconds(self, catalog: Catalog) -> float:
        """Read-only. Proportional to the size of table and TOAST, by the variant that the role may use."""
        column = column_of(catalog, self._table)
        if column is None:
            return 1.0
        fast = proof.may_read_bytes(catalog, column)
        rate = SECONDS_PER_GIGABYTE_READER if fast else SECONDS_PER_GIGABYTE_CAST
        return 1.0 + rate * column.size_bytes / 1e9

    def _known(self, facts: Facts) -> Facts:
        return {**facts, **{f"dimension.{table}": n for table, n in self._options.dimensions.items()}}


def _hashes() -> list[proof.Helper]:
    return [proof.bytes_hash(proof.OLD), proof.bytes_hash(proof.NEW)]


def _measures(column: Column, *, in_bytes: bool, with_reader: bool) -> tuple[Composed, Composed]:
    if in_bytes:
        return proof.measure_bytes(column), proof.measure_bytes(column)
    return proof.measure_values(column, with_reader=with_reader), proof.measure_values(column, with_reader=False)


def _rewrite(column: Column, dimension: int, *, with_reader: bool) -> Composed:
    target = SQL("public.vector({})").format(Literal(dimension))
    value = proof.value_of(column, with_reader=with_reader)
    return SQL("ALTER TABLE {} ALTER COLUMN {} TYPE {} USING {}::{}").format(
        Identifier(column.schema, column.table), Identifier(column.name), target, value, target
    )


def _drop_index(schema: str, name: str, owner: Privilege) -> Statement:
    sql = SQL("DROP INDEX {}").format(Identifier(schema, name))
    why = "an index of the old type forbids the change; its definition is recorded"
    return Statement(f"drop-index-{name}", sql, why, owner)
