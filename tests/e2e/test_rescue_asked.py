"""Nobody is rescued unasked: a person at the terminal says yes to it, or no, and a flag for everything does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from driving import BLOCKED, DONE, Tool
from servers import MakeServer
from terminal import Terminal

from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.immich_catalog import catalog_dump, content_hashes
from migrator.sandbox.server import Server

QUESTION = "Take the embeddings out without pgvecto.rs's library?"
Lost = tuple[Server, Tool, object]


@pytest.fixture
def lost(make_server: MakeServer, tmp_path: Path) -> Callable[[], Lost]:
    """Return a function that makes a database whose library is gone, VectorChord loaded instead."""

    def make() -> Lost:
        server = make_server(install={"vectors": "0.2.0", "vchord": "0.3.0"}, preload="vchord.so, vectors.so")
        ImmichDatabase(rows=30).build(server.conninfo())
        with server.connect("immich") as connection:
            hashes = content_hashes(connection)
        server.stop()
        server.remove("vectors")
        server.set_preload("vchord.so")
        server.start()
        return server, Tool(tmp_path, server.conninfo("immich", "immich"), tmp_path / "immich.db"), hashes

    return make


def test_a_person_says_yes(lost: Callable[[], Lost]) -> None:
    """Both ways out are shown first; the yes is kept in the journal, and the name of the database is typed."""
    server, tool, hashes = lost()
    terminal = Terminal(tool, *tool.arguments("--no-color"))
    terminal.until("Start? [y/N]")
    terminal.type("y")
    terminal.until("Write that copy first? [Y/n]: ")
    terminal.type("y")
    terminal.until(QUESTION)
    terminal.type("y")
    terminal.until('Type the name of the database ("immich") to go on')
    terminal.type("immich")
    assert terminal.end() == DONE, terminal.text
    assert "put the image or package with pgvecto.rs 0.2.0 back" in terminal.text
    assert "none changed" in terminal.text
    with server.connect("immich") as connection:
        assert content_hashes(connection) == hashes


@pytest.mark.parametrize("arguments", [(), ("--yes",)])
def test_a_person_says_no(lost: Callable[[], Lost], arguments: tuple[str, ...]) -> None:
    """Nothing is changed, `--yes` answers every question but this one."""
    server, tool, _ = lost()
    with server.connect("immich") as connection:
        before = catalog_dump(connection)
    terminal = Terminal(tool, *tool.arguments("--no-color", "--confirm", "immich", *arguments))
    if not arguments:
        terminal.until("Start? [y/N]")
        terminal.type("y")
        terminal.until("Write that copy first? [Y/n]: ")
        terminal.type("n")
    terminal.until(QUESTION)
    terminal.type("n")
    assert terminal.end() == BLOCKED, terminal.text
    assert "migrate --from pgvecto.rs --path rescue --dry-run" in terminal.text
    with server.connect("immich") as connection:
        assert catalog_dump(connection) == before
