"""What an update wants to know of a database, for the snapshot."""

from __future__ import annotations

from dataclasses import replace

from psycopg.sql import SQL

from migrator.catalog import Catalog, Observation
from steps.content.observations import INTEREST
from steps.shared.names import VCHORD
from steps.shared.state import is_loaded
from steps.shared.vchord_formats import GONE_SETTINGS, SERIES_BY_SETTING
from steps.shared.vchord_indexes import observations

LIBRARY = "library"
LIBRARY_IS_NEWER = SQL(
    # the time of the change, not that of the content: packages keep the latter as it was when they were built
    "SELECT s.change > pg_postmaster_start_time() FROM pg_config() AS c, "
    "pg_stat_file(c.setting || '/vchord.so', true) AS s WHERE c.name = 'PKGLIBDIR'"
)


def _may_look(catalog: Catalog) -> bool:
    return catalog.role.superuser and is_loaded(catalog, VCHORD)


UPDATE_INTEREST = replace(
    INTEREST,
    settings=(*INTEREST.settings, *(name for name, _ in SERIES_BY_SETTING), *GONE_SETTINGS),
    observations=(
        *INTEREST.observations,
        Observation(LIBRARY, lambda _: LIBRARY_IS_NEWER, _may_look),
        *observations(),
    ),
    # a question about an index has to go through the index
    session={**INTEREST.session, "enable_seqscan": "off"},
)


def library_is_newer(catalog: Catalog) -> bool | None:
    """Tell whether VectorChord's file was put in place after the server had started; None where nobody may look."""
    answer = catalog.observed.get(LIBRARY)
    return None if answer is None or answer.value is None else answer.value == "True"
