"""The examination behind `migrate doctor`: everything that stands in the way, found before anything is touched.

Each group is a function over the snapshot that yields findings; a group without trouble yields one line of what is
well. The blockers of the path's own steps are findings too, so that a run meets nothing that was not named here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from migrator.catalog import Catalog
from migrator.content import Finding, Path
from migrator.locks import describe, holder_of
from migrator.privileges import holds
from migrator.settings import PRELOAD
from migrator.step import Actor, Blocker, Facts, Step
from steps.content.choice import begun_by_others
from steps.content.examination_observations import complaint_about_files, leftover_functions, standbys
from steps.shared import dependents, old_library, other_databases, preload, space, vector_extension, worker
from steps.shared.clip_models import model_blockers, model_warnings
from steps.shared.immich_releases import next_release, release_warnings, today, upgrade_blockers
from steps.shared.names import COLUMN, IMMICH_STARTUP_LOCK, PGVECTORS, TABLES, VCHORD, Embeddings
from steps.shared.options import Options, accepted
from steps.shared.state import column_of, dimension_candidates, is_loaded, needs_pgvectors, rows_of
from steps.shared.vchord_formats import GONE_SETTINGS, at_least, is_newer
from steps.shared.vchord_indexes import complaint, health, vchord_indexes
from steps.shared.versions import accepts, written


@dataclass(frozen=True, slots=True)
class _Case:
    """What a group of checks looks at."""

    catalog: Catalog
    facts: Facts
    options: Options
    path: Path


Group = Callable[[_Case], Iterator[Finding]]

KILO = 1000

GROUP_OF_STEP = {
    "server-fits": "server",
    "extensions-in-public": "extensions",
    "pgvectors-installed": "library",
    "choose-rescue": "library",
    "rescue-possible": "library",
    "create-extension-vector": "extensions",
    "install-pgvector": "extensions",
    "install-vectorchord": "extensions",
    "exchange-libraries": "extensions",
    "preload-both-libraries": "preload",
    "preload-vectorchord-only": "preload",
    "preload-without-pgvectors": "preload",
    "unset-vector-extension": "Immich",
    "keep-immich-out": "Immich",
}
"""Where the blockers of a step belong; those of all others concern the data."""

TAKES_LIBRARY_OUT = ("preload-vectorchord-only", "preload-without-pgvectors")
"""The step of a path before which every database of the server has to be done with pgvecto.rs."""


def examine(catalog: Catalog, facts: Facts, options: Options, path: Path) -> list[Finding]:
    """Return all findings, group by group; the blockers of every step that is left to do among them."""
    found: list[Finding] = []
    case = _Case(catalog, facts, options, path)
    by_steps = list(_of_steps(case))
    for name, group in GROUPS.items():
        known = {finding.text for finding in found}
        own = [*group(case), *(f for f in by_steps if f.group == name and f.text not in known)]
        troubled = any(finding.status in ("blocked", "waiting", "unknown") for finding in own)
        found += [finding for finding in _distinct(own) if not (troubled and finding.status == "ok")] or own
    return found


def _of_steps(case: _Case) -> Iterator[Finding]:
    catalog, facts, path = case.catalog, case.facts, case.path
    about_space = space.space_blockers(catalog, facts, case.options)
    left = [step for step in path.steps if not step.is_done(catalog, facts)]
    for n, step in enumerate(left):
        # a restart is asked for when it is its turn: before that it would say nothing
        if (step.point_of_no_return and step.actor is Actor.OPERATOR) or (step.wants_restart and n > 0):
            continue
        for blocker in step.check(catalog, facts):
            if _is_premature(case, step, blocker) or _is_consequence(case, step, blocker):
                continue
            group = "space" if blocker in about_space else GROUP_OF_STEP.get(step.key, "data")
            yield _what_the_rows_tell(case, blocker) or _from_blocker(group, blocker)


def _is_premature(case: _Case, step: Step, blocker: Blocker) -> bool:
    """Tell whether a blocker is only the path's own earlier work not having been done yet."""
    catalog, path = case.catalog, case.path
    if step.key == "drop-extension-vectors" and needs_pgvectors(catalog):
        converted = (*TABLES, *case.options.include)
        return dependents.is_converted_along(catalog, blocker.found, converted)
    later = {"preload-vectorchord-only", "preload-without-pgvectors", "immich-reindexes", "exchange-libraries"}
    return path.key != "pgvector" and step.key in later


