"""`migrate prepare`: a fresh database as Immich wants it, as plan, run and psql script."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import cast

import click

from migrator.cli.choices import next_release
from migrator.cli.connecting import connection_options, connections_of, immich_settings_of
from migrator.cli.console import can_ask, choose, stderr, stdout
from migrator.cli.render import text
from migrator.commands.prepare import Prepared, Result, look, prepare
from migrator.connection import DATABASE
from migrator.content import Overview, Part
from migrator.errors import ExitCode
from steps.content.prepare import ImmichDatabase

JSON_SCHEMA = "1.0"


@click.command("prepare")
@connection_options
@click.option("--name", help="The database to prepare; otherwise as Immich's settings name it, or immich.")
@click.option("--owner", metavar="ROLE",
              help="The role that Immich connects as; it must exist. Otherwise as its settings name it.")  # fmt: skip
@click.option("--target-immich", metavar="VERSION", callback=next_release,
              help="The Immich release that will use it.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Print a psql script of what is missing; the server refuses every write.")
@click.option("--detailed-exitcode", is_flag=True, help="With --dry-run: 0 nothing to do, 100 work pending.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--no-input", is_flag=True, help="Never ask.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--no-color", is_flag=True, help="Plain text.")
def command(**options: object) -> int:
    """Make a fresh database as Immich wants it, so that Immich needs no superuser.

    The database and its owner, extensions vchord and earthdistance with what they need, and their settings. What is
    there already is recognised: running it again does nothing.
    """
    choose(json=bool(options["as_json"]), color=not options["no_color"])
    name, owner = _names(options)
    target = ImmichDatabase(name, owner, cast("str | None", options["target_immich"]))
    conninfo = connections_of(options).conninfo
    if options["dry_run"]:
        return _show(look(conninfo, target), options)
    result = prepare(conninfo, target, lambda found: _ask(found, options))
    if options["as_json"]:
        _print_json(result.prepared, result.exit_code)
    else:
        _say_how_it_ended(result)
    return int(result.exit_code)


def _names(options: Mapping[str, object]) -> tuple[str, str]:
    """Return the database and the role: as they were given, else as Immich's own settings say."""
    settings = immich_settings_of(options)
    database, role = settings.names() if settings else (None, None)
    if options["admin_database"] is not None and options["database"] is not None:
        # then that one is Immich's own connection
        from migrator.connection.url import parse  # noqa: PLC0415 - only here

        parameters = parse(str(options["database"]), "--database").parameters
        database, role = parameters.get("dbname", database), parameters.get("user", role)
    owner = cast("str | None", options["owner"]) or role
    if owner is None:
        raise click.UsageError("nothing says which role Immich connects as; name it: --owner ROLE, or --env-file .env")
    return cast("str | None", options["name"]) or database or DATABASE, owner


def _show(found: Prepared, options: dict[str, object]) -> int:
    pending = bool(found.pending) and bool(options["detailed_exitcode"])
    code = ExitCode.WORK_PENDING if pending else ExitCode.DONE
    if options["as_json"]:
        _print_json(found, code)
    else:
        sys.stdout.write("\n".join(_script(found)) + "\n")
    return int(code)


def _ask(found: Prepared, options: dict[str, object]) -> bool:
    if not options["as_json"]:
        for line in _screen(found):
            stderr().print(line, soft_wrap=True)
    if options["yes"]:
        return True
    return not options["no_input"] and not options["as_json"] and can_ask() and click.confirm("\nStart?", err=True)


def _header(found: Prepared) -> list[str]:
    nothing = Overview("", (), (), ())
    return [line.rstrip() for line in text.header(found.address, found.catalog, nothing)]


def _screen(found: Prepared) -> Iterator[str]:
    yield from _header(found)
    yield ""
    for number, part in enumerate(found.parts, start=1):
        yield f"  {number:>2}  {part.title:<52} {'done' if part.done else 'to do'}"


def _say_how_it_ended(result: Result) -> None:
    found, say = result.prepared, stderr()
    if result.declined:
        say.print("Nothing was changed. To begin without being asked, add --yes.", soft_wrap=True)
        return
    if not found.blockers:
        stdout().print(f'Done. Database "{found.name}" is ready for Immich, which needs no superuser in it.')
        return
    for line in (*_screen(found), ""):
        say.print(line, soft_wrap=True)
    for blocker in found.blockers:
        say.print(blocker.what, soft_wrap=True)
        for line in text.blocker_lines(blocker):
            say.print(line, soft_wrap=True)
    say.print("Nothing was changed. When that is done, run the same command again.", soft_wrap=True)


def _script(found: Prepared) -> Iterator[str]:
    yield from (f"-- {line}" for line in _header(found))
    yield "-- A dry run: nothing was written. For psql, as a superuser, connected to any database of this server."
    yield r"\set ON_ERROR_STOP on"
    for blocker in found.blockers:
        yield f"-- In the way: {blocker.what}"
        yield from (f"-- {line}".rstrip() for line in text.blocker_lines(blocker))
    yield from _part_lines([part for part in found.parts if not part.inside])
    yield from _inside(found, [part for part in found.parts if part.inside])
    left = len(found.pending)
    yield ""
    yield f"-- {left} of {len(found.parts)} parts are left to do. To do them: the same command without --dry-run."


def _inside(found: Prepared, parts: list[Part]) -> Iterator[str]:
    if all(part.done for part in parts):
        yield from _part_lines(parts)
        return
    quoted = found.name.replace('"', '""')
    yield ""
    yield f'\\connect "{quoted}"'
    yield from (f"{statement};" for statement in found.session)
    yield "BEGIN;"
    yield from _part_lines(parts)
    yield "COMMIT;"


def _part_lines(parts: list[Part]) -> Iterator[str]:
    for part in parts:
        yield f"-- {part.title}: {'done' if part.done else 'to do'}"
        for statement in part.statements:
            yield f"--   {statement.why} (needs: {statement.privilege})"
            yield f"{statement.sql.as_string(None)};"


def _print_json(found: Prepared, code: ExitCode) -> None:
    record = {
        "type": "prepare",
        "schema": JSON_SCHEMA,
        "database": found.name,
        "pending": len(found.pending),
        "exit_code": int(code),
        "parts": [
            {
                "title": part.title,
                "done": part.done,
                "statements": [
                    {
                        "statement": s.key,
                        "sql": s.sql.as_string(None),
                        "why": s.why,
                        "needs": str(s.privilege),
                        "database": found.name if part.inside else None,
                    }
                    for s in part.statements
                ],
            }
            for part in found.parts
        ],
        "blockers": [
            {"what": b.what, "found": b.found, "wanted": b.wanted, "fix": list(b.fix), "kind": b.kind, "who": b.who}
            for b in found.blockers
        ],
    }
    sys.stdout.write(json.dumps(record) + "\n")
