"""pgvecto.rs's background worker, and how to find out whether it lives without doing harm.

On 0.2.0 a configuration reload ends it for good, and then a rollback of DDL crashes the whole server. So its life is
asked for before anything is started that might have to be rolled back.

Two questions that cannot do harm (observed on 0.2.0): its statistics view, where there is a vector index to ask about
and the role may read it; otherwise a small permanent table, committed, then dropped: the DROP fails cleanly when the
worker is gone. A temporary table or an aborted transaction would prove nothing, or crash the server.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from psycopg.sql import SQL, Identifier

from migrator.catalog import Catalog, Observation
from migrator.step import Blocker, Statement
from steps.shared.names import PGVECTORS
from steps.shared.state import can_be_crippled

PROBE_TABLE = "migrator_worker_probe"
GONE = "IPC connection is closed"
ASK_VIEW = SQL("SELECT count(*) FROM vectors.pg_vector_index_stat")

Life = Literal["not needed", "alive", "gone", "unknown"]


def _has_index(catalog: Catalog) -> bool:
    return any(i.access_method == PGVECTORS for i in catalog.indexes)


OBSERVATION = Observation(
    name="worker",
    sql=lambda _: ASK_VIEW,
    when=lambda catalog: (
        can_be_crippled(catalog) and catalog.extensions[PGVECTORS].version is not None and _has_index(catalog)
    ),
)


def life(catalog: Catalog) -> Life:
    """Tell what the snapshot knows of the worker; "not needed" where the loaded release survives its loss."""
    if not can_be_crippled(catalog):
        return "not needed"
    answer = catalog.observed.get("worker")
    if answer is None:
        return "unknown"
    if answer.sqlstate is None:
        return "alive"
    return "gone" if GONE in (answer.message or "") else "unknown"


def gone_blocker(said: str | None = None) -> Blocker:
    """Return what stands in the way while the worker is gone; `said` is the error by which that was noticed."""
    noticed = f' ("{said}")' if said else ""
    return Blocker(
        what="pgvecto.rs's background worker",
        found=f"gone{noticed}: a configuration reload ends it on 0.2.x (log rotation and pg_reload_conf() count)",
        wanted="the worker alive; without it PostgreSQL crashes as soon as a change has to be rolled back",
        fix=(
            "restart PostgreSQL (a reload is not enough, and makes it worse)",
            "until then run no DROP, TRUNCATE, REINDEX or ALTER TABLE in any database of this server",
        ),
        kind="operator",
    )


def blockers(catalog: Catalog) -> tuple[Blocker, ...]:
    """Return a blocker when the worker is known to be gone."""
    return (gone_blocker(),) if life(catalog) == "gone" else ()


def probe(catalog: Catalog, *, again: bool = False) -> tuple[Statement, ...]:
    """Return the statements that find out whether the worker lives, to be run right before DDL; none where needless.

    `again` is for the second time within a step: each statement of a step has a key of its own.
    """
    statements = _probe(catalog)
    return tuple(replace(s, key=f"{s.key}-again") for s in statements) if again else statements


def _probe(catalog: Catalog) -> tuple[Statement, ...]:
    match life(catalog):
        case "not needed":
            return ()
        case "alive":
            why = "pgvecto.rs's worker must be alive: without it a rollback crashes the server"
            return (Statement("ask-worker", ASK_VIEW, why, alone=True),)
        case _:
            table = Identifier("public", PROBE_TABLE)
            return (
                Statement(
                    "probe-worker-create",
                    SQL("CREATE TABLE IF NOT EXISTS {} (id integer)").format(table),
                    "a table to find out with whether pgvecto.rs's worker is alive",
                    alone=True,
                ),
                Statement(
                    "probe-worker-drop",
                    SQL("DROP TABLE {}").format(table),
                    "dropping it needs the worker: this fails, and harms nothing, when the worker is gone",
                    alone=True,
                ),
            )
