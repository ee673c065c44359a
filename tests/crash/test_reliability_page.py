"""The page about reliability names what is tried, and nothing else."""

import re
from pathlib import Path

from commands import EVERYTHING
from faults import FAULTS

PAGE = (Path(__file__).parents[2] / "docs/reliability.md").read_text(encoding="utf-8")


def first_cells(heading: str) -> list[str]:
    """Return the first cell of each row of a table."""
    table = re.search(rf"^\| {heading} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert table is not None, f"no table of a {heading}"
    return [line.split("|")[1].strip() for line in table[1].splitlines()]


def test_every_route_and_every_fault_is_on_the_page() -> None:
    """Whoever adds one writes it down, in the same words and in the same order."""
    assert first_cells("fault") == [fault.name for fault in FAULTS]
    assert first_cells("route") == [route.name for route in EVERYTHING]
