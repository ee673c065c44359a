"""How a table of embeddings goes back to what it was before the run: its type by one proven rewrite, then its indexes.

The old indexes are built after the rewrite was committed, each in a transaction of its own and with pgvecto.rs's worker
asked once more: a build that fails is rolled back, and that is when a server whose worker is gone crashes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from migrator.catalog import Catalog, Column, Index
from migrator.step import SUPERUSER, Facts, Json, NoWayBack, Statement
from steps.shared import proof, rewriting, worker
from steps.shared.before import NOTHING_RECORDED, ColumnBefore, IndexBefore, column_before, indexes_before
from steps.shared.index import condition, tablespace
from steps.shared.names import PGVECTOR, PGVECTORS, Embeddings
from steps.shared.state import column_of, definition, indexes_on

STORAGE = {"p": SQL("PLAIN"), "e": SQL("EXTERNAL"), "m": SQL("MAIN"), "x": SQL("EXTENDED")}
LIBRARY_GONE = "the library of pgvecto.rs is no longer installed, and its type is gone with it"
ARRAY = ColumnBefore("pg_catalog", "_float4", None, -1, "e", None)
"""What a column is in the middle of the manual path."""

Way = Sequence[Statement] | NoWayBack


def table_back(catalog: Catalog, facts: Facts, table: Embeddings, *, comment: bool = True) -> Way:
    """Return what makes a table what it was before the run, its comment too where asked for; nothing where it is."""
    column, before = column_of(catalog, table), column_before(facts, table)
    if column is None:
        return NoWayBack(f"table {table.table} has no column of embeddings any more", always=True)
    if before is None:
        return () if column.extension == PGVECTORS else NoWayBack(f"{NOTHING_RECORDED} ({table.table})")
    if before.extension == PGVECTORS and catalog.extensions[PGVECTORS].offered is None:
        return () if before.is_type_of(column) else NoWayBack(LIBRARY_GONE)
    rewrite = () if before.is_type_of(column) else rewritten(catalog, column, table, before, comment=comment)
    missing = indexes_missing(catalog, facts, table)
    if not rewrite and not missing and not indexes_too_many(catalog, facts, table):
        return index_comments_back(catalog, facts, table)
    if not rewrite:
        return indexes_back(catalog, facts, table, of_old_type=True)
    # what the rewrite drops is missing after it, whatever the snapshot shows now
    build = _builds(catalog, column, indexes_before(facts, table))
    return (*rewrite, *build)


def rewritten(
    catalog: Catalog, column: Column, table: Embeddings, before: ColumnBefore, *, comment: bool
) -> tuple[Statement, ...]:
    """Return one transaction that gives a column the type it had, with the proof that no element changed."""
    measure = proof.measure_values(column, with_reader=False)
    notes = () if not comment or column.comment == before.comment else (_comment(column, before.comment),)
    return (
        *worker.probe(catalog),
        rewriting.lock(column),
        rewriting.measure_before(table.table, column, measure, recorded=False),
        *rewriting.drop_what_forbids_it(catalog, column),
        rewriting.rewrite(table.table, column, _to(column, before), f"back to {type_name(before)}, as it was"),
        rewriting.measure_after(table.table, column, measure, final=False),
        *notes,
        Statement("analyze", SQL("ANALYZE {}").format(_table(column)), "the planner knows the rows again",
                  rewriting.owner_of(column)),
    )  # fmt: skip


def indexes_back(
    catalog: Catalog, facts: Facts, table: Embeddings, *, of_old_type: bool = False
) -> tuple[Statement, ...]:
    """Return what leaves a column with the indexes that it had and that fit its present type.

    Those of another type than pgvector's come back with that type, and are only a conversion's to build.
    """
    column, before = column_of(catalog, table), column_before(facts, table)
    if column is None:
        return ()
    too_many, missing = indexes_too_many(catalog, facts, table), indexes_missing(catalog, facts, table)
    if not of_old_type and not (before and was_in_pgvector(before)):
        missing = []
    drops = [
        Statement(
            f"drop-{index.name}",
            SQL("DROP INDEX {}").format(Identifier(index.schema, index.name)),
            "it was not there before",
            rewriting.owner_of(column),
        )
        for index in too_many
    ]
    comments = index_comments_back(catalog, facts, table)
    return (
        *(worker.probe(catalog) if drops else ()),
        *drops,
        *_builds(catalog, column, missing),
        *comments,
    )


def index_comments_back(catalog: Catalog, facts: Facts, table: Embeddings) -> tuple[Statement, ...]:
    """Return what gives the indexes that are as they were their comments; those to be built get them with the build."""
    column = column_of(catalog, table)
    if column is None:
        return ()
    there, before = indexes_on(catalog, column), indexes_before(facts, table)
    return tuple(
        _index_comment(column, old)
        for old in before
        if any(_is(catalog, index, old) and index.comment != old.comment for index in there)
    )


def indexes_too_many(catalog: Catalog, facts: Facts, table: Embeddings) -> list[Index]:
    """Return the vector indexes on a column that were not there before the run, or not like this."""
    column = column_of(catalog, table)
    there = indexes_on(catalog, column) if column is not None else ()
    before = indexes_before(facts, table)
    return [index for index in there if not any(_is(catalog, index, old) for old in before)]


def indexes_missing(catalog: Catalog, facts: Facts, table: Embeddings) -> list[IndexBefore]:
    """Return the indexes that a column had before the run and has not now, where its type is the one of then."""
    column, before = column_of(catalog, table), column_before(facts, table)
    if column is None or before is None or not before.is_type_of(column):
        return []
    there = indexes_on(catalog, column)
    return [old for old in indexes_before(facts, table) if not any(_is(catalog, index, old) for index in there)]


def comment_back(catalog: Catalog, facts: Facts, table: Embeddings) -> tuple[Statement, ...]:
    """Return what gives a column the comment that it had."""
    column, before = column_of(catalog, table), column_before(facts, table)
    if column is None or before is None or column.comment == before.comment:
        return ()
    return (replace(_comment(column, before.comment), key=f"comment-{table.table}"),)


def for_both(tables: Sequence[tuple[Embeddings, Way]]) -> Way:
    """Return the statements for several tables as one list, with keys that tell them apart, or why there is no way."""
    statements: list[Statement] = []
    for table, way in tables:
        if isinstance(way, NoWayBack):
            return way
        statements += [replace(statement, key=f"{statement.key}-{table.table}") for statement in way]
    return tuple(statements)


def is_in_pgvector(column: Column) -> bool:
    """Tell whether a column is of pgvector's type."""
    return column.extension == PGVECTOR


