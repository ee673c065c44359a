"""The operator restarts PostgreSQL, so that pgvecto.rs and its worker are gone from it.

Precondition: the files no longer name vectors.so. Done when the running server was started without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from migrator.catalog import Catalog
from migrator.step import Actor, Blocker, Facts, Step
from steps.advice.instructions import restart
from steps.shared import preload
from steps.shared.names import PGVECTORS
from steps.shared.options import Options
from steps.shared.state import is_loaded


class RestartWithoutPgvectors(Step):
    """Wait until pgvecto.rs is no longer loaded."""

    key = "restart-without-pgvectors"
    title = "restart PostgreSQL without pgvecto.rs"
    actor: ClassVar[Actor] = Actor.OPERATOR
    wants_restart: ClassVar[bool] = True

    def __init__(self, options: Options | None = None) -> None:
        self._options = options or Options()

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when the running server neither lists nor has pgvecto.rs."""
        return not is_loaded(catalog, PGVECTORS) and PGVECTORS not in preload.names(preload.in_force(catalog))

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. An operator's task."""
        return (
            Blocker(
                what=self.title,
                found=f"the running server still has vectors.so loaded{preload.not_yet_in_force(catalog)}",
                wanted="a restart (a reload is not enough)",
                fix=restart(catalog, self._options.environment),
                kind="operator",
            ),
        )

    def is_undone(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when pgvecto.rs is loaded exactly where the list for the next start has it."""
        return is_loaded(catalog, PGVECTORS) is not preload.will_lack(catalog, PGVECTORS)

    def check_undo(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. An operator's task."""
        return (preload.restart_to(catalog, "with vectors.so", restart(catalog, self._options.environment)),)
