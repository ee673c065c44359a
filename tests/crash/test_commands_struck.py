"""The commands beside a migration, struck where much depends on the point: what is said then is true."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from aftermath import left_behind
from commands import COMMANDS
from driver import Point, Reply
from driving import DONE, FAILED, REFUSED
from faults import FAULTS, Fault, end_the_session, kill_the_session
from prepared import Prepare, Prepared, SceneOn
from routes import Route
from scene import Scene
from walking import Blow, Walk, assert_undisturbed

RESTORE, PREPARE = "restore, emptied tables", "prepare, no database"
INSIDE = "the connection was lost; what is inside the database is done as a whole, or nothing of it"


def command(name: str) -> Route:
    """Return a command by its name."""
    return next(route for route in COMMANDS if route.name == name)


def number_of(prepared: Prepared, where: Callable[[Point], bool]) -> int:
    """Return the number of the first such point."""
    return next(number for number, point in enumerate(prepared.points, start=1) if where(point))


@dataclass(frozen=True, slots=True)
class Lost:
    """A connection that is lost, before which point of which command, and what the command says then."""

    route: str
    place: str
    sql: str
    said: str
    kind: str = "statement"

    def __str__(self) -> str:
        return f"{self.route} {self.place} {self.kind} {self.sql}".strip()

    def is_here(self, point: Point) -> bool:
        """Tell whether it is this point."""
        here = (self.place in point.place, point.sql.startswith(self.sql))
        return point.when == "before" and point.kind == self.kind and all(here)


LOST = (
    Lost(
        RESTORE,
        "",
        "SELECT set_config('client_encoding'",
        "the connection was lost while smart_search was put back: it was rolled back; nothing was changed",
        "look",
    ),
    Lost(
        RESTORE,
        "face_search/insert",
        "INSERT",
        "the connection was lost while face_search was put back: it was rolled back; smart_search is back",
    ),
    Lost(
        RESTORE,
        "smart_search/insert",
        "",
        "the connection was lost while smart_search was committed: it is back as a whole, or nothing of it",
        "commit",
    ),
    Lost(
        RESTORE,
        "smart_search/insert",
        "DROP TABLE",
        "the connection was lost after smart_search was committed; smart_search is back",
        "look",
    ),
    Lost(PREPARE, "set-probes", "", INSIDE, "commit"),
    Lost(PREPARE, "create-vchord", "CREATE", INSIDE),
)


@pytest.mark.parametrize("lost", LOST, ids=str)
def test_a_lost_connection_is_no_bug_and_the_screen_is_right(lost: Lost, prepare: Prepare, scene_on: SceneOn) -> None:
    """It is said as that, with what is true of what was done before; the same command goes on."""
    prepared = prepare(command(lost.route))
    fault = Fault("session terminated", end_the_session, frozenset({FAILED}))
    with scene_on(prepared) as scene:
        walk = Walk(scene, [Blow(number_of(prepared, lost.is_here), fault)])
        assert walk.to_the_end().code == DONE
        said = " ".join(walk.ended[0].err.split())
        assert f"error: {lost.said}" in said
        assert "run the same command again" in said
        assert_undisturbed(walk, prepared)


def test_a_dry_run_that_loses_its_connection_is_no_bug(prepare: Prepare, scene_on: SceneOn) -> None:
    """It only counts: it says that nothing was changed."""

    def strike(_pid: int, _number: int, point: Point) -> Reply:
        return end_the_session(scene) if "SELECT count(*) FILTER" in point.sql else Reply()

    with scene_on(prepare(command(RESTORE))) as scene:
        counted = scene.driver.start([*scene.arguments, "--dry-run"], range(1, 100), strike).ended
        assert counted.code == FAILED, counted.said
        said = " ".join(counted.err.split())
        assert "error: the connection was lost while the rows of smart_search were counted; nothing was changed" in said


def test_a_table_that_a_crash_of_the_server_left_is_dropped(prepare: Prepare, scene_on: SceneOn) -> None:
    """PostgreSQL keeps a temporary table then, until another session takes that place and makes one itself."""
    prepared = prepare(command(RESTORE))

    def strike(scene: Scene) -> Reply:
        kill_the_session(scene)
        # from now on somebody else sits where the session was
        others = [scene.connect() for _ in range(4)]
        scene.undo.append(lambda: scene.checks.extend(other.close for other in others))
        return Reply()

    number = number_of(prepared, lambda point: point.sql.startswith("COPY") and point.when == "after")
    with scene_on(prepared) as scene:
        walk = Walk(scene, [Blow(number, Fault("SIGKILL of the session's process", strike, frozenset({FAILED})))])
        assert walk.to_the_end().code == DONE
        assert left_behind(scene.server) == []
        assert_undisturbed(walk, prepared)


@pytest.mark.parametrize("sql", ["CREATE DATABASE", "ALTER DATABASE"])
def test_a_second_preparation_is_refused(sql: str, prepare: Prepare, scene_on: SceneOn) -> None:
    """While one works, a second one exits 5 wherever the first one is, and does not stumble over its statements."""
    prepared = prepare(command(PREPARE))
    place = number_of(prepared, lambda point: point.sql.startswith(sql))
    codes: list[int] = []

    def strike(scene: Scene) -> Reply:
        ended = scene.second.tool(scene.arguments)
        codes.append(ended.code)
        return Reply()

    with scene_on(prepared) as scene:
        walk = Walk(scene, [Blow(place, Fault("a second copy started", strike, frozenset()))])
        assert walk.to_the_end().code == DONE
        assert codes == [REFUSED]
        assert len(walk.ended) == 1
        assert_undisturbed(walk, prepared)


def test_every_fault_has_a_command() -> None:
    """Those that are about a journal have none."""
    without = [fault.name for fault in FAULTS if not any(fault.somewhere(route) for route in COMMANDS)]
    assert without == [
        "journal's disk full",
        "clock set back",
        "SIGKILL, then no journal",
        "SIGKILL, then an older journal",
    ]
