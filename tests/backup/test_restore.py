"""A copy put back: into every type, next to newer rows, without its column, and what is refused."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from copies import KEYS, Place
from driving import BLOCKED, DONE, FAILED, REFUSED, USAGE, WAITING, Finished, Tool
from servers import MakeServer

from migrator.backup.manifest import Manifest
from migrator.commands.restore import Found, RestoreRequest, restore
from migrator.errors import ConnectionLost, MigratorError, ProofFailed
from migrator.events import Event, StatementStarted, nobody
from migrator.locks import TOOL_LOCK
from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.processes import wait_until
from migrator.sandbox.server import Server
from steps.content.immich import ImmichContent
from steps.shared.names import IMMICH_STARTUP_LOCK

MakePlace = Callable[..., Place]
CONTENT = ImmichContent("pgvecto.rs")
BITS = "SELECT {key}, array_send(embedding::real[]) FROM {table} ORDER BY 1"


def put_back(place: Place, *more: str, folder: Path | None = None) -> Finished:
    """Put the copy back with the real command."""
    return place.tool.call(
        "restore", str(folder or place.folder / "copy"), "--database", place.tool.database, "--yes", *more
    )


def bits(place: Place) -> dict[str, dict[object, object]]:
    """Return every bit of every embedding, by key."""
    queries = {table: BITS.format(key=f'"{key}"', table=table) for table, key in KEYS.items()}
    return {table: {row[0]: row[1] for row in place.ask(query)} for table, query in queries.items()}


def emptied(place: Place) -> None:
    """Take every embedding away; assets and faces stay."""
    place.execute("DELETE FROM smart_search; DELETE FROM face_search")


def counts(said: Finished) -> dict[str, tuple[int, int, int, int]]:
    """Return, by table, how many rows were inserted, updated, kept and skipped, as the last line of JSON says."""
    tables = json.loads(said.stdout.splitlines()[-1])["tables"]
    return {t["name"]: (t["inserted"], t["updated"], t["kept"], t["skipped"]) for t in tables}


@pytest.mark.parametrize(
    ("version", "source", "dimension"),
    [
        ("0.2.0", "pgvecto.rs", 512),
        ("0.3.0", "pgvecto.rs", 768),
        ("0.3.0", "pgvecto.rs", 5),
        ("0.3.0", "vchord", 512),
        ("0.3.0", "pgvector", 768),
        ("0.3.0", "real[]", 512),
    ],
)
def test_every_bit_is_back(make_place: MakePlace, version: str, source: str, dimension: int) -> None:
    """Into an emptied table, indexes in place: the same keys and bits; catalogs are what they were."""
    place = make_place(version, source=source, dimension=dimension)
    before, catalogs = bits(place), place.state()
    place.copied()
    emptied(place)
    said = put_back(place, "--json")
    assert said.returncode == DONE, said.stderr
    assert bits(place) == before
    assert place.state() == catalogs
    assert counts(said) == {"smart_search": (40, 0, 0, 0), "face_search": (40, 0, 0, 0)}


@pytest.mark.parametrize("into", ["real[]", "public.vector(512)", "vectors.vector(512)"])
@pytest.mark.parametrize("source", ["pgvecto.rs", "vchord", "real[]"])
def test_from_every_type_into_every_type(make_place: MakePlace, source: str, into: str) -> None:
    """The copy does not know what it is put into; the bits arrive."""
    place = make_place(source=source, also_create=("vectors", "vchord"), with_indexes=False)
    before = bits(place)
    place.copied()
    emptied(place)
    for table in KEYS:
        place.execute(f"ALTER TABLE {table} ALTER COLUMN embedding TYPE {into} USING embedding::real[]::{into}")
    said = put_back(place)
    assert said.returncode == DONE, said.stderr
    assert bits(place) == before


def test_without_any_extension(make_place: MakePlace, make_server: MakeServer, tmp_path: Path) -> None:
    """On a server that has neither pgvecto.rs nor pgvector the rows go into real[]."""
    place = make_place("0.2.0")
    before = bits(place)
    place.copied()
    server = make_server()
    server.remove("vector")
    ImmichDatabase(rows=40, source="real[]").build(server.conninfo())
    bare = Place(
        server, "immich", "immich", tmp_path, Tool(tmp_path, server.conninfo("immich", "immich"), tmp_path / "j")
    )
    emptied(bare)
    said = put_back(bare)
    assert said.returncode == DONE, said.stderr
    assert bits(bare) == before
    assert bare.ask("SELECT extname FROM pg_extension WHERE extname IN ('vector', 'vectors')") == []


def test_rows_that_are_there_stay(make_place: MakePlace) -> None:
    """Newer rows, changed rows and rows whose asset is gone: merged by key, and every number is said."""
    place = make_place(source="vchord")
    before = bits(place)
    place.copied()
    changed, deleted, gone = list(before["smart_search"])[3:6]
    other = f"(SELECT embedding FROM smart_search WHERE \"assetId\" <> '{changed}' LIMIT 1)"
    place.execute(f"UPDATE smart_search SET embedding = {other} WHERE \"assetId\" = '{changed}'")
    place.execute(f"DELETE FROM smart_search WHERE \"assetId\" = '{deleted}'")
    place.execute(f"DELETE FROM asset_face WHERE \"assetId\" = '{gone}'; DELETE FROM asset WHERE id = '{gone}'")
    place.execute(
        'INSERT INTO asset (id, "originalPath", "originalFileName", checksum) '
        "VALUES (md5('new')::uuid, '', '', '');"
        "INSERT INTO smart_search SELECT md5('new')::uuid, embedding FROM smart_search LIMIT 1"
    )
    now = bits(place)["smart_search"]
    said = put_back(place, "--json")
    assert said.returncode == DONE, said.stderr
    assert counts(said)["smart_search"] == (1, 0, 38, 1)
    after = bits(place)["smart_search"]
    assert after == {**now, deleted: before["smart_search"][deleted]}
    assert len(after) == 40
    shown = put_back(place)
    assert "39 kept as they are" in shown.stdout
    assert "1 skipped, their asset or face is gone" in " ".join(shown.stdout.split())


def test_overwritten_only_when_asked(make_place: MakePlace) -> None:
    """--overwrite takes the copy's values for the rows that it has, and leaves the others."""
    place = make_place()
    before = bits(place)
    place.copied()
    place.execute(
        'UPDATE smart_search SET embedding = (SELECT embedding FROM face_search ORDER BY "faceId" DESC LIMIT 1)'
    )
    assert put_back(place).returncode == DONE
    assert bits(place)["smart_search"] != before["smart_search"]
    said = put_back(place, "--overwrite", "--json")
    assert counts(said) == {"smart_search": (0, 40, 0, 0), "face_search": (0, 40, 0, 0)}
    assert bits(place) == before


