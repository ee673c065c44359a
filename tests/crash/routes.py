"""The routes that are interrupted: how the server of each is prepared, and what somebody types to walk it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from driving import DONE, RELEASE, WAITING
from endings import Ending, OfMigration
from journey import start_tool

from migrator.journal import Journal
from migrator.sandbox.immich import ImmichDatabase, Source
from migrator.sandbox.server import Server

ROWS = 60
PASSWORD = "not-a-secret"  # noqa: S105 - of a throw-away server
NEWER = "1.1.1"
JOURNAL = "j.db"
OF_MIGRATION = OfMigration()


@dataclass(frozen=True, slots=True)
class Route:
    """One way to VectorChord, from a server that is the same each time.

    Attributes:
        name: What figures and pages call it.
        command: What is typed after `migrate`, without database, journal and answers.
        source: Where the embeddings are at first.
        installed: Versions of extensions that the server has when the database is made.
        preload: What the server preloads then.
        exchanged: Versions that are installed before the command is first run; None takes an extension's files away.
        vchord: Release of VectorChord at the end.
        copies: Whether a copy of the embeddings is made first.
        gone: What was gone before the command is first run, as far as it goes without an operator: then the command
            takes that back, and the journal of it is copied together with the server.
    """

    name: str
    command: tuple[str, ...]
    source: Source = "pgvecto.rs"
    installed: Mapping[str, str] = field(default_factory=dict, hash=False)
    preload: str = "vectors.so"
    exchanged: Mapping[str, str | None] = field(default_factory=dict, hash=False)
    vchord: str = "0.3.0"
    copies: bool = False
    gone: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name

    @property
    def ending(self) -> Ending:
        """What has to be there at the end."""
        return OF_MIGRATION

    @property
    def keeps_a_journal(self) -> bool:
        """Whether what was done is noted beside the server."""
        return True

    @property
    def has_tables(self) -> bool:
        """Whether Immich's tables are there, for others to use."""
        return True

    @property
    def rows_may_change(self) -> bool:
        """Whether somebody may compute embeddings again that were there before, and rows that the copy has."""
        return False

    @property
    def connects(self) -> tuple[str, str]:
        """The database that is given to the command, and to everybody around it, and the role that the command has."""
        return "immich", "immich"

    @property
    def holds_off(self) -> str:
        """The weakest lock on the tables that keeps the command waiting."""
        return "ACCESS SHARE"

    @property
    def drops(self) -> tuple[str, ...]:
        """Databases that nothing uses: a copy of the server has fewer files without them."""
        return ("postgres", "template0", "template1")

    @property
    def vectors(self) -> str | None:
        """Release of pgvecto.rs that the server can load when the command is first run; None where there is none."""
        return None if "vectors" in self.exchanged else self.installed.get("vectors")

    @property
    def release(self) -> str:
        """A release of Immich that takes what is there at the end."""
        return RELEASE[self.vchord]

    @property
    def by_immich(self) -> bool:
        """Whether Immich converts and builds, and the tool watches."""
        return "immich" in self.command

    def fill(self, server: Server) -> None:
        """Put Immich's database onto a running server."""
        ImmichDatabase(rows=ROWS, source=self.source, immich_version=self.release, owner_password=PASSWORD).build(
            server.conninfo()
        )

    def equip(self, server: Server) -> None:
        """Install what the server has when the database is made, before its first start."""
        for extension, version in self.installed.items():
            server.install(extension, version)

    def lead_up(self, server: Server, beside: Path) -> None:
        """Do what was done before the command is first typed, and leave beside the server what is left of that."""
        if not self.gone:
            return
        journal = beside / JOURNAL
        ended = start_tool(self.line(self.gone, server, server.conninfo("immich", "immich"), journal))
        assert ended.code in (DONE, WAITING), ended.said
        Journal.create_or_open(journal).close()  # all of it into the one file
        for path in set(beside.iterdir()) - {journal}:
            path.unlink()

    def arguments(self, server: Server, conninfo: str, journal: Path) -> list[str]:
        """Return the command line that starts and resumes."""
        return self.line(self.command, server, conninfo, journal)

    def line(self, command: tuple[str, ...], server: Server, conninfo: str, journal: Path) -> list[str]:
        """Return a command with database, journal and answers."""
        where = [f"--database={conninfo}", f"--journal={journal}"]
        if "update" not in command:
            where += ["--lock-timeout=0.2"]
        if "--from" in command:
            where += ["--confirm=immich", *([] if self.copies else ["--no-backup"])]
        restart = f"--restart-command={server.restart_command()}"
        return [*command, *where, "--yes", "--no-input", "--no-color", restart]


_FROM_PGVECTORS = ("--from", "pgvecto.rs")

ROUTES = (
    Route("automatic, from 0.2.0", _FROM_PGVECTORS, installed={"vectors": "0.2.0"}),
    Route("automatic, from 0.3.0", _FROM_PGVECTORS, installed={"vectors": "0.3.0"}),
    Route("automatic, with a copy", _FROM_PGVECTORS, installed={"vectors": "0.3.0"}, copies=True),
    Route(
        "automatic, Immich reindexes",
        (*_FROM_PGVECTORS, "--path", "automatic", "--reindex-by", "immich"),
        installed={"vectors": "0.3.0"},
    ),
    Route("manual", (*_FROM_PGVECTORS, "--path", "manual"), installed={"vectors": "0.2.0"}),
    Route("from pgvector", ("--from", "pgvector"), source="pgvector", preload=""),
    Route(
        "update",
        ("update",),
        source="vchord",
        installed={"vchord": "0.3.0"},
        preload="vchord.so",
        exchanged={"vchord": NEWER},
        vchord=NEWER,
    ),
    Route(
        "rescue",
        (*_FROM_PGVECTORS, "--path", "rescue"),
        installed={"vectors": "0.2.0"},
        exchanged={"vectors": None},
    ),
    # to what was there before; a fault that loses the journal cannot be survived there
    *(
        Route(f"back to {version}", ("undo",), installed={"vectors": version, "vchord": "0.3.0"}, gone=_FROM_PGVECTORS)
        for version in ("0.2.0", "0.3.0")
    ),
    Route(
        "back to pgvector",
        ("undo",),
        source="pgvector",
        installed={"vchord": "0.3.0"},
        preload="",
        gone=("--from", "pgvector"),
    ),
)


def route(name: str) -> Route:
    """Return a route by its name."""
    return next(route for route in ROUTES if route.name == name)


def automatic(version: str) -> Route:
    """Return the automatic route from a version of pgvecto.rs."""
    return route(f"automatic, from {version}")
