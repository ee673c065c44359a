"""What a database looks like when the tool meets it: as Immich left it, or half-way, as somebody else left it.

Each state is made with the statements of the documented page, or Immich's own, and without the tool.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum

from packaging.version import Version
from psycopg.sql import SQL, Composed, Identifier, Literal

from migrator.sandbox.immich_sql import INDEXES, Index, Table, index_statement
from migrator.sandbox.server import Server

FACES: Table = "face_search"
PHOTOS: Table = "smart_search"
INDEX_OF: dict[Table, Index] = {table: index for index, table in INDEXES.items()}


class StartState(StrEnum):
    """States to start from; the value is what a person would say."""

    FRESH = "fresh"
    BOTH_ARRAYS = "both columns real[]"
    ONE_ARRAY = "one column real[]"
    ARRAYS_LIBRARY_GONE = "both columns real[], pgvecto.rs uninstalled"
    ONE_CONVERTED = "one table converted, the other not"
    NO_INDEX = "indexes dropped and not rebuilt"
    WRONG_SCHEMA = "vchord created in schema vectors"
    ARRAYS_WRONG_SCHEMA = "both columns real[], pgvecto.rs dropped, vchord and vector created in its schema"
    IMMICH_KILLED_BEFORE = "Immich killed after it dropped an index, column untouched"
    IMMICH_KILLED_AFTER = "Immich killed between two tables, a converted one without its index"
    LEFTOVER_CONSTRAINT = "dim_size_constraint left over"
    ARRAYS_AND_CONSTRAINT = "both columns real[], dim_size_constraint left over"
    LIBRARY_GONE = "pgvecto.rs uninstalled before anything was converted"
    LIBRARY_NOT_LOADED = "pgvecto.rs taken out of the preload list before anything was converted"
    ONE_ARRAY_LIBRARY_GONE = "one column real[], pgvecto.rs uninstalled"
    ONE_CONVERTED_LIBRARY_GONE = "one table converted, pgvecto.rs uninstalled"
    CONSTRAINT_LIBRARY_GONE = "dim_size_constraint left over, pgvecto.rs uninstalled"


WITHOUT_LIBRARY = (
    StartState.LIBRARY_GONE,
    StartState.LIBRARY_NOT_LOADED,
    StartState.ONE_ARRAY_LIBRARY_GONE,
    StartState.ONE_CONVERTED_LIBRARY_GONE,
    StartState.CONSTRAINT_LIBRARY_GONE,
)
"""States that only a rescue leads out of, unless the library is put back."""


_WITH_VCHORD = (
    StartState.WRONG_SCHEMA,
    StartState.ARRAYS_WRONG_SCHEMA,
    StartState.IMMICH_KILLED_BEFORE,
    StartState.IMMICH_KILLED_AFTER,
)


def has_vchord(state: StartState, *, from_pgvector: bool) -> bool:
    """Tell whether VectorChord is installed and preloaded already."""
    return state in _WITH_VCHORD or (from_pgvector and state is StartState.ONE_CONVERTED)


def put_into(server: Server, state: StartState, *, dimension: int, from_pgvector: bool, owner: str = "immich") -> None:
    """Put a database that Immich has just filled into a state; server and libraries are as the state needs them.

    Args:
        server: It runs; extensions are created by its superuser, as by a DBA, tables are changed as their owner.
        state: The state to reach.
        dimension: That of smart_search.
        from_pgvector: Whether the columns are pgvector's to begin with, so that no type has to be changed.
        owner: Immich's role.
    """
    with server.connect("immich") as connection:
        for statement in _as_dba(state, owner, from_pgvector=from_pgvector):
            connection.execute(statement)
        connection.execute(SQL("SET ROLE {}").format(Identifier(owner)))
        for statement in _as_owner(state, dimension, from_pgvector=from_pgvector):
            connection.execute(statement)
    if state is StartState.ARRAYS_LIBRARY_GONE or state in WITHOUT_LIBRARY:
        # the page leaves extension vectors in the catalog
        server.stop()
        if state is not StartState.LIBRARY_NOT_LOADED:
            server.remove("vectors")
        server.set_preload("")
        server.start()


def _as_dba(state: StartState, owner: str, *, from_pgvector: bool) -> Iterator[SQL | Composed]:
    match state:
        case StartState.WRONG_SCHEMA:
            if from_pgvector:
                yield SQL("CREATE SCHEMA vectors AUTHORIZATION {}").format(Identifier(owner))
            yield SQL("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
            yield SQL("CREATE EXTENSION vchord SCHEMA vectors")
        case StartState.ARRAYS_WRONG_SCHEMA:
            yield from _to_arrays([PHOTOS, FACES])
            yield SQL("DROP EXTENSION vectors")
            yield SQL("CREATE EXTENSION vchord SCHEMA vectors CASCADE")
        case _ if has_vchord(state, from_pgvector=from_pgvector):
            yield SQL("CREATE EXTENSION IF NOT EXISTS vchord SCHEMA public CASCADE")
            yield SQL("ALTER DATABASE immich SET vchordrq.probes = 1")
        case StartState.ONE_CONVERTED | StartState.ONE_CONVERTED_LIBRARY_GONE:
            yield SQL("CREATE EXTENSION vector SCHEMA public")
        case _:
            pass


def _as_owner(state: StartState, dimension: int, *, from_pgvector: bool) -> Iterator[SQL | Composed]:
    match state:
        case StartState.BOTH_ARRAYS | StartState.ARRAYS_LIBRARY_GONE:
            yield from _to_arrays([PHOTOS, FACES])
        case StartState.ONE_ARRAY | StartState.ONE_ARRAY_LIBRARY_GONE:
            yield from _to_arrays([PHOTOS])
        case StartState.ONE_CONVERTED | StartState.ONE_CONVERTED_LIBRARY_GONE:
            yield from [_drop_index(FACES), _vchordrq(FACES)] if from_pgvector else _converted(PHOTOS, dimension)
        case StartState.NO_INDEX | StartState.IMMICH_KILLED_BEFORE:
            yield from (_drop_index(table) for table in (PHOTOS, FACES))
        case StartState.IMMICH_KILLED_AFTER:
            if from_pgvector:
                yield from (_drop_index(table) for table in (PHOTOS, FACES))
                yield _vchordrq(FACES)
            else:
                yield from _converted(PHOTOS, dimension)
        case StartState.LEFTOVER_CONSTRAINT | StartState.CONSTRAINT_LIBRARY_GONE:
            yield _drop_index(PHOTOS)
            yield _constraint(dimension)
        case StartState.ARRAYS_AND_CONSTRAINT:
            yield _constraint(dimension)
            yield from _to_arrays([PHOTOS, FACES])
        case _:
            pass  # nothing in the tables


def _to_arrays(tables: Sequence[Table]) -> Iterator[Composed]:
    for table in tables:
        yield _drop_index(table)
        yield SQL("ALTER TABLE {} ALTER COLUMN embedding SET DATA TYPE real[]").format(Identifier(table))


def _converted(table: Table, dimension: int) -> Iterator[Composed]:
    yield from _to_arrays([table])
    vector = SQL("ALTER TABLE {} ALTER COLUMN embedding SET DATA TYPE public.vector({})")
    yield vector.format(Identifier(table), Literal(dimension))


def _drop_index(table: Table) -> Composed:
    return SQL("DROP INDEX {}").format(Identifier(INDEX_OF[table]))


def _vchordrq(table: Table) -> Composed:
    return index_statement("vchord", INDEX_OF[table], 0, Version("1.133.0"))


def _constraint(dimension: int) -> Composed:
    return SQL(
        "ALTER TABLE smart_search ADD CONSTRAINT dim_size_constraint CHECK (array_length(embedding::real[], 1) = {})"
    ).format(Literal(dimension))
