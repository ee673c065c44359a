"""What a command that changes a database is asked, whom it asks in turn, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from migrator.catalog import Catalog
from migrator.commands.copy_first import CopyOffer, KeptCopy
from migrator.content import Ending, Overview
from migrator.content import Path as MigrationPath
from migrator.engine import Outcome
from migrator.errors import ExitCode
from migrator.execute import Patience
from migrator.step import Blocker, Facts, Json, Step
from migrator.undo_record import UndoRecord


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asks for.

    Attributes:
        conninfo: where the database is; may carry a password, so it is kept in memory only.
        source: what the data comes from, as --from names it.
        application: what the application itself connects with, where that is not `conninfo`; kept in memory only.
        journal: None = the usual place of this database.
        arguments: what was typed, without secrets, for the journal.
        dba_script: where to write what only a DBA may do.
        terminate_blockers: whether the person may be asked to have sessions ended that hold a lock.
        restart_command: a command line that restarts the server, run by the shell; None = the operator does.
        copy_to: where the copy of the embeddings goes; None = beside the journal.
        copies: False where no copy is wanted.
    """

    conninfo: str
    source: str
    arguments: Mapping[str, Json]
    application: str | None = None
    journal: Path | None = None
    restart_command: str | None = None
    dba_script: Path | None = None
    trust_server: bool = False
    patience: Patience | None = None
    terminate_blockers: bool = False
    copy_to: Path | None = None
    copies: bool = True


@dataclass(frozen=True, slots=True)
class Situation:
    """What was found before anything is done."""

    source: str

    address: tuple[str, str, str, str]
    catalog: Catalog
    facts: Facts
    overview: Overview
    path: MigrationPath
    pending: tuple[Step, ...]
    in_the_way: tuple[Blocker, ...]
    """What will stop the run later on, and can be mended before it begins."""
    journal: Path
    resumed_from: str | None
    """When the run began that this one goes on with; None for a new one."""
    told: tuple[str, ...]
    """What is worth knowing about connection and journal, whether the run is new or not."""
    interrupted_at: str | None
    """The step in which the journal's last start ended without an end; None where there is none."""
    undo: UndoRecord | None = None
    """What the journal knows of a way back, under way or ended."""
    copy: CopyOffer | None = None
    """The copy that would be made before anything is changed; None where none has to be."""


@dataclass(frozen=True, slots=True)
class Result:
    """How it ended."""

    exit_code: ExitCode
    outcome: Outcome
    ending: Ending | None = None
    seconds: float = 0.0
    """How long the finished steps took, over all starts of this run."""
    copy: KeptCopy | None = None
    """The copy of what was changed."""
    question: str | None = None
    """The flag that would have answered the question which stopped the run."""


class Person(Protocol):
    """Who is asked. One who cannot answer answers no."""

    def start(self, situation: Situation) -> bool:
        """Show what was found and planned, and ask whether to begin; not called when nothing is left to do."""

    def copy(self, offered: CopyOffer) -> bool:
        """Ask whether the copy shown by `start` is to be made first."""

    def confirm(self, sentence: str, database: str) -> bool:
        """Name what can no longer be undone, and have the database's name typed."""

    def answer(self, question: str, *, in_person: bool) -> bool:
        """Answer a y/N question about what no server shows; `in_person` = no flag answers it."""

    def end_sessions(self, holders: Sequence[str]) -> bool:
        """Show who holds a lock that is waited for, and ask whether they may be ended."""

    def wait(self, outcome: Outcome, seconds: float) -> bool:
        """Wait until the server should be looked at again; False = the person does not wait here."""
