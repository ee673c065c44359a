"""`migrate backup --check`: a copy that is whole, and every way in which it may not be."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from copies import Place
from driving import DONE, FAILED, USAGE

MakePlace = Callable[..., Place]
FILE = "smart_search.copy.zst"


def _resealed(folder: Path, change: Callable[[dict[str, object]], None]) -> None:
    """Change the manifest, and its sum with it, as somebody does who means to."""
    document = json.loads((folder / "manifest.json").read_text())
    change(document)
    (folder / "manifest.json").write_text(json.dumps(document))
    digest = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    sums = [line for line in (folder / "SHA256SUMS").read_text().splitlines() if not line.endswith("  manifest.json")]
    (folder / "SHA256SUMS").write_text("\n".join([*sums, f"{digest}  manifest.json", ""]))


def truncated(folder: Path) -> None:
    """Cut a file short."""
    data = (folder / FILE).read_bytes()
    (folder / FILE).write_bytes(data[: len(data) // 2])


def flipped(folder: Path) -> None:
    """Change one bit in the middle of a file."""
    data = bytearray((folder / FILE).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / FILE).write_bytes(data)


def missing(folder: Path) -> None:
    """Remove a file."""
    (folder / FILE).unlink()


def newer(folder: Path) -> None:
    """Write a schema of tomorrow."""
    _resealed(folder, lambda document: document.update(schema=99))


def another_count(folder: Path) -> None:
    """Say that there are more rows than there are, with every sum right."""

    def change(document: dict[str, object]) -> None:
        tables = document["tables"]
        assert isinstance(tables, list)
        tables[0]["rows"] += 1

    _resealed(folder, change)


def not_compressed(folder: Path) -> None:
    """Put something else in the place of a file, with every sum right."""
    (folder / FILE).write_bytes(b"nothing that zstd has written")
    sha256 = hashlib.sha256((folder / FILE).read_bytes()).hexdigest()

    def change(document: dict[str, object]) -> None:
        files = document["files"]
        assert isinstance(files, list)
        files[0].update(sha256=sha256, size_bytes=29)

    _resealed(folder, change)


def cut_and_sealed(folder: Path) -> None:
    """Cut a file short, with every sum right: only reading it tells."""
    truncated(folder)
    data = (folder / FILE).read_bytes()

    def change(document: dict[str, object]) -> None:
        files = document["files"]
        assert isinstance(files, list)
        files[0].update(sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))

    _resealed(folder, change)


def manifest_edited(folder: Path) -> None:
    """Change the manifest alone."""
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace('"rows": 40', '"rows": 40 '))


def manifest_broken(folder: Path) -> None:
    """Cut the manifest short."""
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text[:100])


def manifest_gone(folder: Path) -> None:
    """Remove the manifest."""
    (folder / "manifest.json").unlink()


def sums_gone(folder: Path) -> None:
    """Remove the sums."""
    (folder / "SHA256SUMS").unlink()


DAMAGES: Mapping[Callable[[Path], None], str] = {
    truncated: f"{FILE} has",
    flipped: f"{FILE} is not what was written",
    missing: f"{FILE} is missing",
    newer: "written by a newer version of this tool",
    another_count: f"{FILE} has 40 rows, and should have 41",
    not_compressed: f"{FILE} cannot be decompressed to its end",
    cut_and_sealed: FILE,
    manifest_edited: "manifest.json is not what was written",
    manifest_broken: "cannot be understood",
    manifest_gone: "manifest.json is missing",
    sums_gone: "SHA256SUMS is missing",
}


@pytest.fixture
def place(make_place: MakePlace) -> Place:
    """Return a database of which there is a copy."""
    made = make_place()
    made.copied()
    return made


def test_a_whole_copy_is_said_to_be_whole(place: Place) -> None:
    """Exit 0, with rows and size; no server is asked."""
    said = place.check()
    assert said.returncode == DONE, said.stdout
    assert "is whole: 80 rows" in said.stdout.splitlines()[-1]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_every_damage_is_found(place: Place, damage: Callable[[Path], None]) -> None:
    """Exit 1, and a sentence that names the file and what is wrong with it."""
    damage(place.folder / "copy")
    said = place.check()
    assert said.returncode == FAILED
    assert " ".join(DAMAGES[damage].split()) in " ".join(said.stdout.split())
    assert "Traceback" not in said.stderr
    assert "is damaged" in said.stdout.splitlines()[-1]
    found = json.loads(place.check("--json").stdout.splitlines()[-1])
    assert found["exit_code"] == FAILED
    assert any(DAMAGES[damage] in problem for problem in found["problems"])


def test_a_folder_without_a_copy_is_refused(place: Place, tmp_path: Path) -> None:
    """Wrong use has its own exit code."""
    (tmp_path / "empty").mkdir()
    for name in ("empty", "nowhere"):
        said = place.check(folder=name)
        assert said.returncode == USAGE
        assert "holds no copy" in said.stderr
    assert place.tool.call("backup", "--check").returncode == USAGE
