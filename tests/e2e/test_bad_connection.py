"""What is wrong with connection or command line: one sentence with its nouns, a remedy, and a code of its own."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from driving import BLOCKED, FAILED, USAGE, Finished, Tool

from migrator.sandbox.addresses import free_port
from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.immich_catalog import catalog_dump
from migrator.sandbox.server import Server
from migrator.sandbox.shelf import Shelf
from migrator.sandbox.tree import Tree

SECRET = "kanarienvogel-1"  # noqa: S105 - of a throw-away server


@pytest.fixture(scope="module")
def server(open_folder: Path, tree: Tree, shelf: Shelf, numbers: Iterator[int]) -> Iterator[Server]:
    """Return one server with databases that are Immich's on pgvecto.rs, on pgvector, and nobody's."""
    folder = open_folder / f"connections-{next(numbers)}"
    with Server.create(folder, tree=tree, shelf=shelf, preload="vectors.so") as made:
        made.install("vectors", "0.3.0")
        made.start()
        ImmichDatabase(rows=10, owner_password=SECRET).build(made.conninfo())
        ImmichDatabase(name="fromvector", rows=10, source="pgvector", owner_password=SECRET).build(made.conninfo())
        with made.connect() as connection:
            connection.execute("CREATE DATABASE empty")
        yield made


def tool_for(home: Path, database: str) -> Tool:
    """Return the command for a database, with a journal that must not appear."""
    return Tool(home, database, home / "immich.db")


def assert_refused(said: Finished, code: int, sentence: str, remedy: str) -> None:
    """The exit code, one sentence first, a remedy last, nothing on stdout, no trace, no secret."""
    lines = said.stderr.splitlines()
    assert said.returncode == code, said.stderr
    assert re.fullmatch(sentence, lines[0]), said.stderr
    assert re.fullmatch(f"  do +{remedy}", lines[-1]), said.stderr
    assert said.stdout == ""
    assert "Traceback" not in said.stderr
    assert SECRET not in said.stderr


@pytest.mark.parametrize("command", [[], ["--dry-run"]], ids=["run", "dry run"])
def test_no_server(tmp_path: Path, command: list[str]) -> None:
    """Nobody listens: address and port are named."""
    port = free_port()
    tool = tool_for(tmp_path, f"postgresql://immich:{SECRET}@127.0.0.1:{port}/immich")
    said = tool.migrate(*command)
    remedy = r"is it running, and is this the right address\? then run the same command again"
    sentence = rf"error: no connection to PostgreSQL at 127\.0\.0\.1, port {port}; nothing was changed"
    assert_refused(said, FAILED, sentence, remedy)
    assert not tool.journal.exists()


def test_wrong_password(server: Server, tmp_path: Path) -> None:
    """The role is named, the password is not, and Immich's own settings for both are."""
    wrong = f"{SECRET}2"
    tool = tool_for(tmp_path, f"postgresql://immich:{wrong}@127.0.0.1:{server.port}/immich")
    remedy = r"look at DB_USERNAME and DB_PASSWORD in Immich's \.env, or give --database URL"
    sentence = r'error: PostgreSQL at 127\.0\.0\.1, port \d+ refuses role "immich"; nothing was changed'
    assert_refused(tool.migrate(), FAILED, sentence, remedy)
    none_given = tool_for(tmp_path, f"postgresql://immich@127.0.0.1:{server.port}/immich").migrate()
    assert_refused(none_given, FAILED, sentence, remedy)


def test_wrong_database(server: Server, tmp_path: Path) -> None:
    """The database that is not there is named."""
    tool = tool_for(tmp_path, f"postgresql://immich:{SECRET}@127.0.0.1:{server.port}/imich")
    remedy = r"Immich's database is usually called immich; see DB_DATABASE_NAME in its \.env"
    sentence = r'error: there is no database "imich" at 127\.0\.0\.1, port \d+; nothing was changed'
    assert_refused(tool.migrate(), FAILED, sentence, remedy)


