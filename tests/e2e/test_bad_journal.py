"""A journal that cannot be written, read or trusted: the run stops before the database is touched, and says why."""

import ctypes
import json
import os
import re
import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from driving import DONE, FAILED, REFUSED, USAGE, WAITING, Finished, Tool

from migrator.journal_schema import SCHEMA_VERSION
from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.immich_catalog import catalog_dump, content_hashes
from migrator.sandbox.server import Server
from migrator.sandbox.shelf import Shelf
from migrator.sandbox.tree import Tree

PASSWORD = "immich"  # noqa: S105 - of a throw-away server
_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE = 24, 1


@pytest.fixture(scope="module")
def server(open_folder: Path, tree: Tree, shelf: Shelf, numbers: Iterator[int]) -> Iterator[Server]:
    """Return a server on which a run waits for VectorChord, its journal begun, nothing changed."""
    folder = open_folder / f"journals-{next(numbers)}"
    with Server.create(folder, tree=tree, shelf=shelf, preload="vectors.so") as made:
        made.install("vectors", "0.3.0")
        made.start()
        ImmichDatabase(rows=10, owner_password=PASSWORD).build(made.conninfo())
        yield made


@pytest.fixture
def tool(server: Server, tmp_path: Path) -> Tool:
    """Return the command for that database, by TCP: its socket is closed to others."""
    url = f"postgresql://immich:{PASSWORD}@127.0.0.1:{server.port}/immich"
    return Tool(tmp_path, url, tmp_path / "state" / "immich.db")


@pytest.fixture(autouse=True)
def _nothing_is_changed(server: Server) -> Iterator[None]:
    with server.connect("immich") as connection:
        before = catalog_dump(connection), content_hashes(connection)
    yield
    with server.connect("immich") as connection:
        assert (catalog_dump(connection), content_hashes(connection)) == before


def assert_stopped(said: Finished, code: int, sentence: str) -> None:
    """The exit code, the sentence, a remedy in the last line, no trace."""
    assert said.returncode == code, said.stderr
    assert re.search(f"^(error|refused): {sentence}$", said.stderr, re.MULTILINE), said.stderr
    assert said.stderr.splitlines()[-1].startswith("  do  "), said.stderr
    assert "Traceback" not in said.stderr
    assert "bug" not in said.stderr
    assert said.stdout == ""


def without_rights_over_foreign_files() -> None:
    """Make a process of root obey the modes of files, as everybody else's does."""
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, 0, 0, 0)


def test_a_folder_that_may_not_be_written(tool: Tool) -> None:
    """Neither made below a closed folder, nor written into one; the place is named, and how to choose another."""
    closed = tool.home / "closed"
    closed.mkdir(mode=0o500)
    for journal in (closed / "immich.db", closed / "deeper" / "immich.db"):
        said = Tool(tool.home, tool.database, journal).migrate(before=without_rights_over_foreign_files)
        sentence = rf'the journal "{journal}" cannot be written \(Permission denied\); nothing was changed'
        assert_stopped(said, FAILED, sentence)
    assert list(closed.iterdir()) == []


def test_a_folder_that_was_closed_later(tool: Tool) -> None:
    """A journal that is there, in a folder that may no longer be written: not called damaged."""
    begun(tool)
    tool.journal.parent.chmod(0o500)
    said = tool.migrate(before=without_rights_over_foreign_files)
    tool.journal.parent.chmod(0o700)
    assert_stopped(said, FAILED, r'the journal ".*immich\.db" cannot be (opened|written) \(.+\).*nothing.* was changed')


