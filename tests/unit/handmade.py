"""Snapshots made by hand, for questions that need no server."""

from dataclasses import replace
from typing import Any

from migrator.catalog import Catalog, Column, Database, Extension, Observed, Role, Server

COLUMN = Column(
    table_oid=1, schema="public", table="smart_search", name="embedding", type_schema="vectors", type_name="vector",
    extension="vectors", typmod=512, storage="e", not_null=True, comment=None, mine=True, owner="immich",
    may_become_owner=True, key="assetId",
    reltuples=10.0, size_bytes=8192,
)  # fmt: skip


def column(**changes: Any) -> Column:  # noqa: ANN401 - of many types
    """Return smart_search's column of embeddings, changed."""
    return replace(COLUMN, **changes)


def array(**changes: Any) -> Column:  # noqa: ANN401 - of many types
    """Return that column as an array, half-way through a migration."""
    return column(type_schema="pg_catalog", type_name="_float4", extension=None, typmod=-1, **changes)


def snapshot(*columns: Column, **observed: Observed) -> Catalog:
    """Return a snapshot with these columns; observations by their names, with _ for the dot."""
    return Catalog(
        server=Server(160014, "16.14", "PostgreSQL 16.14", "7", "2026-01-01", 1, in_recovery=False),
        database=Database("immich", 5, "immich", mine=True),
        role=Role("immich", superuser=True),
        extensions={name: Extension(name, None, None, None, None) for name in ("vectors", "vector", "vchord")},
        columns=columns,
        tables=(),
        indexes=(),
        checks=(),
        settings={},
        file_settings=(),
        stored_settings=(),
        schemas={},
        dependents=(),
        locks=(),
        sessions=(),
        observed={name.replace("_", ".", 1): answer for name, answer in observed.items()},
    )
