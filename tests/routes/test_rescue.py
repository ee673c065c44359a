"""The rescue: embeddings taken out of pgvecto.rs without its library, by the real command, or nothing changed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg
import pytest
from driving import BLOCKED, DONE, WAITING, Operator, Tool, as_superuser
from genuine import MAJOR, NAMES, unpack, written_by_pgvectors
from journey import hashes_of
from psycopg.sql import SQL
from rescuing import HANDLERS, SPOILT, MakePatient, gone, not_preloaded, of_another_release, purged_while_running
from servers import MakeServer
from workshop import Workshop

from migrator.catalog import Catalog
from migrator.errors import ProofFailed
from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.immich_catalog import catalog_dump
from migrator.sandbox.immich_startup import ImmichStartup
from migrator.sandbox.server import Server
from migrator.sandbox.tree import Tree
from migrator.step import Documentation, Facts, Statement
from steps.record_catalogs import RecordCatalogs
from steps.rescue_embeddings import RescueEmbeddings
from steps.shared.options import Options

ROWS = 40
NEXT = "Next: migrate --from pgvecto.rs --path rescue --dry-run"
KEYS = {"smart_search": "assetId", "face_search": "faceId"}


@pytest.mark.parametrize("name", NAMES)
def test_what_genuine_pgvectors_wrote(
    make_server: MakeServer, server_folder: Path, tmp_path: Path, tree: Tree, name: str
) -> None:
    """A cluster of the genuine library, opened without it: byte for byte what the library itself had read."""
    if tree.major != MAJOR:
        pytest.skip(f"written by PostgreSQL {MAJOR}, this is {tree.version}")
    server = make_server(data_from=unpack(name, server_folder / "genuine"), install={"vchord": "0.3.0"})
    shutil.rmtree(server_folder / "genuine")
    tool = Tool(tmp_path, server.conninfo("immich", "immich"), tmp_path / "j.db")
    told = tool.call("doctor", "--database", tool.database)
    assert told.returncode == BLOCKED
    assert told.stdout.rstrip().endswith(NEXT)
    with server.connect("immich") as connection, pytest.raises(psycopg.Error, match=r"libdir/vectors"):
        connection.execute("SELECT count(*) FROM face_search")
    arguments = ("--path", "rescue", "--confirm", "immich", "--restart-command", server.restart_command())
    done = tool.migrate(*arguments)
    assert done.returncode == DONE, done.stderr
    assert done.stdout.startswith("Done. 600 embeddings are in VectorChord, none changed.")
    assert "/pg_vectors" in done.stdout
    assert 'ALTER DATABASE "immich" RESET search_path;' in done.stdout
    back = tool.call("undo", "--no-input", "--yes", "--database", tool.database, "--journal", str(tool.journal))
    assert back.returncode == BLOCKED
    assert 'there is no way back past step "rescue-embeddings"' in back.stderr
    for table, key in KEYS.items():
        query = f'COPY (SELECT "{key}", embedding::real[] FROM {table} ORDER BY 1) TO STDOUT (FORMAT csv, HEADER)'
        with server.connect("immich") as connection, connection.cursor().copy(query.encode()) as copy:
            written = b"".join(bytes(block) for block in copy)
        assert written == written_by_pgvectors(name, table), table
    said = ImmichStartup(conninfo=server.conninfo("immich", "immich"), release="1.133.0").run()
    assert [line for line in said if "eindex" in line or "runcat" in line] == []


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
@pytest.mark.parametrize("version", ["0.2.0", "0.3.0"])
def test_a_library_that_cannot_be_used(
    make_patient: MakePatient, version: str, spoil: Callable[[Server], None]
) -> None:
    """Gone, not loaded, of another release: not without being asked for, then in one start to the end."""
    patient = make_patient(version)
    spoil(patient.server)
    found = patient.dump()
    unasked = patient.tool.migrate("--confirm", "immich")
    flowing = " ".join(unasked.stderr.split())
    assert unasked.returncode == (WAITING if spoil is not_preloaded else BLOCKED)
    assert "vectors.so to shared_preload_libraries" in flowing or f"pgvecto.rs {version} back" in flowing
    assert "migrate --from pgvecto.rs --path rescue --dry-run" in flowing
    assert patient.dump() == found

    done = patient.rescue()
    # what is still loaded goes first
    restarts = "restart-without-pgvectors restarting the server" in done.stderr
    assert restarts == (spoil in (of_another_release, purged_while_running))
    if spoil in (not_preloaded, of_another_release):
        assert (done.returncode, patient.tool.next_step()) == (WAITING, "uninstall-pgvectors"), done.stderr
        patient.server.remove("vectors")
        done = patient.rescue()
    assert done.returncode == DONE, done.stderr
    assert "none changed" in done.stdout
    patient.assert_rescued()
    assert patient.rescue().returncode == DONE


def test_a_library_that_works_is_not_gone_around(make_patient: MakePatient) -> None:
    """Its hooks could crash the server at the commit: refused with the path that is right, and the server lives."""
    patient = make_patient()
    found = patient.dump()
    said = patient.rescue()
    assert said.returncode == BLOCKED
    assert "pgvecto.rs is loaded and reads the data" in said.stderr
    assert "run: migrate --from pgvecto.rs\n" in said.stderr
    assert patient.dump() == found
    assert not [line for line in patient.server.complaints() if line.startswith("PANIC")]


def test_only_this_database_is_touched(make_patient: MakePatient) -> None:
    """Another one of the same server, on pgvecto.rs too, is as it was, and is rescued by a command of its own."""
    patient = make_patient()
    ImmichDatabase(name="second", rows=ROWS).build(patient.server.conninfo())
    hashes = hashes_of(patient.server, "second")
    gone(patient.server)
    with patient.server.connect("second") as connection:
        found = catalog_dump(connection), connection.execute(HANDLERS).fetchall()
    assert patient.rescue().returncode == DONE
    with patient.server.connect("second") as connection:
        assert (catalog_dump(connection), connection.execute(HANDLERS).fetchall()) == found
    other = Tool(patient.folder, patient.server.conninfo("second", "immich"), patient.folder / "second.db")
    done = other.migrate("--path", "rescue", "--confirm", "second")
    assert done.returncode == DONE, done.stderr
    assert hashes_of(patient.server, "second") == hashes


@pytest.mark.parametrize("value", ["[1, 2, 3]", None])
def test_a_row_that_would_not_survive(make_patient: MakePatient, value: str | None) -> None:
    """Of another length, or with NaN: blocked with its key, and not one byte of the catalogs is changed."""
    patient = make_patient()
    with patient.server.connect("immich") as connection:
        connection.execute("DROP INDEX clip_index")
        odd = value or str([float("nan"), *([0.5] * 511)]).replace("nan", "NaN")
        row = connection.execute(
            'UPDATE smart_search SET embedding = %s WHERE "assetId" = (SELECT "assetId" FROM smart_search LIMIT 1) '
            'RETURNING "assetId"::text',
            [odd],
        ).fetchone()
    assert row is not None
    gone(patient.server)
    found = patient.dump()
    said = patient.rescue()
    flowing = " ".join(said.stderr.split())
    assert said.returncode == BLOCKED
    wrong = "1 of another length, 0 with NaN or infinity" if value else "0 of another length, 1 with NaN or infinity"
    assert f"{wrong}; for example {row[0]}" in flowing
    assert "with the DELETE written in before the first rewrite" in flowing
    assert patient.tool.next_step() == "rescue-embeddings"
    dump, handlers = patient.dump()
    assert handlers == found[1]
    # the extension vector was created by a step before
    assert [line for line in dump.splitlines() if line not in found[0].splitlines()] == [
        line for line in dump.splitlines() if line.startswith("extension vector ")
    ]


class Spoiling(RescueEmbeddings):
    """A rescue that exchanges the embeddings of two rows on the way, which no count and no sum of values shows."""

    def plan(self, catalog: Catalog, facts: Facts) -> Sequence[Statement]:
        """Return the plan with an exchange after each rewrite."""
        swap = SQL(
            "UPDATE public.smart_search SET embedding = other.embedding FROM ("
            'SELECT a."assetId", b.embedding FROM public.smart_search a, public.smart_search b '
            'WHERE a."assetId" IN (SELECT min("assetId"::text)::uuid FROM public.smart_search) '
            'AND b."assetId" IN (SELECT max("assetId"::text)::uuid FROM public.smart_search)) AS other '
            'WHERE smart_search."assetId" = other."assetId"'
        )
        spoilt: list[Statement] = []
        for statement in super().plan(catalog, facts):
            spoilt.append(statement)
            if statement.key == "rewrite-smart_search":
                spoilt.append(Statement("exchange", swap, "to be noticed"))
        return spoilt


def test_a_difference_rolls_everything_back(make_patient: MakePatient) -> None:
    """One embedding that is another row's: the proof says so, and handler, indexes and columns are as they were."""
    patient = make_patient()
    gone(patient.server)
    as_superuser(patient.server, "immich", "CREATE EXTENSION vector SCHEMA public")
    found = patient.dump()
    shop = Workshop(patient.server, "immich", patient.folder / "spoilt.db")
    options = Options(path="rescue")
    with pytest.raises(ProofFailed, match="everything was rolled back"):
        shop.run([step.carries_out(Documentation("x", 1)) for step in (RecordCatalogs(options), Spoiling(options))])
    assert patient.dump() == found
    done = patient.rescue()
    assert done.returncode == DONE, done.stderr
    patient.assert_rescued()


