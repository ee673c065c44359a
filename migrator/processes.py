"""Processes of a server on this machine, found by the folder that all of them work in (Linux)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """A running process and the title it shows, for example `postgres: vectors`."""

    pid: int
    title: str


def processes_in(folder: Path) -> list[Process]:
    """Return the processes whose working directory is this folder: a server's are all in its data directory.

    None where the processes cannot be seen: another machine, another system, somebody else's.
    """
    proc = Path("/proc")
    found: list[Process] = []
    if not proc.is_dir():
        return found
    wanted = str(folder.resolve())
    for entry in proc.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if str((entry / "cwd").readlink()) != wanted:
                continue
            title = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:  # gone meanwhile, or somebody else's
            continue
        if title:  # a zombie has none
            found.append(Process(int(entry.name), title))
    return found
