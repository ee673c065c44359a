"""Where a server listens: a port that stays free, and a socket whose path the kernel takes."""

import random
import socket
import tempfile
from pathlib import Path

_LONGEST_SOCKET_PATH = 107


def free_port() -> int:
    """Pick a port below the range from which the kernel serves clients, so that it stays free over a restart."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def socket_folder(folder: Path, port: int) -> Path:
    """Return a folder for the socket, elsewhere where the path would be longer than the kernel takes."""
    if len(str(folder / "socket" / f".s.PGSQL.{port}.lock")) <= _LONGEST_SOCKET_PATH:
        return folder / "socket"
    elsewhere = Path(tempfile.mkdtemp(prefix="migrator-"))
    elsewhere.chmod(0o755)
    return elsewhere
