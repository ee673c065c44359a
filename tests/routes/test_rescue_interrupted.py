"""A rescue that is cut, by a kill, a crash, an Immich that starts: everything or nothing, and the command goes on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from driving import DONE, FAILED, WAITING
from journey import hashes_of
from killing import held_at
from rescuing import MakePatient, gone

from migrator.sandbox.immich_startup import ImmichStartup
from migrator.sandbox.processes import wait_until

SLEEPING_ON_200 = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 200 AND NOT granted"
STATEMENTS = (
    "lock-smart_search started",
    "replace-handler finished",
    "drop-index-clip_index finished",
    "check-smart_search started",
    "rewrite-smart_search finished",
    "hash-after-face_search finished",
    "drop-extension started",
    "drop-schema finished",
    "commit started",
    "commit finished",
)
"""Some of the points of the one transaction, its ends among them."""


@pytest.mark.parametrize("event", STATEMENTS)
def test_killed_within_the_transaction(make_patient: MakePatient, event: str) -> None:
    """The tool is killed with -9: everything or nothing, the handler its own in between, and the command goes on."""
    patient = make_patient("0.3.0" if STATEMENTS.index(event) % 2 else "0.2.0")
    gone(patient.server)
    handlers = patient.dump()[1]
    with held_at(f"rescue-embeddings/{event}", patient.arguments, patient.folder) as held:
        held.wait_for_event()
        held.process.kill()
        held.end()
    ours = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'migrate'"
    with patient.server.connect() as connection:
        assert wait_until(lambda: connection.execute(ours).fetchone() is None, limit_seconds=20)
    committed = event == "commit finished"
    assert patient.dump()[1] == ([] if committed else handlers)
    done = patient.rescue()
    assert done.returncode == DONE, done.stderr
    patient.assert_rescued()


@pytest.mark.parametrize("event", ["rewrite-face_search finished", "commit started"])
def test_server_killed_within_the_transaction(make_patient: MakePatient, event: str) -> None:
    """Killed with -9 and started again: rolled back as a whole, said so, and the same command finishes."""
    patient = make_patient()
    gone(patient.server)
    with held_at(f"rescue-embeddings/{event}", patient.arguments, patient.folder) as held:
        held.wait_for_event()
        patient.server.kill(settle_seconds=0.3)
        patient.server.end_orphans()
        patient.server.start()
        held.let_go()
        ended = held.end()
    assert ended.code == FAILED, ended.said
    assert "rolled back: everything is as it was before it" in ended.err
    done = patient.rescue()
    assert done.returncode == DONE, done.stderr
    patient.assert_rescued()


@pytest.mark.parametrize("event", ["rescue-embeddings/drop-schema finished", "rescue-embeddings/commit finished"])
def test_the_journal_is_lost(make_patient: MakePatient, event: str) -> None:
    """Before or after the commit: the catalogs and the comments on the columns tell what is left to do."""
    patient = make_patient()
    gone(patient.server)
    with held_at(event, patient.arguments, patient.folder) as held:
        held.wait_for_event()
        held.process.kill()
        held.end()
    for path in patient.folder.glob("journal.db*"):
        path.unlink()
    done = patient.rescue()
    assert done.returncode == DONE, done.stderr
    patient.assert_rescued()


def test_an_immich_that_starts_midway_waits(make_patient: MakePatient) -> None:
    """It waits for lock 200 while the handler is not its own, then finds its indexes and rebuilds nothing."""
    patient = make_patient()
    gone(patient.server)
    with held_at("rescue-embeddings/rewrite-smart_search finished", patient.arguments, patient.folder) as held:
        held.wait_for_event()
        immich = ImmichStartup(conninfo=patient.server.conninfo("immich", "immich"), release="1.133.0")
        with ThreadPoolExecutor(1) as pool, patient.server.connect() as connection:
            started = pool.submit(immich.run)
            assert wait_until(lambda: connection.execute(SLEEPING_ON_200).fetchone() is not None, limit_seconds=20)
            assert not started.done()
            held.let_go()
            lines = started.result(timeout=120)
        ended = held.end()
    assert ended.code == DONE, ended.said
    assert [line for line in lines if "eindex" in line or "runcat" in line] == []
    patient.assert_rescued()


def test_the_library_is_put_back_after_all(make_patient: MakePatient) -> None:
    """A rescue that was begun and not done gives way to the documented path as soon as the library works again."""
    patient = make_patient()
    gone(patient.server)
    with held_at("rescue-embeddings/rewrite-smart_search finished", patient.arguments, patient.folder) as held:
        held.wait_for_event()
        held.process.kill()
        held.end()
    patient.server.stop()
    patient.server.install("vectors", "0.2.0")
    patient.server.set_preload("vchord.so, vectors.so")
    patient.server.start()
    said = patient.tool.migrate("--restart-command", patient.server.restart_command())
    assert (said.returncode, patient.tool.next_step()) == (WAITING, "uninstall-pgvectors"), said.stderr
    assert hashes_of(patient.server) == patient.before
