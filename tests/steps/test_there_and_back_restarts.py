"""Each step that takes a package, the preload list or a restart by itself: done, taken back, and done again."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from servers import MakeServer
from workshop import CONVERSION, Workshop, steps_of

from migrator.sandbox.immich import ImmichDatabase
from migrator.sandbox.server import Server
from migrator.step import Step
from migrator.take_back import TakeBack, way_back
from steps.paths import manual
from steps.shared.options import Options

DETACHED = (
    "note-dimension", "keep-immich-out", "record-embeddings", "detach-smart-search", "detach-face-search",
    "drop-extension-vectors", "drop-schema-vectors",
)  # fmt: skip
ROWS = 20


def nobody(_server: Server) -> None:
    """Do what an operator does who is not asked for anything."""
    raise AssertionError("the tool waits for somebody")


@dataclass(slots=True)
class Stage:
    """Steps that are taken back together, and the operator who does what they wait for."""

    workshop: Workshop
    steps: Sequence[Step]
    there: Callable[[Server], object] = nobody
    back: Callable[[Server], object] = nobody
    asked: list[str] = field(default_factory=list)

    def go(self) -> None:
        """Carry the steps out."""
        for step in self.steps:
            self._do(step, self.there)

    def go_back(self) -> None:
        """Take them back."""
        for step in way_back(self.steps):
            self._do(step, self.back)

    def state(self) -> tuple[object, ...]:
        """Return what the server holds, what is loaded, and what ALTER SYSTEM has written."""
        server = self.workshop.server
        with server.connect() as connection:
            row = connection.execute("SHOW shared_preload_libraries").fetchone()
        conf = (server.data / "postgresql.auto.conf").read_text()
        # between two steps the order says nothing; at the end of a way back it is what it was
        written = [sorted(re.findall('"(.+?)"', line)) for line in conf.splitlines() if "preload" in line]
        return self.workshop.state(), sorted(re.findall(r"\w+", str(row))), written

    def there_and_back_and_there(self) -> None:
        """Show that both states are the same each time, and that each step knows where it stands."""
        before = self.state()
        self.go()
        after = self.state()
        assert after != before
        self.go_back()
        assert self.state() == before, f"{[step.key for step in self.steps]} not taken back"
        catalog, facts = self.workshop.catalog(), self.workshop.facts()
        assert all(TakeBack(step).is_done(catalog, facts) for step in self.steps)
        self.go()
        assert self.state() == after, f"{[step.key for step in self.steps]} not done again as before"

    def _do(self, step: Step, operator: Callable[[Server], object]) -> None:
        outcome = self.workshop.run([step])
        if outcome.kind != "done":
            self.asked.append(step.key)
            operator(self.workshop.server)
            outcome = self.workshop.run([step])
        assert outcome.kind == "done", (step.key, outcome.blockers)


def immich(make_server: MakeServer, folder: Path, preload: str = "vectors.so") -> Workshop:
    """Return an Immich database on pgvecto.rs, alone on its server."""
    server = make_server(install={"vectors": "0.3.0"}, preload=preload)
    ImmichDatabase(rows=ROWS).build(server.conninfo())
    return Workshop(server, "immich", folder / "journal.db")


def restart(server: Server) -> None:
    """Restart as an operator does."""
    server.restart()


def exchange(server: Server, remove: str, install: tuple[str, str]) -> None:
    """Take the server away, and come back with another library below the same data."""
    server.stop()
    server.remove(remove)
    server.install(*install)
    server.start()


def test_the_automatic_path(make_server: MakeServer, tmp_path: Path) -> None:
    """The package stays; the list comes back, alone and with its restart; a library put back opens the way."""
    workshop = immich(make_server, tmp_path)
    package = Stage(workshop, steps_of("install-vectorchord"), lambda server: server.install("vchord", "0.3.0"))
    package.go()
    package.go_back()
    assert package.asked == ["install-vectorchord"], "nobody is asked to remove it"
    for preload, restarted in (
        ("preload-both-libraries", "restart-for-vectorchord"),
        ("preload-vectorchord-only", "restart-without-pgvectors"),
    ):
        alone = Stage(workshop, steps_of(preload))
        alone.there_and_back_and_there()
        alone.go_back()
        both = Stage(workshop, steps_of(preload, restarted), restart, restart)
        both.there_and_back_and_there()
        assert both.asked == [restarted, f"undo-{restarted}", restarted]
        if "both" in preload:
            Stage(workshop, steps_of(*CONVERSION)).go()
    removed = Stage(
        workshop,
        steps_of("uninstall-pgvectors"),
        lambda server: server.remove("vectors"),
        lambda server: server.install("vectors", "0.3.0"),
    )
    removed.go()
    removed.go_back()
    removed.go()
    assert removed.asked == ["uninstall-pgvectors", "undo-uninstall-pgvectors", "uninstall-pgvectors"]


def test_the_manual_path(make_server: MakeServer, tmp_path: Path) -> None:
    """The libraries are exchanged and exchanged back, with the list that each needs: one that is never empty."""
    workshop = immich(make_server, tmp_path, "utf8_and_win, vectors.so")
    path = {step.key: step for step in manual(Options())}
    Stage(workshop, [path[key] for key in DETACHED]).go()
    Stage(workshop, [path["preload-without-pgvectors"]]).there_and_back_and_there()
    exchanged = Stage(
        workshop,
        [path["exchange-libraries"]],
        lambda server: exchange(server, "vectors", ("vchord", "0.3.0")),
        lambda server: exchange(server, "vchord", ("vectors", "0.3.0")),
    )
    exchanged.go()
    exchanged.go_back()
    exchanged.go()
    assert exchanged.asked == ["exchange-libraries", "undo-exchange-libraries", "exchange-libraries"]
    alone = Stage(workshop, [path["preload-vectorchord-only"]])
    alone.there_and_back_and_there()
    alone.go_back()
    Stage(
        workshop, [path["preload-vectorchord-only"], path["restart-for-vectorchord"]], restart, restart
    ).there_and_back_and_there()
