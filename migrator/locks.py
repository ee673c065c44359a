"""The advisory locks of a run: our own, so that only one copy works on a database, and the application's."""

from __future__ import annotations

from migrator.catalog import AdvisoryLock, Catalog

TOOL_LOCK = 0x6D69677261746F72  # "migrator" in ASCII
"""Key of the session-level advisory lock that one copy of this tool holds while it works on a database."""


def holder_of(catalog: Catalog, key: int) -> AdvisoryLock | None:
    """Return who holds an advisory lock, if somebody other than this session does."""
    return next((lock for lock in catalog.locks if lock.key == key and lock.granted and not lock.mine), None)


def is_mine(catalog: Catalog, key: int) -> bool:
    """Tell whether this session holds an advisory lock."""
    return any(lock.key == key and lock.granted and lock.mine for lock in catalog.locks)


def describe(lock: AdvisoryLock) -> str:
    """Name the holder of a lock for a person."""
    since = f" since {lock.since}" if lock.since else ""
    return f"pid {lock.pid} ({lock.application or 'no application name'}){since}"
