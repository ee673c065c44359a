"""The figures of a crash run: how often which fault struck on which route, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields

PROPERTY = "crash"


@dataclass(frozen=True, slots=True)
class Figures:
    """What a test has tried.

    Attributes:
        injected: How often the fault struck.
        points: At how many different points of the program.
        survived: After how many of these blows the same end was reached, with every embedding.
        felt: How many ended the start that they struck.
    """

    route: str
    fault: str
    injected: int
    points: int
    survived: int
    felt: int

    def as_property(self) -> tuple[str, Mapping[str, str | int]]:
        """Return it as pytest passes it on."""
        return PROPERTY, asdict(self)


def table(properties: Iterable[Mapping[str, str | int]]) -> Iterator[str]:
    """Yield the lines of a table: per route and fault, then everything."""
    found = [Figures(**{f.name: row[f.name] for f in fields(Figures)}) for row in properties]  # type: ignore[arg-type]
    if not found:
        return
    yield f"{'':34} {'injected':>9} {'points':>7} {'survived':>9} {'felt':>6}"
    for attribute in ("route", "fault"):
        for name in dict.fromkeys(str(getattr(row, attribute)) for row in sorted(found, key=lambda row: row.route)):
            yield _line(name, [row for row in found if getattr(row, attribute) == name])
        yield ""
    yield _line("all", found)
    injected, survived = (sum(getattr(row, name) for row in found) for name in ("injected", "survived"))
    lost = "0" if injected == survived else "see the failures"
    yield f"{injected} injected, {survived} survived, embeddings lost: {lost}"


def _line(name: str, rows: Sequence[Figures]) -> str:
    injected, points, survived, felt = (
        sum(getattr(row, name) for row in rows) for name in ("injected", "points", "survived", "felt")
    )
    return f"{name:34} {injected:9} {points:7} {survived:9} {felt:6}"
