"""Reads the pages as the tests need them: headings, tables, blocks of SQL."""

import re
import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from migrator.cli.render.text import ACTORS
from migrator.step import Statement, Step
from steps.advice.known_errors import KnownError

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_OTHER_TABLE = {"face_search": "smart_search", '"faceId"': '"assetId"', "face_index": "clip_index"}
_SQL_BLOCK = re.compile(r"^```sql\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_STEP_HEADING = re.compile(r"^### (`[^:]*`): (.*)$", re.MULTILINE)


def page(name: str) -> str:
    """Return the text of a page."""
    return (DOCS / name).read_text(encoding="utf-8")


def rows(text: str) -> Iterator[list[str]]:
    """Return the cells of every table row, headings and rulers included."""
    for line in text.splitlines():
        if line.startswith("|"):
            yield [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def section(text: str, heading: str) -> str:
    """Return what stands between a heading of the second level and the next one."""
    return text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def sections_of_steps(text: str) -> dict[tuple[str, ...], tuple[str, str]]:
    """Return title and text of each section about steps, by the keys in its heading."""
    parts = _STEP_HEADING.split(text)[1:]
    return {
        tuple(re.findall(r"`([^`]+)`", keys)): (title, re.split(r"^##", body, maxsplit=1, flags=re.MULTILINE)[0])
        for keys, title, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    }


def sql_in(text: str) -> list[str]:
    """Return the statements in the blocks of SQL, in order, on one line each and without comments."""
    script = "\n".join(_SQL_BLOCK.findall(text))
    code = re.sub(r"^--.*$", "", script, flags=re.MULTILINE)
    return [" ".join(part.split()) for part in re.split(r";$", code, flags=re.MULTILINE) if part.strip()]


def sql_of(statements: Sequence[Statement]) -> list[str]:
    """Return the statements of a plan as the page shows them: transactions marked, and one table standing for both."""
    shown: list[str] = []
    seen: set[str] = set()
    for alone, group in groupby(statements, key=lambda statement: statement.alone):
        lines: list[str] = []
        for statement in group:
            key = of_first_table(statement.key)
            if key not in seen:
                seen.add(key)
                lines.append(of_first_table(" ".join(statement.sql.as_string(None).split())))
        shown += lines if alone else ["BEGIN", *lines, "COMMIT"]
    return shown


def script_of(statements: Sequence[Statement]) -> str:
    """Return a plan as a block of SQL for a page: what `sql_of` says, folded, with what each statement is for."""
    lines: list[str] = []
    seen: set[str] = set()
    for alone, group in groupby(statements, key=lambda statement: statement.alone):
        lines += [] if alone else ["BEGIN;"]
        for statement in group:
            key, sql = of_first_table(statement.key), of_first_table(statement.sql.as_string(None)) + ";"
            if key not in seen:
                seen.add(key)
                lines += [f"-- {key}: {statement.why}", *([sql] if "\n" in sql else _folded(sql))]
        lines += [] if alone else ["COMMIT;"]
    return "\n".join(["```sql", *lines, "```"])


def _folded(sql: str) -> list[str]:
    return textwrap.wrap(sql, 112, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def row_of_step(step: Step) -> list[str]:
    """Return the cells that a page has for a step in the list of its path."""
    return [str(step.documentation.number), f"`{step.key}`", step.title, ACTORS[step.actor]]


def row_of_error(known: KnownError) -> list[str]:
    """Return the cells that the page of errors has for one that is recognised."""
    said = f"`{known.text}` ({known.sqlstate})" if known.text else f"any ({known.sqlstate})"
    return [said, known.cause, "; ".join(known.fix)]


def of_first_table(text: str) -> str:
    """Return a text about the second table as it reads for the first."""
    for other, first in _OTHER_TABLE.items():
        text = text.replace(other, first)
    return text
