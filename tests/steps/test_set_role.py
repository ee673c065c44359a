"""A role that is a member of the owner, but does not inherit its rights, works as the owner."""

import subprocess
import sys
from pathlib import Path

from servers import MakeServer

from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.immich_catalog import content_hashes

MIGRATE = str(Path(sys.executable).with_name("migrate"))
WAITING = 3


def test_a_member_without_inherited_rights_converts_as_the_owner(make_server: MakeServer, tmp_path: Path) -> None:
    """Both tables end in VectorChord, still owned by their owner; only what needs the extension's owner waits."""
    server = make_server(install={"vectors": "0.3.0", "vchord": "0.3.0"}, preload="vchord.so, vectors.so")
    ImmichDatabase(rows=20, owner_is_superuser=False).build(server.conninfo())
    with server.connect("immich") as connection:
        connection.execute("CREATE ROLE operator LOGIN NOINHERIT IN ROLE immich")
        connection.execute("CREATE EXTENSION vchord SCHEMA public CASCADE")
        before = content_hashes(connection)
    command = [MIGRATE, "--from", "pgvecto.rs", "--yes", "--no-input", f"--journal={tmp_path / 'journal.db'}"]
    command.append(f"--database={server.conninfo('immich', 'operator')}")

    said = subprocess.run(command, text=True, capture_output=True, check=False)

    assert said.returncode == WAITING, said.stderr
    assert "DROP EXTENSION vectors" in said.stderr
    with server.connect("immich") as connection:
        assert content_hashes(connection) == before
        indexes = connection.execute(
            "SELECT c.relname, am.amname, pg_get_userbyid(c.relowner) FROM pg_class c JOIN pg_am am ON am.oid = c.relam"
            " WHERE c.relname IN ('clip_index', 'face_index') ORDER BY 1"
        ).fetchall()
    assert indexes == [("clip_index", "vchordrq", "immich"), ("face_index", "vchordrq", "immich")]
