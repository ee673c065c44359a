"""`migrate update`: from every release on the shelf to every newer one, and what can stand in the way."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg
import pytest
from driving import BLOCKED, DONE, MIGRATE, WAITING, WORK_PENDING, Finished, Tool, as_superuser
from servers import MakeServer

from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.immich_catalog import catalog_dump, content_hashes
from migrator.sandbox.immich_damage import damage_rows
from migrator.sandbox.immich_startup import ImmichStartup
from migrator.sandbox.server import Server

RELEASES = ("0.3.0", "0.4.3", "0.5.3", "1.1.1")
PAIRS = [(old, new) for n, old in enumerate(RELEASES) for new in RELEASES[n + 1 :]]
IMMICH = "2.7.5"
"""It accepts every release on the shelf."""
INDEXES = ("clip_index", "face_index")
LIMIT_SECONDS = 60


class Update:
    """An Immich database on one release of VectorChord, and the command that updates it."""

    def __init__(self, server: Server, tool: Tool, vchord: str) -> None:
        self.server, self.tool = server, tool
        self._genuine = server.shelf.is_genuine("vchord", vchord)

    def install(self, version: str) -> None:
        """Exchange the package as an operator does: the server is stopped meanwhile."""
        if self.server.shelf.is_genuine("vchord", version) != self._genuine:
            pytest.skip("the pages of a stand-in's index are its own: a genuine library can make nothing of them")
        self.server.stop()
        self.server.install("vchord", version)
        self.server.start()

    def arguments(self, *more: str) -> list[str]:
        """Return the command line after `migrate`."""
        return ["update", "--database", self.tool.database, "--journal", str(self.tool.journal), *more]

    def run(self, *more: str) -> Finished:
        """Run the update as a script does."""
        return self.tool.call(*self.arguments("--yes", "--no-input", *more))

    def ask(self, query: str, role: str = "postgres") -> list[tuple[object, ...]]:
        """Return the rows of a query in Immich's database."""
        with self.server.connect("immich", role) as connection:
            return [tuple(row) for row in connection.execute(query.encode()).fetchall()]

    def version(self, extension: str = "vchord") -> object:
        """Return the release that the catalog names."""
        return self.ask(f"SELECT extversion FROM pg_extension WHERE extname = '{extension}'")[0][0]

    def files(self) -> dict[object, object]:
        """Return the file that each index is in: a rebuilt one has another."""
        names = ", ".join(f"'{name}'" for name in INDEXES)
        return dict(self.ask(f"SELECT relname, relfilenode FROM pg_class WHERE relname IN ({names})"))  # type: ignore[arg-type]

    def stored(self) -> set[object]:
        """Return the settings that are stored for the database, with their values."""
        return {row[0] for row in self.ask("SELECT unnest(setconfig) FROM pg_db_role_setting")}

    def hashes(self) -> object:
        """Return rows and content hash of both tables."""
        with self.server.connect("immich") as connection:
            return content_hashes(connection)

    def dump(self) -> str:
        """Return everything about the structure of the database."""
        with self.server.connect("immich") as connection:
            return catalog_dump(connection)

    def next_step(self) -> object:
        """Return what `migrate status` says is next."""
        return self.tool.next_step()


MakeUpdate = Callable[..., Update]


@pytest.fixture
def make_update(make_server: MakeServer, tmp_path: Path) -> MakeUpdate:
    """Return a function that makes a server with an Immich database on a release of VectorChord."""

    def make(vchord: str, *statements: str, **immich: object) -> Update:
        server = make_server(install={"vchord": vchord}, preload="vchord.so")
        shape: dict[str, object] = {"rows": 60, "source": "vchord", "immich_version": IMMICH, **immich}
        ImmichDatabase(**shape).build(server.conninfo())  # type: ignore[arg-type]
        for statement in statements:
            as_superuser(server, "immich", statement)
        return Update(server, Tool(tmp_path, server.conninfo("immich", "immich"), tmp_path / "update.db"), vchord)

    return make


def unfolded(text: str) -> str:
    """Return a text without the folding at 80 columns."""
    return " ".join(text.split())


def assert_everything_answers(update: Update) -> None:
    """Immich starts and leaves everything alone, its indexes find rows, and the planner knows how many there are."""
    before = update.dump()
    said = ImmichStartup(conninfo=update.server.conninfo("immich", "immich"), release=IMMICH).run()
    assert not [line for line in said if re.match("Reindex|Creating|Dropping|Updating|WARN", line)]
    assert update.dump() == before
    for table, index in zip(("smart_search", "face_search"), INDEXES, strict=True):
        nearest = f"SELECT 1 FROM {table} ORDER BY embedding <=> (SELECT embedding FROM {table} LIMIT 1) LIMIT 5"
        assert len(update.ask(nearest, "immich")) == 5
        rows = f"SELECT reltuples > 0 FROM pg_class WHERE relname IN ('{table}', '{index}')"
        assert update.ask(rows) == [(True,), (True,)]


