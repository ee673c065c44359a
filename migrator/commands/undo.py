"""Takes a run back: its steps in the reverse order, with the same engine, journal and proofs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath

import psycopg

from migrator.absence import Absence
from migrator.catalog import Catalog, Interest
from migrator.commands.asking import Person, Request, Result, Situation
from migrator.commands.plan import open_undamaged
from migrator.commands.run import Aim, Work, go
from migrator.content import Copying, Ending, Overview, Path, Undoable
from migrator.errors import NothingToTakeBack, Usage, WayBackClosed
from migrator.events import Emit
from migrator.execute import Diagnosis
from migrator.identity import Identity
from migrator.journal import Journal, RunRecord, beside, now
from migrator.step import Blocker, Documentation, Facts, Json, Step
from migrator.take_back import TakeBack, way_back
from migrator.undo_record import UndoRecord

COMMAND = "undo"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the journal says of the run that is to be taken back.

    Attributes:
        arguments: what it was last started with.
        undo: how far it was taken back already.
    """

    run: RunRecord
    arguments: Mapping[str, Json]
    undo: UndoRecord | None


def recorded(place: FilePath) -> Recorded:
    """Return the run that a journal is about, without asking the server.

    Raises:
        NothingToTakeBack: there is no journal, nothing in it, or a run that has no way back.
    """
    journal = open_undamaged(place)
    try:
        run = journal.run if journal else None
        if journal is None or run is None:
            raise _unknown(place)
        if run.source == "update":
            raise _update(place)
        return Recorded(run, journal.last_arguments(), UndoRecord.of(journal.facts()))
    finally:
        if journal:
            journal.close()


def _unknown(place: FilePath) -> NothingToTakeBack:
    if beside(place).exists():
        return _update(beside(place))
    return NothingToTakeBack(
        f'the journal "{place}" knows of no run that could be taken back; nothing was changed',
        hint="what was there before a run is written in its journal only: name that with --journal FILE",
    )


def _update(place: FilePath) -> NothingToTakeBack:
    return NothingToTakeBack(
        f'"{place}" is the journal of an update, and an update of VectorChord has no way back: its extension has no '
        "scripts that lead down; nothing was changed",
        hint="to take the migration itself back, name its journal: --journal FILE",
    )


@dataclass(frozen=True, slots=True)
class Backwards:
    """A content turned around: its path is the way back, and what it says is about that.

    Attributes:
        to: the key of the last step that is taken back; None for the whole run.
    """

    content: Undoable
    recorded: Recorded
    to: str | None = None

    @property
    def interest(self) -> Interest:
        """What the snapshot has to contain."""
        return self.content.interest_back

    @property
    def copied(self) -> Interest:
        """What the snapshot of somebody who makes a copy has to contain."""
        return self.content.copied

    def copying(self, catalog: Catalog, facts: Facts) -> Copying:
        """Return what a copy holds, and how it is read."""
        return self.content.copying(catalog, facts)

    def path(self, catalog: Catalog, begun: str | None = None) -> Path:
        """Return the way back, between keeping the application out and letting it in again.

        Raises:
            Usage: --to names no step of the run.
        """
        forward = self.forward(catalog)
        keys = [step.key for step in forward.steps]
        if self.to is not None and self.to not in keys:
            raise Usage(
                f'--to names no step of this run: "{self.to}"; nothing was changed',
                facts=[("steps", ", ".join(keys))],
                hint="name one of them: the last one that is to be taken back",
            )
        back = way_back(forward.steps, self.to)
        where = "to what was there before it" if self.to in (None, keys[0]) else f"as far as step {self.to}"
        enter, leave = self.content.fence(lambda c, f: all(step.is_done(c, f) for step in back))
        return Path(
            key=forward.key,
            name=f"way back of the run of {self.recorded.run.started_at[:16].replace('T', ' ')} UTC, {where}",
            why=f"its journal says what was there before it (path: {forward.key})",
            steps=(_beside(enter, back[0]), *back, _beside(leave, back[-1])),
            groups=forward.groups,
        )

    def forward(self, catalog: Catalog) -> Path:
        """Return the path that the run went."""
        return self.content.path(catalog, self.recorded.run.path)

    def overview(self, catalog: Catalog, facts: Facts) -> Overview:
        """Return what was found, what it was before, and what stays as it is."""
        stay = [
            f'step "{step.step.key}" is not taken back: {why}'
            for step in way_back(self.forward(catalog).steps, self.to)
            if (why := step.stays(catalog, facts)) is not None
        ]
        return self.content.overview_back(catalog, facts).with_warnings(stay)

    def in_the_way(self, catalog: Catalog, facts: Facts, path: Path) -> Sequence[Blocker]:
        """Return nothing: a way back that is closed is refused before anybody is asked."""
        return ()

    def ending(self, catalog: Catalog, facts: Facts, path: Path) -> Ending:
        """Return what is true now."""
        to = next((step for step in self.forward(catalog).steps[1:] if step.key == self.to), None)
        return self.content.ending_back(catalog, facts, to)

    def wants_copy(self, catalog: Catalog, facts: Facts) -> bool:
        """Tell whether the way back is going to change what a copy would hold."""
        return False

    def diagnose(self, error: psycopg.Error, catalog: Catalog) -> Diagnosis | None:
        """Return what a database error means."""
        return self.content.diagnose(error, catalog)

    def explain_absence(self, absence: Absence) -> Sequence[tuple[str, str]]:
        """Return why a server may not come back."""
        return self.content.explain_absence(absence)

    def explain_loss(self, catalog: Catalog) -> Sequence[tuple[str, str]]:
        """Return why a connection may have been lost."""
        return self.content.explain_loss(catalog)


