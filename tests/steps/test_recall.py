"""What is said about an index at the end: measured on one that finds little, and held against a count by hand."""

from dataclasses import replace

import pytest
from servers import MakeServer
from workshop import CONVERSION, steps_of
from workshops import MakeWorkshop

from migrator.catalog import Column
from migrator.sandbox.server import Server
from steps.shared.recall import MOST_SAMPLES as SAMPLES
from steps.shared.recall import NEIGHBOURS, measure, samples_for

ROWS, DIMENSION = 3000, 64
POOR = "WITH (m = 6, ef_construction = 40)"
ITEMS = Column(
    table_oid=0, schema="public", table="items", name="embedding", type_schema="public", type_name="vector",
    extension="vector", typmod=DIMENSION, storage="e", not_null=True, comment=None, mine=True, owner="postgres",
    may_become_owner=True, key="id", reltuples=ROWS, size_bytes=0,
)  # fmt: skip
BY_HAND = f"""
SELECT id, ARRAY(SELECT t.id FROM items t ORDER BY (t.embedding <=> s.embedding) + 0 LIMIT {NEIGHBOURS}),
       ARRAY(SELECT t.id FROM items t ORDER BY t.embedding <=> s.embedding LIMIT {NEIGHBOURS})
FROM (SELECT * FROM items ORDER BY hash_record_extended(row(id), 0) LIMIT {SAMPLES}) s
"""


@pytest.fixture
def server(make_server: MakeServer) -> Server:
    """Return a server with a table of random vectors."""
    server = make_server()
    with server.connect() as session:
        session.execute("CREATE EXTENSION vector")
        session.execute(f"CREATE TABLE items (id int PRIMARY KEY, embedding vector({DIMENSION}) NOT NULL)")
        session.execute("SELECT setseed(0.5)")
        session.execute(
            "INSERT INTO items SELECT i, (SELECT array_agg(random() + 0 * i * j) FROM generate_series(1, %s) j)"
            "::real[]::vector FROM generate_series(1, %s) i",
            [DIMENSION, ROWS],
        )
    return server


@pytest.mark.parametrize(("options", "poor"), [(POOR, True), ("WITH (m = 48, ef_construction = 200)", False)])
def test_what_is_stated_is_at_most_what_the_index_finds(server: Server, options: str, poor: bool) -> None:  # noqa: FBT001
    """A poor index is called poor: never better than a count by hand, and hardly worse."""
    with server.connect() as session:
        session.execute(f"CREATE INDEX ON items USING hnsw (embedding vector_cosine_ops) {options}")
        session.execute(f"SET hnsw.ef_search = {40 if poor else 400}")
        session.execute("SET enable_seqscan = off")
        found = session.execute(measure(ITEMS, ROWS)).fetchone()
        by_hand = session.execute(BY_HAND).fetchall()
    assert found is not None
    samples, answers, milliseconds, recall = found
    truth = sum(len(set(exact) & set(through)) for _, exact, through in by_hand) / (SAMPLES * NEIGHBOURS)
    assert (samples, answers) == (SAMPLES, SAMPLES * NEIGHBOURS)
    assert milliseconds > 0
    assert truth - 0.2 <= recall <= truth + 0.001
    assert (recall < 0.9) == poor


def test_a_larger_table_is_tried_with_fewer_searches() -> None:
    """Never none, never more than are needed."""
    assert [samples_for(rows) for rows in (0, 50_000, 100_000, 10_000_000)] == [SAMPLES, SAMPLES, 10, 4]


def test_an_empty_table_is_not_searched(server: Server) -> None:
    """Nothing is said about an index over nothing."""
    with server.connect() as session:
        session.execute("CREATE TABLE nothing (LIKE items)")
        found = session.execute(measure(replace(ITEMS, table="nothing"), 0)).fetchone()
    assert found == (0, 0, None, None)


def test_a_run_records_how_well_its_indexes_find(make_workshop: MakeWorkshop) -> None:
    """Both indexes are tried through the very index that was built, and the answer is in the journal."""
    workshop = make_workshop()
    workshop.run(steps_of(*CONVERSION))
    for table in ("smart_search", "face_search"):
        tried = workshop.facts()[f"search.{table}"]
        assert isinstance(tried, dict)
        assert (tried["samples"], tried["found"]) == (SAMPLES, SAMPLES * NEIGHBOURS)
        assert tried["recall"] == 1.0
    plan = steps_of("analyze-tables")[0].plan(workshop.catalog(), {})
    search = next(s for s in plan if s.key == "search-smart_search")
    with workshop.server.connect(workshop.database) as session:
        session.execute("SET vchordrq.probes = '1'")
        session.execute("SET enable_seqscan = off")
        explained = session.execute("EXPLAIN " + search.sql.as_string(None)).fetchall()
    assert any("Index Scan using clip_index" in line for (line,) in explained)
