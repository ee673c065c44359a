"""The operator uninstalls pgvecto.rs. From here there is no way back without its package.

Precondition: it is no longer loaded. Done when the server no longer offers extension vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from migrator.catalog import Catalog
from migrator.step import Actor, Blocker, Fact, Facts, NoWayBack, Statement, Step
from steps.advice.instructions import put_pgvectors_back, uninstall_pgvectors
from steps.shared import other_databases
from steps.shared.before import extension_before, extension_facts
from steps.shared.names import PGVECTORS
from steps.shared.options import Options


class UninstallPgvectors(Step):
    """Wait until pgvecto.rs is gone from the machine."""

    key = "uninstall-pgvectors"
    title = "uninstall pgvecto.rs"
    actor: ClassVar[Actor] = Actor.OPERATOR
    point_of_no_return: ClassVar[str | None] = "the way back to pgvecto.rs ends when its package is removed"

    def __init__(self, options: Options | None = None) -> None:
        self._options = options or Options()

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when the server no longer offers the extension."""
        return catalog.extensions[PGVECTORS].offered is None

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. An operator's task, as soon as no other database needs the library."""
        if needed := other_databases.blockers(catalog, self._options):
            return needed
        return (
            Blocker(
                what=self.title,
                found=f"pgvecto.rs {catalog.extensions[PGVECTORS].offered} is still installed, and no longer used",
                wanted="the package removed; pgvector stays",
                fix=uninstall_pgvectors(catalog, self._options.environment),
                kind="operator",
            ),
        )

    def record(self, catalog: Catalog) -> Sequence[Fact]:
        """Read-only. What was offered before."""
        return extension_facts(catalog)

    def undo(self, catalog: Catalog, facts: Facts) -> Sequence[Statement] | NoWayBack:
        """Read-only. Only the operator can bring the library back; while it is there, nothing is to do."""
        before = extension_before(facts, PGVECTORS)
        if catalog.extensions[PGVECTORS].offered is not None or (before is not None and before.get("offered") is None):
            return ()
        release = str((before or {}).get("version") or "of the release that was there")
        return NoWayBack(
            "the library of pgvecto.rs is no longer installed",
            fix=put_pgvectors_back(catalog, release, self._options.environment),
        )
