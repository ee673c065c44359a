"""The main job through the real executable: every path through it ends with the embeddings that were there before."""

import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from driving import DONE, FAILED, WAITING, Tool, as_superuser, run_to_the_end
from servers import MakeServer

from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.immich_catalog import catalog_dump, content_hashes
from migrator.sandbox.immich_startup import ImmichStartup
from migrator.sandbox.server import Server

TO_REMOVE = "keep pgvector: it provides the data types"
"""From the instructions for the removal of pgvecto.rs."""
OF_DBA = ["create-extension-vchord", "drop-extension-vectors"]


@pytest.fixture
def prepare(make_server: MakeServer, tmp_path: Path) -> Callable[..., tuple[Server, Tool]]:
    """Return a function that makes a server with an Immich database on pgvecto.rs, and the command for it."""

    def make(vectors: str, *, preload: str = "vectors.so", **immich: object) -> tuple[Server, Tool]:
        server = make_server(install={"vectors": vectors}, preload=preload)
        ImmichDatabase(**{"rows": 120, **immich}).build(server.conninfo())  # type: ignore[arg-type]
        return server, Tool(tmp_path, server.conninfo("immich", "immich"), tmp_path / "immich.db")

    return make


def hashes_of(server: Server) -> object:
    """Return rows and content hash of both tables."""
    with server.connect("immich") as connection:
        return content_hashes(connection)


def dump_of(server: Server) -> str:
    """Return everything about the structure of Immich's database."""
    with server.connect("immich") as connection:
        return catalog_dump(connection)


def preload_of(server: Server) -> list[str]:
    """Return the preload list that the server was started with."""
    with server.connect() as connection:
        row = connection.execute("SHOW shared_preload_libraries").fetchone()
    assert row is not None
    return [element.strip().strip('"') for element in str(row[0]).split(",")]


def assert_immich_leaves_everything_alone(server: Server) -> None:
    """Start the documented Immich, as it were: it must not build, create, drop or complain."""
    before = dump_of(server)
    said = ImmichStartup(conninfo=server.conninfo("immich", "immich"), release="1.133.0").run()
    work = [line for line in said if re.match("Reindex|Creating|Dropping|Updating|WARN", line)]
    assert not work
    assert dump_of(server) == before


@pytest.mark.parametrize(("vectors", "dimension"), [("0.2.0", 512), ("0.3.0", 768)])
def test_a_superuser_is_asked_for_two_packages_only(
    prepare: Callable[..., tuple[Server, Tool]], vectors: str, dimension: int
) -> None:
    """With a restart command, one person does two things: install VectorChord, and at the end remove pgvecto.rs."""
    server, tool = prepare(vectors, dimension=dimension)
    before = hashes_of(server)
    restart = ["--restart-command", server.restart_command(), "--environment", "debian"]

    first = tool.migrate(*restart)
    assert (first.returncode, tool.next_step()) == (WAITING, "install-vectorchord")
    assert first.stdout == ""
    assert 'PostgreSQL offers no extension "vchord"' in first.stderr

    server.install("vchord", "0.3.0")
    second = tool.migrate(*restart)
    assert (second.returncode, tool.next_step()) == (WAITING, "uninstall-pgvectors")
    assert second.stdout == ""
    assert "add --confirm=immich" in second.stderr
    assert TO_REMOVE not in second.stderr, "nobody is told how before they have said that they want it"

    third = tool.migrate("--confirm", "immich", *restart)
    assert (third.returncode, tool.next_step()) == (WAITING, "uninstall-pgvectors")
    assert TO_REMOVE in third.stderr

    server.remove("vectors")
    last = tool.migrate("--confirm", "immich", *restart)
    assert (last.returncode, tool.next_step()) == (DONE, None)
    assert last.stdout.startswith("Done. 240 embeddings are in VectorChord, none changed.\n")
    assert last.stdout.endswith("\nStart Immich now. It will find its indexes as it wants them.\n")
    assert "Done." not in last.stderr
    assert hashes_of(server) == before
    assert f"smart_search.embedding type=public.vector typmod={dimension}" in dump_of(server)
    assert_immich_leaves_everything_alone(server)


