"""How embeddings are put back from a copy: into whatever type the column has, by key, next to what is there.

The rows go into a temporary table first, as real[], and are hashed there: what arrived is what was copied. Then, in one
transaction: rows that are there keep their value (unless they are to be overwritten), rows without one get theirs, rows
that are missing are added where their asset or face still is. The hash that the table must have afterwards is known
before: of the rows that stay, what they hold; of the others, what was copied.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from psycopg.sql import SQL, Composed, Identifier, Literal

from migrator.catalog import Catalog, Column, Interest, Observation
from migrator.content import Restoration, RestoredTable, Saved
from migrator.step import Blocker, Privilege, Right, Statement
from steps.content.copying import readable
from steps.content.observations import INTEREST
from steps.paths import fence
from steps.shared import worker
from steps.shared.clip_models import configured
from steps.shared.names import PGVECTOR, PGVECTORS, SMART_SEARCH, TABLES, Embeddings
from steps.shared.options import Options
from steps.shared.state import column_of, dimension_note, dimension_of, indexes_on

STAGE = "migrate_copy"
ROWS_PER_SECOND, ROWS_PER_SECOND_INDEXED = 6_000.0, 800.0
"""Of 512 dimensions, with checking, sending and both hashes; an index takes each row by itself."""
LOCKS = {
    "SHARE ROW EXCLUSIVE": SQL("LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE"),
    "ACCESS EXCLUSIVE": SQL("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"),
}
STORAGE = {"p": SQL("PLAIN"), "e": SQL("EXTERNAL"), "m": SQL("MAIN"), "x": SQL("EXTENDED")}

PARENTS = Observation(
    name="parents",
    sql=lambda _: SQL(
        "SELECT n.nspname, c.relname, a.attname, pn.nspname, p.relname, pa.attname FROM pg_catalog.pg_constraint k "
        "JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "JOIN pg_catalog.pg_class p ON p.oid = k.confrelid JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace "
        "JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.conkey[1] "
        "JOIN pg_catalog.pg_attribute pa ON pa.attrelid = p.oid AND pa.attnum = k.confkey[1] "
        "WHERE k.contype = 'f' AND cardinality(k.conkey) = 1"
    ),
    when=lambda _: True,
)

LEFT = Observation(
    name="left copies",
    # a session's own is not made yet, and whoever works holds the tool's lock
    sql=lambda _: SQL(
        "SELECT n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relname = {} AND c.relpersistence = 't' AND pg_catalog.pg_has_role(c.relowner, 'USAGE') ORDER BY 1"
    ).format(Literal(STAGE)),
    when=lambda _: True,
)


def interest(options: Options) -> Interest:
    """Return what the snapshot has to contain: what the rows refer to, and whether the tables can be queried."""
    tables = (*TABLES, *options.include)
    return replace(INTEREST, observations=(*INTEREST.observations, PARENTS, LEFT, *map(readable, tables)))


def restoration(catalog: Catalog, saved: Sequence[Saved], options: Options, *, overwrite: bool) -> Restoration:
    """Return how the tables of a copy are put back here, and everything that stands in the way."""
    release = catalog.observed.get("immich")
    restored: list[RestoredTable] = []
    keep_out, _ = fence(options, lambda _catalog, _facts: False)
    blockers: list[Blocker] = [*worker.blockers(catalog), *keep_out.check(catalog, {})]
    for table in saved:
        found = tuple(_blockers(catalog, table, options))
        blockers += found
        if not found:
            restored.append(_restored(catalog, table, overwrite=overwrite))
    if restored:
        restored[0] = replace(restored[0], stage=(*_left(catalog), *restored[0].stage))
    others = [session for session in catalog.sessions if session.application != "migrate"]
    notes = [f"{len(others)} other session(s) in this database: Immich should be stopped"] if others else []
    return Restoration(
        application=f"Immich {release.value.removeprefix('v')}" if release and release.value else "Immich (unknown)",
        tables=tuple(restored),
        blockers=tuple(blockers),
        notes=tuple(notes),
        fence=tuple(keep_out.plan(catalog, {})),
    )


def _left(catalog: Catalog) -> Iterator[Statement]:
    """Drop what an earlier start has left in the catalogs: a crash of the server ends a session without clearing up."""
    answer = catalog.observed.get(LEFT.name)
    for (schema,) in answer.rows if answer else ():
        table = Identifier(schema or "", STAGE)
        why = "the temporary table of an earlier start, left by a crash of the server"
        yield Statement("drop-left", SQL("DROP TABLE IF EXISTS {}").format(table), why)


def embeddings_of(table: Saved) -> Embeddings:
    """Return the embeddings that a table of a copy is of."""
    schema, name, column, _ = table.place
    return next((own for own in TABLES if own.table == table.name), None) or Embeddings.included(schema, name, column)


def _blockers(catalog: Catalog, table: Saved, options: Options) -> Iterator[Blocker]:
    column = column_of(catalog, embeddings_of(table))
    if column is None:
        yield from _without_column(catalog, table)
    else:
        yield from _with_column(catalog, table, column)
    model = configured(catalog, options)
    if table.name != SMART_SEARCH.table or model is None or model.dimension is None or not table.rows:
        return
    if table.dimension is not None and table.dimension != model.dimension:
        yield Blocker(
            what="CLIP model of smart search",
            found=f"Immich is set to {model.name}, of {model.dimension} dimensions; the copy has {table.dimension}",
            wanted="the model that computed them: at its next start Immich would delete these rows",
            fix=(
                "set Immich back to that model first (without its settings page, which deletes embeddings),",
                "or say which model it uses: --clip-model NAME, or off",
            ),
        )


def _without_column(catalog: Catalog, table: Saved) -> Iterator[Blocker]:
    schema, name, column, _ = table.place
    if embeddings_of(table).place is not None:
        yield Blocker(
            what=f"column {table.name}",
            found="no such column of a vector type",
            wanted="the column that was copied with --include, of pgvecto.rs's or pgvector's type",
            fix=("make it as it was, or put its rows back by hand: README.txt in the copy has the commands",),
        )
    elif name not in {t.name for t in catalog.tables if t.schema == schema}:
        yield Blocker(
            what=f"table {schema}.{name}",
            found="no such table",
            wanted="the table that the copy was made of",
            fix=("is this Immich's database? start Immich on it once, so that it makes its tables, and stop it again",),
        )
    elif table.dimension is None:
        yield Blocker(
            what=f"column {column} of {name}",
            found="no such column, and the copy has rows of several lengths",
            wanted="one dimension for a column to be added",
            fix=(f"add the column by hand: ALTER TABLE {schema}.{name} ADD COLUMN {column} real[];",),
        )


def _with_column(catalog: Catalog, table: Saved, column: Column) -> Iterator[Blocker]:
    label = f"{column.table}.{column.name}"
    if column.key is None:
        yield Blocker(
            what=f"primary key of {column.table}",
            found="none of one column",
            wanted="the key by which the rows are put back",
            fix=("restore the primary key that Immich created",),
        )
        return
    answer = catalog.observed.get(f"readable.{table.name}")
    if answer is not None and answer.sqlstate is not None:
        yield Blocker(
            what=f"table {column.table}",
            found=(answer.message or "it cannot be read").strip().splitlines()[0],
            wanted="a table that can be written to: the libraries of its type and indexes on the server, and loaded",
            fix=("migrate doctor says what is missing",),
        )
        return
    known = dimension_of(catalog, {}, embeddings_of(table))
    typed = column.extension == PGVECTOR and column.typmod > 0  # pgvecto.rs enforces none
    if table.rows and ((known is not None and known != table.dimension) or (typed and table.dimension is None)):
        yield Blocker(
            what=f"dimension of {label}",
            found=f"{column.type} here{'' if column.typmod > 0 else f', of {known} dimensions'}; the copy has "
            f"{table.dimension or 'rows of no one length'}",
            wanted="the same dimension in both",
            fix=(
                "is this the right copy? with Immich stopped, give the column the copy's dimension while it is empty",
            ),
        )
    if not column.mine:
        yield Blocker(
            what=f"writing to {column.table}",
            found=f'role "{catalog.role.name}" is not its owner',
            wanted=f'the rights of its owner "{column.owner}"',
            fix=(f"run the same command as {column.owner}, or as a superuser",),
            who="DBA",
        )


def _restored(catalog: Catalog, table: Saved, *, overwrite: bool) -> RestoredTable:
    column = column_of(catalog, embeddings_of(table))
    sql = _Sql(catalog, table, column, overwrite=overwrite)
    indexes = tuple(f"{i.name} ({i.access_method})" for i in indexes_on(catalog, column)) if column else ()
    speed = ROWS_PER_SECOND_INDEXED if indexes else ROWS_PER_SECOND
    schema, name, column_name, _ = table.place
    shown = column.type if column else sql.new_type_shown
    not_null = bool(table.about.get("not_null")) and (column is None or not column.not_null)
    return RestoredTable(
        name=table.name,
        into=f"{column.schema if column else schema}.{name}.{column_name}, {shown}",
        adds=None if column is not None else f"column {column_name} {shown}, which is missing",
        indexes=indexes,
        estimate_seconds=1.0 + table.rows / speed * (table.dimension or 512) / 512,
        count_keys=sql.count_keys(),
        stage=tuple(sql.stage()),
        fill=sql.compose(SQL("COPY {stage} (key, embedding) FROM STDIN")),
        arrived=sql.compose(
            SQL("SELECT 'values' AS kind, count(*) AS rows, coalesce(sum({copied}), 0)::text AS hash FROM {stage} s")
        ),
        begin=tuple(sql.begin()),
        counts=sql.compose(
            SQL(
                "SELECT count(*) FILTER (WHERE t.{column} IS NOT NULL) AS present, "
                "count(*) FILTER (WHERE t.{key} IS NULL AND NOT {has_parent}) AS orphans "
                "FROM {stage} s LEFT JOIN {table} t ON t.{key} = s.key"
            )
        ),
        expected=sql.compose(
            SQL(
                "SELECT count(*) AS rows, coalesce(sum(CASE WHEN {stays} THEN {there} ELSE {copied} END), 0)::text "
                "AS hash FROM {stage} s LEFT JOIN {table} t ON t.{key} = s.key "
                "WHERE t.{key} IS NOT NULL OR {has_parent}"
            )
        ),
        update=sql.update(),
        insert=sql.insert(),
        found=sql.compose(
            SQL(
                "SELECT count(*) AS rows, coalesce(sum({there}), 0)::text AS hash "
                "FROM {stage} s JOIN {table} t ON t.{key} = s.key"
            )
        ),
        empty=sql.compose(SQL("SELECT count(*) FROM {table} WHERE {column} IS NULL")) if not_null else None,
        finish=(sql.not_null(),) if not_null else (),
        clean_up=tuple(sql.clean_up()) if not_null else (),
        unstage=Statement(
            "unstage", sql.compose(SQL("DROP TABLE {stage}")), "the temporary table is not needed any more"
        ),
    )


class _Sql:
    """The statements about one table, composed of its names."""

    def __init__(self, catalog: Catalog, table: Saved, column: Column | None, *, overwrite: bool) -> None:
        schema, name, column_name, key = table.place
        self._table, self._column, self._catalog = table, column, catalog
        place = (column.schema, column.table) if column else (schema, name)
        self._owner = Privilege(Right.TABLE_OWNER, ".".join(place))
        key = column.key or key if column else key
        self._new, self.new_type_shown = _new_type(catalog, table)
        there = SQL("hash_array_extended(t.{column}::real[], hash_record_extended(row(t.{key}), 0))::numeric")
        names: dict[str, SQL | Composed | Identifier] = {
            "table": Identifier(*place),
            "stage": Identifier("pg_temp", STAGE),
            "key": Identifier(key),
            "column": Identifier(column_name),
            "key_type": Identifier(*table.key_type.split(".", 1)),
            "type": self._type(),
            "stays": SQL("false") if overwrite else SQL("t.{} IS NOT NULL").format(Identifier(column_name)),
            "copied": SQL("hash_array_extended(s.embedding, hash_record_extended(row(s.key), 0))::numeric"),
            "there": there.format(column=Identifier(column_name), key=Identifier(key)),
            "has_parent": _has_parent(catalog, place, key),
        }
        self._names = names

    def compose(self, query: SQL, **more: SQL | Composed) -> Composed:
        return query.format(**self._names, **more)

    def _type(self) -> SQL | Composed:
        column = self._column
        if column is None:
            return self._new
        if column.extension is None:
            return SQL("real[]")
        name = Identifier(column.type_schema, column.type_name)
        # pgvecto.rs has no cast that looks at a length
        with_length = column.typmod > 0 and column.extension != PGVECTORS
        return SQL("{}({})").format(name, Literal(column.typmod)) if with_length else SQL("{}").format(name)

    def stage(self) -> Iterator[Statement]:
        why = "the rows of the copy arrive in a temporary table, where nobody else sees them"
        yield Statement(
            "stage", self.compose(SQL("CREATE TABLE {stage} (key {key_type} PRIMARY KEY, embedding real[])")), why
        )
        why = "arrays of this kind cannot be compressed, and trying takes time"
        yield Statement(
            "stage-storage", self.compose(SQL("ALTER TABLE {stage} ALTER COLUMN embedding SET STORAGE EXTERNAL")), why
        )

    def begin(self) -> Iterator[Statement]:
        lock = "ACCESS EXCLUSIVE" if self._column is None else "SHARE ROW EXCLUSIVE"
        yield Statement(
            "lock",
            self.compose(LOCKS[lock]),
            "nobody else writes to the table until the rows are back and proven",
            self._owner,
            lock=f"{lock} on {self._owner.on}",
        )
        if self._column is None:
            why = "the column is missing, as after DROP EXTENSION ... with everything that depended on it"
            yield Statement(
                "add-column", self.compose(SQL("ALTER TABLE {table} ADD COLUMN {column} {type}")), why, self._owner
            )
            storage = STORAGE.get(str(self._table.about.get("storage")), STORAGE["e"])
            yield Statement(
                "storage",
                SQL("{} {}").format(
                    self.compose(SQL("ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE")), storage
                ),
                "as it was",
                self._owner,
            )
            comment = str(self._table.about.get("comment") or "")
            if self._table.dimension is not None and not self.new_type_shown.endswith(")"):
                comment = dimension_note(comment, self._table.dimension)
            if comment:
                yield Statement(
                    "comment",
                    SQL("{} {}").format(self.compose(SQL("COMMENT ON COLUMN {table}.{column} IS")), Literal(comment)),
                    "as it was; an array has no dimension of its own, so it stands here",
                    self._owner,
                )

    def update(self) -> Statement:
        return Statement(
            "update",
            self.compose(
                SQL(
                    "UPDATE {table} t SET {column} = s.embedding::{type} FROM {stage} s "
                    "WHERE t.{key} = s.key AND NOT ({stays})"
                )
            ),
            "rows that are there and have no value, or are to be overwritten",
            self._owner,
        )

    def insert(self) -> Statement:
        return Statement(
            "insert",
            self.compose(
                SQL(
                    "INSERT INTO {table} ({key}, {column}) SELECT s.key, s.embedding::{type} FROM {stage} s "
                    "WHERE NOT EXISTS (SELECT FROM {table} t WHERE t.{key} = s.key) AND {has_parent}"
                )
            ),
            "rows that are missing, where what they belong to still exists",
            self._owner,
        )

    def count_keys(self) -> Composed:
        has_value = SQL("EXISTS (SELECT FROM {table} t WHERE t.{key} = s.key AND t.{column} IS NOT NULL)")
        return self.compose(
            SQL(
                "SELECT count(*) FILTER (WHERE {present}), count(*) FILTER ("
                "WHERE NOT {has_parent} AND NOT EXISTS (SELECT FROM {table} t WHERE t.{key} = s.key)) "
                "FROM (SELECT line::{key_type} AS key FROM unnest(%s::text[]) AS lines (line)) AS s"
            ),
            present=SQL("false") if self._column is None else self.compose(has_value),
        )

    def not_null(self) -> Statement:
        sql = self.compose(SQL("ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL"))
        return Statement("not-null", sql, "as Immich has it: every row has a value", self._owner)

    def clean_up(self) -> Iterator[str]:
        yield "let Immich compute them again (Smart Search or Face Detection, missing):"
        for sql in (self.compose(SQL("DELETE FROM {table} WHERE {column} IS NULL")), self.not_null().sql):
            yield f"{sql.as_string(None)};"


def _has_parent(catalog: Catalog, place: tuple[str, str], key: str) -> SQL | Composed:
    """Return the condition that what a row belongs to is still there; true where nothing is referred to."""
    answer = catalog.observed.get("parents")
    for schema, table, column, parent_schema, parent, parent_column in answer.rows if answer else ():
        if (schema, table, column) == (*place, key):
            return SQL("EXISTS (SELECT FROM {} p WHERE p.{} = s.key)").format(
                Identifier(parent_schema or "", parent or ""), Identifier(parent_column or "")
            )
    return SQL("true")


def _new_type(catalog: Catalog, table: Saved) -> tuple[SQL | Composed, str]:
    """Return the type of a column to be added: the one it had, where that is here; else pgvector's; else an array."""
    had, dimension = table.about.get("extension"), Literal(table.dimension)
    if had == PGVECTORS and catalog.extensions[PGVECTORS].version is not None:
        return SQL("vectors.vector({})").format(dimension), f"vectors.vector({table.dimension})"
    vector = catalog.extensions[PGVECTOR]
    if vector.version is not None and had is not None:
        name = Identifier(vector.schema or "public", "vector")
        return SQL("{}({})").format(name, dimension), f"vector({table.dimension})"
    return SQL("real[]"), "real[]"
