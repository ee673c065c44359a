"""What the crash tests share: prepared servers to copy, and what an uninterrupted run makes of each."""

from __future__ import annotations

import fcntl
import os
import pickle
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path

import psycopg
import pytest
from faults import Fault
from journey import EndState, Journey
from killing import Driver
from prepared import MakeJourney, Prepare, Prepared, SceneOn
from proxies import Line, listening
from routes import JOURNAL, Route
from scene import Scene, rows_of
from walking import Walk

from migrator.sandbox.server import Server
from migrator.sandbox.shelf import Shelf
from migrator.sandbox.tree import Tree

DISK = "256m"
OWNERS = "SELECT id::text FROM asset UNION SELECT id::text FROM asset_face"

Rows = Mapping[tuple[str, str], int]
"""A hash of each embedding, by table and key."""


@pytest.fixture(scope="session")
def drivers(open_folder: Path) -> Iterator[tuple[Driver, Driver]]:
    """Return the processes that start the tool, and another copy of it at the same time."""
    folders = [open_folder / name for name in ("driver", "second-driver")]
    for folder in folders:
        folder.mkdir()
    with Driver(folders[0]) as first, Driver(folders[1]) as second:
        yield first, second


@pytest.fixture(scope="session")
def driver(drivers: tuple[Driver, Driver]) -> Driver:
    """Return the process that starts the tool."""
    return drivers[0]


@pytest.fixture(scope="session")
def scene_on(
    open_folder: Path, tree: Tree, shelf: Shelf, numbers: Iterator[int], drivers: tuple[Driver, Driver]
) -> SceneOn:
    """Return a function that starts a copy of a prepared server, gone afterwards."""

    @contextmanager
    def make(prepared: Prepared, *faults: Fault) -> Iterator[Scene]:
        folder = open_folder / f"crash-{next(numbers)}"
        folder.mkdir()
        folder.chmod(0o755)
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            disk = stack.enter_context(small_disk(folder)) if any(f.on_disk for f in faults) else None
            server = stack.enter_context(_server(folder / "s", tree, shelf, prepared.route, prepared.data))
            exchange(server, prepared.route)
            server.start()
            shutil.copytree(prepared.beside, folder, dirs_exist_ok=True)
            scene = Scene(prepared.route, server, folder / JOURNAL, *drivers, rows=prepared.rows, disk=disk)
            if any(fault.on_line for fault in faults):
                scene.line = Line(server)
                scene.line.port = stack.enter_context(listening(scene.line))
            yield scene

    return make


@pytest.fixture(scope="session")
def journey_on(scene_on: SceneOn) -> MakeJourney:
    """Return a function that starts a copy of a prepared server on the automatic path, gone afterwards."""

    @contextmanager
    def make(prepared: Prepared) -> Iterator[Journey]:
        with scene_on(prepared) as scene:
            yield scene.journey

    return make


@pytest.fixture(scope="session")
def prepare(
    open_folder: Path, tmp_path_factory: pytest.TempPathFactory, tree: Tree, shelf: Shelf, scene_on: SceneOn
) -> Prepare:
    """Return a function that prepares the server of a route, once for all processes of this test run."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    @cache
    def make(route: Route) -> Prepared:
        name = re.sub(r"\W+", "-", route.name)
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            kept = shared / f"{name}.pickle"
            if not kept.exists():
                kept.write_bytes(pickle.dumps(_prepare(route, shared / name)))
            found = pickle.loads(kept.read_bytes())  # noqa: S301 - written a moment ago, by us
        assert isinstance(found, Prepared)
        return found

    def _prepare(route: Route, data: Path) -> Prepared:
        beside = data.with_suffix(".beside")
        beside.mkdir(mode=0o755)
        with _server(open_folder / f"prepared-{data.name}", tree, shelf, route, None) as server:
            server.start()
            route.fill(server)
            rows = _rows(server, route)
            _make_light(server, route)
            there = route.ending.state(Journey(server, data)) if route.gone else None
            route.lead_up(server, beside)
            wanted = _merged(server, rows, _rows(server, route)) if route.rows_may_change else rows
            server.stop()
            shutil.copytree(server.data, data, symlinks=True)
        with scene_on(Prepared(route, data, beside, rows, EndState("", {}, ""), {}, ())) as scene:
            walk = Walk(scene, lists_points=True)
            ended = walk.to_the_end()
            after = route.ending.state(scene.journey)
            assert _rows(scene.server, route) == wanted, f"embeddings are not as they should be: {ended.said}"
            assert there is None or after == there, "what was gone back is not what was there"
            facts = route.ending.facts(scene.journey)
            return Prepared(route, data, beside, wanted, after, facts, tuple(walk.points))

    return make


def exchange(server: Server, route: Route) -> None:
    """Change what is installed, while the server is stopped, to what the command is to find."""
    for extension, version in route.exchanged.items():
        if version is not None:
            server.install(extension, version)
            continue
        server.remove(extension)
        server.set_preload("")


@contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """Put a disk of a few megabytes at a folder; yield None where nobody may."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=0755", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield folder if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _server(folder: Path, tree: Tree, shelf: Shelf, route: Route, data: Path | None) -> Server:
    server = Server.create(folder, tree=tree, shelf=shelf, preload=route.preload, data_from=data)
    route.equip(server)
    return server


def _rows(server: Server, route: Route) -> Rows:
    """Return a hash of each embedding; nothing where there is no table, or no column, of them."""
    if not route.has_tables:
        return {}
    with server.connect("immich") as connection, suppress(psycopg.errors.UndefinedColumn):
        return rows_of(connection)
    return {}


def _merged(server: Server, copied: Rows, there: Rows) -> Rows:
    """Return what has to be there when rows were put back: those that are there as they are, none without its asset."""
    with server.connect("immich") as connection:
        owners = {key for (key,) in connection.execute(OWNERS)}
    return {key: value for key, value in {**copied, **there}.items() if key[1] in owners}


def _make_light(server: Server, route: Route) -> None:
    """Drop the databases that nothing here uses: a copy has a third of the files then."""
    with server.connect("immich" if "postgres" in route.drops else "postgres") as connection:
        for database in route.drops:
            if database.startswith("template"):
                connection.execute(f"ALTER DATABASE {database} IS_TEMPLATE false".encode())
            connection.execute(f"DROP DATABASE {database}".encode())
