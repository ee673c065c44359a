"""Law 9, on every way that a secret can come in, for every command: searched byte by byte wherever it could be read."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from journey import BLOCKED, DONE, VCHORD, WAITING, Ended
from servers import MakeServer

from migrator.journal import Journal
from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.server import Server

PASSWORD = "canary-pw-5c1e/:@é"  # noqa: S105 - of a throw-away server
TOKEN = "canary-token-88d2"  # noqa: S105 - what a restart command may carry
KEYS = ("canary-key-of-a-role", "canary-key-of-a-database", "canary-key-of-a-file")
SECRETS = (PASSWORD, "canary-pw-5c1e", quote(PASSWORD, safe=""), TOKEN, *KEYS)
ADMIN = "boss"


@pytest.fixture
def server(make_server: MakeServer) -> Server:
    """Return a server on which everything that can hold a secret holds one."""
    made = make_server(install={"vectors": "0.3.0"}, preload="vectors.so", settings={"vectors.openai_api_key": KEYS[2]})
    ImmichDatabase(rows=20, owner_password=PASSWORD).build(made.conninfo())
    with made.connect("immich") as connection:
        connection.execute(f"ALTER ROLE immich SET vectors.openai_api_key = '{KEYS[0]}'")
        connection.execute(f"ALTER DATABASE immich SET vectors.openai_api_key = '{KEYS[1]}'")
        connection.execute(f"CREATE ROLE {ADMIN} SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
    return made


@dataclass(frozen=True, slots=True)
class Way:
    """How the tool learns the password.

    Attributes:
        arguments: More of the command line.
        environment: More of the environment.
        inherited: Whether the person has put it into the environment, which everything that is started inherits.
    """

    arguments: Sequence[str] = ()
    environment: Mapping[str, str] | None = None
    inherited: bool = False


def url(server: Server, user: str = "immich", password: str = PASSWORD) -> str:
    """Return an address with a password."""
    return f"postgresql://{user}:{quote(password, safe='')}@127.0.0.1:{server.port}/immich"


def ways(server: Server, folder: Path, password: str) -> dict[str, Way]:
    """Return every way, all leading to the same database."""
    parts = {
        "DB_HOSTNAME": "127.0.0.1",
        "DB_PORT": str(server.port),
        "DB_USERNAME": "immich",
        "DB_DATABASE_NAME": "immich",
    }
    env_file, secret_file, passfile = folder / "immich.env", folder / "password", folder / "pgpass"
    env_file.write_text("".join(f"{n}='{v}'\n" for n, v in {**parts, "DB_PASSWORD": password}.items()))
    secret_file.write_text(password)
    escaped = password.replace("\\", "\\\\").replace(":", "\\:")
    passfile.write_text(f"*:*:*:*:{escaped}\n")
    passfile.chmod(0o600)
    bare = f"postgresql://immich@127.0.0.1:{server.port}/immich"
    return {
        "--database": Way(["--database", url(server, password=password)]),
        "DB_URL": Way(environment={"DB_URL": url(server, password=password)}, inherited=True),
        "DB_PASSWORD": Way(environment={**parts, "DB_PASSWORD": password}, inherited=True),
        "DB_PASSWORD_FILE": Way(environment={**parts, "DB_PASSWORD_FILE": str(secret_file)}),
        "--env-file": Way(["--env-file", str(env_file)]),
        "PGPASSWORD": Way(["--database", bare], {"PGPASSWORD": password}, inherited=True),
        "PGPASSFILE": Way(["--database", bare], {"PGPASSFILE": str(passfile)}),
        "--admin-database": Way(["--env-file", str(env_file), "--admin-database", url(server, ADMIN, password)]),
    }


TO_THE_END = ("--database", "--env-file", "--admin-database")
"""Ways on which a whole migration is walked; on the others its beginning, which reads the password there too."""
WAYS = ("--database", "DB_URL", "DB_PASSWORD", "DB_PASSWORD_FILE", "--env-file", "PGPASSWORD", "PGPASSFILE")


@dataclass(frozen=True, slots=True)
class Command:
    """The tool, with everything that it writes below one folder."""

    home: Path
    way: Way

    def __call__(self, *arguments: str) -> Ended:
        """Run it without a terminal."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DB_", "PG"))}
        environment = {**kept, "HOME": str(self.home), "XDG_STATE_HOME": str(self.home / "state")}
        done = subprocess.run(
            [str(Path(sys.executable).with_name("migrate")), *arguments, *self.way.arguments],
            env={**environment, **(self.way.environment or {})},
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=300,
        )  # fmt: skip
        return Ended(done.returncode, done.stdout, done.stderr)


