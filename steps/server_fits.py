"""The server and the role are such that the path can be walked to its end at all.

Precondition: none. Effect: none, it only looks. Done when the Immich release to come takes this PostgreSQL, and the
role may act as the owner of Immich's tables: no DBA could do in its place what has to be measured and proven.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from psycopg.sql import SQL, Identifier

from migrator.catalog import Catalog, Column
from migrator.step import Blocker, Facts, Step
from steps.shared.names import TABLES
from steps.shared.options import Options, accepted
from steps.shared.state import column_of
from steps.shared.versions import accepts, releases_for_postgres, written


class ServerFits(Step):
    """Look whether PostgreSQL and the role will do."""

    key = "server-fits"
    title = "PostgreSQL and the role fit"

    def __init__(self, options: Options) -> None:
        self._options = options

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when nothing is in the way."""
        return not self.check(catalog, facts)

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. Name a PostgreSQL that Immich will not take, and a role that is not the tables' owner."""
        return (*self._postgres(catalog), *_rights(catalog))

    def _postgres(self, catalog: Catalog) -> Iterator[Blocker]:
        row, major = accepted(catalog, self._options), catalog.server.version_num // 10000
        if accepts(row.postgres, str(major)):
            return
        releases = releases_for_postgres(major)
        ways = [
            "move the data to such a PostgreSQL first, with pg_dump and a restore",
            *([f"or start Immich {' or '.join(releases)} afterwards: add --target-immich VERSION"] if releases else []),
        ]
        yield Blocker(
            what="PostgreSQL version",
            found=catalog.server.version.split()[0],
            wanted=f"PostgreSQL {written(row.postgres)} (Immich {written(row.immich)})",
            fix=tuple(ways),
        )


def _rights(catalog: Catalog) -> Iterator[Blocker]:
    foreign = [c for table in TABLES if (c := column_of(catalog, table)) is not None and not _may_change(catalog, c)]
    if not foreign:
        return
    role, owners = catalog.role.name, sorted({column.owner for column in foreign})
    grants = (SQL("GRANT {} TO {}").format(Identifier(owner), Identifier(role)).as_string(None) for owner in owners)
    yield Blocker(
        what="rights on Immich's tables",
        found=f'role "{role}" may not change {" and ".join(column.table for column in foreign)}',
        wanted=f"their owner ({', '.join(owners)}), a member of it, or a superuser",
        fix=(f"connect as {' or '.join(owners)}", *(f"or, as a superuser: {grant};" for grant in grants)),
    )


def _may_change(catalog: Catalog, column: Column) -> bool:
    return catalog.role.superuser or column.mine or column.may_become_owner
