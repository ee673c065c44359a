"""How well an index finds: its answers to a few real searches, held against one reading of the whole table.

Some embeddings of the table itself are searched for through the index, as Immich searches, and timed on the server.
Then the table is read once: an index that found the ten nearest leaves no row nearer than the tenth. Each such row is
one that it missed, so the share that is stated is what it found at least. The number of searches shrinks with the rows,
so that this takes a few seconds whatever the size: observed, 20 searches over 50,000 x 512 take 3 s.
"""

from __future__ import annotations

from psycopg.sql import SQL, Composed, Identifier, Literal

from migrator.catalog import Column

MOST_SAMPLES, FEWEST_SAMPLES, NEIGHBOURS = 20, 4, 10
COMPARISONS = 1_000_000
"""How many distances may be computed, within the limits of the samples; each takes 2 to 3 microseconds."""

# subvector makes one copy of each value in memory; without it every comparison would fetch the value anew
_MEASURE = SQL("""WITH sample AS MATERIALIZED (
    SELECT row_number() OVER () AS number, {column} AS wanted FROM (
        SELECT {column} FROM {table} ORDER BY hash_record_extended(row({key}), 0) LIMIT {samples}) AS any_of_them
), began AS MATERIALIZED (
    SELECT clock_timestamp() AS at, count(*) AS samples FROM sample
), found AS MATERIALIZED (
    SELECT number, wanted, distance FROM began, sample CROSS JOIN LATERAL (
        SELECT t.{column} OPERATOR(public.<=>) wanted AS distance FROM {table} AS t
        ORDER BY t.{column} OPERATOR(public.<=>) wanted LIMIT {neighbours}) AS nearest
), ended AS MATERIALIZED (
    SELECT count(*) AS found, clock_timestamp() AS at FROM found
), reach AS MATERIALIZED (
    SELECT number, wanted, count(*) AS found, max(distance) AS farthest FROM found GROUP BY number, wanted
), nearer AS (
    SELECT number, count(*) AS rows FROM ended, reach,
        (SELECT public.subvector({column}, 1, {dimension}) AS one FROM {table} OFFSET 0) AS everyone
    WHERE one OPERATOR(public.<=>) wanted < farthest GROUP BY number
), missed AS (
    SELECT reach.number, reach.found,
           greatest(0, coalesce(nearer.rows, 0) - (SELECT count(*) FROM found
                    WHERE found.number = reach.number AND found.distance < farthest)) AS rows
    FROM reach LEFT JOIN nearer ON nearer.number = reach.number
)
SELECT (SELECT samples FROM began) AS samples, (SELECT found FROM ended) AS found,
       (SELECT round((extract(epoch FROM ended.at - began.at) * 1000 / nullif(samples, 0))::numeric, 2)::float8
        FROM began, ended) AS milliseconds,
       (SELECT round(sum(greatest(0, found - rows)) / nullif(sum(found), 0), 3)::float8 FROM missed) AS recall""")


def samples_for(rows: int) -> int:
    """Return how many searches a table of this size is tried with."""
    return max(FEWEST_SAMPLES, min(MOST_SAMPLES, COMPARISONS // max(1, rows)))


def measure(column: Column, rows: int) -> Composed:
    """Return the query: how many searches, what they found together, how long one took, and the share at least."""
    return _MEASURE.format(
        table=Identifier(column.schema, column.table),
        column=Identifier(column.name),
        key=Identifier(column.key or ""),
        samples=Literal(samples_for(rows)),
        neighbours=Literal(NEIGHBOURS),
        dimension=Literal(column.typmod),
    )
