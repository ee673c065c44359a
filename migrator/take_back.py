"""The way back: steps that take others back, for the very same engine, in the reverse order of a path.

Taking a step back leads to what was recorded before the run, not to what the step would have found on a fresh database.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from migrator.catalog import Catalog
from migrator.step import UNDO, Actor, Blocker, Fact, Facts, NoWayBack, Statement, Step

TAKE_BACK = "take back: "
"""What stands before the title of a step that is taken back."""


class TakeBack(Step):
    """The opposite of a step: what undoes it is its plan."""

    takes_back: ClassVar[bool] = True

    def __init__(self, step: Step) -> None:
        self.step = step
        self.key = f"{UNDO}{step.key}"
        self.title = f"{TAKE_BACK}{step.title}"
        self.documentation = step.documentation

    @property
    def actor(self) -> Actor:  # type: ignore[override]
        """Who does it: the tool, unless it was an operator's work. What the application did, the tool takes back."""
        return Actor.OPERATOR if self.step.actor is Actor.OPERATOR else Actor.TOOL

    @property
    def lasting(self) -> bool:  # type: ignore[override]
        """Whether the result outlives the session, as that of the step does."""
        return self.step.lasting

    def stays(self, catalog: Catalog, facts: Facts) -> str | None:
        """Read-only. Return why what the step did is left as it is; None where it can be taken back."""
        back = self.step.undo(catalog, facts)
        return back.reason if isinstance(back, NoWayBack) and back.always else None

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when nothing is left to take back, or nothing ever could be."""
        return self.step.is_undone(catalog, facts) or self.stays(catalog, facts) is not None

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. Why there is no way back, or what stands in it."""
        closed = self.closed(catalog, facts)
        return self.step.check_undo(catalog, facts) if closed is None else (closed,)

    def closed(self, catalog: Catalog, facts: Facts) -> Blocker | None:
        """Read-only. Return what closes the way back here, if it is closed."""
        if self.is_done(catalog, facts):
            return None
        back = self.step.undo(catalog, facts)
        if not isinstance(back, NoWayBack):
            return None
        return Blocker(what=self.title, found=f"no way back: {back.reason}", wanted="a way back", fix=back.fix)

    def plan(self, catalog: Catalog, facts: Facts) -> Sequence[Statement]:
        """Read-only. What undoes the step."""
        back = self.step.undo(catalog, facts)
        return () if isinstance(back, NoWayBack) else back

    def undo(self, catalog: Catalog, facts: Facts) -> Sequence[Statement] | NoWayBack:
        """Read-only. What does the step again."""
        return self.step.plan(catalog, facts)

    def forget(self, facts: Facts) -> Sequence[Fact]:
        """Read-only. What no longer holds once the step is taken back."""
        return self.step.forget(facts)

    def estimate_seconds(self, catalog: Catalog) -> float | None:
        """Read-only. How long it takes to take the step back."""
        return self.step.estimate_undo_seconds(catalog)


def way_back(steps: Sequence[Step], to: str | None = None) -> tuple[TakeBack, ...]:
    """Return what takes a path back, its last step first; `to` is the key of the last one that is taken back.

    A restart is taken back after what it put into force: the change first, then a restart again.
    """
    first = next((n for n, step in enumerate(steps) if step.key == to), 0)
    back: list[TakeBack] = []
    put_off: list[TakeBack] = []
    for step in reversed(steps[first:]):
        if step.wants_restart:
            put_off.append(TakeBack(step))
            continue
        back += [TakeBack(step), *put_off]
        put_off = []
    return (*back, *put_off)
