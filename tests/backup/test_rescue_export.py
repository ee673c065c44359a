"""A copy while pgvecto.rs's library is missing: the same bytes, and nothing changed by reading them."""

from __future__ import annotations

import csv
import io
import lzma
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from copies import KEYS, Place, entries, lines
from driving import BLOCKED, DONE, Tool
from genuine import MAJOR
from servers import MakeServer

from migrator.backup.manifest import Manifest
from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.immich_catalog import catalog_dump
from migrator.sandbox.server import Server
from migrator.sandbox.tree import Tree

FIXTURES = [folder / "shared" / "fixtures" for folder in Path(__file__).parents[3:]]
"""Where data directories that genuine pgvecto.rs wrote may lie: beside the checkout, or further out."""
FUNCTIONS = "SELECT oid::regprocedure::text, prosrc, probin, xmin::text FROM pg_proc ORDER BY 1"


def _place(server: Server, folder: Path) -> Place:
    tool = Tool(folder, server.conninfo("immich", "immich"), folder / "journal.db")
    return Place(server, "immich", "immich", folder, tool)


def _dump(place: Place) -> tuple[str, list[tuple[object, ...]]]:
    with place.server.connect(place.name) as connection:
        return catalog_dump(connection), connection.execute(FUNCTIONS).fetchall()


def gone(server: Server) -> None:
    """Take the library away."""
    server.stop()
    server.set_preload("")
    server.remove("vectors")
    server.start()


def not_preloaded(server: Server) -> None:
    """Leave the library where it is, and do not load it."""
    server.stop()
    server.set_preload("")
    server.start()


@pytest.mark.parametrize("version", ["0.2.0", "0.3.0"])
@pytest.mark.parametrize("spoil", [gone, not_preloaded], ids=lambda spoil: spoil.__name__)
def test_the_same_bytes_as_with_the_library(
    make_server: MakeServer, tmp_path: Path, spoil: Callable[[Server], None], version: str
) -> None:
    """Without the library the files have the same rows and hashes as with it; no function, index or lock is left."""
    server = make_server(install={"vectors": version}, preload="vectors.so")
    ImmichDatabase(rows=60).build(server.conninfo())
    place = _place(server, tmp_path)
    whole = place.copied(folder="with-library")
    spoil(server)
    before = _dump(place)
    said = place.backup(folder="without")
    assert said.returncode == DONE, said.stderr
    assert "pgvecto.rs's library does not work here" in said.stdout
    for table in KEYS:
        assert lines(place.folder / "without", table) == lines(whole, table)
    hashes = [
        [table.hash for table in Manifest.read(place.folder / name).tables] for name in ("with-library", "without")
    ]
    assert hashes[0] == hashes[1]
    assert _dump(place) == before


def test_an_index_whose_library_is_missing_is_not_opened(make_server: MakeServer, tmp_path: Path) -> None:
    """Where VectorChord is missing the owner copies the rows all the same: no function has to be replaced for that."""
    server = make_server(install={"vchord": "0.3.0"}, preload="vchord.so")
    ImmichDatabase(rows=60, source="vchord", owner="plain", owner_is_superuser=False, also_create=("vchord",)).build(
        server.conninfo()
    )
    place = Place(
        server, "immich", "plain", tmp_path, Tool(tmp_path, server.conninfo("immich", "plain"), tmp_path / "j")
    )
    whole = place.copied(folder="with-library")
    server.stop()
    server.set_preload("")
    server.remove("vchord")
    server.start()
    again = place.copied(folder="without")
    for table in KEYS:
        assert lines(again, table) == lines(whole, table)
    assert [t.hash for t in Manifest.read(again).tables] == [t.hash for t in Manifest.read(whole).tables]


def test_who_may_not_is_told_who_may(make_server: MakeServer, tmp_path: Path) -> None:
    """An owner without superuser is refused with the reason and with what to type; nothing is left behind."""
    server = make_server(install={"vectors": "0.2.0"}, preload="vectors.so")
    ImmichDatabase(rows=20, owner="plain", owner_is_superuser=False).build(server.conninfo())
    gone(server)
    place = _place(server, tmp_path)
    conninfo = server.conninfo("immich", "plain")
    said = place.tool.call("backup", str(tmp_path / "copy"), "--database", conninfo)
    assert said.returncode == BLOCKED
    assert 'role "plain" is no superuser' in said.stderr
    assert "--admin-database" in said.stderr
    assert entries(tmp_path) == []
    admin = place.tool.call(
        "backup", str(tmp_path / "copy"), "--database", conninfo, "--admin-database", server.conninfo("immich")
    )
    assert admin.returncode == DONE, admin.stderr


def test_without_pgvector_it_says_what_to_install(make_server: MakeServer, tmp_path: Path) -> None:
    """Pgvector's library is what reads the values; nothing has to be created in the database."""
    server = make_server(install={"vectors": "0.2.0"}, preload="vectors.so")
    ImmichDatabase(rows=20).build(server.conninfo())
    gone(server)
    server.remove("vector")
    said = _place(server, tmp_path).backup()
    assert said.returncode == BLOCKED
    assert "install pgvector" in said.stderr


@pytest.mark.parametrize("name", ["pgvectors-0.2.0", "pgvectors-0.2.0-garbage", "pgvectors-0.3.0-dim768"])
def test_what_genuine_pgvectors_wrote(
    make_server: MakeServer, server_folder: Path, tmp_path: Path, tree: Tree, name: str
) -> None:
    """A cluster of the genuine library is copied without it, byte for byte what the library itself had written."""
    if tree.major != MAJOR:
        pytest.skip(f"written by PostgreSQL {MAJOR}, this is {tree.version}")
    fixture = next((folder / name for folder in FIXTURES if (folder / name).is_dir()), None)
    if fixture is None:
        pytest.skip(f"no data directory of genuine pgvecto.rs beside this checkout: {name}")
    unpacked = server_folder / "genuine"
    with lzma.open(fixture / "pgdata.tar.xz") as packed, tarfile.open(fileobj=packed) as archive:
        archive.extractall(unpacked, filter="data")
    server = make_server(data_from=unpacked / "pgdata")
    shutil.rmtree(unpacked)
    place = _place(server, tmp_path)
    folder = place.copied()
    for table in KEYS:
        wanted = lzma.decompress((fixture / f"{table}.csv.xz").read_bytes()).decode()
        rows = [line.split("\t") for line in lines(folder, table)]
        written = io.StringIO()
        # as COPY (FORMAT csv, HEADER) writes it: only the array has commas, and is quoted
        writer = csv.writer(written, quoting=csv.QUOTE_MINIMAL, lineterminator="\n")
        writer.writerows([[KEYS[table], "embedding"], *rows])
        assert written.getvalue() == wanted
    assert (Manifest.read(folder).tables[0].dimension, Manifest.read(folder).tables[1].dimension) == (
        768 if name.endswith("dim768") else 512,
        512,
    )