def test_a_dropped_column_is_added_as_it_was(make_place: MakePlace) -> None:
    """After DROP EXTENSION vectors CASCADE the rows are there without their column: it is added and filled."""
    place = make_place("0.2.0", also_create=("vchord",))
    before = bits(place)
    place.copied()
    place.execute("DROP EXTENSION vectors CASCADE")
    assert put_back(place, "--no-input", "--dry-run").returncode == DONE
    unasked = place.tool.call("restore", str(place.folder / "copy"), "--database", place.tool.database, "--no-input")
    assert unasked.returncode == WAITING
    assert "adds column embedding vector(512), which is missing" in unasked.stderr
    said = put_back(place, "--json")
    assert said.returncode == DONE, said.stderr
    assert counts(said)["smart_search"] == (0, 40, 0, 0)
    assert bits(place) == before
    attributes = place.ask(
        "SELECT attrelid::regclass::text, format_type(atttypid, atttypmod), attstorage::text, attnotnull "
        "FROM pg_attribute WHERE attname = 'embedding' "
        "AND attrelid IN ('smart_search'::regclass, 'face_search'::regclass)"
    )
    assert sorted(attributes) == [(t, "vector(512)", "e", True) for t in ("face_search", "smart_search")]


def test_a_dropped_column_without_pgvector_becomes_an_array(make_place: MakePlace) -> None:
    """Without any extension left it is real[], with its dimension in the comment."""
    place = make_place("0.2.0")
    before = bits(place)
    place.copied()
    place.execute("DROP EXTENSION vectors CASCADE")
    assert put_back(place).returncode == DONE
    assert bits(place) == before
    assert place.ask(
        "SELECT col_description('smart_search'::regclass, attnum) FROM pg_attribute "
        "WHERE attrelid = 'smart_search'::regclass AND attname = 'embedding'"
    ) == [("[vectorchord-migrator: dimension 512]",)]