def assert_no_error_since_start(update: Update) -> None:
    """Show that nothing but the tool's own questions met an index of another format."""
    assert not [line for line in update.server.complaints() if line.startswith(("FATAL", "PANIC"))]


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_every_release_leads_to_every_newer_one(make_update: MakeUpdate, old: str, new: str) -> None:
    """One command after the package was exchanged: both indexes rebuilt, every embedding as it was, Immich content."""
    leftover = ["ALTER DATABASE immich SET vchordrq.prewarm_dim = '512,640'"] if old == "0.3.0" else []
    update = make_update(old, *leftover)
    hashes, files, stored = update.hashes(), update.files(), update.stored()
    update.install(new)
    said = update.run()
    assert said.returncode == DONE, said.stderr
    assert said.stdout.startswith(f"Done. VectorChord {new} is in use. No embedding was touched.\n")
    assert "clip_index answers: 10 neighbours found" in said.stdout
    assert update.version() == new
    assert update.hashes() == hashes
    assert {name for name in files if update.files()[name] != files[name]} == set(INDEXES)
    assert update.stored() == {setting for setting in stored if "prewarm_dim" not in str(setting)}
    assert_everything_answers(update)
    assert_no_error_since_start(update)


def test_there_is_nothing_to_do_without_a_newer_release(make_update: MakeUpdate) -> None:
    """On the release that is installed the command says so with exit 0, changes nothing and leaves no journal open."""
    update = make_update("1.1.1")
    before, files = update.dump(), update.files()
    dry = update.tool.call(*update.arguments("--dry-run", "--detailed-exitcode"))
    assert dry.returncode == DONE, dry.stdout
    assert not update.tool.journal.exists()
    said = update.run()
    assert (said.returncode, update.dump(), update.files()) == (DONE, before, files)
    assert said.stdout.startswith("Done. VectorChord 1.1.1 is in use, and its indexes can be read.\n")


def test_whoever_holds_the_lock_is_ended_where_the_person_says_so(make_update: MakeUpdate) -> None:
    """Named with exit 4; with --terminate-blockers and --yes its session is ended, and the update goes on."""
    update = make_update("0.3.0")
    update.install("0.4.3")
    impatient = ("--lock-timeout", "0.3")
    with update.server.connect("immich", application_name="a writer") as holder:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE smart_search IN ROW EXCLUSIVE MODE")
        said = update.run(*impatient)
        assert said.returncode == BLOCKED, said.stderr
        pid = holder.info.backend_pid
        assert f"SELECT pg_terminate_backend({pid});" in said.stderr
        assert "or add --terminate-blockers" in unfolded(said.stderr)
        said = update.run(*impatient, "--terminate-blockers")
        assert said.returncode == DONE, said.stderr
        assert f"ended pid {pid} (a writer" in said.stderr
        with pytest.raises(psycopg.OperationalError):
            holder.execute("SELECT 1")
    assert_everything_answers(update)


def test_indexes_of_the_same_format_are_not_rebuilt(make_update: MakeUpdate) -> None:
    """Within a series only the catalogs change, pgvector's too where they are behind; each index is still searched."""
    update = make_update(
        "0.5.3",
        "UPDATE pg_extension SET extversion = '0.5.2' WHERE extname = 'vchord'",
        "UPDATE pg_extension SET extversion = '0.8.4' WHERE extname = 'vector'",
    )
    files, offered = (
        update.files(),
        update.ask("SELECT default_version FROM pg_available_extensions WHERE name='vector'"),
    )
    said = update.run()
    assert said.returncode == DONE, said.stderr
    assert (update.version(), update.version("vector")) == ("0.5.3", offered[0][0])
    assert update.files() == files
    assert "index format 11, as before" in said.stdout
    assert "face_index answers: 10 neighbours found" in said.stdout


def test_the_dry_run_is_what_psql_needs(make_update: MakeUpdate) -> None:
    """The printed script, run by psql, leads to the same end as the command; printing it changes nothing."""
    update = make_update("0.3.0")
    update.install("1.1.1")
    before = update.dump()
    dry = update.tool.call(*update.arguments("--dry-run", "--detailed-exitcode"))
    assert (dry.returncode, update.dump()) == (WORK_PENDING, before)
    assert 'VACUUM (INDEX_CLEANUP OFF) "public"."smart_search";' in dry.stdout
    assert "way back  none: extensions have no scripts to an older release" in dry.stdout
    psql = subprocess.run(
        [update.server.tree.program("psql"), "-X", "-q", "-d", update.server.conninfo("immich", "immich")],
        input=dry.stdout,
        text=True,
        capture_output=True,
        check=False,
    )
    assert psql.returncode == 0, psql.stderr
    assert update.version() == "1.1.1"
    assert_everything_answers(update)
    assert update.run().returncode == DONE


