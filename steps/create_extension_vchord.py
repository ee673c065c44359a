"""Creates extension vchord, and pgvector with it, in schema public, and the setting that Immich makes at the same time.

Precondition: VectorChord is loaded. Done when both extensions are created and the database carries `vchordrq.probes`.
Undone by dropping what this step created. Catalog changes only: no lock worth mentioning, about a second.
The page names this step for installations without superuser; Immich would otherwise do it at its next start.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.sql import SQL, Identifier, Literal

from migrator.catalog import Catalog, Dependent
from migrator.step import SUPERUSER, Blocker, Fact, Facts, NoWayBack, Privilege, Right, Statement, Step
from steps.shared import worker
from steps.shared.before import extension_before, extension_facts, probes_before, setting_facts
from steps.shared.names import PGVECTOR, PROBES, VCHORD
from steps.shared.state import stored_probes

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
        return (*extension_facts(catalog), *setting_facts(catalog))

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
        """Read-only. The setting as it was, and a drop of what was not there before: RESTRICT, as always."""
        too_many = [name for name in (VCHORD, PGVECTOR) if _was_created(catalog, facts, name)]
        drops = [
            Statement(
                f"drop-extension-{name}",
                SQL("DROP EXTENSION {}").format(Identifier(name)),
                "it was not there before; PostgreSQL refuses this while anything uses it",
                Privilege(Right.EXTENSION_OWNER, name),
            )
            for name in too_many
        ]
        setting = _probes_back(catalog, facts)
        return (*worker.probe(catalog), *setting, *drops) if setting or drops else ()

    def check_undo(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. What somebody else uses the extensions for by now; a worker that is gone."""
        too_many = [name for name in (VCHORD, PGVECTOR) if _was_created(catalog, facts, name)]
        used = [d for d in catalog.dependents if d.extension in too_many]
        return (*(_in_use(dependent) for dependent in used), *worker.blockers(catalog))


def _was_created(catalog: Catalog, facts: Facts, name: str) -> bool:
    before = extension_before(facts, name)
    return catalog.extensions[name].version is not None and before is not None and before.get("version") is None


def _in_use(dependent: Dependent) -> Blocker:
    return Blocker(
        what=f"extension {dependent.extension}",
        found=f"it was not there before this run, and {dependent.object} uses it now",
        wanted="nothing else that depends on it",
        fix=(
            "drop or convert what uses it, or leave the extensions where they are:",
            "what comes after this step has been taken back already, and that is a state to stay in",
        ),
    )


def _probes_back(catalog: Catalog, facts: Facts) -> tuple[Statement, ...]:
    known, before = probes_before(facts)
    now = stored_probes(catalog)
    if not known or now == before:
        return ()
    database, owner = Identifier(catalog.database.name), Privilege(Right.DATABASE_OWNER)
    if before is None:
        reset = SQL("ALTER DATABASE {} RESET vchordrq.probes").format(database)
        return (Statement("reset-probes", reset, "it was not set before", owner),)
    put_back = SQL("ALTER DATABASE {} SET vchordrq.probes = {}").format(database, Literal(before))
    return (Statement("set-probes", put_back, "as it was before", owner),)


def _probes_are_set(catalog: Catalog) -> bool:
    return any(s.database == catalog.database.name and s.name == PROBES for s in catalog.stored_settings)
