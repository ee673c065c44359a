"""Others who come while the tool works: a second copy of it, an Immich that starts, one that goes on writing."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

import psycopg
from driver import Reply
from driving import REFUSED
from psycopg.sql import SQL, Identifier
from scene import Scene, rows_of

from migrator.locks import TOOL_LOCK
from migrator.sandbox.immich_sql import INDEXES, Extension, Table
from migrator.sandbox.immich_startup import MIGRATIONS_LOCK, ImmichStartup, ImmichStartupFailed

LIMIT_SECONDS = 90
PAUSE_SECONDS = 0.02
DIMENSION = 512
ADD_PHOTO = """INSERT INTO asset (id, "originalPath", "originalFileName", checksum) VALUES (%s, 'p', 'f', '')"""
ADD_FACE = 'INSERT INTO asset_face (id, "assetId") VALUES (%s, %s)'
SOME_PHOTO = "SELECT id FROM asset WHERE \"originalPath\" <> 'p' ORDER BY id LIMIT 1"
ANOTHER_PHOTO = "SELECT id FROM asset WHERE \"originalPath\" <> 'p' ORDER BY id DESC LIMIT 1 OFFSET %s"
AGAIN = 'INSERT INTO smart_search VALUES (%s, %s) ON CONFLICT ("assetId") DO UPDATE SET embedding = excluded.embedding'
HOLDS = """
SELECT 1 FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE locktype = 'advisory' AND granted AND application_name = 'migrate' AND objsubid = 1
  AND (classid::bigint << 32 | objid::bigint) = %s
  AND l.database = (SELECT oid FROM pg_database WHERE datname IN ('immich', 'postgres') ORDER BY datname LIMIT 1)
"""
"""Advisory locks belong to a database: to Immich's, or to the one that it is made from while it is not there."""
METHODS = """
SELECT c.relname, am.amname, format_type(a.atttypid, -1) FROM pg_class c JOIN pg_am am ON am.oid = c.relam
JOIN pg_index i ON i.indexrelid = c.oid JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attname = 'embedding'
WHERE c.relname = ANY (%s) AND i.indisvalid
"""
TO_UPDATE = """
SELECT 1 FROM pg_available_extensions WHERE name IN ('vchord', 'vector') AND installed_version <> default_version
"""
HAS_VCHORD = "SELECT 1 FROM pg_extension WHERE extname = 'vchord'"
CONTENT: dict[tuple[str, str], Extension] = {
    ("vectors", "vectors.vector"): "vectors",
    ("hnsw", "public.vector"): "vector",
    ("vchordrq", "public.vector"): "vchord",
}
"""The extension that an Immich has to be set to, so that it is content with an index and its column."""
REBUILDS = (
    "Reindexing",
    "truncating",
    "Creating",
    "Updating",
    "Dimension",
    "Dropping VectorChord",
    "Dropping pgvector ",
)


def tool_holds(scene: Scene, key: int) -> bool:
    """Tell whether the tool holds an advisory lock."""
    with scene.connect() as connection:
        return connection.execute(HOLDS, [key]).fetchone() is not None


def another_copy(scene: Scene) -> Reply:
    """Start another copy of the tool, with the same words: only one works on the database, and the other says so."""
    held = tool_holds(scene, TOOL_LOCK)
    ended = scene.second.tool(scene.arguments)
    assert "Traceback" not in ended.err, ended.said
    if held:
        assert ended.code == REFUSED, ended.said
    return Reply()