def full_at(limit_bytes: int) -> Callable[[], None]:
    """Return what keeps a process from writing any file beyond a size, as a full disk would."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))


@pytest.mark.parametrize("limit_bytes", [0, 8_000])
def test_a_disk_without_room_for_it(tool: Tool, limit_bytes: int) -> None:
    """No journal, no run: 1, and what to do; with room again, the same command begins."""
    said = tool.migrate(before=full_at(limit_bytes))
    assert_stopped(said, FAILED, r'the journal ".*immich\.db" cannot be written \(.+\).*nothing.* was changed')
    begun(tool)


def begun(tool: Tool) -> None:
    """Make a journal that belongs to the database, by a run that waits before its first change."""
    said = tool.migrate()
    assert said.returncode == WAITING, said.stderr
    assert tool.journal.exists()


@pytest.mark.parametrize("size", ["as it was", "cut", "nothing"])
def test_a_damaged_journal(size: str, tool: Tool) -> None:
    """A dry run, the status and the doctor say what a run would do; the run does it, in one line, and goes on."""
    begun(tool)
    whole = tool.journal.read_bytes()
    damaged = {"as it was": bytes(300) + whole[300:], "cut": whole[:9000], "nothing": b""}[size]
    tool.journal.write_bytes(damaged)
    if size == "nothing":
        Path(f"{tool.journal}-wal").write_bytes(b"what was not yet in the file")
    would = f'the journal "{tool.journal}" is damaged: a run keeps it aside as immich.db.damaged-20'
    where = ("--database", tool.database, "--journal", str(tool.journal))
    for looks, code in (
        (tool.migrate("--dry-run"), DONE),
        (tool.call("status", *where), DONE),
        (tool.call("doctor", *where), WAITING),
    ):
        assert looks.returncode == code, looks.stderr
        assert would in " ".join(looks.stdout.replace("\n--", "").split()), looks.stdout
    record = json.loads(tool.call("status", "--json", *where).stdout)
    assert record["journal_damaged"].startswith(would)
    assert tool.journal.read_bytes() == damaged
    assert not list(tool.journal.parent.glob("*.damaged-*"))
    said = tool.migrate()
    assert said.returncode == WAITING, said.stderr
    (kept,) = [file for file in tool.journal.parent.glob("*.damaged-*") if file.name[-1] == "Z"]
    assert kept.read_bytes() == damaged if size != "nothing" else Path(f"{kept}-wal").exists()
    warning = f"warning: the journal was damaged and is kept as {kept}; going on from what the server shows"
    assert said.stderr.splitlines().count(warning) == 1
    again = tool.migrate()
    assert again.returncode == WAITING
    assert "damaged" not in again.stderr


def test_a_damaged_journal_for_a_script(tool: Tool) -> None:
    """The JSON lines tell of it too."""
    begun(tool)
    tool.journal.write_bytes(b"\0" * 5000)
    lines = [json.loads(line) for line in tool.migrate("--json").stdout.splitlines()]
    (told,) = [line for line in lines if line["type"] == "journal_kept_aside"]
    assert told["journal"] == str(tool.journal)
    assert Path(told["kept"]).read_bytes() == b"\0" * 5000


def test_a_damaged_journal_that_cannot_be_moved(tool: Tool) -> None:
    """In a folder that was closed it stays, nothing is begun, and the place is named."""
    begun(tool)
    tool.journal.write_bytes(b"\0" * 5000)
    tool.journal.parent.chmod(0o500)
    said = tool.migrate(before=without_rights_over_foreign_files)
    tool.journal.parent.chmod(0o700)
    assert_stopped(said, FAILED, r'the journal ".*immich\.db" cannot be written \(.+\).*nothing.* was changed')
    assert tool.journal.read_bytes() == b"\0" * 5000


def test_looking_needs_no_right_to_write(tool: Tool) -> None:
    """Status and dry run read a journal in a closed folder, as on a read-only disk, where no run is open."""
    begun(tool)
    tool.journal.parent.chmod(0o500)
    where = ("--database", tool.database, "--journal", str(tool.journal))
    looks = [
        tool.call("status", *where, before=without_rights_over_foreign_files),
        tool.migrate("--dry-run", before=without_rights_over_foreign_files),
    ]
    tool.journal.parent.chmod(0o700)
    assert [said.returncode for said in looks] == [DONE, DONE], looks[0].stderr + looks[1].stderr
    assert "install-vectorchord waiting" in looks[0].stdout


@pytest.mark.parametrize("what", ["a document", "another program's database", "a folder"])
def test_what_is_no_journal_is_never_touched(what: str, tool: Tool) -> None:
    """Refused by every command, every time; neither it nor its neighbourhood changes."""
    tool.journal.parent.mkdir(parents=True)
    if what == "a folder":
        tool.journal.mkdir()
    elif what == "a document":
        tool.journal.write_bytes(b"holiday plans\n" * 100)
    else:
        with closing(sqlite3.connect(tool.journal)) as connection:
            connection.execute("CREATE TABLE photos (id)")
    before = {file: file.read_bytes() for file in tool.journal.parent.rglob("*") if file.is_file()}
    where = ("--database", tool.database, "--journal", str(tool.journal))
    for said in (tool.migrate(), tool.migrate("--dry-run"), tool.call("status", *where), tool.migrate()):
        if what == "a folder":
            assert said.returncode == USAGE, said.stderr
            assert "is a directory" in said.stderr
        else:
            assert_stopped(said, REFUSED, r'".*immich\.db" is a file of something else, no journal of this tool; it .*')
    after = {file: file.read_bytes() for file in tool.journal.parent.rglob("*") if file.is_file()}
    assert {file: content for file, content in after.items() if file.suffix != ".log"} == before


def test_a_journal_of_a_newer_version(tool: Tool) -> None:
    """Both schemas are named; nothing is read from it, nothing is written to it."""
    begun(tool)
    with sqlite3.connect(tool.journal) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 7}")
    connection.close()
    for command in ([], ["--dry-run"]):
        said = tool.migrate(*command)
        assert_stopped(said, REFUSED, r'the journal ".*" was written by a newer version of this tool; nothing .*')
        assert re.search(rf"^  journal +schema {SCHEMA_VERSION + 7}$", said.stderr, re.MULTILINE)
        assert re.search(rf"^  this program +schema {SCHEMA_VERSION}$", said.stderr, re.MULTILINE)
    shown = tool.call("status", "--database", tool.database, "--journal", str(tool.journal))
    assert_stopped(shown, REFUSED, r'the journal ".*" was written by a newer version of this tool; nothing .*')


def test_a_journal_of_another_database(tool: Tool, server: Server) -> None:
    """Same server, another database: both identities are shown."""
    begun(tool)
    ImmichDatabase(name="second", rows=5, owner_password=PASSWORD).build(server.conninfo())
    other = Tool(tool.home, tool.database.removesuffix("immich") + "second", tool.journal)
    for command in ([], ["--dry-run"]):
        said = other.migrate(*command)
        assert_stopped(said, REFUSED, r'the journal ".*immich\.db" belongs to another database; nothing was changed')
        identities = re.findall(
            r"^  (journal|server) +system (\d+), database (\w+) \(oid \d+\)$", said.stderr, re.MULTILINE
        )
        assert [(name, database) for name, _, database in identities] == [("journal", "immich"), ("server", "second")]
        assert identities[0][1] == identities[1][1], "one cluster"
    shown = other.call("status", "--database", other.database, "--journal", str(other.journal))
    assert shown.returncode == DONE
    assert "this is another database than the journal's" in shown.stdout
