"""The shelf finds builds in order, and compiles stand-ins once."""

import threading
from pathlib import Path

import pytest

from migrator.sandbox.errors import BuildNotFound, CompilationFailed
from migrator.sandbox.server import Server
from migrator.sandbox.shelf import Shelf
from migrator.sandbox.tree import Tree

SOURCE = """
#include "postgres.h"
#include "fmgr.h"
PG_MODULE_MAGIC;
PG_FUNCTION_INFO_V1(toy_number);
Datum toy_number(PG_FUNCTION_ARGS) { PG_RETURN_INT32(STANDIN_VERSION_NUM); }
"""
CONTROL = "default_version = '@STANDIN_VERSION@'\\nmodule_pathname = '$libdir/toy'\\ncomment = 'a toy'\\n"
SCRIPT = "CREATE FUNCTION toy_number() RETURNS int LANGUAGE c AS 'MODULE_PATHNAME', 'toy_number';\\n"
RECIPE = """
name = "toy"
sources = ["toy.c"]
[versions."1.0.0"]
number = 10000
[versions."1.0.0".files]
"toy.control" = ["toy.control"]
"toy--1.0.0.sql" = ["head.sql", "toy.sql"]
[versions."1.10.1"]
number = 11001
[versions."1.10.1".files]
"toy.control" = ["toy.control"]
"toy--1.10.1.sql" = ["toy.sql"]
"""


@pytest.fixture
def standins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the sources of one small stand-in, with an empty cache beside it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "standins/toy"
    folder.mkdir(parents=True)
    parts = {"toy.c": SOURCE, "toy.control": CONTROL, "toy.sql": SCRIPT, "head.sql": "-- head\n"}
    for name, text in {**parts, "standin.toml": RECIPE}.items():
        (folder / name).write_text(text.replace("\\n", "\n") if name != "toy.c" else text)
    return folder.parent


def plant(folder: Path, name: str, number: int) -> Path:
    """Make a build without a library, as if somebody had put a genuine one on a shelf."""
    extension, _, version = name.rpartition("-")
    target = folder / name / "extension"
    target.mkdir(parents=True)
    (target / f"{extension}.control").write_text(f"default_version = '{version}'\n")
    script = f"CREATE FUNCTION toy_number() RETURNS int LANGUAGE sql AS 'SELECT {number}';\n"
    (target / f"{extension}--{version}.sql").write_text(script)
    return folder


def test_a_standin_is_compiled_installed_and_exchanged(standins: Path, tree: Tree, server_folder: Path) -> None:
    """Each version runs with its own number, and one takes the place of the other in the tree."""
    shelf = Shelf([], tree=tree, standins=standins)
    with Server.create(server_folder / "server", tree=tree, shelf=shelf) as server:
        for version, number in (("1.0.0", 10000), ("1.10.1", 11001)):
            build = server.install("toy", version)
            assert build is not None
            assert build.is_standin
            server.start()
            with server.connect() as connection:
                connection.execute("DROP EXTENSION IF EXISTS toy")
                connection.execute("CREATE EXTENSION toy")
                assert connection.execute("SELECT toy_number()").fetchone() == (number,)
                row = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'toy'").fetchone()
                assert row == (version,)
            server.stop()
        assert not (server.tree.extension_dir / "toy--1.0.0.sql").exists()
        server.remove("toy")
        assert list(server.tree.extension_dir.glob("toy*")) == []
        assert not (server.tree.library_dir / "toy.so").exists()


def test_a_build_in_a_folder_comes_before_the_standin(standins: Path, tree: Tree, tmp_path: Path) -> None:
    """The first folder wins; a version that is in none of them is still a stand-in."""
    first = plant(tmp_path / "first", "toy-1.0.0", 1)
    second = plant(plant(tmp_path / "second", "toy-1.0.0", 2), "toy-1.9.0", 3)
    shelf = Shelf([first, second], tree=tree, standins=standins)
    assert shelf.find("toy", "1.0.0").folder == first / "toy-1.0.0"
    assert not shelf.find("toy", "1.0.0").is_standin
    assert shelf.find("toy", "1.10.1").is_standin
    assert shelf.versions("toy") == ["1.0.0", "1.9.0", "1.10.1"]
    assert (shelf.is_genuine("toy"), shelf.is_genuine("toy", "1.10.1")) == (True, False)


def test_what_is_not_there_is_answered_with_what_is(standins: Path, tree: Tree, tmp_path: Path) -> None:
    """The sentence helps whoever mistyped a version."""
    shelf = Shelf([tmp_path / "absent"], tree=tree, standins=standins)
    with pytest.raises(BuildNotFound, match=r"no build of toy 3\.0 .* there is toy 1\.0\.0, toy 1\.10\.1"):
        shelf.find("toy", "3.0")


def test_an_edited_source_is_compiled_anew(standins: Path, tree: Tree) -> None:
    """The cache goes by content."""
    shelf = Shelf([], tree=tree, standins=standins)
    before = shelf.find("toy", "1.0.0").folder
    assert shelf.find("toy", "1.0.0").folder == before
    (standins / "toy/toy.sql").write_text("-- nothing\n")
    after = shelf.find("toy", "1.0.0").folder
    assert after != before
    assert (after / "extension/toy--1.0.0.sql").read_text() == "-- head\n-- nothing\n"


def test_parallel_seekers_get_one_build(standins: Path, tree: Tree) -> None:
    """The one who comes first compiles, the others wait for it."""
    found: list[Path] = []
    seekers = [
        threading.Thread(
            target=lambda: found.append(Shelf([], tree=tree, standins=standins).find("toy", "1.0.0").folder)
        )
        for _ in range(4)
    ]
    for seeker in seekers:
        seeker.start()
    for seeker in seekers:
        seeker.join()
    assert len(found) == 4
    assert len({(folder, (folder / "lib/toy.so").stat().st_ino) for folder in found}) == 1


def test_a_compiler_s_complaint_is_passed_on(standins: Path, tree: Tree) -> None:
    """And nothing half made stays in the cache."""
    (standins / "toy/toy.c").write_text("int f(void) { return forgotten(); }\n")
    with pytest.raises(CompilationFailed, match="forgotten"):
        Shelf([], tree=tree, standins=standins).find("toy", "1.0.0")
    with pytest.raises(CompilationFailed):
        Shelf([], tree=tree, standins=standins).find("toy", "1.0.0")
