"""Law 6: a dry run cannot write: the server refuses it, in autocommit too, and there is no journal afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
from journey import DONE, start_tool
from psycopg.sql import SQL
from workshop import CONVERSION, steps_of
from workshops import MakeWorkshop

from migrator.catalog import Catalog, Interest, Observation, read_catalog
from migrator.session import Session
from migrator.step import Documentation, Facts, Statement
from steps.content.observations import INTEREST
from steps.convert_table import ConvertTable
from steps.paths import automatic
from steps.shared.names import SMART_SEARCH
from steps.shared.options import Options

READ_ONLY = "25006"
WRITES = {
    "create": "CREATE TABLE public.written ()",
    "delete": "DELETE FROM public.smart_search",
    "setting": "ALTER DATABASE {} SET work_mem = '1MB'",
    "comment": "COMMENT ON TABLE public.smart_search IS 'written'",
    "probe": "CREATE TABLE IF NOT EXISTS public.migrator_worker_probe (id integer)",
}


@pytest.mark.parametrize("write", WRITES)
def test_the_server_refuses_every_write(write: str, make_workshop: MakeWorkshop) -> None:
    """In a session of a dry run no statement writes, in autocommit or in a transaction; in one of a run it does."""
    workshop = make_workshop()
    before = workshop.state()
    statement = WRITES[write].format(workshop.database)
    session = workshop.session(read_only=True)
    session.open()
    try:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            session.connection.execute(statement)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), session.connection.transaction():
            session.connection.execute(statement)
    finally:
        session.close()
    assert workshop.state() == before
    session = workshop.session()
    session.open()
    session.connection.execute(statement)
    session.close()


@dataclass
class Writing(ConvertTable):
    """A step whose plan() tries to write, through a connection that it should not have."""

    session: Session

    def __post_init__(self) -> None:
        super().__init__(SMART_SEARCH, Options())
        self.carries_out(Documentation("a mistake", 7))

    def plan(self, catalog: Catalog, facts: Facts) -> Sequence[Statement]:
        """Drop what the real step would drop later."""
        self.session.connection.execute("DROP INDEX public.clip_index")
        return super().plan(catalog, facts)


def test_a_plan_that_writes_is_refused_by_the_server(make_workshop: MakeWorkshop) -> None:
    """Not the step's good will keeps a dry run from writing."""
    workshop = make_workshop()
    before = workshop.state()
    session = workshop.session(read_only=True)
    session.open()
    try:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            Writing(session).plan(session.catalog(), {})
    finally:
        session.close()
    assert workshop.state() == before


def test_an_observation_that_writes_is_refused_by_the_server(make_workshop: MakeWorkshop) -> None:
    """The questions that make a snapshot cannot write either; the refusal is their answer."""
    workshop = make_workshop()
    writing = Observation("writing", lambda _: SQL("CREATE TABLE public.written ()"), lambda _: True)
    interest: Interest = replace(INTEREST, observations=(*INTEREST.observations, writing))
    session = workshop.session(read_only=True)
    session.open()
    try:
        catalog = read_catalog(session.connection, interest)
    finally:
        session.close()
    assert catalog.observed["writing"].sqlstate == READ_ONLY
    assert {name: it.sqlstate for name, it in catalog.observed.items() if name != "writing" and it.sqlstate} == {}


@pytest.mark.parametrize("version", ["0.2.0", "0.3.0"])
def test_every_question_to_every_step_is_answered_without_writing(version: str, make_workshop: MakeWorkshop) -> None:
    """In every state of the path, all that a step is asked is answered from a session that cannot write."""
    workshop = make_workshop(version)
    for key in ("", *CONVERSION):
        if key:
            workshop.run(steps_of("record-embeddings", key))
        catalog, facts = workshop.catalog(), workshop.facts()
        refused = {name: it.message for name, it in catalog.observed.items() if it.sqlstate == READ_ONLY}
        assert refused == {}
        for step in (*automatic(Options()), *automatic(Options(reindex_by="immich"))):
            assert step.is_done(catalog, facts) in (True, False)
            step.check(catalog, facts)
            step.record(catalog)
            step.plan(catalog, facts)
            step.undo(catalog, facts)
            step.estimate_seconds(catalog)


def test_a_dry_run_leaves_no_trace(
    make_workshop: MakeWorkshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No journal, no log, no lock, no other catalog: only the plan on stdout."""
    workshop = make_workshop()  # before the home is moved: the stand-ins are built into the caller's cache
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    before = workshop.state()
    conninfo = workshop.server.conninfo(workshop.database, workshop.user)
    ended = start_tool(["--from", "pgvecto.rs", f"--database={conninfo}", "--dry-run"])
    assert ended.code == DONE, ended.said
    assert "ALTER TABLE" in ended.out
    assert list(tmp_path.rglob("*")) == []
    assert workshop.state() == before
