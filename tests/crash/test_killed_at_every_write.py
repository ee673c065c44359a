"""The tool killed with SIGKILL at every write of its journal, and resumed by the same command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest
from aftermath import assert_as_if_uninterrupted
from journey import DONE
from killing import SIGKILLED, Driver, Killer
from prepared import MakeJourney, Prepare, Prepared

PARTS = 3
EVERY = 29
"""Of how many writes one is tried, unless --crash-full asks for all of them."""

Kill = Literal["before", "after"]


def _kill_and_resume(journey_on: MakeJourney, prepared: Prepared, driver: Driver, kill: Kill, write: int) -> None:
    killer = Killer(driver, kill, write)
    with journey_on(prepared) as journey:
        ended = journey.to_the_end(killer)
        assert ended.code == SIGKILLED, f"write {write} of {prepared.writes} was never reached: {ended.said}"
        ended = journey.to_the_end(driver.tool)
        assert ended.code == DONE, f"killed {kill} write {write}, not resumed: {ended.said}"
        assert_as_if_uninterrupted(journey, prepared)


@dataclass(frozen=True, slots=True)
class Share:
    """Which writes one test is about; another sample for each version and kind of kill."""

    version: str
    kill: Kill
    first: int
    part: int

    def __str__(self) -> str:
        return f"{self.version}-{self.kill}-{self.part + 1}of{PARTS}"

    def writes(self, total: int, *, full: bool) -> list[int]:
        """Return their numbers."""
        every = 1 if full else EVERY
        return list(range(1 + self.first % every, total + 1, every))[self.part :: PARTS]


FIRST: dict[tuple[str, Kill], int] = {
    ("0.2.0", "after"): 0,
    ("0.2.0", "before"): 5,
    ("0.3.0", "after"): 3,
    ("0.3.0", "before"): 8,
}
SHARES = [Share(version, kill, FIRST[version, kill], p) for version, kill in FIRST for p in range(PARTS)]


@pytest.mark.parametrize("share", SHARES, ids=str)
def test_killed_at_a_write_and_resumed(
    share: Share, prepare: Prepare, driver: Driver, journey_on: MakeJourney, request: pytest.FixtureRequest
) -> None:
    """Wherever it was killed, the same command ends with the same catalogs, embeddings and facts, and nothing left."""
    prepared = prepare(share.version)
    writes = share.writes(prepared.writes, full=request.config.getoption("--crash-full"))
    failed: dict[int, str] = {}
    for write in writes:
        try:
            _kill_and_resume(journey_on, prepared, driver, share.kill, write)
        except AssertionError as error:
            failed[write] = str(error)
    figures = {"injected": len(writes), "survived": len(writes) - len(failed)}
    request.node.user_properties.append(("crash", figures))
    assert writes, "the sample is empty"
    assert failed == {}


def test_killed_again_and_again(prepare: Prepare, driver: Driver, journey_on: MakeJourney) -> None:
    """A tool that is killed at each of its starts, a little later each time, still reaches the same end."""
    prepared = prepare("0.2.0")
    with journey_on(prepared) as journey:
        for write in range(2, prepared.writes):
            ended = journey.to_the_end(Killer(driver, "before" if write % 2 else "after", write))
            if ended.code != SIGKILLED:
                break
        assert ended.code == DONE, ended.said
        assert_as_if_uninterrupted(journey, prepared)
