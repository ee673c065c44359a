"""A database on pgvecto.rs whose library is going to be lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from rescuing import MakePatient, Patient
from servers import MakeServer

from migrator.sandbox.immich import ImmichDatabase

ROWS = 40


@pytest.fixture
def make_patient(make_server: MakeServer, server_folder: Path) -> MakePatient:
    """Return a function that makes a database on pgvecto.rs, VectorChord installed and loaded beside it."""

    def make(version: str = "0.2.0", *, role: str = "immich", preload: str = "vchord.so, vectors.so") -> Patient:
        server = make_server(install={"vectors": version, "vchord": "0.3.0"}, preload=preload)
        ImmichDatabase(rows=ROWS, owner=role, owner_is_superuser=role == "immich").build(server.conninfo())
        folder = server_folder / f"home-{server.port}"
        folder.mkdir()
        return Patient(server, folder, role)

    return make
