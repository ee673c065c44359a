"""Data directories that genuine pgvecto.rs wrote, where they lie beside this checkout."""

from __future__ import annotations

import lzma
import tarfile
from pathlib import Path

import pytest

NAMES = ("pgvectors-0.2.0", "pgvectors-0.2.0-garbage", "pgvectors-0.3.0-dim768")
MAJOR = 16
"""The PostgreSQL that opens them."""
_FOLDERS = [folder / "shared" / "fixtures" for folder in Path(__file__).resolve().parents[2:]]


def fixture(name: str) -> Path:
    """Return the folder of a fixture, or skip the test that wants it."""
    found = next((folder / name for folder in _FOLDERS if (folder / name).is_dir()), None)
    if found is None:
        pytest.skip(f"no data directory of genuine pgvecto.rs beside this checkout: ../shared/fixtures/{name}")
    return found


def unpack(name: str, folder: Path) -> Path:
    """Unpack the data directory of a fixture below a folder, and return it."""
    with lzma.open(fixture(name) / "pgdata.tar.xz") as packed, tarfile.open(fileobj=packed) as archive:
        archive.extractall(folder, filter="data")
    return folder / "pgdata"


def written_by_pgvectors(name: str, table: str) -> bytes:
    """Return what COPY (FORMAT csv, HEADER) wrote of a table, key and real[], through the genuine type."""
    return lzma.decompress((fixture(name) / f"{table}.csv.xz").read_bytes())
