"""Compare a replayed answer with the recorded one."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Literal

from exceptions import BLURS, IMPOSSIBLE, PAIRS, UNORDERED
from recording import ANSWER_FIELDS, Answer, Recording, Step

Outcome = Literal["agrees", "not compared", "impossible", "differs"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One field on which recording and replay differ, both rendered as text."""

    field: str
    recorded: str
    replayed: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome for one step.

    Attributes:
        outcome: `agrees` word for word; `not compared` agrees but for what `exceptions` declares;
            `impossible` differs where `exceptions` says that a stand-in has to; `differs` otherwise.
        reasons: From `exceptions`.
    """

    step: Step
    outcome: Outcome
    differences: tuple[Difference, ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass(slots=True)
class Comparison:
    """Compares the steps of one recording; remembers which recorded value stands for which replayed one."""

    recording: Recording
    genuine: bool
    _there: dict[str, str] = field(default_factory=dict)
    _back: dict[str, str] = field(default_factory=dict)

    def verdict(self, step: Step, replayed: Answer) -> Verdict:
        """Compare one step; steps have to come in order."""
        differences, reasons = [], []
        for name in ANSWER_FIELDS:
            recorded_text = _render(name, getattr(step.expected, name))
            replayed_text = _render(name, getattr(replayed, name))
            if recorded_text == replayed_text:
                self._paired(step, recorded_text, replayed_text)  # later hashes have to fit these
                continue
            reason = self._excused(step, name, recorded_text, replayed_text)
            if reason is None:
                differences.append(Difference(name, recorded_text, replayed_text))
            else:
                reasons.append(reason)
        if not differences:
            return Verdict(step, "not compared" if reasons else "agrees", (), tuple(reasons))
        if not self.genuine and (reason := self._impossible(step)):
            return Verdict(step, "impossible", tuple(differences), (reason,))
        return Verdict(step, "differs", tuple(differences), tuple(reasons))

    def _excused(self, step: Step, name: str, recorded: str, replayed: str) -> str | None:
        reasons = []
        for blur in BLURS:
            if blur.field == name and re.search(blur.where, step.what):
                blurred = re.sub(blur.pattern, blur.replacement, recorded)
                blurred_too = re.sub(blur.pattern, blur.replacement, replayed)
                if (blurred, blurred_too) != (recorded, replayed):
                    reasons.append(blur.reason)
                recorded, replayed = blurred, blurred_too
                if recorded == replayed:
                    return "; ".join(reasons)
        if name != "rows":
            return None
        return _reordered(step, recorded, replayed) or self._paired(step, recorded, replayed)

    def _paired(self, step: Step, recorded: str, replayed: str) -> str | None:
        """Say why other hashes are fine; remembers them, so that equal ones have to stay equal."""
        for pair in PAIRS:
            if not re.search(pair.where, step.what):
                continue
            ours, theirs = re.findall(pair.pattern, recorded), re.findall(pair.pattern, replayed)
            skeletons = [re.sub(pair.pattern, "HASH", text) for text in (recorded, replayed)]
            # Evaluated for every value, so that later steps meet all of them.
            known = [self._pair(*values) for values in zip(ours, theirs, strict=False)]
            if skeletons[0] == skeletons[1] and len(ours) == len(theirs) and all(known):
                return pair.reason
        return None

    def _pair(self, recorded: str, replayed: str) -> bool:
        there = self._there.setdefault(recorded, replayed) == replayed
        back = self._back.setdefault(replayed, recorded) == recorded
        return there and back

    def _impossible(self, step: Step) -> str | None:
        for known in IMPOSSIBLE:
            if fnmatch(self.recording.name, known.recording) and re.search(known.where, step.what):
                return known.reason
        return None


def _reordered(step: Step, recorded: str, replayed: str) -> str | None:
    for known in UNORDERED:
        if re.search(known.where, step.what) and sorted(recorded.split("\n")) == sorted(replayed.split("\n")):
            return known.reason
    return None


def _render(name: str, value: object) -> str:
    renderer: Callable[[object], str] | None = _RENDERERS.get(name)
    if value is None:
        return "" if name in _ABSENT_IS_EMPTY else "-"
    return renderer(value) if renderer else str(value)


def _render_notices(value: object) -> str:
    assert isinstance(value, list)
    return "\n".join(" ".join(notice) for notice in value)


def _render_lines(value: object) -> str:
    assert isinstance(value, list)
    return "\n".join(value)


def _render_rows(value: object) -> str:
    assert isinstance(value, list)
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in value) or "no rows"


_ABSENT_IS_EMPTY = {"notices", "message_detail", "message_hint", "first_connection_refused_with"}
_RENDERERS: dict[str, Callable[[object], str]] = {
    "notices": _render_notices,
    "log": _render_lines,
    "stderr": _render_lines,
    "files": _render_lines,
    "still_running": _render_lines,
    "rows": _render_rows,
}
