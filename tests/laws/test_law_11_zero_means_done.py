"""Law 11: exit code 0 means done; waiting, blocked, refused, failed and interrupted have codes of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from journey import BLOCKED, DONE, USAGE, WAITING, Journey, fill, start_tool
from psycopg.sql import SQL
from servers import MakeServer
from workshop import steps_of
from workshops import MakeWorkshop

from migrator.catalog import Catalog
from migrator.errors import ExitCode, NotDoneAfterAll
from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.immich_damage import damage_rows
from migrator.step import Documentation, Facts, Statement
from steps.drop_extension_vectors import DropExtensionVectors

PUBLISHED = {
    "DONE": 0,
    "FAILED": 1,
    "USAGE": 2,
    "WAITING": 3,
    "BLOCKED": 4,
    "REFUSED": 5,
    "WORK_PENDING": 100,
    "INTERRUPTED": 130,
}


def test_the_codes_are_as_published() -> None:
    """The codes are an interface: none is changed, none is given twice."""
    assert {code.name: code.value for code in ExitCode} == PUBLISHED


def test_no_stop_on_the_way_ends_with_zero(make_server: MakeServer, server_folder: Path) -> None:
    """At each stop of a whole run, and without the answers it needs, the code is not 0; at the end it is, each time."""
    server = make_server(install={"vectors": "0.3.0"}, preload="vectors.so")
    fill(server)
    journey = Journey(server, server_folder / "j.db")
    unanswered = [a for a in journey.arguments if a != "--yes" and not a.startswith("--confirm")]
    stops = []
    while (ended := journey.start()).code != DONE:
        assert ended.code == WAITING, ended.said
        assert start_tool(unanswered).code == WAITING
        dry = start_tool([*journey.arguments, "--dry-run", "--detailed-exitcode"])
        assert dry.code == ExitCode.WORK_PENDING, dry.said
        stops.append(journey.waits_for())
        assert journey.help(), ended.said
    assert stops == ["install-vectorchord", "uninstall-pgvectors"]
    assert journey.start().code == DONE
    assert start_tool(unanswered).code == DONE
    assert start_tool([*journey.arguments, "--dry-run", "--detailed-exitcode"]).code == DONE


def test_a_blocker_ends_with_four(make_server: MakeServer, server_folder: Path) -> None:
    """Rows that would not survive block, before anything is changed, and the last line counts what is in the way."""
    server = make_server(install={"vectors": "0.3.0", "vchord": "0.3.0"}, preload="vchord.so, vectors.so")
    fill(server, ImmichDatabase(rows=20, with_indexes=False))
    with server.connect("immich") as connection:
        (key,) = damage_rows(connection, "smart_search", "nan")
    journey = Journey(server, server_folder / "j.db")
    ended = journey.to_the_end()
    assert ended.code == BLOCKED, ended.said
    assert str(key) in ended.err
    assert "1 blocker" in ended.err.strip().splitlines()[-2] + ended.err.strip().splitlines()[-1]


@pytest.mark.parametrize("arguments", [["--from", "mysql"], ["--dry-run"], ["--no-such-option"], ["no-such-command"]])
def test_a_wrong_command_line_ends_with_two(arguments: Sequence[str]) -> None:
    """What cannot be understood changes nothing."""
    assert start_tool(arguments).code == USAGE


class Idle(DropExtensionVectors):
    """A step whose statements run, and do not do what they should."""

    def __init__(self) -> None:
        self.carries_out(Documentation("a mistake", 8))

    def plan(self, catalog: Catalog, facts: Facts) -> Sequence[Statement]:
        """Return the plan of the real step, with statements that do nothing."""
        return [replace(s, sql=SQL("SELECT 1")) for s in super().plan(catalog, facts)]


def test_statements_that_ran_are_not_yet_a_step_that_is_done(make_workshop: MakeWorkshop) -> None:
    """What the server does not show after its statements have run is a failure, in the journal too."""
    workshop = make_workshop()
    workshop.run(
        steps_of("create-extension-vchord", "record-embeddings", "convert-smart-search", "convert-face-search")
    )
    with pytest.raises(NotDoneAfterAll) as failure:
        workshop.run([Idle()])
    assert failure.value.exit_code is ExitCode.FAILED
    assert workshop.records()[-1].event == "failed"
    assert workshop.run([*steps_of("drop-extension-vectors")]).kind == "done"
