"""A server that does not come back: what its restart said, and what of it is still running on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from migrator.catalog import Catalog
from migrator.processes import Process, processes_in

HERE = ("localhost", "::1", "127.")


@dataclass(frozen=True, slots=True)
class Absence:
    """What is known of a server that is away.

    Attributes:
        before: The last snapshot of it; None where it never answered.
        said: What the person's restart command printed, line by line.
        left: Its processes on this machine, where it runs here and they can be seen.
    """

    before: Catalog | None
    said: tuple[str, ...] = ()
    left: tuple[Process, ...] = ()


def look_for(before: Catalog | None, host: str, said: Sequence[str] = ()) -> Absence:
    """Look what is left of a server; `host` is what it was reached by. Nothing is ended here."""
    folder = before.settings.get("data_directory") if before else None
    if folder is None or not (host.startswith(("/", *HERE)) or not host):
        return Absence(before, tuple(said))
    return Absence(before, tuple(said), tuple(processes_in(Path(folder.value))))
