"""What a copy holds, whatever the embeddings are kept in, and that making one changes nothing."""

from __future__ import annotations

import fcntl
import json
import os
import re
import resource
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from copies import KEYS, Place, entries, lines
from driving import BLOCKED, DONE, FAILED, INTERRUPTED, REFUSED

from migrator.backup.manifest import Manifest
from migrator.catalog import Catalog, Interest
from migrator.commands.backup import BackupRequest, backup
from migrator.content import Copying
from migrator.errors import BackupFailed, ConnectionLost
from migrator.events import Event, Progress, nobody
from migrator.step import Facts
from steps.content.immich import ImmichContent

MakePlace = Callable[..., Place]
CONTENT = ImmichContent("pgvecto.rs")


def assert_holds_every_bit(place: Place, folder: Path, table: str) -> None:
    """Assert that the rows in the file, read by the server as real[], have the bits of those in the table."""
    key = KEYS[table]
    place.execute(f'CREATE TABLE public.read_again ("{key}" uuid, embedding real[])')
    with place.server.connect(place.name) as connection:
        with connection.cursor() as cursor, cursor.copy("COPY public.read_again FROM STDIN") as copy:
            copy.write("\n".join([*lines(folder, table), ""]))
        # array_send tells -0 from 0, which no operator does
        row = connection.execute(
            f"SELECT count(*), count(*) FILTER (WHERE array_send(r.embedding) = array_send(t.embedding::real[])) "
            f'FROM public.{table} t LEFT JOIN public.read_again r USING ("{key}")'.encode()
        ).fetchone()
        again = connection.execute("SELECT count(*) FROM public.read_again").fetchone()
        connection.execute("DROP TABLE public.read_again")
    assert row is not None
    assert again is not None
    assert row[0] == row[1] == again[0]


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
@pytest.mark.parametrize(
    ("version", "source", "dimension"),
    [
        ("0.2.0", "pgvecto.rs", 512),
        ("0.3.0", "pgvecto.rs", 768),
        ("0.3.0", "pgvecto.rs", 5),
        ("0.3.0", "pgvector", 512),
        ("0.3.0", "vchord", 512),
        ("0.3.0", "real[]", 768),
    ],
)
def test_a_copy_has_every_bit(
    make_place: MakePlace, version: str, source: str, dimension: int, compression: str
) -> None:
    """Keys and values are those of the table, zeros of both signs, denormals and huge values among them."""
    place = make_place(version, source=source, dimension=dimension)
    before = place.state()
    folder = place.copied("--compression", compression)
    for table in KEYS:
        assert_holds_every_bit(place, folder, table)
    assert place.state() == before
    manifest = Manifest.read(folder)
    assert [(table.name, table.rows, table.dimension) for table in manifest.tables] == [
        ("smart_search", 40, dimension),
        ("face_search", 40, 512),
    ]
    _, hashes = before
    assert [f"ContentHash(rows={t.rows}, values={t.hash['hash']})" for t in manifest.tables] == [
        str(hashes[name]) for name in KEYS
    ]


def test_a_copy_says_what_it_is_of(make_place: MakePlace) -> None:
    """Database, release, extensions, settings, attributes and indexes are in the manifest; only its owner reads it."""
    place = make_place("0.2.0")
    place.execute("COMMENT ON COLUMN public.smart_search.embedding IS 'mine'")
    folder = place.copied()
    assert entries(folder) == [
        "README.txt", "SHA256SUMS", "face_search.copy.zst", "manifest.json", "smart_search.copy.zst",
    ]  # fmt: skip
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    manifest = Manifest.read(folder)
    ((system,),) = place.ask("SELECT system_identifier::text FROM pg_control_system()")
    ((oid,),) = place.ask("SELECT oid::bigint FROM pg_database WHERE datname = current_database()")
    assert (manifest.system_identifier, manifest.database_oid, manifest.database) == (system, oid, place.name)
    assert manifest.application == "Immich 1.132.3"
    assert [(e["name"], e["version"]) for e in manifest.extensions] == [("vectors", "0.2.0")]
    assert {"database": place.name, "role": "", "name": "search_path", "value": '"$user", public, vectors'} in [
        dict(setting) for setting in manifest.settings
    ]
    about = manifest.tables[0].about
    known = ("type", "typmod", "storage", "not_null", "comment")
    assert [about[name] for name in known] == ["vectors.vector(512)", 512, "e", True, "mine"]
    assert isinstance(about["indexes"], list)
    assert [index["name"] for index in about["indexes"]] == ["clip_index"]


