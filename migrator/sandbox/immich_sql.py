"""The SQL of an Immich-shaped database: tables, rows, settings and vector indexes.

Everything that Immich writes into Postgres and the sandbox imitates is in this file, so that it can be
compared with Immich at one place. Builders return `Composed` and execute nothing.
"""

import math
from typing import Literal

from packaging.version import Version
from psycopg import sql

__all__ = [
    "FACE_DIMENSION",
    "INDEXES",
    "MODEL_OF_DIMENSION",
    "Extension",
    "Index",
    "Table",
    "asset_rows",
    "column_type",
    "create_extension",
    "embedding_rows",
    "face_rows",
    "foreign_keys",
    "index_statement",
    "list_count",
    "tables",
]

Extension = Literal["vectors", "vector", "vchord"]
Index = Literal["clip_index", "face_index"]
Table = Literal["smart_search", "face_search"]

FACE_DIMENSION = 512

# Where Immich changes from one list to N / 1000 lists, and from there to 4 x sqrt(N).
_FEW_ROWS = 128_000
_MANY_ROWS = 2_048_000

INDEXES: dict[Index, Table] = {"clip_index": "smart_search", "face_index": "face_search"}

MODEL_OF_DIMENSION = {
    512: "ViT-B-32__openai",
    640: "ViT-B-16-plus-240__laion400m_e31",
    768: "ViT-L-14__openai",
    1024: "ViT-H-14__laion2b-s32b-b79k",
    1152: "ViT-SO400M-14-SigLIP-384__webli",
    1536: "ViT-gopt-16-SigLIP2-256__webli",
}
"""One CLIP model for each dimension that Immich knows."""

_TABLES = """
CREATE FUNCTION public.updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW."updatedAt" = clock_timestamp();
    RETURN NEW;
END;
$$;
CREATE TABLE public.{asset} (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    type character varying DEFAULT 'IMAGE' NOT NULL,
    "originalPath" text NOT NULL,
    "originalFileName" character varying NOT NULL,
    checksum bytea NOT NULL,
    "createdAt" timestamp with time zone DEFAULT now() NOT NULL,
    "updatedAt" timestamp with time zone DEFAULT now() NOT NULL,
    "deletedAt" timestamp with time zone,
    CONSTRAINT {asset_pkey} PRIMARY KEY (id)
);
CREATE TABLE public.{face} (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    "assetId" uuid NOT NULL,
    "imageWidth" integer DEFAULT 0 NOT NULL,
    "imageHeight" integer DEFAULT 0 NOT NULL,
    "boundingBoxX1" integer DEFAULT 0 NOT NULL,
    "boundingBoxY1" integer DEFAULT 0 NOT NULL,
    "deletedAt" timestamp with time zone,
    CONSTRAINT {face_pkey} PRIMARY KEY (id)
);
CREATE TABLE public.smart_search (
    "assetId" uuid NOT NULL,
    embedding {clip_type} NOT NULL,
    CONSTRAINT smart_search_pkey PRIMARY KEY ("assetId")
);
CREATE TABLE public.face_search (
    "faceId" uuid NOT NULL,
    embedding {face_type} NOT NULL,
    CONSTRAINT face_search_pkey PRIMARY KEY ("faceId")
);
CREATE TABLE public.system_metadata (
    key character varying NOT NULL,
    value jsonb DEFAULT '{{}}'::jsonb NOT NULL,
    CONSTRAINT system_metadata_pkey PRIMARY KEY (key)
);
CREATE TABLE public.version_history (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    "createdAt" timestamp with time zone DEFAULT now() NOT NULL,
    version character varying NOT NULL,
    CONSTRAINT version_history_pkey PRIMARY KEY (id)
);
CREATE TABLE public.kysely_migrations (
    name character varying(255) NOT NULL,
    "timestamp" character varying(255) NOT NULL,
    CONSTRAINT kysely_migrations_pkey PRIMARY KEY (name)
);
CREATE TABLE public.kysely_migrations_lock (
    id character varying(255) NOT NULL,
    is_locked integer DEFAULT 0 NOT NULL,
    CONSTRAINT kysely_migrations_lock_pkey PRIMARY KEY (id)
);
INSERT INTO public.kysely_migrations VALUES ('1744910873969-InitialMigration', '2025-05-01T00:00:00.000Z');
INSERT INTO public.kysely_migrations_lock VALUES ('migration_lock', 0);
INSERT INTO public.version_history ("createdAt", version)
VALUES ('2025-01-01 00:00:00+00', '1.124.0'), ('2025-05-01 00:00:00+00', {release});
"""

