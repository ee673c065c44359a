"""docs/failures.md, the tests of the doctor and the errors that the tool knows name the same failures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from failures import PAGE, ROW, STATUSES, Failure, not_shown, shown

from steps.advice.known_errors import TABLE
from steps.shared.worker import GONE

TESTS = Path(__file__).parent
NAME = re.compile(r"^def test((?:_[a-i]\d[a-z]?(?=_))+)_", re.MULTILINE)


def with_a_test() -> set[str]:
    """Return the ids in the names of the tests."""
    text = "".join(path.read_text(encoding="utf-8") for path in TESTS.glob("test_failures_*.py"))
    return {part[0].upper() + part[1:] for found in NAME.finditer(text) for part in found[1].strip("_").split("_")}


def test_every_failure_that_the_doctor_recognises_was_produced() -> None:
    """The first table has exactly the failures that a test makes on a real server; the second has none of them."""
    assert set(shown()) == with_a_test()
    assert not set(shown()) & set(not_shown())


def test_no_row_is_lost() -> None:
    """Each row of the page belongs to one of its two tables, and each id stands there once."""
    ids = [found[1] for found in ROW.finditer(PAGE.read_text(encoding="utf-8"))]
    assert sorted(ids) == sorted([*shown(), *not_shown()])


@pytest.mark.parametrize("failure", shown().values(), ids=lambda failure: failure.id)
def test_a_row_is_complete(failure: Failure) -> None:
    """Words to search for, a cause, a status that the doctor has, its sentence and something to do."""
    assert failure.status in STATUSES
    assert failure.says.startswith("`")
    assert all((failure.error, failure.cause, failure.remedy))
    if failure.status != "note":
        assert failure.remedy.startswith("`"), "what the doctor prints"


def test_every_known_error_can_be_looked_up() -> None:
    """An error that the tool explains in the middle of a step stands on the page too, by its words or by its cause."""
    page = PAGE.read_text(encoding="utf-8")
    # a full disk has many texts, and 22000 is told by the doctor as a dimension
    for known in TABLE:
        assert known.text.strip("$") in page or known.sqlstate == "53100", known.text
    assert GONE in page
