"""What all tests share: the Postgres tree, the shelf of extension builds, and throw-away servers."""

import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path

import figures
import pytest
from servers import MakeServer

from migrator.sandbox.server import Server
from migrator.sandbox.shelf import SHELF_VARIABLE, Shelf
from migrator.sandbox.tree import TREE_VARIABLE, Tree

_OF_STANDINS = ("vectors", "vchord")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that put genuine builds, or another Postgres, below the same tests."""
    group = parser.getgroup("servers")
    group.addoption(
        "--shelf", action="append", default=[], help="folder of extension builds to use before the stand-ins"
    )
    group.addoption("--full", action="store_true", help="also run the tests with many rows")
    group.addoption("--pg-tree", help="Postgres installation to use instead of the wheel's")
    group.addoption("--crash-full", action="store_true", help="let every fault strike everywhere, not at a sample")
    group.addoption("--crash-every", type=int, default=1, help="with --crash-full: at one point out of so many")
    group.addoption("--crash-minutes", type=float, help="let random faults strike for so long")
    group.addoption("--crash-seed", type=int, help="the first seed of --crash-minutes; otherwise any")


def pytest_configure(config: pytest.Config) -> None:
    """Pass the options on by environment, so that commands started by tests see them too."""
    shelves, tree = config.getoption("--shelf"), config.getoption("--pg-tree")
    if shelves:
        os.environ[SHELF_VARIABLE] = os.pathsep.join(str(Path(shelf).absolute()) for shelf in shelves)
    if tree:
        os.environ[TREE_VARIABLE] = str(Path(tree).absolute())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the tests with many rows out, unless they are asked for."""
    if not config.getoption("--full"):
        for item in items:
            if item.get_closest_marker("full"):
                item.add_marker(pytest.mark.skip(reason="many rows; run with --full"))


@pytest.fixture(scope="session")
def tree() -> Tree:
    """Return the Postgres installation under test."""
    return Tree.default()


@pytest.fixture(scope="session")
def shelf(tree: Tree) -> Shelf:
    """Return the shelf: genuine builds where there are any, then the stand-ins."""
    return Shelf.default(tree)


@pytest.fixture(autouse=True)
def _skip_standin_only(request: pytest.FixtureRequest) -> None:
    marker = request.node.get_closest_marker("standin_only")
    if marker is None:
        return
    shelf: Shelf = request.getfixturevalue("shelf")
    if any(shelf.is_genuine(extension) for extension in _OF_STANDINS):
        pytest.skip(f"stand-ins only: {marker.args[0]}")


@pytest.fixture(scope="session")
def open_folder() -> Iterator[Path]:
    """Return a folder that the account of the servers can enter, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="migrator-tests-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def numbers() -> Iterator[int]:
    """Return numbers for names of folders."""
    return count()


@pytest.fixture
def server_folder(open_folder: Path, numbers: Iterator[int]) -> Iterator[Path]:
    """Return a folder for one test, gone afterwards, that servers may live below."""
    folder = open_folder / str(next(numbers))
    folder.mkdir()
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def make_server(server_folder: Path, tree: Tree, shelf: Shelf) -> Iterator[MakeServer]:
    """Return a function that makes servers; they are gone after the test."""
    made: list[Server] = []

    def make(
        *,
        install: Mapping[str, str] | None = None,
        preload: str | Sequence[str] = "",
        settings: Mapping[str, str] | None = None,
        data_from: Path | None = None,
        start: bool = True,
    ) -> Server:
        server = Server.create(
            server_folder / f"s{len(made)}",
            tree=tree,
            shelf=shelf,
            preload=preload,
            settings=settings,
            data_from=data_from,
        )
        made.append(server)
        for extension, version in (install or {}).items():
            server.install(extension, version)
        if start:
            server.start()
        return server

    yield make
    for server in made:
        server.destroy()


def _crash_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how often which fault struck on which route, and how often that was survived."""
    found = [
        value
        for report in (report for reports in terminalreporter.stats.values() for report in reports)
        for name, value in getattr(report, "user_properties", ())
        if name == figures.PROPERTY and getattr(report, "when", "") == "call"
    ]
    if found:
        terminalreporter.write_sep("-", "crashes")
        for line in figures.table(found):
            terminalreporter.write_line(line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many recorded steps agree, and why the others are not compared."""
    _crash_summary(terminalreporter)
    outcomes: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for report in (report for reports in terminalreporter.stats.values() for report in reports):
        for name, value in getattr(report, "user_properties", ()):
            if name == "conformance" and report.when == "call":
                said = json.loads(value)
                outcomes.update(said["outcomes"])
                reasons.update(said["reasons"])
    if not outcomes:
        return
    total = sum(outcomes.values())
    terminalreporter.write_sep("-", "conformance")
    terminalreporter.write_line(
        f"conformance: {outcomes['agrees']} of {total} steps agree word for word, "
        f"{outcomes['not compared']} agree but for what is not compared, "
        f"{outcomes['impossible']} are listed as impossible for a stand-in, {outcomes['differs']} differ"
    )
    for reason, number in reasons.most_common():
        terminalreporter.write_line(f"  {number:4}  {reason}")
