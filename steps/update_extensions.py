"""Updates the catalogs to the installed releases: pgvector first, then VectorChord, then settings that it lost.

Precondition: the new library is loaded, and pgvector is 0.7 or newer. Effect: ALTER EXTENSION ... UPDATE, and a RESET
of exactly the stored settings that the new release does not know, in one transaction. No way back: there are no scripts
to an older release. Catalog changes only, about a second; takes a superuser, the vendors trust nobody else with it.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.sql import SQL

from migrator.catalog import Catalog
from migrator.step import SUPERUSER, Blocker, Facts, NoWayBack, Statement, Step
from steps.advice.instructions import install_pgvector
from steps.shared.names import PGVECTOR, VCHORD
from steps.shared.options import Options, accepted
from steps.shared.update_state import extensions_are_current, gone_settings, is_behind, reset_of
from steps.shared.vchord_formats import DROPS_SCALAR8_FROM, at_least
from steps.shared.versions import accepts, written


class UpdateExtensions(Step):
    """Bring the catalogs to what is installed."""

    key = "update-extensions"
    title = "update the extensions"
    lasting = False  # the next release makes it due again

    def __init__(self, options: Options) -> None:
        self._options = options

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when nothing newer is offered and no lost setting is stored."""
        return extensions_are_current(catalog)

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. pgvector must be new enough, and nothing may depend on what the vendor's script drops."""
        base, ranges = catalog.extensions[PGVECTOR], accepted(catalog, self._options).pgvector
        found: list[Blocker] = []
        if not accepts(ranges, base.offered):
            found.append(
                Blocker(
                    what="pgvector",
                    found='PostgreSQL offers no extension "vector"' if not base.offered else f"pgvector {base.offered}",
                    wanted=f"pgvector {written(ranges)}",
                    fix=install_pgvector(catalog, self._options.environment),
                    kind="operator",
                )
            )
        vchord = catalog.extensions[VCHORD]
        crosses = at_least(vchord.offered, DROPS_SCALAR8_FROM) and not at_least(vchord.version, DROPS_SCALAR8_FROM)
        found += [
            Blocker(
                what="columns of type scalar8",
                found=f"{column.schema}.{column.table}.{column.name}",
                wanted="none: VectorChord's own update script drops the type together with its columns",
                fix=("convert or remove this column first",),
            )
            for column in catalog.columns
            if crosses and column.extension == VCHORD and column.type_name.removeprefix("_") == "scalar8"
        ]
        return tuple(found)

    def plan(self, catalog: Catalog, facts: Facts) -> Sequence[Statement]:
        """Read-only. pgvector before VectorChord, which uses its types; the settings last."""
        whys = {
            PGVECTOR: "pgvector's catalog entries are older than its library",
            VCHORD: "VectorChord's catalog entries are older than its library; one statement takes any distance",
        }
        updates = [
            Statement(f"update-{name}", SQL(sql), whys[name], SUPERUSER)
            for name, sql in (
                (PGVECTOR, "ALTER EXTENSION vector UPDATE"),
                (VCHORD, "ALTER EXTENSION vchord UPDATE"),
            )
            if is_behind(catalog, name)
        ]
        resets = [
            Statement(
                f"reset-{setting.name.partition('.')[2].replace('_', '-')}-{number}",
                reset_of(setting),
                "the new release does not know this setting: it warns at every connect, and Immich fails to unset it",
                SUPERUSER,
            )
            for number, setting in enumerate(gone_settings(catalog), start=1)
        ]
        return (*updates, *resets)

    def undo(self, catalog: Catalog, facts: Facts) -> Sequence[Statement] | NoWayBack:
        """Read-only. The vendors have no scripts to an older release."""
        return NoWayBack("extensions have no scripts to an older release", always=True)
