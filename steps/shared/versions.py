"""The one table of accepted versions: which Immich release takes which Postgres, VectorChord, pgvecto.rs and pgvector.

Source: constants in Immich's code per release, and the page "Pre-existing Postgres" for the documented row. Versions
are parsed before they are compared, never compared as text.
"""

from __future__ import annotations

from dataclasses import dataclass

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the Immich releases in `immich` accept; `pgvectors` is None where they do not know pgvecto.rs any more."""

    immich: SpecifierSet
    vchord: SpecifierSet
    pgvectors: SpecifierSet | None
    pgvector: SpecifierSet
    postgres: SpecifierSet


def _row(immich: str, vchord: str, pgvectors: str | None, postgres: str) -> Accepted:
    known = None if pgvectors is None else SpecifierSet(pgvectors)
    # vchord needs pgvector's halfvec, which came with 0.7.0, whatever Immich itself checks
    return Accepted(SpecifierSet(immich), SpecifierSet(vchord), known, SpecifierSet(">=0.7,<1"), SpecifierSet(postgres))


FIRST_WITH_VECTORCHORD = Version("1.133.0")
"""The Immich release that came with VectorChord."""

DOCUMENTED = _row(">=1.133,<1.135", ">=0.3,<0.4", ">=0.2,<0.4", ">=14,<18")
"""The row of the documented releases; used where the release to come is not known."""

TABLE = (
    DOCUMENTED,
    _row(">=1.135,<2.1", ">=0.3,<0.5", ">=0.2,<0.4", ">=14,<18"),
    _row(">=2.1,<2.5", ">=0.3,<0.6", ">=0.2,<0.4", ">=14,<18"),
    _row(">=2.5,<3", ">=0.3,<2", ">=0.2,<0.4", ">=14,<19"),
    _row(">=3,<4", ">=0.3,<2", None, ">=14,<20"),
)


def parse(text: str | None) -> Version | None:
    """Parse a version as extensions and Immich write it (a leading "v" is allowed); None for what is no version."""
    try:
        return None if text is None else Version(text)
    except InvalidVersion:
        return None


def accepted_by(immich: str | None) -> Accepted:
    """Return what an Immich release accepts; the documented row where it is unknown or older than VectorChord."""
    version = parse(immich)
    return next((row for row in TABLE if version is not None and version in row.immich), DOCUMENTED)


def releases_for_postgres(major: int) -> tuple[str, ...]:
    """Return the ranges of Immich releases that take a PostgreSQL major, newest last."""
    return tuple(written(row.immich) for row in TABLE if accepts(row.postgres, str(major)))


def accepts(ranges: SpecifierSet, text: str | None) -> bool:
    """Tell whether a version lies in a range; what cannot be parsed does not."""
    version = parse(text)
    return version is not None and version in ranges


def at_most(text: str | None, limit: str) -> bool:
    """Tell whether a version is at most another; what cannot be parsed counts as such, to be on the safe side."""
    version = parse(text)
    return version is None or version <= Version(limit)


def written(ranges: SpecifierSet) -> str:
    """Write a range for a person, lower bound first."""
    return ", ".join(sorted(str(ranges).split(","), key=lambda part: part.startswith("<")))
