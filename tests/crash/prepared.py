"""A server on pgvecto.rs, ready to be copied, and what a run that nothing interrupted makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from journey import EndState, Journey

from migrator.sandbox.immich_catalog import ContentHash
from migrator.sandbox.immich_sql import Table
from migrator.step import Json


@dataclass(frozen=True, slots=True)
class Prepared:
    """A server's data before the migration, and the result of a run that nothing interrupted.

    Attributes:
        data: A data directory to copy.
        before: What the embeddings are.
        after: What the server holds at the end.
        facts: What the journal knows at the end.
        writes: How often the journal was written.
    """

    version: str
    data: Path
    before: Mapping[Table, ContentHash]
    after: EndState
    facts: Mapping[str, Json]
    writes: int


MakeJourney = Callable[[Prepared], AbstractContextManager[Journey]]
Prepare = Callable[[str], Prepared]
