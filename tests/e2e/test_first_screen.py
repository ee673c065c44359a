"""What a person hears before the first step: also what would only stop the run much later."""

import subprocess
import sys
from pathlib import Path

from servers import MakeServer

from migrator.sandbox.immich import ImmichDatabase

MIGRATE = str(Path(sys.executable).with_name("migrate"))
WAITING = 3


def test_a_later_blocker_is_named_before_the_start(make_server: MakeServer, tmp_path: Path) -> None:
    """A dimension that nobody knows stops step 7; the first screen says so, with the remedy, and nothing is begun."""
    server = make_server(install={"vectors": "0.3.0"}, preload="vectors.so")
    ImmichDatabase(rows=10, source="real[]", dimension=768).build(server.conninfo())
    with server.connect("immich") as connection:
        connection.execute("DELETE FROM smart_search")
        connection.execute("CREATE EXTENSION IF NOT EXISTS vectors")
    journal = tmp_path / "journal.db"
    command = [MIGRATE, "--from", "pgvecto.rs", "--no-input", f"--journal={journal}"]

    said = subprocess.run(
        [*command, f"--database={server.conninfo('immich', 'immich')}"], text=True, capture_output=True, check=False
    )

    assert said.returncode == WAITING
    assert "Better to mend it before you start" in said.stderr
    assert "dimension of smart_search.embedding" in said.stderr
    assert "--dimension smart_search=N" in said.stderr
    assert not journal.exists()