def undo(request: Request, content: Backwards, person: Person, emit: Emit) -> Result:
    """Take a run back, or go on with taking it back.

    Raises:
        WayBackClosed: somewhere on the way there is a step that cannot be taken back.
        MigratorError: with its exit code and what to do next; KeyboardInterrupt passes through.
    """
    turn = _Turn(content)
    return go(Work(request, content, person, emit), Aim(turn.refuse, turn.begin, turn.ended))


@dataclass(frozen=True, slots=True)
class _Turn:
    """What a way back looks at before it begins, and notes at its beginning and end."""

    content: Backwards

    def refuse(self, situation: Situation) -> None:
        """Refuse a way back that would end in the middle, before anything is changed."""
        closed = _closed(situation)
        if closed is None:
            return
        step, blocker = closed
        keys = [s.key for s in self.content.forward(situation.catalog).steps]
        less_far = keys[keys.index(step.step.key) + 1 :]
        left = any(isinstance(s, TakeBack) and s.step.key in less_far for s in situation.pending)
        hints = ["open the way, then run the same command again"]
        if left:
            hints.append(f"or go back less far: migrate undo --to {less_far[0]}")
        raise WayBackClosed(
            f'there is no way back past step "{step.step.key}": {blocker.found.removeprefix("no way back: ")}; '
            "nothing was changed",
            facts=[("to open it", line) for line in blocker.fix],
            hint="; ".join(hints),
        )

    def begin(self, journal: Journal, situation: Situation, request: Request) -> None:
        """Note that the run is being taken back, and how far."""
        journal.belongs_to(Identity.of(situation.catalog))
        journal.reopen()
        before = situation.undo if situation.undo and situation.undo.under_way else None
        first = self.content.forward(situation.catalog).steps[0].key
        to = None if self.content.to == first else self.content.to
        going = UndoRecord(began_at=before.began_at if before else now(), to=to)
        journal.record(situation.path.steps[0].key, going.as_fact())

    def ended(self, journal: Journal) -> None:
        """Note that it is taken back; as a whole where nothing is left of the run."""
        going = UndoRecord.of(journal.facts())
        if going is not None and going.under_way:
            over = UndoRecord(going.began_at, going.to, now(), whole=going.to is None)
            journal.record(COMMAND, over.as_fact())


def _closed(situation: Situation) -> tuple[TakeBack, Blocker] | None:
    for step in situation.pending:
        closed = step.closed(situation.catalog, situation.facts) if isinstance(step, TakeBack) else None
        if closed is not None and isinstance(step, TakeBack):
            return step, closed
    return None


def _beside(fence: Step, step: Step) -> Step:
    documentation = step.documentation
    return fence.carries_out(Documentation(documentation.section, documentation.number, added=True))
