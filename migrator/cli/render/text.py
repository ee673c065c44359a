"""Plain text that the terminal, the log and the tests share: no colour, 80 columns, ASCII."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from migrator.catalog import Catalog
from migrator.commands.copy_first import KeptCopy
from migrator.commands.plan import PlannedStep
from migrator.content import Ending, Overview
from migrator.content import Path as MigrationPath
from migrator.events import Cancelling, JournalKeptAside, Leaving, RestartGoesOn
from migrator.step import Actor, Blocker, Json

WIDTH = 80
LABEL = 10


def duration(seconds: float) -> str:
    """Write a duration: `4 s`, `3 min`, `1 h 10 min`."""
    whole = max(1, round(seconds))
    if whole < 90:  # noqa: PLR2004
        return f"{whole} s"
    minutes = round(whole / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"  # noqa: PLR2004


def clock(seconds: float) -> str:
    """Write a duration as a clock shows it: `0:07`, `12:41`."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def size(size_bytes: float) -> str:
    """Write a size: `1.1 GB`."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f} {unit}"
    return f"{size_bytes:.0f} B"


def short(path: Path) -> str:
    """Write a path with the home folder as `~`."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)


def header(address: tuple[str, str, str, str], catalog: Catalog, overview: Overview) -> list[str]:
    """Say which database this is, as whom, on what."""
    host, port, database, user = address
    place = "local socket" if host.startswith("/") or not host else host
    rights = "superuser" if catalog.role.superuser else "no superuser"
    version = f"PostgreSQL {catalog.server.version}"
    lines = [f"{database} @ {place}:{port} as {user} ({rights})   {version}   {overview.application}"]
    return lines if len(lines[0]) <= WIDTH else [lines[0].split("   ")[0], f"{version}   {overview.application}"]


def found(overview: Overview, heading: str = "then") -> list[str]:
    """Say what was found and what it will be."""
    rows = [("table", "rows", "today", heading)]
    rows += [(t.name, "?" if t.rows is None else f"{t.rows:,}", t.today, t.then) for t in overview.tables]
    rows += [(c.name, "", c.today, c.then) for c in overview.components]
    widths = [max(len(row[n]) for row in rows) for n in range(3)]
    lines = [
        f"  {name:<{widths[0]}}  {count:>{widths[1]}}  {today:<{widths[2]}}  {then}".rstrip()
        for name, count, today, then in rows
    ]
    if any(len(line) > WIDTH for line in lines):
        lines = []
        for name, count, today, then in rows[1:]:
            lines += [f"  {name:<{widths[0]}}  {f'{count} rows, ' if count else ''}{today}"]
            lines += [f"  {'':<{widths[0]}}  -> {then}"]
    lines += [f"  {line}" for line in space(overview)]
    return [*lines, *(line for warning in overview.warnings for line in wrapped(f"Note: {warning}.", "  "))]


def space(overview: Overview) -> list[str]:
    """Say how much free space the server needs for a while."""
    needs = overview.space
    if needs is None:
        return []
    given = "" if needs.free_bytes is None else f"; {size(needs.free_bytes)} free"
    parts = f"copies {size(needs.copy_bytes)}, WAL {size(needs.wal_bytes)}, indexes {size(needs.index_bytes)}"
    return [f"needs {size(needs.total_bytes)} free: {parts}{given}"]


