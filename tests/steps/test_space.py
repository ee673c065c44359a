"""The free space that the work needs: an upper bound of what really happens, shown everywhere, a blocker where told."""

from __future__ import annotations

import json
from pathlib import Path

from driving import DONE, Tool
from workshop import Workshop, steps_of
from workshops import MakeWorkshop

from migrator.content import Space
from steps.shared.names import Embeddings
from steps.shared.options import Options
from steps.shared.space import needed

PREPARED = ("create-extension-vchord", "keep-immich-out", "record-embeddings")
CONVERTED = (*PREPARED, "convert-smart-search", "convert-face-search")


def space_of(shop: Workshop, options: Options | None = None) -> Space:
    """Return what the work that is left needs."""
    space = needed(shop.catalog(), shop.facts(), options or Options())
    assert space is not None
    return space


def table_sizes(shop: Workshop) -> list[int]:
    """Return the sizes of both tables with their TOAST."""
    with shop.server.connect(shop.database) as connection:
        rows = connection.execute("SELECT pg_table_size(t) FROM unnest('{smart_search,face_search}'::regclass[]) AS t")
        return [int(size) for (size,) in rows.fetchall()]


def wal_position(shop: Workshop) -> int:
    """Return how many bytes of WAL the server has ever written."""
    with shop.server.connect(shop.database) as connection:
        row = connection.execute("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn").fetchone()
    assert row is not None
    return int(row[0])


def grow(shop: Workshop, times: int) -> None:
    """Add copies of the embeddings, so that fixed costs weigh little."""
    for table, key in (("smart_search", "assetId"), ("face_search", "faceId")):
        with shop.server.connect(shop.database) as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute(
                f'INSERT INTO public.{table} ("{key}", embedding) '
                f"SELECT gen_random_uuid(), embedding FROM public.{table}, generate_series(1, {times})"
            )
            connection.execute(f"VACUUM ANALYZE public.{table}")


def test_a_conversion_writes_no_more_than_was_said(make_workshop: MakeWorkshop) -> None:
    """One copy of the larger table at a time, and WAL of both: measured on the server, not above the figures."""
    shop = make_workshop("0.3.0", with_indexes=False)
    grow(shop, 24)
    shop.run(steps_of(*PREPARED))
    said, sizes = space_of(shop), table_sizes(shop)
    assert said.copy_bytes == max(sizes)
    begun = wal_position(shop)
    shop.run(steps_of(*CONVERTED))
    written = wal_position(shop) - begun
    assert sum(sizes) / 2 < written <= said.wal_bytes, "the figure is an upper bound of the right size"


def test_converted_tables_need_their_indexes_only(make_workshop: MakeWorkshop) -> None:
    """What is done needs no room again; at the end nothing does."""
    shop = make_workshop("0.3.0")
    shop.run(steps_of(*CONVERTED))
    half = space_of(shop)
    assert half.copy_bytes == 0
    assert half.index_bytes > 0
    shop.run(steps_of(*CONVERTED, "build-clip-index", "build-face-index"))
    assert needed(shop.catalog(), shop.facts(), Options()) is None


def test_immich_needs_more_for_the_same(make_workshop: MakeWorkshop) -> None:
    """It rewrites both tables at the same time, twice within a transaction each."""
    shop = make_workshop("0.3.0")
    assert space_of(shop, Options(reindex_by="immich")).copy_bytes == 2 * sum(table_sizes(shop))


def test_a_rescue_keeps_everything_until_its_end(make_workshop: MakeWorkshop) -> None:
    """One transaction rewrites all tables, those of other people too."""
    shop = make_workshop("0.3.0")
    assert space_of(shop, Options(path="rescue")).copy_bytes == sum(table_sizes(shop))
    with shop.server.connect(shop.database) as connection:
        connection.execute("CREATE TABLE photos (id int PRIMARY KEY, v vectors.vector(3))")
        connection.execute("INSERT INTO photos VALUES (1, '[1, 2, 3]')")
        row = connection.execute("SELECT pg_table_size('photos')").fetchone()
    assert row is not None
    included = Options(path="rescue", include=(Embeddings.included("public", "photos", "v"),))
    assert space_of(shop, included).copy_bytes == sum(table_sizes(shop)) + row[0]


def test_too_little_space_stops_before_anything_changes(make_workshop: MakeWorkshop) -> None:
    """Only where a person says how much is free: then both figures are named, and one byte decides."""
    shop = make_workshop("0.3.0")
    enough = space_of(shop).total_bytes
    before = shop.state()
    stopped = shop.run(steps_of(*CONVERTED[1:], options=Options(data_free_bytes=enough - 1)))
    assert (stopped.kind, stopped.step.key if stopped.step else "") == ("blocked", "record-embeddings")
    (blocker,) = stopped.blockers
    assert f"{enough - 1:,} bytes free" in blocker.found
    assert blocker.wanted.startswith(f"{enough:,} bytes")
    assert shop.state() == before
    assert shop.run(steps_of(*PREPARED, options=Options(data_free_bytes=enough))).kind == "done"


def test_the_figures_are_on_the_screen_and_in_the_dry_run(make_workshop: MakeWorkshop, tmp_path: Path) -> None:
    """One line before the question, one in the script, and every figure in the JSON."""
    shop = make_workshop("0.3.0")
    tool = Tool(tmp_path, shop.server.conninfo(shop.database, shop.user), tmp_path / "immich.db")
    said = tool.call(*tool.arguments("--dry-run", "--data-free-bytes", "5000000000"))
    assert said.returncode == DONE, said.stderr
    (line,) = [line for line in said.stdout.splitlines() if line.startswith("-- Needs ")]
    assert line.endswith("; 5.0 GB free")
    space = json.loads(tool.call(*tool.arguments("--dry-run", "--json")).stdout)["space"]
    assert space["total_bytes"] == space["copy_bytes"] + space["wal_bytes"] + space["index_bytes"] > 0
    assert space["total"] in line
    asked = tool.call(*tool.arguments("--no-input"))
    assert f"  needs {space['total']} free: copies" in asked.stderr
