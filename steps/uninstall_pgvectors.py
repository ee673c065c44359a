"""The operator uninstalls pgvecto.rs. From here there is no way back without its package.

Precondition: it is no longer loaded. Done when the server no longer offers extension vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from migrator.catalog import Catalog
from migrator.step import Actor, Blocker, Facts, NoWayBack, Statement, Step
from steps.advice.instructions import uninstall_pgvectors
from steps.shared import other_databases
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

    def undo(self, catalog: Catalog, facts: Facts) -> Sequence[Statement] | NoWayBack:
        """Read-only. Only the operator could bring the package back."""
        return NoWayBack("the package of pgvecto.rs has to be installed again by the operator")