def immich_starts(scene: Scene) -> Reply:
    """Start the Immich to come while the tables are changed, otherwise one that is content with them as they are.

    It must wait, or find nothing to do: it rebuilds nothing, truncates nothing and drops no index.
    """
    held = tool_holds(scene, MIGRATIONS_LOCK)
    extension = _to_come(scene) if held else _content_with(scene)
    if extension is None and not held:
        return Reply()  # half-way, and nobody at work: Immich has to be stopped then, as the screen says
    conninfo = scene.server.conninfo("immich", "immich")
    immich = ImmichStartup(conninfo=conninfo, release=scene.route.release, vector_extension=extension)
    pool = ThreadPoolExecutor(1)
    started = pool.submit(immich.run)

    def check() -> None:
        try:
            lines = started.result(timeout=LIMIT_SECONDS)
        except psycopg.OperationalError:
            return  # the server was restarted while it waited: its container starts it again
        except ImmichStartupFailed:
            assert scene.route.gone, "the Immich to come does not start"
            return  # the old one, while its extension is not back yet
        rebuilt = [line for line in lines if any(word in line for word in REBUILDS)]
        assert rebuilt == [], f"Immich was not content: {rebuilt}"

    if held:
        scene.checks.append(check)
    else:
        check()
    pool.shutdown(wait=not held)
    return Reply()


def _to_come(scene: Scene) -> Extension | None:
    """Return what Immich is set to when it is started after the run; None = it takes VectorChord by itself."""
    if not scene.route.gone:
        return None
    return "vectors" if scene.route.source == "pgvecto.rs" else "vector"


def _content_with(scene: Scene) -> Extension | None:
    with scene.server.connect("immich") as connection:
        connection.execute("SET search_path = pg_catalog")
        if connection.execute(TO_UPDATE).fetchone() is not None:
            return None  # it would update the extension, and rebuild everything
        found = connection.execute(METHODS, [list(INDEXES)]).fetchall()
        has_vchord = connection.execute(HAS_VCHORD).fetchone() is not None
    kinds = {CONTENT.get((str(method), str(kind))) for _, method, kind in found}
    if len(found) < len(INDEXES) or len(kinds) > 1:
        return None
    kind = kinds.pop()
    return None if has_vchord and kind != "vchord" else kind  # it would drop what it is not set to


