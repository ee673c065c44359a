"""Takes every embedding out of pgvecto.rs without its library, and drops the extension: one transaction, or nothing.

Precondition: a superuser, the library not loaded, the dimensions known. Effect: locks the tables; puts core's handler
in the place of the missing one, so that the tables can be opened; drops every index of pgvecto.rs; looks at each row
through pgvector's reader; counts and hashes, rewrites, counts and hashes again, compares; writes the dimensions into
comments; drops the extension, and with it the replaced handler. A row that would not survive, or a difference, rolls
everything back: the replaced handler is never committed while the extension is kept. Done when the extension is gone
and the columns are `vector(N)`. There is no way back without the library.
Lock: ACCESS EXCLUSIVE on the tables, about 6 s per 100,000 rows of 512 dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import ClassVar

from psycopg.sql import SQL, Identifier, Literal

from migrator.catalog import Catalog, Column
from migrator.step import Blocker, Facts, NoWayBack, Privilege, Right, Statement, Step
from steps.shared import handler, old_library, proof, recording, rewriting
from steps.shared.names import PGVECTORS, Embeddings
from steps.shared.options import Options
from steps.shared.state import is_converted, is_loaded
from steps.shared.survey import judge, survey, survey_helpers

SECONDS_PER_GIGABYTE = 22.0
BY_HAND = (
    f"put pgvecto.rs's library back, or do it within this transaction: {old_library.RESCUE_COMMAND} > rescue.sql, "
    "with the DELETE written in before the first rewrite;"
)


class RescueEmbeddings(Step):
    """Convert all columns of pgvecto.rs and drop the extension, without its library."""

    key = "rescue-embeddings"
    title = "rescue the embeddings, drop pgvecto.rs"
    copied_before: ClassVar[bool] = True
    point_of_no_return: ClassVar[str | None] = (
        "extension vectors leaves the database; without its library nothing brings it back"
    )

    def __init__(self, options: Options) -> None:
        self._options = options

    def is_done(self, catalog: Catalog, facts: Facts) -> bool:
        """Read-only. True when the extension is gone and every column is pgvector's type with a dimension."""
        return catalog.extensions[PGVECTORS].version is None and not recording.to_convert(catalog, self._options)

    def check(self, catalog: Catalog, facts: Facts) -> Sequence[Blocker]:
        """Read-only. A loaded library, an unknown dimension, a missing key."""
        loaded = Blocker(
            what=self.title,
            found="vectors.so is loaded in the running server",
            wanted="a server started without it: its hooks make a commit without its worker crash PostgreSQL",
            fix=("run the same command again: it begins with taking it out of the list",),
        )
        return (
            *([loaded] if is_loaded(catalog, PGVECTORS) else []),
            *recording.column_blockers(catalog, facts, self._options),
        )

    def plan(self, catalog: Catalog, facts: Facts) -> Sequence[Statement]:
        """Read-only. The one transaction."""
        columns: list[tuple[Embeddings, Column, int]] = []
        for table in recording.to_convert(catalog, self._options):
            subject = rewriting.subject(catalog, facts, table, self._options)
            if subject is None:
                return ()
            columns.append((table, *subject))
        helpers = survey_helpers() if any(c.extension == PGVECTORS for _, c, _ in columns) else ()
        return (
            *_lock(catalog, [column for _, column, _ in columns]),
            *_drop_indexes(catalog),
            *(helper.create() for helper in helpers),
            *(_look(*subject) for subject in columns),
            *(statement for subject in columns for statement in _convert(catalog, *subject)),
            *(helper.drop() for helper in helpers),
            *_drop_extension(catalog),
        )

    def undo(self, catalog: Catalog, facts: Facts) -> Sequence[Statement] | NoWayBack:
        """Read-only. None: the type that the columns were of is gone, and what could make it again with it."""
        if catalog.extensions[PGVECTORS].version is not None:
            return ()  # one transaction, which has not been committed
        return NoWayBack(
            "the embeddings were rescued because pgvecto.rs could not be used any more",
            fix=("only the copy of the data directory that was made before leads back",),
        )

    def estimate_seconds(self, catalog: Catalog) -> float:
        """Read-only. Proportional to the size of the tables."""
        columns = [column for column in catalog.columns if column.extension == PGVECTORS]
        return 1.0 + SECONDS_PER_GIGABYTE * sum(column.size_bytes for column in columns) / 1e9


