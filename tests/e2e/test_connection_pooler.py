"""What is not the server itself is recognised: poolers, which lose locks and settings, and standbys."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from driving import BLOCKED, DONE, Finished, Tool
from proxies import Pooler, listening
from servers import MakeServer

from migrator import errors
from migrator.sandbox.accounts import environment
from migrator.sandbox.addresses import free_port
from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.immich_catalog import catalog_dump
from migrator.sandbox.server import Server
from migrator.sandbox.shelf import Shelf
from migrator.sandbox.tree import Tree
from migrator.session import connect

SOMEWHERE = [*os.environ.get("PATH", "").split(os.pathsep), "/usr/sbin"]
PGBOUNCER = shutil.which("pgbouncer", path=os.pathsep.join(SOMEWHERE))


@pytest.fixture(scope="module")
def server(open_folder: Path, tree: Tree, shelf: Shelf, numbers: Iterator[int]) -> Iterator[Server]:
    """Return a server with an Immich."""
    with Server.create(open_folder / f"poolers-{next(numbers)}", tree=tree, shelf=shelf) as made:
        made.start()
        ImmichDatabase(rows=5, source="real[]").build(made.conninfo())
        yield made


def through(port: int) -> str:
    """Return the address of what listens on a port."""
    return f"host=127.0.0.1 port={port} user=immich dbname=immich"


def assert_refused_as_pooler(said: Finished, port: int) -> None:
    """The exit code, the sentence with the address, and the remedy."""
    assert said.returncode == BLOCKED, said.stderr
    first, *_, last = said.stderr.splitlines()
    sentence = f"a connection pooler answers at 127.0.0.1, port {port}, not PostgreSQL itself; nothing was changed"
    assert first == f"blocked: {sentence}"
    assert "the server itself (usually 5432) with --database" in last


def test_every_command_refuses_a_pooler(server: Server, tmp_path: Path) -> None:
    """As pgbouncer is configured at first: it refuses the option that makes a dry run unable to write."""
    with listening(Pooler(server, refuses_options=True)) as port:
        tool = Tool(tmp_path, through(port), tmp_path / "immich.db")
        with server.connect("immich") as connection:
            before = catalog_dump(connection)
        assert_refused_as_pooler(tool.migrate(), port)
        assert_refused_as_pooler(tool.migrate("--dry-run"), port)
        assert_refused_as_pooler(tool.call("doctor", "--database", through(port)), port)
        with server.connect("immich") as connection:
            assert catalog_dump(connection) == before
    assert not tool.journal.exists()


def test_the_status_says_that_a_pooler_answers(server: Server, tmp_path: Path) -> None:
    """It reports what the journal says, and why the server could not be seen."""
    with listening(Pooler(server)) as port:
        tool = Tool(tmp_path, through(port), tmp_path / "immich.db")
        assert "a connection pooler answers" in tool.status()["server_error"]


@pytest.mark.parametrize("read_only", [False, True], ids=["run", "dry run"])
@pytest.mark.parametrize(
    ("sessions", "own_key"),
    [(2, True), (2, False), (1, True)],
    ids=["transaction mode", "transaction mode, the server's key", "session mode"],
)
def test_a_pooler_that_hides_is_recognised(server: Server, sessions: int, own_key: bool, read_only: bool) -> None:  # noqa: FBT001
    """One that takes every start-up option and drops it: by its sessions, by its key."""
    pooler = Pooler(server, sessions=sessions, own_key=own_key)
    with listening(pooler) as port, pytest.raises(errors.Pooler) as refused:
        connect(through(port), {}, read_only=read_only)
    assert refused.value.facts == (("seen", "one connection, but more than one session of the server behind it"),)


def test_a_dry_run_is_refused_where_its_guard_is_dropped(server: Server) -> None:
    """Even one session with the server's own key: without the option the session could write."""
    with listening(Pooler(server, sessions=1, own_key=False)) as port:
        with pytest.raises(errors.Pooler) as refused:
            connect(through(port), {}, read_only=True)
        connect(through(port), {}, read_only=False).close()
    assert refused.value.facts == (("seen", "the session's settings are not kept"),)


@contextmanager
def pgbouncer(server: Server, folder: Path, *settings: str) -> Iterator[int]:
    """Run a genuine pgbouncer in front of a server."""
    port = free_port()
    (folder / "users.txt").write_text('"immich" ""\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = host={server.socket_dir} port={server.port}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = trust\nauth_file = {folder / 'users.txt'}\n" + "\n".join(settings)
    )
    environ = {**environment(), "LD_LIBRARY_PATH": os.environ.get("LD_LIBRARY_PATH", "")}
    command = [str(PGBOUNCER), str(folder / "pgbouncer.ini")]
    process = subprocess.Popen(
        command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **server.account.identity()
    )
    try:
        time.sleep(1)
        assert process.poll() is None, "pgbouncer ended"
        yield port
    finally:
        process.terminate()
        process.wait()


@pytest.mark.skipif(PGBOUNCER is None, reason="needs pgbouncer on this machine")
@pytest.mark.parametrize("mode", ["session", "transaction"])
@pytest.mark.parametrize("ignored", ["", "ignore_startup_parameters = options"])
def test_a_genuine_pgbouncer(server: Server, server_folder: Path, mode: str, ignored: str) -> None:
    """What is imitated above is what pgbouncer does."""
    with pgbouncer(server, server_folder, f"pool_mode = {mode}", ignored) as port:
        for read_only in (False, True):
            with pytest.raises(errors.Pooler):
                connect(through(port), {}, read_only=read_only)


def test_a_standby_is_refused(make_server: MakeServer, tmp_path: Path) -> None:
    """It replays what the primary does, and takes no changes: run and dry run say so and go no further."""
    primary = make_server()
    ImmichDatabase(rows=5, source="real[]").build(primary.conninfo())
    primary.stop()
    standby = make_server(data_from=primary.data, start=False)
    (standby.data / "standby.signal").touch()
    standby.edit_conf("primary_conninfo", primary.conninfo())
    standby.account.own(standby.data)
    primary.start()
    standby.start()
    tool = Tool(tmp_path, standby.conninfo("immich", "immich"), tmp_path / "immich.db")
    for command in ([], ["--dry-run"]):
        said = tool.migrate(*command)
        assert said.returncode == BLOCKED, said.stderr
        assert said.stderr.splitlines() == [
            "blocked: this server is a standby and takes no changes; nothing was changed",
            "  do            connect to the primary instead",
        ]
    assert not tool.journal.exists()
    assert tool.call("status", "--database", tool.database, "--journal", str(tool.journal)).returncode == DONE
