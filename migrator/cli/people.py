"""Who answers the questions of a run: a person at a terminal, or the flags of a command line."""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import click

from migrator.cli.console import animated, can_ask, stderr
from migrator.cli.render import text
from migrator.commands.asking import Situation
from migrator.commands.copy_first import CopyOffer
from migrator.commands.plan import PlannedStep, plan_steps
from migrator.engine import Outcome
from migrator.step import Actor

STAYS = "pgvecto.rs stays installed"


class Answers:
    """Answers from flags first, then from the person, where one can be asked."""

    def __init__(
        self, *, yes: bool, confirm: str | None, may_ask: bool, quiet: bool, pause: Callable[[], None]
    ) -> None:
        self._yes, self._confirm, self._quiet, self._pause = yes, confirm, quiet, pause
        self._may_ask = may_ask and can_ask()
        self._hinted = False

    def start(self, situation: Situation) -> bool:
        """Show the first screen, then ask."""
        if not self._quiet:
            for line in self.screen(situation):
                stderr().print(line, soft_wrap=True)
        if self._yes:
            return True
        return self._may_ask and click.confirm(self.question(situation), err=True)

    def screen(self, situation: Situation) -> Sequence[str]:
        """Return what is read before the first question."""
        return first_screen(situation)

    def question(self, situation: Situation) -> str:
        """Return the first question."""
        return "\nStart?" if not situation.resumed_from else "\nGo on?"

    def copy(self, offered: CopyOffer) -> bool:
        """Ask about the copy; Enter takes it, and so does --yes."""
        if self._yes:
            return True
        return self._may_ask and click.confirm("Write that copy first?", err=True, default=True)

    def confirm(self, sentence: str, database: str) -> bool:
        """Have the database's name typed; --yes does not cover this."""
        self._pause()
        if self._confirm is not None:
            return self._confirm == database
        if not self._may_ask:
            return False
        for line in ["", *text.wrapped(f"Point of no return: {sentence}.")]:
            stderr().print(line, style="bold", soft_wrap=True)
        typed: str = click.prompt(
            f'Type the name of the database ("{database}") to go on', err=True, default="", show_default=False
        )
        return typed.strip() == database

    def answer(self, question: str, *, in_person: bool) -> bool:
        """Ask a y/N question; --yes covers it, unless only a person may answer."""
        if self._yes and not in_person:
            return True
        self._pause()
        return self._may_ask and click.confirm("\n".join(["", *text.wrapped(question)]), err=True)

    def end_sessions(self, holders: Sequence[str]) -> bool:
        """Ask whether sessions may be ended; --yes covers it, since --terminate-blockers was given too."""
        if self._yes:
            return True
        if not self._may_ask:
            return False
        self._pause()
        stderr().print("\nA lock is held by:", soft_wrap=True)
        for holder in holders:
            stderr().print(f"  {holder}", soft_wrap=True)
        return click.confirm(f"End {'this session' if len(holders) == 1 else 'these sessions'}?", err=True)

    def wait(self, outcome: Outcome, seconds: float) -> bool:
        """Wait until it is time to look again; Enter looks at once. Without a terminal nobody waits."""
        if not self._may_ask:
            return False
        if outcome.step is not None and any(b.found.startswith("not confirmed") for b in outcome.blockers):
            return False
        if not self._hinted:
            self._hinted = True
            then = "nothing: I look every 2 seconds, Enter looks now, Ctrl-C leaves"
            stderr().print(f"  {'then':<{text.LABEL}}{then}", soft_wrap=True)
            stderr().print(f"  {'':<{text.LABEL}}and the same command goes on from here.", soft_wrap=True)
        if animated():
            ready, _, _ = select.select([sys.stdin], [], [], seconds)
            if ready:
                sys.stdin.readline()
        else:
            time.sleep(seconds)
        return True


def first_screen(situation: Situation) -> list[str]:
    """Return what a person reads before the first question."""
    planned = plan_steps(situation.path.steps, situation.catalog, situation.facts)
    lines = text.header(situation.address, situation.catalog, situation.overview)
    journal = situation.journal
    lines += [f"journal  {text.short(journal)}", f"log      {text.short(journal.with_suffix('.log'))}", ""]
    if situation.resumed_from:
        where = f", interrupted in {situation.interrupted_at}" if situation.interrupted_at else ""
        left = len({step.number for step in planned if not step.done})
        of = len({step.number for step in planned})
        lines += text.wrapped(
            f"Going on with the run of {situation.resumed_from[:16].replace('T', ' ')} UTC{where}: "
            f"{of - left} of {of} steps are done."
        )
        lines += _turning(situation)
        lines += [line for note in situation.told for line in text.wrapped(f"Note: {note}.")]
        lines += _copy(situation.copy)
        if not situation.interrupted_at:
            return lines
        return [*lines, "", *text.steps(situation.path, planned)]
    lines += [*text.found(situation.overview), ""]
    lines += text.wrapped(f"Path: {situation.path.name}, because {situation.path.why}.")
    lines += ["", *text.steps(situation.path, planned), "", *_in_the_way(situation)]
    return [*lines, *text.wrapped(" ".join(_advice(planned))), *_copy(situation.copy)]


def _copy(offered: CopyOffer | None) -> list[str]:
    if offered is None:
        return []
    size = text.size(offered.expected_bytes)
    leave_out = "" if offered.chosen else " (elsewhere: --backup DIR; none: --no-backup)"
    return text.wrapped(
        f"Before the first change a copy of the embeddings, about {size}, is written to "
        f"{text.short(offered.place)}{leave_out}."
    )


def _turning(situation: Situation) -> list[str]:
    """Say so where the run was being taken back, and this start turns it around."""
    if situation.undo is None:
        return []
    was = "was being" if situation.undo.under_way else "was"
    how_far = f" as far as {situation.undo.to}" if situation.undo.to else ""
    return text.wrapped(
        f"It {was} taken back{how_far} (migrate undo). This goes forward again, from what is there now."
    )


def _in_the_way(situation: Situation) -> Iterator[str]:
    if not situation.in_the_way:
        return
    yield from text.wrapped("Something will stop this on the way. Better to mend it before you start:")
    for blocker in situation.in_the_way:
        yield f"  {blocker.what}"
        yield from text.blocker_lines(blocker)
    yield ""


def _advice(planned: Sequence[PlannedStep]) -> Iterator[str]:
    locking = [step for step in planned if any(statement.lock for statement in step.statements)]
    if locking:
        yield f"Immich has to be stopped for step {locking[0].number}: its tables are locked while they are changed."
    last = next((step for step in planned if step.point_of_no_return and not step.done), None)
    if last:
        by_tool = last.actor is Actor.TOOL
        yield f"{'From' if by_tool else 'Until'} step {last.number} {'on there is no way back' if by_tool else STAYS}."
        yield "Until then 'migrate undo' takes everything back."
    yield "You can stop at any moment, also by pulling the plug: the same command goes on."
