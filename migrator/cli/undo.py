"""`migrate undo`: takes a migration back, its last step first, and its dry run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import click

from migrator.cli.choices import lock_options
from migrator.cli.connecting import connection_options, connections_of
from migrator.cli.console import choose
from migrator.cli.logging import log_to
from migrator.cli.people import Answers
from migrator.cli.render import text
from migrator.cli.run import ON_BY_DEFAULT, carry_out, content_of, harmless
from migrator.commands.asking import Request, Result, Situation
from migrator.commands.plan import PlannedStep, plan_steps
from migrator.commands.undo import COMMAND, Backwards, Recorded, recorded, undo
from migrator.content import Ending
from migrator.engine import Outcome
from migrator.errors import ExitCode
from migrator.execute import Patience
from migrator.journal import journal_path
from migrator.step import UNDO, Json
from migrator.take_back import TAKE_BACK

KEPT = (
    "source", "path", "reindex_by", "include", "dimensions", "immich_version", "target_immich", "environment",
    "ignored_databases", "data_free_bytes", "alter_system",
)  # fmt: skip
"""Choices of the run that its way back goes on with, unless others are made."""


@click.command(COMMAND)
@connection_options
@click.option("--to", metavar="STEP", help="Stop once this step is taken back, too; otherwise the whole run.")
@click.option("--dry-run", is_flag=True, help="Print the SQL that would run; the server refuses every write.")
@click.option("--detailed-exitcode", is_flag=True, help="With --dry-run: 0 nothing to do, 100 work pending.")
@click.option("--restart-command", metavar="CMD", help="Restarts PostgreSQL when a step needs it.")
@click.option("--alter-system/--no-alter-system", default=None,
              help="Write shared_preload_libraries with ALTER SYSTEM, or do not; by default as the run.")  # fmt: skip
@click.option("--environment", type=click.Choice(["debian", "docker", "cloudnativepg", "nixos", "other"]),
              help="Where the server runs, for instructions; otherwise guessed.")  # fmt: skip
@click.option("--ignore-database", "ignored_databases", metavar="NAME", multiple=True,
              help="Another database of the server, that you know not to need VectorChord.")  # fmt: skip
@lock_options
@click.option("--journal", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="The run's journal.")
@click.option("--dba-script", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Write what your role may not do to a psql script, then wait for it.")  # fmt: skip
@click.option("--yes", is_flag=True, help="Answer y/N questions with yes.")
@click.option("--no-input", is_flag=True, help="Never ask, never wait: exit 3 says who has to do what.")
@click.option("--trust-server", is_flag=True, help="Go on from the server's state where the journal says otherwise.")
@click.option("--json", "as_json", is_flag=True, help="JSON for scripts: lines for a run, one object for a dry run.")
@click.option("--no-color", is_flag=True, help="Plain text (NO_COLOR and TERM=dumb do the same).")
def command(**options: object) -> int:
    """Take a migration back, its last step first, to what was there before it.

    With --to STEP it stops once STEP is taken back: then STEP is the next one again. Its name is the one that the plan,
    the status and the journal show. The same command starts and resumes; migrate --from goes forward again.
    """
    choose(json=bool(options["as_json"]), color=not options["no_color"])
    connections = connections_of(options)
    journal = cast("Path | None", options["journal"]) or journal_path(*connections.place)
    known = recorded(journal)
    chosen = {**{name: known.arguments[name] for name in KEPT if name in known.arguments}, **_given(options)}
    content = Backwards(content_of(chosen), known, cast("str | None", options["to"]))
    if options["dry_run"]:
        from migrator.cli.plan import show_plan  # noqa: PLC0415 - the run does not need it

        return show_plan(connections, content, journal, options)
    if known.undo is not None and known.undo.of_everything:
        return carry_out(lambda _person, _emit: _nothing_left(known), options)
    log_to(journal.with_suffix(".log"))
    request = Request(
        conninfo=connections.conninfo,
        application=connections.application,
        source=known.run.source,
        arguments={name: cast("Json", value) for name, value in harmless({**chosen, "command": COMMAND}).items()},
        journal=journal,
        restart_command=cast("str | None", options["restart_command"]),
        dba_script=cast("Path | None", options["dba_script"]),
        trust_server=bool(options["trust_server"]),
        patience=Patience(lock_timeout_seconds=cast("float", options["lock_timeout"])),
        terminate_blockers=bool(options["terminate_blockers"]),
        copies=False,
    )
    return carry_out(partial(undo, request, content), options, Unwilling)


def _given(options: Mapping[str, object]) -> dict[str, object]:
    """Return what was typed this time; an option that was left out decides nothing."""
    return {
        name: value
        for name, value in options.items()
        if value not in (None, ()) and (value is not False or name in ON_BY_DEFAULT)
    }


def _nothing_left(known: Recorded) -> Result:
    ended = known.undo.ended_at if known.undo else None
    when = f" on {_moment(ended)}" if ended else ""
    headline = f"Nothing to take back: the run of {_moment(known.run.started_at)} was taken back{when}."
    return Result(ExitCode.DONE, Outcome("done"), Ending(headline, (), f"Next: migrate --from {known.run.source}"))


class Unwilling(Answers):
    """Whoever takes back what was done: shown another first screen, and asked another question."""

    def screen(self, situation: Situation) -> Sequence[str]:
        """Return what will be taken back, what it needs, and where it ends."""
        return undo_screen(situation)

    def question(self, situation: Situation) -> str:
        """Return the first question."""
        return "\nGo on taking it back?" if _is_resumed(situation) else "\nTake it back?"


def undo_screen(situation: Situation) -> list[str]:
    """Return what a person reads before a migration is taken back."""
    planned = plan_steps(situation.path.steps, situation.catalog, situation.facts)
    left = [
        replace(step, title=step.title.removeprefix(TAKE_BACK))
        for step in planned
        if not step.done and step.key.startswith(UNDO)
    ]
    lines = text.header(situation.address, situation.catalog, situation.overview)
    journal = situation.journal
    lines += [f"journal  {text.short(journal)}", f"log      {text.short(journal.with_suffix('.log'))}", ""]
    lines += [*text.found(situation.overview, heading="before"), ""]
    lines += text.wrapped(_what(situation))
    lines += ["", *text.steps(situation.path, left), ""]
    return [*lines, *text.wrapped(" ".join(_advice(left, situation)))]


def _what(situation: Situation) -> str:
    begun = ""
    if situation.undo is not None and _is_resumed(situation):
        begun = f" It was begun on {_moment(situation.undo.began_at)}."
    return f"The {situation.path.name}, the last step first.{begun}"


def _advice(left: Sequence[PlannedStep], situation: Situation) -> Iterator[str]:
    locking = [step for step in left if any(statement.lock for statement in step.statements)]
    if locking:
        yield (
            f"Immich has to be stopped for step {locking[0].number}: its tables are locked while they are changed, "
            "and counted and hashed before and after as on the way there."
        )
    restarts = sum(1 for step in left if any(statement.key == "alter-system" for statement in step.statements))
    if restarts:
        yield f"PostgreSQL has to be restarted {'once' if restarts == 1 else 'twice'}."
    yield "No package is removed: what was installed stays installed, for you to remove."
    yield "You can stop at any moment, also by pulling the plug: the same command goes on,"
    yield f"and migrate --from {situation.source} goes forward again."


def _is_resumed(situation: Situation) -> bool:
    return situation.undo is not None and situation.undo.under_way


def _moment(at: str) -> str:
    return f"{at[:16].replace('T', ' ')} UTC"
