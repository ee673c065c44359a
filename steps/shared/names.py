"""The names that the steps know: extensions, tables, indexes, settings, locks. They are Immich's and the vendors'."""

from __future__ import annotations

from dataclasses import dataclass

PGVECTORS = "vectors"
"""pgvecto.rs's extension, library and schema (fixed since 0.2.0)."""
PGVECTOR = "vector"
VCHORD = "vchord"

PGVECTORS_LOADED = "vectors.enable_index"
VCHORD_LOADED = "vchordrq.epsilon"
"""Settings that exist only where the library was preloaded: the proof that it is."""

PROBES = "vchordrq.probes"
IMMICH_STARTUP_LOCK = 200
"""Immich's advisory lock for its work at start-up, migrations and reindexing."""

COLUMN = "embedding"
LEFTOVER_CONSTRAINT = "dim_size_constraint"
"""Immich adds it to smart_search while it changes the model's dimension, and drops it at the end."""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """One of Immich's tables of embeddings, or a column of somebody else's that is converted along with them.

    `table` names it in facts, keys and sentences; `fixed_dimension` is what Immich always uses, None where the CLIP
    model decides; `place` is schema, table and column of somebody else's, None for Immich's own.
    """

    table: str
    index: str
    fixed_dimension: int | None
    place: tuple[str, str, str] | None = None

    @classmethod
    def included(cls, schema: str, table: str, column: str) -> Embeddings:
        """Return the embeddings in a column outside Immich's own tables."""
        return cls(f"{schema}.{table}.{column}", "", None, (schema, table, column))


SMART_SEARCH = Embeddings("smart_search", "clip_index", None)
FACE_SEARCH = Embeddings("face_search", "face_index", 512)
TABLES = (SMART_SEARCH, FACE_SEARCH)
