"""The manual path with Immich building the indexes: it is let in between restoring the columns and the indexes."""

import subprocess
import sys
from pathlib import Path

from servers import MakeServer

from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.immich_catalog import content_hashes
from migrator.sandbox.immich_startup import ImmichStartup

MIGRATE = str(Path(sys.executable).with_name("migrate"))
DONE, WAITING = 0, 3


def test_immich_is_let_in_to_build_the_indexes(make_server: MakeServer, tmp_path: Path) -> None:
    """The tool waits for Immich without holding its lock, also when it is started again, and ends with code 0."""
    server = make_server(install={"vectors": "0.3.0"}, preload="vectors.so")
    ImmichDatabase(rows=30).build(server.conninfo())
    conninfo = server.conninfo("immich", "immich")
    with server.connect("immich") as connection:
        before = content_hashes(connection)
    command = [MIGRATE, "--from", "pgvecto.rs", "--path", "manual", "--reindex-by", "immich", "--yes", "--no-input"]
    command += [f"--database={conninfo}", f"--journal={tmp_path / 'journal.db'}", "--confirm=immich"]

    def migrate() -> tuple[int, str]:
        said = subprocess.run(command, text=True, capture_output=True, check=False)
        return said.returncode, said.stderr

    code, said = migrate()
    assert (code, "preload-without-pgvectors waiting" in said) == (WAITING, True), said
    server.set_preload("")
    code, said = migrate()
    assert (code, "exchange-libraries waiting" in said) == (WAITING, True), said
    server.stop()
    server.remove("vectors")
    server.install("vchord", "0.3.0")
    server.set_preload("vchord.so")
    server.start()
    for _ in range(2):
        code, said = migrate()
        assert (code, "immich-reindexes waiting" in said) == (WAITING, True), said
    logged = ImmichStartup(conninfo=conninfo, release="1.133.0").run()
    assert "Reindexed clip_index" in logged
    code, said = migrate()
    assert code == DONE, said
    with server.connect("immich") as connection:
        assert content_hashes(connection) == before
