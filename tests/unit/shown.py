"""What different servers show of themselves, for questions that are answered from the snapshot alone.

What no server of the sandbox can be, a pod of CloudNativePG or a NixOS machine, is written down here as it shows
itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from migrator.catalog import Catalog, Database, Extension, FileSetting, Observed, Role, Server, Setting

DEBIAN = "PostgreSQL 16.4 (Debian 16.4-1.pgdg120+2) on x86_64-pc-linux-gnu, compiled by gcc (Debian 12.2.0) 12.2.0"
UBUNTU = "PostgreSQL 16.4 (Ubuntu 16.4-1.pgdg24.04+1) on x86_64-pc-linux-gnu, compiled by gcc (Ubuntu 13.2.0) 13.2.0"
ALPINE = "PostgreSQL 16.4 on x86_64-pc-linux-musl, compiled by gcc (Alpine 13.2.1) 13.2.1"
RED_HAT = "PostgreSQL 16.4 on x86_64-pc-linux-gnu, compiled by gcc (GCC) 11.4.1 20231218 (Red Hat 11.4.1-3), 64-bit"
PLAIN = "PostgreSQL 16.4 on x86_64-pc-linux-gnu, compiled by gcc (GCC) 13.3.0, 64-bit"
ARM = "PostgreSQL 16.4 (Debian 16.4-1.pgdg120+2) on aarch64-unknown-linux-gnu, compiled by gcc (Debian 12.2.0) 12.2.0"

PRELOAD = "shared_preload_libraries"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a configuration file; the last one of a snapshot wins."""

    file: str
    line: int
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a server shows.

    Attributes:
        settings: By name, what the role may see.
        address: The server's own address as it sees it, None on a socket.
        archiver: The beginning of its archive command.
        pgvectors: Version of pgvecto.rs in the catalog, None for none.
        preload: The list in force, None where the role may not see it.
        source: Where that list comes from.
        lines: What the files say, None where the role may not read them.
    """

    description: str = DEBIAN
    major: int = 16
    settings: Mapping[str, str] = field(default_factory=dict)
    address: str | None = None
    archiver: str = ""
    pgvectors: str | None = "0.2.0"
    vchord: str | None = None
    preload: str | None = "vectors.so"
    source: str = "configuration file"
    lines: Sequence[Line] | None = ()
    pending_restart: bool = False
    superuser: bool = True
    observed: Mapping[str, Observed] = field(default_factory=dict)

    def catalog(self) -> Catalog:
        """Return the snapshot."""
        settings = {
            name: Setting(name, value, "default", None, None, pending_restart=False)
            for name, value in self.settings.items()
        }
        if self.preload is not None:
            settings[PRELOAD] = Setting(
                PRELOAD, self.preload, self.source, None, None, pending_restart=self.pending_restart
            )
        lines = None
        if self.lines is not None:
            lines = tuple(
                FileSetting(line.file, line.line, number, PRELOAD, line.value, applied=True)
                for number, line in enumerate(self.lines)
            )
        number = self.major * 10000 + 4
        return Catalog(
            server=Server(number, f"{self.major}.4", self.description, "7", "now", 1, in_recovery=False),
            database=Database("immich", 16384, "immich", mine=True),
            role=Role("immich", self.superuser),
            extensions={
                "vectors": Extension("vectors", self.pgvectors, self.pgvectors, "vectors", mine=True),
                "vector": Extension("vector", None, "0.8.0", None, None),
                "vchord": Extension("vchord", self.vchord, self.vchord, "public", mine=True),
            },
            columns=(),
            tables=(),
            indexes=(),
            checks=(),
            settings=settings,
            file_settings=lines,
            stored_settings=(),
            schemas={},
            dependents=(),
            locks=(),
            sessions=(),
            observed={"place": Observed(rows=((self.address, self.archiver),)), **self.observed},
        )