def test_no_secret_is_in_a_copy(make_place: MakePlace) -> None:
    """Neither the password that connects nor a setting that may be one is in any file of it, or on the screen."""
    canary, secret = "c4n4ry-of-a-password", "c4n4ry-of-an-api-key"
    place = make_place("0.3.0", owner="with_password", owner_password=canary)
    place.execute(f"ALTER DATABASE {place.name} SET vectors.openai_api_key = '{secret}'")
    url = f"postgresql://with_password:{canary}@127.0.0.1:{place.server.port}/{place.name}"
    said = place.tool.call("backup", str(place.folder / "copy"), "--database", url)
    assert said.returncode == DONE, said.stderr
    everything = b"".join(path.read_bytes() for path in (place.folder / "copy").iterdir())
    for hidden in (canary, secret):
        assert hidden.encode() not in everything
        assert hidden not in said.stdout + said.stderr


def test_the_right_to_read_is_enough(make_place: MakePlace) -> None:
    """A role with SELECT on the tables, and nothing else, makes a copy; without it is told what to ask for."""
    place = make_place()
    place.execute("DROP ROLE IF EXISTS reader")
    place.execute("CREATE ROLE reader LOGIN")
    reader = replace(place.tool, database=place.server.conninfo(place.name, "reader"))
    refused = reader.call("backup", str(place.folder / "copy"), "--database", reader.database)
    assert refused.returncode == BLOCKED
    assert 'GRANT SELECT ON "public"."smart_search" TO "reader";' in refused.stderr
    assert not (place.folder / "copy").exists()
    place.execute("GRANT SELECT ON smart_search, face_search TO reader")
    made = reader.call("backup", str(place.folder / "copy"), "--database", reader.database)
    assert made.returncode == DONE, made.stderr
    assert len(lines(place.folder / "copy", "face_search")) == 40
    place.execute("DROP OWNED BY reader; DROP ROLE reader")


def test_empty_tables_make_an_empty_copy(make_place: MakePlace) -> None:
    """No row is a number of rows, too."""
    folder = make_place(rows=0).copied()
    assert [table.rows for table in Manifest.read(folder).tables] == [0, 0]
    assert lines(folder, "smart_search") == []


def test_columns_of_others_are_copied_too(make_place: MakePlace) -> None:
    """What --include names is in the copy, with keys of any type, NULL and characters that COPY escapes."""
    place = make_place()
    place.execute('CREATE SCHEMA "Other One"; CREATE TABLE "Other One".notes (id text PRIMARY KEY, v vectors.vector)')
    place.execute("INSERT INTO \"Other One\".notes VALUES (E'a\\tb\\n[c]', '[1,2,3]'), ('none', NULL)")
    folder = place.copied("--include", "Other One.notes.v")
    assert lines(folder, "Other One.notes.v") == ["a\\tb\\n[c]\t{1,2,3}", "none\t\\N"]
    assert "Other_One.notes.v.copy.zst" in entries(folder)


def test_one_snapshot_for_everything(make_place: MakePlace) -> None:
    """What is committed while the copy is made is in no table of it."""
    place = make_place()

    def meddle(event: Event) -> None:
        if isinstance(event, Progress) and event.statement == "smart_search":
            place.execute("DELETE FROM face_search WHERE ctid IN (SELECT ctid FROM face_search LIMIT 30)")

    made = backup(BackupRequest(place.tool.database, place.folder / "copy"), CONTENT, meddle).made
    assert made is not None
    assert [table.rows for table in made.manifest.tables] == [40, 40]
    assert place.ask("SELECT count(*) FROM face_search") == [(10,)]


