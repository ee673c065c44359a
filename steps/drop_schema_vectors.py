"""Drops schema vectors, which is not a member of the extension and stays behind. Never with CASCADE.

Precondition: the extension is gone and the schema is empty. Done when there is no such schema. Undone by creating it
(CREATE EXTENSION does). Catalog change only.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.sql import SQL

from migrator.catalog import Catalog
from migrator.step import Facts, NoWayBack, Privilege, Right, Statement, Step
from steps.shared.names import PGVECTORS


class DropSchemaVectors(Step):
    """Drop the schema."""

    key = "drop-schema-vectors"
    title = "drop schema vectors"

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when there is no such schema."""
        return PGVECTORS not in catalog.schemas

    def plan(self, catalog: Catalog, facts: Facts) -> Sequence[Statement]:
        """Read-only. A plain DROP, which refuses while anything is in it."""
        owner = Privilege(Right.SCHEMA_OWNER, PGVECTORS)
        why = "it is left behind by the extension; refused while anything is in it"
        return (Statement("drop-schema", SQL("DROP SCHEMA vectors"), why, owner),)

    def undo(self, catalog: Catalog, facts: Facts) -> Sequence[Statement] | NoWayBack:
        """Read-only. Nothing: creating the extension again creates its schema."""
        return ()
