"""pgvecto.rs's worker outlives a killed PostgreSQL, which then does not start: the tool says why, and what to do."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
from pathlib import Path

import psycopg
import pytest
from driving import DONE, WAITING, Tool
from servers import MakeServer
from willing import Willing

from migrator.commands import loop
from migrator.commands import run as command
from migrator.commands.asking import Request
from migrator.errors import ConnectionLost
from migrator.events import Event, StatementStarted
from migrator.sandbox.control import ControlSocket
from migrator.sandbox.errors import ServerStartFailed
from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.processes import processes_in, wait_until
from migrator.sandbox.server import Server
from steps.content.immich import ImmichContent

SEGMENT = "FATAL: pre-existing shared memory block (key K, ID N) is still in use"


@pytest.fixture
def server(make_server: MakeServer, version: str) -> Server:
    """Return a server with pgvecto.rs loaded and VectorChord to be loaded, and Immich's database on it."""
    made = make_server(install={"vectors": version, "vchord": "0.3.0"}, preload="vectors.so")
    ImmichDatabase(rows=20).build(made.conninfo())
    return made


def kill_and_start(server: Server) -> None:
    """Kill PostgreSQL with -9 and start it, as an init system does.

    Raises:
        ServerStartFailed: it does not start; its complaints are in the message.
    """
    server.kill(settle_seconds=0.3)
    server.start()


def do_as_told(server: Server, said: str) -> None:
    """End the process that the screen names, in the way that it names, and start the server."""
    (told,) = re.findall(r"kill -TERM (\d+)", said)
    (worker,) = [process for process in processes_in(server.data) if process.title.endswith("vectors")]
    assert int(told) == worker.pid
    os.kill(worker.pid, signal.SIGTERM)
    assert wait_until(lambda: not processes_in(server.data), limit_seconds=20)
    server.start()


@pytest.mark.parametrize("version", ["0.2.0", "0.3.0"])
def test_a_restart_command_that_kills(server: Server, tmp_path: Path) -> None:
    """What the command printed is recognised, the process is named with its number; then the same command goes on."""
    tool = Tool(tmp_path, server.conninfo("immich", "immich"), tmp_path / "j.db")
    socket = server.socket_dir / "killing"
    control = ControlSocket(socket, {"restart": lambda: kill_and_start(server)})
    try:
        restart = shlex.join([sys.executable, "-m", "migrator.sandbox.control", str(socket), "restart"])
        ended = tool.migrate("--restart-command", restart)
    finally:
        control.close()
    assert ended.returncode == WAITING, ended.stderr
    assert "pgvecto.rs's worker has outlived PostgreSQL, which does not start beside it:" in ended.stderr
    assert SEGMENT in ended.stderr
    assert "(SIGTERM is enough; never -9), then start PostgreSQL" in ended.stderr
    do_as_told(server, ended.stderr)
    on = tool.migrate("--restart-command", server.restart_command())
    assert (on.returncode, tool.next_step()) == (WAITING, "uninstall-pgvectors"), on.stderr


@pytest.mark.parametrize("version", ["0.2.0"])
def test_a_connection_lost_in_the_middle(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server was killed within a rewrite, and its own start fails: explained without any output of it."""
    monkeypatch.setattr(loop, "RECOVERY_LIMIT_SECONDS", 2.0)
    server.set_preload("vchord.so, vectors.so")
    server.restart()
    conninfo, journal = server.conninfo("immich", "immich"), tmp_path / "j.db"

    def emit(event: Event) -> None:
        if isinstance(event, StatementStarted) and event.statement == "rewrite" and server.running:
            with pytest.raises(ServerStartFailed, match="pre-existing shared memory block"):
                kill_and_start(server)

    request = Request(conninfo=conninfo, source="pgvecto.rs", arguments={}, journal=journal)
    with pytest.raises(ConnectionLost) as lost:
        command.run(request, ImmichContent("pgvecto.rs"), Willing(), emit)
    assert "the server does not come back" in str(lost.value)
    said = "\n".join(text for _, text in lost.value.facts)
    assert "pgvecto.rs's worker has outlived PostgreSQL" in said
    assert SEGMENT in said
    do_as_told(server, said)
    tool = Tool(tmp_path, conninfo, journal)
    ended = tool.migrate("--restart-command", server.restart_command())
    assert (ended.returncode, tool.next_step()) == (WAITING, "uninstall-pgvectors"), ended.stderr
    server.remove("vectors")
    assert tool.migrate("--confirm", "immich").returncode == DONE


@pytest.mark.parametrize("version", ["0.3.0"])
def test_a_server_that_is_away_for_another_reason(server: Server, tmp_path: Path) -> None:
    """No worker is left, and no process is named; that it may be one is said as long as pgvecto.rs was loaded."""
    tool = Tool(tmp_path, server.conninfo("immich", "immich"), tmp_path / "j.db")
    socket = server.socket_dir / "stopping"
    control = ControlSocket(socket, {"restart": server.stop})
    try:
        restart = shlex.join([sys.executable, "-m", "migrator.sandbox.control", str(socket), "restart"])
        ended = tool.migrate("--restart-command", f"{restart}; exit 1")
    finally:
        control.close()
    assert ended.returncode == WAITING, ended.stderr
    assert "pgvecto.rs's worker may have outlived PostgreSQL" in ended.stderr
    assert "pgrep -a -f 'postgres: .*vectors'" in ended.stderr
    assert not re.findall(r"kill -TERM \d", ended.stderr)
    with pytest.raises(psycopg.OperationalError):
        server.connect()
