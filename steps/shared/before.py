"""What was there before a run, recorded when it begins, and read again where it is taken back.

The way back leads to these facts, not to a fresh database: a column that waited as real[] becomes real[] again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from migrator.catalog import Catalog, Column
from migrator.rights import Grant
from migrator.settings import PRELOAD, library_name
from migrator.step import Fact, Facts, Json
from steps.shared import preload
from steps.shared.granted import grants_as_json, grants_of, rights_facts
from steps.shared.names import LEFTOVER_CONSTRAINT, PGVECTOR, PGVECTORS, PROBES, VCHORD, Embeddings
from steps.shared.state import column_of, definition, indexes_on, mapping

NOTHING_RECORDED = "nothing is recorded of what was there before this run"


@dataclass(frozen=True, slots=True)
class ColumnBefore:
    """A column of embeddings as it was."""

    type_schema: str
    type_name: str
    extension: str | None
    typmod: int
    storage: str
    comment: str | None

    def is_type_of(self, column: Column) -> bool:
        """Tell whether a column has this type."""
        there = (column.type_schema, column.type_name, column.typmod)
        return there == (self.type_schema, self.type_name, self.typmod)


@dataclass(frozen=True, slots=True)
class IndexBefore:
    """An index as it was; what it can be built again from."""

    schema: str
    name: str
    columns: tuple[str, ...]
    access_method: str
    operator_class: str
    options: tuple[str, ...]
    comment: str | None = None
    tablespace: str | None = None
    partial: bool = False
    condition: str | None = None


@dataclass(frozen=True, slots=True)
class SchemaBefore:
    """A schema as it was; `initial` is what the extension granted on it when it was created."""

    owner: str
    comment: str | None
    grants: tuple[Grant, ...]
    initial: tuple[Grant, ...]


def column_facts(catalog: Catalog, table: Embeddings) -> tuple[Fact, ...]:
    """Return one column and its indexes, as they are."""
    column = column_of(catalog, table)
    if column is None:
        return ()
    value: Json = {
        "schema": column.schema,
        "type": column.type,
        "type_schema": column.type_schema,
        "type_name": column.type_name,
        "extension": column.extension,
        "typmod": column.typmod,
        "storage": column.storage,
        "comment": column.comment,
        "leftover_constraint": any(
            (c.schema, c.table, c.name) == (column.schema, column.table, LEFTOVER_CONSTRAINT) for c in catalog.checks
        ),
    }
    indexes: Json = [definition(index) for index in indexes_on(catalog, column)]
    return (
        Fact(f"column.{table.table}", value, first=True),
        Fact(f"indexes.{table.table}", indexes, first=True),
    )


def extension_facts(catalog: Catalog) -> tuple[Fact, ...]:
    """Return the three extensions as they are: created in which version, offered in which."""
    value: Json = {
        name: {
            "version": e.version,
            "offered": e.offered,
            "schema": e.schema,
            "owner": e.owner,
            "comment": e.comment,
        }
        for name in (PGVECTORS, PGVECTOR, VCHORD)
        if (e := catalog.extensions[name])
    }
    return (Fact("extensions.before", value, first=True), *rights_facts(catalog))


def schema_facts(catalog: Catalog) -> tuple[Fact, ...]:
    """Return pgvecto.rs's schema, and who owns it: that is not always who created the extension."""
    schema = catalog.schemas.get(PGVECTORS)
    if schema is None:
        return (Fact("schema.before", None, first=True),)
    value: Json = {
        "owner": schema.owner,
        "comment": schema.comment,
        "grants": grants_as_json(schema.grants),
        "initial": grants_as_json(schema.initial),
    }
    return (Fact("schema.before", value, first=True),)


def schema_before(facts: Facts) -> SchemaBefore | None:
    """Return pgvecto.rs's schema as it was before the run; None where there was none, or nobody recorded it."""
    found = mapping(facts.get("schema.before"))
    if not found:
        return None
    return SchemaBefore(
        owner=str(found.get("owner")),
        comment=_text(found.get("comment")),
        grants=grants_of(found.get("grants")),
        initial=grants_of(found.get("initial")),
    )


