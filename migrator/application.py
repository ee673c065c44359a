"""What the application's own role sees of the database, when the tool works as another one.

A setting of its role can make it act as somebody else, or look for its tables where they are not: neither shows when a
superuser looks. Nothing is changed, and no setting of ours is in force in the connection that looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from migrator.catalog import Catalog
from migrator.connection.failure import address, explain
from migrator.errors import OtherDatabase
from migrator.identity import Identity
from migrator.session import connect_bare

# every operator is qualified: the search path of a role is the role's
LOOK = """
SELECT (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) AS system, d.oid::bigint, d.datname,
       session_user::text, current_user::text, pg_catalog.current_setting('search_path'),
       ARRAY(SELECT name FROM pg_catalog.unnest(%(tables)s::text[]) AS wanted (name)
             WHERE pg_catalog.to_regclass(pg_catalog.quote_ident(name)) IS NOT NULL),
       ARRAY(SELECT c.relname::text FROM pg_catalog.pg_class c
             WHERE c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'p']::"char"[])
               AND c.relname OPERATOR(pg_catalog.=) ANY (%(tables)s::name[])
               AND pg_catalog.pg_has_role(c.relowner, 'USAGE'))
FROM pg_catalog.pg_database d WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """The database, and what is found in it, as the application's own role."""

    identity: Identity
    role: str
    acts_as: str
    search_path: str
    found: tuple[str, ...]
    owned: tuple[str, ...]


def look_as_application(conninfo: str, tables: Sequence[str]) -> Seen:
    """Connect as the application does, read-only, and look for its tables.

    Raises:
        CannotConnect: or the subclass that says why.
    """
    with connect_bare(conninfo, read_only=True) as connection:
        try:
            row = connection.execute(LOOK, {"tables": list(tables)}, prepare=False).fetchone()
        except psycopg.OperationalError as error:
            raise explain(conninfo, error) from None
    if row is None:
        raise LookupError("the database that one is connected to")
    system, oid, name, role, acts_as, search_path, found, owned = row
    return Seen(Identity(system, oid, name), role, acts_as, search_path, tuple(found), tuple(owned))


def compare_with_application(catalog: Catalog, *, worked_on: str, application: str | None) -> tuple[str, ...]:
    """Return what the application's own role will stumble over; `worked_on` is the connection of the catalog.

    Without a connection of its own the application uses that one, and there is nothing to compare.

    Raises:
        OtherDatabase: the two connections lead to different databases.
        CannotConnect: the application's own connection cannot be made, or the subclass that says why.
    """
    if application is None:
        return ()
    known = {table.name for table in catalog.tables}
    tables = sorted(known & {column.table for column in catalog.columns}) or sorted(known)
    seen = look_as_application(application, tables)
    here = Identity.of(catalog)
    if seen.identity != here:
        raise OtherDatabase(
            "--admin-database leads to another database than Immich's own connection; nothing was changed",
            facts=[
                ("admin", f"{here}, at {address(worked_on)}"),
                ("Immich", f"{seen.identity}, at {address(application)}"),
            ],
            hint="both have to name the same database of the same server",
        )
    return tuple(_stumbling_blocks(seen, tables))


def _stumbling_blocks(seen: Seen, tables: Sequence[str]) -> list[str]:
    blocks = []
    if seen.acts_as != seen.role:
        blocks.append(f'a setting makes Immich\'s role "{seen.role}" act as "{seen.acts_as}"')
    if lost := [table for table in tables if table not in seen.found]:
        blocks.append(f'role "{seen.role}" does not find {", ".join(lost)}: its search_path is {seen.search_path}')
    if foreign := [table for table in tables if table not in seen.owned]:
        blocks.append(f'role "{seen.role}" does not own {", ".join(foreign)}, so Immich cannot rebuild their indexes')
    return blocks
