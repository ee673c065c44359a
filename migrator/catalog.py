"""One immutable snapshot of what the server shows, read from the system catalogs in one statement.

The statement (`catalog.sql`) opens no index and calls no extension's function, so it answers while a library is
missing. What an application keeps in tables, and what only a library can tell, comes from `Observation` records: each
runs on its own, and an error is an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

import psycopg
from psycopg.sql import SQL, Composed

from migrator.rights import Grant, Rights

SYSTEM_VIEW_OF_FILES = (
    "SELECT sourcefile AS file, sourceline AS line, seqno AS sequence, name, setting AS value, applied "
    "FROM pg_catalog.pg_file_settings WHERE name = ANY (%s) ORDER BY seqno"
)


@dataclass(frozen=True, slots=True)
class Server:
    """The cluster. `started_at` changes with each restart, crash recovery not included; `session` is our backend."""

    version_num: int
    version: str
    description: str
    system_identifier: str
    started_at: str
    session: int
    in_recovery: bool


@dataclass(frozen=True, slots=True)
class Database:
    """The database we are connected to; `mine` means that our role may act as its owner."""

    name: str
    oid: int
    owner: str
    mine: bool
    tablespace: str = ""
    """Where its relations are that name no other."""


@dataclass(frozen=True, slots=True)
class Role:
    """The role we act as; `login` is the one that connected, another where a setting or we ourselves switched."""

    name: str
    superuser: bool
    login: str = ""


@dataclass(frozen=True, slots=True)
class Extension:
    """An extension by its name: created (`version`), offered by a control file (`offered`), both or neither."""

    name: str
    version: str | None
    offered: str | None
    schema: str | None
    mine: bool | None
    owner: str | None = None
    comment: str | None = None
    offered_comment: str | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an extension's type, or one that the application keeps its embeddings in.

    `typmod` is the dimension for the vector types, -1 where there is none. `key` is the one-column primary key of the
    table, or None. `size_bytes` is the table with its TOAST, without indexes.
    """

    table_oid: int
    schema: str
    table: str
    name: str
    type_schema: str
    type_name: str
    extension: str | None
    typmod: int
    storage: str
    not_null: bool
    comment: str | None
    mine: bool
    owner: str
    may_become_owner: bool
    key: str | None
    reltuples: float
    size_bytes: int
    key_type: tuple[str, str] | None = None
    """Schema and name of the key's type."""

    @property
    def type(self) -> str:
        """The type as a person writes it, arrays included."""
        if self.type_schema == "pg_catalog":
            return {"_float4": "real[]", "_float8": "double precision[]"}.get(self.type_name, self.type_name)
        dimension = f"({self.typmod})" if self.typmod > 0 else ""
        prefix = "" if self.type_schema == "public" else f"{self.type_schema}."
        return f"{prefix}{self.type_name}{dimension}"


@dataclass(frozen=True, slots=True)
class Table:
    """A table that the application is known by."""

    schema: str
    name: str


@dataclass(frozen=True, slots=True)
class Index:
    """An index of one of the access methods asked for; `options` are its reloptions, as stored."""

    schema: str
    name: str
    table_schema: str
    table: str
    columns: tuple[str, ...]
    access_method: str
    operator_class: str
    operator_class_schema: str
    options: tuple[str, ...]
    valid: bool
    reltuples: float
    comment: str | None = None
    tablespace: str | None = None
    """None for the database's own."""
    partial: bool = False
    condition: str | None = None
    """The WHERE clause of a partial one; None also where it cannot be read without an extension's library."""


@dataclass(frozen=True, slots=True)
class Check:
    """A check constraint on one of the application's tables."""

    schema: str
    table: str
    name: str


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting in force; `file` and `line` only where the role may see them."""

    name: str
    value: str
    source: str
    file: str | None
    line: int | None
    pending_restart: bool


@dataclass(frozen=True, slots=True)
class FileSetting:
    """A line of a configuration file as it reads now, in force or not; the last one wins."""

    file: str
    line: int
    sequence: int
    name: str
    value: str
    applied: bool


@dataclass(frozen=True, slots=True)
class StoredSetting:
    """A value stored for a database, a role or both ("" = any); `value` is None for settings nobody asked for."""

    database: str
    role: str
    name: str
    value: str | None


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema; `mine` means that our role may act as its owner."""

    name: str
    mine: bool
    may_create: bool
    owner: str = ""
    comment: str | None = None
    grants: tuple[Grant, ...] = ()
    initial: tuple[Grant, ...] = ()
    """What an extension granted on it when it was created in it."""


@dataclass(frozen=True, slots=True)
class Dependent:
    """An object outside an extension that depends on it, as Postgres describes it."""

    extension: str
    object: str


@dataclass(frozen=True, slots=True)
class AdvisoryLock:
    """An advisory lock held or awaited in this database."""

    key: int
    pid: int
    granted: bool
    mine: bool
    application: str | None
    since: str | None
    query: str | None


@dataclass(frozen=True, slots=True)
class OtherSession:
    """Another client connected to this database."""

    pid: int
    application: str | None
    role: str | None
    address: str | None


@dataclass(frozen=True, slots=True)
class Observed:
    """The answer to an observation: its rows as text, or the error that it met."""

    rows: tuple[tuple[str | None, ...], ...] = ()
    sqlstate: str | None = None
    message: str | None = None

    @property
    def value(self) -> str | None:
        """The first value of the first row, if there is one."""
        return self.rows[0][0] if self.rows else None


