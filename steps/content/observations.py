"""What the steps want to know of a database, for the snapshot."""

from __future__ import annotations

from psycopg.sql import SQL, Composed, Identifier

from migrator.catalog import Catalog, Interest, Observation
from migrator.locks import TOOL_LOCK
from migrator.settings import PRELOAD
from steps.advice import environment
from steps.shared import handler, old_library, other_databases, worker
from steps.shared.index import DEFAULT_TABLESPACE
from steps.shared.names import (
    COLUMN,
    IMMICH_STARTUP_LOCK,
    PGVECTOR,
    PGVECTORS,
    PGVECTORS_LOADED,
    PROBES,
    TABLES,
    VCHORD,
    VCHORD_LOADED,
    Embeddings,
)
from steps.shared.state import column_of, indexes_on, is_loaded, owner_to_become

LIBRARY_OF = {PGVECTORS: PGVECTORS, "vchordrq": VCHORD, "vchordg": VCHORD}
"""Access methods whose library has to be preloaded before a query on an indexed table can be planned."""


def _can_be_counted(catalog: Catalog, embeddings: Embeddings) -> bool:
    column = column_of(catalog, embeddings)
    if column is None:
        return False
    needed = {LIBRARY_OF[i.access_method] for i in indexes_on(catalog, column) if i.access_method in LIBRARY_OF}
    return all(is_loaded(catalog, library) for library in needed)


def _from_table(catalog: Catalog, embeddings: Embeddings, template: str) -> Composed:
    column = column_of(catalog, embeddings)
    table = Identifier(column.schema if column else "public", embeddings.table)
    return SQL(template).format(table=table, column=Identifier(COLUMN))


def _rows(embeddings: Embeddings) -> Observation:
    return Observation(
        name=f"rows.{embeddings.table}",
        sql=lambda catalog: _from_table(catalog, embeddings, "SELECT count(*) FROM {table}"),
        when=lambda catalog: _can_be_counted(catalog, embeddings),
    )


def _lengths(embeddings: Embeddings) -> Observation:
    def is_array(catalog: Catalog) -> bool:
        column = column_of(catalog, embeddings)
        return column is not None and column.type_name == "_float4" and _can_be_counted(catalog, embeddings)

    query = "SELECT min(array_length({column}, 1)), max(array_length({column}, 1)) FROM {table}"
    return Observation(
        name=f"lengths.{embeddings.table}",
        sql=lambda catalog: _from_table(catalog, embeddings, query),
        when=is_array,
    )


def _application(name: str, table: str, query: str) -> Observation:
    def schema(catalog: Catalog) -> str | None:
        schemas = [t.schema for t in catalog.tables if t.name == table]
        return "public" if "public" in schemas else schemas[0] if len(schemas) == 1 else None

    return Observation(
        name=name,
        sql=lambda catalog: SQL(query).format(table=Identifier(schema(catalog) or "public", table)),
        when=lambda catalog: schema(catalog) is not None,
    )


LEFT_FILES = Observation(
    "left-files",
    lambda _: SQL("SELECT (pg_stat_file('pg_vectors', true)).isdir"),
    lambda catalog: (
        catalog.role.superuser and catalog.extensions[PGVECTORS].version is None and not is_loaded(catalog, PGVECTORS)
    ),
)
"""Whether pgvecto.rs's folder is still in the data directory, which neither its extension nor its package removes."""

INTEREST = Interest(
    extensions=(PGVECTORS, PGVECTOR, VCHORD),
    tables=(*(t.table for t in TABLES), "asset", "assets", "system_metadata", "version_history"),
    column=COLUMN,
    access_methods=(PGVECTORS, "hnsw", "ivfflat", "vchordrq", "vchordg"),
    settings=(
        PRELOAD,
        "search_path",
        DEFAULT_TABLESPACE,
        PROBES,
        PGVECTORS_LOADED,
        VCHORD_LOADED,
        *environment.SETTINGS,
    ),
    locks=(TOOL_LOCK, IMMICH_STARTUP_LOCK),
    observations=(
        _application("immich", "version_history", 'SELECT version FROM {table} ORDER BY "createdAt" DESC LIMIT 1'),
        _application(
            "model",
            "system_metadata",
            "SELECT value #>> '{{machineLearning,clip,modelName}}', value #>> '{{machineLearning,enabled}}', "
            "value #>> '{{machineLearning,clip,enabled}}' FROM {table} WHERE key = 'system-config'",
        ),
        environment.OBSERVATION,
        worker.OBSERVATION,
        old_library.OBSERVATION,
        handler.OBSERVATION,
        old_library.MANAGED,
        LEFT_FILES,
        *(_rows(table) for table in TABLES),
        *(_lengths(table) for table in TABLES),
    ),
    elsewhere=other_databases.QUESTION,
    act_as=owner_to_become,
    # pgvecto.rs can be told to take pgvector's index syntax for its own; our statements mean what they say
    session={"vectors.pgvector_compatibility": "off"},
)
