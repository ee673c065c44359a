"""Embeddings that are spoiled on purpose are spoiled in the way that they say."""

from collections.abc import Callable

import psycopg
import pytest
from servers import MakeServer

from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.immich_damage import Damage, damage_rows
from migrator.sandbox.server import Server


@pytest.fixture
def database(make_server: MakeServer) -> Callable[[], psycopg.Connection]:
    """Return a function that builds a database on pgvecto.rs, without the indexes that would refuse bad values."""

    def build() -> psycopg.Connection:
        server: Server = make_server(install={"vectors": "0.2.0"}, preload="vectors.so")
        conninfo = ImmichDatabase(rows=10, with_indexes=False).build(server.conninfo())
        return psycopg.connect(conninfo, autocommit=True)

    return build


def test_damage_is_where_it_says(database: Callable[[], psycopg.Connection]) -> None:
    """Length, NaN and infinity can be seen through the cast; the dimension of the column does not change."""
    wanted: dict[Damage, str] = {
        "length": "cardinality(embedding::real[]) <> 512",
        "nan": "(embedding::real[])[1] = 'NaN'",
        "infinity": "(embedding::real[])[1] = 'Infinity'",
    }
    with database() as connection:
        for damage, condition in wanted.items():
            keys = damage_rows(connection, "face_search", damage, rows=3)
            found = connection.execute(f"""SELECT "faceId" FROM face_search WHERE {condition} ORDER BY 1""").fetchall()
            assert [key for (key,) in found] == keys
            assert len(keys) == 3


def test_garbage_bytes_do_not_change_the_value(database: Callable[[], psycopg.Connection]) -> None:
    """They are only seen by who reads bytes, and by the index of pgvecto.rs."""
    with database() as connection:
        before = connection.execute("SELECT embedding::real[] FROM smart_search ORDER BY 1").fetchall()
        keys = damage_rows(connection, "smart_search", "garbage", rows=2)
        assert connection.execute("SELECT embedding::real[] FROM smart_search ORDER BY 1").fetchall() == before
        connection.execute(
            "CREATE FUNCTION pg_temp.head(vectors.vector, int, int) RETURNS bytea LANGUAGE internal AS 'bytea_substr'"
        )
        dirty = connection.execute(
            """SELECT "assetId" FROM smart_search WHERE pg_temp.head(embedding, 1, 4) = '\\x0002beef' ORDER BY 1"""
        )
        assert [key for (key,) in dirty] == keys
        with pytest.raises(psycopg.errors.InternalError_, match="entered unreachable code"):
            connection.execute("CREATE INDEX clip_index ON smart_search USING vectors (embedding vector_cos_ops)")


def test_pgvector_refuses_what_it_cannot_hold(make_server: MakeServer) -> None:
    """So these cannot come up on the path from pgvector."""
    database = ImmichDatabase(source="pgvector", rows=10, with_indexes=False)
    refused: tuple[Damage, ...] = ("length", "nan", "infinity")
    with psycopg.connect(database.build(make_server().conninfo()), autocommit=True) as connection:
        for damage in refused:
            with pytest.raises(psycopg.errors.DataException):
                damage_rows(connection, "smart_search", damage)
