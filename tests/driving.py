"""Runs the real command as a person or a script does; the operator and the DBA do what the screen asks for."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from migrator.sandbox.immich_startup import ImmichStartup
from migrator.sandbox.server import Server

MIGRATE = str(Path(sys.executable).with_name("migrate"))
DONE, FAILED, USAGE, WAITING, BLOCKED, REFUSED, WORK_PENDING, INTERRUPTED = 0, 1, 2, 3, 4, 5, 100, 130

Finished = subprocess.CompletedProcess[str]

MOST_STARTS = 12

RELEASE = {"0.3.0": "1.133.0", "0.4.3": "1.136.0", "0.5.3": "2.1.0", "1.1.1": "2.7.5"}
"""A release of Immich that takes a VectorChord."""

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


SQL = "(?:(?:CREATE|DROP|ALTER|SELECT|LOCK|COMMENT|GRANT|REVOKE|SET LOCAL) .*|BEGIN|COMMIT)"
OF_A_DBA = (
    "update-pgvector",
    "extensions-in-public",
    "create-extension-vchord",
    "drop-extension-vectors",
    "create-extension-vector",
    "rescue-embeddings",
)
"""Steps whose SQL a superuser runs where the role may not."""


@dataclass(slots=True)
class Operator:
    """Somebody with the server's files, and a DBA at hand.

    Attributes:
        server: The server that is worked on.
        vchord: The VectorChord that is installed when it is asked for.
        did: The steps that something was done for, in order.
    """

    server: Server
    vchord: str
    did: list[str] = field(default_factory=list)

    def do(self, step: str, shown: str = "") -> None:
        """Do what a step waits for; `shown` is what the screen says of it, where that is needed."""
        self.did.append(step)
        if step.startswith("undo-"):
            self._do_back(step, shown)
        else:
            self._do(step, shown)

    def _do(self, step: str, shown: str) -> None:
        match step:
            case "install-pgvector":
                self.server.install("vector")
            case "install-vectorchord":
                self.server.install("vchord", self.vchord)
            case "preload-without-pgvectors":
                # no restart: the server is stopped for the exchange anyway
                self.server.set_preload([e for e in self._preloaded() if e != "vectors.so"])
            case "exchange-libraries":
                self._exchange()
            case "preload-both-libraries" | "preload-vectorchord-only":
                self.server.set_preload(["vchord.so", *(["vectors.so"] if "both" in step else [])])
                self.server.restart()
            case _ if step in OF_A_DBA:
                self._run_as_dba(shown)
            case "restart-for-vectorchord" | "restart-without-pgvectors" | "restart-for-update":
                self.server.restart()
            case "immich-reindexes":
                ImmichStartup(conninfo=self.server.conninfo("immich", "immich"), release=RELEASE[self.vchord]).run()
            case "uninstall-pgvectors":
                self.server.remove("vectors")
            case _:
                raise AssertionError(f"nobody is asked for step {step}:\n{shown}")

    def _do_back(self, step: str, shown: str) -> None:
        """Do what a step waits for while it is taken back."""
        if "wanted    shared_preload_libraries" in shown:
            self.server.set_preload(self._wanted(shown))
            self.server.restart()
        elif "wanted    a restart" in shown:
            self.server.restart()
        elif re.search("^ +(do +)?(CREATE|DROP|ALTER) .*;$", shown, re.MULTILINE):
            self._run_as_dba(shown)
        else:
            raise AssertionError(f"nobody is asked for step {step}:\n{shown}")

    def _exchange(self) -> None:
        """Take the server away, and come back with other libraries below the same data."""
        self.server.stop()
        self.server.remove("vectors")
        self.server.install("vchord", self.vchord)
        self.server.set_preload([e for e in self._preloaded() if e != "vectors.so"])
        self.server.start()

    def _preloaded(self) -> list[str]:
        conf = (self.server.data / "postgresql.conf").read_text()
        found = re.search(r"^shared_preload_libraries = '(.*)'$", conf, re.MULTILINE)
        return [element.strip() for element in found[1].split(",") if element.strip()] if found else []

    def _wanted(self, screen: str) -> str:
        """Return the list that the screen asks for."""
        asked = re.findall(r"^ +wanted +shared_preload_libraries = '(.*)'", screen, re.MULTILINE)
        assert asked, screen
        return str(asked[-1])

    def _run_as_dba(self, screen: str) -> None:
        """Run the SQL that the screen shows, as it stands there."""
        shown = re.findall(rf"^ +(?:do +)?({SQL};)$", screen, re.MULTILINE)
        assert shown, screen
        with self.server.connect("immich") as connection:
            for statement in shown:
                connection.execute(statement.encode())


def as_superuser(server: Server, database: str, sql: str) -> None:
    """Run one statement as a DBA does."""
    with server.connect(database) as connection:
        connection.execute(sql.encode())


def start(tool: Tool, *arguments: str) -> Finished:
    """Start the tool once."""
    return tool.call(*arguments, "--database", tool.database, "--journal", str(tool.journal))


def waits_for(said: Finished) -> str | None:
    """Return the step that the tool says it waits for; None where it does not wait."""
    if said.returncode != WAITING:
        return None
    steps = re.findall(r"^step \d+ (\S+) waiting", said.stderr, re.MULTILINE)
    assert steps, said.stderr
    return str(steps[-1])


def walk(
    tool: Tool, operator: Operator, *arguments: str, until: str | None = None, starts: int = MOST_STARTS
) -> Finished:
    """Start the tool, do what it waits for, start it again, until it is done, refuses, or waits for step `until`."""
    for _ in range(starts):
        said = start(tool, *arguments)
        step = waits_for(said)
        if step in (None, until):
            return said
        assert step is not None
        operator.do(step, said.stderr)
    raise AssertionError(f"not at the end after {operator.did}:\n{said.stderr}")


def run_to_the_end(
    tool: Tool, server: Server, *more: str, vchord: str = "0.3.0", database: str = "immich"
) -> list[str]:
    """Run the main job until it is done, doing what it asks for in between; return the steps that it waited at."""
    operator = Operator(server, vchord)
    arguments = ["--from", "pgvecto.rs", "--no-input", "--yes", "--confirm", database, *more]
    said = walk(tool, operator, *arguments)
    assert said.returncode == DONE, f"exit {said.returncode} after {operator.did}\n{said.stderr}"
    return operator.did
