"""The imitated start of Immich does to a database what Immich does, careless things included."""

import re
import threading

import psycopg
import pytest
from servers import MakeServer

from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.immich_catalog import catalog_dump, content_hashes
from migrator.sandbox.immich_startup import MIGRATIONS_LOCK, ImmichStartup, ImmichStartupFailed
from migrator.sandbox.server import Server


def as_immich(server: Server) -> str:
    """Return Immich's own connection."""
    return server.conninfo("immich", "immich")


def both_libraries(make_server: MakeServer, **versions: str) -> Server:
    """Return a server that offers both extensions."""
    return make_server(install={"vectors": "0.3.0", "vchord": "0.3.0"} | versions, preload="vchord.so, vectors.so")


def extensions(connection: psycopg.Connection) -> dict[str, str]:
    """Return the extensions of the database that have to do with vectors."""
    rows = connection.execute("SELECT extname, extversion FROM pg_extension WHERE extname LIKE 'v%'")
    return dict(rows.fetchall())


@pytest.mark.parametrize(
    ("release", "vectors", "vchord"),
    [("1.134.0", "0.2.0", "0.3.0"), ("2.0.0", "0.3.0", "0.4.3"), ("2.7.5", "0.2.0", "1.1.1")],
)
def test_immich_takes_a_pgvectors_database_to_vchord(
    make_server: MakeServer, release: str, vectors: str, vchord: str
) -> None:
    """Step 7 of the documented path, done by Immich."""
    server = both_libraries(make_server, vectors=vectors, vchord=vchord)
    with psycopg.connect(ImmichDatabase(dimension=768).build(server.conninfo()), autocommit=True) as connection:
        before = content_hashes(connection)
    lines = ImmichStartup(conninfo=as_immich(server), release=release).run()
    assert lines[0] == "Creating VectorChord extension"
    assert sorted(lines[1:3] + lines[3:5]) == [
        "Reindexed clip_index",
        "Reindexed face_index",
        "Reindexing clip_index (This may take a while, do not restart)",
        "Reindexing face_index (This may take a while, do not restart)",
    ]
    assert lines[5:] == ["Dropping pgvecto.rs extension"]
    with server.connect("immich") as connection:
        assert content_hashes(connection) == before
        assert set(extensions(connection)) == {"vector", "vchord"}
        dump = catalog_dump(connection)
    assert "public.smart_search.embedding type=public.vector typmod=768 storage=e" in dump
    assert "setting database=immich role= vchordrq.probes=1" in dump
    # What these releases stored stays behind, and later versions of VectorChord complain about it.
    assert ("vchordrq.prewarm_dim" in dump) == (release == "1.134.0")


def test_immich_leaves_a_finished_database_alone(make_server: MakeServer) -> None:
    """A second start rebuilds nothing."""
    server = make_server(install={"vchord": "0.3.0"}, preload="vchord.so")
    ImmichDatabase(source="vchord").build(server.conninfo())
    with server.connect("immich") as connection:
        before = catalog_dump(connection)
    assert sorted(ImmichStartup(conninfo=as_immich(server)).run()) == [
        "targetLists=1, current=1 for clip_index of 200 rows",
        "targetLists=1, current=1 for face_index of 200 rows",
    ]
    with server.connect("immich") as connection:
        assert catalog_dump(connection) == before


def test_immich_three_leaves_pgvectors_behind(make_server: MakeServer) -> None:
    """It converts, but does not know the extension that it should drop."""
    server = both_libraries(make_server)
    ImmichDatabase().build(server.conninfo())
    lines = ImmichStartup(conninfo=as_immich(server), release="3.0.0").run()
    assert not [line for line in lines if line.startswith("Dropping")]
    with server.connect("immich") as connection:
        assert set(extensions(connection)) == {"vector", "vchord", "vectors"}


def test_immich_rebuilds_an_index_of_the_wrong_kind(make_server: MakeServer) -> None:
    """From hnsw, without DB_VECTOR_EXTENSION, to VectorChord; with it, nothing happens."""
    server = make_server(install={"vchord": "0.3.0"}, preload="vchord.so")
    ImmichDatabase(source="pgvector").build(server.conninfo())
    assert ImmichStartup(conninfo=as_immich(server), vector_extension="vector").run() == []
    lines = ImmichStartup(conninfo=as_immich(server)).run()
    assert "Reindexed clip_index" in lines
    with server.connect("immich") as connection:
        assert set(extensions(connection)) == {"vector", "vchord"}


def test_immich_updates_an_older_vchord(make_server: MakeServer) -> None:
    """It drops both indexes first, and builds them again."""
    server = make_server(install={"vchord": "0.3.0"}, preload="vchord.so")
    ImmichDatabase(source="vchord").build(server.conninfo())
    server.stop()
    server.install("vchord", "1.1.1")
    server.start()
    lines = ImmichStartup(conninfo=as_immich(server)).run()
    assert lines[0] == "Updating VectorChord extension to 1.1.1"
    assert lines.count("Reindexed face_index") == 1
    with server.connect("immich") as connection:
        assert extensions(connection)["vchord"] == "1.1.1"