def told(*places: Path | str | bytes) -> list[str]:
    """Return where a secret can be read: names of files, journals with all that lies beside them, or texts."""
    contents: list[tuple[str, bytes]] = []
    for number, place in enumerate(places):
        if isinstance(place, Path):
            contents += [(file.name, file.read_bytes()) for file in place.rglob("*") if file.is_file()]
        else:
            contents.append((f"text {number}", place if isinstance(place, bytes) else place.encode()))
    return [name for name, content in contents if any(secret.encode() in content for secret in SECRETS)]


def everything(command: Command, server: Server, shown: Path, *, to_the_end: bool) -> Iterator[Ended]:
    """Run every command, in every form of its answer, from the beginning of a migration to its end."""
    looks = "tr '\\0' '\\n' < /proc/$$/cmdline > {0}/argv; tr '\\0' '\\n' < /proc/$$/environ > {0}/environ"
    restart = f": {TOKEN}; {looks.format(shown)}; {server.restart_command()}"
    run = ["--from", "pgvecto.rs", "--yes", "--no-input", "--confirm=immich", "--restart-command", restart]
    yield from looking(command)
    yield command("backup", str(command.home / "copy"))
    yield command("backup", "--check", str(command.home / "copy"))
    yield command("restore", str(command.home / "copy"), "--yes", "--no-input")
    yield command(*run, "--dba-script", str(command.home / "dba.sql"))
    server.install("vchord", VCHORD)
    yield command(*run, "--json")
    if not to_the_end:
        return
    server.remove("vectors")
    yield command(*run)
    yield from looking(command)
    yield command("update", "--yes", "--no-input", "--restart-command", restart)


def looking(command: Command) -> Iterator[Ended]:
    """Run what changes nothing."""
    for more in ([], ["--json"]):
        yield command("--from", "pgvecto.rs", "--dry-run", *more)
        yield command("doctor", *more)
        yield command("status", *more)
        yield command("update", "--dry-run", *more)
        yield command("undo", "--dry-run", *more)


@pytest.mark.parametrize("name", [*WAYS, "--admin-database"])
def test_no_way_leads_out(name: str, server: Server, server_folder: Path) -> None:
    """Whatever way the password came, no screen, file, journal, plan, script or child has it, nor another key."""
    home, given, shown = (server_folder / part for part in ("home", "given", "shown"))
    for folder in (home, given, shown):
        folder.mkdir()
    way = ways(server, given, PASSWORD)[name]
    said = list(everything(Command(home, way), server, shown, to_the_end=name in TO_THE_END))
    expected = (DONE, WAITING, BLOCKED)  # before VectorChord is there, an update has nothing to do
    assert [ended.said for ended in said if ended.code not in expected] == []
    assert sum("embeddings are in VectorChord, none changed." in e.out for e in said) == (name in TO_THE_END)
    assert {file.name for file in home.rglob("*.db")}, "no journal was looked at"
    assert (home / "copy").is_dir()
    assert told(home, *(ended.said for ended in said)) == []
    assert (shown / "argv").read_text().splitlines()[0].endswith("sh")
    assert told((shown / "argv").read_bytes()) == []
    assert (told((shown / "environ").read_bytes()) != []) == way.inherited


@pytest.mark.parametrize("name", [*WAYS, "--admin-database"])
def test_no_error_leads_out(name: str, server: Server, server_folder: Path) -> None:
    """A password that the server does not take is in no error, of any command, in any form."""
    home, given = server_folder / "home", server_folder / "given"
    home.mkdir()
    given.mkdir()
    with server.connect() as connection:
        for role in ("immich", ADMIN):
            connection.execute(f"ALTER ROLE {role} PASSWORD 'another'")
    command = Command(home, ways(server, given, PASSWORD)[name])
    said = [*looking(command), command("--from", "pgvecto.rs", "--yes"), command("backup", str(home / "copy"))]
    assert len({ended.code for ended in said} - {DONE}) >= 1
    assert sum("password" in ended.said for ended in said) >= 4
    assert told(home, *(ended.said for ended in said)) == []


def test_the_search_would_find_them(server: Server, server_folder: Path, tmp_path: Path) -> None:
    """In the file of a journal and in its -wal, in a text, percent-encoded; and the server does hold the keys."""
    with closing(Journal.create_or_open(tmp_path / "j.db")) as journal:
        journal.begin_invocation({"database": url(server)})
        assert told(tmp_path) == ["j.db-wal"]
    assert told(tmp_path) == ["j.db"]
    assert told("nothing", PASSWORD, quote(PASSWORD, safe="")) == ["text 1", "text 2"]
    with server.connect("immich") as connection:
        rows = connection.execute("SELECT setconfig::text FROM pg_db_role_setting").fetchall()
    assert sum(told(row[0]) == ["text 0"] for row in rows) == 2
    given = server_folder / "given"
    given.mkdir()
    assert set(ways(server, given, PASSWORD)) == {*WAYS, "--admin-database"}
