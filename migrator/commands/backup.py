"""`backup`: a copy of the embeddings in files that need no tool to be read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from migrator.backup.compression import Method, usual
from migrator.backup.export import Export, Made
from migrator.backup.place import clear_abandoned, refuse_existing, require_room
from migrator.catalog import Catalog
from migrator.content import Copyable, Copying
from migrator.errors import NothingToBackUp, NotImmich
from migrator.events import Emit
from migrator.session import Session
from migrator.step import Blocker


@dataclass(frozen=True, slots=True)
class BackupRequest:
    """What a person asks for; without a place the copy goes into a folder of its own, here."""

    conninfo: str
    place: Path | None = None
    method: Method | None = None


@dataclass(frozen=True, slots=True)
class BackupResult:
    """The copy, or what stands in the way of making it."""

    address: tuple[str, str, str, str]
    catalog: Catalog
    copying: Copying
    made: Made | None = None

    @property
    def blockers(self) -> tuple[Blocker, ...]:
        """What stands in the way."""
        return self.copying.blockers


def usual_place(database: str) -> Path:
    """Return where a copy goes that nobody named a place for: a folder of its own, here."""
    return Path(f"{usual_prefix(database)}{stamp()}")


def usual_prefix(database: str) -> str:
    """Return what the names of such folders begin with."""
    return f"{database}-embeddings-"


def stamp() -> str:
    """Return the time as it stands in the name of a copy."""
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")


def backup(request: BackupRequest, source: Copyable, emit: Emit) -> BackupResult:
    """Make a copy. The session cannot write, except where the embeddings could not be read at all.

    Raises:
        MigratorError: no connection, no embeddings, no place, no room; nothing is left behind.
    """
    session = Session(request.conninfo, source.copied, read_only=True)
    try:
        session.open()
        catalog = session.catalog()
        copying = source.copying(catalog, {})
        refuse_nothing(catalog, copying)
        address = session.address
        if copying.blockers:
            return BackupResult(address, catalog, copying)
        place = request.place or usual_place(catalog.database.name)
        if request.place is None:
            clear_abandoned(place.parent, usual_prefix(catalog.database.name))
        refuse_existing(place)
        require_room(place, copying.expected_bytes, "make room there, or name a folder on another disk")
        return BackupResult(address, catalog, copying, copy_now(session, source, place, request.method, emit))
    finally:
        session.close()


def copy_now(
    session: Session, source: Copyable, place: Path, method: Method | None, emit: Emit, *, thorough: bool = False
) -> Made:
    """Make a copy over an open read-only session, or, where that could not read them, over one that is rolled back.

    A `thorough` one is decompressed and counted again when it is written.

    Raises:
        MigratorError: see `Export.write_to`.
    """
    catalog = session.catalog()
    export = Export(session, catalog, source.copied, source.copying(catalog, {}), method or usual(), emit, thorough)
    if not export.copying.prelude:
        return export.write_to(place)
    writable = session.twin(read_only=False)
    try:
        writable.open()
        return replace(export, session=writable).write_to(place)
    finally:
        writable.close()


def refuse_nothing(catalog: Catalog, copying: Copying) -> None:
    """Refuse a database that has no embeddings.

    Raises:
        NotImmich, NothingToBackUp: there is no table, or no column.
    """
    if copying.tables or copying.blockers:
        return
    if not catalog.columns and not copying.notes:
        raise NotImmich(
            f'database "{catalog.database.name}" has none of Immich\'s tables of embeddings '
            "(smart_search, face_search); nothing was changed",
            hint="name Immich's database: --database postgresql://USER@HOST:PORT/immich",
        )
    raise NothingToBackUp(
        f'database "{catalog.database.name}" has no embeddings that could be copied; nothing was changed',
        facts=[("found", note) for note in copying.notes],
        hint="an earlier copy is put back with: migrate restore DIR",
    )
