"""Law 4: cut at any statement, the same steps go on to the same end; processes are killed in tests/crash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import psycopg
from workshop import CONVERSION, Workshop, steps_of
from workshops import MakeWorkshop

from migrator.catalog import Catalog
from migrator.errors import ConnectionLost
from migrator.events import Event, StatementFinished
from migrator.step import Documentation, Facts, Statement, Step
from steps.convert_table import ConvertTable
from steps.shared.names import SMART_SEARCH
from steps.shared.options import Options

MOST_STATEMENTS = 100


class Piecemeal(ConvertTable):
    """A conversion without a transaction around it."""

    def __init__(self) -> None:
        super().__init__(SMART_SEARCH, Options())
        self.carries_out(Documentation("a mistake", 7))

    def plan(self, catalog: Catalog, facts: Facts) -> Sequence[Statement]:
        """Return the statements of the real step, each by itself."""
        alone = [replace(s, alone=True) for s in super().plan(catalog, facts)]
        return [s for s in alone if s.key != "lock"]


def end_our_session(workshop: Workshop) -> None:
    """End the session that the engine works in."""
    with workshop.server.connect() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE application_name = 'migrate' AND datname = %s",
            [workshop.database],
        )


def cut_after(workshop: Workshop, statement: int, steps: Sequence[Step]) -> bool:
    """Run steps, ending the session right after its n-th statement; tell whether it came that far."""
    seen = 0

    def count(event: Event) -> None:
        nonlocal seen
        seen += isinstance(event, StatementFinished)
        if isinstance(event, StatementFinished) and seen == statement:
            end_our_session(workshop)

    workshop.on_event = count
    try:
        workshop.run(steps)
    except (ConnectionLost, psycopg.OperationalError):
        return True
    finally:
        workshop.on_event = None
    return seen >= statement


def _without_names(workshop: Workshop, state: tuple[str, object]) -> tuple[str, object]:
    return state[0].replace(workshop.database, "immich"), state[1]


def test_a_run_that_is_cut_at_every_statement_reaches_the_same_end(make_workshop: MakeWorkshop) -> None:
    """One database, cut after the first statement, then after the second, and so on, ends like an uncut one."""
    uncut, cut = make_workshop("0.2.0"), make_workshop("0.2.0")
    uncut.run(steps_of(*CONVERSION))
    cuts = next(n for n in range(1, MOST_STATEMENTS) if not cut_after(cut, n, steps_of(*CONVERSION)))
    assert cuts > len(CONVERSION), "it was hardly ever cut"
    assert cut.run(steps_of(*CONVERSION)).kind == "done"
    assert _without_names(cut, cut.state()) == _without_names(uncut, uncut.state())


def test_a_cut_conversion_leaves_the_table_as_it_was(make_workshop: MakeWorkshop) -> None:
    """After each of the statements of a conversion a cut takes all of them back; without a transaction it would not."""
    workshop = make_workshop()
    workshop.run(steps_of("create-extension-vchord", "record-embeddings"))
    before = workshop.state()
    look = [s.key for s in steps_of("convert-smart-search")[0].plan(workshop.catalog(), workshop.facts())]
    rewritten = look.index("rewrite") + 1
    surveyed = len(steps_of("record-embeddings")[0].plan(workshop.catalog(), workshop.facts()))
    assert cut_after(workshop, surveyed + rewritten, steps_of("record-embeddings", "convert-smart-search"))
    assert workshop.state() == before
    assert cut_after(workshop, surveyed + rewritten - 1, [*steps_of("record-embeddings"), Piecemeal()])
    assert workshop.state() != before
