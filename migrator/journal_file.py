"""The file of a journal: held against a second process, opened, judged before anything is read from it."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from importlib.resources import files
from pathlib import Path

from sqlite_utils import Database

from migrator.errors import AlreadyRunning, JournalTooNew, JournalUnreadable, NotAJournal
from migrator.journal_damage import APPLICATION_ID, judge, lock_of
from migrator.journal_schema import SCHEMA_VERSION, upgrade


def connect(path: Path) -> Database:
    """Open the file for writing, make the tables where there are none, and bring older ones up to date.

    Raises:
        JournalTooNew, JournalUnreadable: as check_schema does.
        sqlite3.Error: it cannot be opened, read or written.
    """
    connection = sqlite3.connect(path, timeout=10)
    try:
        _prepare(path, connection)
    except BaseException:
        connection.close()
        raise
    return Database(connection)


def _prepare(path: Path, connection: sqlite3.Connection) -> None:
    unborn = is_unborn(connection)
    if not unborn:
        check_schema(path, connection)
    path.chmod(0o600)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")
    if unborn:
        script = files("migrator").joinpath("journal.sql").read_text(encoding="utf-8")
        marks = f"PRAGMA user_version = {SCHEMA_VERSION};\nPRAGMA application_id = {APPLICATION_ID};"
        connection.executescript(f"BEGIN;\n{script}\n{marks}\nCOMMIT;")
        # the mark into the file itself: a copy of it is known as a journal from its first minute
        connection.execute("PRAGMA wal_checkpoint(FULL)")
    else:
        upgrade(connection)
        if connection.execute("PRAGMA application_id").fetchone()[0] == 0:
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def is_unborn(connection: sqlite3.Connection) -> bool:
    """Tell whether its maker was killed before it had written anything."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    return bool(version == 0 and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0)


def check_schema(path: Path, connection: sqlite3.Connection) -> None:
    """Refuse what this version of the tool cannot read.

    Raises:
        JournalTooNew: a newer one wrote it.
        JournalUnreadable: it is no journal.
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise JournalTooNew(
            f'the journal "{path}" was written by a newer version of this tool; nothing was changed',
            facts=[("journal", f"schema {version}"), ("this program", f"schema {SCHEMA_VERSION}")],
            hint="use the newer version, or give this run a journal of its own: --journal FILE",
        )
    if version == 0:
        raise unreadable(path)
    connection.execute("SELECT count(*) FROM run").fetchone()


def unreadable(path: Path) -> JournalUnreadable:
    """Return the refusal of a journal that cannot be read."""
    return JournalUnreadable(
        f'the journal "{path}" cannot be read; nothing was changed',
        hint="a run (migrate --from, migrate update) keeps it aside, and goes on from what the server shows",
    )


def refuse_foreign(path: Path) -> None:
    """Refuse a file that is none of ours, before anything is made beside it.

    Raises:
        NotAJournal: with what it is.
    """
    if judge(path) == "foreign":
        what = "a folder" if path.is_dir() else "a file of something else"
        raise NotAJournal(
            f'"{path}" is {what}, no journal of this tool; it was not touched, and nothing was changed',
            hint="name a file that is not there yet, or leave --journal out",
        )


def is_held(path: Path) -> bool:
    """Tell whether a living process of this computer has the journal open for a run; makes no file."""
    try:
        handle = os.open(lock_of(path), os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def hold(path: Path) -> int:
    """Hold the journal against a second process, for as long as the handle that is returned is open.

    Raises:
        AlreadyRunning: another process holds it.
        OSError: the file beside it cannot be made.
    """
    handle = os.open(lock_of(path), os.O_RDWR | os.O_CREAT, 0o600)
    for pause_seconds in (0.05, 0.2, None):  # somebody who only looks holds it for a moment
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if pause_seconds is None:
                os.close(handle)
                raise AlreadyRunning(
                    f'another copy of this tool holds the journal ("{path}"); nothing was changed',
                    hint="wait for it, or look at it with: migrate status",
                ) from error
            time.sleep(pause_seconds)
        else:
            break
    return handle