def setting_facts(catalog: Catalog) -> tuple[Fact, ...]:
    """Return what is stored for the database, values only where somebody asked for them."""
    own = [s for s in catalog.stored_settings if s.database == catalog.database.name and not s.role]
    return (Fact("database.settings.before", {s.name: s.value for s in own}, first=True),)


def preload_facts(catalog: Catalog) -> tuple[Fact, ...]:
    """Return the list of preloaded libraries as the running server has it."""
    setting = catalog.settings.get(PRELOAD)
    value: Json = {"list": list(preload.in_force(catalog)), "source": setting.source if setting else None}
    return (Fact("preload.before", value, first=True),)


def column_before(facts: Facts, table: Embeddings) -> ColumnBefore | None:
    """Return a column as it was before the run; None where nobody recorded it."""
    found = mapping(facts.get(f"column.{table.table}"))
    if not found:
        return None
    pgvectors = found.get("extension", PGVECTORS)
    return ColumnBefore(
        type_schema=str(found.get("type_schema", PGVECTORS)),
        type_name=str(found.get("type_name", "vector")),
        extension=None if pgvectors is None else str(pgvectors),
        typmod=int(str(found.get("typmod"))),
        storage=str(found.get("storage")),
        comment=_text(found.get("comment")),
    )


def had_leftover_constraint(facts: Facts, table: Embeddings) -> bool:
    """Tell whether an interrupted Immich had left its constraint behind."""
    return mapping(facts.get(f"column.{table.table}")).get("leftover_constraint") is True


def indexes_before(facts: Facts, table: Embeddings) -> tuple[IndexBefore, ...]:
    """Return the vector indexes that a column had before the run."""
    found = facts.get(f"indexes.{table.table}")
    return tuple(_index(mapping(item)) for item in (found if isinstance(found, Sequence) else ()))


def extension_before(facts: Facts, name: str) -> Mapping[str, Json] | None:
    """Return version and offer of an extension before the run; None where nobody recorded it."""
    recorded = mapping(facts.get("extensions.before"))
    if name not in recorded:
        return None
    value = recorded[name]
    return value if isinstance(value, Mapping) else {"version": value}


def probes_before(facts: Facts) -> tuple[bool, str | None]:
    """Return whether it is known how `vchordrq.probes` was stored for the database, and its value (None = not)."""
    recorded = facts.get("database.settings.before")
    if not isinstance(recorded, Mapping):
        return False, None
    return True, _text(recorded.get(PROBES))


def libraries_before(facts: Facts) -> tuple[str, ...] | None:
    """Return the list of preloaded libraries before the run, as written; None where nobody recorded it."""
    found = mapping(facts.get("preload.before")).get("list")
    return tuple(str(element) for element in found) if isinstance(found, list) else None


def was_preloaded(facts: Facts, library: str) -> bool | None:
    """Tell whether a library was preloaded before the run; None where nobody recorded it."""
    listed = libraries_before(facts)
    return None if listed is None else library in {library_name(element) for element in listed}


def _index(found: Mapping[str, Json]) -> IndexBefore:
    columns, options = found.get("columns"), found.get("options")
    return IndexBefore(
        schema=str(found.get("schema")),
        name=str(found.get("name")),
        columns=tuple(str(c) for c in columns) if isinstance(columns, list) else (),
        access_method=str(found.get("access_method")),
        operator_class=str(found.get("operator_class")),
        options=tuple(str(o) for o in options) if isinstance(options, list) else (),
        comment=_text(found.get("comment")),
        tablespace=_text(found.get("tablespace")),
        partial=found.get("partial") is True,
        condition=_text(found.get("condition")),
    )


def _text(value: Json) -> str | None:
    return None if value is None else str(value)
