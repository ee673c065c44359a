"""A server with both libraries loaded, and a database on it that is alone there, to be spoiled and examined."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from patients import Patient
from workshops import loaded_server

from migrator.sandbox.server import Server

__all__ = ["loaded_server"]


@pytest.fixture(autouse=True)
def _no_settings_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the caller's environment away: it could choose a database, or be Immich's own."""
    for name in [name for name in os.environ if name.startswith(("DB_", "PG", "IMMICH_"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def patient(loaded_server: Callable[[str], Server], tmp_path: Path) -> Iterator[Patient]:
    """Return Immich's database, not built yet, on a shared server with pgvecto.rs 0.3.0 and VectorChord 0.3.0."""
    found = Patient(loaded_server("0.3.0"), tmp_path / "journal.db")
    yield found
    found.drop()
