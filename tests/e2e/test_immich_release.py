"""Which Immich the database is of, and which comes next: read, said, shown; nonsense is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from driving import DONE, USAGE, Tool
from servers import MakeServer

from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.server import Server

Flowing = Callable[..., tuple[int, str]]


@pytest.fixture
def server(make_server: MakeServer) -> Server:
    """Return a server with Immich's database on pgvecto.rs, nothing in its way."""
    made = make_server(install={"vectors": "0.3.0", "vchord": "0.3.0"}, preload="vchord.so, vectors.so")
    ImmichDatabase(rows=10).build(made.conninfo())
    return made


@pytest.fixture
def flowing(server: Server, tmp_path: Path) -> Flowing:
    """Return a function that runs a command on it, and returns its exit code and what it said on one line."""
    tool = Tool(tmp_path, server.conninfo("immich", "immich"), tmp_path / "journal.db")

    def run(*arguments: str) -> tuple[int, str]:
        said = tool.call(*arguments, "--database", tool.database)
        return said.returncode, " ".join((said.stdout + said.stderr).split())

    return run


def test_both_are_shown(flowing: Flowing) -> None:
    """On the first screen and by the doctor: what is there, and what it is prepared for."""
    for command in (("--from", "pgvecto.rs", "--no-input"), ("doctor",)):
        _, text = flowing(*command)
        assert "1.132.3" in text
        assert ">=1.133, <1.135" in text
        _, text = flowing(*command, "--target-immich", "v2.7.5")
        assert "2.7.5" in text
        assert ">=1.133, <1.135" not in text


def test_an_older_database_has_no_history(server: Server, flowing: Flowing) -> None:
    """Without the table nobody guesses: it is asked for, and what is said counts."""
    with server.connect("immich") as connection:
        connection.execute("DROP TABLE version_history")
    code, text = flowing("doctor")
    assert code == DONE
    assert "release unknown" in text
    assert "say it with --immich-version VERSION" in text
    _, text = flowing("doctor", "--immich-version", "1.106.4")
    assert "the database is of Immich 1.106.4; the next one would end with: Invalid upgrade path" in text
    _, text = flowing("doctor", "--immich-version", "1.132.3")
    assert "release 1.132.3 (as given), to be followed by >=1.133, <1.135" in text


def test_a_wrong_history_can_be_overruled(flowing: Flowing) -> None:
    """Both numbers are shown, and which of them counts."""
    _, text = flowing("doctor", "--immich-version", "1.131.0")
    assert "version_history says Immich 1.132.3; --immich-version 1.131.0 counts" in text
    assert "release 1.131.0 (as given)" in text


@pytest.mark.parametrize("value", ["latest", "", "1.x", "release"])
@pytest.mark.parametrize("option", ["--immich-version", "--target-immich"])
def test_what_is_no_release_is_refused(flowing: Flowing, option: str, value: str) -> None:
    """Exit 2, with the option and what was typed, before anything is connected to."""
    code, text = flowing("doctor", option, value)
    assert code == USAGE
    assert f'"{value}" is no release of Immich' in text
    assert option in text


def test_a_target_without_vectorchord_is_refused(flowing: Flowing) -> None:
    """No release before 1.133 could use what the path leads to."""
    code, text = flowing("doctor", "--target-immich", "1.132.3")
    assert code == USAGE
    assert "Immich 1.132.3 does not know VectorChord; 1.133.0 is the first" in text
