"""`shared_preload_libraries` names vchord.so and, while it is needed, vectors.so; other libraries stay in it.

Precondition: VectorChord's library is on disk (a listed library that is missing keeps PostgreSQL from starting).
Effect: ALTER SYSTEM, merged, never followed by a reload; or an edit by the operator. Done when the running server or
its files name both. Undone by writing the list recorded before. No lock; in force after the restart of the next step.
"""

from __future__ import annotations

from collections.abc import Sequence

from migrator.catalog import Catalog
from migrator.step import Blocker, Fact, Facts, NoWayBack, Statement, Step
from steps.shared import preload, preload_back
from steps.shared.before import preload_facts
from steps.shared.names import PGVECTORS, VCHORD
from steps.shared.options import Options
from steps.shared.state import needs_pgvectors


class PreloadBothLibraries(Step):
    """Have both libraries loaded at the next start."""

    key = "preload-both-libraries"
    title = "preload vchord.so beside vectors.so"
    lasting = False  # a later step takes vectors.so out again, and the operator owns the file

    def __init__(self, options: Options) -> None:
        self._options = options

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when the running server or its files name what is needed."""
        return preload.will_have(catalog, *_needed(catalog))

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. An operator's task where ALTER SYSTEM would not decide the value, or is not wanted."""
        if self._options.alter_system and preload.may_alter_system(catalog, (VCHORD,), self._options.environment):
            return ()
        return (
            preload.edit_by_hand(
                catalog, preload.merged(catalog, _needed(catalog)), self.title, self._options.environment
            ),
        )

    def record(self, catalog: Catalog) -> Sequence[Fact]:
        """Read-only. The list as it was, for the way back."""
        return preload_facts(catalog)

    def plan(self, catalog: Catalog, facts: Facts) -> Sequence[Statement]:
        """Read-only. One ALTER SYSTEM with the merged list."""
        elements = preload.merged(catalog, _needed(catalog))
        if not preload.may_alter_system(catalog, elements, self._options.environment):
            return ()  # the operator edits it: see check
        return (preload.alter_system(elements),)

    def undo(self, catalog: Catalog, facts: Facts) -> Sequence[Statement] | NoWayBack:
        """Read-only. Take vchord.so out of the list again, where it was not in it."""
        return preload_back.without_vectorchord(catalog, facts)

    def check_undo(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. Other databases that use VectorChord; an operator's task as on the way there."""
        return preload_back.blockers_without_vectorchord(catalog, facts, self._options)


def _needed(catalog: Catalog) -> tuple[str, ...]:
    return (VCHORD, PGVECTORS) if needs_pgvectors(catalog) else (VCHORD,)
