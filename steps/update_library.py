"""The operator has installed a newer VectorChord.

Precondition: none. Done when the server offers a release that the Immich to come accepts and that is not older than the
one in the catalog, and preloads it at the next start. There are no scripts to an older release: put the newer one back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from migrator.catalog import Catalog
from migrator.step import Actor, Blocker, Facts, Step
from steps.advice.instructions import install_vectorchord
from steps.shared import preload
from steps.shared.names import VCHORD
from steps.shared.options import Options, accepted
from steps.shared.state import is_loaded
from steps.shared.vchord_formats import is_newer
from steps.shared.versions import accepts, written


class NewLibraryInstalled(Step):
    """Look at the release that is offered."""

    key = "new-library-installed"
    title = "a newer VectorChord is installed"
    actor: ClassVar[Actor] = Actor.OPERATOR

    def __init__(self, options: Options) -> None:
        self._options = options

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when the offered release is in use, or newer, accepted and preloaded."""
        extension = catalog.extensions[VCHORD]
        if extension.offered is None or not _is_preloaded(catalog):
            return False
        if extension.offered == extension.version:
            return True
        ranges = accepted(catalog, self._options).vchord
        return is_newer(extension.offered, extension.version) and accepts(ranges, extension.offered)

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. Say what is offered, what is wanted and how to get there."""
        extension, row = catalog.extensions[VCHORD], accepted(catalog, self._options)
        if extension.offered is None:
            return (
                Blocker(
                    what=self.title,
                    found=f'VectorChord {extension.version} is in the catalog, PostgreSQL offers no extension "vchord"',
                    wanted=f"VectorChord {extension.version} or newer, {written(row.vchord)}",
                    fix=install_vectorchord(catalog, row, self._options.environment),
                    kind="operator",
                ),
            )
        found: list[Blocker] = []
        if is_newer(extension.version, extension.offered):
            found.append(
                Blocker(
                    what="release of VectorChord",
                    found=f"this database has VectorChord {extension.version} activated, PostgreSQL offers only "
                    f"{extension.offered}",
                    wanted=f"VectorChord {extension.version} or newer: there is no way to an older one",
                    fix=(f"put the package or image with VectorChord {extension.version} back, restart PostgreSQL",),
                )
            )
        elif extension.offered != extension.version and not accepts(row.vchord, extension.offered):
            found.append(
                Blocker(
                    what="release of VectorChord",
                    found=f"VectorChord {extension.offered} is installed",
                    wanted=f"VectorChord {written(row.vchord)}: Immich {written(row.immich)} accepts nothing else",
                    fix=(
                        "if another release of Immich will be started afterwards, name it: --target-immich VERSION",
                        f"otherwise put VectorChord {extension.version} back, restart PostgreSQL",
                    ),
                )
            )
        if not _is_preloaded(catalog):
            wanted = preload.merged(catalog, (VCHORD,))
            found.append(preload.edit_by_hand(catalog, wanted, "preload vchord.so", self._options.environment))
        return tuple(found)


def _is_preloaded(catalog: Catalog) -> bool:
    return is_loaded(catalog, VCHORD) or preload.will_have(catalog, VCHORD)
