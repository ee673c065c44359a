"""Law 9: no secret in the journal, a log, a plan, an error, or where other processes can read it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from journey import DONE, FAILED, VCHORD, WAITING, Ended
from servers import MakeServer

from migrator.journal import Journal
from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.server import Server

CANARY = "canary-7f3a:91/@x"
WRITTEN = ("canary-7f3a", "canary%2D7f3a")
OTHER_CANARY = "sk-canary-of-pgvectors"


@pytest.fixture
def server(make_server: MakeServer) -> Server:
    """Return a server whose role has a password, and whose configuration holds a key of another service."""
    settings = {"vectors.openai_api_key": OTHER_CANARY}
    made = make_server(install={"vectors": "0.3.0"}, preload="vectors.so", settings=settings)
    ImmichDatabase(rows=20, owner_password=CANARY).build(made.conninfo())
    return made


def start(server: Server, home: Path, *arguments: str, url: str | None = None) -> Ended:
    """Start the tool with everything that it writes below one folder, the password in the environment."""
    found = url or f"postgresql://immich:{CANARY.replace(':', '%3A').replace('/', '%2F').replace('@', '%40')}"
    url = url or f"{found}@127.0.0.1:{server.port}/immich"
    environment = {**os.environ, "HOME": str(home), "DB_URL": url, "XDG_STATE_HOME": str(home / "state")}
    command = [str(Path(sys.executable).with_name("migrate")), "--from", "pgvecto.rs", "--no-input", *arguments]
    done = subprocess.run(
        command, text=True, capture_output=True, check=False, env=environment, stdin=subprocess.DEVNULL, timeout=300
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def told(home: Path, *texts: str) -> list[str]:
    """Return where a secret can be read: in files below a folder, by name, or in texts, by number."""
    secrets = [CANARY, *WRITTEN, OTHER_CANARY]
    files = [path for path in home.rglob("*") if path.is_file()]
    found = [path.name for path in files if any(secret.encode() in path.read_bytes() for secret in secrets)]
    return found + [f"text {n}" for n, text in enumerate(texts) if any(secret in text for secret in secrets)]


def test_a_whole_run_tells_nothing(server: Server, server_folder: Path) -> None:
    """Screens, JSON, journal, log and plan of a run to the end, restart command included."""
    home = server_folder / "home"
    home.mkdir()
    restart = f"--restart-command=ps axeww > {home}/processes; {server.restart_command()}"
    answers = ("--yes", "--confirm=immich", restart)
    said = [start(server, home, "--dry-run"), start(server, home, "--dry-run", "--json"), start(server, home, *answers)]
    server.install("vchord", VCHORD)
    said.append(start(server, home, *answers, "--json"))
    server.remove("vectors")
    said.append(start(server, home, *answers))
    assert [ended.code for ended in said] == [DONE, DONE, WAITING, WAITING, DONE], [ended.said for ended in said]
    # what a process was started with is in its environment, where only its owner and root can look
    (home / "processes").unlink()
    assert told(home, *(ended.said for ended in said)) == []


def test_nobody_reads_it_from_the_list_of_processes(server: Server, server_folder: Path) -> None:
    """Neither the tool nor what it starts carries the password in its command line."""
    server.install("vchord", VCHORD)
    home = server_folder / "home"
    home.mkdir()
    listing = home / "processes"
    ended = start(server, home, "--yes", f"--restart-command=ps axww > {listing}; {server.restart_command()}")
    assert ended.code == WAITING, ended.said
    assert "migrate" in listing.read_text()
    assert told(home, ended.said) == []


@pytest.mark.parametrize("options", [(), ("--json",), ("--dry-run",)])
@pytest.mark.parametrize("trouble", ["wrong password", "wrong port", "no such database", "no URL at all"])
def test_errors_tell_nothing(trouble: str, options: tuple[str, ...], server: Server, server_folder: Path) -> None:
    """An error about the connection names everything but the password."""
    wrong = {
        "wrong password": f"postgresql://immich:canary-7f3a@127.0.0.1:{server.port}/immich",
        "wrong port": "postgresql://immich:canary-7f3a@127.0.0.1:1/immich",
        "no such database": f"postgresql://immich:canary-7f3a@127.0.0.1:{server.port}/nowhere",
        "no URL at all": "postgresql://immich:canary-7f3a@[127.0.0.1/immich",
    }
    home = server_folder / "home"
    home.mkdir()
    ended = start(server, home, "--yes", *options, url=wrong[trouble])
    assert ended.code in (FAILED, 2), ended.said
    assert told(home, ended.said) == []


def test_a_bug_tells_nothing(server: Server, server_folder: Path) -> None:
    """The trace of a bug that happens with the password in reach is in the log, without it."""
    home = server_folder / "home"
    home.mkdir()
    script = home / "with_a_bug.py"
    script.write_text(
        "import sys, migrator.session\n"
        "def broken(self):\n    raise RuntimeError('a bug')\n"
        "migrator.session.Session.catalog = broken\n"
        "from migrator.cli import main\n"
        "main()\n"
    )
    with server.connect() as connection:
        connection.execute("ALTER ROLE immich PASSWORD 'canary-7f3a'")
    url = f"postgresql://immich:canary-7f3a@127.0.0.1:{server.port}/immich"
    done = subprocess.run(
        [sys.executable, script, "--from", "pgvecto.rs", "--yes", "--no-input"],
        env={**os.environ, "DB_URL": url, "XDG_STATE_HOME": str(home / "state")},
        text=True, capture_output=True, check=False, stdin=subprocess.DEVNULL, timeout=60,
    )  # fmt: skip
    assert done.returncode == FAILED
    assert "a bug in this tool" in done.stderr
    assert told(home, done.stdout, done.stderr) == []


def test_the_search_finds_what_it_looks_for(tmp_path: Path) -> None:
    """A journal that had been given the URL would be found."""
    journal = Journal.create_or_open(tmp_path / "j.db")
    journal.begin_invocation({"database": f"postgresql://immich:{CANARY}@localhost/immich"})
    assert "j.db-wal" in told(tmp_path, "harmless", f"password {WRITTEN[0]}")
    assert told(tmp_path, "harmless", f"password {WRITTEN[0]}")[-1] == "text 1"
    journal.close()
