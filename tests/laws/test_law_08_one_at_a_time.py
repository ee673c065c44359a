"""Law 8: one copy works on a database at a time, and no Immich starts into tables that are being changed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from socket import IPPROTO_TCP, TCP_KEEPCNT, TCP_KEEPIDLE, TCP_KEEPINTVL, socket
from threading import Timer

import pytest
from journey import DONE, REFUSED, VCHORD, Journey, fill, hashes_of, start_tool
from killing import held_at
from psycopg.sql import SQL, Identifier
from servers import MakeServer
from workshop import CONVERSION, Workshop, steps_of
from workshops import MakeWorkshop

from migrator import alone
from migrator.errors import AlreadyRunning
from migrator.events import Event, StatementFinished
from migrator.journal import Journal
from migrator.locks import TOOL_LOCK
from migrator.sandbox.immich_startup import ImmichStartup
from migrator.sandbox.processes import wait_until
from migrator.sandbox.server import Server
from migrator.session import SETTINGS, Session
from steps.content.observations import INTEREST

HOLDS_200 = "SELECT granted FROM pg_locks WHERE locktype = 'advisory' AND objid = 200"

TIME_LIMITS = r"""
SELECT name FROM pg_settings WHERE context IN ('user', 'superuser') AND unit = 'ms' AND name LIKE '%\_timeout'
AND name NOT IN ('lock_timeout', 'deadlock_timeout', 'wal_sender_timeout')
"""
"""The limits that a server knows for sessions, apart from the wait for a lock, which is a matter of each statement."""

SIGNS_OF_LIFE = {
    "tcp_keepalives_idle": TCP_KEEPIDLE,
    "tcp_keepalives_interval": TCP_KEEPINTVL,
    "tcp_keepalives_count": TCP_KEEPCNT,
}


def prepared(make_server: MakeServer, folder: Path) -> Journey:
    """Return a journey whose tool does not have to wait for an installation."""
    server = make_server(install={"vectors": "0.3.0", "vchord": VCHORD}, preload="vectors.so")
    fill(server)
    return Journey(server, folder / "j.db")


@pytest.mark.parametrize("journal", ["j.db", "other.db"])
def test_a_second_copy_is_refused_at_once(journal: str, make_server: MakeServer, server_folder: Path) -> None:
    """Exit 5 within two seconds, with who and since when, whatever its journal; the first copy is not disturbed."""
    first = prepared(make_server, server_folder)
    with held_at("convert-smart-search/rewrite finished", first.arguments, server_folder) as held:
        held.wait_for_event()
        with first.server.connect() as connection:
            row = connection.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'migrate'").fetchone()
        assert row is not None
        begun = time.monotonic()
        ended = Journey(first.server, server_folder / journal).start()
        seconds = time.monotonic() - begun
        assert ended.code == REFUSED, ended.said
        assert re.search(rf"pid {row[0]} \(migrate\) from a local socket, .+, since 20\d\d-.+ UTC", ended.err), (
            ended.said
        )
        process = rf"{held.process.pid} on this computer, since 20\d\d-.+ UTC"
        assert bool(re.search(process, ended.err)) == (journal == first.journal.name), ended.said
        assert not (server_folder / "other.db").exists()
        begun = time.monotonic()
        shown = start_tool(["status", f"--journal={first.journal}", f"--database={first.server.conninfo('immich')}"])
        start_seconds = time.monotonic() - begun
        assert shown.code == DONE, shown.said
        assert "could not be seen" not in shown.out
        assert "convert-smart-search" in shown.out
        held.let_go()
        held.end()
    # on an idle computer a start takes half a second; on a busy one it is the start that takes its time
    notice_seconds = 0.0 if journal == first.journal.name else alone.NOTICE_SECONDS
    assert seconds < 2.0 or seconds < 2 * start_seconds + notice_seconds, f"{seconds:.1f} s, {start_seconds:.1f} s"
    assert first.to_the_end().code == DONE


def test_a_copy_that_only_asks_is_noticed_too(make_workshop: MakeWorkshop, tmp_path: Path) -> None:
    """Before its first answer a copy holds no journal; a session that outlives that of a dead one counts."""
    workshop = make_workshop()
    first, second = workshop.session(), workshop.session()
    first.open()
    second.open()
    first.hold_tool_lock(tmp_path / "j.db")
    begun = time.monotonic()
    with pytest.raises(AlreadyRunning) as refused:
        second.hold_tool_lock(tmp_path / "j.db")
    assert alone.NOTICE_SECONDS < time.monotonic() - begun < alone.NOTICE_SECONDS + 0.8
    assert f"pid {first.connection.info.backend_pid} (migrate)" in dict(refused.value.facts)["holder"]
    first.close()
    second.hold_tool_lock(tmp_path / "j.db")
    second.close()


@pytest.mark.parametrize(("cut", "seconds"), [(True, 2.5), (False, 5.0)])
def test_what_a_killed_copy_left_is_waited_for(
    cut: bool,  # noqa: FBT001 - a parameter of pytest
    seconds: float,
    make_workshop: MakeWorkshop,
) -> None:
    """A start that never ended, on this computer: its session may take its time, and is waited for. Our own too."""
    workshop = make_workshop()
    if cut:
        journal = Journal.create_or_open(workshop.journal)
        journal.begin_invocation({})
        journal.close()  # as a kill leaves it: no end, and nobody holds the file
    orphan, next_one = workshop.session(), workshop.session()
    orphan.open()
    next_one.open()
    orphan.hold_tool_lock()
    begun, ends = time.monotonic(), Timer(seconds, orphan.close)
    ends.start()
    next_one.hold_tool_lock(workshop.journal if cut else None, our_own_may_hold_it=not cut)
    assert time.monotonic() - begun > seconds - 0.5
    ends.join()
    next_one.close()


def test_a_second_copy_on_the_journal_is_refused(tmp_path: Path) -> None:
    """The file is held too, so that copies working on different servers cannot share it."""
    journal = Journal.create_or_open(tmp_path / "j.db")
    with pytest.raises(AlreadyRunning):
        Journal.create_or_open(tmp_path / "j.db")
    journal.close()
    Journal.create_or_open(tmp_path / "j.db").close()


def _waits_for_200(server: Server) -> bool:
    with server.connect("immich") as connection:
        return (False,) in connection.execute(HOLDS_200).fetchall()


def test_an_immich_that_starts_midway_waits(make_server: MakeServer, server_folder: Path) -> None:
    """It stands still while the tables are changed, and then finds them as it wants them and rebuilds nothing."""
    journey = prepared(make_server, server_folder)
    before = hashes_of(journey.server)
    with held_at("convert-face-search/rewrite finished", journey.arguments, server_folder) as held:
        held.wait_for_event()
        immich = ImmichStartup(conninfo=journey.server.conninfo("immich", "immich"), release="1.133.0")
        with ThreadPoolExecutor(1) as pool:
            started = pool.submit(immich.run)
            assert wait_until(lambda: _waits_for_200(journey.server), limit_seconds=20)
            assert not started.done()
            held.let_go()
            lines = started.result(timeout=120)
        held.end()
    assert [line for line in lines if "eindex" in line or "runcat" in line] == []
    assert journey.to_the_end().code == DONE
    assert hashes_of(journey.server) == before


def changed_without_lock(workshop: Workshop, *keys: str) -> list[str]:
    """Run states, and return the statements that changed a table while lock 200 was not held."""
    found: list[str] = []

    def look(event: Event) -> None:
        if isinstance(event, StatementFinished) and event.statement in ("rewrite", "create", "drop-index-clip_index"):
            with workshop.server.connect(workshop.database) as connection:
                if (True,) not in connection.execute(HOLDS_200).fetchall():
                    found.append(f"{event.step}/{event.statement}")

    workshop.on_event = look
    assert workshop.run(steps_of(*keys)).kind == "done"
    return found


def test_lock_200_is_held_while_tables_change(make_workshop: MakeWorkshop) -> None:
    """Whenever a table is rewritten or indexed the lock is ours; on a path without the fence it would not be."""
    assert changed_without_lock(make_workshop(), *CONVERSION) == []
    careless = [key for key in CONVERSION if key != "keep-immich-out"]
    assert "convert-smart-search/rewrite" in changed_without_lock(make_workshop(), *careless)


def test_the_lock_is_let_go_as_soon_as_the_tables_are_done(make_workshop: MakeWorkshop) -> None:
    """While the old extension is dropped nobody has to wait any more."""
    workshop, held = make_workshop(), []

    def look(event: Event) -> None:
        if isinstance(event, StatementFinished) and event.step == "drop-extension-vectors":
            with workshop.server.connect(workshop.database) as connection:
                held.extend(connection.execute(HOLDS_200).fetchall())

    workshop.on_event = look
    workshop.run(steps_of(*CONVERSION))
    assert held == []


def seconds_until_let_go(workshop: Workshop, check_interval: str, limit_seconds: float) -> float | None:
    """Kill a tool whose server process works for it, and return how long it keeps the lock; None beyond the limit."""
    program = (
        "import sys, migrator.session as m\n"
        "from steps.content.observations import INTEREST\n"
        "m.SETTINGS = {**m.SETTINGS, 'client_connection_check_interval': sys.argv[2]}\n"
        "s = m.Session(sys.argv[1], INTEREST)\n"
        "s.open(); s.hold_tool_lock(); print('holds', flush=True)\n"
        "s.connection.execute('SELECT pg_sleep(60)')\n"
    )
    conninfo = workshop.server.conninfo(workshop.database, workshop.user)
    tool = subprocess.Popen(
        [sys.executable, "-c", program, conninfo, check_interval], stdout=subprocess.PIPE, text=True
    )
    assert tool.stdout is not None
    assert tool.stdout.readline() == "holds\n"
    with workshop.server.connect(workshop.database) as onlooker:
        sleeps = "SELECT FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND datname = current_database()"
        assert wait_until(lambda: onlooker.execute(sleeps).fetchone() is not None, limit_seconds=10)
        tool.kill()
        tool.wait()
        tool.stdout.close()
        begun = time.monotonic()
        held = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = %s::bigint & 4294967295"
        gone = wait_until(lambda: onlooker.execute(held, [TOOL_LOCK]).fetchone() is None, limit_seconds=limit_seconds)
        if gone:
            return time.monotonic() - begun
        onlooker.execute(sleeps.replace("SELECT FROM", "SELECT pg_terminate_backend(pid) FROM"))
    return None


def test_the_server_notices_a_killed_tool(make_workshop: MakeWorkshop) -> None:
    """In the middle of a long statement the lock is let go within seconds; without our setting it would not be."""
    workshop = make_workshop()
    seconds = seconds_until_let_go(workshop, SETTINGS["client_connection_check_interval"], 10)
    assert seconds is not None
    assert seconds < 3.0
    assert seconds_until_let_go(workshop, "0", 5) is None


def test_the_server_looks_after_our_connection(make_workshop: MakeWorkshop) -> None:
    """The setting is in force by which the server notices that a killed tool is gone."""
    session = make_workshop().session()
    session.open()
    row = session.connection.execute("SHOW client_connection_check_interval").fetchone()
    session.close()
    assert row == (SETTINGS["client_connection_check_interval"],)
    assert row == ("1s",)


def test_no_time_limit_of_the_database_ends_our_session(make_workshop: MakeWorkshop) -> None:
    """Whatever limit somebody put on the database, our session has none; which ones there are depends on the server."""
    workshop = make_workshop()
    with workshop.server.connect(workshop.database) as connection:
        limits = [name for (name,) in connection.execute(TIME_LIMITS).fetchall()]
        for name in limits:
            limit = SQL("ALTER DATABASE {} SET {} = '400ms'")
            connection.execute(limit.format(Identifier(workshop.database), Identifier(name)))
    with closing(workshop.session()) as session:
        session.open()
        shown = {name: session.connection.execute(f"SHOW {name}").fetchone() for name in limits}
        assert shown == dict.fromkeys(limits, ("0",))
        with session.connection.transaction():
            session.connection.execute("SELECT pg_sleep(0.3)")
            session.connection.execute("SELECT pg_sleep(0.3)")
    assert workshop.run(steps_of(*CONVERSION)).kind == "done"


def test_both_sides_notice_a_line_that_carries_nothing(make_workshop: MakeWorkshop) -> None:
    """Over TCP each side asks the other for a sign of life, so that locks do not outlive a computer by hours."""
    workshop = make_workshop()
    with workshop.server.connect(workshop.database) as connection:
        connection.execute("CREATE ROLE caller LOGIN PASSWORD 'caller'")  # by TCP nobody is trusted
    conninfo = workshop.server.conninfo(workshop.database, "caller", tcp=True, password="caller")  # noqa: S106
    with closing(Session(conninfo, INTEREST)) as session:
        session.open()
        shown = [session.connection.execute(f"SHOW {name}").fetchone() for name in SIGNS_OF_LIFE]
        ours = socket(fileno=os.dup(session.connection.fileno()))
    with ours:
        assert shown == [("30",), ("10",), ("3",)]
        assert [ours.getsockopt(IPPROTO_TCP, option) for option in SIGNS_OF_LIFE.values()] == [30, 10, 3]
    with closing(Session(f"{conninfo} keepalives_idle=7", INTEREST)) as session:
        session.open()
        with socket(fileno=os.dup(session.connection.fileno())) as ours:
            assert ours.getsockopt(IPPROTO_TCP, TCP_KEEPIDLE) == 7, "what the person has given counts"
