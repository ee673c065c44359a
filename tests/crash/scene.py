"""One migration on a copy of a prepared server, and everything that is at hand to disturb it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from journey import Journey
from killing import Driver
from proxies import Line
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow
from routes import PASSWORD, Route

from migrator.sandbox.processes import processes_in, wait_until
from migrator.sandbox.server import Server

SMALLEST_BYTES = 16384
"""What the screen needs, where it is a file on the same disk."""
OUR_SESSION = "SELECT pid FROM pg_stat_activity WHERE application_name = 'migrate' AND backend_type = 'client backend'"
ROWS = """
SELECT 'smart_search', "assetId"::text, hash_array_extended(embedding::real[], 0) FROM public.smart_search
UNION ALL SELECT 'face_search', "faceId"::text, hash_array_extended(embedding::real[], 0) FROM public.face_search
"""


def rows_of(connection: psycopg.Connection) -> dict[tuple[str, str], int]:
    """Return a hash of each embedding, by table and key."""
    return {(table, key): value for table, key, value in connection.execute(ROWS)}


@dataclass(slots=True)
class Scene:
    """A running server, and a journal.

    Attributes:
        route: What is walked.
        server: A copy of the route's prepared server.
        journal: Where the tool keeps its journal.
        driver: Starts the tool.
        second: Starts another copy of it meanwhile.
        rows: A hash of each embedding at the end, by table and key.
        line: What the tool's connection runs through, where it runs through anything.
        disk: The small disk that server and journal are on, where they are on one.
        pid: The tool's process, while it stands at a point.
        writers: Whoever writes beside the tool, with what they remember.
        more: What is typed beside the command, since the screen asked for it.
        undo: What ends a disturbance, as soon as the start that it struck is over.
        checks: What has to be true when everything is over.
    """

    route: Route
    server: Server
    journal: Path
    driver: Driver
    second: Driver
    rows: Mapping[tuple[str, str], int] = field(default_factory=dict)
    line: Line | None = None
    disk: Path | None = None
    pid: int = 0
    writers: list[object] = field(default_factory=list)
    more: list[str] = field(default_factory=list)
    undo: list[Callable[[], None]] = field(default_factory=list)
    checks: list[Callable[[], None]] = field(default_factory=list)

    @property
    def journey(self) -> Journey:
        """The same, for looking at journal and server."""
        return Journey(self.server, self.journal)

    @property
    def arguments(self) -> list[str]:
        """The command line that starts and resumes."""
        database, role = self.route.connects
        conninfo = self.server.conninfo(database, role)
        if self.line is not None:
            conninfo = self.server.conninfo(database, role, tcp=True, password=PASSWORD)
            conninfo = make_conninfo(conninfo, port=self.line.port)
        return [*self.route.arguments(self.server, conninfo, self.journal), *self.more]

    def connect(self) -> psycopg.Connection[TupleRow]:
        """Connect as somebody who looks on; to a database that is there all the time."""
        return self.server.connect(self.route.connects[0])

    def sessions(self) -> list[int]:
        """Return the server's processes that work for the tool."""
        with self.connect() as connection:
            return [pid for (pid,) in connection.execute(OUR_SESSION)]

    def answers(self) -> bool:
        """Tell whether the server takes connections."""
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def wait_for_the_server(self) -> None:
        """Wait until it takes connections again."""
        assert wait_until(self.answers, limit_seconds=60), "the server does not come back by itself"

    def has_worker(self) -> bool:
        """Tell whether pgvecto.rs's worker lives."""
        return "postgres: vectors" in [process.title for process in processes_in(self.server.data)]

    def lose_the_journal(self) -> None:
        """Remove the journal, as somebody at another computer has none."""
        for path in self._journal_files():
            path.unlink(missing_ok=True)

    def keep_the_journal(self) -> None:
        """Put a copy of the journal aside."""
        for path in self._journal_files():
            _older(path).unlink(missing_ok=True)
            if path.exists():
                shutil.copyfile(path, _older(path))

    def put_back_the_journal(self) -> None:
        """Replace the journal by the copy that was put aside last; by nothing where there was none."""
        self.lose_the_journal()
        for path in self._journal_files():
            if _older(path).exists():
                shutil.copyfile(_older(path), path)

    def room_for_the_journal(self) -> int:
        """Return the size that its files have now, in bytes: not one more, and its disk is full."""
        return (
            max((path.stat().st_size for path in self._journal_files()[:2] if path.exists()), default=0)
            or SMALLEST_BYTES
        )

    def disturbed_no_more(self) -> None:
        """End what was done around the tool."""
        while self.undo:
            self.undo.pop()()

    def _journal_files(self) -> list[Path]:
        return [self.journal.with_name(f"{self.journal.name}{end}") for end in ("", "-wal", "-shm")]


def _older(path: Path) -> Path:
    return path.with_name(f"older-{path.name}")
