"""The sections of Immich's documentation that the steps carry out, page "Pre-existing Postgres"."""

from __future__ import annotations

from migrator.step import Documentation

AUTOMATIC = "Migrating from pgvecto.rs, automatic migration"


def automatic(number: int, *, added: bool = False) -> Documentation:
    """Return the documented step with this number of the automatic path; `added` for a state of this tool's own."""
    return Documentation(AUTOMATIC, number, added)
