"""A superuser beside Immich's own role: the work is done as the one, and what the other will meet is told."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from driving import BLOCKED, DONE, FAILED, REFUSED, WAITING, Tool, run_to_the_end
from servers import MakeServer

from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.immich_catalog import catalog_dump, content_hashes
from migrator.sandbox.server import Server
from migrator.sandbox.shelf import Shelf
from migrator.sandbox.tree import Tree

SECRET = "kanarienvogel-1"  # noqa: S105 - of a throw-away server
OTHER = "kanarienvogel-2"


def build(server: Server, name: str = "immich", *, rows: int = 20) -> None:
    """Make an Immich whose role owns its database and is no superuser, and a superuser with a password."""
    ImmichDatabase(name=name, rows=rows, owner_password=SECRET, owner_is_superuser=False).build(server.conninfo())


@pytest.fixture(scope="module")
def server(open_folder: Path, tree: Tree, shelf: Shelf, numbers: Iterator[int]) -> Iterator[Server]:
    """Return a server on pgvecto.rs with two Immichs, whose databases no test changes."""
    with Server.create(open_folder / f"admins-{next(numbers)}", tree=tree, shelf=shelf, preload="vectors.so") as made:
        made.install("vectors", "0.3.0")
        made.start()
        build(made)
        build(made, "photos")
        with made.connect() as connection:
            connection.execute(f"CREATE ROLE admin SUPERUSER LOGIN PASSWORD '{OTHER}'")
            connection.execute("CREATE ROLE guest LOGIN")
        yield made


def of_immich(server: Server, name: str = "immich", role: str = "immich") -> str:
    """Return the URL that Immich itself connects with."""
    return f"postgresql://{role}:{SECRET}@127.0.0.1:{server.port}/{name}"


def of_admin(server: Server, name: str = "") -> str:
    """Return the URL of a superuser."""
    return f"postgresql://admin:{OTHER}@127.0.0.1:{server.port}/{name}"


def test_the_whole_job_beside_immichs_role(make_server: MakeServer, tmp_path: Path) -> None:
    """No DBA is waited for, nothing changes hands, no password is written, and the journal stays the same one."""
    server = make_server(install={"vectors": "0.3.0"}, preload="vectors.so")
    build(server)
    with server.connect() as connection:
        connection.execute(f"CREATE ROLE admin SUPERUSER LOGIN PASSWORD '{OTHER}'")
    with server.connect("immich") as connection:
        before = content_hashes(connection)
        owned = owners(server)
    tool = Tool(tmp_path, of_immich(server), tmp_path / "immich.db")
    restart = ["--restart-command", server.restart_command()]
    waited = run_to_the_end(tool, server, "--admin-database", of_admin(server), *restart)
    assert waited == ["install-vectorchord", "uninstall-pgvectors"]
    with server.connect("immich", "immich") as connection:
        assert content_hashes(connection) == before
        nearest = connection.execute('SELECT "assetId" FROM smart_search ORDER BY embedding <=> embedding LIMIT 1')
        assert nearest.fetchone() is not None
    assert owners(server) == owned
    written = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert tool.journal in written
    for secret in (SECRET, OTHER):
        assert not [path for path, content in written.items() if secret.encode() in content]
    assert tool.migrate().returncode == DONE


def owners(server: Server) -> list[tuple[object, ...]]:
    """Return the owners of Immich's tables and of their indexes."""
    query = (
        "SELECT relname, relkind::text, relowner::regrole::text FROM pg_class "
        "WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i') ORDER BY relname"
    )
    with server.connect("immich") as connection:
        return list(connection.execute(query).fetchall())


def test_two_databases_are_not_mixed_up(server: Server, tmp_path: Path) -> None:
    """Both are shown, with where they were found; nothing is written."""
    tool = Tool(tmp_path, of_immich(server), tmp_path / "immich.db")
    with server.connect("photos") as connection:
        before = catalog_dump(connection)
    admin = ["--admin-database", of_admin(server, "photos")]
    for command in ([], ["--dry-run"]):
        said = tool.migrate(*admin, *command)
        assert said.returncode == REFUSED, said.stderr
        first, of_the_admin, of_immichs_own, remedy = said.stderr.splitlines()
        sentence = "--admin-database leads to another database than Immich's own connection; nothing was changed"
        assert first == f"refused: {sentence}"
        assert "database photos (oid" in of_the_admin
        assert "database immich (oid" in of_immichs_own
        assert f"127.0.0.1, port {server.port}" in of_the_admin
        assert "the same database of the same server" in remedy
        assert SECRET not in said.stderr
    with server.connect("photos") as connection:
        assert catalog_dump(connection) == before
    assert not tool.journal.exists()


