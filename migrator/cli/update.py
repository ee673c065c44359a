"""`migrate update`: to a newer VectorChord that was installed, and its dry run."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import cast

import click

from migrator.cli.choices import lock_options, next_release, release
from migrator.cli.connecting import connection_options, connections_of
from migrator.cli.console import choose
from migrator.cli.logging import log_to
from migrator.cli.run import carry_out, content_for, harmless
from migrator.commands.asking import Request
from migrator.commands.run import run
from migrator.execute import Patience
from migrator.journal import beside, journal_path
from migrator.step import Json
from steps.content.update import UPDATING


@click.command(UPDATING)
@connection_options
@click.option("--dry-run", is_flag=True, help="Print the SQL that would run; the server refuses every write.")
@click.option("--detailed-exitcode", is_flag=True, help="With --dry-run: 0 nothing to do, 100 work pending.")
@click.option("--restart-command", metavar="CMD", help="Restarts PostgreSQL when that was not done yet.")
@click.option("--environment", type=click.Choice(["debian", "docker", "cloudnativepg", "nixos", "other"]),
              help="Where the server runs, for the instructions; otherwise guessed.")  # fmt: skip
@click.option(
    "--immich-version",
    metavar="VERSION",
    callback=release,
    help="The Immich release that the database is of; otherwise read from its version_history.",
)
@click.option("--target-immich", metavar="VERSION", callback=next_release,
              help="The Immich release that will be started afterwards.")  # fmt: skip
@lock_options
@click.option("--journal", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Where progress is kept; by default beside the journal of the migration.")  # fmt: skip
@click.option("--yes", is_flag=True, help="Answer y/N questions with yes.")
@click.option("--no-input", is_flag=True, help="Never ask, never wait: exit 3 says who has to do what.")
@click.option("--json", "as_json", is_flag=True, help="JSON for scripts: lines for a run, one object for a dry run.")
@click.option("--no-color", is_flag=True, help="Plain text (NO_COLOR and TERM=dumb do the same).")
def command(**options: object) -> int:
    """Go to a newer VectorChord, after its package was installed and PostgreSQL restarted.

    Updates the extensions, rebuilds exactly those indexes that the new release cannot read, and searches each of them.
    The same command starts and resumes.
    """
    choose(json=bool(options["as_json"]), color=not options["no_color"])
    options["command"] = UPDATING
    content = content_for(options)
    connections = connections_of(options)
    journal = cast("Path | None", options["journal"]) or beside(journal_path(*connections.place))
    if options["dry_run"]:
        from migrator.cli.plan import show_plan  # noqa: PLC0415 - the run does not need it

        return show_plan(connections, content, journal, options)
    log_to(journal.with_suffix(".log"))
    request = Request(
        conninfo=connections.conninfo,
        application=connections.application,
        source=UPDATING,
        arguments={name: cast("Json", value) for name, value in harmless(options).items()},
        journal=journal,
        restart_command=cast("str | None", options["restart_command"]),
        patience=Patience(lock_timeout_seconds=cast("float", options["lock_timeout"])),
        terminate_blockers=bool(options["terminate_blockers"]),
    )
    return carry_out(partial(run, request, content), options)
