"""How long the command line takes to start, as a ratio to importing what it cannot do without.

Alternates the commands, so that whatever else the machine does meets all of them, and compares medians.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

MIGRATE = str(Path(sys.executable).with_name("migrate"))
YARDSTICK = 'python -c "import psycopg, click"'
COMMANDS = {
    YARDSTICK: [sys.executable, "-c", "import psycopg, click"],
    "migrate --version": [MIGRATE, "--version"],
    "migrate --help": [MIGRATE, "--help"],
}
TARGETS = {"migrate --version": 1.5, "migrate --help": 2.0}


def seconds_of(command: Sequence[str]) -> float:
    """Run a command and return how long it took."""
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def main() -> int:
    """Measure, print a table, and return 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=25, help="runs of each command (default: 25)")
    runs = parser.parse_args().runs
    for command in COMMANDS.values():  # fills the caches of bytecode and of the disk
        seconds_of(command)
    measured: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(runs):
        for name, command in COMMANDS.items():
            measured[name].append(seconds_of(command))
    yardstick = median(measured[YARDSTICK])
    missed = 0
    for name, seconds in measured.items():
        ratio, target = median(seconds) / yardstick, TARGETS.get(name)
        missed += target is not None and ratio > target
        verdict = "" if target is None else f"  (at most {target})"
        print(f"{name:<36} {median(seconds) * 1000:6.0f} ms   {ratio:5.2f} x{verdict}")
    print(f"medians of {runs} alternating runs")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
