"""What is wrong in the database or on the server: found before anything changes, named, with a remedy and a code."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from driving import BLOCKED, WAITING, Tool
from servers import MakeServer

from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.immich_catalog import catalog_dump
from migrator.sandbox.immich_damage import Damage, damage_rows
from migrator.sandbox.immich_startup import MIGRATIONS_LOCK
from migrator.sandbox.processes import processes_in, wait_until
from migrator.sandbox.server import Server

Prepare = Callable[..., tuple[Server, Tool]]
BOTH = "vchord.so, vectors.so"


@pytest.fixture
def prepare(make_server: MakeServer, tmp_path: Path) -> Prepare:
    """Return a function that makes a server ready for step 6, both libraries loaded, and the command for it."""

    def make(vectors: str = "0.3.0", *, preload: str = BOTH, **immich: object) -> tuple[Server, Tool]:
        server = make_server(install={"vectors": vectors, "vchord": "0.3.0"}, preload=preload)
        ImmichDatabase(**{"rows": 20, **immich}).build(server.conninfo())  # type: ignore[arg-type]
        return server, Tool(tmp_path, server.conninfo("immich", "immich"), tmp_path / "immich.db")

    return make


def dump_of(server: Server) -> str:
    """Return everything about the structure of Immich's database; reads catalogs alone."""
    with server.connect("immich") as connection:
        return catalog_dump(connection)


def columns_of(server: Server) -> list[str]:
    """Return the lines of the structure that a conversion changes: columns and indexes of the embeddings."""
    return [line for line in dump_of(server).splitlines() if "embedding type=" in line or "_index on" in line]


def execute(server: Server, sql: str) -> None:
    """Run one statement in Immich's database, as a superuser."""
    with server.connect("immich") as connection:
        connection.execute(sql.encode())


def never_crashed(server: Server) -> bool:
    """Tell whether the server has run through since its last start."""
    return not [line for line in server.complaints() if "PANIC" in line or "crash of another" in line]


@pytest.mark.parametrize("superuser", [True, False])
@pytest.mark.parametrize("damage", ["length", "nan", "infinity"])
def test_rows_that_pgvector_would_refuse(prepare: Prepare, damage: Damage, superuser: bool) -> None:  # noqa: FBT001
    """Counted and shown by key before anything changes; deleted as the remedy says, the same command goes on."""
    server, tool = prepare("0.2.0", with_indexes=False, owner_is_superuser=superuser, also_create=("vchord",))
    with server.connect("immich") as connection:
        keys = [str(key) for key in damage_rows(connection, "face_search", damage, rows=2)]
    before = columns_of(server)
    said = tool.migrate()
    assert said.returncode == BLOCKED
    counted = "2 of another length, 0 with" if damage == "length" else "0 of another length, 2 with"
    flowing = " ".join(said.stderr.split())
    assert f"{counted} NaN or infinity; for example {', '.join(keys)}" in flowing
    assert 'DELETE FROM "public"."face_search" WHERE "faceId" = ' in said.stderr
    assert said.stderr.splitlines()[-1].startswith("1 blocker; nothing was changed")
    assert [line for line in columns_of(server) if "face_search" in line] == [
        line for line in before if "face_search" in line
    ]
    for key in keys:
        execute(server, f"""DELETE FROM "public"."face_search" WHERE "faceId" = '{key}'""")
    assert tool.migrate().returncode == WAITING
    assert "public.face_search.embedding type=public.vector typmod=512" in dump_of(server)


def test_arrays_of_unknown_dimension(prepare: Prepare) -> None:
    """An empty table of real[] has no dimension, and nobody guesses one; named by the person, it is used."""
    server, tool = prepare(source="real[]", rows=0, face_rows=20, also_create=("vectors", "vchord"))
    before = columns_of(server)
    said = tool.migrate()
    assert said.returncode == BLOCKED
    assert "nobody knows it" in said.stderr
    assert "--dimension smart_search=N" in said.stderr
    assert columns_of(server) == before
    assert tool.migrate("--dimension", "smart_search=768").returncode == WAITING
    assert "public.smart_search.embedding type=public.vector typmod=768" in dump_of(server)


def test_arrays_that_disagree(prepare: Prepare) -> None:
    """Arrays of two lengths: both are named, with the query that shows the rows; nothing is changed."""
    server, tool = prepare(source="real[]", also_create=("vectors", "vchord"))
    with server.connect("immich") as connection:
        damage_rows(connection, "smart_search", "length")
    before = columns_of(server)
    said = tool.migrate()
    assert said.returncode == BLOCKED
    assert "shortest array: 3; longest array: 512" in said.stderr
    assert "GROUP BY 1;" in said.stderr
    assert columns_of(server) == before


