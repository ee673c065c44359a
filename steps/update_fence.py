"""Immich's start-up lock during an update: an Immich that starts midway would drop both indexes and update by itself.

Held from the first change to the last proof, by this session only; a kill lets go of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from migrator.catalog import Catalog
from migrator.step import Fact
from steps.keep_immich_out import KeepImmichOut
from steps.shared.names import PGVECTOR, VCHORD
from steps.shared.options import Options
from steps.shared.update_state import UPDATE, is_behind, is_finished
from steps.shared.vchord_formats import format_of


class KeepImmichOutOfUpdate(KeepImmichOut):
    """Take the lock that Immich takes first when it starts."""

    def __init__(self, options: Options) -> None:
        super().__init__(options, finished=is_finished)

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
