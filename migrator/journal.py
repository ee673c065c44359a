"""The journal: what a run did and what it must not forget, in one SQLite file per migrated database.

It survives a kill at any point (WAL, synchronous=FULL): what was written before the process died is there after.
It is memory, not truth: on resume the database is asked first.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, Self

import structlog
from platformdirs import user_state_path
from sqlite_utils import Database

from migrator import __version__
from migrator.errors import JournalWriteFailed, OtherDatabase
from migrator.identity import Identity
from migrator.journal_damage import judge, keep_aside, open_to_read
from migrator.journal_file import (
    check_schema,
    connect,
    hold,
    is_unborn,
    refuse_foreign,
    unreadable,
)
from migrator.journal_schema import SCHEMA_VERSION
from migrator.step import UNDO, Fact, Json
from migrator.undo_record import NAME as UNDONE
from migrator.undo_record import UndoRecord

MOMENT_SECONDS = 5
_CLOSED_FOLDER = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM)

COMMIT = "commit"
"""The key under which the end of a transaction appears in `events`."""

EventKind = Literal["observed", "started", "finished", "failed", "waiting", "retried", "undone"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """The one row that says what the journal is about."""

    run_id: str
    identity: Identity
    source: str
    path: str
    options: Mapping[str, Json]
    started_at: str
    finished_at: str | None


@dataclass(frozen=True, slots=True)
class Start:
    """One start of the tool, by the row of `invocations`; `ended_at` is None while it runs, or when it was killed."""

    pid: int
    started_at: str
    ended_at: str | None

    @property
    def may_have_left_a_session(self) -> bool:
        """Tell whether the server may still be at work for it: it was killed, or ended a moment ago."""
        if self.ended_at is None:
            return True
        return datetime.now(UTC) - datetime.fromisoformat(self.ended_at) < timedelta(seconds=MOMENT_SECONDS)

    @property
    def described(self) -> str:
        """The start as a person is told of it."""
        return f"{self.pid} on this computer, since {self.started_at[:19].replace('T', ' ')} UTC"


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One row of `events`; times are UTC in ISO 8601."""

    id: int
    at: str
    step: str
    statement: str | None
    event: EventKind
    duration_seconds: float | None
    detail: Json


def journal_path(host: str, port: str, database: str) -> Path:
    """Return where the journal of a database lies unless --journal says otherwise; found without asking the server."""
    place = f"{host}-{port}" if host and not host.startswith("/") else f"local-{port}"
    name = re.sub(r"[^A-Za-z0-9._@-]", "_", f"{database}@{place}")
    return user_state_path("migrator") / f"{name}.db"


def beside(journal: Path) -> Path:
    """Return where the journal of updates lies: a migration is done once, updates come again and again."""
    return journal.with_suffix(f".update{journal.suffix}")


