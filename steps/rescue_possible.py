"""Looks whether the rescue can be done here at all: a superuser, an extension that is known, nobody else's columns.

Precondition: none. Effect: none, it only looks. Done when nothing is in the way. The functions of the rescue are
written in C and in PostgreSQL's own code, which only a superuser may create; another role hands a DBA the script.
"""

from __future__ import annotations

from collections.abc import Sequence

from migrator.catalog import Catalog
from migrator.step import Blocker, Facts, Step
from steps.shared import dependents
from steps.shared.handler import handler_of
from steps.shared.names import PGVECTORS, TABLES
from steps.shared.old_library import MANAGED, trouble
from steps.shared.options import Options


class RescuePossible(Step):
    """Look whether the rescue will come through."""

    key = "rescue-possible"
    title = "the rescue is possible here"

    def __init__(self, options: Options) -> None:
        self._options = options

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when nothing is in the way."""
        return not self.check(catalog, facts)

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. A managed service, an extension of another kind, whatever else uses pgvecto.rs's types."""
        if catalog.extensions[PGVECTORS].version is None:
            return ()
        converted = (*TABLES, *self._options.include)
        foreign = [u for u in dependents.users_of(catalog) if not dependents.is_converted_along(catalog, u, converted)]
        return (
            *_managed(catalog),
            *_unknown_extension(catalog),
            *(dependents.blocker(catalog, "drop extension vectors", user) for user in foreign),
        )


def _managed(catalog: Catalog) -> tuple[Blocker, ...]:
    answer = catalog.observed.get(MANAGED.name)
    if catalog.role.superuser or answer is None or not answer.rows:
        return ()
    return (
        Blocker(
            what="rights",
            found=f'a managed service (it has the role "{answer.value}"), where nobody is a superuser',
            wanted="a superuser: the rescue makes functions in C and in PostgreSQL's own code",
            fix=("bring a file-level copy of the data to a server of your own, and rescue it there",),
            who="nobody",
        ),
    )


def _unknown_extension(catalog: Catalog) -> tuple[Blocker, ...]:
    extension = catalog.extensions[PGVECTORS]
    if trouble(catalog) is None or (extension.schema == PGVECTORS and handler_of(catalog) is not None):
        return ()
    return (
        Blocker(
            what="extension vectors",
            found=f"{extension.version}, in schema {extension.schema}",
            wanted="pgvecto.rs 0.2 or 0.3, in schema vectors; the types of an older one stand where pgvector's belong",
            fix=(f"put the image or package with pgvecto.rs {extension.version} back",),
        ),
    )
