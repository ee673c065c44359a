"""The library of pgvecto.rs does not go while another database of the server uses it, or cannot be looked at."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psycopg
import pytest
from driving import BLOCKED, DONE, Tool, as_superuser, run_to_the_end
from servers import MakeServer

from migrator.catalog import Catalog
from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.server import Server
from migrator.sandbox.shelf import Shelf
from migrator.sandbox.tree import Tree
from migrator.session import Session
from migrator.step import Blocker, Step
from steps.content.observations import INTEREST
from steps.exchange_libraries import ExchangeLibraries
from steps.preload_vectorchord_only import PreloadVectorchordOnly
from steps.preload_without_pgvectors import PreloadWithoutPgvectors
from steps.shared.options import Options
from steps.uninstall_pgvectors import UninstallPgvectors

PASSWORD = "s3cret-word"  # noqa: S105 - of a throw-away server
GATES: dict[str, Callable[[Options], Step]] = {
    "take it out of the list": PreloadVectorchordOnly,
    "take it out before the exchange": PreloadWithoutPgvectors,
    "exchange": ExchangeLibraries,
    "uninstall": UninstallPgvectors,
}
"""The steps that part with the library, on either path."""


@pytest.fixture(scope="module")
def server(open_folder: Path, numbers: Iterator[int], tree: Tree, shelf: Shelf) -> Iterator[Server]:
    """Return a server with pgvecto.rs loaded, and Immich's database on it, owned by a role that is no superuser."""
    with Server.create(open_folder / f"others-{next(numbers)}", tree=tree, shelf=shelf, preload="vectors.so") as made:
        made.install("vectors", "0.3.0")
        made.start()
        ImmichDatabase(rows=5, owner_is_superuser=False, owner_password=PASSWORD).build(made.conninfo())
        yield made


