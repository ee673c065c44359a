"""Every journey of the table, through the real command: it ends with every embedding, and nothing left to do."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from driving import BLOCKED, DONE, RELEASE, Operator, Tool, start, walk
from servers import MakeServer
from start_states import StartState, put_into
from table import NEW_PGVECTOR, TABLE, Journey, combinations

from migrator.sandbox.errors import BuildNotFound
from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.immich_catalog import catalog_dump, content_hashes
from migrator.sandbox.immich_startup import ImmichStartup
from migrator.sandbox.old_pgvector import POSTGRES_MAJOR, old_pgvector
from migrator.sandbox.server import Server
from migrator.sandbox.shelf import Shelf
from migrator.sandbox.tree import Tree

ROWS = 60
STRANGER = "passer_by"

StartingPoint = Callable[[Journey], tuple[Server, Tool]]


@pytest.fixture(scope="session")
def shelf(tree: Tree) -> Shelf:
    """Return the shelf with the old pgvector on it."""
    try:
        first = [old_pgvector()] if tree.major == POSTGRES_MAJOR else []
    except BuildNotFound:
        first = []
    return Shelf.default(tree, *first)


@pytest.fixture
def starting_point(make_server: MakeServer, shelf: Shelf, tmp_path: Path) -> StartingPoint:
    """Return a function that makes the server of a journey, and the command for it."""

    def make(journey: Journey) -> tuple[Server, Tool]:
        if journey.pgvector != NEW_PGVECTOR and journey.pgvector not in shelf.versions("vector"):
            pytest.skip(f"pgvector {journey.pgvector} cannot be fetched here, or is not for this PostgreSQL")
        install = {"vector": journey.pgvector} if journey.pgvector != NEW_PGVECTOR else {}
        if journey.vectors is not None:
            install["vectors"] = journey.vectors
        if journey.has_vchord:
            install["vchord"] = journey.vchord
        preload = [f"{library}.so" for library in ("vchord", "vectors") if library in install]
        server = make_server(install=install, preload=preload)
        ImmichDatabase(
            rows=ROWS,
            dimension=journey.dimension,
            owner_is_superuser=journey.role == "superuser",
            source="pgvector" if journey.vectors is None else "pgvecto.rs",
        ).build(server.conninfo())
        role = STRANGER if journey.role == "stranger" else "immich"
        with server.connect() as connection:
            connection.execute(f"CREATE ROLE {STRANGER} LOGIN".encode())
        return server, Tool(tmp_path, server.conninfo("immich", role), tmp_path / "journal.db")

    return make


def arguments_of(journey: Journey, server: Server) -> list[str]:
    """Return the command line of a journey, without database and journal."""
    source = "pgvector" if journey.route == "pgvector" else "pgvecto.rs"
    arguments = ["--from", source, "--yes", "--no-input", "--confirm", "immich"]
    if not journey.by_itself:
        arguments += ["--path", journey.route]
    if journey.target is not None:
        arguments += ["--target-immich", journey.target]
    return [*arguments, "--restart-command", server.restart_command()]


def dump_of(server: Server) -> str:
    """Return everything about the structure of Immich's database."""
    with server.connect("immich") as connection:
        return catalog_dump(connection)


def hashes_of(server: Server) -> object:
    """Return rows and content hash of both tables."""
    with server.connect("immich") as connection:
        return content_hashes(connection)


def assert_everything_is_in_vectorchord(server: Server, journey: Journey) -> None:
    """Columns, indexes, extensions, schemas and constraints are as Immich wants them."""
    dump = dump_of(server)
    for table, dimension in (("smart_search", journey.dimension), ("face_search", 512)):
        assert f"column public.{table}.embedding type=public.vector typmod={dimension}" in dump
    for index in ("clip_index", "face_index"):
        assert re.search(f"^index public.{index} .* using vchordrq .*valid=t", dump, re.MULTILINE), dump
    assert re.search(rf"^extension vchord {re.escape(journey.vchord)} schema=public", dump, re.MULTILINE)
    assert re.search(r"^extension vector .* schema=public", dump, re.MULTILINE)
    assert "extension vectors" not in dump
    assert "dim_size_constraint" not in dump
    assert "setting database=immich role= vchordrq.probes=1" in dump


def assert_immich_leaves_everything_alone(server: Server, journey: Journey) -> None:
    """Start the Immich that the journey was for: it must not build, create, drop or complain."""
    before = dump_of(server)
    said = ImmichStartup(conninfo=server.conninfo("immich", "immich"), release=RELEASE[journey.vchord]).run()
    assert not [line for line in said if re.match("Reindex|Creating|Dropping|Updating|Dimension|WARN", line)]
    assert dump_of(server) == before


def assert_walked_to_the_end(journey: Journey, starting_point: StartingPoint) -> None:
    """Walk a journey with an operator beside it, and look at what it led to."""
    server, tool = starting_point(journey)
    before = hashes_of(server)
    put_into(server, journey.state, dimension=journey.dimension, from_pgvector=journey.route == "pgvector")
    arguments = arguments_of(journey, server)

    last = walk(tool, Operator(server, journey.vchord), *arguments)
    assert last.returncode == DONE, last.stderr
    assert last.stdout.startswith(f"Done. {2 * ROWS} embeddings are in VectorChord"), last.stdout
    assert hashes_of(server) == before
    assert_everything_is_in_vectorchord(server, journey)
    assert_immich_leaves_everything_alone(server, journey)

    after, status = dump_of(server), tool.status()
    assert status["next_step"] is None
    again = start(tool, *arguments)
    assert again.returncode == DONE, again.stderr
    assert dump_of(server) == after
    assert tool.status()["steps"] == status["steps"]


def assert_sent_away(journey: Journey, starting_point: StartingPoint) -> None:
    """Start the tool as somebody without rights: one clear sentence, and nothing has changed."""
    server, tool = starting_point(journey)
    put_into(server, journey.state, dimension=journey.dimension, from_pgvector=journey.route == "pgvector")
    before = dump_of(server)
    said = start(tool, *arguments_of(journey, server))
    assert said.returncode == BLOCKED, said.stderr
    assert f'role "{STRANGER}" may not change smart_search and face_search' in said.stderr
    assert "connect as immich" in said.stderr
    assert said.stdout == ""
    assert dump_of(server) == before


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Take the rows of the table, and every other combination too where the long tests are asked for."""
    if "journey" in metafunc.fixturenames:
        full = metafunc.config.getoption("--full")
        journeys = [*TABLE, *(j for j in combinations() if j not in TABLE)] if full else TABLE
        metafunc.parametrize("journey", journeys, ids=str)


def test_journey(journey: Journey, starting_point: StartingPoint) -> None:
    """A row of the table leads to the end, or its role is sent away before anything is changed."""
    if journey.role == "stranger":
        assert_sent_away(journey, starting_point)
    else:
        assert_walked_to_the_end(journey, starting_point)


def test_the_table_is_complete() -> None:
    """Every state, version and role stands with every route at least once, as far as the two go together."""
    present = {(j.route, value) for j in TABLE for value in (j.state, j.vectors, j.pgvector, j.vchord, j.role)}
    wanted = {(j.route, v) for j in combinations() for v in (j.state, j.vectors, j.pgvector, j.vchord, j.role)}
    assert wanted - present == set()
    assert {journey.state for journey in TABLE} == set(StartState)
