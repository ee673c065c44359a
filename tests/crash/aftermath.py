"""What has to be true once a run that was interrupted has been resumed to its end."""

from __future__ import annotations

from journey import Journey
from prepared import Prepared

from migrator.sandbox.processes import wait_until
from migrator.sandbox.server import Server

SECONDS_TO_LET_GO = 10
LEFT_BEHIND = {
    "advisory locks": "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'",
    "sessions of the tool": "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'migrate'",
    "temporary functions": "SELECT count(*) FROM pg_proc WHERE pronamespace::regnamespace::text LIKE 'pg_temp%'",
    "temporary tables": "SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relkind = 'r'",
    "tables for asking the worker": "SELECT count(*) FROM pg_class WHERE relname = 'migrator_worker_probe'",
    "indexes that are not valid": "SELECT count(*) FROM pg_index WHERE NOT indisvalid OR NOT indisready",
    "prepared transactions": "SELECT count(*) FROM pg_prepared_xacts",
}


def assert_as_if_uninterrupted(
    journey: Journey, prepared: Prepared, *, same_rows: bool = True, same_facts: bool = True
) -> None:
    """Assert that catalogs, embeddings, configuration and files are those of a run that nothing interrupted.

    Args:
        journey: What was walked to its end.
        prepared: What it is compared with.
        same_rows: False where somebody has written meanwhile.
        same_facts: False where a journal was lost, or put back.
    """
    ending = prepared.route.ending
    left = left_behind(journey.server)
    assert left == [], f"left behind: {left}"
    found = ending.state(journey)
    if same_rows:
        assert found.hashes == prepared.after.hashes, "embeddings changed or were lost"
    assert found.catalogs == prepared.after.catalogs
    assert found.preload == prepared.after.preload
    ending.assert_files(journey)
    if same_facts:
        found_facts, wanted = ending.facts(journey), prepared.facts
        names = {*found_facts, *wanted}
        differing = {n: (found_facts.get(n), wanted.get(n)) for n in names if found_facts.get(n) != wanted.get(n)}
        assert differing == {}, f"facts, found and wanted: {differing}"


def left_behind(server: Server) -> list[str]:
    """Return what a run has left on the server that it should not have."""

    def look() -> list[str]:
        with server.connect("immich") as connection:
            counts = {what: connection.execute(query).fetchone() for what, query in LEFT_BEHIND.items()}
        return [what for what, row in counts.items() if row is not None and row[0]]

    # the session of a process that has just ended needs a moment to notice
    wait_until(lambda: not look(), limit_seconds=SECONDS_TO_LET_GO)
    return look()
