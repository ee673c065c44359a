"""The server goes away in the middle of the work: the tool says what is true, and the same command goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psycopg
import pytest
from aftermath import assert_as_if_uninterrupted
from journey import DONE, FAILED, VCHORD, WAITING, Journey
from killing import Driver, held_at
from prepared import MakeJourney, Prepare
from routes import automatic

from migrator.sandbox.processes import wait_until
from migrator.sandbox.server import Server

OUR_SESSION = "SELECT pid FROM pg_stat_activity WHERE application_name = 'migrate' AND backend_type = 'client backend'"
LIMIT_SECONDS = 30


def kill_the_server(server: Server) -> None:
    """Kill the postmaster with -9, and start it again as an init system does."""
    server.kill(settle_seconds=0.3)
    server.end_orphans()
    server.start()


def stop_at_once(server: Server) -> None:
    """Stop the server without letting anybody finish, and start it again."""
    server.stop("immediate")
    server.end_orphans()
    server.start()


def end_the_session(server: Server) -> None:
    """End the tool's session, as a DBA does."""
    with server.connect("immich") as connection:
        connection.execute(f"SELECT pg_terminate_backend(pid) FROM ({OUR_SESSION}) AS ours")


def kill_the_session(server: Server) -> None:
    """Kill the tool's session with -9, after which PostgreSQL restarts all others by itself."""
    with server.connect("immich") as connection:
        row = connection.execute(OUR_SESSION).fetchone()
    assert row is not None
    os.kill(row[0], signal.SIGKILL)


def resume(journey: Journey, driver: Driver) -> None:
    """Run the same command to its end; where it asks for a restart of the server, restart it."""
    ended = journey.to_the_end(driver.tool)
    if ended.code == WAITING and "restart PostgreSQL" in ended.err:
        journey.server.restart()
        ended = journey.to_the_end(driver.tool)
    assert ended.code == DONE, ended.said


@dataclass(frozen=True, slots=True)
class Case:
    """What happens to the server, when, on which version of pgvecto.rs."""

    version: str
    event: str
    blow: Callable[[Server], None]

    def __str__(self) -> str:
        return f"{self.blow.__name__}-{self.event}-{self.version}"


