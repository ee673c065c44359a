"""pgvecto.rs is still installed and loaded, as long as a column or an index needs it.

Precondition: none. Effect: none, it only looks. Done when no column uses pgvecto.rs's types, or its library is offered
and was preloaded. Nothing to undo, no lock, no time.
"""

from __future__ import annotations

from collections.abc import Sequence

from migrator.catalog import Catalog
from migrator.step import Blocker, Facts, Step
from steps.advice.instructions import put_pgvectors_back, restart
from steps.shared import worker
from steps.shared.names import PGVECTORS
from steps.shared.options import Options, accepted
from steps.shared.preload import edit_by_hand, in_force, merged
from steps.shared.state import is_loaded, needs_pgvectors
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
        found: list[Blocker] = []
        if extension.offered is None:
            found.append(
                Blocker(
                    what="library of pgvecto.rs",
                    found=f"extension vectors {extension.version} is in the catalog, this server no longer offers it "
                    '(could not access file "$libdir/vectors")',
                    wanted=f"vectors.so of pgvecto.rs {extension.version} on the server",
                    fix=(
                        f"put the image or package with pgvecto.rs {extension.version} back; the data is intact:",
                        *put_pgvectors_back(catalog, extension.version or "", self._options.environment),
                    ),
                )
            )
        elif not is_loaded(catalog, PGVECTORS):
            found.append(
                Blocker(
                    what="library of pgvecto.rs",
                    found=f"offered, but not preloaded (shared_preload_libraries = '{', '.join(in_force(catalog))}'; "
                    "pgvecto.rs must be loaded via shared_preload_libraries)",
                    wanted="vectors.so in shared_preload_libraries until the migration is done",
                    fix=(
                        "add vectors.so to shared_preload_libraries, restart PostgreSQL:",
                        *edit_by_hand(catalog, merged(catalog, (PGVECTORS,)), "", self._options.environment).fix,
                        *restart(catalog, self._options.environment),
                    ),
                    kind="operator",
                )
            )
        elif extension.version != extension.offered:
            found.append(
                Blocker(
                    what="version of pgvecto.rs",
                    found=f"library {extension.offered}, catalog {extension.version}",
                    wanted="the same version in both",
                    fix=(f"put the library of pgvecto.rs {extension.version} back, restart PostgreSQL",),
                )
            )
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
