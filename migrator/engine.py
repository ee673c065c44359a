"""The state machine: the only code that moves a run.

A state named S means "S is the next step to carry out". The condition of a move is the step's precondition, its work is
done before the state changes, and a failure leaves the state where it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from transitions import EventData, Machine, State

from migrator.catalog import Catalog
from migrator.errors import Contradiction, MigratorError, NotDoneAfterAll
from migrator.events import Emit, StepFinished, StepObserved, StepStarted, Waiting
from migrator.execute import DiagnosedError, Executor
from migrator.journal import EventRecord, Journal
from migrator.privileges import lacking
from migrator.session import Session
from migrator.settling import settle
from migrator.step import PROVEN, Actor, Blocker, Fact, Facts, Step

if TYPE_CHECKING:
    from transitions.core import TransitionConfigDict

DONE = "done"

Confirm = Callable[[Step, Catalog], tuple[Blocker, ...]]
"""Asked before a point of no return; what it returns stands in the way."""
Secure = Callable[[Step, Catalog], tuple[Blocker, ...]]
"""Makes a copy of what a step is going to change; what it returns stands in the way."""
Ask = Callable[[Step], bool]
"""Asked the y/N question of a step, about what no server shows."""


@dataclass(slots=True)
class Run:
    """Where a run is; restored by asking the database, not kept."""

    state: str
    blockers: tuple[Blocker, ...] = ()
    catalog: Catalog | None = None
    carried_out: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How far a run came, and what stands in its way."""

    kind: Literal["done", "waiting", "blocked"]
    step: Step | None = None
    blockers: tuple[Blocker, ...] = ()

    @property
    def wants_restart(self) -> bool:
        """Tell whether restarting the server is all that it waits for."""
        return self.step is not None and wants_restart(self.step, self.blockers)


class StepState(State):
    """A state that carries the step to be done before it may be left."""

    def __init__(self, step: Step) -> None:
        super().__init__(name=step.key)
        self.step = step


