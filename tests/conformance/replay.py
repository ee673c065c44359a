"""Replay a recording on the builds of a shelf and say, step by step, whether they agree.

Usage: python tests/conformance/replay.py RECORDING.jsonl ... [--shelf DIR] [--pg-tree DIR] [--quiet]
"""

import argparse
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
from compare import Comparison, Verdict
from psycopg.rows import TupleRow
from recording import Answer, Recording, Step, load

from migrator.sandbox.errors import SandboxError, ServerStartFailed, ServerStopFailed
from migrator.sandbox.server import Server
from migrator.sandbox.shelf import Shelf
from migrator.sandbox.tree import Tree

_RECONNECT_LIMIT_SECONDS = 120
_STDERR_LINES = 6
_ALL_NOTICES, _FIRST_NOTICES = 12, 6  # the recorder shortened long lists
_BACKTRACE = re.compile(r"(?m)^\s+\d+: ")


class SessionLostError(Exception):
    """The session, or the whole server, is gone: another one has to be opened."""


class Replay:
    """Carries out the steps of one recording, all in one session unless the server or the recording ends it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._session: psycopg.Connection[TupleRow] | None = None
        self._notices: list[list[str]] = []
        self._actions: dict[str, Callable[[Step], Answer]] = {
            "install": self._install,
            "remove": self._remove,
            "start": self._start,
            "stop": self._stop,
            "kill": self._kill,
            "end_orphans": self._end_orphans,
            "reconnect": self._reconnect,
            "sleep": self._sleep,
            "pg_dump": self._pg_dump,
            "files": self._files,
        }

    def answer(self, step: Step) -> Answer:
        """Carry out one step and return the answer in the recorder's manner."""
        if step.sql is not None:
            return self._execute(step.sql)
        return self._actions[step.do or ""](step)

    def close(self) -> None:
        """End the session."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _install(self, step: Step) -> Answer:
        extension, _, version = step.arg.rpartition("-")
        self.server.install(extension, version)
        return Answer()

    def _remove(self, step: Step) -> Answer:
        self.server.remove(step.arg)
        return Answer()

    def _start(self, step: Step) -> Answer:
        self.server.set_preload(step.arg)
        try:
            self.server.start()
        except ServerStartFailed as error:
            return Answer(started=False, log=list(error.complaints))
        return Answer(started=True, log=list(self.server.complaints()))

    def _stop(self, _: Step) -> Answer:
        self.close()
        if self.server.running:
            try:
                self.server.stop("fast")
            except ServerStopFailed:  # seen after a crash by a dead worker
                self.server.stop("immediate")
        return Answer()

    def _kill(self, _: Step) -> Answer:
        titles = self.server.kill()
        self.close()
        return Answer(still_running=list(titles))

    def _end_orphans(self, _: Step) -> Answer:
        return Answer(needed_sigkill=self.server.end_orphans().needed_sigkill)

    def _reconnect(self, _: Step) -> Answer:
        self.close()
        return Answer()

    @staticmethod
    def _sleep(step: Step) -> Answer:
        time.sleep(float(step.arg))
        return Answer()

    def _pg_dump(self, step: Step) -> Answer:
        program, target = self.server.tree.program("pg_dump"), self.server.conninfo()
        done = self.server.account.run([program, "-d", target, *step.arg.split()], folder=self.server.folder)
        ok = done.returncode == 0
        return Answer(ok=ok, stderr=done.stderr.splitlines()[:_STDERR_LINES], lines=len(done.stdout.splitlines()))

    def _files(self, step: Step) -> Answer:
        data = self.server.data
        return Answer(files=sorted(str(path.relative_to(data)) for path in data.glob(step.arg)))

    def _execute(self, sql: str) -> Answer:
        lost: str | None = None
        deadline = time.monotonic() + _RECONNECT_LIMIT_SECONDS
        while True:
            self._notices = []
            try:
                answer = self._once(sql)
            except SessionLostError as error:
                lost = lost or str(error).strip().splitlines()[0]
                self.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                break
        return _with(answer, self._notices, lost)

    def _once(self, sql: str) -> Answer:
        try:
            cursor = self._open_session().execute(sql)
        except psycopg.Error as error:
            if error.sqlstate is None or error.diag.severity_nonlocalized in {"FATAL", "PANIC"}:
                raise SessionLostError(str(error)) from error
            return _refused(error)
        if cursor.description is None:
            return Answer(ok=True)
        return Answer(ok=True, rows=[[None if value is None else str(value) for value in row] for row in cursor])

    def _open_session(self) -> psycopg.Connection[TupleRow]:
        if self._session is None or self._session.closed:
            self._session = self.server.connect()
            self._session.prepare_threshold = None
            self._session.add_notice_handler(self._noticed)
        return self._session

    def _noticed(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        self._notices.append([diagnostic.severity or "", diagnostic.sqlstate or "", diagnostic.message_primary or ""])


def replay(recording: Recording, server: Server) -> Iterator[Verdict]:
    """Replay a recording on a server that was just made, and yield a verdict for each step."""
    genuine = all(server.shelf.is_genuine(*_build(step.arg)) for step in recording.steps if step.do == "install")
    comparison, session = Comparison(recording, genuine), Replay(server)
    try:
        for step in recording.steps:
            yield comparison.verdict(step, session.answer(step))
    finally:
        session.close()


def _build(arg: str) -> tuple[str, str]:
    extension, _, version = arg.rpartition("-")
    return extension, version


def _refused(error: psycopg.Error) -> Answer:
    detail = error.diag.message_detail
    if detail is not None and _BACKTRACE.search(detail):
        detail = "(Rust backtrace)"
    return Answer(
        ok=False,
        sqlstate=error.sqlstate,
        severity=error.diag.severity,
        message=error.diag.message_primary,
        message_detail=detail,
        message_hint=error.diag.message_hint,
    )


def _with(answer: Answer, notices: list[list[str]], lost: str | None) -> Answer:
    return Answer(
        ok=answer.ok,
        rows=answer.rows,
        sqlstate=answer.sqlstate,
        severity=answer.severity,
        message=answer.message,
        message_detail=answer.message_detail,
        message_hint=answer.message_hint,
        notices=_shortened(notices) or None,
        first_connection_refused_with=lost,
    )


def _shortened(notices: list[list[str]]) -> list[list[str]]:
    if len(notices) <= _ALL_NOTICES:
        return notices
    return [*notices[:_FIRST_NOTICES], ["", "", f"... {len(notices) - _FIRST_NOTICES} more"]]


def report(verdict: Verdict, *, quiet: bool) -> str:
    """Return the lines to print for one step; none for an agreeing one when quiet."""
    if quiet and verdict.outcome in {"agrees", "not compared"}:
        return ""
    what = " ".join(verdict.step.what.split())
    lines = [f"{verdict.step.number:4} {verdict.outcome:12} {what}"]
    for difference in verdict.differences:
        lines += [f"       {difference.field} recorded: {difference.recorded}"]
        lines += [f"       {difference.field} replayed: {difference.replayed}"]
    return "\n".join(lines)


def main() -> int:
    """Replay the recordings named on the command line; 0 if nothing differs."""
    parser = argparse.ArgumentParser(description="Replay recordings on the builds of a shelf.")
    parser.add_argument("recordings", type=Path, nargs="+")
    parser.add_argument("--shelf", type=Path, action="append", default=[])
    parser.add_argument("--pg-tree", type=Path)
    parser.add_argument("--quiet", action="store_true", help="print only what differs")
    options = parser.parse_args()
    tree = Tree.at(options.pg_tree) if options.pg_tree else Tree.default()
    shelf = Shelf.default(tree, *options.shelf)
    total: Counter[str] = Counter()
    for path in options.recordings:
        total += _replay_file(path, tree, shelf, quiet=options.quiet)
    if len(options.recordings) > 1:
        _say(f"total: {_counted(total)}")
    return 1 if total["differs"] else 0


def _say(text: str) -> None:
    if text:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def _replay_file(path: Path, tree: Tree, shelf: Shelf, *, quiet: bool) -> Counter[str]:
    recording, counts = load(path), Counter[str]()
    _say(recording.name)
    with tempfile.TemporaryDirectory(prefix="replay-") as name:
        Path(name).chmod(0o755)
        with Server.create(Path(name) / "server", tree=tree, shelf=shelf) as server:
            try:
                for verdict in replay(recording, server):
                    counts[verdict.outcome] += 1
                    _say(report(verdict, quiet=quiet))
            except SandboxError as error:
                counts["differs"] += 1
                _say(f"     given up   {error}")
    _say(f"  {_counted(counts)}")
    return counts


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items()))


if __name__ == "__main__":
    sys.exit(main())
