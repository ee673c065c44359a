"""Law 7: the journal belongs to one database of one cluster; another one is refused with both values shown."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from journey import REFUSED, VCHORD, Journey, fill
from servers import MakeServer

from migrator.identity import Identity
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


def test_both_values_are_in_what_is_compared() -> None:
    """Neither the identifier nor the oid nor the name alone is enough to be the same."""
    one = Identity("1", 2, "immich")
    assert one == Identity("1", 2, "immich")
    assert Identity("9", 2, "immich") != one
    assert Identity("1", 9, "immich") != one
    assert Identity("1", 2, "other") != one
