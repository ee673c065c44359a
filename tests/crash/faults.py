"""What may happen to a run at any point: faults as data, each with what it does and what it excuses."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psycopg
from bystanders import another_copy, immich_starts, somebody_writes
from driver import Kind, Point, Reply
from driving import BLOCKED, FAILED, INTERRUPTED, REFUSED
from endings import OfBackup
from killing import SIGKILLED
from routes import Route
from scene import OUR_SESSION, SMALLEST_BYTES, Scene

from migrator.sandbox.processes import processes_in, wait_until

KILLED, CUT, STOPPED = frozenset({SIGKILLED}), frozenset({FAILED}), frozenset({INTERRUPTED})
NEVER: frozenset[int] = frozenset()
A_DAY_SECONDS = 86_400.0
WRITES = re.compile(r"\s*(ALTER|CREATE|DROP|COMMENT|REINDEX|ANALYZE|VACUUM|LOCK|INSERT|UPDATE)\b", re.IGNORECASE)

Strike = Callable[[Scene], Reply]


def anywhere(_route: Route, _point: Point) -> bool:
    """Tell that a fault may strike at this point."""
    return True


def nothing(_scene: Scene) -> None:
    """Do nothing afterwards."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that happens while the tool stands at a point.

    Attributes:
        name: What figures and pages call it.
        strike: Does it, and returns what happens to the tool itself.
        ends: The exit codes that it excuses; those for done and for waiting need no excuse.
        afterwards: What happens once the start that was struck is over.
        applies: Whether it can strike at a point of a route.
        lingers: How many further starts it excuses.
        on_line: Whether the tool connects through a line that can be cut.
        on_disk: Whether server and journal are on a small disk of their own.
        forgets: Whether the journal may end with less than that of an uninterrupted run.
        alone: Whether the embeddings may be compared with those of before; others change them.
    """

    name: str
    strike: Strike
    ends: frozenset[int]
    afterwards: Callable[[Scene], None] = nothing
    applies: Callable[[Route, Point], bool] = anywhere
    lingers: int = 0
    on_line: bool = False
    on_disk: bool = False
    forgets: bool = False
    alone: bool = True

    def __str__(self) -> str:
        return self.name

    def somewhere(self, route: Route) -> bool:
        """Tell whether it applies to any point of a route."""
        kinds: tuple[Kind, ...] = ("journal", "look", "statement", "commit", "file")
        return any(self.applies(route, Point(kind, "before", "", "DROP")) for kind in kinds)


def itself(number: signal.Signals) -> Strike:
    """Return a strike after which the tool gets a signal right where it stands."""
    return lambda _scene: Reply(signal=number)


def a_moment_later(number: signal.Signals) -> Strike:
    """Return a strike after which the tool gets a signal a moment after it went on: within a statement, say."""
    return lambda _scene: Reply(signal_later=number)


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def kill_the_server(scene: Scene) -> Reply:
    """Kill the postmaster with -9, and start it again as an init system does."""
    scene.server.kill(settle_seconds=0.2)
    scene.server.end_orphans()
    scene.server.start()
    return Reply()


def stop_the_server_at_once(scene: Scene) -> Reply:
    """Stop the server without letting anybody finish, and start it again."""
    scene.server.stop("immediate")
    scene.server.end_orphans()
    scene.server.start()
    return Reply()


def kill_the_session(scene: Scene) -> Reply:
    """Kill the tool's process of the server with -9, after which PostgreSQL restarts all others by itself."""
    pids = scene.sessions()
    for pid in pids:
        _send(pid, signal.SIGKILL)
    if pids:
        wait_until(lambda: set(pids).isdisjoint(p.pid for p in processes_in(scene.server.data)), limit_seconds=5)
        scene.wait_for_the_server()
        # it may have answered before it noticed
        scene.undo.append(scene.wait_for_the_server)
    return Reply()


