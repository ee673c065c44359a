"""Takes count and content hash of both tables before their indexes are replaced, although no data will move.

Precondition: both columns are pgvector's. Effect: facts in the journal; the database is only read. Done when every
table's hash of this session is recorded, or its index is VectorChord's already. About 1 s per 100,000 rows.
"""

from __future__ import annotations

from collections.abc import Sequence

from migrator.catalog import Catalog
from migrator.step import PROVEN, Blocker, Fact, Facts, Statement, Step
from steps.shared import proof, rewriting
from steps.shared.before import column_facts
from steps.shared.clip_models import model_blockers
from steps.shared.names import COLUMN, TABLES, Embeddings
from steps.shared.options import Options
from steps.shared.space import space_blockers
from steps.shared.state import column_of, is_converted, is_indexed, mapping

SECONDS_PER_GIGABYTE = 6.0


class HashEmbeddings(Step):
    """Record what the proof at the end is compared with."""

    key = "hash-embeddings"
    title = "record count and hash of the embeddings"
    lasting = False  # each session that has something left to do looks for itself

    def __init__(self, options: Options | None = None) -> None:
        self._options = options or Options()

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when a hash is recorded for every table that still needs its index."""
        return all(mapping(facts.get(f"proof.{table.table}")) for table in _left(catalog, facts))

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. Both columns pgvector's, with dimension and key, Immich's model of the same, and free space."""
        return [
            *(_wrong_column(catalog, table) for table in TABLES if not _is_ready(catalog, table)),
            *model_blockers(catalog, facts, self._options),
            *space_blockers(catalog, facts, self._options),
        ]

    def record(self, catalog: Catalog) -> Sequence[Fact]:
        """Read-only. Both columns and their indexes as they are."""
        return [fact for table in TABLES for fact in column_facts(catalog, table)]

    def plan(self, catalog: Catalog, facts: Facts) -> Sequence[Statement]:
        """Read-only. One measurement per table."""
        return [
            Statement(
                f"hash-{table.table}",
                proof.measure_values(column, with_reader=False),
                "count and content hash before the indexes are replaced",
                rewriting.owner_of(column),
                measures=f"proof.{table.table}",
                withdraws=f"{PROVEN}{table.table}",
            )
            for table in _left(catalog, facts)
            if (column := column_of(catalog, table)) is not None and column.key is not None
        ]

    def estimate_seconds(self, catalog: Catalog) -> float:
        """Read-only. Proportional to the size of both tables."""
        columns = [column_of(catalog, table) for table in TABLES]
        return 1.0 + SECONDS_PER_GIGABYTE * sum(c.size_bytes for c in columns if c) / 1e9


def _left(catalog: Catalog, facts: Facts) -> list[Embeddings]:
    return [table for table in TABLES if not is_indexed(catalog, facts, table)]


def _is_ready(catalog: Catalog, table: Embeddings) -> bool:
    column = column_of(catalog, table)
    return column is not None and is_converted(catalog, table) and column.key is not None


def _wrong_column(catalog: Catalog, table: Embeddings) -> Blocker:
    column = column_of(catalog, table)
    return Blocker(
        what=f"{table.table}.{COLUMN}",
        found=column.type if column is not None else "no such column",
        wanted="pgvector's type with a dimension, and Immich's primary key",
        fix=("is this the right path? see: migrate --from pgvecto.rs --dry-run",),
    )