def test_rows_that_nobody_has_an_embedding_for(make_place: MakePlace) -> None:
    """A row added after the copy, whose column was dropped, stays; what to do is said, and then the column is whole."""
    place = make_place("0.2.0", also_create=("vchord",))
    place.copied()
    place.execute(
        'INSERT INTO asset (id, "originalPath", "originalFileName", checksum) '
        "VALUES (md5('new')::uuid, '', '', '');"
        "INSERT INTO smart_search SELECT md5('new')::uuid, embedding FROM smart_search LIMIT 1;"
        "DROP EXTENSION vectors CASCADE"
    )
    said = put_back(place)
    assert said.returncode == WAITING, said.stdout
    assert "1 rows of smart_search have no embedding" in said.stdout
    todo = re.findall(r"(?:DELETE|ALTER).*?;", said.stdout)
    assert len(todo) == 2
    for sql in todo:
        place.execute(sql)
    again = put_back(place)
    assert again.returncode == DONE, again.stdout
    assert place.ask("SELECT count(*) FROM smart_search WHERE embedding IS NULL") == [(0,)]


def test_a_dry_run_counts_and_cannot_write(make_place: MakePlace) -> None:
    """The numbers are those of the run after it, the SQL is printed, nothing is changed."""
    place = make_place()
    place.copied()
    place.execute("DELETE FROM smart_search WHERE ctid IN (SELECT ctid FROM smart_search LIMIT 7)")
    place.execute("DELETE FROM asset_face WHERE id IN (SELECT id FROM asset_face LIMIT 3)")
    before = place.state()
    planned = put_back(place, "--dry-run", "--json")
    assert planned.returncode == DONE, planned.stderr
    assert place.state() == before
    assert counts(planned) == {"smart_search": (7, 0, 33, 0), "face_search": (0, 0, 37, 3)}
    shown = put_back(place, "--dry-run").stdout
    assert 'INSERT INTO "public"."smart_search"' in shown
    assert "7 inserted, 33 kept as they are" in shown
    assert counts(put_back(place, "--json")) == counts(planned)


def test_an_ordinary_owner_puts_it_back(make_place: MakePlace) -> None:
    """No superuser is needed."""
    place = make_place("0.3.0", owner="plain_owner", owner_is_superuser=False)
    before = bits(place)
    place.copied()
    emptied(place)
    said = put_back(place)
    assert said.returncode == DONE, said.stderr
    assert bits(place) == before


def test_columns_of_others_and_keys_of_any_kind(make_place: MakePlace) -> None:
    """What --include named is put back too, NULL and characters that COPY escapes included."""
    place = make_place()
    place.execute("CREATE TABLE notes (id text PRIMARY KEY, v vectors.vector)")
    place.execute("INSERT INTO notes VALUES (E'a\\tb\\n[c]', '[1,2,3]'), ('none', NULL)")
    place.copied("--include", "public.notes.v")
    place.execute("DELETE FROM notes")
    said = put_back(place)
    assert said.returncode == DONE, said.stderr
    assert place.ask("SELECT id, v::text FROM notes ORDER BY 1") == [("a\tb\n[c]", "[1, 2, 3]"), ("none", None)]


def test_a_column_of_others_that_is_no_vector_any_more(make_place: MakePlace) -> None:
    """It is named, with the way by hand; Immich's own tables are not touched either."""
    place = make_place()
    place.execute("CREATE TABLE notes (id text PRIMARY KEY, v vectors.vector)")
    place.copied("--include", "public.notes.v")
    emptied(place)
    place.execute("ALTER TABLE notes ALTER COLUMN v TYPE real[]")
    refused = put_back(place)
    assert refused.returncode == BLOCKED
    assert "column public.notes.v" in refused.stderr
    assert "README.txt" in refused.stderr
    assert place.ask("SELECT count(*) FROM smart_search") == [(0,)]


def test_empty_copies_and_empty_tables(make_place: MakePlace) -> None:
    """Nothing put back into nothing is done."""
    place = make_place(rows=0)
    place.copied()
    assert put_back(place).returncode == DONE


def other_dimension(place: Place) -> None:
    """Give the column another dimension."""
    emptied(place)
    place.execute("DROP INDEX clip_index; ALTER TABLE smart_search ALTER COLUMN embedding TYPE public.vector(768)")


def other_model(place: Place) -> None:
    """Choose a model of another dimension."""
    place.execute(
        "INSERT INTO system_metadata VALUES "
        """('system-config', '{"machineLearning": {"clip": {"modelName": "ViT-L-14__openai"}}}')"""
    )


