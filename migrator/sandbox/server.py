"""A throw-away Postgres with files of its own: installed into, exchanged, killed, and gone afterwards."""

import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import psycopg
from psycopg import conninfo
from psycopg.rows import TupleRow

from migrator.sandbox.accounts import Account, server_account
from migrator.sandbox.addresses import free_port, socket_folder
from migrator.sandbox.cluster import make_cluster
from migrator.sandbox.control import ControlSocket
from migrator.sandbox.errors import BuildNotFound, SandboxError, ServerStartFailed, ServerStopFailed
from migrator.sandbox.processes import Process, processes_in, signal_all, spawn, wait_until
from migrator.sandbox.shelf import Build, Shelf
from migrator.sandbox.tree import Tree, put_file

StopMode = Literal["smart", "fast", "immediate"]
_STOP_SIGNALS: Mapping[StopMode, signal.Signals] = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}
_COMPLAINT = re.compile(r"(?:^|\s)((?:PANIC|FATAL|ERROR|WARNING): {2}.*)$")
# A crash of the server loses nothing without fsync, only one of the machine does.
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}
_HBA = """\
# TYPE  DATABASE  USER  ADDRESS       METHOD
local   all       all                 trust
host    all       all   127.0.0.1/32  scram-sha-256
local   replication all               trust
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """What `Server.end_orphans` found and did."""

    titles: tuple[str, ...]
    needed_sigkill: bool


class Server:
    """One Postgres cluster with its own copy of a tree. Make one with `create`.

    As a context manager it cleans up on the way out: processes, folder and socket are gone.

    Attributes:
        tree: This server's own tree, which `install` and `remove` change.
        folder: Holds `tree/`, `data/` and `log`.
        port: A TCP port of 127.0.0.1, the same for the server's whole life; also names the socket.
    """

    def __init__(
        self, folder: Path, *, tree: Tree, pristine: Tree, shelf: Shelf, account: Account, linger: bool
    ) -> None:
        self.folder = folder
        self.tree = tree
        self.shelf = shelf
        self.account = account
        self.data = folder / "data"
        self.log = folder / "log"
        self.port = free_port()
        self.socket_dir = socket_folder(folder, self.port)
        self._pristine = pristine
        self._linger = linger
        self._process: subprocess.Popen[bytes] | None = None
        self._control: ControlSocket | None = None
        self._log_offset = 0

    @classmethod
    def create(
        cls,
        folder: Path,
        *,
        tree: Tree | None = None,
        shelf: Shelf | None = None,
        preload: str | Sequence[str] = "",
        settings: Mapping[str, str] | None = None,
        data_from: Path | None = None,
        durable: bool = False,
        linger: bool = False,
    ) -> Self:
        """Make a cluster, not started yet. The superuser is `postgres`.

        Args:
            folder: A folder that is not there yet.
            tree: The installation to copy; by default `Tree.default()`.
            shelf: Where `install` looks; by default `Shelf.default()`.
            preload: `shared_preload_libraries`.
            settings: More lines for postgresql.conf.
            data_from: A data directory to copy instead of a new cluster, from a server stopped cleanly.
            durable: Whether to survive a crash of the machine, at the usual price.
            linger: Whether the server outlives this process; see `stop_command`.

        Raises:
            SandboxError: No tree, no account, a closed folder, or `initdb` failed.
        """
        pristine = tree or Tree.default()
        account = server_account()
        folder = folder.absolute()
        account.require_access(folder)
        folder.mkdir(parents=True)
        folder.chmod(0o755)
        server = cls(
            folder,
            tree=pristine.copy_to(folder / "tree"),
            pristine=pristine,
            shelf=shelf or Shelf.default(pristine),
            account=account,
            linger=linger,
        )
        try:
            server._make_data(data_from)
            server._configure(durable=durable, settings=settings or {})
            server.set_preload(preload)
        except BaseException:
            server.destroy()
            raise
        return server

    # Running

    @property
    def running(self) -> bool:
        """Return whether the postmaster is alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def postmaster_pid(self) -> int:
        """Return the pid of the running postmaster."""
        return self._running_process().pid

    def start(self, *, limit_seconds: float = 60) -> None:
        """Start the server and wait until it takes connections.

        Raises:
            ServerStartFailed: It ended instead, or was not ready in time; carries its complaints.
        """
        if self.running:
            raise SandboxError("the server is already running")
        self._log_offset = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            # a server that lingers is restarted by its own account, which then writes the log
            self.account.own(self.log)
            argv: list[str | Path] = [self.tree.program("postgres"), "-D", self.data]
            process = spawn(argv, account=self.account, folder=self.folder, log=log, linger=self._linger)
        self._process = process
        wait_until(lambda: process.poll() is not None or self._ready(process.pid), limit_seconds=limit_seconds)
        if process.poll() is not None:
            raise ServerStartFailed(self.complaints())
        if not self._ready(process.pid):
            self.kill()
            raise ServerStartFailed((*self.complaints(), f"not ready after {limit_seconds:.0f} seconds"))

    def stop(self, mode: StopMode = "fast", *, limit_seconds: float = 60) -> None:
        """Stop the server as `pg_ctl stop -m MODE` does.

        Raises:
            ServerStopFailed: It is still running after the limit.
        """
        process = self._running_process()
        process.send_signal(_STOP_SIGNALS[mode])
        try:
            process.wait(limit_seconds)
        except subprocess.TimeoutExpired:
            raise ServerStopFailed(
                f"the server is still running {limit_seconds:.0f} seconds after a {mode} stop"
            ) from None

    def restart(self, mode: StopMode = "fast") -> None:
        """Stop and start again, as an operator does after a change of the preload list."""
        self.stop(mode)
        self.start()

    def kill(self, *, settle_seconds: float = 1.0) -> tuple[str, ...]:
        """Kill the postmaster with SIGKILL and wait for its children to notice.

        Returns:
            Titles of the processes that are still there although nothing changed for `settle_seconds`:
            pgvecto.rs's worker stays for good, a backend until it next looks up from its statement.
        """
        process = self._running_process()
        process.kill()
        process.wait()
        while left := self._leftovers():
            if not self._changes(left, settle_seconds):
                break
        return tuple(sorted(orphan.title for orphan in left))

    def end_orphans(self, *, limit_seconds: float = 10) -> Ended:
        """End the processes that outlived a killed postmaster, which keep the next one from starting.

        pgvecto.rs's worker is one; SIGTERM is enough for it (0.2.0 and 0.3.0, observed).
        """
        if self.running:
            raise SandboxError("the server is running: its processes are no orphans")
        orphans = self._leftovers()
        signal_all(orphans, signal.SIGTERM)
        gone = wait_until(lambda: not self._leftovers(), limit_seconds=limit_seconds if orphans else 0)
        if not gone:
            signal_all(self._leftovers(), signal.SIGKILL)
            wait_until(lambda: not self._leftovers(), limit_seconds=limit_seconds)
        return Ended(tuple(sorted(orphan.title for orphan in orphans)), needed_sigkill=not gone)

    def stop_command(self) -> str:
        """Return the command line that stops a lingering server after we have ended."""
        return self._pg_ctl("stop")

    def restart_command(self) -> str:
        """Return a command line that restarts this server from another process.

        A server that does not linger is restarted by us, as our child, on behalf of whoever runs the command.
        Only one thread may start or stop a server at a time: leave it alone while the command may be running.
        """
        if self._linger:
            return self._pg_ctl("restart", "-l", str(self.log))
        path = self.socket_dir / "control"
        if self._control is None:
            self._control = ControlSocket(path, {"restart": self.restart, "stop": self.stop, "start": self.start})
        return shlex.join([sys.executable, "-m", "migrator.sandbox.control", str(path), "restart"])

    def _pg_ctl(self, *arguments: str) -> str:
        command = shlex.join([str(self.tree.program("pg_ctl")), "-D", str(self.data), *arguments])
        if not self.account.switch:
            return command
        return shlex.join(["su", "-s", "/bin/sh", self.account.name, "-c", command])

    def destroy(self) -> None:
        """End every process of this server and remove its folder."""
        if self._control is not None:
            self._control.close()
            self._control = None
        if self.running:
            try:
                self.stop("immediate", limit_seconds=15)
            except ServerStopFailed:
                self.kill()
        self.end_orphans()
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.socket_dir, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._linger:
            self.destroy()

    # Extensions

    def install(self, extension: str, version: str | None = None) -> Build | None:
        """Put an extension's files into the tree, in place of those of another version.

        Args:
            extension: For example `vectors`; pgvector's name is `vector`.
            version: Looked up on the shelf; without one the files that the tree came with are put back.

        Returns:
            The build, or None where the files came from the original tree.

        Raises:
            BuildNotFound: Neither the shelf nor the original tree has it.
        """
        if version is None or (
            version == self._pristine.default_version(extension) and version not in self.shelf.versions(extension)
        ):
            self._restore(extension)
            return None
        build = self.shelf.find(extension, version)
        self.remove(extension)
        for library in build.libraries():
            put_file(library, self.tree.library_dir / library.name)
        for file in build.extension_files():
            put_file(file, self.tree.extension_dir / file.name)
        return build

    def remove(self, extension: str) -> None:
        """Take an extension's library, control file and scripts out of the tree, as purging a package does."""
        for path in self.tree.files_of(extension):
            path.unlink()

    def _restore(self, extension: str) -> None:
        files = self._pristine.files_of(extension)
        if not files:
            raise BuildNotFound(f"the tree came without extension {extension}")
        self.remove(extension)
        for file in files:
            put_file(file, self.tree.root / file.relative_to(self._pristine.root))

    # Configuration

    def set_preload(self, libraries: str | Sequence[str]) -> None:
        """Write `shared_preload_libraries` into postgresql.conf; it takes effect with the next start."""
        text = libraries if isinstance(libraries, str) else ", ".join(libraries)
        self.edit_conf("shared_preload_libraries", text)

    def edit_conf(self, name: str, value: str | None) -> None:
        """Set one line of postgresql.conf, or take it out (None), as a person with an editor does."""
        path = self.data / "postgresql.conf"
        pattern = re.compile(rf"\s*{re.escape(name)}\s*[=\s]", re.IGNORECASE)
        lines = [line for line in path.read_text().splitlines() if not pattern.match(line)]
        if value is not None:
            quoted = value.replace("\\", "\\\\").replace("'", "''")
            lines.append(f"{name} = '{quoted}'")
        path.write_text("\n".join(lines) + "\n")

    # Talking to it

    def conninfo(
        self, dbname: str = "postgres", user: str = "postgres", *, tcp: bool = False, **parameters: str | int
    ) -> str:
        """Return a connection string: by socket, where everyone is trusted, or by TCP, with a password."""
        host = "127.0.0.1" if tcp else str(self.socket_dir)
        return conninfo.make_conninfo("", host=host, port=self.port, dbname=dbname, user=user, **parameters)

    def connect(
        self, dbname: str = "postgres", user: str = "postgres", *, tcp: bool = False, **parameters: str | int
    ) -> psycopg.Connection[TupleRow]:
        """Connect, in autocommit mode."""
        return psycopg.connect(self.conninfo(dbname, user, tcp=tcp, **parameters), autocommit=True)

    def log_text(self) -> str:
        """Return everything that the server has logged."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def complaints(self) -> tuple[str, ...]:
        """Return the PANIC, FATAL, ERROR and WARNING lines since the last start, without their prefix."""
        text = self.log.read_bytes()[self._log_offset :].decode(errors="replace")
        return tuple(found[1] for line in text.splitlines() if (found := _COMPLAINT.search(line)))

    # Making it

    def _make_data(self, data_from: Path | None) -> None:
        if data_from is None:
            make_cluster(self.tree, self.account, self.data)
        else:
            shutil.copytree(data_from, self.data, symlinks=True)
            self.account.own(self.data)
        self.data.chmod(0o700)

    def _configure(self, *, durable: bool, settings: Mapping[str, str]) -> None:
        self.socket_dir.mkdir(exist_ok=True)
        self.socket_dir.chmod(0o755)
        self.account.own(self.socket_dir)
        (self.data / "pg_hba.conf").write_text(_HBA)
        lines = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.socket_dir),
            # Everyone is trusted there, so nobody else may come in.
            "unix_socket_permissions": "0700",
            "logging_collector": "off",
            **({} if durable else _NOT_DURABLE),
            **settings,
        }
        for name, value in lines.items():
            self.edit_conf(name, value)

    def _ready(self, pid: int) -> bool:
        """Read the last line of postmaster.pid, which is what `pg_ctl start -w` waits for."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"  # noqa: PLR2004

    def _changes(self, seen: list[Process], limit_seconds: float) -> bool:
        return wait_until(lambda: self._leftovers() != seen, limit_seconds=limit_seconds)

    def _leftovers(self) -> list[Process]:
        return processes_in(self.data)

    def _running_process(self) -> "subprocess.Popen[bytes]":
        if self._process is None or self._process.poll() is not None:
            raise SandboxError("the server is not running")
        return self._process
