"""Runs the real command as a person or a script does, and does on the server what it asks an operator for."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from migrator.sandbox.server import Server

MIGRATE = str(Path(sys.executable).with_name("migrate"))
DONE, FAILED, USAGE, WAITING, BLOCKED, REFUSED, WORK_PENDING, INTERRUPTED = 0, 1, 2, 3, 4, 5, 100, 130

Finished = subprocess.CompletedProcess[str]

_OURS = ("DB_", "PG", "MIGRATOR_PLAIN", "NO_COLOR", "FORCE_COLOR", "XDG_")


@dataclass(frozen=True, slots=True)
class Tool:
    """The command, with a home folder of its own, for one database.

    Attributes:
        home: Where the command finds its state folder; the caller's own is out of its reach.
        database: What is given as --database.
        journal: What is given as --journal.
        environment: More of the environment.
    """

    home: Path
    database: str
    journal: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def environ(self) -> dict[str, str]:
        """Return the environment of the command: nothing in it chooses a database or colours."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        return {**kept, "HOME": str(self.home), "TERM": "xterm", **self.environment}

    def call(
        self, *arguments: str, limit_seconds: float = 600, before: Callable[[], None] | None = None, given: str = ""
    ) -> Finished:
        """Run `migrate` with exactly these arguments, without a terminal; `before` runs in the new process."""
        return subprocess.run(
            [MIGRATE, *arguments],
            text=True,
            capture_output=True,
            check=False,
            input=given,
            timeout=limit_seconds,
            env=self.environ(),
            preexec_fn=before,
        )

    def arguments(self, *more: str) -> list[str]:
        """Return the arguments of the main job for this database."""
        return ["--from", "pgvecto.rs", "--database", self.database, "--journal", str(self.journal), *more]

    def migrate(self, *more: str, limit_seconds: float = 600, before: Callable[[], None] | None = None) -> Finished:
        """Run the main job as a script does: it never asks, it never waits."""
        return self.call(*self.arguments("--no-input", "--yes", *more), limit_seconds=limit_seconds, before=before)

    def status(self) -> dict[str, Any]:
        """Return what `migrate status --json` says."""
        said = self.call("status", "--json", "--database", self.database, "--journal", str(self.journal))
        assert said.returncode == DONE, said.stderr
        found = json.loads(said.stdout)
        assert isinstance(found, dict)
        return found

    def next_step(self) -> str | None:
        """Return the key of the first step that is not done, as the status says it."""
        found = self.status()["next_step"]
        return None if found is None else str(found)


def do_as_operator(server: Server, step: str, *, vchord: str = "0.3.0", database: str = "immich") -> None:
    """Do on the server what a person does who reads what a step waits for: packages, files, restarts, a DBA's SQL."""
    match step:
        case "install-vectorchord":
            server.install("vchord", vchord)
        case "preload-both-libraries":
            server.set_preload("vchord.so, vectors.so")
            server.restart()
        case "preload-without-pgvectors":
            server.set_preload("")
        case "exchange-libraries":
            server.stop()
            server.remove("vectors")
            server.install("vchord", vchord)
            server.set_preload("vchord.so")
            server.start()
        case "preload-vectorchord-only":
            server.set_preload("vchord.so")
            server.restart()
        case "restart-for-vectorchord" | "restart-without-pgvectors":
            server.restart()
        case "create-extension-vchord":
            as_superuser(server, database, "CREATE EXTENSION vchord SCHEMA public CASCADE")
        case "drop-extension-vectors":
            as_superuser(server, database, "DROP EXTENSION vectors")
        case "uninstall-pgvectors":
            server.remove("vectors")
        case _:
            raise AssertionError(f"no operator is asked for step {step}")


def as_superuser(server: Server, database: str, sql: str) -> None:
    """Run one statement as a DBA does."""
    with server.connect(database) as connection:
        connection.execute(sql.encode())


def run_to_the_end(tool: Tool, server: Server, *more: str, vchord: str = "0.3.0", starts: int = 15) -> list[str]:
    """Run the main job again and again, doing what it asks for in between; return the steps that it waited at."""
    waited: list[str] = []
    for _ in range(starts):
        said = tool.migrate("--confirm", "immich", *more)
        if said.returncode == DONE:
            return waited
        assert said.returncode == WAITING, f"exit {said.returncode} after {waited}\n{said.stderr}"
        step = tool.next_step()
        assert step is not None
        waited.append(step)
        do_as_operator(server, step, vchord=vchord)
    raise AssertionError(f"not at the end after {starts} starts: {waited}")
