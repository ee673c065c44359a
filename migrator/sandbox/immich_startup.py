"""What Immich itself does to its database when it starts, from release 1.133 to 3.x.

A stand-in for the container: it takes Immich's lock, chooses and creates the vector extension, rebuilds the
indexes that are not as it wants them and drops the extensions that it no longer needs, with Immich's own
statements and in its order. Then it compares the dimension with the CLIP model. Careless where Immich is careless:
both may empty a table.
"""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeAlias

import psycopg
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from psycopg import sql

from migrator.sandbox import immich_sql
from migrator.sandbox.errors import SandboxError
from migrator.sandbox.immich_sql import INDEXES, MODEL_OF_DIMENSION, Extension, Index, Table

__all__ = ["CLIP_DIMENSION_LOCK", "MIGRATIONS_LOCK", "ImmichStartup", "ImmichStartupFailed"]

MIGRATIONS_LOCK = 200
CLIP_DIMENSION_LOCK = 512

_NAMES: dict[Extension, str] = {"vchord": "VectorChord", "vectors": "pgvecto.rs", "vector": "pgvector"}
_ACCESS_METHODS: dict[Extension, str] = {"vchord": "vchordrq", "vectors": "vectors", "vector": "hnsw"}
_ACCEPTED = {"vectors": ">=0.2 <0.4", "vector": ">=0.5 <1"}
# First release of Immich with the range of VectorChord, newest first.
_ACCEPTED_VCHORD = (
    (Version("2.5.0"), ">=0.3 <2"),
    (Version("2.1.0"), ">=0.3 <0.6"),
    (Version("1.135.0"), ">=0.3 <0.5"),
    (Version("1.133.0"), ">=0.3 <0.4"),
)
_LARGEST_DIMENSION = 65_536
_DIMENSION_OF_MODEL = {model: dimension for dimension, model in MODEL_OF_DIMENSION.items()}
_LAST_WITH_PREWARM_DIM = Version("1.135.0")
_FIRST_WITHOUT_PREWARM_DIM = Version("0.4")
_OLDEST_POSTGRES = 14_00_00
_OLDEST_RELEASE = Version("1.133")


# Available version, installed version.
_Versions: TypeAlias = tuple[Version, Version | None]


