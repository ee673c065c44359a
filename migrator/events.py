"""What happens in a run, as typed records: the terminal, the JSON lines and the log are three readers of one stream."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from migrator.step import Actor, Blocker, Json


@dataclass(frozen=True, slots=True)
class StepObserved:
    """The server already shows the result of a step."""

    step: str
    title: str
    number: int


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step begins; `number` of `last_number` is the documented step that it belongs to."""

    step: str
    title: str
    number: int
    last_number: int
    actor: Actor


@dataclass(frozen=True, slots=True)
class StepFinished:
    """The server shows the result of a step that this run carried out."""

    step: str
    title: str
    seconds: float


@dataclass(frozen=True, slots=True)
class StatementStarted:
    """A statement is about to be sent."""

    step: str
    statement: str
    why: str


@dataclass(frozen=True, slots=True)
class StatementFinished:
    """A statement was answered; `measured` is the row that it was asked for."""

    step: str
    statement: str
    seconds: float
    measured: Json = None


@dataclass(frozen=True, slots=True)
class Proven:
    """A row measured now equals the one recorded before."""

    step: str
    statement: str
    fact: str
    value: Json


@dataclass(frozen=True, slots=True)
class LockAwaited:
    """A lock was not given within the timeout; the statements were rolled back and will be tried again."""

    step: str
    statement: str
    attempt: int
    attempts: int
    holders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LockHeld:
    """A statement waits for a lock just now; `holders` say who holds it, since when, and what they do."""

    step: str
    statement: str
    holders: tuple[str, ...]
    elapsed_seconds: float


@dataclass(frozen=True, slots=True)
class BlockersEnded:
    """Sessions that held a lock were ended, as the person said, or could not be."""

    step: str
    statement: str
    ended: tuple[str, ...]
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cancelling:
    """Somebody pressed Ctrl-C: the running statement is being cancelled on the server."""

    step: str
    statement: str


@dataclass(frozen=True, slots=True)
class Leaving:
    """Somebody pressed it again: the tool ends without waiting for the server, which takes the statement back."""

    step: str
    statement: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the server is with a long statement; `percent` is None where nobody can know."""

    step: str
    statement: str
    phase: str
    percent: float | None
    elapsed_seconds: float
    remaining_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class CopyMade:
    """A copy of what a step is going to change lies where it is safe, read again and found whole."""

    step: str
    place: str
    rows: int
    size_bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """A step waits for somebody."""

    step: str
    title: str
    number: int
    last_number: int
    blockers: tuple[Blocker, ...]


@dataclass(frozen=True, slots=True)
class Restarting:
    """The server is being restarted with the command that the user gave; `command` is its first word only."""

    step: str
    command: str


@dataclass(frozen=True, slots=True)
class RestartGoesOn:
    """Somebody pressed Ctrl-C while the server is being restarted: the tool ends, and their command does not."""

    step: str


@dataclass(frozen=True, slots=True)
class ScriptWritten:
    """What only a DBA may do was written to a file."""

    step: str
    file: str


@dataclass(frozen=True, slots=True)
class JournalKeptAside:
    """A damaged journal was moved out of the way, and a new one begun; nothing was deleted."""

    journal: str
    kept: str


@dataclass(frozen=True, slots=True)
class ServerAway:
    """The server does not answer; `seconds` since when."""

    seconds: float


@dataclass(frozen=True, slots=True)
class ServerBack:
    """The server answers again."""

    seconds: float


Event = (
    StepObserved
    | StepStarted
    | StepFinished
    | StatementStarted
    | StatementFinished
    | Proven
    | LockAwaited
    | LockHeld
    | BlockersEnded
    | Cancelling
    | Leaving
    | Progress
    | CopyMade
    | Waiting
    | Restarting
    | RestartGoesOn
    | ScriptWritten
    | JournalKeptAside
    | ServerAway
    | ServerBack
)
Emit = Callable[[Event], None]


def nobody(_: Event) -> None:
    """Listen to nothing."""
