"""How an error reaches the person: one sentence, the lines that explain it, and what to do. A bug goes to the log."""

from __future__ import annotations

import json
import sys

import structlog
from platformdirs import user_state_path

from migrator.cli.console import stderr, wants_json
from migrator.cli.logging import log_to
from migrator.errors import ExitCode, MigratorError
from migrator.sandbox.errors import SandboxError

BUGS = user_state_path("migrator") / "bugs.log"
"""Where the trace of a bug goes when the command that met it keeps no log."""


def report(error: Exception) -> int:
    """Print an error and return its exit code; never a traceback, which goes to the log file."""
    sentence, hint, facts, code = _parts(error)
    if wants_json():
        record = {"type": "error", "message": sentence, "hint": hint, "facts": dict(facts)}
        sys.stdout.write(json.dumps(record) + "\n" + json.dumps({"type": "result", "exit_code": int(code)}) + "\n")
        return int(code)
    console = stderr()
    label = {ExitCode.REFUSED: "refused", ExitCode.BLOCKED: "blocked", ExitCode.WAITING: "waiting"}.get(code, "error")
    console.print(f"{label}: {sentence}", style="bold red", markup=False, highlight=False, soft_wrap=True)
    for name, text in facts:
        console.print(f"  {name:<13} {text}", markup=False, highlight=False, soft_wrap=True)
    if hint:
        console.print(f"  {'do':<13} {hint}", markup=False, highlight=False, soft_wrap=True)
    return int(code)


def _parts(error: Exception) -> tuple[str, str | None, tuple[tuple[str, str], ...], ExitCode]:
    if isinstance(error, MigratorError):
        return str(error), error.hint, error.facts, error.exit_code
    if isinstance(error, SandboxError):
        return str(error), error.hint, (), ExitCode.FAILED
    if not structlog.is_configured():
        # structlog's own default prints to the screen, with the values of local variables
        log_to(BUGS)
    structlog.get_logger(__name__).error("bug", exc_info=error)
    return (
        f"a bug in this tool ({type(error).__name__}); the transaction it was in was rolled back",
        f"the log file (of the run, or {BUGS}) has the trace: please report it; running it again is safe",
        (),
        ExitCode.FAILED,
    )
