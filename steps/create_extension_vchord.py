"""Creates extension vchord, and pgvector with it, in schema public, and the setting that Immich makes at the same time.

Precondition: VectorChord is loaded. Done when both extensions are created and the database carries `vchordrq.probes`.
Undone by dropping what this step created. Catalog changes only: no lock worth mentioning, about a second.
The page names this step for installations without superuser; Immich would otherwise do it at its next start.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.sql import SQL, Identifier

from migrator.catalog import Catalog
from migrator.step import SUPERUSER, Blocker, Fact, Facts, NoWayBack, Privilege, Right, Statement, Step
from steps.shared import worker
from steps.shared.names import PGVECTOR, PROBES, VCHORD

SCHEMA = "public"


class CreateExtensionVchord(Step):
    """Create the extensions where Immich expects them."""

    key = "create-extension-vchord"
    title = "create extension vchord"

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when vchord and vector are created and the probes are set for the database."""
        created = all(catalog.extensions[name].version for name in (PGVECTOR, VCHORD))
        return created and _probes_are_set(catalog)

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. The worker must not be gone."""
        return worker.blockers(catalog)

    def record(self, catalog: Catalog) -> Sequence[Fact]:
        """Read-only. Which of the extensions were there before, and the setting."""
        before = {name: catalog.extensions[name].version for name in (PGVECTOR, VCHORD)}
        own = [s for s in catalog.stored_settings if s.database == catalog.database.name and not s.role]
        stored = {setting.name: setting.value for setting in own}
        return (Fact("extensions.before", before), Fact("database.settings.before", stored))

    def plan(self, catalog: Catalog, facts: Facts) -> Sequence[Statement]:
        """Read-only. CREATE EXTENSION with its schema named, then the setting."""
        database = Identifier(catalog.database.name)
        create = Statement(
            "create-extension",
            SQL("CREATE EXTENSION IF NOT EXISTS vchord SCHEMA {} CASCADE").format(Identifier(SCHEMA)),
            "creates pgvector too where it is missing; the schema is named because search_path may begin elsewhere",
            SUPERUSER,
        )
        probes = Statement(
            "set-probes",
            SQL("ALTER DATABASE {} SET vchordrq.probes = 1").format(database),
            "Immich does this when it creates the extension; its index refuses every search without",
            Privilege(Right.DATABASE_OWNER),
        )
        statements = worker.probe(catalog)
        if catalog.extensions[VCHORD].version is None or catalog.extensions[PGVECTOR].version is None:
            statements = (*statements, create)
        return statements if _probes_are_set(catalog) else (*statements, probes)

    def undo(self, catalog: Catalog, facts: Facts) -> Sequence[Statement] | NoWayBack:
        """Read-only. Drop what was not there before; RESTRICT refuses while anything uses it."""
        before = facts.get("extensions.before")
        had = before if isinstance(before, dict) else {}
        drops = [
            Statement(f"drop-{name}", SQL("DROP EXTENSION IF EXISTS {}").format(Identifier(name)), why, SUPERUSER)
            for name, why in ((VCHORD, "was not there before"), (PGVECTOR, "was not there before"))
            if had.get(name) is None
        ]
        reset = SQL("ALTER DATABASE {} RESET vchordrq.probes").format(Identifier(catalog.database.name))
        return (Statement("reset-probes", reset, "was not set before", Privilege(Right.DATABASE_OWNER)), *drops)


def _probes_are_set(catalog: Catalog) -> bool:
    return any(s.database == catalog.database.name and s.name == PROBES for s in catalog.stored_settings)
