r"""How fast `migrate backup` is, as a ratio to psql's own \copy of the same rows to the same compressor.

Builds an Immich database on a throw-away server, with embeddings of random numbers, which do not compress better than
real ones do; then alternates `migrate backup`, which counts and hashes the rows in the same snapshot, and reads what it
has written again, with psql, which does neither, and compares medians.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from migrator.backup.compression import MOST_THREADS, ZSTD_LEVEL
from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.server import Server

MIGRATE = str(Path(sys.executable).with_name("migrate"))
AT_LEAST = 0.6
KEYS = {"smart_search": "assetId", "face_search": "faceId"}
RANDOM = """
UPDATE public.{table} SET embedding =
    (SELECT array_agg((random() - 0.5)::real) FROM generate_series(1, 512) WHERE {table}."{key}" IS NOT NULL)::{type}
"""


def seconds_of(work: Callable[[], None]) -> float:
    """Return how long something took."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


class Pair:
    """The same rows written by this tool and by psql."""

    def __init__(self, server: Server, folder: Path) -> None:
        self._server, self._folder = server, folder
        self.bytes: dict[str, int] = {}

    def ours(self) -> None:
        """Make a copy with the command."""
        place = self._folder / "copy"
        where = ["--database", self._server.conninfo("immich", "immich")]
        subprocess.run([MIGRATE, "backup", str(place), *where], check=True, capture_output=True)
        self.bytes["migrate backup"] = sum(path.stat().st_size for path in place.iterdir())
        shutil.rmtree(place)

    def psql(self) -> None:
        """Write both tables with psql, through the program zstd with the same level and threads."""
        threads = min(os.cpu_count() or 1, MOST_THREADS)
        size = 0
        for table, key in KEYS.items():
            file = self._folder / f"{table}.zst"
            zstd = f"zstd -q -{ZSTD_LEVEL} -T{threads} -o {file}"
            query = f'SELECT "{key}", embedding::real[] FROM public.{table}'
            psql = str(self._server.tree.program("psql"))
            where = self._server.conninfo("immich", "immich")
            subprocess.run([psql, "-q", where, "-c", f"\\copy ({query}) to program '{zstd}'"], check=True)
            size += file.stat().st_size
            file.unlink()
        self.bytes["psql and zstd"] = size


def prepare(server: Server, source: str, rows: int) -> None:
    """Fill a database with random embeddings."""
    ImmichDatabase(rows=rows, source=source, with_indexes=False).build(server.conninfo())  # type: ignore[arg-type]
    kind = {"pgvecto.rs": "vectors.vector", "vchord": "public.vector", "real[]": "real[]"}[source]
    with server.connect("immich") as connection:
        for table, key in KEYS.items():
            connection.execute(RANDOM.format(table=table, key=key, type=kind).encode())
        connection.execute("VACUUM ANALYZE smart_search, face_search")


def main() -> int:
    """Measure, print a table, and return 1 where the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000, help="rows of each of the two tables (default: 50,000)")
    parser.add_argument("--runs", type=int, default=5, help="runs of each (default: 5)")
    parser.add_argument("--source", choices=["pgvecto.rs", "vchord", "real[]"], default="pgvecto.rs")
    given = parser.parse_args()
    if shutil.which("zstd") is None:
        print("the program zstd is not here")
        return 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        with Server.create(folder / "server", preload="vchord.so, vectors.so") as server:
            server.install("vectors", "0.3.0")
            server.install("vchord", "0.3.0")
            server.start()
            prepare(server, given.source, given.rows)
            pair = Pair(server, folder)
            measured: dict[str, list[float]] = {"psql and zstd": [], "migrate backup": []}
            pair.psql()  # fills the caches
            for _ in range(given.runs):
                measured["psql and zstd"].append(seconds_of(pair.psql))
                measured["migrate backup"].append(seconds_of(pair.ours))
    ratios = [theirs / ours for theirs, ours in zip(*measured.values(), strict=True)]
    for what, seconds in measured.items():
        print(f"{what:<16} {median(seconds):6.2f} s   slowest {max(seconds):6.2f} s   {pair.bytes[what]:,} bytes")
    print(
        f"throughput {median(ratios):.2f} of psql's (at least {AT_LEAST}), from {min(ratios):.2f} to {max(ratios):.2f}"
    )
    print(f"medians of {given.runs} alternating pairs, 2 x {given.rows:,} rows of 512, {given.source}")
    return 1 if median(ratios) < AT_LEAST else 0


if __name__ == "__main__":
    sys.exit(main())
