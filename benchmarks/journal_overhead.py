"""What the journal costs: the same conversion with the journal as it is, and with one that only remembers.

The engine carries the same steps out both ways, by turns, on one throw-away server: record, then convert both tables
with their proofs. No index is built, which would only make the share of the journal smaller. Between two rounds the
tables go back to pgvecto.rs's type, which is not timed. The server does not wait for its disk (fsync is off), the
journal does wait for its own: on a real server the conversion takes longer, and the share is smaller.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

from platformdirs import user_state_path

from migrator.cli.logging import log_to
from migrator.engine import Engine
from migrator.events import nobody
from migrator.execute import Executor
from migrator.identity import Identity
from migrator.journal import EventKind, EventRecord, Journal, now
from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.server import Server
from migrator.session import Session
from migrator.step import Fact, Json, Step
from steps.content.immich import ImmichContent
from steps.convert_table import ConvertTable
from steps.paths import automatic
from steps.record_embeddings import RecordEmbeddings
from steps.shared.names import TABLES
from steps.shared.options import Options

TARGET_PERCENT = 10.0
CONTENT = ImmichContent("pgvecto.rs")
STEPS: tuple[Step, ...] = tuple(
    step for step in automatic(Options()) if isinstance(step, RecordEmbeddings | ConvertTable)
)


class OnDisk(Journal):
    """The journal as it is, timed from within."""

    seconds = 0.0
    writes = 0

    def record(self, step: str, fact: Fact) -> None:
        """Record, and note how long it took."""
        begun = time.perf_counter()
        super().record(step, fact)
        self._note(begun)

    def event(
        self,
        step: str,
        kind: EventKind,
        *,
        statement: str | None = None,
        seconds: float | None = None,
        detail: Json = None,
    ) -> None:
        """Append, and note how long it took."""
        begun = time.perf_counter()
        super().event(step, kind, statement=statement, seconds=seconds, detail=detail)
        self._note(begun)

    def _note(self, begun: float) -> None:
        self.seconds += time.perf_counter() - begun
        self.writes += 1


class InMemory(Journal):
    """A journal that writes nothing: no file, no log."""

    def __init__(self) -> None:
        self._facts: dict[str, Json] = {}
        self._last: dict[str, EventRecord] = {}

    def close(self) -> None:
        """Do nothing; there is no file."""

    def record(self, step: str, fact: Fact) -> None:
        """Remember a fact."""
        self._facts[fact.name] = fact.value

    def facts(self) -> dict[str, Json]:
        """Return what was recorded."""
        return dict(self._facts)

    def event(
        self,
        step: str,
        kind: EventKind,
        *,
        statement: str | None = None,
        seconds: float | None = None,
        detail: Json = None,
    ) -> None:
        """Remember the last event of a step."""
        if statement is None:
            self._last[step] = EventRecord(0, now(), step, None, kind, seconds, detail)

    def last_of_steps(self) -> dict[str, EventRecord]:
        """Return what was remembered."""
        return dict(self._last)


def convert(conninfo: str, journal: Journal) -> float:
    """Carry the steps out and return how long it took, connecting not included."""
    session = Session(conninfo, CONTENT.interest)
    session.open()
    try:
        begun = time.perf_counter()
        executor = Executor(session, journal, nobody, CONTENT.diagnose)
        engine = Engine(
            STEPS,
            session=session,
            journal=journal,
            executor=executor,
            emit=nobody,
            confirm=lambda _step, _catalog: (),
            ask=lambda _question: False,
        )
        outcome = engine.go_on()
        seconds = time.perf_counter() - begun
    finally:
        session.close()
        journal.close()
    if outcome.kind != "done":
        raise SystemExit(f"the conversion is {outcome.kind}: {outcome.blockers}")
    return seconds


def on_disk(conninfo: str, path: Path) -> OnDisk:
    """Make a new journal file, claimed for the database as a run does it."""
    session = Session(conninfo, CONTENT.interest, read_only=True)
    session.open()
    identity = Identity.of(session.catalog())
    session.close()
    journal = OnDisk.create_or_open(path)
    journal.begin(identity, "pgvecto.rs", "automatic", {})
    journal.begin_invocation({})
    return journal


def convert_back(server: Server) -> None:
    """Bring the tables back to pgvecto.rs's type."""
    with server.connect("immich") as connection:
        for table in TABLES:
            connection.execute(
                f"ALTER TABLE public.{table.table} ALTER COLUMN embedding TYPE vectors.vector(512) "
                "USING (embedding::real[])::vectors.vector"
            )
            connection.execute(f"COMMENT ON COLUMN public.{table.table}.embedding IS NULL")
        connection.execute("CHECKPOINT")


def report(plain: Sequence[float], journaled: Sequence[float], journals: Sequence[OnDisk], rows: int) -> int:
    """Print the figures; return 1 where the target is missed."""
    share = (median(journaled) / median(plain) - 1.0) * 100.0
    writing = median(journal.seconds for journal in journals)
    writes = journals[-1].writes
    print(f"{rows:,} embeddings of 512 dimensions, medians of {len(plain)} alternating rounds")
    print(f"without a journal   {median(plain):6.2f} s   ({min(plain):.2f} - {max(plain):.2f})")
    print(f"with the journal    {median(journaled):6.2f} s   ({min(journaled):.2f} - {max(journaled):.2f})")
    print(f"journal adds        {share:6.1f} %   (at most {TARGET_PERCENT:.0f})")
    print(f"time in the journal {writing:6.2f} s   {writes} writes, {writing / writes * 1000:.1f} ms each")
    return 1 if share > TARGET_PERCENT else 0


def main() -> int:
    """Build a server, convert by turns, print, and return 1 where the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000, help="rows of each of the two tables (default: 50000)")
    parser.add_argument("--rounds", type=int, default=5, help="conversions each way (default: 5)")
    options = parser.parse_args()
    state = user_state_path(ensure_exists=True)  # where people's journals are, not a RAM disk
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory(dir=state) as place:
        Path(name).chmod(0o755)
        log_to(Path(place) / "log")
        with Server.create(Path(name) / "server", preload="vchord.so, vectors.so") as server:
            server.install("vectors", "0.3.0")
            server.install("vchord", "0.3.0")
            server.start()
            database = ImmichDatabase(rows=options.rows, with_indexes=False)
            replace(database, also_create=("vchord",)).build(server.conninfo())
            conninfo = server.conninfo("immich", "immich")
            plain: list[float] = []
            journaled: list[float] = []
            journals: list[OnDisk] = []
            convert(conninfo, InMemory())  # the first one meets cold caches
            for number in range(options.rounds * 2):
                convert_back(server)
                if number % 4 in {0, 3}:  # each way goes first in every other round
                    plain.append(convert(conninfo, InMemory()))
                else:
                    journals.append(on_disk(conninfo, Path(place) / f"{number}.db"))
                    journaled.append(convert(conninfo, journals[-1]))
    return report(plain, journaled, journals, options.rows * 2)


if __name__ == "__main__":
    sys.exit(main())
