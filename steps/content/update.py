"""Everything that the commands need to know about updating VectorChord, behind the engine's one seam."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg

from migrator.absence import Absence
from migrator.catalog import Catalog, Index, Interest
from migrator.content import ComponentLine, Copying, Ending, Overview, Path, TableLine
from migrator.errors import WrongSource
from migrator.execute import Diagnosis
from migrator.step import Blocker, Facts
from steps.advice import known_errors, update_errors
from steps.content.update_observations import UPDATE_INTEREST, library_is_newer
from steps.paths import update
from steps.shared.immich_releases import today
from steps.shared.names import PGVECTOR, VCHORD
from steps.shared.options import Options
from steps.shared.state import mapping
from steps.shared.update_state import UPDATE, is_behind, rows_below, to_rebuild, without_index
from steps.shared.vchord_formats import AccessMethod, format_of
from steps.shared.vchord_indexes import health, vchord_indexes

UPDATING = "update"
"""Key of the path, and what the journal calls its source."""


@dataclass(frozen=True, slots=True)
class UpdateContent:
    """A database that is in VectorChord already, on its way to a newer release of it."""

    options: Options = field(default_factory=Options)

    @property
    def interest(self) -> Interest:
        """What the snapshot has to contain."""
        return UPDATE_INTEREST

    @property
    def copied(self) -> Interest:
        """What the snapshot of somebody who makes a copy has to contain."""
        return UPDATE_INTEREST

    def copying(self, catalog: Catalog, facts: Facts) -> Copying:
        """Return that there is nothing to copy: an update changes no embedding."""
        return Copying("", (), (), ())

    def wants_copy(self, catalog: Catalog, facts: Facts) -> bool:
        """Tell that an update changes no embedding."""
        return False

    def path(self, catalog: Catalog, begun: str | None = None) -> Path:
        """Return the one path.

        Raises:
            WrongSource: extension vchord is not in this database.
        """
        new = catalog.extensions[VCHORD]
        if new.version is None:
            raise WrongSource(
                f'database "{catalog.database.name}" has no extension vchord, so there is nothing to update; '
                "nothing was changed",
                hint="to bring the embeddings to VectorChord: migrate --from pgvecto.rs, or migrate --from pgvector",
            )
        why = (
            f"VectorChord {new.offered} is installed and this database has {new.version}"
            if is_behind(catalog, VCHORD)
            else f"this database has VectorChord {new.version}, and PostgreSQL offers {new.offered or 'none'}"
        )
        return Path(UPDATING, "update of VectorChord", why, update(self.options), {})

    def overview(self, catalog: Catalog, facts: Facts) -> Overview:
        """Return what was found and what will be."""
        base, new = catalog.extensions[PGVECTOR], catalog.extensions[VCHORD]
        tables = [self._line(catalog, index) for index in vchord_indexes(catalog)]
        tables += [TableLine(t.index, None, f"missing on {t.table}", "built") for t in without_index(catalog)]
        return Overview(
            application=f"Immich {today(catalog, self.options)}",
            tables=tuple(tables),
            components=(
                ComponentLine("pgvector", base.version or "not installed", base.offered or "not offered"),
                ComponentLine("VectorChord", new.version or "not installed", new.offered or "not offered"),
            ),
            warnings=tuple(_warnings(catalog)),
        )

    def _line(self, catalog: Catalog, index: Index) -> TableLine:
        method: AccessMethod = "vchordg" if index.access_method == "vchordg" else "vchordrq"
        new = catalog.extensions[VCHORD]
        after = format_of(new.offered, method)
        known = f"format {after}" if after else "its format"
        match health(catalog, index):
            case "fine":
                changes = after != format_of(new.version, method) and is_behind(catalog, VCHORD)
                # read by the library that is loaded: either it is still the old one, or it was rebuilt already
                then = f"rebuilt if not in {known}" if changes else "stays as it is"
                today = "readable"
            case "other format":
                today, then = "of another format", f"rebuilt, {known}"
            case "invalid":
                today, then = "invalid", f"rebuilt, {known}"
            case _:
                today, then = "could not be asked", "rebuilt where it cannot be read"
        return TableLine(index.name, rows_below(catalog, index), today, then)

    def in_the_way(self, catalog: Catalog, facts: Facts, path: Path) -> Sequence[Blocker]:
        """Return nothing: an update meets all that it can meet in its first steps."""
        return ()

    def ending(self, catalog: Catalog, facts: Facts, path: Path) -> Ending:
        """Return what is true now that every step is done."""
        version, done = catalog.extensions[VCHORD].version, mapping(facts.get(UPDATE))
        if done.get("to") != version:
            return Ending(
                f"Done. VectorChord {version} is in use, and its indexes can be read.",
                (),
                "Immich can run: nothing is left to update.",
            )
        before, after = done.get("format_before"), done.get("format_after")
        formats = f"format {before} to {after}" if before != after else f"format {after}, as before"
        lines = [("from", f"VectorChord {done.get('from')}, index {formats}")]
        for index in vchord_indexes(catalog):
            answer = mapping(facts.get(f"searched.{index.name}"))
            if answer.get("vchord") == version:
                lines.append(("search", f"{index.name} answers: {answer.get('found')} neighbours found"))
        return Ending(
            f"Done. VectorChord {version} is in use. No embedding was touched.",
            tuple(lines),
            f"Start Immich now, a release that accepts VectorChord {version}.",
        )

    def diagnose(self, error: psycopg.Error, catalog: Catalog) -> Diagnosis | None:
        """Return what a database error means here."""
        return update_errors.diagnose(error, catalog)

    def explain_absence(self, absence: Absence) -> Sequence[tuple[str, str]]:
        """Return why a server may not come back, and what to do: pgvecto.rs's worker, where it can be that."""
        return known_errors.explain_absence(absence)

    def explain_loss(self, catalog: Catalog) -> Sequence[tuple[str, str]]:
        """Return nothing: no release of VectorChord is known to bring a server down."""
        return ()


def _warnings(catalog: Catalog) -> list[str]:
    warnings: list[str] = []
    others = [s for s in catalog.sessions if s.application != "migrate"]
    if others and (to_rebuild(catalog) or without_index(catalog)):
        warnings.append(
            f"{len(others)} other session(s) in this database: Immich has to be stopped while indexes are rebuilt"
        )
    new = catalog.extensions[VCHORD]
    changes = format_of(new.offered) != format_of(new.version)
    if is_behind(catalog, VCHORD) and changes and not to_rebuild(catalog) and library_is_newer(catalog) is None:
        warnings.append(
            "this role cannot see whether PostgreSQL was restarted after the new library was installed: "
            "if not, restart it first"
        )
    return warnings
