"""`shared_preload_libraries` belongs to the operator: what others put there stays, wherever it is written."""

import shlex
from pathlib import Path

import pytest
from driving import WAITING, Tool, run_to_the_end
from servers import MakeServer

from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.server import Server
from migrator.settings import split_list


@pytest.fixture
def other(make_server: MakeServer) -> str:
    """Return a library that has nothing to do with this tool: a well-known one where the tree has it."""
    known = ("pg_stat_statements", "auto_explain", "dict_snowball")
    library_dir = make_server(start=False).tree.library_dir
    return next(name for name in known if (library_dir / f"{name}.so").exists())


def prepared(server: Server, home: Path) -> Tool:
    """Start a server, build a small Immich database on it, and return the command for it."""
    server.install("vectors", "0.3.0")
    server.install("vchord", "0.3.0")
    server.start()
    ImmichDatabase(rows=20).build(server.conninfo())
    return Tool(home, server.conninfo("immich", "immich"), home / "immich.db")


def preload_of(server: Server) -> tuple[str, ...]:
    """Return the preload list that the server was started with."""
    with server.connect() as connection:
        row = connection.execute("SHOW shared_preload_libraries").fetchone()
    assert row is not None
    return split_list(str(row[0]))


def test_other_libraries_stay(make_server: MakeServer, tmp_path: Path, other: str) -> None:
    """Whatever form they are written in, and in their order."""
    server = make_server(preload=f'"$libdir/{other}", $libdir/vectors , vector', start=False)
    tool = prepared(server, tmp_path)
    run_to_the_end(tool, server, "--restart-command", server.restart_command())
    assert preload_of(server) == ("vchord.so", f"$libdir/{other}", "vector")


def own_included_file(server: Server, libraries: str) -> Path:
    """Write the list into a file that postgresql.conf includes, as configuration management does."""
    file = server.data / "ours.conf"
    file.write_text(f"# ours\nshared_preload_libraries = '{libraries}'\n")
    server.account.own(file)
    server.edit_conf("shared_preload_libraries", None)
    server.edit_conf("include", file.name)
    return file


def test_a_list_in_an_included_file_is_overridden_by_alter_system(
    make_server: MakeServer, tmp_path: Path, other: str
) -> None:
    """ALTER SYSTEM decides over every file, so the merge holds the included file's entries."""
    server = make_server(start=False)
    file = own_included_file(server, f"{other}, vectors.so")
    written = file.read_text()
    tool = prepared(server, tmp_path)
    run_to_the_end(tool, server, "--restart-command", server.restart_command())
    assert preload_of(server) == ("vchord.so", other)
    assert file.read_text() == written


def test_without_alter_system_the_operator_is_told_file_and_line(
    make_server: MakeServer, tmp_path: Path, other: str
) -> None:
    """With --no-alter-system the tool writes no setting: it names the line to edit, and sees when it was edited."""
    server = make_server(start=False)
    file = own_included_file(server, f"{other}, vectors.so")
    tool = prepared(server, tmp_path)
    options = ["--no-alter-system", "--restart-command", server.restart_command(), "--confirm", "immich"]

    asked = tool.migrate(*options)
    assert (asked.returncode, tool.next_step()) == (WAITING, "preload-both-libraries")
    assert f"edit {file}, line 2 (an included file), to read:" in asked.stderr
    assert f"shared_preload_libraries = 'vchord.so, {other}, vectors.so'" in asked.stderr
    own_included_file(server, f"vchord.so, {other}, vectors.so")

    asked = tool.migrate(*options)
    assert (asked.returncode, tool.next_step()) == (WAITING, "preload-vectorchord-only")
    assert f"shared_preload_libraries = 'vchord.so, {other}'" in asked.stderr
    own_included_file(server, f"vchord.so, {other}")

    run_to_the_end(tool, server, *options)
    assert preload_of(server) == ("vchord.so", other)
    assert "shared_preload_libraries" not in (server.data / "postgresql.auto.conf").read_text()


def start_with(server: Server, libraries: str) -> None:
    """Have the server started with the list on its command line, as a container's `command:` does."""
    program = server.tree.program("postgres")
    real = program.with_name("postgres-itself")
    if not real.exists():
        program.rename(real)
    option = shlex.quote(f"shared_preload_libraries={libraries}")
    program.unlink(missing_ok=True)
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(str(real))} -c {option} "$@"\n')
    program.chmod(0o755)


def test_a_list_on_the_command_line_is_the_operators(make_server: MakeServer, tmp_path: Path, other: str) -> None:
    """ALTER SYSTEM would not decide it, so the tool does not try: it says where the value is, and waits."""
    server = make_server(start=False)
    start_with(server, f"{other}, vectors.so")
    tool = prepared(server, tmp_path)

    asked = tool.migrate()
    assert (asked.returncode, tool.next_step()) == (WAITING, "preload-both-libraries")
    assert "command line" in asked.stderr
    assert f"'vchord.so, {other}, vectors.so'" in " ".join(asked.stderr.split())
    start_with(server, f"vchord.so, {other}, vectors.so")
    server.restart()

    asked = tool.migrate()
    assert (asked.returncode, tool.next_step()) == (WAITING, "preload-vectorchord-only")
    start_with(server, f"vchord.so, {other}")
    server.restart()

    assert run_to_the_end(tool, server) == ["uninstall-pgvectors"]
    assert preload_of(server) == ("vchord.so", other)
    assert "shared_preload_libraries" not in (server.data / "postgresql.auto.conf").read_text()
