"""The Immich-shaped database is what Immich would have left, in every state that one may start from."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from packaging.version import Version
from servers import MakeServer

from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.immich_catalog import ContentHash, catalog_dump, content_hash, content_hashes
from migrator.sandbox.immich_sql import index_statement, list_count
from migrator.sandbox.server import Server
from migrator.sandbox.shelf import Shelf
from migrator.sandbox.tree import Tree

BOTH = {"vectors": "0.3.0", "vchord": "0.3.0"}
PRELOAD_BOTH = "vchord.so, vectors.so"
PASSWORD = "pass word"  # noqa: S105 - of a throw-away server


@pytest.fixture(scope="module")
def server(open_folder: Path, numbers: Iterator[int], tree: Tree, shelf: Shelf) -> Iterator[Server]:
    """Return a server for all tests that need pgvector alone."""
    with Server.create(open_folder / f"immich{next(numbers)}", tree=tree, shelf=shelf) as server:
        server.start()
        yield server


@pytest.fixture
def name(numbers: Iterator[int]) -> str:
    """Return a database name that no other test uses."""
    return f"immich{next(numbers)}"


def columns(connection: psycopg.Connection) -> dict[str, tuple[str, int, str, bool]]:
    """Return type, modifier, storage and NOT NULL of both columns of embeddings."""
    rows = connection.execute(
        "SELECT attrelid::regclass::text, n.nspname || '.' || typname, atttypmod, attstorage, attnotnull"
        " FROM pg_attribute JOIN pg_type t ON t.oid = atttypid JOIN pg_namespace n ON n.oid = typnamespace"
        " WHERE attname = 'embedding' AND attrelid = ANY('{smart_search,face_search}'::regclass[])"
    )
    return {name: tuple(rest) for name, *rest in rows}


def indexes(connection: psycopg.Connection) -> dict[str, str]:
    """Return the definitions of the vector indexes, as Immich reads them."""
    rows = connection.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE indexname IN ('clip_index', 'face_index')"
    )
    return dict(rows.fetchall())


def settings(connection: psycopg.Connection) -> list[str]:
    """Return the settings stored on the database."""
    row = connection.execute(
        "SELECT setconfig FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase AND setrole = 0"
        " WHERE datname = current_database()"
    ).fetchone()
    return [] if row is None else list(row[0])


def build(server: Server, database: ImmichDatabase) -> psycopg.Connection:
    """Build a database and connect to it."""
    return psycopg.connect(database.build(server.conninfo()), autocommit=True)


def test_a_pgvector_database_has_hnsw_indexes_over_vectors_of_unit_length(server: Server, name: str) -> None:
    """Immich with DB_VECTOR_EXTENSION=pgvector."""
    with build(server, ImmichDatabase(name=name, source="pgvector", dimension=768)) as connection:
        assert columns(connection) == {
            "smart_search": ("public.vector", 768, "e", True),
            "face_search": ("public.vector", 512, "e", True),
        }
        assert all("USING hnsw (embedding vector_cosine_ops)" in text for text in indexes(connection).values())
        assert settings(connection) == []
        lengths = connection.execute(
            "SELECT count(DISTINCT embedding), count(*) FILTER (WHERE abs(vector_norm(embedding) - 1) > 1e-6)"
            " FROM smart_search"
        ).fetchone()
        # The one that is not of unit length is the awkward one.
        assert lengths == (200, 1)


@pytest.mark.parametrize("version", ["0.2.0", "0.3.0"])
def test_a_pgvectors_database_is_as_immich_left_it(make_server: MakeServer, version: str) -> None:
    """Type, index and search_path as on the data directories that genuine builds wrote."""
    server = make_server(install={"vectors": version}, preload="vectors.so")
    with build(server, ImmichDatabase(immich_version="1.133.1")) as connection:
        assert columns(connection) == {
            "smart_search": ("vectors.vector", 512, "e", True),
            "face_search": ("vectors.vector", 512, "e", True),
        }
        found = indexes(connection)
        assert set(found) == {"clip_index", "face_index"}
        for text in found.values():
            assert "USING vectors (embedding vector_cos_ops)" in text
            assert "optimizing.optimizing_threads = 4\n[indexing.hnsw]\nm = 16\nef_construction = 300" in text
        assert settings(connection) == ['search_path="$user", public, vectors']
        assert content_hash(connection, "smart_search").rows == 200


def test_a_vchord_database_has_the_probes_and_lists_that_immich_wants(make_server: MakeServer) -> None:
    """The state at the end of every path."""
    server = make_server(install={"vchord": "0.3.0"}, preload="vchord.so")
    with build(server, ImmichDatabase(source="vchord")) as connection:
        assert settings(connection) == ["vchordrq.probes=1"]
        for text in indexes(connection).values():
            assert "USING vchordrq (embedding vector_cosine_ops)" in text
            assert "lists = [1]\n" in text


def test_arrays_have_no_dimension_and_no_index(server: Server, name: str) -> None:
    """The manual path, left in the middle."""
    with build(server, ImmichDatabase(name=name, source="real[]", dimension=768)) as connection:
        assert columns(connection) == {
            "smart_search": ("pg_catalog._float4", -1, "x", True),
            "face_search": ("pg_catalog._float4", -1, "x", True),
        }
        assert indexes(connection) == {}
        lengths = connection.execute("SELECT DISTINCT cardinality(embedding) FROM smart_search").fetchall()
        assert lengths == [(768,)]


def test_values_are_the_same_in_every_state_and_each_time(make_server: MakeServer) -> None:
    """So a hash taken from one state can be compared with that of another."""
    server = make_server(install=BOTH, preload=PRELOAD_BOTH)
    found = set()
    for number, source in enumerate(("real[]", "pgvector", "pgvecto.rs", "vchord", "pgvecto.rs")):
        database = ImmichDatabase(name=f"immich{number}", source=source, rows=50, face_rows=70)  # type: ignore[arg-type]
        with build(server, database) as connection:
            hashes = content_hashes(connection)
        assert [it.rows for it in hashes.values()] == [50, 70]
        found.add(tuple(hashes.values()))
    assert len(found) == 1


def test_the_first_embedding_is_awkward(server: Server, name: str) -> None:
    """Both zeros, a denormal and a value near the largest real, for conversions to stumble over."""
    with build(server, ImmichDatabase(name=name, source="pgvector", dimension=8)) as connection:
        row = connection.execute(
            """SELECT embedding::text FROM smart_search WHERE "assetId" = md5('asset1')::uuid"""
        ).fetchone()
        assert row == ("[-0,1e-45,3.4e+38,-1.5,1e-10,0,-0,1e-45]",)


@pytest.mark.parametrize(("dimension", "rows", "face_rows"), [(4, 300, 0), (7, 20, 30), (1536, 0, 3), (512, 0, 0)])
def test_odd_sizes_can_be_built(server: Server, name: str, dimension: int, rows: int, face_rows: int) -> None:
    """Odd dimensions, empty tables, faces without assets that have an embedding."""
    database = ImmichDatabase(name=name, source="pgvector", dimension=dimension, rows=rows, face_rows=face_rows)
    with build(server, database) as connection:
        assert [it.rows for it in content_hashes(connection).values()] == [rows, face_rows]


def test_a_dimension_below_four_is_refused() -> None:
    """A row is put together from four pieces."""
    with pytest.raises(ValueError, match="dimension 3 is too small; the smallest is 4"):
        ImmichDatabase(dimension=3).build("host=nowhere.invalid")


@pytest.mark.parametrize(
    ("dimension", "model", "expected"),
    [
        (512, None, None),
        (768, None, {"clip": {"modelName": "ViT-L-14__openai"}}),
        (64, None, {"clip": {"enabled": False}}),
        (512, "ViT-L-14__openai", {"clip": {"modelName": "ViT-L-14__openai"}}),
    ],
)
def test_the_model_fits_the_dimension_unless_told_otherwise(
    server: Server, name: str, dimension: int, model: str | None, expected: object
) -> None:
    """No row stands for the default model; where Immich knows no model of that size smart search is off."""
    database = ImmichDatabase(name=name, source="pgvector", dimension=dimension, model=model, rows=3)
    with build(server, database) as connection:
        row = connection.execute("SELECT value -> 'machineLearning' FROM system_metadata").fetchone()
    assert row == (None if expected is None else (expected,))


def test_the_owner_may_be_an_ordinary_role_with_a_password(make_server: MakeServer) -> None:
    """It owns database, tables and schema, and may not create extensions."""
    server = make_server(install={"vectors": "0.3.0"}, preload="vectors.so")
    database = ImmichDatabase(owner="photos", owner_is_superuser=False, owner_password=PASSWORD)
    database.build(server.conninfo())
    with server.connect("immich", "photos", tcp=True, password=PASSWORD) as connection:
        assert content_hash(connection, "face_search").rows == 200
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE EXTENSION vector")
        row = connection.execute(
            "SELECT count(*) FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace AND relowner <> 'photos'::regrole"
        ).fetchone()
        assert row == (0,)
        owner = connection.execute("SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'vectors'")
        assert owner.fetchone() == ("photos",)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        server.connect("immich", "photos", tcp=True, password=PASSWORD + "!")


def test_older_releases_call_the_tables_otherwise(server: Server, name: str) -> None:
    """The foreign key of face_search follows."""
    database = ImmichDatabase(name=name, source="pgvector", face_table="asset_faces", rows=5)
    with build(server, database) as connection:
        row = connection.execute(
            "SELECT confrelid::regclass::text FROM pg_constraint"
            " WHERE conrelid = 'face_search'::regclass AND contype = 'f'"
        ).fetchone()
        assert row == ("asset_faces",)
        connection.execute("DELETE FROM assets")
        assert content_hash(connection, "face_search") == ContentHash(0, None)


def test_the_dump_shows_what_changed_and_nothing_else(server: Server, numbers: Iterator[int]) -> None:
    """Equal for twins on one server; one line differs for one change."""
    twins = [ImmichDatabase(name=f"twin{next(numbers)}", source="pgvector", rows=10) for _ in range(2)]
    with build(server, twins[0]) as one, build(server, twins[1]) as other:
        assert catalog_dump(one) == catalog_dump(other)
        other.execute("COMMENT ON COLUMN smart_search.embedding IS 'vector(512)'")
        other.execute("CREATE TEMPORARY TABLE left_over (id integer)")
        changed = set(catalog_dump(other).splitlines()) - set(catalog_dump(one).splitlines())
    assert {line.split(" ")[0] for line in changed} == {"column", "relation"}
    assert any("comment=vector(512)" in line for line in changed)
    assert any("left_over" in line for line in changed)


def test_the_dump_works_while_the_library_is_missing(make_server: MakeServer) -> None:
    """So broken states can be compared before and after too."""
    server = make_server(install={"vectors": "0.3.0"}, preload="vectors.so")
    with build(server, ImmichDatabase(rows=10)) as connection:
        before = catalog_dump(connection)
    server.stop()
    server.remove("vectors")
    server.set_preload("")
    server.start()
    with server.connect("immich") as connection:
        assert catalog_dump(connection) == before


@pytest.mark.parametrize(
    ("rows", "lists"),
    [
        (0, 1),
        (127_999, 1),
        (128_000, 256),
        (255_999, 256),
        (256_000, 512),
        (512_000, 1024),
        (1_024_000, 2048),
        (2_047_999, 2048),
        (2_048_000, 4096),
        (4_194_303, 4096),
        (4_194_304, 8192),
        (106_667 * 1.2, 256),
    ],
)
def test_the_list_count_is_immichs(rows: float, lists: int) -> None:
    """The table that follows from Immich's formula, at its edges."""
    assert list_count(rows) == lists


def test_the_index_statement_is_immichs_to_the_letter() -> None:
    """Immich looks for the text of the list count in the definition that Postgres stored."""
    text = index_statement("vchord", "clip_index", 300_000, Version("1.133.0")).as_string()
    assert text.endswith(
        "USING vchordrq (embedding vector_cosine_ops) WITH (options = $$\nresidual_quantization = false\n"
        "[build.internal]\nlists = [512]\nspherical_centroids = true\nbuild_threads = 4\nsampling_factor = 1024\n$$)"
    )
