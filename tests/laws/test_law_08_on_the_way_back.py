"""Law 8, backwards: one at a time, and Immich's own lock while its tables are being led back."""

from __future__ import annotations

from pathlib import Path

import pytest
from driving import DONE, REFUSED, start
from journey import end_state
from killing import held_at
from servers import MakeServer
from undoing import assert_back, traveller

HOLDS_200 = """
SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.objid = 200 AND l.objsubid = 1 AND l.granted
"""


@pytest.mark.parametrize("event", ["undo-convert-smart-search/rewrite finished", "undo-build-face-index finished"])
def test_immich_is_kept_out_and_a_second_copy_refused(event: str, make_server: MakeServer, tmp_path: Path) -> None:
    """Lock 200 is the tool's as long as a table is not back, nobody else gets in, and at the end it is nobody's."""
    who = traveller(make_server, tmp_path)
    before = who.state()
    who.go(until="uninstall-pgvectors")
    arguments = ["undo", "--yes", "--no-input", *who.ours()]
    arguments += ["--database", who.tool.database, "--journal", str(who.tool.journal)]
    with held_at(event, arguments, tmp_path) as held:
        held.wait_for_event()
        with who.server.connect("immich") as onlooker:
            assert onlooker.execute(HOLDS_200).fetchall() == [("migrate",)]
        for command in (["undo", "--yes", "--no-input"], who.there):
            assert start(who.tool, *command).returncode == REFUSED
        held.let_go()
        ended = held.end()
    assert ended.code == DONE, ended.said
    with who.server.connect("immich") as onlooker:
        assert onlooker.execute(HOLDS_200).fetchall() == []
    assert end_state(who.server) == before
    who.go(until="uninstall-pgvectors")
    assert_back(who, before, who.back())
