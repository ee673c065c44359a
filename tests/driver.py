"""Starts the tool, and stops it at chosen points of its work, so that somebody can do something to it there.

A point lies before and after each write of the journal, each statement sent, each commit, and each thing that is done
to the files of a copy. What the product goes through anyway is wrapped (`migrator.journal._writing`, psycopg's
`execute` and the end of its transactions, the system's calls for files): the product knows nothing of it, and the
program itself enumerates its points.

Each start is a process of its own, forked from one that has imported everything, which saves half of the time. Orders,
notices and replies are lines of JSON; an argument on the command line is one order, answered by the exit code.
"""

from __future__ import annotations

import json
import mmap
import os
import re
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import psycopg
import wrapping
from psycopg.sql import Composable

import migrator.backup.importing
import migrator.cli.backup
import migrator.cli.prepare
import migrator.cli.restore
import migrator.cli.run
import migrator.cli.update
import migrator.commands.prepare
import migrator.execute
import migrator.journal
from migrator.cli import main

LIMIT_SECONDS = 120
A_MOMENT_SECONDS = 0.004
PAUSE_SECONDS = 0.1
"""Between two attempts to get a lock; the tool's own is longer."""
LOCK_SECONDS = 2.0
"""How long a lock is waited for where a copy is put back; the tool's own patience is longer."""

Kind = Literal["journal", "look", "statement", "commit", "file"]
"""A write of the journal; a statement that looks or prepares; one of a plan; the end of a transaction; a file."""
When = Literal["before", "after"]


@dataclass(frozen=True, slots=True)
class Order:
    """One start of the tool.

    Attributes:
        arguments: The command line, without the program.
        output: Where stdout goes; stderr goes beside it.
        stop_at: Points of this start, counted from 1, at which a notice is given and a reply is waited for.
        seen: A file with a point in each line: at any other one a notice is given too.
        lists_points: Whether all points are written beside the output, into a file called "points".
        pause_at: A text in the event, such as "convert-smart-search/rewrite finished", after whose write the tool
            stands still until `output` has a neighbour called "go"; a neighbour called "paused" says that it does.
    """

    arguments: list[str]
    output: str
    stop_at: list[int] = field(default_factory=list)
    seen: str | None = None
    lists_points: bool = False
    pause_at: str | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """Where the tool is.

    Attributes:
        kind: What it is about to do, or has just done.
        place: The journal's last event, such as "convert-smart-search/rewrite started"; without a journal, the
            statement of the plan that was begun last.
        sql: The first words of the statement, where it is one; of a file, what is done to it.
    """

    kind: Kind
    when: When
    place: str
    sql: str = ""

    def __str__(self) -> str:
        return f"{self.when} {self.kind} at {self.place or 'the start'}{f' [{self.sql}]' if self.sql else ''}"


@dataclass(frozen=True, slots=True)
class Reply:
    """What happens to the tool itself at a point, apart from what was done around it meanwhile.

    Attributes:
        signal: One that it sends to itself; its handlers run right there.
        signal_later: One that it gets a moment after it went on: within a statement, say.
        file_limit_bytes: From here on no file of it may grow beyond this: its disk is full.
        clock_seconds: By how much its clock is set forward; back where negative.
        statement_timeout_ms: The statement timeout that its session has from here on.
    """

    signal: int | None = None
    signal_later: int | None = None
    file_limit_bytes: int | None = None
    clock_seconds: float | None = None
    statement_timeout_ms: int | None = None


def beside(output: str, name: str) -> Path:
    """Return the file of this name that belongs to an order."""
    return Path(f"{output}.{name}")


