"""`migrate --from pgvecto.rs`: the main job, and its dry run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, cast

import click

from migrator.cli.connecting import SECRET as SECRET_ADDRESSES
from migrator.cli.connecting import connections_of, immich_settings_of
from migrator.cli.console import animated, choose, stderr, stdout
from migrator.cli.logging import log_to
from migrator.cli.people import Answers
from migrator.cli.render import text
from migrator.cli.render.json_lines import JsonRenderer
from migrator.cli.render.lines import LineRenderer
from migrator.cli.render.terminal import TerminalRenderer
from migrator.cli.settings_file import settings_file_of
from migrator.commands.asking import Person, Request, Result
from migrator.commands.run import run
from migrator.content import Content
from migrator.errors import ExitCode
from migrator.events import Emit
from migrator.execute import Patience
from migrator.journal import journal_path
from migrator.step import Json
from steps.advice.environment import Environment
from steps.content.immich import ImmichContent
from steps.content.update import UPDATING, UpdateContent
from steps.shared.names import Embeddings
from steps.shared.options import Options

SECRET = SECRET_ADDRESSES | {"restart_command"}
"""Options that are not written to the journal: they may carry a password."""
ON_BY_DEFAULT = {"alter_system"}
"""Options of which the journal keeps that somebody said no."""


def migrate(options: Mapping[str, object]) -> int:
    """Run, or plan, what the options ask for; return the exit code."""
    choose(json=bool(options["as_json"]), color=not options["no_color"])
    content = content_of(options)
    connections = connections_of(options)
    journal = cast("Path | None", options["journal"]) or journal_path(*connections.place)
    if options["dry_run"]:
        from migrator.cli.plan import show_plan  # noqa: PLC0415 - the run does not need it

        return show_plan(connections, content, journal, options)
    log_to(journal.with_suffix(".log"))
    request = Request(
        conninfo=connections.conninfo,
        application=connections.application,
        source=str(options["source"]),
        arguments={name: cast("Json", value) for name, value in harmless(options).items()},
        journal=journal,
        restart_command=_text(options["restart_command"]),
        dba_script=cast("Path | None", options["dba_script"]),
        trust_server=bool(options["trust_server"]),
        terminate_blockers=bool(options["terminate_blockers"]),
        patience=Patience(lock_timeout_seconds=cast("float", options["lock_timeout"])),
        copy_to=cast("Path | None", options["backup"]),
        copies=not options["no_backup"],
    )
    return carry_out(partial(run, request, content), options)


def content_for(options: Mapping[str, object]) -> Content:
    """Build the content of a run from the options that it was started with, whichever command that was."""
    if options.get("command") == UPDATING:
        return UpdateContent(
            Options(
                immich_version=_text(options.get("immich_version")),
                target_immich=_text(options.get("target_immich")),
                environment=_environment(options),
            )
        )
    return content_of(options)


def content_of(options: Mapping[str, object]) -> ImmichContent:
    """Build the content for the options: the one place where the engine meets the steps."""
    immich = immich_settings_of(options)
    return ImmichContent(
        source="pgvector" if options.get("source") == "pgvector" else "pgvecto.rs",
        options=Options(
            reindex_by="immich" if options.get("reindex_by") == "immich" else "tool",
            alter_system=bool(options.get("alter_system", True)),
            immich_version=_text(options.get("immich_version")),
            target_immich=_text(options.get("target_immich")),
            path=cast("Literal['automatic', 'manual', 'rescue'] | None", options.get("path")),
            vector_extension=immich.vector_extension if immich else None,
            trust_server=bool(options.get("trust_server")),
            include=tuple(
                Embeddings.included(*name.split(".")) for name in cast("Sequence[str]", options.get("include") or ())
            ),
            dimensions=cast("dict[str, int]", options.get("dimensions") or {}),
            environment=_environment(options),
            clip_model=_text(options.get("clip_model")),
            settings_file=settings_file_of(immich, options),
            data_free_bytes=cast("int | None", options.get("data_free_bytes")),
            ignored_databases=tuple(cast("tuple[str, ...]", options.get("ignored_databases") or ())),
        ),
    )


def carry_out(
    start: Callable[[Person, Emit], Result], options: Mapping[str, object], answers: type[Answers] = Answers
) -> int:
    """Start with the renderer and the person that the options ask for; return the exit code."""
    as_json = bool(options["as_json"])
    emit, pause = renderer(as_json=as_json)
    person = answers(
        yes=bool(options["yes"]),
        confirm=_text(options.get("confirm")),
        may_ask=not options["no_input"] and not as_json,
        quiet=as_json,
        pause=pause,
    )
    try:
        result = start(person, emit)
    finally:
        pause()
    if isinstance(emit, JsonRenderer):
        emit.result(result.exit_code, **_result_fields(result))
    else:
        _say_how_it_ended(result)
    return int(result.exit_code)


def renderer(*, as_json: bool) -> tuple[Emit, Callable[[], None]]:
    """Return who shows what happens, and how to take its moving line away."""
    if as_json:
        return JsonRenderer(partial(click.echo, err=False)), lambda: None
    if animated():
        moving = TerminalRenderer(stderr())
        return moving, moving.pause
    return LineRenderer(partial(click.echo, err=True)), lambda: None


def _say_how_it_ended(result: Result) -> None:
    if result.ending is not None:
        for line in text.ending(result.ending, result.seconds, result.copy):
            stdout().print(line, soft_wrap=True)
        return
    say = stderr()
    if result.question is not None:
        say.print(f"Nothing was changed. To begin without being asked, add {result.question}.", soft_wrap=True)
        return
    number = len(result.outcome.blockers)
    if result.exit_code is ExitCode.BLOCKED:
        say.print(
            f"{number} blocker{'s' * (number != 1)}; nothing was changed by this step. "
            "Mend what is named above, then run the same command again.",
            soft_wrap=True,
        )
    else:
        say.print("Stopping here is safe. When that is done, run the same command again.", soft_wrap=True)


def _result_fields(result: Result) -> dict[str, Json]:
    fields: dict[str, Json] = {"outcome": result.outcome.kind}
    if result.outcome.step is not None:
        fields["step"] = result.outcome.step.key
    if result.question is not None:
        fields["question"] = result.question
    if result.ending is not None:
        fields["headline"] = result.ending.headline
    if result.copy is not None:
        fields["copy"], fields["copy_bytes"] = str(result.copy.place), result.copy.size_bytes
    return fields


def harmless(options: Mapping[str, object]) -> dict[str, object]:
    """Return what was given, without what may carry a password, for the journal."""
    said = {name: value for name, value in options.items() if name not in SECRET and value is not None}
    given = {name: value for name, value in said.items() if value is not False or name in ON_BY_DEFAULT}
    return {name: str(value) if isinstance(value, Path) else value for name, value in given.items()}


def _environment(options: Mapping[str, object]) -> Environment | None:
    given = options.get("environment")
    return Environment(str(given)) if given else None


def _text(value: object) -> str | None:
    return None if value is None else str(value)
