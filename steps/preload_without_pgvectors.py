"""Takes vectors.so out of `shared_preload_libraries` before its library goes; everything else stays in it.

A library that is listed but not on disk keeps PostgreSQL from starting, the new image's included where the list lies in
the data directory. VectorChord is not listed yet for the same reason. Precondition: nothing uses pgvecto.rs any more.
Effect: ALTER SYSTEM, merged, never followed by a reload; or an edit by the operator. Done when the list that counts at
the next start lacks it. Undone by putting it back.
"""

from __future__ import annotations

from collections.abc import Sequence

from migrator.catalog import Catalog
from migrator.step import Blocker, Fact, Facts, NoWayBack, Statement, Step
from steps.shared import other_databases, preload, preload_back
from steps.shared.before import preload_facts
from steps.shared.names import PGVECTORS
from steps.shared.options import Options


class PreloadWithoutPgvectors(Step):
    """Have pgvecto.rs no longer looked for at the next start."""

    key = "preload-without-pgvectors"
    title = "take vectors.so out of the preload list"
    lasting = False  # the operator owns the file

    def __init__(self, options: Options) -> None:
        self._options = options

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when the list that counts at the next start lacks vectors, or is not ours to see."""
        return preload.will_lack(catalog, PGVECTORS) or not preload.is_listed_in_a_file(catalog)

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. Other databases that need pgvecto.rs; an operator's task where ALTER SYSTEM does not decide."""
        if needed := other_databases.blockers(catalog, self._options):
            return needed
        if self._options.alter_system and preload.may_alter_system(catalog, _list(catalog), self._options.environment):
            return ()
        return (preload.edit_by_hand(catalog, _list(catalog), self.title, self._options.environment),)

    def plan(self, catalog: Catalog, facts: Facts) -> Sequence[Statement]:
        """Read-only. One ALTER SYSTEM with the rest of the list."""
        elements = _list(catalog)
        if not preload.may_alter_system(catalog, elements, self._options.environment):
            return ()  # the operator edits it: see check
        return (preload.alter_system(elements),)

    def record(self, catalog: Catalog) -> Sequence[Fact]:
        """Read-only. The list as it was, for the way back."""
        return preload_facts(catalog)

    def undo(self, catalog: Catalog, facts: Facts) -> Sequence[Statement] | NoWayBack:
        """Read-only. Put vectors.so back, where it was in it."""
        return preload_back.with_pgvectors(catalog, facts)

    def check_undo(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. An operator's task, as on the way there."""
        return preload_back.blockers_with_pgvectors(catalog, facts, self._options)


def _list(catalog: Catalog) -> tuple[str, ...]:
    return preload.merged(catalog, (), remove=(PGVECTORS,))
