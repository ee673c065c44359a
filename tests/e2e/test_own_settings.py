"""What somebody has set for a role or a database chooses nothing in our session: timeouts, styles, search path."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from driving import DONE, WAITING, Operator, Tool, walk
from psycopg.sql import SQL, Identifier, Literal
from servers import MakeServer

from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.immich_catalog import content_hashes
from migrator.sandbox.server import Server

SETTINGS: Mapping[str, str] = {
    "statement_timeout": "400ms",
    "lock_timeout": "1ms",
    "idle_in_transaction_session_timeout": "1ms",
    "transaction_timeout": "400ms",  # since PostgreSQL 17
    "search_path": "nowhere",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "default_transaction_read_only": "on",
    "synchronous_commit": "off",
    "client_encoding": "SQL_ASCII",
    "quote_all_identifiers": "on",
    "standard_conforming_strings": "off",
    "transform_null_equals": "on",
    "array_nulls": "off",
    "extra_float_digits": "-15",
    "bytea_output": "escape",
    "DateStyle": "German, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Pacific/Kiritimati",
    "row_security": "off",
    "enable_seqscan": "off",
    "enable_indexscan": "off",
    "default_toast_compression": "pglz",
    "work_mem": "64kB",
}


def make(make_server: MakeServer) -> Server:
    """Return a server with Immich's database, on which building an index takes longer than any timeout."""
    server = make_server(
        install={"vectors": "0.3.0", "vchord": "0.3.0"},
        preload="vectors.so",
        settings={"standin_vchord.build_rows_per_second": "30"},
    )
    ImmichDatabase(rows=30).build(server.conninfo())
    return server


def spoil(server: Server) -> None:
    """Set everything for Immich's role in its database, and for everybody in it."""
    with server.connect() as connection:
        known = {name for (name,) in connection.execute("SELECT name FROM pg_settings")}
        for name, value in SETTINGS.items():
            if name in known:
                for whose in (SQL("ROLE immich IN DATABASE immich"), SQL("DATABASE immich")):
                    sentence = SQL("ALTER {} SET {} = {}")
                    connection.execute(sentence.format(whose, Identifier(name), Literal(value)))


def heal(server: Server) -> None:
    """Take all of it back, so that the test itself can look."""
    with server.connect() as connection:
        connection.execute("ALTER DATABASE immich RESET ALL")
        connection.execute("ALTER ROLE immich IN DATABASE immich RESET ALL")


def test_there_and_back(make_server: MakeServer, tmp_path: Path) -> None:
    """Doctor, copy, run, the way back and a restore end as they do without them, with the same embeddings."""
    server = make(make_server)
    with server.connect("immich") as connection:
        before = content_hashes(connection)
    spoil(server)
    tool = Tool(tmp_path, server.conninfo("immich", "immich"), tmp_path / "j.db")
    named = ["--database", tool.database]
    assert tool.call("doctor", "--from", "pgvecto.rs", *named).returncode == DONE
    assert tool.call("backup", str(tmp_path / "copy"), *named).returncode == DONE
    restart = ["--restart-command", server.restart_command()]
    operator = Operator(server, "0.3.0")
    ended = walk(tool, operator, "--from", "pgvecto.rs", "--no-input", "--yes", *restart, until="uninstall-pgvectors")
    assert ended.returncode == WAITING, ended.stderr
    back = tool.call("undo", "--yes", "--no-input", "--journal", str(tool.journal), *named, *restart)
    assert back.returncode == DONE, back.stderr
    assert tool.call("restore", str(tmp_path / "copy"), "--yes", *named).returncode == DONE
    heal(server)
    with server.connect("immich") as connection:
        assert content_hashes(connection) == before
