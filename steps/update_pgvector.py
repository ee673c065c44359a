"""Brings the database's pgvector up to the library that the server offers, where it is older.

Precondition: an accepted pgvector is installed. Effect: ALTER EXTENSION vector UPDATE, catalog changes only; no data
and no index is touched. Done when the extension is not created yet, or is of the offered release. There is no way back:
pgvector has no scripts that lead down. About a second, no lock on Immich's tables. Takes a superuser: the extension
is not trusted.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.sql import SQL

from migrator.catalog import Catalog
from migrator.step import SUPERUSER, Fact, Facts, NoWayBack, Statement, Step
from steps.shared import worker
from steps.shared.before import extension_before, extension_facts
from steps.shared.names import PGVECTOR
from steps.shared.vchord_formats import is_newer


class UpdatePgvector(Step):
    """Update the extension in the database."""

    key = "update-pgvector"
    title = "update extension vector"

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when the database has no older pgvector than the server offers."""
        extension = catalog.extensions[PGVECTOR]
        return extension.version is None or not is_newer(extension.offered, extension.version)

    def plan(self, catalog: Catalog, facts: Facts) -> Sequence[Statement]:
        """Read-only. One ALTER EXTENSION."""
        why = "VectorChord needs types that came with pgvector 0.7; CREATE EXTENSION never updates what is there"
        return (*worker.probe(catalog), Statement("update", SQL("ALTER EXTENSION vector UPDATE"), why, SUPERUSER))

    def record(self, catalog: Catalog) -> Sequence[Fact]:
        """Read-only. The release that was there."""
        return extension_facts(catalog)

    def undo(self, catalog: Catalog, facts: Facts) -> Sequence[Statement] | NoWayBack:
        """Read-only. None: there are no scripts that lead down."""
        before, now = extension_before(facts, PGVECTOR), catalog.extensions[PGVECTOR].version
        if now is None or (before is not None and before.get("version") in (None, now)):
            return ()
        return NoWayBack("pgvector has no way down to an older release", always=True)
