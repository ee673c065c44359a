"""Law 7: the journal belongs to one database of one cluster; another one is refused with both values shown."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from journey import DONE, REFUSED, VCHORD, WAITING, Journey, fill, hashes_of, start_tool
from killing import held_at
from servers import MakeServer
from workshop import Workshop

from migrator.errors import OtherDatabase
from migrator.identity import Identity
from migrator.journal import Journal
from migrator.sandbox.server import Server


def system_of(server: Server) -> str:
    """Return the system identifier of a running server."""
    with server.connect() as connection:
        row = connection.execute("SELECT system_identifier::text FROM pg_control_system()").fetchone()
    assert row is not None
    return str(row[0])


def oid_of(server: Server) -> int:
    """Return the oid of the database immich."""
    with server.connect() as connection:
        row = connection.execute("SELECT oid FROM pg_database WHERE datname = 'immich'").fetchone()
    assert row is not None
    return int(row[0])


def on_pgvectors(make_server: MakeServer, data_from: Path | None = None) -> Server:
    """Return a running server with pgvecto.rs, ready to be given a database."""
    return make_server(install={"vectors": "0.3.0"}, preload="vectors.so", data_from=data_from)


def test_a_database_that_was_made_again_is_refused(make_server: MakeServer, server_folder: Path) -> None:
    """Dropped and created under its old name it is another one: exit 5, both oids, nothing changed."""
    server = on_pgvectors(make_server)
    fill(server)
    journey = Journey(server, server_folder / "j.db")
    journey.until_it_waits_for("install-vectorchord")
    first = oid_of(server)
    with server.connect() as connection:
        connection.execute("DROP DATABASE immich")
    fill(server)
    before, facts = journey.end_state(), journey.facts()
    ended = journey.start()
    assert ended.code == REFUSED, ended.said
    assert f"oid {first}" in ended.err
    assert f"oid {oid_of(server)}" in ended.err
    assert str(journey.journal) in ended.err
    assert journey.end_state() == before
    assert journey.facts() == facts


def test_another_cluster_is_refused(make_server: MakeServer, server_folder: Path) -> None:
    """The same names on another cluster: exit 5, both system identifiers; with a journal of its own it goes on."""
    one, other = on_pgvectors(make_server), on_pgvectors(make_server)
    fill(one)
    fill(other)
    journal = server_folder / "j.db"
    Journey(one, journal).until_it_waits_for("install-vectorchord")
    journey = Journey(other, journal)
    before = journey.end_state()
    ended = journey.start()
    assert ended.code == REFUSED, ended.said
    assert system_of(one) in ended.err
    assert system_of(other) in ended.err
    assert journey.end_state() == before
    Journey(other, server_folder / "own.db").until_it_waits_for("install-vectorchord")


def test_a_restored_copy_of_the_files_is_the_same_database(make_server: MakeServer, server_folder: Path) -> None:
    """A file copy keeps the identity, so it goes on; that it shows less than the journal says is noticed (exit 5)."""
    server = on_pgvectors(make_server)
    fill(server)
    journey = Journey(server, server_folder / "j.db")
    journey.until_it_waits_for("install-vectorchord")
    server.stop()
    backup = server_folder / "backup"
    shutil.copytree(server.data, backup, symlinks=True)
    server.start()
    journey.until_it_waits_for("uninstall-pgvectors")
    restored = on_pgvectors(make_server, data_from=backup)
    restored.install("vchord", VCHORD)
    restored.set_preload("vchord.so, vectors.so")
    restored.restart()
    assert system_of(restored) == system_of(server)
    ended = Journey(restored, journey.journal).start()
    assert ended.code == REFUSED, ended.said
    assert "the journal says" in ended.err
    assert "--trust-server" in ended.err


def test_a_server_exchanged_by_a_restart_is_refused(make_server: MakeServer, server_folder: Path) -> None:
    """A restart command that brings up another cluster at the same address is noticed before anything is done there."""
    server, stranger = on_pgvectors(make_server), on_pgvectors(make_server)
    fill(server)
    fill(stranger)
    mine = system_of(server)
    other = system_of(stranger)
    stranger.stop()
    for name in ("postgresql.conf", "pg_hba.conf"):
        shutil.copy(server.data / name, stranger.data / name)
    server.install("vchord", VCHORD)
    control = shlex.split(server.restart_command())[:-1]
    exchange = server_folder / "exchange.sh"
    exchange.write_text(
        f"set -e\n{shlex.join([*control, 'stop'])}\nmv {server.data} {server.data}.old\n"
        f"mv {stranger.data} {server.data}\n{shlex.join([*control, 'start'])}\n"
    )
    journey = Journey(server, server_folder / "j.db", more=[f"--restart-command=sh {exchange}"])
    ended = journey.start()
    assert ended.code == REFUSED, ended.said
    assert mine in ended.err
    assert other in ended.err
    with server.connect("immich") as connection:
        assert connection.execute("SELECT FROM pg_extension WHERE extname = 'vchord'").fetchone() is None


def test_a_renamed_database_is_told_from_another_one(make_server: MakeServer, server_folder: Path) -> None:
    """Its oid stays: exit 5, and what happened in words; renamed back, or with a journal of its own, it goes on."""
    server = on_pgvectors(make_server)
    fill(server)
    journey = Journey(server, server_folder / "j.db")
    journey.until_it_waits_for("install-vectorchord")
    oid = oid_of(server)
    with server.connect() as connection:
        connection.execute("ALTER DATABASE immich RENAME TO photos")
    renamed = Journey(server, journey.journal, database="photos")
    ended = renamed.start()
    assert ended.code == REFUSED, ended.said
    assert ended.err.count(f"(oid {oid})") == 2
    assert "the database was renamed from immich to photos" in ended.err
    Journey(server, server_folder / "own.db", database="photos").until_it_waits_for("install-vectorchord")
    with server.connect() as connection:
        connection.execute("ALTER DATABASE photos RENAME TO immich")
    journey.until_it_waits_for("install-vectorchord")


@pytest.mark.parametrize("with_wal", [True, False])
def test_a_colleague_with_a_copy_of_the_journal(
    with_wal: bool,  # noqa: FBT001 - a parameter of pytest
    make_server: MakeServer,
    server_folder: Path,
) -> None:
    """A copy taken midway knows less than the server shows: nothing is done twice, nothing contradicts, it finishes."""
    server = make_server(install={"vectors": "0.3.0", "vchord": VCHORD}, preload="vectors.so")
    fill(server)
    before = hashes_of(server)
    mine, colleague = Journey(server, server_folder / "j.db"), Journey(server, server_folder / "colleague" / "k.db")
    colleague.journal.parent.mkdir()
    with held_at("convert-smart-search finished", mine.arguments, server_folder) as held:
        held.wait_for_event()
        for end in ("", "-wal") if with_wal else ("",):
            shutil.copy(f"{mine.journal}{end}", f"{colleague.journal}{end}")
        assert colleague.start().code == REFUSED, "one of the two is at work"
        held.let_go()
        held.end()
    ended = colleague.to_the_end()
    assert ended.code == DONE, ended.said
    assert hashes_of(server) == before
    rewrites = [e for e in (*mine.events(), *colleague.events()) if (e.statement, e.event) == ("rewrite", "started")]
    assert len({e.at for e in rewrites}) == 2, "each table was rewritten once"
    assert "smart_search" not in ended.out.partition("proven")[2] or "none changed" not in ended.out or with_wal
    assert mine.start().code == DONE, "and the first journal sees it too"


def test_a_journal_that_was_cut_midway(make_server: MakeServer, server_folder: Path) -> None:
    """Kept aside by the run itself, which walks on by looking, to the same end; the end claims what it has seen."""
    server = make_server(install={"vectors": "0.3.0", "vchord": VCHORD}, preload="vectors.so")
    fill(server)
    before = hashes_of(server)
    journey = Journey(server, server_folder / "j.db")
    with held_at("convert-smart-search finished", journey.arguments, server_folder) as held:
        held.wait_for_event()
        held.process.kill()
        held.end()
    journey.journal.write_bytes(journey.journal.read_bytes()[:5000])
    Path(f"{journey.journal}-wal").write_bytes(b"")
    ended = journey.to_the_end()
    assert ended.code == DONE, ended.said
    assert len([f for f in server_folder.glob("j.db.damaged-*") if f.name.endswith("Z")]) == 1
    assert hashes_of(server) == before
    assert "it says nothing about their content" in ended.out


def test_a_copy_of_the_files_at_another_address_is_told(make_server: MakeServer, server_folder: Path) -> None:
    """It cannot be told from the original, so it is not refused; but that the address is another one is said."""
    server = on_pgvectors(make_server)
    fill(server)
    journey = Journey(server, server_folder / "j.db")
    journey.until_it_waits_for("install-vectorchord")
    server.stop()
    copied = server_folder / "copied"
    shutil.copytree(server.data, copied, symlinks=True)
    copy = on_pgvectors(make_server, data_from=copied)
    assert f"port={server.port}" not in copy.conninfo("immich")
    said = start_tool([a for a in Journey(copy, journey.journal).arguments if a != "--yes"])
    assert said.code == WAITING, said.said
    told = " ".join(said.err.split())
    assert re.search(rf"the last start found this database at \S+:{server.port}, now it is at \S+:{copy.port}", told)
    assert "cannot be told from the original" in told


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (Identity("9", 2, "immich"), "another server"),
        (Identity("1", 9, "immich"), "dropped and created again"),
        (Identity("1", 2, "photos"), "renamed from immich to photos"),
        (Identity("1", 9, "photos"), "another database of the same server"),
    ],
)
def test_what_must_have_happened(now: Identity, said: str) -> None:
    """Each difference has its own words."""
    assert said in Identity("1", 2, "immich").difference(now)


def test_a_tool_that_compares_names_only_would_be_noticed(
    make_server: MakeServer, server_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an identity made of the name alone, a database that was made again passes for the old one."""
    server = on_pgvectors(make_server)
    fill(server)
    journal = Journal.create_or_open(server_folder / "j.db")
    workshop = Workshop(server, "immich", server_folder / "j.db")
    journal.begin(Identity.of(workshop.catalog()), "pgvecto.rs", "automatic", {})
    with server.connect() as connection:
        connection.execute("DROP DATABASE immich")
    fill(server)
    with pytest.raises(OtherDatabase):
        journal.belongs_to(Identity.of(workshop.catalog()))
    monkeypatch.setattr(Identity, "__eq__", lambda one, other: one.database_name == other.database_name)
    journal.belongs_to(Identity.of(workshop.catalog()))
    journal.close()


def test_both_values_are_in_what_is_compared() -> None:
    """Neither the identifier nor the oid nor the name alone is enough to be the same."""
    one = Identity("1", 2, "immich")
    assert one == Identity("1", 2, "immich")
    assert Identity("9", 2, "immich") != one
    assert Identity("1", 9, "immich") != one
    assert Identity("1", 2, "other") != one
