"""Which path leads from what the catalogs show to VectorChord, and why; what somebody else began is recognised here."""

from __future__ import annotations

from typing import Literal

from migrator.catalog import Catalog
from migrator.content import Path
from migrator.errors import NotImmich, WrongSource
from steps.advice.environment import Environment, is_in
from steps.advice.images import BESIDE
from steps.paths import (
    AUTOMATIC_GROUPS,
    MANUAL_GROUPS,
    PGVECTOR_GROUPS,
    RESCUE_GROUPS,
    automatic,
    manual,
    pgvector,
    rescue,
)
from steps.shared import old_library
from steps.shared.names import COLUMN, LEFTOVER_CONSTRAINT, PGVECTORS, TABLES, VCHORD
from steps.shared.options import Options
from steps.shared.state import column_of, index_of, is_converted, is_loaded, needs_pgvectors

Source = Literal["pgvecto.rs", "pgvector"]
AUTOMATIC, MANUAL, RESCUE, FROM_PGVECTOR = "automatic", "manual", "rescue", "pgvector"
WITHOUT_LIBRARY: dict[old_library.Trouble | None, str] = {
    "gone": "the library of pgvecto.rs is no longer on this server, and the tables cannot be opened without it",
    "other release": "the library of pgvecto.rs here is of another release than the data",
}
"""Why a database is to be rescued; where the library only has to be preloaded, that is the milder way."""


def choose(catalog: Catalog, source: Source, options: Options, begun: str | None) -> Path:
    """Return the path: the one asked for, the one that the journal is on, or the one that fits what is there.

    Raises:
        NotImmich: none of Immich's tables is here.
        WrongSource: the embeddings do not come from where --from says.
    """
    known = {table.name for table in catalog.tables}
    if not known & {t.table for t in TABLES}:
        raise NotImmich(
            f'database "{catalog.database.name}" has none of Immich\'s tables of embeddings '
            "(smart_search, face_search); nothing was changed",
            hint="name Immich's database: --database postgresql://USER@HOST:PORT/immich",
        )
    if source == "pgvector":
        _refuse_pgvectors(catalog)
        why = "the columns are pgvector's already, only their indexes change"
        return Path(FROM_PGVECTOR, "from pgvector", why, pgvector(options), PGVECTOR_GROUPS)
    _refuse_pgvector(catalog)
    trouble = old_library.trouble(catalog)
    if options.path == RESCUE:
        _refuse_rescue(catalog)
    if options.path is not None:
        return _from_pgvectors(options.path, "it was asked for", options)
    if trouble in WITHOUT_LIBRARY:
        return _from_pgvectors(RESCUE, WITHOUT_LIBRARY[trouble], options)
    if begun == RESCUE and not _works(catalog):
        return _from_pgvectors(RESCUE, "the run that goes on is on it", options)
    if begun in (AUTOMATIC, MANUAL):
        return _from_pgvectors(begun, "the run that goes on is on it", options)
    return _from_pgvectors(*_fitting(catalog, options), options)


def _from_pgvectors(key: str, why: str, options: Options) -> Path:
    if key == MANUAL:
        return Path(MANUAL, "manual (one library after the other)", why, manual(options), MANUAL_GROUPS)
    if key == RESCUE:
        return Path(RESCUE, "rescue (without pgvecto.rs's library)", why, rescue(options), RESCUE_GROUPS)
    name = "automatic (both libraries installed side by side)"
    return Path(AUTOMATIC, name, why, automatic(options), AUTOMATIC_GROUPS)


def _fitting(catalog: Catalog, options: Options) -> tuple[str, str]:
    old = catalog.extensions[PGVECTORS]
    if not needs_pgvectors(catalog):
        if old.offered is None and not all(is_converted(catalog, table) for table in TABLES):
            return MANUAL, "the embeddings wait as real[], and pgvecto.rs is gone"
        return AUTOMATIC, "nothing needs pgvecto.rs's library any more"
    if catalog.extensions[VCHORD].offered is None and (why := _cannot_stand_together(catalog, options)):
        return MANUAL, why
    if is_loaded(catalog, PGVECTORS):
        return AUTOMATIC, "pgvecto.rs loads here and nothing forbids installing VectorChord beside it"
    return AUTOMATIC, "pgvecto.rs is still needed to read the columns"


