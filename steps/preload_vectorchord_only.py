"""Takes vectors.so out of `shared_preload_libraries`; everything else stays in it.

Precondition: extension and schema are gone from this database. Effect: ALTER SYSTEM, merged, never followed by a
reload; or an edit by the operator. Done when the list that counts at the next start lacks it. Undone by
putting it back. A library that is listed but no longer on disk keeps PostgreSQL from starting: so this comes before
the uninstall.
"""

from __future__ import annotations

from collections.abc import Sequence

from migrator.catalog import Catalog
from migrator.step import Blocker, Fact, Facts, NoWayBack, Statement, Step
from steps.shared import other_databases, preload, preload_back
from steps.shared.before import preload_facts
from steps.shared.names import PGVECTORS, VCHORD
from steps.shared.options import Options


class PreloadVectorchordOnly(Step):
    """Have pgvecto.rs no longer loaded at the next start."""

    key = "preload-vectorchord-only"
    lasting = False  # the operator owns the file

    def __init__(self, options: Options, *, brings_vectorchord: bool = False) -> None:
        self._options, self._brings_vectorchord = options, brings_vectorchord
        self.title = "preload vchord.so" if brings_vectorchord else "take vectors.so out of the preload list"

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when the list that counts at the next start has vchord and lacks vectors."""
        return preload.will_have(catalog, VCHORD) and preload.will_lack(catalog, PGVECTORS)

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. Other databases that need pgvecto.rs; an operator's task where ALTER SYSTEM does not decide."""
        needed = () if preload.will_lack(catalog, PGVECTORS) else other_databases.blockers(catalog, self._options)
        if needed:
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
        """Read-only. Put vectors.so back; or take vchord.so out, on the paths where this step brought it in."""
        if self._brings_vectorchord:
            return preload_back.without_vectorchord(catalog, facts)
        return preload_back.with_pgvectors(catalog, facts)

    def check_undo(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. Other databases that use VectorChord; an operator's task as on the way there."""
        if self._brings_vectorchord:
            return preload_back.blockers_without_vectorchord(catalog, facts, self._options)
        return preload_back.blockers_with_pgvectors(catalog, facts, self._options)


def _list(catalog: Catalog) -> tuple[str, ...]:
    return preload.merged(catalog, (VCHORD,), remove=(PGVECTORS,))
