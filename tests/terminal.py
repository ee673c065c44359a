"""The command in a terminal, as a person has it before them."""

from __future__ import annotations

import re
import signal
from typing import Any

import pexpect
from driving import MIGRATE, Tool

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b[=>78]")
LIMIT_SECONDS = 120


class Terminal:
    """The command in a terminal of 80 columns and 24 rows, and everything that it wrote there."""

    def __init__(self, tool: Tool, *arguments: str, **environment: str) -> None:
        self.written = ""
        self._child: Any = pexpect.spawn(
            MIGRATE,
            [*arguments],
            env={**tool.environ(), **environment},
            encoding="utf-8",
            dimensions=(24, 80),
            timeout=LIMIT_SECONDS,
            # whoever runs the tests in the background ignores it, and that is inherited
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def until(self, text: str) -> None:
        """Read until a text was written."""
        self._child.expect_exact(text)
        self.written += f"{self._child.before}{text}"

    def type(self, line: str) -> None:
        """Type a line."""
        self._child.sendline(line)

    def press_control_c(self) -> None:
        """Interrupt, as the terminal does."""
        self._child.sendintr()

    def end(self) -> int:
        """Read to the end, and return the exit code."""
        self._child.expect(pexpect.EOF)
        self.written += str(self._child.before)
        self._child.close()
        assert self._child.exitstatus is not None, f"ended by signal {self._child.signalstatus}"
        return int(self._child.exitstatus)

    @property
    def text(self) -> str:
        """What was written, without the terminal's codes."""
        return ESCAPE.sub("", self.written).replace("\r\n", "\n")
