"""Ctrl-C in a terminal while the server works: cancelled there and said at once; a second one leaves; both resume."""

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from driving import DONE, INTERRUPTED, Tool, run_to_the_end
from servers import MakeServer
from terminal import Terminal

from migrator.journal import COMMIT, Journal
from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.immich_catalog import content_hashes
from migrator.sandbox.processes import wait_until
from migrator.sandbox.server import Server

SLOW = "standin_vchord.build_rows_per_second"
WORKS = (
    "SELECT FROM pg_stat_activity WHERE application_name = 'migrate' AND state = 'active' AND query LIKE %s "
    "AND pid <> pg_backend_pid()"
)
CANCELLED = "canceling statement due to user request"


@pytest.fixture
def server(make_server: MakeServer) -> Server:
    """Return a server with both libraries loaded, and Immich's database on it."""
    made = make_server(install={"vectors": "0.3.0", "vchord": "0.3.0"}, preload="vchord.so, vectors.so")
    # without its old indexes: nothing but the rewrite itself writes to pg_class then
    ImmichDatabase(rows=60, with_indexes=False).build(made.conninfo())
    return made


@pytest.fixture
def tool(server: Server, tmp_path: Path) -> Tool:
    """Return the command for that database."""
    return Tool(tmp_path, server.conninfo("immich", "immich"), tmp_path / "immich.db")


@contextmanager
def at_work(server: Server, tool: Tool, statement: str, *more: str) -> Iterator[Terminal]:
    """Start the tool in a terminal, and come back when the server works on a statement for it."""
    terminal = Terminal(tool, *tool.arguments("--no-backup", "--lock-timeout", "60", *more))
    terminal.until("Start? [y/N]: ")
    terminal.type("y")
    assert wait_until(lambda: works(server, statement), limit_seconds=60), terminal.text
    yield terminal


def works(server: Server, statement: str) -> bool:
    """Tell whether the server works on a statement for the tool."""
    with server.connect("immich") as connection:
        return connection.execute(WORKS, [f"{statement}%"]).fetchone() is not None


def assert_resumes(server: Server, tool: Tool, before: object) -> None:
    """The same command goes on to the end, and no embedding is another."""
    run_to_the_end(tool, server, "--restart-command", server.restart_command())
    assert tool.migrate().returncode == DONE
    with server.connect("immich") as connection:
        assert content_hashes(connection) == before


def hashes(server: Server) -> object:
    """Return count and hash of the embeddings."""
    with server.connect("immich") as connection:
        return content_hashes(connection)


@contextmanager
def rewriting(server: Server, tool: Tool) -> Iterator[Terminal]:
    """Have the server in the middle of ALTER TABLE: it wants to write to pg_class, and somebody does not let it."""
    with server.connect("immich") as connection:
        connection.execute("CREATE EXTENSION vchord SCHEMA public CASCADE")
    with server.connect("immich") as brake:
        brake.execute("BEGIN")
        brake.execute("LOCK TABLE pg_catalog.pg_class IN SHARE MODE")
        with at_work(server, tool, "ALTER TABLE") as terminal:
            yield terminal


def last_event(tool: Tool) -> tuple[str, str | None, str]:
    """Return what the journal heard last."""
    journal = Journal.open_existing(tool.journal)
    assert journal is not None
    try:
        event = list(journal.events())[-1]
        assert journal.unanswered_commits() == []
        start = journal.newest_start()
        assert start is not None
        assert start.ended_at is not None
        return event.step, event.statement, event.event
    finally:
        journal.close()


def test_during_a_rewrite(server: Server, tool: Tool) -> None:
    """Said at once, cancelled on the server, rolled back, 130, and the same command goes on."""
    before = hashes(server)
    with rewriting(server, tool) as terminal:
        pressed = time.monotonic()
        terminal.press_control_c()
        terminal.until("cancelling on the server: ")
        assert time.monotonic() - pressed < 1.0
        assert terminal.end() == INTERRUPTED
        assert not works(server, "ALTER TABLE")
    text = " ".join(terminal.text.split())
    assert "is taken back, what was finished before it is kept (Ctrl-C again leaves at once)" in text
    assert terminal.text.splitlines()[-1] == (
        "Interrupted. Nothing is lost: run the same command again, it goes on from here."
    )
    assert "Traceback" not in terminal.text
    assert CANCELLED in server.log_text()
    assert last_event(tool)[1:] != (COMMIT, "started")
    assert hashes(server) == before
    assert_resumes(server, tool, before)


@pytest.mark.standin_only("a genuine build of so few rows is over before it can be interrupted")
def test_during_an_index_build(server: Server, tool: Tool) -> None:
    """No invalid index is left, 130, and the same command builds it."""
    before = hashes(server)
    server.edit_conf(SLOW, "2")
    server.restart()
    with at_work(server, tool, "CREATE INDEX") as terminal:
        terminal.press_control_c()
        terminal.until("cancelling on the server: build-clip-index/create")
        assert terminal.end() == INTERRUPTED
        assert not works(server, "CREATE INDEX")
    with server.connect("immich") as connection:
        assert connection.execute("SELECT FROM pg_index WHERE NOT indisvalid").fetchall() == []
        assert connection.execute("SELECT FROM pg_class WHERE relname = 'clip_index'").fetchall() == []
    server.edit_conf(SLOW, None)
    server.restart()
    assert_resumes(server, tool, before)


def test_a_second_one_leaves(server: Server, tool: Tool) -> None:
    """While the server does not answer, the second one ends the tool; the server notices and takes everything back."""
    before = hashes(server)
    with rewriting(server, tool) as terminal:
        with server.connect("immich") as connection:
            row = connection.execute(WORKS.replace("SELECT FROM", "SELECT pid FROM"), ["ALTER TABLE%"]).fetchone()
        assert row is not None
        stopped = int(row[0])
        server_stops(stopped)  # a server that does not react to a cancellation, as in the middle of a slow library
        try:
            terminal.press_control_c()
            terminal.until("(Ctrl-C again leaves at once)")
            pressed = time.monotonic()
            terminal.press_control_c()
            terminal.until("leaving at once")
            assert terminal.end() == INTERRUPTED
            assert time.monotonic() - pressed < 4.0
        finally:
            server_goes_on(stopped)
        assert wait_until(lambda: not works(server, "ALTER TABLE"), limit_seconds=10)
    assert "Traceback" not in terminal.text
    assert terminal.text.splitlines()[-1].startswith("Interrupted. Nothing is lost: ")
    assert re.search(r"leaving at once; the server notices within seconds", terminal.text)
    assert hashes(server) == before
    assert_resumes(server, tool, before)


def server_stops(pid: int) -> None:
    """Make a backend stand still."""
    os.kill(pid, signal.SIGSTOP)


def server_goes_on(pid: int) -> None:
    """Let it go on."""
    os.kill(pid, signal.SIGCONT)
