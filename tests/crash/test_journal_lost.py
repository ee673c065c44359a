"""The journal is removed midway: the same command walks forward by looking at the server."""

from __future__ import annotations

import pytest
from journey import DONE, VCHORD
from killing import Driver, held_at
from prepared import MakeJourney, Prepare
from routes import automatic

NOT_PROVEN = "this tool did not convert them all itself, so it says nothing about their content"
WHOLE = [
    "restart-for-vectorchord/restart-command finished",
    "record-embeddings finished",
    "convert-smart-search/rewrite finished",
]
"""The journal lost here has seen no conversion committed: the next one sees both."""
PART = [
    "convert-smart-search finished",
    "convert-face-search/commit finished",
    "build-clip-index/create finished",
    "drop-extension-vectors/commit started",
    "drop-schema-vectors finished",
    "uninstall-pgvectors waiting",
]
"""What was converted before this is known to a journal that is gone."""


@pytest.mark.parametrize("event", [*WHOLE, *PART])
def test_journal_lost(event: str, prepare: Prepare, driver: Driver, journey_on: MakeJourney) -> None:
    """It ends in the same state, and claims to have proven only what the journal that is left has seen."""
    prepared = prepare(automatic("0.2.0" if event in PART[::2] else "0.3.0"))
    with journey_on(prepared) as journey:
        journey.server.install("vchord", VCHORD)
        with held_at(event, journey.arguments, journey.journal.parent) as held:
            held.wait_for_event()
            held.process.kill()
            held.end()
        journey.lose_the_journal()
        ended = journey.to_the_end(driver.tool)
        assert ended.code == DONE, ended.said
        assert ("none changed" in ended.out) == (event in WHOLE)
        assert ended.out.count(" rows, hash ") == (2 if event in WHOLE else 0)
        assert (NOT_PROVEN in ended.out) == (event in PART)
        assert journey.end_state() == prepared.after
