"""People beside the tool: the operator and the DBA, who do what the screen asks for, and nothing else."""

import re
from dataclasses import dataclass, field

from driving import WAITING, Finished, Tool

from migrator.sandbox.server import Server

MOST_STARTS = 12

RELEASE = {"0.3.0": "1.133.0", "0.4.3": "1.136.0", "0.5.3": "2.1.0", "1.1.1": "2.7.5"}
"""A release of Immich that takes a VectorChord."""


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

    def do(self, step: str, said: Finished) -> None:
        """Do what a step waits for."""
        self.did.append(step)
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
            case "preload-both-libraries":
                self._preload("vchord.so", "vectors.so")
            case "preload-vectorchord-only":
                self._preload("vchord.so")
            case "update-pgvector" | "extensions-in-public" | "create-extension-vchord" | "drop-extension-vectors":
                self._run_as_dba(said)
            case "uninstall-pgvectors":
                self.server.remove("vectors")
            case _:
                raise AssertionError(f"nobody is asked for step {step}:\n{said.stderr}")

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

    def _preload(self, *libraries: str) -> None:
        self.server.set_preload(libraries)
        self.server.restart()

    def _run_as_dba(self, said: Finished) -> None:
        """Run the SQL that the screen shows, as it stands there."""
        shown = re.findall(r"^ +(?:do +)?((?:CREATE|DROP|ALTER|SELECT) .*;)$", said.stderr, re.MULTILINE)
        assert shown, said.stderr
        with self.server.connect("immich") as connection:
            for statement in shown:
                connection.execute(statement.encode())


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
        operator.do(step, said)
    raise AssertionError(f"not at the end after {operator.did}:\n{said.stderr}")
