"""Immich's database, to be spoiled and examined."""

from __future__ import annotations

from pathlib import Path

from examination import Examined, examine

from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.server import Server

NAME, ROLE = "immich", "immich"
ROWS = 20
BOTH = "vchord.so, vectors.so"


class Patient:
    """Immich's database on a server, and the doctor for it."""

    def __init__(self, server: Server, journal: Path) -> None:
        self.server, self.journal, self.user = server, journal, ROLE

    def build(self, **immich: object) -> None:
        """Make the database, in place of one that is there."""
        self.drop()
        given: dict[str, object] = {"name": NAME, "owner": ROLE, "rows": ROWS, **immich}
        ImmichDatabase(**given).build(self.server.conninfo())  # type: ignore[arg-type]

    def drop(self) -> None:
        """Drop the database."""
        with self.server.connect() as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{NAME}" WITH (FORCE)')

    def execute(self, *statements: str) -> None:
        """Run statements in the database as a superuser, each on its own."""
        with self.server.connect(NAME) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def restart(self, *, preload: str | None = None, vectors: str | None = None, vchord: str | None = None) -> None:
        """Stop the server, exchange libraries ("" removes one) and the list, and start it again."""
        self.server.stop()
        for extension, version in (("vectors", vectors), ("vchord", vchord)):
            if version == "":
                self.server.remove(extension)
            elif version is not None:
                self.server.install(extension, version)
        if preload is not None:
            self.server.set_preload(preload)
        self.server.start()

    def examine(self, *more: str) -> Examined:
        """Let the doctor look, on a system that no instruction is guessed for."""
        return examine(self.server, NAME, self.user, self.journal, "--environment", "other", *more)
