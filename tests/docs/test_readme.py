"""The README's commands are those that are run on every change."""

import os
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FIRST_SCREEN = README.split("\n## ", 1)[0]
COMMANDS = re.findall(r"^```sh\n(.*?)\n```$", FIRST_SCREEN, re.MULTILINE | re.DOTALL)


def test_the_first_screen_has_two_commands_and_fits() -> None:
    """One tries the tool, one tests it, and neither needs scrolling."""
    assert len(COMMANDS) == 2
    assert all("\n" not in command for command in COMMANDS)
    assert len(FIRST_SCREEN.splitlines()) <= 30


def test_every_change_is_tested_with_the_command_of_the_readme() -> None:
    """The checks run exactly what a reader is told to run."""
    checks = ROOT / ".ci/run"
    assert COMMANDS[1] in checks.read_text(encoding="utf-8").splitlines()
    assert os.access(checks, os.X_OK)
    assert (ROOT / COMMANDS[1].split()[-1]).is_file()


def test_the_demo_command_installs_what_the_demo_needs() -> None:
    """The extra that the README names exists, and the command is the console script of this distribution."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (extra,) = re.findall(r"'\.\[(\w+)\]'", COMMANDS[0])
    assert project["optional-dependencies"][extra]
    assert COMMANDS[0].endswith(".venv/bin/migrate demo")
    assert "migrate" in project["scripts"]
