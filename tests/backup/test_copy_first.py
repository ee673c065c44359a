"""The copy of a run: offered, made before anything is changed, recorded, made once, and told of at the end."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from copies import entries
from driving import BLOCKED, DONE, FAILED, REFUSED, USAGE
from journey import Ended, Journey, fill, hashes_of, start_tool
from killing import held_at
from servers import MakeServer
from workshop import steps_of
from workshops import MakeWorkshop

from migrator.backup.check import check_copy
from migrator.backup.manifest import Manifest
from migrator.cli.app import run_app
from migrator.commands.backup import BackupRequest, backup
from migrator.commands.copy_first import CopyFirst, made_before, offer
from migrator.errors import NoRoomForBackup
from migrator.events import nobody
from migrator.journal import EventRecord, Journal
from migrator.sandbox.immich import ImmichDatabase
from migrator.step import Fact
from steps.content.immich import ImmichContent

COPYING = "convert-smart-search/copy-embeddings"
MakeJourney = Callable[..., Journey]


@pytest.fixture
def make_journey(make_server: MakeServer, tmp_path: Path) -> MakeJourney:
    """Return a function that makes a server on pgvecto.rs 0.2.0 with VectorChord installed, and a run that copies."""

    def make(database: ImmichDatabase | None = None, *more: str, preload: str = "vectors.so") -> Journey:
        server = make_server(install={"vectors": "0.2.0", "vchord": "0.3.0"}, preload=preload)
        fill(server, database)
        return Journey(server, tmp_path / "immich.db", more, copies=True)

    return make


def copies_of(journey: Journey) -> list[Path]:
    """Return every copy beside the journal, unfinished ones too."""
    return [path for path in journey.journal.parent.iterdir() if path.name.startswith("immich-backup-")]


def place_of(journey: Journey) -> Path:
    """Return where the journal says that the copy is."""
    fact = journey.facts()["copy"]
    assert isinstance(fact, dict)
    return Path(str(fact["place"]))


def positions(events: list[EventRecord], step: str, statement: str, kind: str) -> list[int]:
    """Return where in the journal something happened."""
    return [n for n, e in enumerate(events) if (e.step, e.statement, e.event) == (step, statement, kind)]


def kill_at(journey: Journey, event: str, folder: Path, then: Callable[[], None] | None = None) -> None:
    """Start the tool, and kill it right after it has written an event."""
    with held_at(event, journey.arguments, folder) as held:
        held.wait_for_event()
        if then is not None:
            then()
        held.process.kill()
        held.process.wait()


def test_a_run_copies_before_it_changes_anything(make_journey: MakeJourney) -> None:
    """By default: beside the journal, whole, of what was there, recorded, named on the last screen and by status."""
    journey = make_journey()
    before = hashes_of(journey.server)
    starts: list[Ended] = []

    def start(arguments: Sequence[str]) -> Ended:
        starts.append(start_tool(arguments))
        return starts[-1]

    ended = journey.to_the_end(start)
    assert ended.code == DONE, ended.said
    (folder,) = copies_of(journey)
    made = next(each.err for each in starts if "checked" in each.err)
    offered, _, _ = made.partition("\nstep ")
    assert folder.name in "".join(offered.split()), "the first screen named another folder"
    assert re.fullmatch(r"immich-backup-\d{8}T\d{6}Z", folder.name)
    assert place_of(journey) == folder
    assert check_copy(folder).problems == ()
    manifest = Manifest.read(folder)
    assert {t.name: int(str(t.hash["hash"])) for t in manifest.tables} == {n: h.values for n, h in before.items()}
    assert [t.about["type"] for t in manifest.tables] == ["vectors.vector(512)"] * 2
    events = journey.events()
    (copied,) = positions(events, "convert-smart-search", "copy-embeddings", "finished")
    assert all(
        n > copied for n, e in enumerate(events) if e.statement and re.match("lock|rewrite|drop-index", e.statement)
    )
    told = f"{folder} ("
    assert f" copy {told}" in " ".join(ended.out.split())
    assert "delete it when Immich has run for a while" in " ".join(ended.out.split())
    where = [f"--database={journey.server.conninfo('immich', 'immich')}", f"--journal={journey.journal}"]
    assert told in start_tool(["status", *where]).out
    assert json.loads(start_tool(["status", "--json", *where]).out)["copy"]["place"] == str(folder)


def test_nothing_left_to_convert_makes_no_copy(make_journey: MakeJourney) -> None:
    """A run that is done already, started again, makes no second copy."""
    journey = make_journey()
    assert journey.to_the_end().code == DONE
    for path in copies_of(journey):
        path.rename(path.with_name("moved-away"))
    ended = journey.start()
    assert ended.code == DONE
    assert copies_of(journey) == []
    assert "is not there any more" in " ".join(ended.out.split())


def test_it_goes_where_it_is_wanted_or_nowhere(make_journey: MakeJourney, tmp_path: Path) -> None:
    """--backup names the place, --no-backup leaves it out, both together are wrong use."""
    journey = make_journey(None, f"--backup={tmp_path / 'elsewhere' / 'copy'}")
    assert journey.to_the_end().code == DONE
    assert check_copy(tmp_path / "elsewhere" / "copy").problems == ()
    assert copies_of(journey) == []
    assert replace(journey, more=("--backup=x", "--no-backup")).start().code == USAGE


def test_without_a_copy_when_told_so(make_journey: MakeJourney) -> None:
    """--no-backup: the run is the same, and says nothing of a copy."""
    journey = make_journey(None, "--no-backup")
    ended = journey.to_the_end()
    assert ended.code == DONE, ended.said
    assert copies_of(journey) == []
    assert "copy" not in {e.statement for e in journey.events()} | set(journey.facts())


def test_too_little_room_is_said_before_anything_begins(
    make_journey: MakeJourney, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 4 with both ways out; not even a journal is made."""
    journey = make_journey()
    monkeypatch.setattr("migrator.backup.place.shutil.disk_usage", lambda _: type("Usage", (), {"free": 50_000}))
    assert run_app(journey.arguments) == BLOCKED
    said = capsys.readouterr().err
    assert "not enough room for the copy" in said
    assert "--backup DIR" in said
    assert "--no-backup" in said
    assert not journey.journal.exists()


