"""What the preparation of a database wants to know: the role, the database, and where new tables would go."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg.sql import SQL, Literal

from migrator.catalog import Catalog, Observation
from migrator.settings import split_list

CUBE = "cube"
EARTHDISTANCE = "earthdistance"
SEARCH_PATH = "search_path"

ROLE = "SELECT rolcanlogin FROM pg_roles WHERE rolname = {owner}"
DATABASE = "SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding) FROM pg_database WHERE datname = {name}"
TABLES = """
SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT EXISTS (
    SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
"""
MAY_CREATE = (
    "SELECT has_schema_privilege({owner}, n.oid, 'CREATE') AND has_schema_privilege({owner}, n.oid, 'USAGE') "
    "FROM pg_namespace n, pg_roles r WHERE n.nspname = 'public' AND r.rolname = {owner}"
)


def observations(name: str, owner: str) -> tuple[Observation, ...]:
    """Return the questions; those about the inside of the database are asked only there."""

    def ask(key: str, query: str, *, inside: bool) -> Observation:
        sql = SQL(query).format(name=Literal(name), owner=Literal(owner))
        return Observation(key, lambda _: sql, lambda catalog: not inside or catalog.database.name == name)

    return (
        ask("role", ROLE, inside=False),
        ask("database", DATABASE, inside=False),
        ask("tables", TABLES, inside=True),
        ask("may create", MAY_CREATE, inside=True),
        # what the server itself says, as far as no stored setting of this database or role hides it
        ask("path", "SELECT reset_val FROM pg_settings WHERE name = 'search_path'", inside=True),
    )


def owner_of(catalog: Catalog) -> str | None:
    """Return the owner of the database, None where there is none of its name."""
    answer = catalog.observed.get("database")
    return answer.value if answer else None


@dataclass(frozen=True, slots=True)
class SearchPath:
    """Where new tables go: the first schema of the search path that is there; None where nobody can know."""

    first_schema: str | None
    of_role: bool


def path_of(catalog: Catalog, name: str, owner: str) -> SearchPath:
    """Return the search path that the owner will have in the database: the most particular setting wins."""
    stored = {(s.database, s.role): s.value for s in catalog.stored_settings if s.name == SEARCH_PATH}
    answer = catalog.observed.get("path")
    found = next((stored[key] for key in ((name, owner), ("", owner), (name, ""), ("", "")) if key in stored), None)
    of_role = (name, owner) in stored or ("", owner) in stored
    text = found if found is not None else answer.value if answer else None
    if text is None:
        return SearchPath(None, of_role)
    try:
        elements = split_list(text)
    except ValueError:
        return SearchPath(None, of_role)
    schemas = [owner if element == "$user" else element for element in elements]
    return SearchPath(next((s for s in schemas if s in catalog.schemas), "pg_catalog"), of_role)
