"""Every route ends with the embeddings that were there, and with a database that Immich leaves alone."""

import re
from pathlib import Path

import pytest
from driving import DONE, Tool, run_to_the_end
from servers import MakeServer
from table import FULL, SAMPLE, STATES, Route

from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.immich_catalog import catalog_dump, content_hashes
from migrator.sandbox.immich_startup import ImmichStartup
from migrator.sandbox.server import Server


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the sample, or with --full every row of the table."""
    if "route" in metafunc.fixturenames:
        rows = FULL if metafunc.config.getoption("--full") else SAMPLE
        metafunc.parametrize("route", rows, ids=str)


def begin(make_server: MakeServer, route: Route) -> Server:
    """Return a server in the state that the route starts from."""
    pgvector = route.path == "pgvector"
    server = make_server(
        install={} if pgvector else {"vectors": route.old}, preload="" if pgvector else "vectors.so"
    )
    ImmichDatabase(
        rows=40,
        owner_is_superuser=route.role == "superuser",
        source="pgvector" if pgvector else "pgvecto.rs",
    ).build(server.conninfo())
    with server.connect("immich") as connection:
        for statement in STATES[route.state]:
            connection.execute(statement.encode())
    return server


def hashes(server: Server) -> object:
    """Return rows and content hash of both tables."""
    with server.connect("immich") as connection:
        return content_hashes(connection)


def test_a_route_leads_to_vectorchord(route: Route, make_server: MakeServer, tmp_path: Path) -> None:
    """Whatever was there, the same command, again and again, ends with equal hashes, and then has nothing to do."""
    server = begin(make_server, route)
    before = hashes(server)
    tool = Tool(tmp_path, server.conninfo("immich", "immich"), tmp_path / "journal.db")
    options = ["--from", "pgvector"] if route.path == "pgvector" else ["--path", route.path]
    options += ["--target-immich", route.immich, "--restart-command", server.restart_command()]

    run_to_the_end(tool, server, *options, vchord=route.vchord)

    assert hashes(server) == before
    logged = ImmichStartup(conninfo=server.conninfo("immich", "immich"), release=route.immich).run()
    assert not [line for line in logged if re.match("Reindex|Creating|Dropping|Updating|WARN", line)]
    with server.connect("immich") as connection:
        after = catalog_dump(connection)
    assert "migrator_worker_probe" not in after
    assert " vectors " not in "\n".join(line for line in after.splitlines() if line.startswith("extension"))
    again = tool.migrate("--confirm", "immich", *options)
    assert again.returncode == DONE, again.stderr
    with server.connect("immich") as connection:
        assert catalog_dump(connection) == after
