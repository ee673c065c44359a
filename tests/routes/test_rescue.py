"""The rescue: embeddings taken out of pgvecto.rs without its library, by the real command, or nothing changed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from driving import BLOCKED, DONE, FAILED, WAITING, Finished, Operator, Tool, as_superuser
from genuine import MAJOR, NAMES, unpack, written_by_pgvectors
from journey import hashes_of
from killing import held_at
from servers import MakeServer

from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.immich_catalog import catalog_dump
from migrator.sandbox.immich_startup import ImmichStartup
from migrator.sandbox.processes import wait_until
from migrator.sandbox.server import Server
from migrator.sandbox.tree import Tree

ROWS = 40
NEXT = "Next: migrate --from pgvecto.rs --path rescue --dry-run"
KEYS = {"smart_search": "assetId", "face_search": "faceId"}
HANDLERS = "SELECT prosrc, probin FROM pg_proc WHERE proname LIKE '%vectors_amhandler'"
SLEEPING_ON_200 = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 200 AND NOT granted"
STATEMENTS = (
    "lock-smart_search started",
    "replace-handler finished",
    "drop-index-clip_index finished",
    "check-smart_search started",
    "rewrite-smart_search finished",
    "hash-after-face_search finished",
    "drop-extension started",
    "drop-schema finished",
    "commit started",
    "commit finished",
)
"""Some of the points of the one transaction, its ends among them."""


def gone(server: Server) -> None:
    """Exchange the image for one without pgvecto.rs."""
    server.stop()
    server.remove("vectors")
    server.set_preload("vchord.so")
    server.start()


def not_preloaded(server: Server) -> None:
    """Take the library out of the preload list, and leave it on the disk."""
    server.stop()
    server.set_preload("vchord.so")
    server.start()


def of_another_release(server: Server) -> None:
    """Install the other release of pgvecto.rs in place of the one that wrote the data, and load it."""
    with server.connect("immich") as connection:
        row = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'vectors'").fetchone()
    server.stop()
    server.install("vectors", "0.2.0" if row == ("0.3.0",) else "0.3.0")
    server.start()


SPOILT = (gone, not_preloaded, of_another_release)


class Patient:
    """Immich's database on a server of its own, and the command for it."""

    def __init__(self, server: Server, folder: Path, role: str) -> None:
        self.server, self.folder = server, folder
        self.tool = Tool(folder, server.conninfo("immich", role), folder / "journal.db")
        self.before = hashes_of(server)

    @property
    def arguments(self) -> list[str]:
        """The command line of a rescue, whoever starts it."""
        fixed = ["--path", "rescue", "--no-input", "--yes", "--confirm", "immich"]
        return self.tool.arguments(*fixed, "--restart-command", self.server.restart_command())

    def rescue(self, *more: str) -> Finished:
        """Run it once."""
        return self.tool.call(*self.arguments, *more)

    def dump(self) -> tuple[str, list[tuple[object, ...]]]:
        """Return the database's structure, and what the access method's handler is."""
        with self.server.connect("immich") as connection:
            return catalog_dump(connection), connection.execute(HANDLERS).fetchall()

    def assert_rescued(self) -> None:
        """Every embedding is in VectorChord, nothing of pgvecto.rs is left, and an Immich leaves all as it is."""
        dump, handlers = self.dump()
        assert hashes_of(self.server) == self.before
        assert handlers == []
        assert "extension vectors" not in dump
        assert "schema vectors" not in dump
        assert "using vchordrq" in dump
        said = ImmichStartup(conninfo=self.server.conninfo("immich", "immich"), release="1.133.0").run()
        assert [line for line in said if "eindex" in line or "runcat" in line or "WARN" in line] == []
        assert self.dump()[0] == dump


MakePatient = Callable[..., Patient]


@pytest.fixture
def make_patient(make_server: MakeServer, server_folder: Path) -> MakePatient:
    """Return a function that makes a database on pgvecto.rs, VectorChord installed and loaded beside it."""

    def make(version: str = "0.2.0", *, role: str = "immich", preload: str = "vchord.so, vectors.so") -> Patient:
        server = make_server(install={"vectors": version, "vchord": "0.3.0"}, preload=preload)
        ImmichDatabase(rows=ROWS, owner=role, owner_is_superuser=role == "immich").build(server.conninfo())
        folder = server_folder / f"home-{server.port}"
        folder.mkdir()
        return Patient(server, folder, role)

    return make


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
    assert restarts == (spoil is of_another_release)
    if spoil is not gone:
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


