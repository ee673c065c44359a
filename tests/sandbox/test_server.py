"""The throw-away server does what happens to real ones: stopped, killed, refused, exchanged."""

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from servers import MakeServer

from migrator.sandbox.accounts import server_account
from migrator.sandbox.errors import FolderClosed, SandboxError, ServerStartFailed
from migrator.sandbox.processes import processes_in, wait_until
from migrator.sandbox.server import Server
from migrator.sandbox.tree import Tree

NOT_OFFERED = (psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedFile)
"""What CREATE EXTENSION says of an extension without files: PostgreSQL 14 names the file."""
ENDLESS = "DO $$ BEGIN LOOP END LOOP; END $$"


def value(server: Server, query: LiteralString) -> object:
    """Return the first column of the first row of a query."""
    with server.connect() as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def run_until_it_is_cut(server: Server, statement: LiteralString) -> None:
    """Run a statement in a session that its server does not let end."""
    with pytest.raises(psycopg.OperationalError), server.connect() as connection:
        connection.execute(statement)


def is_alive(pid: int) -> bool:
    """Return whether a process exists and is no zombie."""
    try:
        return b") Z" not in Path(f"/proc/{pid}/stat").read_bytes()
    except FileNotFoundError:
        return False


def test_the_server_never_runs_as_root(make_server: MakeServer) -> None:
    """Postmaster and backends belong to the account, whoever we are."""
    server = make_server()
    pids = [process.pid for process in processes_in(server.data)]
    assert server.postmaster_pid in pids
    assert {Path(f"/proc/{pid}").stat().st_uid for pid in pids} == {server_account().uid}
    assert server_account().uid != 0


def test_stop_and_start_keep_address_and_data(make_server: MakeServer) -> None:
    """A restart is invisible but for the closed sessions."""
    server = make_server()
    with server.connect() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    before = server.conninfo()
    server.restart()
    assert server.conninfo() == before
    assert value(server, "SELECT answer FROM kept") == 42
    server.stop("immediate")
    assert not server.running
    server.start()
    assert value(server, "SELECT answer FROM kept") == 42


def test_a_killed_server_is_reaped_and_comes_back_with_what_was_committed(make_server: MakeServer) -> None:
    """SIGKILL of the postmaster leaves no zombie and no idle backend, and loses nothing committed."""
    server = make_server()
    session = server.connect()
    session.execute("CREATE TABLE kept (answer int)")
    session.execute("INSERT INTO kept VALUES (42)")
    session.execute("BEGIN")
    session.execute("INSERT INTO kept VALUES (43)")
    pid = server.postmaster_pid
    assert server.kill() == ()
    assert not Path(f"/proc/{pid}").exists()
    assert not server.running
    with pytest.raises(psycopg.OperationalError):
        session.execute("SELECT 1")
    server.start()
    assert value(server, "SELECT array_agg(answer) FROM kept") == [42]


def test_a_process_that_outlives_the_postmaster_blocks_the_next_start(make_server: MakeServer) -> None:
    """The left-over process is named, found and ended; then the server starts."""
    server = make_server()
    busy = threading.Thread(target=run_until_it_is_cut, args=(server, ENDLESS))
    busy.start()
    seen = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO %' AND state = 'active'"
    assert wait_until(lambda: value(server, seen) == 1, limit_seconds=20)
    assert server.kill() == ("postgres: postgres postgres [local] DO",)
    with pytest.raises(ServerStartFailed, match=r"pre-existing shared memory block .* is still in use"):
        server.start()
    ended = server.end_orphans()
    assert (len(ended.titles), ended.needed_sigkill) == (1, False)
    busy.join()
    server.start()
    assert value(server, "SELECT 1") == 1


def test_there_are_no_orphans_of_a_running_server(make_server: MakeServer) -> None:
    """Its processes must not be ended by mistake."""
    server = make_server()
    with pytest.raises(SandboxError, match="is running"):
        server.end_orphans()


def test_a_refused_start_tells_why(make_server: MakeServer) -> None:
    """A library that is listed but absent: the FATAL line of this start, and only of this one."""
    server = make_server()
    server.stop()
    server.set_preload(["nowhere.so", "vectors.so"])
    with pytest.raises(ServerStartFailed) as caught:
        server.start()
    wanted = 'FATAL:  could not access file "nowhere.so": No such file or directory'
    assert caught.value.complaints == (wanted,)
    server.set_preload("")
    server.start()
    assert server.complaints() == ()
    assert wanted in server.log_text()


def test_postgresql_conf_is_edited_like_by_hand(make_server: MakeServer) -> None:
    """Any value survives the quoting, a line replaces the earlier one, and ALTER SYSTEM still wins."""
    server = make_server(settings={"log_line_prefix": "it's %m \\ "}, preload="")
    assert value(server, "SHOW log_line_prefix") == "it's %m \\ "
    server.edit_conf("work_mem", "5MB")
    server.edit_conf("Work_Mem", "6MB")
    with server.connect() as connection:
        connection.execute("ALTER SYSTEM SET maintenance_work_mem = '70MB'")
    server.edit_conf("maintenance_work_mem", "80MB")
    server.restart()
    assert value(server, "SHOW work_mem") == "6MB"
    assert value(server, "SHOW maintenance_work_mem") == "70MB"
    source = "SELECT sourcefile FROM pg_settings WHERE name = 'work_mem'"
    assert value(server, source) == str(server.data / "postgresql.conf")
    server.edit_conf("work_mem", None)
    server.restart()
    assert value(server, "SHOW work_mem") == "4MB"


