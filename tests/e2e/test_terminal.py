"""What a person at a terminal of 80 columns sees and answers, and what a pipe gets instead."""

import json
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from driving import DONE, INTERRUPTED, REFUSED, WAITING, Tool, run_to_the_end
from servers import MakeServer
from terminal import Terminal

from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.immich_catalog import catalog_dump, content_hashes
from migrator.sandbox.server import Server

TO_REMOVE = "keep pgvector: it provides the data types"
"""From the instructions for the removal of pgvecto.rs."""


@pytest.fixture
def prepare(make_server: MakeServer, tmp_path: Path) -> Callable[..., tuple[Server, Tool]]:
    """Return a function that makes a server with an Immich database on pgvecto.rs, and the command for it."""

    def make(**immich: object) -> tuple[Server, Tool]:
        server = make_server(install={"vectors": "0.2.0"}, preload="vectors.so")
        ImmichDatabase(**{"rows": 50, **immich}).build(server.conninfo())  # type: ignore[arg-type]
        return server, Tool(tmp_path, server.conninfo("immich", "immich"), tmp_path / "immich.db")

    return make


def described(server: Server) -> tuple[str, object]:
    """Return structure and content of Immich's database."""
    with server.connect("immich") as connection:
        return catalog_dump(connection), content_hashes(connection)


def assert_fits(text: str) -> None:
    """No line of the screen is wider than the terminal, but for commands and paths that must stay whole."""
    wide = [line for line in text.splitlines() if len(line) > 80]
    assert [line for line in wide if not re.match(r" {10,14}\S| +do |journal|log|.* restarting the server", line)] == []


def test_no_leaves_everything_as_it_is(prepare: Callable[..., tuple[Server, Tool]]) -> None:
    """The first screen says what was found and planned, and asks; 'n' ends with 3 and not even a journal is made."""
    server, tool = prepare()
    before = described(server)
    terminal = Terminal(tool, *tool.arguments())
    terminal.until("Start? [y/N]: ")
    terminal.type("n")
    assert terminal.end() == WAITING
    assert_fits(terminal.text)
    first = terminal.text.splitlines()[:12]
    assert re.match(r"immich @ local socket:\d+ as immich \(superuser\)", first[0])
    assert any(
        re.match(r" +smart_search +50 +vectors\.vector\(512\) +vector\(512\), VectorChord, 1 list", line)
        for line in first
    )
    assert " 12  uninstall pgvecto.rs" in terminal.text
    assert "Nothing was changed." in terminal.text.splitlines()[-1]
    assert described(server) == before
    assert not tool.journal.exists()


def test_a_person_is_led_to_the_end(prepare: Callable[..., tuple[Server, Tool]]) -> None:
    """One start: yes, wait, notice each thing that the operator did by itself, ask for the name, finish."""
    server, tool = prepare()
    content = described(server)[1]
    terminal = Terminal(tool, *tool.arguments("--restart-command", server.restart_command()))
    terminal.until("Start? [y/N]: ")
    terminal.type("y")
    terminal.until("Write that copy first? [Y/n]: ")
    terminal.type("")
    terminal.until("I look every 2 seconds")
    server.install("vchord", "0.3.0")
    terminal.until("Point of no return: the way back to pgvecto.rs ends when its package is removed.")
    terminal.until('Type the name of the database ("immich") to go on: ')
    assert TO_REMOVE not in terminal.text
    terminal.type("immich")
    terminal.until(TO_REMOVE)
    server.remove("vectors")
    terminal.until("Start Immich now.")
    assert terminal.end() == DONE
    assert_fits(terminal.text)
    assert "Done. 100 embeddings are in VectorChord, none changed." in terminal.text
    (copy,) = tool.home.glob("immich-backup-*")
    assert "Before the first change a copy of the embeddings, about" in terminal.text
    assert "copy of 100 embeddings, " in terminal.text
    assert f"~/{copy.name} (" in terminal.text
    assert described(server)[1] == content


def test_a_copy_that_is_not_wanted_is_not_made(prepare: Callable[..., tuple[Server, Tool]]) -> None:
    """'n' to the copy: the run goes on without one."""
    server, tool = prepare()
    server.install("vchord", "0.3.0")
    terminal = Terminal(tool, *tool.arguments("--restart-command", server.restart_command()))
    terminal.until("Start? [y/N]: ")
    terminal.type("y")
    terminal.until("Write that copy first? [Y/n]: ")
    terminal.type("n")
    terminal.until("to go on: ")
    terminal.type("imich")
    assert terminal.end() == WAITING
    assert list(tool.home.glob("immich-backup-*")) == []


