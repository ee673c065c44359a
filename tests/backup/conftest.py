"""What the tests of copies share: a database of any source, a folder, and the command beside both."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from copies import Place
from driving import Tool
from workshops import loaded_server, make_workshop

from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.server import Server

__all__ = ["loaded_server", "make_workshop"]


@pytest.fixture(autouse=True)
def _no_settings_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the caller's environment away: it could choose a database, or be Immich's own."""
    for name in [name for name in os.environ if name.startswith(("DB_", "PG", "IMMICH_"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def make_place(
    loaded_server: Callable[[str], Server], numbers: Iterator[int], tmp_path: Path
) -> Iterator[Callable[..., Place]]:
    """Return a function that makes a database on a server with both libraries loaded; it is gone after the test."""
    made: list[Place] = []

    def make(version: str = "0.3.0", **immich: object) -> Place:
        server, name = loaded_server(version), f"copied{next(numbers)}"
        given: dict[str, object] = {"name": name, "rows": 40, **immich}
        ImmichDatabase(**given).build(server.conninfo())  # type: ignore[arg-type]
        user = str(given.get("owner", "immich"))
        place = Place(
            server, name, user, tmp_path, Tool(tmp_path, server.conninfo(name, user), tmp_path / "journal.db")
        )
        made.append(place)
        return place

    yield make
    for place in made:
        with place.server.connect() as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{place.name}" WITH (FORCE)'.encode())
