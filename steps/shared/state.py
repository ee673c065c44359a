"""Questions that several steps ask about the snapshot: which columns, which dimension, what is loaded, what is left."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from psycopg.sql import SQL, Identifier

from migrator.catalog import Catalog, Column, Index
from migrator.step import Blocker, Facts, Json
from steps.shared.index import fits, lists_of
from steps.shared.names import (
    COLUMN,
    PGVECTOR,
    PGVECTORS,
    PGVECTORS_LOADED,
    PROBES,
    TABLES,
    VCHORD,
    VCHORD_LOADED,
    Embeddings,
)
from steps.shared.versions import at_most

LAST_RELEASE_THAT_A_RELOAD_CRIPPLES = "0.2.1"
"""Up to this release of pgvecto.rs a server whose worker is gone must not roll DDL back."""

DIMENSION_COMMENT = re.compile(r"\[vectorchord-migrator: dimension (\d+)\]")


def column_of(catalog: Catalog, embeddings: Embeddings) -> Column | None:
    """Return the column of one of Immich's tables: in schema public, or in the only other schema that has it."""
    if embeddings.place is not None:
        return next((c for c in catalog.columns if (c.schema, c.table, c.name) == embeddings.place), None)
    found = [c for c in catalog.columns if c.table == embeddings.table and c.name == COLUMN]
    in_public = [c for c in found if c.schema == "public"]
    return in_public[0] if in_public else found[0] if len(found) == 1 else None


def index_of(catalog: Catalog, embeddings: Embeddings) -> Index | None:
    """Return the vector index that carries the name which Immich looks for."""
    column = column_of(catalog, embeddings)
    schema = column.schema if column else "public"
    return next((i for i in catalog.indexes if (i.schema, i.name) == (schema, embeddings.index)), None)


def indexes_on(catalog: Catalog, column: Column) -> tuple[Index, ...]:
    """Return every vector index that contains a column, whatever its name."""
    return tuple(
        i
        for i in catalog.indexes
        if (i.table_schema, i.table) == (column.schema, column.table) and column.name in i.columns
    )


def owner_to_become(catalog: Catalog) -> str | None:
    """Return the owner of Immich's tables where our role is a member of it but has not its rights by itself."""
    columns = [column for table in TABLES if (column := column_of(catalog, table)) is not None]
    owners = {column.owner for column in columns if not column.mine and column.may_become_owner}
    return owners.pop() if len(owners) == 1 else None


def other_columns(catalog: Catalog, included: Sequence[Embeddings]) -> list[Column]:
    """Return the columns of pgvecto.rs's types outside Immich's tables that nobody asked to convert."""
    own = [column_of(catalog, embeddings) for embeddings in (*TABLES, *included)]
    return [column for column in catalog.columns if column.extension == PGVECTORS and column not in own]


def definition(index: Index) -> dict[str, Json]:
    """Return what an index can be built again from, read without its library."""
    return {
        "schema": index.schema,
        "name": index.name,
        "columns": list(index.columns),
        "access_method": index.access_method,
        "operator_class": f"{index.operator_class_schema}.{index.operator_class}",
        "options": list(index.options),
        "tablespace": index.tablespace,
        "partial": index.partial,
        "condition": index.condition,
        "comment": index.comment,
    }


def rows_of(catalog: Catalog, embeddings: Embeddings) -> int | None:
    """Return the row count of a table: counted where that is possible, otherwise the planner's estimate."""
    observed = catalog.observed.get(f"rows.{embeddings.table}")
    if observed is not None and observed.value is not None:
        return int(observed.value)
    column = column_of(catalog, embeddings)
    return int(column.reltuples) if column is not None and column.reltuples >= 0 else None


def is_converted(catalog: Catalog, embeddings: Embeddings) -> bool:
    """Tell whether a table's column is pgvector's type with a dimension."""
    column = column_of(catalog, embeddings)
    return column is not None and column.extension == PGVECTOR and column.typmod > 0


def is_indexed(catalog: Catalog, facts: Facts, embeddings: Embeddings) -> bool:
    """Tell whether VectorChord's index is there, valid, and of the size that Immich wants or that this tool built."""
    index = index_of(catalog, embeddings)
    if index is None or index.access_method != "vchordrq" or not index.valid:
        return False
    # Immich compares the list count with the rows of the day; an index that was right when built stays ours
    planned = mapping(facts.get(f"index.{embeddings.index}.planned")).get("lists")
    return lists_of(index.options) == planned or fits(index.options, rows_of(catalog, embeddings))


def is_analyzed(catalog: Catalog, embeddings: Embeddings) -> bool:
    """Tell whether the planner knows the rows: a VectorChord build leaves 0 behind in table and index."""
    column, index = column_of(catalog, embeddings), index_of(catalog, embeddings)
    empty = rows_of(catalog, embeddings) == 0
    if column is None or index is None or index.access_method != "vchordrq":
        return False
    return empty or (column.reltuples > 0 and index.reltuples > 0)


Finished = Callable[[Catalog, Facts], bool]
"""Answers whether nothing is left that Immich's start-up lock has to protect."""