def _is_consequence(case: _Case, step: Step, blocker: Blocker) -> bool:
    """Tell whether a blocker only follows from another that is named.

    That is the dimension of a column that is not there, or an older VectorChord than the one that the database has.
    """
    created = case.catalog.extensions[VCHORD].version
    if step.key == "install-vectorchord" and created:
        return not accepts(accepted(case.catalog, case.options).vchord, created)
    return any(blocker.what == _dimension(t) and column_of(case.catalog, t) is None for t in TABLES)


def _what_the_rows_tell(case: _Case, blocker: Blocker) -> Finding | None:
    """Return a note in place of a blocker about a dimension that the rows tell: they are read only with --deep."""
    for table in TABLES:
        measured = f"lengths.{table.table}" in case.catalog.observed
        if blocker.what == _dimension(table) and not (
            measured or dimension_candidates(case.catalog, case.facts, table)
        ):
            text = f"{table.table}: the catalogs no longer tell its dimension, the stored arrays do: see with --deep"
            return Finding("data", "note", text)
    return None


def _dimension(table: Embeddings) -> str:
    return f"dimension of {table.table}.{COLUMN}"


def _from_blocker(group: str, blocker: Blocker) -> Finding:
    text = f"{blocker.what}: {blocker.found}"
    return Finding(group, "waiting" if blocker.kind == "operator" else "blocked", text, blocker)


def _distinct(findings: Sequence[Finding]) -> list[Finding]:
    return list({finding.text: finding for finding in findings}.values())


def _server(case: _Case) -> Iterator[Finding]:
    row, version = accepted(case.catalog, case.options), case.catalog.server.version.split()[0]
    if case.catalog.server.in_recovery:
        fix = ("connect to the primary instead",)
        yield _from_blocker("server", Blocker("server", "a standby, which takes no changes", "the primary", fix))
    if not accepts(row.postgres, version):
        yield _from_blocker(
            "server",
            Blocker(
                "PostgreSQL version",
                version,
                f"{written(row.postgres)} (Immich {written(row.immich)})",
                ("upgrade PostgreSQL, or name the Immich release that will be started: --target-immich VERSION",),
            ),
        )
    if copies := standbys(case.catalog):
        text = f"{len(copies)} standby connected ({', '.join(copies)}): pgvecto.rs before 0.4 does not replicate its "
        text += "indexes, VectorChord's are replicated: install VectorChord there too, preloaded, before a failover"
        yield Finding("server", "note", text)
    yield Finding("server", "ok", f"PostgreSQL {version}, writable, no standby")


def _library(case: _Case) -> Iterator[Finding]:
    old = case.catalog.extensions[PGVECTORS]
    if case.path.key != "pgvector":
        yield from _other_databases(case)
    if functions := leftover_functions(case.catalog):
        text = f"functions that point at pgvecto.rs's library and belong to no extension: {', '.join(functions)}"
        drops = " ".join(f"DROP FUNCTION {function};" for function in functions)
        yield Finding("library", "note", f"{text}: pg_upgrade stops at them, once the library is gone: {drops}")
    if old.version is None and not needs_pgvectors(case.catalog):
        yield Finding("library", "ok", "nothing uses pgvecto.rs")
        return
    if case.path.key == "rescue" and (trouble := old_library.trouble(case.catalog)):
        text = f"the library of pgvecto.rs {old.version} cannot be used ({trouble}); every query on the tables fails"
        yield Finding("library", "note", f"{text}, the embeddings are intact, and the rescue does without it")
    life, complaint = worker.life(case.catalog), complaint_about_files(case.catalog)
    if complaint is not None:
        text = f'the files of an index are lost or outdated ("{complaint}"); the embeddings are not in them'
        yield Finding("library", "note", f"{text}: the path drops the index without reading it, and builds a new one")
    elif life == "unknown":
        text = "pgvecto.rs's worker: not visible to this role; it is asked right before each change"
        yield Finding("library", "note", text)
    suffix = "" if life in ("not needed", "unknown") else f", its worker {life}"
    yield Finding("library", "ok", f"pgvecto.rs {old.version}{suffix}")


def _other_databases(case: _Case) -> Iterator[Finding]:
    """Yield the databases that keep the library: in the way of the step that takes it out, and of none before it."""
    comes_to_it = case.catalog.extensions[PGVECTORS].version is not None
    gate = next((step for step in case.path.steps if step.key in TAKES_LIBRARY_OUT), None)
    for blocker in other_databases.blockers(case.catalog, case.options):
        if not comes_to_it or gate is None:
            yield _from_blocker("library", blocker)
            continue
        until = f"this one can be migrated up to step {gate.documentation.number} ({gate.title}), where the run stops"
        yield Finding("library", "note", f"{blocker.what}: {blocker.found}; {until} until: {'; '.join(blocker.fix)}")


