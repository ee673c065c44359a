"""A restart left half-way, by Ctrl-C, a kill, or a command that is gone: the next start goes on."""

from __future__ import annotations

import shlex
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from driving import FAILED, INTERRUPTED, MIGRATE, REFUSED, WAITING, Tool
from servers import MakeServer
from terminal import Terminal
from willing import Willing

from migrator.commands import restarting
from migrator.commands import run as command
from migrator.commands.asking import Request
from migrator.errors import RestartFailed
from migrator.events import nobody
from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.processes import wait_until
from migrator.sandbox.server import Server
from steps.content.immich import ImmichContent

LIMIT_SECONDS = 30
NEXT = "restart-without-pgvectors"
"""What the path waits for after the restart, where nobody restarts anything."""


@pytest.fixture
def server(make_server: MakeServer) -> Server:
    """Return a server that has to be restarted for VectorChord, with Immich's database on it."""
    made = make_server(install={"vectors": "0.3.0", "vchord": "0.3.0"}, preload="vectors.so")
    ImmichDatabase(rows=20).build(made.conninfo())
    return made


@pytest.fixture
def tool(server: Server, tmp_path: Path) -> Iterator[Tool]:
    """Return the command for that database."""
    yield Tool(tmp_path, server.conninfo("immich", "immich"), tmp_path / "j.db")
    wait_until(lambda: server.running, limit_seconds=LIMIT_SECONDS)  # whatever was begun is over


def slowly(server: Server) -> str:
    """Return a command that stops the server, and starts it two seconds later."""
    ask = shlex.split(server.restart_command())[:-1]
    return f"{shlex.join([*ask, 'stop'])} && sleep 2 && {shlex.join([*ask, 'start'])}"


def with_restart(tool: Tool, command: str, *more: str) -> list[str]:
    """Return the arguments of a start that may restart the server."""
    return [*tool.arguments("--yes", "--no-backup", "--restart-command", command), *more]


