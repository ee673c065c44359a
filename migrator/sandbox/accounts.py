"""The account that throw-away servers run as: never root, which Postgres refuses."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from migrator.sandbox.errors import FolderClosed, SandboxError

OWN_ACCOUNT = "migrator-sandbox"
_CREATORS: tuple[tuple[str, ...], ...] = (
    ("useradd", "--system", "--no-create-home", "--shell", "/bin/sh", OWN_ACCOUNT),
    ("adduser", "-S", "-D", "-H", OWN_ACCOUNT),  # busybox
)


class Identity(TypedDict, total=False):
    """The arguments of `subprocess` that change the user."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Account:
    """Who runs a server.

    Attributes:
        switch: Whether processes have to change to this account first, because we are root.
    """

    name: str
    uid: int
    gid: int
    switch: bool

    def identity(self) -> Identity:
        """Return the arguments for `subprocess`; empty where we already are this account."""
        if not self.switch:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Give a file, or a folder with everything below it, to this account."""
        if not self.switch:
            return
        os.chown(path, self.uid, self.gid, follow_symlinks=False)
        if path.is_dir() and not path.is_symlink():
            for folder, names, files in os.walk(path):
                for name in (*names, *files):
                    os.chown(Path(folder, name), self.uid, self.gid, follow_symlinks=False)

    def run(
        self, argv: Sequence[str | Path], *, folder: Path, timeout_seconds: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as this account and wait for it; the exit status is the caller's business."""
        return subprocess.run(  # noqa: PLW1510
            argv,
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            **self.identity(),
        )

    def require_access(self, folder: Path) -> None:
        """Make sure that this account can walk down to a folder.

        Raises:
            FolderClosed: One of the parents is closed to others.
        """
        if not self.switch:
            return
        for parent in reversed(folder.resolve().parents):
            status = parent.stat()
            mine = status.st_uid == self.uid and status.st_mode & 0o100
            if not mine and not status.st_mode & 0o001:
                raise FolderClosed(
                    f'account "{self.name}" cannot enter "{parent}"', hint="choose a folder open to others"
                )


def environment(**more: str) -> Mapping[str, str]:
    """Return a small environment: nothing of ours, PG* variables least of all, reaches a server."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "HOME": "/", **more}


def server_account() -> Account:
    """Pick the account for servers; as root, create one where none fits.

    Raises:
        SandboxError: We are root and there is no other account at all.
    """
    if os.geteuid() != 0:
        return _account(pwd.getpwuid(os.geteuid()), switch=False)
    return _existing("postgres", OWN_ACCOUNT) or _created() or _last_resort()


def _existing(*names: str) -> Account | None:
    for name in names:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return _account(entry, switch=True)
    return None


def _created() -> Account | None:
    for argv in _CREATORS:
        if shutil.which(argv[0]):
            # The outcome is looked up, not trusted: a parallel process may have been faster.
            subprocess.run(argv, capture_output=True, check=False)
            if account := _existing(OWN_ACCOUNT):
                return account
    return None


def _last_resort() -> Account:
    if account := _existing("nobody"):
        return account
    raise SandboxError(
        "there is no account to run a server as", hint=f'create one, for example "useradd {OWN_ACCOUNT}"'
    )


def _account(entry: pwd.struct_passwd, *, switch: bool) -> Account:
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, switch)