def _extensions(case: _Case) -> Iterator[Finding]:
    row, new = accepted(case.catalog, case.options), case.catalog.extensions[VCHORD]
    if new.version and new.offered and is_newer(new.version, new.offered):
        found = f"the database has VectorChord {new.version}, the server only {new.offered}"
        fixes = (f"install VectorChord {new.version} or newer; there are no scripts to an older one",)
        yield _from_blocker("extensions", Blocker("VectorChord's library", found, new.version, fixes))
    elif new.version and not accepts(row.vchord, new.version):
        wanted = f"{written(row.vchord)} (Immich {written(row.immich)})"
        other = ("start an Immich release that accepts it, and name that: --target-immich VERSION",)
        ways = ("run: migrate update", *other) if is_newer(new.offered, new.version) else other
        yield _from_blocker("extensions", Blocker("VectorChord's version", new.version, wanted, ways))
    elif new.version and is_newer(new.offered, new.version):
        text = f"VectorChord {new.offered} is installed, the database is at {new.version}: migrate update"
        yield Finding("extensions", "note", text)
    if new.version and new.offered is None:
        found = f"extension vchord {new.version} is in the catalog, this server no longer offers it"
        fix = (f"put the image or package with VectorChord {new.version} back",)
        yield _from_blocker("extensions", Blocker("VectorChord's library", found, "vchord.so on the server", fix))
    names = ", ".join(f"{e.name} {e.version}" for e in case.catalog.extensions.values() if e.version)
    yield Finding("extensions", "ok", names or "none created yet")


def _preload(case: _Case) -> Iterator[Finding]:
    if PRELOAD not in case.catalog.settings:
        yield Finding("preload", "unknown", "could not be read: needs pg_read_all_settings")
        return
    listed = preload.names(preload.after_restart(case.catalog) or preload.in_force(case.catalog))
    for name in (PGVECTORS, VCHORD):
        if name in listed and case.catalog.extensions[name].offered is None:
            found = f"{name}.so is listed, but the server does not offer extension {name}"
            fix = (f"take {name}.so out of {PRELOAD}, or put its library back, before the next restart",)
            wanted = "no entry without its library: PostgreSQL would not start (could not access file)"
            yield _from_blocker("preload", Blocker(PRELOAD, found, wanted, fix))
    if case.catalog.extensions[VCHORD].offered is not None and not is_loaded(case.catalog, VCHORD):
        text = "VectorChord is installed and not loaded (vchord must be loaded via shared_preload_libraries)"
        yield Finding("preload", "note", f"{text}: the path lists vchord.so, then asks for a restart")
    for setting in case.catalog.stored_settings:
        limit = GONE_SETTINGS.get(setting.name)
        if limit is not None and at_least(case.catalog.extensions[VCHORD].offered, limit):
            where = f"database {setting.database}" if setting.database else f"role {setting.role}"
            text = f"{setting.name} is still stored for {where}, unknown to VectorChord {limit}: migrate update"
            yield Finding("preload", "note", text)
    in_force = ", ".join(preload.in_force(case.catalog)) or "empty"
    yield Finding("preload", "ok", f"{PRELOAD}: {in_force}")


def _rights(case: _Case) -> Iterator[Finding]:
    left = [step for step in case.path.steps if not step.is_done(case.catalog, case.facts)]
    statements = [statement for step in left for statement in step.plan(case.catalog, case.facts)]
    role = case.catalog.role
    missing = sorted({str(s.privilege) for s in statements if not holds(case.catalog, s.privilege)})
    if missing:
        found = f'role "{role.name}" lacks: {", ".join(missing)}'
        path = " --path rescue" if case.path.key == "rescue" else ""
        fix = (f"run: migrate --from {_source(case.path)}{path} --dba-script immich.sql",)
        yield _from_blocker("rights", Blocker("rights", found, "a DBA for these statements", fix, "operator", "DBA"))
    if any(s.name == "role" and s.role in ("", role.login) for s in case.catalog.stored_settings):
        text = f'a stored setting makes role "{role.login}" act as "{role.name}": ALTER ROLE ... RESET role undoes it'
        yield Finding("rights", "note", text)
    rights = "superuser" if role.superuser else "enough for every statement"
    yield Finding("rights", "ok", f'role "{role.name}": {rights}')


