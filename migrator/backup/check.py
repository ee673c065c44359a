"""Checks a copy without a server: the manifest, every sum and size, and that each file has the rows it should have."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from migrator.backup.compression import BLOCK_BYTES, Method, blocks
from migrator.backup.manifest import MANIFEST, SUMS, Manifest, SavedTable
from migrator.errors import BackupDamaged, BackupTooNew, NoBackup
from migrator.events import Emit, Progress, nobody

STEP = "check"
FIRST_PROGRESS_SECONDS, PROGRESS_SECONDS = 1.0, 0.5


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found: the manifest where it can be read, and everything that is wrong."""

    folder: Path
    manifest: Manifest | None
    problems: tuple[str, ...]


def check_copy(folder: Path, emit: Emit = nobody, *, rows: bool = True) -> Checked:
    """Read every file of a copy, and say all that is wrong with it; needs no server and writes nothing.

    Without `rows` only sizes and sums are compared.

    Raises:
        NoBackup: there is no copy in this folder.
    """
    try:
        manifest = Manifest.read(folder)
    except NoBackup:
        if (folder / SUMS).exists():
            return Checked(folder, None, (f"{MANIFEST} is missing",))
        raise
    except (BackupTooNew, BackupDamaged) as error:
        told = [str(error), *(f"{name}: {text}" for name, text in error.facts)]
        return Checked(folder, None, ("; ".join(told),))
    return Checked(folder, manifest, tuple(_problems(folder, manifest, emit, rows=rows)))


def problems_of(folder: Path, *, rows: bool) -> tuple[str, ...]:
    """Return everything that is wrong with a copy; without `rows`, as far as its sums tell."""
    return check_copy(folder, rows=rows).problems


def sum_of(file: Path) -> str:
    """Return the sha256 of a file, read in pieces.

    Raises:
        OSError: it cannot be read.
    """
    found = hashlib.sha256()
    with file.open("rb") as opened:
        while block := opened.read(BLOCK_BYTES):
            found.update(block)
    return found.hexdigest()


def is_complete(folder: Path, sha256: str) -> bool:
    """Tell whether the copy with this manifest is still there, whole; its rows are not read."""
    try:
        return sum_of(folder / MANIFEST) == sha256 and all(
            (folder / file.name).stat().st_size == file.size_bytes for file in Manifest.read(folder).files
        )
    except (OSError, NoBackup, BackupTooNew, BackupDamaged):
        return False


def _problems(folder: Path, manifest: Manifest, emit: Emit, *, rows: bool) -> Iterator[str]:
    yield from _of_manifest(folder)
    sound: set[str] = set()
    for file in manifest.files:
        path = folder / file.name
        try:
            size = path.stat().st_size
            if size != file.size_bytes:
                yield f"{file.name} has {size:,} bytes, and should have {file.size_bytes:,}"
            elif sum_of(path) != file.sha256:
                yield f"{file.name} is not what was written: its sha256 is another one"
            else:
                sound.add(file.name)
        except FileNotFoundError:
            yield f"{file.name} is missing"
        except OSError as error:
            yield f"{file.name} cannot be read ({error.strerror})"
    listed = {file.name for file in manifest.files}
    for table in manifest.tables:
        if table.file in sound and rows:
            yield from _of_rows(folder, manifest.compression, table, emit)
        elif table.file not in listed:
            yield f"{MANIFEST} names no sum for {table.file}"


def _of_manifest(folder: Path) -> Iterator[str]:
    try:
        listed = (folder / SUMS).read_text(encoding="utf-8")
    except OSError:
        yield f"{SUMS} is missing"
        return
    if f"{sum_of(folder / MANIFEST)}  {MANIFEST}" not in listed.splitlines():
        yield f"{MANIFEST} is not what was written: its sha256 is not the one in {SUMS}"


def _of_rows(folder: Path, method: Method, table: SavedTable, emit: Emit) -> Iterator[str]:
    rows = text_bytes = 0
    begun, last = time.monotonic(), FIRST_PROGRESS_SECONDS
    try:
        for block in blocks(method, folder / table.file):
            rows += block.count(b"\n")
            text_bytes += len(block)
            elapsed = time.monotonic() - begun
            if elapsed - last > 0:
                last = elapsed + PROGRESS_SECONDS
                percent = min(100.0 * text_bytes / table.text_bytes, 100.0) if table.text_bytes else None
                emit(Progress(STEP, table.name, "reading", percent, elapsed))
    except EOFError as error:
        yield f"{table.file} cannot be decompressed to its end ({error})"
        return
    except OSError as error:
        yield f"{table.file} cannot be read ({error.strerror})"
        return
    if rows != table.rows:
        yield f"{table.file} has {rows:,} rows, and should have {table.rows:,}"
    elif text_bytes != table.text_bytes:
        yield f"{table.file} decompresses to {text_bytes:,} bytes, and should to {table.text_bytes:,}"
