"""Notes the dimension of both columns before anything is dropped: in the journal, and in the database itself.

Precondition: the columns are still pgvecto.rs's. Effect: the documented query is run and its number recorded beside our
own, and each column's comment carries its dimension, so that a lost journal loses nothing. Done when the comments are
there, or the columns are no longer pgvecto.rs's. Undone by restoring the comments. Catalog changes only.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.sql import SQL, Identifier, Literal

from migrator.catalog import Catalog
from migrator.step import Fact, Facts, NoWayBack, Privilege, Right, Statement, Step
from steps.shared import restoring
from steps.shared.before import column_facts
from steps.shared.names import PGVECTORS, TABLES
from steps.shared.state import column_of, comment_with_dimension, dimension_in_comment

DOCUMENTED_QUERY = SQL(
    "SELECT atttypmod AS dimsize FROM pg_attribute f JOIN pg_class c ON c.oid = f.attrelid "
    "WHERE c.relkind = 'r'::char AND f.attnum > 0 "
    "AND c.relname = 'smart_search'::text AND f.attname = 'embedding'::text"
)


class NoteDimension(Step):
    """Write down the number that the page asks to be noted."""

    key = "note-dimension"
    title = "note the dimension, in journal and database"

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when every column of pgvecto.rs says its dimension in its comment."""
        columns = [column_of(catalog, table) for table in TABLES]
        return all(c is None or c.extension != PGVECTORS or dimension_in_comment(c) == c.typmod for c in columns)

    def record(self, catalog: Catalog) -> Sequence[Fact]:
        """Read-only. Each column as the catalog has it, and its dimension."""
        columns = [column_of(catalog, table) for table in TABLES]
        dimensions = [Fact(f"dimension.{c.table}", c.typmod) for c in columns if c is not None and c.typmod > 0]
        return [*dimensions, *(fact for table in TABLES for fact in column_facts(catalog, table))]

    def plan(self, catalog: Catalog, facts: Facts) -> Sequence[Statement]:
        """Read-only. The documented query beside our record, then the comments."""
        ours = {c.table: c.typmod for table in TABLES if (c := column_of(catalog, table)) is not None}
        shown = ", ".join(f"{table} {dimension}" for table, dimension in ours.items())
        why = f"the documented query; our own record says: {shown}"
        statements = [Statement("documented-query", DOCUMENTED_QUERY, why, measures="dimension.documented")]
        for table in TABLES:
            column = column_of(catalog, table)
            if column is None or column.extension != PGVECTORS or column.typmod < 1:
                continue
            comment = SQL("COMMENT ON COLUMN {}.{} IS {}").format(
                Identifier(column.schema, column.table),
                Identifier(column.name),
                Literal(comment_with_dimension(column, column.typmod)),
            )
            owner = Privilege(Right.TABLE_OWNER, f"{column.schema}.{column.table}")
            statements.append(Statement(f"comment-{table.table}", comment, "travels with the column", owner))
        return statements

    def undo(self, catalog: Catalog, facts: Facts) -> Sequence[Statement] | NoWayBack:
        """Read-only. Put the comments back as they were."""
        return [statement for table in TABLES for statement in restoring.comment_back(catalog, facts, table)] or ()
