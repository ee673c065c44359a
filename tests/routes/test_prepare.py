"""`migrate prepare`: a fresh database for an Immich that is no superuser, and everything that can be in the way."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from contrib import offer_contrib
from driving import BLOCKED, DONE, USAGE, WAITING, WORK_PENDING, Finished, Tool, as_superuser
from psycopg.rows import TupleRow
from servers import MakeServer

from migrator.sandbox.immich_catalog import catalog_dump
from migrator.sandbox.server import Server

EXTENSIONS = ("cube", "earthdistance", "vchord", "vector")


class Fresh:
    """A server with VectorChord and a role for Immich, and the command that prepares a database on it."""

    def __init__(self, server: Server, tool: Tool) -> None:
        self.server, self.tool = server, tool

    def run(self, *more: str, role: str = "postgres", owner: str = "immich") -> Finished:
        """Run the preparation as a script does, connected to a database that need not be there."""
        conninfo = self.server.conninfo("immich", role)
        return self.tool.call("prepare", "--database", conninfo, "--owner", owner, "--yes", "--no-input", *more)

    def connect(self, database: str = "immich", role: str = "postgres") -> psycopg.Connection[TupleRow]:
        """Connect to one of the server's databases."""
        return self.server.connect(database, role)

    def databases(self) -> set[str]:
        """Return the names of the databases."""
        with self.server.connect() as connection:
            return {row[0] for row in connection.execute("SELECT datname FROM pg_database").fetchall()}

    def dump(self, database: str = "immich") -> str:
        """Return everything about the structure of a database."""
        with self.server.connect(database) as connection:
            return catalog_dump(connection)


MakeFresh = Callable[..., Fresh]


@pytest.fixture
def make_fresh(make_server: MakeServer, tmp_path: Path) -> MakeFresh:
    """Return a function that makes a server to prepare a database on."""

    def make(*, vchord: str = "1.1.1", preload: str = "vchord.so", contrib: bool = True, role: bool = True) -> Fresh:
        server = make_server(install={"vchord": vchord}, preload=preload)
        if contrib:
            offer_contrib(server)
        if role:
            as_superuser(server, "postgres", "CREATE ROLE immich LOGIN")
        return Fresh(server, Tool(tmp_path, server.conninfo("immich"), tmp_path / "unused.db"))

    return make


def assert_immich_can_live_in(fresh: Fresh, database: str = "immich") -> None:
    """Let Immich's role, which is no superuser, do what Immich does in a fresh database."""
    with fresh.connect(database, "immich") as connection:
        superuser = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
        assert superuser == (False,)
        rows = connection.execute("SELECT extname, extnamespace::regnamespace::text FROM pg_extension").fetchall()
        assert {(name, "public") for name in EXTENSIONS} <= set(rows)
        connection.execute("CREATE TABLE smart_search (id int PRIMARY KEY, embedding vector(3) NOT NULL)")
        connection.execute("INSERT INTO smart_search SELECT i, ARRAY[i, 1, 0] FROM generate_series(1, 9) i")
        connection.execute(
            "CREATE INDEX clip_index ON smart_search USING vchordrq (embedding vector_cosine_ops) "
            "WITH (options = $$[build.internal]\nlists = [1]$$)"
        )
        connection.execute("SET enable_seqscan = off")
        nearest = "SELECT id FROM smart_search ORDER BY embedding <=> '[9, 1, 0]' LIMIT 1"
        assert connection.execute(nearest).fetchone() == (9,)
        assert connection.execute("SELECT earth() > 6e6").fetchone() == (True,)
        tables = connection.execute("SELECT schemaname FROM pg_tables WHERE tablename = 'smart_search'").fetchall()
        assert tables == [("public",)]
        owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
        assert connection.execute(owner).fetchone() == ("immich",)