def end_the_session(scene: Scene) -> Reply:
    """End the tool's session, as a DBA does."""
    with scene.connect() as connection:
        connection.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM ({OUR_SESSION}) AS ours")
    return Reply()


def cut_the_line(scene: Scene) -> Reply:
    """Cut the line on both sides."""
    assert scene.line is not None
    scene.line.cut()
    return Reply()


def hold_up_the_line(scene: Scene) -> Reply:
    """Let nothing through for two seconds, then cut it."""
    assert scene.line is not None
    scene.line.hold_up()
    scene.undo.append(scene.line.wait_until_it_flows)
    return Reply()


def cut_one_side(scene: Scene) -> Reply:
    """Cut it on the tool's side; the server hears of it two seconds later."""
    assert scene.line is not None
    scene.line.cut_for_the_client()
    scene.undo.append(scene.line.wait_until_it_flows)
    return Reply()


def fill_the_copys_disk(_scene: Scene) -> Reply:
    """Let no file of a copy grow beyond what the screen needs, where that is a file too."""
    return Reply(file_limit_bytes=SMALLEST_BYTES)


def fill_the_journals_disk(scene: Scene) -> Reply:
    """Let no file of the tool grow any more."""
    return Reply(file_limit_bytes=scene.room_for_the_journal())


def limit_the_servers_files(scene: Scene) -> Reply:
    """Let no file that the tool's session writes grow beyond two pages: tables fail, the WAL brings the server down."""
    for pid in scene.sessions():
        command = ["prlimit", f"--pid={pid}", f"--fsize={2 * 8192}:"]
        subprocess.run(command, check=True, **scene.server.account.identity())
    # where its WAL was limited too, PostgreSQL restarts all of its processes
    scene.undo.append(scene.wait_for_the_server)
    return Reply()


def fill_the_servers_disk(scene: Scene) -> Reply:
    """Fill the disk to the last byte; a second later somebody makes room, and starts the server where it is down."""
    assert scene.disk is not None
    filler = scene.disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(65536))

    def make_room() -> None:
        filler.unlink(missing_ok=True)
        wait_until(lambda: not scene.server.running or scene.answers(), limit_seconds=30)
        if not scene.server.running:
            scene.server.end_orphans()
            scene.server.start()

    timer = threading.Timer(1.0, make_room)
    timer.start()
    scene.undo.append(timer.join)
    return Reply()


def time_out(_scene: Scene) -> Reply:
    """Let the server cancel every statement that takes longer than a millisecond."""
    return Reply(statement_timeout_ms=1)


def hold_the_tables(scene: Scene) -> Reply:
    """Use both tables and do not end, until the tool has given up; not where it has locked them already."""
    reader = scene.server.connect("immich")
    scene.undo.append(reader.close)
    with suppress(psycopg.errors.LockNotAvailable):
        reader.execute("BEGIN")
        mode = scene.route.holds_off
        reader.execute(f"LOCK TABLE public.smart_search, public.face_search IN {mode} MODE NOWAIT".encode())
    return Reply()


def set_the_clock_back(_scene: Scene) -> Reply:
    """Set the tool's clock back by a day."""
    return Reply(clock_seconds=-A_DAY_SECONDS)


def status_is_right(scene: Scene) -> None:
    """Ask for the status, whatever the times in the journal are."""
    if not scene.journal.exists():
        return
    command = ["status", *(a for a in scene.arguments if a.startswith(("--database=", "--journal=")))]
    ended = scene.second.tool(command)
    assert ended.code == 0, ended.said


def end_the_worker(scene: Scene) -> Reply:
    """Reload the configuration, which ends the worker of 0.2.0 for good."""
    with scene.server.connect("immich") as connection:
        connection.execute("SELECT pg_reload_conf()")
    assert wait_until(lambda: not scene.has_worker(), limit_seconds=20), "a reload does not end the worker"
    return Reply()


