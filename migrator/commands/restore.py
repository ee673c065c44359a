"""`restore`: a copy of the embeddings put back, by key, next to what is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from migrator.backup.check import check_copy
from migrator.backup.importing import Counts, Import
from migrator.backup.manifest import Manifest
from migrator.catalog import Catalog
from migrator.content import Restorable, Restoration, Saved
from migrator.errors import BackupDamaged, ExitCode
from migrator.events import Emit
from migrator.identity import Identity
from migrator.session import Session, refuse_standby


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """What a person asks for."""

    conninfo: str
    folder: Path
    overwrite: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What is going to be put back, and where; `elsewhere` where the copy is of another database."""

    address: tuple[str, str, str, str]
    catalog: Catalog
    manifest: Manifest
    restoration: Restoration
    elsewhere: bool


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """How it ended; `counts` is None where nothing was begun."""

    found: Found
    exit_code: ExitCode
    counts: tuple[Counts, ...] | None = None


Ask = Callable[[Found], bool]
"""Shows what was found, and asks whether to begin."""


def restore(request: RestoreRequest, content: Restorable, ask: Ask, emit: Emit) -> RestoreResult:
    """Check the copy, look at the database, ask, and put the rows back; a dry run only counts.

    Raises:
        NoBackup, BackupDamaged: before anything is connected to.
        MigratorError: no connection, another copy of the tool, or a table was rolled back.
    """
    manifest = _sound(request.folder, emit)
    session = Session(request.conninfo, content.restored, read_only=request.dry_run)
    try:
        session.open()
        if not request.dry_run:
            session.hold_tool_lock()
        catalog = session.catalog()
        refuse_standby(catalog)
        restoration = content.restoration(catalog, _saved(manifest), overwrite=request.overwrite)
        own = Identity(manifest.system_identifier, manifest.database_oid, manifest.database)
        found = Found(session.address, catalog, manifest, restoration, elsewhere=own != Identity.of(catalog))
        work = Import(session, request.folder, manifest, emit, request.overwrite)
        if restoration.blockers:
            waiting = all(blocker.kind == "operator" for blocker in restoration.blockers)
            return RestoreResult(found, ExitCode.WAITING if waiting else ExitCode.BLOCKED)
        if request.dry_run:
            return RestoreResult(found, ExitCode.DONE, tuple(work.count(restoration.tables)))
        if not ask(found):
            return RestoreResult(found, ExitCode.WAITING)
        counts = tuple(work.restore(restoration.tables, restoration.fence))
        left = any(table.without for table in counts)
        return RestoreResult(found, ExitCode.WAITING if left else ExitCode.DONE, counts)
    finally:
        session.close()


def _sound(folder: Path, emit: Emit) -> Manifest:
    Manifest.read(folder)  # a newer one is refused as that, not as damaged
    checked = check_copy(folder, emit)
    if checked.manifest is None or checked.problems:
        raise BackupDamaged(
            f'the copy in "{folder}" is damaged; nothing was changed',
            facts=[("wrong", problem) for problem in checked.problems],
            hint="take another copy; what is sound of this one can be put back by hand, see its README.txt",
        )
    return checked.manifest


def _saved(manifest: Manifest) -> list[Saved]:
    return [
        Saved(t.name, (t.schema, t.table, t.column, t.key), t.key_type, t.rows, t.dimension, t.about)
        for t in manifest.tables
    ]
