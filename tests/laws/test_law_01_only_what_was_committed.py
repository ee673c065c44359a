"""Law 1, its other half: what a transaction has proven is claimed only when the server says that it was committed."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from journey import DONE, FAILED, VCHORD, Journey, fill, hashes_of, start_tool
from killed import Moment, killed
from proxies import connected, listening
from servers import MakeServer
from workshop import CONVERSION, Workshop, steps_of
from workshops import MakeWorkshop

from migrator import settling
from migrator.errors import CommitPending, ExitCode
from migrator.identity import Identity
from migrator.journal import COMMIT, Journal
from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.immich_startup import ImmichStartup
from migrator.sandbox.server import Server
from migrator.step import Fact, Json

COMMITTING = "convert-face-search/commit"
CLAIM = ", none changed."
NO_CLAIM = "this tool did not convert them all itself, so it says nothing about their content"
STEPS = ("record-embeddings", "convert-smart-search")


@pytest.mark.parametrize(
    ("moment", "event", "claims"),
    [
        ("after", f"{COMMITTING} started", False),
        ("before", f"{COMMITTING} finished", True),
        ("after", f"{COMMITTING} finished", True),
    ],
)
def test_killed_around_a_commit_and_immich_goes_on(
    moment: Moment,
    event: str,
    claims: bool,  # noqa: FBT001 - a parameter of pytest
    make_server: MakeServer,
    server_folder: Path,
) -> None:
    """Killed before COMMIT, what Immich converts instead is not vouched for; killed after it, ours stays proven."""
    server = make_server(install={"vectors": "0.3.0", "vchord": VCHORD}, preload="vectors.so")
    fill(server, ImmichDatabase(rows=30))
    before = hashes_of(server)
    journey = Journey(server, server_folder / "j.db")
    killed(moment, event, journey.arguments)
    ImmichStartup(conninfo=server.conninfo("immich", "immich"), release="1.133.0").run()
    ended = journey.to_the_end()
    assert ended.code == DONE, ended.said
    assert hashes_of(server) == before
    assert (CLAIM in ended.out) == claims, ended.said
    assert (NO_CLAIM in ended.out) != claims, ended.said
    (last,) = [e for e in journey.events() if (e.step, e.statement) == ("convert-face-search", COMMIT)][-1:]
    assert last.event == ("finished" if claims else "failed")
    assert ("proven.face_search" in journey.facts()) == claims


def test_a_tool_that_claimed_what_it_measured_would_be_noticed(
    make_server: MakeServer, server_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above fails for a tool that takes every announced COMMIT for a committed one."""
    server = make_server(install={"vectors": "0.3.0", "vchord": VCHORD}, preload="vectors.so")
    fill(server, ImmichDatabase(rows=30))
    journey = Journey(server, server_folder / "j.db")
    killed("after", f"{COMMITTING} started", journey.arguments)
    monkeypatch.setattr(settling, "_ended", lambda *_: "committed")
    with _journal(Workshop(server, "immich", journey.journal)) as journal, server.connect("immich") as connection:
        settling.settle(journal, connection)
    assert "proven.face_search" in journey.facts()


def committing(workshop: Workshop) -> str:
    """Convert smart_search, and return the number of its transaction as the journal has it."""
    assert workshop.run(steps_of("create-extension-vchord", *STEPS)).kind == "done"
    detail = next(e.detail for e in workshop.records() if (e.step, e.statement) == (STEPS[1], COMMIT))
    assert isinstance(detail, dict)
    return str(detail[settling.TRANSACTION])


@contextmanager
def _journal(workshop: Workshop) -> Iterator[Journal]:
    journal = Journal.create_or_open(workshop.journal)
    try:
        if journal.run is None:
            journal.begin(Identity.of(workshop.catalog()), "pgvecto.rs", "automatic", {})
        journal.begin_invocation({})
        yield journal
    finally:
        journal.close()


def announce(workshop: Workshop, detail: Json) -> None:
    """Leave a journal as a tool does that is killed while it commits."""
    with _journal(workshop) as journal:
        journal.event(STEPS[1], "started", statement=COMMIT, detail=detail)


def settled(workshop: Workshop, user: str = "immich") -> tuple[str, Json]:
    """Settle what is open, and return what the journal says of it then, and the proof that is on record."""
    conninfo = workshop.server.conninfo(workshop.database, user)
    with _journal(workshop) as journal, psycopg.connect(conninfo, autocommit=True) as connection:
        settling.settle(journal, connection)
        assert journal.unanswered_commits() == [], "it would be asked again for ever"
    return workshop.records()[-1].event, workshop.facts().get("proven.smart_search")


PROOF: dict[str, Json] = {"proven.smart_search": {"kind": "bytes", "rows": 3, "hash": "7"}}


def test_the_number_is_that_of_the_transaction(make_workshop: MakeWorkshop) -> None:
    """What is announced is the transaction that the server knows as committed afterwards."""
    workshop = make_workshop()
    number = committing(workshop)
    with workshop.server.connect(workshop.database) as connection:
        assert connection.execute(settling.STATUS, [number]).fetchone() == ("committed",)
        row = connection.execute(
            "SELECT xmin::text FROM pg_attribute WHERE attname = 'embedding' "
            "AND attrelid = 'public.smart_search'::regclass"
        ).fetchone()
    assert row == (number,), "the column is the work of that very transaction"


