"""The recordings in the project are the ones that were made."""

from pathlib import Path

import pytest
from recording import RECORDINGS, all_recordings, load

ORIGINALS = Path(__file__).resolve().parents[3] / "shared/recordings"


@pytest.mark.skipif(not ORIGINALS.is_dir(), reason="the originals are not at hand")
def test_recordings_equal_the_originals() -> None:
    """Every file is there and equal byte for byte, and there is no other."""
    names = {path.relative_to(ORIGINALS) for path in ORIGINALS.rglob("*") if path.is_file()}
    assert {path.relative_to(RECORDINGS) for path in RECORDINGS.rglob("*") if path.is_file()} == names
    different = [name for name in names if (ORIGINALS / name).read_bytes() != (RECORDINGS / name).read_bytes()]
    assert different == []


@pytest.mark.parametrize("path", all_recordings(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_key_of_a_recording_is_known(path: Path) -> None:
    """Nothing that was recorded is passed over because the replayer has no name for it."""
    assert load(path).steps
