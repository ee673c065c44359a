"""The operator installs VectorChord's library beside pgvecto.rs's.

Precondition: none. Done when the server offers (or has) a version that the Immich release to come accepts. Undone by
removing the package.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from migrator.catalog import Catalog
from migrator.step import Actor, Blocker, Facts, Step
from steps.advice.instructions import install_vectorchord
from steps.shared.names import VCHORD
from steps.shared.options import Options, accepted
from steps.shared.versions import TABLE, accepts, written


class InstallVectorchord(Step):
    """Wait until VectorChord is there."""

    key = "install-vectorchord"
    title = "install VectorChord"
    actor: ClassVar[Actor] = Actor.OPERATOR

    def __init__(self, options: Options) -> None:
        self._options = options

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when the server offers an accepted version."""
        return accepts(accepted(catalog, self._options).vchord, catalog.extensions[VCHORD].offered)

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. Say what is offered, what is wanted and how to get there."""
        row, offered = accepted(catalog, self._options), catalog.extensions[VCHORD].offered
        return (
            Blocker(
                what=self.title,
                found='PostgreSQL offers no extension "vchord"' if offered is None else f"VectorChord {offered}",
                wanted=f"VectorChord {written(row.vchord)} (Immich {written(row.immich)}) "
                f"for PostgreSQL {catalog.server.version_num // 10000}",
                fix=(*_other_releases(offered), *install_vectorchord(catalog, row, self._options.environment)),
                kind="operator",
            ),
        )


def _other_releases(offered: str | None) -> tuple[str, ...]:
    """Return the Immich releases that accept what is offered: often one of them is the one to be started."""
    fitting = [written(row.immich) for row in TABLE if accepts(row.vchord, offered)]
    if not fitting:
        return ()
    return (f"VectorChord {offered} fits Immich {' or '.join(fitting)}; to start that: add --target-immich VERSION",)