@dataclass(frozen=True)
class Writing:
    """Content whose measurement writes."""

    copied: Interest = CONTENT.copied

    def copying(self, catalog: Catalog, facts: Facts) -> Copying:
        """Return a query that deletes what it should count."""
        found = CONTENT.copying(catalog, facts)
        from psycopg.sql import SQL  # noqa: PLC0415

        delete = SQL("DELETE FROM public.{} RETURNING 1 AS rows").format(SQL("smart_search"))
        return replace(found, tables=tuple(replace(table, measure=delete) for table in found.tables))


def test_a_copy_cannot_write(make_place: MakePlace) -> None:
    """The server refuses a query that writes, and nothing is left of the copy."""
    place = make_place()
    before = place.state()
    with pytest.raises(BackupFailed, match="read-only transaction"):
        backup(BackupRequest(place.tool.database, place.folder / "copy"), Writing(), nobody)
    assert place.state() == before
    assert entries(place.folder) == []


def test_what_is_there_is_never_overwritten(make_place: MakePlace) -> None:
    """A folder, a file or a link in its place is refused, and stays as it is."""
    place = make_place()
    folder = place.copied()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    again = place.backup()
    assert again.returncode == REFUSED
    assert "never overwritten" in again.stderr
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    (place.folder / "file").write_text("mine")
    (place.folder / "link").symlink_to("nowhere")
    for name in ("file", "link"):
        assert place.backup(folder=name).returncode == REFUSED
    assert (place.folder / "file").read_text() == "mine"


def test_a_disk_that_fills_leaves_nothing(make_place: MakePlace) -> None:
    """One sentence, and neither a copy nor half of one."""
    place = make_place(rows=400)
    limit = 200_000

    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    arguments = ["backup", str(place.folder / "copy"), "--compression", "gzip", "--database", place.tool.database]
    said = place.tool.call(*arguments, before=small_disk)
    assert said.returncode == BLOCKED
    assert "the disk became full" in said.stderr
    assert "Traceback" not in said.stderr
    assert entries(place.folder) == []


def test_a_folder_that_cannot_be_written_to(make_place: MakePlace) -> None:
    """One sentence, and the reason."""
    place = make_place()
    (place.folder / "file").write_text("no folder")
    said = place.backup(folder="file/copy")
    assert said.returncode == FAILED
    assert "could not be written" in said.stderr
    assert "Traceback" not in said.stderr


INTERRUPTED_ONE = """
import os, signal, sys
from migrator import events
from migrator.cli import backup as cli
from migrator.cli.app import run_app
signal.signal(signal.SIGINT, signal.default_int_handler)
real = cli.renderer
def renderer(**wishes):
    emit, pause = real(**wishes)
    def interrupt(event):
        if isinstance(event, events.Progress) and event.statement == "face_search":
            os.kill(os.getpid(), signal.SIGINT)
        emit(event)
    return interrupt, pause
cli.renderer = renderer
sys.exit(run_app(sys.argv[1:]))
"""


def test_control_c_leaves_nothing(make_place: MakePlace) -> None:
    """130 and one sentence; neither a copy nor half of one, and no session that goes on."""
    place = make_place()
    argv = [sys.executable, "-c", INTERRUPTED_ONE, "backup", str(place.folder / "copy")]
    said = subprocess.run(
        [*argv, "--database", place.tool.database],
        capture_output=True,
        text=True,
        check=False,
        env=place.tool.environ(),
    )
    assert said.returncode == INTERRUPTED, said.stderr
    assert "Nothing is lost" in said.stderr
    assert entries(place.folder) == []


