"""`migrate restore`: a copy of the embeddings put back, and its dry run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import cast

import click

from migrator.backup.importing import Counts
from migrator.cli.connecting import connection_options, connections_of
from migrator.cli.console import can_ask, choose, stderr, stdout
from migrator.cli.render import text
from migrator.cli.render.json_lines import JsonRenderer
from migrator.cli.run import content_of, renderer
from migrator.commands.restore import Found, RestoreRequest, RestoreResult, restore
from migrator.content import RestoredTable
from migrator.step import Json, Statement


@click.command("restore")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@connection_options
@click.option("--overwrite", is_flag=True, help="Take the copy's value for rows that are there, too.")
@click.option("--clip-model", metavar="NAME",
              help="The CLIP model that Immich uses, or off; otherwise read from its settings.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Count what would be done, and print the SQL; the server refuses writes.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--no-input", is_flag=True, help="Never ask.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines for scripts.")
@click.option("--no-color", is_flag=True, help="Plain text.")
def command(folder: Path, **options: object) -> int:
    """Put the embeddings of a copy back, by key, next to what is there.

    Rows that are there keep their value unless --overwrite is given; rows whose asset or face is gone are left out.
    Each table is put back in one transaction that commits only if every hash is as it should be.
    """
    as_json = bool(options["as_json"])
    choose(json=as_json, color=not options["no_color"])
    emit, pause = renderer(as_json=as_json)
    dry_run = bool(options["dry_run"])
    request = RestoreRequest(connections_of(options).conninfo, folder, bool(options["overwrite"]), dry_run)
    content = content_of({"include": _places(folder), "clip_model": options["clip_model"], **_connecting(options)})
    asker = _Asker(
        yes=bool(options["yes"]), may_ask=not options["no_input"] and not as_json, quiet=as_json, folder=folder
    )
    try:
        result = restore(request, content, asker, emit)
    finally:
        pause()
    if isinstance(emit, JsonRenderer):
        emit.result(int(result.exit_code), **_fields(result))
    else:
        _show(result, request)
    return int(result.exit_code)


def _connecting(options: dict[str, object]) -> dict[str, object]:
    return {name: options[name] for name in ("database", "env_file", "admin_database")}


def _places(folder: Path) -> list[str]:
    """Return the columns outside the application's tables that a copy has, as --include names them."""
    from migrator.backup.manifest import Manifest  # noqa: PLC0415
    from migrator.errors import MigratorError  # noqa: PLC0415

    try:
        manifest = Manifest.read(folder)
    except MigratorError:
        return []  # the command itself says what is wrong with it
    return [table.name for table in manifest.tables if table.name.count(".") == 2]  # noqa: PLR2004


class _Asker:
    """Shows what will be done, and asks."""

    def __init__(self, *, yes: bool, may_ask: bool, quiet: bool, folder: Path) -> None:
        self._yes, self._may_ask, self._quiet, self._folder = yes, may_ask and can_ask(), quiet, folder

    def __call__(self, found: Found) -> bool:
        if not self._quiet:
            for line in _first_screen(found, self._folder):
                stderr().print(line, soft_wrap=True)
        return self._yes or (self._may_ask and click.confirm("\nPut them back?", err=True))


def _first_screen(found: Found, folder: Path) -> Iterator[str]:
    yield from _where(found)
    manifest = found.manifest
    yield f"copy     {text.short(folder)}, made {manifest.made_at[:16].replace('T', ' ')} UTC of {manifest.database}"
    if found.elsewhere:
        yield from text.wrapped(
            "Note: the copy is of another database than this one (or it was made anew since). Only rows whose asset or "
            "face is in this one are put back."
        )
    yield ""
    for table in found.restoration.tables:
        saved = next(one for one in manifest.tables if one.name == table.name)
        yield f"  {table.name}: {saved.rows:,} rows into {table.into}"
        yield from (f"    {line}" for line in _hints(table))
    for note in found.restoration.notes:
        yield from text.wrapped(f"Note: {note}.")


def _hints(table: RestoredTable) -> Iterator[str]:
    if table.adds:
        yield f"adds {table.adds}; Immich builds its index at its next start"
    through = f", through {' and '.join(table.indexes)}" if table.indexes else ""
    yield f"about {text.duration(table.estimate_seconds)}{through}; writers wait meanwhile"


