"""A way back that is struck at a few of its points: the same command ends with what was there before the run."""

from __future__ import annotations

import random
from itertools import product

import pytest
from driver import Point
from faults import FAULTS, Fault
from prepared import Prepare, SceneOn
from routes import WAYS_BACK, Route
from walking import Blow, Walk, assert_undisturbed

SEED = 11
KILLS = 8
"""At how many points of each way back the tool is killed; each other fault strikes at one."""
TRIED = (
    "SIGKILL of the tool",
    "SIGINT",
    "SIGKILL of the postmaster",
    "session terminated",
    "table locked by somebody",
    "journal's disk full",
    "reload ends the worker of 0.2.0",
)
CHOSEN = [(way, fault) for way, fault in product(WAYS_BACK, FAULTS) if fault.name in TRIED and fault.somewhere(way)]


def _numbers(points: tuple[Point, ...], way: Route, fault: Fault) -> list[int]:
    fitting = [number for number, point in enumerate(points, start=1) if fault.applies(way, point)]
    wanted = min(KILLS if fault.name in (TRIED[0], TRIED[-1]) else 1, len(fitting))
    return sorted(random.Random(f"{SEED} {way} {fault}").sample(fitting, wanted))


@pytest.mark.parametrize(("way", "fault"), CHOSEN, ids=str)
def test_a_way_back_that_is_struck(way: Route, fault: Fault, prepare: Prepare, scene_on: SceneOn) -> None:
    """Catalogs, embeddings, libraries and what the journal knows are those of a way back that nothing struck."""
    prepared = prepare(way)
    numbers = _numbers(prepared.points, way, fault)
    assert numbers, "nothing was tried"
    for number in numbers:
        with scene_on(prepared, fault) as scene:
            walk = Walk(scene, [Blow(number, fault)])
            walk.to_the_end()
            assert walk.struck, f"point {number} was never reached"
            assert_undisturbed(walk, prepared)
