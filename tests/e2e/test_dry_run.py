"""The dry run writes nothing, and prints exactly what a run does: its SQL, run by hand, ends in the same place."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import psycopg
import pytest
from driving import DONE, WORK_PENDING, Operator, Tool, run_to_the_end
from servers import MakeServer

from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.immich_catalog import catalog_dump, content_hashes
from migrator.sandbox.server import Server

STEP = re.compile(r"^-- Step \d+ .*\[([a-z-]+)\]  (.*)$")


@pytest.fixture
def prepare(make_server: MakeServer, tmp_path: Path) -> Callable[..., tuple[Server, Tool]]:
    """Return a function that makes equal servers with equal Immich databases on pgvecto.rs."""

    def make(vectors: str, rows: int, *, superuser: bool = True) -> tuple[Server, Tool]:
        # without autovacuum nobody but us has transactions
        server = make_server(install={"vectors": vectors}, preload="vectors.so", settings={"autovacuum": "off"})
        ImmichDatabase(rows=rows, owner_is_superuser=superuser).build(server.conninfo())
        home = tmp_path / str(server.port)
        home.mkdir()
        return server, Tool(home, server.conninfo("immich", "immich"), home / "state" / "immich.db")

    return make


def next_transaction(server: Server) -> int:
    """Return the number of the next transaction that writes anything, in any database of the server."""
    with server.connect() as connection:
        row = connection.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint").fetchone()
    assert row is not None
    return int(row[0])


def described(server: Server) -> tuple[str, object]:
    """Return structure and content of Immich's database."""
    with server.connect("immich") as connection:
        return catalog_dump(connection), content_hashes(connection)


@pytest.mark.parametrize("superuser", [True, False])
def test_it_writes_nothing(prepare: Callable[..., tuple[Server, Tool]], superuser: bool) -> None:  # noqa: FBT001
    """No transaction number is used up in the whole cluster, and no file appears, journal and log included."""
    server, tool = prepare("0.2.0", 50, superuser=superuser)
    before, number = described(server), next_transaction(server)
    for arguments in ([], ["--json"]):
        said = tool.call(*tool.arguments("--dry-run", *arguments))
        assert said.returncode == DONE, said.stderr
        assert said.stderr == ""
    assert next_transaction(server) == number
    assert described(server) == before
    assert list(tool.home.rglob("*")) == []


def test_detailed_exit_code(prepare: Callable[..., tuple[Server, Tool]]) -> None:
    """100 while work is pending, 0 when nothing is left to do; without the option 0 both times."""
    server, tool = prepare("0.3.0", 20)
    arguments = tool.arguments("--dry-run", "--detailed-exitcode")
    assert tool.call(*arguments).returncode == WORK_PENDING
    run_to_the_end(tool, server, "--restart-command", server.restart_command())
    said = tool.call(*arguments)
    assert said.returncode == DONE
    assert " 0 of 22 states are left to do; 0 statements." in said.stdout
    assert statements_in(said.stdout) == []


def test_json_carries_the_same_sql(prepare: Callable[..., tuple[Server, Tool]]) -> None:
    """One object, whose statements are those of the script, in its order and to the letter."""
    _, tool = prepare("0.2.0", 20)
    script = tool.call(*tool.arguments("--dry-run")).stdout
    plan: dict[str, Any] = json.loads(tool.call(*tool.arguments("--dry-run", "--json")).stdout)
    assert (plan["type"], plan["schema"]) == ("plan", "1.0")
    planned = [statement["sql"] + ";" for step in plan["steps"] for statement in step["statements"]]
    assert planned
    assert statements_in(script) == planned
    assert all(f"{statement};\n" in script for statement in plan["session"])
    assert f"; {len(planned)} statements." in script


