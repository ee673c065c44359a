"""The engine in the test's own process: any steps, on a database of a server that is shared, watched as they go."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from migrator.catalog import Catalog
from migrator.engine import Engine, Outcome
from migrator.events import Event
from migrator.execute import Executor, Patience
from migrator.identity import Identity
from migrator.journal import EventRecord, Journal
from migrator.sandbox.immich_catalog import catalog_dump, content_hashes
from migrator.sandbox.server import Server
from migrator.session import Session
from migrator.step import Json, Statement, Step
from steps.advice import known_errors
from steps.content.observations import INTEREST
from steps.paths import automatic
from steps.shared.options import Options

IMPATIENT = Patience(lock_timeout_seconds=0.3, attempts=2, pause_seconds=0.1)
CONVERSION = (
    "create-extension-vchord",
    "keep-immich-out",
    "record-embeddings",
    "convert-smart-search",
    "convert-face-search",
    "build-clip-index",
    "build-face-index",
    "analyze-tables",
    "let-immich-in",
    "drop-extension-vectors",
    "drop-schema-vectors",
)
"""The states of the automatic path that need no restart of a server with both libraries loaded."""


def steps_of(*keys: str, options: Options | None = None) -> tuple[Step, ...]:
    """Return these states of the automatic path, in its order."""
    return tuple(step for step in automatic(options or Options()) if step.key in keys)


@dataclass(slots=True)
class Workshop:
    """One database and one journal.

    Attributes:
        server: A running server.
        database: The database on it that is worked on.
        journal: The journal's file.
        events: What the engine said, over all runs.
        on_event: Called with each event, at once.
    """

    server: Server
    database: str
    journal: Path
    user: str = "immich"
    events: list[Event] = field(default_factory=list)
    on_event: Callable[[Event], None] | None = None

    def session(self, *, read_only: bool = False) -> Session:
        """Return a session on the database, not open yet."""
        return Session(self.server.conninfo(self.database, self.user), INTEREST, read_only=read_only)

    def run(self, steps: Sequence[Step], *, trust_server: bool = False) -> Outcome:
        """Move a run over steps as the tool does, until done or blocked.

        Raises:
            MigratorError: as the tool's run does.
        """
        session = self.session()
        session.open()
        journal = Journal.create_or_open(self.journal)
        try:
            session.hold_tool_lock()
            journal.begin(Identity.of(session.catalog()), "pgvecto.rs", "automatic", {})
            journal.begin_invocation({})
            engine = Engine(
                steps,
                session=session,
                journal=journal,
                executor=Executor(session, journal, self._hear, known_errors.diagnose, IMPATIENT),
                emit=self._hear,
                confirm=lambda _step, _catalog: (),
                ask=lambda _step: False,
                trust_server=trust_server,
            )
            return engine.go_on()
        finally:
            session.close()
            journal.close()

    def execute(self, step: str, statements: Sequence[Statement]) -> None:
        """Carry statements out as the engine does, outside a run; an undo for example.

        Raises:
            MigratorError: as the executor does.
        """
        session = self.session()
        session.open()
        journal = Journal.create_or_open(self.journal)
        try:
            journal.begin_invocation({})
            executor = Executor(session, journal, self._hear, known_errors.diagnose, IMPATIENT)
            executor.carry_out(step, statements, session.catalog())
        finally:
            session.close()
            journal.close()

    def catalog(self) -> Catalog:
        """Return a snapshot, read in a session that cannot write."""
        session = self.session(read_only=True)
        session.open()
        try:
            return session.catalog()
        finally:
            session.close()

    @contextmanager
    def reading(self) -> Iterator[Journal]:
        """Open the journal as another process does beside a run."""
        journal = Journal.open_existing(self.journal)
        assert journal is not None, "there is no journal"
        try:
            yield journal
        finally:
            journal.close()

    def facts(self) -> dict[str, Json]:
        """Return what the journal knows; nothing where there is none."""
        if not self.journal.exists():
            return {}
        with self.reading() as journal:
            return journal.facts()

    def records(self) -> list[EventRecord]:
        """Return what the journal says has happened."""
        with self.reading() as journal:
            return list(journal.events())

    def state(self) -> tuple[str, object]:
        """Return the database's catalogs and embeddings, to be compared."""
        with self.server.connect(self.database) as connection:
            return catalog_dump(connection), content_hashes(connection)

    def _hear(self, event: Event) -> None:
        self.events.append(event)
        if self.on_event is not None:
            self.on_event(event)
