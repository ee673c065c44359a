"""The operator installs pgvector, which provides the type `vector` and stays for good.

Precondition: none. Done when the server offers a version in the accepted range.
Undone by removing the package.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from migrator.catalog import Catalog
from migrator.step import Actor, Blocker, Facts, Step
from steps.advice.instructions import install_pgvector
from steps.shared.names import PGVECTOR
from steps.shared.options import Options, accepted
from steps.shared.versions import accepts, written


class InstallPgvector(Step):
    """Wait until pgvector is there."""

    key = "install-pgvector"
    title = "install pgvector 0.7 or newer"
    actor: ClassVar[Actor] = Actor.OPERATOR

    def __init__(self, options: Options) -> None:
        self._options = options

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when an accepted version is offered."""
        return accepts(accepted(catalog, self._options).pgvector, catalog.extensions[PGVECTOR].offered)

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. Say what is offered, what is wanted and how to get there."""
        offered, ranges = catalog.extensions[PGVECTOR].offered, accepted(catalog, self._options).pgvector
        return (
            Blocker(
                what=self.title,
                found='PostgreSQL offers no extension "vector"' if offered is None else f"pgvector {offered}",
                wanted=f"pgvector {written(ranges)}",
                fix=install_pgvector(catalog, self._options.environment),
                kind="operator",
            ),
        )
