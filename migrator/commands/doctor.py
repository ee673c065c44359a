"""The doctor: every blocker of the chosen path at once, read from the catalogs, before anything is touched."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path as FilePath

from migrator.application import compare_with_application
from migrator.catalog import Catalog, Interest
from migrator.commands.plan import known_to_journal, place_of
from migrator.content import Examinable, Finding, Path
from migrator.errors import ExitCode
from migrator.journal_damage import note as damage_note
from migrator.session import Session

READS_ROWS = ("rows.", "lengths.")
"""Observations that read whole tables: only asked with --deep."""


@dataclass(frozen=True, slots=True)
class Diagnoses:
    """What was found: by group, with the path that it was found for."""

    address: tuple[str, str, str, str]
    catalog: Catalog
    application: str
    path: Path
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> ExitCode:
        """Blocked beats waiting beats done."""
        statuses = {finding.status for finding in self.findings}
        if "blocked" in statuses:
            return ExitCode.BLOCKED
        return ExitCode.WAITING if "waiting" in statuses else ExitCode.DONE


def doctor(
    conninfo: str, content: Examinable, journal: FilePath | None, *, deep: bool, application: str | None = None
) -> Diagnoses:
    """Examine a database without writing anything: the server refuses writes.

    Reads catalogs only, so it works while a library is missing or not loaded, half-way, and while Immich runs; `deep`
    also counts rows and measures arrays, which reads both tables. `application` is what the application itself connects
    with, where that is not `conninfo`.

    Raises:
        MigratorError: no connection, or no database that the path knows.
    """
    session = Session(conninfo, content.examined if deep else _without_rows(content.examined), read_only=True)
    try:
        session.open()
        catalog = session.catalog()
        told = compare_with_application(catalog, worked_on=conninfo, application=application)
        damage = damage_note(place_of(session, journal))
        facts, begun = known_to_journal(session, catalog, journal)
        path = content.path(catalog, begun)
        findings = [*content.examine(catalog, facts, path), *(Finding("rights", "note", text) for text in told)]
        findings += [Finding("data", "note", damage)] if damage else []
        name = content.overview(catalog, facts).application
        return Diagnoses(session.address, catalog, name, path, tuple(findings))
    finally:
        session.close()


def _without_rows(interest: Interest) -> Interest:
    return replace(interest, observations=[o for o in interest.observations if not o.name.startswith(READS_ROWS)])
