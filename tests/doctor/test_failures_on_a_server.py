"""Every failure of docs/failures.md that lies in the server: libraries, the list of those preloaded, the worker.

A test carries the id of its failure in its name; what it expects is read from the page.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from driving import Tool
from examination import BLOCKED, DONE, WAITING
from failures import shown
from patients import BOTH, NAME, ROLE, Patient

from migrator.sandbox.processes import processes_in, wait_until
from migrator.sandbox.server import Server

MakePatient = Callable[..., Patient]
IMMICH_2 = ("--target-immich", "2.0.0")
"""It accepts VectorChord 0.3 and 0.4."""


def test_a1_the_library_went_before_the_data(make_patient: MakePatient) -> None:
    """With vector and vchord created beside it, as people do who follow the logs: the library is what is missing."""
    patient = make_patient(also_create=("vchord",))
    patient.restart(preload="vchord.so", vectors="")
    said = patient.examine()
    assert said.code == BLOCKED
    said.assert_names(shown()["A1"])
    created = next(finding["text"] for finding in said.findings if finding["group"] == "extensions")
    assert all(f"{name} " in f"{created} " for name in ("vectors", "vector", "vchord"))
    manual = patient.examine("--path", "manual")
    assert manual.code == BLOCKED
    manual.assert_names(shown()["A1"])
    patient.restart(preload=BOTH, vectors="0.3.0")
    assert patient.examine().troubles == []


@pytest.mark.parametrize(("failure", "created", "there"), [("A3", "0.3.0", "0.2.0"), ("A4", "0.2.0", "0.3.0")])
def test_a3_a4_the_library_is_of_another_release(
    make_patient: MakePatient, failure: str, created: str, there: str
) -> None:
    """Older or newer than the catalog: both releases are named, and which of them to put back."""
    patient = make_patient(vectors=created)
    patient.restart(vectors=there)
    said = patient.examine()
    assert said.code == BLOCKED
    said.assert_names(shown()[failure])


def start_with(server: Server, libraries: str) -> None:
    """Have the server started with the list on its command line, as a container's `command:` does."""
    program = server.tree.program("postgres")
    real = program.with_name("postgres-itself")
    program.rename(real)
    option = shlex.quote(f"shared_preload_libraries={libraries}")
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(str(real))} -c {option} "$@"\n')
    program.chmod(0o755)


def test_b1_the_command_line_lists_pgvectors_alone(make_patient: MakePatient) -> None:
    """No statement of ours would decide the value, so it is a task, with the list as it has to read there."""
    patient = make_patient()
    start_with(patient.server, "vectors.so")
    patient.server.restart()
    said = patient.examine()
    assert said.code == WAITING
    said.assert_names(shown()["B1"])
    assert "(from: command line)" in said.text


def test_b1_pgvectors_own_advice_was_followed(make_patient: MakePatient) -> None:
    """ALTER SYSTEM left the name in two pairs of quotes: a role that may not mend that is told file and remedy."""
    patient = make_patient(preload="vectors.so")
    patient.execute('ALTER SYSTEM SET shared_preload_libraries = "vectors.so"')
    patient.execute("CREATE ROLE reader LOGIN IN ROLE pg_read_all_settings")
    patient.execute("GRANT EXECUTE ON FUNCTION pg_show_all_file_settings() TO reader")
    patient.execute("GRANT SELECT ON pg_file_settings TO reader")
    patient.server.restart()
    assert "'\"vectors.so\"'" in (patient.server.data / "postgresql.auto.conf").read_text()
    by_superuser = patient.examine()
    assert (by_superuser.code, by_superuser.troubles) == (DONE, [])
    assert "vchord must be loaded via shared_preload_libraries" in by_superuser.text
    patient.user = "reader"
    said = patient.examine()
    assert said.code == BLOCKED, "it may not change Immich's tables either"
    assert "preload vchord.so beside vectors.so: shared_preload_libraries = 'vectors.so'" in said.text
    assert "postgresql.auto.conf" in said.text
    assert "pgvecto.rs advises to" in said.text


def test_b2_pgvectors_left_the_list_too_early(make_patient: MakePatient) -> None:
    """Its library is there, nobody loaded it: the merged list and the restart."""
    patient = make_patient()
    patient.restart(preload="vchord.so")
    said = patient.examine()
    assert said.code == WAITING
    said.assert_names(shown()["B2"])
    assert "shared_preload_libraries = 'vectors.so, vchord.so'" in said.text


