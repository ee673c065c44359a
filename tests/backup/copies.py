"""A database to be copied, and a copy read with other programs than the one that made it."""

from __future__ import annotations

import gzip
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from driving import DONE, Finished, Tool

from migrator.backup.manifest import Manifest
from migrator.sandbox.immich_catalog import catalog_dump, content_hashes
from migrator.sandbox.server import Server

KEYS = {"smart_search": "assetId", "face_search": "faceId"}


@dataclass(frozen=True, slots=True)
class Place:
    """A database on a server, a folder for copies, and the command for that database."""

    server: Server
    name: str
    user: str
    folder: Path
    tool: Tool

    def backup(self, *more: str, folder: str = "copy") -> Finished:
        """Make a copy with the real command."""
        return self.tool.call("backup", str(self.folder / folder), "--database", self.tool.database, *more)

    def copied(self, *more: str, folder: str = "copy") -> Path:
        """Make a copy, and return where it is."""
        said = self.backup(*more, folder=folder)
        assert said.returncode == DONE, said.stderr
        return self.folder / folder

    def check(self, *more: str, folder: str = "copy") -> Finished:
        """Check a copy with the real command, which is told of no server."""
        return self.tool.call("backup", str(self.folder / folder), "--check", *more)

    def execute(self, sql: str) -> None:
        """Run a statement as the superuser."""
        with self.server.connect(self.name) as connection:
            connection.execute(sql.encode())

    def ask(self, sql: str) -> list[tuple[object, ...]]:
        """Ask as the superuser."""
        with self.server.connect(self.name) as connection:
            return connection.execute(sql.encode()).fetchall()

    def state(self) -> tuple[str, Mapping[str, object]]:
        """Return catalogs and embeddings, to be compared."""
        with self.server.connect(self.name) as connection:
            hashes = content_hashes(connection)
            return catalog_dump(connection), {str(table): found for table, found in hashes.items()}

    def psql(self, command: str) -> Finished:
        """Run a command line of a copy's own page in a shell, with the server's psql."""
        path = f"{self.server.tree.program('psql').parent}{os.pathsep}{os.environ['PATH']}"
        where = {"PGHOST": str(self.server.socket_dir), "PGPORT": str(self.server.port), "PGUSER": self.user}
        return subprocess.run(
            ["sh", "-ec", command],
            cwd=self.folder / "copy",
            env={**os.environ, **where, "PATH": path},
            text=True,
            capture_output=True,
            check=False,
        )


def lines(folder: Path, table: str) -> list[str]:
    """Return the rows of a table in a copy, sorted, as another program than the tool reads them."""
    manifest = Manifest.read(folder)
    (file,) = (folder / saved.file for saved in manifest.tables if saved.name == table)
    if manifest.compression == "gzip":
        return sorted(gzip.decompress(file.read_bytes()).decode().splitlines())
    done = subprocess.run(["zstd", "-dc", file], capture_output=True, check=True)
    return sorted(done.stdout.decode().splitlines())


def entries(folder: Path) -> list[str]:
    """Return the names of everything in a folder."""
    return sorted(path.name for path in folder.iterdir())
