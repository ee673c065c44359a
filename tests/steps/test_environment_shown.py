"""What a real server shows of its place and of its preload list, to a superuser and to a plain role."""

from __future__ import annotations

import pytest
from driving import WAITING, Tool
from servers import MakeServer

from migrator.catalog import Catalog
from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.server import Server
from migrator.sandbox.tree import Tree
from migrator.session import Session
from steps.advice.environment import Environment, guess
from steps.content.observations import INTEREST
from steps.preload_both_libraries import PreloadBothLibraries
from steps.shared import preload
from steps.shared.options import Options

KEY = "AKIA-NOT-FOR-EYES"


def look(server: Server, user: str = "postgres") -> Catalog:
    """Return a snapshot of Immich's database."""
    session = Session(server.conninfo("immich", user), INTEREST, read_only=True)
    session.open()
    try:
        return session.catalog()
    finally:
        session.close()


def with_immich(server: Server) -> Server:
    """Put Immich's database onto a server, owned by a role that is no superuser."""
    ImmichDatabase(rows=5, owner_is_superuser=False).build(server.conninfo())
    return server


@pytest.mark.parametrize("user", ["postgres", "immich"])
def test_the_name_of_a_debian_cluster_is_visible_to_everyone(make_server: MakeServer, user: str) -> None:
    """Debian's tools give each cluster a name of version and name, and no privilege is needed to see it."""
    server = make_server(install={"vectors": "0.3.0"}, preload="vectors.so", settings={"cluster_name": "16/main"})
    assert guess(look(with_immich(server), user)).environments == (Environment.DEBIAN,)


@pytest.mark.parametrize("user", ["postgres", "immich"])
def test_the_operator_is_recognised_and_the_rest_of_its_command_forgotten(make_server: MakeServer, user: str) -> None:
    """The archive command begins with the operator's program; what follows may be a secret and is not read."""
    # where nothing is archived PostgreSQL shows no command
    command = {"archive_mode": "on", "archive_command": f"/controller/manager wal-archive --key {KEY}"}
    server = make_server(install={"vectors": "0.3.0"}, preload="vectors.so", settings=command)
    catalog = look(with_immich(server), user)
    assert guess(catalog).environments == (Environment.CLOUDNATIVEPG,)
    assert KEY not in repr(catalog)
    assert not preload.may_alter_system(catalog, ("vchord.so",))


def test_the_environment_given_decides_what_is_told(
    make_server: MakeServer, tree: Tree, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Through the command: only that place's instructions are shown."""
    server, folder = (
        with_immich(make_server(install={"vectors": "0.3.0"}, preload="vectors.so")),
        tmp_path_factory.mktemp("e"),
    )
    tool = Tool(folder, server.conninfo("immich", "immich"), folder / "immich.db")
    said = tool.migrate("--environment", "docker")
    assert said.returncode == WAITING
    assert f"ghcr.io/immich-app/postgres:{tree.major}-vectorchord0.3.0-pgvectors0.3.0" in said.stderr
    assert "apt install" not in said.stderr
    assert "running otherwise?" not in said.stderr


def test_an_edited_file_is_told_from_a_reloaded_one(make_server: MakeServer) -> None:
    """The server itself says whether it has read the file since: both wait for the restart."""
    server = with_immich(make_server(install={"vectors": "0.3.0"}, preload="vectors.so"))
    assert preload.not_yet_in_force(look(server)) == ""
    server.install("vchord", "0.3.0")
    server.set_preload("vchord.so, vectors.so")
    assert "edited and not reloaded" in preload.not_yet_in_force(look(server))
    with server.connect() as connection:
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("SELECT pg_sleep(0.3)")
    assert "reloaded since, and waits for the restart" in preload.not_yet_in_force(look(server))
    assert preload.not_yet_in_force(look(server, "immich")) == "", "a plain role sees neither, and is told nothing"
    server.restart()
    assert preload.not_yet_in_force(look(server)) == ""


@pytest.mark.parametrize("written", ["'vchord.so, vectors.so'", "'', 'vectors.so'", '"vectors.so"'])
def test_what_somebody_wrote_with_alter_system_does_not_keep_the_server_from_starting(
    make_server: MakeServer, written: str
) -> None:
    """A whole list as one string, an empty name, pgvecto.rs's own advice: after the step a restart loads both."""
    server = with_immich(make_server(install={"vectors": "0.3.0", "vchord": "0.3.0"}, preload="vectors.so"))
    with server.connect() as connection:
        connection.execute(f"ALTER SYSTEM SET shared_preload_libraries = {written}".encode())
    catalog, step = look(server), PreloadBothLibraries(Options())
    assert not step.is_done(catalog, {})
    assert step.check(catalog, {}) == ()
    with server.connect() as connection:
        for statement in step.plan(catalog, {}):
            connection.execute(statement.sql)
    server.restart()
    after = look(server)
    assert set(preload.in_force(after)) == {"vchord.so", "vectors.so"}
    assert step.is_done(after, {})