def test_killed_while_it_was_written(make_journey: MakeJourney, tmp_path: Path) -> None:
    """What the kill left is replaced: in the end there is one copy, whole, and the embeddings are what they were."""
    journey = make_journey()
    before = hashes_of(journey.server)

    def leave_half() -> None:
        half = Path(f"{journey.facts()['copy.place']}.partial")
        half.mkdir()
        (half / "smart_search.copy.zst").write_bytes(b"half of it")

    kill_at(journey, f"{COPYING} started", tmp_path, leave_half)
    assert [path.suffix for path in copies_of(journey)] == [".partial"]
    ended = journey.to_the_end()
    assert ended.code == DONE, ended.said
    (folder,) = copies_of(journey)
    assert check_copy(folder).problems == ()
    assert hashes_of(journey.server) == before


def test_killed_before_it_was_recorded(make_journey: MakeJourney, tmp_path: Path) -> None:
    """A copy that is complete, and of what is there, is taken for ours, not made again."""
    journey = make_journey()

    def complete_it() -> None:
        conninfo = journey.server.conninfo("immich", "immich")
        place = Path(str(journey.facts()["copy.place"]))
        assert backup(BackupRequest(conninfo, place), ImmichContent("pgvecto.rs"), nobody).made is not None

    kill_at(journey, f"{COPYING} started", tmp_path, complete_it)
    (made,) = copies_of(journey)
    manifest = (made / "manifest.json").read_bytes()
    assert journey.to_the_end().code == DONE
    assert copies_of(journey) == [made]
    assert (made / "manifest.json").read_bytes() == manifest
    assert place_of(journey) == made


