"""Somebody who migrates a database and takes it back, and what has to be true then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from driving import DONE, Finished, Operator, Tool, walk
from journey import EndState, end_state
from servers import MakeServer

from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.server import Server

ROWS = 40
Role = Literal["superuser", "owner"]


@dataclass(slots=True)
class Traveller:
    """One database, whoever works on it, and the operator beside them.

    Attributes:
        there: The command line of the run, without database and journal.
        alone: Whether the tool restarts the server itself, and writes the preload list.
    """

    server: Server
    tool: Tool
    operator: Operator
    there: Sequence[str]
    alone: bool = True

    def go(self, *more: str, until: str | None = None) -> Finished:
        """Run the migration, with the operator's help, to its end or until it waits for a step."""
        return walk(self.tool, self.operator, *self.there, *self.ours(), *more, until=until)

    def back(self, *more: str, until: str | None = None) -> Finished:
        """Take it back, with the operator's help."""
        ours = self.ours() if self.alone else []  # --no-alter-system is remembered
        return walk(self.tool, self.operator, "undo", "--yes", "--no-input", *ours, *more, until=until)

    def state(self) -> EndState:
        """Look at what the server holds."""
        return end_state(self.server)

    def auto_conf(self) -> str:
        """Return what ALTER SYSTEM has written about preloaded libraries."""
        text = (self.server.data / "postgresql.auto.conf").read_text()
        return "\n".join(line for line in text.splitlines() if "preload" in line)

    def ours(self) -> list[str]:
        """Return the options that say who restarts the server and edits its list."""
        return ["--restart-command", self.server.restart_command()] if self.alone else ["--no-alter-system"]


def traveller(
    make_server: MakeServer,
    home: Path,
    *there: str,
    vectors: str | None = "0.3.0",
    role: Role = "superuser",
    alone: bool = True,
    preload: str | None = None,
) -> Traveller:
    """Return somebody with an Immich database in front of them."""
    install = {"vectors": vectors} if vectors else {}
    server = make_server(install=install, preload=("vectors.so" if vectors else "") if preload is None else preload)
    ImmichDatabase(
        rows=ROWS, owner_is_superuser=role == "superuser", source="pgvecto.rs" if vectors else "pgvector"
    ).build(server.conninfo())
    tool = Tool(home, server.conninfo("immich", "immich"), home / "journal.db")
    source = "pgvecto.rs" if vectors else "pgvector"
    arguments = ["--from", source, "--yes", "--no-input", "--confirm", "immich", *there]
    return Traveller(server, tool, Operator(server, "0.3.0"), arguments, alone)


def differences(one: EndState, other: EndState) -> list[str]:
    """Return the lines of the catalogs that only one of two states has."""
    return sorted(set(one.catalogs.splitlines()) ^ set(other.catalogs.splitlines()))


def assert_back(who: Traveller, before: EndState, said: Finished) -> None:
    """It says that everything is as before, and it is."""
    assert said.returncode == DONE, said.stderr
    assert said.stdout.startswith(
        f"Taken back. {2 * ROWS} embeddings, none changed; everything is what it was before."
    ), said.stdout
    now = who.state()
    assert differences(now, before) == [], "\n".join(differences(now, before))
    assert now == before
    assert who.auto_conf() == ""
