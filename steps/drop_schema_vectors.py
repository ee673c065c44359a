"""Drops schema vectors, which is not a member of the extension and stays behind. Never with CASCADE.

Precondition: the extension is gone and the schema is empty. Done when there is no such schema. Undone by creating it
for its owner. Catalog change only.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.sql import SQL, Identifier

from migrator.catalog import Catalog
from migrator.step import SUPERUSER, Fact, Facts, NoWayBack, Privilege, Right, Statement, Step
from steps.shared.before import schema_facts, schema_owner_before
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

    def record(self, catalog: Catalog) -> Sequence[Fact]:
        """Read-only. Whose it is."""
        return schema_facts(catalog)

    def undo(self, catalog: Catalog, facts: Facts) -> Sequence[Statement] | NoWayBack:
        """Read-only. Create it again for whoever owned it; the extension finds it then, and does not make its own."""
        owner = schema_owner_before(facts)
        if owner is None or PGVECTORS in catalog.schemas:
            return ()
        create = SQL("CREATE SCHEMA vectors AUTHORIZATION {}").format(Identifier(owner))
        right = Privilege(Right.DATABASE_OWNER) if owner == catalog.role.name else SUPERUSER
        return (Statement("create-schema", create, "as it was before", right),)
