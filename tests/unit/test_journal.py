"""The journal remembers, refuses what it cannot know, and can be read while it is written."""

import os
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from migrator import journal_damage
from migrator.errors import AlreadyRunning, ExitCode, JournalTooNew, JournalUnreadable, NotAJournal, OtherDatabase
from migrator.identity import Identity
from migrator.journal import Journal, journal_path
from migrator.journal_schema import SCHEMA_VERSION
from migrator.step import Fact

HERE = Identity("7711282167707910048", 16385, "immich")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a journal may be made, in a folder that is not there yet."""
    return tmp_path / "state" / "immich.db"


def begun(path: Path) -> Journal:
    """Return a journal with a run and an invocation in it."""
    journal = Journal.create_or_open(path)
    journal.begin(HERE, "pgvecto.rs", "automatic", {"yes": True})
    journal.begin_invocation({"yes": True})
    return journal


def test_what_was_written_is_there_after_a_restart(path: Path) -> None:
    """Run, facts and events survive closing and opening; events keep their order."""
    first = begun(path)
    first.record("convert", Fact("dimension", 768))
    first.event("convert", "started")
    first.event("convert", "finished", statement="rewrite", seconds=1.5, detail={"rows": 3})
    first.close()
    again = Journal.create_or_open(path)
    assert again.run is not None
    assert again.run.identity == HERE
    assert again.facts() == {"dimension": 768}
    assert [(e.step, e.statement, e.event, e.detail) for e in again.events()] == [
        ("convert", None, "started", None),
        ("convert", "rewrite", "finished", {"rows": 3}),
    ]
    assert again.last_of_steps()["convert"].event == "started", "an event of a statement is none of its step"
    again.close()


def test_only_its_owner_may_read_it(path: Path) -> None:
    """File and folder are closed to others."""
    begun(path).close()
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


def test_the_newest_value_of_a_fact_counts_and_the_old_ones_stay(path: Path) -> None:
    """Facts are appended; one that did not change is not written twice."""
    journal = begun(path)
    for value in (1, 1, 2, 1):
        journal.record("step", Fact("name", value))
    assert journal.facts() == {"name": 1}
    with sqlite3.connect(path) as connection:
        written = [value for (value,) in connection.execute("SELECT value FROM facts ORDER BY id")]
    connection.close()
    assert written == ["1", "2", "1"]
    journal.close()


def test_a_run_keeps_what_it_began_with(path: Path) -> None:
    """A second start with other options changes nothing of the run; the newest arguments are known too."""
    journal = begun(path)
    journal.begin(HERE, "pgvecto.rs", "automatic", {"yes": False})
    journal.begin_invocation({"reindex_by": "immich"})
    assert journal.run is not None
    assert journal.run.options == {"yes": True}
    assert journal.last_arguments() == {"reindex_by": "immich"}
    journal.close()


def test_another_database_is_refused_with_both_identities(path: Path) -> None:
    """A database that was dropped and created again has another oid, a restored one another system."""
    journal = begun(path)
    for other in (Identity("1", 16385, "immich"), Identity(HERE.system_identifier, 2, "immich")):
        with pytest.raises(OtherDatabase) as refused:
            journal.begin(other, "pgvecto.rs", "automatic", {})
        assert refused.value.exit_code is ExitCode.REFUSED
        facts = {"journal": str(HERE), "server": str(other), "so": HERE.difference(other)}
        assert dict(refused.value.facts) == facts
    journal.close()


def test_a_newer_schema_is_refused(path: Path) -> None:
    """By whoever opens it, for reading too; and it is left as it is."""
    begun(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    for open_it in (Journal.create_or_open, Journal.open_existing):
        with pytest.raises(JournalTooNew) as refused:
            open_it(path)
        assert ("journal", f"schema {SCHEMA_VERSION + 1}") in refused.value.facts
        assert ("this program", f"schema {SCHEMA_VERSION}") in refused.value.facts


def zero_the_beginning(content: bytes) -> bytes:
    """Lose the header."""
    return bytes(300) + content[300:]


def lose_the_end(content: bytes) -> bytes:
    """Lose the last pages, as a disk that was full does."""
    return content[: len(content) - 3 * 4096 - 100]


def scratch_the_middle(content: bytes) -> bytes:
    """Overwrite a page, the header and the length being right."""
    return content[:8192] + b"\xff" * 4096 + content[12288:]


def lose_everything(_content: bytes) -> bytes:
    """Lose the whole content, but for what is still in the -wal."""
    return b""


DAMAGES = (zero_the_beginning, lose_the_end, scratch_the_middle, lose_everything)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_journal_is_kept_aside(path: Path, damage: Callable[[bytes], bytes]) -> None:
    """Whoever only looks is told and moves nothing; a run moves it, with what lies beside it, and begins anew."""
    begun(path).close()
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)
    beside = {f"{path}-wal": b"what was not yet in the file", f"{path}-shm": b"\0" * 32}
    for name, content in beside.items():
        Path(name).write_bytes(content)
    with pytest.raises(JournalUnreadable) as refused:
        Journal.open_existing(path)
    assert refused.value.exit_code is ExitCode.REFUSED
    told = journal_damage.note(path)
    assert told is not None
    assert str(path) in told
    assert path.read_bytes() == damaged
    again = Journal.create_or_open(path)
    kept = again.kept_aside
    assert kept is not None
    assert re.fullmatch(r"immich\.db\.damaged-20\d{6}T\d{6}Z", kept.name)
    assert kept.read_bytes() == damaged
    assert Path(f"{kept}-wal").read_bytes() == beside[f"{path}-wal"]
    assert Path(f"{kept}-shm").exists(), "only an index of the -wal, which looking may renew"
    assert again.run is None
    again.close()
    assert Journal.create_or_open(path).kept_aside is None


def test_a_second_damage_within_a_second_overwrites_nothing(path: Path) -> None:
    """Two damaged journals are both kept."""
    kept = set()
    for content in (b"one" * 100, b"two" * 100):
        begun(path).close()
        path.write_bytes(content)
        journal = Journal.create_or_open(path)
        journal.close()
        assert journal.kept_aside is not None
        kept.add(journal.kept_aside.read_bytes()[:3])
        path.unlink()
    assert kept == {b"one", b"two"}


@pytest.mark.parametrize("content", [b"this is no journal\n" * 300, b"SQLite format 3\0" + b"\xff" * 8000, b"%PDF-1.7"])
def test_a_file_of_something_else_is_never_touched(path: Path, content: bytes) -> None:
    """It is refused as often as it is tried, and nothing is made beside it that would make it look like a journal."""
    path.parent.mkdir()
    path.write_bytes(content)
    for open_it in (Journal.create_or_open, Journal.open_existing, Journal.create_or_open):
        with pytest.raises(NotAJournal) as refused:
            open_it(path)
        assert refused.value.exit_code is ExitCode.REFUSED
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert path.read_bytes() == content


def test_a_folder_is_no_journal(path: Path) -> None:
    """Refused, and left alone."""
    path.mkdir(parents=True)
    for open_it in (Journal.create_or_open, Journal.open_existing):
        with pytest.raises(NotAJournal, match="is a folder"):
            open_it(path)
    assert list(path.parent.iterdir()) == [path]


def test_a_copy_is_a_journal(path: Path, tmp_path: Path) -> None:
    """Given to a colleague, with or without what SQLite keeps beside it, it is known by the mark in it."""
    journal = begun(path)
    journal.event("step", "started")
    for names in ([path.name], [path.name, f"{path.name}-wal"]):
        there = tmp_path / f"of {len(names)}"
        there.mkdir()
        for name in names:
            shutil.copy(path.parent / name, there / name)
        assert journal_damage.judge(there / path.name) == "journal"
        copy = Journal.create_or_open(there / path.name)
        assert copy.kept_aside is None
        assert (copy.run is None) == (len(names) == 1), "what is in the -wal alone is not in the copy without it"
        copy.close()
    journal.close()


def test_a_foreign_sqlite_file_is_refused(path: Path) -> None:
    """A database of another program is no journal, and gets no tables of ours."""
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE photos (id)")
    connection.close()
    for open_it in (Journal.create_or_open, Journal.open_existing):
        with pytest.raises(NotAJournal):
            open_it(path)
    path.with_suffix(".db.lock").touch()
    with pytest.raises(NotAJournal):
        Journal.create_or_open(path)
    with sqlite3.connect(path) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]
    connection.close()
    assert tables == ["photos"]


@pytest.mark.parametrize("pragma", ["", "PRAGMA journal_mode = WAL"])
def test_a_journal_whose_maker_was_killed_at_once_is_begun_again(path: Path, pragma: str) -> None:
    """An empty file, with or without SQLite's header, says nothing and refuses nobody."""
    path.parent.mkdir()
    path.touch()
    if pragma:
        connection = sqlite3.connect(path)
        connection.execute(pragma)
        connection.close()
    assert Journal.open_existing(path) is None
    begun(path).close()


