"""The survey: what would not survive a conversion, counted and shown by key before anything changes.

pgvecto.rs enforces no dimension from 0.1.12 on, and stores NaN and infinity; pgvector refuses them.
"""

from __future__ import annotations

from psycopg.sql import SQL, Composed, Identifier, Literal

from migrator.catalog import Catalog, Column
from migrator.step import Blocker, Facts, Json
from steps.shared.names import Embeddings
from steps.shared.proof import OLD, Helper, names_of, reader, value_of
from steps.shared.state import column_of, mapping

HEAD = SQL("pg_temp.head_of_vector")
SIZE = SQL("pg_temp.size_of_vector")


def survey_helpers() -> tuple[Helper, ...]:
    """Return what the survey of a superuser reads header bytes and sizes with, without detoasting whole values."""
    head = SQL("RETURNS bytea LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'bytea_substr'")
    size = SQL("RETURNS integer LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'byteaoctetlen'")
    return (
        reader(),
        Helper("head", HEAD, SQL("{}, integer, integer").format(OLD), head, "reads header bytes"),
        Helper("size", SIZE, OLD, size, "reads sizes"),
    )


def survey(column: Column, dimension: int, *, with_reader: bool) -> Composed:
    """Return the query that counts what would not survive a conversion, with up to five keys of such rows."""
    dirty: SQL | Composed = SQL("false")
    if with_reader:
        clean = dimension.to_bytes(2, "little") + b"\0\0"
        dirty = SQL("{head}({column}, 1, 4) <> {clean} OR {size}({column}) <> {bytes}").format(
            head=HEAD, size=SIZE, column=Identifier(column.name), clean=Literal(clean), bytes=Literal(4 + 4 * dimension)
        )
    return SQL(
        "SELECT pg_backend_pid() AS session, count(*) AS rows, "
        "count(*) FILTER (WHERE wrong_length) AS wrong_length, count(*) FILTER (WHERE not_finite) AS not_finite, "
        "count(*) FILTER (WHERE garbage AND NOT wrong_length) AS garbage_bytes, "
        "coalesce((array_agg(key ORDER BY key) FILTER (WHERE wrong_length OR not_finite))[1:5], '{{}}') AS examples "
        "FROM (SELECT {key}::text AS key, cardinality(a) <> {dimension} AS wrong_length, {dirty} AS garbage, "
        "'NaN'::real = ANY (a) OR 'Infinity'::real = ANY (a) OR '-Infinity'::real = ANY (a) AS not_finite "
        "FROM (SELECT *, {value} AS a FROM {table} OFFSET 0) AS stored) AS checked"
    ).format(
        dirty=dirty, dimension=Literal(dimension), value=value_of(column, with_reader=with_reader), **names_of(column)
    )


def odd_rows(catalog: Catalog, facts: Facts, table: Embeddings) -> list[Blocker]:
    """Return a blocker for rows that would not survive, as this session's survey found them."""
    found = mapping(facts.get(f"survey.{table.table}"))
    column = column_of(catalog, table)
    if column is None or found.get("session") != catalog.server.session:
        return []
    blocker = judge(found, column, table)
    return [] if blocker is None else [blocker]


def judge(found: Json, column: Column, table: Embeddings, before: str | None = None) -> Blocker | None:
    """Return what a survey found that would not survive; `before` is what has to be done so that rows can be deleted.

    Without pgvecto.rs's library nobody can delete a row by itself.
    """
    survey = mapping(found)
    wrong_length, not_finite = int(str(survey.get("wrong_length", 0))), int(str(survey.get("not_finite", 0)))
    if wrong_length + not_finite == 0:
        return None
    examples = survey.get("examples")
    keys = ", ".join(str(key) for key in examples) if isinstance(examples, list) else ""
    delete = SQL("DELETE FROM {} WHERE {} = {}").format(
        Identifier(column.schema, column.table), Identifier(column.key or ""), SQL("'...'")
    )
    return Blocker(
        what=f"rows of {table.table} that pgvector would refuse",
        found=f"{wrong_length} of another length, {not_finite} with NaN or infinity; for example {keys}",
        wanted="none; nothing was changed",
        fix=(
            *((before,) if before else ()),
            "delete these rows, then let Immich compute them again (Smart Search or Face Detection, missing):",
            f"{delete.as_string(None)};",
        ),
    )
