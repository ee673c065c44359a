"""VectorChord's index as Immich builds it: its SQL, its list count, and how it recognises an index that fits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import isqrt

from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from migrator.catalog import Catalog

LISTS = re.compile(r"lists = \[(\d+)")
DEFAULT_TABLESPACE = "default_tablespace"
NOWHERE_ELSE = SQL("")
FEW_ROWS = 128_000
MANY_ROWS = 2_048_000
GROWTH = 1.2
"""Immich also accepts the list count of a table this much larger."""
SECONDS_PER_ROW_ONE_LIST = 1e-4
SECONDS_PER_ROW_MANY_LISTS = 2.5e-4
"""What a build takes, for estimates; clustering into many lists costs more."""


def list_count(rows: int) -> int:
    """Return the number of lists that Immich wants for so many rows (its own formula, 1.133 to 3.x)."""
    if rows < FEW_ROWS:
        return 1
    if rows < MANY_ROWS:
        return 1 << (rows // 1000).bit_length()
    return 1 << (isqrt(rows).bit_length() + 1)


def probe_count(lists: int) -> int:
    """Return the number of probes with which Immich searches so many lists."""
    return -(-lists // 8)


def lists_of(options: Sequence[str]) -> int:
    """Return the list count in an index's reloptions, read as Immich reads it: missing counts as 1."""
    found = LISTS.search("\n".join(options))
    return int(found[1]) if found else 1


def fits(options: Sequence[str], rows: int | None) -> bool:
    """Tell whether Immich would leave an index with these reloptions alone."""
    return rows is None or lists_of(options) in {list_count(rows), list_count(int(rows * GROWTH))}


def options_for(rows: int) -> str:
    """Return the index options in Immich's exact text; it searches for "lists = [N]" in this very form."""
    return f"""
residual_quantization = false
[build.internal]
lists = [{list_count(rows)}]
spherical_centroids = true
build_threads = 4
sampling_factor = 1024
"""


def create_index(
    schema: str, table: str, index: str, column: str, rows: int, *, where: Composable = NOWHERE_ELSE
) -> Composed:
    """Return Immich's CREATE INDEX with every name qualified; without IF NOT EXISTS, so that a wrong one is noticed."""
    return SQL("CREATE INDEX {} ON {} USING vchordrq ({} public.vector_cosine_ops) WITH (options = {}){}").format(
        Identifier(index), Identifier(schema, table), Identifier(column), Literal(options_for(rows)), where
    )


def tablespace(catalog: Catalog, name: str | None) -> Composable:
    """Return the clause that puts an index where it was; nothing where PostgreSQL puts it there by itself.

    A tablespace that is no longer there is left out.
    """
    usual = catalog.settings.get(DEFAULT_TABLESPACE)
    if (name is None and (usual is None or not usual.value)) or (name is not None and name not in catalog.tablespaces):
        return NOWHERE_ELSE
    return SQL(" TABLESPACE {}").format(Identifier(name or catalog.database.tablespace))


def condition(text: str | None) -> Composable:
    """Return the WHERE clause of a partial index, as PostgreSQL itself has written it out."""
    return NOWHERE_ELSE if text is None else SQL(" WHERE {}").format(SQL(text))