class Points:
    """Counts the points of one start, and stops at those that were ordered."""

    def __init__(self, order: Order, count: mmap.mmap, notices: int) -> None:
        self._order, self._count, self._notices = order, count, notices
        self._place, self._planned = "", False
        self._connection: psycopg.Connection[Any] | None = None
        self._list = beside(order.output, "points").open("w", buffering=1) if order.lists_points else None
        self._seen = None if order.seen is None else set(Path(order.seen).read_text().splitlines())
        self._execute = psycopg.Connection.execute

    @contextmanager
    def around(self, kind: Kind, sql: str = "") -> Iterator[None]:
        """Pass the point before and the point after; a progress thread passes none."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._reach(Point(kind, "before", self._place, sql))
        yield
        self._reach(Point(kind, "after", self._place, sql))

    def _reach(self, point: Point) -> None:
        number = int.from_bytes(self._count[:8], "little") + 1
        self._count[:8] = number.to_bytes(8, "little")
        if self._list is not None:
            self._list.write(json.dumps(asdict(point)) + "\n")
        stop = number in self._order.stop_at
        if self._seen is not None and str(point) not in self._seen:
            self._seen.add(str(point))
            stop = True
        if stop:
            with undisturbed():
                reply = ask(self._notices, {"at": number, "pid": os.getpid(), "point": asdict(point)})
            self._obey(reply)

    def _obey(self, reply: Reply) -> None:
        if reply.file_limit_bytes is not None:
            _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (reply.file_limit_bytes, hard))
        if reply.clock_seconds is not None:
            _set_clock(reply.clock_seconds)
        if reply.statement_timeout_ms is not None and self._connection is not None and not self._streams():
            self._execute(self._connection, f"SET statement_timeout = {reply.statement_timeout_ms}")
        if reply.signal_later is not None:
            timer = threading.Timer(A_MOMENT_SECONDS, os.kill, [os.getpid(), reply.signal_later])
            timer.daemon = True
            timer.start()
        if reply.signal is not None:
            os.kill(os.getpid(), reply.signal)

    def _streams(self) -> bool:
        """Tell whether the connection is in the middle of rows that stream, where no statement can be sent."""
        assert self._connection is not None
        return self._connection.info.transaction_status is psycopg.pq.TransactionStatus.ACTIVE

    # -- what is wrapped -------------------------------------------------------------------------------------------

    def wrap(self) -> None:
        """Wrap what the tool goes through, for the rest of this process."""
        self._wrap_journal()
        self._wrap_statements()
        self._wrap_commits()
        self._wrap_what_keeps_no_journal()
        wrapping.wrap_streams(self.around, first_words)
        wrapping.wrap_files(self.around)

    def _wrap_journal(self) -> None:
        points, writing, insert = self, migrator.journal._writing, migrator.journal.Journal._insert  # noqa: SLF001

        @contextmanager
        def counted(path: Path) -> Iterator[None]:
            with points.around("journal"), writing(path):
                yield

        def placed(journal: migrator.journal.Journal, table: str, row: Mapping[str, object]) -> int:
            points.enter(table, row)
            return insert(journal, table, row)

        migrator.journal._writing = counted  # noqa: SLF001
        migrator.journal.Journal._insert = placed  # type: ignore[method-assign,assignment] # noqa: SLF001

    def enter(self, table: str, row: Mapping[str, object]) -> None:
        """Note where the tool is, from what it writes into its journal."""
        if table != "events":
            self._place = f"{row.get('step') or table} {row.get('name') or 'row'}"
            return
        self._place = place_of(row)
        self._planned = row["event"] == "started" and row.get("statement") not in (None, migrator.journal.COMMIT)

    def _wrap_statements(self) -> None:
        points, execute = self, self._execute

        def counted(connection: psycopg.Connection[Any], query: Any, *more: Any, **options: Any) -> Any:  # noqa: ANN401
            kind: Kind = "statement" if points._planned else "look"
            points._planned, points._connection = False, connection
            with points.around(kind, first_words(query)):
                return execute(connection, query, *more, **options)

        psycopg.Connection.execute = counted  # type: ignore[method-assign,assignment]

    def _wrap_commits(self) -> None:
        points, end = self, psycopg.Transaction.__exit__

        def counted(
            transaction: psycopg.Transaction,
            kind: type[BaseException] | None,
            error: BaseException | None,
            trace: TracebackType | None,
        ) -> bool:
            if kind is not None:
                return end(transaction, kind, error, trace)
            try:
                with points.around("commit"):
                    ended = end(transaction, None, None, None)
            except KeyboardInterrupt as stopped:
                # as if it had come within the block
                if transaction.status is psycopg.Transaction.Status.ACTIVE:
                    end(transaction, type(stopped), stopped, stopped.__traceback__)
                raise
            return ended

        psycopg.Transaction.__exit__ = counted  # type: ignore[method-assign]

    def _wrap_what_keeps_no_journal(self) -> None:
        points, restoring, preparing = self, migrator.backup.importing.Import._run, migrator.commands.prepare._run  # noqa: SLF001

        def restored(work: Any, table: Any, statement: Any) -> int:  # noqa: ANN401
            points._place, points._planned = f"{table.name}/{statement.key} started", True
            return restoring(work, table, statement)

        def prepared(connection: psycopg.Connection[Any], statement: Any) -> None:  # noqa: ANN401
            points._place, points._planned = f"{statement.key} started", True
            preparing(connection, statement)

        migrator.backup.importing.Import._run = restored  # type: ignore[method-assign,assignment] # noqa: SLF001
        migrator.commands.prepare._run = prepared  # noqa: SLF001


def first_words(query: object) -> str:
    """Return the first line of a statement, shortened."""
    text = query.as_string(None) if isinstance(query, Composable) else str(query)
    return re.sub(r"\s+", " ", text.strip())[:60]


def place_of(row: Mapping[str, object]) -> str:
    """Write an event of the journal as one text."""
    statement = f"/{row['statement']}" if row.get("statement") else ""
    return f"{row['step']}{statement} {row['event']}"


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keep Ctrl-C and SIGTERM for afterwards: a reply that was read in part would be lost."""
    heard: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _frame: heard.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for late in heard:
        os.kill(os.getpid(), late)


