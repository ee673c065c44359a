"""The operator restarts the server, so that the new library is the one in use.

Precondition: the library is installed and in the preload list. Done when the loaded library can be of the offered
release: its settings tell the series up to 0.5 to everyone, and a superuser sees whether the file is younger than the
server. Between releases of one series, and from 0.5 to 1.x, an ordinary role sees no difference and is not asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from migrator.catalog import Catalog
from migrator.step import Actor, Blocker, Facts, Step
from steps.advice.instructions import restart
from steps.content.update_observations import library_is_newer
from steps.shared.names import VCHORD
from steps.shared.options import Options
from steps.shared.state import is_loaded
from steps.shared.vchord_formats import looks_like


class RestartForUpdate(Step):
    """Wait for the restart."""

    key = "restart-for-update"
    title = "restart PostgreSQL"
    actor: ClassVar[Actor] = Actor.OPERATOR
    wants_restart: ClassVar[bool] = True

    def __init__(self, options: Options) -> None:
        self._options = options

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when the library in use can be the one that is installed."""
        return looks_like(catalog, catalog.extensions[VCHORD].offered) and not library_is_newer(catalog)

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. Say what is loaded, and what the files promise."""
        offered = catalog.extensions[VCHORD].offered
        if is_loaded(catalog, VCHORD) and library_is_newer(catalog) is False:
            return (
                Blocker(
                    what="VectorChord's files",
                    found=f"vchord.control promises {offered}, vchord.so is of another release",
                    wanted="library, control file and scripts of one release",
                    fix=(f"install VectorChord {offered} again, whole, then restart PostgreSQL",),
                ),
            )
        what = "an older VectorChord" if is_loaded(catalog, VCHORD) else "no VectorChord"
        return (
            Blocker(
                what=self.title,
                found=f"the running server has loaded {what}",
                wanted=f"VectorChord {offered} loaded",
                fix=restart(catalog, self._options.environment),
                kind="operator",
            ),
        )
