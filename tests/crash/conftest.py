"""What the crash tests share: prepared servers to copy, and what an uninterrupted run makes of each."""

from __future__ import annotations

import fcntl
import os
import pickle
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

import pytest
from driving import DONE, WAITING
from faults import Fault
from journey import ROWS, EndState, Journey, end_state, hashes_of, start_tool
from killing import Driver
from prepared import MakeJourney, Prepare, Prepared, SceneOn
from proxies import Line, listening
from routes import Route
from scene import Scene, rows_of
from walking import Walk

from migrator.journal import Journal
from migrator.sandbox.server import Server
from migrator.sandbox.shelf import Shelf
from migrator.sandbox.tree import Tree

DISK = "256m"


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
            if prepared.journal is not None:
                shutil.copyfile(prepared.journal, folder / "j.db")
            scene = Scene(prepared.route, server, folder / "j.db", *drivers, rows=prepared.rows, disk=disk)
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
        with _server(open_folder / f"prepared-{data.name}", tree, shelf, route, None) as server:
            server.start()
            route.fill(server)
            before = hashes_of(server)
            with server.connect("immich") as connection:
                rows = rows_of(connection)
            _make_light(server)
            there, journal = end_state(server), None
            if route.gone:
                journal = data.with_suffix(".db")
                go = route.line(route.gone, server, server.conninfo("immich", "immich"), journal)
                ended = start_tool(go)
                assert ended.code in (DONE, WAITING), ended.said
                Journal.create_or_open(journal).close()  # all of it into the one file
            server.stop()
            shutil.copytree(server.data, data, symlinks=True)
        unknown = Prepared(route, data, before, rows, EndState("", before, ""), {}, (), journal)
        with scene_on(unknown) as scene:
            walk = Walk(scene, lists_points=True)
            ended = walk.to_the_end()
            assert ended.code == DONE, ended.said
            after = scene.journey.end_state()
            assert after.hashes == before, f"a run that nothing interrupts changed one of {2 * ROWS} embeddings"
            assert not route.gone or after == there, "what was gone back is not what was there"
            return Prepared(route, data, before, rows, after, scene.journey.facts(), tuple(walk.points), journal)

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
    for extension, version in route.installed.items():
        server.install(extension, version)
    return server


def _make_light(server: Server) -> None:
    """Drop the databases that nothing here uses: a copy has a third of the files then."""
    with server.connect("immich") as connection:
        connection.execute("ALTER DATABASE template1 IS_TEMPLATE false")
        connection.execute("ALTER DATABASE template0 IS_TEMPLATE false")
        for database in ("postgres", "template0", "template1"):
            connection.execute(f"DROP DATABASE {database}")
