"""Runs `migrate doctor` on a database, both ways of saying it, and watches that the server is none the worse for it."""

from __future__ import annotations

import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from failures import Failure

from migrator.cli import console
from migrator.cli.app import run_app
from migrator.sandbox.immich_catalog import catalog_dump
from migrator.sandbox.server import Server

DONE, WAITING, BLOCKED = 0, 3, 4
MARKS = {"note": "[--]", "waiting": "[..]", "blocked": "[!!]"}
CODES = {"note": DONE, "waiting": WAITING, "blocked": BLOCKED}


@dataclass(frozen=True, slots=True)
class Examined:
    """What the doctor said: for a person, flowing without its line ends, and for a script."""

    code: int
    text: str
    document: dict[str, Any]

    @property
    def findings(self) -> list[dict[str, Any]]:
        """Every finding, in order."""
        return list(self.document["findings"])

    @property
    def troubles(self) -> list[str]:
        """What is neither well nor worth a note only."""
        return [finding["text"] for finding in self.findings if finding["status"] in ("waiting", "blocked")]

    def of(self, status: str) -> list[dict[str, Any]]:
        """Return the findings of one status."""
        return [finding for finding in self.findings if finding["status"] == status]

    def assert_names(self, failure: Failure) -> None:
        """Check that a failure is told as its page says: status, sentence, remedy, to people and to scripts."""
        named = [finding for finding in self.of(failure.status) if failure.is_said_by(finding["text"])]
        assert named, f"{failure.id} is not named as {failure.status}:\n{self.text}"
        assert f"{MARKS[failure.status]} {named[0]['group']}" in self.text
        assert failure.is_said_by(self.text), self.text
        if failure.status == "note":
            assert named[0]["blocker"] is None
            return
        assert named[0]["blocker"]["fix"], f"{failure.id} has no remedy"
        remedy = " ".join(line for finding in named for line in finding["blocker"]["fix"])
        assert failure.is_mended_by(remedy), f"{failure.id} has another remedy: {remedy}"
        assert self.code >= CODES[failure.status]


def doctor(*arguments: str) -> tuple[int, str, str]:
    """Run the command in this process; return its exit code and both of its streams."""
    out, err = StringIO(), StringIO()
    _forget_consoles()
    with redirect_stdout(out), redirect_stderr(err):
        code = run_app(["doctor", *arguments])
    _forget_consoles()
    return code, out.getvalue(), err.getvalue()


def _forget_consoles() -> None:
    console.stdout.cache_clear()
    console.stderr.cache_clear()


def examine(server: Server, database: str, user: str, journal: Path, *more: str) -> Examined:
    """Examine a database twice, as text and as JSON; nothing is written, and the server runs on as it did."""
    arguments = ["--database", server.conninfo(database, user), "--journal", str(journal), *more]
    before, complaints = _state(server, database), server.complaints()
    code, text, errors = doctor(*arguments)
    assert code in CODES.values(), f"exit {code}\n{text}{errors}"
    code_of_json, document, errors = doctor(*arguments, "--json")
    examined = Examined(code, " ".join(text.split()), json.loads(document))
    assert errors == ""
    assert _state(server, database) == before, "the doctor changed something"
    crashed = [line for line in server.complaints()[len(complaints) :] if "PANIC" in line or "terminated" in line]
    assert not crashed
    assert not journal.exists() or journal.stat().st_size, "the doctor made a journal"
    _assert_both_say_the_same(examined, code_of_json)
    return examined


def _assert_both_say_the_same(examined: Examined, code_of_json: int) -> None:
    blocked, waiting = len(examined.of("blocked")), len(examined.of("waiting"))
    assert examined.code == code_of_json == examined.document["exit_code"]
    assert (examined.document["blockers"], examined.document["waiting"]) == (blocked, waiting)
    assert examined.code == (BLOCKED if blocked else WAITING if waiting else DONE)
    for finding in examined.findings:
        assert " ".join(finding["text"].split()) in examined.text
    if blocked:
        assert f" {blocked} blocker{'s' * (blocked != 1)}. Mend what is marked [!!]" in examined.text
    else:
        assert " Next: migrate --from pgvect" in examined.text


def _state(server: Server, database: str) -> tuple[str, object]:
    """Return the structure of the database and since when the server runs; reads catalogs alone."""
    with server.connect(database) as connection:
        row = connection.execute("SELECT pg_postmaster_start_time()").fetchone()
        return catalog_dump(connection), row
