"""VectorChord's indexes in the snapshot: which there are, whether the loaded library can read them, how to search one.

PostgreSQL calls an index valid whatever its format. Only a query shows it: planning one is enough from 0.4 on, so the
snapshot has each index planned for, or searched, on its own; an error is an answer.
"""

from __future__ import annotations

import re
from typing import Literal

from psycopg.sql import SQL, Composed, Identifier
from psycopg.sql import Literal as SqlLiteral

from migrator.catalog import Catalog, Index, Observation
from steps.shared.index import probe_count
from steps.shared.names import PGVECTOR, VCHORD
from steps.shared.state import is_loaded
from steps.shared.vchord_formats import loaded_series

METHODS = ("vchordrq", "vchordg")
SLOTS = 64
"""How many indexes of one database are looked at."""
OTHER_FORMAT = "deserialization: bad"
ABOUT_PROBES = "probes"
OPERATORS = {"l2_ops": "<->", "ip_ops": "<#>", "cosine_ops": "<=>"}
LISTS = re.compile(r"lists\s*=\s*\[([^\]]*)\]")

Health = Literal["fine", "other format", "invalid", "unknown"]


def vchord_indexes(catalog: Catalog) -> list[Index]:
    """Return every index of VectorChord's access methods, in the snapshot's order."""
    return [index for index in catalog.indexes if index.access_method in METHODS]


def health(catalog: Catalog, index: Index) -> Health:
    """Tell whether the loaded library can read an index."""
    if not index.valid:
        return "invalid"
    answer = catalog.observed.get(_name(vchord_indexes(catalog).index(index)))
    if answer is None:
        return "unknown"
    message = answer.message or ""
    if answer.sqlstate is None or ABOUT_PROBES in message:
        return "fine"  # a complaint about probes comes from a library that has read the shape of the index
    return "other format" if OTHER_FORMAT in message else "unknown"


def complaint(catalog: Catalog, index: Index) -> str:
    """Return what the server said when it was asked about an index."""
    answer = catalog.observed.get(_name(vchord_indexes(catalog).index(index)))
    return (answer.message if answer else None) or "it was not asked: VectorChord is not loaded"


def nearest(catalog: Catalog, index: Index, limit: int) -> Composed | None:
    """Return a search through an index, None for one whose operator is not known here."""
    operator = OPERATORS.get(index.operator_class.removeprefix("vector_").removeprefix("halfvec_"))
    if operator is None or len(index.columns) != 1:
        return None
    schema = catalog.extensions[PGVECTOR].schema or "public"
    return SQL(
        "SELECT 1 FROM {table} ORDER BY {column} OPERATOR({schema}.{operator}) "
        "(SELECT {column} FROM {table} LIMIT 1) LIMIT {limit}"
    ).format(
        table=Identifier(index.table_schema, index.table),
        column=Identifier(index.columns[0]),
        schema=Identifier(schema),
        operator=SQL(operator),
        limit=SqlLiteral(limit),
    )


def probes_of(index: Index) -> str | None:
    """Return `vchordrq.probes` in the shape of an index's lists, None where its options do not tell."""
    text = "\n".join(index.options)
    found = LISTS.search(text)
    if found is None:
        return None if "external" in text or "default" in text else ""
    return ",".join(str(probe_count(int(number))) for number in found[1].split(",") if number.strip())


def observations() -> tuple[Observation, ...]:
    """Return one question per index."""
    return tuple(_observation(slot) for slot in range(SLOTS))


def _name(slot: int) -> str:
    return f"vchord-index.{slot}"


def _observation(slot: int) -> Observation:
    def applies(catalog: Catalog) -> bool:
        found = vchord_indexes(catalog)
        return slot < len(found) and found[slot].valid and is_loaded(catalog, VCHORD)

    return Observation(_name(slot), lambda catalog: _question(catalog, vchord_indexes(catalog)[slot]), applies)


def _question(catalog: Catalog, index: Index) -> SQL | Composed:
    search = nearest(catalog, index, 1)
    if search is None:
        schema = catalog.extensions[VCHORD].schema or "public"
        function = Identifier(schema, f"{index.access_method}_prewarm")
        return SQL("SELECT {}({}::regclass)").format(
            function, SqlLiteral(Identifier(index.schema, index.name).as_string(None))
        )
    # 0.3 looks into an index only when it is searched; the session plans through indexes
    return search if loaded_series(catalog) == (0, 3) else SQL("EXPLAIN {}").format(search)
