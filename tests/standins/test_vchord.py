"""The stand-in for VectorChord where the recordings do not look: searches, VACUUM, crashes, pace."""

from collections.abc import Iterator
from threading import Thread
from time import monotonic, sleep

import psycopg
import pytest
from psycopg.rows import TupleRow
from servers import MakeServer

from migrator.sandbox.server import Server

pytestmark = pytest.mark.standin_only("looks at the stand-in's own index")

_ROWS = 4000
_BUILD = """CREATE INDEX near ON items USING vchordrq (embedding vector_cosine_ops) WITH (options = $$
[build.internal]
lists = [1]
$$)"""
_PROBE = "(SELECT embedding FROM items WHERE id = 2)"
_NEAREST = f"SELECT embedding <=> {_PROBE} FROM items ORDER BY embedding <=> {_PROBE} LIMIT 50"


@pytest.fixture(params=["0.3.0", "1.1.1"])
def server(request: pytest.FixtureRequest, make_server: MakeServer) -> Server:
    """Return a server with a table of vectors and an index on it."""
    server = make_server(install={"vchord": request.param}, preload="vchord")
    with server.connect() as session:
        session.execute("CREATE EXTENSION vchord CASCADE")
        session.execute("CREATE TABLE items (id int PRIMARY KEY, embedding vector(32) NOT NULL)")
        session.execute("SELECT setseed(0.5)")
        session.execute(_INSERT, [1, _ROWS])
        session.execute(_BUILD)
    return server


_INSERT = """INSERT INTO items
SELECT i, (SELECT array_agg(random() + 0 * i * j) FROM generate_series(1, 32) j)::real[]::vector
FROM generate_series(%s::int, %s::int) i"""


@pytest.fixture
def session(server: Server) -> Iterator[psycopg.Connection[TupleRow]]:
    """Return a session that the planner gives the index to."""
    with _session(server) as session:
        yield session


def _session(server: Server) -> psycopg.Connection[TupleRow]:
    session = server.connect()
    session.execute("SET vchordrq.probes = '1'")
    session.execute("SET enable_seqscan = off")
    return session


def _same_by_index_and_by_sorting(session: psycopg.Connection[TupleRow]) -> bool:
    plan = "\n".join(str(row[0]) for row in session.execute(f"EXPLAIN {_NEAREST}"))
    assert "Index Scan using near" in plan
    by_index = session.execute(_NEAREST).fetchall()
    session.execute("SET enable_indexscan = off")
    by_sorting = session.execute(_NEAREST).fetchall()
    session.execute("RESET enable_indexscan")
    return by_index == by_sorting and len(by_index) > 0


def test_searches_are_exact_while_rows_come_and_go(session: psycopg.Connection[TupleRow]) -> None:
    """Deleted, vacuumed, inserted and updated rows are found by the index exactly as without it."""
    for statement in (
        "DELETE FROM items WHERE id % 3 = 0",
        "VACUUM items",
        "INSERT INTO items SELECT 100000 + id, embedding FROM items",
        "UPDATE items SET embedding = embedding + embedding WHERE id % 5 = 1",
        "VACUUM items",
        "REINDEX INDEX CONCURRENTLY near",
    ):
        session.execute(statement)
        assert _same_by_index_and_by_sorting(session), statement


def test_a_killed_server_recovers_the_index(server: Server) -> None:
    """Rows committed before a SIGKILL of the server are in the index after it."""
    with server.connect() as session:
        session.execute(_INSERT, [_ROWS + 1, 2 * _ROWS])
    server.kill()
    server.start()
    with _session(server) as session:
        assert _same_by_index_and_by_sorting(session)
        warmed = session.execute("SELECT vchordrq_prewarm('near')").fetchone()
        assert warmed is not None
        assert f"number of nodes: {2 * _ROWS}" in warmed[0]


def test_a_server_killed_in_a_build_keeps_the_old_index(server: Server) -> None:
    """A REINDEX cut by a SIGKILL of the server leaves everything as it was."""

    def rebuild() -> None:
        with server.connect() as session:
            session.execute(f"SET standin_vchord.build_rows_per_second = {_ROWS // 10}")
            with pytest.raises(psycopg.OperationalError):
                session.execute("REINDEX INDEX near")

    building = Thread(target=rebuild)
    building.start()
    with server.connect() as watching:
        _wait_for_progress(watching)
    server.kill()
    building.join()
    server.end_orphans()
    server.start()
    with _session(server) as session:
        assert _same_by_index_and_by_sorting(session)


def test_a_build_at_a_pace_shows_progress_and_can_be_cancelled(server: Server) -> None:
    """Tuples and blocks of a slow build advance, and a cancel request ends it at once."""
    refused: list[BaseException] = []

    def rebuild() -> None:
        slow.execute(f"SET standin_vchord.build_rows_per_second = {_ROWS // 10}")
        try:
            slow.execute("REINDEX INDEX near")
        except psycopg.errors.QueryCanceled as error:
            refused.append(error)

    with server.connect() as slow, server.connect() as watching:
        building = Thread(target=rebuild)
        building.start()
        first = _wait_for_progress(watching)
        sleep(0.3)
        assert _wait_for_progress(watching) > first
        slow.cancel_safe()
        asked = monotonic()
        building.join()
        assert monotonic() - asked < 1
    assert refused


def _wait_for_progress(session: psycopg.Connection[TupleRow]) -> int:
    deadline = monotonic() + 30
    while monotonic() < deadline:
        row = session.execute("SELECT tuples_done, phase, blocks_total FROM pg_stat_progress_create_index").fetchone()
        if row is not None and row[0] > 0:
            assert row[1] == "building index: inserting tuples from table to index"
            assert row[2] > 0
            return int(row[0])
        sleep(0.02)
    raise AssertionError("no build in progress")
