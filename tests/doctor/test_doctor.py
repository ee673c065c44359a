"""What the doctor promises of itself: it reads no embeddings, writes nothing, and can be asked at any time."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path

from driving import BLOCKED, DONE, USAGE, WAITING, Tool
from examination import doctor
from patients import NAME, ROLE, Patient

from migrator.sandbox.processes import wait_until

MakePatient = Callable[..., Patient]
SCANS = """
SELECT s.relname, s.seq_scan, s.idx_scan, i.indexrelname, i.idx_scan
FROM pg_stat_user_tables s LEFT JOIN pg_stat_user_indexes i USING (relid)
WHERE s.relname IN ('smart_search', 'face_search') ORDER BY 1, 4
"""


SHARED_COUNTERS = 150000
"""The server whose counters can be read at once; an older one collects them, and gives them out half a second late."""


def scans(patient: Patient) -> list[tuple[object, ...]]:
    """Return how often tables and indexes of embeddings were read, as soon as nobody is connected any more."""
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
    with patient.server.connect() as connection:
        assert wait_until(lambda: connection.execute(others, [NAME]).fetchone() == (0,), limit_seconds=10)
    with patient.server.connect(NAME) as connection:
        if connection.info.server_version < SHARED_COUNTERS:
            time.sleep(1)
        return connection.execute(SCANS).fetchall()


def look(patient: Patient, *more: str) -> int:
    """Let the doctor look, and nobody else."""
    arguments = ("--database", patient.server.conninfo(NAME, ROLE), "--journal", str(patient.journal))
    return doctor(*arguments, "--target-immich", "2.7.5", *more)[0]


def test_no_embedding_is_read(make_patient: MakePatient) -> None:
    """Neither table nor index is read, in pgvecto.rs or in VectorChord; with --deep the counters do move."""
    # with an index pgvecto.rs's worker is asked how that is, and may count its rows for the answer
    patient = make_patient(with_indexes=False)
    before = scans(patient)
    assert len(before) >= len(("smart_search", "face_search"))
    assert look(patient) == DONE
    assert scans(patient) == before
    assert look(patient, "--deep") == DONE
    assert scans(patient) != before

    patient.build(source="vchord")
    patient.restart(vchord="0.5.3")
    before = scans(patient)
    assert look(patient) == BLOCKED, "the index is of another format"
    assert scans(patient) == before


def said_to_server(patient: Patient, *more: str) -> list[str]:
    """Return the statements that the doctor sends to a server that logs all of them, to other databases too."""
    begun = len(patient.server.log_text())
    assert look(patient, *more) == DONE
    logged = patient.server.log_text()[begun:].replace("\n\t", " ").splitlines()
    marks = ("statement: ", "execute <unnamed>: ")
    return [line.split(mark, 1)[1].strip() for line in logged for mark in marks if mark in line]


def test_what_is_asked(make_patient: MakePatient) -> None:
    """Nothing but questions, and none about the tables of embeddings; with --deep they are asked about their rows."""
    patient = make_patient()
    patient.execute("ALTER SYSTEM SET log_statement = 'all'")
    patient.server.restart()
    asked, asked_deeply = said_to_server(patient), said_to_server(patient, "--deep")
    for statement in (*asked, *asked_deeply):
        assert statement.startswith(("SELECT", "WITH", "--")), statement
    assert asked
    tables = ('"smart_search"', '"face_search"')
    assert not [text for text in asked if any(table in text for table in tables)]
    assert len([text for text in asked_deeply if any(table in text for table in tables)]) == len(tables)


def test_a_run_that_waits_is_examined_with_its_journal(make_patient: MakePatient, tmp_path: Path) -> None:
    """Half-way the doctor names what the run waits for, and leaves the journal as it is, byte for byte."""
    patient = make_patient(preload="vectors.so")
    patient.server.remove("vchord")
    tool = Tool(tmp_path, patient.server.conninfo(NAME, ROLE), patient.journal)
    assert tool.migrate().returncode == WAITING
    digest = hashlib.sha256(patient.journal.read_bytes()).digest()
    said = patient.examine()
    assert said.code == WAITING
    assert 'install VectorChord: PostgreSQL offers no extension "vchord"' in said.text
    assert "because the run that goes on is on it" in said.text
    assert hashlib.sha256(patient.journal.read_bytes()).digest() == digest


def test_one_table_converted_and_the_other_not(patient: Patient) -> None:
    """A conversion by hand that stopped half-way: each table is shown as it is, and the path goes on from there."""
    patient.build(also_create=("vchord",))
    patient.execute(
        "DROP INDEX clip_index",
        "ALTER TABLE smart_search ALTER COLUMN embedding SET DATA TYPE real[]",
        "ALTER TABLE smart_search ALTER COLUMN embedding SET DATA TYPE public.vector(512)",
    )
    said = patient.examine()
    assert (said.code, said.troubles) == (DONE, [])
    assert "smart_search is converted, the other table is not" in said.text
    assert "clip_index missing: dropped and not built again" in said.text
    assert "smart_search: vector(512)" in said.text
    assert "face_search: vectors.vector(512)" in said.text


def test_the_command_itself(make_patient: MakePatient, tmp_path: Path) -> None:
    """In a process of its own: the answer on stdout, one JSON object, no journal and no folder for one."""
    patient = make_patient()
    tool = Tool(tmp_path / "home", patient.server.conninfo(NAME, ROLE), patient.journal)
    tool.home.mkdir()
    said = tool.call("doctor", "--database", tool.database)
    assert (said.returncode, said.stderr) == (DONE, "")
    assert said.stdout.splitlines()[-1] == "Nothing stands in the way. Next: migrate --from pgvecto.rs --dry-run"
    document = json.loads(tool.call("doctor", "--json", "--database", tool.database).stdout)
    assert (document["type"], document["schema"], document["exit_code"]) == ("doctor", "1.0", DONE)
    assert document["path"]["key"] == "automatic"
    assert {key for finding in document["findings"] for key in finding} == {"group", "status", "text", "blocker"}
    assert list(tool.home.iterdir()) == []
    assert tool.call("doctor", "--dimension", "smart_search", "--database", tool.database).returncode == USAGE


def test_a_blocker_beats_a_task(patient: Patient) -> None:
    """With both, the exit code is 4, and the last line counts what is marked [!!] only."""
    patient.user = "plain"
    patient.build(owner="plain", owner_is_superuser=False, model="ViT-L-14__openai")
    said = patient.examine()
    assert said.code == BLOCKED
    assert said.of("waiting")
    assert said.text.endswith("1 blocker. Mend what is marked [!!], then: migrate doctor")
