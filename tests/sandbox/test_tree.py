"""A copy of a tree is complete, cheap, and readable for whoever runs the server."""

from pathlib import Path

import pytest

from migrator.sandbox.accounts import server_account
from migrator.sandbox.errors import TreeNotFound
from migrator.sandbox.tree import TREE_VARIABLE, Tree, put_file


def test_the_copy_has_every_extension_and_runs(tree: Tree, server_folder: Path) -> None:
    """Programs find their libraries and their share folder in the copy, not in the original."""
    copy = tree.copy_to(server_folder / "copy")
    assert copy.version == tree.version
    assert Tree.at(copy.bin_dir.parent).share_dir == copy.share_dir
    names = {path.name for path in tree.extension_dir.iterdir()}
    assert {path.name for path in copy.extension_dir.iterdir()} == names
    done = server_account().run([copy.program("psql"), "--version"], folder=server_folder)
    assert (done.returncode, done.stdout.split()[-1]) == (0, tree.version)


def test_a_tree_closed_to_others_is_opened_in_the_copy(tree: Tree, server_folder: Path) -> None:
    """Modes such as umask 077 leaves do not keep the server's account out, and stay as they were."""
    closed = tree.copy_to(server_folder / "closed")
    library = closed.library_dir / "vector.so"
    put_file(tree.library_dir / "vector.so", library)
    library.chmod(0o600)
    copy = closed.copy_to(server_folder / "copy")
    assert (copy.library_dir / "vector.so").stat().st_mode & 0o777 == 0o644
    assert library.stat().st_mode & 0o777 == 0o600


def test_the_environment_names_another_tree(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A wrong one is refused in words."""
    monkeypatch.setenv(TREE_VARIABLE, str(tmp_path))
    with pytest.raises(TreeNotFound, match="has no bin/postgres"):
        Tree.default()


DEBIAN = Path("/usr/lib/postgresql")


@pytest.mark.skipif(not list(DEBIAN.glob("*/bin/postgres")), reason="no Postgres of a distribution here")
def test_a_distribution_s_tree_can_be_copied(server_folder: Path) -> None:
    """Its parts lie far apart, and the copy keeps the distance."""
    tree = Tree.at(max(path for path in DEBIAN.iterdir() if (path / "bin/postgres").exists()))
    copy = tree.copy_to(server_folder / "copy")
    assert copy.program("initdb").exists()
    assert (copy.extension_dir / "plpgsql.control").exists()
    assert copy.share_dir.relative_to(copy.root) == tree.share_dir.relative_to(tree.root)
