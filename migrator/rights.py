"""Rights as the catalogs have them: who may do what with an object that belongs to somebody else."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Grant:
    """A privilege that somebody else than an object's owner has; `grantee` is None for everybody."""

    grantee: str | None
    privilege: str
    grantable: bool


@dataclass(frozen=True, slots=True)
class Rights:
    """A member of an extension with other rights than it was created with; `arguments` are schemas and types."""

    extension: str
    kind: str
    schema: str
    name: str
    arguments: tuple[tuple[str, str], ...]
    grants: tuple[Grant, ...]
    initial: tuple[Grant, ...]
