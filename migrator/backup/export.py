"""Makes a copy: every table in one snapshot, streamed through the compressor into files, with what was measured there.

The session is read-only on the server, except where a prelude has to be run so that the tables can be read at all; the
transaction is rolled back in both cases, so that nothing of it is ever seen by anybody else.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg import IsolationLevel
from psycopg import errors as pg_errors
from psycopg.sql import SQL, Identifier

from migrator import __version__
from migrator.backup.check import problems_of
from migrator.backup.compression import Method, Writer, compressing
from migrator.backup.lines import hashed_by_server
from migrator.backup.manifest import MANIFEST, README, SUMS, File, Manifest, SavedTable, sums_of
from migrator.backup.place import being_written, file_of, file_on_disk, write_text
from migrator.backup.readme import readme
from migrator.catalog import Catalog, Interest, read_catalog
from migrator.content import CopiedTable, Copying
from migrator.errors import BackupFailed, ConnectionLost, LockNotGiven
from migrator.events import Emit, Progress
from migrator.journal import now
from migrator.session import Session
from migrator.step import Json

STEP = "copy-embeddings"
BUFFER_BYTES = 1 << 20
FIRST_PROGRESS_SECONDS, PROGRESS_SECONDS = 1.0, 0.5
SETTINGS = {
    # every float4 is written so that reading it gives the same bits again
    "extra_float_digits": "3",
    "client_encoding": "UTF8",
}


@dataclass(frozen=True, slots=True)
class Made:
    """A complete copy, and the sum of its manifest, by which it is known again."""

    folder: Path
    manifest: Manifest
    sha256: str
    seconds: float = 0.0


class _Hashing:
    """Passes bytes on to a file, and keeps their sum and number."""

    def __init__(self, handle: int) -> None:
        self._handle, self.sha256, self.size_bytes = handle, hashlib.sha256(), 0

    def write(self, data: bytes, /) -> int:
        view = memoryview(data)
        self.sha256.update(view)
        self.size_bytes += len(view)
        left = view
        while left:
            left = left[os.write(self._handle, left) :]
        return len(view)

    def flush(self) -> None:
        """Do nothing: every write has gone to the system already."""


@dataclass(frozen=True, slots=True)
class Export:
    """What is copied, over an open session, and who is told.

    Attributes:
        session: open, and read-only unless `copying` has a prelude.
        catalog: the snapshot that `copying` was made of, read with `interest`.
        thorough: whether what was written is decompressed and counted again, too; its sums are compared in any case.
    """

    session: Session
    catalog: Catalog
    interest: Interest
    copying: Copying
    method: Method
    emit: Emit
    thorough: bool = False

    def write_to(self, place: Path) -> Made:
        """Copy the tables into a new folder; under its name there is either all of it, checked, or nothing.

        Raises:
            BackupExists, AlreadyRunning, BackupFailed: see `being_written`.
            LockNotGiven: somebody rewrites a table just now.
            ConnectionLost: the server went away.
        """
        begun = time.monotonic()
        try:
            with being_written(place) as folder:
                saved, files = self._in_one_snapshot(folder)
                made = self._completed(folder, saved, files)
                if problems := problems_of(folder, rows=self.thorough):
                    raise BackupFailed(
                        "the copy was written, but reading it again shows something else; nothing of it is left",
                        facts=[("found", problem) for problem in problems],
                        hint="is the disk sound? name a folder on another one",
                    )
        except psycopg.Error as error:
            raise _failed(error, lost=self.session.broken) from error
        return replace(made, folder=place, seconds=time.monotonic() - begun)

    def _in_one_snapshot(self, folder: Path) -> tuple[list[SavedTable], list[File]]:
        connection = self.session.connection
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        saved: list[SavedTable] = []
        files: list[File] = []
        with connection.transaction(force_rollback=True):
            # before the snapshot: a table that is rewritten after it would look empty in it
            tables = SQL(", ").join(Identifier(*table.place[:2]) for table in self.copying.tables)
            connection.execute(SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(tables))
            _require_unchanged(connection, self.catalog, self.interest)
            for name, value in SETTINGS.items():
                connection.execute("SELECT set_config(%s, %s, true)", [name, value])
            for statement in self.copying.prelude:
                connection.execute(statement.sql, prepare=False)
            for table in self.copying.tables:
                path = folder / file_of(table.name, self.method)
                one, file = _Table(self.session, table, self.emit).copy_to(path, self.method)
                saved.append(one)
                files.append(file)
        return saved, files

    def _completed(self, folder: Path, saved: Sequence[SavedTable], files: Sequence[File]) -> Made:
        catalog = self.catalog
        manifest = Manifest(
            made_at=now(),
            tool_version=__version__,
            system_identifier=catalog.server.system_identifier,
            database_oid=catalog.database.oid,
            database=catalog.database.name,
            server_version=catalog.server.version,
            application=self.copying.application,
            compression=self.method,
            extensions=self.copying.extensions,
            settings=self.copying.settings,
            tables=tuple(saved),
            files=tuple(files),
        )
        manifest = replace(manifest, files=(*files, _write(folder / README, readme(manifest))))
        own = _write(folder / MANIFEST, manifest.as_json())
        _write(folder / SUMS, sums_of([*manifest.files, own]))
        return Made(folder, manifest, own.sha256)


def _write(path: Path, text: str) -> File:
    write_text(path, text)
    return File(path.name, hashlib.sha256(text.encode()).hexdigest(), len(text.encode()))


def _failed(error: psycopg.Error, *, lost: bool) -> BackupFailed | LockNotGiven | ConnectionLost:
    said = (error.diag.message_primary or str(error)).strip().splitlines()[0]
    if lost:
        return ConnectionLost(
            "the connection was lost while the copy was made; nothing of it is left, and nothing was changed",
            facts=[("server", said)],
            hint="run the same command again",
        )
    if isinstance(error, pg_errors.LockNotAvailable):
        return LockNotGiven(
            "somebody rewrites a table of embeddings just now, so no copy was made; nothing was changed",
            hint="wait for it to end, then run the same command again",
        )
    return BackupFailed(
        f"the server would not give the rows: {said}; nothing of the copy is left, and nothing was changed",
        facts=[("SQLSTATE", error.sqlstate or "none")],
        hint="mend the cause, then run the same command again",
    )


def _require_unchanged(connection: psycopg.Connection[Any], before: Catalog, interest: Interest) -> None:
    now_there = read_catalog(connection, replace(interest, observations=()))
    known = {(c.table_oid, c.name): (c.type, c.key) for c in before.columns}
    if known != {(c.table_oid, c.name): (c.type, c.key) for c in now_there.columns}:
        raise BackupFailed(
            "somebody changed the tables between two looks at them; nothing of the copy is left",
            hint="run the same command again",
        )


@dataclass(frozen=True, slots=True)
class _Table:
    """One table on its way into its file."""

    session: Session
    table: CopiedTable
    emit: Emit

    def copy_to(self, path: Path, method: Method) -> tuple[SavedTable, File]:
        begun = time.monotonic()
        measured = self._measure()
        expected = self.table.rows if measured is None else int(str(measured["rows"]))
        with file_on_disk(path) as handle:
            file = _Hashing(handle)
            with compressing(method, file) as writer:
                if measured is None:
                    rows, text_bytes, measured = self._stream_hashed(writer, expected, begun)
                else:
                    rows, text_bytes = self._stream(writer, expected, begun)
        if rows != measured["rows"]:
            raise BackupFailed(f"{self.table.name} has {measured['rows']} rows, but {rows} came; nothing of it is left")
        schema, name, column, key = self.table.place
        one = SavedTable(
            name=self.table.name,
            schema=schema,
            table=name,
            column=column,
            key=key,
            key_type=".".join(self.table.key_type),
            dimension=self.table.dimension,
            rows=rows,
            hash=measured,
            about=self.table.about,
            file=path.name,
            text_bytes=text_bytes,
        )
        return one, File(path.name, file.sha256.hexdigest(), file.size_bytes)

    def _measure(self) -> dict[str, Json] | None:
        if self.table.measure is None:
            return None
        self.emit(Progress(STEP, self.table.name, "counting and hashing", None, 0.0))
        cursor = self.session.connection.execute(self.table.measure, prepare=False)
        row = cursor.fetchone() or ()
        return dict(zip((column.name for column in cursor.description or ()), row, strict=True))

    def _stream(self, writer: Writer, expected: int | None, begun: float) -> tuple[int, int]:
        rows = text_bytes = 0
        for buffer, number in self._buffers(expected, begun, _as_it_is):
            writer.write(buffer)
            rows, text_bytes = rows + number, text_bytes + len(buffer)
        return rows, text_bytes

    def _stream_hashed(self, writer: Writer, expected: int | None, begun: float) -> tuple[int, int, dict[str, Json]]:
        rows = text_bytes = total = 0
        with self.session.another() as asked:
            for name, value in SETTINGS.items():
                asked.execute("SELECT set_config(%s, %s, false)", [name, value])
            for buffer, number in self._buffers(expected, begun, _as_array):
                writer.write(buffer)
                total += hashed_by_server(asked, self.table.hash_of_lines, buffer)
                rows, text_bytes = rows + number, text_bytes + len(buffer)
        return rows, text_bytes, {"kind": "values", "rows": rows, "hash": str(total)}

    def _buffers(
        self, expected: int | None, begun: float, line: Callable[[bytes], bytes]
    ) -> Iterator[tuple[bytes, int]]:
        """Yield the rows in buffers of constant size, with how many there are in each."""
        progress = _Telling(self.emit, self.table.name, expected, begun)
        lines: list[bytes] = []
        size = 0
        with self.session.connection.cursor() as cursor, cursor.copy(self.table.read) as copy:
            for data in copy:
                lines.append(line(bytes(data)))
                size += len(data)
                if size >= BUFFER_BYTES:
                    yield b"".join(lines), len(lines)
                    progress.tell(len(lines))
                    lines, size = [], 0
        if lines:
            yield b"".join(lines), len(lines)


def _as_it_is(data: bytes) -> bytes:
    return data


def _as_array(data: bytes) -> bytes:
    """Return a row whose value a vector's output function has written as that of an array writes it."""
    key, tab, value = data.rpartition(b"\t")
    return key + tab + value.translate(_BRACES)


_BRACES = bytes.maketrans(b"[]", b"{}")


@dataclass(slots=True)
class _Telling:
    """Says how far the copying is: after a second for the first time, then twice a second."""

    emit: Emit
    name: str
    expected: int | None
    begun: float
    rows: int = 0
    last: float = 0.0

    def tell(self, rows: int) -> None:
        self.rows += rows
        elapsed = time.monotonic() - self.begun
        if elapsed < FIRST_PROGRESS_SECONDS or elapsed - self.last < PROGRESS_SECONDS:
            return
        self.last = elapsed
        percent = min(100.0 * self.rows / self.expected, 100.0) if self.expected else None
        left = elapsed * (100.0 - percent) / percent if percent else None
        self.emit(Progress(STEP, self.name, f"{self.name}, {self.rows:,} rows", percent, elapsed, left))


def facts_of(made: Made) -> Mapping[str, Json]:
    """Return what has to be remembered of a copy, for a journal."""
    return {
        "place": str(made.folder),
        "made_at": made.manifest.made_at,
        "rows": made.manifest.rows,
        "size_bytes": made.manifest.size_bytes,
        "sha256": made.sha256,
        "tables": {table.name: dict(table.hash) for table in made.manifest.tables},
    }
