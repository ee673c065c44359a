"""Law 3: the journal says what was done, the server shows what is; the server is asked first."""

from __future__ import annotations

import pytest
from psycopg.sql import SQL, Identifier
from workshop import CONVERSION, Workshop, steps_of
from workshops import MakeWorkshop

from migrator.errors import Contradiction, ExitCode
from migrator.events import StatementStarted
from migrator.identity import Identity
from migrator.journal import Journal


def pretend(workshop: Workshop, *keys: str) -> None:
    """Write into the journal that steps were finished which nobody has carried out."""
    journal = Journal.create_or_open(workshop.journal)
    try:
        journal.begin(Identity.of(workshop.catalog()), "pgvecto.rs", "automatic", {})
        journal.begin_invocation({})
        for key in keys:
            journal.event(key, "started")
            journal.event(key, "finished", seconds=1.0)
    finally:
        journal.close()


def statements_sent(workshop: Workshop) -> list[str]:
    """Return what was sent to the server in order to change it."""
    return [f"{e.step}/{e.statement}" for e in workshop.events if isinstance(e, StatementStarted)]


@pytest.mark.parametrize("first", ["create-extension-vchord", "convert-smart-search", "build-clip-index"])
def test_a_journal_that_claims_too_much_is_refused(first: str, make_workshop: MakeWorkshop) -> None:
    """What is finished on paper and not on the server stops the run with both shown, and nothing is changed."""
    workshop = make_workshop()
    done_before = CONVERSION[: CONVERSION.index(first)]
    if done_before:
        workshop.run(steps_of(*done_before))
    pretend(workshop, *CONVERSION)
    before = workshop.state()
    with pytest.raises(Contradiction) as refused:
        workshop.run(steps_of(*CONVERSION))
    assert refused.value.exit_code is ExitCode.REFUSED
    assert [source for source, _ in refused.value.facts] == ["journal", "server"]
    assert f'step "{first}"' in str(refused.value)
    assert workshop.state() == before


def test_the_server_is_believed_where_the_person_says_so(make_workshop: MakeWorkshop) -> None:
    """The same journal, and --trust-server: the work is done as if nothing had been claimed."""
    workshop = make_workshop()
    pretend(workshop, *CONVERSION)
    assert workshop.run(steps_of(*CONVERSION), trust_server=True).kind == "done"
    assert "convert-smart-search/rewrite" in statements_sent(workshop)


def test_what_the_server_shows_is_not_done_again(make_workshop: MakeWorkshop) -> None:
    """Without a word in the journal, a finished database is walked through by observing: nothing is sent."""
    workshop = make_workshop()
    workshop.run(steps_of(*CONVERSION))
    for path in workshop.journal.parent.glob(f"{workshop.journal.name}*"):
        path.unlink()
    workshop.events.clear()
    before = workshop.state()
    assert workshop.run(steps_of(*CONVERSION)).kind == "done"
    assert statements_sent(workshop) == []
    assert {record.event for record in workshop.records()} == {"observed"}
    assert workshop.state() == before


def test_started_without_finished_means_ask(make_workshop: MakeWorkshop) -> None:
    """Whether a conversion was committed before its journal could say so is read off the column."""
    workshop = make_workshop()
    workshop.run(steps_of("create-extension-vchord", "record-embeddings", "convert-smart-search"))
    with workshop.reading() as journal:
        events = list(journal.events())
    kept = next(e.id for e in events if (e.step, e.statement, e.event) == ("convert-smart-search", "commit", "started"))
    _forget_after(workshop, kept)
    workshop.events.clear()
    assert workshop.run(steps_of("record-embeddings", "convert-smart-search", "convert-face-search")).kind == "done"
    assert not [name for name in statements_sent(workshop) if name.startswith("convert-smart-search")]
    assert "convert-face-search/rewrite" in statements_sent(workshop)


def test_what_somebody_did_by_hand_counts(make_workshop: MakeWorkshop) -> None:
    """A DBA who created the extension and the setting has carried the step out."""
    workshop = make_workshop()
    with workshop.server.connect(workshop.database) as connection:
        connection.execute("CREATE EXTENSION vchord SCHEMA public CASCADE")
        probes = SQL("ALTER DATABASE {} SET vchordrq.probes = 1")
        connection.execute(probes.format(Identifier(workshop.database)))
    assert workshop.run(steps_of("create-extension-vchord")).kind == "done"
    assert statements_sent(workshop) == []


def _forget_after(workshop: Workshop, event: int) -> None:
    """Take the last events away, as a kill at that moment would have left the journal."""
    journal = Journal.create_or_open(workshop.journal)
    try:
        connection = journal._db.conn  # noqa: SLF001 - the journal itself never deletes
        connection.execute("DELETE FROM events WHERE id > ?", [event])
        connection.commit()
    finally:
        journal.close()
