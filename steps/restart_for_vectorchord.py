"""The operator restarts PostgreSQL, so that it loads VectorChord.

Precondition: the files name vchord.so. Done when the running server has VectorChord's settings, which exist only where
the library was preloaded. A reload does not do it, and harms pgvecto.rs 0.2.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from migrator.catalog import Catalog
from migrator.step import Actor, Blocker, Facts, Step
from steps.advice.instructions import restart
from steps.shared import preload
from steps.shared.names import VCHORD
from steps.shared.options import Options
from steps.shared.state import is_loaded


class RestartForVectorchord(Step):
    """Wait until VectorChord is loaded."""

    key = "restart-for-vectorchord"
    title = "restart PostgreSQL"
    actor: ClassVar[Actor] = Actor.OPERATOR
    wants_restart: ClassVar[bool] = True

    def __init__(self, options: Options | None = None) -> None:
        self._options = options or Options()

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when VectorChord's settings exist."""
        return is_loaded(catalog, VCHORD)

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. An operator's task."""
        return (
            Blocker(
                what=self.title,
                found=f"the running server was started without vchord.so{preload.not_yet_in_force(catalog)}",
                wanted="a restart (a reload is not enough)",
                fix=restart(catalog, self._options.environment),
                kind="operator",
            ),
        )

    def is_undone(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when VectorChord is loaded exactly where the list for the next start has it."""
        return is_loaded(catalog, VCHORD) is not preload.will_lack(catalog, VCHORD)

    def check_undo(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. An operator's task."""
        return (preload.restart_to(catalog, "without vchord.so", restart(catalog, self._options.environment)),)
