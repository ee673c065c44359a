"""Each step by itself: done, taken back, and done again; what was there before it is there again in between."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from workshop import CONVERSION, Workshop, steps_of
from workshops import MakeWorkshop

from migrator.commands.plan import plan_steps
from migrator.step import NoWayBack, Step
from migrator.take_back import TakeBack, way_back
from steps.paths import automatic, manual, pgvector, rescue
from steps.shared.options import Options

MANUAL = (
    "note-dimension",
    "keep-immich-out",
    "record-embeddings",
    "detach-smart-search",
    "detach-face-search",
    "drop-extension-vectors",
    "drop-schema-vectors",
    "create-extension-vchord",
    "restore-smart-search",
    "restore-face-search",
    "build-clip-index",
    "build-face-index",
    "analyze-tables",
    "let-immich-in",
)
"""The states of the manual path that need no restart of a server with both libraries loaded."""
PATHS = {"automatic": steps_of(*CONVERSION), "manual": tuple(s for s in manual(Options()) if s.key in MANUAL)}
CHANGES_NOTHING = {"keep-immich-out", "record-embeddings", "analyze-tables", "let-immich-in"}


def carry_out(workshop: Workshop, steps: Sequence[Step], step: Step) -> None:
    """Carry out one step, after what each session has to do for itself."""
    fence = [s for s in steps if s.key == "record-embeddings"]
    needs_survey = step.key.startswith(("convert-", "detach-"))
    outcome = workshop.run([*fence, step] if needs_survey else [step])
    assert outcome.kind == "done", outcome.blockers


@pytest.mark.parametrize("version", ["0.2.0", "0.3.0"])
@pytest.mark.parametrize("path", PATHS)
def test_each_step_there_and_back_and_there(path: str, version: str, make_workshop: MakeWorkshop) -> None:
    """Catalogs and embeddings before and after a step are the same each time, and it knows where it stands."""
    workshop, steps = make_workshop(version), PATHS[path]
    # what was there is recorded when a run begins, as the command does it
    workshop.run([s for s in steps if s.key == "record-embeddings"])
    changed = set()
    for step in steps:
        before = workshop.state()
        carry_out(workshop, steps, step)
        after = workshop.state()
        if after != before:
            changed.add(step.key)
        back = TakeBack(step)
        assert back.is_done(workshop.catalog(), workshop.facts()) == (after == before), step.key
        assert workshop.run([back]).kind == "done"
        assert workshop.state() == before, f"{step.key} was not taken back"
        assert back.is_done(workshop.catalog(), workshop.facts())
        assert workshop.run([back]).kind == "done"
        carry_out(workshop, steps, step)
        assert workshop.state() == after, f"{step.key} was not done again as before"
    assert {step.key for step in steps} - changed == CHANGES_NOTHING


@pytest.mark.parametrize("path", PATHS)
def test_the_journal_tells_there_from_back(path: str, make_workshop: MakeWorkshop) -> None:
    """Taken back is `undone`, done again is `finished`, and neither contradicts the other."""
    workshop, steps = make_workshop(), PATHS[path]
    workshop.run(steps)
    workshop.run(way_back(steps))
    with workshop.reading() as journal:
        last = {key: event.event for key, event in journal.last_of_steps().items()}
    lasting = [s.key for s in steps if s.lasting]
    assert {key: last[key] for key in lasting} == dict.fromkeys(lasting, "undone")
    assert {last[f"undo-{key}"] for key in lasting} == {"finished"}
    assert workshop.run(steps).kind == "done"
    with workshop.reading() as journal:
        again = journal.last_of_steps()
    assert {again[key].event for key in lasting} == {"finished"}


@pytest.mark.parametrize("path", [automatic, manual, pgvector, rescue], ids=lambda path: str(path.__name__))
def test_the_plan_promises_a_way_back_exactly_where_there_is_one(
    path: type[object], make_workshop: MakeWorkshop
) -> None:
    """What the plan says of each step agrees with what taking it back would come to, right after it was recorded."""
    workshop = make_workshop()
    workshop.run(steps_of("record-embeddings"))
    catalog, facts = workshop.catalog(), workshop.facts()
    steps: Sequence[Step] = path(Options())  # type: ignore[call-arg,assignment]
    for step, planned in zip(steps, plan_steps(tuple(steps), catalog, facts), strict=True):
        back = TakeBack(step)
        if planned.way_back == "yes":
            assert back.closed(catalog, facts) is None, step.key
            assert back.stays(catalog, facts) is None, step.key
        else:
            stays = back.stays(catalog, facts) is not None
            assert stays or step.point_of_no_return or isinstance(step.undo(catalog, facts), NoWayBack), step.key
