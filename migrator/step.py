"""The contract between the engine and the steps: what a step says about itself, as data.

A step never writes. It answers questions about a catalog snapshot, and returns the statements that the engine executes,
the dry run prints and a DBA can run by hand: they are the same objects.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Literal, Self

from psycopg.sql import SQL, Composed

from migrator.catalog import Catalog

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]
Facts = Mapping[str, Json]
"""What the journal knows, by name; the latest value of each."""


PROVEN = "proven."
"""What the name of a fact begins with that a transaction has proven; it is noted once that is committed."""


class Actor(StrEnum):
    """Who carries a step out."""

    TOOL = "tool"
    OPERATOR = "operator"
    IMMICH = "immich"


@dataclass(frozen=True, slots=True)
class Documentation:
    """Which documented step a step carries out; `added` marks a state that the tool adds to it."""

    section: str
    number: int
    added: bool = False
    page: str = "Pre-existing Postgres"


@dataclass(frozen=True, slots=True)
class Blocker:
    """What stands in the way of a step: what was looked at, found and wanted, and how to get from one to the other."""

    what: str
    found: str
    wanted: str
    fix: tuple[str, ...]
    kind: Literal["blocked", "operator"] = "blocked"
    who: Literal["operator", "DBA", "Immich", "nobody"] = "operator"
    restarts: bool = False
    """True where restarting the server is all that is left to do."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that must be on disk before anything changes.

    `first` marks what was there before a run: recorded when the run begins, and never again until it is taken back.
    """

    name: str
    value: Json
    first: bool = False


class Right(StrEnum):
    """A privilege that a statement needs, as Postgres distinguishes them."""

    ANY = "any role"
    SUPERUSER = "superuser"
    TABLE_OWNER = "owner of table"
    EXTENSION_OWNER = "owner of extension"
    SCHEMA_OWNER = "owner of schema"
    DATABASE_OWNER = "owner of the database"


@dataclass(frozen=True, slots=True)
class Privilege:
    """A right and the object that it concerns."""

    right: Right
    on: str = ""

    def __str__(self) -> str:
        return f'{self.right} "{self.on}"' if self.on else str(self.right)


ANYONE = Privilege(Right.ANY)
SUPERUSER = Privilege(Right.SUPERUSER)


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL command, with why it is run, what it needs and what is expected of its answer.

    Attributes:
        key: its name within the step; screens, journal and errors show `step/key`.
        sql: the command itself.
        why: one sentence for the person who reads the plan.
        privilege: what the role must hold.
        lock: the lock it takes, in Postgres's words, or None.
        alone: run outside a transaction; the others of a plan share one, up to the next that is alone.
        measures: the fact that the answer's one row becomes, on disk before the next statement runs.
        must_equal: the fact that the answer's one row has to equal; otherwise the transaction is rolled back. What such
            a statement measures is on disk once the transaction is committed, not before.
        withdraws: the fact that no longer holds when this statement is sent; on disk before it is.
        as_copied: the fact of a copy made right before, which the answer has to equal where it is of the same kind.
        if_unequal: what is true then, for the person.
        remedy: what to do then, where it need not be a fault of this tool.
        builds_index: the server reports progress in pg_stat_progress_create_index.
        judge: read-only; what it returns for the answer's row stands in the way, and everything is rolled back.
    """

    key: str
    sql: SQL | Composed
    why: str
    privilege: Privilege = ANYONE
    lock: str | None = None
    alone: bool = False
    measures: str | None = None
    must_equal: str | None = None
    withdraws: str | None = None
    as_copied: str | None = None
    if_unequal: str = "everything was rolled back"
    remedy: str = "please report this with the log file, and do not go on by hand"
    builds_index: bool = False
    judge: Callable[[Json], Blocker | None] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class NoWayBack:
    """The reason why a step cannot be undone, and what would open a way.

    `always` where no state of the server would offer one: then what the step did stays, and an undo goes past it.
    """

    reason: str
    always: bool = False
    fix: tuple[str, ...] = ()


UNDO = "undo-"
"""What stands before a step's key while it is taken back."""


class Step(ABC):
    """One state of a path. All members are read-only: their effects are the statements that they return."""

    key: str
    title: str
    documentation: Documentation
    """Given by the path that the step stands in: the same step carries out another number on another path."""
    actor: ClassVar[Actor] = Actor.TOOL
    question: str | None = None
    """A y/N question to the operator about what no server shows; answered yes, fact `answer.KEY` is recorded."""
    only_a_person_answers: ClassVar[bool] = False
    """True where the question is no mild one: an unattended run does not answer it with --yes."""
    point_of_no_return: ClassVar[str | None] = None
    """What can no longer be undone after this step, in one clause; None while there is a way back."""
    lasting: ClassVar[bool] = True
    """False for what holds only as long as the session that did it, such as a lock."""
    copied_before: ClassVar[bool] = False
    """True for a step that changes data of which a copy has to be on disk before."""
    wants_restart: ClassVar[bool] = False
    """True where restarting the server is what the operator has to do."""
    takes_back: ClassVar[bool] = False
    """True for a step that takes another one back: its opposite."""

    @property
    def opposite(self) -> str:
        """The key under which this step is taken back, or of the step that this one takes back."""
        return self.key.removeprefix(UNDO) if self.key.startswith(UNDO) else UNDO + self.key

    def carries_out(self, documentation: Documentation) -> Self:
        """Say which documented step this is, and return the step; called by the path that it is put into."""
        self.documentation = documentation
        return self

    @abstractmethod
    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. Tell whether the server shows the result of this step, or of what later steps make of it."""

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. Return everything that stands in the way, not only the first of it."""
        return ()

    def record(self, catalog: Catalog) -> Sequence[Fact]:
        """Read-only. Return what must be in the journal before anything changes."""
        return ()

    def plan(self, catalog: Catalog, facts: Facts) -> Sequence[Statement]:
        """Read-only. Return the statements that carry the step out, in order."""
        return ()

    def undo(self, catalog: Catalog, facts: Facts) -> Sequence[Statement] | NoWayBack:
        """Read-only. Return the statements that lead to what was recorded before the run; nothing where it is so."""
        return ()

    def is_undone(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. Tell whether nothing is left to take back; a step that is not done may still be half-way."""
        back = self.undo(catalog, facts)
        return not isinstance(back, NoWayBack) and not back

    def check_undo(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. Return everything that stands in the way of taking the step back."""
        return ()

    def forget(self, facts: Facts) -> Sequence[Fact]:
        """Read-only. Return what no longer holds once the step is taken back, for the journal."""
        return ()

    def estimate_seconds(self, catalog: Catalog) -> float | None:
        """Read-only. Return how long the tool's own work will take, or None where nobody can know."""
        return None if self.actor is not Actor.TOOL else 1.0

    def estimate_undo_seconds(self, catalog: Catalog) -> float | None:
        """Read-only. Return how long the tool's own work of taking it back will take, or None where nobody can know."""
        return None if self.actor is not Actor.TOOL else 1.0
