"""Fill the server at DB_URL with an Immich-shaped database on pgvecto.rs, then have it stopped.

Run by compose.test.yml, in a container of its own.
"""

import os
import time
from pathlib import Path

import psycopg

from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.immich_catalog import content_hashes

CONTROL = Path(os.environ.get("MIGRATOR_E2E_CONTROL", "/control"))
LIMIT_SECONDS = 120


def wait_for_server(url: str) -> None:
    """Wait until the server takes connections, and fail after two minutes."""
    give_up = time.monotonic() + LIMIT_SECONDS
    while True:
        try:
            psycopg.connect(url, connect_timeout=5).close()
        except psycopg.OperationalError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.5)
        else:
            return


def main() -> None:
    """Build the database, write down what is in it, and ask for the end of the server."""
    url = os.environ["DB_URL"]
    wait_for_server(url)
    rows = int(os.environ.get("MIGRATOR_E2E_ROWS", "2000"))
    conninfo = ImmichDatabase(rows=rows, owner_password="immich").build(url)  # noqa: S106 - of a throw-away server
    with psycopg.connect(conninfo, autocommit=True) as connection:
        hashes = content_hashes(connection)
    lines = [f"{table} {found.rows} {found.values}\n" for table, found in hashes.items()]
    (CONTROL / "hashes").write_text("".join(lines))
    (CONTROL / "filled").touch()
    (CONTROL / "stop").touch()


if __name__ == "__main__":
    main()