def _data(case: _Case) -> Iterator[Finding]:
    yield from (Finding("data", "note", remark) for remark in begun_by_others(case.catalog))
    if not model_blockers(case.catalog, case.facts, case.options):
        doubts = model_warnings(case.catalog, case.facts, case.options)
        yield from (Finding("data", "note", doubt) for doubt in doubts)
    for table in TABLES:
        column = column_of(case.catalog, table)
        if column is None:
            found = [t.schema for t in case.catalog.tables if t.name == table.table]
            where = f"in schemas {', '.join(found)}" if len(found) > 1 else "no embeddings"
            yield Finding("data", "note", f"{table.table}: {where}")
            continue
        rows = rows_of(case.catalog, table)
        counted = f"rows.{table.table}" in case.catalog.observed
        amount = "rows unknown" if rows is None else f"{rows:,} rows{'' if counted else ' (estimate)'}"
        yield Finding("data", "ok", f"{table.table}: {column.type}, {amount}, not read")
    yield from _indexes(case.catalog)


def _indexes(catalog: Catalog) -> Iterator[Finding]:
    """Yield what is wrong with indexes of VectorChord's that PostgreSQL calls valid."""
    for index in vchord_indexes(catalog):
        if health(catalog, index) == "other format":
            found = f'{index.name} was built by another VectorChord release ("{complaint(catalog, index)}")'
            wanted = f"the index in the format of VectorChord {catalog.extensions[VCHORD].offered}; every search fails"
            fix = ("migrate update",)
            yield _from_blocker("data", Blocker("index", found, wanted, fix))


def _space(case: _Case) -> Iterator[Finding]:
    needed = space.needed(case.catalog, case.facts, case.options)
    if needed is None:
        yield Finding("space", "ok", "nothing is left to be copied")
        return
    parts = f"copies {_size(needed.copy_bytes)}, WAL {_size(needed.wal_bytes)}, indexes {_size(needed.index_bytes)}"
    text = f"{_size(needed.total_bytes)} at the peak ({parts})"
    if needed.free_bytes is None:
        yield Finding("space", "note", f"needs {text}; the server cannot tell what is free: --data-free-bytes N")
        return
    yield Finding("space", "ok", f"{_size(needed.free_bytes)} free, needs {text}")


def _size(amount: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if amount < KILO:
            return f"{amount:,.0f} {unit}"
        amount /= KILO
    return f"{amount:,.1f} GB"


def _immich(case: _Case) -> Iterator[Finding]:
    yield from (_from_blocker("Immich", blocker) for blocker in upgrade_blockers(case.catalog, case.options))
    if case.path.key != "pgvector" and vector_extension.names_another(case.options):
        # on this path no step asks: Immich's own choice would be right if nobody had made it for it
        yield _from_blocker("Immich", vector_extension.blocker(case.options))
    holder = holder_of(case.catalog, IMMICH_STARTUP_LOCK)
    if holder is not None:
        yield Finding("Immich", "note", f"an Immich is starting: lock 200 is held by {describe(holder)}")
    others = [session for session in case.catalog.sessions if session.application != "migrate"]
    if others:
        yield Finding("Immich", "note", f"{len(others)} other session(s) in this database: stop Immich before the run")
    if case.catalog.extensions[PGVECTORS].version is not None and not needs_pgvectors(case.catalog):
        yield Finding("Immich", "note", "extension vectors is left over: a dump made now cannot be restored without it")
    if case.catalog.extensions[PGVECTORS].version is None and PGVECTORS in case.catalog.schemas:
        yield Finding("Immich", "note", "schema vectors is left over from pgvecto.rs: DROP SCHEMA vectors, no CASCADE")
    yield from (Finding("Immich", "note", text) for text in release_warnings(case.catalog, case.options))
    release, target = today(case.catalog, case.options), next_release(case.catalog, case.options)
    yield Finding("Immich", "ok", f"release {release}, to be followed by {target}")


GROUPS: dict[str, Group] = {
    "server": _server,
    "library": _library,
    "extensions": _extensions,
    "preload": _preload,
    "rights": _rights,
    "data": _data,
    "space": _space,
    "Immich": _immich,
}


def _source(path: Path) -> str:
    return "pgvector" if path.key == "pgvector" else "pgvecto.rs"