def in_the_middle(server: Server, tool: Tool) -> subprocess.Popen[bytes]:
    """Start the tool, and come back in the middle of the restart, with the server away."""
    process = subprocess.Popen(
        [MIGRATE, *with_restart(tool, slowly(server), "--no-input")],
        env=tool.environ(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert wait_until(lambda: not server.running, limit_seconds=LIMIT_SECONDS)
    return process


def kill_once_stopped(server: Server, tool: Tool) -> None:
    """Start the tool, and kill it -9 in the middle of the restart, with the server away."""
    process = in_the_middle(server, tool)
    process.send_signal(signal.SIGKILL)
    assert process.wait(LIMIT_SECONDS) == -signal.SIGKILL


def test_killed_in_the_middle_of_it(server: Server, tool: Tool) -> None:
    """The next start, typed at once, waits for the server and goes on."""
    kill_once_stopped(server, tool)
    on = tool.migrate("--no-backup")
    assert (on.returncode, tool.next_step()) == (WAITING, NEXT), on.stderr
    assert "server is back after" in on.stderr


def test_control_c_in_the_middle_of_it(server: Server, tool: Tool) -> None:
    """What the terminal interrupts is the tool alone: the command is left to finish, and the same command goes on."""
    terminal = Terminal(tool, *with_restart(tool, slowly(server)))
    assert wait_until(lambda: not server.running, limit_seconds=LIMIT_SECONDS), terminal.text
    terminal.press_control_c()
    assert terminal.end() == INTERRUPTED, terminal.text
    assert "your restart command is left to finish" in terminal.text
    assert terminal.text.splitlines()[-1].startswith("Interrupted. Nothing is lost: ")
    on = tool.migrate("--no-backup")
    assert (on.returncode, tool.next_step()) == (WAITING, NEXT), on.stderr
    assert "Traceback" not in terminal.text


def killed_with_its_start(server: Server, tool: Tool) -> None:
    """Have the command stop the server, and then be gone together with the tool."""
    stop = shlex.join([*shlex.split(server.restart_command())[:-1], "stop"])
    ended = tool.migrate("--no-backup", "--restart-command", f"{stop}; kill -9 $PPID")
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert not server.running


def test_a_command_that_went_with_its_start(server: Server, tool: Tool) -> None:
    """Nothing comes back by itself: the next start runs the command again."""
    killed_with_its_start(server, tool)
    ask = shlex.split(server.restart_command())[:-1]
    on = tool.migrate("--no-backup", "--restart-command", shlex.join([*ask, "start"]))
    assert (on.returncode, tool.next_step()) == (WAITING, NEXT), on.stderr
    assert "step restart-for-vectorchord restarting the server" in on.stderr


def test_a_command_that_fails_again(server: Server, tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither now nor the time before: said in words, with what the command printed; a started server is enough."""
    killed_with_its_start(server, tool)
    monkeypatch.setattr(restarting, "GIVE_UP_SECONDS", 1.0)
    broken = "echo no such unit; exit 5"
    request = Request(tool.database, "pgvecto.rs", {}, journal=tool.journal, restart_command=broken)
    with pytest.raises(RestartFailed, match="an earlier start of this tool had begun to restart it") as failed:
        command.run(request, ImmichContent("pgvecto.rs"), Willing(), nobody)
    assert failed.value.exit_code == WAITING
    assert failed.value.facts == (("exit code", "5"), ("said", "no such unit"))
    assert failed.value.hint == "look at the server's log, start it, then run the same command again"
    server.start()
    on = tool.migrate("--no-backup")
    assert (on.returncode, tool.next_step()) == (WAITING, NEXT), on.stderr


def test_a_second_copy_meanwhile(server: Server, tool: Tool) -> None:
    """It does not restart anything a second time: it is refused, and the first goes on."""
    first = in_the_middle(server, tool)
    second = tool.migrate("--no-backup", "--restart-command", "exit 7")
    assert second.returncode == REFUSED, second.stderr
    assert "another copy of this tool is restarting the server" in second.stderr
    assert first.wait(LIMIT_SECONDS) == WAITING
    assert tool.next_step() == "uninstall-pgvectors"


def test_a_server_that_is_away_on_its_own(server: Server, tool: Tool) -> None:
    """Where no start had begun to restart it, nobody waits, and nothing is run."""
    server.stop()
    marker = tool.home / "ran"
    ended = tool.migrate("--restart-command", f"touch {marker}")
    assert ended.returncode == FAILED, ended.stderr
    assert "no connection to PostgreSQL" in ended.stderr
    assert not marker.exists()
    server.start()


def is_starting(server: Server) -> bool:
    """Tell whether the server answers that it takes no connections yet."""
    try:
        server.connect().close()
    except psycopg.OperationalError as error:
        return "the database system is" in str(error)
    return False


def test_a_server_that_is_starting(server: Server, tool: Tool) -> None:
    """A run waits for it; who only looks is told to come again in a moment."""
    server.stop()
    (server.data / "recovery.signal").touch()
    server.edit_conf("restore_command", "sleep 1; false")
    server.edit_conf("hot_standby", "off")
    starting = threading.Thread(target=server.start)
    starting.start()
    assert wait_until(lambda: is_starting(server), limit_seconds=LIMIT_SECONDS)
    looked = tool.call("doctor", "--from", "pgvecto.rs", "--database", tool.database)
    assert looked.returncode == FAILED, looked.stdout + looked.stderr
    assert "is starting or stopping, and takes no connections yet" in looked.stderr
    assert "wait a moment, then run the same command again" in looked.stderr
    on = tool.migrate("--no-backup", "--no-alter-system")
    starting.join()
    assert (on.returncode, tool.next_step()) == (WAITING, "preload-both-libraries"), on.stderr
    assert "server is back after" in on.stderr
