"""Tells the planner what is in the tables, and proves with a real search through each index that it answers.

Precondition: every index can be read. Effect: ANALYZE, which a rebuild makes necessary and which an index of another
format refuses; then one search per index, with as many probes as its lists demand; the answers are recorded. Done when
the row estimates are no longer 0 and, after an update by this tool, each of Immich's indexes has found something.
Lock: SHARE UPDATE EXCLUSIVE, a second or two.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.sql import SQL, Identifier, Literal

from migrator.catalog import Catalog, Index
from migrator.step import Facts, Privilege, Right, Statement, Step
from steps.shared.names import VCHORD
from steps.shared.update_state import is_searched, table_name
from steps.shared.vchord_indexes import nearest, probes_of, vchord_indexes

NEIGHBOURS = 10


class SearchEveryIndex(Step):
    """Analyze, and search once through each index."""

    key = "search-every-index"
    title = "analyze, and search every index"
    lasting = False  # the server's own vacuum may reset an estimate at any time

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when the planner knows the rows and the searches of this update are recorded."""
        return is_searched(catalog, facts)

    def plan(self, catalog: Catalog, facts: Facts) -> Sequence[Statement]:
        """Read-only. ANALYZE each table once, then search through each index."""
        found = vchord_indexes(catalog)
        tables = {(index.table_schema, index.table): table_name(index) for index in found}
        analyze = [
            Statement(
                f"analyze-{name[1]}",
                SQL("ANALYZE {}").format(Identifier(*name)),
                "the planner takes the table for empty after a rebuild",
                Privilege(Right.TABLE_OWNER, owner),
            )
            for name, owner in tables.items()
        ]
        return (*analyze, *(statement for index in found for statement in _search(catalog, index)))


def _search(catalog: Catalog, index: Index) -> list[Statement]:
    query, probes = nearest(catalog, index, NEIGHBOURS), probes_of(index)
    if query is None or (probes is None and index.access_method == "vchordrq"):
        return []
    through_index = SQL(
        "SELECT set_config('vchordrq.probes', {}, true), set_config('enable_seqscan', 'off', true)"
    ).format(Literal(probes or ""))
    search = SQL("SELECT count(*) AS found, {} AS vchord FROM ({}) AS nearest").format(
        Literal(catalog.extensions[VCHORD].offered), query
    )
    owner = Privilege(Right.TABLE_OWNER, table_name(index))
    return [
        Statement(f"probes-{index.name}", through_index, "as many probes as its lists demand, and through the index"),
        Statement(f"search-{index.name}", search, "it answers a real search", owner, measures=f"searched.{index.name}"),
    ]
