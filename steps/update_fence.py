"""Immich's start-up lock during an update: an Immich that starts midway would drop both indexes and update by itself.

Held from the first change to the last proof, by this session only; a kill lets go of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from migrator.catalog import Catalog
from migrator.locks import is_mine
from migrator.step import Fact, Facts
from steps.keep_immich_out import KeepImmichOut
from steps.let_immich_in import LetImmichIn
from steps.names import IMMICH_STARTUP_LOCK, PGVECTOR, VCHORD
from steps.update_state import UPDATE, is_behind, is_finished
from steps.vchord_formats import format_of


class KeepImmichOutOfUpdate(KeepImmichOut):
    """Take the lock that Immich takes first when it starts."""

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True while this session holds the lock, or when nothing is left to change."""
        return is_mine(catalog, IMMICH_STARTUP_LOCK) or is_finished(catalog, facts)

    def record(self, catalog: Catalog) -> Sequence[Fact]:
        """Read-only. From which release and format to which: here, since a DBA may be the one who updates."""
        extension = catalog.extensions[VCHORD]
        if not is_behind(catalog, VCHORD):
            return ()
        update = {
            "from": extension.version,
            "to": extension.offered,
            "format_before": format_of(extension.version),
            "format_after": format_of(extension.offered),
            "pgvector_before": catalog.extensions[PGVECTOR].version,
        }
        return (Fact(UPDATE, update),)


class LetImmichInAfterUpdate(LetImmichIn):
    """Release the lock."""

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when nothing is left to change and this session does not hold the lock."""
        return not is_mine(catalog, IMMICH_STARTUP_LOCK) and is_finished(catalog, facts)
