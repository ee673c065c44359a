"""The manual path while its server is really away: libraries exchanged, journals lost, preload lists left behind."""

from collections.abc import Callable
from pathlib import Path

import pytest
from driving import BLOCKED, DONE, FAILED, WAITING, Operator, Tool, as_superuser, start, waits_for, walk
from servers import MakeServer

from migrator.journal import Journal
from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.immich_catalog import catalog_dump, content_hashes
from migrator.sandbox.server import Server
from migrator.settings import split_list
from migrator.step import Json

ROWS, DIMENSION = 60, 768
ARGUMENTS = ("--from", "pgvecto.rs", "--path", "manual", "--yes", "--no-input", "--confirm", "immich")
EXCHANGE = "exchange-libraries"

MakePhotos = Callable[..., tuple[Server, Tool]]


@pytest.fixture
def photos(make_server: MakeServer, tmp_path: Path) -> MakePhotos:
    """Return a function that makes a server with pgvecto.rs and an Immich of 768 dimensions, and the command for it."""

    def make(vectors: str = "0.2.0", **immich: object) -> tuple[Server, Tool]:
        server = make_server(install={"vectors": vectors}, preload="vectors.so")
        ImmichDatabase(**{"rows": ROWS, "dimension": DIMENSION, **immich}).build(server.conninfo())  # type: ignore[arg-type]
        return server, Tool(tmp_path, server.conninfo("immich", "immich"), tmp_path / "journal.db")

    return make


def facts_of(tool: Tool) -> dict[str, Json]:
    """Return what the journal knows."""
    journal = Journal.open_existing(tool.journal)
    assert journal is not None
    try:
        return journal.facts()
    finally:
        journal.close()


def hashes_of(server: Server) -> object:
    """Return rows and content hash of both tables."""
    with server.connect("immich") as connection:
        return content_hashes(connection)


def dump_of(server: Server) -> str:
    """Return everything about the structure of Immich's database."""
    with server.connect("immich") as connection:
        return catalog_dump(connection)


def lose_the_journal(tool: Tool) -> None:
    """Remove the journal, as a person who tidies up does."""
    for path in tool.journal.parent.glob(f"{tool.journal.name}*"):
        path.unlink()


def own_the_list_by_alter_system(server: Server, sql: str) -> None:
    """Let the preload list stand in postgresql.auto.conf alone."""
    as_superuser(server, "immich", sql)
    server.edit_conf("shared_preload_libraries", None)
    server.restart()


def arguments(server: Server) -> list[str]:
    """Return the command line, without database and journal."""
    return [*ARGUMENTS, "--restart-command", server.restart_command()]


@pytest.mark.parametrize("vectors", ["0.2.0", "0.3.0"])
def test_the_server_is_away_while_its_libraries_are_exchanged(photos: MakePhotos, vectors: str) -> None:
    """Stopped, exchanged, started between two runs: equal hashes at all three stages, and the dimension comes back."""
    server, tool = photos(vectors)
    operator, before = Operator(server, "0.3.0"), hashes_of(server)
    planned = start(tool, *ARGUMENTS, "--dry-run")
    assert "our own record says: smart_search 768, face_search 512" in planned.stdout
    assert "SELECT atttypmod AS dimsize" in planned.stdout

    walk(tool, operator, *arguments(server), until=EXCHANGE)
    assert "smart_search.embedding type=real[] typmod=-1 storage=e" in dump_of(server)
    assert hashes_of(server) == before
    facts = facts_of(tool)
    assert facts["dimension.documented"] == {"dimsize": DIMENSION}
    assert (facts["dimension.smart_search"], facts["dimension.face_search"]) == (DIMENSION, 512)

    server.stop()
    away = start(tool, *arguments(server))
    assert away.returncode == FAILED
    assert "nothing was changed" in away.stderr
    server.remove("vectors")
    server.install("vchord", "0.3.0")
    server.start()
    assert hashes_of(server) == before

    last = walk(tool, operator, *arguments(server))
    assert last.returncode == DONE, last.stderr
    assert f"smart_search.embedding type=public.vector typmod={DIMENSION}" in dump_of(server)
    assert hashes_of(server) == before
    facts = facts_of(tool)
    assert facts["proof.smart_search"] == facts["proven.smart_search"]
    assert last.stdout.startswith(f"Done. {2 * ROWS} embeddings are in VectorChord, none changed.")


