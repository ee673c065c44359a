"""Runs a migration: connect, look, ask, go on from where the database is, and say what is true when it stops."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from migrator.application import compare_with_application
from migrator.commands.asking import Person, Request, Result, Situation
from migrator.commands.copy_first import CopyFirst, offer
from migrator.commands.loop import Loop
from migrator.commands.plan import open_undamaged, place_of
from migrator.commands.restarting import STARTING_LIMIT_SECONDS, Meeting, journal_of, left_in
from migrator.content import Content
from migrator.engine import Outcome, pending
from migrator.errors import ConnectionLost, ExitCode, MigratorError, code_of
from migrator.events import Emit, JournalKeptAside
from migrator.identity import Identity, moved
from migrator.journal import Journal
from migrator.journal_damage import note as damage_note
from migrator.session import Session, refuse_standby
from migrator.step import Facts
from migrator.undo_record import GOING_FORWARD, NAME, UndoRecord, under_way

ADDRESS = "address"
"""The name under which a start's host and port stand among its arguments in the journal."""


@dataclass(frozen=True, slots=True)
class Aim:
    """What differs between a run and its way back.

    Attributes:
        refuse: looks at what was found, before anything is changed or anybody is asked; may raise.
        begin: claims the journal, and records what has to be known before the first step.
        ended: notes that every step is done.
    """

    refuse: Callable[[Situation], None]
    begin: Callable[[Journal, Situation, Request], None]
    ended: Callable[[Journal], None]


@dataclass(frozen=True, slots=True)
class Work:
    """What is asked for, who knows how, who is asked, and who is told."""

    request: Request
    content: Content
    person: Person
    emit: Emit


def run(request: Request, content: Content, person: Person, emit: Emit) -> Result:
    """Carry a migration out, or go on with it.

    Raises:
        MigratorError: with its exit code and what to do next; KeyboardInterrupt passes through.
    """
    return go(Work(request, content, person, emit), Aim(lambda _: None, _begin, Journal.end))


def go(work: Work, aim: Aim) -> Result:
    """Go the path of a content, in the direction of an aim, or go on with it.

    Raises:
        MigratorError: with its exit code and what to do next; KeyboardInterrupt passes through.
    """
    ahead = left_in(journal_of(work.request)) is not None
    try:
        return _once(work, aim)
    except ConnectionLost:
        if not ahead:
            raise
    return _once(work, aim)  # the restart that an earlier start had begun came only now


def _once(work: Work, aim: Aim) -> Result:
    session = Session(work.request.conninfo, work.content.interest)
    try:
        return _with_session(session, work, aim)
    finally:
        session.close()


def _with_session(session: Session, work: Work, aim: Aim) -> Result:
    request = work.request
    situation = _meet(session, work)
    aim.refuse(situation)
    if situation.pending and not work.person.start(situation):
        return Result(ExitCode.WAITING, Outcome("waiting"), question="--yes")
    offered = situation.copy
    copies = request.copies and (offered is None or offered.chosen or work.person.copy(offered))
    journal = Journal.create_or_open(situation.journal)
    if journal.kept_aside is not None:
        work.emit(JournalKeptAside(str(journal.path), str(journal.kept_aside)))
    try:
        aim.begin(journal, situation, request)
        journal.begin_invocation({**request.arguments, ADDRESS: session.place})
        place = offered.place if offered else None
        copy = CopyFirst(request.conninfo, work.content, journal, work.emit, copies, request.copy_to, place)
        loop = Loop(session, journal, request, work.content, work.person, work.emit, aim.ended, copy)
        result = loop.go_on(situation.path)
        journal.end_invocation(result.exit_code)
    except BaseException as error:
        with suppress(MigratorError):
            journal.end_invocation(code_of(error))
        raise
    else:
        return result
    finally:
        journal.close()


def _meet(session: Session, work: Work) -> Situation:
    """Connect, keep other copies away, and look; a server that goes away just then is waited for, once."""
    meeting = Meeting(session, work.request, work.content, work.emit)
    meeting.connect()
    try:
        return _look(session, work)
    except ConnectionLost:
        meeting.wait(STARTING_LIMIT_SECONDS)
    try:
        return _look(session, work)
    except ConnectionLost as lost:
        raise ConnectionLost(
            "the connection to the server was lost while this tool looked at it; nothing was changed",
            facts=lost.facts,
            hint="run the same command again when the server stays up",
        ) from lost


def _begin(journal: Journal, situation: Situation, request: Request) -> None:
    """Claim the journal, and note what is there: nothing has been changed by this run until it is on disk."""
    path = situation.path
    journal.begin(Identity.of(situation.catalog), request.source, path.key, request.arguments)
    if NAME in journal.facts():
        journal.record(path.steps[0].key, GOING_FORWARD)
    for step in path.steps:
        for fact in step.record(situation.catalog):
            if fact.first:
                journal.record(step.key, fact)


def _look(session: Session, work: Work) -> Situation:
    request, content = work.request, work.content
    session.hold_tool_lock(place_of(session, request.journal))
    catalog = session.catalog()
    refuse_standby(catalog)
    told = list(compare_with_application(catalog, worked_on=request.conninfo, application=request.application))
    place = place_of(session, request.journal)
    told += filter(None, [damage_note(place)])
    facts: Facts = {}
    resumed_from = interrupted_at = begun = undone = None
    journal = open_undamaged(place)
    if journal is not None:
        try:
            journal.belongs_to(Identity.of(catalog))
            facts = journal.facts()
            told += filter(None, [moved(journal.last_arguments().get(ADDRESS), session.place)])
            record, undone = under_way(journal.run, facts), UndoRecord.of(facts)
            resumed_from = record.started_at if record else None
            begun = record.path if record else None
            last = max(journal.events(), key=lambda event: event.id, default=None)
            interrupted_at = last.step if last and last.event == "started" else None
        finally:
            journal.close()
    path = content.path(catalog, begun)
    left = tuple(pending(path.steps, catalog, facts))
    copies = request.copies and any(step.copied_before for step in left)
    return Situation(
        source=request.source,
        address=session.address,
        catalog=catalog,
        facts=facts,
        overview=content.overview(catalog, facts).with_warnings(told),
        path=path,
        pending=left,
        in_the_way=tuple(content.in_the_way(catalog, facts, path)),
        journal=place,
        resumed_from=resumed_from,
        told=tuple(told),
        interrupted_at=interrupted_at,
        undo=undone,
        copy=offer(content, catalog, facts, place, request.copy_to) if copies else None,
    )
