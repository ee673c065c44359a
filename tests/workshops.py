"""Fixtures for tests that run the engine in their own process: a server with both libraries loaded, databases on it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from journey import VCHORD
from workshop import Workshop

from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.server import Server
from migrator.sandbox.shelf import Shelf
from migrator.sandbox.tree import Tree

ROWS = 50

MakeWorkshop = Callable[..., Workshop]


@pytest.fixture(scope="session")
def loaded_server(
    open_folder: Path, numbers: Iterator[int], tree: Tree, shelf: Shelf
) -> Iterator[Callable[[str], Server]]:
    """Return a function that returns the server of a version of pgvecto.rs, VectorChord loaded beside it."""
    made: list[Server] = []

    @cache
    def make(version: str) -> Server:
        folder = open_folder / f"loaded-{next(numbers)}"
        server = Server.create(folder, tree=tree, shelf=shelf, preload="vchord.so, vectors.so")
        made.append(server)
        server.install("vectors", version)
        server.install("vchord", VCHORD)
        server.start()
        return server

    yield make
    for server in made:
        server.destroy()


@pytest.fixture
def make_workshop(
    loaded_server: Callable[[str], Server], open_folder: Path, numbers: Iterator[int]
) -> Iterator[MakeWorkshop]:
    """Return a function that makes a database on pgvecto.rs, with a journal of its own; both gone after the test."""
    made: list[tuple[Server, str]] = []
    folder = open_folder / f"journals-{next(numbers)}"
    folder.mkdir()

    def make(
        version: str = "0.3.0", *, superuser: bool = True, dimension: int = 512, with_indexes: bool = True
    ) -> Workshop:
        server, name = loaded_server(version), f"immich{next(numbers)}"
        owner = name if not superuser else "immich"
        ImmichDatabase(
            name=name,
            owner=owner,
            owner_is_superuser=superuser,
            rows=ROWS,
            dimension=dimension,
            with_indexes=with_indexes,
            also_create=() if superuser else ("vchord",),
        ).build(server.conninfo())
        made.append((server, name))
        return Workshop(server, name, folder / f"{name}.db", owner)

    yield make
    for server, name in made:
        with server.connect() as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    shutil.rmtree(folder, ignore_errors=True)
