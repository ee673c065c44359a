"""A way back that begins, stops and turns in the middle: with a run interrupted, with a state that others left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from driving import BLOCKED, DONE, REFUSED, WAITING, Operator, Tool, start, waits_for
from journey import end_state
from killing import held_at
from servers import MakeServer
from start_states import StartState, put_into
from undoing import Traveller, assert_back, differences, traveller

from migrator.journal import Journal
from migrator.sandbox.immich import ImmichDatabase


def status_of(who: Traveller) -> dict[str, object]:
    """Return what `migrate status --json` says."""
    found = who.tool.status()
    return {str(name): value for name, value in found.items()}


@pytest.mark.parametrize(
    "event", ["create-extension-vchord finished", "convert-smart-search/rewrite finished", "build-clip-index finished"]
)
def test_a_run_that_was_killed_is_taken_back(event: str, make_server: MakeServer, tmp_path: Path) -> None:
    """Wherever it stopped, the way back begins there, without a look at what was not done."""
    who = traveller(make_server, tmp_path, vectors="0.2.0")
    before = who.state()
    who.server.install("vchord", "0.3.0")
    arguments = [*who.there, *who.ours(), "--database", who.tool.database, "--journal", str(who.tool.journal)]
    with held_at(event, arguments, tmp_path) as held:
        held.wait_for_event()
        held.process.kill()
        held.end()
    assert_back(who, before, who.back())
    assert who.go(until="uninstall-pgvectors").returncode == WAITING
    assert_back(who, before, who.back())


@pytest.mark.parametrize(
    "event",
    [
        "undo-drop-extension-vectors finished",
        "undo-build-clip-index/commit started",
        "undo-convert-face-search/commit finished",
        "undo-convert-smart-search/rewrite finished",
        "undo-create-extension-vchord finished",
    ],
)
def test_a_way_back_that_was_killed_goes_on_or_turns(event: str, make_server: MakeServer, tmp_path: Path) -> None:
    """The same command goes on; migrate --from goes forward again from there, and says so; status tells of it."""
    who = traveller(make_server, tmp_path, vectors="0.2.0")
    before = who.state()
    who.go(until="uninstall-pgvectors")
    there = who.state()
    arguments = ["undo", "--yes", "--no-input", *who.ours()]
    arguments += ["--database", who.tool.database, "--journal", str(who.tool.journal)]
    for turn in (True, False):
        folder = tmp_path / f"turn-{turn}"
        folder.mkdir()
        with held_at(event, arguments, folder) as held:
            held.wait_for_event()
            held.process.kill()
            held.end()
        undo = status_of(who)["undo"]
        assert isinstance(undo, dict)
        assert (undo["ended_at"], undo["to"]) == (None, None)
        assert "The run is being taken back. Next: migrate undo" in start(who.tool, "status").stdout
        if not turn:
            break
        said = who.go(until="uninstall-pgvectors")
        assert "It was being taken back (migrate undo)" in " ".join(said.stderr.split()), said.stderr
        assert differences(who.state(), there) == []
        assert status_of(who)["undo"] is None
    said = who.back()
    assert "It was begun on " in said.stderr
    assert_back(who, before, said)


def test_to_a_step_and_further_and_forward(make_server: MakeServer, tmp_path: Path) -> None:
    """It stops where it was told to, says what is true, and both ways lead on from there."""
    who = traveller(make_server, tmp_path)
    before = who.state()
    who.go(until="uninstall-pgvectors")
    there = who.state()
    said = who.back("--to", "convert-face-search")
    assert said.returncode == DONE, said.stderr
    assert said.stdout.startswith("Taken back as far as step 7, convert-face-search: it is the next one again.")
    assert said.stdout.splitlines()[-1].startswith("Keep Immich stopped")
    catalogs = who.state().catalogs
    assert "public.face_search.embedding type=vectors.vector" in catalogs
    assert "public.smart_search.embedding type=public.vector" in catalogs
    assert status_of(who)["next_step"] == "convert-face-search"
    again = who.back("--to", "convert-face-search")
    assert again.returncode == DONE, again.stderr
    assert who.state().catalogs == catalogs
    assert who.go(until="uninstall-pgvectors").returncode == WAITING
    assert differences(who.state(), there) == []
    said = who.back("--to", "drop-extension-vectors")
    assert said.stdout.splitlines()[-1] == "Immich can run: its tables are in VectorChord."
    assert_back(who, before, who.back())


def test_what_the_journal_says_was_taken_back_is_not_taken_back_again(make_server: MakeServer, tmp_path: Path) -> None:
    """Somebody drops what the way back has created: exit 5 with both sides, and --trust-server goes on."""
    who = traveller(make_server, tmp_path)
    before = who.state()
    who.go(until="uninstall-pgvectors")
    assert who.back("--to", "drop-extension-vectors").returncode == DONE
    with who.server.connect("immich") as connection:
        connection.execute("DROP EXTENSION vectors")
    said = who.back()
    assert said.returncode == REFUSED, said.stderr
    assert 'step "undo-drop-extension-vectors" was finished' in said.stderr
    assert_back(who, before, who.back("--trust-server"))


def test_a_dry_run_prints_the_way_back_and_changes_nothing(make_server: MakeServer, tmp_path: Path) -> None:
    """Every statement, in a session that cannot write; with --detailed-exitcode 100 while something is left."""
    who = traveller(make_server, tmp_path)
    who.go(until="uninstall-pgvectors")
    there, journal = who.state(), who.tool.journal.read_bytes()
    said = start(who.tool, "undo", "--dry-run", "--detailed-exitcode")
    assert said.returncode == 100, said.stderr
    assert "CREATE EXTENSION vectors;" in said.stdout
    assert 'USING ("embedding"::real[])::vectors.vector' in said.stdout
    assert 'USING "vectors" ("embedding" "vectors"."vector_cos_ops")' in said.stdout
    assert said.stdout.index("CREATE EXTENSION vectors;") < said.stdout.index("vectors.vector(512)")
    as_json = json.loads(start(who.tool, "undo", "--dry-run", "--json", "--to", "build-clip-index").stdout)
    keys = [step["step"] for step in as_json["steps"]]
    assert "undo-build-clip-index" in keys
    assert "undo-convert-smart-search" not in keys
    assert who.state() == there
    assert who.tool.journal.read_bytes() == journal


def test_nobody_is_asked_twice_and_nothing_is_changed_without_an_answer(
    make_server: MakeServer, tmp_path: Path
) -> None:
    """Without --yes: the first screen, exit 3, and nothing changed."""
    who = traveller(make_server, tmp_path)
    who.go(until="uninstall-pgvectors")
    there = who.state()
    said = start(who.tool, "undo", "--no-input")
    assert said.returncode == WAITING
    screen = " ".join(said.stderr.split())
    assert "The way back of the run of " in screen
    assert "to what was there before it, the last step first." in screen
    assert "PostgreSQL has to be restarted twice." in screen
    assert "Nothing was changed. To begin without being asked, add --yes." in screen
    assert who.state() == there


@pytest.mark.parametrize(
    "state",
    [
        StartState.BOTH_ARRAYS,
        StartState.ONE_ARRAY,
        StartState.ONE_CONVERTED,
        StartState.NO_INDEX,
        StartState.IMMICH_KILLED_AFTER,
    ],
)
@pytest.mark.parametrize("path", ["automatic", "manual"])
def test_half_way_starts_come_back_half_way(
    path: str, state: StartState, make_server: MakeServer, tmp_path: Path
) -> None:
    """What somebody else had begun is there again as they left it: that is what was there when this run began."""
    install = {"vectors": "0.3.0", **({"vchord": "0.3.0"} if state is StartState.IMMICH_KILLED_AFTER else {})}
    preload = ", ".join(f"{name}.so" for name in ("vchord", "vectors") if name in install)
    server = make_server(install=install, preload=preload)
    ImmichDatabase(rows=40).build(server.conninfo())
    put_into(server, state, dimension=512, from_pgvector=False)
    tool = Tool(tmp_path, server.conninfo("immich", "immich"), tmp_path / "journal.db")
    arguments = ["--from", "pgvecto.rs", "--yes", "--no-input", "--confirm", "immich", "--path", path]
    who = Traveller(server, tool, Operator(server, "0.3.0"), arguments, alone=path == "automatic")
    before = end_state(server)
    said = who.go(until="uninstall-pgvectors")
    assert said.returncode == (WAITING if path == "automatic" else DONE), said.stderr
    if path == "manual":
        who.server.install("vectors", "0.3.0")
    assert_back(who, before, who.back())


@pytest.mark.parametrize("state", [StartState.LEFTOVER_CONSTRAINT, StartState.WRONG_SCHEMA])
def test_what_is_not_put_back_is_said(state: StartState, make_server: MakeServer, tmp_path: Path) -> None:
    """A constraint that an interrupted Immich left, and extensions in a useless place: told, not restored."""
    wrong = state is StartState.WRONG_SCHEMA
    install = {"vectors": "0.3.0", **({"vchord": "0.3.0"} if wrong else {})}
    server = make_server(install=install, preload="vchord.so, vectors.so" if wrong else "vectors.so")
    ImmichDatabase(rows=40).build(server.conninfo())
    put_into(server, state, dimension=512, from_pgvector=False)
    tool = Tool(tmp_path, server.conninfo("immich", "immich"), tmp_path / "journal.db")
    arguments = ["--from", "pgvecto.rs", "--yes", "--no-input", "--confirm", "immich", "--path", "automatic"]
    who = Traveller(server, tool, Operator(server, "0.3.0"), arguments)
    before = end_state(server)
    who.go(until="uninstall-pgvectors")
    said = who.back()
    assert said.returncode == DONE, said.stderr
    assert "everything is what it was before, except for what is named here" in said.stdout
    wanted = (
        "VectorChord is in schema public, and was in vectors" if wrong else "dim_size_constraint of smart_search stays"
    )
    assert wanted in " ".join(said.stdout.split())
    left = differences(end_state(server), before)
    assert all("vchord" in line or "sphere_" in line or "dim_size_constraint" in line for line in left), left
    assert end_state(server).hashes == before.hashes


def test_another_database_that_uses_vectorchord_by_now(make_server: MakeServer, tmp_path: Path) -> None:
    """Its library stays in the list as long as somebody needs it: a blocker with the name of the database."""
    who = traveller(make_server, tmp_path)
    before = who.state()
    who.go(until="uninstall-pgvectors")
    with who.server.connect() as connection:
        connection.execute("CREATE DATABASE other")
    with who.server.connect("other") as connection:
        connection.execute("CREATE EXTENSION vchord CASCADE")
    said = who.back()
    assert said.returncode == 4, said.stderr
    assert 'database "other" has extension vchord 0.3.0' in said.stderr
    with who.server.connect() as connection:
        connection.execute("DROP DATABASE other WITH (FORCE)")
    assert_back(who, before, who.back())


def test_an_extension_that_somebody_else_uses_by_now(make_server: MakeServer, tmp_path: Path) -> None:
    """It is not dropped, and nothing that depends on it: a blocker with the name of what uses it."""
    who = traveller(make_server, tmp_path)
    before = who.state()
    who.go(until="uninstall-pgvectors")
    with who.server.connect("immich") as connection:
        connection.execute("CREATE TABLE public.photos (id int, features public.vector(3))")
    said = who.back()
    assert said.returncode == 4, said.stderr
    assert "column features of table public.photos uses it now" in " ".join(said.stderr.split())
    with who.server.connect("immich") as connection:
        connection.execute("DROP TABLE public.photos")
    assert_back(who, before, who.back())


def test_facts_of_a_run_that_was_taken_back_stay_and_no_longer_count(make_server: MakeServer, tmp_path: Path) -> None:
    """The file keeps them; another run records anew what is there, on whichever path it goes."""
    who = traveller(make_server, tmp_path)
    who.go(until="uninstall-pgvectors")
    who.back()
    journal = Journal.open_existing(who.tool.journal)
    assert journal is not None
    assert set(journal.facts()) == {"undo"}
    first = journal.run
    journal.close()
    with who.server.connect("immich") as connection:
        connection.execute("COMMENT ON COLUMN public.smart_search.embedding IS 'mine'")
    before = who.state()
    who.alone = False
    assert waits_for(who.go("--path", "manual", until="exchange-libraries")) == "exchange-libraries"
    journal = Journal.open_existing(who.tool.journal)
    assert journal is not None
    second = journal.run
    assert first is not None
    assert second is not None
    assert (first.path, second.path) == ("automatic", "manual")
    assert first.run_id != second.run_id
    journal.close()
    assert_back(who, before, who.back())


def test_after_a_lost_journal_the_way_back_leads_to_where_the_next_one_began(
    make_server: MakeServer, tmp_path: Path
) -> None:
    """Nobody knows any more what was there before; what is there when a journal is begun is what it leads back to."""
    who = traveller(make_server, tmp_path)
    who.server.install("vchord", "0.3.0")
    arguments = [*who.there, *who.ours(), "--database", who.tool.database, "--journal", str(who.tool.journal)]
    with held_at("convert-face-search finished", arguments, tmp_path) as held:
        held.wait_for_event()
        held.process.kill()
        held.end()
    for path in who.tool.journal.parent.glob(f"{who.tool.journal.name}*"):
        path.unlink()
    said = start(who.tool, "undo", "--yes", "--no-input")
    assert said.returncode == BLOCKED, said.stderr
    halfway = who.state()
    assert "type=public.vector" in halfway.catalogs
    who.go(until="uninstall-pgvectors")
    said = who.back()
    assert said.returncode == DONE, said.stderr
    assert differences(who.state(), halfway) == []
    assert who.state().hashes == halfway.hashes


def test_a_column_of_another_application_goes_back_with_the_rest(make_server: MakeServer, tmp_path: Path) -> None:
    """What was converted along with Immich's tables, with --include, gets its type and its index back too."""
    who = traveller(make_server, tmp_path, "--include", "public.photos.features")
    with who.server.connect("immich", "immich") as connection:
        connection.execute("CREATE TABLE public.photos (id int PRIMARY KEY, features vectors.vector(3))")
        connection.execute(
            "INSERT INTO public.photos SELECT n, ARRAY[n, 1, 2]::real[]::vectors.vector FROM generate_series(1, 5) n"
        )
        connection.execute(
            "CREATE INDEX photos_features ON public.photos USING vectors (features vectors.vector_l2_ops) "
            "WITH (options = '[indexing.flat]')"
        )
    before = who.state()
    who.go(until="uninstall-pgvectors")
    assert "index public.photos_features on public.photos using vchordrq" in who.state().catalogs
    assert_back(who, before, who.back())
    with who.server.connect("immich", "immich") as connection:
        row = connection.execute("SELECT features::real[] FROM public.photos WHERE id = 3").fetchone()
    assert row == ([3.0, 1.0, 2.0],)


