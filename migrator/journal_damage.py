"""Whether a file is a journal, a damaged one, or somebody else's; and where a damaged one is kept.

A damaged journal is moved aside under a name that says when and why, with SQLite's files beside it, and is never
deleted. What is not known to be a journal is never touched: the mark of ours in SQLite's header, or the file that is
held beside a journal, tells.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Literal

APPLICATION_ID = 0x6D696772  # "migr" in ASCII, in the header of SQLite's files at byte 68
BESIDE = ("-wal", "-shm", "-journal")
"""The ends of the names of what SQLite keeps beside its file."""
TABLES = {"run", "invocations", "facts", "events"}

_HEADER = b"SQLite format 3\0"
_HEADER_BYTES = 108
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)

Verdict = Literal["none", "journal", "damaged", "foreign"]


def lock_of(path: Path) -> Path:
    """Return the file beside a journal that is held while a run has it open."""
    return path.with_suffix(f"{path.suffix}.lock")


def judge(path: Path) -> Verdict:
    """Tell what lies there, without changing it; what cannot be opened for another reason than damage is a journal.

    Raises:
        OSError: it cannot be read.
    """
    if path.is_dir():
        return "foreign"
    if not path.exists() or path.stat().st_size == 0:
        return "damaged" if _has_content(Path(f"{path}-wal")) else "none"
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
    if header.startswith(_HEADER) and _is_empty(path, header):
        return "none"
    ours = header[68:72] == APPLICATION_ID.to_bytes(4, "big") and header.startswith(_HEADER)
    if not ours and not lock_of(path).exists():
        return "foreign"
    return _examine(path) if header.startswith(_HEADER) else "damaged"


def open_to_read(path: Path) -> sqlite3.Connection:
    """Open the file so that nothing can be written to it.

    SQLite keeps two files beside it, even for reading; in a folder where they cannot be made it is read without them,
    which is safe as long as no run has left its own there.
    """
    place = path.resolve().as_uri()
    ends_with_a_run = any(Path(f"{path}{end}").exists() for end in BESIDE)
    closed = not os.access(path.parent, os.W_OK) and not ends_with_a_run
    return sqlite3.connect(f"{place}?mode=ro{'&immutable=1' if closed else ''}", uri=True)


def kept_name(path: Path) -> Path:
    """Return a name, not in use, that says that the journal was found damaged, and when."""
    name = f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    names = (path.with_name(name if number == 1 else f"{name}-{number}") for number in count(1))
    return next(kept for kept in names if not kept.exists())


def keep_aside(path: Path) -> Path:
    """Move a damaged journal and what SQLite keeps beside it out of the way, and return where it is now.

    Raises:
        OSError: its folder may not be written.
    """
    kept = kept_name(path)
    if path.exists():
        path.rename(kept)
    for end in BESIDE:
        if Path(f"{path}{end}").exists():
            Path(f"{path}{end}").rename(f"{kept}{end}")
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return kept


def note(path: Path) -> str | None:
    """Return what a run would do with a damaged journal, for those who only look; None for any other."""
    try:
        damaged = judge(path) == "damaged"
    except OSError:
        return None
    if not damaged:
        return None
    return (
        f'the journal "{path}" is damaged: a run keeps it aside as {kept_name(path).name} '
        "and goes on from what the server shows"
    )


def _has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _is_empty(path: Path, header: bytes) -> bool:
    """Tell whether SQLite's own file has one page, no table and no version: its maker was killed at once."""
    page_size = int.from_bytes(header[16:18], "big") or 65_536
    no_table, no_version = header[103:105] == b"\0\0", header[60:64] == bytes(4)
    return path.stat().st_size <= page_size and no_table and no_version and not _has_content(Path(f"{path}-wal"))


def _examine(path: Path) -> Verdict:
    try:
        with closing(open_to_read(path)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            sound = connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
    except sqlite3.DatabaseError as error:
        return "damaged" if error.sqlite_errorcode & 0xFF in _DAMAGE else "journal"
    if tables and sound and not tables & TABLES:
        return "foreign"
    return "journal" if sound and (not tables or (version > 0 and "run" in tables)) else "damaged"