def test_two_copies_cannot_write_one_journal(path: Path) -> None:
    """The second is refused while the first has it open, and let in afterwards."""
    first = begun(path)
    with pytest.raises(AlreadyRunning, match="another copy of this tool holds the journal"):
        Journal.create_or_open(path)
    first.close()
    Journal.create_or_open(path).close()


def test_a_refused_journal_is_let_go_of(path: Path) -> None:
    """Who could not open it does not hold it against the next one."""
    path.parent.mkdir()
    path.write_bytes(b"no journal\n" * 100)
    with pytest.raises(NotAJournal):
        Journal.create_or_open(path)
    path.unlink()
    Journal.create_or_open(path).close()


def test_it_can_be_read_while_it_is_written(path: Path) -> None:
    """A reader sees what was written before it asked, cannot write, and keeps nobody from writing."""
    writer = begun(path)
    writer.event("step", "started")
    reader = Journal.open_existing(path)
    assert reader is not None
    assert [event.event for event in reader.events()] == ["started"]
    writer.event("step", "finished")
    assert [event.event for event in reader.events()] == ["started", "finished"]
    with pytest.raises(Exception, match="readonly database"):
        reader.event("step", "failed")
    reader.close()
    writer.close()


def test_there_is_none_until_one_is_made(path: Path) -> None:
    """Looking for a journal makes neither file nor folder."""
    assert Journal.open_existing(path) is None
    assert not path.parent.exists()


def test_its_place_is_known_without_the_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One file per database, told apart by host and port; a socket is local; odd names stay one file name."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    names = {
        journal_path("db.lan", "5432", "immich").name,
        journal_path("db.lan", "5433", "immich").name,
        journal_path("/var/run/postgresql", "5432", "immich").name,
        journal_path("", "5432", "immich").name,
    }
    assert names == {"immich@db.lan-5432.db", "immich@db.lan-5433.db", "immich@local-5432.db"}
    odd = journal_path("db", "5432", f"..{os.sep}my photos")
    assert odd.parent == tmp_path / "migrator"
    assert odd.name == ".._my_photos@db-5432.db"
