"""The dry run: what would be done, step by step, from the same objects that a run executes, in a read-only session."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path as FilePath

from migrator.application import compare_with_application
from migrator.catalog import Catalog
from migrator.content import Content, Overview, Path
from migrator.errors import JournalUnreadable
from migrator.identity import Identity
from migrator.journal import Journal, journal_path
from migrator.journal_damage import note as damage_note
from migrator.session import Session, refuse_standby, session_statements
from migrator.step import Actor, Blocker, Documentation, Facts, NoWayBack, Statement, Step
from migrator.take_back import TakeBack
from migrator.undo_record import under_way


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step of a plan. Blockers are only known for the first step that is left to do: later ones depend on it."""

    number: int
    key: str
    title: str
    documentation: Documentation
    actor: Actor
    done: bool
    statements: tuple[Statement, ...]
    blockers: tuple[Blocker, ...]
    estimate_seconds: float | None
    point_of_no_return: str | None
    way_back: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do now; it may differ when it is run later."""

    address: tuple[str, str, str, str]
    catalog: Catalog
    overview: Overview
    path: Path
    session: tuple[str, ...]
    steps: tuple[PlannedStep, ...]
    copy_bytes: int | None = None
    """About how large the copy will be that a run makes before the first change; None where it makes none."""

    @property
    def pending(self) -> tuple[PlannedStep, ...]:
        """The steps that are left to do."""
        return tuple(step for step in self.steps if not step.done)


def plan(
    conninfo: str,
    content: Content,
    journal: FilePath | None,
    application: str | None = None,
    *,
    copies: bool = False,
) -> Plan:
    """Plan a migration without writing anything: the server refuses writes, and no journal is made.

    `application` is what the application itself connects with, where that is not `conninfo`; `copies` says whether a
    run with the same words would make a copy first.

    Raises:
        MigratorError: as a run would before its first step.
    """
    session = Session(conninfo, content.interest, read_only=True)
    try:
        session.open()
        catalog = session.catalog()
        refuse_standby(catalog)
        told = list(compare_with_application(catalog, worked_on=conninfo, application=application))
        told += filter(None, [damage_note(place_of(session, journal))])
        facts, begun = known_to_journal(session, catalog, journal)
        path = content.path(catalog, begun)
        wants_copy = copies and content.wants_copy(catalog, facts)
        return Plan(
            address=session.address,
            catalog=catalog,
            overview=content.overview(catalog, facts).with_warnings(told),
            path=path,
            session=tuple(
                statement.as_string(None) for statement in session_statements(content.interest, catalog.server)
            ),
            steps=tuple(plan_steps(path.steps, catalog, facts)),
            copy_bytes=content.copying(catalog, facts).expected_bytes if wants_copy else None,
        )
    finally:
        session.close()


def plan_steps(steps: tuple[Step, ...], catalog: Catalog, facts: Facts) -> list[PlannedStep]:
    """Return what each step would do, judged from one snapshot."""
    planned: list[PlannedStep] = []
    first_left = True
    for step in steps:
        done = step.is_done(catalog, facts)
        # what a later step may run into is not known yet, but a way back that is closed is
        known = first_left or (isinstance(step, TakeBack) and step.closed(catalog, facts) is not None)
        blockers = tuple(step.check(catalog, facts)) if known and not done else ()
        first_left = first_left and done
        planned.append(
            PlannedStep(
                number=step.documentation.number,
                key=step.key,
                title=step.title,
                documentation=step.documentation,
                actor=step.actor,
                done=done,
                statements=() if done else tuple(step.plan(catalog, facts)),
                blockers=blockers,
                estimate_seconds=None if done else step.estimate_seconds(catalog),
                point_of_no_return=step.point_of_no_return,
                way_back=_way_back(step, catalog, facts),
            )
        )
    return planned


def _way_back(step: Step, catalog: Catalog, facts: Facts) -> str:
    if step.point_of_no_return:
        return f"none: {step.point_of_no_return}"
    undo = step.undo(catalog, facts)
    if isinstance(undo, NoWayBack) and undo.always:
        return f"none: {undo.reason}"
    return f"none now: {undo.reason}" if isinstance(undo, NoWayBack) and step.is_done(catalog, facts) else "yes"


def place_of(session: Session, journal: FilePath | None) -> FilePath:
    """Return where the journal lies: where it was said, or in the usual place of the database."""
    host, port, database, _ = session.address
    return journal or journal_path(host, port, database)


def open_undamaged(place: FilePath) -> Journal | None:
    """Open a journal to read from it; None where there is none, or a damaged one, which a run would keep aside.

    Raises:
        JournalTooNew, NotAJournal, JournalWriteFailed: it cannot be read.
    """
    with suppress(JournalUnreadable):
        return Journal.open_existing(place)
    return None


def known_to_journal(session: Session, catalog: Catalog, journal: FilePath | None) -> tuple[Facts, str | None]:
    """Return what the journal knows, and the path that it is on; a damaged one knows nothing."""
    existing = open_undamaged(place_of(session, journal))
    if existing is None:
        return {}, None
    try:
        existing.belongs_to(Identity.of(catalog))
        facts = existing.facts()
        run = under_way(existing.run, facts)
        return facts, run.path if run else None
    finally:
        existing.close()
