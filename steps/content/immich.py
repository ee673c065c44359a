"""Everything about Immich and VectorChord that the commands need, behind the engine's one seam."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import psycopg
from psycopg.sql import SQL, Identifier

from migrator.absence import Absence
from migrator.catalog import Catalog, Column, Extension, Interest
from migrator.content import ComponentLine, Copying, Ending, Finding, Overview, Path, Restoration, Saved, TableLine
from migrator.execute import Diagnosis
from migrator.step import PROVEN, Blocker, Facts, Step
from steps.advice import known_errors
from steps.advice.environment import shown
from steps.content import copying, going_back, restoring
from steps.content.choice import Source, begun_by_others, choose
from steps.content.examination import examine
from steps.content.examination_observations import EXAMINED
from steps.content.observations import INTEREST, LEFT_FILES
from steps.paths import fence
from steps.shared import other_databases, worker
from steps.shared.clip_models import model_warnings
from steps.shared.immich_releases import next_release, release_warnings, today
from steps.shared.index import list_count
from steps.shared.names import PGVECTOR, PGVECTORS, TABLES, VCHORD, Embeddings
from steps.shared.options import Options, accepted
from steps.shared.space import needed
from steps.shared.state import can_be_crippled, column_of, dimension_of, indexes_on, mapping, other_columns, rows_of
from steps.shared.versions import written

SHOWN_DIGITS = 12


@dataclass(frozen=True, slots=True)
class ImmichContent:
    """Immich's database, on its way to VectorChord."""

    source: Source
    options: Options = field(default_factory=Options)

    @property
    def interest(self) -> Interest:
        """What the snapshot has to contain."""
        return INTEREST

    @property
    def examined(self) -> Interest:
        """What the snapshot of an examination has to contain."""
        return EXAMINED

    @property
    def copied(self) -> Interest:
        """What the snapshot of somebody who makes a copy has to contain."""
        return copying.interest(self.options)

    def copying(self, catalog: Catalog, facts: Facts) -> Copying:
        """Return what a copy holds, and how it is read."""
        return copying.copying(catalog, facts, self.options)

    @property
    def restored(self) -> Interest:
        """What the snapshot of somebody who puts a copy back has to contain."""
        return restoring.interest(self.options)

    def restoration(self, catalog: Catalog, saved: Sequence[Saved], *, overwrite: bool) -> Restoration:
        """Return how the tables of a copy are put back here; rows that are there stay unless they are overwritten."""
        return restoring.restoration(catalog, saved, self.options, overwrite=overwrite)

    def wants_copy(self, catalog: Catalog, facts: Facts) -> bool:
        """Tell whether any embeddings are still to be converted."""
        return copying.wants_copy(catalog, self.options)

    def path(self, catalog: Catalog, begun: str | None = None) -> Path:
        """Return the path that fits.

        Raises:
            NotImmich: none of Immich's tables is here.
            WrongSource: the embeddings do not come from where --from says.
        """
        return choose(catalog, self.source, self.options, begun)

    def overview(self, catalog: Catalog, facts: Facts) -> Overview:
        """Return what was found and what will be."""
        release, target = today(catalog, self.options), next_release(catalog, self.options)
        row = accepted(catalog, self.options)
        old, new, base = (catalog.extensions[name] for name in (PGVECTORS, VCHORD, PGVECTOR))
        life = worker.life(catalog)
        old_today = f"{old.version}{'' if life == 'not needed' else f', worker {life}'}" if old.version else "not there"
        others = [s for s in catalog.sessions if s.application != "migrate"]
        warnings = (
            [f"{len(others)} other session(s) in this database: Immich has to be stopped while its tables are changed"]
            if others
            else []
        )
        return Overview(
            application=f"Immich {release}",
            tables=tuple(self._table_line(catalog, facts, table) for table in TABLES),
            components=(
                *([ComponentLine("pgvecto.rs", old_today, "removed")] if self.source == "pgvecto.rs" else []),
                ComponentLine("pgvector", _today(base), base.offered or written(row.pgvector)),
                ComponentLine("VectorChord", _today(new), new.offered or written(row.vchord)),
                ComponentLine("Immich", release, target),
            ),
            warnings=(
                *begun_by_others(catalog),
                *release_warnings(catalog, self.options),
                *(_other(column) for column in other_columns(catalog, self.options.include)),
                *model_warnings(catalog, facts, self.options),
                *other_databases.warnings(catalog, self.options),
                *warnings,
            ),
            space=needed(catalog, facts, self.options),
        )

    def _table_line(self, catalog: Catalog, facts: Facts, table: Embeddings) -> TableLine:
        column, rows = column_of(catalog, table), rows_of(catalog, table)
        dimension = dimension_of(catalog, facts, table)
        lists = list_count(rows or 0)
        method = "" if column is None or indexes_on(catalog, column) else ", no index"
        today = f"{column.type}{method}" if column else "no such column"
        return TableLine(
            table.table, rows, today, f"vector({dimension or '?'}), VectorChord, {lists} list{'s' * (lists > 1)}"
        )

    def examine(self, catalog: Catalog, facts: Facts, path: Path) -> list[Finding]:
        """Return everything that stands in the way of the path, and what is well, group by group."""
        return examine(catalog, facts, self.options, path)

    def in_the_way(self, catalog: Catalog, facts: Facts, path: Path) -> Sequence[Blocker]:
        """Return what will stop the path later on and can be mended now."""
        found = examine(catalog, facts, self.options, path)
        return [finding.blocker for finding in found if finding.status == "blocked" and finding.blocker is not None]

    @property
    def interest_back(self) -> Interest:
        """What the snapshot has to contain on the way back."""
        return going_back.INTEREST_BACK

    def fence(self, finished: Callable[[Catalog, Facts], bool]) -> tuple[Step, Step]:
        """Return the steps that hold Immich's start-up lock until everything is taken back."""
        return fence(self.options, finished)

    def overview_back(self, catalog: Catalog, facts: Facts) -> Overview:
        """Return what was found, and what it was before the run."""
        return going_back.overview(catalog, facts, self.options)

    def ending_back(self, catalog: Catalog, facts: Facts, to: Step | None) -> Ending:
        """Return what is true now that everything is taken back, or everything from step `to` on."""
        return going_back.ending(catalog, facts, self.options, to, self.source)

    def ending(self, catalog: Catalog, facts: Facts, path: Path) -> Ending:
        """Return what is true now that every step is done."""
        rows = sum(rows_of(catalog, table) or 0 for table in TABLES)
        proven = [t.table for t in TABLES if _is_proven(facts, t)]
        headline = f"Done. {rows:,} embeddings are in VectorChord"
        lines: list[tuple[str, str]] = []
        if len(proven) == len(TABLES):
            headline += ", none changed."
            for table in proven:
                proof = mapping(facts.get(f"proof.{table}"))
                kind = f"{proof.get('rows'):,} rows" if isinstance(proof.get("rows"), int) else ""
                lines.append(("proven", f"{table}: {kind}, hash {_short(str(proof.get('hash')))} before and after"))
        else:
            headline += "."
            lines.append(("proof", "this tool did not convert them all itself, so it says nothing about their content"))
        lines += [("search", said) for table in TABLES if (said := _searched(facts, table))]
        lines += [("left over", f"{what}: {fix}") for what, fix in _leftovers(catalog)]
        return Ending(headline, tuple(lines), "Start Immich now. It will find its indexes as it wants them.")

    def diagnose(self, error: psycopg.Error, catalog: Catalog) -> Diagnosis | None:
        """Return what a database error means here."""
        return known_errors.diagnose(error, catalog, self.options.environment)

    def explain_absence(self, absence: Absence) -> Sequence[tuple[str, str]]:
        """Return why a server may not come back, and what to do: pgvecto.rs's worker, where it can be that."""
        return known_errors.explain_absence(absence)

    def explain_loss(self, catalog: Catalog) -> Sequence[tuple[str, str]]:
        """Return why the server may have gone away: pgvecto.rs's trap, where it can be one."""
        if not can_be_crippled(catalog):
            return ()
        return (
            ("why", "pgvecto.rs 0.2.x brings the server down at a rollback when its worker is gone (after a reload)"),
            ("do", "restart PostgreSQL, so that the worker is back"),
        )


