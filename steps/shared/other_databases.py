"""Other databases of the cluster that still need pgvecto.rs: its library is one for all of them.

Looked at as long as the library is there, because it must not go while one of them uses it, or cannot be looked at.
"""

from __future__ import annotations

from psycopg.sql import SQL, Identifier

from migrator.catalog import Catalog, Elsewhere, Observed
from migrator.step import Blocker
from steps.shared.names import PGVECTORS, VCHORD
from steps.shared.options import Options
from steps.shared.state import is_loaded

USES = SQL(
    # catalogs only: the library may be missing; arrays of the extension's types are types of their own
    "WITH members AS (SELECT d.objid FROM pg_catalog.pg_depend d"
    " JOIN pg_catalog.pg_extension e ON d.refobjid = e.oid AND e.extname = 'vectors'"
    " WHERE d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.deptype = 'e'"
    " AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass) "
    "SELECT e.extversion, (SELECT string_agg(format('%I.%I.%I', n.nspname, c.relname, a.attname), ', '"
    " ORDER BY n.nspname, c.relname, a.attnum) FROM pg_catalog.pg_attribute a"
    " JOIN pg_catalog.pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'm')"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " JOIN pg_catalog.pg_type t ON t.oid = a.atttypid"
    " WHERE a.attnum > 0 AND NOT a.attisdropped"
    " AND (t.oid IN (SELECT objid FROM members) OR t.typelem IN (SELECT objid FROM members))) "
    "FROM pg_catalog.pg_extension e WHERE e.extname = 'vectors'"
)

QUESTION = Elsewhere(
    sql=USES,
    when=lambda catalog: catalog.extensions[PGVECTORS].offered is not None or is_loaded(catalog, PGVECTORS),
    # as long as this database has the extension, no step parts with its library
    decides=lambda catalog: catalog.extensions[PGVECTORS].version is None,
)

QUESTION_ON_THE_WAY_BACK = Elsewhere(
    sql=SQL("SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'vchord'"),
    when=lambda catalog: is_loaded(catalog, VCHORD),
    decides=lambda catalog: catalog.extensions[VCHORD].version is None,
)
"""The same question about VectorChord, for whoever takes its library out again."""


def blockers(catalog: Catalog, options: Options) -> tuple[Blocker, ...]:
    """Return what keeps the library from going: each database that uses it, and each that nobody could look at."""
    asked = {name: said for name, said in (catalog.elsewhere or {}).items() if name not in options.ignored_databases}
    return tuple(blocker for name, said in asked.items() for blocker in _of(name, said))


def warnings(catalog: Catalog, options: Options) -> list[str]:
    """Return a sentence for the first screen about databases that use the library too."""
    others = [
        name for name, said in (catalog.elsewhere or {}).items() if said.rows and name not in options.ignored_databases
    ]
    names = ", ".join(f'"{name}"' for name in others)
    return (
        [f"pgvecto.rs is used by database {names} too, and has to stay until nothing there needs it"] if names else []
    )


def blockers_of_vectorchord(catalog: Catalog, options: Options) -> tuple[Blocker, ...]:
    """Return each other database that has VectorChord, or could not be looked at, before its library goes."""
    asked = {name: said for name, said in (catalog.elsewhere or {}).items() if name not in options.ignored_databases}
    return tuple(
        Blocker(
            what=f'database "{name}" of the same server',
            found=f'database "{name}" cannot be looked at: {said.message}'
            if said.message is not None
            else f'database "{name}" has extension vchord {said.value}',
            wanted="no database of this server that needs VectorChord preloaded",
            fix=(
                f"look in {name}: \\dx vchord",
                f"where nothing there uses it, drop it, or add --ignore-database {name}",
            ),
        )
        for name, said in asked.items()
        if said.message is not None or said.rows
    )


def _of(name: str, said: Observed) -> tuple[Blocker, ...]:
    what = f'database "{name}" of the same server'
    if said.message is not None:
        return (
            Blocker(
                what=what,
                found=f'database "{name}" cannot be looked at: {said.message}',
                wanted="every database of this server looked at before the library of pgvecto.rs goes",
                fix=(
                    f"let this role in, or look yourself, in {name}: \\dx vectors",
                    f"where that finds nothing: add --ignore-database {name}",
                ),
            ),
        )
    if not said.rows:
        return ()
    version, columns = said.rows[0]
    drop = SQL("DROP EXTENSION vectors; DROP SCHEMA {};").format(Identifier(PGVECTORS)).as_string(None)
    fix = (
        (f"migrate it too: migrate --from pgvecto.rs, with its own --database (.../{name})",)
        if columns
        else (f"nothing there uses it: in {name}: {drop}",)
    )
    uses = f"for {columns}" if columns else "without using it"
    return (
        Blocker(
            what=what,
            found=f'database "{name}" has extension vectors {version}, {uses}',
            wanted="no database of this server that needs the library of pgvecto.rs",
            fix=fix,
        ),
    )
