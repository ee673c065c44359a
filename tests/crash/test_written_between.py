"""Rows that somebody writes while the tool works, or between two runs: accounted for, and no false alarm."""

from __future__ import annotations

import pytest
from bystanders import Writer
from driving import DONE, FAILED, WAITING
from journey import Ended
from killing import Driver, held_at
from prepared import Prepare, SceneOn
from routes import route
from scene import Scene

from migrator.sandbox.immich_catalog import content_hashes

DELETE_A_PHOTO = "DELETE FROM public.asset WHERE id = (SELECT min(id::text)::uuid FROM public.asset)"


def rows_left(scene: Scene) -> int:
    """Return how many embeddings are there."""
    with scene.server.connect("immich") as connection:
        return sum(found.rows for found in content_hashes(connection).values())


def delete_a_photo(scene: Scene) -> None:
    """Delete one, with its embedding and those of its faces, as Immich does."""
    with scene.server.connect("immich") as connection:
        connection.execute(DELETE_A_PHOTO)


@pytest.mark.parametrize("event", ["hash-embeddings finished", "build-clip-index finished"])
def test_no_false_alarm_where_no_data_moves(event: str, prepare: Prepare, scene_on: SceneOn) -> None:
    """On the path from pgvector the proof is taken under the lock of the build: others may write before and after."""
    with scene_on(prepare(route("from pgvector"))) as scene:
        scene.server.install("vchord", "0.3.0")
        with held_at(event, scene.arguments, scene.journal.parent) as held:
            held.wait_for_event()
            delete_a_photo(scene)
            held.let_go()
            ended = held.end()
        assert ended.code == DONE, ended.said
        assert f"Done. {rows_left(scene)} embeddings are in VectorChord, none changed." in ended.out


def test_the_manual_path_asks_about_rows_written_between_two_runs(
    prepare: Prepare, driver: Driver, scene_on: SceneOn
) -> None:
    """It does not take them for its own fault: it says what differs, and how to go on when it was meant."""
    with scene_on(prepare(route("manual"))) as scene:
        ended = _until(scene, driver, "exchange-libraries")
        delete_a_photo(scene)
        scene.server.stop()
        scene.server.remove("vectors")
        scene.server.install("vchord", "0.3.0")
        scene.server.start()
        ended = driver.tool(scene.arguments)
        assert ended.code == FAILED, ended.said
        said = " ".join(ended.err.split())
        assert "restore-smart-search/hash-before: what is there now differs from what was recorded" in said
        assert "photos added or deleted meanwhile? then stop Immich and add --trust-server" in said
        assert "report this" not in said
        ended = driver.tool([*scene.arguments, "--trust-server"])
        assert ended.code == DONE, ended.said
        assert f"Done. {rows_left(scene)} embeddings are in VectorChord" in ended.out
        assert rows_left(scene) < len(scene.rows)


def _until(scene: Scene, driver: Driver, step: str) -> Ended:
    """Start the tool, without pgvecto.rs in the preload list, until it waits for a step."""
    for _ in range(3):
        ended = driver.tool(scene.arguments)
        assert ended.code == WAITING, ended.said
        if f" {step} waiting" in ended.err:
            return ended
        scene.server.set_preload("")
    raise AssertionError(ended.said)


def test_a_writer_is_heard_by_the_checks(prepare: Prepare, scene_on: SceneOn) -> None:
    """The checks of this suite would notice an embedding that is not as it was written."""
    with scene_on(prepare(route("update"))) as scene:
        writer = Writer(scene.server.conninfo("immich", "immich"))
        writer.added[("smart_search", next(key for table, key in scene.rows if table == "smart_search"))] = 0.5
        with pytest.raises(AssertionError, match="not as it was written"):
            writer.assert_all_is_there(scene)
