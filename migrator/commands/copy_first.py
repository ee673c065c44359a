"""The copy that a run makes before it changes anything that the copy would hold: offered, made, recorded, made once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg

from migrator.backup.check import check_copy, is_complete, sum_of
from migrator.backup.export import Made, facts_of
from migrator.backup.manifest import MANIFEST, Manifest
from migrator.backup.place import require_room
from migrator.catalog import Catalog
from migrator.commands.backup import copy_now, stamp
from migrator.content import Content
from migrator.errors import BackupExists, MigratorError, NoRoomForBackup, ProofFailed
from migrator.events import CopyMade, Emit
from migrator.identity import Identity
from migrator.journal import Journal
from migrator.session import Session
from migrator.step import Actor, Blocker, Fact, Facts, Json, Step

COPY, PLANNED = "copy", "copy.place"
"""Facts: the complete copy; and where one was begun, so that what a kill left of it is found again."""
COPIED = "copied."
"""What the name of a fact begins with that says what was counted and hashed in the copy, table by table."""
PROOF = "proof."
"""The same of what a run has measured for its proof."""
STATEMENT = "copy-embeddings"
WAYS_OUT = "put it on another disk: --backup DIR, or go without a copy: --no-backup"


@dataclass(frozen=True, slots=True)
class CopyOffer:
    """A copy that a run would make: where, and about how large; `chosen` where the person named the place."""

    place: Path
    expected_bytes: int
    chosen: bool


@dataclass(frozen=True, slots=True)
class KeptCopy:
    """The copy that a run has made, to be deleted some day."""

    place: Path
    size_bytes: int


def offer(content: Content, catalog: Catalog, facts: Facts, journal: Path, chosen: Path | None) -> CopyOffer | None:
    """Return the copy that has to be made before this run changes anything; None where none has to be.

    Raises:
        NoRoomForBackup: there is no room for it.
    """
    if not content.wants_copy(catalog, facts) or _recorded(facts, chosen) is not None:
        return None
    expected = content.copying(catalog, facts).expected_bytes
    place = chosen or _begun(facts) or _unused(journal)
    if not place.exists():
        require_room(place, expected, WAYS_OUT)
    return CopyOffer(place.absolute(), expected, chosen is not None)


def made_before(facts: Facts) -> KeptCopy | None:
    """Return the copy that a journal knows of."""
    fact = facts.get(COPY)
    if not isinstance(fact, Mapping):
        return None
    return KeptCopy(Path(str(fact.get("place"))), int(str(fact.get("size_bytes", 0))))


def _recorded(facts: Facts, chosen: Path | None) -> Path | None:
    """Return the place of the recorded copy if it is still there, whole, and where it is wanted."""
    fact = facts.get(COPY)
    if not isinstance(fact, Mapping):
        return None
    place = Path(str(fact.get("place")))
    wanted = chosen is None or chosen.absolute() == place
    return place if wanted and is_complete(place, str(fact.get("sha256"))) else None


def _begun(facts: Facts) -> Path | None:
    """Return where a copy was begun that was never completed."""
    planned = facts.get(PLANNED)
    return Path(planned) if isinstance(planned, str) and facts.get(COPY) is None else None


def _unused(journal: Path) -> Path:
    """Return a folder beside the journal, named by the time, that is not there yet: two runs may share a second."""
    name = f"{journal.stem}-backup-{stamp()}"
    names = (journal.with_name(name if number == 1 else f"{name}-{number}") for number in count(1))
    return next(place for place in names if not place.exists())


@dataclass(slots=True)
class CopyFirst:
    """Sees to it that there is a copy of what a step is going to change.

    Attributes:
        wanted: whether a person wants one; without it nothing is done.
        chosen: the place that was named; None = beside the journal.
        offered: the place that the first screen has named.
    """

    conninfo: str
    content: Content
    journal: Journal
    emit: Emit
    wanted: bool
    chosen: Path | None = None
    offered: Path | None = None
    _secured: bool = field(default=False, init=False)

    def secure(self, step: Step, catalog: Catalog) -> tuple[Blocker, ...]:
        """Make the copy, unless there is one of what is there now; return what stands in the way of it.

        Raises:
            MigratorError: it cannot be made; nothing was changed.
        """
        facts = self.journal.facts()
        if self._secured:
            return ()
        if not self.wanted or not self.content.wants_copy(catalog, facts):
            self._compare_with_none(step, facts)
            return ()
        session = Session(self.conninfo, self.content.copied, read_only=True)
        try:
            session.open()
            blockers = self._over(session, step, facts)
        finally:
            session.close()
        self._secured = not blockers
        if self._secured and step.actor is Actor.IMMICH:
            self._require_as_recorded()
        return blockers

    def _compare_with_none(self, step: Step, facts: Facts) -> None:
        """Forget what an earlier copy holds: this run makes none that its measurements would have to equal."""
        for name, value in facts.items():
            if name.startswith(COPIED) and value is not None:
                self.journal.record(step.key, Fact(name, None))

    def _require_as_recorded(self) -> None:
        """Refuse to have somebody else convert what is not what was recorded for the proof.

        Raises:
            ProofFailed: the copy and the record, taken one after the other, differ.
        """
        facts = self.journal.facts()
        for name, copied in facts.items():
            recorded = facts.get(PROOF + name.removeprefix(COPIED))
            if not name.startswith(COPIED) or not isinstance(copied, Mapping) or not isinstance(recorded, Mapping):
                continue
            if copied.get("kind") == recorded.get("kind") and dict(copied) != dict(recorded):
                raise ProofFailed(
                    "somebody wrote to the table between the proof's measurement and the copy; nothing was changed",
                    facts=[("recorded", str(recorded)), ("copied", str(copied))],
                    hint="stop Immich, then run the same command again",
                )

    def _over(self, session: Session, step: Step, facts: Facts) -> tuple[Blocker, ...]:
        catalog = session.catalog()
        copying = self.content.copying(catalog, facts)
        if copying.blockers or not copying.tables:
            return copying.blockers
        if _recorded(facts, self.chosen) is not None and self._is_of_now(session, catalog, facts):
            return ()
        place = self._place(facts)
        if place.exists():
            if self._adopt(session, step, catalog, place):
                return ()
            if self.chosen is not None:
                raise BackupExists(
                    f'"{place}" is there already, is not a copy of what is in the database now, '
                    "and is never overwritten; nothing was changed",
                    hint=f"name another folder: --backup DIR, or leave it out: a folder beside {self.journal.path}",
                )
            place = _unused(self.journal.path.absolute())
        require_room(place, copying.expected_bytes, WAYS_OUT)
        self.journal.record(step.key, Fact(PLANNED, str(place)))
        self._make(session, step, place)
        return ()

    def _place(self, facts: Facts) -> Path:
        if self.chosen is not None:
            return self.chosen.absolute()
        offered = self.offered if self.offered is not None and not self.offered.exists() else None
        return _begun(facts) or offered or _unused(self.journal.path.absolute())

    def _make(self, session: Session, step: Step, place: Path) -> None:
        begun = time.monotonic()
        self.journal.event(step.key, "started", statement=STATEMENT)
        try:
            made = copy_now(session, self.content, place, None, self.emit, thorough=True)
        except KeyboardInterrupt:
            self.journal.event(step.key, "failed", statement=STATEMENT, detail="interrupted")
            raise
        except MigratorError as error:
            self.journal.event(step.key, "failed", statement=STATEMENT, detail=str(error))
            if isinstance(error, NoRoomForBackup):
                raise NoRoomForBackup(str(error), hint=WAYS_OUT, facts=error.facts) from error
            raise
        self._remember(step, made)
        seconds = time.monotonic() - begun
        self.journal.event(step.key, "finished", statement=STATEMENT, seconds=seconds)

    def _adopt(self, session: Session, step: Step, catalog: Catalog, place: Path) -> bool:
        """Take a complete copy for ours that was not recorded any more, if it is of what is there now."""
        try:
            checked = check_copy(place)
        except MigratorError:
            return False
        manifest = checked.manifest
        if manifest is None or checked.problems or _identity(manifest) != Identity.of(catalog):
            return False
        facts: dict[str, Json] = {f"{COPIED}{table.name}": dict(table.hash) for table in manifest.tables}
        if not self._is_of_now(session, catalog, facts):
            return False
        self._remember(step, Made(place, manifest, sum_of(place / MANIFEST)))
        return True

    def _is_of_now(self, session: Session, catalog: Catalog, facts: Facts) -> bool:
        """Tell whether the tables hold what was copied; those that cannot be queried cannot have been changed."""
        for table in self.content.copying(catalog, facts).tables:
            copied = facts.get(f"{COPIED}{table.name}")
            if not isinstance(copied, Mapping):
                return False
            if table.measure is None:
                continue
            try:
                cursor = session.connection.execute(table.measure, prepare=False)
                row = cursor.fetchone() or ()
            except psycopg.Error:
                return False
            if dict(zip((column.name for column in cursor.description or ()), row, strict=True)) != dict(copied):
                return False
        return True

    def _remember(self, step: Step, made: Made) -> None:
        for table in made.manifest.tables:
            self.journal.record(step.key, Fact(f"{COPIED}{table.name}", dict(table.hash)))
        self.journal.record(step.key, Fact(COPY, facts_of(made)))
        size = made.manifest.size_bytes
        self.emit(CopyMade(step.key, str(made.folder), made.manifest.rows, size, made.seconds))


def _identity(manifest: Manifest) -> Identity:
    return Identity(manifest.system_identifier, manifest.database_oid, manifest.database)
