"""An Immich-shaped database on a throw-away server, in the state that one wants to start from."""

from dataclasses import dataclass
from typing import Literal

import psycopg
from packaging.version import Version
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.types.json import Jsonb

from migrator.sandbox import immich_sql
from migrator.sandbox.immich_sql import FACE_DIMENSION, INDEXES, MODEL_OF_DIMENSION, Extension, Index

__all__ = ["ImmichDatabase", "Source"]

Source = Literal["pgvecto.rs", "pgvector", "real[]", "vchord"]

_EXTENSION: dict[Source, Extension | None] = {
    "pgvecto.rs": "vectors",
    "pgvector": "vector",
    "real[]": None,
    "vchord": "vchord",
}

_COMPANIONS = ("uuid-ossp", "cube", "earthdistance", "pg_trgm", "unaccent")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImmichDatabase:
    """What an Immich of some release left in Postgres, and how much of it.

    Attributes:
        name: Name of the database; one of that name must not exist yet.
        owner: Role that Immich connects as. It is created or altered to fit.
        owner_is_superuser: Whether that role may do everything, as Immich normally expects.
        owner_password: Password of the role, or None for a role without one.
        source: Where the embeddings are: in pgvecto.rs, in pgvector (indexed by hnsw), in the dimensionless
            arrays of a migration left half-way, or already in VectorChord.
        dimension: Dimension of smart_search, at least 4. Faces always have 512.
        rows: Number of assets, each with an embedding.
        face_rows: Number of faces, each with an embedding; None for as many as there are assets.
        immich_version: Newest release in version_history; it also decides the form of a pgvecto.rs index.
        with_indexes: Whether clip_index and face_index exist.
        model: CLIP model in the settings; None for the one that fits the dimension.
        face_table: Name of the table of faces; releases before 1.136 said asset_faces.
        also_create: Further extensions of the database, as left by a step that was done before.
        awkward_values: Whether the first embedding of each table holds zeros of both signs, a denormal and 3.4e38.
    """

    name: str = "immich"
    owner: str = "immich"
    owner_is_superuser: bool = True
    owner_password: str | None = None
    source: Source = "pgvecto.rs"
    dimension: int = 512
    rows: int = 200
    face_rows: int | None = None
    immich_version: str = "1.132.3"
    with_indexes: bool = True
    model: str | None = None
    face_table: Literal["asset_face", "asset_faces"] = "asset_face"
    also_create: tuple[Extension, ...] = ()
    awkward_values: bool = True

    @property
    def extension(self) -> Extension | None:
        """Return the extension that holds the embeddings, None while they are plain arrays."""
        return _EXTENSION[self.source]

    @property
    def asset_table(self) -> str:
        """Return the name of the table of assets, which changed together with that of the faces."""
        return "assets" if self.face_table == "asset_faces" else "asset"

    def build(self, server_conninfo: str) -> str:
        """Create role and database and fill them.

        Args:
            server_conninfo: Connection of a superuser to any database of the server.

        Returns:
            The conninfo of the new database, for the same superuser.

        Raises:
            ValueError: The dimension is below 4.
            psycopg.Error: The server refused something, an extension that it does not offer for example.
        """
        if self.dimension < 4:  # noqa: PLR2004 - the number of pieces that a row is made of
            message = f"dimension {self.dimension} is too small; the smallest is 4"
            raise ValueError(message)
        conninfo = make_conninfo(server_conninfo, dbname=self.name)
        with psycopg.connect(server_conninfo, autocommit=True) as connection:
            self._create_role_and_database(connection)
        with psycopg.connect(conninfo, autocommit=True) as connection:
            self._create_extensions(connection)
            self._set_settings(connection)
        # A new session, because Immich's statements rely on the settings that were just made.
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(self.owner)))
            with connection.transaction():
                self._fill(connection)
            for index in INDEXES if self.with_indexes else ():
                self._create_index(connection, index)
            connection.execute("VACUUM ANALYZE smart_search, face_search")
        return conninfo

    def _create_role_and_database(self, connection: psycopg.Connection) -> None:
        owner = sql.Identifier(self.owner)
        known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [self.owner]).fetchone()
        if known is None:
            connection.execute(sql.SQL("CREATE ROLE {}").format(owner))
        attributes = sql.SQL("ALTER ROLE {} LOGIN {} PASSWORD {}").format(
            owner,
            sql.SQL("SUPERUSER" if self.owner_is_superuser else "NOSUPERUSER"),
            sql.Literal(self.owner_password),
        )
        connection.execute(attributes)
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(self.name), owner))

    def _create_extensions(self, connection: psycopg.Connection) -> None:
        offered = {name for (name,) in connection.execute("SELECT name FROM pg_available_extensions")}
        if self.owner_is_superuser:
            connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(self.owner)))
        for name in _COMPANIONS:
            if name in offered:
                connection.execute(sql.SQL("CREATE EXTENSION {} SCHEMA public").format(sql.Identifier(name)))
        for extension in (self.extension, *self.also_create):
            if extension is not None:
                connection.execute(immich_sql.create_extension(extension))
        if not self.owner_is_superuser and "vectors" in (self.extension, *self.also_create):
            # What Immich's page had a superuser do before it could start without being one.
            connection.execute(sql.SQL("ALTER SCHEMA vectors OWNER TO {}").format(sql.Identifier(self.owner)))

    def _set_settings(self, connection: psycopg.Connection) -> None:
        database = sql.Identifier(self.name)
        if self.source in ("pgvecto.rs", "real[]"):
            path = sql.SQL('ALTER DATABASE {} SET search_path TO "$user", public, vectors')
            connection.execute(path.format(database))
        if self.source == "vchord":
            connection.execute(sql.SQL("ALTER DATABASE {} SET vchordrq.probes = 1").format(database))

    def _fill(self, connection: psycopg.Connection) -> None:
        faces = self.rows if self.face_rows is None else self.face_rows
        assets = max(self.rows, min(faces, 1))
        clip = immich_sql.column_type(self.extension, self.dimension)
        face = immich_sql.column_type(self.extension, FACE_DIMENSION)
        names = (self.face_table, self.asset_table)
        connection.execute(immich_sql.tables(*names, clip, face, self.immich_version))
        connection.execute(immich_sql.asset_rows(self.asset_table, assets))
        connection.execute(immich_sql.face_rows(self.face_table, assets, faces))
        if self.extension is not None:
            # A column that went through real[] lost this storage; all others have it from Immich's schema.
            for table in INDEXES.values():
                statement = sql.SQL("ALTER TABLE {} ALTER COLUMN embedding SET STORAGE EXTERNAL")
                connection.execute(statement.format(sql.Identifier("public", table)))
        awkward = self.awkward_values
        connection.execute(immich_sql.embedding_rows("smart_search", clip, self.dimension, self.rows, awkward=awkward))
        connection.execute(immich_sql.embedding_rows("face_search", face, FACE_DIMENSION, faces, awkward=awkward))
        connection.execute(immich_sql.foreign_keys(*names))
        settings = self._machine_learning()
        if settings is not None:
            connection.execute(
                "INSERT INTO public.system_metadata (key, value) VALUES ('system-config', %s)",
                [Jsonb({"machineLearning": settings})],
            )

    def _machine_learning(self) -> dict[str, object] | None:
        """Return the settings under which Immich accepts the dimension, None for its defaults."""
        if self.model is None and self.dimension == FACE_DIMENSION:
            return None
        model = self.model or MODEL_OF_DIMENSION.get(self.dimension)
        # Immich looks at the dimension only where smart search is on.
        return {"clip": {"enabled": False}} if model is None else {"clip": {"modelName": model}}

    def _create_index(self, connection: psycopg.Connection, index: Index) -> None:
        if self.extension is None:
            return
        count = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("public", INDEXES[index]))
        row = connection.execute(count).fetchone()
        rows = 0 if row is None else int(row[0])
        release = Version(self.immich_version)
        connection.execute(immich_sql.index_statement(self.extension, index, rows, release))
