"""Errors that people search for are recognised, and nothing else is taken for one."""

import psycopg
import pytest
from handmade import snapshot

from steps.advice.known_errors import TABLE, KnownError, diagnose


def error(sqlstate: str, text: str) -> psycopg.Error:
    """Return an error as the driver raises it."""
    return psycopg.errors.lookup(sqlstate)(text)


@pytest.mark.parametrize("known", TABLE, ids=lambda known: known.text or known.sqlstate)
def test_each_row_is_recognised_by_itself(known: KnownError) -> None:
    """No row hides another; what is told has a cause, something wanted and a remedy."""
    found = diagnose(error(known.sqlstate, f"before {known.text} after\nHINT: x"), snapshot())
    assert found is not None
    assert found.cause == known.cause
    assert found.blocker.found == f"before {known.text} after"
    assert found.blocker.wanted == known.wanted
    assert (found.blocker.kind, found.blocker.who) == (known.kind, known.who)
    assert found.blocker.fix


@pytest.mark.parametrize("known", [row for row in TABLE if row.text], ids=lambda known: known.text)
def test_the_text_alone_is_not_enough(known: KnownError) -> None:
    """The same words under another SQLSTATE are another error."""
    assert diagnose(error("P0001", known.text), snapshot()) is None


def test_an_unknown_error_is_not_explained() -> None:
    """Better no explanation than a wrong one."""
    assert diagnose(error("XX000", "pgvecto.rs: something new"), snapshot()) is None
    assert diagnose(error("42P01", 'relation "x" does not exist'), snapshot()) is None


@pytest.mark.parametrize("text", ["IPC connection is closed unexpected.", "IPC connection is closed unexpectedly."])
def test_a_worker_that_is_gone(text: str) -> None:
    """In the words of 0.2 and of 0.3: an operator's task, which is a restart and not a reload."""
    found = diagnose(error("XX000", f"pgvecto.rs: {text}"), snapshot())
    assert found is not None
    assert found.blocker.kind == "operator"
    assert found.blocker.fix[0] == "restart PostgreSQL (a reload is not enough, and makes it worse)"
    assert f'("pgvecto.rs: {text}")' in found.blocker.found
