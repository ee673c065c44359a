"""Law 11, for every command in every form of its answer: the same thing ends with the same code."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from driving import BLOCKED, DONE, FAILED, INTERRUPTED, REFUSED, USAGE, WAITING, WORK_PENDING, Finished, Tool
from journey import start_tool

from migrator.cli.app import COMMANDS, LazyGroup, app
from migrator.journal_schema import SCHEMA_VERSION
from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.server import Server
from migrator.sandbox.shelf import Shelf
from migrator.sandbox.tree import Tree

MAIN = "--from"
ARGUMENTS: dict[str, tuple[str, ...]] = {
    MAIN: ("--from", "pgvecto.rs", "--yes", "--no-input"),
    "doctor": (),
    "status": (),
    "backup": ("{home}/copy",),
    "restore": ("{home}/copy", "--yes", "--no-input"),
    "undo": ("--yes", "--no-input"),
    "update": ("--yes", "--no-input"),
    "prepare": ("--owner", "immich", "--yes", "--no-input"),
}
"""What each command needs in order to be carried out without a person."""
WITHOUT_A_SERVER = {"demo"}
FORMS = ((), ("--json",))
NAMES = [name for name in ARGUMENTS if name == MAIN or name in COMMANDS]
WITH_JOURNAL = [name for name in NAMES if name not in ("backup", "restore", "prepare")]


@pytest.fixture(scope="module")
def server(open_folder: Path, tree: Tree, shelf: Shelf, numbers: Iterator[int]) -> Iterator[Server]:
    """Return a server on which a run waits for VectorChord."""
    with Server.create(open_folder / f"codes-{next(numbers)}", tree=tree, shelf=shelf, preload="vectors.so") as made:
        made.install("vectors", "0.3.0")
        made.start()
        ImmichDatabase(rows=10).build(made.conninfo())
        yield made


@pytest.fixture
def tool(server: Server, tmp_path: Path) -> Tool:
    """Return the command for its database."""
    return Tool(tmp_path, server.conninfo("immich", "immich"), tmp_path / "j.db")


def call(tool: Tool, name: str, *more: str) -> Finished:
    """Carry a command out for the tool's database and journal."""
    arguments = [argument.format(home=tool.home) for argument in ARGUMENTS[name]]
    journal = ["--journal", str(tool.journal)] if name in WITH_JOURNAL else []
    first = [] if name == MAIN else [name]
    return tool.call(*first, *arguments, "--database", tool.database, *journal, *more)


def assert_ends(said: Finished, code: int, form: Sequence[str]) -> None:
    """The process's code; for a script the same number in the last line, whatever went wrong; and never a trace."""
    assert said.returncode == code, said.stdout + said.stderr
    assert "Traceback" not in said.stderr
    if not form:
        assert (said.stdout + said.stderr).strip(), "somebody has to be told"
        return
    answer = said.stdout.strip()
    last = json.loads(answer if answer.startswith("{\n") else answer.splitlines()[-1])
    if code in (FAILED, REFUSED):
        assert (last["type"], last["exit_code"]) == ("result", code), said.stdout
    elif last.get("exit_code") is not None:
        assert last["exit_code"] == code, said.stdout


def test_no_command_is_left_out() -> None:
    """Each command is in the table above, or needs no server."""
    assert set(COMMANDS) - set(ARGUMENTS) - WITHOUT_A_SERVER == set()


@pytest.mark.parametrize("form", FORMS, ids=["text", "json"])
@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_option(name: str, form: Sequence[str]) -> None:
    """2, and what is wrong with it."""
    ended = start_tool([*([] if name == MAIN else [name]), *form, "--no-such-option"])
    assert ended.code == USAGE, ended.said
    assert "--no-such-option" in ended.err


@pytest.mark.parametrize("form", FORMS, ids=["text", "json"])
@pytest.mark.parametrize("name", NAMES)
def test_an_address_that_is_none(name: str, form: Sequence[str], tmp_path: Path) -> None:
    """2, before anything is tried."""
    said = call(Tool(tmp_path, "postgresql://[no-address/immich", tmp_path / "j.db"), name, *form)
    assert said.returncode == USAGE, said.stdout + said.stderr


@pytest.mark.parametrize("form", FORMS, ids=["text", "json"])
@pytest.mark.parametrize("name", NAMES)
def test_no_server(name: str, form: Sequence[str], tmp_path: Path) -> None:
    """1; the status can still report."""
    said = call(Tool(tmp_path, "postgresql://immich@127.0.0.1:1/immich", tmp_path / "j.db"), name, *form)
    if name == "restore":
        assert said.returncode in (FAILED, USAGE, BLOCKED, REFUSED), said.stderr  # there is no copy either
        return
    # without a journal there is nothing to take back, whether there is a server or not
    assert_ends(said, {"status": DONE, "undo": BLOCKED}.get(name, FAILED), form)


@pytest.mark.parametrize("form", FORMS, ids=["text", "json"])
@pytest.mark.parametrize("name", WITH_JOURNAL)
def test_a_journal_of_something_else(name: str, form: Sequence[str], tool: Tool) -> None:
    """5, for whoever would read it or write to it: another program's file, a newer version's, another database's."""
    tool.journal.write_text("holiday plans")
    assert_ends(call(tool, name, *form), REFUSED, form)
    tool.journal.unlink()
    assert call(tool, MAIN).returncode == WAITING
    with closing(sqlite3.connect(tool.journal)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    assert_ends(call(tool, name, *form), REFUSED, form)
    with closing(sqlite3.connect(tool.journal)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("UPDATE run SET database_oid = 1")
        connection.commit()
    assert_ends(call(tool, name, *form), DONE if name == "status" else REFUSED, form)


WAITS = {MAIN: WAITING, "doctor": WAITING, "status": DONE, "backup": DONE, "update": BLOCKED, "prepare": WAITING}
"""On a server that has no VectorChord yet."""


@pytest.mark.parametrize("form", FORMS, ids=["text", "json"])
@pytest.mark.parametrize("name", [name for name in NAMES if name in WAITS])
def test_somebody_has_to_act(name: str, form: Sequence[str], tool: Tool) -> None:
    """What only looks or copies is done; what cannot be done yet is not 0."""
    assert_ends(call(tool, name, *form), WAITS[name], form)


@pytest.mark.parametrize("form", FORMS, ids=["text", "json"])
@pytest.mark.parametrize("name", [name for name in (MAIN, "update", "prepare") if name in NAMES])
def test_a_dry_run(name: str, form: Sequence[str], tool: Tool) -> None:
    """0 because it could report; with --detailed-exitcode 100 while there is something to do."""
    blocked = name == "update"  # there is no VectorChord to be updated
    assert_ends(call(tool, name, "--dry-run", *form), BLOCKED if blocked else DONE, form)
    detailed = call(tool, name, "--dry-run", "--detailed-exitcode", *form)
    assert detailed.returncode == (BLOCKED if blocked else WORK_PENDING), detailed.stdout + detailed.stderr


def test_the_codes_are_the_shell_s(tool: Tool) -> None:
    """No command ends with a code that is not published, and none that changes something has 0 for a refusal."""
    assert {DONE, FAILED, USAGE, WAITING, BLOCKED, REFUSED, WORK_PENDING, INTERRUPTED} == {0, 1, 2, 3, 4, 5, 100, 130}
    assert isinstance(app, LazyGroup)
    assert tool.call("--version").returncode == DONE
    assert tool.call("--help").returncode == DONE
    assert tool.call().returncode == DONE
    assert tool.call("no-such-command").returncode == USAGE
