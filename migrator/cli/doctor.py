"""`migrate doctor`: everything that stands in the way, before anything is touched."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from migrator.cli.choices import choice_options
from migrator.cli.connecting import connection_options, connections_of
from migrator.cli.console import choose, stdout
from migrator.cli.render import text
from migrator.cli.run import content_of
from migrator.commands.doctor import Diagnoses, doctor
from migrator.journal import journal_path

JSON_SCHEMA = "1.0"
MARKS = {"ok": "[ok]", "note": "[--]", "unknown": "[--]", "waiting": "[..]", "blocked": "[!!]"}
INDENT = 20


@click.command("doctor")
@click.option("--from", "source", type=click.Choice(["pgvecto.rs", "pgvector"]), default="pgvecto.rs")
@click.option("--path", type=click.Choice(["automatic", "manual", "rescue"]), help="Otherwise chosen by the catalogs.")
@connection_options
@choice_options
@click.option("--journal", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="The run's journal.")
@click.option("--deep", is_flag=True, help="Also count rows: reads both tables.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--no-color", is_flag=True, help="Plain text.")
def command(**options: object) -> int:
    """Name everything that stands in the way of a migration; changes nothing.

    Exit codes: 0 nothing does, 3 somebody has to act, 4 something has to be mended first.
    """
    choose(json=bool(options["as_json"]), color=not options["no_color"])
    connections = connections_of(options)
    journal = options["journal"]
    found = doctor(
        connections.conninfo,
        content_of(options),
        journal if isinstance(journal, Path) else journal_path(*connections.place),
        deep=bool(options["deep"]),
        application=connections.application,
    )
    if options["as_json"]:
        sys.stdout.write(json.dumps(_as_json(found), default=str) + "\n")
    else:
        for line in _lines(found, str(options["source"])):
            stdout().print(line, soft_wrap=True)
    return int(found.exit_code)


def _lines(found: Diagnoses, source: str) -> Iterator[str]:
    host, port, database, user = found.address
    place = "local socket" if host.startswith("/") or not host else host
    rights = "superuser" if found.catalog.role.superuser else "no superuser"
    yield f"{database} @ {place}:{port} as {user} ({rights})   {found.application}"
    yield from text.wrapped(f"Path: {found.path.name}, because {found.path.why}.")
    yield ""
    for finding in found.findings:
        first = f"{MARKS[finding.status]} {finding.group:<{INDENT - 6}} "
        yield from text.wrapped(finding.text, " " * INDENT, first)
        if finding.blocker is not None:
            yield from text.wrapped(f"wanted: {finding.blocker.wanted}", " " * INDENT)
            for n, fix in enumerate(finding.blocker.fix):
                yield from text.fix_lines(f"{'':<{INDENT}}{'fix: ' if n == 0 else '     '}", fix)
    yield ""
    yield _last(found, source)


def _last(found: Diagnoses, source: str) -> str:
    blocked = sum(1 for finding in found.findings if finding.status == "blocked")
    waiting = sum(1 for finding in found.findings if finding.status == "waiting")
    rescue = found.path.key == "rescue"
    dry = f"migrate --from {source}{' --path rescue' if rescue else ''} --dry-run"
    if blocked and rescue:
        way = "Mend what is marked [!!], or do without the library"
        return f"{blocked} blocker{'s' * (blocked != 1)}. {way}.\nNext: {dry}"
    if blocked:
        return f"{blocked} blocker{'s' * (blocked != 1)}. Mend what is marked [!!], then: migrate doctor"
    if waiting:
        return f"No blocker; {waiting} task{'s' * (waiting != 1)} for you, marked [..]. Next: {dry}"
    return f"Nothing stands in the way. Next: {dry}"


def _as_json(found: Diagnoses) -> dict[str, object]:
    host, port, database, user = found.address
    return {
        "type": "doctor",
        "schema": JSON_SCHEMA,
        "server": {"host": host, "port": port, "database": database, "role": user},
        "path": {"key": found.path.key, "name": found.path.name, "why": found.path.why},
        "findings": [asdict(finding) for finding in found.findings],
        "blockers": sum(1 for finding in found.findings if finding.status == "blocked"),
        "waiting": sum(1 for finding in found.findings if finding.status == "waiting"),
        "exit_code": int(found.exit_code),
    }