def _where(found: Found) -> Iterator[str]:
    host, port, database, user = found.address
    place = "local socket" if host.startswith("/") or not host else host
    version = f"PostgreSQL {found.catalog.server.version}"
    yield f"{database} @ {place}:{port} as {user}   {version}   {found.restoration.application}"


def _show(result: RestoreResult, request: RestoreRequest) -> None:
    blockers = result.found.restoration.blockers
    if blockers:
        say = stderr()
        for line in _where(result.found):
            say.print(line, soft_wrap=True)
        for blocker in blockers:
            say.print(f"  {blocker.what}", soft_wrap=True)
            for line in text.blocker_lines(blocker):
                say.print(line, soft_wrap=True)
        number = len(blockers)
        say.print(f"{number} blocker{'s' * (number != 1)}; nothing was changed.", soft_wrap=True)
    elif result.counts is None:
        stderr().print("Nothing was changed. To begin without being asked, add --yes.", soft_wrap=True)
    else:
        lines = _plan(result) if request.dry_run else _ending(result)
        for line in lines:
            stdout().print(line, soft_wrap=True)


def _counted(counts: Counts) -> str:
    parts = [f"{counts.inserted:,} inserted"]
    parts += [f"{counts.updated:,} filled or overwritten"] if counts.updated else []
    parts += [f"{counts.kept:,} kept as they are"] if counts.kept else []
    parts += [f"{counts.skipped:,} skipped, their asset or face is gone"] if counts.skipped else []
    return f"{counts.name}: {', '.join(parts)}"


def _ending(result: RestoreResult) -> Iterator[str]:
    counts = result.counts or ()
    back = sum(table.inserted + table.updated for table in counts)
    yield f"{back:,} embeddings are back, proven by hash, table by table."
    for table in counts:
        yield from text.labelled("table", _counted(table))
    yield from text.labelled("time", text.duration(sum(table.seconds for table in counts)))
    left = [table for table in counts if table.without]
    for table in left:
        restored = next(one for one in result.found.restoration.tables if one.name == table.name)
        yield from text.labelled(
            "left", f"{table.without:,} rows of {table.name} have no embedding, in the copy neither"
        )
        for n, fix in enumerate(restored.clean_up):
            yield from text.fix_lines(f"  {'do' if n == 0 else '':<{text.LABEL}}", fix)
    if left:
        yield "Until that is done Immich cannot rely on the column: run it, then start Immich."
    else:
        yield "Start Immich now, or go on with: migrate --from pgvecto.rs"


def _plan(result: RestoreResult) -> Iterator[str]:
    found = result.found
    yield from (f"-- {line}" for line in _where(found))
    yield "-- A dry run: nothing was written. COPY ... FROM STDIN gets the rows of the copy's file."
    if found.elsewhere:
        yield "-- Note: the copy is of another database than this one."
    yield from _statements(found.restoration.fence)
    for table, counts in zip(found.restoration.tables, result.counts or (), strict=True):
        yield ""
        yield f"-- {_counted(counts)}; into {table.into}, about {text.duration(table.estimate_seconds)}"
        yield from _statements(table.stage)
        yield f"{table.fill.as_string(None)};"
        yield f"-- must be as in the copy:\n{table.arrived.as_string(None)};"
        yield "BEGIN;"
        yield from _statements(table.begin)
        yield f"-- what must be there afterwards:\n{table.expected.as_string(None)};"
        yield from _statements((table.update, table.insert))
        yield f"-- must equal it:\n{table.found.as_string(None)};"
        yield from _statements(table.finish)
        yield "COMMIT;"
        yield from _statements((table.unstage,))
    yield ""
    yield "-- To do it: the same command without --dry-run."


def _statements(statements: Sequence[Statement]) -> Iterator[str]:
    for statement in statements:
        yield f"-- {statement.why}"
        yield f"{statement.sql.as_string(None)};"


def _fields(result: RestoreResult) -> dict[str, Json]:
    blockers = [
        {"what": b.what, "found": b.found, "wanted": b.wanted, "fix": b.fix} for b in result.found.restoration.blockers
    ]
    return {
        "elsewhere": result.found.elsewhere,
        "blockers": blockers,
        "tables": [cast("dict[str, Json]", asdict(table)) for table in result.counts or ()],
        **({"question": "--yes"} if result.counts is None and not blockers else {}),
    }
