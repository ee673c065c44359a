"""A whole migration from outside: the tool in processes of its own, and an operator who does what it asks for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from migrator.journal import EventRecord, Journal, RunRecord
from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.immich_catalog import ContentHash, catalog_dump, content_hashes
from migrator.sandbox.immich_sql import Table
from migrator.sandbox.server import Server
from migrator.step import Json

DONE, FAILED, USAGE, WAITING, BLOCKED, REFUSED, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130
VCHORD = "0.3.0"
ROWS = 60
LIMIT_SECONDS = 300
MOST_STOPS = 12


@dataclass(frozen=True, slots=True)
class Ended:
    """How one start of the tool ended; a process that was killed has the negative number of its signal."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """Everything that a person would have read."""
        return f"exit {self.code}\n{self.out}{self.err}"


@dataclass(frozen=True, slots=True)
class EndState:
    """What a server holds at the end, in a form that two runs can be compared by."""

    catalogs: str
    hashes: Mapping[str, ContentHash]
    preload: str


StartTool = Callable[[Sequence[str]], Ended]


def start_tool(arguments: Sequence[str]) -> Ended:
    """Run `migrate` to its end, without a terminal."""
    command = [str(Path(sys.executable).with_name("migrate")), *arguments]
    done = subprocess.run(
        command, text=True, capture_output=True, check=False, timeout=LIMIT_SECONDS, stdin=subprocess.DEVNULL
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@dataclass(slots=True)
class Journey:
    """One migration of one server's Immich database, on the automatic path.

    Attributes:
        server: A running server with the old library preloaded.
        journal: Where the tool keeps its journal.
        more: Further arguments for each start.
        copies: Whether a copy of the embeddings is made first; a test of its own is about that.
    """

    server: Server
    journal: Path
    more: Sequence[str] = ()
    database: str = "immich"
    copies: bool = False
    starts: int = field(default=0, init=False)

    @property
    def arguments(self) -> list[str]:
        """The command line that starts and resumes."""
        conninfo = self.server.conninfo(self.database, "immich")
        fixed = ["--yes", f"--confirm={self.database}", "--no-input", "--no-color", f"--journal={self.journal}"]
        fixed += [] if self.copies else ["--no-backup"]
        restart = f"--restart-command={self.server.restart_command()}"
        return ["--from", "pgvecto.rs", f"--database={conninfo}", *fixed, restart, *self.more]

    def start(self, tool: StartTool = start_tool) -> Ended:
        """Start the tool once."""
        self.starts += 1
        return tool(self.arguments)

    def help(self) -> bool:
        """Do what the tool waits for, and tell whether there was anything to do."""
        match self.waits_for():
            case "install-vectorchord":
                self.server.install("vchord", VCHORD)
            case "uninstall-pgvectors":
                self.server.remove("vectors")
            case _:
                return False
        return True

    def to_the_end(self, tool: StartTool = start_tool) -> Ended:
        """Start the tool, and do what it asks for, until it ends with anything else than a question."""
        for _ in range(MOST_STOPS):
            ended = self.start(tool)
            if ended.code != WAITING or not self.help():
                return ended
        return ended

    def until_it_waits_for(self, step: str) -> None:
        """Start the tool, and do what it asks for, until it waits in a step."""
        for _ in range(MOST_STOPS):
            ended = self.start()
            assert ended.code == WAITING, ended.said
            if self.waits_for() == step:
                return
            assert self.help(), ended.said
        raise AssertionError(ended.said)

    def waits_for(self) -> str | None:
        """Return the step that the journal's last event says is waited for."""
        last = next(reversed(self.events()), None)
        return last.step if last is not None and last.event == "waiting" else None

    def events(self) -> list[EventRecord]:
        """Return what the journal says has happened."""
        journal = Journal.open_existing(self.journal)
        if journal is None:
            return []
        try:
            return list(journal.events())
        finally:
            journal.close()

    def facts(self) -> dict[str, Json]:
        """Return what the journal knows."""
        journal = Journal.open_existing(self.journal)
        if journal is None:
            return {}
        try:
            return journal.facts()
        finally:
            journal.close()

    def run(self) -> RunRecord | None:
        """Return what the journal says it is about."""
        journal = Journal.open_existing(self.journal)
        if journal is None:
            return None
        try:
            return journal.run
        finally:
            journal.close()

    def lose_the_journal(self) -> None:
        """Remove the journal, as a person who tidies up does."""
        for path in self.journal.parent.glob(f"{self.journal.name}*"):
            path.unlink()

    def end_state(self) -> EndState:
        """Look at what the server holds."""
        return end_state(self.server, self.database)


def end_state(server: Server, database: str = "immich") -> EndState:
    """Return what a running server holds."""
    with server.connect(database) as connection:
        row = connection.execute("SHOW shared_preload_libraries").fetchone()
        hashes: Mapping[str, ContentHash] = {str(table): found for table, found in content_hashes(connection).items()}
        return EndState(catalog_dump(connection), hashes, str(row[0]) if row else "")


def hashes_of(server: Server, database: str = "immich") -> Mapping[Table, ContentHash]:
    """Return count and content hash of each table of embeddings."""
    with server.connect(database) as connection:
        return content_hashes(connection)


def fill(server: Server, database: ImmichDatabase | None = None) -> None:
    """Put an Immich database on pgvecto.rs onto a running server."""
    (database or ImmichDatabase(rows=ROWS)).build(server.conninfo())
