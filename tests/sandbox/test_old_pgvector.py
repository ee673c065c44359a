"""The old pgvector is fetched once, carries nothing else along, and works in the server of the tests."""

from pathlib import Path

import pytest
from servers import MakeServer

from migrator.sandbox.errors import BuildNotFound
from migrator.sandbox.old_pgvector import POSTGRES_MAJOR, VERSION, old_pgvector
from migrator.sandbox.shelf import Shelf
from migrator.sandbox.tree import Tree


@pytest.fixture(scope="session")
def shelf(tree: Tree) -> Shelf:
    """Return the shelf with the old pgvector on it."""
    if tree.major != POSTGRES_MAJOR:
        pytest.skip(f"the build is for PostgreSQL {POSTGRES_MAJOR}")
    try:
        return Shelf.default(tree, old_pgvector())
    except BuildNotFound as unreachable:
        pytest.skip(str(unreachable))


def test_it_is_a_build_like_any_other(shelf: Shelf) -> None:
    """The folder holds the library, the control file and the scripts, and nothing else of the wheel."""
    build = shelf.find("vector", VERSION)
    assert [path.name for path in build.libraries()] == ["vector.so"]
    names = {path.name for path in build.extension_files()}
    assert {"vector.control", f"vector--{VERSION}.sql"} < names
    assert all(name.startswith("vector") for name in names)
    assert {path.name for path in build.folder.iterdir()} == {"lib", "extension"}


def test_it_can_be_created_and_then_updated(make_server: MakeServer, tree: Tree) -> None:
    """A server starts with it, keeps vectors in it, and goes on with the newer library of its tree."""
    server = make_server(install={"vector": VERSION})
    with server.connect() as connection:
        connection.execute("CREATE EXTENSION vector")
        connection.execute("CREATE TABLE kept AS SELECT '[1, 2, 3]'::vector AS embedding")
    server.install("vector")
    with server.connect() as connection:
        connection.execute("ALTER EXTENSION vector UPDATE")
        row = connection.execute(
            "SELECT extversion, embedding::text FROM pg_extension, kept WHERE extname = 'vector'"
        ).fetchone()
    assert row == (tree.default_version("vector"), "[1,2,3]")


def test_without_a_registry_one_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be fetched is named, and no folder is left behind that looks like a build."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(BuildNotFound, match=f"pgvector {VERSION} could not be fetched"):
        old_pgvector()
    assert not list(tmp_path.rglob("vector-*"))
