"""What an examination asks beyond what a run asks: whether the indexes that are there can still be used.

Nobody's rows are read for it: pgvecto.rs's view asks its worker, and a search in VectorChord is planned, not run.
"""

from __future__ import annotations

from dataclasses import replace

from psycopg.sql import SQL

from migrator.catalog import Catalog, Observation
from steps.content.observations import INTEREST
from steps.shared import vchord_indexes, worker
from steps.shared.names import PGVECTORS
from steps.shared.state import can_be_crippled, is_loaded
from steps.shared.vchord_formats import SERIES_BY_SETTING, loaded_series

INDEX_FILES = "index-files"
FUNCTIONS, STANDBYS = "leftover-functions", "standbys"
OLD_FUNCTIONS = SQL(
    "SELECT p.oid::regprocedure FROM pg_proc p WHERE p.probin ~ '(^|/)vectors(\\.so)?$'"
    " AND p.pronamespace::regnamespace::text !~ '^pg_temp'"
    " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid"
    " AND d.deptype = 'e') ORDER BY 1"
)
"""Functions in pgvecto.rs's library that no extension owns, and that nothing will take along."""
CONNECTED_STANDBYS = SQL(
    "SELECT coalesce(nullif(application_name, ''), 'no name'), client_addr FROM pg_stat_replication"
    " WHERE coalesce(state, '') <> 'backup' ORDER BY 1, 2"
)
"""Without pg_monitor a role sees that they are there, and neither their state nor their address."""
READS_ON_SEARCH = (0, 3)
"""VectorChord of this series looks into an index only when a search is run, which an examination does not do."""


def _may_ask_view(catalog: Catalog) -> bool:
    # where a lost worker would be a danger, the worker itself is asked already, by the same view
    extension = catalog.extensions[PGVECTORS]
    fits = extension.version is not None and extension.version == extension.offered
    has_index = any(index.access_method == PGVECTORS for index in catalog.indexes)
    return is_loaded(catalog, PGVECTORS) and fits and has_index and not can_be_crippled(catalog)


def _planned(observation: Observation) -> Observation:
    def applies(catalog: Catalog) -> bool:
        return loaded_series(catalog) != READS_ON_SEARCH and observation.when(catalog)

    return replace(observation, when=applies)


EXAMINED = replace(
    INTEREST,
    settings=(*INTEREST.settings, *(name for name, _ in SERIES_BY_SETTING)),
    observations=(
        *INTEREST.observations,
        Observation(FUNCTIONS, lambda _: OLD_FUNCTIONS, lambda _: True),
        Observation(STANDBYS, lambda _: CONNECTED_STANDBYS, lambda catalog: not catalog.server.in_recovery),
        Observation(INDEX_FILES, lambda _: worker.ASK_VIEW, _may_ask_view),
        *(_planned(observation) for observation in vchord_indexes.observations()),
    ),
)


def complaint_about_files(catalog: Catalog) -> str | None:
    """Return what pgvecto.rs says where it cannot use its indexes any more; None where it can, or was not asked."""
    extension = catalog.extensions[PGVECTORS]
    if extension.version != extension.offered:
        return None  # the library is another one, which is named for itself
    answers = [catalog.observed.get(name) for name in (worker.OBSERVATION.name, INDEX_FILES)]
    said = [answer.message or "" for answer in answers if answer is not None and answer.sqlstate is not None]
    lost = [text for text in said if "is not existing" in text or "outdated" in text]
    return lost[0].strip().splitlines()[0] if lost else None


def leftover_functions(catalog: Catalog) -> list[str]:
    """Return the functions in pgvecto.rs's library that no extension owns, with their arguments."""
    return _first_values(catalog, FUNCTIONS)


def standbys(catalog: Catalog) -> list[str]:
    """Return the names of the standbys that are connected now."""
    return _first_values(catalog, STANDBYS)


def _first_values(catalog: Catalog, name: str) -> list[str]:
    answer = catalog.observed.get(name)
    return [row[0] for row in answer.rows if row[0] is not None] if answer else []