# Added after the rows: checking them one by one doubles the time of a large load.
_FOREIGN_KEYS = """
CREATE INDEX {asset_created} ON public.{asset} ("createdAt");
CREATE INDEX {face_asset} ON public.{face} ("assetId");
CREATE TRIGGER {asset_updated} BEFORE UPDATE ON public.{asset}
    FOR EACH ROW EXECUTE FUNCTION public.updated_at();
ALTER TABLE public.{face} ADD CONSTRAINT {face_fkey}
    FOREIGN KEY ("assetId") REFERENCES public.{asset} (id) ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE public.smart_search ADD CONSTRAINT "smart_search_assetId_fkey"
    FOREIGN KEY ("assetId") REFERENCES public.{asset} (id) ON DELETE CASCADE;
ALTER TABLE public.face_search ADD CONSTRAINT "face_search_faceId_fkey"
    FOREIGN KEY ("faceId") REFERENCES public.{face} (id) ON DELETE CASCADE;
"""


# A row is put together from four pieces of a small pool, since arithmetic on every element of every row takes ten
# times as long. All pieces have one length, so that any four of them make a unit vector. The pool comes from a
# hash, not from random(): the same rows then, whatever plan the server chooses.
_ROWS = """
WITH pool AS MATERIALIZED (
    SELECT part, member, array_agg(x::real ORDER BY place) AS piece
    FROM (
        SELECT part, member, place,
               x * sqrt(width / {dimension}::float8) / sqrt(sum(x * x) OVER (PARTITION BY part, member)) AS x
        FROM (
            SELECT part, member, place, width,
                   hashint8extended((part * 1024 + member) * 65536 + place, {seed}) / 2::float8 ^ 64 AS x
            FROM (SELECT part, {dimension} / 4 + (part < {dimension} % 4)::int AS width
                  FROM generate_series(0::bigint, 3) AS part) AS parts,
                 generate_series(0::bigint, {members} - 1) AS member,
                 generate_series(1, width) AS place
        ) AS elements
    ) AS scaled
    GROUP BY part, member
)
INSERT INTO {table} ({key}, embedding)
SELECT md5({kind} || i)::uuid,
       (CASE WHEN i <= {awkward}
             THEN (SELECT array_agg(('{{-0, 1e-45, 3.4e38, -1.5, 1e-10, 0}}'::real[])[1 + j % 6] ORDER BY j)
                   FROM generate_series(0, {dimension} - 1) AS j)
             ELSE a.piece || b.piece || c.piece || d.piece END)::{type}
FROM (SELECT i, (i * 2654435761) % {combinations} AS mixed FROM generate_series(1::bigint, {rows}) AS i) AS r
JOIN pool AS a ON a.part = 0 AND a.member = mixed % {members}
JOIN pool AS b ON b.part = 1 AND b.member = mixed / {members} % {members}
JOIN pool AS c ON c.part = 2 AND c.member = mixed / {members} / {members} % {members}
JOIN pool AS d ON d.part = 3 AND d.member = mixed / {members} / {members} / {members}
"""

_ASSETS = """
INSERT INTO {table} (id, "originalPath", "originalFileName", checksum, "createdAt", "updatedAt")
SELECT md5('asset' || i)::uuid, '/data/library/admin/' || i || '.jpg', i || '.jpg', decode(md5('file' || i), 'hex'),
       '2025-01-01 00:00:00+00'::timestamptz + i * interval '1 minute', '2025-05-01 00:00:00+00'
FROM generate_series(1::bigint, {rows}) AS i
"""

_FACES = """
INSERT INTO {table} (id, "assetId", "imageWidth", "imageHeight")
SELECT md5('face' || i)::uuid, md5('asset' || 1 + i % {assets})::uuid, 4000, 3000
FROM generate_series(1::bigint, {rows}) AS i
"""

# The options count to the letter: Immich looks for "lists = [K]" in the index definition.
_VCHORD_INDEX = """CREATE INDEX IF NOT EXISTS {index} ON {table}
USING vchordrq (embedding vector_cosine_ops) WITH (options = $$
residual_quantization = false
[build.internal]
lists = [{lists}]
spherical_centroids = true
build_threads = 4
sampling_factor = 1024
$$)"""

_PGVECTOR_INDEX = """CREATE INDEX IF NOT EXISTS {index} ON {table}
USING hnsw (embedding vector_cosine_ops) WITH (ef_construction = 300, m = 16)"""