@dataclass(frozen=True, slots=True)
class Catalog:
    """The snapshot."""

    server: Server
    database: Database
    role: Role
    extensions: Mapping[str, Extension]
    columns: tuple[Column, ...]
    tables: tuple[Table, ...]
    indexes: tuple[Index, ...]
    checks: tuple[Check, ...]
    settings: Mapping[str, Setting]
    file_settings: tuple[FileSetting, ...] | None
    """None where the role may not read them."""
    stored_settings: tuple[StoredSetting, ...]
    schemas: Mapping[str, Schema]
    dependents: tuple[Dependent, ...]
    locks: tuple[AdvisoryLock, ...]
    sessions: tuple[OtherSession, ...]
    rights: tuple[Rights, ...] = ()
    roles: Mapping[str, Role] = field(default_factory=dict)
    tablespaces: Mapping[str, bool] = field(default_factory=dict)
    """By name, whether our role may create something in it."""
    observed: Mapping[str, Observed] = field(default_factory=dict)
    elsewhere: Mapping[str, Observed] | None = None
    """What the other databases of the cluster answered, by name; None where they were not asked."""


@dataclass(frozen=True, slots=True)
class Observation:
    """A question that is not answered by the system catalogs; asked only when `when` says so, on its own."""

    name: str
    sql: Callable[[Catalog], SQL | Composed]
    when: Callable[[Catalog], bool]


def _nobody_else(_: Catalog) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A question to every other database of the cluster, on connections of their own; asked when `when` says so.

    Where `decides` says so it is asked for each snapshot; otherwise the answers of the session's first one are kept.
    """

    sql: SQL | Composed
    when: Callable[[Catalog], bool]
    decides: Callable[[Catalog], bool]


@dataclass(frozen=True, slots=True)
class Interest:
    """What the snapshot is about: the names that the steps know and the engine does not."""

    extensions: Sequence[str]
    tables: Sequence[str]
    column: str
    access_methods: Sequence[str]
    settings: Sequence[str]
    locks: Sequence[int]
    observations: Sequence[Observation] = ()
    elsewhere: Elsewhere | None = None
    act_as: Callable[[Catalog], str | None] = _nobody_else
    """The role to act as, where the one that connected is a member of it without its rights; None = stay."""
    session: Mapping[str, str] = field(default_factory=dict)
    """Settings that the tool's own session needs because of what the database uses."""


T = TypeVar("T")


@cache
def _statement() -> str:
    return files("migrator").joinpath("catalog.sql").read_text(encoding="utf-8")


def _record(kind: type[T], row: Mapping[str, Any]) -> T:
    names = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: _value(name, value) for name, value in row.items() if name in names})


def _value(name: str, value: Any) -> Any:  # noqa: ANN401 - as JSON has it
    match name:
        case "columns" | "options" | "key_type":
            return tuple(value or ())
        case "arguments":
            return tuple((schema, type_name) for schema, type_name in value or ())
        case "grants" | "initial":
            return tuple(Grant(*grant) for grant in value or ())
        case _:
            return value


def _records(kind: type[T], rows: Iterable[Mapping[str, Any]] | None) -> tuple[T, ...]:
    return tuple(_record(kind, row) for row in rows or ())


def read_catalog(connection: psycopg.Connection[Any], interest: Interest) -> Catalog:
    """Read one snapshot.

    Raises:
        psycopg.Error: the connection is gone, or the server refuses to read its own catalogs.
    """
    names: dict[str, Any] = {
        name: list(value) if not isinstance(value := getattr(interest, name), str) else value
        for name in ("extensions", "tables", "column", "access_methods", "settings", "locks")
    }
    row = connection.execute(_statement(), names, prepare=False).fetchone()
    document: dict[str, Any] = row[0] if row else {}
    file_settings: tuple[FileSetting, ...] | None = None
    if document["may_read_files"]:
        cursor = connection.execute(SYSTEM_VIEW_OF_FILES, [list(interest.settings)], prepare=False)
        columns = [c.name for c in cursor.description or ()]
        file_settings = _records(FileSetting, (dict(zip(columns, r, strict=True)) for r in cursor.fetchall()))
    catalog = Catalog(
        server=_record(Server, document["server"]),
        database=_record(Database, document["database"]),
        role=_record(Role, document["role"]),
        extensions={e.name: e for e in _records(Extension, document["extensions"])},
        columns=_records(Column, document["columns"]),
        tables=_records(Table, document["tables"]),
        indexes=_records(Index, document["indexes"]),
        checks=_records(Check, document["checks"]),
        settings={s.name: s for s in _records(Setting, document["settings"])},
        file_settings=file_settings,
        stored_settings=_records(StoredSetting, document["stored_settings"]),
        schemas={s.name: s for s in _records(Schema, document["schemas"])},
        dependents=_records(Dependent, document["dependents"]),
        locks=_records(AdvisoryLock, document["locks"]),
        sessions=_records(OtherSession, document["sessions"]),
        rights=_records(Rights, document["rights"]),
        tablespaces=document["tablespaces"],
        roles={role.name: role for role in _records(Role, document["roles"])},
    )
    for observation in interest.observations:
        if observation.when(catalog):
            observed = {**catalog.observed, observation.name: _observe(connection, observation.sql(catalog))}
            catalog = _with_observed(catalog, observed)
    return catalog


def _with_observed(catalog: Catalog, observed: Mapping[str, Observed]) -> Catalog:
    values = {f.name: getattr(catalog, f.name) for f in fields(Catalog)}
    return Catalog(**{**values, "observed": observed})


def _observe(connection: psycopg.Connection[Any], sql: SQL | Composed) -> Observed:
    try:
        rows = connection.execute(sql, prepare=False).fetchall()
    except psycopg.Error as error:
        if connection.closed or connection.broken:
            raise
        return Observed(sqlstate=error.sqlstate, message=error.diag.message_primary or str(error))
    return Observed(rows=tuple(tuple(None if v is None else str(v) for v in row) for row in rows))