@pytest.mark.parametrize("source", ["pgvecto.rs", "vchord"])
def test_b3_the_package_went_while_it_was_listed(make_patient: MakePatient, source: str) -> None:
    """Told while the server still runs: its next start would fail. Whether or not the data need the library."""
    patient = make_patient(source=source)
    patient.server.remove("vectors")
    said = patient.examine()
    assert said.code == BLOCKED
    said.assert_names(shown()["B3"])


def test_b4_the_worker_is_gone(make_patient: MakePatient) -> None:
    """A reload ended it: the doctor finds that out without any DDL, so the server goes on running."""
    patient = make_patient(vectors="0.2.0")
    assert "its worker alive" in patient.examine().text
    patient.execute("SELECT pg_reload_conf()")
    data = patient.server.data
    assert wait_until(lambda: not [p for p in processes_in(data) if p.title.endswith("vectors")], limit_seconds=20)
    said = patient.examine()
    assert said.code == WAITING
    said.assert_names(shown()["B4"])
    patient.server.restart()
    assert patient.examine().troubles == []


def test_c5_a_plain_role_may_not_ask_for_the_worker(make_patient: MakePatient) -> None:
    """What cannot be seen is said so, and stands in nobody's way."""
    patient = make_patient(vectors="0.2.0", owner="plain", owner_is_superuser=False)
    patient.user = "plain"
    patient.examine().assert_names(shown()["C5"])


def test_c3_c4_a_newer_vectorchord_was_installed(make_patient: MakePatient) -> None:
    """The catalog is behind, and a setting is stored that the library no longer knows: both lead to the update."""
    patient = make_patient(source="vchord")
    patient.execute("ALTER DATABASE immich SET vchordrq.prewarm_dim = '512,768'")
    assert "prewarm_dim" not in patient.examine().text
    patient.execute("DROP INDEX clip_index, face_index")
    patient.restart(vchord="0.4.3")
    said = patient.examine(*IMMICH_2)
    assert said.code == DONE
    said.assert_names(shown()["C3"])
    said.assert_names(shown()["C4"])


@pytest.mark.parametrize("version", ["0.2.0", "0.3.0"])
def test_d1_the_files_of_the_index_are_lost(make_patient: MakePatient, tmp_path: Path, version: str) -> None:
    """As after a restore whose copy left `pg_vectors` out: only a note, and the path does come through."""
    patient = make_patient(vectors=version)
    patient.server.stop()
    shutil.rmtree(patient.server.data / "pg_vectors")
    patient.server.start()
    said = patient.examine()
    assert said.code == DONE
    said.assert_names(shown()["D1"])
    tool = Tool(tmp_path, patient.server.conninfo(NAME, ROLE), patient.journal)
    assert tool.migrate().returncode == WAITING
    assert tool.next_step() == "restart-without-pgvectors"


def test_d2_the_index_is_of_another_format(make_patient: MakePatient, tmp_path: Path) -> None:
    """PostgreSQL calls it valid, before and after the catalog was updated; planning a search shows it."""
    patient = make_patient(source="vchord", vchord="0.4.3", immich_version="2.0.0")
    assert patient.examine().troubles == []
    patient.restart(vchord="0.5.3")
    for _ in range(2):
        said = patient.examine("--target-immich", "2.1.0")
        assert said.code == BLOCKED
        said.assert_names(shown()["D2"])
        assert "face_index was built by another VectorChord release" in said.text
        patient.execute("ALTER EXTENSION vchord UPDATE")
    tool = Tool(tmp_path, patient.server.conninfo(NAME, ROLE), patient.journal)
    remedy = ("update", "--yes", "--no-input", "--target-immich", "2.1.0")
    assert tool.call(*remedy, "--database", tool.database, "--journal", str(tmp_path / "u.db")).returncode == DONE
    assert patient.examine("--target-immich", "2.1.0").troubles == []


def test_f1_f2_vectorchord_does_not_fit(make_patient: MakePatient) -> None:
    """Newer than Immich accepts, then older than the catalog: nobody is sent to a release that leads nowhere."""
    patient = make_patient(source="vchord", vchord="0.4.3", immich_version="1.134.0")
    said = patient.examine()
    assert said.code == BLOCKED
    said.assert_names(shown()["F1"])
    assert "install VectorChord 0.3" not in said.text
    assert patient.examine(*IMMICH_2).troubles == []
    patient.restart(vchord="0.3.0")
    said = patient.examine(*IMMICH_2)
    assert said.code == BLOCKED
    said.assert_names(shown()["F2"])