def test_immichs_own_connection_has_to_work(server: Server, tmp_path: Path) -> None:
    """Otherwise nobody could say that it is the same database."""
    tool = Tool(tmp_path, of_immich(server).replace(SECRET, "wrong"), tmp_path / "immich.db")
    said = tool.migrate("--admin-database", of_admin(server))
    assert said.returncode == FAILED
    assert 'refuses role "immich"' in said.stderr


def test_what_immichs_role_would_stumble_over_is_told(server: Server, tmp_path: Path) -> None:
    """A role that a setting turns into another one, looks elsewhere, and owns nothing: run, dry run and doctor say so.

    A role without such settings is not talked about.
    """
    admin = ["--admin-database", of_admin(server)]
    with server.connect() as connection:
        connection.execute("CREATE ROLE immich2 LOGIN IN ROLE immich, guest")
        connection.execute(f"ALTER ROLE immich2 PASSWORD '{SECRET}'")
        connection.execute("ALTER ROLE immich2 IN DATABASE immich SET search_path TO '$user', vectors")
        connection.execute("ALTER ROLE immich2 IN DATABASE immich SET role TO guest")
    told = [
        'a setting makes Immich\'s role "immich2" act as "guest"',
        'role "immich2" does not find face_search, smart_search: its search_path is "$user", vectors',
        'role "immich2" does not own face_search, smart_search, so Immich cannot rebuild their indexes',
    ]
    stumbling = Tool(tmp_path, of_immich(server, role="immich2"), tmp_path / "immich.db")
    run = stumbling.call(*stumbling.arguments("--no-input", *admin))
    dry_run = stumbling.migrate(*admin, "--dry-run")
    doctor = stumbling.call("doctor", "--json", "--database", stumbling.database, *admin)
    assert (run.returncode, dry_run.returncode) == (WAITING, DONE), run.stderr + dry_run.stderr
    assert doctor.returncode in (WAITING, BLOCKED)
    for sentence in told:
        assert sentence in " ".join(run.stderr.split()), run.stderr
        assert f"-- Note: {sentence}." in dry_run.stdout
        assert sentence.replace('"', '\\"') in doctor.stdout
    plain = Tool(tmp_path, of_immich(server), tmp_path / "immich.db").migrate(*admin, "--dry-run")
    assert plain.returncode == DONE, plain.stderr
    assert not [line for line in plain.stdout.splitlines() if line.startswith(("-- Note: role", "-- Note: a setting"))]


def test_the_journal_is_named_after_immichs_connection(server: Server, tmp_path: Path) -> None:
    """A run begun with a superuser at hand can be looked at, and continued, without."""
    tool = Tool(tmp_path, of_immich(server), tmp_path / "unused.db")
    run = ["--from", "pgvecto.rs", "--no-input", "--yes", "--database", tool.database]
    first = tool.call(*run, "--admin-database", f"host={server.socket_dir} port={server.port} user=postgres")
    assert first.returncode == WAITING, first.stderr
    state = tmp_path / ".local" / "state" / "migrator"
    assert sorted(path.name for path in state.glob("*.db")) == [f"immich@127.0.0.1-{server.port}.db"]
    assert "run      begun" in tool.call("status", "--database", tool.database).stdout


def test_a_superuser_alone(server: Server, tmp_path: Path) -> None:
    """Without Immich's settings there is nothing to compare with, and that is said."""
    tool = Tool(tmp_path, "", tmp_path / "immich.db")
    said = tool.call("status", "--json", "--admin-database", of_admin(server))
    assert said.returncode == DONE
    assert '"server_error": null' in said.stdout
    assert said.stderr.startswith("note: Immich's own connection is not given")
