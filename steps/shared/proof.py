"""The proof that no embedding changed: a count and a content hash with the key in it, independent of order.

Two hashes (both observed equal before and after on pgvecto.rs 0.2.0 and 0.3.0):
- bytes, for a superuser: the stored bytes, bit for bit, three times faster; only where every value is clean and of even
  dimension, since pgvecto.rs pads odd ones and releases up to 0.1.11 left arbitrary bytes in the header;
- values, for anyone who may read: the elements as real[], on any of the types.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg.sql import SQL, Composed, Identifier

from migrator.catalog import Catalog, Column
from migrator.step import SUPERUSER, Facts, Statement
from steps.shared.names import PGVECTORS, Embeddings
from steps.shared.state import column_of, mapping

READER = SQL("pg_temp.vectors_to_array")
BYTES = SQL("pg_temp.bytes_hash")
OLD, NEW = SQL("vectors.vector"), SQL("public.vector")


@dataclass(frozen=True, slots=True)
class Helper:
    """A temporary function over core's or pgvector's own code, made and dropped in the transaction that uses it.

    It must not outlive that transaction: extension vectors could not be dropped while a function takes its type.
    """

    key: str
    name: SQL
    arguments: SQL | Composed
    body: SQL
    why: str

    def create(self) -> Statement:
        """Return the statement that makes it."""
        sql = SQL("CREATE FUNCTION {}({}) {}").format(self.name, self.arguments, self.body)
        return Statement(f"create-{self.key}", sql, self.why, SUPERUSER)

    def drop(self) -> Statement:
        """Return the statement that takes it away."""
        sql = SQL("DROP FUNCTION {}({})").format(self.name, self.arguments)
        return Statement(f"drop-{self.key}", sql, "extension vectors could not be dropped otherwise", SUPERUSER)


def reader() -> Helper:
    """Return pgvector's own reader over a stored pgvecto.rs value: cleans garbage bytes, is faster than the cast."""
    body = SQL("RETURNS real[] LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS '$libdir/vector', 'vector_to_float4'")
    return Helper("reader", READER, OLD, body, "pgvector's reader for stored values")


def bytes_hash(of: SQL) -> Helper:
    """Return the hash over the stored bytes of a type."""
    arguments = SQL("{}, bigint").format(of)
    body = SQL("RETURNS bigint LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'hashvarlenaextended'")
    key = "bytes-hash-before" if of is OLD else "bytes-hash-after"
    return Helper(key, BYTES, arguments, body, "a hash over the stored bytes")


def may_read_bytes(catalog: Catalog, column: Column) -> bool:
    """Tell whether pgvector's reader can be used: a superuser, and a column of pgvecto.rs's type."""
    return catalog.role.superuser and column.extension == PGVECTORS


def compares_bytes(catalog: Catalog, facts: Facts, embeddings: Embeddings, dimension: int) -> bool:
    """Tell whether the hash may be taken over the stored bytes."""
    column, survey = column_of(catalog, embeddings), mapping(facts.get(f"survey.{embeddings.table}"))
    clean = dimension % 2 == 0 and survey.get("garbage_bytes", 0) == 0
    return clean and column is not None and may_read_bytes(catalog, column)


def measure_bytes(column: Column) -> Composed:
    """Return the query for row count and hash over bytes; the same text on either type."""
    return SQL(
        "SELECT 'bytes' AS kind, count(*) AS rows, "
        "coalesce(sum({hash}({column}, hash_record_extended(row({key}), 0))::numeric), 0)::text AS hash FROM {table}"
    ).format(hash=BYTES, **names_of(column))


def measure_values(column: Column, *, with_reader: bool) -> Composed:
    """Return the query for row count and hash over the elements.

    The key is the seed of the row's hash: as a field of one record with the elements it would only be added to them,
    and a sum does not notice which row an addend belongs to.
    """
    return SQL(
        "SELECT 'values' AS kind, count(*) AS rows, "
        "coalesce(sum(hash_array_extended({value}, hash_record_extended(row({key}), 0))::numeric), 0)::text AS hash "
        "FROM {table}"
    ).format(value=value_of(column, with_reader=with_reader), **names_of(column))


def measure_lines(key_type: Identifier) -> Composed:
    """Return the query for the same hash of rows that are sent along: an array of keys, and one of values, as text."""
    return SQL(
        "SELECT coalesce(sum(hash_array_extended(value::real[], hash_record_extended(row(key::{}), 0))::numeric), 0)"
        "::text FROM ROWS FROM (unnest(%s::text[]), unnest(%s::text[])) AS lines (key, value)"
    ).format(key_type)


def value_of(column: Column, *, with_reader: bool) -> Composed:
    """Return the expression for a column's elements as real[]."""
    if with_reader:
        return SQL("{}({})").format(READER, Identifier(column.name))
    return SQL("({}::real[])").format(Identifier(column.name))


def names_of(column: Column) -> dict[str, Identifier]:
    """Return the identifiers that the queries are made of."""
    return {
        "column": Identifier(column.name),
        "key": Identifier(column.key or ""),
        "table": Identifier(column.schema, column.table),
    }
