"""The demo: a throw-away server with an Immich-shaped database, and the real tool run on it as a person would.

The tool is a process of its own with the person's terminal. Around it stands an operator who does what the tool asks
people for: installing and uninstalling packages, restarting the server. He learns of it as people do, from the tool's
exit code and its status.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from migrator.errors import ExitCode, MigratorError
from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.immich_catalog import content_hashes
from migrator.sandbox.immich_startup import ImmichStartup
from migrator.sandbox.server import Server
from migrator.sandbox.shelf import Shelf
from migrator.sandbox.tree import Tree

DATABASE = "immich"
VCHORD = "0.3.0"
IMMICH_AFTER = "1.133.0"
PAUSE_SECONDS = 3.0
"""How long a person may look at what the tool waits for before the demo's operator does it."""
MOST_STARTS = 12

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class DemoRequest:
    """What the demo is to show. `rows` are those of each of the two tables."""

    rows: int
    pgvectors: str
    reindex_by: Literal["tool", "immich"] = "tool"
    interactive: bool = False
    keep: bool = False
    shelf: Path | None = None
    tree: Path | None = None


class DemoFailed(MigratorError):  # noqa: N818 - named after what happened
    """the demo did not come to its end"""  # noqa: D415


def demo(request: DemoRequest, say: Say) -> int:
    """Build, migrate, verify, and say what to try next; return the tool's exit code.

    Raises:
        DemoFailed: the embeddings are not what they were, or Immich would not take the database as it is.
        SandboxError: the server cannot be built here.
    """
    folder = Path(tempfile.mkdtemp(prefix="migrate-demo-"))
    folder.chmod(0o755)  # the account that the server runs as has to get in
    try:
        with _server(request, folder, say) as server:
            stage = _Stage(request, folder, server, say)
            code = stage.play()
            if request.keep:
                stage.say_how_to_go_on()
            return code
    finally:
        if not request.keep:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _server(request: DemoRequest, folder: Path, say: Say) -> Iterator[Server]:
    tree = Tree.at(request.tree) if request.tree else Tree.default()
    shelf = Shelf.default(tree, *([request.shelf] if request.shelf else []))
    builds = [shelf.find("vectors", request.pgvectors), shelf.find("vchord", VCHORD)]
    server = Server.create(folder / "server", tree=tree, shelf=shelf, preload="vectors.so", linger=request.keep)
    with server:
        server.install("vectors", request.pgvectors)
        server.start()
        version = server.connect().info.parameter_status("server_version")
        say(f"A throw-away PostgreSQL {version} on port {server.port}.")
        standins = [f"{build.extension} {build.version}" for build in builds if build.is_standin]
        if standins:
            say(f"{' and '.join(standins)} are STAND-INS here, not the genuine extensions.")
            say("(Genuine builds can be used with --shelf DIR.)")
        yield server


class _Stage:
    """The server, the tool's process and the operator."""

    def __init__(self, request: DemoRequest, folder: Path, server: Server, say: Say) -> None:
        self._request, self._server, self._say = request, server, say
        self._journal = folder / "journal.db"
        self._conninfo = server.conninfo(DATABASE, DATABASE)

    def play(self) -> int:
        ImmichDatabase(name=DATABASE, rows=self._request.rows).build(self._server.conninfo())
        rows = f"{self._request.rows:,}"
        release = self._request.pgvectors
        self._say(f"Immich's tables as 1.132 left them, on pgvecto.rs {release}: 2 x {rows} embeddings.")
        with self._server.connect(DATABASE) as connection:
            before = content_hashes(connection)
        command = self._command()
        self._say(f"\n$ {' '.join(self._shown(command))}\n")
        code = self._interactive(command) if self._request.interactive else self._unattended(command)
        if code == ExitCode.DONE:
            with self._server.connect(DATABASE) as connection:
                if content_hashes(connection) != before:
                    raise DemoFailed("the embeddings are not what they were before")
            self._start_immich()
        return code

    def _command(self) -> list[str]:
        command = [sys.executable, "-m", "migrator", "--from", "pgvecto.rs", "--database", self._conninfo]
        command += ["--journal", str(self._journal), "--restart-command", self._server.restart_command()]
        command += ["--reindex-by", self._request.reindex_by] if self._request.reindex_by != "tool" else []
        return command if self._request.interactive else [*command, "--yes", f"--confirm={DATABASE}", "--no-input"]

    def _shown(self, command: Sequence[str]) -> list[str]:
        """Return the command as a person would type it."""
        place = {self._conninfo: "...", str(self._journal): "...", self._server.restart_command(): "..."}
        return ["migrate", *(place.get(word, word) for word in command[3:])]

    def _unattended(self, command: Sequence[str]) -> int:
        for _ in range(MOST_STARTS):
            code = subprocess.run(command, check=False).returncode
            if code != ExitCode.WAITING or not self._operate(self._waiting_for()):
                return code
            self._say("  ... and the same command again.\n")
        return code

    def _interactive(self, command: Sequence[str]) -> int:
        """Run the tool in the person's terminal, with an operator beside it who answers what it waits for."""
        done = threading.Event()
        operator = threading.Thread(target=self._watch, args=[done], name="operator", daemon=True)
        operator.start()
        try:
            return subprocess.run(command, check=False).returncode
        finally:
            done.set()
            operator.join()

    def _watch(self, done: threading.Event) -> None:
        while not done.wait(PAUSE_SECONDS):
            if self._journal.exists():
                self._operate(self._waiting_for())

    def _waiting_for(self) -> str | None:
        """Ask the tool what it waits for, as a script would."""
        command = [sys.executable, "-m", "migrator", "status", "--json", "--database", self._conninfo]
        answer = subprocess.run(
            [*command, "--journal", str(self._journal)], check=False, capture_output=True, text=True
        ).stdout
        last = json.loads(answer).get("last") if answer else None
        if not isinstance(last, dict) or last.get("event") != "waiting":
            return None
        unconfirmed = "not confirmed" in json.dumps(last.get("detail"))
        return None if unconfirmed else str(last.get("step"))

    def _operate(self, step: str | None) -> bool:
        """Do what an operator would do for a step; False where there is nothing to do."""
        match step:
            case "install-vectorchord" if "vchord" not in self._installed():
                self._say(f"  [demo] installs VectorChord {VCHORD}, as you would with a package or an image")
                self._server.install("vchord", VCHORD)
            case "uninstall-pgvectors" if "vectors" in self._installed():
                self._say("  [demo] uninstalls pgvecto.rs, as you would with a package or an image")
                self._server.remove("vectors")
            case "immich-reindexes":
                self._start_immich()
            case _:
                return False
        return True

    def _installed(self) -> set[str]:
        return {name for name in ("vectors", "vchord") if self._server.tree.files_of(name)}

    def _start_immich(self) -> None:
        lines = ImmichStartup(conninfo=self._conninfo, release=IMMICH_AFTER).run()
        self._say(f"\n  [demo] an imitated Immich {IMMICH_AFTER} starts, and logs:")
        for line in lines:
            self._say(f"         {line}")

    def say_how_to_go_on(self) -> None:
        """Tell how to connect to the server that was kept, and how to stop it."""
        self._say(f"\nThe server stays: psql '{self._conninfo}'")
        self._say(f"Stop it with: {self._server.stop_command()}")
        self._say(f"and remove {self._server.folder.parent}.")
