"""Embeddings that should not be there, for checks to find before a conversion stumbles over them."""

from typing import Literal, assert_never
from uuid import UUID

import psycopg
from psycopg import sql

from migrator.sandbox.immich_sql import Table

__all__ = ["Damage", "damage_rows"]

Damage = Literal["length", "nan", "infinity", "garbage"]


def damage_rows(connection: psycopg.Connection, table: Table, damage: Damage, rows: int = 1) -> list[UUID]:
    """Spoil the embeddings number 2 and following, and return their keys, sorted.

    pgvecto.rs and arrays take all of these, pgvector refuses all but garbage. pgvecto.rs's index refuses them too, so
    build the database without indexes.

    Args:
        connection: To an Immich-shaped database; the transaction is the caller's.
        table: One of the two tables of embeddings.
        damage: `length` leaves three elements, `nan` and `infinity` put such a value in the place of every element,
            `garbage` fills bytes 6 and 7 of the stored value, as pgvecto.rs up to 0.1.11 did (superuser only).
        rows: How many embeddings.

    Raises:
        psycopg.errors.DataException: The type, or an index, refuses such a value.
    """
    key, kind = ("assetId", "asset") if table == "smart_search" else ("faceId", "face")
    if damage == "garbage":
        _create_byte_functions(connection, table)
    statement = sql.SQL(
        "UPDATE {table} SET embedding = {value} WHERE {key} IN"
        " (SELECT md5({kind} || i)::uuid FROM generate_series(2::bigint, {last}) AS i) RETURNING {key}"
    ).format(
        table=sql.Identifier("public", table),
        value=_value(damage),
        key=sql.Identifier(key),
        kind=sql.Literal(kind),
        last=sql.Literal(rows + 1),
    )
    keys = sorted(key for (key,) in connection.execute(statement))
    if damage == "garbage":
        connection.execute("DROP FUNCTION pg_temp.bytes_of, pg_temp.of_bytes")
    return keys


def _value(damage: Damage) -> sql.SQL:
    match damage:
        case "length":
            return sql.SQL("ARRAY[1, 2, 3]::real[]")
        case "nan":
            return sql.SQL("array_fill('NaN'::real, ARRAY[cardinality(embedding::real[])])")
        case "infinity":
            return sql.SQL("array_fill('Infinity'::real, ARRAY[cardinality(embedding::real[])])")
        case "garbage":
            return sql.SQL("pg_temp.of_bytes(set_byte(set_byte(pg_temp.bytes_of(embedding), 2, 190), 3, 239))")
        case _:
            assert_never(damage)


def _create_byte_functions(connection: psycopg.Connection, table: Table) -> None:
    """Make values accessible as bytes: byteasend returns what it is given, whatever its type is called."""
    row = connection.execute(
        "SELECT n.nspname, t.typname FROM pg_attribute a JOIN pg_type t ON t.oid = atttypid"
        " JOIN pg_namespace n ON n.oid = typnamespace WHERE attrelid = %s::regclass AND attname = 'embedding'",
        [f"public.{table}"],
    ).fetchone()
    if row is None:
        message = f"table {table} has no embeddings"
        raise LookupError(message)
    vector = sql.Identifier(*row)
    for name, argument, result in (("bytes_of", vector, sql.SQL("bytea")), ("of_bytes", sql.SQL("bytea"), vector)):
        statement = sql.SQL("CREATE FUNCTION {}({}) RETURNS {} LANGUAGE internal IMMUTABLE STRICT AS 'byteasend'")
        connection.execute(statement.format(sql.Identifier("pg_temp", name), argument, result))
