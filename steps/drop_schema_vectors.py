"""Drops schema vectors, which is not a member of the extension and stays behind. Never with CASCADE.

Precondition: the extension is gone and the schema is empty. Done when there is no such schema. Undone by creating it
for its owner, with its comment and rights. Catalog change only.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.sql import SQL, Identifier, Literal

from migrator.catalog import Catalog
from migrator.step import SUPERUSER, Fact, Facts, NoWayBack, Privilege, Right, Statement, Step
from steps.shared.before import schema_before, schema_facts
from steps.shared.granted import schema_rights_back
from steps.shared.names import PGVECTORS

WHY = "as it was before"


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
        """Read-only. Whose it is, its comment, and who may use it."""
        return schema_facts(catalog)

    def undo(self, catalog: Catalog, facts: Facts) -> Sequence[Statement] | NoWayBack:
        """Read-only. Create it again for whoever owned it; the extension finds it then, and does not make its own."""
        before, now = schema_before(facts), catalog.schemas.get(PGVECTORS)
        if before is None:
            return ()
        right = Privilege(Right.SCHEMA_OWNER, PGVECTORS)
        create: tuple[Statement, ...] = ()
        if now is None:
            right = Privilege(Right.DATABASE_OWNER) if before.owner == catalog.role.name else SUPERUSER
            sql = SQL("CREATE SCHEMA vectors AUTHORIZATION {}").format(Identifier(before.owner))
            create = (Statement("create-schema", sql, WHY, right),)
        comment: tuple[Statement, ...] = ()
        if before.comment != (now.comment if now else None):
            sql = SQL("COMMENT ON SCHEMA vectors IS {}").format(Literal(before.comment))
            comment = (Statement("comment", sql, WHY, right),)
        return (*create, *comment, *schema_rights_back(catalog, before.grants, before.initial, right))
