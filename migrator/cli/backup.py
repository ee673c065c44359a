"""`migrate backup`: a copy of the embeddings, and the check of one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import click

from migrator.backup.check import Checked, check_copy
from migrator.backup.compression import Method
from migrator.backup.manifest import Manifest
from migrator.cli.choices import include_option
from migrator.cli.connecting import connection_options, connections_of
from migrator.cli.console import choose, stderr, stdout
from migrator.cli.render import text
from migrator.cli.render.json_lines import JsonRenderer
from migrator.cli.run import content_of, renderer
from migrator.commands.backup import BackupRequest, BackupResult, backup
from migrator.errors import ExitCode
from migrator.step import Json


@click.command("backup")
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option("--check", "check", is_flag=True, help="Read the copy in DIR, and say what is wrong with it.")
@connection_options
@include_option
@click.option("--compression", type=click.Choice(["zstd", "gzip"]), help="By default zstd, which is ten times faster.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines for scripts.")
@click.option("--no-color", is_flag=True, help="Plain text.")
def command(folder: Path | None, **options: object) -> int:
    """Copy the embeddings into files that psql reads without this tool; changes nothing in the database.

    Works beside a running Immich, and while pgvecto.rs's library is missing (superuser).
    """
    as_json = bool(options["as_json"])
    choose(json=as_json, color=not options["no_color"])
    if options["check"]:
        if folder is None:
            raise click.UsageError("--check needs the folder of a copy: migrate backup --check DIR")
        return _check(folder, as_json=as_json)
    return _make(folder, options, as_json=as_json)


def _make(folder: Path | None, options: dict[str, object], *, as_json: bool) -> int:
    connections = connections_of(options)
    request = BackupRequest(connections.conninfo, folder, cast("Method | None", options["compression"]))
    emit, pause = renderer(as_json=as_json)
    try:
        result = backup(request, content_of(options), emit)
    finally:
        pause()
    code = ExitCode.DONE if result.made is not None else ExitCode.BLOCKED
    if isinstance(emit, JsonRenderer):
        emit.result(int(code), **_fields(result))
    elif result.made is None:
        _say_what_is_in_the_way(result)
    else:
        for line in _made(result):
            stdout().print(line, soft_wrap=True)
    return int(code)


def _made(result: BackupResult) -> Iterator[str]:
    made = result.made
    if made is None:
        return
    yield f"Done. {made.manifest.rows:,} embeddings are in {text.short(made.folder)}."
    yield from _tables(made.manifest)
    for note in result.copying.notes:
        yield from text.labelled("note", note)
    yield from text.labelled("size", f"{text.size(made.manifest.size_bytes)}, in {text.duration(made.seconds)}")
    yield f"To put them back: migrate restore {text.short(made.folder)}   (without this tool: its README.txt)"


def _tables(manifest: Manifest) -> Iterator[str]:
    for table in manifest.tables:
        digits = str(table.hash.get("hash"))
        short = digits if len(digits) <= 10 else f"{digits[:4]}...{digits[-4:]}"  # noqa: PLR2004
        yield from text.labelled("table", f"{table.name}: {table.rows:,} rows, hash {short}")


def _say_what_is_in_the_way(result: BackupResult) -> None:
    say = stderr()
    for blocker in result.blockers:
        say.print(f"  {blocker.what}", soft_wrap=True)
        for line in text.blocker_lines(blocker):
            say.print(line, soft_wrap=True)
    number = len(result.blockers)
    say.print(f"{number} blocker{'s' * (number != 1)}; no copy was made, and nothing was changed.", soft_wrap=True)


def _fields(result: BackupResult) -> dict[str, Json]:
    if result.made is None:
        return {
            "blockers": [{"what": b.what, "found": b.found, "wanted": b.wanted, "fix": b.fix} for b in result.blockers]
        }
    manifest = result.made.manifest
    return {
        "place": str(result.made.folder),
        "rows": manifest.rows,
        "size_bytes": manifest.size_bytes,
        "sha256": result.made.sha256,
        "tables": [{"name": t.name, "rows": t.rows, "hash": t.hash["hash"]} for t in manifest.tables],
    }


def _check(folder: Path, *, as_json: bool) -> int:
    emit, pause = renderer(as_json=as_json)
    try:
        checked = check_copy(folder, emit)
    finally:
        pause()
    code = ExitCode.FAILED if checked.problems else ExitCode.DONE
    if isinstance(emit, JsonRenderer):
        rows = checked.manifest.rows if checked.manifest else None
        emit.result(int(code), place=str(folder), problems=checked.problems, rows=rows)
        return int(code)
    for line in _checked(checked):
        stdout().print(line, soft_wrap=True)
    return int(code)


def _checked(checked: Checked) -> Iterator[str]:
    manifest = checked.manifest
    if manifest is not None:
        yield f"A copy of {manifest.database} ({manifest.application}), made {manifest.made_at[:16]} UTC"
        yield from _tables(manifest)
    for problem in checked.problems:
        yield from text.labelled("wrong", problem)
    if checked.problems:
        yield f"{text.short(checked.folder)} is damaged: do not rely on it, and make another one: migrate backup"
    elif manifest is not None:
        yield (
            f"{text.short(checked.folder)} is whole: {manifest.rows:,} rows, {text.size(manifest.size_bytes)}, "
            "every sum and every row count as written."
        )