@pytest.mark.parametrize("event", STATEMENTS)
def test_killed_within_the_transaction(make_patient: MakePatient, event: str) -> None:
    """The tool is killed with -9: everything or nothing, the handler its own in between, and the command goes on."""
    patient = make_patient("0.3.0" if STATEMENTS.index(event) % 2 else "0.2.0")
    gone(patient.server)
    handlers = patient.dump()[1]
    with held_at(f"rescue-embeddings/{event}", patient.arguments, patient.folder) as held:
        held.wait_for_event()
        held.process.kill()
        held.end()
    ours = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'migrate'"
    with patient.server.connect() as connection:
        assert wait_until(lambda: connection.execute(ours).fetchone() is None, limit_seconds=20)
    committed = event == "commit finished"
    assert patient.dump()[1] == ([] if committed else handlers)
    done = patient.rescue()
    assert done.returncode == DONE, done.stderr
    patient.assert_rescued()


@pytest.mark.parametrize("event", ["rewrite-face_search finished", "commit started"])
def test_server_killed_within_the_transaction(make_patient: MakePatient, event: str) -> None:
    """Killed with -9 and started again: rolled back as a whole, said so, and the same command finishes."""
    patient = make_patient()
    gone(patient.server)
    with held_at(f"rescue-embeddings/{event}", patient.arguments, patient.folder) as held:
        held.wait_for_event()
        patient.server.kill(settle_seconds=0.3)
        patient.server.end_orphans()
        patient.server.start()
        held.let_go()
        ended = held.end()
    assert ended.code == FAILED, ended.said
    assert "rolled back: everything is as it was before it" in ended.err
    done = patient.rescue()
    assert done.returncode == DONE, done.stderr
    patient.assert_rescued()


@pytest.mark.parametrize("event", ["rescue-embeddings/drop-schema finished", "rescue-embeddings/commit finished"])
def test_the_journal_is_lost(make_patient: MakePatient, event: str) -> None:
    """Before or after the commit: the catalogs and the comments on the columns tell what is left to do."""
    patient = make_patient()
    gone(patient.server)
    with held_at(event, patient.arguments, patient.folder) as held:
        held.wait_for_event()
        held.process.kill()
        held.end()
    for path in patient.folder.glob("journal.db*"):
        path.unlink()
    done = patient.rescue()
    assert done.returncode == DONE, done.stderr
    patient.assert_rescued()


def test_an_immich_that_starts_midway_waits(make_patient: MakePatient) -> None:
    """It waits for lock 200 while the handler is not its own, then finds its indexes and rebuilds nothing."""
    patient = make_patient()
    gone(patient.server)
    with held_at("rescue-embeddings/rewrite-smart_search finished", patient.arguments, patient.folder) as held:
        held.wait_for_event()
        immich = ImmichStartup(conninfo=patient.server.conninfo("immich", "immich"), release="1.133.0")
        with ThreadPoolExecutor(1) as pool, patient.server.connect() as connection:
            started = pool.submit(immich.run)
            assert wait_until(lambda: connection.execute(SLEEPING_ON_200).fetchone() is not None, limit_seconds=20)
            assert not started.done()
            held.let_go()
            lines = started.result(timeout=120)
        ended = held.end()
    assert ended.code == DONE, ended.said
    assert [line for line in lines if "eindex" in line or "runcat" in line] == []
    patient.assert_rescued()


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


def test_the_library_is_put_back_after_all(make_patient: MakePatient) -> None:
    """A rescue that was begun and not done gives way to the documented path as soon as the library works again."""
    patient = make_patient()
    gone(patient.server)
    with held_at("rescue-embeddings/rewrite-smart_search finished", patient.arguments, patient.folder) as held:
        held.wait_for_event()
        held.process.kill()
        held.end()
    patient.server.stop()
    patient.server.install("vectors", "0.2.0")
    patient.server.set_preload("vchord.so, vectors.so")
    patient.server.start()
    said = patient.tool.migrate("--restart-command", patient.server.restart_command())
    assert (said.returncode, patient.tool.next_step()) == (WAITING, "uninstall-pgvectors"), said.stderr
    assert hashes_of(patient.server) == patient.before
