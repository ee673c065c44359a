"""The handler of pgvecto.rs's access method, which lives in its library, and core's, which can stand in for it.

PostgreSQL calls it whenever it opens one of the indexes. Replaced by core's `bthandler`, a table can be read again and
the indexes can be dropped, without the library. Only ever within a transaction at whose end the extension is gone.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg.sql import SQL, Identifier

from migrator.catalog import Catalog, Observation
from migrator.step import SUPERUSER, Statement
from steps.shared.old_library import trouble

LOOK_UP = SQL(
    "SELECT n.nspname, p.proname, (SELECT string_agg(t.typname, ',' ORDER BY a.number)"
    " FROM unnest(p.proargtypes) WITH ORDINALITY AS a (type, number) JOIN pg_type t ON t.oid = a.type)"
    " FROM pg_am m JOIN pg_proc p ON p.oid = m.amhandler JOIN pg_namespace n ON n.oid = p.pronamespace"
    " WHERE m.amname = 'vectors'"
)
ASK = SQL("SELECT amhandler::regprocedure::text AS handler FROM pg_catalog.pg_am WHERE amname = 'vectors'")


@dataclass(frozen=True, slots=True)
class Handler:
    """A handler's name and the types of its arguments, all of them PostgreSQL's own."""

    schema: str
    name: str
    arguments: tuple[str, ...]


OBSERVATION = Observation("handler", lambda _: LOOK_UP, lambda catalog: trouble(catalog) is not None)


def handler_of(catalog: Catalog) -> Handler | None:
    """Return the handler that the catalogs name; None where there is none, or it was not asked for."""
    answer = catalog.observed.get(OBSERVATION.name)
    if answer is None or not answer.rows:
        return None
    schema, name, arguments = answer.rows[0]
    return Handler(str(schema), str(name), tuple(str(arguments).split(",")) if arguments else ())


def look_up() -> Statement:
    """Return the statement that names the handler within the transaction, for the record."""
    why = "which function opens an index of pgvecto.rs; its name depends on the release"
    return Statement("find-handler", ASK, why, measures="rescue.handler")


def stand_in(handler: Handler) -> Statement:
    """Return the statement that puts core's handler in its place, with the same signature."""
    sql = SQL(
        "CREATE OR REPLACE FUNCTION {name}({arguments}) RETURNS pg_catalog.index_am_handler"
        " LANGUAGE internal AS 'bthandler'"
    ).format(
        name=Identifier(handler.schema, handler.name),
        arguments=SQL(", ").join(Identifier("pg_catalog", argument) for argument in handler.arguments),
    )
    why = "the library is not needed to open and drop the indexes then; undone, or gone with the extension, at the end"
    return Statement("replace-handler", sql, why, SUPERUSER)
