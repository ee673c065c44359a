"""Drops extension vectors, once nothing uses it. Never with CASCADE: RESTRICT refuses while a column depends on it.

Precondition: no object outside the extension depends on it. Effect: catalog changes only. Done when the extension is
gone. Undone by creating it again while its library is installed, for the superuser whose it was, with its comment and
the rights on its members. About a second, no lock on Immich's tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from psycopg.sql import SQL, Identifier, Literal

from migrator.catalog import Catalog
from migrator.step import SUPERUSER, Blocker, Fact, Facts, Json, NoWayBack, Privilege, Right, Statement, Step
from steps.advice.instructions import put_pgvectors_back, restart
from steps.shared import dependents, preload, worker
from steps.shared.before import extension_before, extension_facts, schema_before
from steps.shared.granted import member_rights_back, schema_rights_too_many
from steps.shared.names import PGVECTORS
from steps.shared.options import Options
from steps.shared.state import is_loaded

WHY = "as it was before"


class DropExtensionVectors(Step):
    """Drop the extension."""

    key = "drop-extension-vectors"
    title = "drop extension vectors"

    def __init__(self, options: Options | None = None) -> None:
        self._options = options or Options()

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when the extension is not in the catalog."""
        return catalog.extensions[PGVECTORS].version is None

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. Name everything that still depends on the extension."""
        blockers = [dependents.blocker(catalog, self.title, user) for user in dependents.users_of(catalog)]
        return (*blockers, *worker.blockers(catalog))

    def plan(self, catalog: Catalog, facts: Facts) -> Sequence[Statement]:
        """Read-only. A plain DROP, which refuses rather than takes anything along."""
        return (
            *worker.probe(catalog),
            Statement(
                "drop-extension",
                SQL("DROP EXTENSION vectors"),
                "PostgreSQL refuses this while any column still uses its types",
                Privilege(Right.EXTENSION_OWNER, PGVECTORS),
            ),
        )

    def record(self, catalog: Catalog) -> Sequence[Fact]:
        """Read-only. The release that was there."""
        return extension_facts(catalog)

    def undo(self, catalog: Catalog, facts: Facts) -> Sequence[Statement] | NoWayBack:
        """Read-only. Create it again, while its library is still installed, in the release that was there."""
        extension, before = catalog.extensions[PGVECTORS], extension_before(facts, PGVECTORS)
        if before is None or before.get("version") is None:
            return ()
        if extension.version is not None:
            return _comment_and_rights(catalog, facts, before)
        if before.get("offered") is None:
            return NoWayBack("the library of pgvecto.rs was not there either when this run began", always=True)
        if extension.offered is None:
            return NoWayBack("the library of pgvecto.rs is no longer installed", fix=self._put_back(catalog, before))
        if extension.offered != before.get("version"):
            return NoWayBack(
                f"pgvecto.rs was {before.get('version')}, and PostgreSQL offers {extension.offered}",
                fix=self._put_back(catalog, before),
            )
        create = Statement("create-extension", SQL("CREATE EXTENSION vectors"), WHY, SUPERUSER)
        after = _comment_and_rights(catalog, facts, before)
        return (*worker.probe(catalog), *_as_its_owner(catalog, before), create, *after)

    def check_undo(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. A library that is not loaded yet; a worker that is gone."""
        return worker.blockers(catalog) if is_loaded(catalog, PGVECTORS) else (self._not_loaded(catalog),)

    def _not_loaded(self, catalog: Catalog) -> Blocker:
        wanted = "vectors.so preloaded, as pgvecto.rs asks for"
        if not preload.will_have(catalog, PGVECTORS):
            elements = preload.merged(catalog, (PGVECTORS,))
            return preload.edit_by_hand(catalog, elements, wanted, self._options.environment)
        return preload.restart_to(catalog, "with vectors.so", restart(catalog, self._options.environment))

    def _put_back(self, catalog: Catalog, before: Mapping[str, Json]) -> tuple[str, ...]:
        return put_pgvectors_back(catalog, str(before.get("version")), self._options.environment)


def _as_its_owner(catalog: Catalog, before: Mapping[str, Json]) -> tuple[Statement, ...]:
    """Return what makes the extension's owner of then its creator: it cannot be given to anybody afterwards."""
    owner = catalog.roles.get(str(before.get("owner")))
    if owner is None or not owner.superuser or owner.name == catalog.role.name:
        return ()
    sql = SQL("SET LOCAL ROLE {}").format(Identifier(owner.name))
    return (Statement("as-owner", sql, "whose it was before; an extension belongs to whoever creates it", SUPERUSER),)


def _comment_and_rights(catalog: Catalog, facts: Facts, before: Mapping[str, Json]) -> tuple[Statement, ...]:
    """Return what somebody had changed of the extension, as far as it is not so; also where it is yet to be created."""
    extension, owner = catalog.extensions[PGVECTORS], Privilege(Right.EXTENSION_OWNER, PGVECTORS)
    statements: list[Statement] = []
    comment = extension.offered_comment if extension.version is None else extension.comment
    if "comment" in before and before.get("comment") != comment:
        sql = SQL("COMMENT ON EXTENSION vectors IS {}").format(Literal(before.get("comment")))
        statements.append(Statement("comment", sql, WHY, owner))
    schema = schema_before(facts)
    if extension.version is None and schema is not None:
        statements += schema_rights_too_many(schema.grants, schema.initial)
    return (*statements, *member_rights_back(catalog, facts))
