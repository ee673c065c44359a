"""What every step of the automatic path promises: its name, that done stays done, and that there is a way back."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from journey import VCHORD, Journey, fill
from servers import MakeServer
from workshop import CONVERSION, Workshop, steps_of
from workshops import MakeWorkshop

from migrator.events import StatementStarted
from migrator.sandbox.server import Server
from migrator.step import Actor, Step
from migrator.take_back import way_back
from steps.paths import automatic
from steps.shared.options import Options

PATHS = {"by the tool": automatic(Options()), "by Immich": automatic(Options(reindex_by="immich"))}
ASKED = ("is_done", "check", "record", "plan", "undo", "is_undone", "check_undo", "forget", "estimate_undo_seconds")


@pytest.mark.parametrize("path", PATHS)
def test_keys_are_unique_and_fit_for_a_journal(path: str) -> None:
    """Keys live in people's journals: lower case, words joined by hyphens, none twice."""
    keys = [step.key for step in PATHS[path]]
    assert len(set(keys)) == len(keys)
    assert [key for key in keys if not re.fullmatch(r"[a-z]+(-[a-z]+)*", key)] == []


@pytest.mark.parametrize("path", PATHS)
def test_the_order_is_the_documented_one(path: str) -> None:
    """Numbers never go back, each of the twelve documented steps is carried out, and not only by what is added."""
    numbers = [step.documentation.number for step in PATHS[path]]
    assert numbers == sorted(numbers)
    assert {step.documentation.number for step in PATHS[path] if not step.documentation.added} == set(range(1, 13))


@pytest.mark.parametrize("step", PATHS["by the tool"], ids=lambda step: step.key)
def test_a_step_is_described(step: Step) -> None:
    """A title, a sentence for the class, and members that say that they only read."""
    assert step.title
    assert (inspect.getdoc(type(step)) or "").splitlines()[0].endswith(".")
    module = inspect.getdoc(inspect.getmodule(type(step))) or ""
    assert "one" in module.split("\n", 1)[1].lower(), "the module does not say how done is recognised"
    own = [name for name in ASKED if name in vars(type(step))]
    assert "is_done" in own
    assert [name for name in own if not (inspect.getdoc(getattr(step, name)) or "").startswith("Read-only.")] == []


def asked_again(journey: Journey, done: Mapping[str, Step]) -> list[str]:
    """Return the steps that were done and are not any more, judged from the server and the journal as they are now."""
    workshop = Workshop(journey.server, journey.database, journey.journal)
    catalog, facts = workshop.catalog(), workshop.facts()
    return [key for key, step in done.items() if step.lasting and not step.is_done(catalog, facts)]


@pytest.mark.parametrize("version", ["0.2.0", "0.3.0"])
def test_done_stays_done_to_the_end_of_the_path(version: str, make_server: MakeServer, server_folder: Path) -> None:
    """Step by step to the end, restarts and uninstallation included: each earlier step is still done after each."""
    server = make_server(install={"vectors": version}, preload="vectors.so")
    fill(server)
    journey = Journey(server, server_folder / "j.db")
    workshop = Workshop(server, journey.database, journey.journal)
    done: dict[str, Step] = {}
    for step in automatic(Options()):
        _carry_out(workshop, server, step)
        done[step.key] = step
        assert asked_again(journey, done) == [], f"undone by {step.key}"
        assert step.documentation.added or step.is_done(workshop.catalog(), workshop.facts()) or not step.lasting
    assert len(done) == len(PATHS["by the tool"])


def _carry_out(workshop: Workshop, server: Server, step: Step) -> None:
    """Carry one step out, the operator's part included."""
    if step.actor is Actor.OPERATOR and not step.is_done(workshop.catalog(), workshop.facts()):
        if step.wants_restart:
            server.restart()
        elif step.key == "install-vectorchord":
            server.install("vchord", VCHORD)
        elif step.key == "uninstall-pgvectors":
            server.remove("vectors")
    steps = [step] if step.key == "record-embeddings" else [*steps_of("record-embeddings"), step]
    needs_survey = step.key.startswith("convert-")
    outcome = workshop.run(steps if needs_survey else [step])
    assert outcome.kind == "done", f"{step.key}: {outcome.blockers}"


def test_a_step_that_is_done_sends_nothing(make_workshop: MakeWorkshop) -> None:
    """Carrying out once more what is done changes nothing and asks the server for nothing but a look."""
    workshop = make_workshop()
    workshop.run(steps_of(*CONVERSION))
    before = workshop.state()
    for key in CONVERSION:
        workshop.events.clear()
        assert workshop.run(steps_of(key)).kind == "done"
        assert [event for event in workshop.events if isinstance(event, StatementStarted)] == []
    assert workshop.state() == before


def undo(workshop: Workshop, *keys: str) -> None:
    """Take steps back, the last one first, as `migrate undo` does."""
    outcome = workshop.run(way_back(steps_of(*keys)))
    assert outcome.kind == "done", [b.found for b in outcome.blockers]


@pytest.mark.parametrize("superuser", [True, False], ids=["superuser", "owner"])
@pytest.mark.parametrize("version", ["0.2.0", "0.3.0"])
def test_there_and_back_and_there_again(
    version: str,
    superuser: bool,  # noqa: FBT001 - a parameter of pytest
    make_workshop: MakeWorkshop,
) -> None:
    """Converted, taken back and converted again: hashes and columns are what they were at each of the four stages."""
    workshop = make_workshop(version, superuser=superuser)
    there = [key for key in CONVERSION if not key.startswith("drop") and key != "create-extension-vchord"]
    workshop.run(steps_of("create-extension-vchord"))
    before = workshop.state()
    assert workshop.run(steps_of(*there)).kind == "done"
    converted = workshop.state()
    assert converted[0] != before[0]
    undo(workshop, *there)
    assert workshop.state() == before
    assert workshop.run(steps_of(*there)).kind == "done"
    assert workshop.state() == converted
    undo(workshop, *there)
    assert workshop.state() == before


def test_the_whole_way_back_leaves_the_catalogs_as_they_were(make_workshop: MakeWorkshop) -> None:
    """Undone to the beginning, the drop of the extension too, nothing is left of VectorChord and nothing is missing."""
    workshop = make_workshop()
    before = workshop.state()
    workshop.run(steps_of(*CONVERSION))
    assert workshop.state()[0] != before[0]
    undo(workshop, *CONVERSION)
    assert workshop.state() == before


def test_what_cannot_be_undone_says_why(make_server: MakeServer, tmp_path: Path) -> None:
    """Where there is no way back, the reason is given in words, and what would open one; nothing is sent."""
    server = make_server(install={"vectors": "0.3.0", "vchord": VCHORD}, preload="vchord.so, vectors.so")
    fill(server)
    workshop = Workshop(server, "immich", tmp_path / "j.db")
    workshop.run(steps_of("uninstall-pgvectors", *CONVERSION))
    server.remove("vectors")
    catalog, facts = workshop.catalog(), workshop.facts()
    (uninstall,) = way_back(steps_of("uninstall-pgvectors"))
    (blocker,) = uninstall.check(catalog, facts)
    assert blocker.found == "no way back: the library of pgvecto.rs is no longer installed"
    # as a package or as an image, whichever this server seems to have come from
    assert re.search(r"install pgvecto\.rs 0\.3\.0 for PostgreSQL|-pgvectors0\.3\.0", " ".join(blocker.fix))
    assert workshop.run(way_back(steps_of("uninstall-pgvectors", *CONVERSION))).kind == "blocked"
    server.install("vectors", "0.3.0")
    assert uninstall.is_done(workshop.catalog(), workshop.facts())
