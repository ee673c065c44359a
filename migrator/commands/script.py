"""Statements as a psql script: the dry run and the script for a DBA are written from the same objects as a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from migrator.step import Statement

STOP_ON_ERROR = r"\set ON_ERROR_STOP on"


def statements_as_script(step: str, statements: Sequence[Statement]) -> Iterator[str]:
    """Write statements with what each is for, those that share a transaction between BEGIN and COMMIT."""
    for alone, group in groupby(statements, key=lambda statement: statement.alone):
        if not alone:
            yield "BEGIN;"
        for statement in group:
            lock = f"; lock: {statement.lock}" if statement.lock else ""
            yield f"-- {step}/{statement.key}: {statement.why} (needs: {statement.privilege}{lock})"
            if statement.must_equal:
                yield "-- compare this row with the recorded one by eye; if they differ: ROLLBACK"
            if statement.judge:
                yield "-- look at this row by eye; if it counts anything that would not survive: ROLLBACK"
            yield f"{statement.sql.as_string(None)};"
        if not alone:
            yield "COMMIT;"