def test_a_dry_run_writes_nothing_and_prints_all_of_it(make_patient: MakePatient) -> None:
    """The whole transaction, in order, as a script for psql; no journal, and the server refused every write."""
    patient = make_patient()
    gone(patient.server)
    found = patient.dump()
    said = patient.tool.call(*patient.tool.arguments("--path", "rescue", "--dry-run"))
    assert said.returncode == DONE, said.stderr
    assert patient.dump() == found
    assert not patient.tool.journal.exists()
    part = said.stdout.split("[rescue-embeddings]", 1)[1].split("\n-- Step ", 1)[0]
    order = ["BEGIN;", "LOCK TABLE", "SELECT amhandler", "AS 'bthandler';", "DROP INDEX", "vector_to_float4"]
    order += ["wrong_length", "hash_array_extended", "ALTER TABLE", "COMMENT ON COLUMN", "DROP FUNCTION"]
    order += ["DROP EXTENSION vectors;", "DROP SCHEMA vectors;", "COMMIT;"]
    places = [part.index(words) for words in order]
    assert places == sorted(places)
    assert part.count("BEGIN;") == part.count("COMMIT;") == 1
    assert "CASCADE" not in part


def test_without_superuser_a_dba_gets_the_script(make_patient: MakePatient) -> None:
    """Not a statement runs that the role may not; psql runs the file as it is, and the run goes on from there."""
    patient = make_patient(role="plain")
    gone(patient.server)
    script = patient.folder / "rescue.sql"
    written: list[str] = []
    for _ in range(4):
        said = patient.rescue("--dba-script", str(script))
        if said.returncode == DONE:
            break
        assert said.returncode == WAITING, said.stderr
        step = patient.tool.next_step()
        assert step is not None
        written.append(step)
        text = script.read_text(encoding="utf-8")
        with patient.server.connect("immich") as connection:
            found = catalog_dump(connection)
        assert "extension vectors" in found or step == "create-extension-vchord"
        if step == "rescue-embeddings":
            assert (
                text.index("BEGIN;") < text.index("'bthandler'") < text.index("DROP EXTENSION") < text.index("COMMIT;")
            )
        run_with_psql(patient.server, script)
    assert said.returncode == DONE, said.stderr
    assert written[:2] == ["create-extension-vector", "rescue-embeddings"]
    dump, handlers = patient.dump()
    assert "extension vectors" not in dump
    assert handlers == []
    assert hashes_of(patient.server) == patient.before


