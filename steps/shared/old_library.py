"""pgvecto.rs's library: whether it can still do its part, and what can be done where it cannot.

Gone from the disk, not preloaded, or of another release than the catalog: in each case the embeddings are intact, and
PostgreSQL cannot open a table that has one of its indexes. Everything here is read from the catalogs.
"""

from __future__ import annotations

from typing import Literal

from psycopg.sql import SQL

from migrator.catalog import Catalog, Observation
from migrator.step import Blocker
from steps.advice.instructions import put_pgvectors_back, restart
from steps.shared.names import PGVECTORS
from steps.shared.options import Options
from steps.shared.preload import edit_by_hand, in_force, merged
from steps.shared.state import is_loaded, needs_pgvectors

Trouble = Literal["gone", "not loaded", "other release"]
RESCUE_COMMAND = "migrate --from pgvecto.rs --path rescue --dry-run"
READS = SQL("SELECT '[0,1]'::vectors.vector IS NOT NULL")
"""The cheapest call into the library: it reads a text, opens no index, and needs no worker."""


def trouble(catalog: Catalog) -> Trouble | None:
    """Tell why the library cannot do its part; None where it can, or where nothing needs it any more."""
    extension = catalog.extensions[PGVECTORS]
    if extension.version is None or not needs_pgvectors(catalog):
        return None
    if extension.offered is None:
        return "gone"
    if not is_loaded(catalog, PGVECTORS):
        return "not loaded"
    return None if extension.version == extension.offered else "other release"


OBSERVATION = Observation("old-library", lambda _: READS, lambda catalog: trouble(catalog) == "other release")
"""Whether the functions of another release answer at all; where they do, its indexes still do not."""


MANAGED = Observation(
    "managed",
    lambda _: SQL(
        "SELECT rolname FROM pg_roles WHERE rolname IN"
        " ('rds_superuser', 'cloudsqlsuperuser', 'alloydbsuperuser', 'azure_pg_admin', 'doadmin') ORDER BY 1"
    ),
    lambda catalog: trouble(catalog) is not None,
)
"""Roles by which a managed service is known: nobody is a superuser there."""


def blockers(catalog: Catalog, options: Options) -> list[Blocker]:
    """Return what keeps the library from doing its part, with both ways out: put it back, or go without it."""
    version, offered = catalog.extensions[PGVECTORS].version, catalog.extensions[PGVECTORS].offered
    without = f"or take the embeddings out without it, as a superuser: {RESCUE_COMMAND}"
    if offered is None:
        return [
            Blocker(
                what="library of pgvecto.rs",
                found=f"extension vectors {version} is in the catalog, this server no longer offers it "
                '(could not access file "$libdir/vectors")',
                wanted=f"vectors.so of pgvecto.rs {version} on the server; the data is intact",
                fix=(
                    f"put the image or package with pgvecto.rs {version} back:",
                    *put_pgvectors_back(catalog, version or "", options.environment),
                    without,
                ),
            )
        ]
    if not is_loaded(catalog, PGVECTORS):
        return [
            Blocker(
                what="library of pgvecto.rs",
                found=f"offered, but not preloaded (shared_preload_libraries = '{', '.join(in_force(catalog))}'; "
                "pgvecto.rs must be loaded via shared_preload_libraries)",
                wanted="vectors.so in shared_preload_libraries until the migration is done",
                fix=(
                    "add vectors.so to shared_preload_libraries, restart PostgreSQL:",
                    *edit_by_hand(catalog, merged(catalog, (PGVECTORS,)), "", options.environment).fix,
                    *restart(catalog, options.environment),
                    without,
                ),
                kind="operator",
            )
        ]
    if version == offered:
        return []
    return [
        Blocker(
            what="version of pgvecto.rs",
            found=f"library {offered}, catalog {version}{_answer(catalog)}",
            wanted="the same version in both",
            fix=(f"put the library of pgvecto.rs {version} back, restart PostgreSQL", without),
        )
    ]


def _answer(catalog: Catalog) -> str:
    said = catalog.observed.get(OBSERVATION.name)
    if said is None or said.message is None:
        return ""
    return f" ({said.message.strip().splitlines()[0]})"
