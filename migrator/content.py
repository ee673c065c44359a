"""What the engine asks of the content: the only seam through which commands reach the steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import psycopg
from psycopg.sql import Composed

from migrator.absence import Absence
from migrator.catalog import Catalog, Interest
from migrator.execute import Diagnosis
from migrator.step import Blocker, Facts, Json, Statement, Step


@dataclass(frozen=True, slots=True)
class Path:
    """The steps that lead from what is there to what is wanted, and why it is these."""

    key: str
    name: str
    why: str
    steps: tuple[Step, ...]
    groups: Mapping[int, str]
    """Titles of documented steps that consist of several states."""


@dataclass(frozen=True, slots=True)
class TableLine:
    """One of the application's tables: what it is today, what it will be; `rows` is None where nobody can count."""

    name: str
    rows: int | None
    today: str
    then: str


@dataclass(frozen=True, slots=True)
class ComponentLine:
    """One piece of software on the server: what it is today, what it will be."""

    name: str
    today: str
    then: str


@dataclass(frozen=True, slots=True)
class Space:
    """The free space that the work needs at its peak; `free_bytes` is None where nobody said what is there."""

    copy_bytes: int
    wal_bytes: int
    index_bytes: int
    free_bytes: int | None = None

    @property
    def total_bytes(self) -> int:
        """All of it together."""
        return self.copy_bytes + self.wal_bytes + self.index_bytes