def before_it_writes(route: Route, point: Point) -> bool:
    """Tell whether pgvecto.rs 0.2.0 is there and a statement of a plan is about to change something, or a commit."""
    writes = point.kind == "commit" or (point.kind == "statement" and WRITES.match(point.sql) is not None)
    return route.vectors == "0.2.0" and point.when == "before" and writes


def where_others_write(route: Route, _point: Point) -> bool:
    """Tell whether others can, and the tool does what it does itself: an Immich's work cannot be told from theirs."""
    return route.has_tables and not route.by_immich


def once_it_has_its_settings(_route: Route, point: Point) -> bool:
    """Tell whether the session does not ask just now whether the server keeps its settings."""
    return not point.sql.startswith("SELECT pg_catalog.pg_backend_pid()")


def with_tables(route: Route, _point: Point) -> bool:
    """Tell whether Immich's tables are there."""
    return route.has_tables


def with_a_journal(route: Route, _point: Point) -> bool:
    """Tell whether there is a journal."""
    return route.keeps_a_journal


def into_files(route: Route, _point: Point) -> bool:
    """Tell whether a copy is made, and nothing else is written by the tool."""
    return isinstance(route.ending, OfBackup)


def where_nothing_is_taken_back(route: Route, _point: Point) -> bool:
    """Tell whether the tool can go on without its journal: what was there before a run only the journal knows."""
    return route.keeps_a_journal and not route.gone


FAULTS = (
    Fault("SIGKILL of the tool", itself(signal.SIGKILL), KILLED),
    Fault("SIGKILL of the tool a moment later", a_moment_later(signal.SIGKILL), KILLED),
    Fault("SIGTERM", itself(signal.SIGTERM), STOPPED),
    Fault("SIGINT", itself(signal.SIGINT), STOPPED),
    Fault("SIGINT a moment later", a_moment_later(signal.SIGINT), STOPPED),
    Fault("SIGKILL of the postmaster", kill_the_server, CUT),
    Fault("SIGKILL of the session's process", kill_the_session, CUT),
    Fault("immediate stop of the server", stop_the_server_at_once, CUT),
    Fault("session terminated", end_the_session, CUT),
    Fault("line cut", cut_the_line, CUT, on_line=True),
    Fault("line held up, then cut", hold_up_the_line, CUT, on_line=True, lingers=1),
    Fault("line cut on one side", cut_one_side, CUT | {REFUSED}, on_line=True, lingers=1),
    Fault("journal's disk full", fill_the_journals_disk, CUT, applies=with_a_journal),
    Fault("copy's disk full", fill_the_copys_disk, frozenset({BLOCKED}), applies=into_files),
    # the session that ends may still bring the server down, when it clears up
    Fault("server's files limited", limit_the_servers_files, CUT, lingers=1),
    Fault("server's disk full", fill_the_servers_disk, CUT | {BLOCKED}, on_disk=True),
    Fault("statement timeout", time_out, CUT, applies=once_it_has_its_settings),
    Fault("table locked by somebody", hold_the_tables, frozenset({BLOCKED}), applies=with_tables),
    Fault("clock set back", set_the_clock_back, NEVER, afterwards=status_is_right, applies=with_a_journal),
    Fault("reload ends the worker of 0.2.0", end_the_worker, CUT, applies=before_it_writes),
    Fault(
        "SIGKILL, then no journal",
        itself(signal.SIGKILL),
        KILLED,
        afterwards=Scene.lose_the_journal,
        applies=where_nothing_is_taken_back,
        forgets=True,
    ),
    Fault(
        "SIGKILL, then an older journal",
        itself(signal.SIGKILL),
        KILLED,
        afterwards=Scene.put_back_the_journal,
        applies=with_a_journal,
        forgets=True,
    ),
    Fault("a second copy started", another_copy, CUT),
    Fault("Immich started", immich_starts, CUT, applies=with_tables),
    Fault("somebody writes", somebody_writes, CUT, applies=where_others_write, alone=False),
)
"""Everything that is tried at every point that it applies to."""
