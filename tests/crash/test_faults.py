"""Every fault on every route: at a few points, each on a server of its own; with --crash-full at every point."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Protocol

import pytest
from bystanders import immich_starts
from commands import COMMANDS, EVERYTHING
from driver import Point
from faults import FAULTS, Fault
from figures import Figures
from prepared import Prepare, SceneOn
from routes import ROUTES, Route
from walking import Blow, Relentless, Walk, assert_undisturbed

SEED = 7
MORE = {"SIGKILL of the tool": 3, "reload ends the worker of 0.2.0": 6}
"""How many points of each route are tried, where that is not one."""
PAIRS_PER_ROUTE = 2
COMMANDS_PER_FAULT = 1
SOON = 40
"""Within so many points a second fault follows the first: while the tool looks how things are, most of the time."""
MOST_FAULTS = 3
FEW_STARTS, MOST_STARTS = 40, 5000


class Record(Protocol):
    """Keeps the figures of a walk."""

    def __call__(self, walk: Walk, *, survived: bool) -> None:
        """Keep them."""


class MakeWalk(Protocol):
    """Walks a route to its end."""

    def __call__(self, route: Route, *blows: Blow, everywhere: Relentless | None = None) -> Walk:
        """Walk it with these blows, or one fault at every point, and assert that all was survived."""


def sampled(points: tuple[Point, ...], route: Route, fault: Fault, number: int) -> list[int]:
    """Return numbers of points that a fault applies to, one kind of point after the other; the same each time."""
    rng = random.Random(f"{SEED} {route} {fault}")
    strata: dict[tuple[str, str], list[int]] = {}
    for count, point in enumerate(points, start=1):
        if fault.applies(route, point):
            strata.setdefault((point.kind, point.when), []).append(count)
    kinds = sorted(strata)
    rng.shuffle(kinds)
    return [rng.choice(strata[kinds[n % len(kinds)]]) for n in range(number if kinds else 0)]


def applicable() -> Iterator[tuple[Route, Fault]]:
    """Yield what can be tried at all."""
    for route, fault in product(EVERYTHING, FAULTS):
        if fault.somewhere(route):
            yield route, fault


def in_turn() -> Iterator[tuple[Route, Fault]]:
    """Yield each fault with a few of the commands beside a migration, which are alike: another few for each fault."""
    for number, fault in enumerate(FAULTS):
        fitting = [route for route in COMMANDS if fault.somewhere(route)]
        for n in range(min(COMMANDS_PER_FAULT, len(fitting))):
            yield fitting[(number + n * len(fitting) // COMMANDS_PER_FAULT) % len(fitting)], fault


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let every fault strike on every route, or a sample of these pairs on the commands beside a migration."""
    if metafunc.function is test_fault:
        whole = metafunc.config.getoption("--crash-full")
        pairs = [pair for pair in applicable() if whole or pair[0] in ROUTES]
        metafunc.parametrize(("route", "fault"), pairs if whole else [*pairs, *in_turn()], ids=str)


def combined(route: Route) -> list[Fault]:
    """Return what can happen in one run with something else.

    An Immich that waits for lock 200 is let in by whatever ends the tool, and then does as it is set up to do: on the
    rescue path, where VectorChord is not there yet, it takes pgvector, and the tool says how to go on from that.
    """
    return [f for f in FAULTS if f.somewhere(route) and not f.on_disk and f.strike is not immich_starts]


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Record:
    """Return a function that keeps figures for the table at the end."""

    def keep(walk: Walk, *, survived: bool) -> None:
        for fault in {blow.fault for blow in walk.blows}:
            struck = [blow for blow in walk.struck if blow.fault is fault]
            if struck:
                figures = Figures(
                    walk.scene.route.name,
                    fault.name,
                    injected=len(struck),
                    points=len({str(blow.at) for blow in struck}),
                    survived=len(struck) if survived else 0,
                    felt=sum(blow.felt for blow in struck),
                )
                request.node.user_properties.append(figures.as_property())

    return keep


@pytest.fixture
def walk(prepare: Prepare, scene_on: SceneOn, record: Record) -> MakeWalk:
    """Return a function that walks a route with blows, and asserts that they were survived."""

    def make(route: Route, *blows: Blow, everywhere: Relentless | None = None) -> Walk:
        prepared = prepare(route)
        faults = [*(blow.fault for blow in blows), *([everywhere.fault] if everywhere else [])]
        with scene_on(prepared, *faults) as scene:
            if scene.disk is None and any(fault.on_disk for fault in faults):
                pytest.skip("no small disk can be mounted here")
            walk, survived = Walk(scene, list(blows), everywhere), False
            try:
                walk.to_the_end(MOST_STARTS if everywhere else FEW_STARTS)
                assert_undisturbed(walk, prepared)
                survived = True
            finally:
                record(walk, survived=survived)
            return walk

    return make


def test_fault(route: Route, fault: Fault, prepare: Prepare, walk: MakeWalk, request: pytest.FixtureRequest) -> None:
    """Wherever it strikes, the same command ends with the same catalogs, embeddings and facts, and nothing left."""
    if request.config.getoption("--crash-full"):
        seen: Path = request.getfixturevalue("tmp_path") / "seen"
        seen.touch()
        every: int = request.config.getoption("--crash-every")
        assert walk(route, everywhere=Relentless(fault, seen, every)).struck, "nothing was tried"
        return
    number = MORE.get(fault.name, 1) if route.keeps_a_journal else 1
    numbers = sampled(prepare(route).points, route, fault, number)
    assert numbers, "nothing was tried"
    for number in numbers:
        assert walk(route, Blow(number, fault)).struck, f"point {number} was never reached"


@pytest.mark.parametrize(("route", "turn"), list(product(ROUTES, range(PAIRS_PER_ROUTE))), ids=str)
def test_two_faults(route: Route, turn: int, prepare: Prepare, walk: MakeWalk) -> None:
    """A second fault in the same run, every other time while the tool recovers from the first."""
    points, rng = prepare(route).points, random.Random(f"{SEED} {route} {turn}")
    first, second = rng.sample(combined(route), 2)
    number = sampled(points, route, first, 1 + turn)[-1]
    then = number + rng.randint(1, SOON if turn % 2 else len(points))
    assert walk(route, Blow(number, first), Blow(then, second)).struck, f"point {number} was never reached"


def test_random_faults(prepare: Prepare, walk: MakeWalk, request: pytest.FixtureRequest) -> None:
    """For as long as it is given, random faults at random points; a walk that fails is repeated by its own seed."""
    minutes, seed = request.config.getoption("--crash-minutes"), request.config.getoption("--crash-seed")
    if minutes is None:
        pytest.skip("as long as it is given: --crash-minutes N")
    seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    deadline = time.monotonic() + 60 * minutes
    while True:
        rng = random.Random(seed)
        route = rng.choice(EVERYTHING)
        faults = rng.sample(combined(route), rng.randint(1, MOST_FAULTS))
        total = len(prepare(route).points)
        try:
            walk(route, *(Blow(rng.randint(1, total), fault) for fault in faults))
        except AssertionError as error:
            raise AssertionError(f"repeat it with: --crash-seed {seed} --crash-minutes 0\n{error}") from error
        seed += 1
        if time.monotonic() > deadline:
            return
