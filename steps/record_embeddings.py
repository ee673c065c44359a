"""Records what the conversion will need and what would not survive it: dimensions, index definitions, odd rows.

Precondition: each table is there once, with a one-column key and a known dimension. Effect: facts in the journal; the
database is only read (temporary functions live and die within the transaction). Done when this session has surveyed
every table that is still to be converted. Reads every row once: about 2 s per 100,000 rows of 512 dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence

from migrator.catalog import Catalog
from migrator.step import PROVEN, Blocker, Fact, Facts, Privilege, Right, Statement, Step
from steps.shared import proof, recording
from steps.shared.clip_models import model_blockers
from steps.shared.names import Embeddings
from steps.shared.options import Options, with_dimensions
from steps.shared.space import space_blockers
from steps.shared.state import column_of, dimension_of, mapping
from steps.shared.survey import survey, survey_helpers

SECONDS_PER_GIGABYTE = 12.0


class RecordEmbeddings(Step):
    """Look at every embedding before anything changes, and write down what must not be forgotten."""

    key = "record-embeddings"
    title = "record dimensions, indexes and odd rows"
    lasting = False  # rows may change between two runs, so each session looks for itself

    def __init__(self, options: Options) -> None:
        self._options = options

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when nothing is left to convert, or this session has surveyed what is."""
        return all(_surveyed_now(catalog, facts, table) for table in recording.to_convert(catalog, self._options))

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. Each table there once, with a key and a dimension, Immich's model of the same, and free space."""
        return [
            *recording.column_blockers(catalog, facts, self._options),
            *model_blockers(catalog, facts, self._options),
            *space_blockers(catalog, facts, self._options),
        ]

    def record(self, catalog: Catalog) -> Sequence[Fact]:
        """Read-only. Columns, dimensions and index definitions as they are before the conversion."""
        return recording.facts_of(catalog, self._options)

    def plan(self, catalog: Catalog, facts: Facts) -> Sequence[Statement]:
        """Read-only. One survey per table; a superuser's reads header bytes too."""
        surveys: list[Statement] = []
        with_reader = False
        for table in recording.to_convert(catalog, self._options):
            column = column_of(catalog, table)
            dimension = dimension_of(catalog, with_dimensions(facts, self._options), table)
            if column is None or dimension is None or column.key is None:
                continue
            in_bytes = proof.may_read_bytes(catalog, column)
            with_reader = with_reader or in_bytes
            look = Statement(
                f"survey-{table.table}",
                survey(column, dimension, with_reader=in_bytes),
                "rows of another length, NaN or infinity would stop the conversion; better to know before",
                Privilege(Right.TABLE_OWNER, f"{column.schema}.{column.table}"),
                measures=f"survey.{table.table}",
            )
            before = Statement(
                f"hash-{table.table}",
                proof.measure_values(column, with_reader=in_bytes),
                "the count and hash that the embeddings must have after Immich has converted them",
                Privilege(Right.TABLE_OWNER, f"{column.schema}.{column.table}"),
                measures=f"proof.{table.table}",
                withdraws=f"{PROVEN}{table.table}",
            )
            surveys += [look, before] if self._options.reindex_by == "immich" else [look]
        helpers = survey_helpers() if with_reader else ()
        return (*(h.create() for h in helpers), *surveys, *(h.drop() for h in helpers))

    def estimate_seconds(self, catalog: Catalog) -> float:
        """Read-only. Proportional to the size of what is still to be converted."""
        columns = [column_of(catalog, table) for table in recording.to_convert(catalog, self._options)]
        return 1.0 + SECONDS_PER_GIGABYTE * sum(c.size_bytes for c in columns if c) / 1e9


def _surveyed_now(catalog: Catalog, facts: Facts, table: Embeddings) -> bool:
    return mapping(facts.get(f"survey.{table.table}")).get("session") == catalog.server.session
