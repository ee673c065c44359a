"""Where a copy lies: written under another name beside its own, put on disk, and renamed when it is complete."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from migrator.backup.compression import SUFFIX
from migrator.backup.manifest import MANIFEST, README, SUMS
from migrator.errors import AlreadyRunning, BackupExists, BackupFailed, NoRoomForBackup

UNFINISHED = ".partial"
FOLDER_MODE, FILE_MODE = 0o700, 0o600
DATA = ".copy"
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
LEFT_FREE_BYTES = 1 << 20


def file_of(table: str, method: str) -> str:
    """Return the name of the file with a table's rows."""
    safe = "".join(c if c.isalnum() or c in "._-" else "_" for c in table)
    return f"{safe}{DATA}{SUFFIX['gzip' if method == 'gzip' else 'zstd']}"


def refuse_existing(final: Path) -> None:
    """Refuse a place where there is something already.

    Raises:
        BackupExists: whatever it is, it is not overwritten.
    """
    if final.exists() or final.is_symlink():
        raise BackupExists(
            f'"{final}" is there already, and is never overwritten; nothing was changed',
            hint="name another folder, or look at this one with: migrate backup --check DIR",
        )


def require_room(final: Path, needed_bytes: int, hint: str) -> None:
    """Refuse a place that has not enough room.

    Raises:
        NoRoomForBackup: with what is needed and what is free, in bytes.
    """
    folder = next((parent for parent in final.absolute().parents if parent.is_dir()), Path("/"))
    free = shutil.disk_usage(folder).free
    if free < needed_bytes + LEFT_FREE_BYTES:
        raise NoRoomForBackup(
            f'there is not enough room for the copy in "{folder}"; nothing was changed',
            facts=[("needed", f"about {needed_bytes:,} bytes"), ("free", f"{free:,} bytes")],
            hint=hint,
        )


@contextmanager
def being_written(final: Path) -> Iterator[Path]:
    """Give a folder to write into, and at the end of the block make it the copy; nothing is left of a failure.

    What a killed copy left under the unfinished name is replaced.

    Raises:
        BackupExists, AlreadyRunning: the place is taken.
        NoRoomForBackup: the disk is full.
        BackupFailed: it cannot be written.
    """
    refuse_existing(final)
    partial = final.with_name(final.name + UNFINISHED)
    try:
        final.absolute().parent.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
        handle = _fresh(partial)
    except OSError as error:
        raise _failed(final, error) from error
    try:
        yield partial
        os.fsync(handle)
        refuse_existing(final)
        partial.rename(final)
        _fsync_folder(final.absolute().parent)
    except BaseException as error:
        with suppress(OSError):
            shutil.rmtree(partial)
        if isinstance(error, OSError):
            raise _failed(final, error) from error
        raise
    finally:
        os.close(handle)


def clear_abandoned(folder: Path, prefix: str) -> None:
    """Remove what killed copies left under unfinished names; one that is being written, or is not ours, is let be."""
    for partial in folder.glob(f"{escape(prefix)}*{UNFINISHED}"):
        with suppress(OSError, AlreadyRunning, BackupExists):
            _clear(partial)


def unfinished(final: Path) -> bool:
    """Tell whether a copy was begun for this place, and not completed."""
    return final.with_name(final.name + UNFINISHED).is_dir()


@contextmanager
def file_on_disk(path: Path) -> Iterator[int]:
    """Give the descriptor of a new file, which is on disk after the block."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    try:
        yield handle
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write a small file, and have it on disk."""
    with file_on_disk(path) as handle, os.fdopen(handle, "wb", closefd=False) as file:
        file.write(text.encode())
        file.flush()


def _fresh(partial: Path) -> int:
    """Make the unfinished folder anew, and return its descriptor, which holds it against another copy of the tool."""
    if partial.exists():
        _clear(partial)
    partial.mkdir(mode=FOLDER_MODE)
    return _hold(partial)


def _clear(partial: Path) -> None:
    held = _hold(partial)
    try:
        foreign = sorted(path.name for path in partial.iterdir() if not _is_ours(path))
        if foreign:
            raise BackupExists(
                f'"{partial}" is in the way, and holds what is not of this tool ({foreign[0]}); nothing was changed',
                hint="move it away, or name another folder",
            )
        shutil.rmtree(partial)
    finally:
        os.close(held)


def _is_ours(path: Path) -> bool:
    data = any(path.name.endswith(f"{DATA}{suffix}") for suffix in SUFFIX.values())
    return path.is_file() and (data or path.name in (MANIFEST, README, SUMS))


def _hold(folder: Path) -> int:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise AlreadyRunning(
            f'another copy of this tool is writing to "{folder}"; nothing was changed',
            hint="wait for it, or name another folder",
        ) from error
    return handle


def _fsync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _failed(final: Path, error: OSError) -> BackupFailed | NoRoomForBackup:
    if error.errno in NO_ROOM:
        return NoRoomForBackup(
            f'the disk became full while the copy was written to "{final}"; nothing of it is left, '
            "and nothing was changed",
            hint="make room there, or name a folder on another disk",
        )
    return BackupFailed(
        f'the copy could not be written to "{final}" ({error.strerror or error}); nothing of it is left, '
        "and nothing was changed",
        hint="name a folder that can be written to",
    )
