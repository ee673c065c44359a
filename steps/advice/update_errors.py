"""What an error means during an update: a few mean something else than on the way to VectorChord."""

from __future__ import annotations

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from migrator.catalog import Catalog
from migrator.execute import Diagnosis
from migrator.step import Blocker
from steps.advice import known_errors
from steps.advice.instructions import restart
from steps.shared.state import column_of
from steps.shared.update_state import gone_settings, in_vectorchord, without_index


def diagnose(error: psycopg.Error, catalog: Catalog) -> Diagnosis | None:
    """Return what a database error means here, or None for one that nobody has met yet."""
    text = error.diag.message_primary or str(error)
    first = text.strip().splitlines()[0]
    if error.sqlstate == "XX000" and "assertion `left == right` failed" in text:
        return _as(
            "VectorChord 1.0 and newer refuse values whose header pgvecto.rs 0.1.x left unwritten",
            first,
            "values written anew; no older release of VectorChord minded",
            *_rewrites(catalog),
            "then run the same command again",
        )
    if error.sqlstate == "42883" and "could not find function" in text:
        return _as(
            "the running server still has the older library loaded",
            first,
            "the installed library loaded",
            *restart(catalog),
        )
    if error.sqlstate in ("42602", "42704") and any(s.name in text for s in gone_settings(catalog)):
        return _as(
            "this PostgreSQL refuses to take away a single setting that no library knows",
            first,
            "the stored setting gone",
            "note the values that are stored: TABLE pg_db_role_setting;",
            f"take all of them away: {_reset_all(catalog)}",
            "set the others again, vchordrq.probes = 1 among them, then run the same command again",
        )
    return known_errors.diagnose(error, catalog)


def _as(cause: str, found: str, wanted: str, *fix: str) -> Diagnosis:
    return Diagnosis(cause, Blocker(cause, found, wanted, fix, "operator", "DBA"))


def _rewrites(catalog: Catalog) -> list[str]:
    """Return one statement per table that writes every value anew and rebuilds the index in the same go."""
    tables = dict.fromkeys((*in_vectorchord(catalog), *without_index(catalog)))
    columns = [column for table in tables if (column := column_of(catalog, table)) is not None]
    return [
        SQL("ALTER TABLE {} ALTER COLUMN {} TYPE public.vector({}) USING {}::real[]::public.vector({});")
        .format(
            Identifier(c.schema, c.table), Identifier(c.name), Literal(c.typmod), Identifier(c.name), Literal(c.typmod)
        )
        .as_string(None)
        for c in columns
    ]


def _reset_all(catalog: Catalog) -> str:
    return SQL("ALTER DATABASE {} RESET ALL;").format(Identifier(catalog.database.name)).as_string(None)