@pytest.fixture
def make_database(server: Server, numbers: Iterator[int]) -> Iterator[Callable[..., str]]:
    """Return a function that makes another database by SQL, gone after the test, and returns its name."""
    made: list[str] = []

    def make(*statements: str, name: str | None = None) -> str:
        database = name or f"other{next(numbers)}"
        made.append(database)
        as_superuser(server, "postgres", f'CREATE DATABASE "{database}"')
        for statement in statements:
            as_superuser(server, database, statement)
        return database

    yield make
    for database in made:
        as_superuser(server, "postgres", f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS true')
        as_superuser(server, "postgres", f'DROP DATABASE "{database}" WITH (FORCE)')


def look(server: Server, user: str = "immich", **parameters: str | bool) -> Catalog:
    """Return a snapshot of Immich's database, read as this role."""
    session = Session(server.conninfo("immich", user, **parameters), INTEREST, read_only=True)  # type: ignore[arg-type]
    session.open()
    try:
        return session.catalog()
    finally:
        session.close()


def named(catalog: Catalog, gate: Callable[[Options], Step] = UninstallPgvectors, *ignored: str) -> Sequence[Blocker]:
    """Return what a step finds in the way in other databases."""
    step = gate(Options(ignored_databases=ignored))
    return [blocker for blocker in step.check(catalog, {}) if blocker.what.startswith("database ")]


def test_databases_without_the_extension_are_in_nobodys_way(server: Server) -> None:
    """The ones that every server has are looked at, and found empty; template0 cannot hold anything."""
    catalog = look(server)
    assert catalog.elsewhere is not None
    assert {"postgres", "template1"} <= set(catalog.elsewhere)
    assert "template0" not in catalog.elsewhere
    assert "immich" not in catalog.elsewhere
    assert not named(catalog)


@pytest.mark.parametrize("gate", GATES.values(), ids=GATES.keys())
def test_columns_of_its_types_keep_the_library(
    server: Server, make_database: Callable[..., str], gate: Callable[[Options], Step]
) -> None:
    """Vectors, and arrays of vectors, in any schema: named with their database before the library goes."""
    other = make_database(
        "CREATE EXTENSION vectors",
        "CREATE SCHEMA app",
        "CREATE TABLE app.photos (id int, v vectors.vector(3), many vectors.vector[])",
    )
    (blocker,) = named(look(server), gate)
    assert blocker.found == f'database "{other}" has extension vectors 0.3.0, for app.photos.v, app.photos.many'
    assert blocker.kind == "blocked"
    assert f"--database (.../{other})" in blocker.fix[0]


def test_an_extension_that_nobody_uses_is_named_with_its_drop(
    server: Server, make_database: Callable[..., str]
) -> None:
    """Left in the catalog it would break the next dump and restore of that database; what is told removes it."""
    other = make_database("CREATE EXTENSION vectors")
    (blocker,) = named(look(server))
    assert "without using it" in blocker.found
    as_superuser(server, other, blocker.fix[0].partition(f"in {other}: ")[2])
    assert not named(look(server))


def test_the_template_of_new_databases_counts(server: Server) -> None:
    """An extension in template1 is in every database to come."""
    as_superuser(server, "template1", "CREATE EXTENSION vectors")
    try:
        assert [blocker.what for blocker in named(look(server))] == ['database "template1" of the same server']
    finally:
        as_superuser(server, "template1", "DROP EXTENSION vectors")
        as_superuser(server, "template1", "DROP SCHEMA vectors")


def test_a_database_that_lets_nobody_in_is_named(server: Server, make_database: Callable[..., str]) -> None:
    """Refused by privilege, or to everyone: not being able to look is not the same as finding nothing."""
    private, shut = make_database(name="private one"), make_database(name="shut")
    as_superuser(server, "postgres", f'REVOKE CONNECT ON DATABASE "{private}" FROM PUBLIC')
    as_superuser(server, "postgres", f'ALTER DATABASE "{shut}" ALLOW_CONNECTIONS false')
    first, second = named(look(server))
    assert first.found == f'database "{private}" cannot be looked at: permission denied for database "{private}"'
    assert second.found == f'database "{shut}" cannot be looked at: it takes no connections'
    assert first.fix[-1] == f"where that finds nothing: add --ignore-database {private}"
    assert not named(look(server), UninstallPgvectors, private, shut)
    assert [blocker.what for blocker in named(look(server, "postgres"))] == [second.what]


def test_a_database_that_does_not_answer_does_not_stop_the_tool(
    server: Server, make_database: Callable[..., str]
) -> None:
    """Somebody holds a lock on its catalog: after three seconds it counts as not looked at."""
    other = make_database()
    with psycopg.connect(server.conninfo(other)) as holder:
        holder.execute("LOCK TABLE pg_catalog.pg_extension IN ACCESS EXCLUSIVE MODE")
        begun = time.monotonic()
        catalog = look(server)
        seconds = time.monotonic() - begun
    (blocker,) = named(catalog)
    assert "cannot be looked at: canceling statement due to" in blocker.found
    assert seconds < 15


def test_the_password_is_used_and_never_repeated(server: Server, make_database: Callable[..., str]) -> None:
    """By TCP every database asks for it: those that let the role in are looked at, and no answer contains it."""
    private = make_database()
    as_superuser(server, "postgres", f'REVOKE CONNECT ON DATABASE "{private}" FROM PUBLIC')
    catalog = look(server, tcp=True, password=PASSWORD)
    assert [blocker.what for blocker in named(catalog)] == [f'database "{private}" of the same server']
    assert PASSWORD not in repr(catalog)


def test_nobody_is_asked_where_the_library_is_gone(make_server: MakeServer) -> None:
    """Without pgvecto.rs on the server its use elsewhere is no question, and no database is connected to."""
    server = make_server(install={"vchord": "0.3.0"}, preload="vchord.so")
    ImmichDatabase(source="vchord", rows=5).build(server.conninfo())
    assert look(server).elsewhere is None


def test_a_run_stops_before_the_list_and_goes_on_when_nothing_uses_it(make_server: MakeServer, tmp_path: Path) -> None:
    """Through the command: exit 4 with the other database's name, before vectors.so leaves the list; then on."""
    server = make_server(install={"vectors": "0.3.0", "vchord": "0.3.0"}, preload="vchord.so, vectors.so")
    ImmichDatabase(rows=20).build(server.conninfo())
    as_superuser(server, "postgres", "CREATE DATABASE photos")
    as_superuser(server, "photos", "CREATE EXTENSION vectors")
    as_superuser(server, "photos", "CREATE TABLE pictures (v vectors.vector(3))")
    tool = Tool(tmp_path, server.conninfo("immich", "immich"), tmp_path / "immich.db")
    options = ["--restart-command", server.restart_command()]
    told = tool.call("doctor", "--database", tool.database)
    assert told.returncode == DONE, told.stdout
    flowing = " ".join(told.stdout.split())
    assert 'database "photos" has extension vectors 0.3.0' in flowing
    assert "this one can be migrated up to step 10 (take vectors.so out of the preload list)" in flowing

    stopped = tool.migrate(*options)
    assert (stopped.returncode, tool.next_step()) == (BLOCKED, "preload-vectorchord-only")
    flowing = " ".join(stopped.stderr.split())
    assert 'pgvecto.rs is used by database "photos" too' in flowing
    assert 'database "photos" has extension vectors 0.3.0, for public.pictures.v' in flowing
    told = tool.call("doctor", "--database", tool.database)
    assert told.returncode == BLOCKED, "now it stands in the way"

    as_superuser(server, "photos", "DROP TABLE pictures")
    as_superuser(server, "photos", "DROP EXTENSION vectors")
    assert run_to_the_end(tool, server, *options) == ["uninstall-pgvectors"]
    assert tool.migrate().returncode == DONE


@pytest.mark.parametrize("path", ["automatic", "manual"])
def test_two_databases_of_one_server_do_not_block_each_other(
    make_server: MakeServer, tmp_path: Path, path: str
) -> None:
    """Each goes as far as the library may stay, the second one to the end, and then the first one too."""
    server = make_server(install={"vectors": "0.3.0", "vchord": "0.3.0"}, preload="vchord.so, vectors.so")
    names = ("immich", "second")
    for name in names:
        ImmichDatabase(name=name, rows=20).build(server.conninfo())
    tools = {name: Tool(tmp_path, server.conninfo(name, "immich"), tmp_path / f"{name}.db") for name in names}
    options = ["--path", path, "--restart-command", server.restart_command()]
    for name in names:
        told = tools[name].call("doctor", "--path", path, "--database", tools[name].database)
        assert told.returncode == DONE, told.stdout

    first = tools["immich"].migrate("--confirm", "immich", *options)
    gate = "preload-vectorchord-only" if path == "automatic" else "preload-without-pgvectors"
    assert (first.returncode, tools["immich"].next_step()) == (BLOCKED, gate)
    assert 'database "second" has extension vectors' in " ".join(first.stderr.split())
    for name in reversed(names):
        run_to_the_end(tools[name], server, *options, database=name)
