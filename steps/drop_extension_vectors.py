"""Drops extension vectors, once nothing uses it. Never with CASCADE: RESTRICT refuses while a column depends on it.

Precondition: no object outside the extension depends on it. Effect: catalog changes only. Done when the extension is
gone. Undone by creating it again while its library is installed. About a second, no lock on Immich's tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from psycopg.sql import SQL

from migrator.catalog import Catalog
from migrator.step import SUPERUSER, Blocker, Fact, Facts, Json, NoWayBack, Privilege, Right, Statement, Step
from steps.advice.instructions import put_pgvectors_back, restart
from steps.shared import dependents, preload, worker
from steps.shared.before import extension_before, extension_facts
from steps.shared.names import PGVECTORS
from steps.shared.options import Options
from steps.shared.state import is_loaded


class DropExtensionVectors(Step):
    """Drop the extension."""

    key = "drop-extension-vectors"
    title = "drop extension vectors"

    def __init__(self, options: Options | None = None) -> None:
        self._options = options or Options()

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when the extension is not in the catalog."""
        return catalog.extensions[PGVECTORS].version is None

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. Name everything that still depends on the extension."""
        blockers = [dependents.blocker(catalog, self.title, user) for user in dependents.users_of(catalog)]
        return (*blockers, *worker.blockers(catalog))

    def plan(self, catalog: Catalog, facts: Facts) -> Sequence[Statement]:
        """Read-only. A plain DROP, which refuses rather than takes anything along."""
        return (
            *worker.probe(catalog),
            Statement(
                "drop-extension",
                SQL("DROP EXTENSION vectors"),
                "PostgreSQL refuses this while any column still uses its types",
                Privilege(Right.EXTENSION_OWNER, PGVECTORS),
            ),
        )

    def record(self, catalog: Catalog) -> Sequence[Fact]:
        """Read-only. The release that was there."""
        return extension_facts(catalog)

    def undo(self, catalog: Catalog, facts: Facts) -> Sequence[Statement] | NoWayBack:
        """Read-only. Create it again, while its library is still installed, in the release that was there."""
        extension, before = catalog.extensions[PGVECTORS], extension_before(facts, PGVECTORS)
        if extension.version is not None or before is None or before.get("version") is None:
            return ()
        if before.get("offered") is None:
            return NoWayBack("the library of pgvecto.rs was not there either when this run began", always=True)
        if extension.offered is None:
            return NoWayBack("the library of pgvecto.rs is no longer installed", fix=self._put_back(catalog, before))
        if extension.offered != before.get("version"):
            return NoWayBack(
                f"pgvecto.rs was {before.get('version')}, and PostgreSQL offers {extension.offered}",
                fix=self._put_back(catalog, before),
            )
        create = Statement("create-extension", SQL("CREATE EXTENSION vectors"), "as it was before", SUPERUSER)
        return (*worker.probe(catalog), create)

    def check_undo(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. A library that is not loaded yet; a worker that is gone."""
        return worker.blockers(catalog) if is_loaded(catalog, PGVECTORS) else (self._not_loaded(catalog),)

    def _not_loaded(self, catalog: Catalog) -> Blocker:
        wanted = "vectors.so preloaded, as pgvecto.rs asks for"
        if not preload.will_have(catalog, PGVECTORS):
            elements = preload.merged(catalog, (PGVECTORS,))
            return preload.edit_by_hand(catalog, elements, wanted, self._options.environment)
        return preload.restart_to(catalog, "with vectors.so", restart(catalog, self._options.environment))

    def _put_back(self, catalog: Catalog, before: Mapping[str, Json]) -> tuple[str, ...]:
        return put_pgvectors_back(catalog, str(before.get("version")), self._options.environment)
