"""Somebody decides between the two ways out where pgvecto.rs's library cannot be used: put it back, or do without it.

Precondition: none. Effect: none. Done when the library does its part again, when `--path rescue` was given, or when a
person at the terminal said yes: `--yes` does not cover it. Nothing to undo, no lock, no time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from migrator.catalog import Catalog
from migrator.step import Blocker, Facts, Step
from steps.shared import old_library
from steps.shared.options import Options


class ChooseRescue(Step):
    """Wait until somebody has chosen."""

    key = "choose-rescue"
    title = "the library put back, or rescue without it"
    question = (
        "Take the embeddings out without pgvecto.rs's library? Putting it back is the milder way: "
        "then the documented path goes on, and every step of it can be taken back."
    )
    only_a_person_answers: ClassVar[bool] = True

    def __init__(self, options: Options) -> None:
        self._options = options

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when the rescue was asked for, or is not needed (any more)."""
        chosen = self._options.path == "rescue" or facts.get(f"answer.{self.key}") is True
        return chosen or old_library.trouble(catalog) is None

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. What is wrong with the library, and both ways out."""
        return old_library.blockers(catalog, self._options)
