"""What has to be recorded of each column before it is converted, and what has to be there for that: catalogs only."""

from __future__ import annotations

from migrator.catalog import Catalog
from migrator.step import Blocker, Fact, Facts
from steps.shared.before import column_facts
from steps.shared.names import COLUMN, TABLES, Embeddings
from steps.shared.options import Options, with_dimensions
from steps.shared.state import column_of, dimension_blockers, dimension_of, is_converted


def to_convert(catalog: Catalog, options: Options) -> list[Embeddings]:
    """Return what is still to be converted: Immich's tables, and columns that somebody asked for."""
    return [table for table in (*TABLES, *options.include) if not is_converted(catalog, table)]


def column_blockers(catalog: Catalog, facts: Facts, options: Options) -> list[Blocker]:
    """Return what is missing for a conversion: each column there once, with a key and a dimension."""
    found: list[Blocker] = []
    for table in to_convert(catalog, options):
        column = column_of(catalog, table)
        if column is None:
            found.append(_missing(catalog, table))
            continue
        if column.key is None:
            found.append(
                Blocker(
                    what=f"primary key of {table.table}",
                    found="none of one column",
                    wanted="Immich's key, without which exchanged embeddings could not be noticed",
                    fix=("restore the primary key that Immich created",),
                )
            )
        found += dimension_blockers(catalog, with_dimensions(facts, options), table)
    return found


def facts_of(catalog: Catalog, options: Options) -> list[Fact]:
    """Return columns, dimensions and index definitions as they are before the conversion."""
    recorded = [fact for table in (*TABLES, *options.include) for fact in column_facts(catalog, table)]
    for table in to_convert(catalog, options):
        dimension = dimension_of(catalog, with_dimensions({}, options), table)
        if dimension is not None:
            recorded.append(Fact(f"dimension.{table.table}", dimension))
    return recorded


def _missing(catalog: Catalog, table: Embeddings) -> Blocker:
    if table.place is not None:
        return Blocker(
            what=f"--include {table.table}",
            found="no such column of pgvecto.rs's types",
            wanted="SCHEMA.TABLE.COLUMN of a column of type vectors.vector",
            fix=("look at what the first screen or migrate doctor lists, and name it exactly",),
        )
    schemas = [t.schema for t in catalog.tables if t.name == table.table]
    if len(schemas) > 1:
        return Blocker(
            what=f"table {table.table}",
            found=f"there is one in each of the schemas {', '.join(schemas)}, and none in public",
            wanted=f"one table {table.table} with its column {COLUMN}",
            fix=("look which of them Immich uses (its search_path decides), and move the other away or drop it",),
        )
    if schemas:
        found = f'the table has no column "{COLUMN}": somebody dropped extension vectors with everything that used it'
    else:
        found = "no such table"
    return Blocker(
        what=f"column {COLUMN} of {table.table}",
        found=found,
        wanted=f"one table {table.table} with its column {COLUMN}",
        fix=(
            "with Immich stopped, put a copy of the embeddings back: migrate restore DIR",
            "without such a copy, restore Immich's database from a backup",
        )
        if schemas
        else ("is this Immich's database? start Immich 1.107 or newer on it once",),
        who="nobody" if schemas else "operator",
    )
