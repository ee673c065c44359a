"""Let another program restart a server that has to stay our child.

A restart command that an operator would give (`systemctl restart postgresql`) would start a server that nobody
of ours can wait for. This one asks the server's owner to do it.

Usage: python -m migrator.sandbox.control SOCKET start|stop|restart
"""

import socket
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

_DONE = "done"
_LIMIT_SECONDS = 180


class ControlSocket:
    """Listens on a socket and carries out what it is asked for, one request after the other.

    Args:
        path: Where the socket is made; short enough for the kernel's 107 bytes.
        actions: What may be asked for. An exception of an action is the asker's answer.
    """

    def __init__(self, path: Path, actions: Mapping[str, Callable[[], None]]) -> None:
        self._actions = actions
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        path.chmod(0o700)
        self._socket.listen()
        self._thread = threading.Thread(target=self._serve, name="server-control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening; a request that is being carried out is waited for."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:  # closed
                return
            with connection:
                answer = self._answer(connection.recv(100).decode().strip())
                # An asker who was killed meanwhile is no concern of the server.
                try:
                    connection.sendall(answer.encode())
                except OSError:
                    continue

    def _answer(self, asked: str) -> str:
        action = self._actions.get(asked)
        if action is None:
            return f'"{asked}" is none of {", ".join(self._actions)}'
        try:
            action()
        except Exception as error:  # noqa: BLE001 (whatever it is, the asker has to hear it)
            return str(error)
        return _DONE


def ask(path: Path, action: str) -> str | None:
    """Ask the owner of a socket for an action, wait for it, and return what went wrong, if anything."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_LIMIT_SECONDS)
        connection.connect(str(path))
        connection.sendall(action.encode())
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(4096), b"")).decode()
    return None if answer == _DONE else answer or "the owner of the server is gone"


def main() -> int:
    """Ask as the command line says; 1 with the reason on stderr if it was not done."""
    path, action = sys.argv[1:]
    try:
        refused = ask(Path(path), action)
    except OSError as error:
        refused = f'nobody answers at "{path}": {error}'
    if refused is not None:
        sys.stderr.write(refused + "\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
