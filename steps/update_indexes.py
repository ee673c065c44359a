"""Rebuilds the indexes that the new release cannot read, exactly those: the others stay as they are.

Precondition: the new library is loaded and the catalogs are updated. Effect: REINDEX of each index of another on-disk
format, or left invalid; CREATE INDEX where Immich dropped its own and was then refused the update. Each is committed
on its own, so a stop in between loses no finished one. From VectorChord 1.0 on dead row versions are removed first,
past the old index, which cannot be vacuumed any more. Done when a search can be planned through every index.
Lock: SHARE on the table (reads without the index go on), about 10 s per 100,000 rows with one list.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.sql import SQL, Identifier

from migrator.catalog import Catalog, Index
from migrator.step import Blocker, Facts, NoWayBack, Privilege, Right, Statement, Step
from steps.shared.index import SECONDS_PER_ROW_ONE_LIST, create_index, list_count
from steps.shared.names import VCHORD, Embeddings
from steps.shared.state import column_of, rows_of
from steps.shared.update_state import indexes_are_readable, rows_below, table_name, to_rebuild, without_index
from steps.shared.vchord_formats import READS_DEAD_ROWS_FROM, at_least
from steps.shared.vchord_indexes import complaint, health, vchord_indexes


class RebuildIndexes(Step):
    """Rebuild what cannot be read."""

    key = "rebuild-indexes"
    title = "rebuild indexes of another format"
    lasting = False  # the next release makes it due again

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when every index of VectorChord's can be searched, and Immich's are there."""
        return indexes_are_readable(catalog)

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. An index about which nobody can tell is not rebuilt on suspicion."""
        return [
            Blocker(
                what=f"index {index.name}",
                found=complaint(catalog, index),
                wanted=f"an answer to whether VectorChord can read it, for role {catalog.role.name}",
                fix=("as the owner of the table, or a superuser, run the same command",),
            )
            for index in vchord_indexes(catalog)
            if health(catalog, index) == "unknown"
        ]

    def plan(self, catalog: Catalog, facts: Facts) -> Sequence[Statement]:
        """Read-only. VACUUM where the new release stumbles over dead rows, then one rebuild per index."""
        stale, missing = to_rebuild(catalog), without_index(catalog)
        tables = {(i.table_schema, i.table): None for i in stale}
        tables |= {(c.schema, c.table): None for t in missing if (c := column_of(catalog, t)) is not None}
        vacuums = tables if at_least(catalog.extensions[VCHORD].offered, READS_DEAD_ROWS_FROM) else {}
        return (
            *(_vacuum(schema, table) for schema, table in vacuums),
            *(_reindex(index) for index in stale),
            *(statement for table in missing for statement in _create(catalog, table)),
        )

    def undo(self, catalog: Catalog, facts: Facts) -> Sequence[Statement] | NoWayBack:
        """Read-only. A rebuilt index answers as the old one did; the old format is of no use to the new release."""
        return NoWayBack("the new release cannot read the old format", always=True)

    def estimate_seconds(self, catalog: Catalog) -> float:
        """Read-only. Proportional to the rows below the indexes."""
        rows = sum(rows_below(catalog, index) for index in to_rebuild(catalog))
        rows += sum(rows_of(catalog, table) or 0 for table in without_index(catalog))
        return 1.0 + rows * SECONDS_PER_ROW_ONE_LIST


def _vacuum(schema: str, table: str) -> Statement:
    return Statement(
        f"vacuum-{table}",
        SQL("VACUUM (INDEX_CLEANUP OFF) {}").format(Identifier(schema, table)),
        "VectorChord 1.0 and newer stumble over dead rows; past the old index, which this release cannot vacuum",
        Privilege(Right.TABLE_OWNER, f"{schema}.{table}"),
        lock=f"SHARE UPDATE EXCLUSIVE on {schema}.{table}",
        alone=True,
    )


def _reindex(index: Index) -> Statement:
    return Statement(
        f"reindex-{index.name}",
        SQL("REINDEX INDEX {}").format(Identifier(index.schema, index.name)),
        "its on-disk format is another release's; rebuilt from the table, with the options that are stored"
        if index.valid
        else "a rebuild was cut off and left it invalid",
        Privilege(Right.TABLE_OWNER, table_name(index)),
        lock=f"SHARE on {table_name(index)}",
        alone=True,
        builds_index=True,
    )


def _create(catalog: Catalog, table: Embeddings) -> list[Statement]:
    column = column_of(catalog, table)
    if column is None:
        return []
    rows = rows_of(catalog, table) or 0
    name = f"{column.schema}.{column.table}"
    return [
        Statement(
            f"create-{table.index}",
            create_index(column.schema, column.table, table.index, column.name, rows),
            f"Immich's own index is missing: for {rows:,} rows {list_count(rows)} list(s)",
            Privilege(Right.TABLE_OWNER, name),
            lock=f"SHARE on {name}",
            alone=True,
            builds_index=True,
        )
    ]
