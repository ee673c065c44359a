"""Law 10: the server survives us: a worker of pgvecto.rs that is gone is noticed before anything is changed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from journey import DONE, VCHORD, WAITING, Ended, Journey, fill, hashes_of
from killing import held_at
from servers import MakeServer
from sources import named, product
from workshop import CONVERSION, Workshop, steps_of
from workshops import MakeWorkshop

from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.processes import processes_in, wait_until
from migrator.sandbox.server import Server
from migrator.step import Statement

ROWS = 50
RELOADS = re.compile(r"pg_reload_conf|SIGHUP", re.IGNORECASE)
DEFINES = re.compile(r"\s*(ALTER|CREATE|DROP|TRUNCATE|REINDEX)\b")
ASKS = {"ask-worker", "probe-worker-drop"}


def end_the_worker(server: Server) -> None:
    """Reload the configuration, which ends the worker of 0.2.0 for good, and wait until it is gone."""
    with server.connect() as connection:
        connection.execute("SELECT pg_reload_conf()")
    gone = wait_until(lambda: "postgres: vectors" not in [p.title for p in processes_in(server.data)], limit_seconds=20)
    assert gone, "a reload does not end the worker"


def started_at(server: Server) -> str:
    """Return when the running server was started; a recovery from a crash does not change it."""
    with server.connect() as connection:
        row = connection.execute("SELECT pg_postmaster_start_time()::text").fetchone()
    assert row is not None
    return str(row[0])


def assert_never_crashed(server: Server, since: str) -> None:
    """Assert that the server is the one that was there, and that nobody in it broke down."""
    assert started_at(server) == since
    trouble = ("PANIC", "terminated by signal", "automatic recovery", "while in ABORT state")
    assert [line for line in server.log_text().splitlines() if any(word in line for word in trouble)] == []


def assert_asks_for_a_restart(ended: Ended) -> None:
    """Assert that the tool says what is wrong with the worker, and what to do about it."""
    said = " ".join(ended.err.split())
    assert "found gone" in said, ended.said
    assert "a configuration reload ends it on 0.2" in said, ended.said
    assert "restart PostgreSQL (a reload is not enough" in said, ended.said


@pytest.mark.parametrize("with_indexes", [True, False], ids=["indexed", "without indexes"])
def test_worker_gone_before_the_run(
    with_indexes: bool,  # noqa: FBT001 - a parameter of pytest
    make_server: MakeServer,
    server_folder: Path,
) -> None:
    """Exit 3 that asks for a restart, however often it is tried; nothing changed, no crash; then it goes on."""
    server = make_server(install={"vectors": "0.2.0", "vchord": VCHORD}, preload="vchord.so, vectors.so")
    fill(server, ImmichDatabase(rows=ROWS, with_indexes=with_indexes))
    before, since = hashes_of(server), started_at(server)
    end_the_worker(server)
    journey = Journey(server, server_folder / "j.db")
    for _ in range(2):
        ended = journey.start()
        assert ended.code == WAITING, ended.said
        assert_asks_for_a_restart(ended)
    assert_never_crashed(server, since)
    assert hashes_of(server) == before
    server.restart()
    assert journey.to_the_end().code == DONE
    assert hashes_of(server) == before


@pytest.mark.parametrize(
    "event",
    [
        "record-embeddings finished",
        "convert-smart-search finished",
        "convert-face-search finished",
        "build-clip-index finished",
        "analyze-tables finished",
    ],
)
def test_worker_gone_between_two_steps(event: str, make_server: MakeServer, server_folder: Path) -> None:
    """A reload while the tool works stops it before its next change; what was committed stays; then it goes on."""
    server = make_server(install={"vectors": "0.2.0", "vchord": VCHORD}, preload="vchord.so, vectors.so")
    fill(server, ImmichDatabase(rows=ROWS))
    before, since = hashes_of(server), started_at(server)
    journey = Journey(server, server_folder / "j.db")
    with held_at(event, journey.arguments, server_folder) as held:
        held.wait_for_event()
        end_the_worker(server)
        held.let_go()
        ended = held.end()
    assert ended.code == WAITING, ended.said
    assert_asks_for_a_restart(ended)
    assert_never_crashed(server, since)
    assert hashes_of(server) == before
    server.restart()
    assert journey.to_the_end().code == DONE
    assert hashes_of(server) == before


def unasked(statements: Sequence[Statement]) -> list[str]:
    """Return the first statement that defines something before the worker was asked for its life."""
    for statement in statements:
        if statement.key in ASKS:
            return []
        if DEFINES.match(statement.sql.as_string(None)) and statement.key != "probe-worker-create":
            return [statement.key]
    return []


def plans(workshop: Workshop, *keys: str) -> dict[str, Sequence[Statement]]:
    """Return what steps would send now."""
    catalog, facts = workshop.catalog(), workshop.facts()
    return {step.key: step.plan(catalog, facts) for step in steps_of(*keys) if not step.is_done(catalog, facts)}


TOUCHES_NO_FILE = {"record-embeddings", "drop-schema-vectors", "keep-immich-out", "let-immich-in", "analyze-tables"}
"""Temporary functions, a schema, locks, statistics: nothing that a rollback would have to remove from the disk."""


def test_every_change_asks_the_worker_first(make_workshop: MakeWorkshop) -> None:
    """On 0.2.0 every plan that defines something begins with the question, in every state of the path."""
    workshop = make_workshop("0.2.0")
    for key in CONVERSION:
        found = {name: unasked(plan) for name, plan in plans(workshop, *CONVERSION).items()}
        assert {name: first for name, first in found.items() if first and name not in TOUCHES_NO_FILE} == {}
        workshop.run(steps_of("record-embeddings", key))


def test_a_plan_that_does_not_ask_is_noticed(make_workshop: MakeWorkshop) -> None:
    """The test above would fail for a plan whose question was taken out."""
    found = plans(make_workshop("0.2.0"), "convert-smart-search")["convert-smart-search"]
    assert next(s.key for s in found) in ASKS
    assert unasked([s for s in found if s.key not in ASKS]) != []


def test_we_never_reload() -> None:
    """No code of ours asks for a reload or sends the signal; a code that did would be found."""
    assert {name: lines for name, source in product().items() if (lines := named(source, RELOADS))} == {}
    assert named("os.kill(pid, signal.SIGHUP)", RELOADS) == [1]
    assert named('execute("SELECT pg_reload_conf()")', RELOADS) == [1]
