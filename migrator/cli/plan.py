"""`migrate --from pgvecto.rs --dry-run`: the SQL that would run, as a script that psql takes, or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from migrator.cli.console import wants_json
from migrator.cli.render import text
from migrator.commands.plan import Plan, PlannedStep, plan
from migrator.commands.script import STOP_ON_ERROR, statements_as_script
from migrator.connection import Connections
from migrator.content import Content, Space
from migrator.errors import ExitCode
from migrator.step import Statement

JSON_SCHEMA = "1.0"


def show_plan(connections: Connections, content: Content, journal: Path, options: Mapping[str, object]) -> int:
    """Print the plan; return 0, or with --detailed-exitcode 100 while work is pending."""
    copies = not options.get("no_backup", True)
    planned = plan(connections.conninfo, content, journal, connections.application, copies=copies)
    if wants_json():
        sys.stdout.write(json.dumps(as_json(planned), indent=2, default=str) + "\n")
    else:
        sys.stdout.write("\n".join(as_script(planned)) + "\n")
    pending = bool(planned.pending) and bool(options["detailed_exitcode"])
    return int(ExitCode.WORK_PENDING if pending else ExitCode.DONE)


def as_script(planned: Plan) -> Iterator[str]:
    """Write the plan as a psql script: comments for the person, statements for the server."""
    for line in text.header(planned.address, planned.catalog, planned.overview):
        yield f"-- {line}"
    yield from (f"-- {line}" for line in text.wrapped(f"Path: {planned.path.name}, because {planned.path.why}."))
    yield from (f"-- {line[0].upper()}{line[1:]}" for line in text.space(planned.overview))
    yield from (f"-- Note: {warning}." for warning in planned.overview.warnings)
    if planned.copy_bytes is not None:
        size = text.size(planned.copy_bytes)
        yield f"-- Before its first change a run copies the embeddings into files, about {size} (or --no-backup)."
    yield "-- A dry run: nothing was written. What will be found later may change what is done."
    yield STOP_ON_ERROR
    yield from (f"{statement};" for statement in planned.session)
    for step in planned.steps:
        yield from _step(step)
    left = len(planned.pending)
    yield ""
    yield f"-- {left} of {len(planned.steps)} states are left to do; {sum(1 for _ in _all(planned))} statements."
    yield "-- To do it: the same command without --dry-run."


def _step(step: PlannedStep) -> Iterator[str]:
    yield ""
    state = "done" if step.done else f"by: {text.ACTORS[step.actor]}"
    yield f"-- Step {step.number}  {step.title}  [{step.key}]  {state}"
    if step.done:
        return
    if step.estimate_seconds is not None:
        yield f"--   takes     about {text.duration(step.estimate_seconds)}"
    yield f"--   way back  {step.way_back}"
    for blocker in step.blockers:
        yield from (f"-- {line}".rstrip() for line in text.blocker_lines(blocker))
    yield from statements_as_script(step.key, step.statements)


def _all(planned: Plan) -> Iterator[Statement]:
    for step in planned.steps:
        yield from step.statements


def as_json(planned: Plan) -> dict[str, object]:
    """Write the plan as one object; field names as in the journal."""
    host, port, database, user = planned.address
    return {
        "type": "plan",
        "schema": JSON_SCHEMA,
        "server": {"host": host, "port": port, "database": database, "role": user},
        "path": {"key": planned.path.key, "name": planned.path.name, "why": planned.path.why},
        "notes": list(planned.overview.warnings),
        "session": list(planned.session),
        "space": _space_as_json(planned.overview.space),
        "copy_bytes": planned.copy_bytes,
        "pending": len(planned.pending),
        "steps": [_step_as_json(step) for step in planned.steps],
    }


def _space_as_json(space: Space | None) -> dict[str, object] | None:
    if space is None:
        return None
    return {
        "copy_bytes": space.copy_bytes,
        "wal_bytes": space.wal_bytes,
        "index_bytes": space.index_bytes,
        "total_bytes": space.total_bytes,
        "total": text.size(space.total_bytes),
        "free_bytes": space.free_bytes,
    }


def _step_as_json(step: PlannedStep) -> dict[str, object]:
    return {
        "step": step.key,
        "number": step.number,
        "title": step.title,
        "page": step.documentation.page,
        "section": step.documentation.section,
        "added": step.documentation.added,
        "actor": step.actor,
        "done": step.done,
        "estimate_seconds": step.estimate_seconds,
        "way_back": step.way_back,
        "blockers": [
            {"what": b.what, "found": b.found, "wanted": b.wanted, "fix": list(b.fix), "kind": b.kind, "who": b.who}
            for b in step.blockers
        ],
        "statements": [
            {
                "statement": s.key,
                "sql": s.sql.as_string(None),
                "why": s.why,
                "needs": str(s.privilege),
                "lock": s.lock,
                "in_transaction": not s.alone,
            }
            for s in step.statements
        ],
    }
