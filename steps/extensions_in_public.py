"""Brings pgvector and VectorChord to schema public, where somebody's CREATE EXTENSION put them into schema vectors.

It happens where that schema comes first in the search_path. A VectorChord that was created beside pgvecto.rs there took
pgvecto.rs's type `vector` for pgvector's and is of no use: so one that no index uses is dropped, and created again by a
later step. What is in use is moved. Done when neither is in schema vectors. Catalog changes only.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.sql import SQL, Identifier

from migrator.catalog import Catalog, Extension
from migrator.step import Blocker, Fact, Facts, NoWayBack, Privilege, Right, Statement, Step
from steps.shared import worker
from steps.shared.before import extension_before, extension_facts
from steps.shared.names import PGVECTOR, PGVECTORS, VCHORD

SCHEMA = "public"
ACCESS_METHODS = ("vchordrq", "vchordg")


class ExtensionsInPublic(Step):
    """Leave nothing but pgvecto.rs in its schema."""

    key = "extensions-in-public"
    title = "no other extension in schema vectors"

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when neither pgvector nor VectorChord is in pgvecto.rs's schema."""
        return not _misplaced(catalog)

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. The worker must not be gone."""
        return worker.blockers(catalog)

    def plan(self, catalog: Catalog, facts: Facts) -> Sequence[Statement]:
        """Read-only. One statement per extension; VectorChord first, since it needs pgvector."""
        moves = [_out(catalog, extension) for extension in _misplaced(catalog)]
        return (*worker.probe(catalog), *moves) if moves else ()

    def record(self, catalog: Catalog) -> Sequence[Fact]:
        """Read-only. Where the extensions are."""
        return extension_facts(catalog)

    def undo(self, catalog: Catalog, facts: Facts) -> Sequence[Statement] | NoWayBack:
        """Read-only. Nothing, or a reason: they are better off in public, whatever follows."""
        before = [extension_before(facts, name) or {} for name in (VCHORD, PGVECTOR)]
        if all(extension.get("schema") != PGVECTORS for extension in before):
            return ()
        return NoWayBack("in schema vectors neither pgvector nor VectorChord is of use to anybody", always=True)


def _misplaced(catalog: Catalog) -> list[Extension]:
    return [e for name in (VCHORD, PGVECTOR) if (e := catalog.extensions[name]).schema == PGVECTORS]


def _vchord_is_used(catalog: Catalog) -> bool:
    """Tell whether an index or a column needs it; whatever else does keeps it from being dropped."""
    return any(i.access_method in ACCESS_METHODS for i in catalog.indexes) or any(
        c.extension == VCHORD for c in catalog.columns
    )


def _out(catalog: Catalog, extension: Extension) -> Statement:
    owner = Privilege(Right.EXTENSION_OWNER, extension.name)
    if extension.name == VCHORD and not _vchord_is_used(catalog):
        drop = SQL("DROP EXTENSION {}").format(Identifier(extension.name))
        why = "beside pgvecto.rs it was made for the wrong type; nothing uses it, and it is created again in public"
        return Statement(f"drop-{extension.name}", drop, why, owner)
    move = SQL("ALTER EXTENSION {} SET SCHEMA {}").format(Identifier(extension.name), Identifier(SCHEMA))
    return Statement(f"move-{extension.name}", move, "schema vectors is going to be dropped", owner)