def test_a_wrong_name_is_no_confirmation(prepare: Callable[..., tuple[Server, Tool]]) -> None:
    """Something else than the name: 3, what is done stays done, and the flag is named."""
    server, tool = prepare()
    server.install("vchord", "0.3.0")
    terminal = Terminal(tool, *tool.arguments("--yes", "--restart-command", server.restart_command()))
    terminal.until("to go on: ")
    before = described(server)
    terminal.type("imich")
    assert terminal.end() == WAITING
    assert "--confirm=immich" in terminal.text
    assert described(server) == before
    assert tool.next_step() == "uninstall-pgvectors"


@pytest.mark.parametrize("where", ["question", "waiting"])
def test_control_c(prepare: Callable[..., tuple[Server, Tool]], where: str) -> None:
    """130 and one sentence that says that nothing is lost, whether it asks or waits; the same command goes on."""
    server, tool = prepare()
    before = described(server)
    terminal = Terminal(tool, *tool.arguments())
    terminal.until("Start? [y/N]: ")
    if where == "waiting":
        terminal.type("y")
        terminal.until("Write that copy first? [Y/n]: ")
        terminal.type("")
        terminal.until("the same command goes on from here")
    terminal.press_control_c()
    assert terminal.end() == INTERRUPTED
    last = terminal.text.strip().splitlines()[-1]
    assert last == "Interrupted. Nothing is lost: run the same command again, it goes on from here."
    assert "Traceback" not in terminal.text
    assert described(server) == before
    assert tool.migrate().returncode == WAITING


def test_a_second_copy_is_refused(prepare: Callable[..., tuple[Server, Tool]]) -> None:
    """While one waits, another of the same or of another journal ends with 5 and says who holds what."""
    _, tool = prepare()
    terminal = Terminal(tool, *tool.arguments())
    terminal.until("Start? [y/N]: ")
    terminal.type("y")
    terminal.until("Write that copy first? [Y/n]: ")
    terminal.type("")
    terminal.until("I look every 2 seconds")
    for journal in (tool.journal, tool.home / "another.db"):
        said = Tool(tool.home, tool.database, journal).migrate()
        assert said.returncode == REFUSED, said.stderr
        assert "another copy of this tool" in said.stderr
        assert "(migrate)" in said.stderr, "the holder's application name"
        assert said.stderr.splitlines()[-1] == "  do            wait for it, or look at it with: migrate status"
    assert tool.status()["next_step"] == "install-vectorchord", "the status works beside it"
    terminal.press_control_c()
    assert terminal.end() == INTERRUPTED


def test_terminated_like_interrupted(prepare: Callable[..., tuple[Server, Tool]]) -> None:
    """SIGTERM, as containers and service managers send it, ends like Ctrl-C."""
    _, tool = prepare()
    terminal = Terminal(tool, *tool.arguments())
    terminal.until("Start? [y/N]: ")
    terminal._child.kill(signal.SIGTERM)  # noqa: SLF001 - the helper of this file
    assert terminal.end() == INTERRUPTED
    assert "Interrupted. Nothing is lost" in terminal.text


@pytest.mark.parametrize(
    ("environment", "arguments"), [({"NO_COLOR": "1"}, []), ({"TERM": "dumb"}, []), ({}, ["--no-color"])]
)
def test_colour_can_be_switched_off(
    prepare: Callable[..., tuple[Server, Tool]], environment: dict[str, str], arguments: list[str]
) -> None:
    """No colour in a terminal, by any of the three ways."""
    _, tool = prepare(rows=5)
    terminal = Terminal(tool, *tool.arguments(*arguments), **environment)
    terminal.until("Start? [y/N]: ")
    terminal.type("y")
    terminal.until("Write that copy first? [Y/n]: ")
    terminal.type("")
    terminal.until("I look every 2 seconds")
    terminal.press_control_c()
    assert terminal.end() == INTERRUPTED
    assert not re.search(r"\x1b\[[0-9;]*m", terminal.written)


def test_a_pipe_gets_plain_lines(prepare: Callable[..., tuple[Server, Tool]]) -> None:
    """Without a terminal nothing moves and nothing is coloured, whatever FORCE_COLOR says; and nobody is asked."""
    server, tool = prepare()
    server.install("vchord", "0.3.0")
    forced = Tool(tool.home, tool.database, tool.journal, {"FORCE_COLOR": "1", "TTY_COMPATIBLE": "1"})
    unasked = forced.call(*tool.arguments())
    assert unasked.returncode == WAITING
    assert unasked.stderr.splitlines()[-1] == "Nothing was changed. To begin without being asked, add --yes."
    assert not tool.journal.exists()
    said = forced.migrate("--restart-command", server.restart_command())
    assert said.returncode == WAITING
    for stream in (unasked.stderr, said.stderr, said.stdout):
        assert "\x1b" not in stream
        assert "\r" not in stream
    assert re.search(r"^step convert-smart-search/hash-after proven equal .*rows=50 ", said.stderr, re.MULTILINE)
    assert re.search(r"^step build-face-index finished seconds=\d+\.\d$", said.stderr, re.MULTILINE)