def test_immich_empties_a_table_whose_column_is_gone(make_server: MakeServer) -> None:
    """The disaster after DROP EXTENSION ... CASCADE, which nothing of ours may lead to."""
    server = make_server(install={"vchord": "0.3.0"}, preload="vchord.so")
    ImmichDatabase(source="vchord").build(server.conninfo())
    with server.connect("immich") as connection:
        connection.execute("ALTER TABLE smart_search DROP COLUMN embedding")
    lines = ImmichStartup(conninfo=as_immich(server)).run()
    assert "WARN Column 'embedding' does not exist in table 'smart_search', truncating and adding column." in lines
    with server.connect("immich") as connection:
        hashes = content_hashes(connection)
    assert (hashes["smart_search"].rows, hashes["face_search"].rows) == (0, 200)


def test_immich_takes_an_array_for_512(make_server: MakeServer) -> None:
    """It fails on arrays of another length, and leaves them as they are."""
    server = make_server(install={"vchord": "0.3.0"}, preload="vchord.so")
    ImmichDatabase(source="real[]", dimension=768).build(server.conninfo())
    said: list[str] = []
    with pytest.raises(psycopg.errors.DataException, match="expected 512 dimensions, not 768"):
        ImmichStartup(conninfo=as_immich(server), on_line=said.append).run()
    assert "WARN Could not retrieve dimension size of column 'embedding' in table 'smart_search', assuming 512" in said
    assert any(line.startswith("WARN Could not run vector reindexing checks.") for line in said)


def test_immich_empties_a_table_whose_dimension_is_not_the_models(make_server: MakeServer) -> None:
    """Why the dimension has to be restored before Immich starts."""
    server = make_server(install={"vchord": "0.3.0"}, preload="vchord.so")
    ImmichDatabase(source="vchord", model="ViT-L-14__openai").build(server.conninfo())
    lines = ImmichStartup(conninfo=as_immich(server)).run()
    assert lines[2:] == [
        "Dimension size of model ViT-L-14__openai is 768, but database expects 512.",
        "Updating database CLIP dimension size to 768.",
    ]
    with server.connect("immich") as connection:
        assert content_hashes(connection)["smart_search"].rows == 0
        assert "public.smart_search.embedding type=public.vector typmod=768" in catalog_dump(connection)


def test_immich_waits_for_its_lock(make_server: MakeServer) -> None:
    """Whoever holds lock 200 keeps Immich out."""
    server = make_server()
    ImmichDatabase(source="pgvector", rows=5).build(server.conninfo())
    startup = ImmichStartup(conninfo=as_immich(server), vector_extension="vector")
    thread = threading.Thread(target=startup.run)
    with server.connect("immich") as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [MIGRATIONS_LOCK])
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
        waiting = connection.execute("SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        assert waiting.fetchall() == [(200,)]
    thread.join(30)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("release", "version", "message"),
    [
        ("1.134.0", "0.4.3", "The VectorChord extension version is 0.4.3, but Immich only supports >=0.3 <0.4."),
        ("2.0.1", "0.5.3", "The VectorChord extension version is 0.5.3, but Immich only supports >=0.3 <0.5."),
        ("2.4.0", "1.1.1", "The VectorChord extension version is 1.1.1, but Immich only supports >=0.3 <0.6."),
    ],
)
def test_immich_refuses_versions_outside_its_range(
    make_server: MakeServer, release: str, version: str, message: str
) -> None:
    """Each release has a range of its own, in Immich's words."""
    server = make_server(install={"vchord": version}, preload="vchord.so")
    ImmichDatabase(source="pgvector", rows=5).build(server.conninfo())
    with pytest.raises(ImmichStartupFailed, match=f"^{re.escape(message)}$"):
        ImmichStartup(conninfo=as_immich(server), release=release).run()


def test_immich_refuses_an_older_library_than_the_database_has(make_server: MakeServer) -> None:
    """There are no scripts for the way back."""
    server = make_server(install={"vchord": "0.5.3"}, preload="vchord.so")
    ImmichDatabase(source="vchord", rows=5).build(server.conninfo())
    server.stop()
    server.install("vchord", "0.4.3")
    server.start()
    with pytest.raises(ImmichStartupFailed, match=r"has VectorChord 0\.5\.3 activated, .* only has 0\.4\.3 available"):
        ImmichStartup(conninfo=as_immich(server)).run()


def test_immich_needs_some_extension(make_server: MakeServer) -> None:
    """Immich 3 does not take pgvecto.rs for one."""
    server = make_server(install={"vectors": "0.3.0"}, preload="vectors.so")
    ImmichDatabase(rows=5).build(server.conninfo())
    server.remove("vector")
    with pytest.raises(ImmichStartupFailed, match=r"No vector extension found\. Available extensions: vchord, vector"):
        ImmichStartup(conninfo=as_immich(server), release="3.0.0").run()
