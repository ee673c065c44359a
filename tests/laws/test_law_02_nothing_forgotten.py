"""Law 2: what a step destroys is on disk in the journal before the transaction that destroys it commits."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path

import pytest
from workshop import CONVERSION, Workshop, steps_of
from workshops import MakeWorkshop

from migrator.errors import JournalWriteFailed
from migrator.events import Event, StatementStarted
from migrator.journal import Journal
from migrator.step import Step
from steps.paths import manual
from steps.shared.options import Options

DESTROYS = {
    "create-extension-vchord/create-extension": {"extensions.before", "database.settings.before"},
    "convert-smart-search/drop-index-clip_index": {"indexes.smart_search", "dimension.smart_search"},
    "convert-smart-search/rewrite": {"column.smart_search", "dimension.smart_search", "proof.smart_search"},
    "convert-face-search/drop-index-face_index": {"indexes.face_search", "dimension.face_search"},
    "convert-face-search/rewrite": {"column.face_search", "dimension.face_search", "proof.face_search"},
}
"""What has to be known, by another process, at the moment in which a statement is sent."""
DETACHED = {
    f"{step}-{table.replace('_', '-')}/{statement}": {f"{fact}.{table}" for fact in facts}
    for table, index in (("smart_search", "clip_index"), ("face_search", "face_index"))
    for step, statement, facts in (
        ("detach", f"drop-index-{index}", ("indexes", "dimension")),
        ("detach", "rewrite", ("column", "dimension", "proof")),
        ("restore", "rewrite", ("dimension", "proof")),
    )
}
"""The same for the manual path."""
MANUAL = (
    "note-dimension",
    "keep-immich-out",
    "record-embeddings",
    "detach-smart-search",
    "detach-face-search",
    "create-extension-vchord",
    "restore-smart-search",
    "restore-face-search",
)


def forgotten(
    workshop: Workshop, steps: Sequence[Step], destroys: Mapping[str, set[str]] = DESTROYS
) -> dict[str, set[str]]:
    """Run steps, and return by statement what was not in the journal when it was sent."""
    missing: dict[str, set[str]] = {}

    def look(event: Event) -> None:
        if isinstance(event, StatementStarted):
            name = f"{event.step}/{event.statement}"
            missing[name] = destroys.get(name, set()) - set(workshop.facts())

    workshop.on_event = look
    assert workshop.run(steps).kind == "done"
    keys = {step.key for step in steps}
    assert missing.keys() >= {name for name in destroys if name.split("/")[0] in keys}
    return {name: facts for name, facts in missing.items() if facts}


def test_everything_is_on_disk_before_it_is_destroyed(make_workshop: MakeWorkshop) -> None:
    """Dimension, index definition, column and settings can be read by another process before they are gone."""
    assert forgotten(make_workshop(), steps_of(*CONVERSION)) == {}


@pytest.mark.parametrize("superuser", [True, False], ids=["superuser", "owner"])
def test_the_manual_path_forgets_nothing_either(
    superuser: bool,  # noqa: FBT001 - a parameter of pytest
    make_workshop: MakeWorkshop,
) -> None:
    """The columns wait as real[] in between, with their dimension and their hash in the journal."""
    workshop = make_workshop(superuser=superuser)
    steps = [step for step in manual(Options()) if step.key in MANUAL]
    assert [step.key for step in steps] == [*MANUAL]
    assert forgotten(workshop, steps, DETACHED) == {}
    comments = {c.table: c.comment for c in workshop.catalog().columns}
    assert set(comments.values()) == {"[vectorchord-migrator: dimension 512]"}


def test_a_path_that_records_nothing_is_noticed(make_workshop: MakeWorkshop) -> None:
    """The test above would fail without the state that records."""
    workshop = make_workshop()
    workshop.run(steps_of("create-extension-vchord"))
    assert forgotten(workshop, steps_of("convert-smart-search", "convert-face-search")).keys() == {
        name for name in DESTROYS if name.startswith("convert")
    }


def test_the_dimension_travels_in_the_database(make_workshop: MakeWorkshop) -> None:
    """The comment on the column is committed together with the conversion, and with it only."""
    workshop = make_workshop(dimension=768)
    workshop.run(steps_of("create-extension-vchord", "record-embeddings"))
    comments = {c.table: c.comment for c in workshop.catalog().columns}
    assert comments == {"smart_search": None, "face_search": None}
    workshop.run(steps_of("record-embeddings", "convert-smart-search"))
    comments = {c.table: c.comment for c in workshop.catalog().columns}
    assert comments == {"smart_search": "[vectorchord-migrator: dimension 768]", "face_search": None}


def test_nothing_is_committed_while_the_journal_cannot_be_written(
    make_workshop: MakeWorkshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal that is full in the middle of the transaction rolls the transaction back."""
    workshop = make_workshop()
    workshop.run(steps_of("create-extension-vchord", "record-embeddings"))
    before = workshop.state()
    opened: list[Journal] = []
    create = Journal.create_or_open

    def create_and_keep(path: Path) -> Journal:
        opened.append(create(path))
        return opened[-1]

    monkeypatch.setattr(Journal, "create_or_open", create_and_keep)

    def fill_the_disk(event: Event) -> None:
        if isinstance(event, StatementStarted) and event.statement == "rewrite":
            _fill(opened[-1])

    workshop.on_event = fill_the_disk
    with pytest.raises(JournalWriteFailed, match="nothing further was changed"):
        workshop.run(steps_of("record-embeddings", "convert-smart-search"))
    assert workshop.state() == before


def _fill(journal: Journal) -> None:
    """Leave no room in a journal: SQLite refuses to grow it, as it does on a full disk."""
    connection = journal._db.conn  # noqa: SLF001 - only SQLite's own limit fills one file and no other
    connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0]}")
    for insert in (
        "INSERT INTO facts (name, value, step, recorded_at) VALUES (?, '1', 'none', 'now')",
        "INSERT INTO events (at, invocation, step, event) VALUES ('', 1, ?, 'observed')",
    ):
        with pytest.raises(sqlite3.OperationalError, match="full"):
            _write_for_ever(connection, insert)


def _write_for_ever(connection: sqlite3.Connection, insert: str) -> None:
    for number in count():
        connection.execute(insert, [str(number)])
        connection.commit()