def test_passwords_are_asked_for_by_tcp(make_server: MakeServer) -> None:
    """A right password gets in, a wrong one does not."""
    server = make_server()
    with server.connect() as connection:
        connection.execute("CREATE ROLE immich LOGIN PASSWORD 'right'")
    with server.connect(user="immich", tcp=True, password="right") as connection:  # noqa: S106
        assert connection.info.host == "127.0.0.1"
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        server.connect(user="immich", tcp=True, password="wrong")  # noqa: S106


def test_removing_and_reinstalling_pgvector_changes_this_server_only(make_server: MakeServer, tree: Tree) -> None:
    """The files are hard links to the original tree: they are exchanged, never written into."""
    server = make_server()
    original = (tree.library_dir / "vector.so").stat()
    offered = "SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'"
    server.remove("vector")
    assert value(server, offered) == 0
    with server.connect() as connection, pytest.raises(NOT_OFFERED):
        connection.execute("CREATE EXTENSION vector")
    server.install("vector")
    assert value(server, offered) == 1
    assert (server.tree.library_dir / "vector.so").stat().st_ino != original.st_ino
    assert (tree.library_dir / "vector.so").stat().st_mtime_ns == original.st_mtime_ns
    with server.connect() as connection:
        connection.execute("CREATE EXTENSION vector")


def test_two_servers_are_two_clusters(make_server: MakeServer) -> None:
    """Each has a system identifier of its own, by which a tool tells them apart, though both are copies."""
    identifier = "SELECT system_identifier FROM pg_control_system()"
    first, second = make_server(), make_server()
    assert value(first, identifier) != value(second, identifier)
    first.restart()
    first.kill()
    first.start()
    first.stop()
    told = first.account.run([first.tree.program("pg_controldata"), "-D", first.data], folder=first.folder)
    assert (told.returncode, told.stderr) == (0, "")
    assert "WARNING" not in told.stdout


def test_a_data_directory_can_be_taken_over(make_server: MakeServer) -> None:
    """A copy of a stopped cluster starts, and the original is left alone."""
    first = make_server()
    with first.connect() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    first.stop()
    second = make_server(data_from=first.data)
    first.start()
    assert value(second, "SELECT answer FROM kept") == 42
    assert value(first, "SELECT answer FROM kept") == 42


def test_a_long_path_does_not_matter_to_the_socket(server_folder: Path, tree: Tree) -> None:
    """The kernel takes 107 bytes for a socket's path; the socket then lives elsewhere, and goes too."""
    with Server.create(server_folder / ("long" * 30), tree=tree) as server:
        server.start()
        assert value(server, "SELECT 1") == 1
        assert server.folder not in server.socket_dir.parents
    assert not server.socket_dir.exists()
    assert not server.folder.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has an account to change to")
def test_a_closed_folder_is_refused_in_words(server_folder: Path, tree: Tree) -> None:
    """The sentence names the folder that the account cannot enter."""
    closed = server_folder / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(FolderClosed, match=f'cannot enter "{closed}"'):
        Server.create(closed / "server", tree=tree)


MAKE_AND_SAY = """
import sys, time
from pathlib import Path
from migrator.sandbox.server import Server
server = Server.create(Path(sys.argv[1]), linger=sys.argv[2] == "linger")
server.start()
print(server.postmaster_pid, server.stop_command(), sep="\\n", flush=True)
if sys.argv[2] == "wait":
    time.sleep(600)
"""


def test_no_server_outlives_a_killed_process(server_folder: Path) -> None:
    """SIGKILL of the process that started it ends the server, with every child."""
    argv = [sys.executable, "-c", MAKE_AND_SAY, str(server_folder / "server"), "wait"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        assert is_alive(pid)
        process.send_signal(signal.SIGKILL)
    assert wait_until(lambda: not is_alive(pid), limit_seconds=20)
    assert wait_until(lambda: not processes_in(server_folder / "server/data"), limit_seconds=20)


def test_a_lingering_server_outlives_us_until_it_is_stopped(server_folder: Path) -> None:
    """It answers after its maker has ended, and the command that was told stops it."""
    argv = [sys.executable, "-c", MAKE_AND_SAY, str(server_folder / "server"), "linger"]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True)
    pid, command = done.stdout.splitlines()
    time.sleep(0.2)
    try:
        assert is_alive(int(pid))
        subprocess.run(shlex.split(command), check=True, stdout=subprocess.DEVNULL, cwd="/")
        assert wait_until(lambda: not is_alive(int(pid)), limit_seconds=20)
    finally:
        if is_alive(int(pid)):
            os.kill(int(pid), signal.SIGQUIT)


def test_another_program_can_have_the_server_restarted(make_server: MakeServer) -> None:
    """The command waits until the server answers again, and the server is still our child."""
    server = make_server()
    command = shlex.split(server.restart_command())
    before = value(server, "SELECT pg_postmaster_start_time()")
    server.edit_conf("work_mem", "6MB")
    subprocess.run(command, check=True)
    assert value(server, "SELECT pg_postmaster_start_time()") != before
    assert value(server, "SHOW work_mem") == "6MB"
    assert Path(f"/proc/{server.postmaster_pid}/status").read_text().count(f"PPid:\t{os.getpid()}\n") == 1


def test_a_restart_that_fails_is_told_to_the_one_who_asked(make_server: MakeServer) -> None:
    """The command ends with 1 and the server's own words."""
    server = make_server()
    server.set_preload("nowhere")
    done = subprocess.run(shlex.split(server.restart_command()), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert 'could not access file "nowhere"' in done.stderr
    assert not server.running
