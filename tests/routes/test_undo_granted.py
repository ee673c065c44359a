"""What somebody has added around pgvecto.rs: rights, comments, tablespaces, WHERE clauses come back."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from driving import DONE, WAITING
from servers import MakeServer
from undoing import Role, Traveller, assert_back, differences, traveller

from migrator.sandbox.server import Server

ROUND_ABOUT = """
    GRANT USAGE, CREATE ON SCHEMA vectors TO reader;
    COMMENT ON SCHEMA vectors IS 'do not touch';
    COMMENT ON EXTENSION vectors IS 'ours since 2023';
    GRANT SELECT ON vectors.pg_vector_index_stat TO reader WITH GRANT OPTION;
    REVOKE USAGE ON TYPE vectors.vector FROM PUBLIC;
    GRANT USAGE ON TYPE vectors.vector TO reader, immich;
    REVOKE EXECUTE ON FUNCTION vectors.pgvectors_upgrade() FROM PUBLIC;
    GRANT SELECT ON smart_search TO reader;
    DROP INDEX clip_index;
    CREATE INDEX clip_index ON smart_search USING vectors (embedding vectors.vector_cos_ops)
        TABLESPACE "Fast disk" WHERE "assetId" IS NOT NULL;
    COMMENT ON INDEX clip_index IS 'nights of work';
    COMMENT ON INDEX face_index IS 'it''s faces';
    DROP INDEX other;
    CREATE INDEX other ON face_search USING vectors (embedding vectors.vector_l2_ops) WHERE embedding IS NOT NULL;
"""


def furnish(server: Server) -> None:
    """Do what somebody may have done by hand."""
    with server.connect("immich") as connection:
        connection.execute("SET allow_in_place_tablespaces = on")
        connection.execute("""CREATE TABLESPACE "Fast disk" LOCATION ''""")
        connection.execute("CREATE ROLE reader LOGIN PASSWORD 'reader'")
        connection.execute('CREATE INDEX other ON face_search ("faceId")')
        for statement in ROUND_ABOUT.split(";\n"):
            if statement.strip():
                connection.execute(statement.encode())


def nearest(who: Traveller) -> int:
    """Search as a role that owns nothing."""
    with psycopg.connect(who.server.conninfo("immich", "reader")) as connection:
        found = connection.execute(
            "SELECT count(*) FROM (SELECT 1 FROM smart_search ORDER BY embedding <=> "
            "(SELECT embedding FROM smart_search LIMIT 1) LIMIT 5) AS n"
        ).fetchone()
    return 0 if found is None else int(found[0])


@pytest.mark.parametrize(("vectors", "role"), [("0.2.0", "superuser"), ("0.3.0", "owner")])
def test_what_was_added_by_hand_comes_back(vectors: str, role: Role, make_server: MakeServer, tmp_path: Path) -> None:
    """Rights, comments, tablespace and WHERE clause; a role that owns nothing can search again."""
    who = traveller(make_server, tmp_path, vectors=vectors, role=role, alone=role == "superuser")
    furnish(who.server)
    before, found = who.state(), nearest(who)
    assert found == 5
    said = who.go(until="uninstall-pgvectors")
    assert said.returncode == WAITING, said.stderr
    there = who.state().catalogs
    assert ("tablespace=Fast disk" in there) == (role == "superuser"), "kept where the role may build there"
    assert_back(who, before, who.back())
    assert nearest(who) == found


def test_the_owner_of_the_extension_and_what_is_gone(make_server: MakeServer, tmp_path: Path) -> None:
    """It is made for the superuser whose it was; a role that is gone gets nothing, a lost tablespace is named."""
    who = traveller(make_server, tmp_path, role="owner")
    with who.server.connect("immich") as connection:
        connection.execute("ALTER ROLE immich SUPERUSER")
        connection.execute("CREATE ROLE leaver")
        connection.execute("ALTER DATABASE immich SET default_tablespace = pg_default")
    furnish(who.server)
    with who.server.connect("immich") as connection:
        connection.execute("GRANT USAGE ON SCHEMA vectors TO leaver")
        connection.execute("DROP INDEX other")
        connection.execute(
            "CREATE INDEX other ON face_search USING vectors (embedding vectors.vector_l2_ops) "
            "WHERE embedding OPERATOR(vectors.=) embedding"
        )
    before = who.state()
    assert "extension vectors 0.3.0 schema=vectors owner=postgres" in before.catalogs
    assert who.go("--no-backup", until="uninstall-pgvectors").returncode == WAITING
    with who.server.connect("immich") as connection:
        connection.execute("DROP INDEX clip_index")
        connection.execute("DROP ROLE leaver")
        connection.execute('DROP TABLESPACE "Fast disk"')
    said = who.back()
    assert said.returncode == DONE, said.stderr
    assert "clip_index has lost its tablespace, which is no longer there" in " ".join(said.stdout.split())
    assert "other has lost its WHERE clause" in " ".join(said.stdout.split())
    left = differences(who.state(), before)
    assert len(left) == 6, "\n".join(left)
    assert {line.split()[0] for line in left} == {"index", "schema"}
