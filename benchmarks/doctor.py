"""How long `migrate doctor` takes on a big database, in seconds and as a ratio to `migrate --version`.

Builds an Immich database on a throw-away server, with the embeddings as pgvecto.rs keeps them and short, since no row
is read whatever is in it; then alternates the two commands and compares medians.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.server import Server

MIGRATE = str(Path(sys.executable).with_name("migrate"))
AT_MOST_SECONDS = 1.5


def seconds_of(command: Sequence[str]) -> float:
    """Run a command and return how long it took."""
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def measure(server: Server, folder: Path, runs: int) -> dict[str, list[float]]:
    """Return the seconds of each run of each command."""
    where = ["--database", server.conninfo("immich", "immich"), "--journal", str(folder / "journal.db")]
    # without a model there is no dimension to compare the short embeddings with
    commands = {
        "migrate --version": [MIGRATE, "--version"],
        "migrate doctor": [MIGRATE, "doctor", *where, "--clip-model", "off"],
    }
    for command in commands.values():  # fills the caches of bytecode and of the disk
        seconds_of(command)
    measured: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            measured[name].append(seconds_of(command))
    return measured


def main() -> int:
    """Measure, print a table, and return 1 where the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=500_000, help="rows of smart_search (default: 500,000)")
    parser.add_argument("--faces", type=int, default=1_000, help="rows of face_search, of 512 dimensions")
    parser.add_argument("--runs", type=int, default=15, help="runs of each command (default: 15)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        with Server.create(folder / "server", preload="vchord.so, vectors.so") as server:
            server.install("vectors", "0.3.0")
            server.install("vchord", "0.3.0")
            server.start()
            ImmichDatabase(rows=given.rows, face_rows=given.faces, dimension=4).build(server.conninfo())
            measured = measure(server, folder, given.runs)
    yardstick = median(measured["migrate --version"])
    for command, seconds in measured.items():
        middle = median(seconds)
        print(f"{command:<20} {middle * 1000:6.0f} ms   {middle / yardstick:5.2f} x   slowest {max(seconds):.2f} s")
    print(f"medians of {given.runs} alternating runs, {given.rows:,} rows; at most {AT_MOST_SECONDS} s")
    return 1 if median(measured["migrate doctor"]) > AT_MOST_SECONDS else 0


if __name__ == "__main__":
    sys.exit(main())
