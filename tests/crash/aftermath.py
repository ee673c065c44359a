"""What has to be true once a run that was interrupted has been resumed to its end."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from journey import Journey
from prepared import Prepared

from migrator.backup.manifest import MANIFEST
from migrator.sandbox.processes import wait_until
from migrator.sandbox.server import Server
from migrator.step import Json
from migrator.undo_record import UndoRecord

SECONDS_TO_LET_GO = 10
VARYING = ("session", "milliseconds", "offered", "began_at", "ended_at")
NOT_COMPARED = ("copy", "copy.place", "search.smart_search", "search.face_search")
"""Facts that name files, and a trial for the last screen: the step is done once the tables are analyzed."""
LEFT_BEHIND = {
    "advisory locks": "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'",
    "sessions of the tool": "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'migrate'",
    "temporary functions": "SELECT count(*) FROM pg_proc WHERE pronamespace::regnamespace::text LIKE 'pg_temp%'",
    "tables for asking the worker": "SELECT count(*) FROM pg_class WHERE relname = 'migrator_worker_probe'",
    "indexes that are not valid": "SELECT count(*) FROM pg_index WHERE NOT indisvalid OR NOT indisready",
    "prepared transactions": "SELECT count(*) FROM pg_prepared_xacts",
}


def assert_as_if_uninterrupted(
    journey: Journey, prepared: Prepared, *, same_rows: bool = True, same_facts: bool = True
) -> None:
    """Assert that catalogs, embeddings, configuration and journal are those of a run that nothing interrupted.

    Args:
        journey: What was walked to its end.
        prepared: What it is compared with.
        same_rows: False where somebody has written meanwhile.
        same_facts: False where a journal was lost, or put back.
    """
    found = journey.end_state()
    if same_rows:
        assert found.hashes == prepared.before, "embeddings changed or were lost"
    assert found.catalogs == prepared.after.catalogs
    assert found.preload == prepared.after.preload
    assert left_behind(journey.server) == []
    assert_nothing_lies_about(journey)
    assert_journal_is_complete(journey)
    if same_facts:
        found_facts, wanted = _lasting(journey.facts()), _lasting(prepared.facts)
        names = {*found_facts, *wanted}
        differing = {n: (found_facts.get(n), wanted.get(n)) for n in names if found_facts.get(n) != wanted.get(n)}
        assert differing == {}, f"facts, found and wanted: {differing}"


def assert_nothing_lies_about(journey: Journey) -> None:
    """Assert that the journal's folder holds the journal, its log and its lock, and nothing that was meant to go."""
    name = journey.journal.name
    ours = {name, f"{name}-wal", f"{name}-shm", f"{name}.lock", journey.journal.with_suffix(".log").name, "s"}
    found = {path.name for path in journey.journal.parent.iterdir()}
    copies = {path.name for path in journey.journal.parent.glob(f"{journey.journal.stem}-backup-*")}
    assert {path for path in found - ours - copies if not path.startswith(("older-", "held-at-"))} == set()
    for copy in copies:
        manifest = journey.journal.with_name(copy) / MANIFEST
        assert manifest.exists(), f"what was begun and not finished lies about: {copy}"


def assert_journal_is_complete(journey: Journey) -> None:
    """Assert that the run is noted as finished, that every step came to an end, and that no write was half done."""
    run, undo = journey.run(), UndoRecord.of(journey.facts())
    assert run is not None
    ended = run.finished_at if undo is None else undo.ended_at
    assert ended is not None, "the run is not noted as finished"
    last = {event.step: event.event for event in journey.events() if event.statement is None}
    ends = ("finished", "observed", "waiting", "undone")
    assert {step: end for step, end in last.items() if end not in ends} == {}
    with sqlite3.connect(journey.journal) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


def left_behind(server: Server) -> list[str]:
    """Return what a run has left on the server that it should not have."""

    def look() -> list[str]:
        with server.connect("immich") as connection:
            counts = {what: connection.execute(query).fetchone() for what, query in LEFT_BEHIND.items()}
        return [what for what, row in counts.items() if row is not None and row[0]]

    # the session of a process that has just ended needs a moment to notice
    wait_until(lambda: not look(), limit_seconds=SECONDS_TO_LET_GO)
    return look()


def _lasting(facts: Mapping[str, Json]) -> dict[str, Json]:
    """Return facts without what may be another each time: session, duration, what is installed already, places."""
    return {name: _without_varying(value) for name, value in facts.items() if name not in NOT_COMPARED}


def _without_varying(value: Json) -> Json:
    if not isinstance(value, Mapping):
        return value
    return {key: _without_varying(item) for key, item in value.items() if key not in VARYING}