def both_converted(catalog: Catalog, _facts: Facts) -> bool:
    """Tell whether both columns are `vector(N)`: Immich may take over from there."""
    return all(is_converted(catalog, table) for table in TABLES)


def everything_in_vectorchord(catalog: Catalog, facts: Facts) -> bool:
    """Tell whether both tables are converted, indexed and analyzed."""
    return all(is_converted(catalog, t) and is_indexed(catalog, facts, t) and is_analyzed(catalog, t) for t in TABLES)


def stored_probes(catalog: Catalog) -> str | None:
    """Return the value of `vchordrq.probes` that is stored for the database; None where there is none."""
    own = [s for s in catalog.stored_settings if s.database == catalog.database.name and not s.role]
    return next((s.value for s in own if s.name == PROBES), None)


def needs_pgvectors(catalog: Catalog) -> bool:
    """Tell whether the library of pgvecto.rs is still needed: a column of its types, or an index of its method."""
    return any(c.extension == PGVECTORS for c in catalog.columns) or any(
        i.access_method == PGVECTORS for i in catalog.indexes
    )


def is_loaded(catalog: Catalog, extension: str) -> bool:
    """Tell whether a library was preloaded by the running server."""
    return {PGVECTORS: PGVECTORS_LOADED, VCHORD: VCHORD_LOADED}[extension] in catalog.settings


def can_be_crippled(catalog: Catalog) -> bool:
    """Tell whether a release is loaded whose worker, once gone, turns a rollback into a crash of the server.

    Observed on 0.2.0, for 0.2.1 from its source. The hooks exist wherever the library is preloaded, so without the
    extension in this database the release that is offered counts, and an unknown one counts as such a release.
    """
    extension = catalog.extensions[PGVECTORS]
    return is_loaded(catalog, PGVECTORS) and at_most(
        extension.offered or extension.version, LAST_RELEASE_THAT_A_RELOAD_CRIPPLES
    )


def dimension_in_comment(column: Column) -> int | None:
    """Return the dimension that a conversion left in the column's comment."""
    found = DIMENSION_COMMENT.search(column.comment or "")
    return int(found[1]) if found else None


def comment_with_dimension(column: Column, dimension: int) -> str:
    """Return the column's comment with the dimension in it; what somebody else wrote there stays."""
    return dimension_note(comment_of_others(column), dimension)


def dimension_note(comment: str, dimension: int) -> str:
    """Return a comment with the dimension in it."""
    return f"{comment} [vectorchord-migrator: dimension {dimension}]".strip()


def comment_of_others(column: Column) -> str:
    """Return the column's comment without what this tool wrote into it."""
    return DIMENSION_COMMENT.sub("", column.comment or "").strip()


def dimension_candidates(catalog: Catalog, facts: Facts, embeddings: Embeddings) -> dict[str, int]:
    """Return what each source says the dimension is; a typed column is the only source that is needed."""
    column = column_of(catalog, embeddings)
    if column is None:
        return {}
    if column.typmod > 0:
        return {"column": column.typmod}
    candidates: dict[str, int] = {}
    recorded = facts.get(f"dimension.{embeddings.table}")
    if isinstance(recorded, int):
        candidates["journal"] = recorded
    if (commented := dimension_in_comment(column)) is not None:
        candidates["comment on the column"] = commented
    lengths = catalog.observed.get(f"lengths.{embeddings.table}")
    if lengths is not None and lengths.rows and lengths.rows[0][0] is not None:
        shortest, longest = lengths.rows[0]
        candidates["shortest array"], candidates["longest array"] = int(str(shortest)), int(str(longest))
    return candidates


def dimension_of(catalog: Catalog, facts: Facts, embeddings: Embeddings) -> int | None:
    """Return the dimension if every source that knows it says the same; otherwise None, never a guess."""
    said = set(dimension_candidates(catalog, facts, embeddings).values())
    return said.pop() if len(said) == 1 else None


def dimension_blockers(catalog: Catalog, facts: Facts, embeddings: Embeddings) -> tuple[Blocker, ...]:
    """Return why the dimension of a table is not known, or nothing."""
    if dimension_of(catalog, facts, embeddings) is not None:
        return ()
    candidates = dimension_candidates(catalog, facts, embeddings)
    found = "; ".join(f"{source}: {value}" for source, value in candidates.items()) or "nobody knows it"
    lengths = SQL("SELECT array_length({column}::real[], 1), count(*) FROM {table} GROUP BY 1").format(
        column=Identifier(COLUMN), table=Identifier(embeddings.table)
    )
    return (
        Blocker(
            what=f"dimension of {embeddings.table}.{COLUMN}",
            found=found,
            wanted="one number from the column, the journal, its comment and the stored arrays",
            fix=(
                "look at the rows whose length differs:",
                f"{lengths.as_string(None)};",
                f"then repair them, or, for an empty table, name the dimension: --dimension {embeddings.table}=N",
            ),
            who="operator",
        ),
    )


def mapping(value: Json) -> Mapping[str, Json]:
    """Return a fact that is a record; an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}
