"""The page about updates says what the program does."""

from __future__ import annotations

from pathlib import Path

import pytest

from steps.paths import update
from steps.shared.options import Options
from steps.shared.vchord_formats import FORMATS, format_of, is_newer

PAGE = (Path(__file__).parents[2] / "docs/updating.md").read_text(encoding="utf-8")
ACTORS = {"tool": "tool", "operator": "you"}


def rows_of(first: str) -> list[list[str]]:
    """Return the cells of the table whose first heading this is, without the headings."""
    table = PAGE[PAGE.index(f"| {first} |") :].split("\n\n", 1)[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_the_page_lists_the_states_of_an_update() -> None:
    """Number, key, title and who does it, in order."""
    assert rows_of("step") == [
        [str(step.documentation.number), f"`{step.key}`", step.title, ACTORS[step.actor]] for step in update(Options())
    ]


def test_the_page_lists_the_formats() -> None:
    """The numbers on the page are those of the one table that the program has."""
    listed = [(release.split(".")[:2], *numbers) for release, *numbers in rows_of("VectorChord")]
    assert listed == [
        ([str(major), str(minor)], str(numbers["vchordrq"]), str(numbers.get("vchordg", "")))
        for (major, minor), numbers in FORMATS.items()
    ]


@pytest.mark.parametrize(
    ("version", "number"),
    [("0.3.0", 5), ("0.4.0", 9), ("0.4.3", 9), ("0.5.3", 11), ("1.0.0", 1000), ("1.1.1", 1001), ("1.2.0", None),
     ("0.10.0", None), ("nightly", None), (None, None)],
)  # fmt: skip
def test_a_release_has_the_format_of_its_series(version: str | None, number: int | None) -> None:
    """A release that nobody has looked at has no number, rather than that of a neighbour."""
    assert format_of(version) == number


def test_versions_are_compared_as_versions() -> None:
    """0.10 comes after 0.9; what is no version is newer than nothing."""
    assert is_newer("0.10.0", "0.9.1")
    assert not is_newer("0.9.1", "0.10.0")
    assert not is_newer("1.1.1", "1.1.1")
    assert not is_newer("nightly", "0.3.0")