def test_a_dimension_named_against_the_rows(prepare: Prepare) -> None:
    """--dimension decides nothing that the stored arrays contradict."""
    server, tool = prepare(source="real[]", also_create=("vectors", "vchord"))
    before = columns_of(server)
    said = tool.migrate("--dimension", "smart_search=768")
    assert said.returncode == BLOCKED, said.stderr
    assert columns_of(server) == before


def test_a_locked_table(prepare: Prepare) -> None:
    """Another session reads in an open transaction: its pid and name are told, and nothing is converted."""
    server, tool = prepare()
    with server.connect("immich", application_name="somebody's backup") as connection, connection.transaction():
        connection.execute("LOCK TABLE smart_search IN ACCESS SHARE MODE")
        before = columns_of(server)
        said = tool.migrate("--lock-timeout", "0.3")
        assert said.returncode == BLOCKED
        assert "convert-smart-search/lock did not get its lock in 6 attempts; nothing was changed by it" in said.stderr
        pid = connection.info.backend_pid
        held = rf"^  held by +pid {pid} \(somebody's backup, idle in transaction\) as .* on .*smart_"
        assert re.search(held, said.stderr, re.MULTILINE), said.stderr
        assert "attempt 5 of 6, held by pid" in said.stderr
        assert columns_of(server) == before
    assert tool.migrate().returncode == WAITING


def test_an_immich_that_is_starting(prepare: Prepare) -> None:
    """Its lock 200 is respected: 3, who holds it, and how to stop it."""
    server, tool = prepare()
    with server.connect("immich", application_name="immich-server") as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [MIGRATIONS_LOCK])
        before = columns_of(server)
        said = tool.migrate()
        assert (said.returncode, tool.next_step()) == (WAITING, "keep-immich-out")
        assert f"held by pid {connection.info.backend_pid} (immich-server)" in " ".join(said.stderr.split())
        assert "docker compose stop immich-server" in said.stderr
        assert columns_of(server) == before
    assert tool.migrate().returncode == WAITING
    assert tool.next_step() != "keep-immich-out"


def test_pgvectors_library_is_missing(prepare: Prepare) -> None:
    """The package went before the data: blocked, the data is intact, and what to put back is named."""
    server, tool = prepare(preload="vectors.so")
    before = dump_of(server)
    server.stop()
    server.remove("vectors")
    server.set_preload("")
    server.start()
    said = tool.migrate()
    assert said.returncode == BLOCKED
    flowing = " ".join(said.stderr.split())
    assert "extension vectors 0.3.0 is in the catalog, this server no longer offers it" in flowing
    assert "on the server; the data is intact" in flowing
    assert "put the image or package with pgvecto.rs 0.3.0 back:" in flowing
    assert dump_of(server) == before
    server.install("vectors", "0.3.0")
    server.set_preload("vectors.so")
    server.restart()
    assert tool.migrate().returncode == WAITING
    assert tool.next_step() == "restart-for-vectorchord"


def test_pgvectors_is_not_preloaded(prepare: Prepare) -> None:
    """The library is there and was not loaded: an operator's task, with the setting and the restart."""
    server, tool = prepare(preload="vectors.so")
    server.set_preload("")
    server.restart()
    before = dump_of(server)
    said = tool.migrate()
    assert (said.returncode, tool.next_step()) == (WAITING, "pgvectors-installed")
    assert "add vectors.so to shared_preload_libraries, restart PostgreSQL" in " ".join(said.stderr.split())
    assert dump_of(server) == before


@pytest.mark.parametrize(
    ("superuser", "with_indexes"), [(True, True), (True, False), (False, True)], ids=["view", "no index", "no right"]
)
def test_the_worker_of_pgvectors_is_gone(prepare: Prepare, superuser: bool, with_indexes: bool) -> None:  # noqa: FBT001
    """A reload ended it: recognised before anything could be rolled back, so the server lives; a restart helps."""
    server, tool = prepare("0.2.0", owner_is_superuser=superuser, with_indexes=with_indexes, also_create=("vchord",))
    before = columns_of(server)
    execute(server, "SELECT pg_reload_conf()")
    wait_for_the_worker_to_end(server)
    said = tool.migrate(limit_seconds=300)
    assert said.returncode == WAITING, said.stderr
    flowing = " ".join(said.stderr.split())
    assert re.search(r"found gone.*: a configuration reload ends it on 0\.2\.x", flowing)
    assert "restart PostgreSQL (a reload is not enough, and makes it worse)" in said.stderr
    assert columns_of(server) == before
    assert never_crashed(server)
    server.restart()
    assert tool.migrate().returncode == WAITING
    assert tool.next_step() not in ("pgvectors-installed", "convert-smart-search")
    assert never_crashed(server)


def wait_for_the_worker_to_end(server: Server) -> None:
    """Wait until no process of the server calls itself the worker of pgvecto.rs."""
    gone = wait_until(
        lambda: not [p for p in processes_in(server.data) if p.title.endswith("vectors")], limit_seconds=20
    )
    assert gone