def wrapped(text: str, indent: str = "", first: str | None = None) -> list[str]:
    """Fold a sentence at 80 columns; commands and names stay whole."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


ACTORS = {Actor.TOOL: "tool", Actor.OPERATOR: "you", Actor.IMMICH: "Immich"}


def steps(path: MigrationPath, planned: Sequence[PlannedStep]) -> list[str]:
    """List the documented steps: number, title, who does it, how long or whether it is done."""
    lines: list[str] = []
    for number, group in groupby(planned, key=lambda step: step.number):
        states = list(group)
        title = path.groups.get(number, states[0].title)
        actor = Actor.IMMICH if any(s.actor is Actor.IMMICH for s in states) else states[0].actor
        who = "you" if states[0].blockers and all(b.kind == "operator" for b in states[0].blockers) else ACTORS[actor]
        lines.append(f"  {number:>2}  {title:<40} {who:<7} {_expected(states)}".rstrip())
    return lines


def _expected(states: Sequence[PlannedStep]) -> str:
    if all(state.done for state in states):
        return "done"
    if any(state.point_of_no_return for state in states):
        return "from here no way back"
    known = [state.estimate_seconds for state in states if state.estimate_seconds is not None and not state.done]
    return f"about {duration(sum(known))}" if known else ""


def blocker_lines(blocker: Blocker) -> list[str]:
    """Show one blocker: what was found, what is wanted, what to do."""
    lines = labelled("found", blocker.found) + labelled("wanted", blocker.wanted)
    for n, fix in enumerate(blocker.fix):
        label = f"  {'do' if n == 0 else '':<{LABEL}}"
        lines += fix_lines(label, fix)
    return lines


def fix_lines(label: str, fix: str) -> list[str]:
    """Show what to do; where a line gets too long, the command after the colon gets a line of its own, in one piece."""
    if len(label) + len(fix) <= WIDTH:
        return [f"{label}{fix}"]
    what, colon, command = fix.partition(": ")
    within_literal = '"' in what and what.count("'") % 2 == 1
    if not colon or within_literal:
        return [f"{label}{fix}"]
    return [f"{label}{what}:", f"{'':<{len(label) + 2}}{command}"]


def labelled(label: str, text: str) -> list[str]:
    """Show a labelled sentence, folded under itself."""
    return wrapped(text, " " * (LABEL + 2), f"  {label:<{LABEL}}")


def ending(end: Ending, seconds: float | None = None, copy: KeptCopy | None = None) -> list[str]:
    """Say what is true at the end; the last line is the most important one."""
    lines = [end.headline]
    for label, text in end.lines:
        lines += fix_lines(f"  {label:<{LABEL}}", text)
    if seconds is not None:
        lines += labelled("time", duration(seconds))
    if copy is not None:
        lines += labelled("copy", kept_copy(copy))
    return [*lines, end.last]


def kept_copy(copy: KeptCopy) -> str:
    """Say where the copy of the embeddings is, and how long it is worth keeping."""
    if not copy.place.is_dir():
        return f"{short(copy.place)}: is not there any more"
    return f"{short(copy.place)} ({size(copy.size_bytes)}): delete it when Immich has run for a while"


def proof(value: Json) -> str:
    """Write what was proven equal: `20,000 rows, hash 1047...8902, equal before and after`."""
    if not isinstance(value, dict):
        return "equal before and after"
    digits = str(value.get("hash"))
    return f"{value.get('rows'):,} rows, hash {digits[:4]}...{digits[-4:]}, equal before and after"


def measured(value: Json) -> str:
    """Write a measurement: `rows=200 hash=8f1c...e2`."""
    if not isinstance(value, dict):
        return ""
    parts = []
    for name, item in value.items():
        text = f"{item:,}" if isinstance(item, int) and name == "rows" else str(item)
        parts.append(f"{name}={text if len(text) <= 14 else f'{text[:6]}...{text[-4:]}'}")  # noqa: PLR2004
    return " ".join(parts)


def kept_aside(event: JournalKeptAside) -> str:
    """Write what became of a damaged journal; one line, the path whole."""
    return f"warning: the journal was damaged and is kept as {event.kept}; going on from what the server shows"


def stopping(event: Cancelling | Leaving | RestartGoesOn) -> str:
    """Write what Ctrl-C does at once, and what is kept."""
    if isinstance(event, RestartGoesOn):
        return "your restart command is left to finish: half of it would leave a PostgreSQL that is stopped"
    if isinstance(event, Leaving):
        return "leaving at once; the server notices within seconds and takes the statement back"
    return (
        f"cancelling on the server: {event.step}/{event.statement} is taken back, what was finished before it is kept\n"
        "(Ctrl-C again leaves at once)"
    )
