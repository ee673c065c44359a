"""The automatic path against a server in another container, as compose.test.yml sets it up."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from migrator.sandbox.immich_catalog import content_hashes
from migrator.sandbox.immich_startup import ImmichStartup

HERE = Path(__file__).parent
DONE, WAITING = 0, 3

pytestmark = pytest.mark.skipif(
    "MIGRATOR_E2E_CONTROL" not in os.environ, reason="needs the containers of compose.test.yml"
)


def migrate(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the tool in a process of its own, without a terminal."""
    command = [str(Path(sys.executable).with_name("migrate")), "--from", "pgvecto.rs", "--no-input", *arguments]
    return subprocess.run(command, text=True, capture_output=True, check=False, timeout=1200)


def uninstall_vectors(control: Path) -> None:
    """Have pgvecto.rs's files taken away, as an operator does in the last step."""
    request = control / "uninstall-vectors"
    request.touch()
    give_up = time.monotonic() + 60
    while request.exists():
        assert time.monotonic() < give_up, "the server's container does not answer"
        time.sleep(0.2)


def test_the_automatic_path_keeps_every_embedding(tmp_path: Path) -> None:
    """Two runs, the uninstallation between them, end with the values that were there before."""
    url, control = os.environ["DB_URL"], Path(os.environ["MIGRATOR_E2E_CONTROL"])
    options = [
        f"--database={url}",
        f"--journal={tmp_path / 'immich.db'}",
        f"--restart-command=bash {HERE / 'restart.sh'}",
        "--yes",
        "--confirm=immich",
    ]

    first = migrate(*options)
    assert first.returncode == WAITING, first.stderr
    uninstall_vectors(control)
    second = migrate(*options)
    assert second.returncode == DONE, second.stderr

    with psycopg.connect(url, autocommit=True) as connection:
        found = {table: f"{table} {it.rows} {it.values}" for table, it in content_hashes(connection).items()}
        left = connection.execute("SELECT extname FROM pg_extension WHERE extname = 'vectors'").fetchall()
    assert list(found.values()) == (control / "hashes").read_text().splitlines()
    assert not left


def test_immich_finds_everything_as_it_wants_it() -> None:
    """An Immich that starts afterwards rebuilds nothing and drops nothing."""
    lines = ImmichStartup(conninfo=os.environ["DB_URL"], release="1.133.0").run()
    assert not [line for line in lines if line.startswith(("Reindex", "Creating", "Dropping", "WARN"))]
