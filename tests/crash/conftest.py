"""What the crash tests share: a prepared server to copy, and what an uninterrupted run makes of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from journey import DONE, ROWS, EndState, Journey, fill, hashes_of
from killing import Driver, Killer
from prepared import MakeJourney, Prepare, Prepared

from migrator.sandbox.server import Server
from migrator.sandbox.shelf import Shelf
from migrator.sandbox.tree import Tree


@pytest.fixture(scope="session")
def driver(open_folder: Path) -> Iterator[Driver]:
    """Return the process that starts the tool."""
    folder = open_folder / "driver"
    folder.mkdir()
    with Driver(folder) as started:
        yield started


@pytest.fixture(scope="session")
def journey_on(open_folder: Path, tree: Tree, shelf: Shelf, numbers: Iterator[int]) -> MakeJourney:
    """Return a function that starts a copy of a prepared server, gone afterwards."""

    @contextmanager
    def make(prepared: Prepared) -> Iterator[Journey]:
        folder = open_folder / f"crash-{next(numbers)}"
        folder.mkdir()
        folder.chmod(0o755)
        try:
            with _server(folder / "s", tree, shelf, prepared.version, prepared.data) as server:
                server.start()
                yield Journey(server, folder / "j.db")
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    return make


@pytest.fixture(scope="session")
def prepare(open_folder: Path, tree: Tree, shelf: Shelf, driver: Driver, journey_on: MakeJourney) -> Prepare:
    """Return a function that prepares a server on a version of pgvecto.rs, once."""

    @cache
    def make(version: str) -> Prepared:
        folder = open_folder / f"prepared-{version}"
        with _server(folder, tree, shelf, version, None) as server:
            server.start()
            fill(server)
            before = hashes_of(server)
            _make_light(server)
            server.stop()
            data = open_folder / f"data-{version}"
            shutil.copytree(server.data, data, symlinks=True)
        unknown = Prepared(version, data, before, EndState("", before, ""), {}, 0)
        counting = Killer(driver)
        with journey_on(unknown) as journey:
            ended = journey.to_the_end(counting)
            assert ended.code == DONE, ended.said
            after = journey.end_state()
            assert after.hashes == before, f"a run that nothing interrupts changed one of {2 * ROWS} embeddings"
            return Prepared(version, data, before, after, journey.facts(), counting.writes)

    return make


def _server(folder: Path, tree: Tree, shelf: Shelf, version: str, data: Path | None) -> Server:
    server = Server.create(folder, tree=tree, shelf=shelf, preload="vectors.so", data_from=data)
    server.install("vectors", version)
    return server


def _make_light(server: Server) -> None:
    """Drop the databases that nothing here uses: a copy has a third of the files then."""
    with server.connect("immich") as connection:
        connection.execute("ALTER DATABASE template1 IS_TEMPLATE false")
        connection.execute("ALTER DATABASE template0 IS_TEMPLATE false")
        for database in ("postgres", "template0", "template1"):
            connection.execute(f"DROP DATABASE {database}")