def _today(extension: Extension) -> str:
    return extension.version or (f"{extension.offered} offered" if extension.offered else "not installed")


def _is_proven(facts: Facts, table: Embeddings) -> bool:
    before = mapping(facts.get(f"proof.{table.table}"))
    return bool(before) and mapping(facts.get(f"{PROVEN}{table.table}")) == before


def _searched(facts: Facts, table: Embeddings) -> str:
    """Say how well the new index was seen to find, and how fast; nothing where it was not tried."""
    tried = mapping(facts.get(f"search.{table.table}"))
    if not tried.get("samples"):
        return ""
    return (
        f"{table.table}: recall@10 at least {tried['recall']}, {tried['milliseconds']} ms each, "
        f"{tried['samples']} searches"
    )


def _other(column: Column) -> str:
    name = f"{column.schema}.{column.table}.{column.name}"
    if column.type_name != "vector":
        return f"{name} is of pgvecto.rs's type {column.type_name}, which this tool does not convert"
    return f"{name} is on pgvecto.rs too and keeps it from being dropped: have it converted with --include {name}"


def _short(digits: str) -> str:
    return digits if len(digits) <= SHOWN_DIGITS else f"{digits[:6]}...{digits[-4:]}"


def _leftovers(catalog: Catalog) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    files = catalog.observed.get(LEFT_FILES.name)
    if files is not None and files.value == "True":
        folder = shown(catalog, "data_directory") or "the data directory"
        text = "index files, of no use once no database here is on pgvecto.rs"
        found.append((text, f"rm -r {folder}/pg_vectors"))
    for setting in catalog.stored_settings:
        if setting.name == "search_path" and setting.database and "vectors" in (setting.value or ""):
            reset = SQL("ALTER DATABASE {} RESET search_path;").format(Identifier(setting.database)).as_string(None)
            found.append((f"search_path of {setting.database} still names schema vectors, harmless", reset))
    return found