def test_a_fresh_database_is_ready_for_an_immich_without_superuser(make_fresh: MakeFresh) -> None:
    """Everything that the page lists is there in schema public; again it does nothing, whoever runs it."""
    fresh = make_fresh()
    said = fresh.run()
    assert said.returncode == DONE, said.stderr
    assert said.stdout == 'Done. Database "immich" is ready for Immich, which needs no superuser in it.\n'
    before = fresh.dump()
    assert "setting database=immich role= vchordrq.probes=1" in before
    for role in ("postgres", "immich"):
        again = fresh.run(role=role)
        assert (again.returncode, again.stderr) == (DONE, "")
    dry = fresh.run("--dry-run", "--detailed-exitcode")
    assert (dry.returncode, "CREATE" in dry.stdout) == (DONE, False)
    assert fresh.dump() == before
    assert_immich_can_live_in(fresh)
    assert not list(fresh.tool.home.rglob("*.db")), "a preparation keeps no journal"


@pytest.mark.parametrize("name", ["immich", 'my "photos" 2026'])
def test_the_dry_run_writes_nothing_and_is_what_psql_needs(make_fresh: MakeFresh, name: str) -> None:
    """The script, run by psql from another database, leads to the same database as the command."""
    fresh = make_fresh()
    before = fresh.databases()
    dry = fresh.run("--dry-run", "--detailed-exitcode", "--name", name)
    assert (dry.returncode, fresh.databases()) == (WORK_PENDING, before)
    psql = subprocess.run(
        [fresh.server.tree.program("psql"), "-X", "-q", "-d", fresh.server.conninfo()],
        input=dry.stdout,
        text=True,
        capture_output=True,
        check=False,
    )
    assert psql.returncode == 0, psql.stderr
    by_hand = fresh.dump(name)
    assert fresh.run("--name", name).returncode == DONE
    assert fresh.dump(name) == by_hand, "the command found nothing left to do"
    assert_immich_can_live_in(fresh, name)


def test_what_is_there_is_recognised_and_what_is_misplaced_is_moved(make_fresh: MakeFresh) -> None:
    """A database made by hand, half-way: another owner, extensions elsewhere, a search path that leads elsewhere."""
    fresh = make_fresh()
    as_superuser(fresh.server, "postgres", "CREATE DATABASE immich")
    for statement in (
        "CREATE SCHEMA elsewhere",
        "CREATE EXTENSION vector SCHEMA elsewhere",
        "CREATE EXTENSION cube SCHEMA public",
        "ALTER DATABASE immich SET search_path TO elsewhere, public",
        "REVOKE ALL ON SCHEMA public FROM pg_database_owner, public",
    ):
        as_superuser(fresh.server, "immich", statement)
    plan = json.loads(fresh.run("--dry-run", "--json").stdout)
    assert {part["title"]: part["done"] for part in plan["parts"]} == {
        'database "immich", owner "immich"': False,
        "extension vector in schema public": False,
        "extension vchord in schema public": False,
        "extension cube in schema public": True,
        "extension earthdistance in schema public": False,
        "vchordrq.probes = 1": False,
        "new tables of Immich in schema public": False,
        '"immich" may create in schema public': True,
    }
    said = fresh.run()
    assert said.returncode == DONE, said.stderr
    assert_immich_can_live_in(fresh)


def test_a_search_path_of_the_role_is_overruled_in_this_database_only(make_fresh: MakeFresh) -> None:
    """A role that has its own search path keeps it elsewhere."""
    fresh = make_fresh()
    assert fresh.run().returncode == DONE
    as_superuser(fresh.server, "immich", "CREATE SCHEMA photos AUTHORIZATION immich")
    as_superuser(fresh.server, "immich", "ALTER ROLE immich SET search_path TO photos, public")
    assert fresh.run().returncode == DONE
    assert_immich_can_live_in(fresh)
    with fresh.connect("postgres", "immich") as connection:
        assert connection.execute("SHOW search_path").fetchone() == ("photos, public",)


def assert_refused(fresh: Fresh, said: Finished, code: int, *sentences: str) -> None:
    """Show that nothing was made, with which code, and that each sentence was said."""
    assert said.returncode == code, said.stderr
    assert said.stdout == ""
    for sentence in sentences:
        assert sentence in " ".join(said.stderr.split())
    assert "immich" not in fresh.databases()