def test_room_is_looked_at_before(make_place: MakePlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the copy would not fit nothing is written; both numbers are said."""
    place = make_place()
    free = type("Usage", (), {"free": 100_000})
    monkeypatch.setattr("migrator.backup.place.shutil.disk_usage", lambda _: free)
    from migrator.errors import NoRoomForBackup  # noqa: PLC0415

    with pytest.raises(NoRoomForBackup) as caught:
        backup(BackupRequest(place.tool.database, place.folder / "copy"), CONTENT, nobody)
    assert dict(caught.value.facts)["free"] == "100,000 bytes"
    assert entries(place.folder) == []


def test_a_lost_connection_leaves_nothing(make_place: MakePlace) -> None:
    """The server ends the session in the middle: nothing is left, and the same command again makes the copy."""
    place = make_place()

    def cut(event: Event) -> None:
        if isinstance(event, Progress) and event.statement == "face_search":
            place.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'migrate' AND datname = current_database()"
            )

    with pytest.raises(ConnectionLost, match="nothing of it is left"):
        backup(BackupRequest(place.tool.database, place.folder / "copy"), CONTENT, cut)
    assert entries(place.folder) == []
    place.copied()


KILLED = """
import os, signal, sys
from pathlib import Path
from migrator.commands.backup import BackupRequest, backup
from steps.content.immich import ImmichContent
def kill(event):
    if event.statement == "face_search":
        os.kill(os.getpid(), signal.SIGKILL)
place = Path(sys.argv[2]) if sys.argv[2:] else None
backup(BackupRequest(sys.argv[1], place), ImmichContent("pgvecto.rs"), kill)
"""


def test_what_a_killed_copy_left_is_replaced(make_place: MakePlace) -> None:
    """After SIGKILL there is nothing under the final name, and the next copy takes the place of the leftover."""
    place = make_place()
    argv = [sys.executable, "-c", KILLED, place.tool.database, str(place.folder / "copy")]
    assert subprocess.run(argv, check=False).returncode == -9
    assert entries(place.folder) == ["copy.partial"]
    place.copied()
    assert entries(place.folder) == ["copy"]
    assert place.check().returncode == DONE


def test_what_a_killed_copy_without_a_name_left_is_removed(make_place: MakePlace, tmp_path: Path) -> None:
    """Its name has the time in it, so that no other copy would take its place; one that is at work is let be."""
    place, folder = make_place(), tmp_path / "here"
    folder.mkdir()
    environment = place.tool.environ()
    argv = [sys.executable, "-c", KILLED, place.tool.database]
    assert subprocess.run(argv, check=False, cwd=folder, env=environment).returncode == -9
    (left,) = entries(folder)
    assert left.endswith(".partial")
    at_work = folder / f"{place.name}-embeddings-20260101T000000Z.partial"
    at_work.mkdir()
    with holding(at_work):
        argv = [str(Path(sys.executable).with_name("migrate")), "backup", "--database", place.tool.database]
        subprocess.run(argv, cwd=folder, env=environment, capture_output=True, check=True)
    names = entries(folder)
    assert at_work.name in names
    assert left not in names
    assert len(names) == 2


@contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Hold a folder as a copy of the tool does that writes into it."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def test_an_unfinished_folder_with_other_things_stays(make_place: MakePlace) -> None:
    """Only what this tool left is replaced."""
    place = make_place()
    (place.folder / "copy.partial").mkdir()
    (place.folder / "copy.partial" / "holiday.jpg").write_text("mine")
    said = place.backup()
    assert said.returncode == REFUSED
    assert "holiday.jpg" in said.stderr
    assert entries(place.folder / "copy.partial") == ["holiday.jpg"]


def test_two_copies_to_one_place_at_the_same_time(make_place: MakePlace) -> None:
    """The second one is refused while the first is being written."""
    place = make_place()
    second: list[int] = []

    def meanwhile(event: Event) -> None:
        if isinstance(event, Progress) and event.statement == "face_search":
            second.append(place.backup().returncode)

    assert backup(BackupRequest(place.tool.database, place.folder / "copy"), CONTENT, meanwhile).made is not None
    assert second == [REFUSED]
    assert place.check().returncode == DONE


def test_a_table_that_somebody_rewrites_is_not_copied(make_place: MakePlace) -> None:
    """A copy does not hang behind somebody's lock, and does not take a rewritten table for an empty one."""
    place = make_place()
    with place.server.connect(place.name) as other, other.transaction():
        other.execute("LOCK TABLE smart_search IN ACCESS EXCLUSIVE MODE")
        said = place.backup()
    assert said.returncode == BLOCKED, said.stderr
    assert entries(place.folder) == []


def test_other_databases_are_refused(make_place: MakePlace) -> None:
    """Without Immich's tables, or without a column of embeddings, there is nothing to copy, and it is said so."""
    place = make_place()
    place.execute("ALTER TABLE smart_search DROP COLUMN embedding; ALTER TABLE face_search DROP COLUMN embedding")
    bare = place.backup()
    assert bare.returncode == BLOCKED
    assert "no embeddings" in bare.stderr
    elsewhere = place.tool.call("backup", "--database", place.server.conninfo("postgres"))
    assert elsewhere.returncode == BLOCKED
    assert "none of Immich's tables" in elsewhere.stderr


def test_a_script_gets_json(make_place: MakePlace) -> None:
    """The last line says where the copy is, how large, and what it holds."""
    place = make_place()
    said = place.backup("--json")
    assert said.returncode == DONE, said.stderr
    result = json.loads(said.stdout.splitlines()[-1])
    manifest = Manifest.read(place.folder / "copy")
    assert result["type"] == "result"
    assert result["place"] == str(place.folder / "copy")
    assert (result["rows"], result["size_bytes"]) == (80, manifest.size_bytes)


def test_without_a_name_it_goes_into_a_folder_of_its_own(make_place: MakePlace, tmp_path: Path) -> None:
    """The name has the database and the time in it, and the last line says how to put it back."""
    place = make_place()
    said = subprocess.run(
        [str(Path(sys.executable).with_name("migrate")), "backup", "--database", place.tool.database],
        cwd=tmp_path,
        env=place.tool.environ(),
        capture_output=True,
        text=True,
        check=True,
    )
    (name,) = entries(tmp_path)
    assert re.fullmatch(rf"{place.name}-embeddings-\d{{8}}T\d{{6}}Z", name)
    assert said.stdout.splitlines()[-1].startswith(f"To put them back: migrate restore {name}")


MEASURED = """
import resource, sys
from migrator.cli.app import run_app
code = run_app(sys.argv[1:])
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
sys.exit(code)
"""


def test_memory_does_not_grow_with_the_rows(make_place: MakePlace) -> None:
    """Four times as many rows, 150 MB more of text, take no more memory than what varies anyway."""
    peaks: list[int] = []
    for rows in (8_000, 32_000):  # the compressor's own buffers are full from about 40 MB on
        place = make_place(rows=rows, face_rows=1, with_indexes=False)
        argv = [sys.executable, "-c", MEASURED, "backup", str(place.folder / f"of-{rows}")]
        said = subprocess.run(
            [*argv, "--database", place.tool.database],
            capture_output=True,
            text=True,
            check=True,
            env=place.tool.environ(),
        )
        peaks.append(int(said.stdout.split()[-1]))
    assert peaks[1] / peaks[0] < 1.25, peaks


def test_the_page_in_the_copy_works_as_it_stands(make_place: MakePlace) -> None:
    """Every command of README.txt, run as printed, puts the rows back without the tool."""
    place = make_place(source="vchord")
    folder = place.copied("--compression", "gzip")
    _, before = place.state()
    page = (folder / "README.txt").read_text()
    commands = re.findall(r"^    (\S.*)$", page, re.MULTILINE)
    assert len(commands) == 2 * 6
    assert place.psql("sha256sum --check SHA256SUMS").returncode == 0
    for number in (1, 2):  # into vector, then merged into vector
        place.execute("DELETE FROM smart_search; DELETE FROM face_search")
        for start in (0, 6):
            chosen = commands[start + 1 : start + 2] if number == 1 else commands[start + 2 : start + 6]
            for command in chosen:
                done = place.psql(command)
                assert done.returncode == 0, f"{command}\n{done.stderr}"
        assert place.state()[1] == before
    for table in KEYS:
        place.execute(f"DROP INDEX {'clip' if table == 'smart_search' else 'face'}_index; DELETE FROM {table}")
        place.execute(f"ALTER TABLE {table} ALTER COLUMN embedding TYPE real[]")
    for command in (commands[0], commands[6]):
        assert place.psql(command).returncode == 0
    assert place.state()[1] == before
