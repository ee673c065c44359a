"""Records what the catalogs tell of columns and indexes that cannot be opened: dimensions, storage, definitions.

Precondition: each table is there once, with a one-column key and a known dimension, and the CLIP model fits. Effect:
facts in the journal; no table is opened. Done when they are recorded, or nothing is left to convert. No lock, no time.
"""

from __future__ import annotations

from collections.abc import Sequence

from migrator.catalog import Catalog
from migrator.step import Blocker, Fact, Facts, Step
from steps.shared import recording
from steps.shared.clip_models import model_blockers
from steps.shared.options import Options
from steps.shared.space import space_blockers


class RecordCatalogs(Step):
    """Write down what must not be forgotten, as far as it shows without the library."""

    key = "record-catalogs"
    title = "record dimensions and indexes"
    lasting = False  # each session writes down what it finds

    def __init__(self, options: Options) -> None:
        self._options = options

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when the journal has what the catalogs tell of everything that is left to convert."""
        found = self.record(catalog)
        return not recording.to_convert(catalog, self._options) or (
            not self.check(catalog, facts) and all(fact.name in facts for fact in found)
        )

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. Each table there once, with a key and a dimension, Immich's model of the same, and free space."""
        return [
            *recording.column_blockers(catalog, facts, self._options),
            *model_blockers(catalog, facts, self._options),
            *space_blockers(catalog, facts, self._options),
        ]

    def record(self, catalog: Catalog) -> Sequence[Fact]:
        """Read-only. Columns, dimensions and index definitions as they are before the rescue."""
        return recording.facts_of(catalog, self._options)
