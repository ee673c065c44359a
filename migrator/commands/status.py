"""Where a migration stands: what the journal says and what the server shows, and which of the two could not be seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from migrator.catalog import Catalog
from migrator.commands.copy_first import KeptCopy, made_before
from migrator.commands.plan import open_undamaged
from migrator.content import Content
from migrator.errors import CannotConnect, ConnectionLost, NotImmich, Pooler, WrongSource
from migrator.identity import Identity
from migrator.journal import EventRecord, RunRecord
from migrator.journal_damage import note as damage_note
from migrator.session import Session
from migrator.step import Facts, Json, Step
from migrator.undo_record import UndoRecord


@dataclass(frozen=True, slots=True)
class StepStatus:
    """One step: what the server shows (None = could not be seen), and the journal's last word on it."""

    number: int
    key: str
    title: str
    actor: str
    done: bool | None
    journal: str | None
    at: str | None


@dataclass(frozen=True, slots=True)
class Status:
    """Journal and server side by side; `server_error` and `journal_missing` say what could not be seen."""

    journal: Path
    journal_missing: bool
    journal_damaged: str | None
    """What a run would do with a damaged journal; None where it is sound, or missing."""
    run: RunRecord | None
    last: EventRecord | None
    server_error: str | None
    same_database: bool | None
    steps: tuple[StepStatus, ...]
    copy: KeptCopy | None = None
    """The copy of what was changed."""
    undo: UndoRecord | None = None
    """What the journal knows of a way back, under way or ended."""

    @property
    def next_step(self) -> StepStatus | None:
        """The step that the run is at; None when all are done, or when nobody could see.

        It is the first that is not done. What only lasts as long as a run's own session has been done by the one that
        waits now: then it is the step that waits.
        """
        left = [step for step in self.steps if step.done is False]
        for step in left:
            if step.journal not in ("finished", "observed"):
                waits = self.last is not None and (self.last.step, self.last.event) == (step.key, "waiting")
                return step if waits else left[0]
        return left[0] if left else None


def status(conninfo: str, content_for: Callable[[Mapping[str, Json]], Content], journal_file: Path) -> Status:
    """Read the journal, ask the server, change nothing; works beside a running migration.

    The steps are those of the run: `content_for` gets the arguments that it was last started with.

    Raises:
        JournalTooNew, NotAJournal, JournalWriteFailed: the journal cannot be read.
    """
    journal = open_undamaged(journal_file)
    try:
        run = journal.run if journal else None
        facts = journal.facts() if journal else {}
        last_of = journal.last_of_steps() if journal else {}
        events = list(journal.events()) if journal else []
        content = content_for(journal.last_arguments() if journal else {})
    finally:
        if journal:
            journal.close()
    session = Session(conninfo, content.interest, read_only=True)
    steps: tuple[StepStatus, ...] = ()
    error: str | None = None
    same: bool | None = None
    try:
        session.open()
        catalog = session.catalog()
        same = run is None or run.identity == Identity.of(catalog)
        path = content.path(catalog, run.path if run else None).steps
        done = _done(path, catalog, facts)
        steps = tuple(
            StepStatus(
                step.documentation.number,
                step.key,
                step.title,
                step.actor,
                is_done,
                last_of[step.key].event if step.key in last_of else None,
                last_of[step.key].at if step.key in last_of else None,
            )
            for step, is_done in zip(path, done, strict=True)
        )
    except (CannotConnect, ConnectionLost, NotImmich, Pooler, WrongSource) as trouble:
        error = str(trouble)
    finally:
        session.close()
    return Status(
        journal_file,
        journal is None,
        damage_note(journal_file),
        run,
        events[-1] if events else None,
        error,
        same,
        steps,
        made_before(facts),
        UndoRecord.of(facts),
    )


def _done(steps: Sequence[Step], catalog: Catalog, facts: Facts) -> list[bool]:
    """Tell which steps are done; what only lasts as long as a run's own session counts with the step after it."""
    done: list[bool] = []
    for step in reversed(steps):
        shown = step.is_done(catalog, facts)
        done.insert(0, shown or (not step.lasting and bool(done) and done[0]))
    return done
