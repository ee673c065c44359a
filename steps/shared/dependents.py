"""What depends on extension vectors, apart from what a path converts or drops itself: it keeps the extension."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.catalog import Catalog
from migrator.step import Blocker
from steps.shared.names import LEFTOVER_CONSTRAINT, PGVECTORS, Embeddings
from steps.shared.state import column_of, indexes_on

VENDOR_ADVICE = {
    "vecf16": "through vectors.vector and real[] to halfvec",
    "svector": "through text to sparsevec, with every index raised by 1",
    "bvector": "through vectors.vector, real[] and array_to_string to bit",
    "veci8": "through vectors.vector and real[] to vector",
}
"""How the vendor converts the types that this tool does not."""
NEVER = "never use CASCADE here: it would take the column along"


def users_of(catalog: Catalog) -> list[str]:
    """Return every object outside the extension that depends on it, as Postgres describes it."""
    return [dependent.object for dependent in catalog.dependents if dependent.extension == PGVECTORS]


def is_converted_along(catalog: Catalog, user: str, converted: Sequence[Embeddings]) -> bool:
    """Tell whether an object belongs to a column that is converted: the column, its indexes, Immich's constraint."""
    columns = [column for table in converted if (column := column_of(catalog, table)) is not None]
    own = {f"column {column.name} of table {column.schema}.{column.table}" for column in columns}
    own |= {f"index {index.schema}.{index.name}" for column in columns for index in indexes_on(catalog, column)}
    own |= {f"constraint {LEFTOVER_CONSTRAINT} on table {column.schema}.{column.table}" for column in columns}
    return any(user.startswith(name) for name in own)


def blocker(catalog: Catalog, title: str, user: str) -> Blocker:
    """Return what to do about an object that keeps the extension."""
    return Blocker(title, f"{user} still uses it", "nothing that depends on it", _way_out(catalog, user))


def _way_out(catalog: Catalog, user: str) -> tuple[str, ...]:
    for column in catalog.columns:
        if column.extension != PGVECTORS or user != f"column {column.name} of table {column.schema}.{column.table}":
            continue
        if column.type_name == "vector":
            name = f"{column.schema}.{column.table}.{column.name}"
            return (f"have it converted too, with the same proofs: --include {name}", NEVER)
        advice = VENDOR_ADVICE.get(column.type_name, "by hand")
        return (f"this tool does not convert {column.type_name}; the vendor's way is {advice}", NEVER)
    return ("convert or remove it first", NEVER)
