"""Whole routes there and back, through the real command: afterwards everything is what it was before the run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from driving import BLOCKED, DONE, USAGE, WAITING, start, waits_for
from servers import MakeServer
from undoing import Role, assert_back, traveller


@pytest.mark.parametrize("vectors", ["0.2.0", "0.3.0"])
def test_the_automatic_route_there_and_back_and_there_and_back(
    vectors: str, make_server: MakeServer, tmp_path: Path
) -> None:
    """Up to the point of no return, twice: each time the catalogs, embeddings and libraries are what they were."""
    who = traveller(make_server, tmp_path, vectors=vectors)
    before = who.state()
    for _ in range(2):
        said = who.go(until="uninstall-pgvectors")
        assert "uninstall-pgvectors waiting" in said.stderr, said.stderr
        assert who.state().hashes == before.hashes
        assert "extension vectors" not in who.state().catalogs
        assert_back(who, before, who.back())
    assert start(who.tool, "undo", "--yes").stdout.startswith("Nothing to take back: the run of ")


@pytest.mark.parametrize("vectors", ["0.2.0", "0.3.0"])
def test_the_automatic_route_as_owner(vectors: str, make_server: MakeServer, tmp_path: Path) -> None:
    """Without superuser a DBA creates and drops the extensions, and an operator edits the list, in both directions."""
    who = traveller(make_server, tmp_path, vectors=vectors, role="owner", alone=False)
    before = who.state()
    who.go(until="uninstall-pgvectors")
    assert "extension vectors" not in who.state().catalogs
    asked = len(who.operator.did)
    assert_back(who, before, who.back())
    assert who.operator.did[asked:] == [
        "undo-preload-vectorchord-only",
        "undo-drop-extension-vectors",
        "undo-create-extension-vchord",
        "undo-preload-both-libraries",
    ]
    assert who.go(until="uninstall-pgvectors").returncode == WAITING
    assert_back(who, before, who.back())


def test_what_only_a_dba_may_do_goes_into_a_script(make_server: MakeServer, tmp_path: Path) -> None:
    """The script has the statements of the way back, and the next start goes on from what it did."""
    who = traveller(make_server, tmp_path, role="owner", alone=False)
    before = who.state()
    who.go(until="uninstall-pgvectors")
    script = tmp_path / "dba.sql"
    said = who.back("--dba-script", str(script), until="undo-drop-extension-vectors")
    assert waits_for(said) == "undo-drop-extension-vectors"
    written = script.read_text()
    assert "CREATE EXTENSION vectors;" in written
    assert "goes on with: migrate undo" in written
    assert_back(who, before, who.back())


def test_other_libraries_stay_where_they_were_in_the_list(make_server: MakeServer, tmp_path: Path) -> None:
    """What else is preloaded stays in it, and the list comes back in its order."""
    who = traveller(make_server, tmp_path, preload="utf8_and_win, vectors.so")
    before = who.state()
    assert before.preload == "utf8_and_win, vectors.so"
    who.go(until="uninstall-pgvectors")
    assert who.state().preload.replace('"', "") == "vchord.so, utf8_and_win"
    assert_back(who, before, who.back())


@pytest.mark.parametrize("role", ["superuser", "owner"])
def test_the_pgvector_route(role: Role, make_server: MakeServer, tmp_path: Path) -> None:
    """Indexes of pgvector come back as they were; nothing of VectorChord is left, twice."""
    who = traveller(make_server, tmp_path, vectors=None, role=role, alone=role == "superuser")
    with who.server.connect("immich") as connection:
        connection.execute("ALTER TABLE smart_search ALTER embedding SET STORAGE MAIN")
        connection.execute("COMMENT ON INDEX clip_index IS 'nights of work'")
        connection.execute("DROP INDEX face_index")
        connection.execute(
            "CREATE INDEX face_index ON face_search USING hnsw (embedding vector_cosine_ops) WITH (m = 20) "
            'WHERE "faceId" IS NOT NULL'
        )
    before = who.state()
    assert "using hnsw" in before.catalogs
    for _ in range(2):
        assert who.go().returncode == DONE
        assert "using hnsw" not in who.state().catalogs
        said = who.back()
        assert_back(who, before, said)
        assert "DB_VECTOR_EXTENSION=pgvector" in said.stdout.splitlines()[-1]


def test_what_immich_did_is_taken_back_too(make_server: MakeServer, tmp_path: Path) -> None:
    """Where Immich converted, indexed and dropped the extension itself, the tool leads both tables back."""
    who = traveller(make_server, tmp_path, "--reindex-by", "immich")
    before = who.state()
    who.go(until="uninstall-pgvectors")
    assert "immich-reindexes" in who.operator.did
    assert "using vchordrq" in who.state().catalogs
    assert_back(who, before, who.back())


def test_the_manual_route_needs_the_library_first(make_server: MakeServer, tmp_path: Path) -> None:
    """After the exchange: exit 4 before anything is changed; with the library put back beside, all the way."""
    who = traveller(make_server, tmp_path, "--path", "manual", alone=False)
    before = who.state()
    assert who.go().returncode == DONE
    there = who.state()
    said = who.back()
    assert said.returncode == BLOCKED, said.stderr
    told = " ".join(said.stderr.split())
    assert 'no way back past step "exchange-libraries": the library of pgvecto.rs is no longer installed' in told
    assert "nothing was changed" in told
    # as a package or as an image, whichever this server seems to have come from
    assert re.search(r"install pgvecto\.rs 0\.3\.0 for PostgreSQL|-pgvectors0\.3\.0", told)
    assert "migrate undo --to install-pgvector" in told
    assert who.state() == there
    who.server.install("vectors", "0.3.0")
    assert_back(who, before, who.back())
    who.server.remove("vchord")
    assert who.go().returncode == DONE
    assert who.state() == there


def test_the_manual_route_back_in_two_parts(make_server: MakeServer, tmp_path: Path) -> None:
    """Where the libraries do not fit together: to real[], exchange them, and on to pgvecto.rs, as on the way there."""
    who = traveller(make_server, tmp_path, "--path", "manual", vectors="0.2.0", alone=False)
    before = who.state()
    assert who.go().returncode == DONE
    said = who.back("--to", "install-pgvector")
    assert said.returncode == DONE, said.stderr
    assert said.stdout.startswith("Taken back as far as step 3, install-pgvector: it is the next one again.")
    halfway = who.state()
    assert "embedding type=real[]" in halfway.catalogs
    assert "extension vchord" not in halfway.catalogs
    assert "vchord" not in halfway.preload
    who.server.stop()
    who.server.remove("vchord")
    who.server.install("vectors", "0.2.0")
    who.server.start()
    assert_back(who, before, who.back())


def test_after_the_uninstallation_there_is_no_way_back(make_server: MakeServer, tmp_path: Path) -> None:
    """Exit 4, said in words, with what would open the way; and with the package back it is open."""
    who = traveller(make_server, tmp_path)
    before = who.state()
    assert who.go().returncode == DONE
    there = who.state()
    for more in ([], ["--to", "convert-smart-search"]):
        said = who.back(*more)
        assert said.returncode == BLOCKED, said.stderr
        assert 'no way back past step "uninstall-pgvectors"' in " ".join(said.stderr.split())
        assert "--to" not in said.stderr, "there is nothing less far"
        assert who.state() == there
    who.server.install("vectors", "0.3.0")
    assert_back(who, before, who.back())


def test_what_the_run_was_told_of_the_list_is_remembered(make_server: MakeServer, tmp_path: Path) -> None:
    """A superuser's run with --no-alter-system: the way back writes no list either, unless told otherwise."""
    who = traveller(make_server, tmp_path, alone=False)
    who.go(until="preload-both-libraries")
    who.server.set_preload("vchord.so, vectors.so")
    said = start(who.tool, "undo", "--yes", "--no-input")
    assert waits_for(said) == "undo-preload-both-libraries", said.stderr
    assert who.auto_conf() == ""
    said = start(who.tool, "undo", "--yes", "--no-input", "--alter-system")
    assert said.returncode == DONE, said.stderr
    assert "vectors.so" in who.auto_conf()


def test_a_step_that_there_is_not(make_server: MakeServer, tmp_path: Path) -> None:
    """Exit 2, with the names that there are."""
    who = traveller(make_server, tmp_path)
    who.go(until="install-vectorchord")
    said = start(who.tool, "undo", "--yes", "--no-input", "--to", "step-7")
    assert said.returncode == USAGE, said.stderr
    assert "convert-smart-search, convert-face-search" in said.stderr


def test_without_a_journal_nobody_knows_what_was_there(make_server: MakeServer, tmp_path: Path) -> None:
    """Exit 4 with the option that names the journal; and the journal of an update says that it has no way back."""
    who = traveller(make_server, tmp_path)
    said = start(who.tool, "undo", "--yes", "--no-input")
    assert said.returncode == BLOCKED, said.stderr
    assert "--journal FILE" in said.stderr
