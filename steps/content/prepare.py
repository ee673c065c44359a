"""A fresh database as Immich wants it, so that Immich itself needs no superuser: the documented preparation.

The database and its owner, extensions vchord and earthdistance with what they need, all in schema public, the number of
probes that Immich would set when it creates the extension, and a search path that ends in schema public.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.sql import SQL, Composed, Identifier

from migrator.catalog import Catalog, Interest
from migrator.content import Part
from migrator.step import SUPERUSER, Blocker, Privilege, Right, Statement
from steps.content import prepare_blockers
from steps.content.observations import INTEREST
from steps.content.prepare_observations import CUBE, EARTHDISTANCE, observations, owner_of, path_of
from steps.shared.names import PGVECTOR, PGVECTORS, PROBES, VCHORD
from steps.shared.vchord_formats import is_newer

SCHEMA = "public"
OWNER = Privilege(Right.DATABASE_OWNER)
NEEDS = {
    PGVECTOR: "the data types; VectorChord needs it",
    VCHORD: "the index that Immich searches with",
    CUBE: "earthdistance needs it",
    EARTHDISTANCE: "Immich's map searches with it",
}
"""Extensions in the order in which they are created, and why."""
TRUSTED = (CUBE, EARTHDISTANCE)
"""Extensions of PostgreSQL's own that a database's owner may create too."""


@dataclass(frozen=True, slots=True)
class ImmichDatabase:
    """The database to prepare. `target_immich` is the release that will use it, None where that is open."""

    name: str
    owner: str
    target_immich: str | None = None

    @property
    def interest(self) -> Interest:
        """What the snapshot has to contain."""
        return Interest(
            extensions=(*NEEDS, PGVECTORS),
            tables=(),
            column="",
            access_methods=(),
            settings=INTEREST.settings,
            locks=(),
            observations=observations(self.name, self.owner),
        )

    def blockers(self, catalog: Catalog) -> Sequence[Blocker]:
        """Return everything that stands in the way, apart from missing rights."""
        return prepare_blockers.blockers(catalog, self.name, self.owner, self.target_immich)

    def parts(self, catalog: Catalog) -> Sequence[Part]:
        """Return every part in order."""
        inside = catalog.database.name == self.name
        return (
            self._database(catalog),
            *(self._extension(catalog, name, why, inside=inside) for name, why in NEEDS.items()),
            self._probes(catalog, inside=inside),
            self._search_path(catalog, inside=inside),
            self._right_to_create(catalog, inside=inside),
        )

    def _database(self, catalog: Catalog) -> Part:
        title = f'database "{self.name}", owner "{self.owner}"'
        name, owner, now = Identifier(self.name), Identifier(self.owner), owner_of(catalog)
        if now == self.owner:
            return Part(title, inside=False)
        if now is None:
            create = SQL("CREATE DATABASE {} OWNER {}").format(name, owner)
            statement = Statement("create-database", create, "it is not there", SUPERUSER, alone=True)
        else:
            alter = SQL("ALTER DATABASE {} OWNER TO {}").format(name, owner)
            statement = Statement("set-owner", alter, f'it belongs to "{now}"', SUPERUSER)
        return Part(title, (statement,), inside=False)

    def _extension(self, catalog: Catalog, name: str, why: str, *, inside: bool) -> Part:
        extension = catalog.extensions[name]
        title = f"extension {name} in schema {SCHEMA}"
        right = OWNER if name in TRUSTED else SUPERUSER
        if not inside or extension.version is None:
            create = SQL("CREATE EXTENSION IF NOT EXISTS {} SCHEMA {}").format(Identifier(name), Identifier(SCHEMA))
            return Part(title, (Statement(f"create-{name}", create, why, right if inside else SUPERUSER),))
        statements: list[Statement] = []
        if extension.schema != SCHEMA:
            move = SQL("ALTER EXTENSION {} SET SCHEMA {}").format(Identifier(name), Identifier(SCHEMA))
            where = f"it is in schema {extension.schema}, where Immich does not look"
            statements.append(Statement(f"move-{name}", move, where, Privilege(Right.EXTENSION_OWNER, name)))
        if is_newer(extension.offered, extension.version):
            update = SQL("ALTER EXTENSION {} UPDATE").format(Identifier(name))
            statements.append(Statement(f"update-{name}", update, "its library is newer", SUPERUSER))
        return Part(title, tuple(statements))

    def _probes(self, catalog: Catalog, *, inside: bool) -> Part:
        title = f"{PROBES} = 1"
        if inside and any(s.database == self.name and not s.role and s.name == PROBES for s in catalog.stored_settings):
            return Part(title)
        sql = SQL("ALTER DATABASE {} SET vchordrq.probes = 1").format(Identifier(self.name))
        why = "Immich sets it when it creates the extension; its index refuses every search without"
        return Part(title, (Statement("set-probes", sql, why, OWNER if inside else SUPERUSER),))

    def _search_path(self, catalog: Catalog, *, inside: bool) -> Part:
        title = f"new tables of Immich in schema {SCHEMA}"
        found = path_of(catalog, self.name, self.owner)
        if not inside or found.first_schema in (SCHEMA, None):
            return Part(title)
        whose: SQL | Composed = SQL("ALTER DATABASE {}").format(Identifier(self.name))
        if found.of_role:
            whose = SQL("ALTER ROLE {} IN DATABASE {}").format(Identifier(self.owner), Identifier(self.name))
        sql = SQL("{} SET search_path TO {}, {}").format(whose, Identifier("$user"), Identifier(SCHEMA))
        why = f"search_path would put Immich's tables into schema {found.first_schema}"
        return Part(title, (Statement("set-search-path", sql, why, SUPERUSER if found.of_role else OWNER),))

    def _right_to_create(self, catalog: Catalog, *, inside: bool) -> Part:
        title = f'"{self.owner}" may create in schema {SCHEMA}'
        answer = catalog.observed.get("may create")
        # the owner of a database may from PostgreSQL 15 on, everybody before; unless somebody took it away
        if not inside or answer is None or answer.value == "True" or owner_of(catalog) != self.owner:
            return Part(title)
        sql = SQL("GRANT USAGE, CREATE ON SCHEMA {} TO {}").format(Identifier(SCHEMA), Identifier(self.owner))
        return Part(title, (Statement("grant-create", sql, "somebody took this right away", SUPERUSER),))
