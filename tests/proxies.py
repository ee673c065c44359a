"""What people put between a client and a server: TLS, and poolers that hand each transaction to another session."""

import select
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from migrator.sandbox.server import Server

ENCRYPTION_REQUESTS = (80877103, 80877104)  # TLS, GSSAPI
IDLE = b"I"


class Serve(Protocol):
    """Serves one client, and returns when it is gone."""

    def __call__(self, client: socket.socket) -> None:
        """Speak with the client."""


@contextmanager
def listening(serve: Serve) -> Iterator[int]:
    """Serve every client that comes to a port of 127.0.0.1, until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=guarded, args=[client], daemon=True).start()

        def guarded(client: socket.socket) -> None:
            with client, suppress(OSError, EOFError):
                serve(client)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(timeout=5)


def connected(server: Server) -> socket.socket:
    """Connect to the server's socket, where everyone is trusted."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(server.socket_dir / f".s.PGSQL.{server.port}"))
    return connection


def exactly(connection: socket.socket, size: int) -> bytes:
    """Read so many bytes.

    Raises:
        EOFError: the other side is gone.
    """
    parts = b""
    while len(parts) < size:
        part = connection.recv(size - len(parts))
        if not part:
            raise EOFError
        parts += part
    return parts


def startup(client: socket.socket) -> dict[bytes, bytes]:
    """Read the start-up packet, after telling the client that there is no encryption."""
    while True:
        size, kind = struct.unpack("!ii", exactly(client, 8))
        if kind not in ENCRYPTION_REQUESTS:
            words = exactly(client, size - 8).split(b"\0")
            return dict(zip(words[:-2:2], words[1:-2:2], strict=True))
        client.sendall(b"N")


def message(connection: socket.socket) -> tuple[bytes, bytes]:
    """Read one message: its letter, and all of it."""
    head = exactly(connection, 5)
    return head[:1], head + exactly(connection, struct.unpack("!i", head[1:])[0] - 4)


@dataclass(frozen=True, slots=True)
class Pooler:
    """Imitates pgbouncer, as far as a client can tell.

    Attributes:
        sessions: How many sessions of the server take turns; 1 = as in session mode.
        refuses_options: Whether start-up options are refused, as they are unless somebody configured otherwise.
        own_key: Whether clients get a key for cancelling that is the pooler's, as from pgbouncer, or the server's.
    """

    server: Server
    sessions: int = 2
    refuses_options: bool = False
    own_key: bool = True

    def __call__(self, client: socket.socket) -> None:
        """Serve one client."""
        wanted = startup(client)
        if self.refuses_options and b"options" in wanted:
            text = b"unsupported startup parameter in options: default_transaction_read_only"
            fields = b"SFATAL\0C08P01\0M" + text + b"\0\0"
            client.sendall(b"E" + struct.pack("!i", len(fields) + 4) + fields)
            return
        with ExitStack() as stack:
            sessions = [stack.enter_context(connected(self.server)) for _ in range(self.sessions)]
            greetings = [self._open(session, wanted) for session in sessions]
            client.sendall(greetings[0])
            self._take_turns(client, sessions)

    def _open(self, session: socket.socket, wanted: dict[bytes, bytes]) -> bytes:
        words = b"".join(b"%s\0%s\0" % (name, wanted[name]) for name in (b"user", b"database"))
        packet = struct.pack("!i", 196608) + words + b"\0"
        session.sendall(struct.pack("!i", len(packet) + 4) + packet)
        greeting = b""
        while True:
            letter, whole = message(session)
            if letter == b"K" and self.own_key:
                whole = whole[:5] + struct.pack("!ii", 4242, 4242)
            greeting += whole
            if letter in (b"Z", b"E"):
                return greeting

    def _take_turns(self, client: socket.socket, sessions: list[socket.socket]) -> None:
        turn = 0
        while True:
            asked = b""
            letter = b""
            while letter not in (b"Q", b"S"):
                letter, whole = message(client)
                if letter == b"X":
                    return
                asked += whole
            sessions[turn].sendall(asked)
            answer = b""
            while letter != b"Z":
                letter, whole = message(sessions[turn])
                answer += whole
            client.sendall(answer)
            if answer[-1:] == IDLE:
                turn = (turn + 1) % self.sessions


@dataclass(frozen=True, slots=True)
class Encrypting:
    """Ends TLS in front of a server that knows none."""

    server: Server
    certificate: Path
    key: Path

    def __call__(self, client: socket.socket) -> None:
        """Serve one client, which has to ask for TLS."""
        _, kind = struct.unpack("!ii", exactly(client, 8))
        if kind != ENCRYPTION_REQUESTS[0]:
            return
        client.sendall(b"S")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        with context.wrap_socket(client, server_side=True) as secret, connected(self.server) as plain:
            while True:
                ready = [secret] if secret.pending() else select.select([secret, plain], [], [])[0]
                for source in ready:
                    data = source.recv(65536)
                    if not data:
                        return
                    (plain if source is secret else secret).sendall(data)


HELD_SECONDS = 2.0


class Line:
    """A line to a server, that can be cut, held up, and cut on the client's side alone.

    Attributes:
        port: Where it begins, on 127.0.0.1; where `listening` says.
    """

    def __init__(self, server: Server) -> None:
        self._server, self.port = server, 0
        self._ends: set[tuple[socket.socket, socket.socket]] = set()
        self._flows = threading.Event()
        self._flows.set()

    def __call__(self, client: socket.socket) -> None:
        """Carry what one client and the server say to each other, until one of them is gone."""
        with socket.create_connection(("127.0.0.1", self._server.port)) as server:
            ends = (client, server)
            self._ends.add(ends)
            try:
                while True:
                    for source in select.select(ends, [], [])[0]:
                        data = source.recv(65536)
                        self._flows.wait()
                        if not data:
                            return
                        (server if source is client else client).sendall(data)
            finally:
                self._ends.discard(ends)

    def cut(self) -> None:
        """Cut every connection, on both sides at once."""
        for end in self._sockets():
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut_for_the_client(self) -> None:
        """Cut it for the client; the server hears of it later, so that the session stays for a while."""
        self._flows.clear()
        for client, _ in list(self._ends):
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        self._end_later()

    def hold_up(self) -> None:
        """Let nothing through for a while, then cut every connection."""
        self._flows.clear()
        threading.Timer(HELD_SECONDS, self.cut).start()
        self._end_later()

    def wait_until_it_flows(self) -> None:
        """Wait until it is a line as any other again."""
        self._flows.wait(2 * HELD_SECONDS)

    def _end_later(self) -> None:
        threading.Timer(HELD_SECONDS, self._flows.set).start()

    def _sockets(self) -> list[socket.socket]:
        return [end for ends in list(self._ends) for end in ends]
