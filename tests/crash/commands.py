"""The commands beside a migration that are interrupted: a copy made, put back, and a database prepared. No journal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from contrib import offer_contrib
from driving import DONE
from endings import COPY, Ending, OfBackup, OfPreparation, WithoutJournal
from journey import start_tool
from routes import PASSWORD, ROUTES, Route

from migrator.sandbox.server import Server

ANSWERS = ("--yes", "--no-input", "--no-color")
EMPTIED = "DELETE FROM smart_search; DELETE FROM face_search"
NEWER = """
DELETE FROM smart_search WHERE ctid IN (SELECT ctid FROM smart_search ORDER BY "assetId" LIMIT 9);
UPDATE smart_search SET embedding = array_fill(0.25::real, ARRAY[512])::vector
    WHERE ctid IN (SELECT ctid FROM smart_search ORDER BY "assetId" DESC LIMIT 7);
INSERT INTO asset (id, "originalPath", "originalFileName", checksum) VALUES (md5('new')::uuid, '', '', '');
INSERT INTO smart_search VALUES (md5('new')::uuid, array_fill(0.5::real, ARRAY[512])::vector);
DELETE FROM asset_face WHERE id IN (SELECT id FROM asset_face ORDER BY id LIMIT 3);
"""
"""Some rows were lost, some computed again, one is new, and three faces are gone."""
DROPPED = "DROP EXTENSION vectors CASCADE"
HALF_WAY = """
CREATE SCHEMA elsewhere;
CREATE EXTENSION vector SCHEMA elsewhere;
CREATE EXTENSION cube SCHEMA public;
ALTER DATABASE immich SET search_path TO elsewhere, public;
REVOKE ALL ON SCHEMA public FROM pg_database_owner, public
"""


@dataclass(frozen=True, slots=True)
class Command(Route):
    """A command that keeps no journal."""

    @property
    def keeps_a_journal(self) -> bool:
        """Nothing is noted."""
        return False

    def _copy(self, server: Server, beside: Path) -> None:
        """Make a copy beside the server."""
        ended = start_tool(["backup", str(beside / COPY), f"--database={server.conninfo('immich', 'immich')}"])
        assert ended.code == DONE, ended.said


@dataclass(frozen=True, slots=True)
class Restore(Command):
    """A copy is put back.

    Attributes:
        spoilt: What happened to the database since the copy was made.
    """

    spoilt: str = EMPTIED

    @property
    def ending(self) -> Ending:
        """The rows are in the tables; the copy is where it was."""
        return WithoutJournal(files=(COPY,))

    @property
    def rows_may_change(self) -> bool:
        """A row that is newer than the copy stays."""
        return True

    @property
    def holds_off(self) -> str:
        """Readers are let be."""
        return "ROW EXCLUSIVE"

    def lead_up(self, server: Server, beside: Path) -> None:
        """Make the copy, and lose what is to be put back."""
        self._copy(server, beside)
        with server.connect("immich") as connection:
            connection.execute(self.spoilt.encode())

    def arguments(self, server: Server, conninfo: str, journal: Path) -> list[str]:
        """Return the command line that starts and resumes."""
        return ["restore", str(journal.with_name(COPY)), f"--database={conninfo}", *ANSWERS]


@dataclass(frozen=True, slots=True)
class Backup(Command):
    """A copy is made, into a folder that is named."""

    @property
    def ending(self) -> Ending:
        """The copy."""
        return OfBackup(readable=self.has_tables)

    @property
    def has_tables(self) -> bool:
        """Nobody can use them while the library of their type is missing."""
        return None not in self.exchanged.values()

    @property
    def holds_off(self) -> str:
        """Only somebody who rewrites a table is waited for."""
        return "ACCESS EXCLUSIVE"

    def arguments(self, server: Server, conninfo: str, journal: Path) -> list[str]:
        """Return the command line that starts and resumes."""
        return ["backup", str(journal.with_name(COPY)), f"--database={conninfo}", "--no-color"]


@dataclass(frozen=True, slots=True)
class Preparation(Command):
    """A database is prepared for Immich.

    Attributes:
        half_way: What somebody has done in it by hand; None where there is no database yet.
    """

    half_way: str | None = None

    @property
    def ending(self) -> Ending:
        """The database."""
        return OfPreparation()

    @property
    def has_tables(self) -> bool:
        """Immich has not been there yet."""
        return False

    @property
    def connects(self) -> tuple[str, str]:
        """As a superuser does who prepares a database that need not be there."""
        return "postgres", "postgres"

    @property
    def drops(self) -> tuple[str, ...]:
        """All but the database that is worked from, and the template that a new one is copied from."""
        return ("template0",)

    def equip(self, server: Server) -> None:
        """Offer what Immich needs of PostgreSQL's own, too."""
        Command.equip(self, server)
        offer_contrib(server)

    def fill(self, server: Server) -> None:
        """Make the role, and the database where somebody made it."""
        with server.connect() as connection:
            connection.execute("CREATE ROLE immich LOGIN")
            connection.execute(f"ALTER ROLE postgres PASSWORD '{PASSWORD}'".encode())
            if self.half_way is None:
                return
            connection.execute("CREATE DATABASE immich OWNER immich")
        with server.connect("immich") as connection:
            connection.execute(self.half_way.encode())

    def arguments(self, server: Server, conninfo: str, journal: Path) -> list[str]:
        """Return the command line that starts and resumes."""
        return ["prepare", f"--admin-database={conninfo}", "--owner=immich", *ANSWERS]


_VCHORD = {"vchord": "0.3.0"}

COMMANDS: tuple[Command, ...] = (
    Restore("restore, emptied tables", ("restore",), source="vchord", installed=_VCHORD, preload="vchord.so"),
    Restore("restore, newer rows", ("restore",), source="vchord", installed=_VCHORD, preload="vchord.so", spoilt=NEWER),
    Restore("restore, real[] columns", ("restore",), source="real[]", preload=""),
    Restore("restore, dropped columns", ("restore",), installed={"vectors": "0.3.0", **_VCHORD}, spoilt=DROPPED),
    Restore("restore, pgvecto.rs 0.2.0", ("restore",), installed={"vectors": "0.2.0"}),
    Preparation("prepare, no database", ("prepare",), installed=_VCHORD, preload="vchord.so"),
    Preparation("prepare, half-way", ("prepare",), installed=_VCHORD, preload="vchord.so", half_way=HALF_WAY),
    Backup("backup", ("backup",), source="vchord", installed=_VCHORD, preload="vchord.so"),
    Backup("backup, library gone", ("backup",), installed={"vectors": "0.2.0"}, exchanged={"vectors": None}),
)

EVERYTHING: tuple[Route, ...] = (*ROUTES, *COMMANDS)
