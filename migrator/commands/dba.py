"""What our role may not do, as one SQL script for a DBA: psql-ready, explained statement by statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from psycopg.sql import SQL, Literal

from migrator.catalog import Catalog
from migrator.commands.script import STOP_ON_ERROR, statements_as_script
from migrator.errors import Usage
from migrator.privileges import holds
from migrator.step import Facts, Statement, Step


def write_dba_script(file: Path, steps: Sequence[Step], first: Step, catalog: Catalog, facts: Facts) -> bool:
    """Write what a DBA has to do from step `first` on, up to the next step that is not a DBA's; False if nothing is.

    Raises:
        Usage: the file cannot be written.
    """
    tasks = list(_tasks(steps, first, catalog, facts))
    if not tasks:
        return False
    try:
        file.write_text("\n".join(_script(tasks, catalog)) + "\n", encoding="utf-8")
    except OSError as error:
        raise Usage(
            f'the script for the DBA cannot be written to "{file}" ({error.strerror}); nothing was changed',
            hint="give it another place: --dba-script FILE",
        ) from error
    return True


def _tasks(
    steps: Sequence[Step], first: Step, catalog: Catalog, facts: Facts
) -> Iterator[tuple[Step, Sequence[Statement]]]:
    for step in steps[steps.index(first) :]:
        if step.is_done(catalog, facts):
            continue
        statements = step.plan(catalog, facts)
        if not statements or all(holds(catalog, statement.privilege) for statement in statements):
            return
        yield step, statements


def _script(tasks: Sequence[tuple[Step, Sequence[Statement]]], catalog: Catalog) -> Iterator[str]:
    database = catalog.database.name
    yield f'-- For a DBA: what role "{catalog.role.name}" may not do itself, in database "{database}".'
    yield "-- Run it with: psql -d DATABASE -f THIS_FILE   as a role with the rights named below."
    yield "-- The migration notices by itself that it was done; run twice it stops at what is done already."
    yield STOP_ON_ERROR
    right = SQL("SELECT current_database() = {} AS right_database").format(Literal(database)).as_string(None)
    yield rf"{right} \gset"
    yield r"\if :right_database"
    yield r"\else"
    yield rf"  \echo 'This script is for database {database}: nothing was done.'"
    yield r"  \quit"
    yield r"\endif"
    yield "SET search_path = pg_catalog, pg_temp;"
    for step, statements in tasks:
        yield ""
        yield f"-- Step {step.documentation.number}: {step.title}"
        yield from statements_as_script(step.key, statements)
    yield ""
    again = "migrate undo" if tasks[0][0].takes_back else "migrate"
    yield rf"\echo 'Done. The migration goes on with: {again}'"
