"""A recording: what the genuine extensions answered, one step per line."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import cast

RECORDINGS = Path(__file__).parent / "recordings"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from one step. A field is None where the kind of step has no such answer.

    Attributes:
        rows: Values as Python's text of them, NULL as None; None for a statement without a result.
        notices: Severity, SQLSTATE and text of each.
        first_connection_refused_with: Set where the session was gone and had to be opened again first.
        log: FATAL, ERROR and WARNING lines of the server while it started.
    """

    ok: bool | None = None
    rows: list[list[str | None]] | None = None
    sqlstate: str | None = None
    severity: str | None = None
    message: str | None = None
    message_detail: str | None = None
    message_hint: str | None = None
    notices: list[list[str]] | None = None
    first_connection_refused_with: str | None = None
    started: bool | None = None
    log: list[str] | None = None
    still_running: list[str] | None = None
    needed_sigkill: bool | None = None
    files: list[str] | None = None
    stderr: list[str] | None = None
    lines: int | None = None


ANSWER_FIELDS = tuple(field.name for field in fields(Answer))


@dataclass(frozen=True, slots=True)
class Step:
    """One step: a statement (`sql`), or something done to the server (`do`)."""

    number: int
    sql: str | None
    do: str | None
    arg: str
    note: str | None
    expected: Answer

    @property
    def what(self) -> str:
        """Return the statement, or the action with its argument."""
        return self.sql if self.sql is not None else f"{self.do} {self.arg}".strip()


@dataclass(frozen=True, slots=True)
class Recording:
    """One scenario."""

    name: str
    postgres: str
    steps: tuple[Step, ...]


def load(path: Path) -> Recording:
    """Read a recording; an unknown key is an error, so that nothing goes unnoticed."""
    header, *lines = (cast("Mapping[str, object]", json.loads(line)) for line in path.read_text().splitlines() if line)
    steps = tuple(_step(number, line) for number, line in enumerate(lines, start=1))
    return Recording(f"{path.parent.name}/{path.stem}", str(header["postgres"]), steps)


def all_recordings() -> list[Path]:
    """Return the paths of all recordings, those with a long wait first."""
    paths = sorted(RECORDINGS.glob("*/*.jsonl"))
    return sorted(paths, key=lambda path: "worker" not in path.name)


def _step(number: int, line: Mapping[str, object]) -> Step:
    answer = {name: value for name, value in line.items() if name in ANSWER_FIELDS}
    unknown = set(line) - set(answer) - {"sql", "do", "arg", "note"}
    if unknown:
        raise ValueError(f"step {number} has keys that nobody compares: {sorted(unknown)}")
    return Step(
        number=number,
        sql=cast("str | None", line.get("sql")),
        do=cast("str | None", line.get("do")),
        arg=str(line.get("arg", "")),
        note=cast("str | None", line.get("note")),
        expected=Answer(**answer),  # type: ignore[arg-type]
    )