_PGVECTORS_INDEX = """CREATE INDEX IF NOT EXISTS {index} ON {table}
USING vectors (embedding vector_cos_ops) WITH (options = $$
{threads}[indexing.hnsw]
m = 16
ef_construction = 300
$$)"""


def create_extension(extension: Extension) -> sql.Composed:
    """Return the statement by which Immich creates an extension."""
    return sql.SQL("CREATE EXTENSION IF NOT EXISTS {} CASCADE").format(sql.Identifier(extension))


def column_type(extension: Extension | None, dimension: int) -> sql.Composable:
    """Return the type of an embedding column; without an extension that is the dimensionless `real[]`."""
    if extension is None:
        return sql.SQL("real[]")
    schema = "vectors" if extension == "vectors" else "public"
    return sql.SQL("{}({})").format(sql.Identifier(schema, "vector"), sql.Literal(dimension))


def tables(face: str, asset: str, clip_type: sql.Composable, face_type: sql.Composable, release: str) -> sql.Composed:
    """Return the statements that create Immich's tables, without foreign keys and without embeddings."""
    return sql.SQL(_TABLES).format(
        asset=sql.Identifier(asset),
        asset_pkey=sql.Identifier(f"{asset}_pkey"),
        face=sql.Identifier(face),
        face_pkey=sql.Identifier(f"{face}_pkey"),
        clip_type=clip_type,
        face_type=face_type,
        release=sql.Literal(release),
    )


def foreign_keys(face: str, asset: str) -> sql.Composed:
    """Return the statements that tie the tables together, to be run once the rows are there."""
    return sql.SQL(_FOREIGN_KEYS).format(
        asset=sql.Identifier(asset),
        asset_created=sql.Identifier(f"{asset}_createdAt_idx"),
        asset_updated=sql.Identifier(f"{asset}_updatedAt"),
        face=sql.Identifier(face),
        face_asset=sql.Identifier(f"{face}_assetId_idx"),
        face_fkey=sql.Identifier(f"{face}_assetId_fkey"),
    )


def asset_rows(asset: str, rows: int) -> sql.Composed:
    """Return the statement that adds assets number 1 to `rows`."""
    return sql.SQL(_ASSETS).format(table=sql.Identifier("public", asset), rows=sql.Literal(rows))


def face_rows(face: str, asset_count: int, rows: int) -> sql.Composed:
    """Return the statement that adds faces number 1 to `rows`, spread over the assets."""
    return sql.SQL(_FACES).format(
        table=sql.Identifier("public", face), rows=sql.Literal(rows), assets=sql.Literal(asset_count)
    )


def embedding_rows(
    table: Table, vector_type: sql.Composable, dimension: int, rows: int, *, awkward: bool
) -> sql.Composed:
    """Return the statement that adds embeddings number 1 to `rows`: distinct unit vectors, the same ones each time.

    With `awkward` the first of them holds both zeros, a denormal and a value near the limit of a real.
    The dimension has to be at least 4.
    """
    key, kind, seed = ("assetId", "asset", 1) if table == "smart_search" else ("faceId", "face", 2)
    members = 16
    while members**2 < rows:
        members *= 2
    return sql.SQL(_ROWS).format(
        table=sql.Identifier("public", table),
        key=sql.Identifier(key),
        kind=sql.Literal(kind),
        seed=sql.Literal(seed),
        type=vector_type,
        dimension=sql.Literal(dimension),
        members=sql.Literal(members),
        combinations=sql.Literal(members**4),
        rows=sql.Literal(rows),
        awkward=sql.Literal(int(awkward)),
    )


def index_statement(extension: Extension, index: Index, rows: int, release: Version) -> sql.Composed:
    """Return the statement by which the given release of Immich creates one of its two vector indexes.

    Nothing in it is qualified, as in Immich: the session's search_path has to reach the operator classes.
    """
    names = {"index": sql.Identifier(index), "table": sql.Identifier(INDEXES[index])}
    if extension == "vchord":
        return sql.SQL(_VCHORD_INDEX).format(**names, lists=sql.Literal(list_count(rows)))
    if extension == "vector":
        return sql.SQL(_PGVECTOR_INDEX).format(**names)
    threads = "optimizing.optimizing_threads = 4\n" if release >= Version("1.133") else ""
    return sql.SQL(_PGVECTORS_INDEX).format(**names, threads=sql.SQL(threads))


def list_count(rows: float) -> int:
    """Return the number of lists that Immich gives a VectorChord index over so many rows."""
    if rows < _FEW_ROWS:
        return 1
    if rows < _MANY_ROWS:
        return 1 << int(rows / 1000).bit_length()
    return 2 << math.isqrt(int(rows)).bit_length()
