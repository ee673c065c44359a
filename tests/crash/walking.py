"""Walks a route to its end, with somebody who strikes at chosen points, and the same command typed again after each."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from aftermath import assert_as_if_uninterrupted
from driver import Point, Reply
from driving import DONE, WAITING, Finished, Operator, waits_for
from faults import Fault
from journey import Ended
from prepared import Prepared
from routes import Route
from scene import Scene

MOST_WAITS = 40
WRITTEN_BETWEEN = "then stop Immich and add --trust-server"
WORKER_GONE = "restart PostgreSQL (a reload is not enough"
"""On the screen where pgvecto.rs's worker is gone, in whatever step."""


@dataclass(slots=True)
class Blow:
    """A fault at a point.

    Attributes:
        number: The point, counted over all starts of the walk.
        fault: What happens there.
        at: Where that was, once it has happened.
        felt: Whether the start that it struck ended otherwise than it would have.
        starts: How many starts have ended since.
    """

    number: int
    fault: Fault
    at: Point | None = None
    felt: bool = False
    starts: int = 0

    def __str__(self) -> str:
        return f"{self.fault.name} at point {self.number} ({self.at or 'not reached'})"


@dataclass(slots=True)
class Relentless:
    """A fault that happens at one new point after the other.

    Attributes:
        seen: A file that lists the points that were passed.
        every: At one out of so many.
    """

    fault: Fault
    seen: Path
    every: int = 1
    _passed: int = 0

    def turn(self, route: Route, point: Point) -> bool:
        """Note a new point, and return whether it is the fault's turn."""
        with self.seen.open("a") as seen:
            seen.write(f"{point}\n")
        if not self.fault.applies(route, point):
            return False
        self._passed += 1
        return self._passed % self.every == 1 % self.every


@dataclass(slots=True)
class Walk:
    """One walk along a route.

    Attributes:
        blows: What happens on the way; those that are beyond its end do not.
        relentless: A fault that happens wherever it has not happened yet.
        lists_points: Whether `points` is to be filled.
        passed: How many points lie behind.
        points: Which they are.
        ended: How each start ended.
    """

    scene: Scene
    blows: list[Blow] = field(default_factory=list)
    relentless: Relentless | None = None
    lists_points: bool = False
    passed: int = 0
    points: list[Point] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)

    def to_the_end(self, most_starts: int = MOST_WAITS) -> Ended:
        """Type the same command until it is done; only a start that was struck may end otherwise than asking for help.

        Raises:
            AssertionError: it never ends, or ends with an error that nothing explains.
        """
        operator = Operator(self.scene.server, self.scene.route.vchord)
        for _ in range(most_starts):
            struck, ended = self._start()
            if self.scene.route.ending.reached(ended, self.scene.journal.parent):
                return ended
            excused = any(ended.code in blow.fault.ends for blow in struck) or self._trusts_the_server(ended)
            if ended.code != WAITING:
                assert excused, self.story("nothing explains this end")
            elif not self._helped(operator, ended):
                assert struck, self.story("it waits, and nobody knows for what")
        raise AssertionError(self.story("it never ends"))

    @property
    def struck(self) -> list[Blow]:
        """What has happened, where it can."""
        route = self.scene.route
        return [blow for blow in self.blows if blow.at is not None and blow.fault.applies(route, blow.at)]

    def story(self, what: str) -> str:
        """Tell what has happened, for whoever has to find out why."""
        blows = "\n".join(f"  {blow}" for blow in self.blows[-3:])
        log = self.scene.journal.with_suffix(".log")
        trace = [line for line in log.read_text().splitlines() if "Traceback" in line] if log.exists() else []
        last = "\n".join([*trace[-1:], ""]) + "\n".join(ended.said[-1500:] for ended in self.ended[-2:])
        codes = [ended.code for ended in self.ended][-20:]
        return f"{what}\nroute: {self.scene.route}\nblows:\n{blows}\nexit codes: {codes}\n{last}"

    def _start(self) -> tuple[list[Blow], Ended]:
        """Start the tool once; return what struck it, or still weighs on it, and how it ended."""
        self.scene.keep_the_journal()
        waiting = {blow.number - self.passed: blow for blow in self.blows if blow.at is None}
        struck = [blow for blow in self.blows if blow.at is not None and blow.starts <= blow.fault.lingers]

        def strike(pid: int, number: int, point: Point) -> Reply:
            self.scene.pid = pid
            blow = waiting.get(number) or self._another(number, point)
            if blow is None:
                return Reply()
            blow.at = point
            struck.append(blow)
            self.scene.wait_for_the_server()  # an earlier blow may have brought it down
            return blow.fault.strike(self.scene) if blow.fault.applies(self.scene.route, point) else Reply()

        started = self.scene.driver.start(
            self.scene.arguments,
            [number for number in waiting if number > 0],
            strike,
            seen=self.relentless.seen if self.relentless else None,
            lists_points=self.lists_points,
        )
        self.passed += started.points
        self.points += started.listed
        self.ended.append(started.ended)
        self.scene.disturbed_no_more()
        assert "Traceback" not in started.ended.err, self.story("a traceback on the screen")
        assert "a bug in this tool" not in started.ended.err, self.story("it takes this for a bug of its own")
        for blow in struck:
            blow.felt = blow.felt or started.ended.code not in (DONE, WAITING)
            blow.starts += 1
            if blow.starts == 1:
                blow.fault.afterwards(self.scene)
        return struck, started.ended

    def _another(self, number: int, point: Point) -> Blow | None:
        assert self.relentless is not None
        if not self.relentless.turn(self.scene.route, point):
            return None
        blow = Blow(self.passed + number, self.relentless.fault)
        self.blows.append(blow)
        return blow

    def _trusts_the_server(self, ended: Ended) -> bool:
        """Say that the rows were changed on purpose, where somebody did write and the screen asks whether it was so."""
        asked = WRITTEN_BETWEEN in " ".join(ended.err.split()) and not self.scene.more
        if not asked or all(blow.fault.alone for blow in self.struck):
            return False
        self.scene.more.append("--trust-server")
        return True

    def _helped(self, operator: Operator, ended: Ended) -> bool:
        """Do what the screen asks for; return whether it asks for anything."""
        if WORKER_GONE in " ".join(ended.err.split()):
            self.scene.server.restart()
            return True
        if " waiting: " not in ended.err:
            return False
        step = waits_for(Finished([], ended.code, ended.out, ended.err))
        assert step is not None
        assert operator.did.count(step) < MOST_WAITS, self.story(f"it always waits for {step}")
        operator.do(step, ended.err)
        return True


def assert_undisturbed(walk: Walk, prepared: Prepared) -> None:
    """Assert that everything is as it would have been."""
    try:
        for check in walk.scene.checks:
            check()
        assert_as_if_uninterrupted(
            walk.scene.journey,
            prepared,
            same_rows=all(blow.fault.alone for blow in walk.struck),
            same_facts=not any(blow.fault.forgets or not blow.fault.alone for blow in walk.struck),
        )
    except AssertionError as error:
        raise AssertionError(walk.story(str(error))) from error
