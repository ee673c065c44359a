"""What the journal knows of the way back: whether a run is being taken back, how far, and whether it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from migrator.step import Fact, Facts, Json

if TYPE_CHECKING:
    from migrator.journal import RunRecord

NAME = "undo"
"""The fact that carries it; its value is null as soon as a run goes forward again."""


@dataclass(frozen=True, slots=True)
class UndoRecord:
    """One way back; `to` is the last step that is taken back, None for the whole run; times are UTC in ISO 8601."""

    began_at: str
    to: str | None = None
    ended_at: str | None = None
    whole: bool = False

    @property
    def under_way(self) -> bool:
        """Tell whether it was begun and not ended."""
        return self.ended_at is None

    @property
    def of_everything(self) -> bool:
        """Tell whether nothing of the run is left: what was recorded of it no longer counts."""
        return self.whole and not self.under_way

    @classmethod
    def of(cls, facts: Facts) -> Self | None:
        """Return what the newest fact says; None where no run is, or was, taken back."""
        return cls.read(facts.get(NAME))

    @classmethod
    def read(cls, value: Json) -> Self | None:
        """Return the record that a fact's value is."""
        if not isinstance(value, Mapping):
            return None
        to, ended_at = value.get("to"), value.get("ended_at")
        return cls(
            began_at=str(value.get("began_at")),
            to=None if to is None else str(to),
            ended_at=None if ended_at is None else str(ended_at),
            whole=value.get("whole") is True,
        )

    def as_fact(self) -> Fact:
        """Return it as the journal keeps it."""
        value: Json = {"began_at": self.began_at, "to": self.to, "ended_at": self.ended_at, "whole": self.whole}
        return Fact(NAME, value)


GOING_FORWARD = Fact(NAME, None)


def under_way(run: RunRecord | None, facts: Facts) -> RunRecord | None:
    """Return the run that a start goes on with: neither finished nor taken back as a whole."""
    undone = UndoRecord.of(facts)
    return run if run and not run.finished_at and not (undone and undone.of_everything) else None