def no_table(place: Place) -> None:
    """Drop a table."""
    place.execute("DROP TABLE face_search")


def no_key(place: Place) -> None:
    """Drop a key."""
    place.execute("ALTER TABLE smart_search DROP CONSTRAINT smart_search_pkey")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (other_dimension, "vector(768) here; the copy has 512"),
        (other_model, "ViT-L-14__openai, of 768 dimensions; the copy has 512"),
        (no_table, "no such table"),
        (no_key, "primary key of smart_search"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_does_not_fit_is_refused(make_place: MakePlace, spoil: Callable[[Place], None], said: str) -> None:
    """Exit 4 with what was found, and nothing is changed."""
    place = make_place(source="vchord")
    place.copied()
    spoil(place)
    before = place.ask("SELECT count(*) FROM smart_search")
    refused = put_back(place)
    assert refused.returncode == BLOCKED, refused.stderr
    assert said in " ".join(refused.stderr.split())
    assert place.ask("SELECT count(*) FROM smart_search") == before


def test_another_database_has_no_place_for_the_rows(make_place: MakePlace) -> None:
    """Its assets are others: refused, rolled back. Where only some are missing it is told, and done."""
    place, other = make_place(source="vchord"), make_place(source="vchord")
    place.copied()
    other.execute("DELETE FROM face_search; DELETE FROM smart_search; DELETE FROM asset_face; DELETE FROM asset")
    refused = put_back(other, folder=place.folder / "copy")
    assert refused.returncode == BLOCKED, refused.stdout
    assert "none of the 40 rows of smart_search has its asset or face" in refused.stderr
    assert "another database than this one" in " ".join(refused.stderr.split())
    nowhere = other.tool.call(
        "restore", str(place.folder / "copy"), "--yes", "--database", other.server.conninfo("postgres")
    )
    assert nowhere.returncode == BLOCKED
    assert "no such table" in nowhere.stderr


def test_a_damaged_copy_is_not_put_back(make_place: MakePlace) -> None:
    """It is read in full before anything is connected to."""
    place = make_place()
    folder = place.copied()
    os.truncate(folder / "smart_search.copy.zst", 100)
    emptied(place)
    refused = put_back(place)
    assert refused.returncode == FAILED
    assert "smart_search.copy.zst has" in refused.stderr
    assert place.ask("SELECT count(*) FROM face_search") == [(0,)]
    document = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**document, "schema": 99}))
    newer = put_back(place)
    assert newer.returncode == REFUSED
    assert "written by a newer version" in " ".join(newer.stderr.split())
    assert put_back(place, folder=place.folder).returncode == USAGE


def _restoring(place: Place, emit: Callable[[Event], None]) -> None:
    restore(RestoreRequest(place.tool.database, place.folder / "copy"), CONTENT, lambda _: True, emit)


def test_a_lost_connection_rolls_the_table_back(make_place: MakePlace) -> None:
    """Cut in the second table: the first is back, the second as it was, and the same command goes on."""
    place = make_place()
    before = bits(place)
    place.copied()
    emptied(place)

    def cut(event: Event) -> None:
        if isinstance(event, StatementStarted) and event.statement == "face_search/insert":
            place.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'migrate' AND datname = current_database()"
            )

    with pytest.raises(ConnectionLost, match="face_search was put back: it was rolled back; smart_search is back"):
        _restoring(place, cut)
    assert place.ask("SELECT count(*) FROM smart_search") == [(40,)]
    assert place.ask("SELECT count(*) FROM face_search") == [(0,)]
    assert put_back(place).returncode == DONE
    assert bits(place) == before


def test_immich_waits_meanwhile(make_place: MakePlace) -> None:
    """Its start-up lock is held from before the first table to the end of the last, and free afterwards."""
    place = make_place()
    place.copied()
    emptied(place)
    try_lock = f"SELECT pg_try_advisory_xact_lock({IMMICH_STARTUP_LOCK})"
    free: dict[str, object] = {}

    def ask(event: Event) -> None:
        if isinstance(event, StatementStarted) and event.statement.partition("/")[2] in ("stage", "unstage", "insert"):
            free[event.statement] = place.ask(try_lock)[0][0]

    _restoring(place, ask)
    assert {name.partition("/")[0] for name in free} == set(KEYS)
    assert not any(free.values())
    assert place.ask(try_lock) == [(True,)]


