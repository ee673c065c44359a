"""A server with both libraries loaded, and a database on it that is alone there, to be spoiled and examined."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from patients import BOTH, Patient
from servers import MakeServer
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


@pytest.fixture
def make_patient(make_server: MakeServer, tmp_path: Path) -> Callable[..., Patient]:
    """Return a function that builds Immich's database on a server of its own, to have its libraries exchanged."""

    def make(vectors: str = "0.3.0", vchord: str = "0.3.0", preload: str = BOTH, **immich: object) -> Patient:
        server = make_server(install={"vectors": vectors, "vchord": vchord}, preload=preload)
        found = Patient(server, tmp_path / "journal.db")
        found.build(**immich)
        return found

    return make
