"""What a copy of the embeddings holds, and how they are read: as the server can, or past a library that is missing.

A query opens every index of its table, and so needs the library of each; COPY of a table opens none. So where a query
fails, the rows are read with COPY, as the column's type writes them, and hashed by the server in a session beside it.
pgvecto.rs's type is written by a function in the missing library: for the time of one transaction, seen by nobody else
and rolled back, pgvector's own function stands in its place. It reads the same bytes at the same offsets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from psycopg.sql import SQL, Composed, Identifier, Literal

from migrator.catalog import Catalog, Column, Interest, Observation
from migrator.content import CopiedTable, Copying
from migrator.step import SUPERUSER, Blocker, Facts, Json, Statement
from steps.content.observations import INTEREST
from steps.shared import proof
from steps.shared.names import COLUMN, PGVECTOR, PGVECTORS, TABLES, Embeddings
from steps.shared.options import Options, with_dimensions
from steps.shared.state import (
    column_of,
    comment_of_others,
    definition,
    dimension_of,
    indexes_on,
    is_converted,
    rows_of,
)

BYTES_PER_ELEMENT, BYTES_PER_ROW = 5.0, 40
"""Of a row in a compressed file, at most: 4.5 to 4.8 bytes per element were observed, and a key."""
PERMISSION_DENIED = "42501"
READABLE_TYPES = {(PGVECTORS, "vector"), (PGVECTOR, "vector"), (None, "_float4")}

OUTPUT_FUNCTION = Observation(
    name="output-function",
    sql=lambda _: SQL(
        "SELECT n.nspname, p.proname, p.proargnames[1] FROM pg_catalog.pg_extension e "
        "JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid "
        "AND d.classid = 'pg_type'::regclass JOIN pg_catalog.pg_type t ON t.oid = d.objid AND t.typname = 'vector' "
        "JOIN pg_catalog.pg_proc p ON p.oid = t.typoutput JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace "
        "WHERE e.extname = {}"
    ).format(Literal(PGVECTORS)),
    when=lambda catalog: any(column.extension == PGVECTORS for column in catalog.columns),
)


def interest(options: Options) -> Interest:
    """Return what the snapshot of somebody who makes a copy has to contain: whether each table can be queried, too."""
    tables = (*TABLES, *options.include)
    return replace(INTEREST, observations=(*INTEREST.observations, OUTPUT_FUNCTION, *map(readable, tables)))


def wants_copy(catalog: Catalog, options: Options) -> bool:
    """Tell whether any embeddings are still to be converted."""
    return any(
        column_of(catalog, table) is not None and not is_converted(catalog, table)
        for table in (*TABLES, *options.include)
    )


def copying(catalog: Catalog, facts: Facts, options: Options) -> Copying:
    """Return what a copy holds, and everything that stands in the way of making one."""
    release = catalog.observed.get("immich")
    columns = [(t, column) for t in (*TABLES, *options.include) if (column := column_of(catalog, t)) is not None]
    known = with_dimensions(facts, options)
    missing = [f"{t.table} has no column {COLUMN}: it is not in the copy" for t in TABLES if _is_bare(catalog, t)]
    return Copying(
        application=f"Immich {release.value.removeprefix('v')}" if release and release.value else "Immich (unknown)",
        tables=tuple(
            _copied(catalog, known, table, column)
            for table, column in columns
            if column.key is not None and (column.extension, column.type_name) in READABLE_TYPES
        ),
        extensions=tuple(
            {"name": e.name, "version": e.version, "schema": e.schema} for e in catalog.extensions.values() if e.version
        ),
        settings=tuple(
            {"database": s.database, "role": s.role, "name": s.name, "value": s.value}
            for s in catalog.stored_settings
            if s.value is not None
        ),
        prelude=tuple(_prelude(catalog, columns)),
        blockers=tuple(blocker for table, column in columns for blocker in _blockers(catalog, table, column)),
        notes=(*missing, *_notes(catalog, columns)),
    )


def readable(table: Embeddings) -> Observation:
    """Return the question whether a table of embeddings can be queried at all."""

    def query(catalog: Catalog) -> Composed:
        column = column_of(catalog, table)
        if column is None:
            raise LookupError(table.table)
        return SQL("SELECT {key}, ({column}::real[]) FROM {table} LIMIT 1").format(**proof.names_of(column))

    def has_column(catalog: Catalog) -> bool:
        column = column_of(catalog, table)
        return column is not None and column.key is not None

    return Observation(name=f"readable.{table.table}", sql=query, when=has_column)


def _can_be_queried(catalog: Catalog, table: Embeddings) -> bool:
    answer = catalog.observed.get(f"readable.{table.table}")
    return answer is not None and answer.sqlstate is None


def _copied(catalog: Catalog, facts: Facts, table: Embeddings, column: Column) -> CopiedTable:
    names, queried = proof.names_of(column), _can_be_queried(catalog, table)
    read = (
        SQL("COPY (SELECT {key}, ({column}::real[]) FROM {table}) TO STDOUT")
        if queried
        else SQL("COPY {table} ({key}, {column}) TO STDOUT")
    )
    dimension = dimension_of(catalog, facts, table)
    rows = rows_of(catalog, table)
    return CopiedTable(
        name=table.table,
        place=(column.schema, column.table, column.name, column.key or ""),
        key_type=column.key_type or ("pg_catalog", "uuid"),
        rows=rows,
        dimension=dimension,
        expected_bytes=_expected_bytes(rows, dimension, column),
        about=_about(catalog, column),
        read=read.format(**names),
        measure=proof.measure_values(column, with_reader=False) if queried else None,
        hash_of_lines=proof.measure_lines(Identifier(*(column.key_type or ("pg_catalog", "uuid")))),
    )


def _expected_bytes(rows: int | None, dimension: int | None, column: Column) -> int:
    if rows is None or dimension is None:
        return round(column.size_bytes * BYTES_PER_ELEMENT / 4)
    return round(rows * (dimension * BYTES_PER_ELEMENT + BYTES_PER_ROW))


def _about(catalog: Catalog, column: Column) -> dict[str, Json]:
    return {
        "type": column.type,
        "type_schema": column.type_schema,
        "type_name": column.type_name,
        "extension": column.extension,
        "typmod": column.typmod,
        "storage": column.storage,
        "not_null": column.not_null,
        "comment": comment_of_others(column) or None,
        "indexes": [definition(index) for index in indexes_on(catalog, column)],
    }


def _past_library(catalog: Catalog, columns: Sequence[tuple[Embeddings, Column]]) -> list[Column]:
    """Return the columns that only pgvector's function can write: pgvecto.rs's, where no query reads them."""
    return [c for table, c in columns if c.extension == PGVECTORS and not _can_be_queried(catalog, table)]


def _prelude(catalog: Catalog, columns: Sequence[tuple[Embeddings, Column]]) -> Iterator[Statement]:
    answer = catalog.observed.get("output-function")
    past = _past_library(catalog, columns)
    if not past or answer is None or not answer.rows:
        return
    schema, name, argument = answer.rows[0]
    sql = SQL(
        "CREATE OR REPLACE FUNCTION {name}({argument} {type}) RETURNS cstring LANGUAGE c "
        "IMMUTABLE STRICT PARALLEL SAFE AS '$libdir/vector', 'vector_out'"
    ).format(
        name=Identifier(schema or "", name or ""),
        argument=Identifier(argument) if argument else SQL(""),
        type=Identifier(past[0].type_schema, past[0].type_name),
    )
    why = (
        "pgvector's function writes pgvecto.rs's values while their own library is missing; rolled back, seen by nobody"
    )
    yield Statement("output-function", sql, why, SUPERUSER)


def _notes(catalog: Catalog, columns: Sequence[tuple[Embeddings, Column]]) -> Iterator[str]:
    if _past_library(catalog, columns):
        yield "pgvecto.rs's library does not work here: pgvector's reads the values, and the transaction is rolled back"


def _is_bare(catalog: Catalog, table: Embeddings) -> bool:
    return column_of(catalog, table) is None and any(t.name == table.table for t in catalog.tables)


def _blockers(catalog: Catalog, table: Embeddings, column: Column) -> Iterator[Blocker]:
    if column.key is None:
        yield Blocker(
            what=f"primary key of {table.table}",
            found="none of one column",
            wanted="a key, without which a row could not be put back",
            fix=("restore the primary key that Immich created",),
        )
        return
    if (column.extension, column.type_name) not in READABLE_TYPES:
        yield Blocker(
            what=f"{table.table}",
            found=f"a column of type {column.type}",
            wanted="vector or real[]",
            fix=("leave it out of --include",),
        )
        return
    if _can_be_queried(catalog, table):
        return
    answer = catalog.observed.get(f"readable.{table.table}")
    said = (answer.message or "").strip().splitlines()[0] if answer and answer.message else "no answer"
    if answer is not None and answer.sqlstate == PERMISSION_DENIED:
        grant = SQL("GRANT SELECT ON {} TO {}").format(
            Identifier(column.schema, column.table), Identifier(catalog.role.name)
        )
        yield Blocker(
            what=f"reading {table.table}",
            found=said,
            wanted="the right to read it, nothing more",
            fix=("as its owner:", f"{grant.as_string(None)};"),
            who="DBA",
        )
    elif column.extension == PGVECTORS and not catalog.role.superuser:
        yield Blocker(
            what=f"reading {table.table} without pgvecto.rs's library",
            found=f'{said}; role "{catalog.role.name}" is no superuser',
            wanted="a superuser, for one transaction that is rolled back, or the library back in its place",
            fix=("run the same command with --admin-database and the address of a superuser",),
            who="DBA",
        )
    elif column.extension == PGVECTORS and catalog.extensions[PGVECTOR].offered is None:
        yield Blocker(
            what=f"reading {table.table} without pgvecto.rs's library",
            found=f"{said}; pgvector is not installed either",
            wanted="pgvector's library, which reads the same values",
            fix=("install pgvector for this PostgreSQL (a package; nothing has to be created in the database)",),
        )
