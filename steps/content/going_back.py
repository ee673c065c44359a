"""What is said of the way back: what was found and what it was before, what stays, and what to start at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from migrator.catalog import Catalog, Interest
from migrator.content import ComponentLine, Ending, Overview, Space, TableLine
from migrator.settings import library_name
from migrator.step import Facts, Step
from steps.content.observations import INTEREST
from steps.shared import other_databases, preload
from steps.shared.before import (
    column_before,
    extension_before,
    had_leftover_constraint,
    indexes_before,
    libraries_before,
    probes_before,
)
from steps.shared.immich_releases import today
from steps.shared.names import LEFTOVER_CONSTRAINT, PGVECTOR, PGVECTORS, PROBES, TABLES, VCHORD, Embeddings
from steps.shared.options import Options
from steps.shared.restoring import indexes_missing, indexes_too_many, lost_of, type_name
from steps.shared.space import WAL_PER_COPIED_BYTE
from steps.shared.state import column_of, everything_in_vectorchord, indexes_on, rows_of, stored_probes

INTEREST_BACK: Interest = replace(INTEREST, elsewhere=other_databases.QUESTION_ON_THE_WAY_BACK)

NAMES = {PGVECTORS: "pgvecto.rs", PGVECTOR: "pgvector", VCHORD: "VectorChord"}
LOST = {
    "condition": "WHERE clause: it used types or functions of an extension, and was not recorded",
    "tablespace": "tablespace, which is no longer there",
}


def overview(catalog: Catalog, facts: Facts, options: Options) -> Overview:
    """Return what was found, and what it was before the run."""
    others = [s for s in catalog.sessions if s.application != "migrate"]
    warnings = (
        [f"{len(others)} other session(s) in this database: Immich has to be stopped while its tables are changed"]
        if others
        else []
    )
    return Overview(
        application=f"Immich {today(catalog, options)}",
        tables=tuple(_table(catalog, facts, table) for table in (*TABLES, *options.include)),
        components=tuple(_component(catalog, facts, name) for name in NAMES if _is_known(catalog, facts, name)),
        warnings=tuple(warnings),
        space=_space(catalog, facts, options),
    )


def ending(catalog: Catalog, facts: Facts, options: Options, to: Step | None, source: str) -> Ending:
    """Return what is true now; `to` is the last step that was taken back, None where all of them were."""
    again = f"migrate --from {source}"
    if to is not None:
        can_run = everything_in_vectorchord(catalog, facts)
        return Ending(
            f"Taken back as far as step {to.documentation.number}, {to.key}: it is the next one again.",
            (("forward", again), ("further", "migrate undo")),
            "Immich can run: its tables are in VectorChord."
            if can_run
            else "Keep Immich stopped until you have gone one of these ways to its end.",
        )
    rows = sum(rows_of(catalog, table) or 0 for table in TABLES)
    differences = list(_not_as_before(catalog, facts, options))
    as_before = "what it was before" if not differences else "what it was before, except for what is named here"
    installed = catalog.extensions[VCHORD].offered
    if installed:
        differences.append(f"VectorChord {installed} is still installed, for you to remove")
    return Ending(
        f"Taken back. {rows:,} embeddings, none changed; everything is {as_before}.",
        (*(("stays", text) for text in differences), ("again", again)),
        _what_to_start(catalog, source),
    )


def _what_to_start(catalog: Catalog, source: str) -> str:
    if catalog.extensions[VCHORD].offered is None:
        return f"Start Immich now, a release that runs on {source}."
    return f"Start Immich with DB_VECTOR_EXTENSION={source}: otherwise it takes VectorChord again."


def _table(catalog: Catalog, facts: Facts, table: Embeddings) -> TableLine:
    column, before = column_of(catalog, table), column_before(facts, table)
    methods = sorted({index.access_method for index in indexes_on(catalog, column)}) if column else []
    now = "no such column" if column is None else f"{column.type}, {' and '.join(methods) or 'no index'}"
    if before is None:
        return TableLine(table.table, rows_of(catalog, table), now, "not recorded")
    old = sorted({index.access_method for index in indexes_before(facts, table)})
    return TableLine(
        table.table, rows_of(catalog, table), now, f"{type_name(before)}, {' and '.join(old) or 'no index'}"
    )


def _is_known(catalog: Catalog, facts: Facts, name: str) -> bool:
    before = extension_before(facts, name) or {}
    return any((catalog.extensions[name].version, before.get("version"), catalog.extensions[name].offered))


def _component(catalog: Catalog, facts: Facts, name: str) -> ComponentLine:
    extension, before = catalog.extensions[name], extension_before(facts, name)
    installed = "installed, not created" if extension.offered else "not there"
    then = "not recorded" if before is None else str(before.get("version") or "not created")
    return ComponentLine(NAMES[name], extension.version or installed, then)


def _space(catalog: Catalog, facts: Facts, options: Options) -> Space | None:
    """Return the room that the rewrites need: one table at a time, each in a transaction of its own."""
    sizes = [
        column.size_bytes
        for table in (*TABLES, *options.include)
        if (column := column_of(catalog, table)) is not None
        and (before := column_before(facts, table)) is not None
        and not before.is_type_of(column)
    ]
    if not sizes:
        return None
    return Space(max(sizes), round(sum(sizes) * WAL_PER_COPIED_BYTE), 0, options.data_free_bytes)


def _not_as_before(catalog: Catalog, facts: Facts, options: Options) -> Iterator[str]:
    """Yield what differs from what was recorded before the run, and why where that is known."""
    for table in (*TABLES, *options.include):
        column, before = column_of(catalog, table), column_before(facts, table)
        if column is None or before is None:
            continue
        if not before.is_type_of(column) or column.storage != before.storage or column.comment != before.comment:
            yield f"{table.table} is {column.type}, and was {type_name(before)}"
        if indexes_missing(catalog, facts, table) or indexes_too_many(catalog, facts, table):
            yield f"the indexes of {table.table} are not those that were there"
        for index in indexes_before(facts, table):
            yield from (f"{index.name} has lost its {LOST[part]}" for part in sorted(lost_of(catalog, index)))
        there = any(check.table == table.table and check.name == LEFTOVER_CONSTRAINT for check in catalog.checks)
        if had_leftover_constraint(facts, table) and not there:
            yield (
                f"{LEFTOVER_CONSTRAINT} of {table.table} stays dropped: an Immich that was interrupted had left it, "
                "and would stumble over it"
            )
    yield from _extensions(catalog, facts)
    known, probes = probes_before(facts)
    now = stored_probes(catalog)
    if known and probes != now:
        yield f"{PROBES} is {now or 'not set'} for the database, and was {probes or 'not set'}"
    before_list = libraries_before(facts)
    if before_list is not None and _names(before_list) != _names(preload.in_force(catalog)):
        yield f"preloaded is '{', '.join(preload.in_force(catalog))}', and was '{', '.join(before_list)}'"


def _extensions(catalog: Catalog, facts: Facts) -> Iterator[str]:
    for name, software in NAMES.items():
        before, now = extension_before(facts, name), catalog.extensions[name]
        if before is None:
            continue
        if before.get("version") != now.version:
            was = before.get("version")
            reason = "; it has no way down" if name == PGVECTOR and now.version and was else ""
            yield f"{software} is {now.version or 'not created'}, and was {was or 'not created'}{reason}"
        elif now.version is not None and before.get("schema") != now.schema:
            yield f"{software} is in schema {now.schema}, and was in {before.get('schema')}, of no use to anybody"


def _names(elements: Sequence[str]) -> list[str]:
    return sorted(library_name(element) for element in elements)
