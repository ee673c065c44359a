"""A person who agrees to everything, for a run within the test's own process."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.commands.asking import Situation
from migrator.commands.copy_first import CopyOffer
from migrator.engine import Outcome


class Willing:
    """Somebody who agrees to everything and waits for nothing."""

    def start(self, situation: Situation) -> bool:
        """Begin."""
        return bool(situation.pending)

    def copy(self, offered: CopyOffer) -> bool:
        """No copy is wanted."""
        return False

    def confirm(self, sentence: str, database: str) -> bool:
        """Go past the point of no return."""
        return bool(sentence and database)

    def answer(self, question: str, *, in_person: bool) -> bool:
        """Say yes."""
        return bool(question) and not in_person

    def end_sessions(self, holders: Sequence[str]) -> bool:
        """End nobody."""
        return not holders

    def wait(self, outcome: Outcome, seconds: float) -> bool:
        """Do not wait."""
        return outcome.kind == "done" and seconds < 0