@dataclass(frozen=True, slots=True)
class Overview:
    """What was found, for the first screen."""

    application: str
    tables: tuple[TableLine, ...]
    components: tuple[ComponentLine, ...]
    warnings: tuple[str, ...]
    space: Space | None = None

    def with_warnings(self, told: Sequence[str]) -> Overview:
        """Return the same with more warnings."""
        return replace(self, warnings=(*self.warnings, *told))


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of an examination; `blocker` says what to do where something stands in the way.

    `waiting` needs somebody to act, `blocked` stands in the way until it is mended, `unknown` could not be seen.
    """

    group: str
    status: Literal["ok", "note", "waiting", "blocked", "unknown"]
    text: str
    blocker: Blocker | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """What is true at the end, for the last screen; the last sentence is the most important one."""

    headline: str
    lines: tuple[tuple[str, str], ...]
    last: str


@dataclass(frozen=True, slots=True)
class CopiedTable:
    """A table of which a copy is made: how its rows are read, and what has to be known to put them back.

    Attributes:
        name: names it in facts, files and sentences.
        place: schema, table, column, and the column of its key.
        key_type: schema and name of the key's type.
        rows: how many there are, by count or estimate; None where nobody can tell.
        dimension: of every row; None where they differ, or nobody knows.
        expected_bytes: about how large its part of the copy will be.
        about: its attributes, for whoever has to build it again.
        read: a COPY TO STDOUT in text format: the key, a tab, the values as real[].
        measure: the query for rows and hash; None where the server cannot query the table, and what has been read is
            sent back to it for hashing.
        hash_of_lines: the same of two arrays of text, keys and values.
    """

    name: str
    place: tuple[str, str, str, str]
    key_type: tuple[str, str]
    rows: int | None
    dimension: int | None
    expected_bytes: int
    about: Mapping[str, Json]
    read: Composed
    measure: Composed | None
    hash_of_lines: Composed


@dataclass(frozen=True, slots=True)
class Copying:
    """Everything that a copy holds; `prelude` is run before the tables are read, and rolled back after it."""

    application: str
    tables: tuple[CopiedTable, ...]
    extensions: tuple[Mapping[str, Json], ...]
    settings: tuple[Mapping[str, Json], ...]
    prelude: tuple[Statement, ...] = ()
    blockers: tuple[Blocker, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def expected_bytes(self) -> int:
        """About how large the copy will be."""
        return sum(table.expected_bytes for table in self.tables)


@dataclass(frozen=True, slots=True)
class Saved:
    """A table in a copy, as whoever puts it back has to know it."""

    name: str
    place: tuple[str, str, str, str]
    key_type: str
    rows: int
    dimension: int | None
    about: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class RestoredTable:
    """How a table is put back: through a temporary table, then by key, in one transaction that proves itself.

    Attributes:
        name: as in the copy.
        into: what the rows go into, for a person.
        adds: what is added before, for a person; None where the column is there.
        indexes: that every row is put into as well.
        estimate_seconds: how long it will take, about.
        count_keys: of an array of keys as text: how many are there with a value, and how many have no place any more.
        stage: makes the temporary table; outside the transaction.
        fill: the COPY FROM STDIN into it.
        arrived: rows and hash of what has arrived.
        begin: locks the table, and adds the column.
        counts: rows of the copy that are there with a value, and those that have no place any more.
        expected: rows and hash that the table must have for the keys of the copy afterwards.
        update, insert: fill the rows that are there, and add those that are not.
        found: rows and hash that the table has for the keys of the copy.
        empty: how many rows have no value; None where the column forbids it.
        finish: run where no row is without a value.
        unstage: drops the temporary table.
    """

    name: str
    into: str
    adds: str | None
    indexes: tuple[str, ...]
    estimate_seconds: float
    count_keys: Composed
    stage: tuple[Statement, ...]
    fill: Composed
    arrived: Composed
    begin: tuple[Statement, ...]
    counts: Composed
    expected: Composed
    update: Statement
    insert: Statement
    found: Composed
    empty: Composed | None
    finish: tuple[Statement, ...]
    clean_up: tuple[str, ...]
    """What a person does where rows without a value are left."""
    unstage: Statement


@dataclass(frozen=True, slots=True)
class Restoration:
    """Everything that is put back, and what stands in the way."""

    application: str
    tables: tuple[RestoredTable, ...]
    blockers: tuple[Blocker, ...] = ()
    notes: tuple[str, ...] = ()
    fence: tuple[Statement, ...] = ()
    """What keeps the application from starting meanwhile, until the session ends."""


class Restorable(Protocol):
    """Content that can be put back from a copy."""

    @property
    def restored(self) -> Interest:
        """What the snapshot of somebody who puts a copy back has to contain."""

    def restoration(self, catalog: Catalog, saved: Sequence[Saved], *, overwrite: bool) -> Restoration:
        """Return how the tables of a copy are put back here; rows that are there stay unless they are overwritten."""


class Copyable(Protocol):
    """Content of which a copy can be made."""

    @property
    def copied(self) -> Interest:
        """What the snapshot of somebody who makes a copy has to contain."""

    def copying(self, catalog: Catalog, facts: Facts) -> Copying:
        """Return what a copy holds, and how it is read."""


class Content(Copyable, Protocol):
    """The knowledge of what is migrated; the engine has none."""

    @property
    def interest(self) -> Interest:
        """What the snapshot has to contain."""

    def path(self, catalog: Catalog, begun: str | None = None) -> Path:
        """Return the path that fits what the catalogs say; `begun` is the key of the one that the journal is on.

        Raises:
            MigratorError: this is not a database that the paths know (NotImmich, WrongSource).
        """

    def overview(self, catalog: Catalog, facts: Facts) -> Overview:
        """Return what was found and what will be."""

    def in_the_way(self, catalog: Catalog, facts: Facts, path: Path) -> Sequence[Blocker]:
        """Return what will stop the path later on and can be mended now: better to hear it before the first step."""

    def ending(self, catalog: Catalog, facts: Facts, path: Path) -> Ending:
        """Return what is true now that every step is done."""

    def wants_copy(self, catalog: Catalog, facts: Facts) -> bool:
        """Tell whether the path is still going to change what a copy would hold."""

    def diagnose(self, error: psycopg.Error, catalog: Catalog) -> Diagnosis | None:
        """Return what a database error means, if somebody has met it before."""

    def explain_absence(self, absence: Absence) -> Sequence[tuple[str, str]]:
        """Return lines (label, text) that tell why a server may not come back, and what to do about it."""

    def explain_loss(self, catalog: Catalog) -> Sequence[tuple[str, str]]:
        """Return lines (label, text) that explain why a connection may have been lost in the middle."""


class Undoable(Content, Protocol):
    """Content whose path can be taken back."""

    @property
    def interest_back(self) -> Interest:
        """What the snapshot has to contain on the way back."""

    def fence(self, finished: Callable[[Catalog, Facts], bool]) -> tuple[Step, Step]:
        """Return the steps that keep the application out until everything is taken back, and let it in again."""

    def overview_back(self, catalog: Catalog, facts: Facts) -> Overview:
        """Return what was found, and what it was before the run."""

    def ending_back(self, catalog: Catalog, facts: Facts, to: Step | None) -> Ending:
        """Return what is true now that everything is taken back, or everything from step `to` on."""


class Examinable(Content, Protocol):
    """Content that can name every blocker of its path at once."""

    @property
    def examined(self) -> Interest:
        """What the snapshot of an examination has to contain: more than a run asks for."""

    def examine(self, catalog: Catalog, facts: Facts, path: Path) -> list[Finding]:
        """Return everything that stands in the way of the path, and what is well, group by group."""


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that a prepared database has; no statements = it is there. `inside` = run in that very database."""

    title: str
    statements: tuple[Statement, ...] = ()
    inside: bool = True

    @property
    def done(self) -> bool:
        """Tell whether nothing is left to do for it."""
        return not self.statements


class Preparation(Protocol):
    """The knowledge of how a fresh database is prepared; the engine has none."""

    @property
    def name(self) -> str:
        """The database to prepare."""

    @property
    def interest(self) -> Interest:
        """What the snapshot has to contain."""

    def parts(self, catalog: Catalog) -> Sequence[Part]:
        """Return every part in order, judged from the database itself or, while it is missing, from another one."""

    def blockers(self, catalog: Catalog) -> Sequence[Blocker]:
        """Return everything that stands in the way, apart from missing rights."""
