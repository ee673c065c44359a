"""Immich's database on pgvecto.rs, the ways to lose the library, and the command that rescues it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from driving import Finished, Tool
from journey import hashes_of

from migrator.sandbox.immich_catalog import catalog_dump
from migrator.sandbox.immich_startup import ImmichStartup
from migrator.sandbox.server import Server

HANDLERS = "SELECT prosrc, probin FROM pg_proc WHERE proname LIKE '%vectors_amhandler'"


def gone(server: Server) -> None:
    """Exchange the image for one without pgvecto.rs."""
    server.stop()
    server.remove("vectors")
    server.set_preload("vchord.so")
    server.start()


def not_preloaded(server: Server) -> None:
    """Take the library out of the preload list, and leave it on the disk."""
    server.stop()
    server.set_preload("vchord.so")
    server.start()


def of_another_release(server: Server) -> None:
    """Install the other release of pgvecto.rs in place of the one that wrote the data, and load it."""
    with server.connect("immich") as connection:
        row = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'vectors'").fetchone()
    server.stop()
    server.install("vectors", "0.2.0" if row == ("0.3.0",) else "0.3.0")
    server.start()


def purged_while_running(server: Server) -> None:
    """Purge the package and leave the server as it is: the library is still in its memory, hooks and all."""
    server.remove("vectors")


SPOILT = (gone, not_preloaded, of_another_release, purged_while_running)


class Patient:
    """Immich's database on a server of its own, and the command for it."""

    def __init__(self, server: Server, folder: Path, role: str) -> None:
        self.server, self.folder = server, folder
        self.tool = Tool(folder, server.conninfo("immich", role), folder / "journal.db")
        self.before = hashes_of(server)

    @property
    def arguments(self) -> list[str]:
        """The command line of a rescue, whoever starts it."""
        fixed = ["--path", "rescue", "--no-input", "--yes", "--confirm", "immich"]
        return self.tool.arguments(*fixed, "--restart-command", self.server.restart_command())

    def rescue(self, *more: str) -> Finished:
        """Run it once."""
        return self.tool.call(*self.arguments, *more)

    def dump(self) -> tuple[str, list[tuple[object, ...]]]:
        """Return the database's structure, and what the access method's handler is."""
        with self.server.connect("immich") as connection:
            return catalog_dump(connection), connection.execute(HANDLERS).fetchall()

    def assert_rescued(self) -> None:
        """Every embedding is in VectorChord, nothing of pgvecto.rs is left, and an Immich leaves all as it is."""
        dump, handlers = self.dump()
        assert hashes_of(self.server) == self.before
        assert handlers == []
        assert "extension vectors" not in dump
        assert "schema vectors" not in dump
        assert "using vchordrq" in dump
        said = ImmichStartup(conninfo=self.server.conninfo("immich", "immich"), release="1.133.0").run()
        assert [line for line in said if "eindex" in line or "runcat" in line or "WARN" in line] == []
        assert self.dump()[0] == dump


MakePatient = Callable[..., Patient]
