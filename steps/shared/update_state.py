"""Questions that the steps of an update ask: what is newer, left over, to be rebuilt, proven."""

from __future__ import annotations

from psycopg.sql import SQL, Composed, Identifier

from migrator.catalog import Catalog, Index, StoredSetting
from migrator.step import Facts
from steps.shared.names import PGVECTOR, TABLES, VCHORD, Embeddings
from steps.shared.state import column_of, index_of, is_analyzed, is_converted, mapping, rows_of
from steps.shared.vchord_formats import GONE_SETTINGS, at_least, is_newer
from steps.shared.vchord_indexes import METHODS, health, vchord_indexes

UPDATE = "vchord.update"
"""The fact that says from which release to which this update goes."""


def is_behind(catalog: Catalog, name: str) -> bool:
    """Tell whether an extension in the catalog is older than the one that the server offers."""
    extension = catalog.extensions[name]
    return is_newer(extension.offered, extension.version)


def gone_settings(catalog: Catalog) -> list[StoredSetting]:
    """Return the stored settings that the offered library does not know any more."""
    offered = catalog.extensions[VCHORD].offered
    return [
        setting
        for setting in catalog.stored_settings
        if setting.name in GONE_SETTINGS and at_least(offered, GONE_SETTINGS[setting.name])
    ]


def reset_of(setting: StoredSetting) -> Composed:
    """Return the statement that takes one stored setting away, and no other."""
    role, database = Identifier(setting.role), Identifier(setting.database)
    name = SQL(".").join(Identifier(part) for part in setting.name.split("."))
    if setting.database and setting.role:
        return SQL("ALTER ROLE {} IN DATABASE {} RESET {}").format(role, database, name)
    if setting.database:
        return SQL("ALTER DATABASE {} RESET {}").format(database, name)
    return SQL("ALTER ROLE {} RESET {}").format(role if setting.role else SQL("ALL"), name)


def to_rebuild(catalog: Catalog) -> list[Index]:
    """Return the indexes that the loaded library cannot read, and those that a killed rebuild left invalid."""
    return [index for index in vchord_indexes(catalog) if health(catalog, index) in ("other format", "invalid")]


def without_index(catalog: Catalog) -> list[Embeddings]:
    """Return the tables whose index is missing: Immich drops both before an update that may then be refused."""
    return [table for table in TABLES if is_converted(catalog, table) and index_of(catalog, table) is None]


def in_vectorchord(catalog: Catalog) -> list[Embeddings]:
    """Return Immich's tables that have an index of VectorChord's."""
    found = ((table, index_of(catalog, table)) for table in TABLES)
    return [table for table, index in found if index is not None and index.access_method in METHODS]


def extensions_are_current(catalog: Catalog) -> bool:
    """Tell whether the catalog names the offered releases, and nothing is stored that they do not know."""
    return not is_behind(catalog, PGVECTOR) and not is_behind(catalog, VCHORD) and not gone_settings(catalog)


def indexes_are_readable(catalog: Catalog) -> bool:
    """Tell whether every index of VectorChord's answers, and none of Immich's is missing."""
    return not without_index(catalog) and all(health(catalog, i) == "fine" for i in vchord_indexes(catalog))


def is_searched(catalog: Catalog, facts: Facts) -> bool:
    """Tell whether the planner knows the rows and, after an update by this tool, each index answered a search."""
    tables = in_vectorchord(catalog)
    if is_behind(catalog, VCHORD) or not indexes_are_readable(catalog):
        return False
    if not all(is_analyzed(catalog, table) for table in tables):
        return False
    version = catalog.extensions[VCHORD].version
    if mapping(facts.get(UPDATE)).get("to") != version:
        return True
    answers = {table: mapping(facts.get(f"searched.{table.index}")) for table in tables}
    return all(
        answer.get("vchord") == version and (answer.get("found") != 0 or rows_of(catalog, table) == 0)
        for table, answer in answers.items()
    )


def is_finished(catalog: Catalog, facts: Facts) -> bool:
    """Tell whether nothing is left that needs Immich kept out."""
    return extensions_are_current(catalog) and is_searched(catalog, facts)


def table_name(index: Index) -> str:
    """Return the table of an index as privileges name it."""
    return f"{index.table_schema}.{index.table}"


def rows_below(catalog: Catalog, index: Index) -> int:
    """Return how many rows an index covers, 0 where nobody knows."""
    for table in TABLES:
        column = column_of(catalog, table)
        if column is not None and (column.schema, column.table) == (index.table_schema, index.table):
            return rows_of(catalog, table) or 0
    return max(0, round(index.reltuples))
