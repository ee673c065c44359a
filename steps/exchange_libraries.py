"""The operator removes pgvecto.rs and installs VectorChord, by packages or by exchanging the whole image.

The server may be away for minutes and comes back with the same data directory; it is waited for. Precondition: no
column uses pgvecto.rs's types. Done when the server offers an accepted VectorChord and pgvecto.rs no more. From here
there is no way back without pgvecto.rs's package.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from migrator.catalog import Catalog
from migrator.step import Actor, Blocker, Fact, Facts, NoWayBack, Statement, Step
from steps.advice.instructions import exchange_libraries, put_pgvectors_back
from steps.shared import other_databases, preload
from steps.shared.before import extension_before, extension_facts
from steps.shared.names import PGVECTORS, VCHORD
from steps.shared.options import Options, accepted
from steps.shared.state import is_loaded
from steps.shared.versions import accepts, written


class ExchangeLibraries(Step):
    """Wait until the libraries are exchanged."""

    key = "exchange-libraries"
    title = "remove pgvecto.rs, install VectorChord"
    actor: ClassVar[Actor] = Actor.OPERATOR
    point_of_no_return: ClassVar[str | None] = "the way back to pgvecto.rs ends when its library is removed"

    def __init__(self, options: Options) -> None:
        self._options = options

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when VectorChord is offered in an accepted version and pgvecto.rs is not."""
        offered = accepts(accepted(catalog, self._options).vchord, catalog.extensions[VCHORD].offered)
        return offered and catalog.extensions[PGVECTORS].offered is None

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. Other databases that need pgvecto.rs; then what is offered, what is wanted, how to get there."""
        if needed := other_databases.blockers(catalog, self._options):
            return needed
        row = accepted(catalog, self._options)
        old, new = catalog.extensions[PGVECTORS].offered, catalog.extensions[VCHORD].offered
        return (
            Blocker(
                what=self.title,
                found=f"pgvecto.rs {old or 'removed'}, VectorChord {new or 'not installed'}",
                wanted=f"VectorChord {written(row.vchord)} for PostgreSQL {catalog.server.version_num // 10000}, "
                "pgvecto.rs removed",
                fix=(*_preload(catalog), *exchange_libraries(catalog, row, self._options.environment)),
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


def _preload(catalog: Catalog) -> tuple[str, ...]:
    """Return what to do about the preload list where it was not done by a step before, since nobody here can see it."""
    if preload.is_listed_in_a_file(catalog) or not is_loaded(catalog, PGVECTORS):
        return ()
    wanted = ", ".join(preload.merged(catalog, (VCHORD,), remove=(PGVECTORS,)))
    return (
        f"wherever it is set: shared_preload_libraries = '{wanted}', with whatever else is in it",
        "(PostgreSQL does not start while vectors.so is listed and gone)",
    )
