"""A lock that somebody holds: who it is, how to let go, and ended only where the person says so."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from driving import BLOCKED, WAITING, Finished, Tool
from servers import MakeServer
from terminal import Terminal

from migrator.journal import Journal
from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.immich_catalog import content_hashes
from migrator.sandbox.server import Server
from migrator.step import Json

CANARY = "canary-in-a-query"
READS = f"SELECT 'token={CANARY}', count(*) FROM public.smart_search"
Prepare = Callable[..., tuple[Server, Tool]]


@pytest.fixture
def prepare(make_server: MakeServer, tmp_path: Path) -> Prepare:
    """Return a function that makes a server with both libraries loaded, Immich's database on it, and the command."""

    def make(*, superuser: bool = True) -> tuple[Server, Tool]:
        server = make_server(install={"vectors": "0.3.0", "vchord": "0.3.0"}, preload="vchord.so, vectors.so")
        ImmichDatabase(rows=20, owner_is_superuser=superuser, also_create=("vchord",)).build(server.conninfo())
        return server, Tool(tmp_path, server.conninfo("immich", "immich"), tmp_path / "immich.db")

    return make


@contextmanager
def holding(server: Server, application: str = "a backup", user: str = "postgres") -> Iterator[psycopg.Connection]:
    """Read smart_search in a transaction that does not end, with a secret in the query."""
    with psycopg.connect(server.conninfo("immich", user), application_name=application, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute(READS)
        yield connection


def is_alive(connection: psycopg.Connection) -> bool:
    """Tell whether the server still has a session."""
    try:
        connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def details(tool: Tool) -> list[Json]:
    """Return what the journal says about waiting for locks."""
    journal = Journal.open_existing(tool.journal)
    assert journal is not None
    try:
        return [event.detail for event in journal.events() if event.event == "retried"]
    finally:
        journal.close()


def run(tool: Tool, *more: str, yes: bool = True) -> Finished:
    """Start the main job, with little patience."""
    answers = ["--no-input", *(["--yes"] if yes else [])]
    return tool.call(*tool.arguments(*answers, "--lock-timeout", "0.5", *more))


def test_the_holder_is_named_and_nobody_else(prepare: Prepare) -> None:
    """Pid, application, state, role, since when and the first word of its query; not a bystander, not its secret."""
    server, tool = prepare()
    with holding(server) as holder, server.connect("immich", application_name="a bystander") as bystander:
        bystander.execute("BEGIN")
        bystander.execute("LOCK TABLE public.face_search IN ACCESS SHARE MODE")
        said = run(tool)
        assert said.returncode == BLOCKED, said.stderr
        pid = holder.info.backend_pid
        who = rf"pid {pid} \(a backup, idle in transaction\) as \w+ from .+ on public\.smart_search "
        who += r"since 20.+ UTC: SELECT \.\.\."
        waiting = rf"^step convert-smart-search/lock waiting for a lock held by {who}$"
        assert len(re.findall(waiting, said.stderr, re.MULTILINE)) == 1, said.stderr
        assert re.search(rf"^  held by +{who}$", said.stderr, re.MULTILINE), said.stderr
        assert f"SELECT pg_terminate_backend({pid});" in said.stderr
        assert said.stderr.splitlines()[-1].startswith(
            "  do            stop what holds it (Immich, another client), or"
        )
        assert "bystander" not in said.stderr
        assert is_alive(holder)
    files = [file for file in tool.home.rglob("*") if file.is_file()]
    assert [file.name for file in files if CANARY.encode() in file.read_bytes()] == []
    assert CANARY not in said.stderr + said.stdout


def test_the_canary_is_where_a_careless_tool_would_have_found_it(prepare: Prepare) -> None:
    """The secret of the test above stands in what the server shows of the session."""
    server, _ = prepare()
    with holding(server) as holder, server.connect("immich") as onlooker:
        query = "SELECT query FROM pg_stat_activity WHERE pid = %s"
        row = onlooker.execute(query, [holder.info.backend_pid]).fetchone()
        assert row is not None
        assert CANARY in row[0]


def test_ended_where_the_person_says_so(prepare: Prepare) -> None:
    """--terminate-blockers with --yes: exactly the holder is ended, it is in the journal, and the run goes on."""
    server, tool = prepare()
    with server.connect("immich") as connection:
        before = content_hashes(connection)
    with holding(server) as holder, server.connect("immich", application_name="a bystander") as bystander:
        bystander.execute("BEGIN")
        bystander.execute("SELECT FROM public.asset LIMIT 1")
        said = run(tool, "--terminate-blockers")
        assert said.returncode == WAITING, said.stderr
        pid = holder.info.backend_pid
        assert re.search(rf"^step convert-smart-search/lock ended pid {pid} \(a backup", said.stderr, re.MULTILINE)
        assert not is_alive(holder)
        assert is_alive(bystander)
        told = str(details(tool))
        assert told.index("may be ended") < told.index("'ended'")
        assert f"pid {pid} (a backup" in told
        assert CANARY not in told
    with server.connect("immich") as connection:
        assert content_hashes(connection) == before


def test_nobody_is_ended_where_nobody_can_be_asked(prepare: Prepare) -> None:
    """Without a terminal and without --yes the option alone ends nobody."""
    server, tool = prepare()
    with holding(server) as holder:
        said = run(tool, "--terminate-blockers", yes=False)
        assert said.returncode == WAITING, said.stderr
        assert is_alive(holder)


def test_rights_that_are_missing_are_named(prepare: Prepare) -> None:
    """The session of a superuser cannot be ended by Immich's role: which right it takes is said, and it lives."""
    server, tool = prepare(superuser=False)
    with holding(server) as holder:
        said = run(tool, "--terminate-blockers")
        assert said.returncode == BLOCKED, said.stderr
        takes = rf"pid {holder.info.backend_pid}: ending a session of role \w+ takes that role, a member of "
        assert re.search(rf"^  not ended +{takes}pg_signal_backend, or a superuser", said.stderr, re.MULTILINE), (
            said.stderr
        )
        assert is_alive(holder)
        assert "not ended" in str(details(tool))


def test_ones_own_role_is_enough(prepare: Prepare) -> None:
    """A session of the same role can be ended without any further right."""
    server, tool = prepare(superuser=False)
    with holding(server, user="immich") as holder:
        said = run(tool, "--terminate-blockers")
        assert said.returncode == WAITING, said.stderr
        assert not is_alive(holder)


def test_another_copy_of_the_tool_is_never_ended(prepare: Prepare) -> None:
    """Whoever calls itself migrate, or holds the tool's lock, is named and left alone."""
    server, tool = prepare()
    with holding(server, application="migrate") as holder:
        said = run(tool, "--terminate-blockers")
        assert said.returncode == BLOCKED, said.stderr
        assert f"pid {holder.info.backend_pid} (migrate" in said.stderr
        assert is_alive(holder)


@pytest.mark.parametrize(("answer", "code"), [("n", BLOCKED), ("y", WAITING)])
def test_a_person_is_asked_first(answer: str, code: int, prepare: Prepare) -> None:
    """The list, then y/N; the default is no."""
    server, tool = prepare()
    with ExitStack() as stack:
        holder = stack.enter_context(holding(server))
        terminal = Terminal(tool, *tool.arguments("--no-backup", "--lock-timeout", "2", "--terminate-blockers"))
        terminal.until("Start? [y/N]: ")
        terminal.type("y")
        terminal.until("A lock is held by:")
        pid = holder.info.backend_pid
        terminal.until(f"pid {pid} (a backup")
        terminal.until("End this session? [y/N]: ")
        assert is_alive(holder)
        terminal.type(answer)
        if code == WAITING:
            terminal.until("I look every 2 seconds")
            terminal.press_control_c()
            terminal.end()
        else:
            assert terminal.end() == code
        assert is_alive(holder) == (answer == "n")
        assert terminal.text.count("A lock is held by:") == 1, "asked once about the same session"
        assert re.search(rf"lock: waiting 0:0\d for a lock held by pid {pid} ", terminal.text), "while it waits, too"
