"""The command `migrate`: options of the main job, and the commands beside it, loaded only when they are used."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import click

from migrator import __version__
from migrator.cli.choices import choice_options, lock_options
from migrator.cli.connecting import connection_options

COMMANDS = {
    "doctor": "Name everything that stands in the way; changes nothing.",
    "status": "Show where a migration stands; changes nothing.",
    "backup": "Copy the embeddings into files; changes nothing.",
    "restore": "Put the embeddings of a copy back.",
    "undo": "Take a migration back, its last step first.",
    "update": "Go to a newer VectorChord that was installed.",
    "prepare": "Make a fresh database as Immich wants it.",
    "demo": "Try the tool on a throw-away server.",
}
"""Commands and what the list of commands says of them; each lives in a module of its name."""


class LazyGroup(click.Group):
    """A group that imports a command when it is used, not when it is listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"migrator.cli.{cmd_name}").command
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="migrate", message="%(prog)s %(version)s")
@click.option("--from", "source", type=click.Choice(["pgvecto.rs", "pgvector"]), help="What Immich uses today.")
@connection_options
@click.option("--dry-run", is_flag=True, help="Print the SQL that would run; the server refuses every write.")
@click.option("--detailed-exitcode", is_flag=True, help="With --dry-run: 0 nothing to do, 100 work pending.")
@click.option("--path", type=click.Choice(["automatic", "manual", "rescue"]), help="Otherwise chosen by the catalogs.")
@click.option("--reindex-by", type=click.Choice(["tool", "immich"]), default="tool", show_default=True,
              help="Who converts the tables: this tool, or a started Immich that is waited for.")  # fmt: skip
@click.option("--restart-command", metavar="CMD", help="Restarts PostgreSQL when a step needs it.")
@click.option("--alter-system/--no-alter-system", default=True,
              help="Write shared_preload_libraries with ALTER SYSTEM: merged, never reloaded.")  # fmt: skip
@choice_options
@lock_options
@click.option("--journal", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Where progress is kept; by default a file per database in your state folder.")  # fmt: skip
@click.option("--backup", type=click.Path(path_type=Path), metavar="DIR",
              help="Where the copy of the embeddings goes; by default beside the journal.")  # fmt: skip
@click.option("--no-backup", is_flag=True, help="Make no copy of the embeddings before the first change.")
@click.option("--dba-script", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Write what your role may not do to a psql script, then wait for it.")  # fmt: skip
@click.option("--yes", is_flag=True, help="Answer y/N questions with yes (not the point of no return).")
@click.option("--confirm", metavar="NAME", help="The database's name, for the point of no return.")
@click.option("--no-input", is_flag=True, help="Never ask, never wait: exit 3 says who has to do what.")
@click.option("--trust-server", is_flag=True, help="Go on from the server's state where the journal says otherwise.")
@click.option("--json", "as_json", is_flag=True, help="JSON for scripts: lines for a run, one object for a dry run.")
@click.option("--no-color", is_flag=True, help="Plain text (NO_COLOR and TERM=dumb do the same).")
@click.pass_context
def app(ctx: click.Context, /, **options: object) -> int | None:
    """Take an Immich database to VectorChord, one documented step at a time.

    The same command starts and resumes. It can be stopped at any moment, also by pulling the plug.

    \b
      migrate --from pgvecto.rs --dry-run     read what would be done
      migrate --from pgvecto.rs               do it, step by step
      migrate status                          where it stands
      migrate demo                            try it on a throw-away server
    """  # noqa: D301 - click's mark for a block that is not rewrapped
    ctx.obj = options
    if ctx.invoked_subcommand is not None:
        return None
    if options["backup"] is not None and options["no_backup"]:
        raise click.UsageError("--backup and --no-backup say the opposite of each other")
    if options["source"] is None:
        if options["dry_run"]:
            raise click.UsageError("--dry-run needs --from, such as: migrate --from pgvecto.rs --dry-run")
        click.echo(ctx.get_help())
        return 0
    from migrator.cli.run import migrate  # noqa: PLC0415 - the drivers are not loaded for --help

    return migrate(options)


def run_app(arguments: Sequence[str] | None = None) -> int:
    """Parse, run, and return the exit code: click's own codes, ours from errors, 130 for Ctrl-C and SIGTERM."""
    try:
        result = app.main(args=list(arguments) if arguments is not None else None, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        if sys.stderr.isatty():
            click.echo(err=True)  # the cursor stands behind a question, or behind the terminal's ^C
        click.echo("Interrupted. Nothing is lost: run the same command again, it goes on from here.", err=True)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except Exception as error:  # noqa: BLE001 - the edge: everything becomes one sentence and a code
        from migrator.cli.failure import report  # noqa: PLC0415

        return report(error)
    return result if isinstance(result, int) else 0
