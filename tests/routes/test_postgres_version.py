"""Which PostgreSQL is taken is a matter of the Immich release to come: 18 is refused for some, accepted for others."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from driving import BLOCKED, DONE, RELEASE, WORK_PENDING, Operator, Tool, start, walk
from servers import MakeServer

from migrator.catalog import Catalog
from migrator.sandbox.errors import TreeNotFound
from migrator.sandbox.immich import ImmichDatabase, Source
from migrator.sandbox.immich_catalog import catalog_dump, content_hashes
from migrator.sandbox.immich_startup import ImmichStartup
from migrator.sandbox.server import Server
from migrator.sandbox.shelf import Shelf
from migrator.sandbox.tree import Tree
from migrator.session import Session
from steps.content.immich import ImmichContent
from steps.server_fits import ServerFits
from steps.shared.options import Options
from steps.shared.versions import releases_for_postgres

MAJOR = 18
ROWS = 60

MakePhotos = Callable[..., tuple[Server, Tool]]


@pytest.fixture(scope="module")
def tree() -> Tree:
    """Return a PostgreSQL 18, whatever the other tests run on."""
    try:
        return Tree.of_wheel(MAJOR)
    except TreeNotFound as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def shelf(tree: Tree) -> Shelf:
    """Return the stand-ins: genuine builds on a shelf are for the PostgreSQL of the other tests."""
    return Shelf([], tree=tree)


@pytest.fixture
def photos(make_server: MakeServer, tmp_path: Path) -> MakePhotos:
    """Return a function that makes an Immich on PostgreSQL 18, and the command for it."""

    def make(source: Source, release: str = "1.132.3") -> tuple[Server, Tool]:
        old = source == "pgvecto.rs"
        server = make_server(install={"vectors": "0.3.0"} if old else {}, preload="vectors.so" if old else "")
        ImmichDatabase(rows=ROWS, source=source, immich_version=release).build(server.conninfo())
        return server, Tool(tmp_path, server.conninfo("immich", "immich"), tmp_path / "journal.db")

    return make


@pytest.fixture
def catalog(photos: MakePhotos) -> Iterator[Catalog]:
    """Return a snapshot of an Immich on PostgreSQL 18."""
    server, _ = photos("pgvector")
    session = Session(server.conninfo("immich", "immich"), ImmichContent("pgvector").interest, read_only=True)
    session.open()
    yield session.catalog()
    session.close()


def dump_of(server: Server) -> str:
    """Return everything about the structure of Immich's database."""
    with server.connect("immich") as connection:
        return catalog_dump(connection)


@pytest.mark.parametrize("target", [None, "1.134.0", "2.1.0"])
def test_it_is_refused_for_a_release_that_does_not_take_it(photos: MakePhotos, target: str | None) -> None:
    """Exit 4 before anything is changed, with what was found, what is wanted and the releases that would do."""
    server, tool = photos("pgvector")
    before = dump_of(server)
    named = () if target is None else ("--target-immich", target)
    said = start(tool, "--from", "pgvector", "--yes", "--no-input", *named)
    assert said.returncode == BLOCKED, said.stderr
    assert "found     18." in said.stderr
    assert "PostgreSQL >=14, <18" in said.stderr
    assert "--target-immich" in said.stderr
    assert ">=2.5, <3 or >=3, <4" in said.stderr
    assert dump_of(server) == before


@pytest.mark.parametrize("source", ["pgvector", "pgvecto.rs"])
def test_it_is_taken_to_the_end_for_one_that_does(photos: MakePhotos, source: Source) -> None:
    """Immich 2.7.5 runs on it: the same paths lead to the same end."""
    server, tool = photos(source)
    with server.connect("immich") as connection:
        before = content_hashes(connection)
    arguments = ["--from", source, "--yes", "--no-input", "--confirm", "immich", "--target-immich", "2.7.5"]
    last = walk(tool, Operator(server, "1.1.1"), *arguments, "--restart-command", server.restart_command())
    assert last.returncode == DONE, last.stderr
    with server.connect("immich") as connection:
        assert content_hashes(connection) == before
    dump = dump_of(server)
    ImmichStartup(conninfo=server.conninfo("immich", "immich"), release=RELEASE["1.1.1"]).run()
    assert dump_of(server) == dump


def test_a_timeout_for_transactions_ends_none_of_ours(photos: MakePhotos) -> None:
    """PostgreSQL 17 and later have one; what a role or a database sets is for the application."""
    server, tool = photos("pgvector", "2.7.5")
    with server.connect() as connection:
        connection.execute("ALTER DATABASE immich SET transaction_timeout = '500ms'")
    server.edit_conf("standin_vchord.build_rows_per_second", "60")
    server.restart()
    arguments = ["--from", "pgvector", "--yes", "--no-input", "--restart-command", server.restart_command()]
    last = walk(tool, Operator(server, "1.1.1"), *arguments)
    assert last.returncode == DONE, last.stderr


def test_the_installed_release_counts_where_none_is_named(photos: MakePhotos) -> None:
    """An Immich that runs on it already needs no option."""
    _, tool = photos("pgvector", "2.7.5")
    said = start(tool, "--from", "pgvector", "--dry-run", "--detailed-exitcode")
    assert said.returncode == WORK_PENDING, said.stderr


@pytest.mark.parametrize(
    ("target", "first", "last"),
    [(None, 14, 17), ("1.133.0", 14, 17), ("2.4.0", 14, 17), ("2.5.0", 14, 18), ("3.0.0", 14, 19)],
)
def test_each_release_has_its_range(catalog: Catalog, target: str | None, first: int, last: int) -> None:
    """By major version, whatever its minor one: those in the range fit, the neighbours on both sides do not."""
    step = ServerFits(Options(target_immich=target))

    def fits(major: int) -> bool:
        server = replace(catalog.server, version_num=major * 10000 + 4, version=f"{major}.4")
        return step.is_done(replace(catalog, server=server), {})

    assert [major for major in range(12, 22) if fits(major)] == list(range(first, last + 1))


def test_a_postgres_that_no_release_takes_has_no_release_to_name() -> None:
    """Nobody is sent to a release that does not exist."""
    assert releases_for_postgres(13) == ()
    assert releases_for_postgres(19) == (">=3, <4",)