REWRITTEN, COMMITTING = "convert-smart-search/rewrite finished", "convert-face-search/commit started"
BUILT = "build-clip-index/create finished"
CASES = (
    Case("0.2.0", REWRITTEN, kill_the_server),
    Case("0.3.0", COMMITTING, kill_the_server),
    Case("0.2.0", BUILT, kill_the_server),
    Case("0.3.0", REWRITTEN, stop_at_once),
    Case("0.2.0", COMMITTING, stop_at_once),
    Case("0.3.0", BUILT, stop_at_once),
    Case("0.2.0", COMMITTING, end_the_session),
    Case("0.3.0", BUILT, end_the_session),
    Case("0.2.0", REWRITTEN, kill_the_session),
    Case("0.3.0", COMMITTING, kill_the_session),
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_server_gone_within_a_transaction(
    case: Case, prepare: Prepare, driver: Driver, journey_on: MakeJourney
) -> None:
    """It exits 1, says that the step was rolled back and that the same command goes on, and so it does."""
    prepared = prepare(automatic(case.version))
    with journey_on(prepared) as journey:
        journey.server.install("vchord", VCHORD)
        with held_at(case.event, journey.arguments, journey.journal.parent) as held:
            held.wait_for_event()
            case.blow(journey.server)
            held.let_go()
            ended = held.end()
        assert ended.code == FAILED, ended.said
        assert "the connection was lost in step" in ended.err
        assert "the server is back; the step was rolled back: everything is as it was before it" in ended.err
        assert "run the same command again" in ended.err
        resume(journey, driver)
        assert_as_if_uninterrupted(journey, prepared)


def _waits_in_alter_table(server: Server) -> bool:
    query = f"{OUR_SESSION} AND wait_event_type = 'Lock' AND query LIKE 'ALTER TABLE%'"
    with server.connect("immich") as connection:
        return connection.execute(query).fetchone() is not None


@pytest.mark.parametrize("version", ["0.2.0", "0.3.0"])
def test_server_killed_within_the_rewriting_statement(
    version: str, prepare: Prepare, driver: Driver, journey_on: MakeJourney
) -> None:
    """A kill -9 while ALTER TABLE is at work changes nothing, and the same command finishes."""
    prepared = prepare(automatic(version))
    with journey_on(prepared) as journey:
        server = journey.server
        server.install("vchord", VCHORD)
        with held_at("convert-smart-search/rewrite started", journey.arguments, journey.journal.parent) as held:
            held.wait_for_event()
            with suppress(psycopg.OperationalError), server.connect("immich") as brake:
                # a rewrite has to write to pg_class before it copies rows, and has to wait for this lock
                brake.execute("BEGIN")
                brake.execute("LOCK TABLE pg_catalog.pg_class IN SHARE MODE")
                held.let_go()
                assert wait_until(lambda: _waits_in_alter_table(server), limit_seconds=LIMIT_SECONDS)
                kill_the_server(server)
            ended = held.end()
        assert ended.code == FAILED, ended.said
        assert "rolled back" in ended.err
        resume(journey, driver)
        assert_as_if_uninterrupted(journey, prepared)


def _builds(server: Server) -> bool:
    with server.connect("immich") as connection:
        row = connection.execute("SELECT count(*) FROM pg_stat_progress_create_index").fetchone()
    return bool(row and row[0])


@pytest.mark.standin_only("a genuine build of so few rows is over before it can be interrupted")
def test_server_killed_while_it_builds_an_index(prepare: Prepare, driver: Driver, journey_on: MakeJourney) -> None:
    """A kill -9 in the middle of CREATE INDEX leaves no index behind, and the same command builds it."""
    prepared = prepare(automatic("0.3.0"))
    with journey_on(prepared) as journey:
        journey.server.install("vchord", VCHORD)
        journey.server.edit_conf("standin_vchord.build_rows_per_second", "20")
        with held_at("build-clip-index/create started", journey.arguments, journey.journal.parent) as held:
            held.wait_for_event()
            held.let_go()
            assert wait_until(lambda: _builds(journey.server), limit_seconds=LIMIT_SECONDS)
            journey.server.edit_conf("standin_vchord.build_rows_per_second", None)
            kill_the_server(journey.server)
            ended = held.end()
        assert ended.code == FAILED, ended.said
        assert "rolled back" in ended.err
        resume(journey, driver)
        assert_as_if_uninterrupted(journey, prepared)


def test_server_stays_away(prepare: Prepare, driver: Driver, journey_on: MakeJourney) -> None:
    """A tool that is killed while it waits for the server, and started while it is down, loses nothing either."""
    prepared = prepare(automatic("0.2.0"))
    with journey_on(prepared) as journey:
        journey.server.install("vchord", VCHORD)
        with held_at("convert-smart-search/rewrite finished", journey.arguments, journey.journal.parent) as held:
            held.wait_for_event()
            journey.server.stop("immediate")
            held.let_go()
            held.process.kill()
            held.end()
        ended = journey.start(driver.tool)
        assert ended.code == FAILED, ended.said
        assert "no connection to PostgreSQL" in ended.err
        journey.server.end_orphans()
        journey.server.start()
        resume(journey, driver)
        assert_as_if_uninterrupted(journey, prepared)


def test_a_restart_that_comes_late(prepare: Prepare, driver: Driver, journey_on: MakeJourney) -> None:
    """A killed start had begun it, and the server goes away under the next one: that waits, looks again and goes on."""
    prepared = prepare(automatic("0.3.0"))
    begun = "restart-for-vectorchord/restart-command started"
    with journey_on(prepared) as journey:
        journey.server.install("vchord", VCHORD)
        with held_at(begun, journey.arguments, journey.journal.parent) as held:
            held.wait_for_event()
            held.process.kill()
            held.end()
        journey.server.restart()
        with held_at("convert-smart-search/rewrite finished", journey.arguments, journey.journal.parent) as held:
            held.wait_for_event()
            stop_at_once(journey.server)
            held.let_go()
            ended = held.end()
        assert (ended.code, journey.waits_for()) == (WAITING, "uninstall-pgvectors"), ended.said
        resume(journey, driver)
        assert_as_if_uninterrupted(journey, prepared)
