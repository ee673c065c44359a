"""The free space that the conversion needs for a while, and what is done with the answer.

PostgreSQL has no function that tells how much space is free, so a person says it (`--data-free-bytes`), or reads the
figures. They are upper bounds: what a rewrite leaves behind is freed as soon as it is committed, and WAL as soon as
the next checkpoint is over, where nothing holds it back.
"""

from __future__ import annotations

from migrator.catalog import Catalog
from migrator.content import Space
from migrator.step import Blocker, Facts
from steps.shared import old_library
from steps.shared.names import TABLES, Embeddings
from steps.shared.options import Options, with_dimensions
from steps.shared.state import column_of, dimension_of, is_converted, is_indexed, rows_of

WAL_PER_COPIED_BYTE = 1.25
"""A rewrite logs every page it writes, with headers; observed 246 MB for 100,000 vectors of 512 dimensions."""
WAL_PER_INDEX_BYTE = 1.5
"""Index pages are logged as full images, some of them more than once."""
INDEX_BYTES_PER_ROW = 120
INDEX_BYTES_PER_DIMENSION = 4.5
"""VectorChord keeps every vector, a short code of it, and pages that are not full."""


def needed(catalog: Catalog, facts: Facts, options: Options) -> Space | None:
    """Return what the work that is left needs at its peak; None where nothing is left, or nobody knows the sizes."""
    tables = (*TABLES, *options.include)
    copies = [column.size_bytes for t in tables if (column := column_of(catalog, t)) and not is_converted(catalog, t)]
    index = sum(_index_bytes(catalog, facts, options, t) for t in TABLES if not is_indexed(catalog, facts, t))
    if not copies and not index:
        return None
    # Immich converts both tables at the same time, each in one transaction by two rewrites
    by_immich = options.reindex_by == "immich"
    rewrites = 2 if by_immich or options.path == "manual" else 1
    # a rescue is one transaction: what it replaces is kept until its end
    rescued = options.path == "rescue" or old_library.trouble(catalog) in ("gone", "other release")
    at_once = sum(copies) if rescued else 2 * sum(copies) if by_immich else max(copies, default=0)
    wal = sum(copies) * rewrites * WAL_PER_COPIED_BYTE + index * WAL_PER_INDEX_BYTE
    return Space(copy_bytes=at_once, wal_bytes=round(wal), index_bytes=round(index), free_bytes=options.data_free_bytes)


def space_blockers(catalog: Catalog, facts: Facts, options: Options) -> tuple[Blocker, ...]:
    """Return a blocker where a person said how much is free, and it is not enough."""
    space = needed(catalog, facts, options)
    if space is None or space.free_bytes is None or space.free_bytes >= space.total_bytes:
        return ()
    return (
        Blocker(
            what="free space on the server's data volume",
            found=f"{space.free_bytes:,} bytes free, as given with --data-free-bytes",
            wanted=f"{space.total_bytes:,} bytes: {space.copy_bytes:,} for the copies of a rewrite, "
            f"{space.index_bytes:,} for the indexes, up to {space.wal_bytes:,} for WAL",
            fix=(
                "enlarge the volume, or free space on it, and give what is free then:",
                '--data-free-bytes "$(df -B1 --output=avail DATA_DIRECTORY | tail -1)"',
            ),
        ),
    )


def _index_bytes(catalog: Catalog, facts: Facts, options: Options, table: Embeddings) -> float:
    rows, dimension = rows_of(catalog, table) or 0, dimension_of(catalog, with_dimensions(facts, options), table)
    return rows * (INDEX_BYTES_PER_ROW + INDEX_BYTES_PER_DIMENSION * (dimension or 0))