def test_an_update_has_no_way_back(make_server: MakeServer, tmp_path: Path) -> None:
    """Exit 4 that says so, whether its journal is named or lies where the migration's would be."""
    server = make_server(install={"vchord": "0.3.0"}, preload="vchord.so")
    ImmichDatabase(rows=20, source="vchord").build(server.conninfo())
    tool = Tool(tmp_path, server.conninfo("immich", "immich"), tmp_path / "j.update.db")
    said = start(tool, "update", "--yes", "--no-input")
    assert said.returncode == DONE, said.stderr
    for journal in (tool.journal, tmp_path / "j.db"):
        said = tool.call("undo", "--yes", "--no-input", "--database", tool.database, "--journal", str(journal))
        assert said.returncode == BLOCKED, said.stderr
        assert "an update of VectorChord has no way back" in " ".join(said.stderr.split())


def test_for_a_script(make_server: MakeServer, tmp_path: Path) -> None:
    """JSON lines: the proofs are among them, and the last one has the exit code and what is true."""
    who = traveller(make_server, tmp_path)
    before = who.state()
    who.go(until="uninstall-pgvectors")
    said = start(who.tool, "undo", "--yes", "--json", *who.ours())
    lines = [json.loads(line) for line in said.stdout.splitlines()]
    assert lines[0]["type"] == "version"
    assert {line["step"] for line in lines if line["type"] == "proven"} == {
        "undo-convert-smart-search",
        "undo-convert-face-search",
    }
    assert (lines[-1]["type"], lines[-1]["exit_code"], lines[-1]["outcome"]) == ("result", DONE, "done")
    assert lines[-1]["headline"].startswith("Taken back.")
    assert who.state() == before
    status = who.tool.status()
    assert (status["undo"]["whole"], status["undo"]["to"]) == (True, None)
