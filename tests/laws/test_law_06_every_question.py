"""Law 6, with laws 1 and 5 beside it: every question to every step of every path, in every state of a database.

All is read in a session that the server keeps read-only, and the server has given out no transaction number for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from every_step import ask, every_path, interest_of, questions, statements, unproven_rewrites
from journey import VCHORD
from sources import offences
from start_states import StartState, put_into

from migrator.catalog import Catalog
from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.server import Server
from migrator.sandbox.shelf import Shelf
from migrator.sandbox.tree import Tree
from migrator.session import Session
from migrator.step import Documentation, Facts, Step
from steps.content.examination_observations import EXAMINED
from steps.let_immich_in import LetImmichIn

OF_PGVECTOR = (
    StartState.FRESH,
    StartState.NO_INDEX,
    StartState.ONE_CONVERTED,
    StartState.WRONG_SCHEMA,
    StartState.IMMICH_KILLED_BEFORE,
    StartState.IMMICH_KILLED_AFTER,
    StartState.LEFTOVER_CONSTRAINT,
)
"""States of a database whose columns have been pgvector's from the beginning."""
STATES = [
    *((state, False) for state in StartState),
    *((state, True) for state in OF_PGVECTOR),
]
NAMES = [f"{state.name.lower()}{'-from-pgvector' if from_pgvector else ''}" for state, from_pgvector in STATES]
BOTH = "vchord.so, vectors.so"
NEXT_NUMBER = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text"
RECORDED: Facts = {
    **{f"dimension.{table}": 512 for table in ("smart_search", "face_search")},
    **{
        f"column.{table}": {"schema": "public", "type": "vectors.vector(512)", "typmod": 512, "storage": "e"}
        for table in ("smart_search", "face_search")
    },
    "preload.before": ["vectors.so"],
}
"""What a journal knows after the first steps; without a journal nothing is known."""


@pytest.fixture(scope="module")
def server(open_folder: Path, tree: Tree, shelf: Shelf, numbers: Iterator[int]) -> Iterator[Server]:
    """Return a server with both libraries loaded, that does nothing by itself."""
    folder = open_folder / f"questions-{next(numbers)}"
    quiet = {"autovacuum": "off"}
    with Server.create(folder, tree=tree, shelf=shelf, preload=BOTH, settings=quiet) as made:
        made.install("vectors", "0.2.0")
        made.install("vchord", VCHORD)
        made.start()
        yield made


@pytest.fixture
def put(server: Server) -> Iterator[Callable[[StartState, bool], None]]:
    """Return a function that makes the database immich anew, in a state; a library taken away is put back."""

    def make(state: StartState, from_pgvector: bool) -> None:  # noqa: FBT001 - as the table has it
        with server.connect() as connection:
            connection.execute("DROP DATABASE IF EXISTS immich WITH (FORCE)")
        ImmichDatabase(rows=5, source="pgvector" if from_pgvector else "pgvecto.rs").build(server.conninfo())
        put_into(server, state, dimension=512, from_pgvector=from_pgvector)

    yield make
    with server.connect() as connection:
        loaded = connection.execute("SHOW shared_preload_libraries").fetchone()
    if loaded != (BOTH,):
        server.install("vectors", "0.2.0")
        server.set_preload(BOTH)
        server.restart()


def number(server: Server) -> str:
    """Return the transaction number that the server will give out next."""
    with server.connect("immich") as connection:
        row = connection.execute(NEXT_NUMBER).fetchone()
    assert row is not None
    return str(row[0])


def snapshot(server: Server, path: str) -> Catalog:
    """Read what a path wants to know, in a session that cannot write."""
    session = Session(server.conninfo("immich", "immich"), interest_of(path), read_only=True)
    session.open()
    try:
        return session.catalog()
    finally:
        session.close()


@pytest.mark.parametrize(("state", "from_pgvector"), STATES, ids=NAMES)
def test_every_question_in_every_state(
    state: StartState,
    from_pgvector: bool,  # noqa: FBT001 - a parameter of pytest
    server: Server,
    put: Callable[[StartState, bool], None],
) -> None:
    """Answered without a write; no answer contains what no statement may, or a rewrite that is not compared."""
    put(state, from_pgvector)
    before = number(server)
    asked = 0
    for name, path in every_path().items():
        catalog = snapshot(server, name)
        refused = {what: it.message for what, it in catalog.observed.items() if it.sqlstate == "25006"}
        assert refused == {}
        for facts in ({}, RECORDED):
            for step in path:
                answers = ask(step, catalog, facts)
                asked += len(answers)
                assert answers["is_done"] in (True, False), step.key
                sent = [s.sql.as_string(None) for s in statements(answers)]
                assert {sql: found for sql in sent if (found := offences(sql))} == {}, step.key
                for answer in answers.values():
                    assert unproven_rewrites(step, statements({"": answer})) == [], step.key
    assert asked > 1000
    assert number(server) == before, "somebody wrote"


def test_the_doctor_asks_without_writing(server: Server, put: Callable[[StartState, bool], None]) -> None:
    """What the doctor wants to know beyond that is read in the same way."""
    put(StartState.NO_INDEX, True)  # noqa: FBT003 - as the table has it
    before = number(server)
    session = Session(server.conninfo("immich", "immich"), EXAMINED, read_only=True)
    session.open()
    catalog = session.catalog()
    session.close()
    assert {what: it.message for what, it in catalog.observed.items() if it.sqlstate == "25006"} == {}
    assert number(server) == before


class Writer(LetImmichIn):
    """A step that writes when it is asked, through a connection of its own."""

    def __init__(self, conninfo: str) -> None:
        super().__init__()
        self.carries_out(Documentation("a mistake", 7))
        self._conninfo = conninfo

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Write."""
        with psycopg.connect(self._conninfo, autocommit=True) as connection:
            connection.execute("COMMENT ON TABLE public.smart_search IS 'asked'")
        return super().is_done(catalog, facts)


def test_a_step_that_writes_is_noticed(server: Server, put: Callable[[StartState, bool], None]) -> None:
    """Even one with a connection of its own: the server gives out a number for it."""
    put(StartState.NO_INDEX, True)  # noqa: FBT003 - as the table has it
    before = number(server)
    catalog = snapshot(server, "automatic")
    assert number(server) == before
    step: Step = Writer(server.conninfo("immich", "immich"))
    ask(step, catalog, {})
    assert number(server) != before


def test_every_path_and_every_question_is_asked() -> None:
    """What is asked is found in the program, and is at least what is known today."""
    assert {name.partition(",")[0] for name in every_path()} >= {"automatic", "manual", "pgvector", "update"}
    assert set(questions()) >= {"is_done", "check", "record", "plan", "undo", "estimate_seconds"}
