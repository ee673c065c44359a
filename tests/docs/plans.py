"""What the pages about the paths show: each path's steps, and what they would run on databases as described there."""

from collections.abc import Callable, Mapping, Sequence

from migrator.catalog import Catalog
from migrator.sandbox.immich import ImmichDatabase, Source
from migrator.sandbox.server import Server
from migrator.session import Session
from migrator.step import Statement, Step
from steps.content.immich import ImmichContent
from steps.paths import automatic, manual, pgvector, rescue
from steps.shared.options import Options

PATHS: Mapping[str, Callable[[Options], tuple[Step, ...]]] = {
    "automatic-path.md": automatic,
    "manual-path.md": manual,
    "pgvector-path.md": pgvector,
    "rescue-path.md": rescue,
}
BY_TOOL, BY_IMMICH = Options(), Options(reindex_by="immich")
STEPS = [step for path in PATHS.values() for options in (BY_TOOL, BY_IMMICH) for step in path(options)]

OLD_SERVER = {"vectors": "0.2.0", "vchord": "0.3.0"}
NEW_SERVER = {"vchord": "0.3.0"}
_ON_NEW_SERVER: Mapping[str, Source] = {
    "restore-smart-search": "real[]",
    "restore-face-search": "real[]",
    "hash-embeddings": "pgvector",
}
_WITHOUT_LIBRARY = ("create-extension-vector", "rescue-embeddings")


def plans_on(old: Server, new: Server) -> Mapping[str, Sequence[Statement]]:
    """Return what each step would run: most on pgvecto.rs, some where pgvecto.rs is gone already."""
    servers: Mapping[Source, Server] = {"pgvecto.rs": old, "real[]": new, "pgvector": new}
    catalogs = {source: _catalog_of(server, source) for source, server in servers.items()}
    without = _catalog_of(old, "pgvecto.rs", _remove_library)
    # of a step that stands in several paths the last one counts: it has the most to do where Immich reindexes
    plans = {step.key: step.plan(catalogs[_ON_NEW_SERVER.get(step.key, "pgvecto.rs")], {}) for step in STEPS}
    return {**plans, **{step.key: step.plan(without, {}) for step in STEPS if step.key in _WITHOUT_LIBRARY}}


def _remove_library(server: Server) -> None:
    server.stop()
    server.remove("vectors")
    server.set_preload("vchord.so")
    server.start()


def _catalog_of(server: Server, source: Source, spoil: Callable[[Server], None] | None = None) -> Catalog:
    ImmichDatabase(name="immich", source=source, rows=50).build(server.conninfo())
    if spoil is not None:
        spoil(server)
    session = Session(server.conninfo("immich", "immich"), ImmichContent("pgvecto.rs").interest, read_only=True)
    session.open()
    try:
        return session.catalog()
    finally:
        session.close()
        with server.connect() as connection:
            connection.execute("DROP DATABASE immich WITH (FORCE)")
