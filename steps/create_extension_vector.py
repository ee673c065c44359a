"""Creates extension vector in schema public: the target type of the rescue, and its reader for stored values.

Precondition: pgvector is installed. Effect: CREATE EXTENSION, catalog changes only. Done when the extension is there.
Undone by dropping it, which is refused while a column uses it. About a second, no lock on Immich's tables.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.sql import SQL

from migrator.catalog import Catalog
from migrator.step import SUPERUSER, Fact, Facts, NoWayBack, Statement, Step
from steps.shared.before import extension_before, extension_facts
from steps.shared.names import PGVECTOR


class CreateExtensionVector(Step):
    """Create pgvector where Immich expects it."""

    key = "create-extension-vector"
    title = "create extension vector"

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when the extension is created."""
        return catalog.extensions[PGVECTOR].version is not None

    def record(self, catalog: Catalog) -> Sequence[Fact]:
        """Read-only. The extensions as they were before."""
        return extension_facts(catalog)

    def plan(self, catalog: Catalog, facts: Facts) -> Sequence[Statement]:
        """Read-only. CREATE EXTENSION with its schema named."""
        create = SQL("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
        why = "the schema is named because search_path may begin with vectors"
        return (Statement("create-extension", create, why, SUPERUSER),)

    def undo(self, catalog: Catalog, facts: Facts) -> Sequence[Statement] | NoWayBack:
        """Read-only. Drop it where this step created it; RESTRICT refuses while anything uses it."""
        before = extension_before(facts, PGVECTOR)
        if before is None or before.get("version") is not None or catalog.extensions[PGVECTOR].version is None:
            return ()
        return (Statement("drop-extension", SQL("DROP EXTENSION vector"), "was not there before", SUPERUSER),)