class ImmichStartupFailed(SandboxError):  # noqa: N818 - named after what happened
    """Immich would not have started; the message is Immich's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImmichStartup:
    """One start of Immich.

    Attributes:
        conninfo: Immich's database, as Immich's role.
        release: Release of Immich, at least 1.133; decides which versions it accepts.
        vector_extension: What `DB_VECTOR_EXTENSION` says, None where it is not set.
        on_line: Called with each line as it is logged, from any thread.
    """

    conninfo: str
    release: str = "2.7.5"
    vector_extension: Extension | None = None
    on_line: Callable[[str], None] | None = None
    _lines: list[str] = field(default_factory=list, init=False, repr=False, compare=False)

    def run(self) -> list[str]:
        """Start, up to the point where Immich would listen, and return the lines that it logged.

        It waits without limit while another session holds lock 200.

        Raises:
            ImmichStartupFailed: Immich would have ended with that message.
            psycopg.Error: A statement failed; as in Immich, what went before it stays done.
        """
        if Version(self.release) < _OLDEST_RELEASE:
            raise SandboxError(f"Immich {self.release} knows no VectorChord; the oldest that can be imitated is 1.133")
        self._lines.clear()
        with psycopg.connect(self.conninfo, autocommit=True) as fence:
            if fence.info.server_version < _OLDEST_POSTGRES:
                found = fence.info.parameter_status("server_version")
                raise ImmichStartupFailed(
                    f"Invalid PostgreSQL version. Found {found}, but needed >=14.0.0. Please use a supported version."
                )
            fence.execute("SELECT pg_advisory_lock(%s)", [MIGRATIONS_LOCK])
            with psycopg.connect(self.conninfo, autocommit=True) as connection:
                self._prepare(connection)
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            self._check_model(connection)
        return list(self._lines)

    def _prepare(self, connection: psycopg.Connection) -> None:
        versions = self._versions(connection)
        extension = self._choose(versions)
        self._check_versions(extension, *versions[extension])
        available, installed = versions[extension]
        if installed is None:
            self._create(connection, extension, available)
        elif available > installed:
            self._update(connection, extension, available)
        try:
            # Each table in a session of its own, both at a time.
            with ThreadPoolExecutor(max_workers=len(INDEXES)) as pool:
                list(pool.map(lambda index: self._reindex_if_needed(extension, index), INDEXES))
        except psycopg.Error:
            self._log(
                "WARN Could not run vector reindexing checks. If the extension was updated, please restart the "
                "Postgres instance. If you are upgrading directly from a version below 1.107.2, please upgrade to "
                "1.107.2 first."
            )
            raise
        for other, (_, there) in versions.items():
            depended_on = (extension, other) == ("vchord", "vector")
            if other != extension and there is not None and not depended_on:
                self._drop(connection, other)
        if extension == "vchord":
            for index in INDEXES:
                connection.execute("SELECT vchordrq_prewarm(%s::regclass)", [index])

    def _versions(self, connection: psycopg.Connection) -> dict[Extension, _Versions]:
        """Return available and installed version of each extension that this release knows and the server offers."""
        known: tuple[Extension, ...] = ("vchord", "vectors", "vector")
        if Version(self.release) >= Version("3"):
            known = ("vchord", "vector")
        rows = connection.execute(
            "SELECT name, default_version, installed_version FROM pg_available_extensions WHERE name = ANY(%s)",
            [list(known)],
        )
        found = {name: (Version(offered), None if there is None else Version(there)) for name, offered, there in rows}
        return {name: found[name] for name in known if name in found}

    def _choose(self, versions: dict[Extension, _Versions]) -> Extension:
        if self.vector_extension is not None:
            if self.vector_extension not in versions:
                name = _NAMES[self.vector_extension]
                raise ImmichStartupFailed(f"The {name} extension is not available in this Postgres instance.")
            return self.vector_extension
        if not versions:
            known = "vchord, vector" if Version(self.release) >= Version("3") else "vchord, vectors, vector"
            raise ImmichStartupFailed(f"No vector extension found. Available extensions: {known}")
        return next(iter(versions))

    def _check_versions(self, extension: Extension, available: Version, installed: Version | None) -> None:
        name = _NAMES[extension]
        wanted = _ACCEPTED.get(extension) or next(
            text for since, text in _ACCEPTED_VCHORD if Version(self.release) >= since
        )
        for version in (available, installed):
            # An installed version that is too old may still be updated to the one available.
            if version is None or (version is installed and available > version):
                continue
            if version not in SpecifierSet(wanted.replace(" ", ",")):
                raise ImmichStartupFailed(
                    f"The {name} extension version is {version}, but Immich only supports {wanted}."
                )
        if installed is not None and available < installed:
            raise ImmichStartupFailed(
                f"The database currently has {name} {installed} activated, "
                f"but the Postgres instance only has {available} available."
            )

    def _create(self, connection: psycopg.Connection, extension: Extension, version: Version) -> None:
        self._log(f"Creating {_NAMES[extension]} extension")
        try:
            connection.execute(immich_sql.create_extension(extension))
        except psycopg.Error as error:
            raise ImmichStartupFailed(f"Failed to activate {_NAMES[extension]} extension.") from error
        if extension == "vchord":
            database = sql.Identifier(connection.info.dbname)
            connection.execute(sql.SQL("ALTER DATABASE {} SET vchordrq.probes = 1").format(database))
            connection.execute("SET vchordrq.probes = 1")
            if Version(self.release) <= _LAST_WITH_PREWARM_DIM and version < _FIRST_WITHOUT_PREWARM_DIM:
                dimensions = sql.Literal(",".join(str(dimension) for dimension in MODEL_OF_DIMENSION))
                prewarm = sql.SQL("ALTER DATABASE {} SET vchordrq.prewarm_dim = {}")
                connection.execute(prewarm.format(database, dimensions))

    def _update(self, connection: psycopg.Connection, extension: Extension, version: Version) -> None:
        self._log(f"Updating {_NAMES[extension]} extension to {version}")
        for index in INDEXES:
            connection.execute(sql.SQL("DROP INDEX IF EXISTS {}").format(sql.Identifier(index)))
        update = sql.SQL("ALTER EXTENSION {} UPDATE TO {}")
        connection.execute(update.format(sql.Identifier(extension), sql.Literal(str(version))))
        if extension == "vectors":
            connection.execute("SELECT pgvectors_upgrade()")

    def _drop(self, connection: psycopg.Connection, extension: Extension) -> None:
        self._log(f"Dropping {_NAMES[extension]} extension")
        try:
            connection.execute(sql.SQL("DROP EXTENSION IF EXISTS {}").format(sql.Identifier(extension)))
        except psycopg.Error as error:
            self._log(f"WARN Failed to drop {_NAMES[extension]} extension: {error.diag.message_primary}")

    def _reindex_if_needed(self, extension: Extension, index: Index) -> None:
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            rows = _row_count(connection, INDEXES[index])
            definition = _definition(connection, index)
            if definition is None or not self._is_as_wanted(extension, index, definition, rows):
                self._reindex(connection, extension, index, rows)

    def _is_as_wanted(self, extension: Extension, index: Index, definition: str, rows: int) -> bool:
        if f"using {_ACCESS_METHODS[extension]}" not in definition.lower():
            return False
        if extension != "vchord":
            return True
        found = re.search(r"lists = \[(\d+)", definition)
        current = int(found[1]) if found else 1
        target = immich_sql.list_count(rows)
        self._log(f"targetLists={target}, current={current} for {index} of {rows} rows")
        return current in (target, immich_sql.list_count(rows * 1.2))

    def _reindex(self, connection: psycopg.Connection, extension: Extension, index: Index, rows: int) -> None:
        self._log(f"Reindexing {index} (This may take a while, do not restart)")
        table = sql.Identifier(INDEXES[index])
        dimension = self._dimension(connection, INDEXES[index])
        if Version(self.release) < Version("2.5.0"):
            # A build that fails leaves no index behind in these releases.
            _drop_index(connection, index)
        with connection.transaction():
            _drop_index(connection, index)
            if dimension is None:
                name = INDEXES[index]
                self._log(f"WARN Column 'embedding' does not exist in table '{name}', truncating and adding column.")
                connection.execute(sql.SQL("TRUNCATE {}").format(table))
                connection.execute(sql.SQL("ALTER TABLE {} ADD COLUMN embedding real[] NOT NULL").format(table))
            connection.execute(sql.SQL("ALTER TABLE {} ALTER COLUMN embedding SET DATA TYPE real[]").format(table))
            self._set_type(connection, extension, INDEXES[index], dimension or immich_sql.FACE_DIMENSION)
            connection.execute(immich_sql.index_statement(extension, index, rows, Version(self.release)))
        try:
            connection.execute(sql.SQL("VACUUM ANALYZE {}").format(table))
        except psycopg.Error:
            name = INDEXES[index]
            self._log(f"WARN Failed to vacuum table '{name}'. The DB will temporarily use more disk space")
        self._log(f"Reindexed {index}")

    def _dimension(self, connection: psycopg.Connection, table: Table) -> int | None:
        """Return the column's dimension, 512 where it has none, and None where there is no column."""
        row = connection.execute(
            "SELECT atttypmod FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attname = 'embedding' AND NOT attisdropped",
            [table],
        ).fetchone()
        if row is not None and 1 <= row[0] <= _LARGEST_DIMENSION:
            return int(row[0])
        self._log(f"WARN Could not retrieve dimension size of column 'embedding' in table '{table}', assuming 512")
        return None if row is None else immich_sql.FACE_DIMENSION

    def _check_model(self, connection: psycopg.Connection) -> None:
        """Empty smart_search where its dimension is not that of the configured CLIP model."""
        model = _configured_model(connection)
        wanted = _DIMENSION_OF_MODEL.get(model or "")
        connection.execute("SELECT pg_advisory_lock(%s)", [CLIP_DIMENSION_LOCK])
        found = None if wanted is None else self._dimension(connection, "smart_search")
        if wanted is None or found == wanted:
            return
        self._log(f"Dimension size of model {model} is {wanted}, but database expects {found}.")
        self._log(f"Updating database CLIP dimension size to {wanted}.")
        extension = self._choose(self._versions(connection))
        with connection.transaction():
            connection.execute("DELETE FROM smart_search")
            connection.execute(
                sql.SQL(
                    "ALTER TABLE smart_search ADD CONSTRAINT dim_size_constraint"
                    " CHECK (array_length(embedding::real[], 1) = {})"
                ).format(sql.Literal(wanted))
            )
            connection.execute("DROP INDEX IF EXISTS clip_index")
            self._set_type(connection, extension, "smart_search", wanted)
            connection.execute(immich_sql.index_statement(extension, "clip_index", 0, Version(self.release)))
            connection.execute("ALTER TABLE smart_search DROP CONSTRAINT dim_size_constraint")

    def _set_type(self, connection: psycopg.Connection, extension: Extension, table: Table, dimension: int) -> None:
        schema = sql.SQL("vectors." if extension == "vectors" else "")
        connection.execute(
            sql.SQL("ALTER TABLE {} ALTER COLUMN embedding SET DATA TYPE {}vector({})").format(
                sql.Identifier(table), schema, sql.Literal(dimension)
            )
        )

    def _log(self, line: str) -> None:
        self._lines.append(line)
        if self.on_line is not None:
            self.on_line(line)


def _drop_index(connection: psycopg.Connection, index: Index) -> None:
    connection.execute(sql.SQL("DROP INDEX IF EXISTS {}").format(sql.Identifier(index)))
    if INDEXES[index] == "smart_search":
        connection.execute("ALTER TABLE smart_search DROP CONSTRAINT IF EXISTS dim_size_constraint")


def _row_count(connection: psycopg.Connection, table: Table) -> int:
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
    return 0 if row is None else int(row[0])


def _definition(connection: psycopg.Connection, index: Index) -> str | None:
    row = connection.execute("SELECT indexdef FROM pg_indexes WHERE indexname = %s", [index]).fetchone()
    return None if row is None else str(row[0])


def _configured_model(connection: psycopg.Connection) -> str | None:
    """Return the CLIP model in the settings, Immich's own where they name none, and None with smart search off."""
    row = connection.execute(
        "SELECT value #> '{machineLearning,clip}' FROM system_metadata WHERE key = 'system-config'"
    ).fetchone()
    clip = (None if row is None else row[0]) or {}
    return None if clip.get("enabled") is False else str(clip.get("modelName", MODEL_OF_DIMENSION[512]))