def ask(notices: int, notice: Mapping[str, object]) -> Reply:
    """Give notice of a point to whoever ordered it, and wait for the reply."""
    os.write(notices, (json.dumps(notice) + "\n").encode())
    line = b""
    # the process that this one was forked from reads the same pipe, a line at a time: nothing may be read ahead
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            os.kill(os.getpid(), signal.SIGKILL)
        line += byte
    return Reply(**json.loads(line))


def _set_clock(seconds: float) -> None:
    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + timedelta(seconds=seconds)

    migrator.journal.datetime = Shifted  # type: ignore[attr-defined]


def _wrap_events(order: Order) -> None:
    original = migrator.journal.Journal._insert  # noqa: SLF001

    def insert(self: migrator.journal.Journal, table: str, row: Mapping[str, object]) -> int:
        number = original(self, table, row)
        if table == "events" and place_of(row) == order.pause_at:
            beside(order.output, "paused").touch()
            deadline = time.monotonic() + LIMIT_SECONDS
            while not beside(order.output, "go").exists() and time.monotonic() < deadline:
                time.sleep(0.005)
        return number

    migrator.journal.Journal._insert = insert  # type: ignore[method-assign] # noqa: SLF001


def become_tool(order: Order, count: mmap.mmap) -> None:
    """Run the tool in this process, which ends with it, and after two minutes at the latest."""
    notices = os.dup(1)
    for stream, path in ((1, Path(order.output)), (2, beside(order.output, "err"))):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(handle, stream)
        os.close(handle)
    if order.pause_at is not None:
        _wrap_events(order)
    else:
        signal.alarm(LIMIT_SECONDS)
        Points(order, count, notices).wrap()
        migrator.execute.Patience.__init__.__defaults__ = (5.0, 6, PAUSE_SECONDS)
        migrator.backup.importing.LOCK_TIMEOUT_SECONDS = LOCK_SECONDS
    sys.argv = ["migrate", *order.arguments]
    main()


def _forked(order: Order) -> tuple[int, int]:
    """Return the status of the process, as `os.waitpid` does, and how many points it reached."""
    count = mmap.mmap(-1, 8)
    pid = os.fork()
    if pid == 0:
        code: object = 70
        try:
            become_tool(order, count)
        except SystemExit as end:
            code = end.code
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code if isinstance(code, int) else 71)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), int.from_bytes(count[:8], "little")


def _order_in(line: str) -> Order | None:
    """Return the order; None where this is a reply, or the rest of one, to a process that was killed meanwhile."""
    with suppress(json.JSONDecodeError):
        message = json.loads(line)
        if isinstance(message, dict) and "arguments" in message:
            return Order(**message)
    return None


def serve() -> None:
    """Carry orders out until there are no more."""
    for line in iter(sys.stdin.readline, ""):
        order = _order_in(line)
        if order is None:
            continue
        code, points = _forked(order)
        sys.stdout.write(json.dumps({"code": code, "points": points}) + "\n")
        sys.stdout.flush()


def as_line(message: Order | Reply) -> str:
    """Write an order or a reply as the line that is read here."""
    return json.dumps(asdict(message)) + "\n"


if __name__ == "__main__":
    assert migrator.cli.run.__name__, "imported before the first fork"
    if len(sys.argv) > 1:
        become_tool(Order(**json.loads(sys.argv[1])), mmap.mmap(-1, 8))
    serve()
