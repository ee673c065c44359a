"""Law 10, backwards: the worker of 0.2.0 is asked before each change, and once more before an old index is built."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from driving import WAITING, start
from killing import held_at
from servers import MakeServer
from test_law_10_server_survives import assert_never_crashed, end_the_worker, started_at, unasked
from undoing import assert_back, traveller
from workshop import CONVERSION, steps_of
from workshops import MakeWorkshop

from migrator.step import Statement
from migrator.take_back import way_back

TOUCHES_NO_FILE = {"undo-drop-schema-vectors"}


def built_unasked(statements: Sequence[Statement]) -> list[str]:
    """Return the builds that are not preceded by a question to the worker, after everything else that may take long."""
    keys = [statement.key for statement in statements]
    return [
        key
        for place, key in enumerate(keys)
        if key.startswith("create-") and key.endswith("_index") and not keys[place - 1].endswith("-again")
    ]


def test_every_change_on_the_way_back_asks_the_worker_first(make_workshop: MakeWorkshop) -> None:
    """In every state of the way back; and the build of an old index has a question of its own."""
    workshop = make_workshop("0.2.0")
    workshop.run(steps_of(*CONVERSION))
    back = way_back(steps_of(*CONVERSION))
    builds = 0
    for step in back:
        catalog, facts = workshop.catalog(), workshop.facts()
        left = {s.key: s.plan(catalog, facts) for s in back if not s.is_done(catalog, facts)}
        asked_late = {key: found for key, plan in left.items() if (found := unasked(plan))}
        assert {key: found for key, found in asked_late.items() if key not in TOUCHES_NO_FILE} == {}
        built = {key: found for key, plan in left.items() if (found := built_unasked(plan))}
        assert built == {}
        builds += sum(s.builds_index for plan in left.values() for s in plan)
        workshop.run([step])
    assert builds > 0, "no old index was planned to be built"


def test_a_build_that_does_not_ask_is_noticed(make_workshop: MakeWorkshop) -> None:
    """The test above would fail for a plan whose second question was taken out."""
    workshop = make_workshop("0.2.0")
    workshop.run(steps_of(*CONVERSION))
    workshop.run(way_back(steps_of("drop-extension-vectors", "drop-schema-vectors")))
    (step,) = way_back(steps_of("convert-smart-search"))
    plan = step.plan(workshop.catalog(), workshop.facts())
    assert built_unasked(plan) == []
    assert built_unasked([s for s in plan if not s.key.endswith("-again")]) == ["create-clip_index"]


@pytest.mark.parametrize(
    "event",
    ["undo-drop-extension-vectors finished", "undo-build-face-index finished", "undo-convert-face-search finished"],
)
def test_worker_gone_on_the_way_back(event: str, make_server: MakeServer, tmp_path: Path) -> None:
    """A reload in between stops the way back before its next change, without a crash; after a restart it goes on."""
    who = traveller(make_server, tmp_path, vectors="0.2.0")
    before = who.state()
    who.go(until="uninstall-pgvectors")
    arguments = ["undo", "--yes", "--no-input", *who.ours()]
    arguments += ["--database", who.tool.database, "--journal", str(who.tool.journal)]
    with held_at(event, arguments, tmp_path) as held:
        held.wait_for_event()
        since = started_at(who.server)
        end_the_worker(who.server)
        held.let_go()
        ended = held.end()
    assert ended.code == WAITING, ended.said
    assert "a configuration reload ends it on 0.2" in " ".join(ended.err.split())
    assert_never_crashed(who.server, since)
    assert start(who.tool, "undo", "--yes", "--no-input", *who.ours()).returncode == WAITING
    assert_never_crashed(who.server, since)
    who.server.restart()
    assert_back(who, before, who.back())