@pytest.mark.parametrize(
    ("database", "sentence", "remedy"),
    [
        (
            "empty",
            r'blocked: database "empty" has none of Immich\'s tables of embeddings .*; nothing was changed',
            r"name Immich's database: --database postgresql://USER@HOST:PORT/immich",
        ),
        (
            "fromvector",
            r'blocked: database "fromvector" uses pgvector \(hnsw indexes\), not pgvecto\.rs; nothing was changed',
            r".+",
        ),
    ],
)
def test_a_database_that_this_way_does_not_start_from(
    server: Server, tmp_path: Path, database: str, sentence: str, remedy: str
) -> None:
    """Not Immich's, or not on pgvecto.rs: seen from the catalogs, before anything is asked or written."""
    tool = tool_for(tmp_path, f"postgresql://immich:{SECRET}@127.0.0.1:{server.port}/{database}")
    with server.connect(database) as connection:
        before = catalog_dump(connection)
    for command in ([], ["--dry-run"]):
        assert_refused(tool.migrate(*command), BLOCKED, sentence, remedy)
    with server.connect(database) as connection:
        assert catalog_dump(connection) == before
    assert not tool.journal.exists()


@pytest.mark.parametrize("form", ["postgresql://immich:{}@[bad/immich", "host=db password={} nonsense"])
@pytest.mark.parametrize("given_as", ["--database", "DB_URL"])
def test_a_connection_string_that_is_none_is_not_repeated(tmp_path: Path, form: str, given_as: str) -> None:
    """It may carry a password, so only its origin is named, on the screen and in every file."""
    given = form.format(SECRET)
    environment = {"DB_URL": given} if given_as == "DB_URL" else {}
    tool = Tool(tmp_path, given, tmp_path / "immich.db", environment)
    arguments = ["--from", "pgvecto.rs", "--no-input", "--journal", str(tool.journal)]
    said = tool.call(*arguments, *([] if environment else ["--database", given]))
    sentence = f"error: {given_as} is not a connection string; nothing was changed"
    assert_refused(said, USAGE, sentence, r"write it as postgresql://USER:PASSWORD@HOST:PORT/DATABASE, .+")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in files if SECRET in path.read_text(errors="replace")]


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["--fram", "pgvecto.rs"], r"No such option.*--from"),
        (["--from", "pgvecto"], r"'pgvecto' is not .*'pgvecto\.rs'"),
        (["--from", "pgvecto.rs", "--dimension", "smart_search"], r"not of the form TABLE=N, such as smart_search=768"),
        (["--from", "pgvecto.rs", "--dimension", "smart_search=0"], r"not of the form TABLE=N"),
        (["--from", "pgvecto.rs", "--lock-timeout", "0"], r"--lock-timeout"),
        (["--dry-run"], r"--dry-run needs --from, such as: migrate --from pgvecto\.rs --dry-run"),
        (["stattus"], r"No such command 'stattus'"),
        (["status", "--nonsense"], r"No such option"),
    ],
)
def test_usage(tmp_path: Path, arguments: list[str], wanted: str) -> None:
    """2, the right spelling on stderr, nothing on stdout."""
    said = tool_for(tmp_path, "").call(*arguments)
    assert said.returncode == USAGE
    assert said.stdout == ""
    assert re.search(wanted, said.stderr, re.DOTALL), said.stderr
    assert "Traceback" not in said.stderr


def test_help_and_version(tmp_path: Path) -> None:
    """Both are answers: stdout, 0, within 80 columns; without a command the help comes too."""
    tool = tool_for(tmp_path, "")
    shown = tool.call("--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert max(len(line) for line in shown.stdout.splitlines()) <= 80
    assert all(word in shown.stdout for word in ("--from", "--dry-run", "--confirm", "status", "demo"))
    assert tool.call("-h").stdout == shown.stdout
    assert tool.call().stdout == shown.stdout
    assert re.fullmatch(r"migrate \d+\.\d+.*\n", tool.call("--version").stdout)
    assert tool.call("status", "--help").returncode == 0