def lines_of(text: str) -> list[dict[str, Any]]:
    """Parse JSON lines."""
    return [json.loads(line) for line in text.splitlines()]


def test_json_lines(prepare: Callable[..., tuple[Server, Tool]]) -> None:
    """First the version, last the result with the process's own code, nothing on stderr, in every kind of ending."""
    server, tool = prepare()
    server.install("vchord", "0.3.0")
    options = ["--json", "--restart-command", server.restart_command()]

    unasked = tool.call(*tool.arguments("--json"))
    assert unasked.returncode == WAITING
    assert lines_of(unasked.stdout)[-1] | {"outcome": ""} == {
        "type": "result", "exit_code": WAITING, "outcome": "", "question": "--yes",
    }  # fmt: skip

    waiting = tool.migrate(*options)
    server.remove("vectors")
    done = tool.migrate("--confirm", "immich", *options)
    nobody = Tool(tool.home, "postgresql://immich@127.0.0.1:1/immich", tool.journal).migrate("--json")
    for said in (waiting, done, nobody):
        lines = lines_of(said.stdout)
        assert lines[0] == {"type": "version", "schema": "1.0"}
        assert (lines[-1]["type"], lines[-1]["exit_code"]) == ("result", said.returncode)
        assert said.stderr == ""
    kinds = {line["type"] for line in lines_of(waiting.stdout)}
    assert {"step_started", "step_finished", "statement_started", "proven", "restarting", "waiting"} <= kinds
    assert lines_of(done.stdout)[-1]["headline"] == "Done. 100 embeddings are in VectorChord, none changed."
    error = lines_of(nobody.stdout)[-2]
    assert error["type"] == "error"
    assert "127.0.0.1, port 1; nothing was changed" in error["message"]
    assert error["hint"]


def test_status_without_a_journal(prepare: Callable[..., tuple[Server, Tool]]) -> None:
    """It says so, shows what the server shows, names the next step, makes no file, and exits with 0."""
    _, tool = prepare(rows=5)
    arguments = ["status", "--database", tool.database, "--journal", str(tool.journal)]
    said = tool.call(*arguments)
    assert (said.returncode, said.stderr) == (DONE, "")
    assert "none yet, so no run has begun from here" in said.stdout
    assert re.search(r"^ +1  pgvecto\.rs is still installed +done$", said.stdout, re.MULTILINE)
    assert re.search(r"^ +3  install VectorChord +to do$", said.stdout, re.MULTILINE)
    assert re.match(
        r"Step 3 of 12  install-vectorchord\. Next: migrate --from pgvecto\.rs", said.stdout.splitlines()[-1]
    )
    record = json.loads(tool.call(*arguments, "--json").stdout)
    assert (record["type"], record["schema"]) == ("status", "1.0")
    assert (record["journal_missing"], record["run"], record["next_step"]) == (True, None, "install-vectorchord")
    assert not tool.journal.exists()


def test_status_while_the_server_is_down(prepare: Callable[..., tuple[Server, Tool]]) -> None:
    """The journal's last word is told, with what could not be seen and what to do, and the exit code is 0."""
    server, tool = prepare(rows=5)
    assert tool.migrate().returncode == WAITING
    server.stop()
    arguments = ["status", "--database", tool.database, "--journal", str(tool.journal)]
    said = tool.call(*arguments)
    assert (said.returncode, said.stderr) == (DONE, "")
    assert re.search(r"^server +could not be seen: no connection to PostgreSQL at ", said.stdout, re.MULTILINE)
    assert re.search(r"^last .* install-vectorchord waiting$", said.stdout, re.MULTILINE)
    assert said.stdout.splitlines()[-1] == "Next: start the server, then run the same command again."
    record = json.loads(tool.call(*arguments, "--json").stdout)
    assert record["run"]["identity"]["database_name"] == "immich"
    assert record["server_error"].startswith("no connection to PostgreSQL")
    assert record["next_step"] is None


def test_status_of_a_finished_run(prepare: Callable[..., tuple[Server, Tool]]) -> None:
    """Every step is done, with the journal's word for each."""
    server, tool = prepare(rows=5)
    run_to_the_end(tool, server, "--restart-command", server.restart_command())
    said = tool.call("status", "--database", tool.database, "--journal", str(tool.journal))
    assert said.stdout.splitlines()[-1] == "Every step is done."
    assert re.search(r"^ +finished 20\d\d-", said.stdout, re.MULTILINE)
    record = tool.status()
    assert record["next_step"] is None
    assert {step["done"] for step in record["steps"]} == {True}
    assert {step["journal"] for step in record["steps"]} <= {"finished", "observed", "waiting"}
    assert record["run"]["finished_at"]