@pytest.mark.parametrize("rows", [ROWS, 0])
def test_a_lost_journal_loses_no_dimension(photos: MakePhotos, rows: int) -> None:
    """While the columns are real[] comment and arrays tell the dimension; in an empty table the comment does."""
    server, tool = photos(rows=rows)
    operator, before = Operator(server, "0.3.0"), hashes_of(server)
    walk(tool, operator, *arguments(server), until=EXCHANGE)
    lose_the_journal(tool)
    last = walk(tool, operator, *arguments(server))
    assert last.returncode == DONE, last.stderr
    assert f"smart_search.embedding type=public.vector typmod={DIMENSION}" in dump_of(server)
    assert hashes_of(server) == before


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (
            "COMMENT ON COLUMN public.smart_search.embedding IS '[vectorchord-migrator: dimension 512]'",
            "comment on the column: 512; shortest array: 768; longest array: 768",
        ),
        (
            'UPDATE smart_search SET embedding = embedding[1:700] WHERE "assetId" = (SELECT id FROM asset LIMIT 1)',
            "comment on the column: 768; shortest array: 700; longest array: 768",
        ),
    ],
    ids=["comment", "array"],
)
def test_a_disputed_dimension_is_a_blocker(photos: MakePhotos, spoil: str, found: str) -> None:
    """Where comment and arrays disagree nobody guesses: exit 4, every value shown, nothing changed."""
    server, tool = photos()
    operator = Operator(server, "0.3.0")
    walk(tool, operator, *arguments(server), until=EXCHANGE)
    lose_the_journal(tool)
    as_superuser(server, "immich", spoil)
    start(tool, *arguments(server))
    operator.do(EXCHANGE)
    before, rows = dump_of(server), hashes_of(server)
    said = start(tool, *arguments(server))
    assert said.returncode == BLOCKED, said.stderr
    assert found in " ".join(said.stderr.split())
    assert (dump_of(server), hashes_of(server)) == (before, rows)


def test_the_list_that_pgvectors_advised_is_taken_back_first(photos: MakePhotos) -> None:
    """Written by ALTER SYSTEM it outlives every image: the library may not go before the list is free of it."""
    server, tool = photos()
    own_the_list_by_alter_system(server, 'ALTER SYSTEM SET shared_preload_libraries = "vectors.so"')
    before = hashes_of(server)
    said = start(tool, *arguments(server))
    assert waits_for(said) == "preload-without-pgvectors"
    assert "ALTER SYSTEM RESET shared_preload_libraries;" in said.stderr
    server.restart()  # as it is, the server still starts
    assert waits_for(start(tool, *arguments(server))) == "preload-without-pgvectors"

    as_superuser(server, "immich", "ALTER SYSTEM RESET shared_preload_libraries")
    operator = Operator(server, "0.3.0")
    last = walk(tool, operator, *arguments(server))
    assert last.returncode == DONE, last.stderr
    assert operator.did == [EXCHANGE]
    assert hashes_of(server) == before


def test_a_list_with_other_libraries_is_the_tools_to_write(photos: MakePhotos) -> None:
    """What else is in the list stays, and the exchange can follow without anybody editing anything."""
    server, tool = photos()
    own_the_list_by_alter_system(server, "ALTER SYSTEM SET shared_preload_libraries = 'plpgsql', 'vectors.so'")
    said = start(tool, *arguments(server))
    assert waits_for(said) == EXCHANGE
    assert "wherever it is set" not in said.stderr
    server.stop()
    server.remove("vectors")
    server.install("vchord", "0.3.0")
    server.start()  # nothing is listed that is not there
    last = start(tool, *arguments(server))
    assert last.returncode == DONE, last.stderr
    with server.connect() as connection:
        row = connection.execute("SHOW shared_preload_libraries").fetchone()
    assert row is not None
    assert split_list(str(row[0])) == ("vchord.so", "plpgsql")


def test_a_role_that_cannot_see_the_list_is_told_of_it(photos: MakePhotos) -> None:
    """The owner of the tables cannot read the list: before the library goes, the operator hears what would happen."""
    server, tool = photos(owner_is_superuser=False)
    own_the_list_by_alter_system(server, 'ALTER SYSTEM SET shared_preload_libraries = "vectors.so"')
    operator = Operator(server, "0.3.0")
    said = walk(tool, operator, *arguments(server), until=EXCHANGE)
    assert said.returncode == WAITING
    text = " ".join(said.stderr.split())
    assert "wherever it is set: shared_preload_libraries = 'vchord.so', with whatever else is in it" in text
    assert "(PostgreSQL does not start while vectors.so is listed and gone)" in text
    as_superuser(server, "immich", "ALTER SYSTEM RESET shared_preload_libraries")
    last = walk(tool, operator, *arguments(server))
    assert last.returncode == DONE, last.stderr