def test_the_copy_is_announced(prepare: Callable[..., tuple[Server, Tool]]) -> None:
    """The dry run says that a run copies the embeddings first, and how large; not where that is refused."""
    _, tool = prepare("0.3.0", 20)
    said = tool.call(*tool.arguments("--dry-run"))
    announced = r"^-- Before its first change a run copies the embeddings into files, about \d"
    assert re.search(announced, said.stdout, re.MULTILINE)
    assert "a run copies" not in tool.call(*tool.arguments("--dry-run", "--no-backup")).stdout
    planned = json.loads(tool.call(*tool.arguments("--dry-run", "--json")).stdout)
    assert planned["copy_bytes"] > 2 * 20 * 512
    assert json.loads(tool.call(*tool.arguments("--dry-run", "--json", "--no-backup")).stdout)["copy_bytes"] is None


def statements_in(script: str) -> list[str]:
    """Return the statements of the steps, without BEGIN and COMMIT: each stands below a comment that names its key."""
    found: list[str] = []
    current: list[str] | None = None
    for line in script.splitlines():
        if re.match(r"-- [a-z-]+/[a-z0-9_-]+: ", line):
            current = []
        elif current is not None and not line.startswith("-- compare this row"):
            current.append(line)
            if line.endswith(";"):
                found.append("\n".join(current))
                current = None
    return found


def parts(script: str) -> Iterator[tuple[str, list[str], str]]:
    """Yield the script in pieces: the operator's steps one by one, what lies between them in one psql session."""
    preamble, steps = [], []
    for line in script.splitlines():
        if begin := STEP.match(line):
            steps.append((begin[1], begin[2], [line]))
        elif steps:
            steps[-1][2].append(line)
        else:
            preamble.append(line)
    left = [step for step in steps if step[1] != "done"]
    for actor, group in groupby(left, key=lambda step: step[1]):
        chunk = list(group)
        if actor == "by: tool":
            lines = preamble + [line for step in chunk for line in step[2]]
            yield actor, [step[0] for step in chunk], "\n".join(lines)
        else:
            yield from ((actor, [step[0]], "") for step in chunk)


def by_hand(server: Server, script: str) -> str:
    """Do what a person does with the script: psql for the tool's steps, hands for the operator's."""
    said = ""
    for actor, keys, piece in parts(script):
        if actor == "by: you":
            Operator(server, "0.3.0").do(keys[0])
            continue
        psql = [str(server.tree.program("psql")), "-X", "-d", server.conninfo("immich", "immich"), "-f", "-"]
        done = subprocess.run(psql, input=piece, text=True, capture_output=True, check=False)
        assert done.returncode == 0, f"{keys}: {done.stderr}"
        said += done.stdout
    return said


@pytest.mark.parametrize(
    "rows", [pytest.param(2_000, id="small"), pytest.param(20_000, id="full", marks=pytest.mark.full)]
)
@pytest.mark.parametrize("vectors", ["0.2.0", "0.3.0"])
def test_its_sql_run_by_hand_ends_in_the_same_place(
    prepare: Callable[..., tuple[Server, Tool]], vectors: str, rows: int
) -> None:
    """Printed on one server, run with psql on its twin: same catalogs and content as the tool's run on the first."""
    server, tool = prepare(vectors, rows)
    twin, _ = prepare(vectors, rows)
    assert described(twin) == described(server)
    content = described(server)[1]
    script = tool.call(*tool.arguments("--dry-run")).stdout

    said = by_hand(twin, script)
    run_to_the_end(tool, server, "--restart-command", server.restart_command())

    assert described(twin) == described(server)
    assert described(server)[1] == content
    proofs = re.findall(rf"^ \w+ +\| +{rows} \| (-?\d+)$", said, re.MULTILINE)
    assert len(proofs) == 4, "each table is hashed before and after"
    assert proofs[0] == proofs[1]
    assert proofs[2] == proofs[3]
    with psycopg.connect(twin.conninfo("immich", "immich")) as connection:
        row = connection.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone()
    assert row == (0,), "nobody is kept out any more"
