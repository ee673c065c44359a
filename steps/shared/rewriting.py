"""What every rewrite of a column of embeddings consists of: lock, measure, drop what forbids it, rewrite, measure."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.sql import SQL, Composed, Identifier, Literal

from migrator.catalog import Catalog, Column
from migrator.step import PROVEN, Blocker, Facts, Privilege, Right, Statement
from steps.shared import worker
from steps.shared.names import LEFTOVER_CONSTRAINT, Embeddings
from steps.shared.options import Options, with_dimensions
from steps.shared.state import column_of, comment_with_dimension, dimension_blockers, dimension_of, indexes_on
from steps.shared.survey import odd_rows

WRITTEN_BETWEEN = (
    "somebody changed the table since: photos added or deleted meanwhile? then stop Immich and add --trust-server, "
    "which goes on from what is there"
)
"""What to do where rows differ from what an earlier run recorded; within one transaction nobody can have."""


def blockers(catalog: Catalog, facts: Facts, table: Embeddings, options: Options) -> tuple[Blocker, ...]:
    """Return what forbids a rewrite: an unknown dimension, rows that would not survive, a worker that is gone."""
    return (
        *dimension_blockers(catalog, with_dimensions(facts, options), table),
        *odd_rows(catalog, facts, table),
        *worker.blockers(catalog),
    )


def subject(catalog: Catalog, facts: Facts, table: Embeddings, options: Options) -> tuple[Column, int] | None:
    """Return the column to be rewritten and its dimension; None where either, or the table's key, is not known."""
    column, dimension = column_of(catalog, table), dimension_of(catalog, with_dimensions(facts, options), table)
    return None if column is None or dimension is None or column.key is None else (column, dimension)


def owner_of(column: Column) -> Privilege:
    """Return the privilege that a change of the column's table needs."""
    return Privilege(Right.TABLE_OWNER, f"{column.schema}.{column.table}")


def lock(column: Column) -> Statement:
    """Return the statement that keeps everybody else from the table until the end of the transaction."""
    return Statement(
        "lock",
        SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(Identifier(column.schema, column.table)),
        "nobody reads or writes the table until it is converted",
        owner_of(column),
        lock=f"ACCESS EXCLUSIVE on {column.schema}.{column.table}",
    )


def measure_before(label: str, column: Column, query: Composed, *, recorded: bool, copied: bool = False) -> Statement:
    """Return the measurement before the rewrite; where one is `recorded` from an earlier stage, it must be equal.

    Where the data are `copied` right before, it must equal what the copy has.
    """
    fact = f"proof.{label}"
    if recorded:
        why = "must equal what was recorded when the embeddings were taken out of pgvecto.rs"
        return Statement("hash-before", query, why, owner_of(column), must_equal=fact, remedy=WRITTEN_BETWEEN)
    why = "count and hash, on disk before anything changes"
    as_copied = f"copied.{label}" if copied else None
    return Statement("hash-before", query, why, owner_of(column), measures=fact, as_copied=as_copied)


def measure_after(label: str, column: Column, query: Composed, *, final: bool) -> Statement:
    """Return the measurement after the rewrite, which must equal the one before; the `final` one is told at the end."""
    return Statement(
        "hash-after",
        query,
        "must equal the one before, or all is rolled back",
        owner_of(column),
        measures=f"{PROVEN}{label}" if final else None,
        must_equal=f"proof.{label}",
    )


def drop_what_forbids_it(catalog: Catalog, column: Column) -> Sequence[Statement]:
    """Return the drops of every index on the column, and of a constraint that a killed Immich left behind."""
    statements = [*drop_leftover_constraint(catalog, column)]
    for index in indexes_on(catalog, column):
        drop = SQL("DROP INDEX {}").format(Identifier(index.schema, index.name))
        why = "an index of the old type forbids the change; its definition is recorded"
        statements.append(Statement(f"drop-index-{index.name}", drop, why, owner_of(column)))
    return statements


def drop_leftover_constraint(catalog: Catalog, column: Column, *, alone: bool = False) -> Sequence[Statement]:
    """Return the drop of the constraint that a killed Immich left behind; Immich could not change the model with it."""
    if all((c.schema, c.table, c.name) != (column.schema, column.table, LEFTOVER_CONSTRAINT) for c in catalog.checks):
        return ()
    table = Identifier(column.schema, column.table)
    drop = SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(table, Identifier(LEFTOVER_CONSTRAINT))
    why = "left over by an Immich that was interrupted while it changed the model; it uses the old cast"
    return (Statement("drop-constraint", drop, why, owner_of(column), alone=alone),)


def rewrite(label: str, column: Column, action: Composed, why: str) -> Statement:
    """Return the ALTER TABLE that rewrites the column; what was proven of it before is claimed no more."""
    sql = SQL("ALTER TABLE {} {}").format(Identifier(column.schema, column.table), action)
    return Statement(
        "rewrite",
        sql,
        why,
        owner_of(column),
        lock=f"ACCESS EXCLUSIVE on {column.schema}.{column.table}",
        withdraws=f"{PROVEN}{label}",
    )


def note_dimension(column: Column, dimension: int) -> Statement:
    """Return the COMMENT that carries the dimension inside the database, in the same transaction."""
    sql = SQL("COMMENT ON COLUMN {}.{} IS {}").format(
        Identifier(column.schema, column.table),
        Identifier(column.name),
        Literal(comment_with_dimension(column, dimension)),
    )
    why = "the dimension travels in the database too, so that losing the journal loses nothing"
    return Statement("comment", sql, why, owner_of(column))
