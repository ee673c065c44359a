"""The page inside a copy: how its rows are read and put back with nothing but psql and a decompressor."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterator

from psycopg.sql import SQL, Composed, Identifier, Literal

from migrator.backup.compression import READ_WITH
from migrator.backup.manifest import MANIFEST, SUMS, Manifest, SavedTable

COPY_IN = SQL("\\copy {table} ({key}, {column}) from pstdin")
STAGE = SQL("CREATE TABLE {stage} ({key} {type} PRIMARY KEY, {column} real[])")
MERGE = SQL(
    "INSERT INTO {table} ({key}, {column}) SELECT {key}, {column}::{vector} FROM {stage} ON CONFLICT ({key}) DO NOTHING"
)
UNSTAGE = SQL("DROP TABLE {stage}")


def readme(manifest: Manifest) -> str:
    """Return the text of the page, with the names of this database in every command."""
    return "\n".join(_lines(manifest)) + "\n"


def _lines(manifest: Manifest) -> Iterator[str]:
    yield f"A copy of the embeddings of database {manifest.database}, made {manifest.made_at[:19]} UTC."
    yield f"{manifest.application}, PostgreSQL {manifest.server_version}."
    yield ""
    for table in manifest.tables:
        of = f" of {table.dimension} dimensions" if table.dimension else ""
        yield f"  {table.file}: {table.rows:,} rows of {table.schema}.{table.table}{of}"
    yield f"  {MANIFEST}: what the tables, their indexes and the database were like"
    yield f"  {SUMS}: sums of all files; from inside this folder: sha256sum --check {SUMS}"
    yield ""
    yield from _paragraph(
        "One line per row, as PostgreSQL's COPY writes it: the key, a tab, the embedding as an array of real. Every "
        "number is written so that reading it gives the same bits again."
    )
    yield ""
    yield "With the tool:"
    yield ""
    yield "  migrate backup --check DIR"
    yield "  migrate restore DIR"
    yield ""
    yield from _paragraph(
        "Without it: Immich stopped, from inside this folder. psql asks for its connection as always (PGHOST, PGUSER, "
        "...). A row whose key has no asset or face any more stops it; the tool leaves such rows out."
    )
    for table in manifest.tables:
        yield from _commands(manifest, table)


def _commands(manifest: Manifest, table: SavedTable) -> Iterator[str]:
    names = _names(table)
    read = f"{READ_WITH[manifest.compression]} {shlex.quote(table.file)}"
    psql = f"psql -v ON_ERROR_STOP=1 -d {shlex.quote(manifest.database)} -c"
    whole = shlex.quote(COPY_IN.format(**names).as_string(None))
    yield ""
    yield f"{table.schema}.{table.table}"
    yield ""
    yield f"  into a column {table.column} of type real[], the table empty:"
    yield ""
    yield f"    {read} | {psql} {whole}"
    if table.dimension is None:
        return
    if table.key_type == "pg_catalog.uuid":
        yield ""
        yield "  into one of type vector, the table empty:"
        yield ""
        yield f"    {read} | tr '{{}}' '[]' | {psql} {whole}"
    into = COPY_IN.format(**{**names, "table": names["stage"]}).as_string(None)
    yield ""
    yield f"  into one of type vector({table.dimension}), rows that are there already stay:"
    yield ""
    yield f"    {psql} {shlex.quote(_sql(STAGE, names))}"
    yield f"    {read} | {psql} {shlex.quote(into)}"
    yield f"    {psql} {shlex.quote(_sql(MERGE, names))}"
    yield f"    {psql} {shlex.quote(_sql(UNSTAGE, names))}"


def _names(table: SavedTable) -> dict[str, Composed | Identifier]:
    return {
        "table": Identifier(table.schema, table.table),
        "stage": Identifier(table.schema, f"migrate_{table.table}"),
        "key": Identifier(table.key),
        "column": Identifier(table.column),
        "type": Identifier(*table.key_type.split(".", 1)),
        "vector": SQL("{}({})").format(Identifier("public", "vector"), Literal(table.dimension)),
    }


def _sql(query: SQL, names: dict[str, Composed | Identifier]) -> str:
    return query.format(**names).as_string(None)


def _paragraph(text: str) -> list[str]:
    return textwrap.wrap(text, 78, break_on_hyphens=False)
