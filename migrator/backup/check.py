"""Checks a copy without a server: the manifest, every sum and size, and that each file has the rows it should have."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from migrator.backup.compression import BLOCK_BYTES, Method, blocks
from migrator.backup.manifest import MANIFEST, SUMS, Manifest, SavedTable
from migrator.errors import BackupDamaged, BackupTooNew, NoBackup


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found: the manifest where it can be read, and everything that is wrong."""

    folder: Path
    manifest: Manifest | None
    problems: tuple[str, ...]


def check_copy(folder: Path) -> Checked:
    """Read every file of a copy, and say all that is wrong with it; needs no server and writes nothing.

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
    return Checked(folder, manifest, tuple(_problems(folder, manifest)))


def problems_of(folder: Path) -> tuple[str, ...]:
    """Return everything that is wrong with a copy."""
    return check_copy(folder).problems


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


def _problems(folder: Path, manifest: Manifest) -> Iterator[str]:
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
        if table.file in sound:
            yield from _of_rows(folder, manifest.compression, table)
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


def _of_rows(folder: Path, method: Method, table: SavedTable) -> Iterator[str]:
    rows = text_bytes = 0
    try:
        for block in blocks(method, folder / table.file):
            rows += block.count(b"\n")
            text_bytes += len(block)
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
