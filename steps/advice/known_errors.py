"""The errors that people search for: each with what it means here and what to do, in one table.

Matched by SQLSTATE where that says enough, and by text where it does not: errors that an extension raises from Rust all
carry XX000.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import psycopg

from migrator.absence import Absence
from migrator.catalog import Catalog
from migrator.execute import Diagnosis
from migrator.step import Blocker
from steps.advice.environment import Environment
from steps.advice.instructions import more_shared_memory, restart
from steps.shared import worker
from steps.shared.names import PGVECTORS
from steps.shared.state import is_loaded

OLD_SEGMENT = "pre-existing shared memory block"
SHARED_MEMORY = "could not resize shared memory segment"


@dataclass(frozen=True, slots=True)
class KnownError:
    """One error: how it is recognised, what it means, what to do."""

    sqlstate: str
    text: str
    cause: str
    wanted: str
    fix: tuple[str, ...]
    kind: Literal["blocked", "operator"] = "operator"
    who: Literal["operator", "DBA", "Immich", "nobody"] = "operator"


TABLE = (
    KnownError(
        "XX000",
        "vchord must be loaded via shared_preload_libraries",
        "PostgreSQL was started without VectorChord",
        "vchord.so in shared_preload_libraries, and a restart",
        ("add vchord.so to shared_preload_libraries (merge, do not replace)", "restart PostgreSQL"),
    ),
    KnownError(
        "XX000",
        "pgvecto.rs must be loaded via shared_preload_libraries",
        "PostgreSQL was started without pgvecto.rs, which is still needed to read the old columns",
        "vectors.so in shared_preload_libraries until the migration is done",
        ("add vectors.so to shared_preload_libraries (merge, do not replace)", "restart PostgreSQL"),
    ),
    KnownError(
        "F0001",
        OLD_SEGMENT,
        "pgvecto.rs's worker outlived a PostgreSQL that was killed, so PostgreSQL does not start again",
        "no process `postgres: vectors` of this data directory",
        ("end the process `postgres: vectors` with SIGTERM, never with -9", "start PostgreSQL"),
    ),
    KnownError(
        "58P01",
        "$libdir/vectors",
        "the library of pgvecto.rs is no longer on the server, but columns or indexes still need it",
        "vectors.so of the version in the catalog back on disk; the data is intact",
        ("put the image or package with pgvecto.rs back", "or: migrate --from pgvecto.rs --path rescue --dry-run"),
        "blocked",
    ),
    KnownError(
        "58P01",
        "vchord",
        "the library of VectorChord is no longer on the server, but indexes still need it",
        "vchord.so back on disk",
        ("put the image or package with VectorChord back",),
    ),
    KnownError(
        "42501",
        "permission denied to create extension",
        "creating vector and vchord takes a superuser",
        "a superuser runs CREATE EXTENSION vchord CASCADE in this database",
        ("as a superuser, in Immich's database: CREATE EXTENSION vchord SCHEMA public CASCADE;",),
        who="DBA",
    ),
    KnownError(
        "42501",
        "must be owner of",
        "the object belongs to another role",
        "its owner, or a superuser",
        ("run the same command as the owner of Immich's tables, or as a superuser",),
        who="DBA",
    ),
    KnownError(
        "2BP01",
        "other objects depend on it",
        "something still uses it; dropping it with CASCADE would take embeddings along",
        "nothing that depends on it",
        ("convert or remove what depends on it first; never use CASCADE here",),
        "blocked",
    ),
    KnownError(
        "53100",
        "",
        "the disk of the server is full",
        "room for a second copy of the table, its TOAST and the index",
        ("free space on the server's data and WAL volumes, then run the same command again",),
    ),
    KnownError(
        "53100",
        SHARED_MEMORY,
        "the container's /dev/shm is too small",
        "at least 128 MB of shared memory",
        ("give the container more shared memory",),
    ),
    KnownError(
        "XX000",
        "deserialization: bad version number",
        "an index was built by another VectorChord release",
        "the index rebuilt by the release that is installed",
        ("REINDEX INDEX clip_index; REINDEX INDEX face_index; ANALYZE;",),
        "blocked",
    ),
    KnownError(
        "XX000",
        "assertion `left == right` failed",
        "VectorChord met a value whose header pgvecto.rs 0.1.x left unwritten",
        "values rewritten through real[], and no dead versions of them",
        ("VACUUM the table, then run the same command again",),
        "blocked",
    ),
    KnownError(
        "XX001",
        "missing chunk number",
        "VectorChord met a dead row, or the table is damaged",
        "no dead rows in the table",
        ("VACUUM the table, then run the same command again; if it stays, check the table with pg_amcheck",),
        "blocked",
    ),
    KnownError(
        "22000",
        "dimensions, not",
        "a row has another dimension than the column is to have",
        "every row of one length",
        ("run the same command again: it lists the rows",),
        "blocked",
    ),
)


def diagnose(error: psycopg.Error, catalog: Catalog, environment: Environment | None = None) -> Diagnosis | None:
    """Return what a database error means here, or None for one that nobody has met yet."""
    text = error.diag.message_primary or str(error)
    if worker.GONE in text:
        return Diagnosis("pgvecto.rs's worker is gone; nothing was committed", worker.gone_blocker(_first(text)))
    # the longest text wins, so that a general row never hides a particular one
    matching = [known for known in TABLE if known.sqlstate == error.sqlstate and known.text in text]
    if not matching:
        return None
    known = max(matching, key=lambda row: len(row.text))
    fix = known.fix
    if "restart PostgreSQL" in fix:
        fix = (*fix, *restart(catalog, environment))
    elif SHARED_MEMORY in known.text:
        fix = more_shared_memory(catalog, environment)
    return Diagnosis(known.cause, Blocker(known.cause, _first(text), known.wanted, fix, known.kind, known.who))


def explain_absence(absence: Absence) -> list[tuple[str, str]]:
    """Return why a server does not come back where pgvecto.rs's worker can be the reason, and how to end it."""
    seen = any(OLD_SEGMENT in line for line in absence.said)
    left = [process for process in absence.left if process.title.startswith("postgres:")]
    workers = [process for process in left if process.title.endswith(PGVECTORS)]
    was_loaded = absence.before is not None and is_loaded(absence.before, PGVECTORS)
    if not (seen or workers or was_loaded):
        return []
    may = "has" if seen or workers else "may have"
    why = f"pgvecto.rs's worker {may} outlived PostgreSQL, which does not start beside it:"
    ways = [("do", f"kill -TERM {process.pid}") for process in workers] or [
        ("do", "on the server: pgrep -a -f 'postgres: .*vectors'"),
        ("", "kill -TERM PID, of the one that belongs to this data directory"),
    ]
    return [
        ("why", why),
        ("", f"FATAL: {OLD_SEGMENT} (key K, ID N) is still in use"),
        *ways,
        ("", "(SIGTERM is enough; never -9), then start PostgreSQL"),
    ]


def _first(text: str) -> str:
    return text.strip().splitlines()[0]
