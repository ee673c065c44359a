"""Proves, after Immich has reindexed, that every embedding is what it was: count and content hash as recorded before.

Precondition: Immich has finished, and nobody has added or deleted embeddings since they were recorded. Effect: none, it
reads. Done when both proofs are recorded. Cannot roll anything back: Immich committed it; a difference is reported.
"""

from __future__ import annotations

from collections.abc import Sequence

from migrator.catalog import Catalog
from migrator.step import PROVEN, Fact, Facts, Statement, Step
from steps.shared import proof
from steps.shared.names import TABLES, Embeddings
from steps.shared.state import column_of, is_indexed, mapping


class ProveEmbeddings(Step):
    """Compare what is there with what was recorded."""

    key = "prove-embeddings"
    title = "prove that no embedding changed"

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when each recorded hash was measured again with the same result, or none was recorded."""
        return all(_is_settled(catalog, facts, table) for table in TABLES)

    def record(self, catalog: Catalog) -> Sequence[Fact]:
        """Read-only. Nothing more than is recorded already."""
        return ()

    def plan(self, catalog: Catalog, facts: Facts) -> Sequence[Statement]:
        """Read-only. One measurement per table that was recorded, compared with the recorded one."""
        # before anything is recorded, a plan shows what a run will do
        recorded = [table for table in TABLES if facts.get(f"proof.{table.table}") is not None] or TABLES
        return [
            Statement(
                f"hash-{table.table}",
                proof.measure_values(column, with_reader=False),
                "must equal the count and hash recorded before Immich was started",
                measures=f"{PROVEN}{table.table}",
                must_equal=f"proof.{table.table}",
                if_unequal="Immich committed its conversion",
                remedy="were photos added or deleted meanwhile? then run the same command again with --reindex-by tool",
            )
            for table in recorded
            if (column := column_of(catalog, table)) is not None and column.key is not None
        ]

    def forget(self, facts: Facts) -> Sequence[Fact]:
        """Read-only. The proof itself: it was about what is taken back."""
        return [Fact(name, None) for t in TABLES if facts.get(name := f"{PROVEN}{t.table}") is not None]


def _is_settled(catalog: Catalog, facts: Facts, table: Embeddings) -> bool:
    before = mapping(facts.get(f"proof.{table.table}"))
    if not before:
        # a lost journal has nothing to compare with; before anything is recorded there is still something to do
        return is_indexed(catalog, facts, table)
    return mapping(facts.get(f"{PROVEN}{table.table}")) == before
