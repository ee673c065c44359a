"""pgvecto.rs is still installed and loaded, as long as a column or an index needs it.

Precondition: none. Effect: none, it only looks. Done when no column uses pgvecto.rs's types, or its library is offered
and was preloaded. Nothing to undo, no lock, no time.
"""

from __future__ import annotations

from collections.abc import Sequence

from migrator.catalog import Catalog
from migrator.step import Blocker, Facts, Step
from steps.shared import old_library, worker
from steps.shared.names import PGVECTORS
from steps.shared.options import Options, accepted
from steps.shared.state import needs_pgvectors
from steps.shared.versions import accepts, written


class PgvectorsInstalled(Step):
    """Look whether the data can still be read."""

    key = "pgvectors-installed"
    title = "pgvecto.rs is still installed"

    def __init__(self, options: Options) -> None:
        self._options = options

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when pgvecto.rs can do its part, or has none any more."""
        return not needs_pgvectors(catalog) or not self.check(catalog, facts)

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. Name everything that keeps pgvecto.rs from reading its own data."""
        extension = catalog.extensions[PGVECTORS]
        found = old_library.blockers(catalog, self._options)
        ranges = accepted(catalog, self._options).pgvectors
        if extension.version and ranges is not None and not accepts(ranges, extension.version):
            found.append(
                Blocker(
                    what="version of pgvecto.rs",
                    found=extension.version,
                    wanted=written(ranges),
                    fix=("upgrade pgvecto.rs as its documentation says, then run the same command again",),
                )
            )
        return (*found, *worker.blockers(catalog))
