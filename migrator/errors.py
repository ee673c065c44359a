"""Every refusal and failure of the tool: the docstring is the default message, the class carries the exit code.

A message is one lower-case sentence without a full stop that says the outcome too; the hint is what to do next.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """The exit codes; they are an interface."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    WAITING = 3
    BLOCKED = 4
    REFUSED = 5
    WORK_PENDING = 100
    INTERRUPTED = 130


class MigratorError(Exception):
    """something went wrong; nothing was changed"""

    exit_code: ClassVar[ExitCode] = ExitCode.FAILED

    def __init__(
        self, message: str | None = None, *, hint: str | None = None, facts: Sequence[tuple[str, str]] = ()
    ) -> None:
        """Keep the sentence, what to do about it, and the lines (label, text) that explain it."""
        super().__init__(message or self.__doc__ or type(self).__name__)
        self.hint = hint
        self.facts = tuple(facts)


def code_of(error: BaseException) -> ExitCode:
    """Return the exit code of whatever ends the tool."""
    if isinstance(error, MigratorError):
        return error.exit_code
    return ExitCode.INTERRUPTED if isinstance(error, KeyboardInterrupt) else ExitCode.FAILED


class CannotConnect(MigratorError):
    """the server cannot be reached; nothing was changed"""


class WrongPassword(CannotConnect):
    """the server refuses this role and password; nothing was changed"""


class ServerStarting(CannotConnect):
    """the server is starting or stopping and takes no connections yet; nothing was changed"""


class NoSuchDatabase(CannotConnect):
    """there is no such database on this server; nothing was changed"""


class BadConnectionSettings(MigratorError):
    """the connection settings cannot be understood; nothing was changed"""

    exit_code = ExitCode.USAGE


class Usage(MigratorError):
    """these options do not go together; nothing was changed"""

    exit_code = ExitCode.USAGE


class NotImmich(MigratorError):
    """this database has none of Immich's tables; nothing was changed"""

    exit_code = ExitCode.BLOCKED


class WrongSource(MigratorError):
    """the database does not use what --from names; nothing was changed"""

    exit_code = ExitCode.BLOCKED


class Standby(MigratorError):
    """this server is a standby and takes no changes; nothing was changed"""

    exit_code = ExitCode.BLOCKED


class Pooler(MigratorError):
    """a connection pooler answers, not PostgreSQL itself; nothing was changed"""

    exit_code = ExitCode.BLOCKED


class OtherDatabase(MigratorError):
    """the journal belongs to another database; nothing was changed"""

    exit_code = ExitCode.REFUSED


class JournalTooNew(MigratorError):
    """the journal was written by a newer version of this tool; nothing was changed"""

    exit_code = ExitCode.REFUSED


class JournalUnreadable(MigratorError):
    """the journal is damaged; nothing was changed"""

    exit_code = ExitCode.REFUSED


class NotAJournal(MigratorError):
    """what --journal names is no journal of this tool; it was not touched, and nothing was changed"""

    exit_code = ExitCode.REFUSED


class JournalWriteFailed(MigratorError):
    """the journal cannot be written, so nothing further was changed"""


class AlreadyRunning(MigratorError):
    """another copy of this tool works on this database; nothing was changed"""

    exit_code = ExitCode.REFUSED


class CommitPending(MigratorError):
    """the server still works on a transaction that an earlier start left; nothing was changed"""

    exit_code = ExitCode.REFUSED


class Contradiction(MigratorError):
    """the journal and the server disagree; nothing was changed"""

    exit_code = ExitCode.REFUSED


class NothingToTakeBack(MigratorError):
    """no run is known that could be taken back; nothing was changed"""

    exit_code = ExitCode.BLOCKED


class WayBackClosed(MigratorError):
    """there is no way back any more; nothing was changed"""

    exit_code = ExitCode.BLOCKED


class StatementFailed(MigratorError):
    """a statement failed and was rolled back"""


class LockNotGiven(StatementFailed):
    """a lock was not given in time; the statement was rolled back"""

    exit_code = ExitCode.BLOCKED


class ProofFailed(StatementFailed):
    """what was counted and hashed before differs from what is there after; everything was rolled back"""


class NotDoneAfterAll(MigratorError):
    """the statements ran, but the server does not show their result"""


class ConnectionLost(MigratorError):
    """the connection to the server was lost"""


class RestartFailed(MigratorError):
    """the restart command did not bring the server back"""

    exit_code = ExitCode.WAITING


class NothingToBackUp(MigratorError):
    """there are no embeddings that could be copied; nothing was changed"""

    exit_code = ExitCode.BLOCKED


class NoRoomForBackup(MigratorError):
    """there is not enough room for the copy of the embeddings; nothing was changed"""

    exit_code = ExitCode.BLOCKED


class BackupExists(MigratorError):
    """there is something already where the copy should go, and it is never overwritten; nothing was changed"""

    exit_code = ExitCode.REFUSED


class BackupFailed(MigratorError):
    """the copy of the embeddings could not be written; nothing of it is left, and nothing was changed"""


class BackupDamaged(MigratorError):
    """the copy of the embeddings is damaged; nothing was changed"""


class BackupTooNew(MigratorError):
    """the copy was written by a newer version of this tool; nothing was changed"""

    exit_code = ExitCode.REFUSED


class NoBackup(MigratorError):
    """there is no copy of the embeddings in this folder; nothing was changed"""

    exit_code = ExitCode.USAGE


class RestoreFailed(MigratorError):
    """the embeddings could not be put back; what was not finished was rolled back"""


class OtherOrigin(MigratorError):
    """none of the rows in the copy has its place in this database; nothing was changed"""

    exit_code = ExitCode.BLOCKED
