"""`migrate status`: where a migration stands, from the journal and the server."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from migrator.cli.connecting import connection_options, connections_of
from migrator.cli.console import choose, stdout
from migrator.cli.render import text
from migrator.cli.run import content_for
from migrator.commands.status import Status, StepStatus, status
from migrator.journal import beside, journal_path
from migrator.undo_record import UndoRecord

JSON_SCHEMA = "1.0"


@click.command("status")
@connection_options
@click.option("--journal", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="The run's journal.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--no-color", is_flag=True, help="Plain text.")
def command(*, journal: Path | None, as_json: bool, no_color: bool, **where: object) -> int:
    """Show where a migration stands; works beside a running one, and without the server."""
    choose(json=as_json, color=not no_color)
    connections = connections_of(where)
    found = status(connections.conninfo, content_for, journal or _latest(journal_path(*connections.place)))
    if as_json:
        next_step = found.next_step.key if found.next_step else None
        record = {"type": "status", "schema": JSON_SCHEMA, "next_step": next_step, **asdict(found)}
        sys.stdout.write(json.dumps(record, default=str) + "\n")
    else:
        for line in _lines(found):
            stdout().print(line, soft_wrap=True)
    return 0


def _latest(usual: Path) -> Path:
    """Return the journal that was written last: the migration's, or that of an update."""
    written = {path: _written_at(path) for path in (usual, beside(usual)) if path.exists()}
    return max(written, key=lambda path: written[path], default=usual)


def _written_at(journal: Path) -> float:
    ahead = journal.with_name(f"{journal.name}-wal")
    return max(path.stat().st_mtime for path in (journal, ahead) if path.exists())


def _lines(found: Status) -> list[str]:
    place = text.short(found.journal)
    if found.journal_damaged:
        lines = [f"journal  {found.journal_damaged}"]
    elif found.run is None:
        lines = [f"journal  {place}: none yet, so no run has begun from here"]
    else:
        lines = [f"journal  {place}", f"run      begun {found.run.started_at}, {found.run.identity}"]
        if found.run.finished_at:
            lines.append(f"         finished {found.run.finished_at}")
    if found.copy is not None:
        lines += [f"copy     {text.kept_copy(found.copy)}"]
    if found.undo is not None:
        lines.append(f"undo     {_way_back(found.undo)}")
    if found.server_error:
        lines.append(f"server   could not be seen: {found.server_error}")
    elif found.same_database is False:
        lines.append("server   this is another database than the journal's; a run would be refused")
    if found.last is not None:
        statement = f"/{found.last.statement}" if found.last.statement else ""
        lines.append(f"last     {found.last.at}  {found.last.step}{statement} {found.last.event}")
    lines += ["", *(_step_line(step) for step in found.steps)]
    return [*lines, "", _last(found)]


def _step_line(step: StepStatus) -> str:
    shown = {True: "done", False: "to do", None: "unknown"}[step.done]
    journal = f"   journal: {step.journal} {step.at}" if step.journal else ""
    return f"  {step.number:>2}  {step.title:<44} {shown:<8}{journal}".rstrip()


def _way_back(undo: UndoRecord) -> str:
    how_far = f"as far as {undo.to}" if undo.to else "as a whole"
    if undo.under_way:
        return f"under way since {undo.began_at}, {how_far}"
    return f"taken back {how_far} on {undo.ended_at}"


def _last(found: Status) -> str:
    if not found.steps:
        return "Next: start the server, then run the same command again."
    if found.undo is not None and found.undo.under_way:
        waits = found.last is not None and found.last.event == "waiting"
        where = f" It waits in {found.last.step} since {found.last.at}." if found.last and waits else ""
        to = f" --to {found.undo.to}" if found.undo.to else ""
        return f"The run is being taken back.{where} Next: migrate undo{to}"
    last, step = max(step.number for step in found.steps), found.next_step
    if step is None:
        return "Every step is done."
    waiting = f"  waiting since {step.at}" if step.journal == "waiting" else ""
    source = found.run.source if found.run else "pgvecto.rs"
    again = "update" if source == "update" else f"--from {source}"
    return f"Step {step.number} of {last}  {step.key}{waiting}. Next: migrate {again}"
