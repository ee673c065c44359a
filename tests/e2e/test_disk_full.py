"""The disk of the journal is full in the middle of a run: it stops, loses nothing, and goes on when there is room."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from driving import DONE, FAILED, Tool, run_to_the_end
from servers import MakeServer

from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.immich_catalog import content_hashes


@pytest.mark.parametrize("limit_bytes", [60_000, 150_000, 250_000])
def test_the_journal_cannot_grow_any_more(make_server: MakeServer, tmp_path: Path, limit_bytes: int) -> None:
    """Wherever it stops, the statement that could not be noted is not committed, and the same command finishes."""
    server = make_server(install={"vectors": "0.3.0", "vchord": "0.3.0"}, preload="vchord.so, vectors.so")
    ImmichDatabase(rows=20).build(server.conninfo())
    tool = Tool(tmp_path, server.conninfo("immich", "immich"), tmp_path / "immich.db")
    with server.connect("immich") as connection:
        before = content_hashes(connection)

    said = tool.migrate(before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes)))
    assert said.returncode == FAILED, said.stderr
    assert f'error: the journal "{tool.journal}" cannot be written (' in said.stderr
    assert "make room or give it another place (--journal FILE)" in said.stderr.splitlines()[-1]
    assert "Traceback" not in said.stderr
    with server.connect("immich") as connection:
        assert content_hashes(connection) == before
        left = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'migrate'").fetchone()
    assert left == (0,)

    run_to_the_end(tool, server, "--restart-command", server.restart_command())
    assert tool.migrate().returncode == DONE
    with server.connect("immich") as connection:
        assert content_hashes(connection) == before


@pytest.mark.parametrize("limit_bytes", [1, 3_000])
def test_the_log_cannot_grow_any_more(limit_bytes: int, tmp_path: Path) -> None:
    """A line that finds no room is left out: neither an error nor a traceback comes of it."""
    program = (
        "import resource, sys, structlog; from pathlib import Path; from migrator.cli.logging import log_to; "
        f"log_to(Path({str(tmp_path / 'j.log')!r})); "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit_bytes}, {limit_bytes})); "
        "[structlog.get_logger().info('event', number=n, text='x' * 100) for n in range(100)]"
    )
    done = subprocess.run([sys.executable, "-c", program], text=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "j.log").stat().st_size <= limit_bytes
