"""The options by which a person tells what no server shows, the same for the run and its examination."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def _dimensions(_ctx: click.Context, _param: click.Parameter, value: Sequence[str]) -> dict[str, int]:
    dimensions: dict[str, int] = {}
    for item in value:
        table, equals, number = item.partition("=")
        if not equals or not number.isdecimal() or not int(number):
            raise click.BadParameter(f'"{item}" is not of the form TABLE=N, such as smart_search=768')
        dimensions[table] = int(number)
    return dimensions


def _places(_ctx: click.Context, _param: click.Parameter, value: Sequence[str]) -> list[str]:
    for item in value:
        if len(item.split(".")) != 3:  # noqa: PLR2004 - schema, table, column
            raise click.BadParameter(f'"{item}" is not of the form SCHEMA.TABLE.COLUMN, such as public.photos.vector')
    return list(value)


def release(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """Read a release of Immich's as it writes it itself; a leading "v" is left out."""
    if value is None:
        return None
    from steps.shared.versions import parse  # noqa: PLC0415 - not needed for --help

    version = parse(value)
    if version is None:
        raise click.BadParameter(f'"{value}" is no release of Immich, such as 1.132.3')
    return str(version)


def next_release(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Read the release to be started afterwards, which has to know VectorChord."""
    from steps.shared.versions import FIRST_WITH_VECTORCHORD, parse  # noqa: PLC0415 - not needed for --help

    found = release(ctx, param, value)
    version = parse(found)
    if version is not None and version < FIRST_WITH_VECTORCHORD:
        raise click.BadParameter(f"Immich {version} does not know VectorChord; {FIRST_WITH_VECTORCHORD} is the first")
    return found


def choice_options(command: Command) -> Command:
    """Add them, in the order in which they stand in --help."""
    for option in reversed((
        click.option("--immich-version", metavar="VERSION", callback=release,
                     help="The Immich release that the database is of; otherwise read from its version_history."),
        click.option("--target-immich", metavar="VERSION", callback=next_release,
                     help="The Immich release that will be started afterwards."),
        click.option("--dimension", "dimensions", metavar="TABLE=N", multiple=True, callback=_dimensions,
                     help="The dimension of a table that nobody knows any more."),
        click.option("--environment", type=click.Choice(["debian", "docker", "cloudnativepg", "nixos", "other"]),
                     help="Where the server runs, for instructions; otherwise guessed."),
        click.option("--clip-model", metavar="NAME",
                     help="The CLIP model that Immich uses, or off; otherwise read from its settings."),
        click.option("--data-free-bytes", type=click.IntRange(min=0), metavar="N",
                     help="Free space on the server's data volume, which it cannot tell itself."),
        click.option("--ignore-database", "ignored_databases", metavar="NAME", multiple=True,
                     help="Another database of the server, that you know not to need pgvecto.rs."),
        click.option("--include", "include", metavar="SCHEMA.TABLE.COLUMN", multiple=True, callback=_places,
                     help="Convert this column of pgvecto.rs too, outside Immich's tables."),
    )):  # fmt: skip
        command = option(command)
    return command


def lock_options(command: Command) -> Command:
    """Add what a command does that finds a table locked by somebody else."""
    timeout = click.option(
        "--lock-timeout", type=click.FloatRange(min=0.1), metavar="SECONDS", default=5.0, show_default=True,
        help="How long to wait for a table's lock, six times, before saying who holds it.",
    )  # fmt: skip
    terminate = click.option(
        "--terminate-blockers", is_flag=True,
        help="Ask whether sessions that hold a table's lock may be ended; with --yes end them.",
    )  # fmt: skip
    return timeout(terminate(command))


def include_option(command: Command) -> Command:
    """Add --include for a command that copies."""
    return click.option("--include", "include", metavar="SCHEMA.TABLE.COLUMN", multiple=True, callback=_places,
                        help="This column of embeddings too, outside Immich's tables.")(command)  # fmt: skip
