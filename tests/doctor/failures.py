"""Reads the page of failures: what each is called, what the doctor says to it, and what helps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "failures.md"
ROW = re.compile(r"^\| ([A-Z]\d+[a-z]?) \|(.*)\|$", re.MULTILINE)
STATUSES = ("blocked", "waiting", "note")


@dataclass(frozen=True, slots=True)
class Failure:
    """One row: `status` is the doctor's, `says` and `remedy` are what it prints, with … for what differs."""

    id: str
    error: str
    cause: str
    status: str
    says: str
    remedy: str

    def is_said_by(self, text: str) -> bool:
        """Tell whether a finding, or a screen, contains the sentence."""
        return _occurs(self.says, text)

    def is_mended_by(self, text: str) -> bool:
        """Tell whether the lines of a remedy contain what the page says."""
        return _occurs(self.remedy, text)


def _occurs(phrase: str, text: str) -> bool:
    parts = [re.escape(" ".join(part.split())) for part in phrase.strip("`").split("…")]
    return re.search(".*".join(parts), " ".join(text.split())) is not None


def rows(heading: str) -> dict[str, list[str]]:
    """Return the cells of the rows below a heading, by id."""
    part = PAGE.read_text(encoding="utf-8").split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return {
        found[1]: [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", found[2])]
        for found in ROW.finditer(part)
    }


@cache
def shown() -> dict[str, Failure]:
    """Return the failures that the doctor recognises, by id."""
    return {name: Failure(name, *cells) for name, cells in rows("What the doctor recognises").items()}


@cache
def not_shown() -> dict[str, list[str]]:
    """Return the cells of the failures that no catalog shows, by id."""
    return rows("What no catalog shows")