def test_everything_in_the_way_is_said_at_once(make_fresh: MakeFresh) -> None:
    """No role, no library, no contrib: each in one sentence, exit 3 since somebody can do something about each."""
    fresh = make_fresh(preload="", contrib=False, role=False)
    fresh.server.remove("vchord")
    said = fresh.run()
    missing = () if (fresh.server.tree.extension_dir / "cube.control").exists() else ("no extension cube and earthd",)
    assert_refused(
        fresh,
        said,
        WAITING,
        'there is no role "immich"',
        "CREATE ROLE \"immich\" LOGIN PASSWORD '...';",
        "PostgreSQL offers no extension vchord",
        *missing,
    )


def test_a_library_that_is_not_loaded_is_named(make_fresh: MakeFresh) -> None:
    """CREATE EXTENSION would fail: the setting and the restart are asked for, in this order."""
    fresh = make_fresh(preload="")
    assert_refused(fresh, fresh.run(), WAITING, "wanted shared_preload_libraries = 'vchord.so'")
    fresh.server.set_preload("vchord.so")
    assert_refused(fresh, fresh.run(), WAITING, "the running server was started without")
    fresh.server.restart()
    assert fresh.run().returncode == DONE


def test_missing_rights_are_one_sentence(make_fresh: MakeFresh) -> None:
    """A role without superuser is told what to do instead; a release that Immich refuses is not installed either."""
    fresh = make_fresh()
    said = fresh.run(role="immich")
    assert_refused(fresh, said, WAITING, 'role "immich" may not do this', "wanted superuser", "with --dry-run")
    said = fresh.run("--target-immich", "1.134.0")
    assert_refused(fresh, said, WAITING, "found VectorChord 1.1.1", "wanted VectorChord >=0.3, <0.4")


def test_nobody_elses_database_is_taken(make_fresh: MakeFresh) -> None:
    """A database with another owner and tables in it, and those of the server itself, are refused with exit 4."""
    fresh = make_fresh()
    as_superuser(fresh.server, "postgres", "CREATE DATABASE photos")
    as_superuser(fresh.server, "photos", "CREATE TABLE pictures (id int)")
    before = fresh.dump("photos")
    said = fresh.run("--name", "photos")
    assert_refused(fresh, said, BLOCKED, 'it belongs to "postgres" and has 1 tables')
    assert fresh.dump("photos") == before
    assert_refused(fresh, fresh.run("--name", "postgres"), BLOCKED, "is a database of the server itself")


@pytest.mark.parametrize("given", ["parts", "url", "database"])
def test_the_names_come_from_immichs_own_settings(make_fresh: MakeFresh, tmp_path: Path, given: str) -> None:
    """Database and role as Immich's .env names them, or as its URL beside the administrator's connection does."""
    fresh = make_fresh()
    as_superuser(fresh.server, "postgres", "CREATE ROLE photos LOGIN")
    url = f"postgresql://photos@localhost:{fresh.server.port}/gallery"
    env_file = tmp_path / ".env"
    env_file.write_text("DB_DATABASE_NAME=gallery\nDB_USERNAME=photos\n" if given == "parts" else f"DB_URL={url}\n")
    own = ["--database", url] if given == "database" else ["--env-file", str(env_file)]
    admin = ["--admin-database", fresh.server.conninfo("postgres", "postgres")]
    done = fresh.tool.call("prepare", *own, *admin, "--yes", "--no-input")
    assert done.returncode == DONE, done.stderr
    assert {"gallery"} == fresh.databases() - {"postgres", "template0", "template1"}
    with fresh.connect("gallery", "photos") as connection:
        row = connection.execute("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'gallery'").fetchone()
    assert row == ("photos",)
    typed = fresh.tool.call("prepare", *own, *admin, "--owner", "immich", "--name", "typed", "--yes", "--no-input")
    assert typed.returncode == DONE, typed.stderr
    assert "typed" in fresh.databases()


def test_without_a_role_it_is_asked_for(make_fresh: MakeFresh) -> None:
    """Immich's default role is the server's superuser: nobody is made the owner by guessing."""
    fresh = make_fresh()
    said = fresh.tool.call("prepare", "--database", fresh.server.conninfo(), "--yes", "--no-input")
    assert said.returncode == USAGE
    assert "name it: --owner ROLE, or --env-file .env" in " ".join(said.stderr.split())
    assert fresh.databases() == {"postgres", "template0", "template1"}