def run_with_psql(server: Server, script: Path) -> None:
    """Run a script as a DBA does."""
    psql = [str(server.tree.program("psql")), "-X", "-d", server.conninfo("immich"), "-f", str(script)]
    done = subprocess.run(psql, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_on_a_managed_service_it_says_why_not(make_patient: MakePatient) -> None:
    """Nobody is a superuser there: blocked with the reason, not sent to a DBA who does not exist."""
    patient = make_patient(role="plain")
    gone(patient.server)
    as_superuser(patient.server, "immich", "CREATE ROLE rds_superuser")
    said = patient.rescue()
    assert said.returncode == BLOCKED
    assert 'a managed service (it has the role "rds_superuser")' in " ".join(said.stderr.split())
    as_superuser(patient.server, "immich", "DROP ROLE rds_superuser")


def test_other_columns_are_rescued_along(make_patient: MakePatient) -> None:
    """Somebody else's column keeps the extension: named with the option that converts it too, index and all."""
    patient = make_patient()
    with patient.server.connect("immich") as connection:
        connection.execute("CREATE TABLE photos (id int PRIMARY KEY, v vectors.vector(3))")
        connection.execute("INSERT INTO photos VALUES (1, '[1, 2, 3]'), (2, '[4, 5, 6]')")
        connection.execute("CREATE INDEX photos_v ON photos USING vectors (v vectors.vector_l2_ops)")
    gone(patient.server)
    said = patient.rescue()
    assert said.returncode == BLOCKED
    assert "--include public.photos.v" in said.stderr
    done = patient.rescue("--include", "public.photos.v")
    assert done.returncode == DONE, done.stderr
    with patient.server.connect("immich") as connection:
        rows = connection.execute("SELECT id, v::text FROM photos ORDER BY id").fetchall()
        index = connection.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'photos_v'").fetchone()
    assert rows == [(1, "[1,2,3]"), (2, "[4,5,6]")]
    assert index is not None
    assert "USING vchordrq (v vector_l2_ops)" in index[0]


def test_vectorchord_comes_later(make_patient: MakePatient) -> None:
    """On an image that has neither library the rescue itself runs, and then waits for VectorChord."""
    patient = make_patient(preload="vectors.so")
    patient.server.stop()
    patient.server.remove("vectors")
    patient.server.remove("vchord")
    patient.server.set_preload("")
    patient.server.start()
    said = patient.rescue()
    assert (said.returncode, patient.tool.next_step()) == (WAITING, "install-vectorchord"), said.stderr
    assert hashes_of(patient.server) == patient.before
    Operator(patient.server, "0.3.0").do("install-vectorchord")
    done = patient.rescue()
    assert done.returncode == DONE, done.stderr
    patient.assert_rescued()