class Engine:
    """Moves a run from step to step: observe, check, record, start, execute, prove, finish."""

    def __init__(
        self,
        steps: Sequence[Step],
        *,
        session: Session,
        journal: Journal,
        executor: Executor,
        emit: Emit,
        confirm: Confirm,
        ask: Ask,
        trust_server: bool = False,
        restarts: bool = False,
        secure: Secure | None = None,
    ) -> None:
        self.steps = tuple(steps)
        self.run = Run(state=self.steps[0].key)
        self._last_number = max(step.documentation.number for step in steps)
        self._session, self._journal, self._executor = session, journal, executor
        self._emit, self._confirm, self._trust_server = emit, confirm, trust_server
        self._restarts, self._ask, self._secure = restarts, ask, secure
        path = [*(step.key for step in steps), DONE]
        moves: list[TransitionConfigDict] = [
            {
                "trigger": "advance",
                "source": here,
                "dest": there,
                "conditions": self._ready,
                "before": self._carry_out,
            }
            for here, there in pairwise(path)
        ]
        self._machine = Machine(
            model=None,
            initial=None,
            transitions=moves,
            states=[*(StepState(step) for step in steps), State(DONE, final=True)],
            send_event=True,
            auto_transitions=False,
            queued=False,
        )

    def go_on(self) -> Outcome:
        """Advance as far as possible from the first step on, asking the server about each.

        Raises:
            MigratorError: whatever made a step fail; the run stays in front of that step.
        """
        self.run.state, self.run.catalog = self.steps[0].key, None
        settle(self._journal, self._session.connection)
        while self.run.state != DONE:
            if not self.advance():
                step = self._step()
                waiting = all(b.kind == "operator" for b in self.run.blockers)
                return Outcome("waiting" if waiting else "blocked", step, self.run.blockers)
        return Outcome("done")

    def advance(self) -> bool:
        """Carry out one step; False means that its blockers are in `run.blockers`."""
        try:
            return self._machine.events["advance"].trigger(self.run)
        except DiagnosedError as obstacle:
            self.run.blockers = (obstacle.diagnosis.blocker,)
            self._wait(self._step())
            return False

    def _ready(self, event: EventData) -> bool:
        """Tell whether the step may be left: done already, or nothing stands in the way of doing it."""
        step, catalog, facts = _step_of(event), self._catalog(), self._journal.facts()
        self.run.blockers = ()
        if step.is_done(catalog, facts):
            return True
        self._compare_with_journal(step)
        if step.question is not None and self._ask(step):
            self._journal.record(step.key, Fact(f"answer.{step.key}", value=True))
            return step.is_done(catalog, self._journal.facts())
        # nobody is told how to do what cannot be undone before they have said that they want it
        blockers = [*self._confirm(step, catalog)] if step.point_of_no_return else []
        if not blockers and step.actor is Actor.IMMICH:
            blockers += self._copy(step, catalog)  # it is about to be started
        if not blockers:
            blockers += step.check(catalog, facts)
        if not blockers:
            blockers += lacking(catalog, step.title, step.plan(catalog, facts))
        if not blockers and step.actor is Actor.TOOL:
            blockers += self._copy(step, catalog)
        self.run.blockers = tuple(blockers)
        if blockers:
            self._wait(step)
        return not blockers

    def _copy(self, step: Step, catalog: Catalog) -> tuple[Blocker, ...]:
        return self._secure(step, catalog) if step.copied_before and self._secure is not None else ()

    def _carry_out(self, event: EventData) -> None:
        step, catalog = _step_of(event), self._catalog()
        if step.is_done(catalog, self._journal.facts()):
            self._observe(step)
            return
        for fact in step.record(catalog):
            self._journal.record(step.key, fact)
        self._journal.event(step.key, "started")
        self._emit(StepStarted(step.key, step.title, step.documentation.number, self._last_number, step.actor))
        begun = time.monotonic()
        try:
            self._executor.carry_out(step.key, step.plan(catalog, self._journal.facts()), catalog)
        except MigratorError as error:
            self.run.catalog = None
            self._journal.event(step.key, "failed", detail=str(error))
            raise
        self.run.catalog = None
        if not step.is_done(self._catalog(), self._journal.facts()):
            self._journal.event(step.key, "failed", detail=str(NotDoneAfterAll.__doc__))
            raise NotDoneAfterAll(
                f'the statements of step "{step.key}" ran, but the server does not show their result',
                hint="run the same command again; if it happens again, please report it with the log file",
            )
        seconds = time.monotonic() - begun
        self._forget(step)
        self._journal.event(step.key, "finished", seconds=seconds)
        if step.takes_back:
            self._journal.event(step.opposite, "undone")
        self.run.carried_out.append(step.key)
        self._emit(StepFinished(step.key, step.title, seconds))

    def _observe(self, step: Step) -> None:
        last = self._last_word_on(step)
        self._forget(step)
        if last is None or last.event not in ("observed", "finished"):
            self._journal.event(step.key, "observed")
        self._emit(StepObserved(step.key, step.title, step.documentation.number))

    def _forget(self, step: Step) -> None:
        """Note that what belonged to a step which is taken back no longer holds."""
        for fact in step.forget(self._journal.facts()) if step.takes_back else ():
            self._journal.record(step.key, fact)

    def _last_word_on(self, step: Step) -> EventRecord | None:
        """Return the journal's last word on a step, unless the opposite of it was begun since: then ask the server."""
        last = self._journal.last_of_steps()
        own, opposite = last.get(step.key), last.get(step.opposite)
        overtaken = own and opposite and opposite.id > own.id and opposite.event not in ("waiting", "undone")
        return None if overtaken else own

    def _wait(self, step: Step) -> None:
        last = self._journal.last_of_steps().get(step.key)
        detail = [{"what": b.what, "found": b.found, "wanted": b.wanted} for b in self.run.blockers]
        if last is None or last.event != "waiting" or last.detail != detail:
            self._journal.event(step.key, "waiting", detail=detail)
        if wants_restart(step, self.run.blockers) and self._restarts:
            return  # nobody has to be told to do what the user's own command does
        number = step.documentation.number
        self._emit(Waiting(step.key, step.title, number, self._last_number, self.run.blockers))

    def _compare_with_journal(self, step: Step) -> None:
        """Refuse to redo what the journal says this tool finished: somebody changed the database behind it."""
        last = self._last_word_on(step)
        if last is None or last.event != "finished" or not step.lasting or step.actor is not Actor.TOOL:
            return
        if self._trust_server:
            self._withdraw_proofs(step)
            return
        raise Contradiction(
            f'the journal says that step "{step.key}" was finished, the server does not show it; nothing was changed',
            facts=[("journal", f"finished at {last.at}"), ("server", f"not done: {step.title}")],
            hint="if the database was put back on purpose (backup, by hand), go on from what it is: add --trust-server",
        )

    def _withdraw_proofs(self, step: Step) -> None:
        """Claim nothing that was proven before somebody put the database back."""
        for name, value in self._journal.facts().items():
            if name.startswith(PROVEN) and value is not None:
                self._journal.record(step.key, Fact(name, None))

    def _catalog(self) -> Catalog:
        if self.run.catalog is None:
            self.run.catalog = self._session.catalog()
        return self.run.catalog

    def _step(self) -> Step:
        return next(step for step in self.steps if step.key == self.run.state)


def _step_of(event: EventData) -> Step:
    if not isinstance(event.state, StepState):
        raise TypeError(f'state "{event.state}" carries no step')
    return event.state.step


def wants_restart(step: Step, blockers: Sequence[Blocker]) -> bool:
    """Tell whether restarting the server is all that a step waits for."""
    return step.wants_restart or (bool(blockers) and all(blocker.restarts for blocker in blockers))


def pending(steps: Sequence[Step], catalog: Catalog, facts: Facts) -> list[Step]:
    """Return the steps whose result the server does not show yet."""
    return [step for step in steps if not step.is_done(catalog, facts)]
