"""What a database holds, in a form that can be compared: value hashes and a canonical dump of its catalogs."""

from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import sql

from migrator.sandbox.immich_sql import Table

__all__ = ["ContentHash", "catalog_dump", "content_hash", "content_hashes"]

_KEYS: dict[Table, str] = {"smart_search": "assetId", "face_search": "faceId"}


@dataclass(frozen=True, slots=True)
class ContentHash:
    """Rows of a table and a hash over its keys and values, the same for every type that holds equal values."""

    rows: int
    values: int | None


def content_hash(connection: psycopg.Connection, table: Table) -> ContentHash:
    """Return rows and value hash of one of Immich's two tables of embeddings. It writes nothing.

    Both zeros count as equal. The cast of the column's type has to work, so pgvecto.rs must be loaded while
    the column is of its type. The key is the hash's seed, so that exchanged embeddings are noticed.
    """
    statement = sql.SQL(
        "SELECT count(*), sum(hash_array_extended(embedding::real[], hash_record_extended(row({}), 0))::numeric)"
        " FROM {}"
    ).format(sql.Identifier(_KEYS[table]), sql.Identifier("public", table))
    row = connection.execute(statement).fetchone()
    if row is None:
        message = f"no hash of {table}"
        raise LookupError(message)
    return ContentHash(int(row[0]), None if row[1] is None else int(row[1]))


def content_hashes(connection: psycopg.Connection) -> dict[Table, ContentHash]:
    """Return rows and value hash of both tables of embeddings."""
    return {table: content_hash(connection, table) for table in _KEYS}


# Each query names a kind of object and yields one text per object. All read catalogs alone and call nothing that
# opens an index or asks a type, so that a database whose library is gone can be dumped and compared too.
_QUERIES: dict[str, LiteralString] = {
    "schema": """
        SELECT format('%I owner=%s acl=%s comment=%s', nspname, nspowner::regrole,
                      (SELECT array_agg(a ORDER BY a::text) FROM unnest(nspacl) AS a),
                      obj_description(oid, 'pg_namespace'))
        FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'""",
    "extension": """
        SELECT format('%s %s schema=%s owner=%s comment=%s', extname, extversion, extnamespace::regnamespace,
                      extowner::regrole, obj_description(oid, 'pg_extension'))
        FROM pg_extension""",
    "setting": """
        SELECT format('database=%s role=%s %s', datname, rolname, setting)
        FROM pg_db_role_setting s LEFT JOIN pg_database d ON d.oid = setdatabase LEFT JOIN pg_roles r ON r.oid = setrole
        CROSS JOIN unnest(setconfig) AS setting WHERE setdatabase = 0 OR datname = current_database()""",
    "relation": """
        SELECT format('%s kind=%s owner=%s persistence=%s options=%s', c.oid::regclass, relkind, relowner::regrole,
                      relpersistence, reloptions)
        FROM {user} AS c WHERE relkind NOT IN ('i', 'I', 't')""",
    "column": """
        SELECT format('%s.%I type=%s typmod=%s storage=%s notnull=%s default=%s comment=%s', c.oid::regclass, attname,
                      atttypid::regtype, atttypmod, attstorage, attnotnull, pg_get_expr(adbin, adrelid),
                      col_description(c.oid, attnum))
        FROM {user} AS c JOIN pg_attribute a ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped
        LEFT JOIN pg_attrdef ON adrelid = c.oid AND adnum = attnum
        WHERE relkind IN ('r', 'p', 'm', 'v', 'f')""",
    "index": """
        SELECT format('%s on %s using %s unique=%s valid=%s ready=%s columns=%s operators=%s options=%s where=%s'
                      ' tablespace=%s comment=%s',
                      c.oid::regclass, indrelid::regclass, amname, indisunique, indisvalid, indisready,
                      (SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = c.oid),
                      (SELECT string_agg(opcnamespace::regnamespace || '.' || opcname, ',' ORDER BY o.nr)
                       FROM unnest(indclass) WITH ORDINALITY AS o (oid, nr) JOIN pg_opclass p ON p.oid = o.oid),
                      c.reloptions, pg_get_expr(indpred, indrelid),
                      (SELECT spcname FROM pg_tablespace WHERE pg_tablespace.oid = reltablespace),
                      obj_description(c.oid, 'pg_class'))
        FROM {user} AS c JOIN pg_index ON indexrelid = c.oid JOIN pg_am ON pg_am.oid = c.relam""",
    "right": """
        SELECT format('%s %s', pg_describe_object(o.classid, o.objid, 0),
                      (SELECT array_agg(a ORDER BY a::text) FROM unnest(acl) AS a))
        FROM (SELECT 'pg_proc'::regclass AS classid, oid AS objid, proacl AS acl FROM pg_proc
              UNION ALL SELECT 'pg_type'::regclass, oid, typacl FROM pg_type
              UNION ALL SELECT 'pg_class'::regclass, oid, relacl FROM pg_class) AS o
        JOIN pg_depend d ON (d.classid, d.objid, d.deptype) = (o.classid, o.objid, 'e') WHERE acl IS NOT NULL""",
    "constraint": """
        SELECT format('%s %I %s validated=%s', conrelid::regclass, conname, pg_get_constraintdef(k.oid), convalidated)
        FROM {user} AS c JOIN pg_constraint k ON conrelid = c.oid""",
    "trigger": """
        SELECT pg_get_triggerdef(t.oid) FROM {user} AS c JOIN pg_trigger t ON tgrelid = c.oid WHERE NOT tgisinternal""",
    "function": """
        SELECT format('%s returns=%s language=%s owner=%s source=%s library=%s', p.oid::regprocedure,
                      prorettype::regtype, lanname, proowner::regrole, md5(prosrc), probin)
        FROM pg_proc p JOIN pg_language l ON l.oid = prolang
        WHERE pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
                          AND d.deptype = 'e')""",
    "cast": """
        SELECT format('%s to %s method=%s context=%s', castsource::regtype, casttarget::regtype, castmethod,
                      castcontext)
        FROM pg_cast k WHERE k.oid >= 16384
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_cast'::regclass AND d.objid = k.oid
                          AND d.deptype = 'e')""",
}

# Relations of the user's own: neither the system's nor an extension's. Temporary ones are among them on purpose.
_USER_RELATIONS: LiteralString = """(
    SELECT c.* FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND nspname !~ '^pg_toast_temp'
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                      AND d.deptype = 'e'))"""


def catalog_dump(connection: psycopg.Connection) -> str:
    """Return everything that matters about the structure of a database, one line per object, sorted.

    Two databases of one name are alike if, and only if, their dumps are equal; take the difference of the lines to
    see what is not. Rows, sizes, statistics and object ids are left out. Reads catalogs alone, so it also works while
    the library of an extension is missing.
    """
    lines: list[str] = []
    with connection.transaction():
        # Names are qualified or not by the session's search_path: take it out of the answer.
        connection.execute("SET LOCAL search_path = pg_catalog")
        for kind, query in _QUERIES.items():
            statement = sql.SQL(query).format(user=sql.SQL(_USER_RELATIONS)) if "{user}" in query else sql.SQL(query)
            lines.extend(f"{kind} {text}" for (text,) in connection.execute(statement))
    return "\n".join(sorted(lines)) + "\n"