def _cannot_stand_together(catalog: Catalog, options: Options) -> str | None:
    """Return why the two libraries cannot be installed beside each other here; packages always can."""
    major, old = catalog.server.version_num // 10000, catalog.extensions[PGVECTORS].version
    if is_in(catalog, Environment.CLOUDNATIVEPG, options.environment):
        return "no image for CloudNativePG carries both libraries"
    if is_in(catalog, Environment.DOCKER, options.environment) and old not in BESIDE.get(major, ()):
        return f"no image for PostgreSQL {major} carries pgvecto.rs {old} beside VectorChord"
    return None


def _works(catalog: Catalog) -> bool:
    """Tell whether pgvecto.rs is there, is needed, and does its part."""
    return needs_pgvectors(catalog) and old_library.trouble(catalog) is None


def _refuse_rescue(catalog: Catalog) -> None:
    """Refuse the rescue beside a library that works: its hooks would crash the server at the commit without a worker.

    Raises:
        WrongSource: with the path that is right.
    """
    if _works(catalog):
        raise WrongSource(
            f'pgvecto.rs is loaded and reads the data of database "{catalog.database.name}", so nothing has to be '
            "rescued, and a rescue beside it could crash the server; nothing was changed",
            hint="run: migrate --from pgvecto.rs",
        )


def _refuse_pgvector(catalog: Catalog) -> None:
    methods = {i.access_method for i in catalog.indexes if i.name in {t.index for t in TABLES}}
    if needs_pgvectors(catalog) or catalog.extensions[PGVECTORS].version is not None:
        return
    if methods & {"hnsw", "ivfflat"}:
        raise WrongSource(
            f'database "{catalog.database.name}" uses pgvector ({", ".join(sorted(methods))} indexes), '
            "not pgvecto.rs; nothing was changed",
            hint="run: migrate --from pgvector",
        )


def _refuse_pgvectors(catalog: Catalog) -> None:
    waiting = [t.table for t in TABLES if not is_converted(catalog, t)]
    if needs_pgvectors(catalog) or waiting:
        types = ", ".join(
            f"{table.table}.{COLUMN} is {column.type}" for table in TABLES if (column := column_of(catalog, table))
        )
        raise WrongSource(
            f'database "{catalog.database.name}" is not on pgvector ({types}); nothing was changed',
            hint="run: migrate --from pgvecto.rs",
        )


def begun_by_others(catalog: Catalog) -> list[str]:
    """Return what the catalogs show of a migration that somebody began by hand, or that Immich was killed in."""
    found: list[str] = []
    columns = {table: column for table in TABLES if (column := column_of(catalog, table)) is not None}
    arrays = [table.table for table, column in columns.items() if column.extension is None]
    if arrays:
        found.append(f"real[] in {' and '.join(arrays)}: a conversion was begun and not ended")
    converted = [table for table in columns if is_converted(catalog, table)]
    if converted and len(converted) < len(TABLES):
        found.append(f"{converted[0].table} is converted, the other table is not")
    if needs_pgvectors(catalog) or arrays or catalog.extensions[PGVECTORS].version is not None:
        bare = [table.index for table in columns if index_of(catalog, table) is None]
        if bare:
            found.append(f"{' and '.join(bare)} missing: dropped and not built again")
    if any(check.name == LEFTOVER_CONSTRAINT for check in catalog.checks):
        found.append(f"constraint {LEFTOVER_CONSTRAINT} is left over: Immich was stopped while it changed the model")
    misplaced = [e.name for e in catalog.extensions.values() if e.name != PGVECTORS and e.schema == PGVECTORS]
    if misplaced:
        found.append(f"extension {' and '.join(misplaced)} was created in schema vectors, and will be moved to public")
    return found
