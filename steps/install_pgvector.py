"""The operator installs pgvector, which provides the type `vector` and stays for good.

Precondition: none. Done when the server offers (or has) a version in the accepted range.
Undone by removing the package.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from migrator.catalog import Catalog
from migrator.step import Actor, Blocker, Facts, Step
from steps.instructions import install_pgvector
from steps.names import PGVECTOR
from steps.options import Options, accepted
from steps.versions import accepts, written


class InstallPgvector(Step):
    """Wait until pgvector is there."""

    key = "install-pgvector"
    title = "install pgvector 0.7 or newer"
    actor: ClassVar[Actor] = Actor.OPERATOR

    def __init__(self, options: Options) -> None:
        self._options = options

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when an accepted version is offered, and the created one, if any, is accepted too."""
        extension, ranges = catalog.extensions[PGVECTOR], accepted(catalog, self._options).pgvector
        return accepts(ranges, extension.offered) and (extension.version is None or accepts(ranges, extension.version))

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. Say what is offered, what is wanted and how to get there."""
        extension, ranges = catalog.extensions[PGVECTOR], accepted(catalog, self._options).pgvector
        if accepts(ranges, extension.offered):
            return (
                Blocker(
                    what=self.title,
                    found=f"pgvector {extension.offered} is installed, this database still has {extension.version}",
                    wanted=f"pgvector {written(ranges)}",
                    fix=("as a superuser: ALTER EXTENSION vector UPDATE;",),
                    kind="operator",
                    who="DBA",
                ),
            )
        offered = extension.offered
        return (
            Blocker(
                what=self.title,
                found='PostgreSQL offers no extension "vector"' if offered is None else f"pgvector {offered}",
                wanted=f"pgvector {written(ranges)}",
                fix=install_pgvector(catalog, self._options.environment),
                kind="operator",
            ),
        )