def test_a_plain_owner_waits_for_a_dba(make_update: MakeUpdate) -> None:
    """What takes a superuser is named with its SQL, exit 3; run by one, the rest is done by the owner of the tables."""
    update = make_update("0.3.0", "ALTER DATABASE immich SET vchordrq.prewarm_dim = '512'", owner_is_superuser=False)
    hashes = update.hashes()
    update.install("0.5.3")
    said = update.run()
    assert (said.returncode, update.next_step()) == (WAITING, "update-extensions")
    assert said.stdout == ""
    assert 'role "immich" may not do this' in said.stderr
    sql = re.findall(r"^ +(ALTER .*;)$", said.stderr, re.MULTILINE)
    assert sql == ["ALTER EXTENSION vchord UPDATE;", 'ALTER DATABASE "immich" RESET "vchordrq"."prewarm_dim";']
    for statement in sql:
        as_superuser(update.server, "immich", statement)
    last = update.run()
    assert last.returncode == DONE, last.stderr
    assert "from      VectorChord 0.3.0, index format 5 to 11" in last.stdout
    assert "clip_index answers: 10 neighbours found" in last.stdout
    assert update.hashes() == hashes
    assert_everything_answers(update)


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


def kill_while_it_waits(update: Update, arguments: Sequence[str], query: str) -> None:
    """Start the command, and kill it with SIGKILL as soon as the server shows a row for the query."""
    process = subprocess.Popen(
        [MIGRATE, *arguments], env=update.tool.environ(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: process.poll() is not None or bool(update.ask(query)))
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize("journal", ["kept", "lost"])
def test_killed_between_catalog_and_index_it_goes_on(make_update: MakeUpdate, journal: str) -> None:
    """The catalog is new, the first index too, the second is not: the server is asked, with and without a journal."""
    update = make_update("0.4.3")
    hashes = update.hashes()
    update.install("1.1.1")
    files = update.files()
    waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ 'REINDEX'"
    with update.server.connect("immich") as blocker, blocker.transaction():
        blocker.execute("LOCK TABLE face_search IN ROW EXCLUSIVE MODE")
        kill_while_it_waits(update, update.arguments("--yes", "--no-input"), waits)
        assert update.version() == "1.1.1"
        assert [name for name in INDEXES if update.files()[name] != files[name]] == ["clip_index"]
    halfway = update.files()
    if journal == "lost":
        for path in update.tool.journal.parent.glob(f"{update.tool.journal.name}*"):
            path.unlink()
    else:
        assert update.next_step() == "rebuild-indexes"
    said = update.run()
    assert said.returncode == DONE, said.stderr
    assert [name for name in INDEXES if update.files()[name] != halfway[name]] == ["face_index"]
    assert update.hashes() == hashes
    assert_everything_answers(update)


def test_an_older_library_is_refused(make_update: MakeUpdate) -> None:
    """There is no way to an older release: exit 4 with both numbers, and nothing is touched."""
    update = make_update("0.5.3")
    update.install("0.4.3")
    before = update.dump()
    said = update.run()
    assert (said.returncode, update.dump()) == (BLOCKED, before)
    assert "this database has VectorChord 0.5.3 activated, PostgreSQL offers only 0.4.3" in unfolded(said.stderr)
    database = ["--database", update.tool.database]
    assert update.tool.call("update", "--yes", "--no-input", *database).returncode == BLOCKED
    status = update.tool.call("status", "--no-color", *database).stdout
    assert "Step 1 of 7  new-library-installed  waiting since" in status, "the status finds the update's own journal"
    assert status.endswith("Next: migrate update\n")


def test_a_release_that_immich_refuses_is_refused(make_update: MakeUpdate) -> None:
    """Accepted is what the Immich release accepts, the installed one or the one that is named."""
    update = make_update("0.3.0", immich_version="1.134.0")
    update.install("0.4.3")
    said = update.run()
    assert (said.returncode, update.version()) == (BLOCKED, "0.3.0")
    assert "VectorChord >=0.3, <0.4: Immich >=1.133, <1.135 accepts nothing else" in unfolded(said.stderr)
    assert update.run("--target-immich", "2.0.1").returncode == DONE
    assert update.version() == "0.4.3"


def let_a_second_begin(update: Update) -> None:
    """Wait until files that are put in place now are visibly younger than the server: their times are whole seconds."""
    while update.ask("SELECT date_trunc('second', clock_timestamp()) <= pg_postmaster_start_time()") == [(True,)]:
        time.sleep(0.05)


def test_a_forgotten_restart_is_noticed(make_update: MakeUpdate) -> None:
    """New files under a running server: the restart is waited for, or done by the restart command."""
    update = make_update("0.3.0")
    let_a_second_begin(update)
    update.server.install("vchord", "0.4.3")
    said = update.run()
    assert (said.returncode, update.next_step(), update.version()) == (WAITING, "restart-for-update", "0.3.0")
    assert "the running server has loaded an older VectorChord" in said.stderr
    assert update.run("--restart-command", update.server.restart_command()).returncode == DONE
    assert_everything_answers(update)


def test_a_superuser_sees_a_forgotten_restart_by_the_files_time(make_update: MakeUpdate) -> None:
    """From 0.5 to 1.x no setting tells the releases apart; the library being younger than the server does."""
    update = make_update("0.5.3")
    let_a_second_begin(update)
    update.server.install("vchord", "1.1.1")
    said = update.run()
    assert (said.returncode, update.next_step(), update.version()) == (WAITING, "restart-for-update", "0.5.3")
    update.server.restart()
    assert update.run().returncode == DONE
    assert_everything_answers(update)


def test_dead_rows_with_garbage_do_not_stop_the_rebuild(make_update: MakeUpdate) -> None:
    """VectorChord 1.x reads dead row versions and refuses garbage in them: they are removed before the rebuild."""
    update = make_update("0.5.3")
    with update.server.connect("immich") as connection:
        damage_rows(connection, "smart_search", "garbage", rows=5)
        connection.execute("UPDATE smart_search SET embedding = embedding::real[]::public.vector")
    update.install("1.1.1")
    said = update.run()
    assert said.returncode == DONE, said.stderr
    assert_everything_answers(update)


def test_living_rows_with_garbage_are_explained(make_update: MakeUpdate) -> None:
    """What VectorChord 1.x refuses is named with the one statement that mends it; after that the command goes on."""
    update = make_update("0.5.3")
    with update.server.connect("immich") as connection:
        damage_rows(connection, "smart_search", "garbage", rows=5)
    hashes = update.hashes()
    update.install("1.1.1")
    said = update.run()
    assert (said.returncode, update.next_step()) == (WAITING, "rebuild-indexes")
    sql = re.findall(r"(ALTER TABLE \"public\"\.\"smart_search\" .*;)$", said.stderr, re.MULTILINE)
    assert len(sql) == 1, said.stderr
    as_superuser(update.server, "immich", sql[0])
    assert update.run().returncode == DONE
    assert update.hashes() == hashes
    assert_everything_answers(update)


def test_an_index_that_immich_dropped_is_built_again(make_update: MakeUpdate) -> None:
    """Immich drops both indexes before an update that it may then be refused: they are built as Immich builds them."""
    update = make_update("0.3.0", "DROP INDEX clip_index", "DROP INDEX face_index")
    update.install("1.1.1")
    assert update.run().returncode == DONE
    assert set(update.files()) == set(INDEXES)
    assert_everything_answers(update)


def test_indexes_of_others_are_updated_too(make_update: MakeUpdate) -> None:
    """An index without lists, on halfvec, outside public: it would fail after the update just as Immich's would."""
    update = make_update(
        "0.3.0",
        "CREATE SCHEMA other",
        "CREATE TABLE other.things (id int PRIMARY KEY, place public.halfvec(8))",
        "INSERT INTO other.things SELECT i, array_fill(i::real, ARRAY[8])::public.vector FROM generate_series(1, 30) i",
        "CREATE INDEX places ON other.things USING vchordrq (place public.halfvec_l2_ops)",
        "ALTER SCHEMA other OWNER TO immich",
        "ALTER TABLE other.things OWNER TO immich",
    )
    update.install("1.1.1")
    said = update.run()
    assert said.returncode == DONE, said.stderr
    assert "places answers: 10 neighbours found" in said.stdout
    nearest = "SELECT id FROM other.things ORDER BY place <-> array_fill(1.2::real, ARRAY[8])::vector::halfvec LIMIT 1"
    with update.server.connect("immich", "immich") as connection:
        connection.execute("SET vchordrq.probes = ''")
        assert connection.execute(nearest).fetchone() == (1,)


def test_a_database_without_vectorchord_has_nothing_to_update(make_server: MakeServer, tmp_path: Path) -> None:
    """Exit 4, and the command that would be right."""
    server = make_server(install={"vectors": "0.3.0"}, preload="vectors.so")
    ImmichDatabase(rows=10).build(server.conninfo())
    tool = Tool(tmp_path, server.conninfo("immich", "immich"), tmp_path / "update.db")
    said = tool.call("update", "--yes", "--no-input", "--database", tool.database)
    assert said.returncode == BLOCKED
    assert 'database "immich" has no extension vchord' in said.stderr
    assert "migrate --from pgvecto.rs" in said.stderr
