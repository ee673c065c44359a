"""What can go wrong with a throw-away server, in words."""

# ruff: noqa: N818 (named after what happened)


class SandboxError(Exception):
    """The throw-away server cannot do what was asked."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        """Return the sentence, with the remedy behind it where there is one."""
        message = super().__str__()
        return f"{message}; {self.hint}" if self.hint else message


class TreeNotFound(SandboxError):
    """No usable Postgres tree is there."""


class BuildNotFound(SandboxError):
    """No folder of the shelf holds the wanted build of an extension."""


class CompilationFailed(SandboxError):
    """A stand-in could not be compiled."""


class FolderClosed(SandboxError):
    """The account that runs the server cannot reach the server's folder."""


class ServerStartFailed(SandboxError):
    """The server ended, or did not answer, instead of starting.

    Args:
        complaints: FATAL, PANIC, ERROR and WARNING lines of this start, severity first.
    """

    def __init__(self, complaints: tuple[str, ...]) -> None:
        super().__init__("the server did not start: " + ("\n".join(complaints) or "it left no message"))
        self.complaints = complaints


class ServerStopFailed(SandboxError):
    """The server is still running although it was told to stop."""