def test_each_answer_of_the_server(make_workshop: MakeWorkshop) -> None:
    """Committed is claimed; aborted, forgotten, from the future, and never numbered are not; anybody may ask."""
    workshop = make_workshop()
    with workshop.server.connect(workshop.database) as connection:
        committed = connection.execute("SELECT pg_current_xact_id()::text").fetchone()
        with connection.transaction(force_rollback=True):
            aborted = connection.execute("SELECT pg_current_xact_id()::text").fetchone()
        connection.execute("DO $$ BEGIN CREATE ROLE nobody_special LOGIN; EXCEPTION WHEN duplicate_object THEN END $$")
    assert committed is not None
    assert aborted is not None
    answers: list[tuple[Json, tuple[str, Json]]] = [
        ({"transaction": aborted[0], "proves": PROOF}, ("failed", None)),
        ({"transaction": "3", "proves": PROOF}, ("observed", None)),
        ({"transaction": str(2**40), "proves": PROOF}, ("observed", None)),
        (None, ("observed", None)),
        ({"transaction": None, "proves": {}}, ("finished", None)),
        ({"transaction": committed[0], "proves": PROOF}, ("finished", PROOF["proven.smart_search"])),
    ]
    for detail, answer in answers:
        announce(workshop, detail)
        assert settled(workshop, "nobody_special") == answer, detail


def test_a_transaction_that_still_goes_on_is_waited_for_then_refused(
    make_workshop: MakeWorkshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the dead one's session works nothing is begun; when it has ended the same call goes through."""
    monkeypatch.setattr(settling, "LIMIT_SECONDS", 0.5)
    workshop = make_workshop()
    with workshop.server.connect(workshop.database) as session:
        session.execute("BEGIN")
        row = session.execute("SELECT pg_current_xact_id()::text").fetchone()
        assert row is not None
        announce(workshop, {"transaction": row[0], "proves": PROOF})
        with pytest.raises(CommitPending) as refused:
            settled(workshop)
        assert refused.value.exit_code is ExitCode.REFUSED
        assert refused.value.facts == (("transaction", row[0]),)
        session.execute("COMMIT")
    assert settled(workshop) == ("finished", PROOF["proven.smart_search"])


def test_a_proof_is_on_record_after_the_commit_and_withdrawn_before_the_next_rewrite(
    make_workshop: MakeWorkshop,
) -> None:
    """What is taken back, or converted anew, is vouched for no more, from the moment before it is touched."""
    workshop = make_workshop()
    workshop.run(steps_of(*CONVERSION[:4]))
    assert workshop.facts()["proven.smart_search"] == workshop.facts()["proof.smart_search"]
    (step,) = steps_of("convert-smart-search")
    way_back = step.undo(workshop.catalog(), workshop.facts())
    assert isinstance(way_back, tuple)
    workshop.execute("undo-convert-smart-search", way_back)
    assert workshop.facts()["proven.smart_search"] is None


def test_a_database_that_was_put_back_is_vouched_for_no_more(make_workshop: MakeWorkshop) -> None:
    """Going on from what the server shows, against the journal, takes back what the journal has proven."""
    workshop = make_workshop()
    workshop.run(steps_of(*CONVERSION[:4]))
    with _journal(workshop) as journal:
        journal.record("convert-face-search", Fact("proven.face_search", PROOF["proven.smart_search"]))
        journal.event("convert-face-search", "started")
        journal.event("convert-face-search", "finished")
    workshop.run(steps_of(*STEPS, "convert-face-search")[:-1], trust_server=True)
    assert workshop.facts()["proven.face_search"] is not None, "nothing was contradicted yet"
    workshop.run(steps_of(*STEPS, "convert-face-search"), trust_server=True)
    assert workshop.facts()["proven.smart_search"] is None
    assert workshop.facts()["proven.face_search"] == workshop.facts()["proof.face_search"]


def without_the_answer_to_a_commit(server: Server, client: socket.socket, seen: list[bytes]) -> None:
    """Pass everything on, but for the answer to the first COMMIT after a conversion: the connection ends instead."""
    with connected(server) as there:
        while True:
            ready, _, _ = select.select([client, there], [], [])
            for side in ready:
                data = side.recv(65536)
                if not data:
                    return
                (there if side is client else client).sendall(data)
                converted = b"COMMENT ON COLUMN" in data
                if side is client and (converted or seen) and len(seen) < 2:
                    seen.append(data) if converted or b"COMMIT" in data else None
                    if b"COMMIT" in data:
                        there.recv(65536)  # the server has answered, so it is committed
                        return


def test_the_answer_to_a_commit_is_lost(make_server: MakeServer, server_folder: Path) -> None:
    """The tool asks the server what became of it, says so, and vouches for what it did."""
    server = make_server(install={"vectors": "0.3.0", "vchord": VCHORD}, preload="vchord.so, vectors.so")
    fill(server, ImmichDatabase(rows=30))
    journey = Journey(server, server_folder / "j.db")
    seen: list[bytes] = []
    with listening(lambda client: without_the_answer_to_a_commit(server, client, seen)) as port:
        through = f"host=127.0.0.1 port={port} user=immich dbname=immich"
        ended = start_tool([f"--database={through}" if a.startswith("--database") else a for a in journey.arguments])
    assert len(seen) == 2, "no COMMIT was cut off"
    assert ended.code == FAILED, ended.said
    assert "the server is back; the step was committed: it is done" in ended.err
    (last,) = [e for e in journey.events() if (e.step, e.statement) == ("convert-smart-search", COMMIT)][-1:]
    assert last.event == "finished"
    assert isinstance(last.detail, dict)
    assert last.detail["server"] == "committed"
    assert "proven.smart_search" in journey.facts()
    assert CLAIM in journey.to_the_end().out