def test_running_it_again_does_nothing(prepare: Callable[..., tuple[Server, Tool]]) -> None:
    """The same command on a finished database says so, exits with 0, and leaves database and history as they are."""
    server, tool = prepare("0.3.0", rows=50)
    run_to_the_end(tool, server, "--restart-command", server.restart_command())
    before, steps = dump_of(server), tool.status()["steps"]
    again = tool.migrate()
    assert again.returncode == DONE
    assert again.stdout.startswith("Done. 100 embeddings are in VectorChord")
    assert dump_of(server) == before
    assert tool.status()["steps"] == steps
    without_journal = Tool(tool.home, tool.database, tool.home / "another.db").migrate()
    assert without_journal.returncode == DONE
    assert "says nothing about their content" in without_journal.stdout
    assert dump_of(server) == before


@pytest.mark.parametrize(("vectors", "dimension"), [("0.2.0", 768), ("0.3.0", 512)])
def test_an_owner_without_superuser_gets_there_with_a_dba(
    prepare: Callable[..., tuple[Server, Tool]], vectors: str, dimension: int
) -> None:
    """What the role may not do is asked of a DBA, with the SQL; what it may do, the tool does."""
    server, tool = prepare(vectors, dimension=dimension, owner_is_superuser=False)
    before = hashes_of(server)
    waited = run_to_the_end(tool, server)
    assert [step for step in waited if step in OF_DBA] == OF_DBA
    assert [step for step in waited if "install" in step] == ["install-vectorchord", "uninstall-pgvectors"]
    assert hashes_of(server) == before
    assert_immich_leaves_everything_alone(server)


def test_a_superuser_can_restart_by_hand(prepare: Callable[..., tuple[Server, Tool]]) -> None:
    """Without a restart command each restart is waited for; the setting itself is the tool's to write."""
    server, tool = prepare("0.2.0", rows=50)
    before = hashes_of(server)
    assert run_to_the_end(tool, server) == [
        "install-vectorchord",
        "restart-for-vectorchord",
        "restart-without-pgvectors",
        "uninstall-pgvectors",
    ]
    assert hashes_of(server) == before
    assert preload_of(server) == ["vchord.so"]


def test_immich_reindexes_while_the_tool_watches(prepare: Callable[..., tuple[Server, Tool]]) -> None:
    """The documented way, by a started Immich: the tool waits for it, then proves the result just the same."""
    server, tool = prepare("0.2.0", rows=300)
    before = hashes_of(server)
    options = ["--reindex-by", "immich", "--restart-command", server.restart_command(), "--confirm", "immich"]
    tool.migrate(*options)
    server.install("vchord", "0.3.0")
    waiting = tool.migrate(*options)
    assert (waiting.returncode, tool.next_step()) == (WAITING, "immich-reindexes")
    assert "immich-reindexes waiting" in waiting.stderr

    immich = ImmichStartup(conninfo=server.conninfo("immich", "immich"), release="1.133.0")
    thread = threading.Thread(target=immich.run)
    thread.start()
    while thread.is_alive():
        assert tool.migrate(*options).returncode in (WAITING, DONE)
        thread.join(0.2)
    server.remove("vectors")
    last = tool.migrate(*options)
    assert last.returncode == DONE, last.stderr
    assert last.stdout.startswith("Done. 600 embeddings are in VectorChord, none changed.")
    assert hashes_of(server) == before


def test_a_row_added_between_record_and_proof_is_told(prepare: Callable[..., tuple[Server, Tool]]) -> None:
    """A hash that differs: exit 1, both values, and what that can mean, when it was somebody else who committed."""
    server, tool = prepare("0.3.0", rows=50)
    options = ["--reindex-by", "immich", "--restart-command", server.restart_command()]
    server.install("vchord", "0.3.0")
    assert tool.migrate(*options).returncode == WAITING
    as_superuser(
        server,
        "immich",
        'UPDATE public.smart_search SET embedding = (SELECT embedding FROM public.smart_search ORDER BY "assetId" '
        'LIMIT 1) WHERE "assetId" = (SELECT max("assetId"::text)::uuid FROM public.smart_search)',
    )
    ImmichStartup(conninfo=server.conninfo("immich", "immich"), release="1.133.0").run()
    said = tool.migrate(*options)
    assert said.returncode == FAILED
    assert "prove-embeddings/hash-smart_search: what is there now differs from what was recorded" in said.stderr
    assert re.search(r"^ +recorded .*'rows': 50", said.stderr, re.MULTILINE)
    assert re.search(r"^ +now .*'rows': 50", said.stderr, re.MULTILINE)
    assert said.stdout == ""