def _lock(catalog: Catalog, columns: Sequence[Column]) -> Iterator[Statement]:
    """Yield the lock on every table that is changed: nobody plans a query while the handler is not its own."""
    old = [index for index in catalog.indexes if index.access_method == PGVECTORS]
    tables = dict.fromkeys([*((c.schema, c.table) for c in columns), *((i.table_schema, i.table) for i in old)])
    for schema, table in tables:
        place = f"{schema}.{table}"
        sql = SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(Identifier(schema, table))
        why = "locking opens no index; nobody else plans a query while the handler is not its own"
        owner = Privilege(Right.TABLE_OWNER, place)
        yield Statement(f"lock-{table}", sql, why, owner, lock=f"ACCESS EXCLUSIVE on {place}")


def _drop_indexes(catalog: Catalog) -> Iterator[Statement]:
    """Yield the stand-in for the handler, then the drop of every index of pgvecto.rs, whosoever it is."""
    old, found = [index for index in catalog.indexes if index.access_method == PGVECTORS], handler.handler_of(catalog)
    if not old or found is None:
        return
    yield handler.look_up()
    yield handler.stand_in(found)
    for index in old:
        owner = Privilege(Right.TABLE_OWNER, f"{index.table_schema}.{index.table}")
        drop = SQL("DROP INDEX {}").format(Identifier(index.schema, index.name))
        why = "until it is gone PostgreSQL would take it for a B-tree; its definition is recorded"
        yield Statement(f"drop-index-{index.name}", drop, why, owner)


def _look(table: Embeddings, column: Column, dimension: int) -> Statement:
    with_reader = column.extension == PGVECTORS
    return Statement(
        f"check-{table.table}",
        survey(column, dimension, with_reader=with_reader),
        "every row is looked at: one of another length, NaN or infinity stops it here, and nothing is changed",
        rewriting.owner_of(column),
        measures=f"survey.{table.table}",
        judge=partial(judge, column=column, table=table, before=BY_HAND if with_reader else None),
    )


def _convert(catalog: Catalog, table: Embeddings, column: Column, dimension: int) -> Iterator[Statement]:
    """Yield what converts one column, with its proof; the keys name the table, since all share one transaction."""
    if is_converted(catalog, table):
        return
    with_reader = column.extension == PGVECTORS
    target = SQL("public.vector({})").format(Literal(dimension))
    value = proof.value_of(column, with_reader=with_reader)
    action = SQL("ALTER COLUMN {} TYPE {} USING {}::{}").format(Identifier(column.name), target, value, target)
    before = proof.measure_values(column, with_reader=with_reader)
    after = proof.measure_values(column, with_reader=False)
    for statement in (
        rewriting.measure_before(table.table, column, before, recorded=False, copied=True),
        *rewriting.drop_leftover_constraint(catalog, column),
        rewriting.rewrite(table.table, column, action, f"one rewrite to vector({dimension}), every value built anew"),
        rewriting.measure_after(table.table, column, after, final=True),
        rewriting.note_dimension(column, dimension),
    ):
        yield replace(statement, key=f"{statement.key}-{table.table}")


def _drop_extension(catalog: Catalog) -> Iterator[Statement]:
    if catalog.extensions[PGVECTORS].version is not None:
        why = "needs no library; the replaced handler goes with it, and everything is rolled back if it is refused"
        owner = Privilege(Right.EXTENSION_OWNER, PGVECTORS)
        yield Statement("drop-extension", SQL("DROP EXTENSION vectors"), why, owner)
    if PGVECTORS in catalog.schemas:
        owner = Privilege(Right.SCHEMA_OWNER, PGVECTORS)
        why = "it is left behind by the extension; refused while anything is in it"
        yield Statement("drop-schema", SQL("DROP SCHEMA vectors"), why, owner)