def test_an_immich_that_is_starting_is_waited_for(make_place: MakePlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 3 says that it is to be stopped; one that starts between the look and the lock is not waited for long."""
    monkeypatch.setattr("migrator.backup.importing.LOCK_TIMEOUT_SECONDS", 1.0)
    place = make_place()
    place.copied()
    emptied(place)
    with place.server.connect(place.name) as immich:
        immich.execute("SELECT pg_advisory_lock(%s)", [IMMICH_STARTUP_LOCK])
        said = put_back(place)
        assert said.returncode == WAITING, said.stderr
        assert "an Immich is starting up" in " ".join(said.stderr.split())
        immich.execute("SELECT pg_advisory_unlock_all()")

        def start(_found: Found) -> bool:
            immich.execute("SELECT pg_advisory_lock(%s)", [IMMICH_STARTUP_LOCK])
            return True

        with pytest.raises(MigratorError, match="start-up lock was not given; nothing was changed"):
            restore(RestoreRequest(place.tool.database, place.folder / "copy"), CONTENT, start, nobody)
    assert place.ask("SELECT count(*) FROM smart_search") == [(0,)]


def test_a_row_that_changes_on_its_way_is_noticed(make_place: MakePlace) -> None:
    """A trigger that changes what is inserted: the hashes differ, and everything is rolled back."""
    place = make_place(source="real[]")
    place.copied()
    emptied(place)
    place.execute(
        "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN NEW.embedding[1] := 42; RETURN NEW; END $$;"
        "CREATE TRIGGER spoil BEFORE INSERT ON smart_search FOR EACH ROW EXECUTE FUNCTION spoil()"
    )
    with pytest.raises(ProofFailed, match="what is in the table now is not what was copied"):
        _restoring(place, nobody)
    assert place.ask("SELECT count(*) FROM smart_search") == [(0,)]


def test_a_manifest_with_another_hash_is_noticed(make_place: MakePlace) -> None:
    """What arrived is compared with what was hashed when the copy was made."""
    place = make_place()
    folder = place.copied()
    emptied(place)
    text = (folder / "manifest.json").read_text()
    digits = str(Manifest.read(folder).tables[0].hash["hash"])
    (folder / "manifest.json").write_text(text.replace(digits, "1"))
    sums = (folder / "SHA256SUMS").read_text().splitlines()
    own = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    (folder / "SHA256SUMS").write_text("\n".join([*sums[:-1], f"{own}  manifest.json", ""]))
    with pytest.raises(ProofFailed, match="what arrived on the server is not what was copied"):
        _restoring(place, nobody)
    assert place.ask("SELECT count(*) FROM smart_search") == [(0,)]


def test_a_lock_that_is_not_given(make_place: MakePlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody holds the table: exit 4 after a while, rolled back."""
    monkeypatch.setattr("migrator.backup.importing.LOCK_TIMEOUT_SECONDS", 1.0)
    place = make_place()
    place.copied()
    emptied(place)
    with place.server.connect(place.name) as other, other.transaction():
        other.execute("LOCK TABLE smart_search IN SHARE MODE")
        with pytest.raises(MigratorError, match="smart_search did not get its lock") as caught:
            _restoring(place, nobody)
    assert caught.value.exit_code == BLOCKED


def test_one_at_a_time(make_place: MakePlace) -> None:
    """While another copy of the tool works on the database nothing is put back."""
    place = make_place()
    place.copied()
    with place.server.connect(place.name) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [TOOL_LOCK])
        assert put_back(place).returncode == REFUSED


def test_the_server_survives_a_dead_worker(make_server: MakeServer, tmp_path: Path) -> None:
    """With pgvecto.rs 0.2.0's worker gone nothing is begun: exit 3 until the server was restarted."""
    server: Server = make_server(install={"vectors": "0.2.0"}, preload="vectors.so")
    ImmichDatabase(rows=20).build(server.conninfo())
    tool = Tool(tmp_path, server.conninfo("immich", "immich"), tmp_path / "journal.db")
    place = Place(server, "immich", "immich", tmp_path, tool)
    place.copied()
    place.execute("DELETE FROM smart_search WHERE ctid IN (SELECT ctid FROM smart_search LIMIT 5)")
    with server.connect() as connection:
        connection.execute("SELECT pg_reload_conf()")
    assert wait_until(lambda: put_back(place).returncode == WAITING, limit_seconds=20)
    assert "restart PostgreSQL" in put_back(place).stderr
    assert server.running
    server.restart()
    said = put_back(place)
    assert said.returncode == DONE, said.stderr
    assert "5 inserted" in said.stdout
