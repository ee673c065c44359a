"""One console per stream for the whole program, and what the person wants of it."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import cache
from typing import TextIO

from rich.console import Console


@dataclass(slots=True)
class _Wishes:
    json: bool = False
    color: bool = True


_WISHES = _Wishes()


def choose(*, json: bool, color: bool) -> None:
    """Set what the options ask for; called once, before the first output."""
    _WISHES.json, _WISHES.color = json, color


def wants_json() -> bool:
    """Tell whether stdout is for a script."""
    return _WISHES.json


@cache
def stdout() -> Console:
    """Return the console of the answer asked for."""
    return _console(sys.stdout)


@cache
def stderr() -> Console:
    """Return the console of progress, prompts and errors."""
    return _console(sys.stderr)


def animated() -> bool:
    """Tell whether progress may move; the stream itself is asked, since FORCE_COLOR makes rich see a terminal."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not _WISHES.json


def can_ask() -> bool:
    """Tell whether a question would be seen and could be answered."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _console(stream: TextIO) -> Console:
    plain = not stream.isatty() or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    plain = plain or not _WISHES.color
    return Console(
        file=stream,
        no_color=plain,
        color_system=None if plain else "auto",
        force_terminal=stream.isatty(),
        highlight=False,
        markup=False,
    )