def was_in_pgvector(before: ColumnBefore) -> bool:
    """Tell whether a column was of pgvector's type before the run."""
    return before.extension == PGVECTOR


def _builds(catalog: Catalog, column: Column, indexes: Sequence[IndexBefore]) -> tuple[Statement, ...]:
    if not indexes:
        return ()
    return (
        *worker.probe(catalog, again=True),
        *(_create(catalog, column, index) for index in indexes),
        *(_index_comment(column, index) for index in indexes if index.comment is not None),
    )


def _create(catalog: Catalog, column: Column, index: IndexBefore) -> Statement:
    operators = index.operator_class.partition(".")
    sql = SQL("CREATE INDEX {} ON {} USING {} ({} {}){}{}{}").format(
        Identifier(index.name),
        _table(column),
        Identifier(index.access_method),
        Identifier(column.name),
        Identifier(operators[0], operators[2]),
        _options(index.options),
        tablespace(catalog, index.tablespace),
        condition(index.condition),
    )
    return Statement(
        f"create-{index.name}",
        sql,
        f"the index that was there, built with {index.access_method} as it was",
        rewriting.owner_of(column) if catalog.tablespaces.get(index.tablespace or "", True) else SUPERUSER,
        lock=f"SHARE on {column.schema}.{column.table}",
        # pgvector's and VectorChord's come in the same transaction in which the ones after them go
        alone=index.access_method == PGVECTORS,
        builds_index=True,
    )


def _options(options: Sequence[str]) -> Composable:
    if not options:
        return SQL("")
    pairs = [option.partition("=") for option in options]
    values = SQL(", ").join(SQL("{} = {}").format(Identifier(name), Literal(value)) for name, _, value in pairs)
    return SQL(" WITH ({})").format(values)


def lost_of(catalog: Catalog, old: IndexBefore) -> set[str]:
    """Return which parts of an index's definition cannot be had again."""
    condition_unknown = old.partial and old.condition is None
    tablespace_gone = old.tablespace is not None and old.tablespace not in catalog.tablespaces
    return {*(["condition"] if condition_unknown else []), *(["tablespace"] if tablespace_gone else [])}


def _is(catalog: Catalog, index: Index, old: IndexBefore) -> bool:
    now, then = definition(index), _as_definition(old)
    unknown = lost_of(catalog, old)
    return index.valid and all(now[name] == then[name] for name in then.keys() - unknown)


def _as_definition(old: IndexBefore) -> dict[str, Json]:
    return {
        "schema": old.schema,
        "name": old.name,
        "columns": list(old.columns),
        "access_method": old.access_method,
        "operator_class": old.operator_class,
        "options": list(old.options),
        "tablespace": old.tablespace,
        "condition": old.condition,
    }


def _to(column: Column, before: ColumnBefore) -> Composed:
    """Return the action of ALTER TABLE: through real[], the one type that all others are cast to and from."""
    name = Identifier(column.name)
    value = SQL("({}::real[])").format(name)
    match before.extension:
        case None:
            target, cast = SQL("real[]").format(), value
        case "vectors":
            target = SQL("vectors.vector({})").format(Literal(before.typmod))
            cast = SQL("{}::vectors.vector").format(value)
        case _:
            target = SQL("public.vector({})").format(Literal(before.typmod))
            cast = SQL("{}::{}").format(value, target)
    storage = STORAGE.get(before.storage, STORAGE["e"])
    # the types differ in their default, by release of pgvecto.rs too, and Immich sets its own
    return SQL("ALTER COLUMN {} TYPE {} USING {}, ALTER COLUMN {} SET STORAGE {}").format(
        name, target, cast, name, storage
    )


def type_name(before: ColumnBefore) -> str:
    """Return the type that a column had, as a person writes it."""
    if before.extension is None:
        return "real[]"
    schema = "" if before.type_schema == "public" else f"{before.type_schema}."
    return f"{schema}{before.type_name}({before.typmod})"


def _index_comment(column: Column, index: IndexBefore) -> Statement:
    name = Identifier(index.schema, index.name)
    sql = SQL("COMMENT ON INDEX {} IS {}").format(name, Literal(index.comment))
    return Statement(f"comment-{index.name}", sql, "as it was before", rewriting.owner_of(column))


def _comment(column: Column, comment: str | None) -> Statement:
    sql = SQL("COMMENT ON COLUMN {}.{} IS {}").format(_table(column), Identifier(column.name), Literal(comment))
    return Statement("comment", sql, "as it was before", rewriting.owner_of(column))


def _table(column: Column) -> Identifier:
    return Identifier(column.schema, column.table)
