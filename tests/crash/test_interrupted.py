"""The tool is stopped by Ctrl-C, by a service manager, or killed while the server works for it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from aftermath import assert_as_if_uninterrupted
from journey import DONE, INTERRUPTED, VCHORD, Journey
from killing import SIGKILLED, Driver, Held, held_at
from prepared import MakeJourney, Prepare
from routes import automatic

from migrator.sandbox.processes import wait_until

LIMIT_SECONDS = 30
WAITS = (
    "SELECT FROM pg_stat_activity WHERE application_name = 'migrate' AND wait_event_type = 'Lock' "
    "AND query LIKE 'LOCK TABLE%'"
)


@contextmanager
def waiting_for_a_table(journey: Journey) -> Iterator[Held]:
    """Start the tool, and have it wait in a statement: somebody else reads smart_search and does not end."""
    journey.server.install("vchord", VCHORD)
    with held_at("convert-smart-search/lock started", journey.arguments, journey.journal.parent) as held:
        held.wait_for_event()
        with journey.server.connect("immich") as reader, journey.server.connect("immich") as onlooker:
            reader.execute("BEGIN")
            reader.execute("SELECT FROM public.smart_search LIMIT 1")
            held.let_go()
            assert wait_until(lambda: onlooker.execute(WAITS).fetchone() is not None, limit_seconds=LIMIT_SECONDS)
            yield held


@pytest.mark.parametrize(
    ("number", "event"),
    [(signal.SIGINT, "convert-face-search/rewrite finished"), (signal.SIGTERM, "keep-immich-out finished")],
)
def test_stopped_between_two_statements(
    number: signal.Signals, event: str, prepare: Prepare, driver: Driver, journey_on: MakeJourney
) -> None:
    """It exits 130 with a sentence, whatever was open is rolled back, and the same command goes on."""
    prepared = prepare(automatic("0.2.0"))
    with journey_on(prepared) as journey:
        journey.server.install("vchord", VCHORD)
        with held_at(event, journey.arguments, journey.journal.parent) as held:
            held.wait_for_event()
            held.process.send_signal(number)
            ended = held.end()
        assert ended.code == INTERRUPTED, ended.said
        assert "Nothing is lost: run the same command again" in ended.err
        assert "Traceback" not in ended.err
        assert journey.to_the_end(driver.tool).code == DONE
        assert_as_if_uninterrupted(journey, prepared)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_within_a_statement(
    number: signal.Signals, prepare: Prepare, driver: Driver, journey_on: MakeJourney
) -> None:
    """The running statement is cancelled on the server at once, not left to end by itself."""
    prepared = prepare(automatic("0.3.0"))
    with journey_on(prepared) as journey:
        with waiting_for_a_table(journey) as held, journey.server.connect("immich") as onlooker:
            held.process.send_signal(number)
            ended = held.end()
            assert wait_until(lambda: onlooker.execute(WAITS).fetchone() is None, limit_seconds=1)
        assert ended.code == INTERRUPTED, ended.said
        assert journey.to_the_end(driver.tool).code == DONE
        assert_as_if_uninterrupted(journey, prepared)


@pytest.mark.parametrize("notice_seconds", [0, 4])
def test_killed_within_a_statement(
    notice_seconds: int, prepare: Prepare, driver: Driver, journey_on: MakeJourney
) -> None:
    """The server notices that the tool is gone, and the same command, typed at once, waits for that."""
    prepared = prepare(automatic("0.3.0"))
    with journey_on(prepared) as journey:
        with waiting_for_a_table(journey) as held, journey.server.connect("immich") as onlooker:
            held.process.kill()
            assert held.end().code == SIGKILLED
            gone = wait_until(lambda: onlooker.execute(WAITS).fetchone() is None, limit_seconds=notice_seconds)
            assert gone or not notice_seconds, "the killed tool's session still waits for its table"
        assert journey.to_the_end(driver.tool).code == DONE
        assert_as_if_uninterrupted(journey, prepared)