def test_killed_between_two_facts(make_workshop: MakeWorkshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy is complete and half of it recorded: the next start takes it for its own."""
    workshop = make_workshop("0.3.0")
    conninfo = workshop.server.conninfo(workshop.database, workshop.user)
    catalog, content, step = workshop.catalog(), ImmichContent("pgvecto.rs"), steps_of("convert-smart-search")[0]
    journal = Journal.create_or_open(workshop.journal)
    journal.begin_invocation({})
    real = Journal.record

    def killed(self: Journal, key: str, fact: Fact) -> None:
        if fact.name == "copied.face_search":
            raise KeyboardInterrupt
        real(self, key, fact)

    monkeypatch.setattr(Journal, "record", killed)
    with pytest.raises(KeyboardInterrupt):
        CopyFirst(conninfo, content, journal, nobody, wanted=True).secure(step, catalog)
    assert "copy" not in journal.facts()
    (made,) = workshop.journal.parent.glob(f"{workshop.journal.stem}-backup-*")
    before = (made / "manifest.json").stat()
    monkeypatch.undo()
    assert CopyFirst(conninfo, content, journal, nobody, wanted=True).secure(step, catalog) == ()
    recorded = journal.facts()["copy"]
    journal.close()
    assert isinstance(recorded, dict)
    assert recorded["place"] == str(made)
    assert (made / "manifest.json").stat().st_mtime_ns == before.st_mtime_ns
    assert list(workshop.journal.parent.glob(f"{workshop.journal.stem}-backup-*")) == [made]


def test_two_copies_within_one_second_have_two_names(
    make_workshop: MakeWorkshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is typed again at once, with other rows, makes its copy beside the first one, where it said."""
    monkeypatch.setattr("migrator.commands.copy_first.stamp", lambda: "20260101T000000Z")
    workshop = make_workshop("0.3.0")
    conninfo = workshop.server.conninfo(workshop.database, workshop.user)
    catalog, content, step = workshop.catalog(), ImmichContent("pgvecto.rs"), steps_of("convert-smart-search")[0]
    journal = Journal.create_or_open(workshop.journal)
    journal.begin_invocation({})
    places: list[str] = []
    for _ in range(2):
        offered = offer(content, catalog, {}, workshop.journal, None)
        assert offered is not None
        copy = CopyFirst(conninfo, content, journal, nobody, wanted=True, offered=offered.place)
        assert copy.secure(step, catalog) == ()
        made = made_before(journal.facts())
        assert made is not None
        assert made.place == offered.place
        places.append(made.place.name)
        with workshop.server.connect(workshop.database) as connection:
            connection.execute("DELETE FROM smart_search WHERE ctid = (SELECT min(ctid) FROM smart_search)")
    journal.close()
    name = f"{workshop.journal.stem}-backup-20260101T000000Z"
    assert places == [name, f"{name}-2"]


def test_a_disk_that_fills_in_a_run_names_both_ways_out(
    make_workshop: MakeWorkshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 4, the ways out, nothing left behind, and the failure in the journal."""
    workshop = make_workshop("0.3.0")
    conninfo = workshop.server.conninfo(workshop.database, workshop.user)
    journal = Journal.create_or_open(workshop.journal)
    journal.begin_invocation({})
    copy = CopyFirst(conninfo, ImmichContent("pgvecto.rs"), journal, nobody, wanted=True)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("migrator.backup.export.os.write", full)
    with pytest.raises(NoRoomForBackup) as caught:
        copy.secure(steps_of("convert-smart-search")[0], workshop.catalog())
    monkeypatch.undo()
    journal.close()
    assert caught.value.exit_code == BLOCKED
    assert "--backup DIR" in str(caught.value.hint)
    assert "--no-backup" in str(caught.value.hint)
    assert list(workshop.journal.parent.glob(f"{workshop.journal.stem}-backup-*")) == []
    assert (workshop.records()[-1].statement, workshop.records()[-1].event) == ("copy-embeddings", "failed")


def test_a_resumed_run_keeps_the_copy_it_has(make_journey: MakeJourney, tmp_path: Path) -> None:
    """Killed in the conversion, the run goes on with the copy of its first start."""
    journey = make_journey()
    kill_at(journey, "convert-smart-search/rewrite started", tmp_path)
    (made,) = copies_of(journey)
    assert journey.to_the_end().code == DONE
    assert copies_of(journey) == [made]
    assert len(positions(journey.events(), "convert-smart-search", "copy-embeddings", "started")) == 1


@pytest.mark.parametrize("loss", ["removed", "damaged", "outdated"])
def test_a_copy_that_is_no_longer_good_is_made_again(make_journey: MakeJourney, tmp_path: Path, loss: str) -> None:
    """Removed, cut short, or older than the rows: the resumed run makes another one, and keeps what is there."""
    journey = make_journey()
    kill_at(journey, "convert-smart-search/rewrite started", tmp_path)
    (made,) = copies_of(journey)
    if loss == "removed":
        for path in made.iterdir():
            path.unlink()
        made.rmdir()
    elif loss == "damaged":
        os.truncate(made / "face_search.copy.zst", 100)
    else:
        with journey.server.connect("immich") as connection:
            connection.execute("DELETE FROM face_search WHERE ctid IN (SELECT ctid FROM face_search LIMIT 1)")
    before = hashes_of(journey.server)
    assert journey.to_the_end().code == DONE
    others = [path for path in copies_of(journey) if path != made]
    assert place_of(journey) in (others or [made])
    manifest = Manifest.read(place_of(journey))
    assert check_copy(place_of(journey)).problems == ()
    assert {t.name: int(str(t.hash["hash"])) for t in manifest.tables} == {n: h.values for n, h in before.items()}
    assert made.exists() == (loss != "removed" or place_of(journey) == made)


def test_what_somebody_writes_after_the_copy_stops_the_conversion(make_journey: MakeJourney, tmp_path: Path) -> None:
    """The copy and the table under its lock differ: rolled back; the same command makes another copy and goes on."""
    journey = make_journey(
        ImmichDatabase(rows=60, owner="plain", owner_is_superuser=False, also_create=("vchord",)),
        preload="vchord.so, vectors.so",
    )
    journey = _as_owner(journey)
    with held_at(f"{COPYING} finished", journey.arguments, tmp_path) as held:
        held.wait_for_event()
        with journey.server.connect("immich") as connection:
            connection.execute("DELETE FROM smart_search WHERE ctid IN (SELECT ctid FROM smart_search LIMIT 1)")
        held.let_go()
        ended = held.end()
    assert ended.code == FAILED, ended.said
    assert "somebody wrote to the table after the copy was made" in ended.err
    again = journey.start()
    assert "somebody wrote" not in again.err
    assert len(copies_of(journey)) == 2
    facts = journey.facts()
    assert facts["proof.smart_search"] == facts["copied.smart_search"] == facts["proven.smart_search"]


def _as_owner(journey: Journey) -> Journey:
    """Return the same run as a role that is no superuser."""

    class AsOwner(Journey):
        @property
        def arguments(self) -> list[str]:
            conninfo = self.server.conninfo("immich", "plain")
            given = [a for a in super().arguments if not a.startswith("--database=")]
            return [*given, f"--database={conninfo}"]

    return AsOwner(journey.server, journey.journal, journey.more, copies=True)


def test_a_named_place_that_holds_something_else_is_refused(make_journey: MakeJourney, tmp_path: Path) -> None:
    """Neither overwritten nor taken for a copy; nothing of the embeddings is changed."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "holiday.jpg").write_text("mine")
    journey = make_journey(None, f"--backup={tmp_path / 'mine'}")
    before = hashes_of(journey.server)
    ended = journey.to_the_end()
    assert ended.code == REFUSED, ended.said
    assert "never overwritten" in ended.err
    assert entries(tmp_path / "mine") == ["holiday.jpg"]
    assert hashes_of(journey.server) == before


def test_json_tells_of_the_copy(make_journey: MakeJourney) -> None:
    """One line says where it is, how many rows and how large; the result names it too."""
    journey = make_journey(None, "--json")
    ended: Ended = journey.to_the_end()
    assert ended.code == DONE, ended.said
    result = json.loads(ended.out.splitlines()[-1])
    assert result["copy"] == str(place_of(journey))