def now() -> str:
    """Return the time as the journal writes it: UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Journal:
    """An open journal. Every write is on disk when the method returns."""

    def __init__(self, path: Path, database: Database) -> None:
        self.path = path
        self._db = database
        self.kept_aside: Path | None = None
        """Where the damaged journal is now that lay here when this one was begun."""
        self._lock: int | None = None
        self._invocation = 0

    @classmethod
    def create_or_open(cls, path: Path) -> Self:
        """Open the journal for a run, creating it and its folder where needed, and hold it against a second copy.

        A damaged one is moved aside first, and a new one begun.

        Raises:
            AlreadyRunning: another process holds it.
            JournalTooNew: a newer version of the tool wrote it.
            NotAJournal: the file is something else.
            JournalWriteFailed: it cannot be created or written.
        """
        try:
            refuse_foreign(path)
            damaged = judge(path) == "damaged"
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = hold(path)
            with ExitStack() as undo:
                undo.callback(os.close, lock)
                kept = keep_aside(path) if damaged and judge(path) == "damaged" else None
                with _writing(path):
                    journal = cls(path, connect(path))
                undo.pop_all()
        except OSError as error:
            raise JournalWriteFailed(
                f'the journal "{path}" cannot be written ({error.strerror}); nothing was changed',
                hint="give it another place: --journal FILE",
            ) from error
        journal._lock, journal.kept_aside = lock, kept
        return journal

    @classmethod
    def open_existing(cls, path: Path) -> Self | None:
        """Open a journal for reading only, or return None where there is none.

        Raises:
            JournalTooNew: a newer version of the tool wrote it.
            NotAJournal: the file is something else.
            JournalUnreadable: it is damaged.
            JournalWriteFailed: its folder is closed, and SQLite's files of a run lie beside it.
        """
        try:
            refuse_foreign(path)
            if judge(path) == "damaged":
                raise unreadable(path)
            if not path.exists():
                return None
            with ExitStack() as undo:
                connection = open_to_read(path)
                undo.callback(connection.close)
                if is_unborn(connection):
                    return None
                check_schema(path, connection)
                undo.pop_all()
        except (OSError, sqlite3.DatabaseError) as error:
            if isinstance(error, sqlite3.DatabaseError) and error.sqlite_errorcode & 0xFF not in _CLOSED_FOLDER:
                raise unreadable(path) from error
            raise JournalWriteFailed(
                f'the journal "{path}" cannot be opened ({error}); nothing was changed',
                hint="its folder has to be yours to write in, or give it another place: --journal FILE",
            ) from error
        return cls(path, Database(connection))

    def close(self) -> None:
        """Close the file and let go of it."""
        self._db.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # -- the run ---------------------------------------------------------------------------------------------------

    @property
    def run(self) -> RunRecord | None:
        """What the journal is about, or None before a run began."""
        for row in self._db.query("SELECT * FROM run"):
            identity = Identity(row["system_identifier"], row["database_oid"], row["database_name"])
            return RunRecord(
                row["run_id"], identity, row["source"], row["path"], json.loads(row["options"]),
                row["started_at"], row["finished_at"],
            )  # fmt: skip
        return None

    def belongs_to(self, identity: Identity) -> None:
        """Refuse another database than the one the run began with.

        Raises:
            OtherDatabase: with both identities in its lines.
        """
        run = self.run
        if run is not None and run.identity != identity:
            raise OtherDatabase(
                f'the journal "{self.path}" belongs to another database; nothing was changed',
                facts=[
                    ("journal", str(run.identity)),
                    ("server", str(identity)),
                    ("so", run.identity.difference(identity)),
                ],
                hint="if this database is meant, give it a journal of its own: --journal FILE",
            )

    def begin(self, identity: Identity, source: str, path: str, options: Mapping[str, Json]) -> None:
        """Claim the journal for a database, unless it already is; what was recorded at the beginning stays.

        Unless that run was taken back as a whole: then another one begins in the same journal.
        """
        if self.run is not None:
            self.belongs_to(identity)
            undone = UndoRecord.of(self.facts())
            if undone is not None and undone.of_everything:
                self._begin_another(source, path, options)
            return
        self._insert(
            "run",
            {
                "id": 1,
                "run_id": str(uuid.uuid4()),
                "system_identifier": identity.system_identifier,
                "database_oid": identity.database_oid,
                "database_name": identity.database_name,
                "source": source,
                "path": path,
                "options": json.dumps(options),
                "tool_version": __version__,
                "schema_version": SCHEMA_VERSION,
                "started_at": now(),
                "finished_at": None,
            },
        )

    def _begin_another(self, source: str, path: str, options: Mapping[str, Json]) -> None:
        anew = {
            "run_id": str(uuid.uuid4()), "source": source, "path": path, "options": json.dumps(options),
            "tool_version": __version__, "started_at": now(), "finished_at": None,
        }  # fmt: skip
        with _writing(self.path):
            self._db.table("run").update(1, anew)

    def reopen(self) -> None:
        """Note that the run is not finished any more: it is being taken back."""
        with _writing(self.path):
            self._db.execute("UPDATE run SET finished_at = NULL")

    def end(self) -> None:
        """Note that the whole path is done, once."""
        with _writing(self.path):
            self._db.execute("UPDATE run SET finished_at = ? WHERE finished_at IS NULL", [now()])

    def begin_invocation(self, arguments: Mapping[str, Json]) -> None:
        """Note this start of the tool. The caller leaves secrets out of `arguments`."""
        self._invocation = self._insert(
            "invocations",
            {
                "started_at": now(),
                "tool_version": __version__,
                "arguments": json.dumps(arguments),
                "pid": os.getpid(),
                "ended_at": None,
                "exit_code": None,
            },
        )

    def end_invocation(self, exit_code: int) -> None:
        """Note how this start of the tool ended."""
        with _writing(self.path):
            self._db.execute(
                "UPDATE invocations SET ended_at = ?, exit_code = ? WHERE id = ?", [now(), exit_code, self._invocation]
            )

    def newest_start(self) -> Start | None:
        """Return the newest start; None before the first."""
        for row in self._db.query("SELECT pid, started_at, ended_at FROM invocations ORDER BY id DESC LIMIT 1"):
            return Start(row["pid"], row["started_at"], row["ended_at"])
        return None

    def last_arguments(self) -> Mapping[str, Json]:
        """Return the arguments of the newest start; empty before the first."""
        for row in self._db.query("SELECT arguments FROM invocations ORDER BY id DESC LIMIT 1"):
            found = json.loads(row["arguments"])
            return found if isinstance(found, dict) else {}
        return {}

    # -- facts and events ------------------------------------------------------------------------------------------

    def record(self, step: str, fact: Fact) -> None:
        """Put a fact on disk, unless its newest value is the same already, or it is about what was there first."""
        known = self.facts()
        if fact.name in known and (fact.first or known[fact.name] == fact.value):
            return
        row = {"name": fact.name, "value": json.dumps(fact.value), "step": step, "recorded_at": now()}
        self._insert("facts", row)
        log.info("fact_recorded", step=step, name=fact.name, value=fact.value)

    def facts(self) -> dict[str, Json]:
        """Return the newest value of each fact, of the present run: not of one that was taken back as a whole."""
        known: dict[str, Json] = {}
        for row in self._db.query("SELECT name, value FROM facts ORDER BY id"):
            name, value = row["name"], json.loads(row["value"])
            if name == UNDONE and (undone := UndoRecord.read(value)) and undone.of_everything:
                known.clear()
            known[name] = value
        return known

    def event(
        self,
        step: str,
        kind: EventKind,
        *,
        statement: str | None = None,
        seconds: float | None = None,
        detail: Json = None,
    ) -> None:
        """Append what happened."""
        row = {
            "at": now(),
            "invocation": self._invocation,
            "step": step,
            "statement": statement,
            "event": kind,
            "duration_seconds": seconds,
            "detail": None if detail is None else json.dumps(detail),
        }
        self._insert("events", row)
        log.info("event", step=step, statement=statement, kind=kind, seconds=seconds, detail=detail)

    def events(self) -> Iterator[EventRecord]:
        """Iterate over everything that happened, oldest first."""
        for row in self._db.query("SELECT * FROM events ORDER BY id"):
            detail = None if row["detail"] is None else json.loads(row["detail"])
            yield EventRecord(
                row["id"], row["at"], row["step"], row["statement"], row["event"], row["duration_seconds"], detail
            )

    def last_of_steps(self) -> dict[str, EventRecord]:
        """Return, by step, the last event that concerns the step itself and not one of its statements."""
        return {event.step: event for event in self.events() if event.statement is None}

    def unanswered_commits(self) -> list[EventRecord]:
        """Return the announcements of a COMMIT after which nobody noted what became of it, oldest first."""
        open_by_step: dict[str, EventRecord] = {}
        for event in (event for event in self.events() if event.statement == COMMIT):
            if event.event == "started":
                open_by_step[event.step] = event
            else:
                open_by_step.pop(event.step, None)
        return sorted(open_by_step.values(), key=lambda event: event.id)

    def seconds_of_work(self) -> float:
        """Return how long the finished steps took together, in seconds, since the run last changed its direction."""
        total, back = 0.0, False
        for event in self.events():
            if event.statement is None and event.duration_seconds is not None:
                turned = event.step.startswith(UNDO) is not back
                total, back = event.duration_seconds + (0.0 if turned else total), back is not turned
        return total

    def _insert(self, table: str, row: Mapping[str, object]) -> int:
        with _writing(self.path):
            inserted = self._db.table(table).insert(dict(row))
        return int(inserted.last_pk) if isinstance(inserted.last_pk, int) else 0


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise JournalWriteFailed(
            f'the journal "{path}" cannot be written ({error}), so nothing further was changed',
            hint="make room or give it another place (--journal FILE), then run the same command again",
        ) from error
    except sqlite3.DatabaseError as error:
        raise unreadable(path) from error
