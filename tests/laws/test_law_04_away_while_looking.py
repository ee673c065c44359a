"""Law 4: the server goes away while the tool looks at it for the first time, because somebody restarts it."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from psycopg.sql import SQL
from workshop import Workshop
from workshops import MakeWorkshop

from migrator.catalog import Catalog, Interest, Observation
from migrator.cli.people import Answers
from migrator.commands.asking import Request
from migrator.commands.run import run
from migrator.errors import ConnectionLost, ExitCode
from migrator.events import nobody
from steps.content.immich import ImmichContent

ONLOOKER = Answers(yes=False, confirm=None, may_ask=False, quiet=True, pause=lambda: None)


class Watched(ImmichContent):
    """Immich's database, in which something happens while it is looked at."""

    __slots__ = ("happens",)

    happens: Callable[[], None]

    def __init__(self, happens: Callable[[], None]) -> None:
        super().__init__("pgvecto.rs")
        object.__setattr__(self, "happens", happens)

    @property
    def interest(self) -> Interest:
        """What is asked otherwise, after one more question."""

        def question(_: Catalog) -> SQL:
            self.happens()
            return SQL("SELECT 1")

        known = super().interest
        return replace(known, observations=(Observation("something", question, lambda _: True), *known.observations))


def cut(workshop: Workshop, times: int) -> Callable[[], None]:
    """Return what ends the tool's session, so many times."""
    left = [None] * times

    def end() -> None:
        if left:
            left.pop()
            with workshop.server.connect() as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                    "WHERE application_name = 'migrate' AND datname = %s",
                    [workshop.database],
                )

    return end


def look(workshop: Workshop, times: int) -> ExitCode:
    """Start the tool, and have nobody answer its first question."""
    conninfo = workshop.server.conninfo(workshop.database, workshop.user)
    request = Request(conninfo=conninfo, source="pgvecto.rs", arguments={}, journal=workshop.journal)
    return run(request, Watched(cut(workshop, times)), ONLOOKER, nobody).exit_code


def test_it_is_waited_for(make_workshop: MakeWorkshop) -> None:
    """Once: then the tool looks again, and comes to its first question."""
    workshop = make_workshop()
    assert look(workshop, 0) is ExitCode.WAITING
    assert look(workshop, 1) is ExitCode.WAITING


def test_one_that_does_not_stay_is_told(make_workshop: MakeWorkshop) -> None:
    """Exit 1, with a sentence that says that nothing was changed, and what to type."""
    workshop = make_workshop()
    before = workshop.state()
    with pytest.raises(ConnectionLost, match="while this tool looked at it; nothing was changed") as lost:
        look(workshop, 2)
    assert lost.value.exit_code is ExitCode.FAILED
    assert lost.value.hint is not None
    assert lost.value.hint.startswith("run the same command again")
    assert workshop.state() == before
    assert not workshop.journal.exists()