@dataclass(slots=True)
class Writer:
    """An Immich that was never stopped: it adds photos with a face each, deletes photos, and remembers what it did.

    Attributes:
        conninfo: Immich's database.
        brackets: What an embedding stands in: an array's are not a vector's.
        computes_again: Whether it computes embeddings of photos again that were there before.
        added: The value that fills an embedding, by table and key.
        deleted: Keys of photos that were deleted, and of their faces.
        unsure: The same, where the server did not say whether it was done.
    """

    conninfo: str
    brackets: str = "[]"
    computes_again: bool = False
    added: dict[tuple[Table, str], float] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    unsure: set[str] = field(default_factory=set)
    _over: threading.Event = field(default_factory=threading.Event)

    def write(self) -> None:
        """Go on until told to stop. What the server refuses was not written."""
        turn = 0
        while not self._over.wait(PAUSE_SECONDS):
            with suppress(psycopg.OperationalError), psycopg.connect(self.conninfo, autocommit=True) as own:
                own.execute("SET search_path = public, vectors")
                while not self._over.wait(PAUSE_SECONDS):
                    turn += 1
                    with suppress(psycopg.DatabaseError):
                        self._turn(own, turn)
                    if own.closed:
                        break

    def stop(self) -> None:
        """Have it stop."""
        self._over.set()

    def assert_all_is_there(self, scene: Scene) -> None:
        """Assert that what it wrote is there, that nothing else is missing or changed, and that the tool counts so."""
        with scene.server.connect("immich") as connection:
            now = rows_of(connection)
            wrong = [key for key in self.added if not _is_filled(connection, *key, self.added[key])]
        assert wrong == [], "what was written while the tool worked is not there, or not as it was written"
        gone = {key[1] for key, value in scene.rows.items() if now.get(key) != value and key not in self.added}
        assert gone - self.deleted - self.unsure == set(), "embeddings are lost or changed"
        new = {key[1] for key in now.keys() - scene.rows.keys()}
        assert new - {key for _, key in self.added} - self.unsure == set(), "embeddings that nobody wrote"
        scene.route.ending.assert_counted(scene.driver.tool(scene.arguments), len(now))

    def _turn(self, connection: psycopg.Connection, turn: int) -> None:
        if turn % 4 == 0:
            self._delete(connection)
        elif turn % 4 == 1 and self.computes_again:
            self._compute_again(connection, turn)
        else:
            self._add(connection, turn)

    def _embedding(self, value: float) -> str:
        return str([value] * DIMENSION).translate(str.maketrans("[]", self.brackets))

    def _compute_again(self, connection: psycopg.Connection, turn: int) -> None:
        found = connection.execute(ANOTHER_PHOTO, [turn % 20]).fetchone()
        if found is None:
            return
        photo = str(found[0])
        self.unsure.add(photo)
        before = self.added.pop(("smart_search", photo), None)
        try:
            connection.execute(AGAIN, [photo, self._embedding(turn / 1024)])
        except psycopg.OperationalError:
            raise
        except psycopg.Error:
            self.unsure.discard(photo)
            if before is not None:
                self.added["smart_search", photo] = before
            raise
        self.unsure.discard(photo)
        self.added["smart_search", photo] = turn / 1024

    def _add(self, connection: psycopg.Connection, turn: int) -> None:
        photo, face, value = str(uuid.uuid4()), str(uuid.uuid4()), turn / 1024
        vector = self._embedding(value)
        self.unsure |= {photo, face}
        try:
            with connection.transaction():
                connection.execute(ADD_PHOTO, [photo])
                connection.execute(ADD_FACE, [face, photo])
                connection.execute("INSERT INTO smart_search VALUES (%s, %s)", [photo, vector])
                connection.execute("INSERT INTO face_search VALUES (%s, %s)", [face, vector])
        except psycopg.OperationalError:
            raise
        except psycopg.Error:
            self.unsure -= {photo, face}
            raise
        self.unsure -= {photo, face}
        self.added |= {("smart_search", photo): value, ("face_search", face): value}

    def _delete(self, connection: psycopg.Connection) -> None:
        found = connection.execute(SOME_PHOTO).fetchone()
        if found is None:
            return
        faces = connection.execute('SELECT id FROM asset_face WHERE "assetId" = %s', [found[0]]).fetchall()
        gone = {str(found[0]), *(str(face) for (face,) in faces)}
        self.unsure |= gone
        for key in [key for key in self.added if key[1] in gone]:
            del self.added[key]
        connection.execute("DELETE FROM asset WHERE id = %s", [found[0]])
        self.unsure -= gone
        self.deleted |= gone


def somebody_writes(scene: Scene) -> Reply:
    """Let somebody write while the tool works: nothing of it is lost, and what was there before is as it was."""
    brackets = "{}" if scene.route.source == "real[]" else "[]"
    writer = Writer(scene.server.conninfo("immich", "immich"), brackets, scene.route.rows_may_change)
    before = next((other for other in scene.writers if isinstance(other, Writer)), None)
    if before is not None:  # one memory for all of them, and one look at it at the end
        writer.added, writer.deleted, writer.unsure = before.added, before.deleted, before.unsure
    scene.writers.append(writer)
    thread = threading.Thread(target=writer.write, daemon=True)
    thread.start()

    def stop() -> None:
        writer.stop()
        thread.join(LIMIT_SECONDS)
        assert not thread.is_alive(), "somebody cannot write any more"

    scene.undo.append(stop)
    if before is None:
        scene.checks.append(lambda: writer.assert_all_is_there(scene))
    return Reply()


def _is_filled(connection: psycopg.Connection, table: Table, key: str, value: float) -> bool:
    column = "assetId" if table == "smart_search" else "faceId"
    query = SQL(
        "SELECT embedding::real[] OPERATOR(pg_catalog.=) array_fill(%s::real, ARRAY[{}]) FROM public.{} WHERE {} = %s"
    )
    row = connection.execute(query.format(DIMENSION, Identifier(table), Identifier(column)), [value, key]).fetchone()
    return row == (True,)
